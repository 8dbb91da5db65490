//! A topology in the engine's words: what `up` will ask for, or why it cannot.
//!
//! Every service key is either translated here or refused by its path, before anything is touched.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bollard::models::{ContainerCreateBody, EndpointSettings, HostConfig, Ipam, IpamConfig, NetworkCreateRequest};
use serde_json::json;

use super::{ContainerSpec, FileSpec, NetworkSpec, Wanted, WantedNode, hash, label, sha256};
use crate::blueprint::{ConfigKind, INOUT, INTERNAL};
use crate::diagnostic::{Problem, Problems};
use crate::name::{ContainerName, NetworkName};
use crate::topology::{Attachment, ConfigSource, Network, Node, Service, Topology};
use crate::value::{Map, Value};

/// Where a cluster comes from: told to the engine for people to see, and no part of what is compared.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The blueprint's path, or the name of a shipped one.
    pub blueprint: String,
    /// The directory it stands in.
    pub directory: String,
}

/// What the engine is to be told of `topology`.
///
/// # Errors
/// Every key that has no translation, each by its path.
pub fn translate(topology: &Topology, origin: &Origin) -> Result<Wanted, Problems> {
    let mut problems = Problems::default();
    let inout = Arc::new(network(topology, None, &topology.inout, &mut problems));
    let mut nodes = Vec::with_capacity(topology.nodes.len());
    for node in &topology.nodes {
        let networks = node.networks.iter();
        let networks = networks.map(|n| Arc::new(network(topology, Some(node), n, &mut problems)));
        let networks = networks.collect();
        let service = |service| {
            let mut translation = Translation {
                topology,
                node,
                service,
                problems: &mut problems,
            };
            Arc::new(translation.container(origin))
        };
        nodes.push(WantedNode {
            name: node.name.clone(),
            networks,
            containers: node.services.iter().map(service).collect(),
        });
    }
    let shared = topology
        .shared
        .iter()
        .map(|n| Arc::new(network(topology, None, n, &mut problems)))
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Wanted {
        shared,
        cluster: topology.cluster.clone(),
        roles: topology.roles.clone(),
        inout,
        nodes,
        layout: topology.layout,
    })
}

fn network(topology: &Topology, node: Option<&Node>, network: &Network, problems: &mut Problems) -> NetworkSpec {
    let mut labels = HashMap::from([
        (label::CLUSTER.to_owned(), topology.cluster.to_string()),
        (label::compose::NETWORK.to_owned(), network.key.to_string()),
        (label::compose::VERSION.to_owned(), version()),
    ]);
    if let Some(node) = node {
        labels.insert(label::NODE.to_owned(), node.name.to_string());
        labels.insert(label::compose::PROJECT.to_owned(), node.project.to_string());
    }
    let mut request = NetworkCreateRequest {
        name: network.name.to_string(),
        driver: Some("bridge".to_owned()),
        ..NetworkCreateRequest::default()
    };
    let path = match (node, network.key.as_str()) {
        (_, key @ (INTERNAL | INOUT)) => key.to_owned(),
        (Some(node), key) => format!("roles.{}.networks.{key}", node.role),
        (None, key) => format!("networks.{key}"),
    };
    let path = path.as_str();
    for (key, value) in network.options.iter() {
        match &**key {
            "driver" => request.driver = value.scalar(),
            "internal" => request.internal = Some(*value == Value::Bool(true)),
            "attachable" => request.attachable = Some(*value == Value::Bool(true)),
            "enable_ipv6" => request.enable_ipv6 = Some(*value == Value::Bool(true)),
            "driver_opts" => request.options = Some(strings(value)),
            "labels" => labels.extend(strings(value)),
            "ipam" => request.ipam = ipam(value, path, problems),
            key if key.starts_with("x-") => {}
            key => refuse(problems, &format!("{path}.{key}")),
        }
    }
    request.labels = Some(labels.clone());
    // Where a subnet lies may differ from engine to engine; that it is large enough may not.
    let hash = hash(&(&request, network.subnet.map(|s| s.prefix_len())));
    labels.insert(label::CONFIG_HASH.to_owned(), hash.clone());
    request.labels = Some(labels);
    NetworkSpec {
        name: network.name.clone(),
        node: node.map(|n| n.name.clone()),
        external: network.external,
        subnet: network.subnet,
        request,
        hash,
    }
}

/// `ipam` of a network (Compose specification, top-level `networks`).
fn ipam(value: &Value, path: &str, problems: &mut Problems) -> Option<Ipam> {
    let map = value.as_map()?;
    let mut ipam = Ipam::default();
    for (key, value) in map {
        match &**key {
            "driver" => ipam.driver = value.scalar(),
            "options" => ipam.options = Some(strings(value)),
            "config" => {
                let pools = value.as_list().unwrap_or_default().iter().filter_map(Value::as_map);
                let text = |map: &Map, key: &str| map.get(key).and_then(Value::scalar);
                let pool = |map: &Map| IpamConfig {
                    subnet: text(map, "subnet"),
                    ip_range: text(map, "ip_range"),
                    gateway: text(map, "gateway"),
                    auxiliary_addresses: map.get("aux_addresses").map(strings),
                };
                ipam.config = Some(pools.map(pool).collect());
            }
            key => refuse(problems, &format!("{path}.ipam.{key}")),
        }
    }
    Some(ipam)
}

/// A map, or Compose's list of `KEY=VALUE`, as texts.
fn strings(value: &Value) -> HashMap<String, String> {
    match value {
        Value::Map(map) => map
            .iter()
            .map(|(k, v)| (k.to_string(), v.scalar().unwrap_or_default()))
            .collect(),
        other => other
            .one_or_many()
            .iter()
            .map(|t| match t.split_once('=') {
                Some((k, v)) => (k.to_owned(), v.to_owned()),
                None => (t.clone(), String::new()),
            })
            .collect(),
    }
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

fn refuse(problems: &mut Problems, path: &str) {
    problems.push(
        Problem::general(format!(
            "`{path}`: `topogen up` does not know how to ask the engine for this"
        ))
        .hint("leave it out, or `topogen render` the files and bring them up with `docker compose`"),
    );
}

struct Translation<'a> {
    topology: &'a Topology,
    node: &'a Node,
    service: &'a Service,
    problems: &'a mut Problems,
}

impl Translation<'_> {
    fn refuse(&mut self, key: &str) {
        let path = format!("roles.{}.services.{}.{key}", self.node.role, self.service.name);
        refuse(self.problems, &path);
    }

    fn wrong(&mut self, key: &str, expected: &str) {
        let path = format!("roles.{}.services.{}.{key}", self.node.role, self.service.name);
        self.problems
            .push(Problem::general(format!("`{path}`: expected {expected}")));
    }

    fn container(&mut self, origin: &Origin) -> ContainerSpec {
        let mut body = ContainerCreateBody::default();
        let mut labels = BTreeMap::new();
        let mut after = Vec::new();
        let mut files = Vec::new();
        let definition = self.service.definition.clone();
        for (key, value) in definition.iter() {
            match &**key {
                "image" => body.image = value.scalar(),
                "command" => body.cmd = self.words(key, value),
                "entrypoint" => body.entrypoint = self.words(key, value),
                "environment" => body.env = Some(environment(value)),
                "expose" => body.exposed_ports = Some(self.exposed(value)),
                "labels" => labels.extend(strings(value)),
                "stop_signal" => body.stop_signal = value.scalar(),
                "stop_grace_period" => body.stop_timeout = self.grace(value),
                "depends_on" => after = self.dependencies(value),
                "configs" => files.extend(self.files(ConfigKind::Config, value)),
                "secrets" => files.extend(self.files(ConfigKind::Secret, value)),
                key if key.starts_with("x-") => {}
                key => self.refuse(key),
            }
        }
        if body.image.as_deref().unwrap_or_default().is_empty() {
            let path = format!("roles.{}.services.{}", self.node.role, self.service.name);
            self.problems.push(
                Problem::general(format!("`{path}` has no `image`"))
                    .hint("name one, or see it run with a fake in its place: `topogen up --fake`"),
            );
        }
        let endpoints = self.endpoints();
        body.host_config = Some(HostConfig {
            network_mode: Some(
                endpoints
                    .first()
                    .map_or_else(|| "none".to_owned(), |(name, _)| name.to_string()),
            ),
            ..HostConfig::default()
        });
        labels.extend(self.labels());
        body.labels = Some(labels.into_iter().collect());
        let hash = hash(&json!({
            "name": self.service.container,
            "body": body,
            "endpoints": endpoints,
            "after": after,
            "files": files,
        }));
        if let Some(labels) = &mut body.labels {
            labels.insert(label::CONFIG_HASH.to_owned(), hash.clone());
            labels.insert(label::compose::CONFIG_HASH.to_owned(), hash.clone());
            labels.insert(label::BLUEPRINT.to_owned(), origin.blueprint.clone());
            labels.insert(label::compose::CONFIG_FILES.to_owned(), origin.blueprint.clone());
            labels.insert(label::compose::WORKING_DIR.to_owned(), origin.directory.clone());
        }
        ContainerSpec {
            name: self.service.container.clone(),
            node: self.node.name.clone(),
            service: self.service.name.clone(),
            endpoints,
            after,
            files,
            body,
            hash,
        }
    }

    /// The files that `configs` or `secrets` of a service ask for (Compose specification, services, `configs`).
    fn files(&mut self, kind: ConfigKind, value: &Value) -> Vec<FileSpec> {
        let mut files = Vec::new();
        for item in value.as_list().unwrap_or_default() {
            let field = |key: &str| item.as_map().and_then(|m| m.get(key)).and_then(Value::scalar);
            let name = item.scalar().or_else(|| field("source")).unwrap_or_default();
            let Some(config) = self.node.configs.iter().find(|c| c.kind == kind && *c.name == *name) else {
                continue;
            };
            let (mode, content) = match &config.source {
                ConfigSource::File { mode, content, .. } => (*mode, content.clone()),
                ConfigSource::Environment { value: Some(value), .. } => (0o444, Arc::from(value.as_bytes())),
                ConfigSource::Environment { name, .. } => {
                    self.wrong(
                        kind.section(),
                        &format!("variable `{name}` of the environment to be set"),
                    );
                    continue;
                }
                ConfigSource::External(_) => {
                    self.refuse(&format!("{}.{name}.external", kind.section()));
                    continue;
                }
            };
            let target = match field("target") {
                Some(target) if target.starts_with('/') => target,
                Some(target) if kind == ConfigKind::Secret => format!("/run/secrets/{target}"),
                Some(target) => format!("/{target}"),
                None => kind.default_target(&name),
            };
            let owner = |key: &str| field(key).and_then(|id| id.parse().ok()).unwrap_or(0);
            files.push(FileSpec {
                target,
                mode,
                uid: owner("uid"),
                gid: owner("gid"),
                digest: sha256(&content),
                content,
            });
        }
        files
    }

    fn labels(&self) -> Vec<(String, String)> {
        [
            (label::CLUSTER, self.topology.cluster.to_string()),
            (label::ROLE, self.node.role.to_string()),
            (label::NODE, self.node.name.to_string()),
            (label::SERVICE, self.service.name.to_string()),
            (label::compose::PROJECT, self.node.project.to_string()),
            (label::compose::SERVICE, self.service.key.to_string()),
            (label::compose::CONTAINER_NUMBER, "1".to_owned()),
            (label::compose::ONEOFF, "False".to_owned()),
            (label::compose::VERSION, version()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
    }

    /// `command` and `entrypoint`: a list as it is, a text split as a shell splits it.
    fn words(&mut self, key: &str, value: &Value) -> Option<Vec<String>> {
        match value {
            Value::Null => None,
            Value::List(_) => Some(value.one_or_many()),
            other => {
                let words = shlex::split(&other.scalar().unwrap_or_default());
                if words.is_none() {
                    self.wrong(key, "words that a shell could split: a quote is not closed");
                }
                words
            }
        }
    }

    fn exposed(&mut self, value: &Value) -> Vec<String> {
        let mut ports = Vec::new();
        for port in value.one_or_many() {
            let (range, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            match (first.parse::<u16>(), last.parse::<u16>()) {
                (Ok(first), Ok(last)) if first <= last && first > 0 => {
                    ports.extend((first..=last).map(|p| format!("{p}/{protocol}")));
                }
                _ => self.wrong("expose", &format!("a port or a range of ports, found `{port}`")),
            }
        }
        ports
    }

    /// Seconds, rounded up, of a Compose duration.
    fn grace(&mut self, value: &Value) -> Option<i64> {
        let text = value.scalar().unwrap_or_default();
        let seconds = duration(&text);
        if seconds.is_none() {
            self.wrong(
                "stop_grace_period",
                &format!("a duration such as `10s` or `1m30s`, found `{text}`"),
            );
        }
        seconds
    }

    /// The containers that `depends_on` names; conditions other than `service_started` are not known yet.
    fn dependencies(&mut self, value: &Value) -> Vec<ContainerName> {
        let mut keys: Vec<String> = Vec::new();
        match value {
            Value::Map(map) => {
                for (key, value) in map.iter() {
                    let condition = value.as_map().and_then(|m| m.get("condition")).and_then(Value::scalar);
                    match condition.as_deref() {
                        None | Some("service_started") => keys.push(key.to_string()),
                        Some(other) => self.refuse(&format!("depends_on.{key}.condition: {other}")),
                    }
                }
            }
            other => keys = other.one_or_many(),
        }
        let services = self.node.services.iter();
        services
            .filter(|s| keys.iter().any(|k| k == s.key.as_str()))
            .map(|s| s.container.clone())
            .collect()
    }

    /// In Compose's order: higher `priority` first, then by key. The first is the container's network mode.
    fn endpoints(&mut self) -> Vec<(NetworkName, EndpointSettings)> {
        let mut attachments: Vec<(&Attachment, &Network)> = self
            .service
            .attachments
            .iter()
            .filter_map(|a| Some((a, self.topology.network(self.node, &a.network)?)))
            .collect();
        let priority = |a: &Attachment| match a.options.get("priority") {
            Some(Value::Int(n)) => *n,
            _ => 0,
        };
        attachments.sort_by(|(a, _), (b, _)| priority(b).cmp(&priority(a)).then_with(|| a.network.cmp(&b.network)));
        attachments
            .into_iter()
            .map(|(attachment, network)| {
                for key in attachment.options.keys().filter(|k| &***k != "priority") {
                    self.refuse(&format!("networks.{}.{key}", attachment.network));
                }
                // As Compose: its key is a name of every container on every network it joins.
                let mut aliases = vec![self.service.key.to_string()];
                aliases.extend(attachment.aliases.iter().map(ToString::to_string));
                let settings = EndpointSettings {
                    aliases: Some(aliases),
                    ..EndpointSettings::default()
                };
                (network.name.clone(), settings)
            })
            .collect()
    }
}

/// `KEY=VALUE` lines; a key without a value is taken from the environment when a blueprint is read, so here it is blank.
fn environment(value: &Value) -> Vec<String> {
    match value {
        Value::Map(map) => map
            .iter()
            .map(|(key, value)| format!("{key}={}", value.scalar().unwrap_or_default()))
            .collect(),
        other => other.one_or_many(),
    }
}

/// Whole seconds, rounded up, of a duration in Compose's words: `90s`, `1m30s`, `1h5m30s20ms`, or bare seconds.
fn duration(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Some(seconds.ceil() as i64);
    }
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    Some(seconds.ceil() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_every_form() {
        for (text, expected) in [
            ("10", Some(10)),
            ("90s", Some(90)),
            ("1m30s", Some(90)),
            ("1h", Some(3600)),
            ("1.5m", Some(90)),
            ("200ms", Some(1)),
            ("soon", None),
            ("10x", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
