//! What runs, as a target was observed to hold it.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use serde::Serialize;

use super::label::{self, DependsOn};
use crate::fake;
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

/// Containers, whoever made them, each inspected; and every network of the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Containers of a cluster, and all others on its networks, by name.
    pub containers: Vec<ObservedContainer>,
    /// Every network.
    pub networks: Vec<ObservedNetwork>,
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

/// A container of a target, ours or not.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ObservedContainer {
    /// The engine's id, 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels; those of its image are among them.
    pub labels: BTreeMap<String, String>,
    /// What it is doing.
    pub state: State,
    /// What its healthcheck says; `None` where it has none, or does not run.
    pub health: Option<Health>,
    /// The status it ended with; `None` where it has not.
    pub exit: Option<i32>,
    /// The image it was made of, as it was called then. Where that name is another image's now, a list gives the id.
    pub image: String,
    /// The id of that image.
    pub image_id: String,
    /// The networks it is on, by their names.
    pub endpoints: Vec<ObservedEndpoint>,
    /// Its published ports: the host's, and its own as `80/tcp`.
    pub ports: Vec<(HostPort, String)>,
    /// Volumes it mounts: name, and where.
    pub mounts: Vec<(String, String)>,
    /// What only an inspection says; `None` where it was listed alone.
    pub details: Option<Details>,
}

/// What an inspection says of a container beyond what a list does (`GET /containers/{id}/json`).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Details {
    /// Its host name.
    pub hostname: String,
    /// Why the engine could not start it the last time, in the engine's words; empty where it could, or never tried.
    pub start_error: String,
}

/// A container on a network.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct ObservedEndpoint {
    /// The network's name.
    pub network: String,
    /// The network's id; empty until the container has run.
    #[serde(skip)]
    pub network_id: String,
    /// The container's address there; `None` unless it runs.
    #[serde(serialize_with = "address_or_nothing")]
    pub address: Option<Ipv4Addr>,
    /// The aliases it was created with, and those that the engine added; `None` where it was only listed.
    #[serde(skip)]
    pub aliases: Option<Vec<String>>,
    /// Every name by which the engine's resolver knows it there, in lower case and sorted; an inspection says them, a list
    /// none.
    #[serde(skip)]
    pub names: Vec<String>,
}

/// Programs that read `ps --format json` find an empty string where there is no address.
fn address_or_nothing<S: serde::Serializer>(address: &Option<Ipv4Addr>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.collect_str(address),
        None => serializer.serialize_str(""),
    }
}

impl ObservedContainer {
    /// One of its labels; empty where it has none.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    /// Its cluster; empty where it is of none.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.label(label::CLUSTER)
    }

    /// Its node; empty where it is of none.
    #[must_use]
    pub fn node(&self) -> &str {
        self.label(label::NODE)
    }

    /// Its role; empty where it is of none.
    #[must_use]
    pub fn role(&self) -> &str {
        self.label(label::ROLE)
    }

    /// Its service, by its name inside the node; empty where it is of none.
    #[must_use]
    pub fn service(&self) -> &str {
        self.label(label::SERVICE)
    }

    /// Its Compose project; empty where it is of none.
    #[must_use]
    pub fn project(&self) -> &str {
        self.label(label::compose::PROJECT)
    }

    /// Its service, by its key in the Compose project; empty where it is of none.
    #[must_use]
    pub fn service_key(&self) -> &str {
        self.label(label::compose::SERVICE)
    }

    /// Its service, by its key in the Compose project; its own name where it is of no project.
    #[must_use]
    pub fn service_key_or_name(&self) -> &str {
        match self.service_key() {
            "" => &self.name,
            key => key,
        }
    }

    /// Which of its service's containers it is, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.label(label::compose::CONTAINER_NUMBER).parse().unwrap_or(1)
    }

    /// The services that it depends on.
    pub fn depends_on(&self) -> impl Iterator<Item = DependsOn<'_>> {
        DependsOn::parse(self.label(label::compose::DEPENDS_ON))
    }

    /// The roles that its role starts after.
    pub fn after(&self) -> impl Iterator<Item = &str> {
        self.label(label::AFTER).split(',').filter(|role| !role.is_empty())
    }

    /// The anonymous volumes that it took over from the container it replaced.
    pub fn carried(&self) -> impl Iterator<Item = &str> {
        self.label(label::CARRIED)
            .split(',')
            .filter(|volume| !volume.is_empty())
    }

    /// What it was to answer to on the network of all nodes.
    pub fn entry_names(&self) -> impl Iterator<Item = &str> {
        self.label(label::NAMES).split(' ').filter(|name| !name.is_empty())
    }

    /// Its endpoint on the network of this id.
    #[must_use]
    pub fn endpoint(&self, network_id: &str) -> Option<&ObservedEndpoint> {
        self.endpoints.iter().find(|e| e.network_id == network_id)
    }

    /// Whether it is on `network`, by name where it has never run and the engine says no id.
    #[must_use]
    pub fn is_on(&self, network: &ObservedNetwork) -> bool {
        self.endpoints.iter().any(|n| match n.network_id.as_str() {
            "" => n.network == network.name,
            id => id == network.id,
        })
    }

    /// Whether it runs, and is not frozen.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.state == State::Running
    }

    /// Whether it runs, and is well where that is asked of it.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.runs() && matches!(self.health, None | Some(Health::Healthy))
    }

    /// Whether the engine gives it `name` by itself on every network: the start of its id, its own name, its host's.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.id.starts_with(name) || name.eq_ignore_ascii_case(&self.name) || self.is_hostname(name)
    }

    /// Whether `name` is its host's; never where it was only listed.
    #[must_use]
    pub fn is_hostname(&self, name: &str) -> bool {
        let details = self.details.as_ref();
        details.is_some_and(|d| d.hostname.eq_ignore_ascii_case(name))
    }

    /// The aliases of `endpoint`, one of its own, that somebody chose, each once: neither the engine's nor its service's key, which
    /// Compose adds on every network. Its own name counts where that is its node's, too. `None` where it was only listed.
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

    /// Why the engine could not start it the last time, in the engine's words; empty where it could, never tried, or it was
    /// only listed.
    #[must_use]
    pub fn start_error(&self) -> &str {
        self.details.as_ref().map_or("", |d| &d.start_error)
    }

    /// Whether it is a fake, which says who it is.
    #[must_use]
    pub fn is_fake(&self) -> bool {
        fake::is_image(&self.image)
    }

    /// Whether topogen's executable is in it, by whatever name its image goes: containers inherit an image's labels.
    #[must_use]
    pub fn has_probe(&self) -> bool {
        self.labels.contains_key(label::EXECUTABLE)
    }

    /// Whether it is one of topogen's own that asks in another's stead.
    #[must_use]
    pub fn is_helper(&self) -> bool {
        self.labels.contains_key(label::HELPER)
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
    /// What the engine means by `word`; `None` where there is no healthcheck.
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
    /// What the engine means by `word`. A container that is `stopping` counts as ended, and one of which nothing is said
    /// as never started.
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

/// A network of the engine, ours or not (`GET /networks`).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ObservedNetwork {
    /// The engine's id.
    pub id: String,
    /// Its name, which others may bear too.
    pub name: String,
    /// `bridge`, `overlay`, …
    pub driver: String,
    /// Whether it has no way out.
    pub internal: bool,
    /// Whether it is told to let others at its addresses (`com.docker.network.bridge.gateway_mode_ipv4`).
    pub routed: bool,
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
    /// One of its labels; empty where it has none.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    /// Its node; empty where it is no node's own.
    #[must_use]
    pub fn node(&self) -> &str {
        self.label(label::NODE)
    }

    /// Its cluster; empty where it is of none.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.label(label::CLUSTER)
    }

    /// Its Compose project; empty where it is of none.
    #[must_use]
    pub fn project(&self) -> &str {
        self.label(label::compose::PROJECT)
    }

    /// Whether it belongs to `cluster`.
    #[must_use]
    pub fn is_of(&self, cluster: &ClusterName) -> bool {
        self.cluster() == cluster.as_str()
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
        // Engines up to 24 list it twice.
        let twice = ["kibana", "kibana-web", "kibana", "0123456789ab"];
        assert_eq!(chosen("kibana", &twice), ["kibana"]);
        assert_eq!(chosen("kibana", &["kibana", "kibana-web"]), ["kibana"]);
    }
}
