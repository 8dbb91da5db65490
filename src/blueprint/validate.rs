//! Checks references between the parts of one blueprint, and collects every fault.

use std::collections::{BTreeSet, HashMap};

use super::Blueprint;
use super::Count;
use super::INOUT;
use super::INTERNAL;
use super::MAX_COUNT;
use super::Role;
use super::Service;
use super::merge;
use crate::compose::ConfigKind;
use crate::compose::mounts_of_windows;
use crate::compose::references;
use crate::diagnostic::{Instead, Problem, Problems, Span, Spanned};
use crate::name::{RoleName, ServiceName};
use crate::template::is_template;
use crate::text::decimal;
use crate::toposort;
use crate::yaml::{Node, Yaml};

pub(super) fn blueprint(blueprint: &Blueprint, problems: &mut Problems) {
    order(&blueprint.roles, problems);
    for role in &blueprint.roles {
        let plain = Checked {
            blueprint,
            role,
            services: &role.services,
        };
        plain.all(problems);
        for over in &role.overrides {
            node_can_be(role, &over.node, problems);
            let overridden = Checked {
                blueprint,
                role,
                services: &over.services,
            };
            overridden.all(problems);
        }
    }
}

/// Checks that the roles in `after` are defined, and that none waits for itself, directly or by way of others.
fn order(roles: &[Role], problems: &mut Problems) {
    let names = || roles.iter().map(|r| r.name.value.as_str());
    let places: HashMap<&RoleName, usize> = roles.iter().zip(0..).map(|(r, at)| (&r.name.value, at)).collect();
    for role in roles {
        for (after, _) in &role.after {
            if !places.contains_key(&after.value) {
                problems.push(
                    Problem::at(after.span, format!("unknown role `{}`", after.value))
                        .did_you_mean(after.value.as_str(), names().filter(|n| *n != role.name.value.as_str())),
                );
            }
        }
    }
    let waits = roles.iter().map(|r| {
        let after = r.after.iter().filter_map(|(after, _)| places.get(&after.value));
        after.copied().collect()
    });
    let waits: Vec<BTreeSet<usize>> = waits.collect();
    let left: Vec<&Role> = toposort::sorted(&waits)
        .circular
        .into_iter()
        .map(|at| &roles[at])
        .collect();
    if let Some(role) = left.first()
        && let Some((after, _)) = role
            .after
            .iter()
            .find(|(a, _)| left.iter().any(|l| l.name.value == a.value))
    {
        let names: Vec<String> = left.iter().map(|r| format!("`{}`", r.name.value)).collect();
        let message = match left.len() {
            1 => format!("role {} starts after itself", names[0]),
            _ => format!("roles {} wait for each other, so none could start", names.join(", ")),
        };
        problems.push(Problem::at(after.span, message).hint("take one out of `after`"));
    }
}

/// Checks that the role can have the node that an override names, whatever its current count.
fn node_can_be(role: &Role, node: &Spanned<String>, problems: &mut Problems) {
    let name = role.name.value.as_str();
    // As nodes are numbered, without zeros before: `slave01` would never be one.
    let is_index = |text: &str| !text.starts_with('0') && decimal::<u32>(text).is_some_and(|n| n <= MAX_COUNT);
    let expected = match &role.count {
        None => node.value == name,
        Some(Count::Number(_)) => node.value.strip_prefix(name).is_some_and(is_index),
        Some(Count::Dimensions(dimensions, _)) => node.value.strip_prefix(name).is_some_and(|rest| {
            let mut indices = rest.split('-');
            let follows = indices.next() == Some("");
            let indices: Vec<&str> = indices.collect();
            follows && indices.len() == dimensions.len() && indices.into_iter().all(is_index)
        }),
    };
    if !expected && role.node.is_none() {
        let hint = match &role.count {
            None => format!("its only node is called `{name}`"),
            Some(Count::Number(_)) => format!("its nodes are called `{name}1`, `{name}2`, …"),
            Some(Count::Dimensions(dimensions, _)) => {
                let (first, last) = ("-1".repeat(dimensions.len()), "-1".repeat(dimensions.len() - 1));
                format!("its nodes are called `{name}{first}`, `{name}{last}-2`, …")
            }
        };
        problems.push(Problem::at(node.span, format!("role `{name}` has no node `{}`", node.value)).hint(hint));
    }
}

/// The services of a role, either for all of its nodes or for one.
struct Checked<'a> {
    blueprint: &'a Blueprint,
    role: &'a Role,
    services: &'a [Service],
}

impl Checked<'_> {
    fn all(&self, problems: &mut Problems) {
        if !self.role.whole {
            return;
        }
        for entry in &self.role.entry {
            self.service_exists("entry", &entry.service, problems);
        }
        for exit in &self.role.exit {
            self.service_exists("exit", exit, problems);
            if self.role.entry.iter().any(|e| e.service.value == exit.value) {
                problems.push(
                    Problem::at(exit.span, format!("`{}` is `entry` and `exit` at once", exit.value))
                        .hint("an entry reaches the other nodes too: leave it out of `exit`"),
                );
            }
        }
        for service in self.services {
            self.networks_exist(service, problems);
            self.references_exist(service, problems);
            self.volumes_exist(service, problems);
            self.models_exist(service, problems);
            one_dockerfile(service, problems);
            tmpfs_mounted_once(service, problems);
            for kind in [ConfigKind::Config, ConfigKind::Secret] {
                self.configs_exist(service, kind, problems);
            }
        }
        cycles(self.services, problems);
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|s| s.name.value.as_str())
    }

    /// Why a service does not exist, if it was left out.
    fn left_out(&self, name: &str) -> Option<String> {
        let inactive = self.role.inactive.iter().any(|n| n == name);
        if inactive {
            return Some(format!(
                "`{name}` is left out because none of its `profiles` is active: `--profile NAME`"
            ));
        }
        self.role.taking.why_not(name, &self.role.left_out)
    }

    fn service_exists(&self, key: &str, name: &Spanned<ServiceName>, problems: &mut Problems) {
        let Some(service) = self.services.iter().find(|s| s.name.value == name.value) else {
            let message = format!(
                "unknown service `{}` in `{key}` of role `{}`",
                name.value, self.role.name.value
            );
            let problem = Problem::at(name.span, message);
            problems.push(match self.left_out(name.value.as_str()) {
                Some(why) => problem.hint(why),
                None => problem.did_you_mean(name.value.as_str(), self.names()),
            });
            return;
        };
        if let Some(span) = service.network_mode {
            let message = format!(
                "`{}` is the `{key}` of its role and cannot have `network_mode`",
                name.value
            );
            problems.push(
                Problem::at(span, message)
                    .hint("an entry or exit joins networks: remove `network_mode`, or name another service"),
            );
        }
    }

    fn networks_exist(&self, service: &Service, problems: &mut Problems) {
        let own = self.role.networks.iter().map(|n| n.key.value.as_str());
        let cluster = &self.blueprint.networks;
        let single = cluster
            .iter()
            .filter(|n| n.count.is_none())
            .map(|n| n.key.value.as_str());
        let known: Vec<&str> = [INTERNAL, INOUT].into_iter().chain(own).chain(single).collect();
        for network in service.networks.iter().flatten().filter_map(|n| n.network.key()) {
            let key = network.value.as_str();
            if !known.contains(&key) && !cluster.iter().any(|n| n.may_be(key)) {
                let problem = Problem::at(network.span, format!("unknown network `{key}`"));
                if let Some(several) = cluster.iter().find(|n| n.key.value.as_str() == key) {
                    let dash = if several.dimensions() == 0 { "" } else { "-" };
                    problems.push(problem.label("several networks are counted by that name").hint(format!(
                        "name one, `{key}{dash}1{}`, or let a template say which: \"{key}{dash}{{{{ node.index }}}}{}\"",
                        "-1".repeat(several.dimensions().saturating_sub(1)),
                        "-1".repeat(several.dimensions().saturating_sub(1)),
                    )));
                    continue;
                }
                // The reference stands in a Compose file, or in one that `extends` names, and its networks are defined
                // there.
                let elsewhere = network.span.file != self.role.name.span.file;
                problems.push(match Instead::of(key, known.iter().copied()) {
                    Instead::OneOf(list) if elsewhere => problem.hint(format!(
                        "{list}; define it in the role, networks: {{{key}: {{}}}}, or leave it out: `networks: !reset` \
                         in `{}` there",
                        service.name.value
                    )),
                    Instead::Near(hint) | Instead::OneOf(hint) => problem.hint(hint),
                    Instead::Unknown => problem,
                });
            }
        }
    }

    fn references_exist(&self, service: &Service, problems: &mut Problems) {
        for reference in service.keys.iter().flat_map(references::of) {
            if self.names().any(|n| n == reference.service) {
                continue;
            }
            let message = format!(
                "unknown service `{}` in `{}` of `{}`",
                reference.service, reference.key, service.name.value
            );
            let others = self.names().filter(|n| *n != service.name.value.as_str());
            let after = match reference.key.as_str() {
                "depends_on" => ", `after` of the role waits for other roles",
                _ => "",
            };
            // A name that is not misspelt is probably a service of another role, since a role may take only a part of a
            // Compose file.
            let out = format!("`{}: !reset` leaves the key out{after}", reference.key);
            let hint = match (
                self.left_out(&reference.service),
                Instead::of(&reference.service, others),
            ) {
                (Some(hint), _) | (None, Instead::Near(hint)) => hint,
                (None, Instead::OneOf(list)) => format!("{list}; {out}"),
                (None, Instead::Unknown) => format!("it is no service of this role: {out}"),
            };
            problems.push(Problem::at(reference.span, message).hint(hint));
        }
    }

    fn volumes_exist(&self, service: &Service, problems: &mut Problems) {
        let Some(Yaml::List(list)) = service.keys.iter().find(|e| e.key == "volumes").map(|e| &e.node.value) else {
            return;
        };
        let own = || self.role.volumes.iter().map(|v| v.key.as_str());
        let known = || own().chain(self.blueprint.volumes.iter().map(|v| v.key.as_str()));
        for item in list {
            let of_volume = item.get("type").and_then(Node::scalar).is_some_and(|t| t == "volume");
            let (name, place) = match &item.value {
                Yaml::Map(_) if of_volume => match item.get("source").and_then(|n| Some((n.scalar()?, n.span))) {
                    Some(named) => named,
                    None => continue,
                },
                // A text of too many parts is reported where the mounts are read.
                Yaml::Text(text) if mounts_of_windows(text) || text.split(':').count() > 3 => continue,
                Yaml::Text(text) => match text.split_once(':') {
                    Some((source, _)) => (source.to_owned(), item.span),
                    None => continue,
                },
                _ => continue,
            };
            // A path is one of the host, and a template is known only for each node.
            if name.starts_with(['.', '/', '~']) || name.contains(['\\', '{']) || known().any(|k| k == name) {
                continue;
            }
            let problem = Problem::at(
                place,
                format!("unknown volume `{name}` in `volumes` of `{}`", service.name.value),
            );
            problems.push(if known().next().is_none() {
                problem.hint(format!(
                    "define it in the role: volumes: {{{name}: {{}}}}; a path begins with `./` or `/`"
                ))
            } else {
                problem.did_you_mean(&name, known())
            });
        }
    }

    fn models_exist(&self, service: &Service, problems: &mut Problems) {
        let defined = self.role.extensions.iter().find(|e| e.key == "models");
        let known = || match defined.map(|e| &e.node.value) {
            Some(Yaml::Map(entries)) => entries.as_slice(),
            _ => &[],
        };
        let named: Vec<(String, Span)> = match service.keys.iter().find(|e| e.key == "models").map(|e| &e.node.value) {
            Some(Yaml::List(list)) => list.iter().filter_map(|n| Some((n.scalar()?, n.span))).collect(),
            Some(Yaml::Map(entries)) => entries.iter().map(|e| (e.key.clone(), e.key_span)).collect(),
            _ => return,
        };
        for (name, place) in named {
            if known().iter().any(|e| e.key == name) || is_template(&name) {
                continue;
            }
            let problem = Problem::at(
                place,
                format!("unknown model `{name}` in `models` of `{}`", service.name.value),
            );
            problems.push(problem.did_you_mean(&name, known().iter().map(|e| e.key.as_str())));
        }
    }

    fn configs_exist(&self, service: &Service, kind: ConfigKind, problems: &mut Problems) {
        let section = kind.section();
        let Some(node) = service.keys.iter().find(|e| e.key == section).map(|e| &e.node) else {
            return;
        };
        let Yaml::List(list) = &node.value else {
            problems.push(
                Problem::at(node.span, format!("`{section}` of a service is a list"))
                    .label(format!("found {}", node.kind())),
            );
            return;
        };
        let volumes = service.keys.iter().find(|e| e.key == "volumes").map(|e| &e.node.value);
        let mounted: Vec<String> = match volumes {
            Some(Yaml::List(list)) => list.iter().filter_map(|v| merge::target(v, "volumes")).collect(),
            _ => Vec::new(),
        };
        let mut targets: Vec<String> = Vec::new();
        for item in list {
            let named = match &item.value {
                Yaml::Map(_) => item.get("source"),
                _ => Some(item),
            };
            let Some((source, place)) = named.and_then(|n| Some((n.scalar()?, n.span))) else {
                problems.push(Problem::at(item.span, format!("one of `{section}` names no source")));
                continue;
            };
            let defined = || {
                self.role
                    .configs
                    .iter()
                    .filter(|c| c.kind == kind)
                    .map(|c| c.name.value.as_str())
            };
            if !defined().any(|n| n == source) {
                let problem = Problem::at(
                    place,
                    format!(
                        "unknown {} `{source}` in `{section}` of `{}`",
                        section.trim_end_matches('s'),
                        service.name.value
                    ),
                );
                problems.push(if defined().next().is_none() {
                    problem.hint(format!("define it in the role: {section}: {{{source}: {{file: …}}}}"))
                } else {
                    problem.did_you_mean(&source, defined())
                });
            }
            let target = item
                .get("target")
                .and_then(Node::scalar)
                .unwrap_or_else(|| kind.default_target(&source));
            if targets.contains(&target) {
                problems.push(
                    Problem::at(
                        item.get("target").map_or(place, |n| n.span),
                        format!("`{target}` is mounted twice"),
                    )
                    .hint("give one of them another `target`"),
                );
            }
            if mounted.iter().any(|m| same_path(m, &target)) {
                problems.push(
                    Problem::at(
                        item.get("target").map_or(place, |n| n.span),
                        format!(
                            "`volumes` and `{section}` of `{}` both mount `{target}`",
                            service.name.value
                        ),
                    )
                    .hint("give one of them another target; over a Compose file, `volumes: !reset` takes all its mounts away, `!override` all but those it lists"),
                );
            }
            targets.push(target);
        }
    }
}

/// Reports a `tmpfs` where another one or a volume is mounted, which no engine takes.
fn tmpfs_mounted_once(service: &Service, problems: &mut Problems) {
    let items = |key: &str| -> Vec<&Node> {
        match service.keys.iter().find(|e| e.key == key).map(|e| &e.node) {
            Some(node) => match &node.value {
                Yaml::List(list) => list.iter().collect(),
                _ => vec![node],
            },
            None => Vec::new(),
        }
    };
    let volumes = items("volumes").into_iter().filter_map(|v| merge::target(v, "volumes"));
    let mut mounted: Vec<String> = volumes.collect();
    for item in items("tmpfs") {
        let Some(text) = item.scalar() else { continue };
        let target = text.split(':').next().unwrap_or_default();
        if mounted.iter().any(|m| same_path(m, target)) {
            problems.push(
                Problem::at(item.span, format!("`{target}` is mounted twice"))
                    .hint("keep one of the two; over a Compose file, `!override` in place of what it lists"),
            );
        }
        mounted.push(target.to_owned());
    }
}

/// Reports a `build` that says both where its Dockerfile is and what is in it.
fn one_dockerfile(service: &Service, problems: &mut Problems) {
    let Some(build) = service.keys.iter().find(|e| e.key == "build").map(|e| &e.node) else {
        return;
    };
    if let (Some(_), Some(inline)) = (build.get("dockerfile"), build.get("dockerfile_inline")) {
        problems.push(
            Problem::at(inline.span, "`build` has a `dockerfile` and a `dockerfile_inline`")
                .hint("keep one of the two; over a Compose file, `dockerfile: !reset` takes the other away"),
        );
    }
}

/// Whether two container paths are the same, however they are written.
fn same_path(one: &str, other: &str) -> bool {
    fn parts(path: &str) -> impl Iterator<Item = &str> {
        path.split('/').filter(|part| !part.is_empty())
    }
    parts(one).eq(parts(other))
}

/// Checks that no service waits for itself, by `depends_on` or by sharing something of another service.
fn cycles(services: &[Service], problems: &mut Problems) {
    let edges =
        |service: &Service| -> Vec<references::Reference> { service.keys.iter().flat_map(references::of).collect() };
    // 0: not visited, 1: on the current path, 2: finished.
    let mut state = vec![0u8; services.len()];
    let index = |name: &str| services.iter().position(|s| s.name.value.as_str() == name);
    for start in 0..services.len() {
        // Each service with the key that led to it, and its references that are left to follow.
        let mut path: Vec<(usize, String, Vec<references::Reference>)> = Vec::new();
        if state[start] == 0 {
            state[start] = 1;
            path.push((start, String::new(), edges(&services[start])));
        }
        while let Some((at, _, rest)) = path.last_mut() {
            let Some(reference) = rest.pop() else {
                state[*at] = 2;
                path.pop();
                continue;
            };
            let Some(next) = index(&reference.service) else {
                continue;
            };
            match state[next] {
                0 => {
                    state[next] = 1;
                    path.push((next, reference.key, edges(&services[next])));
                }
                1 => {
                    let from = path.iter().position(|(n, ..)| *n == next).unwrap_or(0);
                    let circle = &path[from..];
                    let keys = circle[1..].iter().map(|(_, key, _)| key).chain([&reference.key]);
                    let names = circle.iter().map(|(n, ..)| *n).chain([next]);
                    problems.push(circle_of(services, keys, names));
                }
                _ => {}
            }
        }
    }
}

/// Describes a circle through the services `names`; each refers to the next by one of `keys`.
fn circle_of<'k>(
    services: &[Service],
    keys: impl Iterator<Item = &'k String>,
    names: impl Iterator<Item = usize>,
) -> Problem {
    let keys: Vec<&String> = keys.collect();
    let names: Vec<usize> = names.collect();
    let service = &services[names[0]];
    let place = service
        .keys
        .iter()
        .find(|e| keys.first().is_some_and(|key| e.key == **key));
    let mut words: Vec<String> = Vec::new();
    for word in keys.iter().map(|key| format!("`{key}`")) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let verb = if words.len() == 1 { "goes" } else { "go" };
    let names: Vec<String> = names.iter().map(|n| format!("`{}`", services[*n].name.value)).collect();
    Problem::at(
        place.map_or(service.name.span, |e| e.key_span),
        format!("{} {verb} in a circle: {}", words.join(" and "), names.join(" → ")),
    )
    .hint("remove one of these dependencies: none of them could start first")
}
