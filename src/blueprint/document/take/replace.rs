//! `replace`: whole words in the texts of the Compose files.
//!
//! A text is every scalar value. Keys stay, also those of `KEY=VALUE` in a list, and what names a service, a network, a volume,
//! a config, a secret or a profile: those are no texts. So does what is read before nodes are known: the `file` and the
//! `environment` of configs and secrets.

use super::super::{Reader, field};
use super::Taking;
use crate::blueprint::shape::map;
use crate::blueprint::words;
use crate::compose::table::{self, Merge, Row};
use crate::compose::uses;
use crate::diagnostic::{Problem, Problems, Spanned};
use crate::yaml::{Entry, Node, Yaml};

/// The most words of one role: each is looked for at each place.
const MOST: usize = 256;

/// `replace:`, the words and what stands in their places.
pub(super) fn words(node: &Node, problems: &mut Problems) -> Vec<(Spanned<String>, Node)> {
    let entries = map(node, "`replace`", problems).unwrap_or_default();
    if entries.len() > MOST {
        problems.push(Problem::at(node.span, format!("`replace` takes at most {MOST} words")));
        return Vec::new();
    }
    let mut found = Vec::with_capacity(entries.len());
    for Entry { key, key_span, node } in entries {
        match node.scalar() {
            _ if key.is_empty() => problems.push(Problem::at(*key_span, "`replace` of an empty word")),
            Some(text) => {
                let node = Node {
                    value: Yaml::Text(text),
                    ..node.clone()
                };
                found.push((Spanned::new(key.clone(), *key_span), node));
            }
            None => problems.push(
                Problem::at(node.span, format!("what stands in place of `{key}` is a text"))
                    .label(format!("found {}", node.kind()))
                    .hint(format!("replace: {{{key}: \"{{{{ node.name }}}}\"}}")),
            ),
        }
    }
    found
}

impl Reader<'_, '_> {
    /// Replaces the words of `taking` in all texts of `document`. Each must be there.
    pub(super) fn replace(&mut self, document: &mut Node, taking: &Taking) {
        let with: Vec<String> = taking
            .replace
            .iter()
            .map(|(_, node)| node.scalar().unwrap_or_default())
            .collect();
        let mut replacing = Replacing {
            words: taking.replace.iter().map(|(word, _)| word.value.as_str()).collect(),
            with: with.iter().map(String::as_str).collect(),
            used: vec![false; with.len()],
            within: vec![None; with.len()],
            base: format!("{}/", self.base),
            made: 0,
        };
        replacing.document(document);
        let Replacing { used, within, made, .. } = replacing;
        if self.sources.budget().spend(made).is_err()
            && let Some((word, _)) = taking.replace.first()
        {
            self.problems.push(self.sources.budget().problem(word.span));
        }
        let unused = taking
            .replace
            .iter()
            .zip(used)
            .zip(within)
            .filter(|((_, used), _)| !used);
        for (((word, _), _), longer) in unused {
            let message = format!("`replace` finds no word `{}` in the texts of what is taken", word.value);
            let problem = Problem::at(word.span, message);
            let is_key = super::services(document).iter().any(|e| e.key == word.value);
            self.problems.push(match longer {
                Some(longer) => problem.hint(format!(
                    "it stands in longer words alone, such as `{longer}`: say the whole of it"
                )),
                None if is_key => problem.hint("the key of a service is changed by `rename`"),
                None => problem.hint("leave it out"),
            });
        }
    }
}

struct Replacing<'a> {
    words: Vec<&'a str>,
    with: Vec<&'a str>,
    /// Which words were found.
    used: Vec<bool>,
    /// A longer word in which each stands, if there is one.
    within: Vec<Option<String>>,
    /// The directory that paths of other files are joined to, which nobody wrote.
    base: String,
    /// The bytes of all new texts.
    made: usize,
}

impl Replacing<'_> {
    fn document(&mut self, document: &mut Node) {
        for (section, row) in
            ["services", "networks", "volumes", "configs", "secrets", "models"].map(|s| (s, table::at(s)))
        {
            let Some(Yaml::Map(entries)) = field(document, section).map(|n| &mut n.value) else {
                continue;
            };
            for entry in entries {
                let below = row.and_then(|row| row.key(&entry.key));
                let Yaml::Map(keys) = &mut entry.node.value else {
                    continue;
                };
                for Entry { key, node, .. } in keys {
                    let below = below.and_then(|row| row.key(key));
                    match section {
                        "services" => self.of_service(key, node, below),
                        "configs" | "secrets" if ["file", "environment"].contains(&key.as_str()) => {}
                        _ => self.all(node, below),
                    }
                }
            }
        }
    }

    /// The texts below `key` of a service.
    fn of_service(&mut self, key: &str, node: &mut Node, row: Option<&Row>) {
        let item = row.and_then(Row::item);
        match (key, &mut node.value) {
            ("depends_on" | "links" | "profiles" | "extends", _) => {}
            ("network_mode" | "ipc" | "pid", Yaml::Text(text)) if text.starts_with("service:") => {}
            ("volumes_from", Yaml::List(list)) => {
                let named = list
                    .iter_mut()
                    .filter(|n| n.scalar().is_some_and(|t| t.starts_with("container:")));
                named.for_each(|n| self.all(n, item));
            }
            ("networks" | "configs" | "secrets" | "models", Yaml::List(list)) => {
                for node in list {
                    self.all_but(node, "source", item);
                }
            }
            ("volumes", Yaml::List(list)) => {
                for node in list {
                    match (uses::volume(node), &mut node.value) {
                        (Some(name), Yaml::Text(text)) => self.text(text, name.len()),
                        (Some(_), _) => self.all_but(node, "source", item),
                        (None, _) => self.all(node, item),
                    }
                }
            }
            ("build", Yaml::Map(entries)) => {
                for Entry { key, node, .. } in entries {
                    match (key.as_str(), &mut node.value) {
                        ("secrets", Yaml::List(list)) => list.iter_mut().for_each(|n| self.all_but(n, "source", None)),
                        _ => self.all(node, row.and_then(|row| row.key(key))),
                    }
                }
            }
            _ => self.all(node, row),
        }
    }

    /// The texts of a map, without those of `key`; none of what is no map.
    fn all_but(&mut self, node: &mut Node, but: &str, row: Option<&Row>) {
        if let Yaml::Map(entries) = &mut node.value {
            for Entry { key, node, .. } in entries.iter_mut().filter(|e| e.key != but) {
                self.all(node, row.and_then(|row| row.key(key)));
            }
        }
    }

    /// All texts below `node`.
    fn all(&mut self, node: &mut Node, row: Option<&Row>) {
        let is_keyed = row.is_some_and(|row| row.merge == Merge::Keyed);
        match &mut node.value {
            Yaml::Text(text) => self.text(text, 0),
            Yaml::Int(_) | Yaml::Float(_) | Yaml::Bool(_) => {
                let mut text = node.scalar().unwrap_or_default();
                let before = text.clone();
                self.text(&mut text, 0);
                if text != before {
                    node.value = Yaml::Text(text);
                }
            }
            Yaml::List(list) => {
                for node in list {
                    match (&mut node.value, is_keyed) {
                        (Yaml::Text(text), true) => {
                            let from = text.find('=').map_or(text.len(), |at| at + 1);
                            self.text(text, from);
                        }
                        _ => self.all(node, row.and_then(Row::item)),
                    }
                }
            }
            Yaml::Map(entries) => {
                for Entry { key, node, .. } in entries {
                    self.all(node, row.and_then(|row| row.key(key)));
                }
            }
            Yaml::Null => {}
        }
    }

    /// The words of `text` from the byte `from` on.
    fn text(&mut self, text: &mut String, from: usize) {
        let from = match text.strip_prefix(&self.base) {
            Some(_) => from.max(self.base.len()),
            None => from,
        };
        let (kept, rest) = text.split_at(from.min(text.len()));
        for (at, word) in self.words.iter().enumerate() {
            if !self.used[at] && self.within[at].is_none() && !words::has(rest, word) {
                self.within[at] = words::around(rest, word).map(str::to_owned);
            }
        }
        let used = &mut self.used;
        if let Some(new) = words::replaced(rest, &self.words, &self.with, &mut |which| used[which] = true) {
            *text = format!("{kept}{new}");
            self.made = self.made.saturating_add(text.len());
        }
    }
}
