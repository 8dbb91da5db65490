//! What must agree with what, inside one blueprint: every fault collected.

use super::{Blueprint, INOUT, INTERNAL, Role, Service};
use crate::compose::references;
use crate::diagnostic::{Problem, Problems, Spanned};
use crate::name::ServiceName;

pub(super) fn blueprint(blueprint: &Blueprint, problems: &mut Problems) {
    for role in &blueprint.roles {
        for entry in &role.entry {
            service_exists(role, "entry", &entry.service, problems);
        }
        for exit in &role.exit {
            service_exists(role, "exit", exit, problems);
            if role.entry.iter().any(|e| e.service.value == exit.value) {
                problems.push(
                    Problem::at(exit.span, format!("`{}` is `entry` and `exit` at once", exit.value))
                        .hint("an entry reaches the other nodes too: leave it out of `exit`"),
                );
            }
        }
        for service in &role.services {
            networks_exist(service, problems);
            references_exist(role, service, problems);
        }
        cycles(role, problems);
    }
}

fn service_exists(role: &Role, key: &str, name: &Spanned<ServiceName>, problems: &mut Problems) {
    let Some(service) = role.services.iter().find(|s| s.name.value == name.value) else {
        problems.push(
            Problem::at(
                name.span,
                format!(
                    "`{key}` of role `{}` names no service: `{}`",
                    role.name.value, name.value
                ),
            )
            .did_you_mean(name.value.as_str(), service_names(role)),
        );
        return;
    };
    if let Some(span) = service.network_mode {
        problems.push(
            Problem::at(
                span,
                format!(
                    "`{}` is the `{key}` of its role and cannot have `network_mode`",
                    name.value
                ),
            )
            .hint("an entry or exit joins networks: remove `network_mode`, or name another service"),
        );
    }
}

fn service_names(role: &Role) -> impl Iterator<Item = &str> {
    role.services.iter().map(|s| s.name.value.as_str())
}

fn networks_exist(service: &Service, problems: &mut Problems) {
    for network in service.networks.iter().flatten() {
        let key = network.network.value.as_str();
        if ![INTERNAL, INOUT].contains(&key) {
            problems.push(
                Problem::at(network.network.span, format!("no network `{key}`")).did_you_mean(key, [INTERNAL, INOUT]),
            );
        }
    }
}

fn references_exist(role: &Role, service: &Service, problems: &mut Problems) {
    for reference in service.keys.iter().flat_map(references::of) {
        if role.services.iter().any(|s| s.name.value.as_str() == reference.service) {
            continue;
        }
        problems.push(
            Problem::at(
                reference.span,
                format!(
                    "`{}` of `{}` names no service: `{}`",
                    reference.key, service.name.value, reference.service
                ),
            )
            .did_you_mean(&reference.service, service_names(role)),
        );
    }
}

/// `depends_on` must lead nowhere back to itself.
fn cycles(role: &Role, problems: &mut Problems) {
    let edges = |service: &Service| -> Vec<String> {
        service
            .keys
            .iter()
            .filter(|e| e.key == "depends_on")
            .flat_map(references::of)
            .map(|r| r.service)
            .collect()
    };
    // 0: not seen, 1: on the way, 2: done.
    let mut state = vec![0u8; role.services.len()];
    let index = |name: &str| role.services.iter().position(|s| s.name.value.as_str() == name);
    for start in 0..role.services.len() {
        let mut path: Vec<(usize, Vec<String>)> = Vec::new();
        if state[start] == 0 {
            state[start] = 1;
            path.push((start, edges(&role.services[start])));
        }
        while let Some((at, rest)) = path.last_mut() {
            let Some(next) = rest.pop() else {
                state[*at] = 2;
                path.pop();
                continue;
            };
            let Some(next) = index(&next) else { continue };
            match state[next] {
                0 => {
                    state[next] = 1;
                    path.push((next, edges(&role.services[next])));
                }
                1 => {
                    let from = path.iter().position(|(n, _)| *n == next).unwrap_or(0);
                    let names: Vec<String> = path[from..]
                        .iter()
                        .map(|(n, _)| *n)
                        .chain([next])
                        .map(|n| format!("`{}`", role.services[n].name.value))
                        .collect();
                    let service = &role.services[next];
                    let place = service.keys.iter().find(|e| e.key == "depends_on").map(|e| e.key_span);
                    problems.push(
                        Problem::at(
                            place.unwrap_or(service.name.span),
                            format!("`depends_on` goes in a circle: {}", names.join(" → ")),
                        )
                        .hint("remove one of these dependencies: none of them could start first"),
                    );
                }
                _ => {}
            }
        }
    }
}
