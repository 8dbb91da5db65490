//! What keeps a plan from being made.

use ipnet::Ipv4Net;

use crate::cluster::HostPort;
use crate::compose::ports::{self, Protocol};
use crate::diagnostic::Span;
use crate::text::quoted;
use crate::topology::{Service, Topology};
use crate::value::Value;

/// Something stands in the way, and nothing has been done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A network of that name is not ours.
    #[error("network `{name}` is there already, and not of this cluster")]
    ForeignNetwork {
        /// Its name.
        name: String,
        /// The Compose project that it belongs to, if any.
        project: String,
    },
    /// A network that others provide is not there.
    #[error("network `{name}` is external and does not exist")]
    MissingNetwork {
        /// Its name.
        name: String,
    },
    /// Containers that topogen leaves alone are on a network that must go first.
    #[error(
        "network `{name}` has to be made anew, but {} on it: {}",
        match guests.len() { 1 => "another container is".to_owned(), n => format!("{n} other containers are") },
        quoted(guests)
    )]
    InUse {
        /// The network's name.
        name: String,
        /// The names of the containers.
        guests: Vec<String>,
    },
    /// No subnet of the pool is free.
    #[error("network `{name}`: the pool has no free subnet left")]
    NoSubnet {
        /// The network's name.
        name: String,
    },
    /// An image is not on the engine, and is never to be fetched.
    #[error("image `{name}` is not on the engine, and `pull_policy: never` forbids fetching it")]
    MissingImage {
        /// Its name.
        name: String,
    },
    /// A volume that others provide is not there.
    #[error("volume `{name}` is external and does not exist")]
    MissingVolume {
        /// Its name.
        name: String,
    },
    /// A container's name is somebody else's.
    #[error("container `{name}` is there already, and not of this cluster")]
    ForeignContainer {
        /// Its name.
        name: String,
        /// The Compose project that it belongs to, if any.
        project: String,
    },
    /// A port of the host is somebody else's.
    #[error(
        "port {port} of the host, which `{container}` publishes, is taken by {}",
        match by { Some(by) => format!("container `{by}`"), None => "another program".to_owned() }
    )]
    PortTaken {
        /// The container that asks for it.
        container: String,
        /// The port.
        port: HostPort,
        /// The container that has it; `None` where that is another program.
        by: Option<String>,
        /// Its role, where that is one of this cluster that left the blueprint.
        orphan: Option<String>,
    },
    /// A subnet that the blueprint fixes is somebody else's.
    #[error("network `{name}`: {subnet} overlaps {taken} of {by}")]
    SubnetTaken {
        /// The network that asks for it.
        name: String,
        /// What it asks for.
        subnet: Ipv4Net,
        /// What is there.
        taken: Ipv4Net,
        /// Whose that is: a network or an interface.
        by: String,
    },
    /// Another blueprint's cluster has the same name.
    #[error("cluster `{cluster}` was brought up from `{theirs}`, and this is `{ours}`")]
    OtherBlueprint {
        /// The cluster's name.
        cluster: String,
        /// Where it came from.
        theirs: String,
        /// Where this one comes from.
        ours: String,
    },
}

impl Conflict {
    /// Where the blueprint of `topology` asks for what is in the way, where that is one place.
    #[must_use]
    pub fn place(&self, topology: &Topology) -> Option<Span> {
        let mut services = topology.nodes.iter().flat_map(|n| &n.services);
        match self {
            Self::PortTaken { container, port, .. } => {
                let has = |s: &&Service| {
                    let first = s.container.as_str() == container;
                    first || s.replicas > 1 && s.containers().any(|c| c.as_str() == container)
                };
                let service = services.find(has)?;
                let takes = |item: &Value| {
                    let Ok(asked) = ports::read(item) else { return false };
                    let range = asked
                        .taken()
                        .is_some_and(|(first, last)| (first..=last).contains(&port.port));
                    range
                        && (asked.protocol == Protocol::Udp) == port.udp
                        && asked.address.is_none_or(|a| a == port.address)
                };
                let items = service.get("ports").and_then(Value::as_list).unwrap_or_default();
                let at = items.iter().position(takes);
                service
                    .written
                    .place(&at.map_or("ports".to_owned(), |at| format!("ports[{at}]")))
            }
            Self::MissingImage { name } => {
                let is_it = |s: &&Service| s.get("image").and_then(Value::scalar).as_ref() == Some(name);
                services.find(is_it)?.written.place("image")
            }
            Self::MissingNetwork { name } | Self::SubnetTaken { name, .. } => {
                let of_nodes = topology.nodes.iter().flat_map(|n| &n.networks);
                let mut networks = [&topology.inout].into_iter().chain(&topology.shared).chain(of_nodes);
                let path = if matches!(self, Self::MissingNetwork { .. }) {
                    "external"
                } else {
                    "ipam.config"
                };
                networks.find(|n| n.name.as_str() == name)?.written.place(path)
            }
            _ => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::ForeignNetwork { project, .. } if !project.is_empty() => {
                format!("`docker compose -p {project} down` removes it, or name this cluster otherwise: `-n NAME`")
            }
            Self::ForeignNetwork { name, .. } => {
                format!("`docker network rm {name}` removes it, or name this cluster otherwise: `-n NAME`")
            }
            Self::MissingNetwork { name } => format!("make it: `docker network create {name}`"),
            Self::InUse { name, guests } => {
                let commands = guests
                    .iter()
                    .map(|g| format!("`docker network disconnect -f {name} {g}`"));
                let them = if guests.len() == 1 { "it" } else { "them" };
                format!("disconnect {them}: {}", commands.collect::<Vec<_>>().join(", "))
            }
            Self::NoSubnet { .. } => "give a larger pool, addresses: {pool: …}, or `addresses: engine`".to_owned(),
            Self::MissingImage { .. } => "see the cluster with fakes in place of all images: `--fake`".to_owned(),
            Self::MissingVolume { name } => format!("make it: `docker volume create {name}`"),
            Self::ForeignContainer { project, .. } if !project.is_empty() => {
                format!("`docker compose -p {project} down` removes it, or name this cluster otherwise: `-n NAME`")
            }
            Self::ForeignContainer { name, .. } => {
                format!("`docker rm -f {name}` removes it, or name this cluster otherwise: `-n NAME`")
            }
            Self::PortTaken { orphan: Some(role), .. } => {
                format!("it is of role `{role}`, which is not in the blueprint: `--remove-orphans` removes it")
            }
            Self::PortTaken { .. } => {
                "free it, or publish another: a port with `{{ node.index }}` in it is each node's own".to_owned()
            }
            Self::SubnetTaken { .. } => {
                "name another subnet, or leave it out: topogen then takes a free one".to_owned()
            }
            Self::OtherBlueprint { .. } => {
                "name this cluster otherwise: `-n NAME`; or let it take the other's place: `--take-over`".to_owned()
            }
        }
    }
}
