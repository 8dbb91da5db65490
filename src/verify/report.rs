//! The result of a verification; it prints as a table, JSON, JUnit XML and a picture.

use serde::Serialize;

use super::matrix::Matrix;
use crate::text::plural;

/// The result of a verification.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The name of the cluster; `None` for existing Compose projects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Whether there is no finding.
    pub right: bool,
    /// The counts of checks that passed.
    pub proved: Proved,
    /// The differences, ordered by node.
    pub findings: Vec<Finding>,
    /// How many of the findings are of containers that could not be asked: whether those are right is not known.
    pub unasked: usize,
    /// Remarks that are no differences.
    pub notes: Vec<String>,
    /// The nodes, or projects, that were verified.
    pub nodes: Vec<NodeReport>,
    /// Who reaches whom; `None` unless a picture was asked for.
    #[serde(skip)]
    pub matrix: Option<Matrix>,
}

/// A node, or a project, that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// The name of the node or project.
    pub node: String,
    /// The services of the node or project.
    pub services: Vec<ServiceReport>,
}

/// A service that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceReport {
    /// The name, with a number if there are several containers.
    pub service: String,
    /// The name of the container; `None` if it does not exist.
    pub container: Option<String>,
    /// The number of answers from its probe; 0 if the probe did not run.
    pub answers: usize,
}

/// The counts of checks that passed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Proved {
    /// Containers in which the probe ran.
    pub containers: usize,
    /// Networks that are as desired.
    pub networks: usize,
    /// Names that resolve to the expected address, counted once for each asker.
    pub names: usize,
    /// Names that do not resolve, as expected.
    pub unknown: usize,
    /// Ports that accept connections.
    pub ports: usize,
    /// Fakes that report the expected identity.
    pub identities: usize,
    /// Addresses that respond, of containers without a port.
    pub reached: usize,
    /// Unreachable addresses, as expected.
    pub apart: usize,
    /// Paths that are cut on purpose, and lead nowhere.
    #[serde(skip_serializing_if = "is_none")]
    pub cut: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Containers, networks, subnets, aliases, attachments.
    Shape,
    /// The addresses that names resolve to.
    Names,
    /// Reachability, and who responds.
    Paths,
}

/// One difference, and its consequences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The kind of the difference.
    pub kind: Kind,
    /// The node or project; `None` if it concerns several.
    pub node: Option<String>,
    /// The service, network or container; `None` if it concerns the whole node.
    pub subject: Option<String>,
    /// What was expected, as a phrase.
    pub expected: String,
    /// What was observed, as a phrase.
    pub observed: String,
    /// The likely cause, and the way out.
    pub cause: String,
    /// Failed checks that follow from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consequences: Vec<Consequence>,
}

/// Failed checks of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Consequence {
    /// The kind of the checks.
    pub kind: Kind,
    /// What is wrong: `does not resolve`.
    pub what: String,
    /// The names or endpoints that it is wrong with.
    pub subjects: Vec<String>,
    /// The containers that observe it: `slave1/service_out`.
    pub from: Vec<String>,
}

/// The most subjects named in a line.
const NAMED: usize = 3;

impl Consequence {
    /// The consequence in a line: `` `slave1` does not resolve, from 20 containers ``.
    #[must_use]
    pub fn line(&self) -> String {
        let what = match self.subjects.len() {
            1 => self.what.clone(),
            _ => of_many(&self.what),
        };
        format!("{} {what}, from {}", listed(&self.subjects), self.origin())
    }

    fn origin(&self) -> String {
        match &self.from[..] {
            [one] => format!("`{one}`"),
            many => plural(many.len(), "container"),
        }
    }
}

/// The plural form: `does not resolve` becomes `do not resolve`.
#[must_use]
pub fn of_many(what: &str) -> String {
    let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
    let verb = match verb {
        "is" => "are",
        "does" => "do",
        verb => verb.strip_suffix('s').unwrap_or(verb),
    };
    format!("{verb} {rest}")
}

/// Names in backticks; of many only the first few.
#[must_use]
pub fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let quoted = |names: &[T]| -> Vec<String> { names.iter().map(|n| format!("`{}`", n.as_ref())).collect() };
    match names.len() {
        count if count > NAMED + 1 => format!("{} and {} more", quoted(&names[..NAMED]).join(", "), count - NAMED),
        _ => quoted(names).join(", "),
    }
}

impl Finding {
    /// The location in a message, such as `slave3/service_out`.
    #[must_use]
    pub fn place(&self) -> String {
        match (&self.node, &self.subject) {
            (Some(node), Some(subject)) => format!("{node}/{subject}"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => "cluster".to_owned(),
        }
    }
}

impl Report {
    /// Whether nothing is known to be wrong, but some containers could not be asked.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        !self.right && self.unasked == self.findings.len()
    }

    /// The whole report in one sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        let proved = self.proved.sentence();
        if self.right {
            return match proved.is_empty() {
                true => "nothing was asked".to_owned(),
                false => format!("all right: {proved}"),
            };
        }
        if self.is_unknown() {
            let unasked = plural(self.unasked, "container");
            return format!("{unasked} could not be asked; right: {proved}")
                .trim_end_matches("; right: ")
                .to_owned();
        }
        let mut nodes: Vec<&str> = self.findings.iter().filter_map(|f| f.node.as_deref()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let what = plural(self.findings.len(), "difference");
        let of = plural(
            self.nodes.len(),
            if self.cluster.is_some() { "node" } else { "project" },
        );
        let places = match nodes.len() {
            0 => String::new(),
            count => format!(" in {count} of {of}"),
        };
        match proved.is_empty() {
            true => format!("{what}{places}"),
            false => format!("{what}{places}; right: {proved}"),
        }
    }
}

impl Proved {
    /// The checks that passed: `53 containers asked, 12 networks as desired; …`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let counted = |count: usize, one: &str, many: &str| {
            let words = if count == 1 { one } else { many };
            (count > 0).then(|| format!("{count} {words}"))
        };
        let parts = |parts: [Option<String>; 2]| {
            let said: Vec<String> = parts.into_iter().flatten().collect();
            (!said.is_empty()).then(|| said.join(", "))
        };
        let sentence = [
            parts([
                counted(self.containers, "container asked", "containers asked"),
                counted(self.networks, "network as it should be", "networks as they should be"),
            ]),
            parts([
                counted(self.names, "name resolves as it should", "names resolve as they should"),
                counted(self.unknown, "does not, as it should", "do not, as they should"),
            ]),
            parts([
                counted(self.ports, "port accepts", "ports accept"),
                counted(self.identities, "fake says who it is", "fakes say who they are"),
            ]),
            counted(
                self.apart,
                "address is unreachable, as it should be",
                "addresses are unreachable, as they should be",
            ),
            counted(self.cut, "path is cut, as asked for", "paths are cut, as asked for"),
        ];
        sentence.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}
