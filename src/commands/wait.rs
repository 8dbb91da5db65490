//! `topogen wait`

use std::time::Duration;

use tokio::time::Instant;

use super::follow;
use super::verbs::ObservedCluster;
use crate::cli::{Until, Wait};
use crate::cluster::roster::Instance;
use crate::cluster::{Health, State};
use crate::commands::Session;
use crate::converge::Reporter;
use crate::error::{Error, Exit};
use crate::select;
use crate::text::plural;

/// The time between two lines that say what is waited for.
const REMINDER: Duration = Duration::from_secs(10);
/// The time before the first of them.
const SILENCE: Duration = Duration::from_secs(3);

pub(super) async fn run(args: &Wait, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let found = ObservedCluster::look(terminal, &args.which).await?;
    found.select(|all| select::select(&args.targets, all)).await?;
    let mut end = Box::pin(session.asked_to_end());
    let mut rosters = follow::follow(&found.engine, &found.cluster);
    let deadline = args
        .timeout
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut reminder = Instant::now() + SILENCE;
    loop {
        let roster = rosters.borrow_and_update().clone();
        let chosen = follow::chosen(&roster, &args.targets);
        let waiting: Vec<String> = chosen.iter().filter_map(|i| lacking(i, args.until)).collect();
        if roster.stale.is_none() && waiting.is_empty() && !chosen.is_empty() {
            if !args.quiet {
                terminal.note(&format!("{}: {}", plural(chosen.len(), "container"), word(args.until)));
            }
            return Ok(());
        }
        let waited_for = match &roster.stale {
            Some(stale) => stale.to_string(),
            None if chosen.is_empty() => "nothing of it is on the engine".to_owned(),
            None => first(&waiting),
        };
        tokio::select! {
            changed = rosters.changed() => if changed.is_err() {
                std::future::pending::<()>().await;
            },
            () = tokio::time::sleep_until(reminder) => {
                if !args.quiet {
                    terminal.line(&format!("waiting: {waited_for}"));
                }
                reminder = Instant::now() + REMINDER;
            }
            () = until(deadline) => return Err(Error::InTheWay {
                messages: vec![format!("not {} in time: {waited_for}", word(args.until))],
                hints: Vec::new(),
            }),
            () = &mut end => return Err(Error::Shown(Exit::Interrupted)),
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Why `instance` is not yet what is waited for, such as `slave3/db is starting`; `None` if it is.
fn lacking(instance: &Instance, until: Until) -> Option<String> {
    let is = match until {
        // What has done what it was to do runs no more, and nobody waits for its health.
        Until::Healthy if instance.state == State::Exited && instance.verdict.is_well() => true,
        Until::Healthy => instance.is_ready(),
        Until::Running => instance.state == State::Running,
        Until::Exited => matches!(instance.state, State::Exited | State::Dead),
    };
    let state = match (instance.state, instance.health) {
        (State::Running, Some(health)) if health != Health::Healthy => health.word().to_owned(),
        (State::Exited, _) => format!("exited ({})", instance.exit.unwrap_or_default()),
        (state, _) => state.word().to_owned(),
    };
    (!is).then(|| format!("{}/{} is {state}", instance.node, instance.service))
}

/// The first of those that are `waiting`, and how many others are.
fn first(waiting: &[String]) -> String {
    match waiting {
        [] => String::new(),
        [one] => one.clone(),
        [one, others @ ..] => format!("{one}, and {} too", plural(others.len(), "other")),
    }
}

fn word(until: Until) -> &'static str {
    match until {
        Until::Healthy => "healthy",
        Until::Running => "running",
        Until::Exited => "exited",
    }
}
