//! Waits until containers meet a condition, by observing all containers of the cluster at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::ApplyContext;
use crate::cluster::ObservedContainer;
use crate::cluster::State;
use crate::cluster::{self, Health, verdict};
use crate::compose::Condition;
use crate::engine::fault::Fault;
use crate::engine::observe;
use crate::name::ContainerName;

/// The time between two observations.
const LOOK: Duration = Duration::from_millis(250);
/// How long a container without a healthcheck must run until it counts as up: many end by themselves as soon as they have
/// looked around.
const STABLE: Duration = Duration::from_secs(2);
/// The same for one that the engine has had to start again.
const STEADY: Duration = Duration::from_secs(cluster::STEADY);
/// How often the engine starts a container again until it is given up: some end a few times until what they need is there.
/// The engine pauses twice as long each time, so that these take 13 seconds at least.
const GIVEN_UP: u32 = 7;

/// All observed containers of the cluster, by name.
type Look = Arc<HashMap<String, ObservedContainer>>;

/// The last observation, shared by all waiting operations.
#[derive(Debug, Default)]
pub struct SharedObservation(tokio::sync::Mutex<Option<(Instant, Look)>>);

/// How far a container is from meeting the condition.
enum Stage {
    /// It meets the condition.
    So,
    /// It runs or is about to, and has no healthcheck that says how well.
    Runs,
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
    let mut runs: HashMap<&str, Run> = HashMap::new();
    let mut left: Vec<&str> = containers.iter().map(ContainerName::as_str).collect();
    // An earlier observation would show them as they were before they were started.
    let begun = Instant::now();
    loop {
        let look = look(context, begun).await?;
        let mut waiting = Vec::new();
        for name in left {
            let mut stage = stage(look.get(name), condition);
            if let (Stage::Runs, Some(observed)) = (&stage, look.get(name)) {
                stage = stage_of(runs.entry(name).or_default(), observed, context).await?;
            }
            match stage {
                Stage::So => {}
                Stage::NotYet | Stage::Runs => waiting.push(name),
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

/// A run of a container, as far as it was followed.
#[derive(Default)]
struct Run {
    /// When the engine started it, since the beginning of 1970; `None` if it was not inspected.
    started: Option<Duration>,
    /// When it was first observed to run.
    since: Option<Instant>,
}

/// Whether a container runs and will go on doing so, as far as anybody can tell: it runs for a while in one run. What runs at
/// two observations may have ended in between, so the engine is asked when that run began.
async fn stage_of(run: &mut Run, listed: &ObservedContainer, context: &ApplyContext<'_>) -> Result<Stage, Fault> {
    let since = *run.since.get_or_insert_with(Instant::now);
    if listed.runs() && listed.uptime.is_some() && since.elapsed() < STABLE {
        return Ok(Stage::NotYet);
    }
    let mut now = [listed.clone()];
    observe::inspect_all(context.engine, &mut now).await?;
    let [now] = now;
    let started = now.details.as_ref().and_then(|d| d.started);
    let is_same_run = now.runs() && (run.started.is_none() || run.started == started);
    let is_old = listed.runs() && listed.uptime.is_none_or(|seconds| seconds >= STEADY.as_secs());
    let long = is_old || since.elapsed() >= STEADY;
    if is_same_run && (now.restarts() == 0 || long) {
        return Ok(Stage::So);
    }
    if now.restarts() >= GIVEN_UP {
        return Ok(Stage::Never(ended_again(&now)));
    }
    *run = Run {
        started,
        since: Some(since).filter(|_| is_same_run),
    };
    Ok(Stage::NotYet)
}

/// That a container ends again and again.
fn ended_again(observed: &ObservedContainer) -> String {
    format!(
        "has ended {} times, and is started again each time",
        observed.restarts()
    )
}

fn stage(observed: Option<&ObservedContainer>, condition: Condition) -> Stage {
    let Some(observed) = observed else {
        return Stage::Never("was removed".to_owned());
    };
    match (condition, observed.state) {
        (Condition::Started, State::Running | State::Exited | State::Restarting) => Stage::So,
        (Condition::Healthy, State::Running) => match observed.health {
            Some(Health::Healthy) => Stage::So,
            Some(Health::Unhealthy) => Stage::Never("is unhealthy".to_owned()),
            Some(Health::Starting) => Stage::NotYet,
            None => Stage::Runs,
        },
        (Condition::Healthy, State::Restarting) => Stage::Runs,
        (Condition::Completed, State::Exited) if observed.exit == Some(0) => Stage::So,
        // It had nothing more to do.
        (Condition::Healthy, State::Exited) if verdict(observed.duty(), Some(observed)).is_well() => Stage::So,
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
