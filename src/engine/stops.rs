//! Stops requested by a client that has since exited. The engine still reports such containers as running; only its events
//! show that they are stopping.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use super::changes::{Change, ContainerEvent, Past, Topic};
use super::connect::Engine;
use super::fault::Fault;
use super::observe;
use crate::cluster::State;
use crate::name::ClusterName;
use crate::signal;

/// The time between two observations of what still runs.
const LOOK: Duration = Duration::from_millis(50);

/// The time that the engine gives a container to exit where the container has no stop timeout of its own.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// The time that the engine may take to kill a container that has not exited within its stop timeout.
pub(crate) const KILLING: Duration = Duration::from_secs(2);

/// The signals that containers received, as far as the engine remembers them: among its last 256 events.
#[derive(Debug, Default)]
pub struct SignalHistory {
    /// The containers that have not exited since their last signal, by ID: the number of that signal, `None` if the
    /// engine does not report it, and how long ago it was sent.
    pub running: HashMap<String, (Option<u8>, Duration)>,
    /// The IDs of the containers that have exited since.
    pub exited: HashSet<String>,
}

impl SignalHistory {
    /// The signals that containers of `cluster` received within `window`. A stopping container is still listed as
    /// `running`; a signal without a later exit gives it away. If the engine reports no events, there are none.
    pub async fn read(engine: &Engine, cluster: &ClusterName, window: Duration) -> Self {
        let now = SystemTime::now();
        let since = now.checked_sub(window).unwrap_or(now);
        let past = Past::between(engine, Topic::SignalsOf(cluster), since, now).await;
        let mut history = Self::default();
        for change in past.changes {
            let Change::Container(change) = change else { continue };
            match change.event {
                ContainerEvent::Signalled(signal) => {
                    let ago = now.duration_since(change.at).unwrap_or_default();
                    history.running.insert(change.id, (signal, ago));
                }
                ContainerEvent::Died(_) if history.running.remove(&change.id).is_some() => {
                    history.exited.insert(change.id);
                }
                _ => {}
            }
        }
        history
    }
}

/// Waits for every container of `cluster` that received a stopping signal to exit, at most its own stop timeout. Returns
/// whether there was one.
///
/// # Errors
/// The engine does not list its containers.
pub async fn wait_for_stops(engine: &Engine, cluster: &ClusterName, history: &SignalHistory) -> Result<bool, Fault> {
    let mut stopping: HashMap<&str, Instant> = HashMap::new();
    for (id, (signal, ago)) in &history.running {
        // A container that was removed in the meantime has stopped.
        let Ok(inspect) = engine.docker.inspect_container(id, None).await else {
            continue;
        };
        let config = inspect.config.unwrap_or_default();
        if signal.is_some_and(|number| is_stop_signal(number, config.stop_signal.as_deref())) {
            let grace = config.stop_timeout.and_then(|t| u64::try_from(t).ok());
            let grace = grace.map_or(GRACE, Duration::from_secs);
            stopping.insert(id, Instant::now() + (grace + KILLING).saturating_sub(*ago));
        }
    }
    let any = !stopping.is_empty();
    while !stopping.is_empty() {
        let containers = observe::containers(engine, Some(cluster)).await?;
        let runs = |id: &str| containers.iter().any(|c| c.id == id && c.state == State::Running);
        stopping.retain(|id, deadline| Instant::now() < *deadline && runs(id));
        if !stopping.is_empty() {
            sleep(LOOK).await;
        }
    }
    Ok(any)
}

/// Whether this signal stops a container: KILL does, and so does its `own` stop signal (`STOPSIGNAL`: a name, with
/// `SIG` or without, or a number), which is TERM if it has none.
fn is_stop_signal(number: u8, own: Option<&str>) -> bool {
    number == signal::KILL || number == own.and_then(signal::number_of).unwrap_or(signal::TERM)
}

#[cfg(test)]
mod tests {
    use super::is_stop_signal;

    #[test]
    fn a_container_is_stopped_by_its_own_signal_and_by_kill() {
        let signals = [9, 15, 10, 28, 3, 37, 0];
        for (own, stopped) in [
            (None, &[9, 15][..]),
            (Some(""), &[9, 15]),
            (Some("SIGTERM"), &[9, 15]),
            (Some("SIGUSR1"), &[9, 10]),
            (Some("WINCH"), &[9, 28]),
            (Some("3"), &[9, 3]),
            (Some("SIGRTMIN+3"), &[9, 37]),
        ] {
            let found: Vec<u8> = signals.into_iter().filter(|n| is_stop_signal(*n, own)).collect();
            assert_eq!(found.len(), stopped.len(), "{own:?}: {found:?}");
            assert!(stopped.iter().all(|n| found.contains(n)), "{own:?}: {found:?}");
        }
    }
}
