//! What is wrong with a container: the one place that says so, for `up`, `ps`, `verify` and `graph`.

use std::fmt;

use super::{Health, LostNamespace, ObservedContainer, State};
use crate::topology::Duty;

/// How long a container must have been up, in seconds, after it ended by itself and was started again, until it counts as
/// up: the engine's own measure (Docker documentation, "restart policies").
pub const STEADY: u64 = 10;

/// Whether a container is as it should be.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It runs, and is healthy if it has a healthcheck.
    #[default]
    Well,
    /// It has done its work, with status 0.
    Completed,
    /// Something is wrong with it: at least one thing, the worst first.
    Wrong(Vec<Wrong>),
}

/// One thing that is wrong with a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It does not exist.
    Missing,
    /// It was created and never started.
    Unstarted,
    /// The engine could not start it, for this reason.
    StartFailed(String),
    /// It ended, with this status if the engine says which.
    Ended(Option<i32>),
    /// It ended with this status and is about to be started again.
    Restarting(Option<i32>),
    /// It runs, but has ended by itself this often, the last time just now.
    Unsteady(u32),
    /// All of its processes are frozen.
    Paused,
    /// The engine is removing it.
    Removing,
    /// The engine failed to clean up after it.
    Dead,
    /// It is in a namespace whose owner is gone, or has been started again since.
    Lost(LostNamespace),
    /// Its healthcheck has failed as often as its limit says.
    Unhealthy,
    /// Its healthcheck has not passed yet.
    Starting,
}

/// What is wrong with `container`, of which `duty` is expected; `None` stands for one that does not exist.
#[must_use]
pub fn verdict(duty: Duty, container: Option<&ObservedContainer>) -> Verdict {
    let Some(container) = container else {
        return Verdict::Wrong(vec![Wrong::Missing]);
    };
    let wrong = match container.state {
        State::Running => return running(container),
        State::Exited if container.exit == Some(0) && duty != Duty::Run && container.start_error().is_empty() => {
            return Verdict::Completed;
        }
        State::Created | State::Exited | State::Dead if !container.start_error().is_empty() => {
            Wrong::StartFailed(container.start_error().to_owned())
        }
        State::Created => Wrong::Unstarted,
        State::Exited => Wrong::Ended(container.exit),
        State::Restarting => Wrong::Restarting(container.exit),
        State::Paused => Wrong::Paused,
        State::Removing => Wrong::Removing,
        State::Dead => Wrong::Dead,
    };
    Verdict::Wrong(vec![wrong])
}

/// What is wrong with a container that runs.
fn running(container: &ObservedContainer) -> Verdict {
    let mut wrongs: Vec<Wrong> = container.lost_namespaces().map(Wrong::Lost).collect();
    match container.health {
        Some(Health::Unhealthy) => wrongs.push(Wrong::Unhealthy),
        Some(Health::Starting) => wrongs.push(Wrong::Starting),
        Some(Health::Healthy) | None => {}
    }
    if container.restarts() > 0 && container.uptime.is_some_and(|seconds| seconds < STEADY) {
        wrongs.push(Wrong::Unsteady(container.restarts()));
    }
    match wrongs.is_empty() {
        true => Verdict::Well,
        false => Verdict::Wrong(wrongs),
    }
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_well(&self) -> bool {
        !matches!(self, Self::Wrong(_))
    }

    /// What is wrong, the worst first; nothing where all is well.
    #[must_use]
    pub fn wrongs(&self) -> &[Wrong] {
        match self {
            Self::Well | Self::Completed => &[],
            Self::Wrong(wrongs) => wrongs,
        }
    }

    /// What is wrong, as phrases about the container, the worst first.
    #[must_use]
    pub fn phrases(&self) -> Vec<String> {
        self.wrongs().iter().map(ToString::to_string).collect()
    }

    /// All of it in a word: `running`, `completed`, `unhealthy`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Well => "running",
            Self::Completed => "completed",
            Self::Wrong(wrongs) => wrongs.first().map_or("running", Wrong::word),
        }
    }
}

/// What is wrong, as a phrase about the container, in full: `ended with 137, …`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well => f.write_str("runs"),
            Self::Completed => f.write_str("has completed"),
            Self::Wrong(_) => f.write_str(&self.phrases().join(", ")),
        }
    }
}

impl Wrong {
    /// It in a word, the engine's where that has one.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unstarted | Self::StartFailed(_) => "created",
            Self::Ended(_) => "exited",
            Self::Restarting(_) | Self::Unsteady(_) => "restarting",
            Self::Paused => "paused",
            Self::Removing => "removing",
            Self::Dead => "dead",
            Self::Lost(_) => "cut off",
            Self::Unhealthy => "unhealthy",
            Self::Starting => "starting",
        }
    }

    /// Whether the container may come to be well without anybody's help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Starting | Self::Unsteady(_) | Self::Restarting(_))
    }
}

/// As a phrase about the container: `ended with 137`.
impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Unstarted => f.write_str("was never started"),
            Self::StartFailed(_) => f.write_str("could not be started"),
            Self::Ended(Some(status)) => write!(f, "ended with {status}"),
            Self::Ended(None) => f.write_str("ended"),
            Self::Restarting(Some(status)) => write!(f, "ended with {status} and is started again"),
            Self::Restarting(None) => f.write_str("ended and is started again"),
            Self::Unsteady(1) => f.write_str("ended by itself and has just been started again"),
            Self::Unsteady(times) => write!(f, "ended by itself {times} times and has just been started again"),
            Self::Paused => f.write_str("is paused"),
            Self::Removing => f.write_str("is being removed"),
            Self::Dead => f.write_str("is dead"),
            Self::Lost(lost) => lost.fmt(f),
            Self::Unhealthy => f.write_str("is unhealthy"),
            Self::Starting => f.write_str("is not healthy yet"),
        }
    }
}
