//! Tells how to reach a cluster that is up, in half a sentence.

/// A port of a node that is published on the engine's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The name of the node.
    pub node: String,
    /// The address on the host, such as `localhost:8443` or `localhost:53/udp`.
    pub address: String,
}

/// A node on the shared network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrance {
    /// A name that resolves to it.
    pub name: String,
    /// A port that it exposes there, as the engine writes it: `443/tcp`.
    pub port: Option<String>,
    /// The shared network's name.
    pub network: String,
}

/// The most nodes to name, and the most ports of each.
const NAMED: usize = 2;

/// `` `master` answers at localhost:8443 ``, else its address on the shared network. `ps` is the command that lists
/// this cluster, such as `topogen ps --name lab`.
#[must_use]
pub fn sentence(published: &[Published], entrance: Option<&Entrance>, ps: &str) -> String {
    let ps = format!("`{ps}`");
    let mut nodes: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in published {
        match nodes.iter_mut().find(|(node, _)| *node == one.node) {
            Some((_, addresses)) if addresses.contains(&one.address.as_str()) => {}
            Some((_, addresses)) => addresses.push(&one.address),
            None => nodes.push((&one.node, vec![&one.address])),
        }
    }
    if nodes.is_empty() {
        let Some(Entrance { name, port, network }) = entrance else {
            return format!("{ps} lists them");
        };
        // Without an exposed port, nobody knows whether anything answers there.
        let is = match port.as_deref().map(|p| p.strip_suffix("/tcp").unwrap_or(p)) {
            Some(port) => format!("answers on `{network}` at `{name}:{port}`"),
            None => format!("is the first node's name on `{network}`"),
        };
        return format!("`{name}` {is}, {ps} lists all");
    }
    let named: Vec<String> = nodes
        .iter()
        .take(NAMED)
        .map(|(node, addresses)| {
            let more = if addresses.len() > NAMED { ", …" } else { "" };
            let shown = &addresses[..addresses.len().min(NAMED)];
            format!("`{node}` answers at {}{more}", shown.join(", "))
        })
        .collect();
    match nodes.len() - named.len() {
        0 => named.join(", "),
        1 => format!("{}, and 1 more node: {ps}", named.join(", ")),
        more => format!("{}, and {more} more nodes: {ps}", named.join(", ")),
    }
}
