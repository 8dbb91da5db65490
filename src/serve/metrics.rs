//! What the server says of itself and of the cluster to Prometheus ("Exposition formats", text format 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::view::{MISSING, View};
use crate::cluster::State;

/// What a server has done and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were answered, refused ones among them.
    pub requests: u64,
    /// Connections that were refused, since there were too many.
    pub refused: u64,
    /// Streams, and requests that wait.
    pub streams: usize,
}

/// The metrics of `view` and of a server with these `counts`.
#[must_use]
pub fn metrics(view: &View, counts: Counts) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, samples: &[(String, u64)]| {
        let _ = writeln!(text, "# HELP topogen_{name} {help}\n# TYPE topogen_{name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "topogen_{name}{{{labels}}} {value}");
        }
    };
    let cluster = label("cluster", &view.cluster);
    let one = |value: u64| vec![(cluster.clone(), value)];
    metric(
        "stale",
        "gauge",
        "Whether the roster may be out of date.",
        &one(u64::from(view.stale.is_some())),
    );
    metric(
        "revision",
        "counter",
        "The revision of the roster.",
        &one(view.revision),
    );
    let mut nodes: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut containers: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for node in &view.nodes {
        let (all, ready) = nodes.entry(&node.role).or_default();
        *all += 1;
        *ready += u64::from(node.is_ready());
        for member in &node.containers {
            let state = member.present().map_or(MISSING, |instance| State::word(instance.state));
            *containers.entry((&node.role, state)).or_default() += 1;
        }
    }
    let of_role = |value: fn(&(u64, u64)) -> u64| -> Vec<(String, u64)> {
        let samples = nodes
            .iter()
            .map(|(role, counts)| (format!("{cluster},{}", label("role", role)), value(counts)));
        samples.collect()
    };
    metric(
        "nodes",
        "gauge",
        "Nodes of a role, missing ones among them.",
        &of_role(|(all, _)| *all),
    );
    metric(
        "nodes_ready",
        "gauge",
        "Nodes of a role whose way in can serve.",
        &of_role(|(_, ready)| *ready),
    );
    let states = containers.iter().map(|((role, state), count)| {
        let labels = format!("{cluster},{},{}", label("role", role), label("state", state));
        (labels, *count)
    });
    metric(
        "containers",
        "gauge",
        "Containers of a role, by state.",
        &states.collect::<Vec<_>>(),
    );
    metric(
        "http_requests_total",
        "counter",
        "Requests that were answered.",
        &one(counts.requests),
    );
    metric(
        "http_refused_total",
        "counter",
        "Connections that were refused.",
        &one(counts.refused),
    );
    metric(
        "http_streams",
        "gauge",
        "Streams, and requests that wait.",
        &one(counts.streams as u64),
    );
    text
}

/// A label with its value, escaped.
fn label(name: &str, value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{escaped}\"")
}
