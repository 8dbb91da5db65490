//! Runs the probe in many containers at once.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;
use serde_json::json;

use super::print;
use crate::cli::{ReportFormat, Verify};
use crate::cluster::label;
use crate::commands::Session;
use crate::console;
use crate::converge::Reporter;
use crate::engine::connect::Engine;
use crate::engine::observe;
use crate::engine::probe::{Ask, Prober};
use crate::error::Error;
use crate::probe::question::Answers;
use crate::terminal::Terminal;
use crate::text::plural;
use crate::verify::compare::Compared;
use crate::verify::expect::{Expectations, Expected};
use crate::verify::model::Model;
use crate::verify::{CONTROL_TIMEOUT, Scope};

/// With fewer containers than this, plain output reports no progress.
const FEW: usize = 20;

/// The most files that a process of topogen's opens for other ends.
const FILES: usize = 20;

/// A container to ask: what it stands for, its name in messages, and how to ask it.
type Asked<T> = (T, String, Ask);

/// Asks the members of `scope`, and compares each answer as soon as it arrives, because all of them together would need
/// much memory.
pub(super) async fn members(
    session: &Session,
    engine: &Engine,
    model: &Model<'_>,
    scope: &Scope,
    args: &Verify,
) -> Result<Compared, Error> {
    let expectations = Expectations::new(model, scope.kinds);
    let labels = HashMap::from([(label::CLUSTER.to_owned(), model.cluster.to_owned())]);
    let asked: Vec<usize> = scope
        .members
        .iter()
        .copied()
        .filter(|m| expectations.can_ask(*m))
        .collect();
    let ask = |member: &usize| -> Option<Asked<Expected>> {
        let expected = expectations.of(*member)?;
        let container = model.container(*member)?;
        let ask = Ask {
            container: container.id.clone(),
            has_probe: container.has_probe(),
            labels: labels.clone(),
            questions: expected.questions(model, patience(args), CONTROL_TIMEOUT),
        };
        Some((expected, model.title(*member), ask))
    };
    // The containers of one service have equally many questions, so one of them suffices for an estimate.
    let mut services = HashSet::new();
    let one_of_each = asked.iter().filter(|m| {
        let member = &model.members[**m];
        services.insert((&model.nodes[member.node].role, &member.service.name))
    });
    let most = one_of_each
        .filter_map(|m| Some(expectations.of(*m)?.checks.len()))
        .max();
    let width = parallel(most.unwrap_or_default(), args);
    let full = observe::overflows(engine);
    let mut compared = Compared::new(model, print::format(args) == ReportFormat::Svg);
    let take = |(expected, ..): Asked<Expected>, answers| compared.take(model, expected, answers);
    all(session, engine, asked.len(), asked.iter().filter_map(ask), width, take).await?;
    if full.is_some() && observe::overflows(engine) > full {
        compared.crowded = Some(model.pairs().max(observe::neighbours()));
    }
    Ok(compared)
}

/// The answers to `asks`, in the same order.
pub(super) async fn each(
    session: &Session,
    engine: &Engine,
    asks: Vec<(String, Ask)>,
    args: &Verify,
) -> Result<Vec<Result<Answers, String>>, Error> {
    let mut answers: Vec<Result<Answers, String>> = vec![Err(String::new()); asks.len()];
    let most = asks
        .iter()
        .map(|(_, ask)| ask.questions.len())
        .max()
        .unwrap_or_default();
    let count = asks.len();
    let asks = asks.into_iter().enumerate().map(|(at, (title, ask))| (at, title, ask));
    let take = |(at, ..): Asked<usize>, answer| answers[at] = answer;
    all(session, engine, count, asks, parallel(most, args), take).await?;
    Ok(answers)
}

/// Asks containers, `width` at once. Each `Ask` is made when its turn comes, and its answer is handed over as soon as
/// it arrives.
async fn all<T>(
    session: &Session,
    engine: &Engine,
    count: usize,
    asks: impl Iterator<Item = Asked<T>>,
    width: usize,
    mut take: impl FnMut(Asked<T>, Result<Answers, String>),
) -> Result<(), Error> {
    let stop = session.stop.clone();
    session.terminal.take_interrupts();
    let prober = &Prober::new(engine);
    let cut = Cell::new(false);
    let begun = asks.take_while(|_| {
        cut.set(*stop.borrow());
        !cut.get()
    });
    let asked = begun.map(|asked| async move {
        let answer = prober.ask(&asked.2).await;
        (asked, answer)
    });
    let mut asked = futures_util::stream::iter(asked).buffer_unordered(width);
    let mut done = 0;
    while let Some((asked, answer)) = asked.next().await {
        done += 1;
        tell(&session.terminal, &asked.1, done, count, answer.is_ok());
        take(asked, answer);
    }
    drop(asked);
    session.terminal.carried_out();
    match cut.get() {
        true => Err(Error::Interrupted(format!(
            "interrupted: {done} of {} asked",
            plural(count, "container")
        ))),
        false => Ok(()),
    }
}

/// The longest time for an answer, in milliseconds.
pub(super) fn patience(args: &Verify) -> u64 {
    u64::from(args.patience) * 1000
}

/// Shows the progress. Where lines do not redraw themselves, there is one for each tenth.
fn tell(terminal: &Terminal, container: &str, done: usize, all: usize, answered: bool) {
    let fields = json!({"state": "asked", "at": done, "of": all, "container": container, "answered": answered});
    let worth = all >= FEW && (done.is_multiple_of(all.div_ceil(10)) || done == all);
    let text = format!("asked {done} of {}", plural(all, "container"));
    terminal.progress(&text, &fields, worth);
}

/// The number of containers to ask at once. It shrinks with the number of questions for each, `most`: too many at a
/// time wait for each other, until a slow resolver looks like one that does not answer.
fn parallel(most: usize, args: &Verify) -> usize {
    const QUESTIONS_A_CORE: usize = 3000;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let fitting = || (QUESTIONS_A_CORE * cores / most.max(1)).clamp(4 * cores, 64);
    let width = args.parallel.map_or_else(fitting, usize::from);
    // What a container answers comes over a connection of its own, beside the one that begins it.
    let files = usize::try_from(console::open_files()).unwrap_or(usize::MAX);
    width.min(files.saturating_sub(FILES) / 2).max(1)
}
