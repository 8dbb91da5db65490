//! A container to be.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::{ContainerConfig, EndpointSpec, FileSpec, HostPort, MountSource, label, unsaid};
use crate::compose::Condition;
use crate::name::{ContainerName, NetworkName, NodeName, ServiceName};
use crate::topology::Duty;

/// Lists whose order says nothing, by their places in what is serialized.
const SETS: [&str; 18] = [
    "/links",
    "/joined",
    "/files",
    "/config/exposed",
    "/config/published",
    "/config/mounts",
    "/config/tmpfs",
    "/config/security/groups",
    "/config/security/options",
    "/config/limits/ulimits",
    "/config/devices/mapped",
    "/config/devices/cgroup_rules",
    "/config/devices/requests",
    "/config/block_io/device_weights",
    "/config/block_io/read_bytes",
    "/config/block_io/write_bytes",
    "/config/block_io/read_operations",
    "/config/block_io/write_operations",
];

/// A desired container.
///
/// Its hash is over what is serialized: all but what is skipped here, and what it waits for. Nothing said is nothing
/// serialized, so that a topogen that knows more keys recreates no container that has none of them.
#[derive(Debug, Clone, Serialize)]
pub struct ContainerSpec {
    /// The name in the engine.
    pub name: ContainerName,
    /// Its node; the hash is over its label.
    #[serde(skip)]
    pub node: NodeName,
    /// Its service; the hash is over its label.
    #[serde(skip)]
    pub service: ServiceName,
    /// Its labels, topogen's and Compose's own among them.
    pub labels: BTreeMap<String, String>,
    /// Whose network it has.
    pub network_mode: NetworkMode,
    /// The networks it joins, in the order in which Compose would give them; none where it has no network of its own.
    #[serde(skip_serializing_if = "unsaid")]
    pub endpoints: Vec<EndpointSpec>,
    /// Names for other containers on a network where the engine itself resolves them, such as the default bridge; those
    /// on networks of its own are its endpoints'.
    #[serde(skip_serializing_if = "unsaid")]
    pub links: Vec<ContainerLink>,
    /// What is expected of it in the long run; the hash is over what says so.
    #[serde(skip)]
    pub duty: Duty,
    /// Containers that must reach a condition before this one starts.
    #[serde(skip)]
    pub after: Vec<Dependency>,
    /// Containers that must be there before it is made, because it shares something of theirs: it is recreated with them.
    #[serde(skip_serializing_if = "unsaid")]
    pub joined: Vec<ContainerName>,
    /// The named volumes it mounts, by their names in the engine; the hash is over its mounts.
    #[serde(skip)]
    pub volumes: Vec<String>,
    /// Anonymous volumes of the container that it replaces. They are not what the blueprint says, so no part of the hash.
    #[serde(skip)]
    pub carried: Vec<CarriedVolume>,
    /// When the image is pulled.
    #[serde(skip)]
    pub pull: Pull,
    /// The platform of the image: `linux/arm64`; `None` for the engine's own.
    #[serde(skip_serializing_if = "unsaid")]
    pub platform: Option<String>,
    /// Files that are copied into it before it starts.
    #[serde(skip_serializing_if = "unsaid")]
    pub files: Vec<FileSpec>,
    /// What it has in common with all containers of its service.
    pub config: Arc<ContainerConfig>,
    /// SHA-256 in hexadecimal, over all of the above that is compared.
    #[serde(skip)]
    pub hash: String,
}

impl ContainerSpec {
    /// The image of the container.
    #[must_use]
    pub fn image(&self) -> &str {
        &self.config.image
    }

    /// What it answers to on `network`; empty where it is not on it.
    #[must_use]
    pub fn aliases(&self, network: &NetworkName) -> &[String] {
        let endpoint = self.endpoints.iter().find(|e| e.network == *network);
        endpoint.map_or(&[], |e| &e.aliases)
    }

    /// Whether it takes a port of the host, by number or one that the engine chooses.
    #[must_use]
    pub fn publishes(&self) -> bool {
        self.config.published.as_ref().is_some_and(|ports| !ports.is_empty())
    }

    /// The ports of the host that it takes by number, in order.
    #[must_use]
    pub fn host_ports(&self) -> Vec<HostPort> {
        let published = self.config.published.iter().flatten();
        let mut ports: Vec<HostPort> = published.filter_map(|p| p.host_port()).collect();
        ports.sort_unstable();
        ports
    }

    /// Whether nothing can be written in it but where it mounts something.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.config.security.read_only == Some(true)
    }

    /// Where it mounts something that has a name or a place, in the container.
    #[must_use]
    pub fn targets(&self) -> Vec<String> {
        let named = |source: &MountSource| !matches!(source, MountSource::Anonymous(_));
        let mounts = self.config.mounts.iter().filter(|m| named(&m.source));
        let mounts = mounts.map(|m| m.target.as_str());
        let tmpfs = self.config.tmpfs.iter().flatten().map(|(path, _)| path.as_str());
        mounts.chain(tmpfs).map(str::to_owned).collect()
    }

    /// What of it is compared, as JSON in which the order says nothing that says nothing to the engine: of ports, mounts,
    /// aliases, names of hosts and whatever else is a set or a map.
    ///
    /// # Errors
    /// A value that JSON has no form for.
    pub fn compared(&self) -> serde_json::Result<Value> {
        let mut value = serde_json::to_value(self)?;
        for path in SETS {
            if let Some(Value::Array(items)) = value.pointer_mut(path) {
                items.sort_by_cached_key(Value::to_string);
            }
        }
        if let Some(Value::Array(hosts)) = value.pointer_mut("/config/resolver/hosts") {
            // The addresses of one name are tried in their order.
            hosts.sort_by_cached_key(|host| host["name"].to_string());
        }
        for endpoint in value["endpoints"].as_array_mut().into_iter().flatten() {
            for list in ["aliases", "links"] {
                if let Some(Value::Array(items)) = endpoint.get_mut(list) {
                    items.sort_by_cached_key(Value::to_string);
                }
            }
        }
        let depends_on = &mut value["labels"][label::compose::DEPENDS_ON];
        if let Some(text) = depends_on.as_str() {
            let mut all: Vec<&str> = text.split(',').collect();
            all.sort_unstable();
            *depends_on = all.join(",").into();
        }
        Ok(value)
    }

    /// The same container under the name that it has until it takes the place of the one that runs.
    #[must_use]
    pub fn in_waiting(&self) -> Self {
        let mut spec = self.clone();
        spec.name = self.name.with_suffix(".next");
        spec
    }

    /// The name that the container of this specification's name has while its successor is tried in its place.
    #[must_use]
    pub fn name_of_former(&self) -> ContainerName {
        self.name.with_suffix(".former")
    }

    /// The same container with the anonymous `volumes` of the one it replaces, as pairs of name and path. The hash
    /// covers only what the blueprint says, so it does not change.
    #[must_use]
    pub fn carrying(&self, volumes: &[(String, String)]) -> Self {
        let mut spec = self.clone();
        let taken_over = |target: &str| volumes.iter().any(|(_, t)| t == target);
        Arc::make_mut(&mut spec.config)
            .mounts
            .retain(|m| !(matches!(m.source, MountSource::Anonymous(_)) && taken_over(&m.target)));
        let carried = volumes.iter().map(|(volume, target)| CarriedVolume {
            volume: volume.clone(),
            target: target.clone(),
        });
        spec.carried.extend(carried);
        let names: Vec<&str> = volumes.iter().map(|(name, _)| name.as_str()).collect();
        spec.labels.insert(label::CARRIED.to_owned(), names.join(","));
        spec
    }
}

/// Whose network a container has (Compose specification, services, `network_mode`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum NetworkMode {
    /// Nobody's: it has none.
    None,
    /// The network namespace of the engine's host.
    Host,
    /// That of the container of this name or id.
    Container(String),
    /// A network of this name, `bridge` and `default` among them, which Compose calls the first of those it joins.
    Network(String),
}

/// As the engine and the Compose specification write it.
impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Host => f.write_str("host"),
            Self::Container(container) => write!(f, "container:{container}"),
            Self::Network(network) => f.write_str(network),
        }
    }
}

/// A name under which one container reaches another (Compose specification, services, `links` and `external_links`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerLink {
    /// The other container, by name.
    pub container: String,
    /// The name that it has here.
    pub alias: String,
}

/// As the engine and the Compose specification write it.
impl fmt::Display for ContainerLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.container, self.alias)
    }
}

/// An anonymous volume that a container takes over from the one it replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedVolume {
    /// The name that the engine gave it.
    pub volume: String,
    /// Where it is mounted, a path in the container.
    pub target: String,
}

/// A container that another one waits for (Compose specification, services, `depends_on`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// The name of the container.
    pub container: ContainerName,
    /// The condition to wait for.
    pub condition: Condition,
    /// Whether the dependent container cannot start without it.
    pub required: bool,
    /// Whether the dependent container restarts when it does.
    pub restart: bool,
}

impl Dependency {
    /// A dependency on `container` having started.
    #[must_use]
    pub fn started(container: ContainerName) -> Self {
        Self {
            container,
            condition: Condition::Started,
            required: true,
            restart: false,
        }
    }
}

/// When an image is pulled (Compose specification, services, `pull_policy`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Pull {
    /// It is pulled at each `up`.
    Always,
    /// Never; it must be on the engine.
    Never,
    /// Never: it is built, and then on the engine under its name.
    Built,
    /// If it is not on the engine.
    #[default]
    Missing,
    /// At an `up`, if it was last pulled more than this many seconds ago.
    Every(u64),
}

impl Pull {
    /// Whether it is never pulled, and must be on the engine.
    #[must_use]
    pub fn is_never(self) -> bool {
        matches!(self, Self::Never | Self::Built)
    }
}
