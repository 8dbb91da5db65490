//! Checks and counts the containers of a service.

use super::super::Expansion;
use super::Compiled;
use crate::blueprint::isolate::HINT;
use crate::blueprint::{self, MAX_COUNT};
use crate::diagnostic::{Problem, Span};
use crate::name::ContainerName;
use crate::text::decimal;
use crate::topology::Service;
use crate::value::{Map, Value};

impl Expansion<'_> {
    /// The number in `scale` or `deploy.replicas` (Compose specification, services, `scale`). The inner `None` says
    /// that neither is there, the outer one that the value was wrong and has been reported.
    #[allow(clippy::option_option)]
    pub(super) fn replicas(&mut self, service: &blueprint::Service, definition: &Map) -> Option<Option<u32>> {
        let deploy = definition.get("deploy").and_then(Value::as_map);
        let replicas = deploy.and_then(|d| d.get("replicas"));
        let mut said = Vec::new();
        for (path, value) in [("scale", definition.get("scale")), ("deploy.replicas", replicas)] {
            let Some(value) = value.filter(|v| **v != Value::Null) else {
                continue;
            };
            let count = value.scalar().and_then(|text| decimal(&text));
            let Some(count) = count.filter(|n| *n <= MAX_COUNT) else {
                self.problems.push(
                    Problem::at(place(service, path), format!("`{path}` is no number of containers"))
                        .label(format!("expected a whole number from 0 to {MAX_COUNT}")),
                );
                return None;
            };
            said.push(count);
        }
        if let [scale, replicas] = said[..]
            && scale != replicas
        {
            self.problems.push(
                Problem::at(
                    place(service, "deploy.replicas"),
                    format!(
                        "`{}` is {scale} containers by `scale` and {replicas} by `deploy.replicas`",
                        service.name.value
                    ),
                )
                .hint("say it once"),
            );
        }
        Some(said.first().copied())
    }

    /// Reports a service that cannot have this many containers: several of them cannot share a name or an address, and
    /// the entry of a node needs at least one.
    pub(super) fn can_be_as_many(&mut self, compiled: &Compiled<'_>, service: &Service) {
        let count = service.replicas;
        let name = &service.name;
        let path = match service.definition.contains_key("scale") {
            true => "scale",
            false => "deploy.replicas",
        };
        let counted = place(compiled.service, path);
        if count == 0 && compiled.joining.is_entry() {
            self.problems.push(
                Problem::at(
                    counted,
                    format!("`{name}` is the `entry` of its role and cannot be 0 containers"),
                )
                .label("the node's name would not resolve")
                .hint("leave the whole role out by `count: 0`, or give it another `entry`"),
            );
        }
        if count <= 1 {
            return;
        }
        if let Some((_, span)) = &compiled.container {
            self.problems.push(
                Problem::at(
                    *span,
                    format!(
                        "`{name}` is {count} containers, which cannot all be called `{}`",
                        service.container
                    ),
                )
                .hint(format!("leave `container_name` out: they are numbered then, {HINT}")),
            );
        } else if service.shared() {
            self.problems.push(
                Problem::at(
                    counted,
                    format!("`{name}` joins a shared network and cannot be {count} containers"),
                )
                .label("a name there resolves to one container")
                .hint("make more nodes by the role's `count`, or let another service be its `entry` or `exit`"),
            );
        } else {
            let last: Option<ContainerName> = service.containers().last();
            if last.is_none() || service.containers().count() < count as usize {
                let longest = format!("{}{count}", service.container.as_str().trim_end_matches('1'));
                self.name::<ContainerName>(&longest, counted);
            }
        }
        for attachment in &service.attachments {
            for key in ["ipv4_address", "ipv6_address"] {
                let Some(address) = attachment.options.get(key).and_then(Value::scalar) else {
                    continue;
                };
                let path = format!("networks.{}.{key}", attachment.network);
                let place = service.written.place(&path).unwrap_or(counted);
                self.problems.push(
                    Problem::at(
                        place,
                        format!("`{name}` is {count} containers, which cannot all have the address {address}"),
                    )
                    .hint(format!("leave `{key}` out: the engine gives each of them its own")),
                );
            }
        }
    }
}

/// The place where `scale` or `deploy.replicas` was written.
fn place(service: &blueprint::Service, path: &str) -> Span {
    let key = path.split('.').next().unwrap_or_default();
    let entry = service.keys.iter().find(|e| e.key == key);
    let below = entry.and_then(|e| e.node.get("replicas"));
    match (entry, below) {
        (_, Some(node)) => node.span,
        (Some(entry), None) => entry.node.span,
        (None, None) => service.name.span,
    }
}
