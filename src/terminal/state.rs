//! What is known of the work, for whoever shows it: each event moves it on. Times are milliseconds since the command
//! began.

use std::collections::HashMap;

use super::words;
use crate::plan::event::Event;
use crate::plan::{Action, Operation, Plan};

/// All of it.
#[derive(Debug, Default, Clone)]
pub struct State {
    /// What the command does while there is no plan: `looking at the engine`.
    pub doing: String,
    /// A row a node, and a row a thing that belongs to no node, in the order of the plan.
    pub rows: Vec<Row>,
    /// Whether no more work is begun.
    pub stopping: bool,
    /// The row of each operation.
    row_of: Vec<usize>,
    /// How many rows are done.
    finished: usize,
}

/// A node, or a thing that belongs to none.
#[derive(Debug, Default, Clone)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its operations.
    pub total: usize,
    /// Those done.
    pub done: usize,
    /// Those in flight, in the order in which they were begun.
    pub running: Vec<Running>,
    /// What went wrong first.
    pub failure: Option<String>,
    /// Operations that failed.
    pub failed: usize,
    /// Operations that will not be begun.
    pub skipped: usize,
    /// When its first operation was begun.
    pub begun: Option<u64>,
    /// When its last one ended.
    pub ended: Option<u64>,
    /// Which row it was to be done, from 1.
    pub finished: usize,
}

/// An operation in flight.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its place in the plan.
    at: usize,
    /// What is done: `start`.
    pub verb: String,
    /// To what, in words that suffice in its row; `None` where the row says it.
    pub name: Option<String>,
    /// How far it has got; `None` until something is said of that.
    pub progress: Option<String>,
}

/// How a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Some of it failed.
    Failed,
    /// Some of it is in flight.
    Running,
    /// Some of it is done, and nothing in flight.
    Begun,
    /// Nothing of it is begun.
    Waiting,
    /// Some of it will not be begun, because what it waits for failed.
    Skipped,
    /// All of it is done.
    Done,
}

impl Row {
    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.failed > 0 {
            Standing::Failed
        } else if !self.running.is_empty() {
            Standing::Running
        } else if self.done == self.total {
            Standing::Done
        } else if self.skipped > 0 {
            Standing::Skipped
        } else if self.done > 0 {
            Standing::Begun
        } else {
            Standing::Waiting
        }
    }
}

impl State {
    /// There is no plan, or none any more.
    #[must_use]
    pub fn doing(text: &str) -> Self {
        Self {
            doing: text.to_owned(),
            ..Self::default()
        }
    }

    /// From now on it is `plan` that is carried out.
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

    /// `event` happened `now`.
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
            if row.standing() == Standing::Done {
                self.finished += 1;
                row.finished = self.finished;
            }
        }
    }

    /// Operations that are done, and all there are.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let done = self.rows.iter().map(|r| r.done).sum();
        (done, self.row_of.len())
    }

    /// Operations that failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.rows.iter().map(|r| r.failed).sum()
    }
}

/// Its node, else what it is done to: the shared network, an image.
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
