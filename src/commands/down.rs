//! `topogen down`

use serde_json::json;

use super::{load, work};
use crate::cli::Down;
use crate::engine::connect::Engine;
use crate::engine::observe;
use crate::error::Error;
use crate::name::ClusterName;
use crate::plan::Action;
use crate::plan::Operation;
use crate::plan::reconcile;
use crate::terminal;
use crate::terminal::words::span;
use crate::text::listed;
use crate::text::plural;

pub(super) async fn run(args: &Down) -> Result<(), Error> {
    let _shown = terminal::begin(&args.work);
    let cluster = load::cluster(&args.which)?;
    let engine = work::connect().await?;
    terminal::doing("looking at the engine");
    let mut done: Vec<Operation> = Vec::new();
    for look in 1.. {
        let observed = observe::observe(&engine, &cluster, false).await;
        let observed = observed.map_err(work::doing("look at the engine"))?;
        let plan = reconcile::down(&cluster, &observed, args.volumes);
        if args.dry.dry_run {
            return work::show(&plan, &args.dry);
        }
        for note in plan.notes.iter().filter(|_| look == 1) {
            terminal::note(&format!("note: {note}"));
        }
        if plan.is_empty() {
            break;
        }
        work::carry_out(&plan, &cluster, &engine, None, None, &args.work).await?;
        done.extend(plan.operations);
        let now = work::look_back(&engine, &cluster).await?;
        if look == work::LOOKS || now.came_since(&observed).next().is_none() {
            break;
        }
    }
    if done.is_empty() {
        return nothing(&engine, &cluster).await;
    }
    let count = |desired: fn(&Action) -> bool| done.iter().filter(|o| desired(&o.action)).count();
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
