//! `isolate:` of a role: each node's copy of its Compose files is its own.
//!
//! A Compose file is written to be brought up once, so it may fix what an engine has but once: names of containers, networks
//! and volumes, subnets, ports of the host. Names and pools of addresses are taken out here, where the document of a role is
//! still what was written; what differs from node to node (ports, addresses, host names) is settled when it is expanded, by
//! what [`Isolated`] keeps.

mod names;
mod networks;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::shape::known_keys;
use crate::diagnostic::{Problem, Problems};
use crate::template::is_template;
use crate::text::{decimal, is_hidden};
use crate::yaml::{Entry, Node, Yaml};

/// The key in a role.
pub(super) const KEY: &str = "isolate";
/// The way out that errors about a collision between nodes suggest.
pub const HINT: &str = "or `isolate: true` in the role, which gives each node its own";
/// The parts that can be said alone.
const PARTS: &[&str] = &["names", "networks", "volumes", "ports"];

/// What `isolate:` of a role asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isolate {
    /// Whether `container_name`, `hostname` and the `name` of configs and secrets are no names outside of the node.
    pub names: bool,
    /// Which networks become the node's own.
    pub networks: Reach,
    /// Which volumes become the node's own.
    pub volumes: Reach,
    /// What becomes of the ports of the host.
    pub ports: HostPorts,
}

/// Which networks or volumes become the node's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// None.
    Keep,
    /// Those that the project makes. What is `external` is somebody else's, and stays.
    Own,
    /// The external ones too.
    All,
}

/// What becomes of the ports of the host that services publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPorts {
    /// They stay as they are.
    Keep,
    /// The engine chooses them.
    Chosen,
    /// None is published; the ports of the containers stay exposed.
    Dropped,
    /// The node's ordinal times this is added to each, 1 to 65535.
    Shifted(u16),
}

/// What isolation changed in a node, against what its role says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where: `services.db.ports`, `networks.front.ipam`.
    pub path: String,
    /// The value as it was written.
    pub was: String,
    /// What it is now, or what became of it in words.
    pub now: String,
}

/// As one line, without line breaks of its own: `services.db.ports: 3306:3306 -> 3306`.
impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = format!("{}: {} -> {}", self.path, self.was, self.now);
        let shown: String = line.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect();
        f.write_str(&shown)
    }
}

/// What isolation took out of the document of a role, for what is settled later.
#[derive(Debug)]
pub struct Isolated {
    /// What was asked for.
    pub asked: Isolate,
    /// The former names of containers, by service: names inside the node.
    pub names: BTreeMap<String, String>,
    /// The former names of networks in the engine, by the key that the node knows them by.
    pub networks: BTreeMap<String, String>,
    /// The former names of volumes in the engine, by key.
    pub volumes: BTreeMap<String, String>,
    /// The pools of the former `ipam` of networks, by the key that the node knows them by.
    pub pools: BTreeMap<String, Vec<FormerPool>>,
    /// What was changed.
    pub changes: Vec<Change>,
}

impl Isolated {
    fn change(&mut self, path: String, was: impl Into<String>, now: impl Into<String>) {
        let (was, now) = (was.into(), now.into());
        self.changes.push(Change { path, was, now });
    }
}

/// A pool of a network's former `ipam` (Compose specification, top-level `networks`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerPool {
    /// The subnet, of either family.
    pub subnet: IpNet,
    /// The address of the host in it; `None` for the one that the engine takes.
    pub gateway: Option<IpAddr>,
    /// The part of it from which the engine chooses addresses; `None` for all of it.
    pub range: Option<IpNet>,
    /// The addresses that no container gets, by name.
    pub reserved: Vec<(String, IpAddr)>,
}

/// What the `isolate:` of `role` asks for; `None` where it is absent, `false` or wrong.
pub(super) fn asked(role: &Node, problems: &mut Problems) -> Option<Isolate> {
    let node = role.get(KEY)?;
    let all = Isolate {
        names: true,
        networks: Reach::Own,
        volumes: Reach::Own,
        ports: HostPorts::Chosen,
    };
    let Yaml::Map(entries) = &node.value else {
        match node.scalar().as_deref() {
            Some("true") => return Some(all),
            Some("false") => {}
            None if node.value == Yaml::Null => {}
            _ => problems.push(wrong(node, "`isolate`", "`true`, or a map of its parts")),
        }
        return None;
    };
    known_keys(entries, PARTS, "`isolate`", problems);
    let mut asked = all;
    for Entry { key, node, .. } in entries {
        let said = node.scalar();
        let word = said.as_deref().unwrap_or_default();
        let reach = || match word {
            "true" => Some(Reach::Own),
            "false" | "keep" => Some(Reach::Keep),
            "all" => Some(Reach::All),
            _ => None,
        };
        let ports = || match word {
            "true" => Some(HostPorts::Chosen),
            "false" | "keep" => Some(HostPorts::Keep),
            "drop" => Some(HostPorts::Dropped),
            number => decimal::<u16>(number).filter(|n| *n > 0).map(HostPorts::Shifted),
        };
        let expected = match key.as_str() {
            "names" if word == "true" => None,
            "names" if ["false", "keep"].contains(&word) => {
                asked.names = false;
                None
            }
            "names" => Some("`true` or `keep`"),
            "networks" | "volumes" => match (reach(), key.as_str()) {
                (Some(reach), "networks") => {
                    asked.networks = reach;
                    None
                }
                (Some(reach), _) => {
                    asked.volumes = reach;
                    None
                }
                (None, _) => Some("`true`, `keep`, or `all` for the external ones too"),
            },
            "ports" => match ports() {
                Some(ports) => {
                    asked.ports = ports;
                    None
                }
                None => Some("`true`, `keep`, `drop`, or from 1 to 65535 how far apart those of two nodes are"),
            },
            _ => None,
        };
        if let Some(expected) = expected {
            problems.push(wrong(node, &format!("`isolate.{key}`"), expected));
        }
    }
    Some(asked)
}

fn wrong(node: &Node, what: &str, expected: &str) -> Problem {
    let found = node
        .scalar()
        .map_or_else(|| node.kind().to_owned(), |text| format!("`{text}`"));
    Problem::at(node.span, format!("{what} is {expected}"))
        .label(format!("found {found}"))
        .hint("isolate: true, or isolate: {ports: 100, volumes: keep}; a part that is not said is `true`")
}

/// Takes out of the `document` of a role what only one node could have.
pub(super) fn document(document: &mut Node, asked: Isolate) -> Isolated {
    let mut isolated = Isolated {
        asked,
        names: BTreeMap::new(),
        networks: BTreeMap::new(),
        volumes: BTreeMap::new(),
        pools: BTreeMap::new(),
        changes: Vec::new(),
    };
    if asked.names {
        names::containers(document, &mut isolated);
        names::files(document, &mut isolated);
    }
    if asked.networks != Reach::Keep {
        networks::networks(document, &mut isolated);
    }
    if asked.volumes != Reach::Keep {
        networks::volumes(document, &mut isolated);
    }
    isolated
}

/// The entries of the map at `key` of `document`; none where there is no such map.
fn entries<'a>(document: &'a mut Node, key: &str) -> &'a mut [Entry] {
    match keys(document).and_then(|list| list.iter_mut().find(|e| e.key == key)) {
        Some(Entry {
            node: Node {
                value: Yaml::Map(list), ..
            },
            ..
        }) => list,
        _ => &mut [],
    }
}

fn keys(node: &mut Node) -> Option<&mut Vec<Entry>> {
    match &mut node.value {
        Yaml::Map(entries) => Some(entries),
        _ => None,
    }
}

/// The text at `key` that is the same for every node; `None` for a template.
fn constant(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.scalar().filter(|text| !is_template(text))
}

/// Takes `key` out of the map `node`.
fn remove(node: &mut Node, key: &str) {
    if let Some(entries) = keys(node) {
        entries.retain(|e| e.key != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line_whatever_was_written() {
        let change = Change {
            path: "services.a.container_name".to_owned(),
            was: "x\nservices: {}\u{85}\u{2028}".to_owned(),
            now: "left out".to_owned(),
        };
        let expected = "services.a.container_name: x services: {}   -> left out";
        assert_eq!(change.to_string(), expected);
    }
}
