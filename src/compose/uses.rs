//! What a service uses of the definitions of its Compose file: networks, volumes, configs, secrets and models.

use crate::template::is_template;
use crate::yaml::{Entry, Node, Yaml};

use super::mounts_of_windows;

/// The sections of a Compose file whose definitions services use.
pub const SECTIONS: &[&str] = &["networks", "volumes", "configs", "secrets", "models"];

/// The network of a service that names none.
const DEFAULT: &str = "default";

/// The definitions that `service` uses: section and key. Names that are templates are left out; see [`may_use_any`].
#[must_use]
pub fn of(service: &Node) -> Vec<(&'static str, String)> {
    let Yaml::Map(entries) = &service.value else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let is_said = |key: &str| entries.iter().any(|e| e.key == key && !e.node.is_empty());
    if !is_said("networks") && !is_said("network_mode") {
        found.push(("networks", DEFAULT.to_owned()));
    }
    for Entry { key, node, .. } in entries {
        match key.as_str() {
            "networks" => found.extend(names(node).map(|name| ("networks", name))),
            "models" => found.extend(names(node).map(|name| ("models", name))),
            "configs" => found.extend(sources(node).map(|name| ("configs", name))),
            "secrets" => found.extend(sources(node).map(|name| ("secrets", name))),
            "build" => {
                let secrets = node.get("secrets").into_iter().flat_map(sources);
                found.extend(secrets.map(|name| ("secrets", name)));
            }
            "volumes" => found.extend(items(node).iter().filter_map(volume).map(|name| ("volumes", name))),
            _ => {}
        }
    }
    found
}

/// Whether `service` may use any volume, since a template says which.
#[must_use]
pub fn may_use_any(service: &Node) -> bool {
    let is_template =
        |text: Option<String>| text.is_some_and(|text| is_template(&text) && !text.starts_with(['.', '/', '~']));
    let volumes = service.get("volumes").map(items).unwrap_or_default();
    volumes.iter().any(|item| match &item.value {
        Yaml::Text(text) => is_template(text.split(':').next().map(str::to_owned)),
        _ => is_template(item.get("source").and_then(Node::scalar)),
    })
}

/// The volume that an item of `volumes` names; `None` for a path of the host and for a mount without a name.
#[must_use]
pub fn volume(item: &Node) -> Option<String> {
    let name = match &item.value {
        Yaml::Map(_) => {
            let kind = item.get("type").and_then(Node::scalar);
            kind.is_none_or(|kind| kind == "volume")
                .then(|| item.get("source")?.scalar())??
        }
        Yaml::Text(text) if mounts_of_windows(text) => return None,
        Yaml::Text(text) => text.split_once(':')?.0.to_owned(),
        _ => return None,
    };
    let is_path = name.starts_with(['.', '/', '~', '$']) || name.contains(['\\', '{']);
    (!is_path && !name.is_empty()).then_some(name)
}

/// The keys of a map, or the items of a list.
fn names(node: &Node) -> impl Iterator<Item = String> {
    let keys = match &node.value {
        Yaml::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    let keys = keys.iter().map(|e| e.key.clone());
    keys.chain(items(node).iter().filter_map(Node::scalar))
}

/// The names in a list of `configs` or `secrets`.
fn sources(node: &Node) -> impl Iterator<Item = String> {
    items(node)
        .iter()
        .filter_map(|item| item.get("source").and_then(Node::scalar).or_else(|| item.scalar()))
}

fn items(node: &Node) -> &[Node] {
    match &node.value {
        Yaml::List(list) => list,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::FileId;

    fn used(service: &str) -> String {
        let node = crate::yaml::parse(service, FileId::default()).unwrap_or_else(|p| panic!("{p:?}"));
        let all: Vec<String> = of(&node)
            .iter()
            .map(|(section, key)| format!("{section}.{key}"))
            .collect();
        all.join(" ")
    }

    #[test]
    fn of_each_section_in_each_form() {
        for (service, expected) in [
            ("{}", "networks.default"),
            ("{network_mode: host}", ""),
            ("{networks: [a, b]}", "networks.a networks.b"),
            ("{networks: {a: {aliases: [x]}}}", "networks.a"),
            (
                "{networks: [], volumes: ['d:/d', './x:/x', '/y', '/z:/z', {type: volume, source: e, target: /e}, {type: bind, source: x, target: /x}]}",
                "networks.default volumes.d volumes.e",
            ),
            (
                "{network_mode: none, configs: [c, {source: d}], secrets: [s], build: {secrets: [t]}}",
                "configs.c configs.d secrets.s secrets.t",
            ),
            ("{network_mode: none, models: [m]}", "models.m"),
        ] {
            assert_eq!(used(service), expected, "{service}");
        }
    }
}
