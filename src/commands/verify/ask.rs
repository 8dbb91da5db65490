//! Asking many containers side by side.

use std::collections::HashMap;

use anyhow::Context;
use futures_util::StreamExt;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::super::work;
use crate::cli::Verify;
use crate::engine::connect::Engine;
use crate::engine::label;
use crate::engine::probe::{Ask, Prober};
use crate::error::Error;
use crate::plan::plural;
use crate::terminal;
use crate::verify::HASTE;
use crate::verify::expect::Expected;
use crate::verify::picture::Picture;
use crate::verify::question::Answers;

/// With fewer containers than that, there is nothing to wait for.
const FEW: usize = 20;

/// What is asked of each member, in the order of `expected`.
pub(super) fn of_members(picture: &Picture<'_>, expected: &[Expected], args: &Verify) -> Vec<(String, Ask)> {
    let labels = HashMap::from([(label::CLUSTER.to_owned(), picture.cluster.to_owned())]);
    let asks = expected.iter().filter_map(|expected| {
        let container = picture.container(expected.asker)?;
        let ask = Ask {
            container: container.id.clone(),
            has_probe: container.has_probe(),
            labels: labels.clone(),
            questions: expected.questions(picture, patience(args), HASTE),
        };
        Some((picture.title(expected.asker), ask))
    });
    asks.collect()
}

/// How long an answer may take, in milliseconds.
pub(super) fn patience(args: &Verify) -> u64 {
    u64::from(args.patience) * 1000
}

/// The answers to `asks`, in their order.
pub(super) async fn all(
    engine: &Engine,
    asks: &[(String, Ask)],
    args: &Verify,
) -> Result<Vec<Result<Answers, String>>, Error> {
    let (sender, stop) = watch::channel(false);
    let interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let listener = tokio::spawn(work::listen(sender, interrupt, terminate));
    terminal::working();
    let prober = &Prober::new(engine);
    let mut answers: Vec<Result<Answers, String>> = vec![Err(String::new()); asks.len()];
    let begun = asks.iter().enumerate().take_while(|_| !*stop.borrow());
    let asked = begun.map(|(at, (_, ask))| async move { (at, prober.ask(ask).await) });
    let mut asked = futures_util::stream::iter(asked).buffer_unordered(parallel(asks, args));
    let mut done = 0;
    while let Some((at, answer)) = asked.next().await {
        done += 1;
        tell(&asks[at].0, done, asks.len(), answer.is_ok());
        answers[at] = answer;
    }
    drop(asked);
    terminal::worked();
    listener.abort();
    match done < asks.len() {
        true => Err(Error::Interrupted(format!(
            "interrupted: {done} of {} asked",
            plural(asks.len(), "container")
        ))),
        false => Ok(answers),
    }
}

/// How far it is: a line each tenth where lines do not redraw themselves.
fn tell(container: &str, done: usize, all: usize, answered: bool) {
    let fields = json!({"state": "asked", "at": done, "of": all, "container": container, "answered": answered});
    let worth = all >= FEW && (done.is_multiple_of(all.div_ceil(10)) || done == all);
    let text = format!("asked {done} of {}", plural(all, "container"));
    terminal::progress(&text, &fields, worth);
}

/// Most of the time a container that is asked waits for what is not to answer; more questions than a machine can put in
/// that time would only wait for one another.
fn parallel(asks: &[(String, Ask)], args: &Verify) -> usize {
    const QUESTIONS_A_CORE: usize = 3000;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let most = asks
        .iter()
        .map(|(_, ask)| ask.questions.len())
        .max()
        .unwrap_or_default();
    let fitting = || (QUESTIONS_A_CORE * cores / most.max(1)).clamp(4 * cores, 64);
    args.parallel.map_or_else(fitting, usize::from)
}
