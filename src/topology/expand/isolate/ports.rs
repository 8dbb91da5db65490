//! Ports of the host: chosen by the engine, moved by as much for each node, or not published.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexSet;

use super::super::super::Node;
use super::super::Expansion;
use super::change;
use crate::blueprint::isolate::HostPorts;
use crate::compose::ports::{self, Port};
use crate::diagnostic::{Problem, Span};
use crate::value::Value;

impl Expansion<'_> {
    /// Gives `node` ports of the host of its own. What of it goes past the last port is `reported` once for all nodes.
    pub(super) fn host_ports(&mut self, node: &mut Node, asked: HostPorts, reported: &mut HashSet<Span>) {
        if asked == HostPorts::Keep {
            return;
        }
        for at in 0..node.services.len() {
            let Some(items) = node.services[at]
                .get("ports")
                .and_then(Value::as_list)
                .map(<[_]>::to_vec)
            else {
                continue;
            };
            let path = format!("services.{}.ports", node.services[at].name);
            let mut published = Vec::with_capacity(items.len());
            let mut exposed = Vec::new();
            let mut changed = false;
            for (number, item) in items.into_iter().enumerate() {
                // What is no port is reported where ports are compared.
                let Ok(port) = ports::read(&item) else {
                    published.push(item);
                    continue;
                };
                if asked == HostPorts::Dropped {
                    let target = port.exposed();
                    change(node, path.clone(), shown(&item), format!("expose: {target}"));
                    exposed.push(target);
                    changed = true;
                    continue;
                }
                let Some(was) = port.published else {
                    published.push(item);
                    continue;
                };
                let now = match asked {
                    HostPorts::Shifted(step) => match shifted(was, step, node.index - 1) {
                        Ok(now) => Some(now),
                        Err(beyond) => {
                            self.beyond(node, at, number, was, beyond, reported);
                            // Nothing else follows from it.
                            None
                        }
                    },
                    _ => None,
                };
                let new = if now == Some(was) {
                    item
                } else {
                    ports::republished(&item, now)
                };
                if now != Some(was) {
                    let was = items_text(&port, was);
                    change(node, path.clone(), was, shown(&new));
                    changed = true;
                }
                published.push(new);
            }
            if !changed {
                continue;
            }
            let definition = Arc::make_mut(&mut node.services[at].definition);
            if !exposed.is_empty() {
                let said = definition.get("expose").and_then(Value::as_list).unwrap_or_default();
                let all: IndexSet<String> = said.iter().filter_map(Value::scalar).chain(exposed).collect();
                let all: Vec<Value> = all.into_iter().map(Value::from).collect();
                definition.insert("expose".into(), all.into());
            }
            if published.is_empty() {
                definition.shift_remove("ports");
            } else {
                // Two ports of the host that lead to one of the container are one that the engine chooses.
                let once = ports::each_once(&published).unwrap_or(published);
                definition.insert("ports".into(), once.into());
            }
        }
    }

    /// Reports that a node would publish the port `beyond`, which no host has.
    fn beyond(
        &mut self,
        node: &Node,
        service: usize,
        item: usize,
        was: (u16, u16),
        beyond: u64,
        reported: &mut HashSet<Span>,
    ) {
        let service = &node.services[service];
        let place = self.port_place(node, service, item);
        if !reported.insert(place) {
            return;
        }
        let most = if node.index > 1 {
            (u64::from(u16::MAX) - u64::from(was.1)) / u64::from(node.index - 1)
        } else {
            0
        };
        let fewer = match most {
            0 => String::new(),
            most => format!("`isolate: {{ports: {most}}}` goes as far as `{}`, and ", node.name),
        };
        self.problems.push(
            Problem::at(
                place,
                format!(
                    "`{}` of `{}` would publish port {beyond} of the host",
                    service.name, node.name
                ),
            )
            .label("65535 is the last")
            .hint(format!("{fewer}`isolate: {{ports: true}}` lets the engine choose"))
            .by_itself(),
        );
    }
}

/// The ports `was` of the node with this `ordinal`, each node's `step` after those of the one before.
///
/// # Errors
/// The last of them, where that is past the last port.
fn shifted(was: (u16, u16), step: u16, ordinal: u32) -> Result<(u16, u16), u64> {
    let more = u64::from(step) * u64::from(ordinal);
    let moved = |port: u16| u64::from(port) + more;
    match (u16::try_from(moved(was.0)), u16::try_from(moved(was.1))) {
        (Ok(first), Ok(last)) => Ok((first, last)),
        _ => Err(moved(was.1)),
    }
}

/// An item of `ports` in its short form, with the ports `host` of the host.
fn items_text(port: &Port, host: (u16, u16)) -> String {
    format!("{}:{}", ports::range_text(host), port.exposed())
}

/// An item of `ports` in its short form, without the address of the host.
fn shown(item: &Value) -> String {
    match ports::read(item) {
        Ok(port) => match port.published {
            Some(host) => items_text(&port, host),
            None => port.exposed(),
        },
        Err(_) => item.scalar().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_move_by_the_ordinal_and_not_past_the_last() {
        assert_eq!(shifted((8080, 8080), 100, 0), Ok((8080, 8080)));
        assert_eq!(shifted((8080, 8082), 100, 3), Ok((8380, 8382)));
        assert_eq!(shifted((65000, 65535), 1, 0), Ok((65000, 65535)));
        assert_eq!(shifted((65000, 65535), 1, 1), Err(65536));
        assert_eq!(shifted((1, 1), u16::MAX, u32::MAX), Err(281_470_681_677_826));
    }
}
