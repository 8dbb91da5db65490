//! `topogen up`

use serde_json::json;

use super::{load, reach, work};
use crate::cli::Up;
use crate::engine::connect::Engine;
use crate::engine::{SeenNetwork, observe, translate};
use crate::error::Error;
use crate::plan::conflict::Conflict;
use crate::plan::{Action, plural, reconcile};
use crate::terminal;
use crate::terminal::words::span;

pub(super) async fn run(args: &Up) -> Result<(), Error> {
    let _shown = terminal::begin(&args.work);
    terminal::doing("reading the blueprint");
    let loaded = load::topology(&args.source)?;
    let wanted = match translate::translate(&loaded.topology, &loaded.origin) {
        Ok(wanted) => wanted,
        Err(problems) => {
            return Err(Error::Blueprint {
                problems,
                sources: loaded.sources,
            });
        }
    };
    terminal::doing("connecting to the engine");
    let engine = Engine::connect().await?;
    terminal::doing("looking at the engine");
    let mut seen = observe::observe(&engine, &wanted.cluster)
        .await
        .map_err(work::doing("look at the engine"))?;
    let ready = work::image_ready(&engine, &wanted, &seen).await?;
    terminal::doing("planning");
    let mut plan = reconcile::up(&wanted, &seen, ready).map_err(|c| in_the_way(&c))?;
    let going = |n: &&SeenNetwork| {
        let goes = |a: &Action| matches!(a, Action::RemoveNetwork { id } if *id == n.id);
        plan.operations.iter().any(|o| goes(&o.action))
    };
    // Only what is to go can be in somebody's way, which is seldom anything.
    seen.guests = observe::guests(&engine, &wanted.cluster, seen.networks.iter().filter(going))
        .await
        .map_err(work::doing("look at the engine"))?;
    if !seen.guests.is_empty() {
        plan = reconcile::up(&wanted, &seen, ready).map_err(|c| in_the_way(&c))?;
    }
    if args.dry_run {
        return Ok(terminal::data(&format!("{plan}\n")).map_err(anyhow::Error::from)?);
    }
    for note in &plan.notes {
        terminal::note(&format!("note: {note}"));
    }
    let what = format!(
        "{}, {}",
        plural(wanted.nodes.len(), "node"),
        plural(loaded.topology.services(), "container")
    );
    let fields = json!({"nodes": wanted.nodes.len(), "containers": loaded.topology.services()});
    if plan.is_empty() {
        let reach = reach::reach(&engine, &wanted, &args.source).await?;
        let text = format!("nothing to do: all is up as the blueprint says, {what}; {reach}");
        terminal::result(&text, fields);
        return Ok(());
    }
    work::carry_out(&plan, &wanted.cluster, &engine, wanted.layout, &args.work).await?;
    let reach = reach::reach(&engine, &wanted, &args.source).await?;
    terminal::result(
        &format!("up: {what}, in {}; {reach}", span(terminal::elapsed())),
        fields,
    );
    Ok(())
}

/// All that is in the way, each hint once.
fn in_the_way(conflicts: &[Conflict]) -> Error {
    let mut hints: Vec<String> = Vec::new();
    for hint in conflicts.iter().map(Conflict::hint) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    Error::InTheWay {
        messages: conflicts.iter().map(ToString::to_string).collect(),
        hints,
    }
}
