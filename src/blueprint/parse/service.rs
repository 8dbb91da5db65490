//! Parses services, and the networks that they join.

use super::{alias_shape, key_name, name};
use crate::blueprint::merge::without_tags;
use crate::blueprint::shape::map;
use crate::blueprint::{DEFAULT_NETWORK, INTERNAL, NetworkReference, Service, ServiceNetwork};
use crate::diagnostic::{Problem, Problems, Spanned};
use crate::name::{NetworkKey, ServiceName};
use crate::template::is_template;
use crate::yaml::{Entry, MergeTag, Node, Yaml};

pub(super) fn service(entry: &Entry, problems: &mut Problems) -> Option<Service> {
    let name = key_name::<ServiceName>(entry, problems);
    let entries = map(&entry.node, &format!("service `{}`", entry.key), problems)?;
    let networks = entry
        .node
        .get("networks")
        // As in Compose, an empty `networks` means the default network.
        .filter(|n| !n.is_empty())
        .map(|n| service_networks(n, problems));
    let said = |e: &&Entry| e.key == "network_mode" && e.node.value != Yaml::Null;
    let network_mode = entries.iter().find(said).map(|e| e.key_span);
    for (at, network) in networks.iter().flatten().enumerate() {
        let Some(key) = network.network.key() else { continue };
        let mut before = networks.iter().flatten().take(at).filter_map(|n| n.network.key());
        if before.any(|other| other.value == key.value) {
            problems.push(
                Problem::at(key.span, format!("network `{}` named twice", key.value))
                    .hint("a service joins a network once: keep one of the two"),
            );
        }
    }
    if let (Some(span), Some(_)) = (network_mode, &networks) {
        problems
            .push(Problem::at(span, "`network_mode` and `networks` exclude each other").hint("keep one of the two"));
    }
    Some(Service {
        name: name?,
        networks,
        network_mode,
        keys: entries
            .iter()
            // Profiles are resolved before this, and merge tags have no meaning where nothing is merged.
            .filter(|e| !["networks", "profiles"].contains(&e.key.as_str()) && e.node.tag != Some(MergeTag::Reset))
            .map(|e| Entry {
                node: without_tags(e.node.clone()),
                ..e.clone()
            })
            .collect(),
    })
}

fn service_networks(node: &Node, problems: &mut Problems) -> Vec<ServiceNetwork> {
    match &node.value {
        Yaml::List(list) => list
            .iter()
            .filter_map(|n| {
                let network = match n.scalar().is_some_and(|text| is_template(&text)) {
                    true => NetworkReference::Template(n.clone()),
                    false => NetworkReference::Key(known_as_internal(name(n, problems)?)),
                };
                Some(ServiceNetwork {
                    network,
                    aliases: Vec::new(),
                    options: Vec::new(),
                })
            })
            .collect(),
        Yaml::Map(entries) => entries.iter().filter_map(|e| service_network(e, problems)).collect(),
        _ => {
            problems.push(
                Problem::at(node.span, "`networks` of a service is a list or a map")
                    .label(format!("found {}", node.kind())),
            );
            Vec::new()
        }
    }
}

/// Renames Compose's `default` to the private network.
fn known_as_internal(network: Spanned<NetworkKey>) -> Spanned<NetworkKey> {
    match INTERNAL.parse() {
        Ok(value) if network.value.as_str() == DEFAULT_NETWORK => Spanned { value, ..network },
        _ => network,
    }
}

fn service_network(entry: &Entry, problems: &mut Problems) -> Option<ServiceNetwork> {
    // The one place where a key may be a template: what a service says of a network stands below the network's name.
    let network = match is_template(&entry.key) {
        true => NetworkReference::Template(Node {
            value: Yaml::Text(entry.key.clone()),
            span: entry.key_span,
            tag: None,
        }),
        false => NetworkReference::Key(known_as_internal(key_name(entry, problems)?)),
    };
    if entry.node.value == Yaml::Null {
        return Some(ServiceNetwork {
            network,
            aliases: Vec::new(),
            options: Vec::new(),
        });
    }
    let options = map(&entry.node, &format!("network `{}` of a service", entry.key), problems)?;
    let aliases = match entry.node.get("aliases").map(|n| (n, &n.value)) {
        None | Some((_, Yaml::Null)) => Vec::new(),
        Some((_, Yaml::List(list))) => list.clone(),
        Some((node, _)) => {
            problems.push(Problem::at(node.span, "`aliases` is a list").label(format!("found {}", node.kind())));
            Vec::new()
        }
    };
    for alias in &aliases {
        alias_shape(alias, problems);
    }
    Some(ServiceNetwork {
        network,
        aliases,
        options: options.iter().filter(|e| e.key != "aliases").cloned().collect(),
    })
}
