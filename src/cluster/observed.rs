//! What runs, as a target was observed to hold it.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::Ipv4Net;
use serde::Serialize;

use super::label;
use crate::name::ClusterName;

/// What was found on the engine.
#[derive(Debug, Default, Clone)]
pub struct Observed {
    /// The containers of the cluster.
    pub containers: Vec<ObservedContainer>,
    /// All other containers: their names and ports are taken, and they may be on the cluster's networks.
    pub foreign: Vec<ObservedContainer>,
    /// All networks of the engine: foreign ones have names and subnets too.
    pub networks: Vec<ObservedNetwork>,
    /// The images there.
    pub images: Vec<ObservedImage>,
    /// All volumes of the engine, foreign ones too.
    pub volumes: Vec<ObservedVolume>,
    /// What the engine's host has beside its engine; nothing where that is out of sight.
    pub host: ObservedHost,
}

impl Observed {
    /// Names of foreign containers on `network`.
    #[must_use]
    pub fn guests(&self, network: &ObservedNetwork) -> Vec<String> {
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
    pub fn image(&self, name: &str) -> Option<&ObservedImage> {
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
        let tag = |i: &&ObservedImage| i.tags.contains(&tagged);
        let id = name.strip_prefix("sha256:").unwrap_or(name);
        let is_id = id.len() >= 12 && id.bytes().all(|b| b.is_ascii_hexdigit());
        let by_id = |i: &&ObservedImage| is_id && i.id.trim_start_matches("sha256:").starts_with(id);
        self.images.iter().find(tag).or_else(|| self.images.iter().find(by_id))
    }
}

/// An image on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedImage {
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
pub struct ObservedHost {
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
pub struct ObservedContainer {
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
    pub networks: Vec<ObservedEndpoint>,
    /// Its published ports: the host's, and its own as `80/tcp`.
    pub ports: Vec<(HostPort, String)>,
    /// Volumes it mounts: name, and where.
    pub mounts: Vec<(String, String)>,
}

/// A container on a network.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct ObservedEndpoint {
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

impl ObservedContainer {
    /// One of its labels; empty where it has none.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    /// Whether it is on `network`, by name where it has never run and the engine says no id.
    #[must_use]
    pub fn is_on(&self, network: &ObservedNetwork) -> bool {
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
pub struct ObservedNetwork {
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
pub struct ObservedVolume {
    /// Its name, which no other bears.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl ObservedVolume {
    /// Whether it belongs to `cluster`.
    #[must_use]
    pub fn is_of(&self, cluster: &ClusterName) -> bool {
        self.labels.get(label::CLUSTER).map(String::as_str) == Some(cluster.as_str())
    }
}

impl ObservedNetwork {
    /// Whether it belongs to `cluster`.
    #[must_use]
    pub fn is_of(&self, cluster: &ClusterName) -> bool {
        self.labels.get(label::CLUSTER).map(String::as_str) == Some(cluster.as_str())
    }
}
