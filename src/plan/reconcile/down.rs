//! Plans the removal of a whole cluster.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::members::Members;
use super::order;
use super::remove;
use super::remove_network;
use super::surplus::kept_by;
use super::volume::{self, Removal};
use crate::cluster::Observed;
use crate::cluster::ObservedContainer;
use crate::cluster::ObservedNetwork;
use crate::cluster::label;
use crate::name::ClusterName;
use crate::plan::{Action, Plan, named};
use crate::text::Natural;
use crate::text::natural;

const CAUSE: &str = "going down";

/// Removes everything with the labels of `cluster`, except networks that foreign containers are on, and named volumes
/// unless `volumes` is set.
#[must_use]
pub fn down(cluster: &ClusterName, observed: &Observed, volumes: bool) -> Plan {
    let mut plan = Plan::default();
    let node_of = |n: &ObservedNetwork| n.labels.get(label::NODE).cloned().unwrap_or_default();
    let mut networks: BTreeMap<(bool, Natural), Vec<&ObservedNetwork>> = BTreeMap::new();
    for network in observed.networks.iter().filter(|n| n.is_of(cluster)) {
        let node = node_of(network);
        // The shared networks come last.
        networks
            .entry((node.is_empty(), natural(&node)))
            .or_default()
            .push(network);
    }
    let mut containers: Vec<&ObservedContainer> = observed.containers.iter().collect();
    containers.sort_by_cached_key(|c| natural(c.node()));
    let mut left: HashMap<&str, usize> = HashMap::new();
    for container in &containers {
        *left.entry(container.node()).or_default() += 1;
    }
    let members = Members::of(&observed.containers);
    let mut stopped: HashMap<&str, usize> = HashMap::new();
    let mut removed: HashMap<&str, usize> = HashMap::new();
    let mut removals: Vec<Removal<'_>> = Vec::new();
    let remove_all = |networks: Vec<&ObservedNetwork>, removed: &HashMap<&str, usize>, plan: &mut Plan| {
        for network in networks {
            let guests = observed.guests(network);
            if !guests.is_empty() {
                plan.notes.push(kept_by(network, &guests));
                continue;
            }
            let on_it = members.on(network).into_iter();
            let after = on_it.filter_map(|c| removed.get(c.id.as_str()).copied()).collect();
            remove_network(plan, network, CAUSE, after);
        }
    };
    for (container, dependents) in order::stops(&containers) {
        let after = dependents.iter().filter_map(|d| stopped.get(d).copied()).collect();
        let (stop, at) = remove(&mut plan, (container, &container.name), CAUSE, after, true);
        removals.push(Removal {
            container,
            at,
            volumes: true,
        });
        stopped.insert(&container.id, stop);
        removed.insert(&container.id, at);
        let node = container.node();
        if let Some(count) = left.get_mut(node) {
            *count -= 1;
            // The networks of a node are removed while containers of other nodes still stop.
            if *count == 0
                && let Some(own) = networks.remove(&(false, natural(node)))
            {
                remove_all(own, &removed, &mut plan);
            }
        }
    }
    for (_, rest) in networks {
        remove_all(rest, &removed, &mut plan);
    }
    volume::remove_leftovers(&mut plan, observed, &removals, &HashSet::new());
    self::volumes(cluster, observed, volumes, &removed, &mut plan);
    plan
}

fn volumes(cluster: &ClusterName, observed: &Observed, too: bool, removed: &HashMap<&str, usize>, plan: &mut Plan) {
    let own = observed.volumes.iter().filter(|v| v.is_of(cluster));
    let (nameless, own): (Vec<_>, Vec<_>) = own.partition(|v| v.is_anonymous());
    // They are removed with their containers, but for those that a client left that was killed while it created one.
    let all = || observed.containers.iter().chain(&observed.foreign);
    let is_mounted = |name: &str| all().any(|c| c.mounts.iter().any(|(volume, _)| volume == name));
    for volume in nameless.into_iter().filter(|v| !is_mounted(&v.name)) {
        let node = named(volume.labels.get(label::NODE).map_or("", String::as_str));
        plan.push(
            Action::RemoveVolume,
            &volume.name,
            node,
            "no container has it",
            Vec::new(),
        );
    }
    if !too {
        if !own.is_empty() {
            plan.notes.push(format!(
                "{} left, with what is in {}: `--volumes` removes {}",
                match own.len() {
                    1 => "1 volume is".to_owned(),
                    n => format!("{n} volumes are"),
                },
                if own.len() == 1 { "it" } else { "them" },
                if own.len() == 1 { "it too" } else { "them too" },
            ));
        }
        return;
    }
    for volume in own {
        let mounts = |c: &&ObservedContainer| c.mounts.iter().any(|(name, _)| *name == volume.name);
        let on_it = observed.containers.iter().filter(mounts);
        let after = on_it.filter_map(|c| removed.get(c.id.as_str()).copied()).collect();
        let node = named(volume.labels.get(label::NODE).map_or("", String::as_str));
        plan.push(Action::RemoveVolume, &volume.name, node, CAUSE, after);
    }
}
