//! From a tree with places to a [`Blueprint`]: the shape of things, every fault collected.

use std::str::FromStr;

use ipnet::Ipv4Net;

use std::sync::Arc;

use super::document::Reader;
use super::interpolate;
use super::merge::{merge, settled};
use super::{
    Addresses, Blueprint, Config, ConfigKind, ConfigSource, DEFAULT_POOL, EntryPoint, INOUT, INTERNAL, MAX_COUNT,
    Override, Role, RoleNetwork, Service, ServiceNetwork,
};
use crate::compose::SERVICE_KEYS;
use crate::diagnostic::{Problem, Problems, Span, Spanned};
use crate::name::{ClusterName, ConfigName, NameError, NetworkKey, NetworkName, RoleName, ServiceName};
use crate::template::is_template;
use crate::yaml::{Entry, MergeTag, Node, Yaml};

/// The keys of a blueprint.
pub const TOP_KEYS: &[&str] = &["name", "vars", "inout", "internal", "addresses", "roles"];
/// The keys of a role.
pub const ROLE_KEYS: &[&str] = &[
    "count",
    "node",
    "entry",
    "exit",
    "compose",
    "services",
    "vars",
    "configs",
    "secrets",
    "volumes",
    "networks",
    "overrides",
];
/// The keys of one of a role's `overrides`.
pub const OVERRIDE_KEYS: &[&str] = &["services", "vars"];
/// The keys of a config or secret (Compose specification, top-level `configs` and `secrets`).
const CONFIG_KEYS: &[&str] = &[
    "file",
    "content",
    "environment",
    "external",
    "name",
    "labels",
    "template_driver",
];
/// The network of services that name none in a Compose file: here, the private one.
const DEFAULT_NETWORK: &str = "default";
/// The keys of one of a service's networks (Compose specification, services, `networks`).
const SERVICE_NETWORK_KEYS: &[&str] = &[
    "aliases",
    "ipv4_address",
    "ipv6_address",
    "link_local_ips",
    "mac_address",
    "driver_opts",
    "priority",
    "gw_priority",
    "interface_name",
];
/// The keys of a network (Compose specification, top-level `networks`).
const NETWORK_KEYS: &[&str] = &[
    "name",
    "driver",
    "driver_opts",
    "attachable",
    "enable_ipv4",
    "enable_ipv6",
    "external",
    "internal",
    "ipam",
    "labels",
];

/// The blueprint in `tree`; `None` where too little is right to go on.
pub(super) fn blueprint(tree: &Node, reader: &mut Reader<'_, '_>, profiles: &[String]) -> Option<Blueprint> {
    let problems = &mut *reader.problems;
    let entries = map(tree, "a blueprint", problems)?;
    known_keys(entries, TOP_KEYS, "a blueprint", problems);
    let name = tree.get("name").and_then(|n| name::<ClusterName>(n, problems));
    let vars = tree.get("vars").map_or_else(Vec::new, |n| vars(n, problems));
    let addresses = tree.get("addresses").and_then(|n| addresses(n, problems));
    let inout = tree.get("inout").and_then(|n| network_options(n, problems));
    let internal = tree.get("internal").and_then(|n| private_options(n, problems));
    let Some(roles) = tree.get("roles") else {
        problems.push(
            Problem::at(
                Span {
                    end: tree.span.start,
                    ..tree.span
                },
                "no `roles`",
            )
            .label("a blueprint describes at least one role")
            .hint("roles:\n  master: {services: {…}}\n  slave: {count: 3, services: {…}}"),
        );
        return None;
    };
    let list = map(roles, "`roles`", problems)?;
    if list.is_empty() {
        problems.push(Problem::at(roles.span, "`roles` is empty").label("a blueprint describes at least one role"));
    }
    let roles = list.iter().filter_map(|entry| role(entry, reader, profiles)).collect();
    Some(Blueprint {
        name,
        vars,
        inout,
        internal,
        addresses: addresses.unwrap_or_else(default_addresses),
        roles,
    })
}

fn default_addresses() -> Addresses {
    match DEFAULT_POOL.parse() {
        Ok(pool) => Addresses::Pool(pool, None),
        Err(_) => Addresses::Engine,
    }
}

fn map<'a>(node: &'a Node, what: &str, problems: &mut Problems) -> Option<&'a [Entry]> {
    match &node.value {
        Yaml::Map(entries) => Some(entries),
        _ => {
            problems
                .push(Problem::at(node.span, format!("{what} must be a map")).label(format!("found {}", node.kind())));
            None
        }
    }
}

fn known_keys(entries: &[Entry], known: &[&str], what: &str, problems: &mut Problems) {
    for entry in entries {
        if !known.contains(&entry.key.as_str()) && !entry.key.starts_with("x-") {
            problems.push(
                Problem::at(entry.key_span, format!("unknown key `{}` in {what}", entry.key))
                    .did_you_mean(&entry.key, known.iter().copied()),
            );
        }
    }
}

fn key_name<T: FromStr<Err = NameError>>(entry: &Entry, problems: &mut Problems) -> Option<Spanned<T>> {
    parse_name(&entry.key, entry.key_span, problems)
}

fn name<T: FromStr<Err = NameError>>(node: &Node, problems: &mut Problems) -> Option<Spanned<T>> {
    let Some(text) = node.scalar() else {
        problems.push(Problem::at(
            node.span,
            format!("expected a name, found {}", node.kind()),
        ));
        return None;
    };
    parse_name(&text, node.span, problems)
}

fn parse_name<T: FromStr<Err = NameError>>(text: &str, span: Span, problems: &mut Problems) -> Option<Spanned<T>> {
    match text.parse() {
        Ok(name) => Some(Spanned::new(name, span)),
        Err(error) => {
            problems.push(
                Problem::at(span, format!("`{}` is not {}", error.found, error.kind))
                    .label(format!("expected {}", error.rule)),
            );
            None
        }
    }
}

fn vars(node: &Node, problems: &mut Problems) -> Vec<Entry> {
    match &node.value {
        Yaml::Null => Vec::new(),
        _ => map(node, "`vars`", problems).unwrap_or_default().to_vec(),
    }
}

fn network_options(node: &Node, problems: &mut Problems) -> Option<Node> {
    if node.value == Yaml::Null {
        return None;
    }
    let entries = map(node, "a network's options", problems)?;
    known_keys(entries, NETWORK_KEYS, "a network's options", problems);
    if let Some(own) = node.get("name")
        && own.scalar().is_none_or(|text| !is_template(&text))
    {
        name::<NetworkName>(own, problems)?;
    }
    Some(node.clone())
}

/// Options of the private network: one for each node, so it is nobody else's and has no one name.
fn private_options(node: &Node, problems: &mut Problems) -> Option<Node> {
    let options = network_options(node, problems)?;
    if let Yaml::Map(entries) = &options.value {
        for entry in entries
            .iter()
            .filter(|e| ["name", "external"].contains(&e.key.as_str()))
        {
            problems.push(
                Problem::at(
                    entry.key_span,
                    format!("the private network cannot have `{}`", entry.key),
                )
                .hint("every node has its own; to share one, declare another under the role's `networks`"),
            );
        }
    }
    Some(options)
}

fn addresses(node: &Node, problems: &mut Problems) -> Option<Addresses> {
    if let Yaml::Text(text) = &node.value
        && text == "engine"
    {
        return Some(Addresses::Engine);
    }
    let hint = "addresses: {pool: 10.192.0.0/11}, or `addresses: engine` to leave subnets to the engine";
    let Yaml::Map(entries) = &node.value else {
        problems.push(Problem::at(node.span, "`addresses` must be a map or `engine`").hint(hint));
        return None;
    };
    known_keys(entries, &["pool"], "`addresses`", problems);
    let pool = node.get("pool")?;
    match pool.scalar().and_then(|t| t.parse::<Ipv4Net>().ok()) {
        Some(net) => Some(Addresses::Pool(net.trunc(), Some(pool.span))),
        None => {
            problems.push(
                Problem::at(pool.span, "not a pool of addresses")
                    .label("expected an IPv4 network such as 10.192.0.0/11")
                    .hint(hint),
            );
            None
        }
    }
}

fn role(entry: &Entry, reader: &mut Reader<'_, '_>, profiles: &[String]) -> Option<Role> {
    let name = key_name::<RoleName>(entry, reader.problems);
    let what = format!("role `{}`", entry.key);
    let node = &entry.node;
    known_keys(map(node, &what, reader.problems)?, ROLE_KEYS, "a role", reader.problems);
    let found = reader.problems.len();
    let document = with_shared_default(reader.role(node));
    let compose_is_right = reader.problems.len() == found;
    let beside = std::mem::take(&mut reader.profiles);
    let profiles = if profiles.is_empty() { &beside } else { profiles };
    let configs = configs(&document, reader);
    let problems = &mut *reader.problems;
    let mut tree = document.get("services").cloned().unwrap_or(Node {
        value: Yaml::Map(Vec::new()),
        ..document.clone()
    });
    let entries = map(&tree, "`services`", problems).unwrap_or_default().to_vec();
    if entries.is_empty() && compose_is_right {
        problems.push(
            Problem::at(entry.key_span, format!("{what} has no services"))
                .hint("give it at least one: services: {app: {image: …}}"),
        );
    }
    let (active, inactive): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|e| is_active(&e.node, profiles));
    if active.is_empty() && !inactive.is_empty() {
        problems.push(
            Problem::at(entry.key_span, format!("{what} has no active service"))
                .label("all of them have `profiles`, none of which is active")
                .hint("name one: `--profile NAME`"),
        );
    }
    tree.value = Yaml::Map(active);
    let inactive: Vec<String> = inactive.into_iter().map(|e| e.key).collect();
    let services = services(&tree, &inactive, problems, reader.variables);
    let (networks, internal) = networks(&document, problems);
    let section = |key: &str, problems: &mut Problems| match document.get(key) {
        Some(node) if node.value != Yaml::Null => map(node, &format!("`{key}`"), problems).unwrap_or_default().to_vec(),
        _ => Vec::new(),
    };
    Some(Role {
        count: node.get("count").and_then(|n| count(n, problems)),
        node: node.get("node").cloned(),
        entry: node.get("entry").map_or_else(Vec::new, |n| entry_points(n, problems)),
        exit: node.get("exit").map_or_else(Vec::new, |n| exits(n, problems)),
        vars: node.get("vars").map_or_else(Vec::new, |n| vars(n, problems)),
        overrides: node
            .get("overrides")
            .map_or_else(Vec::new, |n| overrides(n, &tree, &inactive, problems, reader.variables)),
        volumes: section("volumes", problems),
        extensions: extensions(&document),
        inactive,
        services,
        tree,
        networks,
        internal,
        configs,
        name: name?,
    })
}

/// The `x-…` keys at the top of its Compose files.
fn extensions(document: &Node) -> Vec<Entry> {
    match &document.value {
        Yaml::Map(entries) => entries.iter().filter(|e| e.key.starts_with("x-")).cloned().collect(),
        _ => Vec::new(),
    }
}

/// Services without profiles always take part, others where one of theirs is active.
fn is_active(service: &Node, profiles: &[String]) -> bool {
    let Some(Yaml::List(own)) = service.get("profiles").map(|n| &n.value) else {
        return true;
    };
    own.is_empty()
        || own
            .iter()
            .filter_map(Node::scalar)
            .any(|p| p == "*" || profiles.iter().any(|a| *a == p || a == "*"))
}

fn services(
    tree: &Node,
    inactive: &[String],
    problems: &mut Problems,
    variables: &interpolate::Variables<'_>,
) -> Vec<Service> {
    let Yaml::Map(entries) = &tree.value else {
        return Vec::new();
    };
    let mut found: Vec<Service> = entries.iter().filter_map(|e| service(e, problems)).collect();
    for entry in found
        .iter_mut()
        .flat_map(|s| &mut s.keys)
        .filter(|e| ["environment", "depends_on"].contains(&e.key.as_str()))
    {
        match (&mut entry.node.value, entry.key.as_str()) {
            (_, "environment") => interpolate::environment(&mut entry.node, variables),
            // What need not be there is not waited for where its profile is not active.
            (Yaml::Map(entries), _) => entries.retain(|e| {
                let optional = e.node.get("required").map(|n| &n.value) == Some(&Yaml::Bool(false));
                !(optional && inactive.contains(&e.key))
            }),
            _ => {}
        }
    }
    found
}

fn overrides(
    node: &Node,
    services_tree: &Node,
    inactive: &[String],
    problems: &mut Problems,
    variables: &interpolate::Variables<'_>,
) -> Vec<Override> {
    let mut found = Vec::new();
    for entry in map(node, "`overrides`", problems).unwrap_or_default() {
        let what = format!("override of `{}`", entry.key);
        let Some(keys) = map(&entry.node, &what, problems) else {
            continue;
        };
        known_keys(keys, OVERRIDE_KEYS, "an override", problems);
        let merged = match entry.node.get("services") {
            Some(over) if map(over, "`services`", problems).is_some() => {
                merge(services_tree.clone(), over.clone(), "services").unwrap_or_else(|| services_tree.clone())
            }
            _ => services_tree.clone(),
        };
        found.push(Override {
            node: Spanned::new(entry.key.clone(), entry.key_span),
            services: services(&merged, inactive, problems, variables),
            vars: entry.node.get("vars").map_or_else(Vec::new, |n| vars(n, problems)),
        });
    }
    found
}

/// The networks of a role: those of its own, and what it says of the private one.
fn networks(document: &Node, problems: &mut Problems) -> (Vec<RoleNetwork>, Option<Node>) {
    let Some(node) = document.get("networks").filter(|n| n.value != Yaml::Null) else {
        return (Vec::new(), None);
    };
    let mut found = Vec::new();
    let mut internal = None;
    for entry in map(node, "`networks`", problems).unwrap_or_default() {
        let options = network_options(&entry.node, problems);
        match entry.key.as_str() {
            // The cluster's own: a Compose file written by hand must call it external.
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

/// A Compose file may call a network that exists already its `default`: then those that say nothing join that one, so
/// here it goes by its own name.
fn with_shared_default(mut document: Node) -> Node {
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
                    let said = |k: &str| keys.iter().any(|e| e.key == k && !is_empty(&e.node));
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

/// The shared network is one for all roles, so none of them has a say in how it is.
fn own_inout(node: &Node, problems: &mut Problems) {
    let Yaml::Map(entries) = &node.value else { return };
    let known = ["name", "external", "driver"];
    for entry in entries
        .iter()
        .filter(|e| !known.contains(&e.key.as_str()) && !is_empty(&e.node))
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
fn is_external(options: &Node) -> bool {
    match options.get("external").map(|n| &n.value) {
        Some(Yaml::Bool(external)) => *external,
        Some(Yaml::Map(_)) => true,
        _ => false,
    }
}

fn configs(document: &Node, reader: &mut Reader<'_, '_>) -> Vec<Config> {
    let mut found = Vec::new();
    for kind in [ConfigKind::Config, ConfigKind::Secret] {
        let Some(node) = document.get(kind.section()).filter(|n| n.value != Yaml::Null) else {
            continue;
        };
        let what = format!("`{}`", kind.section());
        for entry in map(node, &what, reader.problems).unwrap_or_default() {
            let name = key_name::<ConfigName>(entry, reader.problems);
            if let (Some(source), Some(name)) = (config_source(entry, reader), name) {
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
    let keys = map(node, &format!("`{}`", entry.key), reader.problems)?;
    known_keys(keys, CONFIG_KEYS, "a config or secret", reader.problems);
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

fn count(node: &Node, problems: &mut Problems) -> Option<Spanned<u32>> {
    let number = match &node.value {
        Yaml::Int(n) => Some(*n),
        Yaml::Text(t) => t.trim().parse().ok(),
        _ => None,
    };
    match number.map(u32::try_from) {
        Some(Ok(n)) if n <= MAX_COUNT => Some(Spanned::new(n, node.span)),
        _ => {
            problems.push(
                Problem::at(node.span, "not a count").label(format!("expected a whole number from 0 to {MAX_COUNT}")),
            );
            None
        }
    }
}

fn entry_points(node: &Node, problems: &mut Problems) -> Vec<EntryPoint> {
    match &node.value {
        Yaml::Map(entries) => entries
            .iter()
            .filter_map(|e| {
                let service = key_name::<ServiceName>(e, problems)?;
                let aliases = match &e.node.value {
                    Yaml::Null => Vec::new(),
                    Yaml::List(list) => list.clone(),
                    _ => vec![e.node.clone()],
                };
                for alias in &aliases {
                    alias_shape(alias, problems);
                }
                Some(EntryPoint { service, aliases })
            })
            .collect(),
        Yaml::List(_) => {
            problems.push(
                Problem::at(node.span, "`entry` is one service, or a map of services to their names")
                    .label("found a list")
                    .hint("entry: {web: \"{{ node.name }}\", admin: \"{{ node.name }}-admin\"}"),
            );
            Vec::new()
        }
        _ => name::<ServiceName>(node, problems)
            .map(|service| EntryPoint {
                service,
                aliases: Vec::new(),
            })
            .into_iter()
            .collect(),
    }
}

fn exits(node: &Node, problems: &mut Problems) -> Vec<Spanned<ServiceName>> {
    match &node.value {
        Yaml::List(list) => list.iter().filter_map(|n| name(n, problems)).collect(),
        Yaml::Map(_) => {
            problems.push(Problem::at(node.span, "`exit` is a service or a list of services").label("found a map"));
            Vec::new()
        }
        _ => name(node, problems).into_iter().collect(),
    }
}

/// An alias must be one scalar; what it may be made of is known only when its template has run.
fn alias_shape(node: &Node, problems: &mut Problems) {
    match node.scalar() {
        Some(text) if is_template(&text) => {}
        Some(text) => {
            let _ = parse_name::<crate::name::Alias>(&text, node.span, problems);
        }
        None => problems.push(Problem::at(
            node.span,
            format!("expected an alias, found {}", node.kind()),
        )),
    }
}

fn service(entry: &Entry, problems: &mut Problems) -> Option<Service> {
    let name = key_name::<ServiceName>(entry, problems);
    let entries = map(&entry.node, &format!("service `{}`", entry.key), problems)?;
    known_keys(entries, SERVICE_KEYS, "a service", problems);
    let networks = entry
        .node
        .get("networks")
        // Nothing said: as in Compose, the network of those that say nothing.
        .filter(|n| !is_empty(n))
        .map(|n| service_networks(n, problems));
    let said = |e: &&Entry| e.key == "network_mode" && e.node.value != Yaml::Null;
    let network_mode = entries.iter().find(said).map(|e| e.key_span);
    for (at, network) in networks.iter().flatten().enumerate() {
        if networks
            .iter()
            .flatten()
            .take(at)
            .any(|n| n.network.value == network.network.value)
        {
            problems.push(
                Problem::at(
                    network.network.span,
                    format!("network `{}` named twice", network.network.value),
                )
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
            // Profiles were settled; merge tags have no meaning where nothing is merged.
            .filter(|e| !["networks", "profiles"].contains(&e.key.as_str()) && e.node.tag != Some(MergeTag::Reset))
            .map(|e| Entry {
                node: settled(e.node.clone()),
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
                name(n, problems).map(|network| ServiceNetwork {
                    network: known_as_internal(network),
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

fn is_empty(node: &Node) -> bool {
    match &node.value {
        Yaml::Null => true,
        Yaml::List(list) => list.is_empty(),
        Yaml::Map(entries) => entries.is_empty(),
        _ => false,
    }
}

/// What Compose calls `default` is the private network here.
fn known_as_internal(network: Spanned<NetworkKey>) -> Spanned<NetworkKey> {
    match INTERNAL.parse() {
        Ok(value) if network.value.as_str() == DEFAULT_NETWORK => Spanned { value, ..network },
        _ => network,
    }
}

fn service_network(entry: &Entry, problems: &mut Problems) -> Option<ServiceNetwork> {
    let network = known_as_internal(key_name(entry, problems)?);
    if entry.node.value == Yaml::Null {
        return Some(ServiceNetwork {
            network,
            aliases: Vec::new(),
            options: Vec::new(),
        });
    }
    let options = map(&entry.node, &format!("network `{}` of a service", entry.key), problems)?;
    known_keys(options, SERVICE_NETWORK_KEYS, "a network of a service", problems);
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
