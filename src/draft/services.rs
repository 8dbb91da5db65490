//! The services of a Compose file, and who asks for whom.

use crate::blueprint::words;
use crate::compose::{references, uses};
use crate::yaml::{Entry, Node, Yaml};

/// The keys whose texts may name other services.
const ASKING: &[&str] = &[
    "command",
    "entrypoint",
    "environment",
    "healthcheck",
    "extra_hosts",
    "labels",
];

/// A service as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service<'d> {
    pub(super) name: &'d str,
    pub(super) node: &'d Node,
}

/// All services of `document`, in its order.
pub(super) fn all(document: &Node) -> Vec<Service<'_>> {
    match document.get("services").map(|n| &n.value) {
        Some(Yaml::Map(entries)) => entries
            .iter()
            .map(|Entry { key, node, .. }| Service { name: key, node })
            .collect(),
        _ => Vec::new(),
    }
}

impl<'d> Service<'d> {
    /// The value of `key`, unless nothing is written there.
    pub(super) fn get(&self, key: &str) -> Option<&'d Node> {
        self.node.get(key).filter(|n| n.value != Yaml::Null)
    }

    pub(super) fn keys(&self) -> &'d [Entry] {
        match &self.node.value {
            Yaml::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Whether it takes part where no profile is named.
    pub(super) fn is_active(&self) -> bool {
        !matches!(self.get("profiles").map(|n| &n.value), Some(Yaml::List(list)) if !list.is_empty())
    }

    /// Whether it can be an entry: it joins networks, as one container.
    pub(super) fn can_be_entry(&self) -> bool {
        let one = |node: Option<&Node>| node.and_then(Node::scalar).is_none_or(|n| n == "1");
        let replicas = self.get("deploy").and_then(|d| d.get("replicas"));
        self.get("network_mode").is_none() && one(self.get("scale")) && one(replicas)
    }

    /// The names by which others reach it, its own first.
    pub(super) fn handles(&self) -> Vec<String> {
        let mut found = vec![self.name.to_owned()];
        let said = ["container_name", "hostname"]
            .into_iter()
            .filter_map(|key| self.get(key)?.scalar());
        let aliases = self
            .joined()
            .filter_map(|(_, options)| match &options.get("aliases")?.value {
                Yaml::List(list) => Some(list.iter().filter_map(Node::scalar)),
                _ => None,
            });
        for handle in said.chain(aliases.flatten()) {
            let is_name = handle
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
            if is_name && !found.contains(&handle) {
                found.push(handle);
            }
        }
        found
    }

    /// The networks that it joins with options: key and options.
    pub(super) fn joined(&self) -> impl Iterator<Item = (&'d str, &'d Node)> {
        let entries: &[Entry] = match self.get("networks").map(|n| &n.value) {
            Some(Yaml::Map(entries)) => entries,
            _ => &[],
        };
        entries.iter().map(|e| (e.key.as_str(), &e.node))
    }

    /// Its fixed addresses.
    pub(super) fn addresses(&self) -> Vec<String> {
        let keys = ["ipv4_address", "ipv6_address"];
        let of = |options: &'d Node| keys.into_iter().filter_map(move |key| options.get(key)?.scalar());
        self.joined().flat_map(|(_, options)| of(options)).collect()
    }

    /// What it publishes, as it is written.
    pub(super) fn published(&self) -> Vec<String> {
        let of = |item: &Node| match &item.value {
            Yaml::Map(_) => {
                let part = |key: &str| item.get(key).and_then(Node::scalar);
                let target = part("target").unwrap_or_default();
                part("published").map_or(target.clone(), |published| format!("{published}:{target}"))
            }
            _ => item.scalar().unwrap_or_default(),
        };
        match self.get("ports").map(|n| &n.value) {
            Some(Yaml::List(list)) => list.iter().map(of).collect(),
            _ => Vec::new(),
        }
    }

    /// The services that it waits for, each with the condition.
    pub(super) fn waits(&self) -> Vec<(String, String)> {
        let Some(node) = self.get("depends_on") else {
            return Vec::new();
        };
        let started = || "service_started".to_owned();
        match &node.value {
            Yaml::Map(entries) => {
                let condition = |e: &Entry| e.node.get("condition").and_then(Node::scalar).unwrap_or_else(started);
                entries.iter().map(|e| (e.key.clone(), condition(e))).collect()
            }
            Yaml::List(list) => list
                .iter()
                .filter_map(Node::scalar)
                .map(|name| (name, started()))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The services with which it shares what cannot be shared between nodes: a namespace, or volumes.
    pub(super) fn shares(&self) -> Vec<String> {
        let entries = self
            .keys()
            .iter()
            .filter(|e| !["depends_on", "links"].contains(&e.key.as_str()));
        entries.flat_map(references::of).map(|r| r.service).collect()
    }

    /// The services that it refers to in any way of Compose's own.
    pub(super) fn refers(&self) -> Vec<String> {
        self.keys().iter().flat_map(references::of).map(|r| r.service).collect()
    }

    /// The named volumes that it mounts.
    pub(super) fn volumes(&self) -> Vec<String> {
        let used = uses::of(self.node).into_iter();
        used.filter(|(section, _)| *section == "volumes")
            .map(|(_, key)| key)
            .collect()
    }

    /// Whether `word` stands in a text of it: where `replace` looks.
    pub(super) fn has_word(&self, word: &str) -> bool {
        const NAMES: &[&str] = &[
            "depends_on",
            "links",
            "volumes_from",
            "profiles",
            "networks",
            "configs",
            "secrets",
        ];
        let mut found = Vec::new();
        for entry in self.keys().iter().filter(|e| !NAMES.contains(&e.key.as_str())) {
            match (entry.key.as_str(), &entry.node.value) {
                ("network_mode" | "ipc" | "pid", Yaml::Text(text)) if text.starts_with("service:") => {}
                ("volumes", Yaml::List(list)) => found.extend(list.iter().filter_map(|item| {
                    let text = item.scalar()?;
                    let named = uses::volume(item).map_or(0, |name| name.len());
                    Some(text[named..].to_owned())
                })),
                _ => texts(&entry.node, &mut found),
            }
        }
        // A key of `KEY=VALUE` is no text.
        found.iter().any(|text| {
            words::has(text, word)
                && text
                    .strip_prefix(word)
                    .is_none_or(|rest| !rest.starts_with('=') || words::has(rest, word))
        })
    }

    /// The texts by which it may ask for others, those of its configs with them.
    pub(super) fn texts(&self, document: &Node) -> Vec<String> {
        let mut found = Vec::new();
        for node in ASKING.iter().filter_map(|key| self.get(key)) {
            texts(node, &mut found);
        }
        for (section, key) in uses::of(self.node) {
            let content = document
                .get(section)
                .and_then(|s| s.get(&key)?.get("content")?.scalar());
            found.extend(content);
        }
        found
    }
}

fn texts(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        Yaml::List(list) => list.iter().for_each(|n| texts(n, found)),
        Yaml::Map(entries) => entries.iter().for_each(|e| texts(&e.node, found)),
        _ => found.extend(node.scalar()),
    }
}

/// Which of `names` `text` asks for: as whole words that are no part of a path or of a longer name with dots.
pub(super) fn asked(text: &str, names: &[&str]) -> Vec<usize> {
    let found = words::find(text, names).into_iter();
    let meant = found.filter(|(range, _)| {
        let (before, after) = (&text[..range.start], &text[range.end..]);
        let joins = |c: Option<char>| c.is_some_and(words::is_of_word);
        let in_path = before.ends_with('/') && !before.ends_with("//");
        let longer = after.starts_with('.') && joins(after.chars().nth(1))
            || before.ends_with('.') && joins(before.chars().rev().nth(1));
        !in_path && !longer
    });
    meant.map(|(_, which)| which).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_path_is_not_asked_for() {
        for (text, expected) in [
            ("http://db:80", 1),
            ("/var/lib/db", 0),
            ("db.conf", 0),
            ("x.db", 0),
            ("a db.", 1),
            ("DB_HOST=db", 1),
            ("db-1", 0),
        ] {
            assert_eq!(asked(text, &["db"]).len(), expected, "{text}");
        }
    }
}
