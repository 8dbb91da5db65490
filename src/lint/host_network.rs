//! T005: services of several nodes share the network of their host, and so its ports.

use std::collections::HashMap;

use super::{Finding, Subject};
use crate::diagnostic::Problem;
use crate::name::{RoleName, ServiceName};
use crate::topology::Node;
use crate::value::Value;

/// Two nodes of a role whose service listens on a port of the host, of which there is one each.
pub(super) fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let mut first: HashMap<(&RoleName, &ServiceName), Option<&Node>> = HashMap::new();
    let mut found = Vec::new();
    let nodes = subject.topology.nodes.iter();
    for (node, service) in nodes.flat_map(|n| n.services.iter().map(move |s| (n, s))) {
        let mode = service.get("network_mode").and_then(Value::scalar);
        if mode.as_deref() != Some("host") || service.replicas == 0 {
            continue;
        }
        let Some(earlier) = first.get_mut(&(&node.role, &service.name)) else {
            first.insert((&node.role, &service.name), Some(node));
            continue;
        };
        let Some(other) = earlier.take() else { continue };
        let mut problem = Problem::general(format!(
            "`{}` of `{}` and of `{}` are on the network of the host: they meet at one port",
            service.name, other.name, node.name
        ))
        .hint(
            "let each listen at a port of its own, which a template gives it, or leave `network_mode` out: `network_mode: !reset`",
        );
        problem.place = service.written.place("network_mode");
        let role = Some(node.role.clone());
        found.push(Finding { problem, role });
    }
    found
}
