//! What the topology promises, with what was found on the engine in the place of each part of it.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::cluster::Inspected;
use crate::cluster::ObservedContainer;
use crate::cluster::arp::pairs;
use crate::fake;
use crate::name::{ContainerName, RoleName};
use crate::topology::{self, Node, Service, Topology};
use crate::value::Value;

/// Which containers of an engine have to do with a topology.
#[derive(Debug)]
pub struct Concern {
    cluster: String,
    projects: HashSet<String>,
    networks: HashSet<String>,
    containers: HashSet<String>,
}

impl Concern {
    /// What has to do with `topology`.
    #[must_use]
    pub fn of(topology: &Topology) -> Self {
        let own = topology.nodes.iter().flat_map(|n| &n.networks);
        let networks = own.chain(&topology.shared).chain([&topology.inout]);
        let services = topology.nodes.iter().flat_map(|n| &n.services);
        Self {
            cluster: topology.cluster.to_string(),
            projects: topology.nodes.iter().map(|n| n.project.to_string()).collect(),
            networks: networks.map(|n| n.name.to_string()).collect(),
            containers: services.flat_map(Service::containers).map(|c| c.to_string()).collect(),
        }
    }

    /// Whether `container` has: it is of the cluster, of one of its projects, on one of its networks, or has a name that
    /// one of its containers is to have.
    #[must_use]
    pub fn has(&self, container: &ObservedContainer) -> bool {
        !container.is_helper()
            && (container.cluster() == self.cluster
                || self.projects.contains(container.project())
                || self.containers.contains(&container.name)
                || container.endpoints.iter().any(|e| self.networks.contains(&e.network)))
    }
}

/// A topology and what was found of it.
#[derive(Debug)]
pub struct Picture<'a> {
    /// What was found.
    pub found: &'a Inspected,
    /// The cluster's name.
    pub cluster: &'a str,
    /// Its networks: the one of all, other shared ones, then each node's.
    pub nets: Vec<Net<'a>>,
    /// Its containers, node by node.
    pub members: Vec<Member<'a>>,
    /// Its nodes.
    pub nodes: &'a [Node],
    /// Its roles, those without a node too.
    pub roles: &'a [RoleName],
    /// Containers of the cluster or of its projects that nothing in the topology accounts for.
    pub strays: Vec<usize>,
    /// Containers of others on its networks.
    pub guests: Vec<usize>,
    /// The options by which a command means this topology, as `--name lab --slaves 3`; may be empty.
    pub flags: String,
    /// By name of a container, what has changed since it was made.
    pub changed: HashMap<String, String>,
    /// By network of the engine, by name: the containers that answer to it there, and their addresses.
    owners: HashMap<&'a str, HashMap<&'a str, Vec<Owner>>>,
}

/// A container that answers to a name, and its address.
pub type Owner = (usize, Ipv4Addr);

/// A network, and what was found of it.
#[derive(Debug)]
pub struct Net<'a> {
    /// The network.
    pub network: &'a topology::Network,
    /// The node whose own it is.
    pub node: Option<usize>,
    /// The subnets that the blueprint wrote; with none, the topology's own choice counts.
    pub written: Vec<Ipv4Net>,
    /// The containers that are to be on it: the member, and which of its joints.
    pub members: Vec<(usize, usize)>,
    /// What was found in its place.
    pub found: Option<usize>,
    /// Others of its name.
    pub twins: Vec<usize>,
}

/// A container, and what was found of it.
#[derive(Debug)]
pub struct Member<'a> {
    /// Its node.
    pub node: usize,
    /// Its service.
    pub service: &'a Service,
    /// Which of the service's containers it is, from 1.
    pub number: u32,
    /// What it is to be called.
    pub name: ContainerName,
    /// The networks it is to be on.
    pub joints: Vec<Joint<'a>>,
    /// TCP ports that it exposes or publishes, and which container listens there: another one where that shares its
    /// network.
    pub ports: Vec<(u16, usize)>,
    /// Names that it alone knows by a link, and whom they lead to.
    pub links: Vec<(String, Vec<usize>)>,
    /// What was found in its place.
    pub found: Option<usize>,
    /// Other containers of the same service.
    pub others: Vec<usize>,
}

/// A container's being on a network.
#[derive(Debug)]
pub struct Joint<'a> {
    /// The network: its place in [`Picture::nets`].
    pub net: usize,
    /// What the topology says of it.
    pub attachment: &'a topology::Attachment,
}

impl<'a> Picture<'a> {
    /// Find every part of `topology` in what was `found`.
    #[must_use]
    pub fn new(topology: &'a Topology, found: &'a Inspected) -> Self {
        let mut picture = Self {
            found,
            cluster: topology.cluster.as_str(),
            nets: nets(topology),
            members: Vec::with_capacity(topology.containers()),
            nodes: &topology.nodes,
            roles: &topology.roles,
            strays: Vec::new(),
            guests: Vec::new(),
            flags: String::new(),
            changed: HashMap::new(),
            owners: HashMap::new(),
        };
        picture.add_members(topology);
        picture.find_members();
        picture.find_nets();
        for (at, container) in found.containers.iter().enumerate() {
            for endpoint in &container.endpoints {
                // What has no address has no names either: it does not run.
                let Some(address) = endpoint.address else { continue };
                let names = picture.owners.entry(&endpoint.network_id).or_default();
                for name in &endpoint.names {
                    names.entry(name).or_default().push((at, address));
                }
            }
        }
        picture
    }

    fn add_members(&mut self, topology: &'a Topology) {
        let places: HashMap<&str, usize> = self
            .nets
            .iter()
            .enumerate()
            .map(|(at, n)| (n.network.name.as_str(), at))
            .collect();
        for (at, node) in topology.nodes.iter().enumerate() {
            let first = self.members.len();
            let services = node.services.iter();
            for (service, number, name) in services.flat_map(|s| (1..).zip(s.containers()).map(move |(n, c)| (s, n, c)))
            {
                let joint = |attachment: &'a topology::Attachment| {
                    let network = topology.network(node, &attachment.network)?;
                    let net = *places.get(network.name.as_str())?;
                    Some(Joint { net, attachment })
                };
                let joints: Vec<Joint<'_>> = service.attachments.iter().filter_map(joint).collect();
                let own = self.members.len();
                for (which, joint) in joints.iter().enumerate() {
                    self.nets[joint.net].members.push((own, which));
                }
                self.members.push(Member {
                    node: at,
                    service,
                    number,
                    name,
                    joints,
                    ports: ports(service).map(|port| (port, own)).collect(),
                    links: Vec::new(),
                    found: None,
                    others: Vec::new(),
                });
            }
            self.relate(first);
        }
    }

    /// What services of the node whose members begin at `first` say of each other.
    fn relate(&mut self, first: usize) {
        let mut keys: HashMap<&str, Vec<usize>> = HashMap::new();
        for at in first..self.members.len() {
            keys.entry(self.members[at].service.key.as_str()).or_default().push(at);
        }
        for at in first..self.members.len() {
            let service = self.members[at].service;
            for text in service.get("links").map(Value::one_or_many).unwrap_or_default() {
                let (key, name) = text.split_once(':').unwrap_or((&text, &text));
                if let Some(targets) = keys.get(key) {
                    self.members[at].links.push((name.to_lowercase(), targets.clone()));
                }
            }
            let mode = service.get("network_mode").and_then(Value::scalar).unwrap_or_default();
            if let Some([host, ..]) = mode
                .strip_prefix("service:")
                .and_then(|key| keys.get(key))
                .map(Vec::as_slice)
            {
                let ports = self.members[at].ports.clone();
                self.members[*host].ports.extend(ports);
            }
        }
    }

    /// Containers by topogen's labels, else by Compose's: those that Compose made of rendered files carry none of ours.
    fn find_members(&mut self) {
        let mut by_node: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        let mut by_project: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (at, member) in self.members.iter().enumerate() {
            let node = &self.nodes[member.node];
            let (name, key) = (member.service.name.as_str(), member.service.key.as_str());
            by_node.entry((node.name.as_str(), name)).or_default().push(at);
            // By its plain name too: the files that a blueprint was made of may have been brought up themselves.
            let names = [name, key];
            for name in &names[usize::from(name == key)..] {
                by_project.entry((node.project.as_str(), *name)).or_default().push(at);
            }
        }
        let projects: HashSet<&str> = self.nodes.iter().map(|n| n.project.as_str()).collect();
        let mut order: Vec<usize> = (0..self.found.containers.len()).collect();
        let mut left = Vec::new();
        // Of several, one that runs counts, and of those the first.
        order.sort_by_cached_key(|at| {
            let container = &self.found.containers[*at];
            (!container.runs(), container.number(), *at)
        });
        for at in order {
            let container = &self.found.containers[at];
            let (cluster, node) = (container.cluster(), container.node());
            let project = container.project();
            let of_project = cluster.is_empty() && projects.contains(project);
            if cluster != self.cluster && !of_project {
                self.guests.push(at);
                continue;
            }
            let members = match cluster == self.cluster {
                true => by_node.get(&(node, container.service())),
                false => by_project.get(&(project, container.service_key())),
            };
            let Some(members) = members else {
                self.strays.push(at);
                continue;
            };
            let number = container.number();
            let mut free = members.iter().filter(|m| self.members[**m].found.is_none());
            match free.find(|m| self.members[**m].number == number) {
                Some(member) => self.members[*member].found = Some(at),
                None => left.push((at, members)),
            }
        }
        // Compose leaves gaps in their numbers.
        for (at, members) in left {
            match members.iter().find(|m| self.members[**m].found.is_none()) {
                Some(member) => self.members[*member].found = Some(at),
                None => self.members[members[0]].others.push(at),
            }
        }
        self.guests.sort_unstable();
        self.strays.sort_unstable();
    }

    /// Networks by name; of several of one name, that of the cluster, and of those the one with most of its containers.
    fn find_nets(&mut self) {
        for net in &mut self.nets {
            let name = net.network.name.as_str();
            let mut named: Vec<usize> = (0..self.found.networks.len())
                .filter(|at| self.found.networks[*at].name == name)
                .collect();
            let members = || net.members.iter().filter_map(|(m, _)| self.members[*m].found);
            named.sort_by_cached_key(|at| {
                let network = &self.found.networks[*at];
                let on_it = members().filter(|c| self.found.containers[*c].endpoint(&network.id).is_some());
                let own = network.cluster() == self.cluster;
                (std::cmp::Reverse((own, on_it.count())), network.id.clone())
            });
            let mut named = named.into_iter();
            net.found = named.next();
            net.twins = named.collect();
        }
    }

    /// The entries of an ARP table that asking everybody about everybody takes.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        pairs(self.nets.iter().map(|net| net.members.len()))
    }

    /// A member's container.
    #[must_use]
    pub fn container(&self, member: usize) -> Option<&'a ObservedContainer> {
        self.members[member].found.map(|at| &self.found.containers[at])
    }

    /// Whether `name` is that of a member's host.
    #[must_use]
    pub fn is_hostname(&self, member: usize, name: &str) -> bool {
        self.container(member).is_some_and(|c| c.is_hostname(name))
    }

    /// The engine's id of a network.
    #[must_use]
    pub fn net_id(&self, net: usize) -> Option<&'a str> {
        self.nets[net].found.map(|at| self.found.networks[at].id.as_str())
    }

    /// The address of a member on one of the networks it is to be on; none unless it runs and is there.
    #[must_use]
    pub fn address(&self, member: usize, net: usize) -> Option<Ipv4Addr> {
        self.container(member)?.endpoint(self.net_id(net)?)?.address
    }

    /// Who answers to `name` on the network of this id.
    #[must_use]
    pub fn owners(&self, network_id: &str, name: &str) -> &[Owner] {
        let names = self.owners.get(network_id).and_then(|names| names.get(name));
        names.map_or(&[], Vec::as_slice)
    }

    /// The container that has `address`.
    #[must_use]
    pub fn holder(&self, address: Ipv4Addr) -> Option<usize> {
        let has = |c: &ObservedContainer| c.endpoints.iter().any(|e| e.address == Some(address));
        self.found.containers.iter().position(has)
    }

    /// The member whose container is that.
    #[must_use]
    pub fn member_of(&self, container: usize) -> Option<usize> {
        self.members.iter().position(|m| m.found == Some(container))
    }

    /// The name of a member's node.
    #[must_use]
    pub fn node(&self, member: usize) -> &'a str {
        self.nodes[self.members[member].node].name.as_str()
    }

    /// A member inside its node: its service, of several containers with a number.
    #[must_use]
    pub fn label(&self, member: usize) -> String {
        let Member { service, number, .. } = &self.members[member];
        match service.replicas {
            1 => service.name.to_string(),
            _ => format!("{}-{number}", service.name),
        }
    }

    /// `slave3/service_out`.
    #[must_use]
    pub fn title(&self, member: usize) -> String {
        format!("{}/{}", self.node(member), self.label(member))
    }

    /// `slave3/service_out` of one of its own, else its name.
    #[must_use]
    pub fn title_of(&self, container: usize) -> String {
        match self.member_of(container) {
            Some(member) => self.title(member),
            None => self.found.containers[container].name.clone(),
        }
    }

    /// Every name that a member is to have on the network of one of its joints, in lower case.
    pub fn names(&self, member: usize, joint: usize) -> impl Iterator<Item = String> + use<'_> {
        let aliases = self.members[member].joints[joint].attachment.aliases.iter();
        let aliases = aliases.map(|a| a.as_str().to_lowercase());
        aliases.chain(self.given_names(member))
    }

    /// The names that the engine and Compose add on every network: the container's name and the service's key.
    pub fn given_names(&self, member: usize) -> impl Iterator<Item = String> + use<> {
        let Member { service, name, .. } = &self.members[member];
        let container = self.container(member).map_or(name.as_str(), |c| c.name.as_str());
        [service.key.as_str().to_lowercase(), container.to_lowercase()].into_iter()
    }
}

fn nets(topology: &Topology) -> Vec<Net<'_>> {
    let net = |network, node| Net {
        network,
        node,
        written: written(network),
        members: Vec::new(),
        found: None,
        twins: Vec::new(),
    };
    let shared = [&topology.inout].into_iter().chain(&topology.shared);
    let mut nets: Vec<Net<'_>> = shared.map(|n| net(n, None)).collect();
    for (at, node) in topology.nodes.iter().enumerate() {
        nets.extend(node.networks.iter().map(|n| net(n, Some(at))));
    }
    nets
}

/// The IPv4 subnets under `ipam` of a network (Compose specification, networks, `ipam`).
fn written(network: &topology::Network) -> Vec<Ipv4Net> {
    let ipam = network.options.get("ipam").and_then(Value::as_map);
    let pools = ipam.and_then(|m| m.get("config")).and_then(Value::as_list);
    let subnets = pools
        .unwrap_or_default()
        .iter()
        .filter_map(|pool| pool.as_map()?.get("subnet")?.scalar()?.parse::<Ipv4Net>().ok());
    subnets.map(|subnet| subnet.trunc()).collect()
}

/// The TCP ports that a service exposes or publishes.
fn ports(service: &Service) -> impl Iterator<Item = u16> + use<> {
    let ports = fake::ports(&service.definition).into_iter();
    ports.filter_map(|port| port.strip_suffix("/tcp")?.parse().ok())
}
