//! Networks whose addresses were fixed: each node's get a subnet of its own that holds them, and all that names one of them
//! in the same node follows.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv6Net};
use sha2::{Digest, Sha256};

use super::super::super::{Config, ConfigSource, Node};
use super::super::Expansion;
use super::addresses::replaced;
use super::change;
use super::moves::{BySubnet, Move, Moves, host, is_broadcast, three_numbers};
use crate::blueprint::isolate::{FormerPool, Isolated};
use crate::diagnostic::Problem;
use crate::name::NetworkKey;
use crate::value::{Map, Value};

/// The shortest prefix of an IPv6 network (RFC 4291 §2.5.1, RFC 4193 §3.1).
const OF_V6: u8 = 64;
/// The keys of a service on a network that fix an address.
const FIXED: [&str; 2] = ["ipv4_address", "ipv6_address"];

impl Expansion<'_> {
    /// For each of `nodes`, how many containers a subnet must have room for to hold the addresses that were fixed, by
    /// network. What no subnet holds gets another host part.
    pub(in super::super) fn rooms(&self, nodes: &[Node]) -> Vec<HashMap<NetworkKey, usize>> {
        let most = self.layout.map_or(0, |layout| layout.most());
        let rooms = nodes.iter().map(|node| {
            let Some(isolated) = self.isolated(node).filter(|i| !i.pools.is_empty()) else {
                return HashMap::new();
            };
            let mut rooms = HashMap::new();
            if !self.affords(node) {
                return rooms;
            }
            for (key, addresses) in mentioned(node, isolated) {
                let pools = &isolated.pools[key];
                let parts = addresses.iter().filter(|a| a.is_ipv4()).filter_map(|address| {
                    let pool = pools.iter().find(|p| p.subnet.contains(address))?;
                    (!is_broadcast(pool.subnet, *address)).then(|| host(pool.subnet, *address))
                });
                // Beside the network's own address and the last one, the gateway's is no container's.
                let parts = parts.map(|part| usize::try_from(part.saturating_sub(1)).unwrap_or(usize::MAX));
                let (held, odd): (Vec<usize>, Vec<usize>) = parts.partition(|room| *room <= most);
                let Some(network) = node.networks.iter().find(|n| n.key.as_str() == key) else {
                    continue;
                };
                let joining = node.services.iter().filter(|s| s.joins(&network.key));
                let joining: usize = joining.map(|s| s.replicas as usize).sum();
                let room = held.into_iter().max().unwrap_or_default();
                rooms.insert(network.key.clone(), room.max((joining + odd.len()).min(most)));
            }
            rooms
        });
        rooms.collect()
    }

    /// Moves what was fixed in former pools into the subnets that the networks of `nodes` got.
    pub(in super::super) fn move_addresses(&mut self, nodes: &mut [Node]) {
        let mut reported = HashSet::new();
        for node in nodes {
            let Some(isolated) = self.isolated(node).filter(|i| !i.pools.is_empty()) else {
                continue;
            };
            if !self.affords(node) {
                break;
            }
            let mentioned = mentioned(node, isolated);
            let mut moves = Moves::default();
            for (key, pools) in &isolated.pools {
                let Some(at) = node.networks.iter().position(|n| n.key.as_str() == key) else {
                    continue;
                };
                let addresses = &mentioned[key.as_str()];
                if self.layout.is_none() && addresses.iter().any(IpAddr::is_ipv4) {
                    let place = self.network_place(node, &node.networks[at].key).unwrap_or_default();
                    if reported.insert(place) {
                        let message = format!(
                            "`isolate` moves the addresses of network `{key}`, where the engine chooses subnets"
                        );
                        self.problems.push(Problem::at(place, message).hint(
                            "leave out `addresses: engine`, or keep networks as they are: isolate: {networks: keep}",
                        ));
                    }
                    continue;
                }
                self.move_network(node, at, pools, addresses, &mut moves);
            }
            if !moves.is_empty() {
                follow(node, &moves);
            }
        }
    }

    /// Whether what is read of `node`, and may be written otherwise, is within what all may expand to. Where it is not, that is
    /// said when the expansion ends.
    fn affords(&self, node: &Node) -> bool {
        let content = |config: &Config| match &config.source {
            ConfigSource::File { content, .. } => content.len(),
            _ => 0,
        };
        let bytes: usize = node.configs.iter().map(content).sum();
        self.sources.budget().spend(bytes).is_ok()
    }

    /// Moves the network `at` of `node`, which had `pools` and in them these `addresses`. Where none is fixed, the engine may
    /// take another subnet where something foreign lies on this one.
    fn move_network(
        &self,
        node: &mut Node,
        at: usize,
        pools: &[FormerPool],
        addresses: &BTreeSet<IpAddr>,
        moves: &mut Moves,
    ) {
        let network = &node.networks[at];
        let path = format!("networks.{}.ipam", network.key);
        let four = network.subnet.map(IpNet::V4);
        let six = IpNet::V6(self.v6(node, &network.key, pools));
        let mut config: Vec<Value> = Vec::new();
        let mut changes = Vec::new();
        let mut made = Vec::new();
        let joining = node.services.iter().filter(|s| s.joins(&network.key));
        let containers = joining.map(|s| s.replicas as usize).sum();
        let mut used = [BTreeSet::new(), BTreeSet::new()];
        for family in [true, false] {
            let new = if family { four } else { Some(six) };
            let of_family = pools.iter().filter(|pool| pool.subnet.addr().is_ipv4() == family);
            for (number, pool) in of_family.enumerate() {
                let now = new.map_or_else(|| "chosen by the engine".to_owned(), |new| new.to_string());
                changes.push((pool.subnet.to_string(), now));
                let Some(new) = new else { continue };
                let one = Move::new(pool.subnet, new, addresses, containers, &mut used[usize::from(family)]);
                // An engine has one pool of a family for a network.
                if number == 0 {
                    config.push(entry(&one, pool));
                }
                made.push(one);
            }
        }
        for (was, now) in changes {
            change(node, path.clone(), was, now);
        }
        let has_six = pools.iter().any(|pool| pool.subnet.addr().is_ipv6());
        if addresses.is_empty() && !has_six {
            return;
        }
        if let (Some(four), true) = (four, pools.iter().all(|pool| pool.subnet.addr().is_ipv6())) {
            config.insert(
                0,
                Map::from_iter([("subnet".into(), Value::from(four.to_string()))]).into(),
            );
        }
        let network = &mut node.networks[at];
        network.subnet = None;
        let ipam = Map::from_iter([("config".into(), Value::from(config))]);
        Arc::make_mut(&mut network.options).insert("ipam".into(), ipam.into());
        made.into_iter().for_each(|one| moves.push(one));
    }

    /// The IPv6 subnet of a network of a node: one that belongs to nobody else (RFC 4193 §3.2), whose last number before the
    /// host part is the node's.
    fn v6(&self, node: &Node, network: &NetworkKey, pools: &[FormerPool]) -> Ipv6Net {
        let mut names = Vec::new();
        for name in [self.cluster.as_str(), node.role.as_str(), network.as_str()] {
            names.extend(name.bytes().chain([0]));
        }
        let hash = Sha256::digest(&names);
        let mut octets = [0; 16];
        octets[0] = 0xfd;
        octets[1..6].copy_from_slice(&hash[..5]);
        let ordinal = u16::try_from(node.index - 1).unwrap_or(u16::MAX);
        octets[6..8].copy_from_slice(&ordinal.to_be_bytes());
        let lengths = pools
            .iter()
            .filter(|p| p.subnet.addr().is_ipv6())
            .map(|p| p.subnet.prefix_len());
        let length = lengths.max().unwrap_or(OF_V6).clamp(OF_V6, 126);
        Ipv6Net::new_assert(Ipv6Addr::from(octets), length)
    }
}

/// An item of `ipam.config`: what `pool` was, in its new place.
fn entry(one: &Move, pool: &FormerPool) -> Value {
    let mut map = Map::from_iter([("subnet".into(), Value::from(one.subnet().to_string()))]);
    let gateway = pool.gateway.and_then(|address| one.address(address));
    map.extend(gateway.map(|address| ("gateway".into(), Value::from(address.to_string()))));
    let range = pool.range.and_then(|range| one.range(range));
    map.extend(range.map(|range| ("ip_range".into(), Value::from(range.to_string()))));
    let reserved = pool.reserved.iter();
    let reserved = reserved.filter_map(|(name, address)| {
        let moved = one.address(*address)?;
        Some((Arc::from(name.as_str()), Value::from(moved.to_string())))
    });
    let reserved: Map = reserved.collect();
    if !reserved.is_empty() {
        map.insert("aux_addresses".into(), reserved.into());
    }
    map.into()
}

/// The addresses of former pools that something of `node` says, by the key of the network.
fn mentioned<'i>(node: &Node, isolated: &'i Isolated) -> BTreeMap<&'i str, BTreeSet<IpAddr>> {
    let mut found: BTreeMap<&str, BTreeSet<IpAddr>> = BTreeMap::new();
    for (key, pools) in &isolated.pools {
        let of_pool = |pool: &FormerPool| {
            let ends = pool.range.map(|range| [range.network(), range.broadcast()]);
            let reserved = pool.reserved.iter().map(|(_, address)| *address);
            let all = pool
                .gateway
                .into_iter()
                .chain(ends.into_iter().flatten())
                .chain(reserved);
            all.collect::<Vec<_>>()
        };
        found.insert(key, pools.iter().flat_map(of_pool).collect());
    }
    let mut add = |key: &str, address: IpAddr| {
        if let Some(addresses) = found.get_mut(key) {
            addresses.insert(address);
        }
    };
    for attachment in node.services.iter().flat_map(|s| &s.attachments) {
        let fixed = FIXED
            .iter()
            .filter_map(|key| attachment.options.get(*key)?.scalar()?.parse().ok());
        fixed.for_each(|address| add(attachment.network.as_str(), address));
    }
    let mut owners: BySubnet<(&str, IpNet)> = BySubnet::default();
    for (key, pools) in &isolated.pools {
        for pool in pools {
            owners.insert(pool.subnet, (key.as_str(), pool.subnet));
        }
    }
    rewritten(node, &mut |text| {
        if let Some((_, numbers)) = three_numbers(text)
            && let Some((key, subnet)) = owners.get(numbers)
            && subnet.prefix_len() == 24
        {
            // Whatever the fourth number is.
            if let IpNet::V4(subnet) = subnet {
                add(key, Ipv4Addr::from(u32::from(subnet.broadcast()) - 1).into());
            }
        }
        replaced(text, &mut |address, _| {
            if let Some((key, _)) = owners.get(address) {
                add(key, address);
            }
            None
        })
    });
    found
}

/// Writes the addresses of `node` as they are now.
fn follow(node: &mut Node, moves: &Moves) {
    for at in 0..node.services.len() {
        let name = node.services[at].name.clone();
        let mut found = Vec::new();
        for attachment in &mut node.services[at].attachments {
            for key in FIXED {
                let Some(was) = attachment.options.get(key).and_then(Value::scalar) else {
                    continue;
                };
                if let Some(now) = moves.text(&was, &mut BTreeMap::new()) {
                    Arc::make_mut(&mut attachment.options).insert(key.into(), Value::from(now.as_str()));
                    found.push((
                        format!("services.{name}.networks.{}.{key}", attachment.network),
                        was,
                        now,
                    ));
                }
            }
        }
        for (path, was, now) in found {
            change(node, path, was, now);
        }
    }
    let mut changed = BTreeMap::new();
    let Rewritten {
        services,
        volumes,
        configs,
    } = rewritten(node, &mut |text| moves.text(text, &mut changed));
    for (at, key, value) in services {
        Arc::make_mut(&mut node.services[at].definition).insert(key, value);
    }
    if let Some(Value::Map(map)) = volumes {
        node.volumes = map;
    }
    for (at, new) in configs {
        if let ConfigSource::File { content, .. } = &mut node.configs[at].source {
            *content = new.into_bytes().into();
        }
    }
    // They are the same wherever they stand.
    for (was, now) in changed {
        change(node, "texts".to_owned(), was, now);
    }
}

/// What of a node is written otherwise.
#[derive(Default)]
struct Rewritten {
    /// Keys of services, each by the place of its service.
    services: Vec<(usize, Arc<str>, Value)>,
    volumes: Option<Value>,
    /// Contents of configs and secrets, each by its place.
    configs: Vec<(usize, String)>,
}

/// What of `node` is written otherwise where `with` gives another text for one of its own.
fn rewritten(node: &Node, with: &mut dyn FnMut(&str) -> Option<String>) -> Rewritten {
    let mut found = Rewritten::default();
    for (at, service) in node.services.iter().enumerate() {
        for (key, value) in service.definition.iter().filter(|(key, _)| &***key != "image") {
            if let Some(value) = written(value, with) {
                found.services.push((at, key.clone(), value));
            }
        }
    }
    found.volumes = written(&Value::Map(node.volumes.clone()), with);
    for (at, config) in node.configs.iter().enumerate() {
        if let ConfigSource::File { content, .. } = &config.source
            && let Ok(text) = std::str::from_utf8(content)
        {
            found.configs.extend(with(text).map(|text| (at, text)));
        }
    }
    found
}

/// `value` with other texts; `None` where none is another one.
fn written(value: &Value, with: &mut dyn FnMut(&str) -> Option<String>) -> Option<Value> {
    match value {
        Value::Text(text) => with(text).map(Value::from),
        Value::List(items) => {
            let new: Vec<Option<Value>> = items.iter().map(|item| written(item, with)).collect();
            let any = new.iter().any(Option::is_some);
            let items = items
                .iter()
                .zip(new)
                .map(|(old, new)| new.unwrap_or_else(|| old.clone()));
            any.then(|| Value::List(items.collect()))
        }
        Value::Map(map) => {
            let new: Vec<Option<Value>> = map.values().map(|value| written(value, with)).collect();
            let any = new.iter().any(Option::is_some);
            let entries = map.iter().zip(new);
            let entries = entries.map(|((key, old), new)| (key.clone(), new.unwrap_or_else(|| old.clone())));
            any.then(|| Value::from(entries.collect::<Map>()))
        }
        _ => None,
    }
}
