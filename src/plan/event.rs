//! Progress as data.

use crate::plan::Operation;

/// Something happened to an operation, `at` its place in the plan.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// It was begun.
    Started {
        /// Its place.
        at: usize,
        /// The operation.
        operation: &'a Operation,
    },
    /// It is in flight and has got so far.
    Progress {
        /// Its place.
        at: usize,
        /// How far, in few words: `12 of 40 MB`, `not healthy yet`.
        text: &'a str,
    },
    /// It is done.
    Done {
        /// Its place.
        at: usize,
        /// The operation.
        operation: &'a Operation,
    },
    /// It failed.
    Failed {
        /// Its place.
        at: usize,
        /// The operation.
        operation: &'a Operation,
        /// The engine's words.
        reason: &'a str,
    },
    /// No more work is begun; so many operations are in flight.
    Stopping {
        /// How many.
        in_flight: usize,
    },
    /// It will not be begun, because what it waits for failed.
    Skipped {
        /// Its place.
        at: usize,
        /// The operation.
        operation: &'a Operation,
    },
}
