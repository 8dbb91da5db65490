//! Checks what templates made: a text of a wrong kind for its key is no mistake before it is evaluated.

use std::sync::Arc;

use super::Expansion;
use super::role::map_of;
use crate::compose::kinds::{conformed, expected};
use crate::compose::table::{self, Row};
use crate::diagnostic::{Problem, Span};
use crate::topology::written::Written;
use crate::value::{Map, Value};

impl Expansion<'_> {
    /// The map `value` of the row at `row`, which messages call `path`, cast as Compose casts it. What is of a wrong kind is
    /// a problem at its place in `written`.
    pub(super) fn conformed(&mut self, value: Value, row: &str, path: &str, written: Option<&Written>) -> Arc<Map> {
        let below = |at: &str| at[path.len()..].trim_start_matches('.').to_owned();
        let place = |at: &str| written.and_then(|written| written.place(&below(at)));
        map_of(self.cast(value, table::at(row), path, &place))
    }

    /// `value` of the path `path`, which `row` describes, cast as Compose casts it. What is of a wrong kind is a problem at
    /// the place that `place` has for its path.
    pub(super) fn cast(
        &mut self,
        value: Value,
        row: Option<&Row>,
        path: &str,
        place: &dyn Fn(&str) -> Option<Span>,
    ) -> Value {
        let problems = &mut self.problems;
        conformed(value, row, path, &mut |path, row, found| {
            let found = found.scalar().unwrap_or_default();
            let message = format!("`{path}` must be {}", expected(row));
            let mut problem = Problem::general(message)
                .label(format!("the template makes `{found}`"))
                .by_itself();
            problem.place = place(path);
            problems.push(problem);
        })
    }
}
