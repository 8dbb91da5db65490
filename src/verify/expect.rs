//! What must hold for each container, as checks to run from inside it.
//!
//! | check | of |
//! | --- | --- |
//! | resolves | every name on its networks: aliases, and for its own node and the next one keys and containers |
//! | does not resolve | private names of other roles, the next node's private containers, names on shared networks it
//! is not on |
//! | accepts a connection | every TCP port of every container on its networks |
//! | reports its identity | every fake there |
//! | responds | fakes there that expose no port |
//! | is unreachable | every other node, at addresses that share no network with it |
//! | is cut off | whoever would accept or respond, where a cut is in force between the two |
//!
//! The unreachable addresses would grow with the square of the containers. Past [`ADDRESSES`], each container checks
//! one address of every other node, and which one rotates, so that all are checked from somewhere. The same applies to
//! checks of which few suffice: fakes of other nodes without a port, and names that do not resolve.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::model::{Member, Model};
use crate::cluster::ObservedContainer;
use crate::fake;
use crate::probe::question::Questions;

/// The unreachable addresses that a container checks, unless there are more nodes than that.
pub const ADDRESSES: usize = 128;
/// Fakes without a port that a container checks beyond its own node.
const TOUCHED: usize = 64;
/// Names of other roles that a container checks not to resolve.
const STRANGE_NAMES: usize = 16;
/// Names on networks it is not on that a container checks not to resolve.
const DISTANT_NAMES: usize = 16;
/// The port to try if a container exposes none: discard (RFC 863), which nobody serves.
const NO_PORT: u16 = 9;

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// A name resolves to the address of a member; to one of each member if its service has several containers.
    Name {
        /// The name, in lower case.
        name: String,
        /// The members, all of one service.
        targets: Vec<usize>,
        /// The networks on which the name is known.
        nets: BTreeSet<usize>,
    },
    /// A name does not resolve.
    Unknown {
        /// The name, in lower case.
        name: String,
    },
    /// A port of a member accepts connections.
    Port {
        /// The endpoint to connect to.
        at: Endpoint,
        /// The member that should listen.
        listener: usize,
    },
    /// An address of a member responds, even if it refuses the connection.
    Responds(Endpoint),
    /// An address of a member is unreachable.
    Unreachable(Endpoint),
    /// An address of a member is unreachable, because the two are cut off each other on purpose.
    CutOff(Endpoint),
}

/// The address of a member on a network, with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The index of the member.
    pub target: usize,
    /// The index of the network.
    pub net: usize,
    /// The address to connect to.
    pub address: IpAddr,
    /// The TCP port, from 1 to 65535.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// What must hold from inside one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The member that runs the checks.
    pub asker: usize,
    /// The member whose network namespace it is in: usually itself.
    pub place: usize,
    /// All checks to run.
    pub checks: Vec<Check>,
}

/// The kinds of checks to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// Whether to check names.
    pub names: bool,
    /// Whether to check connections.
    pub paths: bool,
}

impl Expected {
    /// The checks as questions for a probe; the timeouts are in milliseconds.
    #[must_use]
    pub fn questions(&self, model: &Model<'_>, patience: u64, control_timeout: u64) -> Questions {
        let mut questions = Questions {
            patience,
            control_timeout,
            ipv6: model.has_ipv6(),
            retry_refused: true,
            ..Questions::default()
        };
        let mut asked = HashSet::new();
        for check in &self.checks {
            let (list, question) = match check {
                Check::Name { name, .. } => (&mut questions.names, name.clone()),
                Check::Unknown { name } => (&mut questions.unknown, name.clone()),
                Check::Port { at, listener } if model.is_fake(*listener) => (&mut questions.identify, at.to_string()),
                Check::Port { at, .. } => (&mut questions.connect, at.to_string()),
                Check::Responds(at) => (&mut questions.responds, at.to_string()),
                Check::Unreachable(at) | Check::CutOff(at) => (&mut questions.unreachable, at.to_string()),
            };
            // Two members that share an address may yield the same question.
            if asked.insert(question.clone()) {
                list.push(question);
            }
        }
        questions
    }
}

/// The checks of each container, computed one at a time: all together are many, since every container checks all
/// others.
pub struct Expectations<'p, 'a> {
    model: &'p Model<'a>,
    tables: Tables,
    kinds: Kinds,
}

impl<'p, 'a> Expectations<'p, 'a> {
    /// Computes checks of these `kinds`.
    #[must_use]
    pub fn new(model: &'p Model<'a>, kinds: Kinds) -> Self {
        Self {
            model,
            tables: Tables::new(model),
            kinds,
        }
    }

    /// Whether `asker` runs and is on a network, so that the probe can run in it.
    #[must_use]
    pub fn can_ask(&self, asker: usize) -> bool {
        let lives = |c: &ObservedContainer| c.runs() && c.lost_namespaces().next().is_none();
        let place = self.model.place(asker);
        self.model.container(asker).is_some_and(lives)
            && !self.model.is_job(asker)
            && !self.model.members[place].joints.is_empty()
    }

    /// The checks of `asker`; `None` if there are none, or the probe cannot run in it.
    #[must_use]
    pub fn of(&self, asker: usize) -> Option<Expected> {
        if !self.can_ask(asker) {
            return None;
        }
        let place = self.model.place(asker);
        let view = View {
            model: self.model,
            tables: &self.tables,
            asker: place,
            member: &self.model.members[place],
        };
        let mut checks = Vec::new();
        if self.kinds.names {
            let known = view.known();
            checks.extend(view.unknown(&known));
            let known = known.into_iter();
            checks.extend(known.filter_map(|(name, found)| found.check(self.model, name)));
        }
        if self.kinds.paths {
            let cuts = |at: &Endpoint| self.model.is_cut(place, at);
            checks.extend(view.paths().into_iter().map(|check| match check {
                Check::Port { at, .. } | Check::Responds(at) if cuts(&at) => Check::CutOff(at),
                check => check,
            }));
            checks.extend(view.unreachable());
        }
        (!checks.is_empty()).then_some(Expected { asker, place, checks })
    }
}

/// What is the same for all askers.
struct Tables {
    /// The members of each node, by index.
    nodes: Vec<Vec<usize>>,
    /// Names of services on private networks only, each once, with a node that has it.
    strange: Vec<String>,
    /// Names on shared networks: the network, the node, the name.
    shared: Vec<(usize, usize, String)>,
    /// Host names, which also resolve from engine 25 on.
    hosts: HashSet<String>,
}

impl Tables {
    fn new(model: &Model<'_>) -> Self {
        let mut nodes = vec![Vec::new(); model.nodes.len()];
        let mut strange = BTreeSet::new();
        let mut shared = Vec::new();
        for (at, member) in model.members.iter().enumerate() {
            nodes[member.node].push(at);
            for joint in &member.joints {
                let aliases = joint.attachment.aliases.iter().map(|a| a.as_str().to_lowercase());
                match model.nets[joint.net].node {
                    None => shared.extend(aliases.map(|name| (joint.net, member.node, name))),
                    Some(_) => strange.extend(aliases.chain([member.service.name.as_str().to_lowercase()])),
                }
            }
        }
        let containers = model.found.containers.iter();
        Self {
            nodes,
            strange: strange.into_iter().collect(),
            shared,
            hosts: containers
                .filter_map(|c| c.details.as_ref())
                .map(|d| d.hostname.to_lowercase())
                .collect(),
        }
    }
}

/// The members that a name resolves to.
#[derive(Default)]
struct Known {
    targets: BTreeSet<usize>,
    nets: BTreeSet<usize>,
    /// Whether the name is checked.
    asked: bool,
}

impl Known {
    fn check(self, model: &Model<'_>, name: String) -> Option<Check> {
        let service = |m: &usize| (model.members[*m].node, model.members[*m].service.name.as_str());
        let targets: Vec<usize> = self.targets.into_iter().collect();
        let first = service(targets.first()?);
        let one = targets.iter().all(|m| service(m) == first);
        let nets = self.nets;
        (self.asked && one && is_dns_name(&name)).then_some(Check::Name { name, targets, nets })
    }
}

/// What one container should observe.
struct View<'p, 'a> {
    model: &'p Model<'a>,
    tables: &'p Tables,
    asker: usize,
    member: &'p Member<'a>,
}

impl View<'_, '_> {
    /// All names that should resolve here.
    fn known(&self) -> BTreeMap<String, Known> {
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        let next = self.next_node();
        for joint in &self.member.joints {
            let net = &self.model.nets[joint.net];
            for (target, which) in net.members.iter().filter(|(target, _)| !self.model.is_job(*target)) {
                let node = self.model.members[*target].node;
                let near = node == self.member.node || node == next;
                let aliases = &self.model.members[*target].joints[*which].attachment.aliases;
                for (at, name) in self.model.names(*target, *which).enumerate() {
                    let found = known.entry(name).or_default();
                    found.targets.insert(*target);
                    found.nets.insert(joint.net);
                    found.asked |= near || at < aliases.len();
                }
            }
        }
        for (name, targets) in &self.member.links {
            let nets = self.member.joints.iter().map(|j| j.net);
            let joins = |m: &usize, net: usize| self.model.members[*m].joints.iter().any(|j| j.net == net);
            let nets: BTreeSet<usize> = nets.filter(|net| targets.iter().any(|m| joins(m, *net))).collect();
            if !nets.is_empty() && !targets.iter().any(|m| self.model.is_job(*m)) {
                let targets = targets.iter().copied().collect();
                known.insert(
                    name.clone(),
                    Known {
                        targets,
                        nets,
                        asked: true,
                    },
                );
            }
        }
        known
    }

    /// Names that should not resolve here. They are few, because the engine forwards each to the outer resolver.
    fn unknown(&self, known: &BTreeMap<String, Known>) -> Vec<Check> {
        let strange = || self.tables.strange.iter().cloned();
        let mut names: Vec<String> = around(self.asker, STRANGE_NAMES, strange().collect());
        // Private containers of the next node, by names that only they have.
        let next = self.next_node();
        if next != self.member.node {
            for target in &self.tables.nodes[next] {
                let private = |j: &super::model::Joint<'_>| self.model.nets[j.net].node.is_some();
                if self.model.members[*target].joints.iter().all(private) {
                    names.extend(self.model.given_names(*target));
                }
            }
        }
        let mine: HashSet<usize> = self.member.joints.iter().map(|j| j.net).collect();
        let distant = self.tables.shared.iter().filter(|(net, ..)| !mine.contains(net));
        let (own, others): (Vec<_>, Vec<_>) = distant.partition(|(_, node, _)| *node == self.member.node);
        names.extend(own.into_iter().map(|(.., name)| name.clone()));
        let others = others.into_iter().map(|(.., name)| name.clone()).collect();
        names.extend(around(self.asker, DISTANT_NAMES, others));
        let asked = |n: &String| !known.contains_key(n) && is_dns_name(n) && !self.tables.hosts.contains(n);
        let unknown: BTreeSet<String> = names.into_iter().filter(asked).collect();
        unknown.into_iter().map(|name| Check::Unknown { name }).collect()
    }

    /// The connections that should succeed.
    fn paths(&self) -> Vec<Check> {
        let mut found = Vec::new();
        let mut far = Vec::new();
        for joint in &self.member.joints {
            for (target, _) in &self.model.nets[joint.net].members {
                for (at, address) in self.there(*target, joint.net).enumerate() {
                    let endpoint = |port| Endpoint {
                        target: *target,
                        net: joint.net,
                        address,
                        port,
                    };
                    let ports = self.ports(*target, at == 0).map(|(port, listener)| Check::Port {
                        at: endpoint(port),
                        listener,
                    });
                    let before = found.len();
                    found.extend(ports);
                    // A container of another image may not respond at all if nobody listens.
                    if found.len() == before && self.model.is_fake(*target) {
                        let responds = Check::Responds(endpoint(NO_PORT));
                        match self.model.members[*target].node == self.member.node {
                            true => found.push(responds),
                            false => far.push(responds),
                        }
                    }
                }
            }
        }
        found.extend(around(self.asker, TOUCHED, far));
        found
    }

    /// The ports of a member that accept connections, with the members that listen there. `first`: at the first of its
    /// addresses. At a second one, which is of IPv6 then, only fakes are known to listen: many services do at IPv4 alone.
    fn ports(&self, target: usize, first: bool) -> impl Iterator<Item = (u16, usize)> + '_ {
        let ports = self.model.members[target].ports.iter().copied();
        ports.filter(move |(_, l)| self.listens(*l) && (first || self.model.is_fake(*l)))
    }

    /// The addresses that should be unreachable: those on networks that this container is not on.
    fn unreachable(&self) -> Vec<Check> {
        let mine: HashSet<usize> = self.member.joints.iter().map(|j| j.net).collect();
        let mut by_node: Vec<Vec<Check>> = Vec::with_capacity(self.tables.nodes.len());
        for node in &self.tables.nodes {
            let mut checks = Vec::new();
            for target in node {
                let member = &self.model.members[*target];
                let others = member.joints.iter().map(|j| j.net).filter(|net| !mine.contains(net));
                for net in others {
                    let port = member.ports.first().map_or(NO_PORT, |(port, _)| *port);
                    let apart = self
                        .there(*target, net)
                        .filter(|a| self.model.keeps_apart(net, a.is_ipv6()));
                    checks.extend(apart.map(|address| {
                        Check::Unreachable(Endpoint {
                            target: *target,
                            net,
                            address,
                            port,
                        })
                    }));
                }
            }
            by_node.extend(Some(checks).filter(|c| !c.is_empty()));
        }
        let each = (ADDRESSES / by_node.len().max(1)).max(1);
        let round = by_node.into_iter().enumerate();
        round
            .flat_map(|(at, checks)| around((self.asker + at) * each, each, checks))
            .collect()
    }

    /// The addresses of another container; none if it shares those of this one, which are always reachable.
    fn there(&self, target: usize, net: usize) -> impl Iterator<Item = IpAddr> + use<> {
        let asked = target != self.asker && !self.model.is_job(target);
        self.model.addresses(target, net).filter(move |_| asked)
    }

    fn listens(&self, listener: usize) -> bool {
        let lives = |c: &ObservedContainer| c.runs() && c.lost_namespaces().next().is_none();
        self.model.container(listener).is_some_and(lives) && !self.model.is_job(listener)
    }

    /// The next node; the first one after the last.
    fn next_node(&self) -> usize {
        (self.member.node + 1) % self.model.nodes.len().max(1)
    }
}

/// Up to `most` items of `list`, from a position derived from `turn`, wrapping around.
fn around<T>(turn: usize, most: usize, mut list: Vec<T>) -> Vec<T> {
    if list.len() > most {
        let length = list.len();
        list.rotate_left(turn % length);
        list.truncate(most);
    }
    list
}

/// Whether DNS can express the name: a container's name may be longer than a label (RFC 1035 §2.3.4).
fn is_dns_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

impl Model<'_> {
    /// Whether a fake runs as this member, which reports its identity.
    #[must_use]
    pub fn is_fake(&self, member: usize) -> bool {
        let there = self.container(member).is_some_and(ObservedContainer::is_fake);
        there && fake::answers(self.members[member].service)
    }

    /// Whether the engine isolates the addresses of a family on a network from other networks, as it does those of its
    /// bridges.
    #[must_use]
    pub fn keeps_apart(&self, net: usize, ipv6: bool) -> bool {
        let found = self.nets[net].found.map(|at| &self.found.networks[at]);
        found.is_some_and(|n| n.driver == "bridge" && !if ipv6 { n.routed6 } else { n.routed })
    }
}
