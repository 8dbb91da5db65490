//! The Docker Engine as a target: what topogen asks of it, and what it finds there.
//!
//! There is no state file. What runs is what the engine's labels say, and only what carries ours is ever touched.

pub mod apply;
pub mod connect;
pub mod events;
pub mod exec;
pub mod happened;
pub mod inspect;
pub mod logs;
pub mod observe;
pub mod probe;
pub mod settle;
pub mod translate;
mod verbs;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bollard::models::{ContainerCreateBody, EndpointSettings, Mount, MountType};
use ipnet::Ipv4Net;
use serde::Serialize;

pub use crate::blueprint::Condition;
use crate::name::{ClusterName, ContainerName, NetworkName, NodeName, RoleName, ServiceName};
use crate::topology::RoleOrder;
use crate::topology::address::Layout;

/// The labels topogen writes and reads.
pub mod label {
    /// Begins every label of topogen's own.
    pub const PREFIX: &str = "io.topogen.";
    /// The cluster a thing belongs to; without it topogen touches nothing.
    pub const CLUSTER: &str = "io.topogen.cluster";
    /// A container's role.
    pub const ROLE: &str = "io.topogen.role";
    /// A container's or private network's node.
    pub const NODE: &str = "io.topogen.node";
    /// A container's service, by its name inside the node.
    pub const SERVICE: &str = "io.topogen.service";
    /// What a container answers to on the network of all nodes, by spaces; blank where it answers to nothing there.
    pub const NAMES: &str = "io.topogen.names";
    /// A hash over all that made a container or network.
    pub const CONFIG_HASH: &str = "io.topogen.config-hash";
    /// What a container was asked to be, in the blueprint's words and as JSON: by it `up` says what changed.
    pub const DEFINITION: &str = "io.topogen.definition";
    /// The roles that a container's role starts after, and stops before, with commas between them.
    pub const AFTER: &str = "io.topogen.after";
    /// Anonymous volumes that a container took over from the one it replaced, with commas between them.
    pub const CARRIED: &str = "io.topogen.carried";
    /// On an anonymous volume: that it is there for configs and secrets alone.
    pub const FILES: &str = "io.topogen.files";
    /// The blueprint it came from.
    pub const BLUEPRINT: &str = "io.topogen.blueprint";
    /// What a short-lived container of topogen's own is for: no part of any topology.
    pub const HELPER: &str = "io.topogen.helper";

    /// Compose's labels, by which `docker compose` finds its own (docker/compose `pkg/api/labels.go`).
    pub mod compose {
        /// The project.
        pub const PROJECT: &str = "com.docker.compose.project";
        /// The service, by its key.
        pub const SERVICE: &str = "com.docker.compose.service";
        /// The network, by its key.
        pub const NETWORK: &str = "com.docker.compose.network";
        /// The volume, by its key.
        pub const VOLUME: &str = "com.docker.compose.volume";
        /// What a container depends on, as `db:service_healthy:false`: key, condition, whether it restarts with it.
        pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
        /// Which replica, from 1.
        pub const CONTAINER_NUMBER: &str = "com.docker.compose.container-number";
        /// Whether `docker compose run` made it.
        pub const ONEOFF: &str = "com.docker.compose.oneoff";
        /// Compose's own hash; without it `docker compose ps` does not see a container.
        pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";
        /// What made it.
        pub const VERSION: &str = "com.docker.compose.version";
        /// The files of the project.
        pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
        /// The directory of the project.
        pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
    }
}

/// What topogen wants of the engine for one cluster.
#[derive(Debug)]
pub struct Wanted {
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
    pub nodes: Vec<WantedNode>,
    /// Named volumes, those of all nodes, each name once.
    pub volumes: Vec<Arc<VolumeSpec>>,
    /// How subnets lie; `None` where the engine chooses.
    pub layout: Option<Layout>,
    /// What of it not every engine knows.
    pub needs: Vec<translate::needs::Need>,
}

impl Wanted {
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
pub struct WantedNode {
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

/// What was found on the engine.
#[derive(Debug, Default, Clone)]
pub struct Observed {
    /// The containers of the cluster.
    pub containers: Vec<SeenContainer>,
    /// All other containers: their names and ports are taken, and they may be on the cluster's networks.
    pub foreign: Vec<SeenContainer>,
    /// All networks of the engine: foreign ones have names and subnets too.
    pub networks: Vec<SeenNetwork>,
    /// The images there.
    pub images: Vec<SeenImage>,
    /// All volumes of the engine, foreign ones too.
    pub volumes: Vec<SeenVolume>,
    /// What the engine's host has beside its engine; nothing where that is out of sight.
    pub host: SeenHost,
}

impl Observed {
    /// Names of foreign containers on `network`.
    #[must_use]
    pub fn guests(&self, network: &SeenNetwork) -> Vec<String> {
        let on_it = self.foreign.iter().filter(|c| c.is_on(network));
        on_it.map(|c| c.name.clone()).collect()
    }

    /// The names of containers and networks that were not there `before`, or others under the same name.
    pub fn came_since<'a>(&'a self, before: &Self) -> impl Iterator<Item = &'a str> {
        let containers = before.containers.iter().map(|c| &c.id);
        let ids: HashSet<String> = containers
            .chain(before.networks.iter().map(|n| &n.id))
            .cloned()
            .collect();
        let containers = self.containers.iter().map(|c| (&c.id, &c.name));
        let all = containers.chain(self.networks.iter().map(|n| (&n.id, &n.name)));
        all.filter(move |(id, _)| !ids.contains(*id))
            .map(|(_, name)| name.as_str())
    }

    /// The image that `name` means, with a tag or without.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<&SeenImage> {
        let short = name.strip_prefix("docker.io/").unwrap_or(name);
        let short = short.strip_prefix("library/").unwrap_or(short);
        if name.contains('@') {
            return self.images.iter().find(|i| i.digests.iter().any(|d| d == short));
        }
        let last = short.rsplit('/').next().unwrap_or(short);
        let tagged = match last.contains(':') {
            true => short.to_owned(),
            false => format!("{short}:latest"),
        };
        let tag = |i: &&SeenImage| i.tags.contains(&tagged);
        let id = name.strip_prefix("sha256:").unwrap_or(name);
        let is_id = id.len() >= 12 && id.bytes().all(|b| b.is_ascii_hexdigit());
        let by_id = |i: &&SeenImage| is_id && i.id.trim_start_matches("sha256:").starts_with(id);
        self.images.iter().find(tag).or_else(|| self.images.iter().find(by_id))
    }
}

/// An image on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenImage {
    /// Its id.
    pub id: String,
    /// Its names, each with a tag.
    pub tags: Vec<String>,
    /// Its names, each with a digest.
    pub digests: Vec<String>,
    /// Whether it is a fake image, of any build of topogen.
    pub fake: bool,
}

/// What the engine's host reaches and where it listens, beside its engine.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SeenHost {
    /// Networks that the host has a route to, and by which interface; not the default route.
    pub routes: Vec<(Ipv4Net, String)>,
    /// Ports that somebody listens on.
    pub ports: Vec<HostPort>,
    /// What is left for more containers; `None` where the host cannot be looked at.
    pub room: Option<Room>,
}

/// What a host has left for more containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes of memory that can be had without swapping (proc(5), `MemAvailable`).
    pub memory: u64,
    /// Processes and threads that may still begin (proc(5), `pid_max`, `threads-max`, `loadavg`).
    pub tasks: u64,
    /// Entries that the ARP table of all its containers takes (ip-sysctl, `neigh/default/gc_thresh3`).
    pub neighbours: u64,
    /// Instances of inotify(7) that one user's processes have together (proc_sys_fs(5), `inotify/max_user_instances`), where
    /// each container takes one; `None` where it takes none, as with control groups of version 1.
    pub inotify_instances: Option<u64>,
}

/// A port of the engine's host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct HostPort {
    /// The address; all of them where it is unspecified.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Whether it is of UDP, not TCP.
    pub udp: bool,
}

impl HostPort {
    /// Whether both cannot be listened on at once.
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        let any = |a: &Self| a.address.is_unspecified();
        self.port == other.port && self.udp == other.udp && (self.address == other.address || any(self) || any(other))
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.address.is_unspecified() {
            write!(f, "{}:", self.address)?;
        }
        write!(f, "{}{}", self.port, if self.udp { "/udp" } else { "" })
    }
}

/// A container on the engine.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SeenContainer {
    /// The engine's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it is doing.
    pub state: State,
    /// What its healthcheck says; `None` where it has none, or does not run.
    pub health: Option<Health>,
    /// The status it ended with; `None` where it has not.
    pub exit: Option<i32>,
    /// The image it was made of, by its name, or by its id where that name is another one's now.
    pub image: String,
    /// The id of that image.
    pub image_id: String,
    /// The networks it is on: name, and id where the engine says it.
    pub networks: Vec<SeenEndpoint>,
    /// Its published ports: the host's, and its own as `80/tcp`.
    pub ports: Vec<(HostPort, String)>,
    /// Volumes it mounts: name, and where.
    pub mounts: Vec<(String, String)>,
}

/// A container on a network.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct SeenEndpoint {
    /// The network's name.
    pub network: String,
    /// The network's id; empty until the container has run.
    #[serde(skip)]
    pub network_id: String,
    /// The container's address there; empty unless it runs.
    pub address: String,
    /// The names it was told to answer to; `None` where nobody asked ([`observe::inspect_all`]).
    #[serde(skip)]
    pub aliases: Option<Vec<String>>,
}

impl SeenContainer {
    /// One of its labels; empty where it has none.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    /// Whether it is on `network`, by name where it has never run and the engine says no id.
    #[must_use]
    pub fn is_on(&self, network: &SeenNetwork) -> bool {
        self.networks.iter().any(|n| match n.network_id.as_str() {
            "" => n.network == network.name,
            id => id == network.id,
        })
    }

    /// Whether it runs, and is well where that is asked of it.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.state == State::Running && matches!(self.health, None | Some(Health::Healthy))
    }
}

/// What a healthcheck says (Engine API, `Health.Status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Nothing yet.
    Starting,
    /// All is well.
    Healthy,
    /// It failed as often as it may.
    Unhealthy,
}

impl Health {
    /// The engine's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What a container is doing (Engine API, `ContainerSummary.State`).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Made, never started.
    #[default]
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Between two runs.
    Restarting,
    /// Ended.
    Exited,
    /// On its way out.
    Removing,
    /// The engine could not clean up after it.
    Dead,
}

impl State {
    /// The engine's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Removing => "removing",
            Self::Dead => "dead",
        }
    }
}

/// A network of the engine, ours or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenNetwork {
    /// The engine's id.
    pub id: String,
    /// Its name, which others may bear too.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its IPv4 subnets.
    pub subnets: Vec<Ipv4Net>,
}

/// A volume of the engine, ours or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenVolume {
    /// Its name, which no other bears.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl SeenVolume {
    /// Whether it belongs to `cluster`.
    #[must_use]
    pub fn is_of(&self, cluster: &ClusterName) -> bool {
        self.labels.get(label::CLUSTER).map(String::as_str) == Some(cluster.as_str())
    }
}

impl SeenNetwork {
    /// Whether it belongs to `cluster`.
    #[must_use]
    pub fn is_of(&self, cluster: &ClusterName) -> bool {
        self.labels.get(label::CLUSTER).map(String::as_str) == Some(cluster.as_str())
    }
}

/// SHA-256 over the canonical JSON of `value`, in hexadecimal.
pub(crate) fn hash(value: &impl Serialize) -> String {
    // Through a tree, whose maps are sorted: the requests hold hash maps, whose order changes from run to run.
    let mut tree = serde_json::to_value(value).unwrap_or_default();
    tree.sort_all_objects();
    sha256(&serde_json::to_vec(&tree).unwrap_or_default())
}

/// SHA-256 of `bytes`, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(bytes))
}

/// `bytes` in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    halves.filter_map(|h| char::from_digit(h.into(), 16)).collect()
}
