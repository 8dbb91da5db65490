//! `topogen up`

use serde_json::json;

use super::recorded::{self, Absent};
use super::verbs::nothing_meant;
use super::{Session, load, reach, work};
use crate::cli::Up;
use crate::converge::{self, ConvergeError, Options, Reporter};
use crate::error::Error;
use crate::plan::conflict::Conflict;
use crate::select::part;
use crate::terminal::words::span;
use crate::text::plural;
use load::Loaded;

pub(super) async fn run(args: &Up, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let _shown = terminal.begin(&args.work);
    terminal.doing("reading the blueprint");
    let meant = recorded::meant(terminal, &args.source, Absent::UseLab, args.timeout).await?;
    let loaded = load::topology(terminal, &meant.source)?;
    meant.check(&loaded.topology)?;
    let (loaded, mut desired) = load::desired(loaded)?;
    part::narrow(&mut desired, &args.targets, !args.no_deps).map_err(|faults| nothing_meant(&faults))?;
    load::warn_of_doubts(terminal, &loaded);
    let engine = work::connect_within(terminal, args.timeout).await?;
    let beyond = desired.beyond(engine.api);
    if !beyond.is_empty() {
        return Err(Error::Blueprint {
            problems: beyond,
            sources: loaded.sources,
        });
    }
    let options = Options {
        remove_orphans: args.remove_orphans,
        wait: args.wait,
        take_over: args.take_over,
        force_recreate: args.force_recreate,
    };
    let blueprint = &loaded.origin.blueprint;
    if args.dry.dry_run {
        let plan = converge::plan_up(&engine, &desired, blueprint, options, terminal).await;
        return work::show(terminal, &plan.map_err(|e| failed(e, &loaded))?, &args.dry);
    }
    let control = work::control(session, &args.work, args.timeout);
    let done = converge::up(&engine, &desired, blueprint, options, &control, terminal).await;
    let summary = done.map_err(|e| failed(e, &loaded))?;
    let containers: usize = desired.nodes.iter().map(|n| n.containers.len()).sum();
    let (recreated, removed) = (summary.containers_recreated(), summary.nodes_removed(&desired));
    let mut what = format!(
        "{}, {}",
        plural(desired.nodes.len(), "node"),
        plural(containers, "container")
    );
    if !recreated.is_empty() {
        what.push_str(&format!(", {} of them recreated", recreated.len()));
    }
    if !removed.is_empty() {
        what.push_str(&format!(", {} removed", plural(removed.len(), "node")));
    }
    let reach = reach::reach(&engine, &desired, &meant.source).await?;
    let text = match (summary.is_empty(), summary.unwell.is_empty()) {
        (true, true) => format!("nothing to do: all is up as the blueprint says, {what}; {reach}"),
        (true, false) => format!("nothing to do: all is made as the blueprint says, {what}; {reach}"),
        (false, _) => format!("up: {what}, in {}; {reach}", span(terminal.elapsed())),
    };
    for unwell in &summary.unwell {
        terminal.line(&format!("warning: {unwell}"));
    }
    let fields = json!({
        "nodes": desired.nodes.len(),
        "containers": containers,
        "containers_recreated": recreated,
        "containers_unwell": summary.unwell,
        "nodes_removed": removed,
    });
    terminal.result(&text, fields);
    Ok(())
}

/// The error to report, with the places of conflicts in the blueprint.
pub(super) fn failed(error: ConvergeError, loaded: &Loaded) -> Error {
    match error {
        ConvergeError::Conflicts { conflicts, begun } => in_the_way(&conflicts, loaded, begun),
        ConvergeError::Failed(error) => error,
    }
}

/// The error for `conflicts`, each hint once; for work that is partly done if `begun`.
fn in_the_way(conflicts: &[Conflict], loaded: &Loaded, begun: bool) -> Error {
    let messages = conflicts.iter().map(|conflict| {
        let place = conflict.place(&loaded.topology);
        format!("{}{conflict}", loaded.sources.place_of(place))
    });
    let mut hints: Vec<String> = Vec::new();
    for hint in conflicts.iter().map(Conflict::hint) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    let messages: Vec<String> = messages.collect();
    match begun {
        true => Error::Partial {
            message: messages.join("\n"),
            hints,
        },
        false => Error::InTheWay { messages, hints },
    }
}
