//! An engine that is not there: what it would list, and what containers on it would answer.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use topogen::cluster::Details;
use topogen::cluster::Inspected;
use topogen::cluster::ObservedContainer;
use topogen::cluster::ObservedEndpoint;
use topogen::cluster::ObservedNetwork;
use topogen::cluster::State;
use topogen::cluster::label;
use topogen::fake;
use topogen::probe::question::Answers;
use topogen::probe::question::Contact;
use topogen::probe::question::Questions;
use topogen::topology::{Node, Service, Topology};
use topogen::value::Value;
use topogen::verify::compare::Compared;
use topogen::verify::expect::{Expectations, Expected};
use topogen::verify::model::Model;
use topogen::verify::projects::Projects;
use topogen::verify::report::Report;
use topogen::verify::{Scope, report};

/// An engine that is not there, on which `topology` was brought up.
pub(super) struct Engine {
    pub(super) found: Inspected,
    /// Ports at which somebody listens, and what is said there: by container.
    pub(super) listening: BTreeMap<String, Vec<(u16, serde_json::Value)>>,
    /// Networks between which the host forwards, by name.
    pub(super) forwarded: Vec<(String, String)>,
    /// The same for IPv6.
    pub(super) forwarded6: Vec<(String, String)>,
    /// Containers between which packets get lost, and whether for want of room in the host's ARP table.
    pub(super) lost: Vec<(String, String)>,
    pub(super) crowded: bool,
    /// What is cut in the network of a container, by its name, as its rules say.
    pub(super) cuts: BTreeMap<String, topogen::faults::State>,
    /// Whether packets get through all the same.
    pub(super) leaks: bool,
    /// By name of a container, what has changed since it was made.
    pub(super) changed: HashMap<String, String>,
    /// The options that `verify` was given.
    pub(super) flags: String,
    /// Those that cannot be asked: `slave1/service_3`.
    pub(super) dumb: Vec<String>,
    /// Names that are answered otherwise than they should be.
    pub(super) amiss: Vec<(String, Vec<Ipv4Addr>)>,
    /// Names in the hosts file of one container: the container, the name, the address.
    pub(super) by_files: Vec<(String, String, Ipv4Addr)>,
    /// Names of which a resolver says that it cannot tell, by container, with its response code; `*` stands for all names.
    pub(super) failing: Vec<(String, String, String)>,
    /// What the world outside answers to all that nobody here knows.
    pub(super) outside: Option<Ipv4Addr>,
    /// Names by link, of one container alone.
    links: BTreeMap<(String, String), Ipv4Addr>,
}

impl Engine {
    pub(super) fn of(topology: &Topology) -> Self {
        let mut engine = Self {
            found: Inspected::default(),
            listening: BTreeMap::new(),
            forwarded: Vec::new(),
            forwarded6: Vec::new(),
            lost: Vec::new(),
            crowded: false,
            cuts: BTreeMap::new(),
            leaks: false,
            changed: HashMap::new(),
            flags: String::new(),
            dumb: Vec::new(),
            amiss: Vec::new(),
            failing: Vec::new(),
            by_files: Vec::new(),
            outside: None,
            links: BTreeMap::new(),
        };
        let own = topology
            .nodes
            .iter()
            .flat_map(|n| n.networks.iter().map(move |net| (net, Some(n))));
        for (network, node) in [(&topology.inout, None)].into_iter().chain(own) {
            let mut labels = BTreeMap::from([(label::CLUSTER.to_owned(), topology.cluster.to_string())]);
            labels.extend(node.map(|n| (label::NODE.to_owned(), n.name.to_string())));
            engine.found.networks.push(ObservedNetwork {
                id: format!("id-{}", network.name),
                name: network.name.to_string(),
                driver: "bridge".to_owned(),
                internal: matches!(network.options.get("internal"), Some(Value::Bool(true))),
                routed: false,
                routed6: false,
                subnets6: Vec::new(),
                labels,
                subnets: network.subnet.into_iter().collect(),
            });
        }
        for node in &topology.nodes {
            for service in &node.services {
                for (number, name) in (1..).zip(service.containers()) {
                    engine.start(topology, node, service, number, name.as_str());
                }
            }
        }
        for node in &topology.nodes {
            for service in &node.services {
                engine.relate(node, service);
            }
        }
        engine
    }

    fn start(&mut self, topology: &Topology, node: &Node, service: &Service, number: u32, name: &str) {
        let id = format!("{:012x}{:052x}", self.found.containers.len() + 1, 0);
        let labels = [
            (label::CLUSTER, topology.cluster.as_str()),
            (label::NODE, node.name.as_str()),
            (label::ROLE, node.role.as_str()),
            (label::SERVICE, service.name.as_str()),
            (label::compose::PROJECT, node.project.as_str()),
            (label::compose::SERVICE, service.key.as_str()),
            (label::compose::CONTAINER_NUMBER, &number.to_string()),
        ];
        self.found.containers.push(ObservedContainer {
            name: name.to_owned(),
            image: service.get("image").and_then(Value::scalar).unwrap_or_default(),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            details: Some(details(&id)),
            state: State::Running,
            id,
            ..ObservedContainer::default()
        });
        for attachment in &service.attachments {
            let network = topology.network(node, &attachment.network).expect("it is there");
            let aliases = attachment.aliases.iter().map(|a| a.as_str());
            let aliases: Vec<&str> = [service.key.as_str()].into_iter().chain(aliases).collect();
            self.connect(name, network.name.as_str(), &aliases);
        }
        let ports = fake::ports(&service.definition);
        let ports = ports.iter().filter(|p| p.ends_with("/tcp")).map(|port| {
            let said = serde_json::json!({"cluster": topology.cluster.as_str(), "node": node.name.as_str(),
                "service": service.name.as_str(), "port": port});
            (port.trim_end_matches("/tcp").parse().expect("a TCP port"), said)
        });
        self.listening.insert(name.to_owned(), ports.collect());
    }

    /// `links` and `network_mode: service:`
    fn relate(&mut self, node: &Node, service: &Service) {
        let own = service.container.to_string();
        let find = |key: &str| node.services.iter().find(|s| s.key.as_str() == key).expect("a service");
        for link in service.get("links").map(Value::one_or_many).unwrap_or_default() {
            let (key, name) = link.split_once(':').unwrap_or((&link, &link));
            let networks: Vec<String> = self
                .container(&own)
                .endpoints
                .iter()
                .map(|e| e.network.clone())
                .collect();
            let target = self.container(find(key).container.as_str());
            let near = target
                .endpoints
                .iter()
                .find(|e| networks.contains(&e.network))
                .expect("a common network");
            let address = near.address.expect("an address");
            self.links.insert((own.clone(), name.to_lowercase()), address);
        }
        let mode = service.get("network_mode").and_then(Value::scalar).unwrap_or_default();
        if let Some(key) = mode.strip_prefix("service:") {
            let ports = self.listening.get(&own).cloned().unwrap_or_default();
            self.listening
                .entry(find(key).container.to_string())
                .or_default()
                .extend(ports);
        }
    }

    pub(super) fn container(&mut self, name: &str) -> &mut ObservedContainer {
        self.found
            .containers
            .iter_mut()
            .find(|c| c.name == name)
            .expect("a container")
    }

    /// `docker network connect`
    pub(super) fn connect(&mut self, container: &str, network: &str, aliases: &[&str]) {
        let there = self.found.containers.iter().flat_map(|c| &c.endpoints);
        let taken: Vec<Ipv4Addr> = there
            .filter(|e| e.network == network)
            .filter_map(|e| e.address)
            .collect();
        let subnet = self
            .found
            .networks
            .iter()
            .find(|n| n.name == network)
            .expect("a network")
            .subnets[0];
        let address = subnet.hosts().skip(1).find(|a| !taken.contains(a));
        let own = self.container(container);
        let mut names: Vec<String> = aliases.iter().map(|a| a.to_lowercase()).collect();
        names.extend([own.name.clone(), own.id[..12].to_owned()]);
        names.sort();
        names.dedup();
        // In the order in which engines ask networks, as far as it is by name.
        let place = own.endpoints.partition_point(|e| e.network.as_str() < network);
        let endpoint = ObservedEndpoint {
            network: network.to_owned(),
            network_id: Some(format!("id-{network}")),
            address,
            address6: None,
            names,
            aliases: None,
        };
        own.endpoints.insert(place, endpoint);
    }

    /// Gives a network IPv6 addresses, beside those that it has or alone, and all that are on it one each.
    pub(super) fn enable_ipv6(&mut self, network: &str, subnet: &str, alone: bool) {
        let subnet: ipnet::Ipv6Net = subnet.parse().expect("a subnet");
        let found = self
            .found
            .networks
            .iter_mut()
            .find(|n| n.name == network)
            .expect("a network");
        found.subnets6 = vec![subnet];
        let endpoints = self.found.containers.iter_mut().flat_map(|c| &mut c.endpoints);
        for (endpoint, address) in endpoints.filter(|e| e.network == network).zip(subnet.hosts().skip(2)) {
            endpoint.address6 = Some(address);
            if alone {
                endpoint.address = None;
            }
        }
        if alone {
            found.subnets.clear();
        }
    }

    /// `docker rename`
    pub(super) fn rename(&mut self, container: &str, name: &str) {
        let container = self.container(container);
        let old = std::mem::replace(&mut container.name, name.to_owned());
        for endpoint in &mut container.endpoints {
            endpoint
                .names
                .iter_mut()
                .filter(|n| **n == old)
                .for_each(|n| *n = name.to_owned());
        }
        let said = self.listening.remove(&old).unwrap_or_default();
        self.listening.insert(name.to_owned(), said);
    }

    /// `docker network disconnect`
    pub(super) fn disconnect(&mut self, container: &str, network: &str) {
        self.container(container).endpoints.retain(|e| e.network != network);
    }

    /// `docker stop`
    pub(super) fn stop(&mut self, container: &str) {
        let container = self.container(container);
        container.state = State::Exited;
        container.exit = Some(137);
        container.endpoints.iter_mut().for_each(|e| e.address = None);
    }

    /// What the container at `at` would answer.
    fn answer(&self, at: usize, questions: &Questions) -> Answers {
        let asker = &self.found.containers[at];
        let mut answers = Answers::default();
        for name in questions.names.iter().chain(&questions.unknown) {
            let mut known = asker
                .endpoints
                .iter()
                .filter_map(|e| e.network_id.as_ref())
                .map(|id| self.resolve(id, name));
            let amiss = self.amiss.iter().find(|(n, _)| n == name).map(|(_, led)| led.clone());
            let link = self.links.get(&(asker.name.clone(), name.clone())).map(|a| vec![*a]);
            let line = self
                .by_files
                .iter()
                .find(|(asked, n, _)| *asked == asker.name && n == name);
            let amiss = line.map(|(.., address)| vec![*address]).or(amiss);
            let other = amiss
                .or(link)
                .map(|all| all.into_iter().map(IpAddr::V4).collect::<Vec<_>>());
            let first = other.or_else(|| known.find(|addresses| !addresses.is_empty()));
            let addresses = first.unwrap_or_else(|| self.outside.map(IpAddr::V4).into_iter().collect());
            answers.names.insert(name.clone(), addresses);
            let fails = |(asked, n, _): &&(String, String, String)| *asked == asker.name && (n == name || n == "*");
            if let Some((.., code)) = self.failing.iter().find(fails) {
                answers.names.insert(name.clone(), Vec::new());
                match code.as_str() {
                    "" => answers.silent.insert(name.clone()),
                    code => answers.failed.insert(name.clone(), code.to_owned()).is_none(),
                };
            }
        }
        let endpoints = [
            &questions.identify,
            &questions.connect,
            &questions.responds,
            &questions.unreachable,
        ];
        for endpoint in endpoints.into_iter().flatten() {
            answers
                .endpoints
                .insert(endpoint.clone(), self.contact(asker, endpoint));
        }
        answers
    }

    fn resolve(&self, network_id: &str, name: &str) -> Vec<IpAddr> {
        let endpoints = self.found.containers.iter().filter_map(|c| c.endpoint(network_id));
        let mut found: Vec<IpAddr> = endpoints
            .filter(|e| e.names.iter().any(|n| n == name))
            .flat_map(ObservedEndpoint::addresses)
            .collect();
        found.sort();
        found
    }

    fn contact(&self, asker: &ObservedContainer, endpoint: &str) -> Contact {
        let endpoint: SocketAddr = endpoint.parse().expect("an address and a port");
        let (address, port) = (endpoint.ip(), endpoint.port());
        let mut all = self
            .found
            .containers
            .iter()
            .flat_map(|c| c.endpoints.iter().map(move |e| (c, e)));
        let Some((target, there)) = all.find(|(_, e)| e.addresses().any(|a| a == address)) else {
            return Contact::Unreachable;
        };
        let ways = if address.is_ipv6() {
            &self.forwarded6
        } else {
            &self.forwarded
        };
        let forwarded = |e: &ObservedEndpoint| ways.contains(&(e.network.clone(), there.network.clone()));
        let near = |e: &ObservedEndpoint| e.network_id == there.network_id || forwarded(e);
        if !asker.endpoints.iter().any(near) {
            return Contact::Unreachable;
        }
        if self.lost.iter().any(|(a, b)| *a == asker.name && *b == target.name) {
            return Contact::Unreachable;
        }
        let cuts = |place: &str, address| self.cuts.get(place).is_some_and(|state| state.cuts(address));
        let near = asker.endpoints.iter().filter(|e| e.network_id == there.network_id);
        let mut own = near.flat_map(ObservedEndpoint::addresses);
        if !self.leaks && (cuts(&asker.name, address) || own.any(|own| cuts(&target.name, own))) {
            return Contact::Unreachable;
        }
        let listening = self.listening.get(&target.name).into_iter().flatten();
        match listening.into_iter().find(|(p, _)| *p == port) {
            Some((_, said)) => Contact::Connected {
                identity: Some(said.clone()),
            },
            None => Contact::Refused,
        }
    }

    /// What verifying it against `topology` would come to.
    pub(super) fn verify(&self, topology: &Topology, scope: impl FnOnce(&Model<'_>) -> Scope) -> Report {
        let mut model = Model::new(topology, &self.found);
        model.changed = self.changed.clone();
        model.flags = self.flags.clone();
        let cut =
            |name: &String| (0..model.members.len()).find(|m| model.container(*m).is_some_and(|c| c.name == *name));
        let cuts = self
            .cuts
            .iter()
            .filter_map(|(name, state)| Some((cut(name)?, state.clone())));
        model.cuts = cuts.collect();
        let scope = scope(&model);
        let expectations = Expectations::new(&model, scope.kinds);
        let expected = scope.members.iter().filter_map(|m| expectations.of(*m));
        // What shares a network answers as the container that it is of.
        let answer = |expected: &Expected, questions: &Questions| match self.dumb.contains(&model.title(expected.asker))
        {
            true => Err("no such exec instance".to_owned()),
            false => Ok(self.answer(model.members[expected.place].found.expect("it runs"), questions)),
        };
        let mut compared = Compared::new(&model, true);
        for expected in expected {
            let answers = answer(&expected, &expected.questions(&model, 0, 0));
            compared.take(&model, expected, answers);
        }
        compared.crowded = self.crowded.then(|| model.pairs());
        report(&model, &scope, compared)
    }

    /// What examining Compose projects on it would come to.
    pub(super) fn examine(&self, projects: &[String]) -> Report {
        let projects = Projects::new(projects, &self.found);
        let questions = projects.questions(0);
        let answers: Vec<_> = questions.iter().map(|(at, q)| Ok(self.answer(*at, q))).collect();
        projects.report(&questions, &answers)
    }
}

/// A container that is of no cluster.
pub(super) fn stranger(name: &str) -> ObservedContainer {
    let id = format!("{:0>64}", "abc");
    ObservedContainer {
        name: name.to_owned(),
        image: "busybox".to_owned(),
        details: Some(details(&id)),
        state: State::Running,
        id,
        ..ObservedContainer::default()
    }
}

/// What an inspection says of a container that was given no host name.
fn details(id: &str) -> Details {
    Details {
        hostname: id[..12].to_owned(),
        ..Details::default()
    }
}
