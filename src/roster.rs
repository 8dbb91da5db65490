//! The table of nodes and their containers that `ps` shows.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use comfy_table::{Table, presets};
use serde::{Serialize, Serializer};

use crate::cluster::Health;
use crate::cluster::HostPort;
use crate::cluster::ObservedContainer;
use crate::cluster::ObservedEndpoint;
use crate::cluster::State;
use crate::cluster::{Verdict, Wrong, verdict};
use crate::compose::ports::range_text;
use crate::text::plural;

/// The observed state of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeRow {
    node: String,
    role: String,
    services: Vec<ServiceRow>,
}

/// The observed state of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ServiceRow {
    service: String,
    /// The name of the container; `None` if it is missing.
    container: Option<String>,
    /// What it is doing, in the engine's words; `missing` if it does not exist.
    #[serde(serialize_with = "word_of")]
    state: Option<State>,
    /// The result of the healthcheck; `None` without one, or if the container does not run.
    health: Option<Health>,
    /// The exit status; `None` if it has not exited.
    exit: Option<i32>,
    /// Whether it is as it should be, in a word: `running`, `completed`, or what is wrong.
    #[serde(serialize_with = "verdict_word")]
    verdict: Verdict,
    /// Whether something may be cut in its network: a helper has done so since it was started.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
    /// What is wrong with it, as phrases; empty if nothing is.
    wrong: Vec<String>,
    addresses: Vec<ObservedEndpoint>,
    /// The names on shared networks, without the container's own name and key.
    names: Vec<String>,
    ports: Vec<PortRow>,
}

/// A published port of the engine's host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct PortRow {
    /// The host's address; unspecified for all addresses.
    address: IpAddr,
    published: u16,
    target: u16,
    protocol: String,
}

impl PortRow {
    fn new(host: &HostPort, own: &str) -> Option<Self> {
        let (target, protocol) = own.split_once('/')?;
        Some(Self {
            address: host.address,
            published: host.port,
            target: target.parse().ok()?,
            protocol: protocol.to_owned(),
        })
    }
}

fn verdict_word<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(verdict.word())
}

/// The state as the engine says it.
fn word_of<S: Serializer>(state: &Option<State>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.map_or(MISSING, State::word))
}

const MISSING: &str = "missing";

impl ServiceRow {
    /// `running (healthy)`, `exited (137)`, `completed`, `missing`; in brackets what else is wrong.
    fn state(&self) -> String {
        let Some(state) = self.state else {
            return MISSING.to_owned();
        };
        let word = state.word();
        let wrong = self.verdict.wrongs().first();
        match (state, wrong, self.health, self.exit) {
            _ if self.verdict == Verdict::Completed => self.verdict.word().to_owned(),
            (State::Exited | State::Restarting, _, _, Some(code)) => format!("{word} ({code})"),
            (State::Running, Some(Wrong::Unsteady(times)), ..) => format!("{word} (restarted {times} times)"),
            (State::Running, Some(wrong), ..) => format!("{word} ({})", wrong.word()),
            (State::Running, None, ..) if self.cut => format!("{word} (cut)"),
            (State::Running, None, Some(health), _) => format!("{word} ({})", health.word()),
            _ => word.to_owned(),
        }
    }

    fn runs(&self) -> bool {
        self.state == Some(State::Running)
    }

    /// Whether nothing is wrong with it.
    fn is_well(&self) -> bool {
        self.verdict.is_well()
    }
}

impl NodeRow {
    /// Whether nothing is wrong with any of its containers.
    fn is_well(&self) -> bool {
        self.services.iter().all(ServiceRow::is_well)
    }
}

/// The rows of `containers`, which must be grouped by node; one without an ID is missing. `names` is by container ID, `private` are the nodes' own
/// networks.
#[must_use]
pub fn rows(
    containers: &[&ObservedContainer],
    names: &HashMap<String, Vec<String>>,
    private: &HashSet<String>,
) -> Vec<NodeRow> {
    let nodes = containers.chunk_by(|a, b| a.node() == b.node());
    let rows = nodes.map(|node| NodeRow {
        node: node[0].node().to_owned(),
        role: node[0].role().to_owned(),
        services: node.iter().map(|c| service(c, names.get(&c.id), private)).collect(),
    });
    rows.collect()
}

fn service(container: &ObservedContainer, names: Option<&Vec<String>>, private: &HashSet<String>) -> ServiceRow {
    let there = Some(container).filter(|c| !c.id.is_empty());
    let verdict = verdict(container.duty(), there);
    let mut addresses = container.endpoints.clone();
    // Addresses on the node's own networks come first.
    addresses.sort_by_key(|e| !private.contains(&e.network));
    ServiceRow {
        service: container.service().to_owned(),
        container: there.map(|c| c.name.clone()),
        state: there.map(|c| c.state),
        wrong: verdict.phrases(),
        verdict,
        cut: container.marked,
        health: container.health,
        exit: container.exit,
        addresses,
        names: names.cloned().unwrap_or_default(),
        ports: ports_of(container),
    }
}

/// The table of all nodes and services, those with which something is wrong first.
#[must_use]
pub fn table(nodes: &[NodeRow]) -> String {
    let mut nodes: Vec<&NodeRow> = nodes.iter().collect();
    // A stable sort: the order within stays.
    nodes.sort_by_key(|n| n.is_well());
    let header = ["NODE", "SERVICE", "STATE", "ADDRESSES", "NAMES ON INOUT", "PORTS"];
    let rows = nodes.iter().flat_map(|node| {
        node.services.iter().enumerate().map(|(at, service)| {
            let addresses = service.addresses.iter();
            let addresses: Vec<String> = addresses
                .flat_map(ObservedEndpoint::addresses)
                .map(|address| address.to_string())
                .collect();
            [
                if at == 0 { node.node.clone() } else { String::new() },
                service.service.clone(),
                service.state(),
                addresses.join(" "),
                service.names.join(" "),
                ports(&service.ports),
            ]
        })
    });
    laid_out(header, rows)
}

/// One line for each node.
fn by_node(nodes: &[&NodeRow]) -> String {
    let rows = nodes.iter().map(|node| {
        let runs = node.services.iter().filter(|s| s.runs()).count();
        let ill = node.services.iter().filter(|s| !s.is_well());
        let ill: Vec<String> = ill.map(|s| format!("{} {}", s.service, s.state())).collect();
        [
            node.node.clone(),
            format!("{runs} of {}", node.services.len()),
            ill.join(", "),
        ]
    });
    laid_out(["NODE", "RUNNING", "NOT WELL"], rows)
}

/// A table of `rows` below a `header`, as all commands print them.
pub(crate) fn laid_out<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.strip_prefix(' ').unwrap_or(&line).trim_end());
        text.push('\n');
    }
    text
}

/// The published ports, each once: the engine lists some for IPv4 and for IPv6.
fn ports_of(container: &ObservedContainer) -> Vec<PortRow> {
    let mut rows: Vec<PortRow> = container
        .ports
        .iter()
        .filter_map(|(host, own)| PortRow::new(host, own))
        .collect();
    rows.dedup();
    rows
}

/// Ports as `docker ps` writes them, without `0.0.0.0`: `127.0.0.1:8080->80/tcp, 53->53/udp, [::]:49153->80/tcp`. Consecutive
/// ports are joined: `8000-8002->80-82/tcp`.
fn ports(ports: &[PortRow]) -> String {
    // One port of both families is one port, and needs no address.
    let is_any = |port: &PortRow| port.address.is_unspecified();
    let is_same =
        |a: &PortRow, b: &PortRow| (a.published, a.target, &a.protocol) == (b.published, b.target, &b.protocol);
    let has_twin = |port: &PortRow| {
        ports
            .iter()
            .any(|other| other.address.is_ipv4() && is_any(other) && is_same(other, port))
    };
    let shown = ports
        .iter()
        .filter(|port| !(port.address.is_ipv6() && is_any(port) && has_twin(port)));
    // The first and last port of each range.
    let mut ranges: Vec<(&PortRow, &PortRow)> = Vec::new();
    for port in shown {
        let next = |last: &PortRow| {
            (last.address, &last.protocol) == (port.address, &port.protocol)
                && last.target.checked_add(1) == Some(port.target)
                && last.published.checked_add(1) == Some(port.published)
        };
        match ranges.iter_mut().find(|(_, last)| next(last)) {
            Some((_, last)) => *last = port,
            None => ranges.push((port, port)),
        }
    }
    let shown = ranges.iter().map(|(first, last)| {
        let address = match first.address {
            IpAddr::V4(any) if any.is_unspecified() => String::new(),
            IpAddr::V4(v4) => format!("{v4}:"),
            IpAddr::V6(v6) => format!("[{v6}]:"),
        };
        let published = range_text((first.published, last.published));
        let target = range_text((first.target, last.target));
        format!("{address}{published}->{target}/{}", first.protocol)
    });
    shown.collect::<Vec<String>>().join(", ")
}

/// `2 nodes, 9 of 10 containers run`
fn sum(nodes: &[NodeRow]) -> String {
    let services = || nodes.iter().flat_map(|n| &n.services);
    let all = services().count();
    let running = services().filter(|s| s.runs()).count();
    let completed = services().filter(|s| s.verdict == Verdict::Completed).count();
    let unwell = services().filter(|s| !s.is_well()).count();
    let runs = match running {
        1 => "runs",
        _ => "run",
    };
    let mut text = format!(
        "{}, {running} of {} {runs}",
        plural(nodes.len(), "node"),
        plural(all, "container")
    );
    if completed > 0 {
        text += &format!(", {completed} completed");
    }
    if unwell > 0 {
        text += &format!(", {unwell} not well");
    }
    text
}

/// What fits a terminal of `rows` and `columns`: the whole table, otherwise a line for each node, otherwise the nodes
/// with problems and as many others as fit.
#[must_use]
pub fn screen(cluster: &str, nodes: &[NodeRow], rows: u16, columns: u16) -> Vec<String> {
    let title = match nodes {
        [] => format!("cluster {cluster}: nothing of it is on the engine"),
        nodes => format!("cluster {cluster}: {}", sum(nodes)),
    };
    let rows = usize::from(rows).saturating_sub(2);
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<String>>();
    let mut body = if nodes.is_empty() {
        Vec::new()
    } else {
        lines(table(nodes))
    };
    if body.len() > rows {
        let mut shown: Vec<&NodeRow> = nodes.iter().collect();
        let mut rest = Vec::new();
        let room = rows.saturating_sub(1);
        if shown.len() > room {
            // A stable sort: the order within stays.
            shown.sort_by_key(|n| n.is_well());
            rest = shown.split_off(room.saturating_sub(1));
        }
        body = lines(by_node(&shown));
        if !rest.is_empty() {
            let well = rest.iter().all(|n| n.is_well());
            let well = if well { ", all well" } else { "" };
            body.push(format!("and {}{well}", plural(rest.len(), "more node")));
        }
    }
    let all = [title, String::new()].into_iter().chain(body);
    let cut = |line: String| {
        line.chars()
            .take(columns.into())
            .collect::<String>()
            .trim_end()
            .to_owned()
    };
    all.map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Engine 20.10 chooses one port for IPv4 and another for IPv6; others choose one for both.
    #[test]
    fn a_port_of_both_families_is_told_once() {
        let port = |address: &str, published: u16| PortRow {
            address: address.parse().expect("an address"),
            published,
            target: 80,
            protocol: "tcp".to_owned(),
        };
        assert_eq!(ports(&[port("0.0.0.0", 8080), port("::", 8080)]), "8080->80/tcp");
        assert_eq!(
            ports(&[port("0.0.0.0", 49153), port("::", 49154)]),
            "49153->80/tcp, [::]:49154->80/tcp"
        );
        assert_eq!(ports(&[port("::", 8080)]), "[::]:8080->80/tcp");
        assert_eq!(ports(&[port("::1", 8080)]), "[::1]:8080->80/tcp");
    }
}
