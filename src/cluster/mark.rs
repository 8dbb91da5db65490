//! Where something may be cut: the helpers that stayed behind say so, to whoever lists containers anyway.

use super::roster::Moment;
use super::{ObservedContainer, State};

/// A helper that stayed behind in the network of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The engine's ID of the container whose network it was in.
    pub container: String,
    /// When the helper was created, in seconds since 1970 by the engine's clock.
    pub created: i64,
}

impl Mark {
    /// Those among `containers`, in order.
    #[must_use]
    pub fn all(containers: &[ObservedContainer]) -> Vec<Self> {
        let marks = containers.iter().filter(|c| c.is_mark());
        let mut marks: Vec<Self> = marks
            .filter_map(|c| {
                Some(Self {
                    container: c.network_host.clone()?,
                    created: c.created,
                })
            })
            .collect();
        marks.sort();
        marks
    }

    /// Whether it was made in the network that a container has which runs since `since`. One that is started again has
    /// another network.
    #[must_use]
    pub fn is_of(&self, container: &str, state: State, since: Option<Moment>) -> bool {
        let lives = matches!(state, State::Running | State::Paused);
        let seconds = since.map_or(0, |since| i64::try_from(since.0 / 1000).unwrap_or(i64::MAX));
        lives && self.container == container && self.created >= seconds
    }
}

/// Says of each of `containers`, which are inspected, whether one of `marks` is of it.
pub fn mark(containers: &mut [ObservedContainer], marks: &[Mark]) {
    for container in containers {
        let started = container.details.as_ref().and_then(|details| details.started);
        let since = started
            .and_then(|since| u64::try_from(since.as_millis()).ok())
            .map(Moment);
        container.marked = marks
            .iter()
            .any(|mark| mark.is_of(&container.id, container.state, since));
    }
}
