//! Which operations of a plan may begin, and what became of each.
//!
//! The rules:
//! - An operation may begin once all that it names in `after` have succeeded and all that it names in `after_any` have
//!   ended. To end is to succeed, to fail or to be left out.
//! - Where one fails, whatever names it in `after` is left out, and so is what names those, and so on. What names it in
//!   `after_any` goes on.
//! - After a stop, or once the engine is lost, nothing more begins. What is in flight still succeeds or fails.
//!
//! Nothing here runs anything: whoever carries out the plan says what has come of each operation.

use std::collections::BTreeSet;

use crate::plan::Plan;

/// What became of a plan. Operations are named by their places in it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Operations that succeeded, in the order in which they did.
    pub done: Vec<usize>,
    /// Operations that failed, and the engine's words.
    pub failed: Vec<(usize, String)>,
    /// Operations left out, because one that they wait for failed.
    pub skipped: Vec<usize>,
    /// How many operations neither ended nor were left out, because of a stop or because the engine was lost.
    pub unbegun: usize,
    /// Why the engine was lost in the middle; `None` where it was not.
    pub lost: Option<String>,
}

/// Who waits for an operation.
#[derive(Debug, Default, Clone)]
struct Dependents {
    /// Those that name it in `after`.
    on_success: Vec<usize>,
    /// Those that name it in `after_any`.
    on_end: Vec<usize>,
}

/// A plan that is being carried out.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// How many operations each still waits for.
    waits: Vec<usize>,
    dependents: Vec<Dependents>,
    /// Whether each has been left out.
    skipped: Vec<bool>,
    /// What may begin. The earliest of the plan is the first: a plan goes node by node.
    ready: BTreeSet<usize>,
    stopped: bool,
    outcome: Outcome,
}

impl Schedule {
    /// The schedule of `plan`, of which nothing has begun.
    ///
    /// # Panics
    /// If an operation waits for one that the plan does not have.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let operations = &plan.operations;
        let mut dependents = vec![Dependents::default(); operations.len()];
        for (at, operation) in operations.iter().enumerate() {
            for before in &operation.after {
                dependents[*before].on_success.push(at);
            }
            for before in &operation.after_any {
                dependents[*before].on_end.push(at);
            }
        }
        let waits: Vec<usize> = operations.iter().map(|o| o.after.len() + o.after_any.len()).collect();
        Self {
            ready: (0..waits.len()).filter(|at| waits[*at] == 0).collect(),
            skipped: vec![false; waits.len()],
            waits,
            dependents,
            stopped: false,
            outcome: Outcome::default(),
        }
    }

    /// The operations that may begin now, the earliest of the plan first; none after a stop.
    pub fn ready(&self) -> impl Iterator<Item = usize> {
        self.ready.iter().copied().filter(|_| !self.stopped)
    }

    /// Begin the earliest operation that may; `None` where none may.
    pub fn begin_first(&mut self) -> Option<usize> {
        let first = self.ready().next()?;
        self.ready.remove(&first);
        Some(first)
    }

    /// Begin the operation at `at`; whether it may.
    pub fn begin(&mut self, at: usize) -> bool {
        !self.stopped && self.ready.remove(&at)
    }

    /// The operation at `at`, which had begun, succeeded.
    pub fn done(&mut self, at: usize) {
        self.outcome.done.push(at);
        for next in std::mem::take(&mut self.dependents[at].on_success) {
            self.dependency_ended(next);
        }
        self.ended(at);
    }

    /// The operation at `at`, which had begun, failed for `reason`. Returns the operations that are left out for it,
    /// those that are left out already excepted.
    pub fn failed(&mut self, at: usize, reason: String) -> Vec<usize> {
        self.outcome.failed.push((at, reason));
        self.ended(at);
        let mut skipped = Vec::new();
        let mut stack = std::mem::take(&mut self.dependents[at].on_success);
        while let Some(next) = stack.pop() {
            if !std::mem::replace(&mut self.skipped[next], true) {
                skipped.push(next);
                stack.append(&mut self.dependents[next].on_success);
                self.ended(next);
            }
        }
        self.outcome.skipped.extend(&skipped);
        skipped
    }

    /// Starts no further operations; those in progress continue.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Begin nothing more, because the engine is gone for `reason`. The first reason stays.
    pub fn lost(&mut self, reason: String) {
        self.outcome.lost.get_or_insert(reason);
        self.stop();
    }

    /// Whether nothing more begins, because of a stop or because the engine was lost.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// What became of the plan. What is in flight counts as not begun.
    #[must_use]
    pub fn outcome(mut self) -> Outcome {
        let outcome = &mut self.outcome;
        outcome.unbegun = self.waits.len() - outcome.done.len() - outcome.failed.len() - outcome.skipped.len();
        self.outcome
    }

    /// The operation at `at` succeeded, failed or was left out.
    fn ended(&mut self, at: usize) {
        for next in std::mem::take(&mut self.dependents[at].on_end) {
            self.dependency_ended(next);
        }
    }

    fn dependency_ended(&mut self, at: usize) {
        self.waits[at] -= 1;
        if self.waits[at] == 0 && !self.skipped[at] {
            self.ready.insert(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Action;

    /// A plan whose operations wait for `after` and `after_any`.
    fn schedule(operations: &[(&[usize], &[usize])]) -> Schedule {
        let mut plan = Plan::default();
        for (after, after_any) in operations {
            let at = plan.push(
                Action::Unpause { id: "1".to_owned() },
                "x",
                None,
                "of the test",
                after.to_vec(),
            );
            plan.operations[at].after_any = after_any.to_vec();
        }
        Schedule::new(&plan)
    }

    fn ready(schedule: &Schedule) -> Vec<usize> {
        schedule.ready().collect()
    }

    #[test]
    fn what_waits_for_nothing_begins_in_the_order_of_the_plan() {
        let mut schedule = schedule(&[(&[], &[]), (&[0], &[]), (&[], &[]), (&[0, 2], &[])]);
        assert_eq!(schedule.begin_first(), Some(0));
        assert_eq!(schedule.begin_first(), Some(2));
        assert_eq!(schedule.begin_first(), None);
        schedule.done(2);
        assert!(ready(&schedule).is_empty());
        schedule.done(0);
        assert_eq!(ready(&schedule), [1, 3]);
        assert!(schedule.begin(3) && !schedule.begin(3));
    }

    #[test]
    fn a_failure_leaves_out_what_needs_it_and_lets_the_rest_go_on() {
        let mut schedule = schedule(&[
            (&[], &[]),
            (&[0], &[]),
            (&[1], &[]),
            (&[], &[0]),
            (&[3], &[2]),
            (&[4], &[0]),
        ]);
        assert!(schedule.begin(0));
        assert_eq!(schedule.failed(0, "no".to_owned()), [1, 2]);
        assert_eq!(ready(&schedule), [3], "what it needs to end has ended");
        assert!(schedule.begin(3));
        schedule.done(3);
        assert_eq!(ready(&schedule), [4], "what was left out has ended too");
        assert_eq!(
            schedule.outcome(),
            Outcome {
                done: vec![3],
                failed: vec![(0, "no".to_owned())],
                skipped: vec![1, 2],
                unbegun: 2,
                lost: None,
            }
        );
    }

    #[test]
    fn nothing_begins_after_a_stop_and_what_is_in_flight_still_ends() {
        let mut schedule = schedule(&[(&[], &[]), (&[0], &[]), (&[], &[])]);
        assert_eq!(schedule.begin_first(), Some(0));
        schedule.lost("gone".to_owned());
        schedule.lost("gone again".to_owned());
        schedule.done(0);
        assert!(schedule.is_stopped() && ready(&schedule).is_empty());
        assert!(schedule.begin_first().is_none() && !schedule.begin(2));
        let outcome = schedule.outcome();
        assert_eq!((outcome.unbegun, outcome.lost.as_deref()), (2, Some("gone")));
    }
}
