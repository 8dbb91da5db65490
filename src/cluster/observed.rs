//! What was observed on an engine.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

use super::is_for;
use super::label::{self, DependsOn};
use super::roster::Stale;
use crate::fake;
use crate::name::ClusterName;
use crate::topology::Duty;

/// All that was observed on one engine.
#[derive(Debug, Default, Clone)]
pub struct Observed {
    /// The containers of the cluster.
    pub containers: Vec<ObservedContainer>,
    /// Topogen's own helpers that are of the cluster, where they were told from its containers.
    pub helpers: Vec<ObservedContainer>,
    /// All other containers. Their names and ports are taken, and they may be on the cluster's networks.
    pub foreign: Vec<ObservedContainer>,
    /// All networks of the engine. Names and subnets of foreign ones are taken.
    pub networks: Vec<ObservedNetwork>,
    /// All images of the engine.
    pub images: Vec<ObservedImage>,
    /// All volumes of the engine, including foreign ones.
    pub volumes: Vec<ObservedVolume>,
    /// What the engine's host holds besides containers; empty if the host cannot be observed.
    pub host: ObservedHost,
    /// Since when it may be out of date, and why; `None` if it is as the engine last said.
    pub stale: Option<Stale>,
}

/// Inspected containers, and all networks of the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspected {
    /// The containers of a cluster and all others on its networks, by name.
    pub containers: Vec<ObservedContainer>,
    /// All networks of the engine.
    pub networks: Vec<ObservedNetwork>,
}

impl Observed {
    /// The names of foreign containers on `network`.
    #[must_use]
    pub fn guests(&self, network: &ObservedNetwork) -> Vec<String> {
        let on_it = self.foreign.iter().filter(|c| c.is_on(network));
        on_it.map(|c| c.name.clone()).collect()
    }

    /// The names of containers and networks that `before` does not have, or has with another ID.
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

    /// The image that `name` refers to, with or without a tag.
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

    /// The image that `name` refers to, unless it is known to be for another platform than the one `asked` for, if any.
    #[must_use]
    pub fn image_for(&self, name: &str, asked: Option<&str>) -> Option<&ObservedImage> {
        self.image(name)
            .filter(|image| is_for(asked, image.platform.as_deref()))
    }
}

/// An image on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedImage {
    /// The ID of its configuration, `sha256:…`.
    pub id: String,
    /// The names with a tag.
    pub tags: Vec<String>,
    /// The names with a digest.
    pub digests: Vec<String>,
    /// Whether it is a fake image of any build of topogen.
    pub fake: bool,
    /// The platform that it is for: `linux/arm64/v8`; `None` if the engine was not asked.
    pub platform: Option<String>,
}

/// The routes and listening ports of the engine's host.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ObservedHost {
    /// Networks that the host has a route to, with the interface; without the default route.
    pub routes: Vec<(Ipv4Net, String)>,
    /// Ports that a program listens on.
    pub ports: Vec<HostPort>,
    /// The resources left for more containers; `None` if the host cannot be observed.
    pub room: Option<Room>,
}

/// The resources that a host has left for more containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes of memory available without swapping (proc(5), `MemAvailable`).
    pub memory: u64,
    /// Processes and threads that can still be created (proc(5), `pid_max`, `threads-max`, `loadavg`).
    pub tasks: u64,
    /// The capacity of the ARP table that all containers share (ip-sysctl, `neigh/default/gc_thresh3`).
    pub neighbours: u64,
    /// Instances of inotify(7) that one user's processes have together (proc_sys_fs(5), `inotify/max_user_instances`), where
    /// each container takes one; `None` where it takes none, as with control groups of version 1.
    pub inotify_instances: Option<u64>,
}

/// A port of the engine's host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct HostPort {
    /// The address; unspecified for all addresses.
    pub address: IpAddr,
    /// The port number, from 1 to 65535.
    pub port: u16,
    /// Whether the protocol is UDP; otherwise TCP.
    pub udp: bool,
}

impl HostPort {
    /// Whether the two ports cannot be bound at the same time.
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

/// A container on the engine, of the cluster or not.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ObservedContainer {
    /// The engine's ID, 64 hexadecimal digits.
    pub id: String,
    /// The name in the engine, without the leading slash.
    pub name: String,
    /// The labels, including those of its image.
    pub labels: BTreeMap<String, String>,
    /// The state of its process.
    pub state: State,
    /// The result of the healthcheck; `None` without one, or if the container does not run.
    pub health: Option<Health>,
    /// The exit status; `None` if it has not exited.
    pub exit: Option<i32>,
    /// The seconds that it has been up, by the engine's clock; `None` if that is a minute or more, or if it does not run.
    pub uptime: Option<u64>,
    /// When it was created, in seconds since 1970 by the engine's clock; 0 if that is not known.
    pub created: i64,
    /// The container whose network namespace it has, by ID or name; `None` if that is its own, or no container's.
    pub network_host: Option<String>,
    /// The name of its image when it was created. If the name means another image now, a list gives the ID instead.
    pub image: String,
    /// The ID of that image.
    pub image_id: String,
    /// The networks it is on.
    pub endpoints: Vec<ObservedEndpoint>,
    /// The published ports: the host's, and the container's as `80/tcp`.
    pub ports: Vec<(HostPort, String)>,
    /// The mounted volumes, as pairs of name and path.
    pub mounts: Vec<(String, String)>,
    /// Whether a helper has cut something in its network since it was started, as far as a list of containers tells: what is
    /// in force, its network says.
    pub marked: bool,
    /// What only an inspection returns; `None` if the container was only listed.
    pub details: Option<Details>,
}

/// What an inspection returns in addition to a list (`GET /containers/{id}/json`).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Details {
    /// The host name of the container.
    pub hostname: String,
    /// The engine's message if it could not start the container the last time; empty otherwise.
    pub start_error: String,
    /// When it was started last, since the beginning of 1970 (UTC); `None` if it never was.
    pub started: Option<Duration>,
    /// How often the engine has started it again by its restart policy, since somebody started it.
    pub restarts: u32,
    /// The namespaces that it has of other containers.
    pub shared: Vec<SharedNamespace>,
    /// What it may use, as far as `docker update` changes it. A value is 0 or empty where nothing is set.
    pub update: Updatable,
}

/// The settings of a container that `docker update` changes (`POST /containers/{id}/update`), as an inspection has them. A
/// number is 0, and a text empty, if it is not set.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Updatable {
    /// The most memory, in bytes.
    pub memory: i64,
    /// The memory that it keeps if memory is short, in bytes.
    pub memory_reservation: i64,
    /// Memory and swap together, in bytes; -1 for as much swap as there is.
    pub memory_and_swap: i64,
    /// The most processes and threads; -1 for no bound.
    pub pids: i64,
    /// Billionths of a processor.
    pub nano_cpus: i64,
    /// The weight among containers; 1024 is the default.
    pub cpu_shares: i64,
    /// The scheduler's period, in microseconds.
    pub cpu_period: i64,
    /// Microseconds of each period.
    pub cpu_quota: i64,
    /// The processors that it may run on, such as `0-2,4`.
    pub cpuset: String,
    /// The condition of its restart policy, in the engine's word: `unless-stopped`.
    pub restart: String,
    /// How often it is restarted at most by `on-failure`.
    pub max_retries: i64,
}

/// A namespace that a container has of another one (Compose specification, services, `network_mode` and `ipc`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedNamespace {
    /// What it is a namespace of.
    pub kind: NamespaceKind,
    /// The ID or name of the other container, as the engine has it.
    pub owner: String,
    /// What became of that container; `None` if it was not asked for.
    pub fate: Option<OwnerFate>,
}

/// What a namespace is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceKind {
    /// Interfaces and ports (namespaces(7), `CLONE_NEWNET`).
    Network,
    /// Shared memory (namespaces(7), `CLONE_NEWIPC`).
    Ipc,
}

/// What became of the container that a namespace belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerFate {
    /// It does not exist any more.
    Gone,
    /// It exists and does not run; its name.
    Stopped(String),
    /// It runs; its name, and when it was started, since the beginning of 1970 (UTC).
    Runs(String, Option<Duration>),
}

/// A namespace that its owner has left behind: whoever is still in it shares nothing with anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostNamespace {
    /// What it is a namespace of.
    pub kind: NamespaceKind,
    /// The name of the container that it belonged to; `None` if that is gone.
    pub owner: Option<String>,
    /// Whether that container runs, in another namespace.
    pub owner_runs: bool,
}

/// As a phrase about the container: ``is in the network of an earlier run of `p` ``.
impl fmt::Display for LostNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            NamespaceKind::Network => "network",
            NamespaceKind::Ipc => "shared memory",
        };
        match &self.owner {
            None => write!(f, "is in the {what} of a container that is gone"),
            Some(owner) if self.owner_runs => write!(f, "is in the {what} of an earlier run of `{owner}`"),
            Some(owner) => write!(f, "is in the {what} of `{owner}`, which does not run"),
        }
    }
}

impl SharedNamespace {
    /// That it is lost to a container that has been up since `started`; `None` if it is not, or that is not known. A
    /// container joins a namespace when it starts, so its owner must have been up before it.
    fn lost(&self, started: Option<Duration>) -> Option<LostNamespace> {
        let (owner, owner_runs) = match self.fate.as_ref()? {
            OwnerFate::Gone => (None, false),
            OwnerFate::Stopped(name) => (Some(name.clone()), false),
            OwnerFate::Runs(name, since) if since.as_ref()? > started.as_ref()? => (Some(name.clone()), true),
            OwnerFate::Runs(..) => return None,
        };
        Some(LostNamespace {
            kind: self.kind,
            owner,
            owner_runs,
        })
    }
}

/// The connection of a container to a network.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct ObservedEndpoint {
    /// The name of the network.
    pub network: String,
    /// The ID of the network; `None` until the container has run, and always with Podman.
    #[serde(skip)]
    pub network_id: Option<String>,
    /// The container's address on the network; `None` unless it runs.
    #[serde(serialize_with = "address_or_nothing")]
    pub address: Option<Ipv4Addr>,
    /// The container's IPv6 address on the network; `None` unless it runs and the network has IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address6: Option<Ipv6Addr>,
    /// The aliases given at creation and those that the engine added; `None` if the container was only listed.
    #[serde(skip)]
    pub aliases: Option<Vec<String>>,
    /// All names that the engine's resolver knows for it on the network, in lower case and sorted; empty if the
    /// container was only listed.
    #[serde(skip)]
    pub names: Vec<String>,
}

impl ObservedEndpoint {
    /// Its addresses on the network, the IPv4 one first; none unless the container runs.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let v4 = self.address.map(IpAddr::V4).into_iter();
        v4.chain(self.address6.map(IpAddr::V6))
    }

    /// Whether it is of the network with this ID; compared by name if the engine reports no ID.
    #[must_use]
    pub fn is_of(&self, id: &str, name: &str) -> bool {
        self.network_id.as_deref().map_or(self.network == name, |own| own == id)
    }
}

/// Programs that read `ps --format json` expect an empty string if there is no address.
fn address_or_nothing<S: serde::Serializer>(address: &Option<Ipv4Addr>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.collect_str(address),
        None => serializer.serialize_str(""),
    }
}

impl ObservedContainer {
    /// The value of the label `key`; empty if it is absent.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    /// The cluster; empty if it belongs to none.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.label(label::CLUSTER)
    }

    /// The node; empty if it belongs to none.
    #[must_use]
    pub fn node(&self) -> &str {
        self.label(label::NODE)
    }

    /// The role; empty if it belongs to none.
    #[must_use]
    pub fn role(&self) -> &str {
        self.label(label::ROLE)
    }

    /// The service, by its name inside the node; empty if it belongs to none.
    #[must_use]
    pub fn service(&self) -> &str {
        self.label(label::SERVICE)
    }

    /// The name that topogen created it under, which differs from its name if somebody renamed it; its name if it does
    /// not say.
    #[must_use]
    pub fn created_as(&self) -> &str {
        match self.label(label::NAME) {
            "" => &self.name,
            name => name,
        }
    }

    /// The Compose project; empty if it belongs to none.
    #[must_use]
    pub fn project(&self) -> &str {
        self.label(label::compose::PROJECT)
    }

    /// The service, by its key in the Compose project; empty if it belongs to none.
    #[must_use]
    pub fn service_key(&self) -> &str {
        self.label(label::compose::SERVICE)
    }

    /// The service, by its key in the Compose project; the container's name if it belongs to no project.
    #[must_use]
    pub fn service_key_or_name(&self) -> &str {
        match self.service_key() {
            "" => &self.name,
            key => key,
        }
    }

    /// The number among the containers of its service, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.label(label::compose::CONTAINER_NUMBER).parse().unwrap_or(1)
    }

    /// The services that it depends on, according to its label.
    pub fn depends_on(&self) -> impl Iterator<Item = DependsOn<'_>> {
        DependsOn::parse(self.label(label::compose::DEPENDS_ON))
    }

    /// The roles that its role starts after, according to its label.
    pub fn after(&self) -> impl Iterator<Item = &str> {
        self.label(label::AFTER).split(',').filter(|role| !role.is_empty())
    }

    /// The anonymous volumes that it took over from the container it replaced.
    pub fn carried(&self) -> impl Iterator<Item = &str> {
        self.label(label::CARRIED)
            .split(',')
            .filter(|volume| !volume.is_empty())
    }

    /// The named volumes that it mounts, according to its label.
    pub fn named_volumes(&self) -> impl Iterator<Item = &str> {
        self.label(label::VOLUMES)
            .split(',')
            .filter(|volume| !volume.is_empty())
    }

    /// The names that it should have on the shared network, according to its label.
    pub fn entry_names(&self) -> impl Iterator<Item = &str> {
        self.label(label::NAMES).split(' ').filter(|name| !name.is_empty())
    }

    /// Its endpoint on the network with this ID.
    #[must_use]
    pub fn endpoint(&self, network_id: &str) -> Option<&ObservedEndpoint> {
        self.endpoints
            .iter()
            .find(|e| e.network_id.as_deref() == Some(network_id))
    }

    /// Whether one of its endpoints [is of](ObservedEndpoint::is_of) `network`.
    #[must_use]
    pub fn is_on(&self, network: &ObservedNetwork) -> bool {
        self.endpoints.iter().any(|e| e.is_of(&network.id, &network.name))
    }

    /// Whether it runs and is not paused.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.state == State::Running
    }

    /// The namespaces that it is in and that their owners have left behind; none if it was only listed.
    pub fn lost_namespaces(&self) -> impl Iterator<Item = LostNamespace> + '_ {
        let details = self.details.iter();
        details.flat_map(|d| d.shared.iter().filter_map(|shared| shared.lost(d.started)))
    }

    /// How often the engine has started it again by itself; 0 if it was only listed.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.details.as_ref().map_or(0, |d| d.restarts)
    }

    /// What its blueprint expected of it in the long run, according to its label.
    #[must_use]
    pub fn duty(&self) -> Duty {
        Duty::from_word(self.label(label::DUTY)).unwrap_or_default()
    }

    /// Whether `name` is one that the engine gives it on every network: a prefix of its ID, its name, or its host name.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.id.starts_with(name) || name.eq_ignore_ascii_case(&self.name) || self.is_hostname(name)
    }

    /// Whether `name` is its host name; `false` if it was only listed.
    #[must_use]
    pub fn is_hostname(&self, name: &str) -> bool {
        let details = self.details.as_ref();
        details.is_some_and(|d| d.hostname.eq_ignore_ascii_case(name))
    }

    /// The aliases of `endpoint` that somebody chose, each once: without those that the engine adds and without the
    /// service's key, which Compose adds on every network. The container's name counts if it is also its node's name.
    /// `None` if the container was only listed.
    #[must_use]
    pub fn chosen_aliases<'a>(&self, endpoint: &'a ObservedEndpoint) -> Option<Vec<&'a str>> {
        let mut chosen: Vec<&str> = Vec::new();
        for alias in endpoint.aliases.as_ref()? {
            let given = self.is_given(alias) && !(*alias == self.name && *alias == self.node());
            if !given && alias != self.service_key() && !chosen.contains(&alias.as_str()) {
                chosen.push(alias);
            }
        }
        Some(chosen)
    }

    /// The [chosen aliases](Self::chosen_aliases) on those of its networks that `asked` selects by name, each once; none if
    /// the container was only listed.
    #[must_use]
    pub fn names_on(&self, asked: impl Fn(&str) -> bool) -> Vec<&str> {
        let endpoints = self.endpoints.iter().filter(|e| asked(&e.network));
        let mut names: Vec<&str> = Vec::new();
        for name in endpoints.flat_map(|e| self.chosen_aliases(e).unwrap_or_default()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The engine's message if it could not start the container the last time; empty otherwise, or if it was only
    /// listed.
    #[must_use]
    pub fn start_error(&self) -> &str {
        self.details.as_ref().map_or("", |d| &d.start_error)
    }

    /// Whether it runs the fake service.
    #[must_use]
    pub fn is_fake(&self) -> bool {
        fake::is_image(&self.image)
    }

    /// Whether topogen's executable is in it, whatever its image is called: containers inherit an image's labels.
    #[must_use]
    pub fn has_probe(&self) -> bool {
        self.labels.contains_key(label::EXECUTABLE)
    }

    /// Whether it is a container of topogen's own that does something on behalf of another.
    #[must_use]
    pub fn is_helper(&self) -> bool {
        !self.label(label::HELPER).is_empty()
    }

    /// Whether it is a helper that stayed behind in a network where something is cut: a place to ask what.
    #[must_use]
    pub fn is_mark(&self) -> bool {
        !self.label(label::MARKED).is_empty() && self.is_helper()
    }
}

/// The result of a healthcheck (Engine API, `Health.Status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// The check has no result yet, or fails within its start period.
    Starting,
    /// The last check passed.
    Healthy,
    /// The number of consecutive failures reached the limit.
    Unhealthy,
}

impl Health {
    /// Parses the engine's `word`; `None` without a healthcheck.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "starting" => Some(Self::Starting),
            "healthy" => Some(Self::Healthy),
            "unhealthy" => Some(Self::Unhealthy),
            _ => None,
        }
    }

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

/// The state of a container (Engine API, `ContainerSummary.State`).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The container was created and never started.
    #[default]
    Created,
    /// The main process runs.
    Running,
    /// All processes are frozen.
    Paused,
    /// Between two runs, by its restart policy.
    Restarting,
    /// The main process has exited.
    Exited,
    /// The engine is removing the container.
    Removing,
    /// The engine failed to clean up after it.
    Dead,
}

impl State {
    /// Parses the engine's `word`. `stopping` counts as exited, and an empty word as created.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "exited" | "stopping" => Self::Exited,
            "removing" => Self::Removing,
            "dead" => Self::Dead,
            _ => Self::Created,
        }
    }

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

/// A network on the engine, of the cluster or not (`GET /networks`).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ObservedNetwork {
    /// The engine's ID, 64 hexadecimal digits.
    pub id: String,
    /// The name, which need not be unique.
    pub name: String,
    /// The driver: `bridge`, `overlay`, …
    pub driver: String,
    /// Whether it has no route to the outside.
    pub internal: bool,
    /// Whether other networks may reach its addresses (`com.docker.network.bridge.gateway_mode_ipv4`).
    pub routed: bool,
    /// All labels of the network.
    pub labels: BTreeMap<String, String>,
    /// The IPv4 subnets; none where the driver gives no addresses.
    pub subnets: Vec<Ipv4Net>,
    /// The IPv6 subnets that the network's addresses come from.
    pub subnets6: Vec<Ipv6Net>,
    /// Whether other networks may reach its IPv6 addresses (`com.docker.network.bridge.gateway_mode_ipv6`).
    pub routed6: bool,
}

/// A volume on the engine, of the cluster or not (`GET /volumes`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedVolume {
    /// The name, which is unique.
    pub name: String,
    /// All labels of the volume.
    pub labels: BTreeMap<String, String>,
}

impl ObservedVolume {
    /// Whether the engine made up its name, because nobody gave it one.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        label::is_made_up(&self.name) || self.labels.contains_key(label::ANONYMOUS)
    }

    /// Whether it belongs to `cluster`.
    #[must_use]
    pub fn is_of(&self, cluster: &ClusterName) -> bool {
        self.labels.get(label::CLUSTER).map(String::as_str) == Some(cluster.as_str())
    }
}

impl ObservedNetwork {
    /// All its subnets, those of IPv4 first.
    pub fn all_subnets(&self) -> impl Iterator<Item = IpNet> + '_ {
        let v4 = self.subnets.iter().map(|net| IpNet::from(*net));
        v4.chain(self.subnets6.iter().map(|net| IpNet::from(*net)))
    }

    /// The value of the label `key`; empty if it is absent.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    /// The node; empty if several nodes share it.
    #[must_use]
    pub fn node(&self) -> &str {
        self.label(label::NODE)
    }

    /// The cluster; empty if it belongs to none.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.label(label::CLUSTER)
    }

    /// The Compose project; empty if it belongs to none.
    #[must_use]
    pub fn project(&self) -> &str {
        self.label(label::compose::PROJECT)
    }

    /// Whether it belongs to `cluster`.
    #[must_use]
    pub fn is_of(&self, cluster: &ClusterName) -> bool {
        self.cluster() == cluster.as_str()
    }

    /// Whether it is the network that all nodes of its cluster share.
    #[must_use]
    pub fn is_inout(&self) -> bool {
        self.node().is_empty() && self.label(label::compose::NETWORK) == "inout"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(container: &str, aliases: &[&str]) -> Vec<String> {
        let labels = [(label::NODE, "kibana"), (label::compose::SERVICE, "kibana-web")];
        let observed = ObservedContainer {
            id: "0123456789ab".to_owned(),
            name: container.to_owned(),
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            endpoints: vec![ObservedEndpoint {
                network: "inout".to_owned(),
                aliases: Some(aliases.iter().map(|a| (*a).to_owned()).collect()),
                ..ObservedEndpoint::default()
            }],
            details: Some(Details {
                hostname: "box".to_owned(),
                ..Details::default()
            }),
            ..ObservedContainer::default()
        };
        let chosen = observed.chosen_aliases(&observed.endpoints[0]).unwrap_or_default();
        chosen.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_container_called_as_its_node_answers_to_the_nodes_name() {
        let of_default_name = ["kibana-web-1", "kibana-web", "kibana", "0123456789ab", "BOX"];
        assert_eq!(chosen("kibana-web-1", &of_default_name), ["kibana"]);
        // Engines up to 24 list the name twice.
        let twice = ["kibana", "kibana-web", "kibana", "0123456789ab"];
        assert_eq!(chosen("kibana", &twice), ["kibana"]);
        assert_eq!(chosen("kibana", &["kibana", "kibana-web"]), ["kibana"]);
    }
}
