//! Names of containers, and what refers to them by those.
//!
//! The former name of a container stays a name inside the node: every text that leads to it, also in files that are not read
//! here, leads to the service then. A reference to a container in the keys of a service is one to the service.

use std::collections::{HashMap, HashSet};

use super::{Isolated, constant, entries, keys, remove};
use crate::name::Alias;
use crate::yaml::{Entry, Node, Yaml};

/// The containers of a file.
struct Containers {
    /// The service of each by its name.
    by_name: HashMap<String, String>,
    /// All services.
    services: HashSet<String>,
}

/// Takes the `container_name` of each service out, and lets what refers to it refer to the service.
pub(super) fn containers(document: &mut Node, isolated: &mut Isolated) {
    let services = entries(document, "services");
    let owners = owners(services);
    let mut known = Containers {
        by_name: HashMap::new(),
        services: services.iter().map(|s| s.key.clone()).collect(),
    };
    for (at, service) in services.iter_mut().enumerate() {
        let Some(name) = constant(&service.node, "container_name") else {
            continue;
        };
        remove(&mut service.node, "container_name");
        let others = owners.get(&name.to_lowercase());
        let is_other = others.is_some_and(|all| all.len() > 1 || !all.contains(&at));
        let is_second = known.by_name.contains_key(&name);
        let now = if name == service.key {
            "left out"
        } else if is_other || is_second || name.parse::<Alias>().is_err() {
            "left out, and no name inside the node: another service has it"
        } else {
            isolated.names.insert(service.key.clone(), name.clone());
            "left out, a name inside the node"
        };
        isolated.change(format!("services.{}.container_name", service.key), name.clone(), now);
        known.by_name.entry(name).or_insert_with(|| service.key.clone());
    }
    if known.by_name.is_empty() {
        return;
    }
    for service in services {
        let path = format!("services.{}", service.key);
        for key in ["network_mode", "pid", "ipc"] {
            refer(&mut service.node, key, &path, &known, isolated);
        }
        listed(&mut service.node, &path, &known, isolated);
        external_links(&mut service.node, &path, &known, isolated);
    }
}

/// The places of the services that answer to each name, in lower case: by their keys, aliases and host names.
fn owners(services: &[Entry]) -> HashMap<String, HashSet<usize>> {
    let mut owners: HashMap<String, HashSet<usize>> = HashMap::new();
    for (at, service) in services.iter().enumerate() {
        let mut names = vec![service.key.clone()];
        names.extend(service.node.get("hostname").and_then(Node::scalar));
        let networks = match service.node.get("networks").map(|n| &n.value) {
            Some(Yaml::Map(networks)) => networks.as_slice(),
            _ => &[],
        };
        for list in networks.iter().filter_map(|network| network.node.get("aliases")) {
            if let Yaml::List(items) = &list.value {
                names.extend(items.iter().filter_map(Node::scalar));
            }
        }
        for name in names {
            owners.entry(name.to_lowercase()).or_default().insert(at);
        }
    }
    owners
}

/// `container:NAME` under `key` becomes `service:SERVICE`.
fn refer(service: &mut Node, key: &str, path: &str, known: &Containers, isolated: &mut Isolated) {
    let Some(value) = constant(service, key) else { return };
    let Some(other) = value
        .strip_prefix("container:")
        .and_then(|name| known.by_name.get(name))
    else {
        return;
    };
    let now = format!("service:{other}");
    for entry in keys(service).into_iter().flatten().filter(|e| e.key == key) {
        entry.node.value = Yaml::Text(now.clone());
    }
    isolated.change(format!("{path}.{key}"), value, now);
}

/// `container:NAME` in `volumes_from`, and names of containers in `links`.
fn listed(service: &mut Node, path: &str, known: &Containers, isolated: &mut Isolated) {
    for entry in keys(service).into_iter().flatten() {
        let prefix = match entry.key.as_str() {
            "volumes_from" => "container:",
            "links" => "",
            _ => continue,
        };
        let Yaml::List(items) = &mut entry.node.value else {
            continue;
        };
        for item in items {
            let Some(text) = item.scalar() else { continue };
            let Some(rest) = text.strip_prefix(prefix) else {
                continue;
            };
            let (name, more) = rest.split_at(rest.find(':').unwrap_or(rest.len()));
            // A service goes before a container of the same name.
            let is_container = |_: &&String| !prefix.is_empty() || !known.services.contains(name);
            let Some(other) = known.by_name.get(name).filter(is_container) else {
                continue;
            };
            let alias = match (prefix, more) {
                ("", "") => format!(":{name}"),
                _ => more.to_owned(),
            };
            let now = format!("{other}{alias}");
            item.value = Yaml::Text(now.clone());
            isolated.change(format!("{path}.{}", entry.key), text, now);
        }
    }
}

/// An `external_links` to a container of the same file is a link to its service. Without an alias it says nothing more: the
/// name is one inside the node.
fn external_links(service: &mut Node, path: &str, known: &Containers, isolated: &mut Isolated) {
    let mut links = Vec::new();
    let Some(entries) = keys(service) else { return };
    for entry in entries.iter_mut().filter(|e| e.key == "external_links") {
        let Yaml::List(items) = &mut entry.node.value else {
            continue;
        };
        items.retain(|item| {
            let text = item.scalar().unwrap_or_default();
            let (name, alias) = text.split_once(':').unwrap_or((&text, &text));
            let Some(other) = known.by_name.get(name) else {
                return true;
            };
            let now = format!("{other}:{alias}");
            links.push(Node {
                value: Yaml::Text(now.clone()),
                ..item.clone()
            });
            isolated.change(format!("{path}.external_links"), text.clone(), format!("links: {now}"));
            false
        });
    }
    entries.retain(|e| e.key != "external_links" || e.node.value != Yaml::List(Vec::new()));
    let Some(first) = links.first() else { return };
    let span = first.span;
    match entries.iter_mut().find(|e| e.key == "links").map(|e| &mut e.node.value) {
        Some(Yaml::List(items)) => items.extend(links),
        _ => {
            entries.retain(|e| e.key != "links");
            entries.push(Entry {
                key: "links".to_owned(),
                key_span: span,
                node: Node {
                    value: Yaml::List(links),
                    span,
                    tag: None,
                },
            });
        }
    }
}

/// Takes the `name` of configs and secrets out. What is external is somebody else's.
pub(super) fn files(document: &mut Node, isolated: &mut Isolated) {
    for section in ["configs", "secrets"] {
        for entry in entries(document, section) {
            let Some(name) = constant(&entry.node, "name") else {
                continue;
            };
            if crate::blueprint::parse::is_external(&entry.node) {
                continue;
            }
            remove(&mut entry.node, "name");
            isolated.change(format!("{section}.{}.name", entry.key), name, "left out");
        }
    }
}
