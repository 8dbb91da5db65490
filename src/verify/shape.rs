//! Where what is on the engine has another shape than the topology: containers, networks, subnets, aliases,
//! attachments. Each difference is also the cause of what follows from it.

mod containers;
mod endpoints;
mod networks;

use std::collections::HashMap;

use super::picture::Picture;
use super::report::{Finding, Kind, listed};

/// A difference of shape.
#[derive(Debug)]
pub struct Difference {
    /// How it is told.
    pub finding: Finding,
    /// What it explains.
    pub about: About,
    /// How it is told where there are many of the kind.
    many: Option<Many>,
}

/// What a difference explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// All that has to do with these members.
    Members(Vec<usize>),
    /// All that has to do with these containers' being where they are: by their places in what was found.
    Containers(Vec<usize>),
    /// A member's part in one network: its place in the picture.
    Joint(usize, usize),
    /// Some names on one network, in lower case.
    Names(usize, Vec<String>),
    /// One network.
    Net(usize),
    /// Nothing that could be asked.
    Nothing,
    /// What any of these does.
    Any(Vec<About>),
}

/// All differences of shape, and what is worth knowing beside.
#[derive(Debug, Default)]
pub struct Shape {
    /// The differences.
    pub differences: Vec<Difference>,
    /// What breaks no promise.
    pub notes: Vec<String>,
    /// Networks that are right.
    pub networks: usize,
}

/// Compare what was found with what the topology says.
#[must_use]
pub fn compare(picture: &Picture<'_>) -> Shape {
    let mut shape = Shape::default();
    shape.containers(picture);
    shape.networks(picture);
    shape.endpoints(picture);
    shape.differences = merged(std::mem::take(&mut shape.differences));
    shape
}

impl Shape {
    fn push(&mut self, at: Place, told: Told, about: About) {
        self.differences.push(Difference {
            finding: Finding {
                kind: Kind::Shape,
                node: at.node,
                subject: at.subject,
                expected: told.expected,
                observed: told.observed,
                cause: told.cause,
                consequences: Vec::new(),
            },
            about,
            many: told.many,
        });
    }
}

/// More differences of one kind than this are one: most likely they have one cause.
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
    // From the last on, so that places stay what they are.
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

/// Several differences of one kind as one.
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

/// What of a difference is said.
struct Told {
    expected: String,
    observed: String,
    cause: String,
    many: Option<Many>,
}

/// What is said of many of a kind.
#[derive(Debug)]
struct Many {
    expected: String,
    /// `are not`: follows their number.
    verb: &'static str,
    cause: String,
}

impl Told {
    fn new(expected: impl Into<String>, observed: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            observed: observed.into(),
            cause: cause.into(),
            many: None,
        }
    }

    /// The same where there are many of the kind.
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

/// Where a difference is.
struct Place {
    node: Option<String>,
    subject: Option<String>,
}

impl Place {
    fn member(picture: &Picture<'_>, member: usize) -> Self {
        Self {
            node: Some(picture.node(member).to_owned()),
            subject: Some(picture.label(member)),
        }
    }

    fn net(picture: &Picture<'_>, net: usize) -> Self {
        let net = &picture.nets[net];
        Self {
            node: net.node.map(|node| picture.nodes[node].name.to_string()),
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

/// Names of nodes in backticks, runs of numbers as `` `slave4` … `slave10` ``.
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
