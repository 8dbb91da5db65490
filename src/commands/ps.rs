//! `topogen ps`

use std::collections::HashMap;
use std::io::IsTerminal;

use tokio::sync::watch;

use super::follow;
use super::recorded;
use super::verbs::ObservedCluster;
use super::work::{self, FOUND_AGAIN, lost_engine};
use crate::cli::{Format, Ps};
use crate::cluster::ObservedContainer;
use crate::cluster::roster::Roster;
use crate::commands::Session;
use crate::error::{Error, Exit};
use crate::roster::{self, NodeRow};
use crate::terminal::Terminal;
use crate::topology::Topology;
use crate::{console, select};

pub(super) async fn run(args: &Ps, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let found = ObservedCluster::look(terminal, &args.which).await?;
    let topology = recorded::topology(terminal, &found.containers);
    if args.watch {
        return watch(session, args, &found, topology.as_ref()).await;
    }
    if found.containers.is_empty() && args.targets.is_empty() && args.format == Format::Table {
        let cluster = &found.cluster;
        terminal.line(&format!("no container of cluster `{cluster}` is on the engine"));
        return work::other_clusters(terminal, &found.engine, cluster, "ps").await;
    }
    let roster = follow::now(&found.engine, &found.cluster).await?;
    if !args.targets.is_empty() {
        let all = follow::with_missing(&roster, topology.as_ref());
        found
            .select(|there| match there {
                [] => Ok(()),
                _ => select::select(&args.targets, &all).map(drop),
            })
            .await?;
    }
    let nodes = nodes(args, &roster, topology.as_ref());
    let text = match args.format {
        Format::Json => serde_json::to_string_pretty(&nodes).map_err(anyhow::Error::from)? + "\n",
        Format::Table => roster::table(&nodes),
    };
    Ok(terminal.data(&text).map_err(anyhow::Error::from)?)
}

/// The rows of the requested nodes; empty if nothing of them exists.
fn nodes(args: &Ps, roster: &Roster, topology: Option<&Topology>) -> Vec<NodeRow> {
    // Every network that is not private to a node is shared, whoever created it.
    let private = follow::private_networks(roster);
    let all = follow::with_missing(roster, topology);
    let shared = |c: &ObservedContainer| {
        c.names_on(|n| !private.contains(n))
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let names: HashMap<String, Vec<String>> = all.iter().map(|c| (c.id.clone(), shared(c))).collect();
    roster::rows(&select::present(&args.targets, &all), &names, &private)
}

/// Prints the nodes, and again whenever they have changed, until interrupted. While the engine is lost, the last known
/// nodes stay with the reason.
async fn watch(
    session: &Session,
    args: &Ps,
    found: &ObservedCluster,
    topology: Option<&Topology>,
) -> Result<(), Error> {
    let on_terminal = args.format == Format::Table && std::io::stdout().is_terminal() && console::is_obeying();
    let mut end = Box::pin(session.asked_to_end());
    let mut rosters = follow::follow(&found.engine, &found.cluster);
    let mut roster = tokio::select! {
        roster = follow::first(&mut rosters) => roster,
        () = &mut end => return Err(Error::Shown(Exit::Interrupted)),
    };
    let screen = on_terminal.then(console::Screen::new);
    let mut sizes = if on_terminal { console::sizes() } else { None };
    let mut keys = on_terminal.then(console::Keys::new);
    let terminal = &session.terminal;
    let mut shown: Option<Vec<NodeRow>> = None;
    let mut was_lost = false;
    let is_quit = loop {
        let nodes = nodes(args, &roster, topology);
        if let Some(screen) = &screen {
            let size = sizes.as_mut().map(|s| *s.borrow_and_update());
            let (rows, columns) = size.unwrap_or((24, 80));
            screen.show(&roster::screen(&title(&roster), &nodes, rows, columns));
        } else {
            report_loss(terminal, &roster, &mut was_lost);
            let is_new = shown.as_ref() != Some(&nodes);
            if is_new && !show(terminal, args, &nodes, shown.is_some())? {
                return Ok(());
            }
        }
        shown = Some(nodes);
        tokio::select! {
            () = follow::next(&mut rosters) => {}
            () = resized(&mut sizes) => {}
            () = quit(&mut keys) => break true,
            () = &mut end => break false,
        }
        roster = rosters.borrow_and_update().clone();
    };
    drop(keys);
    let stays = screen.is_some();
    drop(screen);
    if let (true, Some(last)) = (stays, &shown) {
        show(terminal, args, last, false)?;
    }
    match is_quit {
        true => Ok(()),
        false => Err(Error::Shown(Exit::Interrupted)),
    }
}

/// Completes when `q` is typed, where keys are read.
async fn quit(keys: &mut Option<console::Keys>) {
    match keys {
        Some(keys) => keys.quit().await,
        None => std::future::pending().await,
    }
}

/// Says once that the engine is lost, and once that it is back.
pub(super) fn report_loss(terminal: &Terminal, roster: &Roster, was_lost: &mut bool) {
    match &roster.stale {
        Some(stale) if !*was_lost => terminal.line(&lost_engine(&stale.reason)),
        None if *was_lost => terminal.line(FOUND_AGAIN),
        _ => {}
    }
    *was_lost = roster.stale.is_some();
}

/// The title of the screen: the cluster's name, and since when and why the engine is lost.
fn title(roster: &Roster) -> String {
    match &roster.stale {
        None => roster.cluster.clone(),
        Some(stale) => format!("{} {stale}", roster.cluster),
    }
}

pub(super) async fn resized(sizes: &mut Option<watch::Receiver<(u16, u16)>>) {
    if let Some(sizes) = sizes
        && sizes.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Prints all nodes. Returns whether there still is a reader.
fn show(terminal: &Terminal, args: &Ps, nodes: &[NodeRow], again: bool) -> Result<bool, Error> {
    let text = match args.format {
        Format::Json => serde_json::to_string(nodes).map_err(anyhow::Error::from)? + "\n",
        Format::Table if again => format!("\n{}", roster::table(nodes)),
        Format::Table => roster::table(nodes),
    };
    Ok(terminal.reaches(&text).map_err(anyhow::Error::from)?)
}
