//! Problems of a single service, network or volume, each with its path and the place where it was written.

use serde::Serialize;

use crate::cluster::Need;
use crate::diagnostic::{Kind, Problem, Problems, Span};
use crate::digest;
use crate::topology::written::Written;
use crate::value::{Map, Value};

/// What is found while a topology is translated.
#[derive(Default)]
pub(super) struct Findings {
    /// The problems found so far.
    pub(super) problems: Problems,
    /// The features that not every engine supports.
    pub(super) needs: Vec<Need>,
}

/// Collects the problems of one service, network or volume.
pub(super) struct Faults<'a> {
    findings: &'a mut Findings,
    /// The path of the item, such as `roles.slave.services.web`.
    base: String,
    written: &'a Written,
}

impl<'a> Faults<'a> {
    /// A collector for the item with the path `base`, which was `written` there.
    pub(super) fn new(base: String, written: &'a Written, findings: &'a mut Findings) -> Self {
        Self {
            findings,
            base,
            written,
        }
    }

    /// A collector for another item that this one refers to.
    pub(super) fn elsewhere<'b>(&'b mut self, base: String, written: &'b Written) -> Faults<'b> {
        Faults::new(base, written, self.findings)
    }

    /// Adds `problem` at the absolute path `path`.
    pub(super) fn push(&mut self, path: &str, mut problem: Problem) {
        problem.place = problem.place.or_else(|| self.place(path));
        self.findings.problems.push(problem);
    }

    fn place(&self, path: &str) -> Option<Span> {
        self.written.place(self.below(path))
    }

    fn key_place(&self, path: &str) -> Option<Span> {
        self.written.key(self.below(path))
    }

    /// The part of `path` below the item.
    fn below<'p>(&self, path: &'p str) -> &'p str {
        let below = path.strip_prefix(self.base.as_str()).unwrap_or_default();
        below.trim_start_matches('.')
    }

    /// Records that engines support the key at `path` from the API version `api` on.
    pub(super) fn since(&mut self, api: (usize, usize), path: &str) {
        self.need(api, path, self.key_place(path));
    }

    /// Records that engines support the value at `path` from the API version `api` on, although they know the key for
    /// longer.
    pub(super) fn value_since(&mut self, api: (usize, usize), path: &str) {
        self.need(api, path, self.place(path));
    }

    fn need(&mut self, api: (usize, usize), path: &str, place: Option<Span>) {
        let path = path.to_owned();
        let need = Need { api, path, place };
        if !self.findings.needs.contains(&need) {
            self.findings.needs.push(need);
        }
    }

    /// Reports that the value at `path` is not what was `expected`.
    pub(super) fn wrong(&mut self, path: &str, expected: &str, found: &Value) {
        let found = match found {
            Value::Null => "nothing".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            other => format!("`{}`", other.scalar().unwrap_or_default()),
        };
        let message = format!("`{path}`: expected {expected}, found {found}");
        self.mistake(path, Problem::general(message));
    }

    /// Reports why the value at `path` cannot be used.
    pub(super) fn because(&mut self, path: &str, reason: &str) {
        self.push(path, Problem::general(format!("`{path}`: {reason}")));
    }

    /// Reports why the key at `path` has no meaning there.
    pub(super) fn key_because(&mut self, path: &str, reason: &str) {
        let mut problem = Problem::general(format!("`{path}`: {reason}"));
        problem.place = self.key_place(path);
        self.push(path, problem);
    }

    /// Refuses the key at `path`, which is a matter of Compose or Swarm, or which this engine does not have.
    pub(super) fn refuse(&mut self, path: &str) {
        self.refused(path, self.key_place(path));
    }

    /// Refuses the value at `path`, although the key may have others.
    pub(super) fn refuse_value(&mut self, path: &str) {
        self.refused(path, self.place(path));
    }

    fn refused(&mut self, path: &str, place: Option<Span>) {
        let message = format!("`{path}`: `topogen up` does not know how to ask the engine for this");
        let hint = match path.ends_with(".build") {
            true => {
                "build it yourself: `docker build -t NAME .`, then `image: NAME` and `build: !reset` in the role's service; or `topogen render` \
                 the files and bring them up with `docker compose`"
            }
            false => "leave it out, or `topogen render` the files and bring them up with `docker compose`",
        };
        let mut problem = Problem::general(message).hint(hint);
        problem.place = place;
        self.push(path, problem);
    }

    /// The hash of `value`, by which the item is compared with what the engine has. If it cannot be serialized, the
    /// hash is empty and a problem is added.
    pub(super) fn hash(&mut self, value: &impl Serialize) -> String {
        digest::hash(value).unwrap_or_else(|error| {
            self.because(
                &self.base.clone(),
                &format!("cannot be compared with what is on the engine: {error}"),
            );
            String::new()
        })
    }

    /// Adds `problem` as one that `docker compose` would report too.
    fn mistake(&mut self, path: &str, mut problem: Problem) {
        problem.kind = Kind::Compose;
        self.push(path, problem);
    }

    /// Reports `key` unless it is `known` or an extension (`x-…`), since Compose would not know it either.
    pub(super) fn unknown(&mut self, key: &str, path: &str, known: &[&str]) {
        if key.starts_with("x-") {
            return;
        }
        let above = path.strip_suffix(key).unwrap_or(path).trim_end_matches('.');
        let mut problem = Problem::general(format!("unknown key `{key}` in `{above}`"));
        problem.place = self.key_place(path);
        self.mistake(path, problem.did_you_mean(key, known.iter().copied()));
    }

    /// Reports the [unknown](Self::unknown) keys of the `map` at `path`.
    pub(super) fn only(&mut self, map: &Map, path: &str, known: &[&str]) {
        for key in map.keys().filter(|key| !known.contains(&&***key)) {
            self.unknown(key, &format!("{path}.{key}"), known);
        }
    }
}
