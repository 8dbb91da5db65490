//! What must hold for each container, as questions to ask from inside it.
//!
//! | question | of |
//! | --- | --- |
//! | leads to one address | every name on its networks: aliases, and for its own node and the next one keys and containers |
//! | is not known | private names of other roles, the next node's private containers, names on shared networks it is not on |
//! | accepts a connection | every TCP port of every container on its networks |
//! | says who it is | every fake there |
//! | answers at all | fakes there that expose no port |
//! | is out of reach | every other node, by addresses that share no network with it |
//!
//! What is out of reach would grow with the square of the containers: past [`ADDRESSES`], each container asks for one
//! address of every other node, and which one goes round, so that all are asked for from somewhere. So it is with what
//! can be told by few: fakes of other nodes without a port, names that are not known.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::Ipv4Addr;

use super::picture::{Member, Picture};
use crate::cluster::ObservedContainer;
use crate::fake;
use crate::probe::question::Questions;

/// Addresses out of reach that a container asks for, where there are not more nodes than that.
pub const ADDRESSES: usize = 128;
/// Fakes without a port that a container asks for beyond its own node.
const TOUCHED: usize = 64;
/// Names of other roles that a container asks for in vain.
const STRANGE_NAMES: usize = 16;
/// Names on networks it is not on that a container asks for in vain.
const DISTANT_NAMES: usize = 16;
/// The port that is tried where a container exposes none: discard (RFC 863), which nobody serves.
const NO_PORT: u16 = 9;

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// A name leads to one address, that of a member; to one of each where its service is several containers.
    Name {
        /// The name, in lower case.
        name: String,
        /// The members, all of one service.
        targets: Vec<usize>,
        /// The networks by which the name is known.
        nets: BTreeSet<usize>,
    },
    /// A name leads nowhere.
    Unknown {
        /// The name, in lower case.
        name: String,
    },
    /// Somebody listens on a port of a member.
    Port {
        /// Where.
        at: Endpoint,
        /// Who is to listen.
        listener: usize,
    },
    /// A member's address answers.
    Touch(Endpoint),
    /// A member's address is out of reach.
    Apart(Endpoint),
}

/// A member's address on a network, and a port there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The member.
    pub target: usize,
    /// The network.
    pub net: usize,
    /// The address.
    pub address: Ipv4Addr,
    /// The port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.address, self.port)
    }
}

/// What must hold as observed from one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The member that is asked.
    pub asker: usize,
    /// All of it.
    pub checks: Vec<Check>,
}

/// Which kinds of questions are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// What names lead to.
    pub names: bool,
    /// What can be reached.
    pub paths: bool,
}

impl Expected {
    /// The same as questions to a probe, which may take so many milliseconds.
    #[must_use]
    pub fn questions(&self, picture: &Picture<'_>, patience: u64, haste: u64) -> Questions {
        let mut questions = Questions {
            patience,
            haste,
            settle: true,
            ..Questions::default()
        };
        let mut asked = HashSet::new();
        for check in &self.checks {
            let (list, question) = match check {
                Check::Name { name, .. } => (&mut questions.names, name.clone()),
                Check::Unknown { name } => (&mut questions.unknown, name.clone()),
                Check::Port { at, listener } if picture.is_fake(*listener) => (&mut questions.identify, at.to_string()),
                Check::Port { at, .. } => (&mut questions.connect, at.to_string()),
                Check::Touch(at) => (&mut questions.touch, at.to_string()),
                Check::Apart(at) => (&mut questions.apart, at.to_string()),
            };
            // Two that share an address may say the same port.
            if asked.insert(question.clone()) {
                list.push(question);
            }
        }
        questions
    }
}

/// What must hold, one container at a time: all of it is much, since everybody is to see everybody.
pub struct Expectations<'p, 'a> {
    picture: &'p Picture<'a>,
    tables: Tables,
    kinds: Kinds,
}

impl<'p, 'a> Expectations<'p, 'a> {
    /// Of these `kinds`.
    #[must_use]
    pub fn new(picture: &'p Picture<'a>, kinds: Kinds) -> Self {
        Self {
            picture,
            tables: Tables::new(picture),
            kinds,
        }
    }

    /// Whether there is somebody to ask.
    #[must_use]
    pub fn can_ask(&self, asker: usize) -> bool {
        let container = self.picture.container(asker);
        container.is_some_and(|c| c.runs()) && !self.picture.members[asker].joints.is_empty()
    }

    /// What must hold as observed from `asker`; `None` where nothing is, or it cannot be asked.
    #[must_use]
    pub fn of(&self, asker: usize) -> Option<Expected> {
        if !self.can_ask(asker) {
            return None;
        }
        let view = View {
            picture: self.picture,
            tables: &self.tables,
            asker,
            member: &self.picture.members[asker],
        };
        let mut checks = Vec::new();
        if self.kinds.names {
            let known = view.known();
            checks.extend(view.unknown(&known));
            let known = known.into_iter();
            checks.extend(known.filter_map(|(name, found)| found.check(self.picture, name)));
        }
        if self.kinds.paths {
            checks.extend(view.paths());
            checks.extend(view.apart());
        }
        (!checks.is_empty()).then_some(Expected { asker, checks })
    }
}

/// What is the same for all that are asked.
struct Tables {
    /// The members of each node, by its place.
    nodes: Vec<Vec<usize>>,
    /// Names of services that are on private networks only, each once, with a node where it is one.
    strange: Vec<String>,
    /// Names on shared networks: the network, the node, the name.
    shared: Vec<(usize, usize, String)>,
    /// Host names, which are names inside, too, from engine 25 on.
    hosts: HashSet<String>,
}

impl Tables {
    fn new(picture: &Picture<'_>) -> Self {
        let mut nodes = vec![Vec::new(); picture.nodes.len()];
        let mut strange = BTreeSet::new();
        let mut shared = Vec::new();
        for (at, member) in picture.members.iter().enumerate() {
            nodes[member.node].push(at);
            for joint in &member.joints {
                let aliases = joint.attachment.aliases.iter().map(|a| a.as_str().to_lowercase());
                match picture.nets[joint.net].node {
                    None => shared.extend(aliases.map(|name| (joint.net, member.node, name))),
                    Some(_) => strange.extend(aliases.chain([member.service.name.as_str().to_lowercase()])),
                }
            }
        }
        let containers = picture.found.containers.iter();
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

/// Whom a name leads to.
#[derive(Default)]
struct Known {
    targets: BTreeSet<usize>,
    nets: BTreeSet<usize>,
    /// Whether it is asked for.
    asked: bool,
}

impl Known {
    fn check(self, picture: &Picture<'_>, name: String) -> Option<Check> {
        let service = |m: &usize| (picture.members[*m].node, picture.members[*m].service.name.as_str());
        let targets: Vec<usize> = self.targets.into_iter().collect();
        let first = service(targets.first()?);
        let one = targets.iter().all(|m| service(m) == first);
        let nets = self.nets;
        (self.asked && one && is_dns_name(&name)).then_some(Check::Name { name, targets, nets })
    }
}

/// What one container is to see.
struct View<'p, 'a> {
    picture: &'p Picture<'a>,
    tables: &'p Tables,
    asker: usize,
    member: &'p Member<'a>,
}

impl View<'_, '_> {
    /// All names that lead somewhere from here.
    fn known(&self) -> BTreeMap<String, Known> {
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        let next = self.next_node();
        for joint in &self.member.joints {
            let net = &self.picture.nets[joint.net];
            for (target, which) in &net.members {
                let node = self.picture.members[*target].node;
                let near = node == self.member.node || node == next;
                let aliases = &self.picture.members[*target].joints[*which].attachment.aliases;
                for (at, name) in self.picture.names(*target, *which).enumerate() {
                    let found = known.entry(name).or_default();
                    found.targets.insert(*target);
                    found.nets.insert(joint.net);
                    found.asked |= near || at < aliases.len();
                }
            }
        }
        for (name, targets) in &self.member.links {
            let nets = self.member.joints.iter().map(|j| j.net);
            let joins = |m: &usize, net: usize| self.picture.members[*m].joints.iter().any(|j| j.net == net);
            let nets: BTreeSet<usize> = nets.filter(|net| targets.iter().any(|m| joins(m, *net))).collect();
            if !nets.is_empty() {
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

    /// Names that lead nowhere from here. Such a name the engine asks its own resolver about, so they are few.
    fn unknown(&self, known: &BTreeMap<String, Known>) -> Vec<Check> {
        let strange = || self.tables.strange.iter().cloned();
        let mut names: Vec<String> = around(self.asker, STRANGE_NAMES, strange().collect());
        // Private containers of the next node by names that only they have.
        let next = self.next_node();
        if next != self.member.node {
            for target in &self.tables.nodes[next] {
                let private = |j: &super::picture::Joint<'_>| self.picture.nets[j.net].node.is_some();
                if self.picture.members[*target].joints.iter().all(private) {
                    names.extend(self.picture.given_names(*target));
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

    /// What is to be reached.
    fn paths(&self) -> Vec<Check> {
        let mut found = Vec::new();
        let mut far = Vec::new();
        for joint in &self.member.joints {
            for (target, _) in &self.picture.nets[joint.net].members {
                let Some(address) = self.there(*target, joint.net) else {
                    continue;
                };
                let endpoint = |port| Endpoint {
                    target: *target,
                    net: joint.net,
                    address,
                    port,
                };
                let member = &self.picture.members[*target];
                let ports = member.ports.iter().filter(|(_, l)| self.listens(*l));
                let before = found.len();
                found.extend(ports.map(|(port, listener)| Check::Port {
                    at: endpoint(*port),
                    listener: *listener,
                }));
                // What is in other images may say nothing at all where nobody is to listen.
                if found.len() == before && self.picture.is_fake(*target) {
                    let touch = Check::Touch(endpoint(NO_PORT));
                    match member.node == self.member.node {
                        true => found.push(touch),
                        false => far.push(touch),
                    }
                }
            }
        }
        found.extend(around(self.asker, TOUCHED, far));
        found
    }

    /// What is not to be reached: each address on a network that this container is not on.
    fn apart(&self) -> Vec<Check> {
        let mine: HashSet<usize> = self.member.joints.iter().map(|j| j.net).collect();
        let mut by_node: Vec<Vec<Check>> = Vec::with_capacity(self.tables.nodes.len());
        for node in &self.tables.nodes {
            let mut checks = Vec::new();
            for target in node {
                let member = &self.picture.members[*target];
                let others = member.joints.iter().map(|j| j.net).filter(|net| !mine.contains(net));
                for net in others.filter(|net| self.picture.keeps_apart(*net)) {
                    let Some(address) = self.there(*target, net) else {
                        continue;
                    };
                    let port = member.ports.first().map_or(NO_PORT, |(port, _)| *port);
                    checks.push(Check::Apart(Endpoint {
                        target: *target,
                        net,
                        address,
                        port,
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

    /// Where another container is; none of what shares this one's address, to itself all is near.
    fn there(&self, target: usize, net: usize) -> Option<Ipv4Addr> {
        if target == self.asker {
            return None;
        }
        self.picture.address(target, net)
    }

    fn listens(&self, listener: usize) -> bool {
        self.picture.container(listener).is_some_and(|c| c.runs())
    }

    /// The node after this one, after the last the first.
    fn next_node(&self) -> usize {
        (self.member.node + 1) % self.picture.nodes.len().max(1)
    }
}

/// `most` of `list` from a place on that `turn` says, past the end from the beginning.
fn around<T>(turn: usize, most: usize, mut list: Vec<T>) -> Vec<T> {
    if list.len() > most {
        let length = list.len();
        list.rotate_left(turn % length);
        list.truncate(most);
    }
    list
}

/// Whether DNS can ask for it: a container's name may be longer than a label (RFC 1035 §2.3.4).
fn is_dns_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

impl Picture<'_> {
    /// Whether a fake runs in a member's place, which can say who it is.
    #[must_use]
    pub fn is_fake(&self, member: usize) -> bool {
        let there = self.container(member).is_some_and(ObservedContainer::is_fake);
        there && fake::is_fake(self.members[member].service)
    }

    /// Whether the engine keeps others away from the addresses of a network: of its bridges it does.
    #[must_use]
    pub fn keeps_apart(&self, net: usize) -> bool {
        let found = self.nets[net].found.map(|at| &self.found.networks[at]);
        found.is_some_and(|n| n.driver == "bridge" && !n.routed)
    }
}
