//! Selects the containers that a command line names: `slave3`, `slave3/db`, `slave`, `slave[2,5-7]`, `*/db`.
//!
//! It reads only the labels of observed containers, so it works without the blueprint.

pub mod part;
mod pattern;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::cluster::ObservedContainer;
use crate::cluster::label;
use crate::diagnostic::nearest;
use crate::text::natural;
use pattern::Pattern;

/// The most names that a hint lists.
const LISTED: usize = 12;

/// Selects nodes, or one service of each: `NODE[/SERVICE]`.
///
/// `NODE` is a node's name, or a role's, which selects all of its nodes; a node's name takes precedence. In both parts
/// `*` matches anything, `?` one character, and `[2,5-7]` numbers, with or without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    node: Pattern,
    service: Option<Pattern>,
}

/// Why a text is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The text is empty.
    #[error("expected a node, a role or NODE/SERVICE")]
    Empty,
    /// The node is missing: `/db`.
    #[error("expected a node before `/`: `*{0}` is the one of every node")]
    NoNode(String),
    /// The service is missing: `slave3/`.
    #[error("expected a service after `/`")]
    NoService,
    /// There are too many parts: `slave3/db/1`.
    #[error("expected one `/`, between node and service")]
    Slashes,
    /// The brackets are malformed: `slave[`, `slave[]`, `slave[a]`.
    #[error("expected numbers in brackets, such as `[2-5]` or `[2,5-7]`")]
    Brackets,
    /// A range is reversed: `slave[5-2]`.
    #[error("`{0}` runs backwards")]
    Backwards(String),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (node, service) = match text.split_once('/') {
            None => (text, None),
            Some((_, service)) if service.contains('/') => return Err(TargetError::Slashes),
            Some((_, "")) => return Err(TargetError::NoService),
            Some(("", _)) => return Err(TargetError::NoNode(text.to_owned())),
            Some((node, service)) => (node, Some(service)),
        };
        if node.is_empty() {
            return Err(TargetError::Empty);
        }
        Ok(Self {
            node: node.parse()?,
            service: service.map(str::parse).transpose()?,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)?;
        match &self.service {
            Some(service) => write!(f, "/{service}"),
            None => Ok(()),
        }
    }
}

/// A target that matches no observed container.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NoMatch {
    /// What was not found, in one line.
    pub message: String,
    /// What was probably meant, and what exists.
    pub hint: String,
}

/// The containers of a cluster that match `targets`, or all without a target, each once: node by node in natural order.
///
/// # Errors
/// Each target that matches nothing, and each number or range in brackets that does.
pub fn select<'a>(
    targets: &[Target],
    containers: &'a [ObservedContainer],
) -> Result<Vec<&'a ObservedContainer>, Vec<NoMatch>> {
    let (chosen, faults) = found(targets, containers);
    if faults.is_empty() { Ok(chosen) } else { Err(faults) }
}

/// The same while containers are created and removed: a target may match nothing yet.
#[must_use]
pub fn present<'a>(targets: &[Target], containers: &'a [ObservedContainer]) -> Vec<&'a ObservedContainer> {
    found(targets, containers).0
}

fn found<'a>(targets: &[Target], containers: &'a [ObservedContainer]) -> (Vec<&'a ObservedContainer>, Vec<NoMatch>) {
    let mut chosen = vec![targets.is_empty(); containers.len()];
    let mut faults: Vec<NoMatch> = Vec::new();
    for target in targets.iter().flat_map(Target::each) {
        match target.find(containers) {
            Ok(found) => found.into_iter().for_each(|at| chosen[at] = true),
            Err(fault) if faults.contains(&fault) => {}
            Err(fault) => faults.push(fault),
        }
    }
    let chosen = containers.iter().zip(chosen).filter(|(_, chosen)| *chosen);
    let mut chosen: Vec<&ObservedContainer> = chosen.map(|(c, _)| c).collect();
    chosen.sort_by_cached_key(|c| (natural(c.node()), natural(c.service())));
    (chosen, faults)
}

/// One container for each matched node. If `target` names no service, it is the node's entry: the service with the
/// node's name on the shared network, otherwise the only one with any name there, otherwise the only service.
///
/// # Errors
/// As for [`select`]; also a node with several services and no single entry.
pub fn one_a_node<'a>(
    target: &Target,
    containers: &'a [ObservedContainer],
) -> Result<Vec<&'a ObservedContainer>, Vec<NoMatch>> {
    let chosen = select(std::slice::from_ref(target), containers)?;
    if target.service.is_some() {
        return Ok(chosen);
    }
    let nodes = chosen.chunk_by(|a, b| a.node() == b.node());
    let entries = nodes.map(|node| {
        entry(node).ok_or_else(|| {
            let name = node[0].node();
            let services: Vec<&str> = node.iter().map(|c| c.service()).collect();
            vec![NoMatch {
                message: format!("which service of `{name}`? none is its one entry"),
                hint: format!(
                    "say it, such as `{target}/{}`; services: {}",
                    services[0],
                    listed(&services)
                ),
            }]
        })
    });
    entries.collect()
}

/// The container that a node's name resolves to, according to the labels.
fn entry<'a>(node: &[&'a ObservedContainer]) -> Option<&'a ObservedContainer> {
    let names = |c: &ObservedContainer| -> Vec<String> {
        let names = c.entry_names();
        names.map(str::to_owned).collect()
    };
    let named = |c: &&&ObservedContainer| names(c).iter().any(|n| n == c.node());
    if let Some(entry) = node.iter().find(named) {
        return Some(entry);
    }
    let mut answering = node.iter().filter(|c| !names(c).is_empty());
    match (answering.next(), answering.next(), node) {
        (Some(one), None, _) | (None, None, [one]) => Some(one),
        _ => None,
    }
}

impl Target {
    /// Whether the target names a service.
    #[must_use]
    pub fn names_service(&self) -> bool {
        self.service.is_some()
    }

    fn each(&self) -> Vec<Self> {
        let services = self.service.as_ref().map(Pattern::each);
        let services: Vec<Option<Pattern>> = services.map_or_else(|| vec![None], |s| s.into_iter().map(Some).collect());
        let pairs = self.node.each().into_iter().flat_map(|node| {
            let services = services.clone().into_iter();
            services.map(move |service| Self {
                node: node.clone(),
                service,
            })
        });
        pairs.collect()
    }

    /// The indices of matching containers.
    fn find(&self, containers: &[ObservedContainer]) -> Result<Vec<usize>, NoMatch> {
        let by = |key: &str| -> Vec<usize> {
            let of = |at: &usize| self.node.matches(containers[*at].label(key));
            (0..containers.len()).filter(of).collect()
        };
        let mut found = by(label::NODE);
        if found.is_empty() {
            found = by(label::ROLE);
        }
        if found.is_empty() {
            return Err(self.no_node(containers));
        }
        let Some(service) = &self.service else {
            return Ok(found);
        };
        let known: BTreeSet<&str> = found.iter().map(|at| containers[*at].service()).collect();
        found.retain(|at| service.matches(containers[*at].service()));
        if !found.is_empty() {
            return Ok(found);
        }
        let what = if service.is_plain() { "is called" } else { "matches" };
        let near = service
            .is_plain()
            .then(|| nearest(&service.to_string(), known.iter().copied()));
        let near = near.flatten().map(|near| format!("{}/{near}", self.node));
        let known: Vec<&str> = known.into_iter().collect();
        Err(NoMatch {
            message: format!("no service of `{}` {what} `{service}`", self.node),
            hint: hint(near, format!("services: {}", listed(&known))),
        })
    }

    fn no_node(&self, containers: &[ObservedContainer]) -> NoMatch {
        let text = self.node.to_string();
        let all = |key: &str| -> Vec<&str> {
            let mut names: Vec<&str> = containers.iter().map(|c| c.label(key)).collect();
            names.sort_by_cached_key(|n| natural(n));
            names.dedup();
            names
        };
        let (nodes, roles, services) = (all(label::NODE), all(label::ROLE), all(label::SERVICE));
        let container = containers.iter().find(|c| c.name == text);
        let near = match container {
            Some(c) => Some(format!("{}/{}", c.node(), c.service())),
            None if self.service.is_none() && services.contains(&text.as_str()) => Some(format!("*/{text}")),
            None if self.node.is_plain() => {
                // `slave12`, when there are ten, is not a misspelling of the whole role.
                let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
                let counted =
                    text.len() > stem.len() && (roles.contains(&stem) || nodes.iter().any(|n| n.starts_with(stem)));
                let names = nodes.iter().chain(&roles).copied();
                let near = nearest(&text, names).filter(|_| !counted);
                near.map(|near| match &self.service {
                    Some(service) => format!("{near}/{service}"),
                    None => near.to_owned(),
                })
            }
            None => None,
        };
        let mut known = format!("nodes: {}", listed(&nodes));
        if roles != nodes {
            known += &format!("; roles: {}", listed(&roles));
        }
        NoMatch {
            message: match self.node.is_plain() {
                true => format!("no node and no role is called `{text}`"),
                false => format!("no node and no role matches `{text}`"),
            },
            hint: hint(near, known),
        }
    }
}

fn hint(near: Option<String>, known: String) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`? {known}"),
        None => known,
    }
}

/// Names in natural order, with consecutive numbers in brackets, as in a target: `slave[1-10]`.
fn listed(names: &[&str]) -> String {
    let mut shown: Vec<String> = grouped(names).iter().map(|group| format!("`{group}`")).collect();
    let more = shown.len().saturating_sub(LISTED);
    shown.truncate(LISTED);
    match more {
        0 => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Names in natural order, those with consecutive numbers as one with brackets, as in a target: `slave[1-10]`.
#[must_use]
pub fn grouped(names: &[&str]) -> Vec<String> {
    let mut groups: Vec<(&str, u64, u64)> = Vec::new();
    let mut shown: Vec<String> = Vec::new();
    for name in names {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &name[stem.len()..];
        let padded = digits.len() > 1 && digits.starts_with('0');
        let number = digits.parse::<u64>().ok().filter(|_| !padded);
        match (number, groups.last_mut()) {
            (Some(number), Some((last, _, to))) if *last == stem && *to + 1 == number => *to = number,
            (Some(number), _) => groups.push((stem, number, number)),
            (None, _) => groups.push((name, 1, 0)),
        }
    }
    for (stem, from, to) in groups {
        shown.push(match to {
            to if to < from => stem.to_owned(),
            to if to == from => format!("{stem}{from}"),
            to => format!("{stem}[{from}-{to}]"),
        });
    }
    shown
}
