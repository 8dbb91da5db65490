//! T001: more containers join the shared network than it has room for.

use super::{Finding, Subject};
use crate::diagnostic::Problem;
use crate::topology::address::Layout;
use crate::topology::expand::BRIDGE_PORTS;
use crate::value::Value;

/// The room is limited by the size of the subnet and by the ports of a Linux bridge. Networks of another driver and
/// external ones have limits of their own, and are skipped.
pub(super) fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let topology = subject.topology;
    let inout = &topology.inout;
    let driver = inout.options.get("driver").and_then(Value::scalar);
    if inout.external || driver.is_some_and(|d| d != "bridge") {
        return Vec::new();
    }
    let services = topology.nodes.iter().flat_map(|n| &n.services);
    let joined = services.filter(|s| s.joins(&inout.key)).count();
    let room = inout.subnet.map_or(usize::MAX, |s| Layout::room(s.prefix_len()));
    let room = room.min(BRIDGE_PORTS);
    if joined <= room {
        return Vec::new();
    }
    let message = format!(
        "{joined} containers join `{}`, which has room for {room}: `up` would refuse it",
        inout.name
    );
    vec![Finding {
        problem: Problem::general(message),
        role: None,
    }]
}
