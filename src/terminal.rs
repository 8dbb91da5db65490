//! What people see while they wait: progress on stderr, in the face that fits where it goes.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::cli::Progress;
use crate::event::Event;
use crate::plan::Plan;

/// Where progress goes.
pub(crate) enum Face {
    /// A line that redraws itself.
    Bar(ProgressBar),
    /// A line for each operation that is done.
    Plain,
    /// A JSON object a line.
    Json,
    /// Nowhere: failures still end up in the summary.
    Quiet,
}

impl Face {
    /// The face that `choice` asks for, for a plan of so many operations.
    #[must_use]
    pub(crate) fn new(choice: Progress, plan: &Plan) -> Self {
        match choice {
            Progress::Quiet => Self::Quiet,
            Progress::Json => Self::Json,
            Progress::Plain => Self::Plain,
            Progress::Auto if !std::io::stderr().is_terminal() => Self::Plain,
            Progress::Auto => Self::Bar(bar(plan.operations.len())),
        }
    }

    /// Show `event`.
    pub(crate) fn show(&self, event: Event<'_>) {
        match self {
            Self::Quiet => {}
            Self::Bar(bar) => match event {
                Event::Started { operation, .. } => {
                    bar.set_message(format!("{} {}", operation.action.words(), operation.subject));
                }
                Event::Done { .. } | Event::Skipped { .. } => bar.inc(1),
                Event::Failed { operation, reason, .. } => {
                    bar.inc(1);
                    bar.suspend(|| {
                        line(&format!(
                            "failed: {} {}: {reason}",
                            operation.action.words(),
                            operation.subject
                        ))
                    });
                }
            },
            Self::Plain => match event {
                Event::Started { .. } => {}
                Event::Done { operation, .. } => line(&operation.to_string()),
                Event::Failed { operation, reason, .. } => {
                    line(&format!(
                        "failed: {} {}: {reason}",
                        operation.action.words(),
                        operation.subject
                    ));
                }
                Event::Skipped { operation, .. } => {
                    line(&format!("skipped: {} {}", operation.action.words(), operation.subject));
                }
            },
            Self::Json => line(&json(event).to_string()),
        }
    }

    /// Leave the terminal as it was.
    pub(crate) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn json(event: Event<'_>) -> serde_json::Value {
    let (state, at, operation, reason) = match event {
        Event::Started { at, operation } => ("started", at, operation, None),
        Event::Done { at, operation } => ("done", at, operation, None),
        Event::Failed { at, operation, reason } => ("failed", at, operation, Some(reason)),
        Event::Skipped { at, operation } => ("skipped", at, operation, None),
    };
    let mut object = json!({
        "state": state,
        "at": at,
        "operation": operation.action.words(),
        "subject": operation.subject,
        "node": operation.node,
        "cause": operation.cause,
    });
    if let Some(reason) = reason {
        object["reason"] = reason.into();
    }
    object
}

fn bar(length: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr_with_hz(15));
    let style = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_bar} {elapsed} {msg:40!}");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("━━ "));
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A line to people. That nobody listens is no reason to stop.
pub(crate) fn line(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Data on stdout.
///
/// # Errors
/// A reader that has gone away is none: the rest is for nobody.
pub(crate) fn data(text: &str) -> std::io::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
