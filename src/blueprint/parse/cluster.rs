//! Parses what the whole cluster shares: the networks and volumes at the top level of a blueprint.

use super::key_name;
use super::network::{FOR_COMPOSE, network_options};
use crate::blueprint::count::is_network_count;
use crate::blueprint::shape::map;
use crate::blueprint::{ClusterNetwork, DEFAULT_NETWORK, INOUT, INTERNAL, conform};
use crate::compose::table;
use crate::diagnostic::{Problem, Problems, Sources};
use crate::name::NetworkKey;
use crate::template::is_template;
use crate::yaml::{Entry, Node, Yaml};

/// `networks:`, in Compose's words; each may have a `count` too.
pub(super) fn networks(tree: &Node, sources: &Sources, problems: &mut Problems) -> Vec<ClusterNetwork> {
    let entries = section(tree, "networks", problems);
    entries.iter().filter_map(|e| network(e, sources, problems)).collect()
}

fn network(entry: &Entry, sources: &Sources, problems: &mut Problems) -> Option<ClusterNetwork> {
    let key = key_name::<NetworkKey>(entry, problems)?;
    if [INOUT, INTERNAL, DEFAULT_NETWORK].contains(&entry.key.as_str()) {
        let name = if entry.key == INOUT { INOUT } else { INTERNAL };
        problems.push(
            Problem::at(entry.key_span, format!("`{}` is no network of `networks`", entry.key))
                .hint(format!("its options stand by themselves at the top: {name}: {{…}}")),
        );
        return None;
    }
    let mut options = entry.node.clone();
    let mut count = None;
    if let Yaml::Map(entries) = &mut options.value
        && let Some(at) = entries.iter().position(|e| e.key == "count")
    {
        let node = entries.remove(at).node;
        if !is_network_count(&node, problems) {
            return None;
        }
        count = Some(node);
    }
    if let (Some(row), Yaml::Map(_)) = (table::at("networks.*"), &options.value) {
        conform::conform(&mut options, row, &format!("networks.{}", entry.key), sources, problems);
    }
    let several_of_one_name = |name: &Node| name.scalar().is_some_and(|text| !is_template(&text));
    if count.is_some()
        && let Some(name) = options.get("name").filter(|name| several_of_one_name(name))
    {
        problems.push(
            Problem::at(name.span, "networks with a `count` cannot all have one name")
                .hint("let the name hold the index: name: \"link-{{ index }}\""),
        );
        return None;
    }
    let options = network_options(&options, problems);
    Some(ClusterNetwork { key, count, options })
}

/// `volumes:`, in Compose's words.
pub(super) fn volumes(tree: &Node, sources: &Sources, problems: &mut Problems) -> Vec<Entry> {
    let mut entries = section(tree, "volumes", problems).to_vec();
    for entry in &mut entries {
        if let (Some(row), Yaml::Map(_)) = (table::at("volumes.*"), &entry.node.value) {
            let path = format!("volumes.{}", entry.key);
            conform::conform(&mut entry.node, row, &path, sources, problems);
        } else if entry.node.value != Yaml::Null {
            map(&entry.node, &format!("volume `{}`", entry.key), problems);
        }
    }
    entries
}

fn section<'t>(tree: &'t Node, key: &str, problems: &mut Problems) -> &'t [Entry] {
    match tree.get(key) {
        Some(node) if node.value != Yaml::Null => map(node, &format!("`{key}`"), problems).unwrap_or_default(),
        _ => &[],
    }
}

/// The keys that mean something of the whole cluster in every role.
pub(super) struct Shared<'a> {
    pub(super) networks: &'a [ClusterNetwork],
    pub(super) volumes: &'a [Entry],
}

impl Shared<'_> {
    fn have_network(&self, key: &str) -> bool {
        let is_it = |n: &ClusterNetwork| n.count.is_none() && n.key.value.as_str() == key || n.may_be(key);
        self.networks.iter().any(is_it)
    }

    fn have_volume(&self, key: &str) -> bool {
        self.volumes.iter().any(|v| v.key == key)
    }

    /// Takes what the cluster declares out of a role's `document`: a Compose file has to declare whatever it uses. Options
    /// that the role gives it are reported, since it is one for all roles.
    pub(super) fn leave_out(&self, document: &mut Node, problems: &mut Problems) {
        let Yaml::Map(sections) = &mut document.value else {
            return;
        };
        for section in sections {
            let (is_shared, what): (fn(&Self, &str) -> bool, &str) = match section.key.as_str() {
                "networks" => (Self::have_network, "network"),
                "volumes" => (Self::have_volume, "volume"),
                _ => continue,
            };
            let Yaml::Map(entries) = &mut section.node.value else {
                continue;
            };
            entries.retain(|entry| {
                let of_cluster = is_shared(self, &entry.key);
                if of_cluster && let Yaml::Map(options) = &entry.node.value {
                    let said = |o: &&Entry| !FOR_COMPOSE.contains(&o.key.as_str()) && !o.node.is_empty();
                    for option in options.iter().filter(said) {
                        let message = format!("`{}` of the shared {what} `{}` in a role", option.key, entry.key);
                        problems.push(Problem::at(option.key_span, message).hint(format!(
                            "all roles share it, so say it once, at the top of the blueprint: {}: {{{}: {{{}: …}}}}",
                            section.key, entry.key, option.key
                        )));
                    }
                }
                !of_cluster
            });
        }
    }
}
