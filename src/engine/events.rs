//! What happens on the engine while one looks.

use std::collections::HashMap;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{EventActor, EventMessage};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::Stream;

use super::{SeenContainer, State, label};
use crate::name::ClusterName;

/// What happens from now on to what is of `kinds`, as the engine tells it (`GET /events`).
pub fn of(docker: &Docker, kinds: &[&str]) -> impl Stream<Item = Result<EventMessage, Error>> + Send + 'static {
    let filters = HashMap::from([("type", kinds.to_vec())]);
    docker.events(Some(EventsOptionsBuilder::new().filters(&filters).build()))
}

/// The container of `cluster` that an event is about, as far as the event describes it.
#[must_use]
pub fn container(actor: EventActor, cluster: &ClusterName) -> Option<SeenContainer> {
    // A container's labels stand beside what the engine says of the event.
    let mut labels = actor.attributes?;
    if labels.get(label::CLUSTER).map(String::as_str) != Some(cluster.as_str()) {
        return None;
    }
    Some(SeenContainer {
        id: actor.id?,
        name: labels.remove("name").unwrap_or_default(),
        labels: labels.into_iter().collect(),
        state: State::Running,
        ..SeenContainer::default()
    })
}
