//! Names, pools and host interfaces of networks, and names of volumes.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{FormerPool, Isolated, Reach, constant, entries, keys, remove};
use crate::blueprint::parse::is_external;
use crate::blueprint::{DEFAULT_NETWORK, INOUT, INTERNAL};
use crate::yaml::{Node, Yaml};

/// The option that names the bridge of a network on the host (Docker's bridge driver).
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
/// The drivers that take an interface of the host, which has room for one network.
const OF_AN_INTERFACE: &[&str] = &["macvlan", "ipvlan"];

/// Takes out of the networks of a role what only one of an engine can have.
pub(super) fn networks(document: &mut Node, isolated: &mut Isolated) {
    let reach = isolated.asked.networks;
    for entry in entries(document, "networks") {
        // The network that all nodes share is the blueprint's.
        if entry.key == INOUT {
            continue;
        }
        let path = format!("networks.{}", entry.key);
        let known_as = if entry.key == DEFAULT_NETWORK {
            INTERNAL
        } else {
            &entry.key
        };
        let known_as = known_as.to_owned();
        let network = &mut entry.node;
        if is_external(network) && reach != Reach::All {
            continue;
        }
        if let Some(name) = own(network, &path, &entry.key, isolated) {
            isolated.networks.insert(known_as.clone(), name);
        }
        if let Some(driver) = constant(network, "driver").filter(|d| OF_AN_INTERFACE.contains(&d.as_str())) {
            remove(network, "driver");
            remove(network, "driver_opts");
            isolated.change(format!("{path}.driver"), driver, "bridge");
        }
        let options = keys(network).into_iter().flatten().find(|e| e.key == "driver_opts");
        if let Some(options) = options
            && let Some(name) = constant(&options.node, BRIDGE_NAME)
        {
            remove(&mut options.node, BRIDGE_NAME);
            let is_empty = options.node.value == Yaml::Map(Vec::new());
            isolated.change(
                format!("{path}.driver_opts"),
                format!("{BRIDGE_NAME}: {name}"),
                "left out",
            );
            if is_empty {
                remove(network, "driver_opts");
            }
        }
        if let Some(pools) = network.get("ipam").and_then(pools) {
            remove(network, "ipam");
            isolated.pools.insert(known_as, pools);
        }
    }
}

/// Takes out of the volumes of a role what makes one of them that of all nodes.
pub(super) fn volumes(document: &mut Node, isolated: &mut Isolated) {
    let reach = isolated.asked.volumes;
    for entry in entries(document, "volumes") {
        if is_external(&entry.node) && reach != Reach::All {
            continue;
        }
        let path = format!("volumes.{}", entry.key);
        if let Some(name) = own(&mut entry.node, &path, &entry.key, isolated) {
            isolated.volumes.insert(entry.key.clone(), name);
        }
    }
}

/// Takes the name out of a network or volume, and that somebody else makes it; what it was called in the engine by that.
fn own(node: &mut Node, path: &str, key: &str, isolated: &mut Isolated) -> Option<String> {
    let mut called = constant(node, "name");
    if is_external(node) {
        let older = node.get("external").and_then(|n| constant(n, "name"));
        called = called.or(older).or_else(|| Some(key.to_owned()));
        remove(node, "external");
        isolated.change(format!("{path}.external"), "true", "the node's own");
    }
    if let Some(name) = constant(node, "name") {
        remove(node, "name");
        isolated.change(format!("{path}.name"), name, "left out");
    }
    called
}

/// The pools of `ipam`, where they are those of the engine's own driver and the same for every node; `None` where they are
/// not, or wrong.
fn pools(ipam: &Node) -> Option<Vec<FormerPool>> {
    if !matches!(
        ipam.get("driver").and_then(Node::scalar).as_deref(),
        None | Some("" | "default")
    ) {
        return None;
    }
    let Yaml::List(items) = &ipam.get("config")?.value else {
        return None;
    };
    let mut pools = Vec::new();
    for item in items {
        let text = |key: &str| item.get(key).and_then(Node::scalar);
        let address = |key: &str| match text(key) {
            None => Some(None),
            Some(text) => text.parse::<IpAddr>().ok().map(Some),
        };
        let range = match text("ip_range") {
            None => None,
            Some(text) => Some(text.parse::<IpNet>().ok()?),
        };
        let reserved = match item.get("aux_addresses").map(|n| &n.value) {
            Some(Yaml::Map(entries)) => {
                let one = |e: &crate::yaml::Entry| Some((e.key.clone(), e.node.scalar()?.parse().ok()?));
                entries.iter().map(one).collect::<Option<Vec<_>>>()?
            }
            _ => Vec::new(),
        };
        // A pool without a subnet leaves it to the engine.
        let Some(subnet) = text("subnet") else { continue };
        let subnet: IpNet = subnet.parse().ok()?;
        pools.push(FormerPool {
            subnet: subnet.trunc(),
            gateway: address("gateway")?,
            range,
            reserved,
        });
    }
    Some(pools)
}
