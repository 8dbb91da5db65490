//! Compares the shape of what was observed with the topology: containers, networks, subnets, aliases, attachments. Each
//! difference may also explain failed checks.

mod containers;
mod endpoints;
mod networks;

use std::collections::HashMap;

use super::model::Model;
use super::report::{Finding, Kind, listed};

/// A difference of shape.
#[derive(Debug)]
pub struct Difference {
    /// The finding that reports it.
    pub finding: Finding,
    /// The failed checks that it explains.
    pub about: About,
    /// The wording if there are many of the kind; `None` if they are not merged.
    many: Option<Many>,
}

/// What a difference explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// Everything about these members.
    Members(Vec<usize>),
    /// Everything about these observed containers being on their networks, by index.
    Containers(Vec<usize>),
    /// A member's connection to one network, by index.
    Joint(usize, usize),
    /// Some names on one network, in lower case.
    Names(usize, Vec<String>),
    /// Everything about one network.
    Net(usize),
    /// Nothing that is checked.
    Nothing,
    /// Whatever any of these explains.
    Any(Vec<About>),
}

/// All differences of shape, and remarks.
#[derive(Debug, Default)]
pub struct Shape {
    /// The differences that were found.
    pub differences: Vec<Difference>,
    /// Remarks that are no differences.
    pub notes: Vec<String>,
    /// The number of networks that are as desired.
    pub networks: usize,
}

/// Compares what was observed with the topology.
#[must_use]
pub fn compare(model: &Model<'_>) -> Shape {
    let mut shape = Shape::default();
    shape.containers(model);
    shape.networks(model);
    shape.endpoints(model);
    shape.differences = merged(std::mem::take(&mut shape.differences));
    shape
}

impl Shape {
    fn push(&mut self, at: Location, wording: Wording, about: About) {
        self.differences.push(Difference {
            finding: Finding {
                kind: Kind::Shape,
                node: at.node,
                subject: at.subject,
                expected: wording.expected,
                observed: wording.observed,
                cause: wording.cause,
                consequences: Vec::new(),
            },
            about,
            many: wording.many,
        });
    }
}

/// More differences of one kind than this are merged, since they probably have one cause.
const MOST: usize = 4;

fn merged(differences: Vec<Difference>) -> Vec<Difference> {
    let kind = |d: &Difference| d.many.as_ref().map(|m| m.expected.clone());
    let mut counts: HashMap<String, usize> = HashMap::new();
    for kind in differences.iter().filter_map(kind) {
        *counts.entry(kind).or_default() += 1;
    }
    let mut merged: Vec<Difference> = Vec::new();
    let mut together: HashMap<String, (usize, Vec<Difference>)> = HashMap::new();
    for difference in differences {
        match kind(&difference).filter(|kind| counts[kind] > MOST) {
            Some(kind) => together
                .entry(kind)
                .or_insert((merged.len(), Vec::new()))
                .1
                .push(difference),
            None => merged.push(difference),
        }
    }
    let mut together: Vec<(usize, Vec<Difference>)> = together.into_values().collect();
    // Indices stay valid because it goes backwards.
    together.sort_by(|a, b| {
        b.0.cmp(&a.0)
            .then_with(|| b.1[0].finding.place().cmp(&a.1[0].finding.place()))
    });
    for (at, these) in together {
        if let Some(one) = one_of(these) {
            merged.insert(at, one);
        }
    }
    merged
}

/// Merges several differences of one kind.
fn one_of(mut these: Vec<Difference>) -> Option<Difference> {
    let places: Vec<String> = these.iter().map(|d| d.finding.place()).collect();
    let first = these.first_mut()?;
    let many = first.many.take()?;
    let node = first.finding.node.clone();
    Some(Difference {
        finding: Finding {
            kind: Kind::Shape,
            node: node.filter(|node| these.iter().all(|d| d.finding.node.as_ref() == Some(node))),
            subject: None,
            expected: many.expected,
            observed: format!("{} {}: {}", places.len(), many.verb, listed(&places)),
            cause: many.cause,
            consequences: Vec::new(),
        },
        about: About::Any(these.into_iter().map(|d| d.about).collect()),
        many: None,
    })
}

/// The wording of a difference.
struct Wording {
    expected: String,
    observed: String,
    cause: String,
    many: Option<Many>,
}

/// The wording of many differences of a kind.
#[derive(Debug)]
struct Many {
    expected: String,
    /// The verb after their number: `are not`.
    verb: &'static str,
    cause: String,
}

impl Wording {
    fn new(expected: impl Into<String>, observed: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            observed: observed.into(),
            cause: cause.into(),
            many: None,
        }
    }

    /// Adds the wording for many of the kind.
    fn or_many(self, expected: impl Into<String>, verb: &'static str, cause: impl Into<String>) -> Self {
        Self {
            many: Some(Many {
                expected: expected.into(),
                verb,
                cause: cause.into(),
            }),
            ..self
        }
    }
}

/// The location of a difference.
struct Location {
    node: Option<String>,
    subject: Option<String>,
}

impl Location {
    fn member(model: &Model<'_>, member: usize) -> Self {
        Self {
            node: Some(model.node(member).to_owned()),
            subject: Some(model.label(member)),
        }
    }

    fn net(model: &Model<'_>, net: usize) -> Self {
        let net = &model.nets[net];
        Self {
            node: net.node.map(|node| model.nodes[node].name.to_string()),
            subject: Some(net.network.name.to_string()),
        }
    }

    fn cluster(subject: Option<String>) -> Self {
        Self { node: None, subject }
    }

    fn of_node(node: &str, subject: Option<String>) -> Self {
        Self {
            node: Some(node.to_owned()),
            subject,
        }
    }
}

/// Names of nodes in backticks, with ranges as `` `slave4` … `slave10` ``.
fn node_list(names: &[&str]) -> String {
    let split = |name: &str| -> Option<(String, u64)> {
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (stem, number) = name.split_at(name.len() - digits);
        Some((stem.to_owned(), number.parse().ok()?))
    };
    let mut runs: Vec<(&str, &str, usize)> = Vec::new();
    for name in names {
        if let Some((_, last, count)) = runs.last_mut()
            && let (Some((stem, number)), Some((before, previous))) = (split(name), split(last))
            && stem == before
            && number == previous + 1
        {
            *last = name;
            *count += 1;
            continue;
        }
        runs.push((name, name, 1));
    }
    let said = runs.into_iter().map(|(first, last, count)| match count {
        1 => format!("`{first}`"),
        2 => format!("`{first}`, `{last}`"),
        _ => format!("`{first}` … `{last}`"),
    });
    said.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_nodes_are_told_by_their_ends() {
        assert_eq!(node_list(&["master"]), "`master`");
        assert_eq!(
            node_list(&["slave1", "slave2", "slave9", "slave10", "slave11"]),
            "`slave1`, `slave2`, `slave9` … `slave11`"
        );
    }
}
