//! What a topology must hold before anybody gets it.

use std::collections::HashMap;

use super::super::address::{AddressError, Layout};
use super::super::{Attachment, Node, Service, Topology};
use super::Expansion;
use crate::blueprint::INOUT;
use crate::diagnostic::{Problem, Span};
use crate::name::Alias;

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
        let mut shared: HashMap<&str, (&Node, &Service)> = HashMap::new();
        let mut containers: HashMap<&str, (&Node, &Service)> = HashMap::new();
        let each = || {
            topology
                .nodes
                .iter()
                .flat_map(|n| n.services.iter().map(move |s| (n, s)))
        };
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
                match shared.insert(name, (node, service)) {
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
            let mut inside: HashMap<&str, &Service> = HashMap::new();
            for service in &node.services {
                for name in service
                    .attachments
                    .iter()
                    .filter(|a| !a.shared)
                    .flat_map(|a| names(service, a))
                {
                    if let Some(other) = inside.insert(name, service)
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
                    if let Some((n, s)) = shared.get(name)
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

    pub(super) fn shared_network_has_room(&mut self, topology: &Topology) {
        let joined = topology
            .nodes
            .iter()
            .flat_map(|n| &n.services)
            .filter(|s| s.shared())
            .count();
        if let Some(subnet) = topology.inout.subnet
            && Layout::room(subnet.prefix_len()) < joined
            && subnet.prefix_len() > 22
        {
            self.address_problem(
                AddressError::NetworkTooLarge {
                    needed: joined,
                    room: Layout::room(subnet.prefix_len()),
                },
                None,
            );
        }
    }
}

/// Every name by which `service` is known through `attachment`: Compose adds the key, the engine the container's name.
fn names<'a>(service: &'a Service, attachment: &'a Attachment) -> impl Iterator<Item = &'a str> {
    [service.key.as_str(), service.container.as_str()]
        .into_iter()
        .chain(attachment.aliases.iter().map(Alias::as_str))
}
