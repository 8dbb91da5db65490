//! T002: a `hostname` is also another container's name on a shared network. Every engine makes it a name there.

use std::collections::{HashMap, HashSet};

use super::{Finding, Subject};
use crate::blueprint::isolate::HINT;
use crate::diagnostic::Problem;
use crate::topology::{Node, Service};

/// Finds each `hostname` that makes a name on a shared network resolve to two containers, or to one that is not the
/// entry of the node with that name.
pub(super) fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let topology = subject.topology;
    let mut owners: HashMap<(&str, String), (&Node, &Service)> = HashMap::new();
    let mut reported: HashSet<(&str, &str)> = HashSet::new();
    let mut found = Vec::new();
    for (node, service) in topology
        .nodes
        .iter()
        .flat_map(|n| n.services.iter().map(move |s| (n, s)))
    {
        let Some(host) = service.hostname().map(|h| h.to_lowercase()) else {
            continue;
        };
        for attachment in service.attachments.iter().filter(|a| a.shared) {
            let Some(network) = topology.shared_network(node, &attachment.network) else {
                continue;
            };
            let is_alias = attachment.aliases.iter().any(|a| a.as_str() == host);
            let first = *owners
                .entry((network.name.as_str(), host.clone()))
                .or_insert((node, service));
            let why = if !std::ptr::eq(first.1, service) {
                format!("and so does `{}` of `{}`", first.1.name, first.0.name)
            } else if subject.nodes.contains_key(host.as_str()) && !is_alias {
                "which is the name of a node and resolves to its `entry`".to_owned()
            } else {
                continue;
            };
            if reported.insert((node.role.as_str(), service.name.as_str())) {
                let mut problem = Problem::general(format!(
                    "`{}` of `{}` answers to its hostname `{host}` on `{}`, {why}",
                    service.name, node.name, attachment.network
                ))
                .hint(format!(
                    "engines make it a name there: let it be each node's own, hostname: \"{{{{ node.name }}}}-{0}\", or leave it out, \
                     `hostname: !reset`, {HINT}",
                    service.name
                ));
                problem.place = service.written.place("hostname");
                let role = Some(node.role.clone());
                found.push(Finding { problem, role });
            }
        }
    }
    found
}
