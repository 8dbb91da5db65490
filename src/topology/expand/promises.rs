//! What a topology must hold before anybody gets it.

use std::collections::HashMap;

use ipnet::Ipv4Net;

use super::super::address::{AddressError, Layout, WIDEST, overlap};
use super::super::{Attachment, Node, Service, Topology};
use super::Expansion;
use crate::blueprint::INOUT;
use crate::diagnostic::{Problem, Span};
use crate::name::Alias;
use crate::value::Value;

impl Expansion<'_> {
    /// Where a service was written, for problems found in the topology.
    fn place(&self, node: &Node, service: &Service) -> Span {
        self.blueprint
            .role(node.role.as_str())
            .and_then(|r| r.services.iter().find(|s| s.name.value == service.name))
            .map_or_else(Span::default, |s| s.name.span)
    }

    /// Promises 1 to 3: inside a node and on the shared network, no name leads to two containers.
    pub(super) fn names_have_one_owner(&mut self, topology: &Topology) {
        let mut shared: HashMap<String, (&Node, &Service)> = HashMap::new();
        let mut containers: HashMap<&str, (&Node, &Service)> = HashMap::new();
        let each = || {
            topology
                .nodes
                .iter()
                .flat_map(|n| n.services.iter().map(move |s| (n, s)))
        };
        let nodes: HashMap<&str, &Node> = topology.nodes.iter().map(|n| (n.name.as_str(), n)).collect();
        let mut found = Vec::new();
        for (node, service) in each() {
            if let Some((other, _)) = containers.insert(service.container.as_str(), (node, service)) {
                found.push(
                    Problem::at(
                        self.place(node, service),
                        format!("two containers are called `{}`", service.container),
                    )
                    .label(format!("in `{}` and in `{}`", other.name, node.name))
                    .hint("let the name hold the node's: container_name: \"{{ node.name }}-…\""),
                );
            }
            for name in service
                .attachments
                .iter()
                .filter(|a| a.shared)
                .flat_map(|a| names(service, a))
            {
                if let Some(owner) = nodes.get(name.to_lowercase().as_str())
                    && !(owner.name == node.name && self.is_entry(node, service))
                {
                    found.push(
                        Problem::at(
                            self.place(node, service),
                            format!("`{}` of `{}` answers to `{name}` on `{INOUT}`", service.name, node.name),
                        )
                        .label(format!("`{name}` is the name of a node and leads to its entry alone"))
                        .hint("give it another name there, or make it the `entry` of that node"),
                    );
                }
                match shared.insert(name.to_lowercase(), (node, service)) {
                    Some((n, s)) if !std::ptr::eq(s, service) => found.push(
                        Problem::at(
                            self.place(node, service),
                            format!("two containers answer to `{name}` on `{INOUT}`"),
                        )
                        .label(format!(
                            "`{}` of `{}` and `{}` of `{}`",
                            s.name, n.name, service.name, node.name
                        ))
                        .hint(
                            "a name on a shared network has one owner: let it hold the node's, \"{{ node.name }}-…\"",
                        ),
                    ),
                    _ => {}
                }
            }
        }
        for node in &topology.nodes {
            let mut inside: HashMap<String, &Service> = HashMap::new();
            for service in &node.services {
                for name in service
                    .attachments
                    .iter()
                    .filter(|a| !a.shared)
                    .flat_map(|a| names(service, a))
                {
                    if let Some(other) = inside.insert(name.to_lowercase(), service)
                        && !std::ptr::eq(other, service)
                    {
                        found.push(
                            Problem::at(
                                self.place(node, service),
                                format!("two services answer to `{name}` inside a node"),
                            )
                            .label(format!("`{}` and `{}` of `{}`", other.name, service.name, node.name)),
                        );
                    }
                    if let Some((n, s)) = shared.get(&name.to_lowercase())
                        && !std::ptr::eq(*s, service)
                    {
                        found.push(
                            Problem::at(
                                self.place(node, service),
                                format!("`{name}` is a name inside `{}` and on `{INOUT}`", node.name),
                            )
                            .label(format!("on `{INOUT}` it leads to `{}` of `{}`", s.name, n.name))
                            .hint("the engine would answer now with the one, now with the other: rename one of them"),
                        );
                    }
                }
            }
            if !found.is_empty() {
                break;
            }
        }
        for problem in found.into_iter().take(20) {
            self.problems.push(problem);
        }
    }

    fn is_entry(&self, node: &Node, service: &Service) -> bool {
        let role = self.blueprint.role(node.role.as_str());
        role.is_some_and(|r| r.entry.iter().any(|e| e.service.value == service.name))
    }

    /// Promise 4: subnets are disjoint, those that the user wrote too.
    pub(super) fn subnets_are_disjoint(&mut self, topology: &Topology) {
        let mut subnets: Vec<(Ipv4Net, &str, Option<Span>)> = Vec::new();
        let of_nodes = topology
            .nodes
            .iter()
            .flat_map(|n| n.networks.iter().map(move |network| (Some(n), network)));
        let others = [&topology.inout].into_iter().chain(&topology.shared);
        for (node, network) in of_nodes.chain(others.map(|n| (None, n))) {
            let place = || {
                let role = self.blueprint.role(node?.role.as_str())?;
                let own = role.networks.iter().find(|n| n.key.value == network.key)?;
                Some(own.options.as_ref()?.get("ipam")?.span)
            };
            let written = network
                .options
                .get("ipam")
                .and_then(Value::as_map)
                .and_then(|m| m.get("config"));
            let written = written
                .and_then(Value::as_list)
                .unwrap_or_default()
                .iter()
                .filter_map(|pool| {
                    let subnet = pool.as_map()?.get("subnet")?.scalar()?;
                    subnet.parse::<Ipv4Net>().ok()
                });
            subnets.extend(
                network
                    .subnet
                    .into_iter()
                    .chain(written)
                    .map(|s| (s.trunc(), network.name.as_str(), place())),
            );
        }
        subnets.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        for pair in subnets.windows(2) {
            let ((a, first, place), (b, second, other)) = (&pair[0], &pair[1]);
            if overlap(a, b) {
                let mut problem = Problem::general(format!("networks `{first}` and `{second}` overlap: {a} and {b}"))
                    .hint("each needs a subnet of its own: leave `ipam` out (over a Compose file: `ipam: !reset null`), or let it hold {{ node.index }}");
                problem.place = place.or(*other);
                self.problems.push(problem);
                return;
            }
        }
    }

    /// A small pool may have no room for what joins the shared network; what one bridge can take is the engine's matter.
    pub(super) fn shared_network_has_room(&mut self, topology: &Topology) {
        let Some(prefix) = topology.inout.subnet.map(|s| s.prefix_len()) else {
            return;
        };
        let joined = topology
            .nodes
            .iter()
            .flat_map(|n| &n.services)
            .filter(|s| s.shared())
            .count();
        let room = Layout::room(prefix);
        if joined > room && prefix > WIDEST {
            self.address_problem(AddressError::NetworkTooLarge { needed: joined, room }, None);
        }
    }
}

/// Every name by which `service` is known through `attachment`: Compose adds the key, the engine the container's name.
fn names<'a>(service: &'a Service, attachment: &'a Attachment) -> impl Iterator<Item = &'a str> {
    [service.key.as_str(), service.container.as_str()]
        .into_iter()
        .chain(attachment.aliases.iter().map(Alias::as_str))
}
