//! Assigns subnets to the private networks of all nodes at once.

use std::collections::HashMap;

use super::super::address::{AddressError, Request};
use super::super::{Network, Node};
use super::Expansion;
use crate::name::{NetworkKey, RoleName};

impl Expansion<'_> {
    /// Promise 4: assigns a subnet to each private network that has no `ipam` of its own. `counts` are the numbers of
    /// nodes by role, `None` for a role without `count`.
    pub(super) fn give_subnets(&mut self, nodes: &mut [Node], counts: &[Option<u32>]) {
        let Some(layout) = self.layout else {
            return;
        };
        let roles = self.blueprint.roles.iter().zip(counts);
        let counted: HashMap<&str, bool> = roles.map(|(r, c)| (r.name.value.as_str(), c.is_some())).collect();
        let requests: Vec<Request<'_>> = nodes
            .iter()
            .flat_map(|node| {
                node.networks
                    .iter()
                    .filter(|n| asks(n))
                    .map(move |network| (node, network))
            })
            .map(|(node, network)| {
                let joining = node.services.iter().filter(|s| s.joins(&network.key));
                Request {
                    role: node.role.as_str(),
                    counted: counted.get(node.role.as_str()).is_some_and(|counted| *counted),
                    network: network.key.as_str(),
                    ordinal: node.index - 1,
                    containers: joining.map(|s| s.replicas as usize).sum(),
                }
            })
            .collect();
        let mut subnets = layout.private(&requests).into_iter();
        let mut faults: Vec<(AddressError, RoleName, NetworkKey)> = Vec::new();
        for node in nodes {
            for network in node.networks.iter_mut().filter(|n| asks(n)) {
                match subnets.next() {
                    Some(Ok(subnet)) => network.subnet = Some(subnet),
                    // Other nodes of the role would repeat the same problem.
                    Some(Err(error)) if !faults.iter().any(|(_, role, _)| *role == node.role) => {
                        faults.push((error, node.role.clone(), network.key.clone()));
                    }
                    _ => {}
                }
            }
        }
        for (error, role, network) in faults {
            let place = self.blueprint.role(role.as_str()).map(|role| {
                let declared = role.networks.iter().find(|n| n.key.value == network);
                let place = declared.map_or(role.name.span, |n| n.key.span);
                role.count.as_ref().map_or(place, |count| count.span)
            });
            self.address_problem(error, place);
        }
    }
}

/// Whether `network` gets its subnet from the pool.
fn asks(network: &Network) -> bool {
    !network.options.contains_key("ipam")
}
