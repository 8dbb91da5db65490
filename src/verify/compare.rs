//! What was asked, what was answered, and where the two differ.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value as Json;

use super::expect::{Check, Endpoint, Expected};
use super::matrix::{Cell, Matrix};
use super::picture::Picture;
use super::report::Proved;
use crate::probe::question::{Answers, Contact, NoAnswer};

/// A check that does not hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Symptom<'e> {
    /// The member that was asked.
    pub asker: usize,
    /// What was to hold.
    pub check: &'e Check,
    /// What came instead.
    pub observed: Seen,
}

/// What came instead of what was to hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// A name led there: nowhere, to several addresses, or to another one.
    Led(Vec<Ipv4Addr>),
    /// Nobody could tell where a name leads.
    NoAnswer(NoAnswer),
    /// Nobody listens on a port.
    Refused,
    /// An address does not answer.
    Unreachable,
    /// An address answers.
    Reached,
    /// What is to be a fake does not say who it is.
    Mute,
    /// A fake is another one: its node and service.
    Other(String),
}

/// What all answers come to, taken in one container after the other.
#[derive(Debug, Default)]
pub struct Compared {
    /// How much holds.
    pub proved: Proved,
    /// Who reaches whom, where that is to be pictured: it takes two bytes for each pair of containers.
    pub matrix: Option<Matrix>,
    /// For each member that could be asked, how many answers came.
    pub answered: BTreeMap<usize, usize>,
    /// Why the others could not be.
    pub unasked: BTreeMap<usize, String>,
    /// The entries of the host's ARP table that all of it takes, where that was full meanwhile.
    pub crowded: Option<u64>,
    /// What does not hold, and what came instead, by the member that was asked.
    wrong: BTreeMap<usize, Vec<(Check, Seen)>>,
}

impl Compared {
    /// Nothing yet; with a matrix where it is `pictured`.
    #[must_use]
    pub fn new(picture: &Picture<'_>, pictured: bool) -> Self {
        Self {
            matrix: pictured.then(|| Matrix::new(picture)),
            ..Self::default()
        }
    }

    /// Compare what was `expected` of a container with its answers; only what does not hold is kept.
    pub fn take(&mut self, picture: &Picture<'_>, expected: Expected, answers: Result<Answers, String>) {
        let asker = expected.asker;
        let answers = match answers {
            Ok(answers) => answers,
            Err(reason) => {
                self.unasked.insert(asker, reason);
                return;
            }
        };
        self.proved.containers += 1;
        self.answered.insert(asker, answers.len());
        self.mark_absent(picture, asker);
        let mut wrong = Vec::new();
        let works = answers.resolver_works();
        for check in expected.checks {
            if !answered(&check, &answers) {
                continue;
            }
            let observed = one(picture, asker, &check, &answers, works);
            self.mark(picture, asker, &check, observed.as_ref());
            wrong.extend(observed.map(|observed| (check, observed)));
        }
        if !wrong.is_empty() {
            self.wrong.insert(asker, wrong);
        }
    }

    /// What does not hold, in the order of the members that were asked.
    #[must_use]
    pub fn symptoms(&self) -> Vec<Symptom<'_>> {
        let mut symptoms = Vec::new();
        for (asker, wrong) in &self.wrong {
            for (check, observed) in wrong {
                symptoms.push(Symptom {
                    asker: *asker,
                    check,
                    observed: observed.clone(),
                });
            }
        }
        symptoms
    }

    /// What is on none of the networks where it is to be met cannot be asked about: it is not reached.
    fn mark_absent(&mut self, picture: &Picture<'_>, asker: usize) {
        let Some(matrix) = &mut self.matrix else { return };
        for joint in &picture.members[asker].joints {
            for (target, _) in &picture.nets[joint.net].members {
                let mut common = picture.members[asker].joints.iter().map(|j| j.net);
                if common.all(|net| picture.address(*target, net).is_none()) {
                    matrix.mark(asker, *target, Cell::Cut);
                }
            }
        }
    }

    fn mark(&mut self, picture: &Picture<'_>, asker: usize, check: &Check, observed: Option<&Seen>) {
        let right = observed.is_none();
        let (at, cell) = match (check, right) {
            (Check::Name { .. }, _) => {
                self.proved.names += usize::from(right);
                return;
            }
            (Check::Unknown { .. }, _) => {
                self.proved.unknown += usize::from(right);
                return;
            }
            (Check::Port { at, listener }, true) => {
                self.proved.ports += 1;
                self.proved.identities += usize::from(picture.is_fake(*listener));
                (at, Cell::Reached)
            }
            (Check::Touch(at), true) => {
                self.proved.reached += 1;
                (at, Cell::Reached)
            }
            (Check::Apart(at), true) => {
                self.proved.apart += 1;
                (at, Cell::Apart)
            }
            (Check::Port { at, .. }, false) if matches!(observed, Some(Seen::Other(_))) => (at, Cell::Other),
            (Check::Port { at, .. } | Check::Touch(at), false) => (at, Cell::Cut),
            (Check::Apart(at), false) => (at, Cell::Open),
        };
        if let Some(matrix) = &mut self.matrix {
            matrix.mark(asker, at.target, cell);
        }
    }
}

/// Whether there is an answer to what `check` asks.
fn answered(check: &Check, answers: &Answers) -> bool {
    match check {
        Check::Name { name, .. } | Check::Unknown { name } => answers.names.contains_key(name),
        Check::Port { at, .. } | Check::Touch(at) | Check::Apart(at) => contact(at, answers).is_some(),
    }
}

/// Whether `name` is that of the asker's own host and led to any of its addresses: the engine writes all of them into its
/// `/etc/hosts`, in an order of its own.
fn is_own(picture: &Picture<'_>, asker: usize, name: &str, led: &[Ipv4Addr]) -> bool {
    let joints = picture.members[asker].joints.iter();
    let own: Vec<Ipv4Addr> = joints.filter_map(|j| picture.address(asker, j.net)).collect();
    picture.is_hostname(asker, name) && !led.is_empty() && led.iter().all(|a| own.contains(a))
}

/// What came instead of what `check` says; `None` where it holds. Whether the resolver `works` at all decides what no answer
/// means of a name that is to lead nowhere.
fn one(picture: &Picture<'_>, asker: usize, check: &Check, answers: &Answers, works: bool) -> Option<Seen> {
    match check {
        Check::Name { name, targets, nets } => {
            let led = led(name, answers)?;
            if let Some(no_answer) = answers.no_answer(name) {
                return Some(Seen::NoAnswer(no_answer));
            }
            let right = |net: &usize| {
                let all: Option<Vec<Ipv4Addr>> = targets.iter().map(|m| picture.address(*m, *net)).collect();
                all.is_some_and(|mut all| {
                    all.sort_unstable();
                    all == led
                })
            };
            let right = nets.iter().any(right) || (targets[..] == [asker] && is_own(picture, asker, name, &led));
            (!right).then_some(Seen::Led(led))
        }
        // What the world outside knows is no leak: only what leads into the cluster counts. A name that the engine does not
        // know it asks others about; where these do not answer, or may not be asked, as on an internal network, it says
        // nothing or SERVFAIL. So these two mean that it does not know the name, if it tells of others; else nobody knows.
        Check::Unknown { name } => {
            if let Some(no_answer) = answers.no_answer(name).filter(|_| !works) {
                return Some(Seen::NoAnswer(no_answer));
            }
            let mut led = led(name, answers)?;
            led.retain(|address| picture.is_inside(*address));
            (!led.is_empty()).then_some(Seen::Led(led))
        }
        Check::Port { at, listener } => match contact(at, answers)? {
            Contact::Connected { identity } if picture.is_fake(*listener) => {
                identified(picture, *listener, at.port, identity.as_ref())
            }
            Contact::Connected { .. } => None,
            Contact::Refused => Some(Seen::Refused),
            Contact::Unreachable | Contact::Unresolved => Some(Seen::Unreachable),
        },
        Check::Touch(at) => (!contact(at, answers)?.reached()).then_some(Seen::Unreachable),
        Check::Apart(at) => contact(at, answers)?.reached().then_some(Seen::Reached),
    }
}

fn led(name: &str, answers: &Answers) -> Option<Vec<Ipv4Addr>> {
    let addresses = answers.names.get(name)?.iter();
    let v4 = addresses.filter_map(|a| match a {
        IpAddr::V4(a) => Some(*a),
        IpAddr::V6(_) => None,
    });
    let mut led: Vec<Ipv4Addr> = v4.collect();
    led.sort_unstable();
    Some(led)
}

fn contact<'n>(at: &Endpoint, answers: &'n Answers) -> Option<&'n Contact> {
    answers.endpoints.get(&at.to_string())
}

/// What a fake said instead of who it is to be.
fn identified(picture: &Picture<'_>, member: usize, port: u16, identity: Option<&Json>) -> Option<Seen> {
    let Some(identity) = identity else {
        return Some(Seen::Mute);
    };
    let said = |key: &str| identity.get(key).and_then(Json::as_str).unwrap_or_default();
    let right = said("cluster") == picture.cluster
        && said("node") == picture.node(member)
        && said("service") == picture.members[member].service.name.as_str()
        && said("port") == format!("{port}/tcp");
    let other = || match said("cluster") == picture.cluster {
        true => format!("{}/{}", said("node"), said("service")),
        false => format!("{}/{} of cluster `{}`", said("node"), said("service"), said("cluster")),
    };
    (!right).then(|| Seen::Other(other()))
}

impl Picture<'_> {
    /// Whether an address is on one of the cluster's networks, or a container's that is.
    #[must_use]
    pub fn is_inside(&self, address: Ipv4Addr) -> bool {
        let nets = self.nets.iter().filter_map(|n| n.found);
        let mut subnets = nets.flat_map(|at| &self.found.networks[at].subnets);
        subnets.any(|subnet| subnet.contains(&address)) || self.holder(address).is_some()
    }
}
