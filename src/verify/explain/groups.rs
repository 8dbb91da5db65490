//! Groups failures that no difference of shape explains: by target, by asker, by pair of nodes.

use std::collections::{BTreeMap, BTreeSet};

use super::super::compare::{Mismatch, Symptom};
use super::super::expect::Check;
use super::super::model::Model;
use super::super::report::{Finding, Kind, listed, of_many};
use super::consequences;
use crate::cluster::arp::grow;
use crate::probe::question::NoAnswer;
use crate::text::plural;

/// More findings of one class than this are merged into one.
const MOST: usize = 4;

/// The class of a symptom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// A name resolves to a wrong address, or not at all.
    Name,
    /// A name resolves that should not.
    Known,
    /// The resolver does not answer.
    Silence,
    /// The resolver answers with a failure.
    Failure,
    /// A port refuses connections.
    Refused,
    /// An address that should be reachable is not.
    Cut,
    /// An address that should be unreachable is reachable.
    Open,
    /// An address that is cut off on purpose is reachable.
    Leak,
    /// The wrong fake responds.
    Identity,
}

/// What several symptoms have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Common {
    /// A pair of nodes, the lower index first.
    Nodes(usize, usize),
    /// A name, and the member that it should resolve to, if any.
    Name(String, Option<usize>),
    /// A member and its port.
    Port(usize, u16),
    /// The member that is the target.
    Target(usize),
    /// The member that ran the check.
    Asker(usize),
}

pub(super) fn group(model: &Model<'_>, symptoms: Vec<&Symptom<'_>>, crowded: Option<u64>) -> Vec<Finding> {
    let mut classes: BTreeMap<Class, Vec<&Symptom<'_>>> = BTreeMap::new();
    for symptom in symptoms {
        classes.entry(class(symptom)).or_default().push(symptom);
    }
    let mut findings = Vec::new();
    for (class, symptoms) in classes {
        match few_groups(model, class, &symptoms) {
            Some(groups) => findings.extend(
                groups
                    .iter()
                    .map(|(common, all)| finding(model, class, Some(common), all, crowded)),
            ),
            None => findings.push(finding(model, class, None, &symptoms, crowded)),
        }
    }
    findings
}

/// A group of symptoms, and what they have in common.
type Group<'s, 'e> = (Common, Vec<&'s Symptom<'e>>);

/// The symptoms of a class in at most [`MOST`] groups; `None` if these do not cover all of them.
fn few_groups<'s, 'e>(model: &Model<'_>, class: Class, symptoms: &[&'s Symptom<'e>]) -> Option<Vec<Group<'s, 'e>>> {
    let mut left = symptoms.to_vec();
    let mut groups = Vec::new();
    while let Some(common) = widest(model, class, &left) {
        if groups.len() == MOST {
            return None;
        }
        let (these, others) = left
            .into_iter()
            .partition(|s| commons(model, class, s).contains(&common));
        groups.push((common, these));
        left = others;
    }
    Some(groups)
}

fn class(symptom: &Symptom<'_>) -> Class {
    match (symptom.check, &symptom.observed) {
        (_, Mismatch::NoAnswer(NoAnswer::Silence)) => Class::Silence,
        (_, Mismatch::NoAnswer(NoAnswer::Failure(_))) => Class::Failure,
        (Check::Unknown { .. }, _) => Class::Known,
        (_, Mismatch::Resolved(_)) => Class::Name,
        (_, Mismatch::Refused) => Class::Refused,
        (_, Mismatch::Unreachable) => Class::Cut,
        (Check::CutOff(_), Mismatch::Reached) => Class::Leak,
        (_, Mismatch::Reached) => Class::Open,
        (_, Mismatch::Mute | Mismatch::Other(_)) => Class::Identity,
    }
}

/// Everything that a symptom may have in common with others.
fn commons(model: &Model<'_>, class: Class, symptom: &Symptom<'_>) -> Vec<Common> {
    let asker = Common::Asker(symptom.asker);
    match symptom.check {
        Check::Name { .. } | Check::Unknown { .. } if matches!(class, Class::Silence | Class::Failure) => vec![asker],
        Check::Name { name, targets, .. } => vec![Common::Name(name.clone(), targets.first().copied()), asker],
        Check::Unknown { name } => vec![Common::Name(name.clone(), None), asker],
        Check::Port { at, listener } => vec![Common::Port(*listener, at.port), Common::Target(at.target), asker],
        Check::Responds(at) | Check::CutOff(at) => vec![Common::Target(at.target), asker],
        Check::Unreachable(at) => {
            let node = |member: usize| model.members[member].node;
            let (a, b) = (node(symptom.asker), node(at.target));
            vec![Common::Nodes(a.min(b), a.max(b)), Common::Target(at.target), asker]
        }
    }
}

/// What most symptoms have in common; of several candidates the first.
fn widest(model: &Model<'_>, class: Class, symptoms: &[&Symptom<'_>]) -> Option<Common> {
    let mut counts: BTreeMap<Common, usize> = BTreeMap::new();
    for common in symptoms.iter().flat_map(|s| commons(model, class, s)) {
        *counts.entry(common).or_default() += 1;
    }
    let widest = counts
        .into_iter()
        .min_by_key(|(common, count)| (std::cmp::Reverse(*count), common.clone()));
    widest.map(|(common, _)| common)
}

fn finding(
    model: &Model<'_>,
    class: Class,
    common: Option<&Common>,
    symptoms: &[&Symptom<'_>],
    crowded: Option<u64>,
) -> Finding {
    let (node, subject) = place(model, common);
    Finding {
        kind: match class {
            Class::Name | Class::Known | Class::Silence | Class::Failure => Kind::Names,
            _ => Kind::Paths,
        },
        node,
        subject,
        expected: expected(model, class, common, symptoms),
        observed: observed(model, class, common, symptoms),
        cause: hidden(model, symptoms)
            .or_else(|| forwarded(symptoms))
            .unwrap_or_else(|| cause(class, common, crowded)),
        consequences: consequences(model, symptoms),
    }
}

fn place(model: &Model<'_>, common: Option<&Common>) -> (Option<String>, Option<String>) {
    let member = match common {
        None | Some(Common::Name(_, None)) => return (None, None),
        Some(Common::Nodes(a, b)) => {
            let name = |node: &usize| model.nodes[*node].name.to_string();
            return match a == b {
                true => (Some(name(a)), None),
                // The finding is placed at the first of the two nodes; both are named in the text.
                false => (Some(name(a)), Some(format!("↔ {}", name(b)))),
            };
        }
        Some(Common::Name(_, Some(m)) | Common::Port(m, _) | Common::Target(m) | Common::Asker(m)) => *m,
    };
    (Some(model.node(member).to_owned()), Some(model.label(member)))
}

fn expected(model: &Model<'_>, class: Class, common: Option<&Common>, symptoms: &[&Symptom<'_>]) -> String {
    let subjects = || plural(subjects(model, symptoms).len(), "name");
    match (class, common) {
        (Class::Name, Some(Common::Name(name, Some(target)))) => {
            format!("`{name}` resolves to `{}` and to one address", model.title(*target))
        }
        (Class::Name, _) => format!("{} resolve to one address each", subjects()),
        (Class::Known, Some(Common::Name(name, _))) => format!("`{name}` does not resolve"),
        (Class::Known, _) => format!("{} do not resolve", subjects()),
        (Class::Silence | Class::Failure, _) => "the engine's resolver answers".to_owned(),
        (Class::Refused, Some(Common::Port(_, port))) => format!("port {port} accepts connections"),
        (Class::Refused, _) => "exposed ports accept connections".to_owned(),
        (Class::Cut, Some(Common::Asker(_))) => "reaches all on its networks".to_owned(),
        (Class::Cut, Some(Common::Port(..) | Common::Target(_))) => "can be reached by all on its networks".to_owned(),
        (Class::Cut, _) => "all on one network reach each other".to_owned(),
        (Class::Open, Some(Common::Nodes(a, b))) if a != b => {
            let name = |node: &usize| model.nodes[*node].name.as_str();
            format!(
                "`{}` and `{}` cannot reach each other, by private addresses",
                name(a),
                name(b)
            )
        }
        (Class::Leak, _) => "they are cut off each other, as `topogen faults` says".to_owned(),
        (Class::Open, Some(Common::Asker(_))) => "addresses on other networks are unreachable from it".to_owned(),
        (Class::Open, _) => "nothing reaches the addresses of networks it is not on".to_owned(),
        (Class::Identity, Some(Common::Port(m, port))) => format!("port {port} is answered by `{}`", model.title(*m)),
        (Class::Identity, _) => "fakes say that they are those expected".to_owned(),
    }
}

fn observed(model: &Model<'_>, class: Class, common: Option<&Common>, symptoms: &[&Symptom<'_>]) -> String {
    let askers: BTreeSet<usize> = symptoms.iter().map(|s| s.asker).collect();
    let from = match askers.first() {
        Some(one) if askers.len() == 1 => format!("`{}`", model.title(*one)),
        _ => plural(askers.len(), "container"),
    };
    let words: BTreeSet<String> = symptoms.iter().map(|s| s.describe(model)).collect();
    let words: Vec<String> = words.into_iter().collect();
    let targets = subjects(model, symptoms);
    match (class, common) {
        (Class::Silence, _) => "no answer in time".to_owned(),
        (Class::Failure, _) => {
            let codes: BTreeSet<&str> = symptoms.iter().filter_map(|s| code(s)).collect();
            let codes: Vec<&str> = codes.into_iter().collect();
            let names = plural(targets.len(), "name");
            format!("it fails with {} for {names}, asked from {from}", codes.join(" or "))
        }
        (Class::Refused, Some(Common::Port(..))) => format!("nobody listens there, asked from {from}"),
        (Class::Name | Class::Known, Some(Common::Name(..))) | (_, Some(Common::Port(..) | Common::Target(_))) => {
            format!("{}, asked from {from}", words.join(" or "))
        }
        _ => {
            let words: Vec<String> = words
                .iter()
                .map(|w| if targets.len() > 1 { of_many(w) } else { w.clone() })
                .collect();
            format!("{} {}, asked from {from}", listed(&targets), words.join(" or "))
        }
    }
}

/// The response code of a failed resolver.
fn code<'s>(symptom: &'s Symptom<'_>) -> Option<&'s str> {
    match &symptom.observed {
        Mismatch::NoAnswer(NoAnswer::Failure(code)) => Some(code),
        _ => None,
    }
}

fn subjects(model: &Model<'_>, symptoms: &[&Symptom<'_>]) -> Vec<String> {
    let subjects: BTreeSet<String> = symptoms.iter().map(|s| s.subject(model)).collect();
    subjects.into_iter().collect()
}

/// That the `extra_hosts` of all who asked hide the names, which is what their programs see too; `None` if they do not.
fn hidden(model: &Model<'_>, symptoms: &[&Symptom<'_>]) -> Option<String> {
    let hides = |symptom: &&Symptom<'_>| match (symptom.check, &symptom.observed) {
        (Check::Name { name, .. } | Check::Unknown { name }, Mismatch::Resolved(_)) => {
            model.has_extra_host(symptom.asker, name)
        }
        _ => false,
    };
    let all = !symptoms.is_empty() && symptoms.iter().all(hides);
    all.then(|| {
        "its `extra_hosts` hide the name, which comes before the engine's resolver: take it out there".to_owned()
    })
}

/// That the host forwards IPv6 alone; `None` if something else is wrong too.
fn forwarded(symptoms: &[&Symptom<'_>]) -> Option<String> {
    let by_ipv6 = |symptom: &&Symptom<'_>| matches!(symptom.check, Check::Unreachable(at) if at.address.is_ipv6());
    (!symptoms.is_empty() && symptoms.iter().all(by_ipv6)).then(|| {
        "the host forwards IPv6 between the networks: an engine without `ip6tables`, which is on from Docker 27 on, or its \
         firewall"
            .to_owned()
    })
}

fn cause(class: Class, common: Option<&Common>, crowded: Option<u64>) -> String {
    let known = match (class, common) {
        (Class::Name | Class::Known, _) => {
            "the engine's names are out of step with its containers: `docker restart` those concerned"
        }
        (Class::Failure, _) => {
            "the engine's resolver fails: the engine's log says why; `docker restart` the container if it goes on"
        }
        (Class::Silence, _) => "the container has another resolver, or the engine's is stuck: `docker restart` it",
        (Class::Refused, _) => "nobody listens: the service is not ready, or its image serves another port",
        (Class::Cut, Some(Common::Asker(_))) => {
            "something keeps its packets in: a firewall, in the container or on the host"
        }
        (Class::Cut, _) => "something keeps packets away: a firewall, or a network with `enable_icc` off",
        (Class::Open, _) => {
            "the host forwards between the networks: its firewall's `DOCKER-USER`, or an engine without iptables"
        }
        (Class::Leak, _) => "the cut was healed while it was asked, or something leads around it: ask again",
        (Class::Identity, _) => "another container took its address, or it was made by hand with another identity",
    };
    match (class, crowded) {
        (Class::Cut, Some(entries)) => format!(
            "the host's ARP table was full while asking: {}; where it does not help, {known}",
            grow(entries)
        ),
        _ => known.to_owned(),
    }
}
