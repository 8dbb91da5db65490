//! What is to be done, as data: operations, what each waits for, and why each is there.

pub mod conflict;
pub mod event;
pub mod reconcile;
pub mod schedule;
pub mod verbs;

use crate::text::plural;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::cluster::ContainerSpec;
use crate::cluster::NetworkSpec;
use crate::cluster::VolumeSpec;
use crate::compose::Condition;
use crate::name::{ContainerName, NetworkName};
use conflict::Conflict;

/// What to do.
#[derive(Debug, Clone)]
pub enum Action {
    /// Give the engine the fake image.
    LoadImage,
    /// Fetch an image from its registry.
    PullImage {
        /// Its platform, as `linux/arm64`; `None`: the engine's own.
        platform: Option<String>,
    },
    /// Make a network.
    CreateNetwork(Arc<NetworkSpec>),
    /// Make a volume.
    CreateVolume(Arc<VolumeSpec>),
    /// Make a container and join it to all its networks.
    CreateContainer(Arc<ContainerSpec>),
    /// Take a container off one of its networks.
    Disconnect {
        /// The engine's id of the container.
        id: String,
        /// The network's name.
        network: NetworkName,
    },
    /// Join a container that is there to one of its networks.
    Connect {
        /// The container to be.
        container: Arc<ContainerSpec>,
        /// Which of its endpoints.
        endpoint: usize,
    },
    /// Put its configs into a container and start it.
    Start(Arc<ContainerSpec>),
    /// Start a container that has run before.
    StartAgain {
        /// The engine's id.
        id: String,
    },
    /// Freeze a container.
    Pause {
        /// The engine's id.
        id: String,
    },
    /// Let a frozen container go on.
    Unpause,
    /// Wait until all of these are as they should be.
    Await {
        /// Their names.
        containers: Vec<ContainerName>,
        /// As they should be.
        condition: Condition,
    },
    /// Nothing can be done, and why: it stands in the plan so that what depends on it is left out and it is told of.
    Blocked(Conflict),
    /// Stop a container.
    Stop {
        /// The engine's id.
        id: String,
        /// Seconds that it is given; its own grace period where `None`.
        grace: Option<u32>,
    },
    /// Stop a container, if it runs, and start it.
    Restart {
        /// The engine's id.
        id: String,
        /// Seconds that it is given; its own grace period where `None`.
        grace: Option<u32>,
    },
    /// Send a signal to a container.
    Kill {
        /// The engine's id.
        id: String,
        /// The signal, `SIGKILL`.
        signal: String,
    },
    /// Remove a container that has stopped.
    RemoveContainer {
        /// The engine's id.
        id: String,
        /// Whether its anonymous volumes go with it; its successor takes them over where not.
        volumes: bool,
    },
    /// Remove a network.
    RemoveNetwork {
        /// The engine's id.
        id: String,
    },
    /// Remove a volume and what is in it.
    RemoveVolume,
}

impl Action {
    /// The verb and the kind of thing: `create container`.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::LoadImage => "load image",
            Self::PullImage { .. } => "pull image",
            Self::CreateNetwork(_) => "create network",
            Self::CreateVolume(_) => "create volume",
            Self::CreateContainer(_) | Self::Blocked(_) => "create container",
            Self::Disconnect { .. } => "disconnect container",
            Self::Connect { .. } => "connect container",
            Self::Start(_) | Self::StartAgain { .. } => "start container",
            Self::Pause { .. } => "pause container",
            Self::Unpause => "unpause container",
            Self::Await { containers, .. } if containers.len() == 1 => "await container",
            Self::Await { .. } => "await role",
            Self::Stop { .. } => "stop container",
            Self::Restart { .. } => "restart container",
            Self::Kill { signal, .. } if signal == "SIGKILL" => "kill container",
            Self::Kill { .. } => "signal container",
            Self::RemoveContainer { .. } => "remove container",
            Self::RemoveNetwork { .. } => "remove network",
            Self::RemoveVolume => "remove volume",
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
    /// Operations that must have ended before, whatever came of them. Always earlier ones.
    pub after_any: Vec<usize>,
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
    #[serde(skip_serializing_if = "<[usize]>::is_empty")]
    after_any: &'a [usize],
}

impl Serialize for Operation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OperationJson {
            operation: self.action.words(),
            subject: &self.subject,
            node: &self.node,
            cause: &self.cause,
            after: &self.after,
            after_any: &self.after_any,
        }
        .serialize(serializer)
    }
}

/// What people want to know of a plan: what becomes of each thing, however many operations that takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change<'a> {
    /// What becomes of it: `create`, `recreate`, `start`, `remove`, …
    pub verb: &'static str,
    /// The kind of thing: `network`, `container`, …
    pub kind: &'static str,
    /// Its name.
    pub subject: &'a str,
    /// The node it belongs to; empty for the cluster's own.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub node: &'a str,
    /// Why.
    pub cause: &'a str,
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: {}", self.verb, self.kind, self.subject, self.cause)
    }
}

/// All that is to be done, in an order that could be followed one by one.
#[derive(Debug, Default, Clone)]
pub struct Plan {
    /// The operations.
    pub operations: Vec<Operation>,
    /// What was observed and is left alone, and why.
    pub notes: Vec<String>,
}

/// A plan as other programs read it.
#[derive(Serialize)]
struct PlanJson<'a> {
    changes: Vec<Change<'a>>,
    counts: BTreeMap<&'static str, usize>,
    operations: &'a [Operation],
    notes: &'a [String],
}

impl Serialize for Plan {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let changes = self.changes();
        let mut counts = BTreeMap::new();
        for change in &changes {
            *counts.entry(change.verb).or_default() += 1;
        }
        PlanJson {
            changes,
            counts,
            operations: &self.operations,
            notes: &self.notes,
        }
        .serialize(serializer)
    }
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
            after_any: Vec::new(),
        });
        self.operations.len() - 1
    }

    /// Nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// What becomes of each thing. Removing it and making it is to recreate it; what is made is started, and what is
    /// removed was stopped, without a word.
    #[must_use]
    pub fn changes(&self) -> Vec<Change<'_>> {
        let key = |o: &'_ Operation| {
            let (verb, kind) = o.action.words().split_once(' ').unwrap_or_default();
            (verb, kind)
        };
        let mut made: HashSet<(&str, &str)> = HashSet::new();
        let mut gone: HashMap<(&str, &str), &str> = HashMap::new();
        let mut stopped: HashSet<&str> = HashSet::new();
        let mut started: HashSet<&str> = HashSet::new();
        let mut disconnected: HashMap<&str, &str> = HashMap::new();
        let mut connected: HashSet<&str> = HashSet::new();
        for operation in &self.operations {
            let (verb, kind) = key(operation);
            match verb {
                "create" => drop(made.insert((kind, &operation.subject))),
                "remove" => drop(gone.insert((kind, &operation.subject), &operation.cause)),
                "stop" => drop(stopped.insert(&operation.subject)),
                "connect" => drop(connected.insert(&operation.subject)),
                "start" => drop(started.insert(&operation.subject)),
                "disconnect" => drop(disconnected.insert(&operation.subject, &operation.cause)),
                _ => {}
            }
        }
        let mut changes: Vec<Change<'_>> = Vec::new();
        for operation in &self.operations {
            let (verb, kind) = key(operation);
            let subject = operation.subject.as_str();
            let of = (kind, subject);
            let (verb, cause) = match verb {
                "create" => match gone.get(&of) {
                    Some(cause) if !matches!(operation.action, Action::Blocked(_)) => ("recreate", *cause),
                    _ => (verb, operation.cause.as_str()),
                },
                "remove" if made.contains(&of) => continue,
                "stop" if gone.contains_key(&of) => continue,
                "stop" if started.contains(subject) => ("restart", operation.cause.as_str()),
                "start" | "connect" if made.contains(&of) => continue,
                "start" if stopped.contains(subject) => continue,
                "connect" => (
                    "connect",
                    disconnected.get(subject).copied().unwrap_or(&operation.cause),
                ),
                "disconnect" if connected.contains(subject) => continue,
                "await" => continue,
                verb => (verb, operation.cause.as_str()),
            };
            changes.push(Change {
                verb,
                kind,
                subject,
                node: &operation.node,
                cause,
            });
        }
        changes
    }

    /// How many of what: `create 3 networks, start 5 containers`.
    #[must_use]
    pub fn counts(&self) -> String {
        let mut counts: Vec<(&str, &str, usize)> = Vec::new();
        for change in self.changes() {
            let same = |(v, k, _): &&mut (&str, &str, usize)| *v == change.verb && *k == change.kind;
            match counts.iter_mut().find(same) {
                Some((.., n)) => *n += 1,
                None => counts.push((change.verb, change.kind, 1)),
            }
        }
        if counts.is_empty() {
            return match self.is_empty() {
                true => "nothing to do".to_owned(),
                false => "nothing to change, only to wait for".to_owned(),
            };
        }
        let parts: Vec<String> = counts
            .iter()
            .map(|(verb, kind, n)| format!("{verb} {}", plural(*n, kind)))
            .collect();
        parts.join(", ")
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in self.changes() {
            writeln!(f, "{change}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        write!(f, "{}", self.counts())
    }
}
