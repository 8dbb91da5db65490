//! The graph of a blueprint alone, without the engine.

use std::collections::{HashMap, HashSet};

use super::model::{self, Graph, Join, Network, Node, Place, Service, Standing};
use crate::compose::ports::{self, Port};
use crate::fake;
use crate::topology::{self, Topology};
use crate::value::Value;

/// The graph of `topology`, not compared with anything.
pub(super) fn graph(topology: &Topology) -> Graph {
    let shared = [&topology.inout].into_iter().chain(&topology.shared);
    let members = members(topology);
    let networks: Vec<Network> = shared
        .map(|n| {
            let members = members.get(n.name.as_str()).map_or(&[][..], Vec::as_slice);
            let link = is_link(n, members);
            Network {
                link,
                members: members
                    .iter()
                    .filter(|_| link)
                    .map(|(n, s)| format!("{}/{}", n.name, s.name))
                    .collect(),
                ..network(n)
            }
        })
        .collect();
    Graph {
        cluster: topology.cluster.clone(),
        live: false,
        stale: None,
        nodes: topology.nodes.iter().map(|n| node(topology, &networks, n)).collect(),
        networks,
        foreign: Vec::new(),
    }
}

/// Who is on each network of the cluster, by its name.
fn members(topology: &Topology) -> HashMap<&str, Vec<(&topology::Node, &topology::Service)>> {
    let mut members: HashMap<&str, Vec<_>> = HashMap::new();
    for node in &topology.nodes {
        for service in &node.services {
            for attachment in service.attachments.iter().filter(|a| a.shared) {
                let network = topology.shared_network(node, &attachment.network);
                if let Some(network) = network.filter(|n| n.link.is_some()) {
                    members.entry(network.name.as_str()).or_default().push((node, service));
                }
            }
        }
    }
    members
}

/// Whether a network is drawn as a link: one of several, or one that joins two nodes. One that joins more is for all of them.
fn is_link(network: &topology::Network, members: &[(&topology::Node, &topology::Service)]) -> bool {
    let nodes: HashSet<&str> = members.iter().map(|(node, _)| node.name.as_str()).collect();
    let several = network.link.as_ref().is_some_and(|declared| *declared != network.key);
    several || network.link.is_some() && nodes.len() == 2
}

fn network(network: &topology::Network) -> Network {
    Network {
        key: network.key.to_string(),
        name: network.name.to_string(),
        subnet: network.subnet.map(|s| s.to_string()),
        external: network.external,
        declared: network.link.as_ref().map(ToString::to_string),
        link: false,
        members: Vec::new(),
        standing: Standing::Desired,
    }
}

fn node(topology: &Topology, networks: &[Network], node: &topology::Node) -> Node {
    let joins = |s: &topology::Service, link: bool| -> Vec<Join> {
        let all = s.attachments.iter().filter_map(|a| join(topology, node, s, a));
        let is_link = |j: &Join| matches!(j.place, Place::Shared(at) if networks[at].link);
        all.filter(|j| is_link(j) == link).collect()
    };
    Node {
        name: node.name.to_string(),
        role: node.role.to_string(),
        project: node.project.to_string(),
        standing: Standing::Desired,
        networks: node.networks.iter().map(network).collect(),
        services: node
            .services
            .iter()
            .map(|s| Service {
                name: s.name.to_string(),
                containers: s.containers().map(|name| model::container(name.as_str())).collect(),
                image: image(s),
                ports: ports(s),
                network_mode: network_mode(node, s),
                duty: node.duty(s),
                standing: Standing::Desired,
                joins: joins(s, false),
                links: joins(s, true),
            })
            .collect(),
        foreign: Vec::new(),
    }
}

fn join(
    topology: &Topology,
    node: &topology::Node,
    service: &topology::Service,
    attachment: &topology::Attachment,
) -> Option<Join> {
    let (place, network) = if attachment.shared {
        let network = topology.shared_network(node, &attachment.network)?;
        // The network that joins all nodes comes before the others.
        let at = topology.places.get(&network.name).map_or(0, |at| at + 1);
        (Place::Shared(at), &network.name)
    } else {
        let at = node.networks.iter().position(|n| n.key == attachment.network)?;
        (Place::Own(at), &node.networks[at].name)
    };
    let others = attachment
        .aliases
        .iter()
        .filter(|a| attachment.shared || a.as_str() != service.name.as_str());
    Some(Join {
        place,
        network: network.to_string(),
        shared: attachment.shared,
        names: others.map(ToString::to_string).collect(),
        lost: Vec::new(),
        standing: Standing::Desired,
    })
}

/// The image of a service. For a fake it is the name without the version, which does not matter in a picture.
fn image(service: &topology::Service) -> String {
    match fake::is_fake(service) {
        true => fake::REPOSITORY.to_owned(),
        false => service.get("image").and_then(Value::scalar).unwrap_or_default(),
    }
}

/// The published and exposed ports, each once. Malformed ports are skipped, since a picture does not judge them.
fn ports(service: &topology::Service) -> Vec<String> {
    let list = |key: &str| service.get(key).and_then(Value::as_list).unwrap_or_default();
    let published = list("ports").iter().filter_map(|p| ports::read(p).ok());
    let exposed = list("expose").iter().filter_map(Value::scalar);
    let exposed = exposed.filter_map(|p| ports::exposed(&p).ok());
    let mut found: Vec<Port> = Vec::new();
    let mut known = HashSet::new();
    for port in published.chain(exposed) {
        let is_new = known.insert((port.target, port.protocol));
        if port.published.is_some() || is_new {
            found.push(port);
        }
    }
    let shown = |port: Port| {
        let offered = port.published.map_or_else(String::new, |p| ports::range_text(p) + ":");
        offered + &port.exposed()
    };
    let mut shown: Vec<String> = found.into_iter().map(shown).collect();
    shown.dedup();
    shown
}

/// `network_mode`, in which another service has its name instead of its key.
fn network_mode(node: &topology::Node, service: &topology::Service) -> Option<String> {
    let mode = service.get("network_mode").and_then(Value::scalar)?;
    let other = mode.strip_prefix("service:");
    let other = other.and_then(|key| node.services.iter().find(|s| s.key.as_str() == key));
    Some(other.map_or(mode, |s| format!("service:{}", s.name)))
}
