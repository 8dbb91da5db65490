//! Decodes the engine's events (Engine API, `GET /events`). No other file reads them.
//!
//! [`Subscription`] reports changes from now on, and [`Past`] those that the engine remembers.

mod past;
mod subscription;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;

pub use past::Past;
pub use subscription::{FIRST_DELAY, LONGEST_DELAY, Notice, PATIENCE, Subscription};

use super::connect::Engine;
use super::fault::Fault;
pub use crate::cluster::ContainerEvent;
use crate::cluster::{Health, ObservedContainer, State, label};
use crate::name::ClusterName;
use crate::text::decimal;

/// Something that happened on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It happened to a container, or a container did it.
    Container(ContainerChange),
    /// It happened to a network.
    Network(NetworkChange),
}

/// Something that happened to a container, or by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerChange {
    /// The time by the engine's clock.
    pub at: SystemTime,
    /// The ID of the container, 64 hexadecimal digits.
    pub id: String,
    /// The name of the container; after a rename the new one.
    pub name: String,
    /// The labels of the container that are topogen's, without [`label::DEFINITION`], which is large.
    pub labels: BTreeMap<String, String>,
    /// What happened to the container.
    pub event: ContainerEvent,
}

/// Something that happened to a network. The engine does not report the labels of networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkChange {
    /// The time by the engine's clock.
    pub at: SystemTime,
    /// The ID of the network, 64 hexadecimal digits.
    pub id: String,
    /// The name of the network, which other networks may have too.
    pub name: String,
    /// What happened to the network.
    pub event: NetworkEvent,
}

/// What happened to a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkEvent {
    /// The engine has created it.
    Created,
    /// The container with this ID was connected. A container is connected to each of its networks when it starts.
    Connected(String),
    /// The container with this ID was disconnected, as from each network when it exits. Engines may report this twice.
    Disconnected(String),
    /// The engine has removed it.
    Removed,
    /// Another event, by the engine's word.
    Other(String),
}

impl Change {
    /// The time when it happened, by the engine's clock.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        match self {
            Self::Container(change) => change.at,
            Self::Network(change) => change.at,
        }
    }

    /// The change that an event reports; `None` if it concerns neither a container nor a network, or does not tell
    /// which.
    fn read(event: EventMessage) -> Option<Self> {
        let nanoseconds = event.time_nano.and_then(|t| u64::try_from(t).ok());
        let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds.unwrap_or_default());
        let action = event.action.unwrap_or_default();
        let actor = event.actor?;
        let id = actor.id.filter(|id| !id.is_empty())?;
        let mut attributes = actor.attributes.unwrap_or_default();
        let name = attributes.remove("name").unwrap_or_default();
        match event.typ? {
            EventMessageTypeEnum::CONTAINER => {
                let event = container_event(action, &mut attributes);
                let is_kept = |key: &str| key.starts_with(label::PREFIX) && key != label::DEFINITION;
                // The labels of a container are mixed with the other attributes of the event.
                attributes.retain(|key, _| is_kept(key));
                Some(Self::Container(ContainerChange {
                    at,
                    id,
                    name,
                    labels: attributes.into_iter().collect(),
                    event,
                }))
            }
            EventMessageTypeEnum::NETWORK => {
                let event = network_event(action, &mut attributes);
                Some(Self::Network(NetworkChange { at, id, name, event }))
            }
            _ => None,
        }
    }
}

impl ContainerChange {
    /// Whether the container belongs to `cluster`.
    #[must_use]
    pub fn is_of(&self, cluster: &ClusterName) -> bool {
        self.labels.get(label::CLUSTER).map(String::as_str) == Some(cluster.as_str())
    }

    /// Whether the container is a helper of topogen's own, which is of no node.
    #[must_use]
    pub fn is_of_helper(&self) -> bool {
        self.labels
            .get(label::HELPER)
            .is_some_and(|purpose| !purpose.is_empty())
    }

    /// The engine's ID of the container in whose network it cut or healed something; `None` if it is no helper that does.
    #[must_use]
    pub fn marked(&self) -> Option<&str> {
        let marked = self.labels.get(label::MARKED).filter(|_| self.is_of_helper());
        marked.map(String::as_str)
    }

    /// The container as far as the event describes it. It counts as running, as after a start.
    #[must_use]
    pub fn started(&self) -> ObservedContainer {
        ObservedContainer {
            id: self.id.clone(),
            name: self.name.clone(),
            labels: self.labels.clone(),
            state: State::Running,
            ..ObservedContainer::default()
        }
    }
}

/// The change that the engine's word and attributes describe.
fn container_event(action: String, attributes: &mut HashMap<String, String>) -> ContainerEvent {
    // A word may have a detail, as in `health_status: healthy` and `exec_create: /bin/true`.
    let (word, detail) = action.split_once(':').unwrap_or((&action, ""));
    match word {
        "create" => ContainerEvent::Created,
        "start" => ContainerEvent::Started,
        "kill" => ContainerEvent::Signalled(attributes.remove("signal").and_then(|n| decimal(&n))),
        "die" => ContainerEvent::Died(attributes.remove("exitCode").and_then(|n| n.parse().ok())),
        "stop" => ContainerEvent::Stopped,
        "restart" => ContainerEvent::Restarted,
        "oom" => ContainerEvent::OutOfMemory,
        "pause" => ContainerEvent::Paused,
        "unpause" => ContainerEvent::Unpaused,
        "update" => ContainerEvent::Updated,
        "destroy" => ContainerEvent::Removed,
        "rename" => {
            let old = attributes.remove("oldName").unwrap_or_default();
            ContainerEvent::Renamed(old.trim_start_matches('/').to_owned())
        }
        "health_status" => match detail.trim() {
            "starting" => ContainerEvent::Health(Health::Starting),
            "healthy" => ContainerEvent::Health(Health::Healthy),
            "unhealthy" => ContainerEvent::Health(Health::Unhealthy),
            _ => ContainerEvent::Other(action),
        },
        "attach" | "archive-path" | "extract-to-dir" | "exec_create" | "exec_start" | "exec_die" | "resize" | "top" => {
            ContainerEvent::Visited
        }
        _ => ContainerEvent::Other(action),
    }
}

fn network_event(action: String, attributes: &mut HashMap<String, String>) -> NetworkEvent {
    let mut container = || attributes.remove("container").unwrap_or_default();
    match action.as_str() {
        "create" => NetworkEvent::Created,
        "connect" => NetworkEvent::Connected(container()),
        "disconnect" => NetworkEvent::Disconnected(container()),
        "destroy" | "remove" => NetworkEvent::Removed,
        _ => NetworkEvent::Other(action),
    }
}

/// The events to request. Those of a cluster's networks cannot be selected, since they carry no labels.
#[derive(Debug, Clone, Copy)]
pub enum Topic<'a> {
    /// The events of the cluster's containers.
    ContainersOf(&'a ClusterName),
    /// The signals to the cluster's containers, and their exits.
    SignalsOf(&'a ClusterName),
    /// The events of all containers and networks.
    ContainersAndNetworks,
    /// All events, including those of images and volumes, which are no [`Change`]s.
    Everything,
}

/// Events of the engine as they arrive.
type Events = BoxStream<'static, Result<EventMessage, Fault>>;

/// The query of `GET /events`: filters, and the start and end of the time.
#[derive(Debug, Clone, Default)]
struct Request {
    filters: HashMap<&'static str, Vec<String>>,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
}

impl Request {
    fn new(topic: Topic<'_>, since: SystemTime) -> Self {
        let types = |types: &[&str]| ("type", types.iter().map(|t| (*t).to_owned()).collect());
        let of = |cluster: &ClusterName| ("label", vec![format!("{}={cluster}", label::CLUSTER)]);
        let filters = match topic {
            Topic::ContainersOf(cluster) => HashMap::from([types(&["container"]), of(cluster)]),
            Topic::SignalsOf(cluster) => {
                let events = ("event", vec!["kill".to_owned(), "die".to_owned()]);
                HashMap::from([types(&["container"]), of(cluster), events])
            }
            Topic::ContainersAndNetworks => HashMap::from([types(&["container", "network"])]),
            Topic::Everything => HashMap::new(),
        };
        Self {
            filters,
            since: Some(since),
            until: None,
        }
    }

    fn send(&self, engine: &Engine) -> Events {
        let mut options = EventsOptionsBuilder::new().filters(&self.filters);
        let time = |time: SystemTime| {
            let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            format!("{}.{:09}", time.as_secs(), time.subsec_nanos())
        };
        if let Some(since) = self.since {
            options = options.since(&time(since));
        }
        if let Some(until) = self.until {
            options = options.until(&time(until));
        }
        Box::pin(engine.docker.events(Some(options.build())).map_err(Fault::from))
    }
}

#[cfg(test)]
mod tests;
