//! Why the state of a cluster may differ from the plan after the plan has been carried out.
//!
//! | what happened | how it shows | what is done |
//! | --- | --- | --- |
//! | a client that has exited had requested a stop | a `kill` event without a later `die`; the engine still lists the container as running | wait for the stop before planning; if it came later, plan again |
//! | a client that has exited had requested a container or network | it exists afterwards, did not exist before, and is not desired | plan again |
//! | a container that the plan started has ended | it does not run, and its status is not 0 | an error: it did not stay up |
//! | a container that the plan left alone has ended by itself | it ran before and does not now, without a signal | nothing: it has done its work, or a later command finds it |
//! | somebody removed a container of the cluster | it does not exist afterwards | plan again; an error if it was removed in each round |
//! | an observed resource was removed before its turn came | the engine answers 404 | plan again |
//!
//! If the engine's events show that nothing happened but what the plan did, the second observation is skipped.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::cluster::{Desired, Observed, ObservedContainer, State, verdict};
use crate::engine::connect::Engine;
use crate::engine::stops::{GRACE, KILLING, SignalHistory};
use crate::error::Error;
use crate::name::ClusterName;
use crate::plan::{Action, Plan};
use crate::text::plural;

/// How far back to search for `kill` events: the longest stop timeout in the cluster plus the time that a kill takes.
pub(super) fn window(desired: &Desired) -> Duration {
    let containers = desired.nodes.iter().flat_map(|n| &n.containers);
    let graces = containers.map(|c| {
        c.config
            .stop_timeout
            .and_then(|t| u64::try_from(t).ok())
            .unwrap_or(GRACE.as_secs())
    });
    Duration::from_secs(graces.max().unwrap_or(GRACE.as_secs())) + KILLING
}

/// The containers that ran when the plan was made, that the plan left alone, and that have ended since.
pub(super) fn ended_unasked<'a>(
    plan: &Plan,
    desired: &Desired,
    observed: &'a Observed,
    now: &Observed,
) -> Vec<&'a ObservedContainer> {
    let touched: HashSet<&str> = plan.operations.iter().map(|o| o.subject.as_str()).collect();
    let runs: HashSet<&str> = now
        .containers
        .iter()
        .filter(|c| !matches!(c.state, State::Exited | State::Dead | State::Removing))
        .map(|c| c.id.as_str())
        .collect();
    let desired = desired.nodes.iter().flat_map(|n| &n.containers);
    let desired: HashSet<&str> = desired.map(|c| c.name.as_str()).collect();
    let stays = |c: &&ObservedContainer| desired.contains(c.name.as_str()) && !touched.contains(c.name.as_str());
    let ran = observed.containers.iter().filter(|c| c.state == State::Running);
    ran.filter(stays).filter(|c| !runs.contains(c.id.as_str())).collect()
}

/// Whether any of `ended` was stopped by a request made within `window`, which is before this `up`. Those must be started
/// again; containers that exit by themselves are left alone.
pub(super) async fn were_stopped(
    ended: &[&ObservedContainer],
    engine: &Engine,
    cluster: &ClusterName,
    window: Duration,
) -> bool {
    if ended.is_empty() {
        return false;
    }
    let signals = SignalHistory::read(engine, cluster, window).await;
    ended.iter().any(|c| signals.exited.contains(&c.id))
}

/// Whether unplanned resources appeared since the plan was made, for example from a create request that a killed `up` had
/// sent.
pub(super) fn came_unasked(desired: &Desired, observed: &Observed, now: &Observed) -> bool {
    let containers = desired
        .nodes
        .iter()
        .flat_map(|n| &n.containers)
        .map(|c| c.name.as_str());
    let names: HashSet<&str> = containers.chain(desired.networks().map(|n| n.name.as_str())).collect();
    now.came_since(observed).any(|name| !names.contains(name))
}

/// The containers that are desired and that are not there, since somebody removed them meanwhile.
pub(super) fn removed<'d>(desired: &'d Desired, now: &Observed) -> Vec<&'d str> {
    let present: HashSet<&str> = now.containers.iter().map(|c| c.name.as_str()).collect();
    let names = desired
        .nodes
        .iter()
        .flat_map(|n| &n.containers)
        .map(|c| c.name.as_str());
    names.filter(|name| !present.contains(name)).collect()
}

/// The error for containers that were removed in each round.
pub(super) fn not_there(removed: &[&str]) -> Error {
    let lines = removed
        .iter()
        .map(|name| format!("container `{name}` was removed by somebody else meanwhile"));
    Error::partial(lines.collect::<Vec<_>>().join("\n"))
}

/// What has ended by `now`, and not well: of what the `plan` started, and of what ends again and again.
pub(super) fn still_up(plan: &Plan, desired: &Desired, now: &[ObservedContainer]) -> Result<(), Error> {
    let starts = plan.operations.iter().filter(|o| matches!(o.action, Action::Start(_)));
    let started: HashSet<&str> = starts.map(|o| o.subject.as_str()).collect();
    let desired: HashSet<&str> = desired.containers().map(|c| c.name.as_str()).collect();
    let ended = now.iter().filter(|c| match c.state {
        State::Exited => c.exit != Some(0) && started.contains(c.name.as_str()),
        State::Restarting | State::Dead => desired.contains(c.name.as_str()),
        _ => false,
    });
    let mut lines: Vec<String> = ended
        .map(|c| {
            let (node, service) = (c.node(), c.service());
            match (c.state, c.exit) {
                (State::Exited, Some(status)) => format!("{node}/{service} ended at once, with status {status}"),
                (State::Restarting, Some(status)) => {
                    format!("{node}/{service} ends with status {status} and is started again and again")
                }
                _ => format!("{node}/{service} ends and is started again and again"),
            }
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let done = if plan.is_empty() { "nothing to do" } else { "applied" };
    lines.push(format!(
        "{done}, but {} did not stay up",
        plural(lines.len(), "container")
    ));
    Err(Error::partial(lines.join("\n")))
}

/// What is not well although nothing has to be done about it: `slave1/db is unhealthy`.
pub(super) fn unwell(desired: &Desired, observed: &Observed) -> Vec<String> {
    let there: HashMap<&str, &ObservedContainer> = observed.containers.iter().map(|c| (c.name.as_str(), c)).collect();
    let all = desired.containers().filter_map(|spec| {
        let verdict = verdict(spec.duty, there.get(spec.name.as_str()).copied());
        (!verdict.is_well()).then(|| format!("{}/{} {verdict}", spec.node, spec.service))
    });
    all.collect()
}
