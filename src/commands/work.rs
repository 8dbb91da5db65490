//! What `up` and `down` share: carry out a plan, show how it goes, sum up.

use std::time::Instant;

use tokio::sync::watch;

use crate::cli;
use crate::engine::apply::{self, Outcome, Setting, apply};
use crate::engine::connect::Engine;
use crate::error::Error;
use crate::name::ClusterName;
use crate::plan::{Plan, plural};
use crate::terminal::{self, Face};
use crate::topology::address::Layout;

/// Carry out `plan` for `cluster`; how long it took, in seconds.
pub(super) async fn carry_out(
    plan: &Plan,
    cluster: &ClusterName,
    engine: &Engine,
    layout: Option<Layout>,
    work: &cli::Work,
) -> Result<f64, Error> {
    let begun = Instant::now();
    let (sender, stop) = watch::channel(false);
    let listener = tokio::spawn(listen(sender));
    let setting = Setting {
        engine,
        cluster,
        layout,
        parallel: work.parallel.map_or_else(default_parallel, usize::from),
        stop,
    };
    let face = Face::new(work.progress, plan);
    let outcome = apply(plan, &setting, &mut |event| face.show(event)).await;
    face.end();
    listener.abort();
    let seconds = begun.elapsed().as_secs_f64();
    sum_up(plan, &outcome).map(|()| seconds)
}

/// Enough to keep an engine busy that spends most of each call waiting for the kernel.
fn default_parallel() -> usize {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    (4 * cores).clamp(4, 16)
}

/// The first interrupt ends the giving out of work, the second one ends topogen.
async fn listen(stop: watch::Sender<bool>) {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(_) => return,
    };
    let mut again = false;
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        if again {
            std::process::exit(crate::error::Exit::Interrupted as i32);
        }
        again = true;
        terminal::line("stopping: waiting for what is in flight; interrupt again to leave it");
        let _ = stop.send(true);
    }
}

fn sum_up(plan: &Plan, outcome: &Outcome) -> Result<(), Error> {
    if outcome.unbegun > 0 {
        return Err(Error::Interrupted(format!(
            "interrupted: {} done, {} not begun{}",
            plural(outcome.done, "operation"),
            outcome.unbegun,
            match outcome.failed.len() {
                0 => String::new(),
                n => format!(", {n} failed"),
            }
        )));
    }
    if outcome.failed.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = outcome
        .failed
        .iter()
        .map(|(at, reason)| {
            let operation = &plan.operations[*at];
            format!("{} {}: {reason}", operation.action.words(), operation.subject)
        })
        .collect();
    lines.push(format!(
        "applied in part: {} done, {} failed, {} skipped",
        plural(outcome.done, "operation"),
        outcome.failed.len(),
        outcome.skipped.len()
    ));
    Err(Error::Partial(lines.join("\n")))
}

/// An engine error, and what topogen was doing.
pub(super) fn doing(what: &str) -> impl FnOnce(bollard::errors::Error) -> Error + use<'_> {
    let doing = format!("cannot {what}");
    move |source| Error::Engine { doing, source }
}

pub(super) use apply::image_ready;
