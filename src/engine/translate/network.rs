//! Translates networks, and checks that each has room for its containers.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use super::faults::{Faults, Findings};
use super::{needs, read, user_labels, version};
use crate::blueprint::{INOUT, INTERNAL};
use crate::cluster::concealed;
use crate::cluster::{Desired, Ipam, NetworkSpec, Pool, label};
use crate::diagnostic::{Problem, Problems};
use crate::digest::sha256;
use crate::name::NetworkName;
use crate::topology::expand::BRIDGE_PORTS;
use crate::topology::{Network, Node, Topology};
use crate::value::Value;

/// The specification of `network`, which belongs to `node`, or to all nodes if that is `None`.
pub(super) fn network(
    topology: &Topology,
    node: Option<&Node>,
    network: &Network,
    findings: &mut Findings,
) -> NetworkSpec {
    let mut spec = NetworkSpec {
        name: network.name.clone(),
        node: node.map(|n| n.name.clone()),
        external: network.external,
        subnet: network.subnet,
        driver: "bridge".to_owned(),
        internal: None,
        attachable: None,
        ipv4: None,
        ipv6: None,
        driver_options: None,
        ipam: None,
        labels: BTreeMap::new(),
        hash: String::new(),
    };
    let path = match (node, network.key.as_str()) {
        (_, key @ (INTERNAL | INOUT)) => key.to_owned(),
        (Some(node), key) => format!("roles.{}.networks.{key}", node.role),
        (None, key) => format!(
            "networks.{}",
            network.link.as_ref().map_or(key, |declared| declared.as_str())
        ),
    };
    let path = path.as_str();
    let faults = &mut Faults::new(path.to_owned(), &network.written, findings);
    for (key, value) in network.options.iter() {
        let at = format!("{path}.{key}");
        match &**key {
            "driver" => spec.driver = read::text(value, &at, faults).unwrap_or(spec.driver),
            "internal" => spec.internal = read::boolean(value, &at, faults),
            "attachable" => spec.attachable = read::boolean(value, &at, faults),
            "enable_ipv4" => {
                spec.ipv4 = read::boolean(value, &at, faults);
                // Engines before Docker 28 always enable IPv4, so only `false` needs a newer one.
                if spec.ipv4 == Some(false) {
                    faults.value_since(needs::DOCKER_28, &at);
                }
            }
            "enable_ipv6" => spec.ipv6 = read::boolean(value, &at, faults),
            "driver_opts" => spec.driver_options = Some(read::strings(value, &at, faults)),
            "labels" => spec.labels = user_labels(value, &at, faults),
            "ipam" => spec.ipam = ipam(value, &at, faults),
            key if key.starts_with("x-") => {}
            _ => faults.refuse(&at),
        }
    }
    let labels = &mut spec.labels;
    labels.insert(label::CLUSTER.to_owned(), topology.cluster.to_string());
    labels.insert(label::compose::NETWORK.to_owned(), network.key.to_string());
    if let Some(node) = node {
        labels.insert(label::NODE.to_owned(), node.name.to_string());
        labels.insert(label::compose::PROJECT.to_owned(), node.project.to_string());
    }
    // Subnets may differ between engines, so only the size is part of the hash.
    let size = network.subnet.map(|s| s.prefix_len());
    spec.hash = faults.hash(&(&spec, size));
    let labels = &mut spec.labels;
    labels.insert(label::CONFIG_HASH.to_owned(), spec.hash.clone());
    let definition = json!({"options": network.options, "subnet size": size});
    let salt = sha256(spec.name.as_str().as_bytes());
    let definition = concealed(definition, &salt[..16]);
    labels.insert(label::DEFINITION.to_owned(), definition.to_string());
    labels.insert(label::NAME.to_owned(), spec.name.to_string());
    // The label is added after the hash, so that another version of topogen recreates nothing.
    labels.insert(label::compose::VERSION.to_owned(), version());
    spec
}

/// The `ipam` of a network (Compose specification, top-level `networks`).
fn ipam(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<Ipam> {
    let Some(map) = value.as_map() else {
        if *value != Value::Null {
            faults.wrong(path, "a map", value);
        }
        return None;
    };
    let mut ipam = Ipam::default();
    for (key, value) in map {
        let at = format!("{path}.{key}");
        match &**key {
            "driver" => ipam.driver = read::text(value, &at, faults),
            "options" => ipam.options = Some(read::strings(value, &at, faults)),
            "config" => match value {
                Value::List(pools) => {
                    let pools = pools.iter().enumerate();
                    let pool = |(n, value)| pool(value, &format!("{at}[{n}]"), faults);
                    ipam.pools = Some(pools.map(pool).collect());
                }
                Value::Null => {}
                other => faults.wrong(&at, "a list", other),
            },
            key => faults.unknown(key, &at, &["driver", "options", "config"]),
        }
    }
    Some(ipam)
}

/// One entry of `ipam.config`.
fn pool(value: &Value, path: &str, faults: &mut Faults<'_>) -> Pool {
    let mut pool = Pool::default();
    let Some(map) = value.as_map() else {
        faults.wrong(path, "a map", value);
        return pool;
    };
    for (key, value) in map {
        let at = format!("{path}.{key}");
        match &**key {
            "subnet" => pool.subnet = read::text(value, &at, faults),
            "ip_range" => pool.range = read::text(value, &at, faults),
            "gateway" => pool.gateway = read::text(value, &at, faults),
            "aux_addresses" => pool.reserved = Some(read::strings(value, &at, faults)),
            key => {
                let known = &["subnet", "ip_range", "gateway", "aux_addresses"];
                faults.unknown(key, &at, known);
            }
        }
    }
    pool
}

/// Reports networks that are too small. The engine would notice only when one is full and half of the nodes exist.
pub(super) fn bridges_have_room(desired: &Desired, problems: &mut Problems) {
    let mut joined: HashMap<&NetworkName, usize> = HashMap::new();
    for endpoint in desired.containers().flat_map(|c| &c.endpoints) {
        *joined.entry(&endpoint.network).or_default() += 1;
    }
    for network in desired.networks() {
        if network.external || network.driver != "bridge" {
            continue;
        }
        let count = joined.get(&network.name).copied().unwrap_or_default();
        let subnet = network.subnet.or_else(|| network.fixed_subnets().next());
        // The network, broadcast and gateway addresses are taken.
        let addresses = subnet.map(|s| (1usize << (32 - s.prefix_len())).saturating_sub(3));
        let problem = |room: usize, what: String| {
            Problem::general(format!(
                "network `{}`: {count} containers on it, where {what} has room for {room}",
                network.name
            ))
        };
        match (addresses, subnet) {
            (Some(room), Some(subnet)) if room < count && room < BRIDGE_PORTS => problems.push(
                problem(room, format!("its subnet {subnet}"))
                    .hint("let fewer containers join it: fewer nodes, or fewer services on it"),
            ),
            _ if BRIDGE_PORTS < count => problems.push(
                problem(BRIDGE_PORTS, "a bridge".to_owned())
                    .hint("let fewer containers join it: fewer nodes, or fewer services on it"),
            ),
            _ => {}
        }
    }
}
