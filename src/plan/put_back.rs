//! What a plan stopped and then could not start runs again as it did before.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use super::schedule::Outcome;
use super::{Action, Plan};

/// What the operations of a plan do to one container.
#[derive(Debug, Default)]
struct Steps {
    /// The stop, and the engine's ID of the container that it stops.
    stop: Option<(usize, String)>,
    /// The creation of a successor, and the name that this has until it takes the place.
    create: Option<(usize, String)>,
    /// The renaming of the container to make place, and its ID.
    aside: Option<(usize, String)>,
    /// The renaming of the successor to the name of the container.
    take: Option<usize>,
    start: Option<usize>,
    /// The removal of the container, which comes last if it has a successor.
    remove: Option<usize>,
}

/// The plan that puts back what `plan` stopped, where `outcome` has its start failed or left out: a successor is removed, the
/// former container gets its name back, and what ran before is started. Nothing is put back after a stop, or when the engine
/// is lost: the same command finishes the job.
#[must_use]
pub fn put_back(plan: &Plan, outcome: &Outcome) -> Plan {
    let mut back = Plan::default();
    if outcome.unbegun > 0 || outcome.lost.is_some() {
        return back;
    }
    let done: HashSet<usize> = outcome.done.iter().copied().collect();
    let is_done = |at: Option<usize>| at.is_some_and(|at| done.contains(&at));
    let failed: HashSet<usize> = outcome.failed.iter().map(|(at, _)| *at).collect();
    // The stop of each, by its place in the plan, and what starts it again.
    let mut again: HashMap<usize, usize> = HashMap::new();
    for (subject, steps) in &steps(plan) {
        let is_replaced = steps.take.is_some();
        let left = steps.start.filter(|start| !done.contains(start));
        // What has no successor was stopped only to start again, and would fail as it did.
        let Some(start) = left.filter(|start| is_replaced || !failed.contains(start)) else {
            continue;
        };
        let node = plan.operations[start].node.as_deref();
        let cause = match (is_replaced, failed.contains(&start)) {
            (true, true) => "its successor did not start",
            (true, false) => "its successor was not started",
            (false, _) => "it was stopped and not started again",
        };
        let mut after = Vec::new();
        if let Some((created, waiting)) = &steps.create
            && is_replaced
            && done.contains(created)
        {
            let id = if is_done(steps.take) { *subject } else { waiting };
            let action = Action::RemoveContainer {
                id: id.to_owned(),
                volumes: true,
            };
            after = vec![back.push(action, subject, node, cause, Vec::new())];
        }
        if let Some((aside, id)) = &steps.aside
            && done.contains(aside)
        {
            let action = Action::Rename {
                id: id.clone(),
                to: (*subject).to_owned(),
            };
            after = vec![back.push(action, subject, node, cause, after)];
        }
        if let Some((stop, id)) = &steps.stop
            && done.contains(stop)
            && !is_done(steps.remove)
        {
            let action = Action::StartAgain { id: id.clone() };
            again.insert(*stop, back.push(action, subject, node, cause, after));
        }
    }
    in_order(plan, &mut back, &again);
    back
}

/// What was stopped last starts first: others depend on it.
fn in_order(plan: &Plan, back: &mut Plan, again: &HashMap<usize, usize>) {
    for (stop, start) in again {
        for earlier in &plan.operations[*stop].after {
            if let Some(dependent) = again.get(earlier) {
                back.operations[*dependent].after_any.push(*start);
            }
        }
    }
    back.sort();
}

/// The steps of each container that the plan starts, by its name, in the order in which they begin.
fn steps(plan: &Plan) -> IndexMap<&str, Steps> {
    let mut all: IndexMap<&str, Steps> = IndexMap::new();
    for (at, operation) in plan.operations.iter().enumerate() {
        let subject = operation.subject.as_str();
        let steps = match operation.action {
            Action::Stop { .. }
            | Action::CreateContainer(_)
            | Action::Rename { .. }
            | Action::Start(_)
            | Action::RemoveContainer { .. } => all.entry(subject).or_default(),
            _ => continue,
        };
        match &operation.action {
            Action::Stop { id, .. } => steps.stop = Some((at, id.clone())),
            Action::CreateContainer(spec) => steps.create = Some((at, spec.name.to_string())),
            Action::Rename { id, to } if to == subject => {
                let is_successor = steps.create.as_ref().is_some_and(|(_, waiting)| waiting == id);
                steps.take = is_successor.then_some(at).or(steps.take);
            }
            Action::Rename { id, .. } => steps.aside = Some((at, id.clone())),
            Action::Start(_) => steps.start = Some(at),
            Action::RemoveContainer { .. } => steps.remove = Some(at),
            _ => {}
        }
    }
    all
}
