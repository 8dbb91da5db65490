//! Shared by the commands that change something: connecting, options for the work, and the output of a dry run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::cli;
use crate::cluster::ObservedContainer;
use crate::commands::Session;
use crate::converge::{Control, Reporter};
use crate::diagnostic::nearest;
use crate::engine::connect::{self, Engine, Patience};
use crate::engine::observe;
use crate::error::Error;
use crate::name::ClusterName;
use crate::plan::Plan;
use crate::terminal::Terminal;
use crate::text::plural;

/// Connects to the chosen engine, which may take a while if it is distant.
pub(super) async fn connect(terminal: &Terminal) -> Result<Engine, Error> {
    connect_within(terminal, None).await
}

/// Connects to the chosen engine. A call that changes nothing is waited for at most `timeout` seconds, or a minute if that
/// is `None`; meanwhile a line says so, even with `--quiet`.
pub(super) async fn connect_within(terminal: &Terminal, timeout: Option<u64>) -> Result<Engine, Error> {
    let choice = connect::chosen()?;
    terminal.doing(&format!("connecting to the engine at {}", choice.host));
    let shown = terminal.clone();
    let default = Patience::default();
    let patience = Patience {
        limit: timeout.map_or(default.limit, Duration::from_secs),
        notice: Arc::new(move |line| shown.line(line)),
    };
    Ok(Engine::to(choice, patience).await?)
}

/// The options for the work, which waits for containers for at most `timeout` seconds.
pub(super) fn control(session: &Session, work: &cli::Work, timeout: Option<u64>) -> Control {
    Control {
        parallel: work.parallel.map(usize::from),
        timeout: timeout.map(std::time::Duration::from_secs),
        stop: session.stop.clone(),
    }
}

/// Prints `plan` instead of carrying it out.
pub(super) fn show(terminal: &Terminal, plan: &Plan, dry: &cli::DryRun) -> Result<(), Error> {
    let text = match dry.format {
        cli::Format::Json => serde_json::to_string_pretty(plan).map_err(anyhow::Error::from)?,
        cli::Format::Table => plan.to_string(),
    };
    terminal.data(&format!("{text}\n")).map_err(anyhow::Error::from)?;
    match dry.detailed_exitcode && !plan.is_empty() {
        true => Err(Error::Shown(crate::error::Exit::Difference)),
        false => Ok(()),
    }
}

/// The cluster on the engine whose name is near `name`, as after a misprint; `None` if there is none.
pub(super) async fn nearest_cluster(engine: &Engine, name: &ClusterName) -> Result<Option<String>, Error> {
    let all = observe::containers(engine, None)
        .await
        .map_err(Error::engine("look at the engine"))?;
    let names = all.iter().map(ObservedContainer::cluster);
    Ok(nearest(name.as_str(), names.filter(|n| *n != name.as_str())).map(str::to_owned))
}

/// Names the clusters on the engine other than `cluster`, with the `command` for each.
pub(super) async fn other_clusters(
    terminal: &Terminal,
    engine: &Engine,
    cluster: &ClusterName,
    command: &str,
) -> Result<(), Error> {
    let all = observe::containers(engine, None)
        .await
        .map_err(Error::engine("look at the engine"))?;
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for container in &all {
        *others.entry(container.cluster()).or_default() += 1;
    }
    for (name, count) in others.into_iter().filter(|(name, _)| *name != cluster.as_str()) {
        let containers = plural(count, "container");
        terminal.line(&format!(
            "hint: cluster `{name}` has {containers}: `topogen {command} -n {name}`"
        ));
    }
    Ok(())
}

/// The message that the connection to an engine was lost, for that reason.
pub(super) fn lost_engine(reason: &str) -> String {
    format!("lost the engine ({reason}): trying to reach it again")
}

/// The message that the engine is back.
pub(super) const FOUND_AGAIN: &str = "the engine answers again";
