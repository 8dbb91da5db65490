//! Turns a tree with places into a [`Blueprint`]: checks its shape, and collects every fault.

mod cluster;
mod config;
mod network;
mod service;

use std::str::FromStr;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::Addresses;
use super::Blueprint;
use super::DEFAULT_POOL;
use super::EntryPoint;
use super::INOUT;
use super::INTERNAL;
use super::Override;
use super::Role;
use super::Service;
use super::allow;
use super::conform;
use super::count::count;
use super::document::Reader;
use super::interpolate;
use super::isolate;
use super::merge::merge;
use super::shape::{known_keys, map};
use crate::compose::{Condition, table};
use crate::diagnostic::{Problem, Problems, Span, Spanned};
use crate::name::{ClusterName, NameError, RoleName, ServiceName};
use crate::template::is_template;
use crate::yaml::{Entry, Node, Yaml};
use config::configs;
pub(super) use network::is_external;
use network::{network_options, networks, private_options, with_shared_default};
use service::service;

/// The keys of a blueprint.
pub const TOP_KEYS: &[&str] = &[
    "name",
    "vars",
    "inout",
    "internal",
    "networks",
    "volumes",
    "addresses",
    "roles",
    allow::KEY,
];
/// The keys of a role.
pub const ROLE_KEYS: &[&str] = &[
    "count",
    "node",
    "entry",
    "exit",
    "after",
    "compose",
    "take",
    "rename",
    "replace",
    "services",
    "vars",
    "configs",
    "secrets",
    "volumes",
    "networks",
    "models",
    "overrides",
    isolate::KEY,
    allow::KEY,
];
/// The keys of one item of a role's `overrides`.
pub const OVERRIDE_KEYS: &[&str] = &["services", "vars"];

/// The blueprint in `tree`; `None` when too much is wrong to go on.
pub(super) fn blueprint(tree: &Node, reader: &mut Reader<'_, '_>, profiles: &[String]) -> Option<Blueprint> {
    let problems = &mut *reader.problems;
    let entries = map(tree, "a blueprint", problems)?;
    if tree.get("roles").is_none()
        && let Some(services) = entries.iter().find(|e| e.key == "services")
    {
        problems.push(
            Problem::at(services.key_span, "this is a Compose file, not a blueprint")
                .hint("a role takes it as it is, in a `topogen.yaml` beside it: roles: {app: {compose: THIS_FILE}}"),
        );
        return None;
    }
    known_keys(entries, TOP_KEYS, "a blueprint", problems);
    let name = tree.get("name").and_then(|n| name::<ClusterName>(n, problems));
    let vars = tree.get("vars").map_or_else(Vec::new, |n| vars(n, problems));
    let addresses = tree.get("addresses").and_then(|n| addresses(n, problems));
    let mut conformed = |key: &str| {
        let mut node = tree.get(key)?.clone();
        if let (Some(row), Yaml::Map(_)) = (table::at("networks.*"), &node.value) {
            conform::conform(&mut node, row, key, reader.sources, problems);
        }
        Some(node)
    };
    let (inout, internal) = (conformed(INOUT), conformed(INTERNAL));
    let inout = inout.and_then(|n| network_options(&n, problems));
    let internal = internal.and_then(|n| private_options(&n, problems));
    let networks = cluster::networks(tree, reader.sources, problems);
    let volumes = cluster::volumes(tree, reader.sources, problems);
    let shared = cluster::Shared {
        networks: &networks,
        volumes: &volumes,
    };
    let allow = allow::allow(tree, false, problems);
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
    let roles = list
        .iter()
        .filter_map(|entry| role(entry, reader, profiles, &shared))
        .collect();
    Some(Blueprint {
        name,
        vars,
        inout,
        internal,
        networks,
        volumes,
        addresses: addresses.unwrap_or_else(default_addresses),
        roles,
        allow,
        notes: std::mem::take(&mut reader.notes),
    })
}

fn default_addresses() -> Addresses {
    match DEFAULT_POOL.parse() {
        Ok(pool) => Addresses::Pool(pool, None),
        Err(_) => Addresses::Engine,
    }
}

fn key_name<T: FromStr<Err = NameError>>(entry: &Entry, problems: &mut Problems) -> Option<Spanned<T>> {
    parse_name(&entry.key, entry.key_span, problems)
}

pub(super) fn name<T: FromStr<Err = NameError>>(node: &Node, problems: &mut Problems) -> Option<Spanned<T>> {
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

fn role(entry: &Entry, reader: &mut Reader<'_, '_>, profiles: &[String], shared: &cluster::Shared) -> Option<Role> {
    let name = key_name::<RoleName>(entry, reader.problems);
    let what = format!("role `{}`", entry.key);
    let node = &entry.node;
    known_keys(map(node, &what, reader.problems)?, ROLE_KEYS, "a role", reader.problems);
    let found = reader.problems.len();
    let mut document = reader.role(node);
    let asked = isolate::asked(node, reader.problems);
    let isolated = asked.map(|asked| isolate::document(&mut document, asked));
    let mut document = with_shared_default(document);
    shared.leave_out(&mut document, reader.problems);
    let compose_is_right = reader.problems.len() == found;
    let dotenv = std::mem::take(&mut reader.beside);
    let beside = std::mem::take(&mut reader.profiles);
    let mut left_out = std::mem::take(&mut reader.reset);
    let taking = std::mem::take(&mut reader.taking);
    let profiles = if profiles.is_empty() { &beside } else { profiles };
    let configs = configs(&document, reader);
    let problems = &mut *reader.problems;
    let mut tree = document.get("services").cloned().unwrap_or(Node {
        value: Yaml::Map(Vec::new()),
        ..document.clone()
    });
    let entries = map(&tree, "`services`", problems).unwrap_or_default().to_vec();
    if entries.is_empty() && compose_is_right {
        let hint = match ROLE_KEYS.contains(&entry.key.as_str()) {
            true => format!(
                "`{}` is a key of a role: indent it below the role that it belongs to",
                entry.key
            ),
            false => "give it at least one: services: {app: {image: …}}".to_owned(),
        };
        problems.push(Problem::at(entry.key_span, format!("{what} has no services")).hint(hint));
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
    left_out.extend(inactive.iter().cloned());
    let services = services(&tree, &inactive, problems, reader.variables);
    let (networks, internal) = networks(&document, problems);
    let section = |key: &str, problems: &mut Problems| match document.get(key) {
        Some(node) if node.value != Yaml::Null => map(node, &format!("`{key}`"), problems).unwrap_or_default().to_vec(),
        _ => Vec::new(),
    };
    let overrides = node
        .get("overrides")
        .map_or_else(Vec::new, |n| overrides(n, &tree, &inactive, reader));
    let problems = &mut *reader.problems;
    Some(Role {
        count: node.get("count").and_then(|n| count(n, problems)),
        node: node.get("node").cloned(),
        entry: node.get("entry").map_or_else(Vec::new, |n| entry_points(n, problems)),
        exit: node.get("exit").map_or_else(Vec::new, |n| exits(n, problems)),
        after: node.get("after").map_or_else(Vec::new, |n| after(n, problems)),
        vars: node.get("vars").map_or_else(Vec::new, |n| vars(n, problems)),
        overrides,
        volumes: section("volumes", problems),
        extensions: extensions(&document),
        allow: allow::allow(node, true, problems),
        beside: Arc::new(dotenv),
        inactive,
        left_out: left_out.into(),
        taking,
        whole: reader.whole,
        services,
        tree,
        networks,
        internal,
        configs,
        isolated,
        name: name?,
    })
}

/// The top-level `models` and `x-…` keys of the Compose files, which are for Compose and other tools.
fn extensions(document: &Node) -> Vec<Entry> {
    match &document.value {
        Yaml::Map(entries) => {
            let are_kept = |e: &&Entry| e.key == "models" || e.key.starts_with("x-");
            entries.iter().filter(are_kept).cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a service takes part: it has no profiles, or one of them is active.
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
    for entry in found.iter_mut().flat_map(|s| &mut s.keys) {
        match (&mut entry.node.value, entry.key.as_str()) {
            (_, "environment") => interpolate::names(&mut entry.node, variables),
            (Yaml::Map(build), "build") => {
                let args = build.iter_mut().filter(|e| e.key == "args");
                args.for_each(|args| interpolate::names(&mut args.node, variables));
            }
            // A dependency with `required: false` is dropped when its profile is not active.
            (Yaml::Map(entries), "depends_on") => entries.retain(|e| {
                let optional = e.node.get("required").map(|n| &n.value) == Some(&Yaml::Bool(false));
                !(optional && inactive.contains(&e.key))
            }),
            _ => {}
        }
    }
    found
}

fn overrides(node: &Node, services_tree: &Node, inactive: &[String], reader: &mut Reader<'_, '_>) -> Vec<Override> {
    let (sources, variables) = (&*reader.sources, &*reader.variables);
    let problems = &mut *reader.problems;
    let mut found = Vec::new();
    for entry in map(node, "`overrides`", problems).unwrap_or_default() {
        let what = format!("override of `{}`", entry.key);
        let Some(keys) = map(&entry.node, &what, problems) else {
            continue;
        };
        known_keys(keys, OVERRIDE_KEYS, "an override", problems);
        let mut merged = services_tree.clone();
        if let Some(over) = entry.node.get("services")
            && map(over, "`services`", problems).is_some()
            && let Some(row) = table::at("services")
        {
            let mut over = over.clone();
            conform::conform_part(&mut over, row, "services", sources, problems);
            merged = merge(services_tree.clone(), over, Some(row)).unwrap_or(merged);
        }
        found.push(Override {
            node: Spanned::new(entry.key.clone(), entry.key_span),
            services: services(&merged, inactive, problems, variables),
            vars: entry.node.get("vars").map_or_else(Vec::new, |n| vars(n, problems)),
        });
    }
    found
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

/// `after`: a role, a list of roles, or a map of roles to conditions.
fn after(node: &Node, problems: &mut Problems) -> Vec<(Spanned<RoleName>, Condition)> {
    let started = |name| (name, Condition::Started);
    match &node.value {
        Yaml::Null => Vec::new(),
        Yaml::List(list) => list.iter().filter_map(|n| name(n, problems)).map(started).collect(),
        Yaml::Map(entries) => {
            let mut found = Vec::new();
            for entry in entries {
                let condition = match entry.node.scalar().as_deref() {
                    Some("started") => Condition::Started,
                    Some("healthy") => Condition::Healthy,
                    other => {
                        let other = other.map_or_else(|| entry.node.kind().to_owned(), |text| format!("`{text}`"));
                        problems.push(
                            Problem::at(entry.node.span, "not a condition")
                                .label(format!("expected `started` or `healthy`, found {other}")),
                        );
                        continue;
                    }
                };
                found.extend(key_name(entry, problems).map(|name| (name, condition)));
            }
            found
        }
        _ => name(node, problems).into_iter().map(started).collect(),
    }
}

/// An alias must be a scalar. Its characters are checked after its template was rendered.
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
