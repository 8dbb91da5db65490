//! What a cluster is to be, as one target is asked for it.

use std::sync::Arc;

use bollard::models::{ContainerCreateBody, EndpointSettings, Mount, MountType};
use ipnet::Ipv4Net;
use serde::Serialize;

use super::label;
use crate::compose::Condition;
use crate::diagnostic::Span;
use crate::name::{ClusterName, ContainerName, NetworkName, NodeName, RoleName, ServiceName};
use crate::topology::RoleOrder;
use crate::topology::address::Layout;

/// What topogen wants of the engine for one cluster.
#[derive(Debug)]
pub struct Desired {
    /// The cluster.
    pub cluster: ClusterName,
    /// All roles of the blueprint, those without a node too.
    pub roles: Vec<RoleName>,
    /// Which role starts after which.
    pub order: Vec<RoleOrder>,
    /// The shared network.
    pub inout: Arc<NetworkSpec>,
    /// Other networks that nodes share.
    pub shared: Vec<Arc<NetworkSpec>>,
    /// The nodes, in the order of the topology.
    pub nodes: Vec<DesiredNode>,
    /// Named volumes, those of all nodes, each name once.
    pub volumes: Vec<Arc<VolumeSpec>>,
    /// How subnets lie; `None` where the engine chooses.
    pub layout: Option<Layout>,
    /// What of it not every engine knows.
    pub needs: Vec<Need>,
}

impl Desired {
    /// All its networks: the shared ones, then each node's.
    pub fn networks(&self) -> impl Iterator<Item = &Arc<NetworkSpec>> {
        let own = self.nodes.iter().flat_map(|n| &n.networks);
        [&self.inout].into_iter().chain(&self.shared).chain(own)
    }

    /// Whether any of its containers takes a port of the host.
    #[must_use]
    pub fn host_ports(&self) -> bool {
        let bound = |c: &Arc<ContainerSpec>| {
            let bindings = c.body.host_config.as_ref().and_then(|h| h.port_bindings.as_ref());
            bindings.is_some_and(|b| !b.is_empty())
        };
        self.nodes.iter().flat_map(|n| &n.containers).any(bound)
    }
}

/// A node to be.
#[derive(Debug)]
pub struct DesiredNode {
    /// Its name.
    pub name: NodeName,
    /// Its role.
    pub role: RoleName,
    /// Its private networks.
    pub networks: Vec<Arc<NetworkSpec>>,
    /// Its containers.
    pub containers: Vec<Arc<ContainerSpec>>,
}

/// A network to be.
#[derive(Debug, Clone)]
pub struct NetworkSpec {
    /// Its name in the engine.
    pub name: NetworkName,
    /// The node it belongs to; `None` for the shared one.
    pub node: Option<NodeName>,
    /// Whether somebody else creates and removes it.
    pub external: bool,
    /// The subnet it asks for, another of the same size where that is taken; `None`: the engine's choice.
    pub subnet: Option<Ipv4Net>,
    /// All else that the engine is told (`POST /networks/create`).
    pub request: bollard::models::NetworkCreateRequest,
    /// Over all of the above, of the subnet its size only.
    pub hash: String,
}

/// A container to be.
#[derive(Debug, Clone)]
pub struct ContainerSpec {
    /// Its name in the engine.
    pub name: ContainerName,
    /// Its node.
    pub node: NodeName,
    /// Its service.
    pub service: ServiceName,
    /// The networks it joins, in the order in which Compose would give them.
    pub endpoints: Vec<(NetworkName, EndpointSettings)>,
    /// Containers that it waits for before it starts.
    pub after: Vec<Dependency>,
    /// Containers that must be there before it is made, because it shares something of theirs: it is made anew with them.
    pub joined: Vec<ContainerName>,
    /// The named volumes it mounts, by their names in the engine.
    pub volumes: Vec<String>,
    /// When its image is fetched.
    pub pull: Pull,
    /// The platform that its image is asked for, as `linux/arm64`; `None`: the engine's own.
    pub platform: Option<String>,
    /// Files that are put into it before it starts.
    pub files: Vec<FileSpec>,
    /// What the engine is told, networks aside (`POST /containers/create`).
    pub body: ContainerCreateBody,
    /// Over all of the above.
    pub hash: String,
}

/// A container that another one waits for (Compose specification, services, `depends_on`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// Its name.
    pub container: ContainerName,
    /// What it is waited for.
    pub condition: Condition,
    /// Whether the other cannot start without it.
    pub required: bool,
    /// Whether the other is started again when it is.
    pub restart: bool,
}

impl Dependency {
    /// On `container`, that it has started.
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

/// When an image is fetched (Compose specification, services, `pull_policy`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pull {
    /// At each `up`.
    Always,
    /// Never.
    Never,
    /// Where it is not on the engine.
    #[default]
    Missing,
    /// At an `up` that finds it fetched more than so many seconds ago.
    Every(u64),
}

/// A named volume to be.
#[derive(Debug, Clone)]
pub struct VolumeSpec {
    /// Its name in the engine.
    pub name: String,
    /// The node it belongs to; `None` where several share it.
    pub node: Option<NodeName>,
    /// Whether somebody else creates and removes it.
    pub external: bool,
    /// What the engine is told (`POST /volumes/create`).
    pub request: bollard::models::VolumeCreateRequest,
    /// Over all of the above.
    pub hash: String,
}

/// A config or secret in a container. Nothing is mounted from the engine's host, which need not be this one.
#[derive(Debug, Clone, Serialize)]
pub struct FileSpec {
    /// Its path in the container.
    pub target: String,
    /// What may be done with it, as in chmod(1).
    pub mode: u32,
    /// Its owner.
    pub uid: u64,
    /// Its group.
    pub gid: u64,
    /// SHA-256 of its content, which the container's hash is over.
    pub digest: String,
    /// What is in it.
    #[serde(skip)]
    pub content: Arc<[u8]>,
}

impl FileSpec {
    /// Its directory, and its name there.
    #[must_use]
    pub fn place(&self) -> (&str, &str) {
        match self.target.rsplit_once('/') {
            Some((directory, name)) if !directory.is_empty() => (directory, name),
            _ => ("/", self.target.trim_start_matches('/')),
        }
    }
}

impl ContainerSpec {
    /// Its image.
    #[must_use]
    pub fn image(&self) -> &str {
        self.body.image.as_deref().unwrap_or_default()
    }

    /// Where it mounts something that has a name or a place, in the container.
    #[must_use]
    pub fn targets(&self) -> Vec<String> {
        let Some(host) = &self.body.host_config else {
            return Vec::new();
        };
        let binds = host.binds.iter().flatten().filter_map(|b| b.split(':').nth(1));
        let named = host.mounts.iter().flatten().filter(|m| !is_anonymous(m));
        let mounts = named.filter_map(|m| m.target.as_deref());
        let tmpfs = host.tmpfs.iter().flatten().map(|(path, _)| path.as_str());
        binds.chain(mounts).chain(tmpfs).map(str::to_owned).collect()
    }

    /// The same, taking over the anonymous `volumes` of a container that it replaces: name, and where. Its hash is over
    /// what the blueprint says, so it stays.
    #[must_use]
    pub fn carrying(&self, volumes: &[(String, String)]) -> Self {
        let mut spec = self.clone();
        let host = spec.body.host_config.get_or_insert_default();
        let taken_over = |m: &Mount| volumes.iter().any(|(_, target)| Some(target) == m.target.as_ref());
        if let Some(mounts) = &mut host.mounts {
            mounts.retain(|m| !(is_anonymous(m) && taken_over(m)));
        }
        let binds = host.binds.get_or_insert_default();
        binds.extend(volumes.iter().map(|(volume, target)| format!("{volume}:{target}")));
        let names: Vec<&str> = volumes.iter().map(|(name, _)| name.as_str()).collect();
        let labels = spec.body.labels.get_or_insert_default();
        labels.insert(label::CARRIED.to_owned(), names.join(","));
        spec
    }
}

/// Whether a mount is of a volume that the engine is to name, and that holds more than what is put there each time.
fn is_anonymous(mount: &Mount) -> bool {
    let labels = mount.volume_options.as_ref().and_then(|o| o.labels.as_ref());
    mount.typ == Some(MountType::VOLUME)
        && mount.source.as_deref().unwrap_or_default().is_empty()
        && labels.is_none_or(|l| !l.contains_key(label::FILES))
}

/// Something that engines know from some version of their API on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The version, major and minor.
    pub api: (usize, usize),
    /// The path of what needs it.
    pub path: String,
    /// Where that was written.
    pub place: Option<Span>,
}
