//! Compares answers with expectations.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value as Json;

use super::expect::{Check, Endpoint, Expected};
use super::matrix::{Cell, Matrix};
use super::model::Model;
use super::report::Proved;
use crate::cluster::ObservedNetwork;
use crate::probe::question::{Answers, Contact, NoAnswer};

/// A check that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Symptom<'e> {
    /// The member that ran the check.
    pub asker: usize,
    /// The check, with what it expected.
    pub check: &'e Check,
    /// What was observed instead.
    pub observed: Mismatch,
}

/// What was observed instead of the expected result.
#[derive(Debug, Clone, PartialEq)]
pub enum Mismatch {
    /// A name resolved to these addresses: none, several or wrong ones.
    Resolved(Vec<IpAddr>),
    /// The resolver did not answer, or failed.
    NoAnswer(NoAnswer),
    /// A port refused the connection.
    Refused,
    /// An address does not respond.
    Unreachable,
    /// An address responds, but should be unreachable.
    Reached,
    /// A fake does not report its identity.
    Mute,
    /// Another fake responds; this is its node and service.
    Other(String),
}

/// The results of all containers, added one by one.
#[derive(Debug, Default)]
pub struct Compared {
    /// The counts of checks that passed.
    pub proved: Proved,
    /// Who reaches whom; `None` unless a picture was asked for, since it takes two bytes for each pair of containers.
    pub matrix: Option<Matrix>,
    /// The number of answers by member, for members whose probe ran.
    pub answered: BTreeMap<usize, usize>,
    /// Why the probe of the other members could not run.
    pub unasked: BTreeMap<usize, String>,
    /// The ARP entries that the checks need, if the host's table was full meanwhile; otherwise `None`.
    pub crowded: Option<u64>,
    /// Failed checks with what was observed instead, by the asking member.
    wrong: BTreeMap<usize, Vec<(Check, Mismatch)>>,
}

impl Compared {
    /// No results yet; with a matrix if `pictured`.
    #[must_use]
    pub fn new(model: &Model<'_>, pictured: bool) -> Self {
        Self {
            matrix: pictured.then(|| Matrix::new(model)),
            ..Self::default()
        }
    }

    /// Compares the answers of a container with what was `expected`, and keeps only failed checks.
    pub fn take(&mut self, model: &Model<'_>, expected: Expected, answers: Result<Answers, String>) {
        let (asker, place) = (expected.asker, expected.place);
        let answers = match answers {
            Ok(answers) => answers,
            Err(reason) => {
                self.unasked.insert(asker, reason);
                return;
            }
        };
        self.proved.containers += 1;
        self.answered.insert(asker, answers.len());
        self.mark_absent(model, asker, place);
        let mut wrong = Vec::new();
        let works = answers.resolver_works();
        for check in expected.checks {
            if !answered(&check, &answers) {
                continue;
            }
            let observed = one(model, place, &check, &answers, works);
            self.mark(model, asker, &check, observed.as_ref());
            wrong.extend(observed.map(|observed| (check, observed)));
        }
        if !wrong.is_empty() {
            self.wrong.insert(asker, wrong);
        }
    }

    /// Failed checks, ordered by the asking member.
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

    /// Marks members that are on none of their networks as not reached, since there is no address to check, and those in the
    /// same network namespace as reached.
    fn mark_absent(&mut self, model: &Model<'_>, asker: usize, place: usize) {
        let Some(matrix) = &mut self.matrix else { return };
        for sharer in model.sharers(place).filter(|sharer| *sharer != asker) {
            matrix.mark(asker, sharer, Cell::Reached);
        }
        for joint in &model.members[place].joints {
            for (target, _) in model.nets[joint.net].members.iter().filter(|(m, _)| !model.is_job(*m)) {
                let mut common = model.members[place].joints.iter().map(|j| j.net);
                if common.all(|net| model.addresses(*target, net).next().is_none()) {
                    matrix.mark(asker, *target, Cell::Cut);
                }
            }
        }
    }

    fn mark(&mut self, model: &Model<'_>, asker: usize, check: &Check, observed: Option<&Mismatch>) {
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
                self.proved.identities += usize::from(model.is_fake(*listener));
                (at, Cell::Reached)
            }
            (Check::Responds(at), true) => {
                self.proved.reached += 1;
                (at, Cell::Reached)
            }
            (Check::Unreachable(at), true) => {
                self.proved.apart += 1;
                (at, Cell::Unreachable)
            }
            (Check::Port { at, .. }, false) if matches!(observed, Some(Mismatch::Other(_))) => (at, Cell::Other),
            (Check::Port { at, .. } | Check::Responds(at), false) => (at, Cell::Cut),
            (Check::CutOff(at), true) => {
                self.proved.cut += 1;
                (at, Cell::Unreachable)
            }
            (Check::Unreachable(at) | Check::CutOff(at), false) => (at, Cell::Open),
        };
        let Some(matrix) = &mut self.matrix else { return };
        match check {
            // What one port does not accept, another one in the same place may.
            Check::Port { listener, .. } if !right => matrix.mark(asker, *listener, cell),
            _ => model
                .sharers(at.target)
                .for_each(|member| matrix.mark(asker, member, cell)),
        }
    }
}

/// Whether `answers` has a result for `check`.
fn answered(check: &Check, answers: &Answers) -> bool {
    match check {
        Check::Name { name, .. } | Check::Unknown { name } => answers.names.contains_key(name),
        Check::Port { at, .. } | Check::Responds(at) | Check::Unreachable(at) | Check::CutOff(at) => {
            contact(at, answers).is_some()
        }
    }
}

/// Whether `name` is the asker's own host name and resolved to any of its addresses: the engine writes all of them to
/// its `/etc/hosts`, in an order of its own.
fn is_own(model: &Model<'_>, asker: usize, name: &str, resolved: &[IpAddr]) -> bool {
    let joints = model.members[asker].joints.iter();
    let own: Vec<IpAddr> = joints.flat_map(|j| model.addresses(asker, j.net)).collect();
    model.is_hostname(asker, name) && !resolved.is_empty() && resolved.iter().all(|a| own.contains(a))
}

/// What was observed instead of `check`; `None` if it passed. For a name that should not resolve, silence only passes
/// if the resolver `works` at all.
fn one(model: &Model<'_>, asker: usize, check: &Check, answers: &Answers, works: bool) -> Option<Mismatch> {
    match check {
        Check::Name { name, targets, nets } => {
            let resolved = resolved(name, answers)?;
            if let Some(no_answer) = answers.no_answer(name) {
                return Some(Mismatch::NoAnswer(no_answer));
            }
            // The engine looks for the addresses of each family by itself, network by network.
            let right = |ipv6: bool| {
                let of_family = |a: &IpAddr| a.is_ipv6() == ipv6;
                let found: Vec<IpAddr> = resolved.iter().copied().filter(of_family).collect();
                nets.iter().any(|net| {
                    let each: Vec<Vec<IpAddr>> = targets.iter().map(|m| model.addresses(*m, *net).collect()).collect();
                    let mut all: Vec<IpAddr> = each.iter().flatten().copied().filter(of_family).collect();
                    all.sort_unstable();
                    each.iter().all(|addresses| !addresses.is_empty()) && all == found
                })
            };
            let right = right(false) && right(true);
            let right = right || (targets[..] == [asker] && is_own(model, asker, name, &resolved));
            (!right).then_some(Mismatch::Resolved(resolved))
        }
        // A name known outside is no leak: only addresses inside the cluster count. The engine forwards names that it
        // does not know; if the outer resolver fails, or the network is internal, the result is silence or SERVFAIL.
        // Both mean that the engine does not know the name, provided that it knows others.
        Check::Unknown { name } => {
            if let Some(no_answer) = answers.no_answer(name).filter(|_| !works) {
                return Some(Mismatch::NoAnswer(no_answer));
            }
            let mut resolved = resolved(name, answers)?;
            resolved.retain(|address| model.is_inside(*address));
            (!resolved.is_empty()).then_some(Mismatch::Resolved(resolved))
        }
        Check::Port { at, listener } => match contact(at, answers)? {
            Contact::Connected { identity } if model.is_fake(*listener) => {
                identified(model, *listener, at.port, identity.as_ref())
            }
            Contact::Connected { .. } => None,
            Contact::Refused => Some(Mismatch::Refused),
            Contact::Unreachable | Contact::Unresolved => Some(Mismatch::Unreachable),
        },
        Check::Responds(at) => (!contact(at, answers)?.reached()).then_some(Mismatch::Unreachable),
        Check::Unreachable(at) | Check::CutOff(at) => contact(at, answers)?.reached().then_some(Mismatch::Reached),
    }
}

/// The addresses that `name` resolved to, sorted; `None` if it was not asked for.
fn resolved(name: &str, answers: &Answers) -> Option<Vec<IpAddr>> {
    let mut resolved = answers.names.get(name)?.clone();
    resolved.sort_unstable();
    Some(resolved)
}

fn contact<'n>(at: &Endpoint, answers: &'n Answers) -> Option<&'n Contact> {
    answers.endpoints.get(&at.to_string())
}

/// What a fake reported instead of the expected identity.
fn identified(model: &Model<'_>, member: usize, port: u16, identity: Option<&Json>) -> Option<Mismatch> {
    let Some(identity) = identity else {
        return Some(Mismatch::Mute);
    };
    let said = |key: &str| identity.get(key).and_then(Json::as_str).unwrap_or_default();
    let right = said("cluster") == model.cluster
        && said("node") == model.node(member)
        && said("service") == model.members[member].service.name.as_str()
        && said("port") == format!("{port}/tcp");
    let other = || match said("cluster") == model.cluster {
        true => format!("{}/{}", said("node"), said("service")),
        false => format!("{}/{} of cluster `{}`", said("node"), said("service"), said("cluster")),
    };
    (!right).then(|| Mismatch::Other(other()))
}

impl Model<'_> {
    /// Whether an address is on a network of the cluster, or belongs to a container that is.
    #[must_use]
    pub fn is_inside(&self, address: IpAddr) -> bool {
        let mut networks = self
            .nets
            .iter()
            .filter_map(|n| n.found)
            .map(|at| &self.found.networks[at]);
        let is_of = |n: &ObservedNetwork| match address {
            IpAddr::V4(v4) => n.subnets.iter().any(|subnet| subnet.contains(&v4)),
            IpAddr::V6(v6) => n.subnets6.iter().any(|subnet| subnet.contains(&v6)),
        };
        networks.any(is_of) || self.holder(address).is_some()
    }
}
