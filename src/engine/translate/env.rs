//! The environment and the labels of a container, and the files that add to them.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::{Translation, not_ours, read, user_labels};
use crate::blueprint::dotenv::{self, Pairs};
use crate::blueprint::unread::NO_FILE;
use crate::diagnostic::{Kind, Problem};
use crate::digest::sha256;
use crate::topology::outside;
use crate::value::Value;

/// A file that `env_file` or `label_file` names.
struct Named {
    /// The path of the key that names it.
    at: String,
    path: String,
    required: bool,
    raw: bool,
}

impl Translation<'_> {
    /// The environment of the container: the files of `env_file` in order, then `environment`, which overrides them. A
    /// key without a value removes a variable of the image.
    pub(super) fn environment(&mut self) -> Option<IndexMap<String, Option<String>>> {
        let (own, files) = (self.service.get("environment"), self.service.get("env_file"));
        if own.is_none() && files.is_none() {
            return None;
        }
        let path = self.path("environment");
        let own = read::pairs(own.unwrap_or(&Value::Null), &path, &mut self.faults);
        let own: IndexMap<String, Option<String>> = own.into_iter().collect();
        let mut found = Pairs::new();
        for file in self.pair_files("env_file", files) {
            let outside = |name: &str| self.variable(name);
            let lookup = |name: &str| outside(name).or_else(|| own.get(name).cloned().flatten());
            let result = self.pairs_of(&file, &mut found, &lookup);
            self.report(&file, result);
        }
        let mut all: IndexMap<String, Option<String>> = found.into_iter().map(|(k, v)| (k, Some(v))).collect();
        all.extend(own);
        Some(all)
    }

    /// The user's labels: the files of `label_file` in order, then `labels`, which override them.
    pub(super) fn own_labels(&mut self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        for file in self.pair_files("label_file", self.service.get("label_file")) {
            let mut found = Pairs::new();
            let result = self.pairs_of(&file, &mut found, &|name| labels.get(name).cloned());
            self.report(&file, result);
            not_ours(found.keys(), &file.at, &mut self.faults);
            labels.extend(found);
        }
        let own = self.service.get("labels").unwrap_or(&Value::Null);
        labels.extend(user_labels(own, &self.path("labels"), &mut self.faults));
        labels
    }

    /// Digests of the values in `env_file` and `label_file`, by path and key, so that a later command can say which one
    /// changed. Only the first digits of each SHA-256 are kept, because values are often secrets.
    pub(super) fn digests(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let short = |text: &str| sha256(text.as_bytes()).get(..12).unwrap_or_default().to_owned();
        let mut digests: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for path in outside::pair_files(self.service) {
            let Ok(text) = self.topology.outside.file(&path) else {
                continue;
            };
            let mut found = Pairs::new();
            // Syntax errors were reported when the file was first read.
            let _ = dotenv::parse(&text, &mut found, &|name| self.variable(name));
            let pairs = found.into_iter().map(|(key, value)| (key, short(&value)));
            digests.insert(path, pairs.collect());
        }
        for path in outside::profiles(self.service) {
            if let Ok(text) = self.topology.outside.file(&path) {
                digests.insert(path, BTreeMap::from([("seccomp".to_owned(), short(&text))]));
            }
        }
        digests
    }

    /// The value of an outside variable, as Compose would see it in the project of this node.
    fn variable(&self, name: &str) -> Option<String> {
        let outside = self.topology.outside.variable(name).map(str::to_owned);
        match name {
            "COMPOSE_PROJECT_NAME" => outside.or_else(|| Some(self.node.project.to_string())),
            _ => outside.or_else(|| self.node.beside.get(name).cloned()),
        }
    }

    /// The files that `key` names, in either the short or the long form.
    fn pair_files(&mut self, key: &str, value: Option<&Value>) -> Vec<Named> {
        let path = self.path(key);
        let items = match value {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::List(items)) => items
                .iter()
                .enumerate()
                .map(|(n, i)| (format!("{path}[{n}]"), i))
                .collect(),
            Some(one) => vec![(path, one)],
        };
        let mut files = Vec::with_capacity(items.len());
        'items: for (at, item) in items {
            let mut file = Named {
                at,
                path: String::new(),
                required: true,
                raw: false,
            };
            match item {
                Value::Map(map) if key == "env_file" => {
                    for (key, value) in map.iter() {
                        let at = &*format!("{}.{key}", file.at);
                        match &**key {
                            "path" => {
                                let Some(path) = read::text(value, at, &mut self.faults) else {
                                    continue 'items;
                                };
                                file.path = path;
                            }
                            "required" => {
                                file.required = read::boolean(value, at, &mut self.faults).unwrap_or(true);
                            }
                            "format" => match value.scalar().as_deref() {
                                Some("raw") => file.raw = true,
                                None | Some("") => {}
                                _ => self.faults.wrong(at, "`raw`, or nothing", value),
                            },
                            key => self.faults.unknown(key, at, &["path", "required", "format"]),
                        }
                    }
                }
                other => {
                    let Some(path) = read::text(other, &file.at, &mut self.faults) else {
                        continue;
                    };
                    file.path = path;
                }
            }
            if file.path.is_empty() {
                self.faults.because(&file.at, "expected the path of a file");
            } else {
                files.push(file);
            }
        }
        files
    }

    /// Adds the pairs in `file` to `found`.
    ///
    /// # Errors
    /// The reason why a required file cannot be read.
    fn pairs_of(&self, file: &Named, found: &mut Pairs, lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
        let text = match self.topology.outside.file(&file.path) {
            Ok(text) => text,
            Err(reason) if reason == NO_FILE && !file.required => return Ok(()),
            Err(reason) => return Err(reason),
        };
        let parse = if file.raw { dotenv::raw } else { dotenv::parse };
        parse(&text, found, lookup).map_err(|fault| fault.to_string())
    }

    fn report(&mut self, file: &Named, result: Result<(), String>) {
        let Err(reason) = result else { return };
        // A message shows the path relative to the blueprint, as its author writes it.
        let below = file.path.strip_prefix(self.origin.directory.as_str());
        let path = below.and_then(|p| p.strip_prefix('/')).unwrap_or(&file.path);
        let mut problem = Problem::general(format!("`{}`: `{path}`: {reason}", file.at));
        // Compose reads it too, before it does anything else.
        problem.kind = Kind::Compose;
        let problem = match reason.as_str() {
            NO_FILE if file.at.contains(".env_file") => problem.hint(format!(
                "make it, or let it be missing: env_file: [{{path: {path}, required: false}}]"
            )),
            NO_FILE => problem.hint("make it; paths are relative to the file that names them"),
            _ => problem,
        };
        self.faults.push(&file.at, problem);
    }
}
