//! Turns the outcome of a plan into an error that says what failed, and for which nodes.

use indexmap::{IndexMap, IndexSet};

use crate::error::Error;
use crate::plan::schedule::Outcome;
use crate::plan::{Action, Plan};
use crate::text::plural;

/// Fails unless `plan` was carried out completely.
///
/// # Errors
/// [`Error::Partial`] if an operation failed or the engine was lost, [`Error::Interrupted`] after a stop, and
/// [`Error::InTheWay`] if nothing was done because images are missing.
pub(super) fn judge(plan: &Plan, outcome: &Outcome) -> Result<(), Error> {
    if outcome.unbegun == 0 && outcome.failed.is_empty() {
        return Ok(());
    }
    if let Some(error) = no_images(plan, outcome) {
        return Err(error);
    }
    let mut lines: Vec<String> = outcome
        .failed
        .iter()
        .map(|(at, reason)| {
            let operation = &plan.operations[*at];
            format!("{} {}: {reason}", operation.action, operation.subject)
        })
        .collect();
    let done = plural(outcome.done.len(), "operation");
    let (failed, skipped) = (outcome.failed.len(), outcome.skipped.len());
    if let Some(reason) = &outcome.lost {
        lines.push(format!(
            "the engine was lost in the middle ({reason}): {done} done, {failed} of unknown end, {} not begun",
            outcome.unbegun + skipped
        ));
        return Err(Error::partial(lines.join("\n")));
    }
    if outcome.unbegun == 0 {
        let nodes = incomplete(plan, outcome);
        if !nodes.is_empty() {
            lines.push(format!("not as the blueprint says: {}", nodes.join(", ")));
        }
        let applied = if outcome.done.is_empty() {
            "nothing applied"
        } else {
            "applied in part"
        };
        lines.push(format!("{applied}: {done} done, {failed} failed, {skipped} skipped"));
        return Err(Error::partial(lines.join("\n")));
    }
    let nodes = unfinished(plan, outcome);
    if !nodes.is_empty() {
        lines.push(format!("begun and not finished: {}", nodes.join(", ")));
    }
    lines.push(match failed {
        0 => format!("interrupted: {done} done, {} not begun", outcome.unbegun),
        _ => format!(
            "interrupted: {done} done, {failed} failed, {} not begun",
            outcome.unbegun + skipped
        ),
    });
    Err(Error::Interrupted(lines.join("\n")))
}

/// The `error` that a plan ended with, and what became of `back`, which puts back what was stopped.
pub(super) fn and_back(error: Error, back: &Plan, outcome: &Outcome) -> Error {
    let started = |at: &usize| match back.operations[*at].action {
        Action::StartAgain { .. } => Some(format!("`{}`", back.operations[*at].subject)),
        _ => None,
    };
    let running: Vec<String> = outcome.done.iter().filter_map(started).collect();
    let mut lines = Vec::new();
    if !running.is_empty() {
        lines.push(format!("put back, and running as before: {}", running.join(", ")));
    }
    lines.extend(outcome.failed.iter().map(|(at, reason)| {
        let operation = &back.operations[*at];
        format!("not put back: {} {}: {reason}", operation.action, operation.subject)
    }));
    match error {
        Error::Partial { message, hints } if !lines.is_empty() => Error::Partial {
            message: format!("{message}\n{}", lines.join("\n")),
            hints,
        },
        error => error,
    }
}

/// The error if nothing was done because images are missing.
fn no_images(plan: &Plan, outcome: &Outcome) -> Option<Error> {
    let fetches = |at: usize| matches!(plan.operations[at].action, Action::PullImage { .. } | Action::LoadImage);
    let failed = &outcome.failed;
    let nothing_else = failed.iter().all(|(at, _)| fetches(*at)) && outcome.done.iter().all(|at| fetches(*at));
    if !nothing_else || failed.is_empty() || outcome.lost.is_some() {
        return None;
    }
    // Without a network all pulls fail for the same reason, which is reported once.
    let mut by_reason: IndexMap<(&str, bool), Vec<String>> = IndexMap::new();
    for (at, reason) in failed {
        let operation = &plan.operations[*at];
        let again = matches!(operation.action, Action::PullImage { again: true, .. });
        let image = match &operation.action {
            Action::PullImage {
                platform: Some(platform),
                ..
            } => format!("`{}` for {platform}", operation.subject),
            _ => format!("`{}`", operation.subject),
        };
        by_reason.entry((reason, again)).or_default().push(image);
    }
    let message = |((reason, again), images): (&(&str, bool), &Vec<String>)| {
        let what = match (&images[..], again) {
            ([one], false) => format!("image {one} is not on the engine, and cannot be fetched"),
            ([one], true) => format!("image {one} is on the engine, and cannot be fetched again"),
            (all, false) => format!(
                "{} images are not on the engine, and cannot be fetched: {}",
                all.len(),
                all.join(", ")
            ),
            (all, true) => format!(
                "{} images are on the engine, and cannot be fetched again: {}",
                all.len(),
                all.join(", ")
            ),
        };
        format!("{what}: {reason}")
    };
    let mut hints = Vec::new();
    if by_reason.keys().any(|(_, again)| *again) {
        hints.push("nothing was changed; `pull_policy: missing` takes an image that is there".to_owned());
    }
    if by_reason.keys().any(|(_, again)| !again) {
        hints.push("nothing was changed; see the cluster with fakes in place of all images: `--fake`".to_owned());
    }
    Some(Error::InTheWay {
        messages: by_reason.iter().map(message).collect(),
        hints,
    })
}

/// The nodes for which an operation failed, or was skipped because of a failure.
fn incomplete(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let failed = outcome
        .failed
        .iter()
        .map(|(at, _)| *at)
        .chain(outcome.skipped.iter().copied());
    let mut at: Vec<usize> = failed.collect();
    at.sort_unstable();
    let nodes: IndexSet<&str> = at
        .iter()
        .filter_map(|at| plan.operations[*at].node.as_deref())
        .collect();
    nodes.iter().map(|n| format!("`{n}`")).collect()
}

/// The nodes for which only some of the operations were done.
fn unfinished(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let mut counts: IndexMap<&str, (usize, usize)> = IndexMap::new();
    let node = |at: usize| plan.operations[at].node.as_deref();
    for node in (0..plan.operations.len()).filter_map(node) {
        counts.entry(node).or_default().0 += 1;
    }
    for node in outcome.done.iter().filter_map(|at| node(*at)) {
        counts.entry(node).or_default().1 += 1;
    }
    let begun = counts.iter().filter(|(_, (all, done))| *done > 0 && done < all);
    begun.map(|(node, _)| format!("`{node}`")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_cannot_be_had_for_one_reason_are_one_error() {
        let mut plan = Plan::default();
        for (image, again) in [("a", false), ("b", false), ("c", false), ("d", true)] {
            let action = Action::PullImage { platform: None, again };
            plan.push(action, image, None, "missing", Vec::new());
        }
        plan.push(
            Action::Unpause { id: "1".to_owned() },
            "x",
            Some("n"),
            "paused",
            vec![0],
        );
        let outcome = Outcome {
            failed: [(0, "no such host"), (1, "no such host"), (2, "denied"), (3, "denied")]
                .map(|(at, reason)| (at, reason.to_owned()))
                .into(),
            skipped: vec![4],
            ..Outcome::default()
        };
        let Err(Error::InTheWay { messages, hints }) = judge(&plan, &outcome) else {
            panic!("images are in the way");
        };
        assert_eq!(
            messages,
            [
                "2 images are not on the engine, and cannot be fetched: `a`, `b`: no such host",
                "image `c` is not on the engine, and cannot be fetched: denied",
                "image `d` is on the engine, and cannot be fetched again: denied"
            ]
        );
        assert_eq!(
            hints,
            [
                "nothing was changed; `pull_policy: missing` takes an image that is there",
                "nothing was changed; see the cluster with fakes in place of all images: `--fake`"
            ]
        );
    }

    #[test]
    fn an_interrupt_names_what_is_half_done() {
        let mut plan = Plan::default();
        for (node, subject) in [
            (None, "inout"),
            (Some("a"), "a-x-1"),
            (Some("b"), "b-x-1"),
            (Some("b"), "b-y-1"),
            (Some("c"), "c-x-1"),
        ] {
            plan.push(
                Action::Unpause { id: "1".to_owned() },
                subject,
                node,
                "paused",
                Vec::new(),
            );
        }
        let outcome = Outcome {
            done: vec![0, 1, 2],
            failed: vec![(3, "no space left".to_owned())],
            skipped: Vec::new(),
            unbegun: 1,
            lost: None,
        };
        let error = judge(&plan, &outcome).expect_err("interrupted");
        assert_eq!(
            error.to_string(),
            "unpause container b-y-1: no space left\n\
             begun and not finished: `b`\n\
             interrupted: 3 operations done, 1 failed, 1 not begun"
        );
    }
}
