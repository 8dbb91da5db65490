//! Parses networks: their options, and those that a role declares.

use super::{key_name, name};
use crate::blueprint::shape::map;
use crate::blueprint::{DEFAULT_NETWORK, INOUT, INTERNAL, RoleNetwork};
use crate::diagnostic::{Problem, Problems};
use crate::name::NetworkName;
use crate::template::is_template;
use crate::yaml::{Entry, Node, Yaml};

/// What a role may say of a network of the cluster without meaning anything by it: a Compose file written by hand has to.
pub(super) const FOR_COMPOSE: [&str; 3] = ["name", "external", "driver"];

pub(super) fn network_options(node: &Node, problems: &mut Problems) -> Option<Node> {
    if node.value == Yaml::Null {
        return None;
    }
    map(node, "a network's options", problems)?;
    if let Some(own) = node.get("name")
        && own.scalar().is_none_or(|text| !is_template(&text))
    {
        name::<NetworkName>(own, problems)?;
    }
    Some(node.clone())
}

/// Options of the private network. Each node has its own, so `external` is rejected, and so is a `name` that is the same
/// for all. Compose files give the name that Compose gives, `${COMPOSE_PROJECT_NAME}_default`, which differs.
pub(super) fn private_options(node: &Node, problems: &mut Problems) -> Option<Node> {
    let options = network_options(node, problems)?;
    if let Yaml::Map(entries) = &options.value {
        for entry in entries.iter().filter(|e| match e.key.as_str() {
            "name" => e.node.scalar().is_none_or(|text| !is_template(&text)),
            key => key == "external" && e.node.value != Yaml::Bool(false),
        }) {
            problems.push(
                Problem::at(
                    entry.key_span,
                    format!("the private network cannot have `{}`", entry.key),
                )
                .hint(format!(
                    "every node has its own; to share one, declare another under the role's `networks`, {}",
                    crate::blueprint::isolate::HINT
                )),
            );
        }
    }
    Some(options)
}

/// The networks of a role: those that it declares, and its options for the private network.
pub(super) fn networks(document: &Node, problems: &mut Problems) -> (Vec<RoleNetwork>, Option<Node>) {
    let Some(node) = document.get("networks").filter(|n| n.value != Yaml::Null) else {
        return (Vec::new(), None);
    };
    let mut found = Vec::new();
    let mut internal = None;
    for entry in map(node, "`networks`", problems).unwrap_or_default() {
        let options = network_options(&entry.node, problems);
        match entry.key.as_str() {
            // `inout` belongs to the cluster. A Compose file written by hand can only declare it external.
            INOUT => own_inout(&entry.node, problems),
            INTERNAL | DEFAULT_NETWORK => internal = private_options(&entry.node, problems),
            _ => {
                let name = options.as_ref().and_then(|o| o.get("name")).and_then(Node::scalar);
                let constant = name.is_some_and(|n| !is_template(&n));
                let shared = constant || options.as_ref().is_some_and(is_external);
                if let Some(key) = key_name(entry, problems) {
                    found.push(RoleNetwork { key, options, shared });
                }
            }
        }
    }
    (found, internal)
}

/// If a Compose file maps `default` to a named or external network, services without `networks` join that one. It is
/// renamed here from `default` to its own name.
pub(super) fn with_shared_default(mut document: Node) -> Node {
    let Some(default) = document.get("networks").and_then(|n| n.get(DEFAULT_NETWORK)) else {
        return document;
    };
    let older = default.get("external").and_then(|n| n.get("name"));
    let Some(name) = default
        .get("name")
        .or(older)
        .filter(|n| !n.scalar().is_none_or(|t| is_template(&t)))
    else {
        return document;
    };
    let name = name.clone();
    let key = name.scalar().unwrap_or_default();
    let list = |node: &mut Node| match &mut node.value {
        Yaml::Map(entries) => std::mem::take(entries),
        _ => Vec::new(),
    };
    let Yaml::Map(sections) = &mut document.value else {
        return document;
    };
    for section in sections {
        let mut entries = list(&mut section.node);
        match section.key.as_str() {
            "networks" => rename_default(&mut entries, &key),
            "services" => {
                for service in &mut entries {
                    let Yaml::Map(keys) = &mut service.node.value else {
                        continue;
                    };
                    let said = |k: &str| keys.iter().any(|e| e.key == k && !e.node.is_empty());
                    if !said("networks") && !said("network_mode") {
                        keys.retain(|e| e.key != "networks");
                        keys.push(Entry {
                            key: "networks".to_owned(),
                            key_span: name.span,
                            node: Node {
                                value: Yaml::List(vec![name.clone()]),
                                ..name.clone()
                            },
                        });
                    }
                    for networks in keys.iter_mut().filter(|e| e.key == "networks") {
                        match &mut networks.node.value {
                            Yaml::Map(entries) => rename_default(entries, &key),
                            Yaml::List(list) => {
                                for item in list
                                    .iter_mut()
                                    .filter(|n| n.scalar().as_deref() == Some(DEFAULT_NETWORK))
                                {
                                    item.value = Yaml::Text(key.clone());
                                }
                            }
                            _ => {}
                        }
                    }
                }
            }
            _ => {}
        }
        if let Yaml::Map(old) = &mut section.node.value {
            *old = entries;
        }
    }
    document
}

fn rename_default(entries: &mut [Entry], key: &str) {
    for entry in entries.iter_mut().filter(|e| e.key == DEFAULT_NETWORK) {
        entry.key = key.to_owned();
    }
}

/// Reports options that a role gives the shared network, which is one for all roles.
fn own_inout(node: &Node, problems: &mut Problems) {
    let Yaml::Map(entries) = &node.value else { return };
    let known = FOR_COMPOSE;
    for entry in entries
        .iter()
        .filter(|e| !known.contains(&e.key.as_str()) && !e.node.is_empty())
    {
        problems.push(
            Problem::at(
                entry.key_span,
                format!("`{}` of the shared network in a role", entry.key),
            )
            .hint(format!(
                "all roles share it, so say it once, at the top of the blueprint: {INOUT}: {{{}: …}}",
                entry.key
            )),
        );
    }
}

/// `external: true`, or the older `external: {name: …}`.
pub(in crate::blueprint) fn is_external(options: &Node) -> bool {
    match options.get("external").map(|n| &n.value) {
        Some(Yaml::Bool(external)) => *external,
        Some(Yaml::Map(_)) => true,
        _ => false,
    }
}
