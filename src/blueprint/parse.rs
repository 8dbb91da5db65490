//! From a tree with places to a [`Blueprint`]: the shape of things, every fault collected.

use std::str::FromStr;

use ipnet::Ipv4Net;

use super::{Addresses, Blueprint, DEFAULT_POOL, EntryPoint, MAX_COUNT, Role, Service, ServiceNetwork};
use crate::compose::SERVICE_KEYS;
use crate::diagnostic::{Problem, Problems, Span, Spanned};
use crate::name::{ClusterName, NameError, RoleName, ServiceName};
use crate::template::is_template;
use crate::yaml::{Entry, Node, Yaml};

/// The keys of a blueprint.
pub const TOP_KEYS: &[&str] = &["name", "vars", "inout", "internal", "addresses", "roles"];
/// The keys of a role.
pub const ROLE_KEYS: &[&str] = &["count", "node", "entry", "exit", "services", "vars"];
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
pub(super) fn blueprint(tree: &Node, problems: &mut Problems) -> Option<Blueprint> {
    let entries = map(tree, "a blueprint", problems)?;
    known_keys(entries, TOP_KEYS, "a blueprint", problems);
    let name = tree.get("name").and_then(|n| name::<ClusterName>(n, problems));
    let vars = tree.get("vars").map_or_else(Vec::new, |n| vars(n, problems));
    let addresses = tree.get("addresses").and_then(|n| addresses(n, problems));
    let inout = tree.get("inout").and_then(|n| network_options(n, problems));
    let internal = tree.get("internal").and_then(|n| network_options(n, problems));
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
    let roles = list.iter().filter_map(|entry| role(entry, problems)).collect();
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
    Some(node.clone())
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

fn role(entry: &Entry, problems: &mut Problems) -> Option<Role> {
    let name = key_name::<RoleName>(entry, problems);
    let what = format!("role `{}`", entry.key);
    let entries = map(&entry.node, &what, problems)?;
    known_keys(entries, ROLE_KEYS, "a role", problems);
    let node = &entry.node;
    let count = node.get("count").and_then(|n| count(n, problems));
    let services = match node.get("services") {
        Some(services) => map(services, "`services`", problems)
            .unwrap_or_default()
            .iter()
            .filter_map(|e| service(e, problems))
            .collect(),
        None => Vec::new(),
    };
    let nothing = match node.get("services") {
        None => true,
        Some(n) => matches!(&n.value, Yaml::Map(m) if m.is_empty()),
    };
    if nothing {
        problems.push(
            Problem::at(entry.key_span, format!("{what} has no services"))
                .hint("give it at least one: services: {app: {image: …}}"),
        );
    }
    Some(Role {
        name: name?,
        count,
        node: node.get("node").cloned(),
        entry: node.get("entry").map_or_else(Vec::new, |n| entry_points(n, problems)),
        exit: node.get("exit").map_or_else(Vec::new, |n| exits(n, problems)),
        vars: node.get("vars").map_or_else(Vec::new, |n| vars(n, problems)),
        services,
    })
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
        .filter(|n| n.value != Yaml::Null)
        .map(|n| service_networks(n, problems));
    let network_mode = entries.iter().find(|e| e.key == "network_mode").map(|e| e.key_span);
    if let (Some(span), Some(_)) = (network_mode, &networks) {
        problems
            .push(Problem::at(span, "`network_mode` and `networks` exclude each other").hint("keep one of the two"));
    }
    Some(Service {
        name: name?,
        networks,
        network_mode,
        keys: entries.iter().filter(|e| e.key != "networks").cloned().collect(),
    })
}

fn service_networks(node: &Node, problems: &mut Problems) -> Vec<ServiceNetwork> {
    match &node.value {
        Yaml::List(list) => list
            .iter()
            .filter_map(|n| {
                name(n, problems).map(|network| ServiceNetwork {
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

fn service_network(entry: &Entry, problems: &mut Problems) -> Option<ServiceNetwork> {
    let network = key_name(entry, problems)?;
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
