//! Assigns subnets to the private networks of all nodes and to those of the cluster at once.

use std::collections::HashMap;

use super::super::address::{AddressError, At, Layout, Owner, Request};
use super::super::extent::Extent;
use super::super::{Network, Node};
use super::Expansion;
use super::links::Made;
use crate::diagnostic::Span;

impl Expansion<'_> {
    /// Promise 4: assigns a subnet to each network that has no `ipam` of its own and is not external. `counts` are the numbers
    /// of nodes by role.
    pub(super) fn give_subnets(&mut self, nodes: &mut [Node], counts: &[Extent]) {
        let Some(layout) = self.layout else {
            return;
        };
        let roles = self.blueprint.roles.iter().zip(counts);
        let counted: HashMap<&str, bool> = roles
            .map(|(r, c)| (r.name.value.as_str(), *c != Extent::Single))
            .collect();
        let rooms = self.rooms(nodes);
        let ordinals: Vec<Vec<u32>> = nodes
            .iter()
            .map(|n| n.dimensions.values().map(|i| i - 1).collect())
            .collect();
        let private = nodes
            .iter()
            .zip(&ordinals)
            .zip(&rooms)
            .flat_map(|((node, ordinals), rooms)| {
                let networks = node.networks.iter().filter(|n| asks(n));
                networks.map(move |network| (node, ordinals, network, rooms.get(&network.key).copied()))
            });
        let of_nodes = private.map(|(node, ordinals, network, room)| {
            let joining = node.services.iter().filter(|s| s.joins(&network.key));
            Request {
                owner: Owner::Role(node.role.as_str()),
                network: network.key.as_str(),
                at: match counted.get(node.role.as_str()) {
                    Some(true) if ordinals.is_empty() => At::Counted(node.index - 1),
                    Some(true) => At::Dimensions(ordinals),
                    _ => At::Single,
                },
                containers: joining
                    .map(|s| s.replicas as usize)
                    .sum::<usize>()
                    .max(room.unwrap_or_default()),
            }
        });
        let of_cluster = self.links.made.iter().map(|made| self.link_request(made, layout));
        let requests: Vec<Request<'_>> = of_nodes.chain(of_cluster).collect();
        let mut subnets = layout.private(&requests).into_iter();
        let mut faults: Vec<(AddressError, Option<Span>)> = Vec::new();
        let mut fault = |error: AddressError, place: Option<Span>| {
            // Others of the same count would repeat the same problem.
            if !faults.iter().any(|(_, other)| *other == place) {
                faults.push((error, place));
            }
        };
        for node in nodes {
            let role = self.blueprint.role(node.role.as_str());
            for network in node.networks.iter_mut().filter(|n| asks(n)) {
                match subnets.next() {
                    Some(Ok(subnet)) => network.subnet = Some(subnet),
                    Some(Err(error)) => {
                        let place = role.map(|role| {
                            let declared = role.networks.iter().find(|n| n.key.value == network.key);
                            let place = declared.map_or(role.name.span, |n| n.key.span);
                            role.count.as_ref().map_or(place, |count| count.span())
                        });
                        fault(error, place);
                    }
                    None => {}
                }
            }
        }
        for made in &self.links.made {
            match subnets.next() {
                Some(Ok(subnet)) => self.shared[made.at].subnet = Some(subnet),
                Some(Err(error)) => {
                    let declared = &self.blueprint.networks[made.declared];
                    let place = declared.count.as_ref().map_or(declared.key.span, |count| count.span);
                    fault(error, Some(place));
                }
                None => {}
            }
        }
        for (error, place) in faults {
            self.address_problem(error, place);
        }
    }

    /// What a network of the cluster asks for. A single one has a whole block, as `inout` has, so that it stays where it is when
    /// more nodes join it; one of several is as large as those on it need, and is a link of two mostly.
    fn link_request<'a>(&'a self, made: &'a Made, layout: Layout) -> Request<'a> {
        let (at, containers) = match made.ordinals.as_slice() {
            [] => (At::Single, made.containers.max(layout.whole_block())),
            [ordinal] => (At::Counted(*ordinal), made.containers),
            several => (At::Dimensions(several), made.containers),
        };
        Request {
            owner: Owner::Cluster,
            network: self.blueprint.networks[made.declared].key.value.as_str(),
            at,
            containers,
        }
    }
}

/// Whether `network` gets its subnet from the pool.
fn asks(network: &Network) -> bool {
    !network.options.contains_key("ipam")
}
