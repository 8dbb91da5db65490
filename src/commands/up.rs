//! `topogen up`

use super::{load, work};
use crate::cli::Up;
use crate::engine::connect::Engine;
use crate::engine::{observe, translate};
use crate::error::Error;
use crate::plan::{plural, reconcile};
use crate::terminal;

pub(super) async fn run(args: &Up) -> Result<(), Error> {
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
    let engine = Engine::connect().await?;
    let seen = observe::observe(&engine, &wanted.cluster)
        .await
        .map_err(work::doing("look at the engine"))?;
    let ready = work::image_ready(&engine, &wanted, &seen)
        .await
        .map_err(work::doing("look at the fake image"))?;
    let plan = reconcile::up(&wanted, &seen, ready).map_err(|conflicts| {
        let mut hints: Vec<String> = Vec::new();
        for hint in conflicts.iter().map(reconcile::Conflict::hint) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        Error::InTheWay {
            messages: conflicts.iter().map(ToString::to_string).collect(),
            hints,
        }
    })?;
    if args.dry_run {
        return Ok(terminal::data(&format!("{plan}\n")).map_err(anyhow::Error::from)?);
    }
    for note in &plan.notes {
        terminal::line(&format!("note: {note}"));
    }
    let what = format!(
        "{}, {}",
        plural(wanted.nodes.len(), "node"),
        plural(loaded.topology.services(), "container")
    );
    if plan.is_empty() {
        terminal::line(&format!("nothing to do: {what} are up as the blueprint says"));
        return Ok(());
    }
    let seconds = work::carry_out(&plan, &wanted.cluster, &engine, wanted.layout, &args.work).await?;
    terminal::line(&format!("up: {what}, in {seconds:.1} s; `topogen ps` lists them"));
    Ok(())
}
