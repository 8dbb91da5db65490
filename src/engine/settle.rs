//! What the engine is still about when the one who asked for it is gone.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::connect::Engine;
use super::events;
use super::fault::Fault;
use super::observe;
use crate::cluster::State;
use crate::cluster::label;
use crate::name::ClusterName;
use crate::signal;
use crate::text::decimal;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// What the engine gives a container to end in where it does not say itself.
const GRACE: Duration = Duration::from_secs(10);

/// How long it may take the engine to kill a container that has not ended in time.
const KILLING: Duration = Duration::from_secs(2);

/// What containers were told by signals, as far as the engine remembers: its last few hundred events.
#[derive(Debug, Default)]
pub struct Told {
    /// Those that have not ended since: the signal's number, and how long ago it was sent.
    pub running: HashMap<String, (String, Duration)>,
    /// Those that have.
    pub ended: HashSet<String>,
}

/// Which containers of `cluster` were sent a signal within `window`. One that is being stopped still runs, and will not:
/// nothing but the engine's events tells it from one that stays (`GET /events`: a `kill`, no `die` after it). An engine
/// that tells no events is as good as one in which nothing has happened.
pub async fn told(engine: &Engine, cluster: &ClusterName, window: Duration) -> Told {
    let now = SystemTime::now();
    let ours = format!("{}={cluster}", label::CLUSTER);
    let filters = HashMap::from([
        ("type", vec!["container"]),
        ("event", vec!["kill", "die"]),
        ("label", vec![ours.as_str()]),
    ]);
    let since = now.checked_sub(window).unwrap_or(now);
    let mut events = Box::pin(events::between(engine, since, now, &filters));
    let mut told = Told::default();
    while let Ok(Some(Ok(event))) = timeout(events::LISTEN, events.next()).await {
        let Some(actor) = event.actor else { continue };
        let Some(id) = actor.id else { continue };
        match event.action.as_deref() {
            Some("kill") => {
                let signal = actor.attributes.unwrap_or_default().remove("signal");
                let then = event.time_nano.and_then(|t| u64::try_from(t).ok()).unwrap_or_default();
                let then = SystemTime::UNIX_EPOCH + Duration::from_nanos(then);
                let ago = now.duration_since(then).unwrap_or_default();
                told.running.insert(id, (signal.unwrap_or_default(), ago));
            }
            Some("die") if told.running.remove(&id).is_some() => drop(told.ended.insert(id)),
            _ => {}
        }
    }
    told
}

/// Wait until those containers of `cluster` have ended that what they were `told` stops, none longer than its own grace
/// period; whether there were any.
///
/// # Errors
/// The engine's.
pub async fn settle(engine: &Engine, cluster: &ClusterName, told: &Told) -> Result<bool, Fault> {
    let mut ending: HashMap<&str, Instant> = HashMap::new();
    for (id, (signal, ago)) in &told.running {
        // Gone by now: then there is nothing to wait for.
        let Ok(inspect) = engine.docker.inspect_container(id, None).await else {
            continue;
        };
        let config = inspect.config.unwrap_or_default();
        if stops(signal, config.stop_signal.as_deref()) {
            let grace = config.stop_timeout.and_then(|t| u64::try_from(t).ok());
            let grace = grace.map_or(GRACE, Duration::from_secs);
            ending.insert(id, Instant::now() + (grace + KILLING).saturating_sub(*ago));
        }
    }
    let any = !ending.is_empty();
    while !ending.is_empty() {
        let containers = observe::containers(engine, Some(cluster)).await?;
        let runs = |id: &str| containers.iter().any(|c| c.id == id && c.state == State::Running);
        ending.retain(|id, deadline| Instant::now() < *deadline && runs(id));
        if !ending.is_empty() {
            sleep(LOOK).await;
        }
    }
    Ok(any)
}

/// Whether the signal of that number is one that the engine stops a container with: its `own` (`STOPSIGNAL`: a name, with
/// `SIG` or without, or a number), TERM where it has none, and KILL.
fn stops(number: &str, own: Option<&str>) -> bool {
    let own = own.and_then(signal::number_of).unwrap_or(signal::TERM);
    decimal::<u8>(number).is_some_and(|number| number == signal::KILL || number == own)
}

#[cfg(test)]
mod tests {
    use super::stops;

    #[test]
    fn a_container_is_stopped_by_its_own_signal_and_by_kill() {
        let told = ["9", "15", "10", "28", "3", "37", ""];
        for (own, stopped) in [
            (None, &["9", "15"][..]),
            (Some(""), &["9", "15"]),
            (Some("SIGTERM"), &["9", "15"]),
            (Some("SIGUSR1"), &["9", "10"]),
            (Some("WINCH"), &["9", "28"]),
            (Some("3"), &["9", "3"]),
            (Some("SIGRTMIN+3"), &["9", "37"]),
        ] {
            let found: Vec<&str> = told.into_iter().filter(|n| stops(n, own)).collect();
            assert_eq!(found.len(), stopped.len(), "{own:?}: {found:?}");
            assert!(stopped.iter().all(|n| found.contains(n)), "{own:?}: {found:?}");
        }
    }
}
