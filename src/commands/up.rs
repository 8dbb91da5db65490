//! `topogen up`

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::time::Instant;

use super::load::{self, Loaded};
use super::{reach, work};
use crate::cli::Up;
use crate::cluster::Desired;
use crate::cluster::Observed;
use crate::cluster::ObservedContainer;
use crate::cluster::State;
use crate::cluster::label;
use crate::engine::connect::Engine;
use crate::engine::drift;
use crate::engine::observe;
use crate::engine::stops::{SignalHistory, wait_for_stops};
use crate::engine::translate;
use crate::engine::translate::Origin;
use crate::error::Error;
use crate::plan::Action;
use crate::plan::Operation;
use crate::plan::Plan;
use crate::plan::conflict::Conflict;
use crate::plan::reconcile;
use crate::terminal;
use crate::terminal::words::span;
use crate::text::plural;

/// What the engine gives a container to end in, in seconds, where it does not say itself.
const GRACE: u64 = 10;

pub(super) async fn run(args: &Up) -> Result<(), Error> {
    let _shown = terminal::begin(&args.work);
    terminal::doing("reading the blueprint");
    let loaded = load::topology(&args.source)?;
    let desired = match translate::translate(&loaded.topology, &loaded.origin) {
        Ok(desired) => desired,
        Err(problems) => {
            return Err(Error::Blueprint {
                problems,
                sources: loaded.sources,
            });
        }
    };
    load::warn_of_doubts(&loaded);
    let engine = work::connect().await?;
    let beyond = desired.beyond(engine.api);
    if !beyond.is_empty() {
        return Err(Error::Blueprint {
            problems: beyond,
            sources: loaded.sources,
        });
    }
    if !args.dry.dry_run {
        work::refresh_images(&engine, &desired, &args.work).await?;
    }
    let mut did_something = false;
    let mut gone: BTreeSet<String> = BTreeSet::new();
    let mut anew: BTreeSet<String> = BTreeSet::new();
    let deadline = args.timeout.map(|t| Instant::now() + Duration::from_secs(t));
    let window = window(&desired);
    for look in 1.. {
        let begun = SystemTime::now();
        let (observed, fake_ready) = looked(&engine, &desired, window).await?;
        let options = reconcile::Options {
            fake_ready,
            remove_orphans: args.remove_orphans,
            wait: args.wait,
        };
        terminal::doing("planning");
        let plan = reconcile::up(&desired, &observed, &options);
        let plan = plan.map_err(|conflicts| in_the_way(&conflicts, &loaded, did_something))?;
        if let Some(conflict) = other_blueprint(&plan, &desired, &observed, &loaded.origin)
            && !args.take_over
        {
            return Err(in_the_way(&[conflict], &loaded, did_something));
        }
        if args.dry.dry_run {
            return work::show(&plan, &args.dry);
        }
        for note in plan.notes.iter().filter(|_| look == 1) {
            terminal::note(&format!("note: {note}"));
        }
        if plan.is_empty() {
            break;
        }
        did_something = true;
        gone.extend(nodes_taken_away(&plan, &desired));
        anew.extend(made_anew(&plan));
        work::carry_out(&plan, &desired.cluster, &engine, desired.layout, deadline, &args.work).await?;
        if drift::is_ruled_out(&plan, &desired.cluster, &engine, begun).await {
            break;
        }
        let now = work::look_back(&engine, &desired.cluster).await?;
        still_up(&plan, &now.containers)?;
        let ended = ended_unasked(&plan, &desired, &observed, &now);
        let again = came_unasked(&desired, &observed, &now) || were_stopped(&ended, &engine, &desired, window).await;
        if look == work::LOOKS || !again {
            break;
        }
    }
    let containers: usize = desired.nodes.iter().map(|n| n.containers.len()).sum();
    let nodes = plural(desired.nodes.len(), "node");
    let mut what = format!("{nodes}, {}", plural(containers, "container"));
    if !anew.is_empty() {
        what.push_str(&format!(", {} of them made anew", anew.len()));
    }
    if !gone.is_empty() {
        what.push_str(&format!(", {} removed", plural(gone.len(), "node")));
    }
    let fields = json!({"nodes": desired.nodes.len(), "containers": containers, "containers_recreated": anew, "nodes_removed": gone});
    let reach = reach::reach(&engine, &desired, &args.source).await?;
    let text = match did_something {
        true => format!("up: {what}, in {}; {reach}", span(terminal::elapsed())),
        false => format!("nothing to do: all is up as the blueprint says, {what}; {reach}"),
    };
    terminal::result(&text, fields);
    Ok(())
}

/// The nodes that `plan` takes away whole.
fn nodes_taken_away(plan: &Plan, desired: &Desired) -> impl Iterator<Item = String> {
    let stay: HashSet<&str> = desired.nodes.iter().map(|n| n.name.as_str()).collect();
    let removals = plan
        .operations
        .iter()
        .filter(|o| matches!(o.action, Action::RemoveContainer { .. }));
    removals
        .filter_map(|o| o.node.clone())
        .filter(move |n| !stay.contains(n.as_str()))
}

/// The containers that `plan` replaces.
fn made_anew(plan: &Plan) -> impl Iterator<Item = String> {
    let removes = |o: &&Operation| matches!(o.action, Action::RemoveContainer { .. });
    let removed: HashSet<&str> = plan
        .operations
        .iter()
        .filter(removes)
        .map(|o| o.subject.as_str())
        .collect();
    let made = plan
        .operations
        .iter()
        .filter(|o| matches!(o.action, Action::CreateContainer(_)));
    made.map(|o| &o.subject)
        .filter(move |s| removed.contains(s.as_str()))
        .cloned()
}

/// For how long back it matters which containers were told to end: a little longer than the slowest may take to.
fn window(desired: &Desired) -> Duration {
    let containers = desired.nodes.iter().flat_map(|n| &n.containers);
    let graces = containers.map(|c| {
        c.config
            .stop_timeout
            .and_then(|t| u64::try_from(t).ok())
            .unwrap_or(GRACE)
    });
    Duration::from_secs(graces.max().unwrap_or(GRACE) + 2)
}

/// What is on the engine, once it has done what was asked of it by whoever is gone; and whether the fake image is there,
/// where it is needed.
async fn looked(engine: &Engine, desired: &Desired, window: Duration) -> Result<(Observed, bool), Error> {
    let looking = || work::doing("look at the engine");
    terminal::doing("looking at the engine");
    let look = || observe::observe(engine, &desired.cluster, desired.host_ports());
    let (observed, history) = tokio::join!(look(), SignalHistory::read(engine, &desired.cluster, window));
    let mut observed = observed.map_err(looking())?;
    let waited = wait_for_stops(engine, &desired.cluster, &history).await;
    if waited.map_err(looking())? {
        observed = look().await.map_err(looking())?;
    }
    let needed = work::makes_fakes(desired, &observed);
    let (inspected, ready) = tokio::join!(
        observe::inspect_all(engine, &mut observed.containers),
        work::image_ready(engine, needed)
    );
    inspected.map_err(looking())?;
    Ok((observed, ready?))
}

/// The containers that ran when it was planned, that the plan left alone, and that have ended by now.
fn ended_unasked<'a>(
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

/// Whether any that has `ended` did so because somebody had told it to, before `up` was asked: nobody else will mend it.
/// What ends by itself has done its work, or will be found by whoever looks next.
async fn were_stopped(ended: &[&ObservedContainer], engine: &Engine, desired: &Desired, window: Duration) -> bool {
    if ended.is_empty() {
        return false;
    }
    let window = window + Duration::from_millis(terminal::elapsed());
    let history = SignalHistory::read(engine, &desired.cluster, window).await;
    ended.iter().any(|c| history.exited.contains(&c.id))
}

/// That the cluster is another blueprint's, and would become this one's. One whose file is gone was moved.
fn other_blueprint(plan: &Plan, desired: &Desired, observed: &Observed, origin: &Origin) -> Option<Conflict> {
    if plan.is_empty() {
        return None;
    }
    let blueprints: BTreeSet<&str> = observed.containers.iter().map(|c| c.label(label::BLUEPRINT)).collect();
    let ours = origin.blueprint.as_str();
    let is_ours = |theirs: &str| {
        let real = |path: &str| std::fs::canonicalize(path).ok();
        theirs == ours || real(theirs).is_some_and(|t| Some(t) == real(ours))
    };
    if blueprints.iter().any(|b| is_ours(b)) {
        return None;
    }
    let is_there = |theirs: &&&str| !theirs.starts_with('/') || Path::new(theirs).exists();
    let theirs = blueprints.iter().find(is_there)?;
    Some(Conflict::OtherBlueprint {
        cluster: desired.cluster.to_string(),
        theirs: (*theirs).to_owned(),
        ours: ours.to_owned(),
    })
}

/// Whether there is something of the cluster by now that nobody wants and that was not there when it was planned: its
/// making was asked of the engine before.
fn came_unasked(desired: &Desired, observed: &Observed, now: &Observed) -> bool {
    let containers = desired
        .nodes
        .iter()
        .flat_map(|n| &n.containers)
        .map(|c| c.name.as_str());
    let names: HashSet<&str> = containers.chain(desired.networks().map(|n| n.name.as_str())).collect();
    now.came_since(observed).any(|name| !names.contains(name))
}

/// What was started and has ended by `now`, and not well, is not up.
fn still_up(plan: &Plan, now: &[ObservedContainer]) -> Result<(), Error> {
    let started = |name: &str| {
        let starts = |o: &Operation| matches!(o.action, Action::Start(_)) && o.subject == name;
        plan.operations.iter().any(starts)
    };
    let ended = |c: &&ObservedContainer| match c.state {
        State::Exited => c.exit != Some(0),
        State::Restarting | State::Dead => true,
        _ => false,
    };
    let ended: Vec<&ObservedContainer> = now.iter().filter(ended).filter(|c| started(&c.name)).collect();
    if ended.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = ended
        .iter()
        .map(|c| {
            let (node, service) = (c.node(), c.service());
            match c.exit {
                Some(status) => format!("{node}/{service} ended at once, with status {status}"),
                None => format!("{node}/{service} ends and is started again and again"),
            }
        })
        .collect();
    lines.push(format!(
        "applied, but {} did not stay up",
        plural(ended.len(), "container")
    ));
    Err(Error::Partial(lines.join("\n")))
}

/// All that is in the way, each hint once; of work that is done in part where `begun` says so.
fn in_the_way(conflicts: &[Conflict], loaded: &Loaded, begun: bool) -> Error {
    let messages = conflicts.iter().map(|conflict| {
        let place = conflict.place(&loaded.topology);
        format!("{}{conflict}", loaded.sources.place_of(place))
    });
    if begun {
        return Error::Partial(messages.collect::<Vec<_>>().join("\n"));
    }
    let mut hints: Vec<String> = Vec::new();
    for hint in conflicts.iter().map(Conflict::hint) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    Error::InTheWay {
        messages: messages.collect(),
        hints,
    }
}
