//! The model that is verified: the topology, with the observed resource for each of its parts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use ipnet::Ipv4Net;

use crate::cluster::Inspected;
use crate::cluster::ObservedContainer;
use crate::cluster::arp::pairs;
use crate::cluster::{ObservedEndpoint, Verdict, label, verdict};
use crate::fake;
use crate::faults::State;
use crate::name::{ContainerName, RoleName};
use crate::topology::{self, Duty, Node, Service, Topology};
use crate::value::Value;
use crate::verify::expect::Endpoint;

/// Which containers of an engine concern a topology.
#[derive(Debug)]
pub struct Concern {
    cluster: String,
    projects: HashSet<String>,
    networks: HashSet<String>,
    containers: HashSet<String>,
}

impl Concern {
    /// The projects, networks and containers that concern `topology`.
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

    /// Whether `container` is of the cluster or one of its projects, on one of its networks, or has the name of one of
    /// its containers.
    #[must_use]
    pub fn has(&self, container: &ObservedContainer) -> bool {
        !container.is_helper()
            && (container.cluster() == self.cluster
                || self.projects.contains(container.project())
                || self.containers.contains(&container.name)
                || container.endpoints.iter().any(|e| self.networks.contains(&e.network)))
    }
}

/// A topology and what was observed of it.
#[derive(Debug)]
pub struct Model<'a> {
    /// The observed containers and networks.
    pub found: &'a Inspected,
    /// The name of the cluster.
    pub cluster: &'a str,
    /// The networks: the cluster's own, other shared ones, then those of each node.
    pub nets: Vec<Net<'a>>,
    /// The desired containers, node by node.
    pub members: Vec<Member<'a>>,
    /// The nodes of the topology.
    pub nodes: &'a [Node],
    /// The roles of the topology, including those without nodes.
    pub roles: &'a [RoleName],
    /// Observed containers of the cluster or its projects that are not in the topology, by index.
    pub strays: Vec<usize>,
    /// Observed containers of others on its networks, by index.
    pub guests: Vec<usize>,
    /// The options that select this topology on the command line: `--name lab --slaves 3`; may be empty.
    pub flags: String,
    /// The path of the blueprint, or the name of a shipped one; empty if it is not known.
    pub blueprint: String,
    /// What has changed since a container was created, by container name.
    pub changed: HashMap<String, String>,
    /// What is cut in the networks of members, by the member that has the namespace; none where nothing is.
    pub cuts: BTreeMap<usize, State>,
    /// By network ID, then by name: the containers with that name on it, and their addresses.
    owners: HashMap<&'a str, HashMap<&'a str, Vec<Owner>>>,
}

/// The index of a container that has a name, and its address.
pub type Owner = (usize, IpAddr);

/// A network, desired and observed.
#[derive(Debug)]
pub struct Net<'a> {
    /// The network in the topology.
    pub network: &'a topology::Network,
    /// The index of the node that owns it; `None` if nodes share it.
    pub node: Option<usize>,
    /// The subnets written in the blueprint; if there are none, the topology's choice counts.
    pub written: Vec<Ipv4Net>,
    /// The containers that should be on it: the member, and the index of its joint.
    pub members: Vec<(usize, usize)>,
    /// The index of the observed network; `None` if it is missing.
    pub found: Option<usize>,
    /// The indices of other observed networks of that name.
    pub twins: Vec<usize>,
}

/// A container, desired and observed.
#[derive(Debug)]
pub struct Member<'a> {
    /// The index of its node.
    pub node: usize,
    /// The service that it is an instance of.
    pub service: &'a Service,
    /// The number among the containers of its service, from 1.
    pub number: u32,
    /// The desired name in the engine.
    pub name: ContainerName,
    /// The networks it should be on.
    pub joints: Vec<Joint<'a>>,
    /// The TCP ports that it exposes or publishes, each with the member that listens there, which differs if that one
    /// shares its network.
    pub ports: Vec<(u16, usize)>,
    /// Names that only it resolves, by its links, and the members that they resolve to.
    pub links: Vec<(String, Vec<usize>)>,
    /// What is expected of it in the long run.
    pub duty: Duty,
    /// The member whose network namespace it has; `None` if that is its own, or no member's.
    pub host: Option<usize>,
    /// The other members that have its network namespace.
    pub guests: Vec<usize>,
    /// Whether it has done its work, or is to do it and end.
    is_job: bool,
    /// The index of the observed container; `None` if it is missing.
    pub found: Option<usize>,
    /// The indices of other observed containers of its service.
    pub others: Vec<usize>,
}

/// The membership of a container in a network.
#[derive(Debug)]
pub struct Joint<'a> {
    /// The index of the network in `nets`.
    pub net: usize,
    /// The attachment in the topology.
    pub attachment: &'a topology::Attachment,
}

impl<'a> Model<'a> {
    /// Matches every part of `topology` with what was `found`.
    #[must_use]
    pub fn new(topology: &'a Topology, found: &'a Inspected) -> Self {
        let mut model = Self {
            found,
            cluster: topology.cluster.as_str(),
            nets: nets(topology),
            members: Vec::with_capacity(topology.containers()),
            nodes: &topology.nodes,
            roles: &topology.roles,
            strays: Vec::new(),
            guests: Vec::new(),
            flags: String::new(),
            blueprint: String::new(),
            changed: HashMap::new(),
            cuts: BTreeMap::new(),
            owners: HashMap::new(),
        };
        model.add_members(topology);
        model.find_hosts();
        model.find_members();
        for member in 0..model.members.len() {
            let is_done = model.verdict(member) == Verdict::Completed;
            model.members[member].is_job = is_done || model.members[member].duty == Duty::End;
        }
        model.find_nets();
        for (at, container) in found.containers.iter().enumerate() {
            for endpoint in &container.endpoints {
                let Some(network) = endpoint.network_id.as_deref() else {
                    continue;
                };
                let names = model.owners.entry(network).or_default();
                // A container without an address does not run, and has no names.
                for address in endpoint.addresses() {
                    for name in &endpoint.names {
                        names.entry(name).or_default().push((at, address));
                    }
                }
            }
        }
        model
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
                    duty: node.duty(service),
                    host: None,
                    guests: Vec::new(),
                    is_job: false,
                    found: None,
                    others: Vec::new(),
                });
            }
            self.relate(first);
        }
    }

    /// Relates the services of the node whose members begin at `first`: ports of shared networks, and links.
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
            if let Some([host, ..]) = service.network_host().and_then(|key| keys.get(key)).map(Vec::as_slice) {
                self.members[at].host = Some(*host);
            }
        }
    }

    /// Finds the members whose network namespaces others have, also those that are named as containers, and gives them the
    /// ports of these.
    fn find_hosts(&mut self) {
        let names: HashMap<String, usize> = (0..self.members.len())
            .map(|at| (self.members[at].name.to_string(), at))
            .collect();
        for at in 0..self.members.len() {
            let mode = self.members[at].service.get("network_mode").and_then(Value::scalar);
            if let Some(name) = mode.as_deref().and_then(|mode| mode.strip_prefix("container:")) {
                self.members[at].host = names.get(name).copied().filter(|host| *host != at);
            }
        }
        for at in 0..self.members.len() {
            let place = self.place(at);
            if place != at {
                self.members[place].guests.push(at);
                let ports = self.members[at].ports.clone();
                self.members[place].ports.extend(ports);
            }
        }
    }

    /// The member whose network namespace a member is in: itself, unless it has another one's.
    #[must_use]
    pub fn place(&self, member: usize) -> usize {
        let mut place = member;
        // Each of them is passed once at most, even where they lead in a circle.
        for _ in 0..self.members.len() {
            match self.members[place].host {
                Some(host) => place = host,
                None => break,
            }
        }
        place
    }

    /// Whether the blueprint gives a member `name`, in lower case, another address than the engine (Compose specification,
    /// services, `extra_hosts`).
    #[must_use]
    pub fn has_extra_host(&self, member: usize, name: &str) -> bool {
        let service = self.members[self.place(member)].service;
        let is_it = |host: &str| host.eq_ignore_ascii_case(name);
        match service.get("extra_hosts") {
            Some(Value::Map(hosts)) => hosts.keys().any(|host| is_it(host)),
            Some(list) => list
                .one_or_many()
                .iter()
                .any(|line| line.split(['=', ':']).next().is_some_and(is_it)),
            None => false,
        }
    }

    /// The members in the network namespace of `place`, itself among them, that are in it now.
    pub fn sharers(&self, place: usize) -> impl Iterator<Item = usize> + '_ {
        let guests = &self.members[place].guests;
        let is_there = |m: &usize| {
            self.container(*m)
                .is_some_and(|c| c.runs() && c.lost_namespaces().next().is_none())
        };
        [place].into_iter().chain(guests.iter().copied().filter(is_there))
    }

    /// Whether the container of a member is as it should be.
    #[must_use]
    pub fn verdict(&self, member: usize) -> Verdict {
        verdict(self.members[member].duty, self.container(member))
    }

    /// Whether nothing is asked of a member nor about it: it has done its work, or is about to.
    #[must_use]
    pub fn is_job(&self, member: usize) -> bool {
        self.members[member].is_job
    }

    /// Matches containers by topogen's labels, or by Compose's: containers that Compose created from rendered files
    /// have none of ours.
    fn find_members(&mut self) {
        let mut by_node: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        let mut by_project: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (at, member) in self.members.iter().enumerate() {
            let node = &self.nodes[member.node];
            let (name, key) = (member.service.name.as_str(), member.service.key.as_str());
            by_node.entry((node.name.as_str(), name)).or_default().push(at);
            // The plain name counts too, because the user's own Compose files may have been brought up.
            let names = [name, key];
            for name in &names[usize::from(name == key)..] {
                by_project.entry((node.project.as_str(), *name)).or_default().push(at);
            }
        }
        let projects: HashSet<&str> = self.nodes.iter().map(|n| n.project.as_str()).collect();
        let mut order: Vec<usize> = (0..self.found.containers.len()).collect();
        let mut left = Vec::new();
        // Of several, the first that runs is preferred.
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
        // Compose leaves gaps in the numbers of replicas.
        for (at, members) in left {
            match members.iter().find(|m| self.members[**m].found.is_none()) {
                Some(member) => self.members[*member].found = Some(at),
                None => self.members[members[0]].others.push(at),
            }
        }
        self.guests.sort_unstable();
        self.strays.sort_unstable();
    }

    /// Matches networks by name. Of several, one of the cluster is preferred, then the one with most of its containers.
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

    /// Whether the observed network is of this cluster, or of Compose projects that stand for one.
    #[must_use]
    pub fn is_own_network(&self, net: usize) -> bool {
        let found = self.nets[net].found.map(|at| &self.found.networks[at]);
        let key = self.nets[net].network.key.as_str();
        found.is_some_and(|n| n.cluster() == self.cluster || n.label(label::compose::NETWORK) == key)
    }

    /// The ARP entries needed for all containers to check all others.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        pairs(self.nets.iter().map(|net| net.members.len()))
    }

    /// The observed container of a member.
    #[must_use]
    pub fn container(&self, member: usize) -> Option<&'a ObservedContainer> {
        self.members[member].found.map(|at| &self.found.containers[at])
    }

    /// Whether `name` is the host name of a member.
    #[must_use]
    pub fn is_hostname(&self, member: usize, name: &str) -> bool {
        self.container(member).is_some_and(|c| c.is_hostname(name))
    }

    /// The engine's ID of a network.
    #[must_use]
    pub fn net_id(&self, net: usize) -> Option<&'a str> {
        self.nets[net].found.map(|at| self.found.networks[at].id.as_str())
    }

    /// The addresses of a member on one of its networks, the IPv4 one first; none if it does not run or is not on it.
    pub fn addresses(&self, member: usize, net: usize) -> impl Iterator<Item = IpAddr> + use<> {
        let container = self.container(member).zip(self.net_id(net));
        let endpoint = container.and_then(|(container, id)| container.endpoint(id));
        endpoint
            .into_iter()
            .flat_map(ObservedEndpoint::addresses)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Whether `asker` is cut off the endpoint `at`, by what is in force in the namespace of either. Both are in their own.
    #[must_use]
    pub fn is_cut(&self, asker: usize, at: &Endpoint) -> bool {
        let target = self.place(at.target);
        let own = || {
            self.addresses(asker, at.net)
                .filter(|own| own.is_ipv6() == at.address.is_ipv6())
        };
        let there = |place: &usize, address| self.cuts.get(place).is_some_and(|state| state.cuts(address));
        target != asker && (there(&asker, at.address) || own().any(|own| there(&target, own)))
    }

    /// Whether any container has an IPv6 address, so that names may resolve to one.
    #[must_use]
    pub fn has_ipv6(&self) -> bool {
        let mut endpoints = self.found.containers.iter().flat_map(|c| &c.endpoints);
        endpoints.any(|e| e.address6.is_some())
    }

    /// The containers that have `name` on the network with this ID.
    #[must_use]
    pub fn owners(&self, network_id: &str, name: &str) -> &[Owner] {
        let names = self.owners.get(network_id).and_then(|names| names.get(name));
        names.map_or(&[], Vec::as_slice)
    }

    /// The container that has `address`.
    #[must_use]
    pub fn holder(&self, address: IpAddr) -> Option<usize> {
        let has = |c: &ObservedContainer| c.endpoints.iter().any(|e| e.addresses().any(|a| a == address));
        self.found.containers.iter().position(has)
    }

    /// The member that this observed container is.
    #[must_use]
    pub fn member_of(&self, container: usize) -> Option<usize> {
        self.members.iter().position(|m| m.found == Some(container))
    }

    /// The name of a member's node.
    #[must_use]
    pub fn node(&self, member: usize) -> &'a str {
        self.nodes[self.members[member].node].name.as_str()
    }

    /// The name of a member inside its node: its service, with a number if there are several containers.
    #[must_use]
    pub fn label(&self, member: usize) -> String {
        let Member { service, number, .. } = &self.members[member];
        match service.replicas {
            1 => service.name.to_string(),
            _ => format!("{}-{number}", service.name),
        }
    }

    /// The name of a member in messages: `slave3/service_out`.
    #[must_use]
    pub fn title(&self, member: usize) -> String {
        format!("{}/{}", self.node(member), self.label(member))
    }

    /// `slave3/service_out` for a member, otherwise the container's name.
    #[must_use]
    pub fn title_of(&self, container: usize) -> String {
        match self.member_of(container) {
            Some(member) => self.title(member),
            None => self.found.containers[container].name.clone(),
        }
    }

    /// Every name that a member should have on the network of a joint, in lower case.
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
