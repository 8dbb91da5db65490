//! Waits until containers meet a condition, by observing all containers of the cluster at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::ApplyContext;
use crate::cluster::Health;
use crate::cluster::ObservedContainer;
use crate::cluster::State;
use crate::compose::Condition;
use crate::engine::fault::Fault;
use crate::engine::observe;
use crate::name::ContainerName;

/// The time between two observations. A container without a healthcheck must run at two of them.
const LOOK: Duration = Duration::from_millis(250);

/// All observed containers of the cluster, by name.
type Look = Arc<HashMap<String, ObservedContainer>>;

/// The last observation, shared by all waiting operations.
#[derive(Debug, Default)]
pub struct SharedObservation(tokio::sync::Mutex<Option<(Instant, Look)>>);

/// How far a container is from meeting the condition.
enum Stage {
    /// It meets the condition.
    So,
    /// It may meet it at the next observation.
    NotYet,
    /// It cannot meet it any more; the reason.
    Never(String),
}

/// Waits until all `containers` meet `condition`, at most until the context's deadline.
pub(super) async fn wait(
    containers: &[ContainerName],
    condition: Condition,
    context: &ApplyContext<'_>,
) -> Result<(), Fault> {
    let mut observed_running: HashSet<&str> = HashSet::new();
    let mut left: Vec<&str> = containers.iter().map(ContainerName::as_str).collect();
    // An earlier observation would show them as they were before they were started.
    let begun = Instant::now();
    loop {
        let look = look(context, begun).await?;
        let mut waiting = Vec::new();
        for name in left {
            let ran_before = observed_running.contains(name);
            match stage(look.get(name), condition, ran_before) {
                Stage::So => {}
                Stage::NotYet => {
                    if look.get(name).is_some_and(|c| c.state == State::Running) {
                        observed_running.insert(name);
                    }
                    waiting.push(name);
                }
                Stage::Never(reason) => {
                    let last = last_words(look.get(name), context).await;
                    return Err(Fault::Own(format!("`{name}` {reason}{last}")));
                }
            }
        }
        let Some(first) = waiting.first() else { return Ok(()) };
        if let Some(deadline) = context.deadline
            && Instant::now() >= deadline
        {
            let last = last_words(look.get(*first), context).await;
            return Err(Fault::Own(format!(
                "`{first}` is not {} in time{last}",
                condition.word()
            )));
        }
        left = waiting;
        tokio::time::sleep(LOOK).await;
    }
}

fn stage(observed: Option<&ObservedContainer>, condition: Condition, ran_before: bool) -> Stage {
    let Some(observed) = observed else {
        return Stage::Never("was removed".to_owned());
    };
    match (condition, observed.state) {
        (Condition::Started, State::Running | State::Exited | State::Restarting) => Stage::So,
        (Condition::Healthy, State::Running) => match observed.health {
            Some(Health::Healthy) => Stage::So,
            Some(Health::Unhealthy) => Stage::Never("is unhealthy".to_owned()),
            Some(Health::Starting) => Stage::NotYet,
            None if ran_before => Stage::So,
            None => Stage::NotYet,
        },
        (Condition::Completed, State::Exited) if observed.exit == Some(0) => Stage::So,
        (_, State::Exited | State::Dead) => {
            Stage::Never(format!("ended with status {}", observed.exit.unwrap_or_default()))
        }
        (_, State::Removing) => Stage::Never("was removed".to_owned()),
        _ => Stage::NotYet,
    }
}

/// The observed containers, no older than `begun` and at most a moment old.
async fn look(context: &ApplyContext<'_>, begun: Instant) -> Result<Look, Fault> {
    let mut last = context.observation.0.lock().await;
    if let Some((when, look)) = &*last
        && *when > begun
        && when.elapsed() < LOOK / 2
    {
        return Ok(look.clone());
    }
    let now = Instant::now();
    let containers = observe::containers(context.engine, Some(context.cluster)).await?;
    let look: Look = Arc::new(containers.into_iter().map(|c| (c.name.clone(), c)).collect());
    *last = Some((now, look.clone()));
    Ok(look)
}

/// The last output of its healthcheck, otherwise of the container itself, to explain the failure.
async fn last_words(observed: Option<&ObservedContainer>, context: &ApplyContext<'_>) -> String {
    let Some(observed) = observed else { return String::new() };
    let docker = &context.engine.docker;
    let said = match observed.health {
        Some(_) => {
            let inspect = docker.inspect_container(&observed.id, None).await.ok();
            let health = inspect.and_then(|i| i.state).and_then(|s| s.health);
            let last = health.and_then(|h| h.log).and_then(|l| l.into_iter().last());
            last.and_then(|l| l.output).unwrap_or_default()
        }
        None => {
            let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail("1").build();
            let mut lines = std::pin::pin!(docker.logs(&observed.id, Some(options)));
            match lines.next().await {
                Some(Ok(line)) => String::from_utf8_lossy(&line.into_bytes()).into_owned(),
                _ => String::new(),
            }
        }
    };
    match said.trim().lines().last() {
        Some(line) if !line.is_empty() => format!(": {line}"),
        _ => String::new(),
    }
}
