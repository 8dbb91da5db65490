//! What is to be done, as data: operations, what each waits for, and why each is there.

pub mod conflict;
pub mod reconcile;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::engine::{ContainerSpec, NetworkSpec};

/// What to do.
#[derive(Debug, Clone)]
pub enum Action {
    /// Give the engine the fake image.
    LoadImage,
    /// Make a network.
    CreateNetwork(Arc<NetworkSpec>),
    /// Make a container and join it to all its networks.
    CreateContainer(Arc<ContainerSpec>),
    /// Join a container that is there to one of its networks.
    Connect {
        /// The container to be.
        container: Arc<ContainerSpec>,
        /// Which of its endpoints.
        endpoint: usize,
    },
    /// Put its configs into a container and start it.
    Start(Arc<ContainerSpec>),
    /// Let a frozen container go on.
    Unpause,
    /// Stop a container, its own grace period allowed.
    Stop {
        /// The engine's id.
        id: String,
    },
    /// Remove a container that has stopped, and its anonymous volumes.
    RemoveContainer {
        /// The engine's id.
        id: String,
    },
    /// Remove a network.
    RemoveNetwork {
        /// The engine's id.
        id: String,
    },
}

impl Action {
    /// The verb and the kind of thing: `create container`.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::LoadImage => "load image",
            Self::CreateNetwork(_) => "create network",
            Self::CreateContainer(_) => "create container",
            Self::Connect { .. } => "connect container",
            Self::Start(_) => "start container",
            Self::Unpause => "unpause container",
            Self::Stop { .. } => "stop container",
            Self::RemoveContainer { .. } => "remove container",
            Self::RemoveNetwork { .. } => "remove network",
        }
    }

    /// The same when it is done: `created container`.
    #[must_use]
    pub fn past(&self) -> String {
        let (verb, noun) = self.words().split_once(' ').unwrap_or((self.words(), ""));
        let past = match verb {
            "stop" => "stopped".to_owned(),
            verb if verb.ends_with('e') => format!("{verb}d"),
            verb => format!("{verb}ed"),
        };
        format!("{past} {noun}")
    }
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// What to do.
    pub action: Action,
    /// The name of what it is done to.
    pub subject: String,
    /// The node it is done for; empty for the cluster's own.
    pub node: String,
    /// Why.
    pub cause: String,
    /// Operations, by their place in the plan, that must be done before. Always earlier ones.
    pub after: Vec<usize>,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.action.words(), self.subject, self.cause)
    }
}

/// An operation as other programs read it.
#[derive(Serialize)]
struct OperationJson<'a> {
    operation: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    node: &'a str,
    cause: &'a str,
    after: &'a [usize],
}

impl Serialize for Operation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OperationJson {
            operation: self.action.words(),
            subject: &self.subject,
            node: &self.node,
            cause: &self.cause,
            after: &self.after,
        }
        .serialize(serializer)
    }
}

/// All that is to be done, in an order that could be followed one by one.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Plan {
    /// The operations.
    pub operations: Vec<Operation>,
    /// What was seen and is left alone, and why.
    pub notes: Vec<String>,
}

impl Plan {
    /// Add an operation; its place in the plan.
    pub(crate) fn push(
        &mut self,
        action: Action,
        subject: &str,
        node: &str,
        cause: impl Into<String>,
        after: Vec<usize>,
    ) -> usize {
        self.operations.push(Operation {
            action,
            subject: subject.to_owned(),
            node: node.to_owned(),
            cause: cause.into(),
            after,
        });
        self.operations.len() - 1
    }

    /// Nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// How many operations of each kind: `3 create network, 5 start container`.
    #[must_use]
    pub fn counts(&self) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for operation in &self.operations {
            let words = operation.action.words();
            match counts.iter_mut().find(|(w, _)| *w == words) {
                Some((_, n)) => *n += 1,
                None => counts.push((words, 1)),
            }
        }
        if counts.is_empty() {
            return "nothing to do".to_owned();
        }
        let parts: Vec<String> = counts
            .iter()
            .map(|(words, n)| {
                let (verb, noun) = words.split_once(' ').unwrap_or((words, ""));
                format!("{verb} {}", plural(*n, noun))
            })
            .collect();
        parts.join(", ")
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for operation in &self.operations {
            writeln!(f, "{operation}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        write!(f, "{}", self.counts())
    }
}

/// `1 node`, `2 nodes`.
#[must_use]
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// Names in backticks.
fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    quoted.join(", ")
}
