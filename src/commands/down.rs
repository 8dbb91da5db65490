//! `topogen down`

use serde_json::json;

use super::{load, work};
use crate::cli::Down;
use crate::engine::connect::Engine;
use crate::engine::observe;
use crate::error::Error;
use crate::name::ClusterName;
use crate::plan::{Action, listed, plural, reconcile};
use crate::terminal;
use crate::terminal::words::span;

pub(super) async fn run(args: &Down) -> Result<(), Error> {
    let _shown = terminal::begin(&args.work);
    let cluster = load::cluster(&args.which)?;
    let engine = work::connect().await?;
    terminal::doing("looking at the engine");
    let looking = || work::doing("look at the engine");
    let seen = observe::observe(&engine, &cluster).await.map_err(looking())?;
    let plan = reconcile::down(&cluster, &seen, args.volumes);
    if args.dry.dry_run {
        return work::show(&plan, &args.dry);
    }
    for note in &plan.notes {
        terminal::note(&format!("note: {note}"));
    }
    if plan.is_empty() {
        return nothing(&engine, &cluster).await;
    }
    work::carry_out(&plan, &cluster, &engine, None, None, &args.work).await?;
    let count = |wanted: fn(&Action) -> bool| plan.operations.iter().filter(|o| wanted(&o.action)).count();
    let containers = count(|a| matches!(a, Action::RemoveContainer { .. }));
    let networks = count(|a| matches!(a, Action::RemoveNetwork { .. }));
    let volumes = count(|a| matches!(a, Action::RemoveVolume));
    let counts = [(containers, "container"), (networks, "network"), (volumes, "volume")];
    let counts = counts.iter().filter(|(n, what)| *n > 0 || *what != "volume");
    let counts: Vec<String> = counts.map(|(n, what)| plural(*n, what)).collect();
    let text = format!("down: {} removed, in {}", listed(&counts), span(terminal::elapsed()));
    terminal::result(
        &text,
        json!({"containers": containers, "networks": networks, "volumes": volumes}),
    );
    Ok(())
}

/// Say which clusters there are, for whoever looked for the wrong one.
async fn nothing(engine: &Engine, cluster: &ClusterName) -> Result<(), Error> {
    let text = format!("nothing to do: no container or network of cluster `{cluster}` is on the engine");
    terminal::result(&text, json!({"containers": 0, "networks": 0}));
    work::other_clusters(engine, cluster, "down").await
}
