//! The progress of the work, which each event updates. Times are in milliseconds since the command began.

use std::collections::HashMap;

use super::words;
use crate::plan::event::Event;
use crate::plan::{Action, Operation, Plan};

/// The state of all rows.
#[derive(Debug, Default, Clone)]
pub struct State {
    /// What the command does while it has no plan: `looking at the engine`.
    pub doing: String,
    /// Rows in the order of the plan: one for each node, and one for each thing that belongs to no node.
    pub rows: Vec<Row>,
    /// Whether the command was interrupted, and no further operation begins.
    pub stopping: bool,
    /// The index of each operation's row.
    row_of: Vec<usize>,
    /// How many rows are done.
    finished: usize,
}

/// The progress of a node, or of a resource that belongs to no node.
#[derive(Debug, Default, Clone)]
pub struct Row {
    /// The name of the node or resource.
    pub name: String,
    /// The number of its operations.
    pub total: usize,
    /// The number of operations that are done.
    pub done: usize,
    /// The operations in flight, in the order they began.
    pub running: Vec<Running>,
    /// The reason of its first failure; `None` if none failed.
    pub failure: Option<String>,
    /// The number of operations that failed.
    pub failed: usize,
    /// The number of operations that will not begin.
    pub skipped: usize,
    /// When its first operation began; `None` before that.
    pub begun: Option<u64>,
    /// When its last operation ended; `None` before that.
    pub ended: Option<u64>,
    /// Its rank among finished rows, from 1; 0 until it is done.
    pub finished: usize,
}

/// An operation in flight.
#[derive(Debug, Clone)]
pub struct Running {
    /// The index of the operation in the plan.
    at: usize,
    /// The verb, such as `start`.
    pub verb: String,
    /// The object, in words that suffice in its row; `None` if the row's name says it.
    pub name: Option<String>,
    /// How far it has got; `None` until the engine reports it.
    pub progress: Option<String>,
}

/// The state of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowState {
    /// At least one operation failed.
    Failed,
    /// An operation is in flight.
    Running,
    /// Some operations are done, and none is running.
    Begun,
    /// No operation has begun.
    Waiting,
    /// Some operations will not begin, because a prerequisite failed.
    Skipped,
    /// All operations are done.
    Done,
}

impl Row {
    /// The state of the row. A failure counts most, then an operation in progress.
    #[must_use]
    pub fn state(&self) -> RowState {
        if self.failed > 0 {
            RowState::Failed
        } else if !self.running.is_empty() {
            RowState::Running
        } else if self.done == self.total {
            RowState::Done
        } else if self.skipped > 0 {
            RowState::Skipped
        } else if self.done > 0 {
            RowState::Begun
        } else {
            RowState::Waiting
        }
    }
}

impl State {
    /// A state without a plan, in which the command does what `text` says.
    #[must_use]
    pub fn doing(text: &str) -> Self {
        Self {
            doing: text.to_owned(),
            ..Self::default()
        }
    }

    /// Starts with the rows of `plan`.
    pub fn plan(&mut self, plan: &Plan) {
        let mut places: HashMap<&str, usize> = HashMap::new();
        *self = Self::doing(&self.doing);
        for operation in &plan.operations {
            let name = row_name(operation);
            let row = *places.entry(name).or_insert_with(|| {
                self.rows.push(Row {
                    name: name.to_owned(),
                    ..Row::default()
                });
                self.rows.len() - 1
            });
            self.rows[row].total += 1;
            self.row_of.push(row);
        }
    }

    /// Whether a plan is being carried out.
    #[must_use]
    pub fn has_plan(&self) -> bool {
        !self.row_of.is_empty()
    }

    /// Updates the state by an `event` at `now`.
    pub fn event(&mut self, event: Event<'_>, now: u64) {
        let at = match event {
            Event::Started { at, .. }
            | Event::Progress { at, .. }
            | Event::Done { at, .. }
            | Event::Failed { at, .. }
            | Event::Skipped { at, .. } => at,
            Event::Stopping { .. } => {
                self.stopping = true;
                return;
            }
        };
        let Some(row) = self.row_of.get(at).and_then(|row| self.rows.get_mut(*row)) else {
            return;
        };
        match event {
            Event::Started { operation, .. } => {
                row.begun.get_or_insert(now);
                row.running.push(running(at, operation));
            }
            Event::Progress { text, .. } => {
                if let Some(running) = row.running.iter_mut().find(|r| r.at == at) {
                    running.progress = Some(text.to_owned());
                }
            }
            Event::Done { .. } => row.done += 1,
            Event::Failed { operation, reason, .. } => {
                row.failed += 1;
                row.failure
                    .get_or_insert_with(|| format!("{}: {reason}", words::short(operation)));
            }
            Event::Skipped { .. } => row.skipped += 1,
            Event::Stopping { .. } => {}
        }
        if matches!(event, Event::Done { .. } | Event::Failed { .. }) {
            row.running.retain(|r| r.at != at);
            row.ended = Some(now);
            if row.state() == RowState::Done {
                self.finished += 1;
                row.finished = self.finished;
            }
        }
    }

    /// The number of operations that are done, and of all.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let done = self.rows.iter().map(|r| r.done).sum();
        (done, self.row_of.len())
    }

    /// The number of operations that failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.rows.iter().map(|r| r.failed).sum()
    }
}

/// The name of the operation's row: its node, otherwise its object: the shared network, an image.
fn row_name(operation: &Operation) -> &str {
    operation.node.as_ref().unwrap_or(&operation.subject)
}

fn running(at: usize, operation: &Operation) -> Running {
    let (verb, name) = words::parts(operation);
    let progress = match operation.action {
        Action::Await { .. } => Some(operation.cause.clone()),
        _ => None,
    };
    Running {
        at,
        verb,
        name: name.map(str::to_owned),
        progress,
    }
}
