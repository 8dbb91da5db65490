//! References from one service to another: `depends_on`, `links`, `volumes_from`, `network_mode`, `ipc` and `pid`.
//!
//! A service on a shared network has another key in the rendered Compose file than in the blueprint, so references to
//! it must be renamed too.

use std::sync::Arc;

use crate::diagnostic::Span;
use crate::value::{Map, Value};
use crate::yaml::{Entry, Node, Yaml};

/// One reference from a service to another.
#[derive(Debug)]
pub struct Reference {
    /// The key that holds the reference: `depends_on`.
    pub key: String,
    /// The name of the service referred to.
    pub service: String,
    /// Where the reference is written.
    pub span: Span,
}

/// The keys whose value may name a service.
const KEYS: &[&str] = &["depends_on", "links", "volumes_from", "network_mode", "ipc", "pid"];

/// Whether a value under `key` may name a service.
#[must_use]
pub fn may_refer(key: &str) -> bool {
    KEYS.contains(&key)
}

/// The services that `entry` of a service refers to; templates are skipped.
#[must_use]
pub fn of(entry: &Entry) -> Vec<Reference> {
    let reference = |service: &str, span: Span| Reference {
        key: entry.key.clone(),
        service: service.to_owned(),
        span,
    };
    let scalar = |node: &Node| -> Option<Reference> {
        let text = node.scalar()?;
        let service = named(&entry.key, &text)?;
        Some(reference(service, node.span))
    };
    if !may_refer(&entry.key) {
        return Vec::new();
    }
    match &entry.node.value {
        Yaml::Map(entries) => entries.iter().map(|e| reference(&e.key, e.key_span)).collect(),
        Yaml::List(list) => list.iter().filter_map(scalar).collect(),
        _ => scalar(&entry.node).into_iter().collect(),
    }
}

/// The service that `text` under `key` names: `db` in `db:database`, `app` in `service:app`. `None` if it names none.
fn named<'a>(key: &str, text: &'a str) -> Option<&'a str> {
    if crate::template::is_template(text) {
        return None;
    }
    match key {
        "network_mode" | "ipc" | "pid" => text.strip_prefix("service:"),
        "volumes_from" if text.starts_with("container:") => None,
        "volumes_from" | "links" => text.split(':').next(),
        _ => Some(text),
    }
}

/// Renames the services that `entry` of a service refers to, those for which `rename` returns another name.
pub fn rename(entry: &mut Entry, rename: &dyn Fn(&str) -> Option<String>) {
    let Entry { key, node, .. } = entry;
    if !may_refer(key) {
        return;
    }
    let scalar = |node: &mut Node| {
        if let Yaml::Text(text) = &mut node.value
            && let Some((service, new)) = named(key, text).and_then(|s| Some((s, rename(s)?)))
        {
            *text = with_name(key, text, service, &new);
        }
    };
    match &mut node.value {
        Yaml::Map(entries) => {
            for entry in entries {
                entry.key = rename(&entry.key).unwrap_or_else(|| std::mem::take(&mut entry.key));
            }
        }
        Yaml::List(list) => list.iter_mut().for_each(scalar),
        _ => scalar(node),
    }
}

/// `text` of `key`, which names `service`, with the name `new` in its place.
fn with_name(key: &str, text: &str, service: &str, new: &str) -> String {
    match key {
        "network_mode" | "ipc" | "pid" => format!("service:{new}"),
        // A link without an alias keeps the name that the user wrote.
        "links" if !text.contains(':') => format!("{new}:{service}"),
        _ => format!("{new}{}", &text[service.len()..]),
    }
}

/// `value` of `key`, in which every service has the key that `rename` returns for it.
#[must_use]
pub fn renamed(key: &str, value: &Value, rename: &dyn Fn(&str) -> Option<Arc<str>>) -> Value {
    let scalar = |value: &Value| -> Value {
        let Value::Text(text) = value else {
            return value.clone();
        };
        let Some((service, new)) = named(key, text).and_then(|s| Some((s, rename(s)?))) else {
            return value.clone();
        };
        Value::from(with_name(key, text, service, &new))
    };
    match value {
        Value::List(list) => Value::List(list.iter().map(scalar).collect()),
        Value::Map(map) => {
            let map: Map = map
                .iter()
                .map(|(name, value)| (rename(name).unwrap_or_else(|| name.clone()), value.clone()))
                .collect();
            map.into()
        }
        other => scalar(other),
    }
}
