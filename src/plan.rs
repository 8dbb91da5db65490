//! The plan: operations, what each waits for, and why it is needed, as data.

pub mod action;
pub mod conflict;
pub mod event;
mod put_back;
pub mod reconcile;
pub mod schedule;
pub mod verbs;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use crate::text::plural;
use crate::toposort;
pub use action::{Action, Kind, Verb};
pub use put_back::put_back;

/// One step of a plan.
#[derive(Debug, Clone)]
pub struct Operation {
    /// What the operation does.
    pub action: Action,
    /// The name of the resource it acts on.
    pub subject: String,
    /// The node it is done for, as the blueprint or else a label names it; `None` for what is the cluster's own.
    pub node: Option<String>,
    /// Why it is needed, as a phrase.
    pub cause: String,
    /// Indices of operations that must succeed before this one begins; all are lower than its own.
    pub after: Vec<usize>,
    /// Indices of operations that must have ended before this one begins, successful or not; all are lower than its
    /// own.
    pub after_any: Vec<usize>,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.action, self.subject, self.cause)
    }
}

/// An operation in the JSON output.
#[derive(Serialize)]
struct OperationJson<'a> {
    operation: String,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    cause: &'a str,
    after: &'a [usize],
    #[serde(skip_serializing_if = "<[usize]>::is_empty")]
    after_any: &'a [usize],
}

impl Serialize for Operation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OperationJson {
            operation: self.action.to_string(),
            subject: &self.subject,
            node: self.node.as_deref(),
            cause: &self.cause,
            after: &self.after,
            after_any: &self.after_any,
        }
        .serialize(serializer)
    }
}

/// What happens to one resource, however many operations it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change<'a> {
    /// What becomes of it.
    pub verb: Verb,
    /// The kind of thing.
    pub kind: Kind,
    /// The name of the resource.
    pub subject: &'a str,
    /// The node it belongs to; `None` for what is the cluster's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<&'a str>,
    /// Why it changes, as a phrase.
    pub cause: &'a str,
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: {}", self.verb, self.kind, self.subject, self.cause)
    }
}

/// All operations that lead from the observed to the desired state, in an order that could be followed one by one.
#[derive(Debug, Default, Clone)]
pub struct Plan {
    /// The operations, each after those that it waits for.
    pub operations: Vec<Operation>,
    /// What was observed and is left alone, and why.
    pub notes: Vec<String>,
}

/// A plan in the JSON output.
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
            *counts.entry(change.verb.as_str()).or_default() += 1;
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
    /// Add an operation, for `node` where it is for one; its place in the plan.
    pub(crate) fn push(
        &mut self,
        action: Action,
        subject: &str,
        node: Option<&str>,
        cause: impl Into<String>,
        after: Vec<usize>,
    ) -> usize {
        self.operations.push(Operation {
            action,
            subject: subject.to_owned(),
            node: node.map(str::to_owned),
            cause: cause.into(),
            after,
            after_any: Vec::new(),
        });
        self.operations.len() - 1
    }

    /// Puts each operation after those that it waits for, otherwise as they are. Returns the new place of each.
    pub(crate) fn sort(&mut self) -> Vec<usize> {
        let waits = self.operations.iter();
        let waits: Vec<BTreeSet<usize>> = waits
            .map(|o| o.after.iter().chain(&o.after_any).copied().collect())
            .collect();
        let order: Vec<usize> = toposort::sorted(&waits).all().collect();
        let mut places = vec![0; order.len()];
        for (place, at) in order.iter().enumerate() {
            places[*at] = place;
        }
        let mut operations: Vec<Option<Operation>> =
            std::mem::take(&mut self.operations).into_iter().map(Some).collect();
        for at in order {
            let Some(mut operation) = operations[at].take() else {
                continue;
            };
            for waits in [&mut operation.after, &mut operation.after_any] {
                waits.iter_mut().for_each(|before| *before = places[*before]);
                waits.sort_unstable();
                waits.dedup();
            }
            self.operations.push(operation);
        }
        places
    }

    /// All that the operation at `at` waits for, directly or not, and itself.
    pub(crate) fn needed(&self, at: usize) -> HashSet<usize> {
        let mut needed = HashSet::from([at]);
        let mut stack = vec![at];
        while let Some(at) = stack.pop() {
            let operation = &self.operations[at];
            let before = operation.after.iter().chain(&operation.after_any);
            stack.extend(before.copied().filter(|before| needed.insert(*before)));
        }
        needed
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The net change of each resource. To remove and create a thing is to recreate it; that new containers are started
    /// and removed ones were stopped is not mentioned.
    #[must_use]
    pub fn changes(&self) -> Vec<Change<'_>> {
        let mut created: HashSet<(Kind, &str)> = HashSet::new();
        let mut removed: HashMap<(Kind, &str), &str> = HashMap::new();
        let mut stopped: HashSet<&str> = HashSet::new();
        let mut started: HashSet<&str> = HashSet::new();
        let mut disconnected: HashMap<&str, &str> = HashMap::new();
        let mut connected: HashSet<&str> = HashSet::new();
        for operation in &self.operations {
            let (subject, cause) = (operation.subject.as_str(), operation.cause.as_str());
            let of = (operation.action.kind(), subject);
            match operation.action.verb() {
                Verb::Create => drop(created.insert(of)),
                Verb::Remove => drop(removed.insert(of, cause)),
                Verb::Stop => drop(stopped.insert(subject)),
                Verb::Start => drop(started.insert(subject)),
                Verb::Connect => drop(connected.insert(subject)),
                Verb::Disconnect => drop(disconnected.insert(subject, cause)),
                _ => {}
            }
        }
        let mut renamed: HashSet<&str> = HashSet::new();
        let mut changes: Vec<Change<'_>> = Vec::new();
        for operation in &self.operations {
            let (kind, subject, cause) = (operation.action.kind(), operation.subject.as_str(), &operation.cause);
            let of = (kind, subject);
            let (verb, cause) = match operation.action.verb() {
                Verb::Create => match removed.get(&of) {
                    Some(cause) if !matches!(operation.action, Action::Blocked(_)) => (Verb::Recreate, *cause),
                    _ => (Verb::Create, cause.as_str()),
                },
                Verb::Remove if created.contains(&of) => continue,
                Verb::Stop if removed.contains_key(&of) => continue,
                Verb::Stop if started.contains(subject) => (Verb::Restart, cause.as_str()),
                Verb::Start | Verb::Connect | Verb::Rename if created.contains(&of) => continue,
                Verb::Start if stopped.contains(subject) => continue,
                Verb::Connect => (Verb::Connect, disconnected.get(subject).copied().unwrap_or(cause)),
                Verb::Disconnect if connected.contains(subject) => continue,
                Verb::Await => continue,
                // It takes two where containers have each other's names.
                Verb::Rename if !renamed.insert(subject) => continue,
                verb => (verb, cause.as_str()),
            };
            changes.push(Change {
                verb,
                kind,
                subject,
                node: operation.node.as_deref(),
                cause,
            });
        }
        changes
    }

    /// The number of changes by kind: `create 3 networks, start 5 containers`.
    #[must_use]
    pub fn counts(&self) -> String {
        let mut counts: Vec<(Verb, Kind, usize)> = Vec::new();
        for change in self.changes() {
            let same = |(verb, kind, _): &&mut (Verb, Kind, usize)| *verb == change.verb && *kind == change.kind;
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
            .map(|(verb, kind, n)| format!("{verb} {}", plural(*n, kind.as_str())))
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

/// The node that a label names; `None` where it names none, as on what is the cluster's own.
fn named(node: &str) -> Option<&str> {
    (!node.is_empty()).then_some(node)
}
