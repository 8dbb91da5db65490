//! Conflicts that keep a plan from being made.

use ipnet::Ipv4Net;

use crate::cluster::HostPort;
use crate::compose::ports::{self, Protocol};
use crate::diagnostic::Span;
use crate::text::quoted;
use crate::topology::{Service, Topology};
use crate::value::Value;

/// Something outside of topogen's control is in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A network with the desired name belongs to somebody else.
    #[error("network `{name}` exists already, and is not of this cluster")]
    ForeignNetwork {
        /// The name of the network.
        name: String,
        /// The Compose project that it belongs to; `None` if its labels name none.
        project: Option<String>,
    },
    /// An external network does not exist.
    #[error("network `{name}` is external and does not exist")]
    MissingNetwork {
        /// The name of the network.
        name: String,
    },
    /// A network must be recreated, but foreign containers are on it.
    #[error(
        "network `{name}` has to be recreated, but {} on it: {}",
        match guests.len() { 1 => "another container is".to_owned(), n => format!("{n} other containers are") },
        quoted(guests)
    )]
    InUse {
        /// The name of the network.
        name: String,
        /// The names of these containers.
        guests: Vec<String>,
    },
    /// No subnet of the pool is free.
    #[error("network `{name}`: the pool has no free subnet left")]
    NoSubnet {
        /// The name of the network.
        name: String,
    },
    /// An image is not on the engine, and its pull policy is `never`.
    #[error("image `{name}` is not on the engine, and `pull_policy: never` forbids fetching it")]
    MissingImage {
        /// The name of the image.
        name: String,
    },
    /// An image is not on the engine, and its service says how it is built.
    #[error("image `{name}` is not on the engine, and `up` builds none")]
    NotBuilt {
        /// The name of the image.
        name: String,
    },
    /// An image on the engine is for another platform, and its pull policy is `never`.
    #[error(
        "image `{name}` is there for `{present}`, `platform: {asked}` is asked for, and `pull_policy: never` forbids \
         fetching it"
    )]
    OtherPlatform {
        /// The name of the image.
        name: String,
        /// The platform in the blueprint.
        asked: String,
        /// The platform of the image on the engine.
        present: String,
    },
    /// An external volume does not exist.
    #[error("volume `{name}` is external and does not exist")]
    MissingVolume {
        /// The name of the volume.
        name: String,
    },
    /// A container with the desired name belongs to somebody else.
    #[error("container `{name}` exists already, and is not of this cluster")]
    ForeignContainer {
        /// The name of the container.
        name: String,
        /// The Compose project that it belongs to; `None` if its labels name none.
        project: Option<String>,
    },
    /// A host port that a container publishes is taken.
    #[error(
        "port {port} of the host, which `{container}` publishes, is taken by {}",
        match by { Some(by) => format!("container `{by}`"), None => "another program".to_owned() }
    )]
    PortTaken {
        /// The name of the container that publishes it.
        container: String,
        /// The port of the host.
        port: HostPort,
        /// The container that holds it; `None` if another program does.
        by: Option<String>,
        /// The role of that container, if it is an orphan of this cluster.
        orphan: Option<String>,
    },
    /// A subnet that the blueprint fixes overlaps with another.
    #[error("network `{name}`: {subnet} overlaps {taken} of {by}")]
    SubnetTaken {
        /// The name of the network.
        name: String,
        /// The subnet that the blueprint fixes.
        subnet: Ipv4Net,
        /// The subnet that it overlaps with.
        taken: Ipv4Net,
        /// The network or interface that holds it.
        by: String,
    },
    /// The cluster was created from another blueprint of the same name.
    #[error("cluster `{cluster}` was brought up from `{theirs}`, and this is `{ours}`")]
    OtherBlueprint {
        /// The name of the cluster.
        cluster: String,
        /// The path of the other blueprint.
        theirs: String,
        /// The path of this blueprint.
        ours: String,
    },
}

impl Conflict {
    /// Where the blueprint of `topology` asks for it; `None` if there is no single place.
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
            Self::MissingImage { name } | Self::NotBuilt { name } => {
                let is_it = |s: &&Service| s.get("image").and_then(Value::scalar).as_ref() == Some(name);
                services.find(is_it)?.written.place("image")
            }
            Self::OtherPlatform { name, asked, .. } => {
                let said = |s: &Service, key: &str| s.get(key).and_then(Value::scalar);
                let is_it = |s: &&Service| {
                    said(s, "image").as_ref() == Some(name) && said(s, "platform").as_ref() == Some(asked)
                };
                services.find(is_it)?.written.place("platform")
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

    /// A hint that tells the way out.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::ForeignNetwork {
                project: Some(project), ..
            } => {
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
            Self::NotBuilt { name } => format!(
                "`docker build -t {name} CONTEXT` makes it, with the context of `build`; or see the cluster with fakes: `--fake`"
            ),
            Self::OtherPlatform { .. } => "leave out `platform` to use the image as it is".to_owned(),
            Self::MissingVolume { name } => format!("make it: `docker volume create {name}`"),
            Self::ForeignContainer {
                project: Some(project), ..
            } => {
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
                "name another subnet, or leave it out: topogen then takes a free one; where `isolate` chose it, give another \
                 pool: addresses: {pool: …}"
                    .to_owned()
            }
            Self::OtherBlueprint { .. } => {
                "name this cluster otherwise: `-n NAME`; or let it take the other's place: `--take-over`".to_owned()
            }
        }
    }
}
