//! `include`: Compose files that a Compose file takes in whole, each as a project of its own (Compose specification,
//! "Include"; compose-go, `loader/include.go`).

use std::collections::HashMap;

use super::paths::{join, parent};
use super::{Reader, with_contexts};
use crate::diagnostic::{Problem, Span};
use crate::yaml::{Entry, Node, Yaml};

/// The sections of which each entry is taken in.
const SECTIONS: [&str; 6] = ["services", "networks", "volumes", "configs", "secrets", "models"];
/// The longest chain of files that include one another.
const MAX_INCLUDES: usize = 32;
/// What stands for no file of variables.
const NONE: &str = "/dev/null";

/// One item of `include`.
struct Item {
    /// The files, which are merged in order.
    paths: Vec<(String, Span)>,
    /// `project_directory`, relative to that of the including file; `None` for the first file's own.
    directory: Option<String>,
    /// `env_file`, relative to the directory of the including file; `None` for the `.env` of the project's directory.
    env_files: Option<Vec<(String, Span)>>,
    span: Span,
}

impl Reader<'_, '_> {
    /// Adds to `tree`, a Compose file of the project in `directory`, what its `include` names.
    pub(super) fn with_included(&mut self, mut tree: Node, directory: &str) -> Option<Node> {
        let Yaml::Map(entries) = &mut tree.value else {
            return Some(tree);
        };
        let Some(at) = entries.iter().position(|e| e.key == "include") else {
            return Some(tree);
        };
        let items = entries.remove(at).node;
        for item in self.items(&items) {
            let included = self.included(&item, directory)?;
            self.take_in(&mut tree, included, item.span);
        }
        Some(tree)
    }

    /// The items of `include`, as they are written.
    fn items(&mut self, include: &Node) -> Vec<Item> {
        let Yaml::List(items) = &include.value else {
            if include.value != Yaml::Null {
                let problem = Problem::at(include.span, "`include` is a list of Compose files");
                self.problems.push(
                    problem
                        .label(format!("found {}", include.kind()))
                        .hint("include: [db.yaml]"),
                );
            }
            return Vec::new();
        };
        items.iter().filter_map(|item| self.item(item)).collect()
    }

    fn item(&mut self, item: &Node) -> Option<Item> {
        let Yaml::Map(entries) = &item.value else {
            return Some(Item {
                paths: self.listed(item, "path")?,
                directory: None,
                env_files: None,
                span: item.span,
            });
        };
        for entry in entries {
            let known = ["path", "project_directory", "env_file"];
            if !known.contains(&entry.key.as_str()) {
                let problem = Problem::at(entry.key_span, format!("unknown key `{}` in `include`", entry.key));
                self.problems.push(problem.did_you_mean(&entry.key, known));
            }
        }
        let Some(path) = item.get("path") else {
            let problem = Problem::at(item.span, "an item of `include` names no file");
            self.problems.push(problem.hint("include: [{path: db/compose.yaml}]"));
            return None;
        };
        let env_files = item.get("env_file").filter(|node| node.value != Yaml::Null);
        Some(Item {
            paths: self.listed(path, "path")?,
            directory: item
                .get("project_directory")
                .and_then(Node::scalar)
                .filter(|text| !text.is_empty()),
            env_files: match env_files {
                Some(node) => Some(self.listed(node, "env_file")?),
                None => None,
            },
            span: path.span,
        })
    }

    /// A text, or a list of texts, each with its place.
    fn listed(&mut self, node: &Node, key: &str) -> Option<Vec<(String, Span)>> {
        let items = match &node.value {
            Yaml::List(items) if !items.is_empty() => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let texts: Option<Vec<(String, Span)>> = items.iter().map(|item| Some((item.scalar()?, item.span))).collect();
        if texts.is_none() {
            let message = format!("`{key}` of `include` is a path or a list of paths");
            self.problems
                .push(Problem::at(node.span, message).label(format!("found {}", node.kind())));
        }
        texts
    }

    /// The project that `item` names, with paths as the including file of the project in `outer` would say them.
    fn included(&mut self, item: &Item, outer: &str) -> Option<Node> {
        let (first, span) = item.paths.first()?;
        if self.including.len() >= MAX_INCLUDES {
            let message = format!("`include` goes deeper than {MAX_INCLUDES} files");
            self.problems.push(Problem::at(*span, message));
            return None;
        }
        // A directory relative to that of the including project, which all of its own paths are relative to.
        let inner = item.directory.as_deref().unwrap_or_else(|| parent(first));
        let directory = join(outer, inner);
        let variables = self.variables_of(item, outer, &directory)?;
        let before = self.variables.beside(Some(variables.clone()));
        for (name, value) in variables {
            self.beside.entry(name).or_insert(value);
        }
        let files = item
            .paths
            .iter()
            .map(|(path, span)| (join(outer, path), *span))
            .collect();
        let nothing = Node {
            value: Yaml::Map(Vec::new()),
            span: item.span,
            tag: None,
        };
        let (tree, all) = self.merged(nothing, files, &directory);
        self.variables.beside(before);
        let tree = with_contexts(self.rebased_as(tree, &directory, inner), &self.absolute(&directory, ""));
        all.then_some(tree)
    }

    /// The variables of an included project: those of the including one, and of its own files those that are not set there.
    fn variables_of(&mut self, item: &Item, outer: &str, directory: &str) -> Option<HashMap<String, String>> {
        let outside = self.variables.beside(None).unwrap_or_default();
        self.variables.beside(Some(outside.clone()));
        let mut found = HashMap::new();
        match &item.env_files {
            None => found.extend(self.dotenv(directory, item.span)),
            Some(files) => {
                for (path, span) in files.iter().filter(|(path, _)| path != NONE) {
                    let whole = join(outer, path);
                    let (_, bytes) = self.content(self.read, whole.clone(), path, *span)?;
                    found.extend(self.variables_in(&whole, bytes, *span));
                }
            }
        }
        found.extend(outside);
        Some(found)
    }

    /// Adds each entry of `included` to `tree`. One that is there already must be the same.
    fn take_in(&mut self, tree: &mut Node, included: Node, span: Span) {
        let Yaml::Map(sections) = included.value else { return };
        for section in sections.into_iter().filter(|s| SECTIONS.contains(&s.key.as_str())) {
            let Yaml::Map(added) = section.node.value.clone() else {
                continue;
            };
            let Some(own) = section_of(tree, &section) else { return };
            let Yaml::Map(own) = &mut own.value else { continue };
            for entry in added {
                match own.iter().find(|e| e.key == entry.key) {
                    None => own.push(entry),
                    Some(there) if is_same(&there.node, &entry.node) => {}
                    Some(there) => {
                        let one = section.key.trim_end_matches('s');
                        let place = self.sources.place_of(Some(there.key_span));
                        let other = self.sources.place_of(Some(entry.key_span));
                        let message = format!("{one} `{}` is another one in the included file", entry.key);
                        let problem =
                            Problem::at(span, message).label(format!("{place}and {other}").trim_end_matches(": "));
                        self.problems.push(problem.hint(
                            "call one of them otherwise, or merge a file over it: include: [{path: [theirs.yaml, ours.yaml]}]",
                        ));
                    }
                }
            }
        }
    }
}

/// The section of `tree` that is called as `section` is, which is made if it is not there.
fn section_of<'t>(tree: &'t mut Node, section: &Entry) -> Option<&'t mut Node> {
    let nothing = Node {
        value: Yaml::Map(Vec::new()),
        span: section.node.span,
        tag: None,
    };
    let Yaml::Map(entries) = &mut tree.value else {
        return None;
    };
    let at = match entries.iter().position(|e| e.key == section.key) {
        Some(at) => at,
        None => {
            entries.push(Entry {
                key: section.key.clone(),
                key_span: section.key_span,
                node: nothing.clone(),
            });
            entries.len() - 1
        }
    };
    let node = &mut entries[at].node;
    if node.value == Yaml::Null {
        *node = nothing;
    }
    Some(node)
}

/// Whether two values are equal, wherever they are written.
fn is_same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Yaml::List(a), Yaml::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Yaml::Map(a), Yaml::Map(b)) => {
            let has = |entry: &Entry| b.iter().any(|e| e.key == entry.key && is_same(&entry.node, &e.node));
            a.len() == b.len() && a.iter().all(has)
        }
        (a, b) => a == b,
    }
}
