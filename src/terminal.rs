//! What people see while they wait: progress on stderr, in the face that fits where it goes.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::cli::Progress;
use crate::event::Event;
use crate::plan::{Operation, Plan, plural};

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
            Self::Bar(bar) => {
                match event {
                    Event::Started { operation, .. } => bar.set_message(short(operation)),
                    Event::Done { .. } | Event::Skipped { .. } | Event::Failed { .. } => bar.inc(1),
                    Event::Progress { text, .. } => bar.set_message(text.to_owned()),
                    Event::Stopping { .. } => {}
                }
                if let Event::Failed { .. } | Event::Stopping { .. } = event
                    && let Some(text) = told(event)
                {
                    bar.println(&text);
                }
            }
            Self::Plain => {
                if let Some(text) = told(event) {
                    line(&text);
                }
            }
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

/// `create container slave1-service_3-1`.
fn words(operation: &Operation) -> String {
    format!("{} {}", operation.action.words(), operation.subject)
}

/// The same without what all names of a cluster begin with: a line of a terminal is short, and an interrupt's echo
/// must not make two of it.
fn short(operation: &Operation) -> String {
    let subject = operation.subject.as_str();
    let node = operation.node.as_str();
    let from = if node.is_empty() { None } else { subject.find(node) };
    format!("{} {}", operation.action.words(), &subject[from.unwrap_or(0)..])
}

/// What a line says of `event`; nothing of what only begins.
fn told(event: Event<'_>) -> Option<String> {
    match event {
        Event::Started { .. } | Event::Progress { .. } => None,
        Event::Done { operation, .. } => {
            let (done, cause) = (operation.action.past(), &operation.cause);
            Some(format!("{done} {} ({cause})", operation.subject))
        }
        Event::Failed { operation, reason, .. } => Some(format!("failed: {}: {reason}", words(operation))),
        Event::Skipped { operation, .. } => Some(format!("skipped: {}", words(operation))),
        Event::Stopping { in_flight } => Some(format!(
            "stopping: waiting for {}; interrupt again to quit at once",
            plural(in_flight, "operation")
        )),
    }
}

fn json(event: Event<'_>) -> serde_json::Value {
    let (state, at, operation, reason) = match event {
        Event::Started { at, operation } => ("started", at, operation, None),
        Event::Done { at, operation } => ("done", at, operation, None),
        Event::Failed { at, operation, reason } => ("failed", at, operation, Some(reason)),
        Event::Skipped { at, operation } => ("skipped", at, operation, None),
        Event::Progress { at, text } => return json!({"state": "progress", "at": at, "text": text}),
        Event::Stopping { in_flight } => return json!({"state": "stopping", "in_flight": in_flight}),
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
    let style = ProgressStyle::with_template("{spinner} {pos}/{len} {bar:16} {elapsed} {msg:44!}");
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
