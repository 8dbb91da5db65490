//! What the engine is still about when the one who asked for it is gone.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bollard::errors::Error;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::connect::Engine;
use super::{State, label, observe};
use crate::name::ClusterName;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// How long an engine may take to say what has happened. One whose clock is behind would say what happens until then.
const LISTEN: Duration = Duration::from_millis(500);

/// Ids of containers on their way to their end, and when they must have come to it.
pub type Ending = HashMap<String, Instant>;

/// Signals that nobody stops a container with: HUP, USR1, USR2, WINCH.
const TALK: [&str; 4] = ["1", "10", "12", "28"];

/// Wait until the containers of `cluster` that are `ending` have ended, each no longer than it has.
///
/// # Errors
/// The engine's.
pub async fn settle(engine: &Engine, cluster: &ClusterName, mut ending: Ending) -> Result<(), Error> {
    while !ending.is_empty() {
        let containers = observe::containers(engine, Some(cluster)).await?;
        let runs = |id: &String| containers.iter().any(|c| c.id == *id && c.state == State::Running);
        ending.retain(|id, deadline| Instant::now() < *deadline && runs(id));
        if !ending.is_empty() {
            sleep(LOOK).await;
        }
    }
    Ok(())
}

/// The containers of `cluster` that are being stopped, as they were sent a signal within `grace` and have not ended since.
/// Such a one still runs, and will not: nothing but the engine's events tells it from one that stays (`GET /events`: a
/// `kill`, no `die` after it).
///
/// # Errors
/// The engine's.
pub async fn ending(engine: &Engine, cluster: &ClusterName, grace: Duration) -> Result<Ending, Error> {
    let now = SystemTime::now();
    let seconds = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64()
    };
    let ours = format!("{}={cluster}", label::CLUSTER);
    let filters = HashMap::from([
        ("type", vec!["container"]),
        ("event", vec!["kill", "die"]),
        ("label", vec![ours.as_str()]),
    ]);
    let options = EventsOptionsBuilder::new()
        .filters(&filters)
        .since(&format!("{:.9}", seconds(now.checked_sub(grace).unwrap_or(now))))
        .until(&format!("{:.9}", seconds(now)))
        .build();
    let mut events = Box::pin(engine.docker.events(Some(options)));
    let mut ending = Ending::new();
    // What an engine says late or never is no reason to fail: it is a look ahead.
    while let Ok(Some(event)) = timeout(LISTEN, events.next()).await {
        let event = event?;
        let Some(actor) = event.actor else { continue };
        let Some(id) = actor.id else { continue };
        let signal = actor
            .attributes
            .unwrap_or_default()
            .remove("signal")
            .unwrap_or_default();
        match event.action.as_deref() {
            Some("kill") if !TALK.contains(&signal.as_str()) => {
                let then =
                    Duration::from_nanos(event.time_nano.and_then(|t| u64::try_from(t).ok()).unwrap_or_default());
                let since = now.duration_since(SystemTime::UNIX_EPOCH + then).unwrap_or_default();
                ending.insert(id, Instant::now() + grace.saturating_sub(since));
            }
            Some("die") => drop(ending.remove(&id)),
            _ => {}
        }
    }
    Ok(ending)
}
