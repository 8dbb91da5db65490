//! `topogen ps`

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, TryStreamExt};
use tokio::sync::watch;

use super::recorded;
use super::verbs::ObservedCluster;
use super::work::{self, FOUND_AGAIN, lost_engine};
use crate::cli::{Format, Ps};
use crate::cluster::label;
use crate::cluster::{ObservedContainer, ObservedEndpoint, missing};
use crate::commands::Session;
use crate::engine::changes::{Change, ContainerEvent, Notice, Subscription, Topic};
use crate::engine::fault::Fault;
use crate::engine::observe;
use crate::error::{Error, Exit};
use crate::name::ClusterName;
use crate::roster::{self, NodeRow};
use crate::terminal::Terminal;
use crate::topology::Topology;
use crate::{console, select};

/// The most inspections in flight at once.
const PARALLEL: usize = 16;
/// The least time between two observations.
const PAUSE: Duration = Duration::from_millis(250);
/// The time after which the engine is observed even if it reported no change.
const SELDOM: Duration = Duration::from_secs(10);

pub(super) async fn run(args: &Ps, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let mut found = ObservedCluster::look(terminal, &args.which).await?;
    let mut names = Names::default();
    let topology = recorded::topology(terminal, &found.containers);
    if args.watch {
        return watch(session, args, &mut found, topology.as_ref(), &mut names).await;
    }
    if found.containers.is_empty() && args.targets.is_empty() && args.format == Format::Table {
        let cluster = &found.cluster;
        terminal.line(&format!("no container of cluster `{cluster}` is on the engine"));
        return work::other_clusters(terminal, &found.engine, cluster, "ps").await;
    }
    if !args.targets.is_empty() {
        let all = with_missing(&found, topology.as_ref())
            .await
            .map_err(Error::engine("look at the engine"))?;
        found
            .select(|there| match there {
                [] => Ok(()),
                _ => select::select(&args.targets, &all).map(drop),
            })
            .await?;
    }
    let nodes = nodes(args, &found, topology.as_ref(), &mut names)
        .await
        .map_err(Error::engine("look at the engine"))?;
    let text = match args.format {
        Format::Json => serde_json::to_string_pretty(&nodes).map_err(anyhow::Error::from)? + "\n",
        Format::Table => roster::table(&nodes),
    };
    Ok(terminal.data(&text).map_err(anyhow::Error::from)?)
}

/// The names of containers by ID, with the endpoints for which they were read. They are read again only if the
/// endpoints change.
type Names = HashMap<String, (Vec<ObservedEndpoint>, Vec<String>)>;

/// The rows of the requested nodes; empty if nothing of them exists.
async fn nodes(
    args: &Ps,
    found: &ObservedCluster,
    topology: Option<&Topology>,
    names: &mut Names,
) -> Result<Vec<NodeRow>, Fault> {
    let networks = observe::networks(&found.engine).await?;
    // Every network that is not private to a node is shared, whoever created it.
    let private: HashSet<String> = networks
        .into_iter()
        .filter(|n| n.is_of(&found.cluster) && n.labels.contains_key(label::NODE))
        .map(|n| n.name)
        .collect();
    let all = with_missing(found, topology).await?;
    let chosen = select::present(&args.targets, &all);
    let known = |id: &str, endpoints: &[ObservedEndpoint]| names.get(id).is_some_and(|(then, _)| then == endpoints);
    let unknown: Vec<_> = chosen
        .iter()
        .copied()
        .filter(|c| !c.id.is_empty() && !known(&c.id, &c.endpoints))
        .collect();
    let private = &private;
    let new: Vec<_> = futures_util::stream::iter(unknown)
        .map(|container| async {
            let names = observe::aliases(&found.engine, container, |network| !private.contains(network)).await?;
            Ok::<_, Fault>((container.id.clone(), (container.endpoints.clone(), names)))
        })
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    names.extend(new);
    let names = names
        .iter()
        .map(|(id, (_, names))| (id.clone(), names.clone()))
        .collect();
    Ok(roster::rows(&chosen, &names, private))
}

/// The containers, with what a list does not say of those that may not be well, and those that are missing.
async fn with_missing(found: &ObservedCluster, topology: Option<&Topology>) -> Result<Vec<ObservedContainer>, Fault> {
    let mut all = found.containers.clone();
    observe::inspect_doubtful(&found.engine, &mut all).await?;
    all.extend(missing(&all, topology));
    Ok(all)
}

/// Prints the nodes, and again whenever they have changed, until interrupted. While the engine is lost, the last known
/// nodes stay with the reason.
async fn watch(
    session: &Session,
    args: &Ps,
    found: &mut ObservedCluster,
    topology: Option<&Topology>,
    names: &mut Names,
) -> Result<(), Error> {
    let mut changes = found.subscribe(Topic::ContainersAndNetworks).await?;
    let on_terminal = args.format == Format::Table && std::io::stdout().is_terminal() && console::is_obeying();
    let screen = on_terminal.then(console::Screen::new);
    let mut sizes = if on_terminal { console::sizes() } else { None };
    let terminal = &session.terminal;
    let mut end = Box::pin(session.asked_to_end());
    let mut shown: Option<Vec<NodeRow>> = None;
    let mut lost: Option<String> = None;
    let result = loop {
        if lost.is_none() {
            match nodes(args, found, topology, names).await {
                Ok(now) => {
                    let is_new = shown.as_ref() != Some(&now);
                    if screen.is_none() && is_new && !show(terminal, args, &now, shown.is_some())? {
                        return Ok(());
                    }
                    shown = Some(now);
                }
                Err(error) => match changes.reason_of_loss().await {
                    Some(reason) => lost = Some(reason),
                    None => break Err(Error::engine("look at the engine")(error)),
                },
            }
        }
        let size = sizes.as_mut().map(|s| *s.borrow_and_update());
        match (&screen, &shown, &lost) {
            (Some(screen), Some(nodes), _) => {
                let (rows, columns) = size.unwrap_or((24, 80));
                screen.show(&roster::screen(&title(found, lost.as_deref()), nodes, rows, columns));
            }
            (None, _, Some(reason)) => terminal.line(&lost_engine(reason)),
            _ => {}
        }
        let was_lost = lost.is_some();
        tokio::select! {
            () = visible(&mut changes, &found.cluster, &mut lost) => {}
            () = resized(&mut sizes) => {}
            () = tokio::time::sleep(SELDOM), if lost.is_none() => {}
            () = &mut end => break Err(Error::Shown(Exit::Interrupted)),
        };
        // Events that come at once are shown together.
        tokio::time::sleep(PAUSE).await;
        while visible(&mut changes, &found.cluster, &mut lost)
            .now_or_never()
            .is_some()
        {}
        if lost.is_some() {
            continue;
        }
        if was_lost && screen.is_none() {
            terminal.line(FOUND_AGAIN);
        }
        match observe::containers(&found.engine, Some(&found.cluster)).await {
            Ok(containers) => found.containers = containers,
            Err(error) => match changes.reason_of_loss().await {
                Some(reason) => lost = Some(reason),
                None => break Err(Error::engine("look at the engine")(error)),
            },
        }
    };
    let stays = screen.is_some();
    drop(screen);
    if let (true, Some(last)) = (stays, &shown) {
        show(terminal, args, last, false)?;
    }
    result
}

/// The title of the screen: the cluster's name, and the reason if the engine is lost.
fn title(found: &ObservedCluster, lost: Option<&str>) -> String {
    match lost {
        None => found.cluster.to_string(),
        Some(reason) => format!("{} as last seen, the engine is lost ({reason})", found.cluster),
    }
}

/// Completes when something happens that may change the display of `cluster`, or when the engine is lost or found
/// again. `lost` then holds the reason.
async fn visible(changes: &mut Subscription, cluster: &ClusterName, lost: &mut Option<String>) {
    loop {
        match changes.next().await {
            Notice::Lost(reason) => {
                *lost = Some(reason);
                return;
            }
            Notice::Resumed => {
                *lost = None;
                return;
            }
            Notice::Change(Change::Container(change)) if !change.is_of(cluster) => {}
            // A healthcheck runs by `exec`, and the change of health that it causes is an event of its own.
            Notice::Change(Change::Container(change)) if change.event == ContainerEvent::Visited => {}
            Notice::Change(_) => return,
        }
    }
}

async fn resized(sizes: &mut Option<watch::Receiver<(u16, u16)>>) {
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
