//! Checks the merged Compose document of a role against [`table`], and makes each scalar the kind that it stands for: what
//! `docker compose config` would refuse of the rendered files is refused here, with its place.

use std::collections::HashSet;

use crate::compose::kinds::{cast_to, expected};
use crate::compose::table::{Kind, Merge, Row};
use crate::diagnostic::{Kind as DiagnosticKind, Problem, Problems, Sources, Span};
use crate::template::is_template;
use crate::value::Value;
use crate::yaml::{Entry, MergeTag, Node, Yaml};

use super::merge;
use super::shape::known_keys;

/// Checks the value at `path`, which `row` describes, casts its scalars, and removes what is wrong below it, so that it is
/// reported once.
///
/// What is a template is anything, until it is evaluated.
pub(super) fn conform(node: &mut Node, row: &Row, path: &str, sources: &Sources, problems: &mut Problems) {
    conform_as(node, row, path, sources, problems, false);
}

/// The same of a part that is merged over another one, which has the keys that are missing.
pub(super) fn conform_part(node: &mut Node, row: &Row, path: &str, sources: &Sources, problems: &mut Problems) {
    conform_as(node, row, path, sources, problems, true);
}

fn conform_as(node: &mut Node, row: &Row, path: &str, sources: &Sources, problems: &mut Problems, partial: bool) {
    let mut found = Problems::default();
    let mut conforming = Conforming {
        sources,
        problems: &mut found,
        partial,
    };
    conforming.value(node, row, path);
    for problem in found.sorted() {
        problems.push(Problem {
            kind: DiagnosticKind::Compose,
            ..problem.clone()
        });
    }
}

struct Conforming<'a> {
    sources: &'a Sources,
    problems: &'a mut Problems,
    /// Whether keys may be missing.
    partial: bool,
}

impl Conforming<'_> {
    /// Checks and casts one value, and returns whether it may stay.
    fn value(&mut self, node: &mut Node, row: &Row, path: &str) -> bool {
        if node.tag == Some(MergeTag::Reset) || row.kinds.is_empty() {
            return true;
        }
        let span = node.span;
        match &mut node.value {
            Yaml::Text(text) if is_template(text) => true,
            Yaml::List(items) if row.is_list() => {
                self.items(items, row, path);
                true
            }
            Yaml::Map(entries) if row.is_map() => {
                self.entries(entries, row, path, span);
                true
            }
            // What a later file leaves to the earlier one.
            Yaml::Null if self.partial => true,
            Yaml::List(_) | Yaml::Map(_) => self.wrong(node, row, path),
            _ => match cast_to(&node.value, row, self.written(span)) {
                Some(value) => {
                    node.value = value;
                    true
                }
                None => self.wrong(node, row, path),
            },
        }
    }

    fn items(&mut self, items: &mut Vec<Node>, row: &Row, path: &str) {
        if let Some(once) = row.once {
            merge::once(items, once);
        }
        let Some(below) = row.item() else { return };
        let mut at = 0;
        items.retain_mut(|item| {
            let stays = self.value(item, below, &format!("{path}[{at}]"));
            at += 1;
            stays
        });
        if !row.kinds.contains(&Kind::Set) || row.merge == Merge::Keyed {
            return;
        }
        let mut found = HashSet::new();
        for item in items.iter() {
            if !found.insert(format!("{:?}", Value::from(item))) {
                self.problems
                    .push(Problem::at(item.span, format!("`{path}` has one item twice")).hint("keep one of the two"));
            }
        }
    }

    fn entries(&mut self, entries: &mut Vec<Entry>, row: &Row, path: &str, span: Span) {
        let found = self.problems.len();
        let is_open = row.kinds.contains(&Kind::Open) || row.keys().next().is_none();
        if !is_open {
            let known: Vec<&str> = row.keys().collect();
            let is_bare = row.kinds.contains(&Kind::Bare);
            let unknown = |e: &Entry| row.key(&e.key).is_none() && (is_bare || !e.key.starts_with("x-"));
            known_keys(entries, &known, &called(path), self.problems);
            entries.retain(|e| !unknown(e));
        }
        // A misspelt key was reported already.
        let is_reported = self.partial || found < self.problems.len();
        for needed in row.needs.iter().filter(|_| !is_reported) {
            if !entries.iter().any(|e| e.key == *needed) {
                self.problems
                    .push(Problem::at(span, format!("no `{needed}` in `{path}`")).hint(format!("add it: {needed}: …")));
            }
        }
        entries.retain_mut(|entry| match row.key(&entry.key) {
            Some(below) => self.value(&mut entry.node, below, &format!("{path}.{}", entry.key)),
            None => true,
        });
    }

    /// How a plain scalar is written: `1.10` is no other text than that, although it is the number 1.1.
    fn written(&self, span: Span) -> &str {
        self.sources.text(span.file).get(span.range()).unwrap_or_default()
    }

    /// Tells what is wrong, and returns whether something stays in its place: where a config comes from is said at least.
    fn wrong(&mut self, node: &mut Node, row: &Row, path: &str) -> bool {
        let found = match &node.value {
            Yaml::Text(text) => format!("found `{text}`"),
            _ => format!("found {}", node.kind()),
        };
        let problem = Problem::at(node.span, format!("`{path}` must be {}", expected(row))).label(found);
        let key = path.rsplit('.').next().unwrap_or(path);
        let problem = match (&node.value, node.scalar()) {
            (_, Some(text)) if row.is_list() => problem.hint(format!("write it as a list: {key}: [{text}]")),
            (Yaml::Null, _) => problem.hint("leave the key out where it has no value"),
            (_, Some(text)) if row.kinds == [Kind::Duration] && text.parse::<f64>().is_ok() => {
                problem.hint(format!("say its unit: {key}: {text}s"))
            }
            _ => problem,
        };
        self.problems.push(problem);
        let stays = row.is_text_only() && (path.starts_with("configs.") || path.starts_with("secrets."));
        if stays {
            node.value = Yaml::Text(String::new());
        }
        stays
    }
}

/// What the map at `path` is called: `a service`, or by its path.
fn called(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match parts.as_slice() {
        ["services", _] => "a service".to_owned(),
        ["services", _, "networks", _] => "a network of a service".to_owned(),
        ["networks", _] => "a network's options".to_owned(),
        ["configs" | "secrets", _] => "a config or secret".to_owned(),
        _ => format!("`{path}`"),
    }
}
