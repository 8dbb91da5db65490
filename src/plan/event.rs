//! The progress of a plan, as events.

use crate::plan::Operation;

/// Something that happened to an operation; `at` is its index in the plan.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The operation has begun.
    Started {
        /// The index in the plan.
        at: usize,
        /// The operation that began.
        operation: &'a Operation,
    },
    /// The operation is in flight and has made progress.
    Progress {
        /// The index in the plan.
        at: usize,
        /// The progress in a few words: `12 of 40 MB`, `not healthy yet`.
        text: &'a str,
    },
    /// The operation has succeeded.
    Done {
        /// The index in the plan.
        at: usize,
        /// The operation that succeeded.
        operation: &'a Operation,
    },
    /// The operation has failed.
    Failed {
        /// The index in the plan.
        at: usize,
        /// The operation that failed.
        operation: &'a Operation,
        /// The engine's message, or topogen's own, in one line.
        reason: &'a str,
    },
    /// The command was interrupted: no further operation begins.
    Stopping {
        /// The number of operations still in flight.
        in_flight: usize,
    },
    /// The operation will not begin, because a prerequisite failed.
    Skipped {
        /// The index in the plan.
        at: usize,
        /// The operation that is left out.
        operation: &'a Operation,
    },
}
