//! From what does not hold to findings: what a difference of shape explains follows from it; what none explains is put
//! together by what it has in common.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::compare::{Seen, Symptom};
use super::expect::Check;
use super::picture::Picture;
use super::report::{Consequence, Finding, Kind};
use super::shape::{About, Difference};

mod groups;

/// Findings of all that differs: of shape, with what follows from each, then the rest. Where the host's ARP table was too
/// small for so many entries, it is that which keeps packets away.
#[must_use]
pub fn explain(
    picture: &Picture<'_>,
    differences: Vec<Difference>,
    symptoms: &[Symptom<'_>],
    crowded: Option<u64>,
) -> Vec<Finding> {
    let mut following: Vec<Vec<&Symptom<'_>>> = vec![Vec::new(); differences.len()];
    let mut rest = Vec::new();
    for symptom in symptoms {
        let near = |(at, difference): (usize, &Difference)| Some((symptom.nearness(picture, &difference.about)?, at));
        let nearest = match symptom.is_predicted(picture) {
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
        finding.consequences = consequences(picture, &symptoms);
        findings.push(finding);
    }
    findings.extend(groups::group(picture, rest, crowded));
    findings
}

impl Symptom<'_> {
    /// Whether this is what the engine must answer, the shape being what it is: no other cause is needed.
    fn is_predicted(&self, picture: &Picture<'_>) -> bool {
        let Some(asker) = picture.container(self.asker) else {
            return false;
        };
        let is_on = |net: usize| picture.net_id(net).is_some_and(|id| asker.endpoint(id).is_some());
        match (self.check, &self.observed) {
            (Check::Name { name, .. } | Check::Unknown { name }, Seen::Led(led)) => {
                let known = asker.endpoints.iter().map(|e| addresses(picture, &e.network_id, name));
                let mut known = known.filter(|addresses| !addresses.is_empty()).peekable();
                match led.is_empty() {
                    true => known.peek().is_none(),
                    false => known.any(|addresses| addresses.iter().eq(led.iter().collect::<BTreeSet<_>>())),
                }
            }
            // The engine asks others about a name that it does not know: these may fail, or it may ask nobody.
            (Check::Name { name, .. }, Seen::NoAnswer(_)) => {
                let mut networks = asker.endpoints.iter().map(|e| e.network_id.as_str());
                networks.all(|network| addresses(picture, network, name).is_empty())
            }
            (Check::Port { at, .. } | Check::Touch(at), Seen::Unreachable) => !is_on(at.net),
            (Check::Port { listener, .. }, Seen::Mute) => !picture.container(*listener).is_some_and(|c| c.runs()),
            (Check::Apart(at), _) => is_on(at.net),
            _ => false,
        }
    }

    /// How near a difference that explains `about` is to being its cause, 0 the nearest; `None` where it cannot be.
    fn nearness(&self, picture: &Picture<'_>, about: &About) -> Option<u8> {
        let is_party = |member: &usize| *member == self.asker || self.targets().contains(member);
        let is_led_to = |container: usize| {
            let endpoints = &picture.found.containers[container].endpoints;
            let has = |a: &Ipv4Addr| endpoints.iter().any(|e| e.address == Some(*a));
            matches!(&self.observed, Seen::Led(led) if led.iter().any(has))
        };
        let (may, nearness) = match about {
            About::Names(net, names) => {
                let mut joints = picture.members[self.asker].joints.iter();
                let asked = self.name().is_some_and(|name| names.iter().any(|n| n == name));
                (asked && joints.any(|j| j.net == *net), 0)
            }
            About::Joint(member, net) => (is_party(member) && self.nets().contains(net), 1),
            About::Containers(containers) => {
                let may = |c: &usize| is_led_to(*c) || picture.member_of(*c).is_some_and(|m| is_party(&m));
                (containers.iter().any(may), 2)
            }
            About::Members(members) => (members.iter().any(is_party), 3),
            About::Net(net) => (self.nets().contains(net), 4),
            About::Nothing => (false, 5),
            About::Any(abouts) => return abouts.iter().filter_map(|about| self.nearness(picture, about)).min(),
        };
        may.then_some(nearness)
    }

    /// The name that was asked for.
    fn name(&self) -> Option<&str> {
        match self.check {
            Check::Name { name, .. } | Check::Unknown { name } => Some(name),
            _ => None,
        }
    }

    /// The members that it is about, beside the one that was asked.
    fn targets(&self) -> &[usize] {
        match self.check {
            Check::Name { targets, .. } => targets,
            Check::Unknown { .. } => &[],
            Check::Port { at, .. } | Check::Touch(at) | Check::Apart(at) => std::slice::from_ref(&at.target),
        }
    }

    /// The networks that it is about.
    fn nets(&self) -> BTreeSet<usize> {
        match self.check {
            Check::Name { nets, .. } => nets.clone(),
            Check::Unknown { .. } => BTreeSet::new(),
            Check::Port { at, .. } | Check::Touch(at) | Check::Apart(at) => [at.net].into(),
        }
    }

    fn kind(&self) -> Kind {
        match self.check {
            Check::Name { .. } | Check::Unknown { .. } => Kind::Names,
            Check::Port { .. } | Check::Touch(_) | Check::Apart(_) => Kind::Paths,
        }
    }

    /// What is wrong, of a name or an endpoint.
    fn words(&self, picture: &Picture<'_>) -> String {
        let title = |address: &Ipv4Addr| match picture.holder(*address) {
            Some(container)
                if picture
                    .member_of(container)
                    .is_some_and(|m| self.targets().contains(&m)) =>
            {
                format!("{address}, its other address")
            }
            Some(container) => format!("`{}`", picture.title_of(container)),
            None => address.to_string(),
        };
        match (self.check, &self.observed) {
            (_, Seen::Led(led)) => match &led[..] {
                [] => "leads nowhere".to_owned(),
                [one] => format!("leads to {}", title(one)),
                many => format!("answers with {} addresses", many.len()),
            },
            (_, Seen::NoAnswer(no_answer)) => no_answer.to_string(),
            (_, Seen::Refused) => "refuses connections".to_owned(),
            (_, Seen::Unreachable) => "is out of reach".to_owned(),
            (_, Seen::Reached) => "is within reach".to_owned(),
            (_, Seen::Mute) => "accepts without a word of who is there".to_owned(),
            (_, Seen::Other(other)) => format!("is `{other}`"),
        }
    }

    /// The name or endpoint of which that is wrong.
    fn subject(&self, picture: &Picture<'_>) -> String {
        match self.check {
            Check::Name { name, .. } | Check::Unknown { name } => name.clone(),
            Check::Port { at, .. } => format!("{}:{}", picture.title(at.target), at.port),
            Check::Touch(at) | Check::Apart(at) => picture.title(at.target),
        }
    }
}

/// The addresses that a name has on a network, by what the engine says of its containers.
fn addresses(picture: &Picture<'_>, network_id: &str, name: &str) -> BTreeSet<Ipv4Addr> {
    let owners = picture.owners(network_id, name).iter();
    owners.map(|(_, address)| *address).collect()
}

/// Symptoms in few lines: those of one subject together, and those that only one container sees.
fn consequences(picture: &Picture<'_>, symptoms: &[&Symptom<'_>]) -> Vec<Consequence> {
    // By what is wrong and who sees it: what the same containers see is one line.
    let mut by_subject: BTreeMap<(Kind, String, String), BTreeSet<usize>> = BTreeMap::new();
    for symptom in symptoms {
        let key = (symptom.kind(), symptom.words(picture), symptom.subject(picture));
        by_subject.entry(key).or_default().insert(symptom.asker);
    }
    let mut lines: BTreeMap<(Kind, String, BTreeSet<usize>), Vec<String>> = BTreeMap::new();
    for ((kind, what, subject), from) in by_subject {
        lines.entry((kind, what, from)).or_default().push(subject);
    }
    let line = |((kind, what, from), mut subjects): ((Kind, String, BTreeSet<usize>), Vec<String>)| {
        // Names that people gave before those that engines make of them.
        subjects.sort_by_key(String::len);
        Consequence {
            kind,
            what,
            subjects,
            from: from.into_iter().map(|m| picture.title(m)).collect(),
        }
    };
    let mut lines: Vec<Consequence> = lines.into_iter().map(line).collect();
    // What most see first.
    lines.sort_by_key(|l| (l.kind, std::cmp::Reverse(l.from.len() * l.subjects.len())));
    lines
}
