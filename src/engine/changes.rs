//! What happens on the engine, in topogen's words. Its events are read here and nowhere else (Engine API, `GET /events`).
//!
//! [`Subscription`] tells what happens from now on, and [`Past`] what has happened, as far as the engine remembers.

mod past;
mod subscription;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;

pub use past::Past;
pub use subscription::{Notice, Subscription};

use super::connect::Engine;
use super::fault::Fault;
use crate::cluster::{Health, ObservedContainer, State, label};
use crate::name::ClusterName;
use crate::text::decimal;

/// Something that happened on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// To a container, or by it.
    Container(ContainerChange),
    /// To a network, by whomever.
    Network(NetworkChange),
}

/// Something that happened to a container, or by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerChange {
    /// When, by the engine's clock.
    pub at: SystemTime,
    /// The container's id, 64 hexadecimal digits.
    pub id: String,
    /// The container's name, after a rename the new one.
    pub name: String,
    /// The container's labels that are topogen's, without [`label::DEFINITION`], which is large.
    pub labels: BTreeMap<String, String>,
    /// What happened to the container.
    pub event: ContainerEvent,
}

/// Something that happened to a network. The engine does not say the network's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkChange {
    /// When, by the engine's clock.
    pub at: SystemTime,
    /// The network's id, 64 hexadecimal digits.
    pub id: String,
    /// The network's name, which others may bear too.
    pub name: String,
    /// What happened to the network.
    pub event: NetworkEvent,
}

/// What happened to a container, or what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerEvent {
    /// The engine has created it.
    Created,
    /// Its main process was started.
    Started,
    /// It was sent a signal, by number; none where the engine does not say which. It need not end by it: HUP makes many
    /// programs read their configuration.
    Signalled(Option<u8>),
    /// It ended, with that exit code; none where the engine does not say it.
    Died(Option<i32>),
    /// A request to stop it was fulfilled. Engine 20.10 says so after [`Died`](Self::Died), Engine 28 before.
    Stopped,
    /// A request to restart it was fulfilled.
    Restarted,
    /// The kernel killed one of its processes for want of memory; the container may go on.
    OutOfMemory,
    /// Its health check came to another result.
    Health(Health),
    /// Its processes were frozen.
    Paused,
    /// Its processes go on.
    Unpaused,
    /// It got another name than this one.
    Renamed(String),
    /// Its limits or its restart policy were changed.
    Updated,
    /// The engine has removed it.
    Removed,
    /// Somebody ran a command in it, as health checks do, attached to it, listed its processes, or read or wrote its files.
    Visited,
    /// Something else, in the engine's word.
    Other(String),
}

/// What happened to a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkEvent {
    /// The engine has created it.
    Created,
    /// The container of that id was connected to it. A container on several networks is connected to each as it starts.
    Connected(String),
    /// The container of that id was disconnected from it, as each is when it ends. Engines may say so twice.
    Disconnected(String),
    /// The engine has removed it.
    Removed,
    /// Something else, in the engine's word.
    Other(String),
}

impl Change {
    /// When it happened, by the engine's clock.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        match self {
            Self::Container(change) => change.at,
            Self::Network(change) => change.at,
        }
    }

    /// What an event says; none where it is about neither a container nor a network, or does not say about which.
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
                // A container's labels stand beside what the engine says of the event.
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

    /// The container as far as the event describes it: running, as one is that has just started.
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

/// The engine's word and what it says beside it, as ours.
fn container_event(action: String, attributes: &mut HashMap<String, String>) -> ContainerEvent {
    // Such as `health_status: healthy` and `exec_create: /bin/true`.
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

/// Which events are asked of the engine. It cannot be asked for a cluster's networks: their events carry no labels.
#[derive(Debug, Clone, Copy)]
pub enum Topic<'a> {
    /// Those of the cluster's containers.
    ContainersOf(&'a ClusterName),
    /// The signals that the cluster's containers are sent, and their ends.
    SignalsOf(&'a ClusterName),
    /// Those of all containers and networks.
    ContainersAndNetworks,
    /// All, also those of images and volumes, which are no [`Change`]s.
    Everything,
}

/// Events of the engine as they come.
type Events = BoxStream<'static, Result<EventMessage, Fault>>;

/// What is asked for in `GET /events`: its filters, and from when and until when.
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
