//! What a node says of itself outside: host names and fixed addresses on networks that nodes share, and names that its
//! networks and volumes had in the engine.

use std::sync::Arc;

use super::super::super::{Attachment, Node, Service};
use super::super::promises;
use super::change;
use crate::blueprint::INOUT;
use crate::blueprint::isolate::{Isolate, Isolated, Reach};
use crate::name::Alias;
use crate::template::is_template;
use crate::value::{Map, Value};
use crate::yaml::{self, Yaml};

/// The keys of a service on a network that only one of that network can have.
const OF_ONE: &[&str] = &["ipv4_address", "ipv6_address", "link_local_ips", "mac_address"];

/// Takes out of the services of `node` what would be a name, or an address, of another node too.
pub(super) fn names(node: &mut Node, asked: Isolate) {
    for at in 0..node.services.len() {
        if asked.names {
            hostname(node, at);
            aliases(node, at);
        }
        if asked.networks != Reach::Keep {
            addresses(node, at);
        }
    }
}

/// A host name is a name on every network (Engine API, from Docker 25 on). On one that nodes share, the container gets a
/// host name that it has there anyway, and its own one is a name inside the node.
fn hostname(node: &mut Node, at: usize) {
    let service = &node.services[at];
    let Some(host) = service.hostname().filter(|_| is_same_for_all(service, "hostname")) else {
        return;
    };
    let path = format!("services.{}.hostname", service.name);
    let mut shared = service.attachments.iter().filter(|a| a.shared).peekable();
    let is_shared = shared.peek().is_some();
    let is_taken = is_taken(node, at, &host);
    let given = if shared.any(|a| a.aliases.iter().any(|alias| alias.as_str() == node.name.as_str())) {
        node.name.as_str().to_owned()
    } else {
        service.key.as_str().to_owned()
    };
    match (is_shared, is_taken) {
        (false, false) => {}
        (false, true) => {
            Arc::make_mut(&mut node.services[at].definition).shift_remove("hostname");
            change(node, path, host, "left out: another service of the node has that name");
        }
        (true, _) => {
            let service = &mut node.services[at];
            Arc::make_mut(&mut service.definition).insert("hostname".into(), Value::from(given.as_str()));
            let alias = host.parse::<Alias>().ok().filter(|_| !is_taken);
            for attachment in service.attachments.iter_mut().filter(|a| !a.shared) {
                let new = alias.iter().filter(|alias| !attachment.aliases.contains(alias));
                let new: Vec<Alias> = new.cloned().collect();
                attachment.aliases.extend(new);
            }
            change(node, path, host, format!("{given}; a name inside the node"));
        }
    }
}

/// Whether another service of `node` answers to `host` on a private network of the service `at`.
fn is_taken(node: &Node, at: usize, host: &str) -> bool {
    let service = &node.services[at];
    let others = node.services.iter().enumerate();
    let mut others = others.filter(|(place, other)| *place != at && other.replicas > 0);
    others.any(|(place, other)| {
        let meets = |a: &&Attachment| !a.shared && service.joins(&a.network);
        let mut met = other.attachments.iter().filter(meets);
        let is_host = place < at && other.hostname().is_some_and(|name| name.eq_ignore_ascii_case(host));
        met.any(|a| is_host || promises::names(other, a).any(|name| name.eq_ignore_ascii_case(host)))
    })
}

/// Notes the aliases that became names inside the node, since all nodes had them on a network that they share.
fn aliases(node: &mut Node, at: usize) {
    let service = &node.services[at];
    let mut lost = Vec::new();
    for attachment in service
        .attachments
        .iter()
        .filter(|a| a.shared && a.network.as_str() != INOUT)
    {
        let path = format!("networks.{}.aliases", attachment.network);
        let Some(Yaml::List(written)) = service.written.get(&path).map(|n| &n.value) else {
            continue;
        };
        let is_left = |name: &String| !attachment.aliases.iter().any(|a| a.as_str() == name);
        let names = written.iter().filter_map(yaml::Node::scalar);
        let names = names.filter(|name| !is_template(name)).filter(is_left);
        lost.extend(names.map(|name| (format!("services.{}.{path}", service.name), name)));
    }
    for (path, name) in lost {
        change(node, path, name, "a name inside the node");
    }
}

/// Takes out fixed addresses on networks that nodes share, of either layer.
fn addresses(node: &mut Node, at: usize) {
    let service = &mut node.services[at];
    let mut lost = Vec::new();
    let is_shared = service.shared();
    for attachment in service.attachments.iter_mut().filter(|a| a.shared) {
        for key in OF_ONE {
            let path = format!("networks.{}.{key}", attachment.network);
            let written = service.written.get(&path);
            let is_constant = written.is_some_and(|n| n.scalar().is_none_or(|text| !is_template(&text)));
            if is_constant && let Some(was) = attachment.options.get(*key) {
                lost.push((path, was.one_or_many().join(", ")));
                Arc::make_mut(&mut attachment.options).shift_remove(*key);
            }
        }
    }
    if is_shared
        && is_same_for_all(service, "mac_address")
        && let Some(was) = service.get("mac_address").and_then(Value::scalar)
    {
        lost.push(("mac_address".to_owned(), was));
        Arc::make_mut(&mut service.definition).shift_remove("mac_address");
    }
    let name = service.name.clone();
    for (path, was) in lost {
        change(node, format!("services.{name}.{path}"), was, "left out");
    }
}

/// Whether the text at `key` of `service` is no template.
fn is_same_for_all(service: &Service, key: &str) -> bool {
    let written = service.written.get(key).and_then(yaml::Node::scalar);
    written.is_some_and(|text| !is_template(&text))
}

/// Lets what names a network or volume of the node by the name that it had in the engine name it by that it has: the value
/// of a variable, label or option in whose name is `network` or `volume`, as programs have it that ask the engine themselves.
pub(super) fn mentions(node: &mut Node, isolated: &Isolated) {
    let mut renamed: Vec<(&str, &str, String)> = Vec::new();
    for (key, former) in &isolated.networks {
        let network = node.networks.iter().find(|n| n.key.as_str() == key);
        renamed.extend(network.map(|n| ("network", former.as_str(), n.name.to_string())));
    }
    for (key, former) in &isolated.volumes {
        renamed.push(("volume", former, format!("{}_{key}", node.project)));
    }
    if renamed.is_empty() {
        return;
    }
    let instead = |option: &str, value: &str| {
        let option = option.to_ascii_lowercase();
        let mut known = renamed.iter();
        let (.., new) = known.find(|(kind, former, _)| *former == value && option.contains(kind))?;
        Some(new.clone())
    };
    let mut found = Vec::new();
    for service in &mut node.services {
        for key in ["environment", "labels", "command", "entrypoint"] {
            let Some((value, was, now)) = service.get(key).and_then(|value| with(value, &instead)) else {
                continue;
            };
            Arc::make_mut(&mut service.definition).insert(key.into(), value);
            found.push((format!("services.{}.{key}", service.name), was, now));
        }
    }
    for (path, was, now) in found {
        change(node, path, was, now);
    }
}

/// `value`, a map or list of options, with `instead` of what their values are, and the last value that was another one;
/// `None` where none is.
fn with(value: &Value, instead: &dyn Fn(&str, &str) -> Option<String>) -> Option<(Value, String, String)> {
    let mut last = None;
    let value = match value {
        Value::Map(map) => {
            let each = map.iter().map(|(key, value)| {
                let text = value.scalar().unwrap_or_default();
                let Some(new) = instead(key, &text) else {
                    return (key.clone(), value.clone());
                };
                last = Some((text, new.clone()));
                (key.clone(), Value::from(new))
            });
            Value::from(each.collect::<Map>())
        }
        Value::List(items) => {
            let each = items.iter().map(|item| {
                let text = item.scalar().unwrap_or_default();
                let Some((option, value)) = text.split_once('=') else {
                    return item.clone();
                };
                let Some(new) = instead(option, value) else {
                    return item.clone();
                };
                last = Some((value.to_owned(), new.clone()));
                Value::from(format!("{option}={new}"))
            });
            Value::from(each.collect::<Vec<_>>())
        }
        _ => return None,
    };
    last.map(|(was, now)| (value, was, now))
}
