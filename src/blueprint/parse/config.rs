//! Parses the configs and secrets of a role.

use std::sync::Arc;

use super::key_name;
use super::network::is_external;
use crate::blueprint::Config;
use crate::blueprint::ConfigSource;
use crate::blueprint::document::Reader;
use crate::blueprint::shape::map;
use crate::compose::ConfigKind;
use crate::diagnostic::{Problem, Span, Spanned};
use crate::name::ConfigName;
use crate::yaml::{Entry, Node, Yaml};

pub(super) fn configs(document: &Node, reader: &mut Reader<'_, '_>) -> Vec<Config> {
    let mut found = Vec::new();
    for kind in [ConfigKind::Config, ConfigKind::Secret] {
        let Some(node) = document.get(kind.section()).filter(|n| n.value != Yaml::Null) else {
            continue;
        };
        let what = format!("`{}`", kind.section());
        for entry in map(node, &what, reader.problems).unwrap_or_default() {
            let name = key_name::<ConfigName>(entry, reader.problems);
            // A config that cannot be read is still defined, so that services that refer to it are not reported as
            // well.
            let source = config_source(entry, reader).unwrap_or_else(|| ConfigSource::External(entry.node.clone()));
            if let Some(name) = name {
                let said = ["file", "content", "environment"];
                let options = match (&source, &entry.node.value) {
                    (ConfigSource::External(_), _) => Vec::new(),
                    (_, Yaml::Map(keys)) => keys
                        .iter()
                        .filter(|e| !said.contains(&e.key.as_str()))
                        .cloned()
                        .collect(),
                    _ => Vec::new(),
                };
                found.push(Config {
                    kind,
                    name: Spanned::new(name.value.to_string(), name.span),
                    source,
                    options,
                });
            }
        }
    }
    found
}

fn config_source(entry: &Entry, reader: &mut Reader<'_, '_>) -> Option<ConfigSource> {
    let node = &entry.node;
    map(node, &format!("`{}`", entry.key), reader.problems)?;
    if is_external(node) {
        return Some(ConfigSource::External(node.clone()));
    }
    let sources = ["file", "content", "environment"].map(|key| node.get(key).map(|n| (key, n)));
    let mut sources = sources.into_iter().flatten();
    let (Some((key, value)), None) = (sources.next(), sources.next()) else {
        reader.problems.push(
            Problem::at(entry.key_span, format!("`{}` needs one source", entry.key))
                .hint("give it one of `file`, `content`, `environment`, or `external: true`"),
        );
        return None;
    };
    let Some(text) = value.scalar() else {
        reader
            .problems
            .push(Problem::at(value.span, format!("`{key}` must be text")).label(format!("found {}", value.kind())));
        return None;
    };
    match key {
        "content" => Some(ConfigSource::Template(value.clone())),
        "environment" => {
            let found = reader.variables.get(&text);
            Some(ConfigSource::Environment(text, found))
        }
        _ if text.ends_with(".j2") => {
            let (_, file) = reader.text("", &text, value.span)?;
            let content = reader.sources.text(file).to_owned();
            Some(ConfigSource::Template(Node {
                span: Span::new(file, 0..content.len()),
                value: Yaml::Text(content),
                tag: None,
            }))
        }
        _ => {
            let (_, bytes) = reader.bytes("", &text, value.span)?;
            Some(ConfigSource::Bytes(Arc::from(bytes)))
        }
    }
}
