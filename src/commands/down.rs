//! `topogen down`

use super::{load, work};
use crate::cli::Down;
use crate::engine::connect::Engine;
use crate::engine::observe;
use crate::error::Error;
use crate::name::ClusterName;
use crate::plan::{Action, listed, plural, reconcile};
use crate::terminal;

pub(super) async fn run(args: &Down) -> Result<(), Error> {
    let cluster = load::cluster(&args.which)?;
    let engine = Engine::connect().await?;
    let looking = || work::doing("look at the engine");
    let seen = observe::observe(&engine, &cluster).await.map_err(looking())?;
    let plan = reconcile::down(&cluster, &seen, args.volumes);
    if args.dry.dry_run {
        return work::show(&plan, &args.dry);
    }
    for note in &plan.notes {
        terminal::line(&format!("note: {note}"));
    }
    if plan.is_empty() {
        return nothing(&engine, &cluster).await;
    }
    let seconds = work::carry_out(&plan, &cluster, &engine, None, None, &args.work).await?;
    let count = |wanted: fn(&Action) -> bool| plan.operations.iter().filter(|o| wanted(&o.action)).count();
    let containers = count(|a| matches!(a, Action::RemoveContainer { .. }));
    let networks = count(|a| matches!(a, Action::RemoveNetwork { .. }));
    let volumes = count(|a| matches!(a, Action::RemoveVolume));
    let counts = [(containers, "container"), (networks, "network"), (volumes, "volume")];
    let counts = counts.iter().filter(|(n, what)| *n > 0 || *what != "volume");
    let counts: Vec<String> = counts.map(|(n, what)| plural(*n, what)).collect();
    terminal::line(&format!("down: {} removed, in {seconds:.1} s", listed(&counts)));
    Ok(())
}

/// Say which clusters there are, for whoever looked for the wrong one.
async fn nothing(engine: &Engine, cluster: &ClusterName) -> Result<(), Error> {
    terminal::line(&format!(
        "nothing to do: no container or network of cluster `{cluster}` is on the engine"
    ));
    work::other_clusters(engine, cluster, "down").await
}
