//! Compares desired and observed state, and plans the operations that lead from one to the other. No engine is needed
//! to test it.
//!
//! First it decides what to remove and why. Then it writes the plan: what is removed, what is created, and what starts
//! in which order.

mod blocked;
mod change;
mod container;
mod down;
mod image;
mod members;
mod network;
pub(super) mod order;
mod rename;
mod replace;
mod restart;
mod room;
mod surplus;
mod update;
mod volume;

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use indexmap::IndexMap;

use super::conflict::Conflict;
use super::{Action, Plan, named};
use crate::cluster::ContainerSpec;
use crate::cluster::Desired;
use crate::cluster::HostPort;
use crate::cluster::Observed;
use crate::cluster::ObservedContainer;
use crate::cluster::ObservedNetwork;
use crate::compose::Condition;
use crate::topology::address::Subnets;
use members::Members;
use replace::Replaced;
use restart::Restarts;
use volume::Removal;

pub use change::changed;
pub use down::down;

/// The options of `up` that affect the plan.
#[derive(Debug, Default, Clone)]
pub struct Options {
    /// Whether the engine has the fake image of this topogen.
    pub fake_ready: bool,
    /// Whether to remove containers of roles that are not in the blueprint.
    pub remove_orphans: bool,
    /// Whether to wait until all containers run and are healthy.
    pub wait: bool,
    /// The IDs of containers that are recreated whether they differ or not.
    pub recreate: HashSet<String>,
}

/// The plan that leads from `observed` to `desired`.
///
/// # Errors
/// All conflicts.
pub fn up(desired: &Desired, observed: &Observed, options: &Options) -> Result<Plan, Vec<Conflict>> {
    let mut up = Up::new(desired, observed, options);
    up.surplus_containers();
    up.note_cuts();
    // What is to be recreated must be known first: networks that grow take over the addresses of their neighbours.
    for network in desired.networks() {
        up.resolve_network(network);
    }
    up.decide_containers();
    up.find_what_blocks();
    up.images();
    up.remove_containers();
    up.rename_containers();
    up.remove_networks();
    for volume in &desired.volumes {
        up.volume(volume);
    }
    for network in [&desired.inout].into_iter().chain(&desired.shared) {
        up.network(network);
    }
    up.nodes();
    up.remove_leftovers();
    if up.conflicts.is_empty() {
        up.create_before_stopping();
        up.try_one_first();
        up.essential_images_first();
        up.room();
        up.plan.sort();
        Ok(up.plan)
    } else {
        Err(up.conflicts)
    }
}

/// A network that the plan uses.
struct PlannedNetwork {
    /// The engine's id; `None` where it is yet to be created.
    id: Option<String>,
    /// Operations that must succeed before a container can join it.
    ready: Vec<usize>,
}

/// What happens to a desired container.
enum Decision<'a> {
    /// It does not exist.
    Create,
    /// It is recreated; the operations remove the existing one first.
    Recreate(&'a ObservedContainer),
    /// It stays as it is.
    Keep(&'a ObservedContainer),
    /// It cannot be created or started; the existing one is left alone.
    Blocked(Conflict),
}

struct Up<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    options: &'a Options,
    /// The desired containers, by name.
    specs: HashMap<&'a str, &'a Arc<ContainerSpec>>,
    /// The observed containers of the cluster, by the name that they were created under.
    there: HashMap<&'a str, &'a ObservedContainer>,
    /// The observed networks, by name.
    named: HashMap<&'a str, Vec<&'a ObservedNetwork>>,
    members: Members<'a>,
    plan: Plan,
    conflicts: Vec<Conflict>,
    /// Containers to remove, by ID, and why.
    to_remove: IndexMap<&'a str, (&'a ObservedContainer, String)>,
    /// Networks to remove, and why; including those that are recreated.
    networks_to_remove: Vec<(&'a ObservedNetwork, String)>,
    /// What happens to each desired container, by name, dependencies first.
    decisions: IndexMap<&'a str, Decision<'a>>,
    networks: HashMap<&'a str, PlannedNetwork>,
    /// Operations that remove containers and networks, by ID.
    removed: HashMap<&'a str, usize>,
    /// Operations after which a name is free that some container had.
    vacated: HashMap<&'a str, usize>,
    /// Host ports of containers to remove, by number, with the operations that free them.
    freed: HashMap<u16, Vec<(HostPort, usize)>>,
    /// Addresses of containers to remove, with the networks' names and the operations that free them.
    freed_addresses: HashMap<(&'a str, Ipv4Addr), usize>,
    /// Containers whose successors are created beside them, by name.
    replaced: IndexMap<&'a str, Replaced<'a>>,
    /// All containers that are removed.
    removals: Vec<Removal<'a>>,
    /// Operations that create volumes, by name.
    volumes: HashMap<&'a str, usize>,
    /// Operations that pull images, by name and platform.
    pulls: HashMap<(&'a str, Option<&'a str>), usize>,
    /// The operation that loads the fake image; `None` if it is not needed.
    fake: Option<usize>,
    /// The subnets that are taken.
    subnets: Subnets,
    /// Operations that give a container that stays its name back, by that name.
    renamed: HashMap<&'a str, usize>,
    /// Operations after which a container runs, by name.
    started: HashMap<&'a str, usize>,
    /// Operations that wait for a container, by name and condition.
    awaits: HashMap<(&'a str, Condition), usize>,
    restarts: Restarts<'a>,
}

impl<'a> Up<'a> {
    fn new(desired: &'a Desired, observed: &'a Observed, options: &'a Options) -> Self {
        let containers = desired.nodes.iter().flat_map(|n| &n.containers);
        let routes = observed.host.routes.iter().map(|(subnet, _)| *subnet);
        let mut named: HashMap<&str, Vec<&ObservedNetwork>> = HashMap::new();
        for network in &observed.networks {
            named.entry(network.name.as_str()).or_default().push(network);
        }
        let specs = containers.map(|c| (c.name.as_str(), c)).collect();
        Self {
            desired,
            observed,
            options,
            there: rename::by_name(&observed.containers, &specs),
            specs,
            named,
            members: Members::of(&observed.containers),
            plan: Plan::default(),
            conflicts: Vec::new(),
            to_remove: IndexMap::new(),
            networks_to_remove: Vec::new(),
            decisions: IndexMap::new(),
            networks: HashMap::new(),
            removed: HashMap::new(),
            vacated: HashMap::new(),
            freed: HashMap::new(),
            freed_addresses: HashMap::new(),
            replaced: IndexMap::new(),
            removals: Vec::new(),
            volumes: HashMap::new(),
            pulls: HashMap::new(),
            fake: None,
            subnets: observed
                .networks
                .iter()
                .flat_map(|n| n.subnets.iter().copied())
                .chain(routes)
                .collect(),
            renamed: HashMap::new(),
            started: HashMap::new(),
            awaits: HashMap::new(),
            restarts: Restarts::default(),
        }
    }

    fn conflict(&mut self, conflict: Conflict) {
        if !self.conflicts.contains(&conflict) {
            self.conflicts.push(conflict);
        }
    }

    /// Marks `container` for removal; the first reason is kept.
    fn mark_for_removal(&mut self, container: &'a ObservedContainer, cause: impl Into<String>) {
        self.to_remove.entry(&container.id).or_insert((container, cause.into()));
    }

    fn is_marked(&self, container: &ObservedContainer) -> bool {
        self.to_remove.contains_key(container.id.as_str())
    }

    /// The observed networks that are desired, in the order of the plan.
    fn own_networks(&self) -> impl Iterator<Item = &'a ObservedNetwork> + use<'a> {
        let cluster = &self.desired.cluster;
        self.observed.networks.iter().filter(move |n| n.is_of(cluster))
    }
}

/// Stops a container if it runs, after the operations of `after`, and removes it, with the volumes that are anonymous for
/// the engine if `volumes` says so. It comes with the name to tell people. Returns the first operation and the removing one.
fn remove(
    plan: &mut Plan,
    (container, subject): (&ObservedContainer, &str),
    cause: &str,
    after: Vec<usize>,
    volumes: bool,
) -> (usize, usize) {
    let node = named(container.node());
    let id = container.id.clone();
    let stop = has_stop(container).then(|| {
        let (id, grace) = (id.clone(), None);
        plan.push(Action::Stop { id, grace }, subject, node, cause, after.clone())
    });
    let after = stop.map_or(after, |stop| vec![stop]);
    let action = Action::RemoveContainer { id, volumes };
    let removed = plan.push(action, subject, node, cause, after);
    (stop.unwrap_or(removed), removed)
}

/// Whether `container` must be stopped before it is removed.
fn has_stop(container: &ObservedContainer) -> bool {
    use crate::cluster::State::{Paused, Restarting, Running};
    matches!(container.state, Running | Restarting | Paused)
}

fn remove_network(plan: &mut Plan, network: &ObservedNetwork, cause: &str, after: Vec<usize>) -> usize {
    let node = named(network.node());
    let action = Action::RemoveNetwork { id: network.id.clone() };
    plan.push(action, &network.name, node, cause, after)
}

/// The `items` in their order, each once.
fn distinct<T: std::hash::Hash + Eq + Copy>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut met = HashSet::new();
    items.filter(|i| met.insert(*i)).collect()
}
