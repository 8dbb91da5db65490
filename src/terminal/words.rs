//! Describes operations and events, as lines and as JSON.

use serde_json::{Value, json};

use crate::plan::event::Event;
use crate::plan::{Kind, Operation};
use crate::text::plural;

/// The operation in full: `create container slave1-service_3-1`.
#[must_use]
pub fn whole(operation: &Operation) -> String {
    format!("{} {}", operation.action, operation.subject)
}

/// What is done and to what, in the row of its node: `start`, `service_3`; `create network`, `internal`. The second is
/// `None` where the row says it already.
#[must_use]
pub fn parts(operation: &Operation) -> (String, Option<&str>) {
    let (action, subject) = (&operation.action, operation.subject.as_str());
    let Some(node) = &operation.node else {
        return (action.to_string(), None);
    };
    // `lab-slave3-service_2-1`: the row names the project, and the service has one container.
    let own = subject.split_once(node.as_str()).map_or("", |(_, rest)| rest);
    let own = own.strip_prefix(['-', '_']).unwrap_or_default();
    let (what, own) = match action.kind() {
        Kind::Container => (action.verb().to_string(), own.strip_suffix("-1").unwrap_or(own)),
        _ => (action.to_string(), own),
    };
    (what, Some(if own.is_empty() { subject } else { own }))
}

/// The verb and the object as one text: `start service_3`.
#[must_use]
pub fn short(operation: &Operation) -> String {
    match parts(operation) {
        (what, Some(name)) => format!("{what} {name}"),
        (what, None) => what,
    }
}

/// The line that reports `event`; `None` for events that only begin, continue or skip an operation: the summary counts
/// them.
#[must_use]
pub fn message(event: Event<'_>) -> Option<String> {
    match event {
        Event::Started { .. } | Event::Progress { .. } | Event::Skipped { .. } => None,
        Event::Done { operation, .. } => {
            let (done, kind) = (operation.action.verb().past(), operation.action.kind());
            Some(format!("{done} {kind} {} ({})", operation.subject, operation.cause))
        }
        Event::Failed { operation, reason, .. } => {
            // The engine's message may contain any character.
            let reason = reason.replace(|c: char| c.is_control() && c != '\n', " ");
            Some(format!("failed: {}: {reason}", whole(operation)))
        }
        Event::Stopping { in_flight } => Some(format!(
            "stopping: waiting for {}; interrupt again to quit at once",
            plural(in_flight, "operation")
        )),
    }
}

/// The `event` as a JSON object.
#[must_use]
pub fn json(event: Event<'_>) -> Value {
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
        "operation": operation.action.to_string(),
        "subject": operation.subject,
        "node": operation.node.as_deref().unwrap_or_default(),
        "cause": operation.cause,
    });
    if let Some(reason) = reason {
        object["reason"] = reason.into();
    }
    object
}

/// Milliseconds for people: `8.4 s`, `2 min 5 s`, `1 h 2 min`.
#[must_use]
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
