//! What proving came to: a report that prints as a table, JSON, JUnit and a picture.

use serde::Serialize;

use super::matrix::Matrix;
use crate::text::plural;

/// What was found out.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The cluster; `None` where Compose projects of others were examined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Whether all is as it is to be.
    pub right: bool,
    /// How much is.
    pub proved: Proved,
    /// What is not.
    pub findings: Vec<Finding>,
    /// What is worth knowing and breaks no promise.
    pub notes: Vec<String>,
    /// The nodes, or projects, that were looked at.
    pub nodes: Vec<NodeReport>,
    /// Who reaches whom; `None` where no picture of it was asked for.
    #[serde(skip)]
    pub matrix: Option<Matrix>,
}

/// A node, or a project, that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// Its name.
    pub node: String,
    /// Its services.
    pub services: Vec<ServiceReport>,
}

/// A service that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceReport {
    /// Its name.
    pub service: String,
    /// Its container, where there is one.
    pub container: Option<String>,
    /// How many questions were answered from inside it; none where it was not asked.
    pub answers: usize,
}

/// How much was found right.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Proved {
    /// Containers asked from inside.
    pub containers: usize,
    /// Networks that are as they are to be.
    pub networks: usize,
    /// Names that lead to the one address they are to lead to, each from where it was asked.
    pub names: usize,
    /// Names that lead nowhere, as they are to.
    pub unknown: usize,
    /// Ports that accept a connection.
    pub ports: usize,
    /// Fakes that say that they are those expected.
    pub identities: usize,
    /// Addresses that answer, of containers that expose no port.
    pub reached: usize,
    /// Addresses out of reach, as they are to be.
    pub apart: usize,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Containers, networks, subnets, aliases, attachments.
    Shape,
    /// What names lead to.
    Names,
    /// Who reaches whom, and who answers.
    Paths,
}

/// One difference, and all that follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// The node, or project, where it is; `None` where it is no single one's.
    pub node: Option<String>,
    /// The service there, or the network, or container.
    pub subject: Option<String>,
    /// What was expected.
    pub expected: String,
    /// What was observed.
    pub observed: String,
    /// What is the likely cause.
    pub cause: String,
    /// What follows from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consequences: Vec<Consequence>,
}

/// Answers of one kind that are wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Consequence {
    /// What they are about.
    pub kind: Kind,
    /// What is wrong: `leads nowhere`.
    pub what: String,
    /// The names or endpoints that it is wrong of.
    pub subjects: Vec<String>,
    /// The containers from which it is observed: `slave1/service_out`.
    pub from: Vec<String>,
}

/// The most subjects that a line names.
const NAMED: usize = 3;

impl Consequence {
    /// In one line: `` `slave1` leads nowhere, from 20 containers ``.
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

/// The same said of several: `leads nowhere`, `lead nowhere`.
#[must_use]
pub fn of_many(what: &str) -> String {
    let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
    let verb = match verb {
        "is" => "are",
        verb => verb.strip_suffix('s').unwrap_or(verb),
    };
    format!("{verb} {rest}")
}

/// Names in backticks, the first few of many.
#[must_use]
pub fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let quoted = |names: &[T]| -> Vec<String> { names.iter().map(|n| format!("`{}`", n.as_ref())).collect() };
    match names.len() {
        count if count > NAMED + 1 => format!("{} and {} more", quoted(&names[..NAMED]).join(", "), count - NAMED),
        _ => quoted(names).join(", "),
    }
}

impl Finding {
    /// Where it is: `slave3/service_out`.
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
    /// All of it in one sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        let proved = self.proved.sentence();
        if self.right {
            return format!("all right: {proved}");
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
    /// What is right, as far as it was looked at: `53 containers, 12 networks; 812 names lead to …`.
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
                counted(self.names, "name leads where it should", "names lead where they should"),
                counted(self.unknown, "nowhere, as it should", "nowhere, as they should"),
            ]),
            parts([
                counted(self.ports, "port accepts", "ports accept"),
                counted(self.identities, "fake says who it is", "fakes say who they are"),
            ]),
            counted(
                self.apart,
                "address is out of reach, as it should be",
                "addresses are out of reach, as they should be",
            ),
        ];
        sentence.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}
