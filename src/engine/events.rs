//! What happens on the engine while one looks, and what has happened before.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bollard::models::{EventActor, EventMessage};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{Stream, TryStreamExt};

use super::connect::Engine;
use super::fault::Fault;
use crate::cluster::ObservedContainer;
use crate::cluster::State;
use crate::cluster::label;
use crate::name::ClusterName;

/// How long an engine may take to say what has happened. One whose clock is behind would say what happens until then.
pub(super) const LISTEN: Duration = Duration::from_millis(500);

/// What happens from now on to what is of `kinds`, as the engine tells it (`GET /events`).
pub fn of(engine: &Engine, kinds: &[&str]) -> impl Stream<Item = Result<EventMessage, Fault>> + Send + 'static {
    let filters = HashMap::from([("type", kinds.to_vec())]);
    let options = EventsOptionsBuilder::new().filters(&filters).build();
    engine.docker.events(Some(options)).map_err(Fault::from)
}

/// What has happened between two times, of what the engine remembers and `filters` let through.
pub fn between(
    engine: &Engine,
    since: SystemTime,
    until: SystemTime,
    filters: &HashMap<&str, Vec<&str>>,
) -> impl Stream<Item = Result<EventMessage, Fault>> + Send + 'static {
    let time = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
    };
    let options = EventsOptionsBuilder::new()
        .filters(filters)
        .since(&time(since))
        .until(&time(until))
        .build();
    engine.docker.events(Some(options)).map_err(Fault::from)
}

/// The container of `cluster` that an event is about, as far as the event describes it.
#[must_use]
pub fn container(actor: EventActor, cluster: &ClusterName) -> Option<ObservedContainer> {
    // A container's labels stand beside what the engine says of the event.
    let mut labels = actor.attributes?;
    if labels.get(label::CLUSTER).map(String::as_str) != Some(cluster.as_str()) {
        return None;
    }
    Some(ObservedContainer {
        id: actor.id?,
        name: labels.remove("name").unwrap_or_default(),
        labels: labels.into_iter().collect(),
        state: State::Running,
        ..ObservedContainer::default()
    })
}
