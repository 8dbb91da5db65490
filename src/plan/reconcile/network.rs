//! Networks: which exist, which are recreated, and on which subnets.

use std::cmp::Reverse;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::{PlannedNetwork, Up, change};
use crate::cluster::NetworkSpec;
use crate::cluster::ObservedContainer;
use crate::cluster::ObservedNetwork;
use crate::cluster::label;
use crate::name::NodeName;
use crate::plan::Action;
use crate::plan::conflict::Conflict;
use crate::topology::address::{Subnets, overlap};

impl<'a> Up<'a> {
    /// Finds the observed network that matches `spec`, and marks others of its name for removal.
    pub(super) fn resolve_network(&mut self, spec: &'a NetworkSpec) {
        let name = spec.name.as_str();
        let named = self.named.get(name).into_iter().flatten().copied();
        let (own, foreign): (Vec<&ObservedNetwork>, Vec<&ObservedNetwork>) =
            named.partition(|n| n.is_of(&self.desired.cluster));
        if let Some(foreign) = foreign.first() {
            // A shared network may belong to somebody else; a private one must be ours.
            if spec.node.is_some() || !own.is_empty() {
                self.conflict(Conflict::ForeignNetwork {
                    name: name.to_owned(),
                    project: foreign
                        .labels
                        .get(label::compose::PROJECT)
                        .filter(|project| !project.is_empty())
                        .cloned(),
                });
            }
            if !spec.external {
                self.plan.notes.push(format!(
                    "network `{name}` is there already and not of this cluster: it is used as it is, and `external: true` says \
                     that this is meant"
                ));
            }
            let id = Some(foreign.id.clone());
            self.networks.insert(name, PlannedNetwork { id, ready: Vec::new() });
            return;
        }
        if spec.external && own.is_empty() {
            self.conflict(Conflict::MissingNetwork { name: name.to_owned() });
            return;
        }
        let hash =
            |n: &ObservedNetwork| n.labels.get(label::CONFIG_HASH).map(String::as_str) == Some(spec.hash.as_str());
        let users = |n: &ObservedNetwork| self.members.on(n).len();
        // A killed `up` may leave several networks of one name; the one in use stays.
        let right = own
            .iter()
            .filter(|n| spec.external || hash(n) && self.outside_pool(n, spec).is_none());
        let kept = right.max_by_key(|n| (users(n), Reverse(&n.id))).copied();
        for network in own.into_iter().filter(|n| kept.is_none_or(|k| k.id != n.id)) {
            let on_it = self.members.on(network);
            let mut guests = self.observed.guests(network);
            let stays = |c: &&&ObservedContainer| self.is_orphan(c) && !self.is_marked(c);
            guests.extend(on_it.iter().filter(stays).map(|c| c.name.clone()));
            if !guests.is_empty() {
                self.conflict(Conflict::InUse {
                    name: name.to_owned(),
                    guests,
                });
                continue;
            }
            for container in on_it {
                self.mark_for_removal(container, format!("network `{name}` is recreated"));
            }
            let cause = match kept {
                Some(_) => "another one has its name".to_owned(),
                None if hash(network) => self.outside_pool(network, spec).unwrap_or_default(),
                None => change::of_network(network, spec),
            };
            self.networks_to_remove.push((network, cause));
            for subnet in &network.subnets {
                self.subnets.remove(subnet);
            }
        }
        let id = kept.map(|k| k.id.clone());
        self.networks.insert(name, PlannedNetwork { id, ready: Vec::new() });
    }

    /// That the subnet of `network` does not lie where the blueprint has subnets of networks like that of `spec`; `None` if it
    /// does, or if the blueprint leaves the subnet to the engine.
    fn outside_pool(&self, network: &ObservedNetwork, spec: &NetworkSpec) -> Option<String> {
        let pool = self.desired.layout.filter(|_| spec.subnet.is_some())?.pool();
        let outside = network.subnets.iter().find(|subnet| !pool.contains(*subnet))?;
        Some(format!("its subnet {outside} is not in `addresses.pool` {pool}"))
    }

    /// Creates the network of `spec` if it does not exist.
    pub(super) fn network(&mut self, spec: &'a Arc<NetworkSpec>) {
        let name = spec.name.as_str();
        let removed = self.named.get(name).into_iter().flatten();
        let mut after: Vec<usize> = removed
            .filter_map(|n| self.removed.get(n.id.as_str()).copied())
            .collect();
        let Some(planned) = self.networks.get_mut(name) else {
            return;
        };
        if planned.id.is_some() {
            planned.ready = after;
            return;
        }
        let mut cause = match after.is_empty() {
            true => "not found".to_owned(),
            false => "recreated".to_owned(),
        };
        let mut spec = spec.clone();
        match spec.subnet {
            Some(subnet) => {
                let Some(free) = self.free_subnet(subnet) else {
                    self.conflict(Conflict::NoSubnet { name: name.to_owned() });
                    return;
                };
                if free != subnet {
                    let by = self
                        .holder(subnet)
                        .map_or_else(String::new, |(_, by)| format!(" by {by}"));
                    cause = format!("{cause}; {subnet} is taken{by}, {free} is free");
                    Arc::make_mut(&mut spec).subnet = Some(free);
                }
                self.subnets.insert(free);
                let in_the_way = |n: &&ObservedNetwork| n.subnets.iter().any(|s| overlap(s, &free));
                let all = self.observed.networks.iter().filter(in_the_way);
                after.extend(all.filter_map(|n| self.removed.get(n.id.as_str())));
                after.sort_unstable();
                after.dedup();
            }
            None => self.fixed_subnets_are_free(&spec),
        }
        let node = spec.node.clone();
        let node = node.as_ref().map(NodeName::as_str);
        let made = self.plan.push(Action::CreateNetwork(spec), name, node, cause, after);
        self.networks.insert(
            name,
            PlannedNetwork {
                id: None,
                ready: vec![made],
            },
        );
    }

    /// `subnet`, or if it is taken the first free one of the same size that no network of the cluster is planned for.
    fn free_subnet(&self, subnet: Ipv4Net) -> Option<Ipv4Net> {
        if !self.subnets.meets(&subnet) {
            return Some(subnet);
        }
        let nodes = self.desired.nodes.iter().flat_map(|n| &n.networks);
        let shared = self.desired.shared.iter().chain([&self.desired.inout]);
        let reserved: Subnets = nodes.chain(shared).filter_map(|n| n.subnet).collect();
        self.desired
            .layout?
            .alternatives(subnet)
            .find(|s| !self.subnets.meets(s) && !reserved.meets(s))
    }

    /// Reports subnets that the blueprint itself fixes and somebody else holds, since no other can replace them.
    fn fixed_subnets_are_free(&mut self, spec: &NetworkSpec) {
        for subnet in spec.fixed_subnets() {
            if let Some((taken, by)) = self.holder(subnet) {
                self.conflict(Conflict::SubnetTaken {
                    name: spec.name.to_string(),
                    subnet,
                    taken,
                    by,
                });
            }
        }
    }

    /// What overlaps with `subnet` and stays: a network of the engine, or one that the host reaches by an interface.
    fn holder(&self, subnet: Ipv4Net) -> Option<(Ipv4Net, String)> {
        let stays = |n: &&ObservedNetwork| !self.removed.contains_key(n.id.as_str());
        let networks = self.observed.networks.iter().filter(stays);
        let networks = networks.flat_map(|n| n.subnets.iter().map(move |s| (*s, format!("network `{}`", n.name))));
        let routes = self.observed.host.routes.iter();
        let routes = routes.map(|(s, interface)| (*s, format!("interface `{interface}`")));
        networks.chain(routes).find(|(s, _)| overlap(s, &subnet))
    }
}
