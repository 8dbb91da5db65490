//! Turns failed checks into findings. A failure that a structural difference explains is listed under it; the rest are
//! grouped by target, asker or pair of nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::compare::{Mismatch, Symptom};
use super::expect::Check;
use super::model::Model;
use super::report::{Consequence, Finding, Kind};
use super::shape::{About, Difference};

mod groups;

/// The findings for all differences of shape, with their consequences, and for the remaining failures. If the host's
/// ARP table was too small, that is the cause of lost packets.
#[must_use]
pub fn explain(
    model: &Model<'_>,
    differences: Vec<Difference>,
    symptoms: &[Symptom<'_>],
    crowded: Option<u64>,
) -> Vec<Finding> {
    let mut following: Vec<Vec<&Symptom<'_>>> = vec![Vec::new(); differences.len()];
    let mut rest = Vec::new();
    for symptom in symptoms {
        let near = |(at, difference): (usize, &Difference)| Some((symptom.nearness(model, &difference.about)?, at));
        let nearest = match symptom.is_predicted(model) {
            true => differences.iter().enumerate().filter_map(near).min(),
            false => None,
        };
        match nearest {
            Some((_, at)) => following[at].push(symptom),
            None => rest.push(symptom),
        }
    }
    let mut findings: Vec<Finding> = Vec::new();
    for (difference, symptoms) in differences.into_iter().zip(following) {
        let mut finding = difference.finding;
        finding.consequences = consequences(model, &symptoms);
        findings.push(finding);
    }
    findings.extend(groups::group(model, rest, crowded));
    findings
}

impl Symptom<'_> {
    /// Whether this result follows from the engine's own state, so that no other cause is needed.
    fn is_predicted(&self, model: &Model<'_>) -> bool {
        let Some(asker) = model.container(model.place(self.asker)) else {
            return false;
        };
        let is_on = |net: usize| model.net_id(net).is_some_and(|id| asker.endpoint(id).is_some());
        match (self.check, &self.observed) {
            (Check::Name { name, .. } | Check::Unknown { name }, Mismatch::Resolved(resolved)) => {
                let networks = asker.endpoints.iter().filter_map(|e| e.network_id.as_deref());
                let known = networks.map(|network| addresses(model, network, name));
                let mut known = known.filter(|addresses| !addresses.is_empty()).peekable();
                match resolved.is_empty() {
                    true => known.peek().is_none(),
                    false => known.any(|addresses| addresses.iter().eq(resolved.iter().collect::<BTreeSet<_>>())),
                }
            }
            // The engine forwards a name that it does not know. The outer resolver may fail, or not be allowed.
            (Check::Name { name, .. }, Mismatch::NoAnswer(_)) => {
                let mut networks = asker.endpoints.iter().filter_map(|e| e.network_id.as_deref());
                networks.all(|network| addresses(model, network, name).is_empty())
            }
            (Check::Port { at, .. } | Check::Responds(at), Mismatch::Unreachable) => !is_on(at.net),
            (Check::Port { listener, .. }, Mismatch::Mute) => !model.container(*listener).is_some_and(|c| c.runs()),
            (Check::Unreachable(at), _) => is_on(at.net),
            _ => false,
        }
    }

    /// How closely a difference about `about` explains this, 0 being the closest; `None` if it cannot.
    fn nearness(&self, model: &Model<'_>, about: &About) -> Option<u8> {
        let place = model.place(self.asker);
        let is_party = |member: &usize| [self.asker, place].contains(member) || self.targets().contains(member);
        let is_led_to = |container: usize| {
            let endpoints = &model.found.containers[container].endpoints;
            let has = |a: &IpAddr| endpoints.iter().any(|e| e.addresses().any(|own| own == *a));
            matches!(&self.observed, Mismatch::Resolved(resolved) if resolved.iter().any(has))
        };
        let (may, nearness) = match about {
            About::Names(net, names) => {
                let mut joints = model.members[place].joints.iter();
                let asked = self.name().is_some_and(|name| names.iter().any(|n| n == name));
                (asked && joints.any(|j| j.net == *net), 0)
            }
            About::Joint(member, net) => (is_party(member) && self.nets().contains(net), 1),
            About::Containers(containers) => {
                let may = |c: &usize| is_led_to(*c) || model.member_of(*c).is_some_and(|m| is_party(&m));
                (containers.iter().any(may), 2)
            }
            About::Members(members) => (members.iter().any(is_party), 3),
            About::Net(net) => (self.nets().contains(net), 4),
            About::Nothing => (false, 5),
            About::Any(abouts) => return abouts.iter().filter_map(|about| self.nearness(model, about)).min(),
        };
        may.then_some(nearness)
    }

    /// The name that was checked.
    fn name(&self) -> Option<&str> {
        match self.check {
            Check::Name { name, .. } | Check::Unknown { name } => Some(name),
            _ => None,
        }
    }

    /// The members concerned besides the asker.
    fn targets(&self) -> &[usize] {
        match self.check {
            Check::Name { targets, .. } => targets,
            Check::Unknown { .. } => &[],
            Check::Port { at, .. } | Check::Responds(at) | Check::Unreachable(at) | Check::CutOff(at) => {
                std::slice::from_ref(&at.target)
            }
        }
    }

    /// The networks that the check is about, by index.
    fn nets(&self) -> BTreeSet<usize> {
        match self.check {
            Check::Name { nets, .. } => nets.clone(),
            Check::Unknown { .. } => BTreeSet::new(),
            Check::Port { at, .. } | Check::Responds(at) | Check::Unreachable(at) | Check::CutOff(at) => {
                [at.net].into()
            }
        }
    }

    fn kind(&self) -> Kind {
        match self.check {
            Check::Name { .. } | Check::Unknown { .. } => Kind::Names,
            Check::Port { .. } | Check::Responds(_) | Check::Unreachable(_) | Check::CutOff(_) => Kind::Paths,
        }
    }

    /// What is wrong with the name or endpoint.
    fn describe(&self, model: &Model<'_>) -> String {
        let title = |address: &IpAddr| match model.holder(*address) {
            Some(container) if model.member_of(container).is_some_and(|m| self.targets().contains(&m)) => {
                format!("{address}, its other address")
            }
            Some(container) => format!("`{}`", model.title_of(container)),
            None => address.to_string(),
        };
        match (self.check, &self.observed) {
            (_, Mismatch::Resolved(resolved)) => match &resolved[..] {
                [] => "does not resolve".to_owned(),
                [one] => format!("resolves to {}", title(one)),
                many => format!("answers with {} addresses", many.len()),
            },
            (_, Mismatch::NoAnswer(no_answer)) => no_answer.to_string(),
            (_, Mismatch::Refused) => "refuses connections".to_owned(),
            (_, Mismatch::Unreachable) => "is unreachable".to_owned(),
            (_, Mismatch::Reached) => "is reachable".to_owned(),
            (_, Mismatch::Mute) => "accepts without a word of who is there".to_owned(),
            (_, Mismatch::Other(other)) => format!("is `{other}`"),
        }
    }

    /// The name or endpoint that is wrong.
    fn subject(&self, model: &Model<'_>) -> String {
        match self.check {
            Check::Name { name, .. } | Check::Unknown { name } => name.clone(),
            Check::Port { at, .. } => format!("{}:{}", model.title(at.target), at.port),
            Check::Responds(at) | Check::Unreachable(at) | Check::CutOff(at) => model.title(at.target),
        }
    }
}

/// The addresses of a name on a network, according to the engine.
fn addresses(model: &Model<'_>, network_id: &str, name: &str) -> BTreeSet<IpAddr> {
    let owners = model.owners(network_id, name).iter();
    owners.map(|(_, address)| *address).collect()
}

/// Summarises symptoms in few lines: those of one subject together, and those that only one container observes.
fn consequences(model: &Model<'_>, symptoms: &[&Symptom<'_>]) -> Vec<Consequence> {
    // By what is wrong and who observes it: what the same containers observe is one line.
    let mut by_subject: BTreeMap<(Kind, String, String), BTreeSet<usize>> = BTreeMap::new();
    for symptom in symptoms {
        let key = (symptom.kind(), symptom.describe(model), symptom.subject(model));
        by_subject.entry(key).or_default().insert(symptom.asker);
    }
    let mut lines: BTreeMap<(Kind, String, BTreeSet<usize>), Vec<String>> = BTreeMap::new();
    for ((kind, what, subject), from) in by_subject {
        lines.entry((kind, what, from)).or_default().push(subject);
    }
    let line = |((kind, what, from), mut subjects): ((Kind, String, BTreeSet<usize>), Vec<String>)| {
        // Names chosen by people come before longer ones made from them.
        subjects.sort_by_key(String::len);
        Consequence {
            kind,
            what,
            subjects,
            from: from.into_iter().map(|m| model.title(m)).collect(),
        }
    };
    let mut lines: Vec<Consequence> = lines.into_iter().map(line).collect();
    // What most containers observe comes first.
    lines.sort_by_key(|l| (l.kind, std::cmp::Reverse(l.from.len() * l.subjects.len())));
    lines
}
