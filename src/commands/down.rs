//! `topogen down`

use serde_json::json;

use super::verbs::nothing_meant;
use super::{Session, load, recorded, work};
use crate::cli::Down;
use crate::converge::{self};
use crate::engine::connect::Engine;
use crate::engine::observe;
use crate::error::Error;
use crate::name::ClusterName;
use crate::plan::Action;
use crate::select;
use crate::terminal::Terminal;
use crate::terminal::words::span;
use crate::text::{listed, plural};

pub(super) async fn run(args: &Down, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let _shown = terminal.begin(&args.work);
    let cluster = load::cluster(&args.which)?;
    let engine = work::connect(terminal).await?;
    if args.which.name.is_none() && load::is_lacking(args.which.file.as_deref()) {
        let containers = observe::containers(&engine, Some(&cluster)).await;
        recorded::check_is_lab(&cluster, &containers.map_err(Error::engine("look at the engine"))?)?;
    }
    check_targets(args, &engine, &cluster).await?;
    if args.dry.dry_run {
        let plan = converge::plan_down(&engine, &cluster, args.volumes, &args.targets, terminal).await?;
        return work::show(terminal, &plan, &args.dry);
    }
    let control = work::control(session, &args.work, None);
    let summary = converge::down(&engine, &cluster, args.volumes, &args.targets, &control, terminal).await?;
    if summary.is_empty() {
        return nothing(terminal, &engine, &cluster).await;
    }
    let containers = summary.count(|a| matches!(a, Action::RemoveContainer { .. }));
    let networks = summary.count(|a| matches!(a, Action::RemoveNetwork { .. }));
    let volumes = summary.count(|a| matches!(a, Action::RemoveVolume));
    let counts = [(containers, "container"), (networks, "network"), (volumes, "volume")];
    let counts = counts.iter().filter(|(n, what)| *n > 0 || *what != "volume");
    let counts: Vec<String> = counts.map(|(n, what)| plural(*n, what)).collect();
    let text = format!("down: {} removed, in {}", listed(&counts), span(terminal.elapsed()));
    terminal.result(
        &text,
        json!({"containers": containers, "networks": networks, "volumes": volumes}),
    );
    Ok(())
}

/// Refuses targets that match nothing of the cluster.
async fn check_targets(args: &Down, engine: &Engine, cluster: &ClusterName) -> Result<(), Error> {
    if args.targets.is_empty() {
        return Ok(());
    }
    let containers = observe::containers(engine, Some(cluster)).await;
    let containers = containers.map_err(Error::engine("look at the engine"))?;
    match select::select(&args.targets, &containers) {
        Err(faults) if !containers.is_empty() => Err(nothing_meant(&faults)),
        _ => Ok(()),
    }
}

/// Reports that there is nothing to remove, and names similar clusters.
async fn nothing(terminal: &Terminal, engine: &Engine, cluster: &ClusterName) -> Result<(), Error> {
    let text = format!("nothing to do: no container or network of cluster `{cluster}` is on the engine");
    terminal.result(&text, json!({"containers": 0, "networks": 0}));
    // A misprint must not lead to the removal of a cluster that just happens to be there.
    if let Some(near) = work::nearest_cluster(engine, cluster).await? {
        terminal.line(&format!("hint: did you mean `topogen down -n {near}`?"));
    }
    Ok(())
}
