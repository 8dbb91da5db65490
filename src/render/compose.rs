//! Writes one node as a Compose file; the only writer of YAML.
//!
//! Values are literal, so every `$` becomes `$$`, and text that a YAML reader might take for another type is quoted.
//! The file has no `name:`, which `docker-compose` 1 rejects. Its directory has the project's name instead, from which
//! every version of Compose derives the project.

use std::collections::HashSet;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_saphyr::{SerializerOptions, ser_options};

use crate::compose::{ConfigKind, volumes};
use crate::name::NetworkKey;
use crate::topology::{Attachment, ConfigSource, Network, Node, Service, Topology, Volume};
use crate::value::{Map, Value};

/// The name of the file in its project's directory.
pub const FILE_NAME: &str = "compose.yaml";

const HEADER: &str = "# Rendered by topogen: change the blueprint, not this file.\n";

/// The content of the Compose file of `node`.
///
/// # Errors
/// The YAML writer's errors, which no topology is known to cause.
pub fn file(topology: &Topology, node: &Node) -> Result<String, serde_saphyr::SerializeError> {
    let mut text = String::with_capacity(2048);
    text.push_str(HEADER);
    for change in &node.changes {
        text.push_str(&format!("# isolate: {change}\n"));
    }
    serde_saphyr::to_fmt_writer_with_options(&mut text, &File { topology, node }, options())?;
    Ok(text)
}

fn options() -> SerializerOptions {
    ser_options! {
        compact_list_indent: false,
        // Folding would rewrite long lines; a text of one line stays one line.
        prefer_block_scalars: false,
    }
}

struct File<'a> {
    topology: &'a Topology,
    node: &'a Node,
}

impl Serialize for File<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("services", &Services(&self.node.services))?;
        if self.node.services.iter().any(|s| !s.attachments.is_empty()) {
            map.serialize_entry("networks", &Networks(self))?;
        }
        let shared = shared_volumes(self.topology, self.node);
        if !self.node.volumes.is_empty() || !shared.is_empty() {
            map.serialize_entry(
                "volumes",
                &Volumes {
                    node: self.node,
                    shared,
                },
            )?;
        }
        for kind in [ConfigKind::Config, ConfigKind::Secret] {
            if self.node.configs.iter().any(|c| c.kind == kind) {
                map.serialize_entry(kind.section(), &Configs { node: self.node, kind })?;
            }
        }
        for (key, value) in self.node.extensions.iter() {
            map.serialize_entry(&**key, &Literal(value))?;
        }
        map.end()
    }
}

struct Services<'a>(&'a [Service]);

impl Serialize for Services<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for service in self.0 {
            map.serialize_entry(service.key.as_str(), &ServiceOut(service))?;
        }
        map.end()
    }
}

struct ServiceOut<'a>(&'a Service);

impl Serialize for ServiceOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.0.container_named {
            map.serialize_entry("container_name", self.0.container.as_str())?;
        }
        for (key, value) in self.0.definition.iter() {
            map.serialize_entry(&**key, &Literal(value))?;
        }
        let plain = |a: &Attachment| a.aliases.is_empty() && a.options.is_empty();
        if self.0.attachments.iter().all(plain) {
            if !self.0.attachments.is_empty() {
                let keys: Vec<&str> = self.0.attachments.iter().map(|a| a.network.as_str()).collect();
                map.serialize_entry("networks", &keys)?;
            }
        } else {
            map.serialize_entry("networks", &Attachments(&self.0.attachments))?;
        }
        map.end()
    }
}

struct Attachments<'a>(&'a [Attachment]);

impl Serialize for Attachments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for attachment in self.0 {
            map.serialize_entry(attachment.network.as_str(), &AttachmentOut(attachment))?;
        }
        map.end()
    }
}

struct AttachmentOut<'a>(&'a Attachment);

impl Serialize for AttachmentOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.0.aliases.is_empty() {
            map.serialize_entry("aliases", &self.0.aliases)?;
        }
        for (key, value) in self.0.options.iter() {
            map.serialize_entry(&**key, &Literal(value))?;
        }
        map.end()
    }
}

struct Networks<'a>(&'a File<'a>);

impl Serialize for Networks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let File { topology, node } = self.0;
        let mut map = serializer.serialize_map(None)?;
        for network in &node.networks {
            map.serialize_entry(network.key.as_str(), &Private(node, network))?;
        }
        let joined = |key: &NetworkKey| {
            node.services
                .iter()
                .any(|s| s.attachments.iter().any(|a| a.network == *key))
        };
        for key in [&topology.inout.key]
            .into_iter()
            .chain(node.shared.iter().map(|(key, _)| key))
        {
            if let Some(network) = topology.shared_network(node, key).filter(|_| joined(key)) {
                map.serialize_entry(key.as_str(), &Shared(network))?;
            }
        }
        map.end()
    }
}

struct Private<'a>(&'a Node, &'a Network);

impl Serialize for Private<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(node, network) = self;
        let mut map = serializer.serialize_map(None)?;
        // Compose derives this name by itself.
        if network.name.as_str() != format!("{}_{}", node.project, network.key) {
            map.serialize_entry("name", network.name.as_str())?;
        }
        if !network.options.contains_key("driver") {
            map.serialize_entry("driver", "bridge")?;
        }
        for (key, value) in network.options.iter() {
            map.serialize_entry(&**key, &Literal(value))?;
        }
        if let Some(subnet) = network.subnet {
            let config = Map::from_iter([("subnet".into(), Value::from(subnet.to_string()))]);
            let ipam = Map::from_iter([("config".into(), Value::from(vec![Value::from(config)]))]);
            map.serialize_entry("ipam", &Value::from(ipam))?;
        }
        map.end()
    }
}

/// A network that no project owns, so Compose neither creates nor removes it.
struct Shared<'a>(&'a Network);

impl Serialize for Shared<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("name", self.0.name.as_str())?;
        map.serialize_entry("external", &true)?;
        map.end()
    }
}

/// The volumes of a node, and those of the cluster that it mounts.
struct Volumes<'a> {
    node: &'a Node,
    shared: Vec<&'a Volume>,
}

impl Serialize for Volumes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.node.volumes.iter() {
            map.serialize_entry(&**key, &Literal(value))?;
        }
        for volume in &self.shared {
            map.serialize_entry(&*volume.key, &SharedVolume(volume))?;
        }
        map.end()
    }
}

/// A volume that no project owns, so Compose neither creates nor removes it.
struct SharedVolume<'a>(&'a Volume);

impl Serialize for SharedVolume<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("name", &self.0.name)?;
        map.serialize_entry("external", &true)?;
        map.end()
    }
}

/// The volumes of the cluster that services of `node` mount.
fn shared_volumes<'t>(topology: &'t Topology, node: &Node) -> Vec<&'t Volume> {
    let mounted: HashSet<String> = node
        .services
        .iter()
        .flat_map(|s| volumes::named(&s.definition))
        .collect();
    let is_mounted = |v: &&Volume| mounted.contains(&*v.key) && !node.volumes.contains_key(&v.key);
    topology.volumes.iter().filter(is_mounted).collect()
}

struct Configs<'a> {
    node: &'a Node,
    kind: ConfigKind,
}

impl Serialize for Configs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for config in self.node.configs.iter().filter(|c| c.kind == self.kind) {
            let field = |key: &str, value: String| {
                let mut map = Map::from_iter([(key.into(), Value::from(value))]);
                map.extend(config.options.iter().map(|(k, v)| (k.clone(), v.clone())));
                Value::from(map)
            };
            let value = match &config.source {
                ConfigSource::File { path, .. } => field("file", format!("./{path}")),
                ConfigSource::Environment { name, .. } => field("environment", name.clone()),
                ConfigSource::External(value) => value.clone(),
            };
            let value = match value {
                Value::Map(map) if !config.options.is_empty() => {
                    let mut map = (*map).clone();
                    map.extend(config.options.iter().map(|(k, v)| (k.clone(), v.clone())));
                    Value::from(map)
                }
                other => other,
            };
            map.serialize_entry(&*config.name, &Literal(&value))?;
        }
        map.end()
    }
}

/// A value that Compose must not interpolate again.
struct Literal<'a>(&'a Value);

impl Serialize for Literal<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Text(text) if text.contains('$') => serializer.serialize_str(&text.replace('$', "$$")),
            Value::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                for item in list.iter() {
                    seq.serialize_element(&Literal(item))?;
                }
                seq.end()
            }
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries.iter() {
                    map.serialize_entry(&**key, &Literal(value))?;
                }
                map.end()
            }
            other => other.serialize(serializer),
        }
    }
}
