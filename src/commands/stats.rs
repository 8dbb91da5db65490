//! `topogen stats`

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};

use super::ps::resized;
use super::verbs::ObservedCluster;
use super::work;
use crate::cli::{Format, Level, Order, Stats};
use crate::cluster::{ObservedContainer, State};
use crate::commands::Session;
use crate::engine::observe;
use crate::engine::usage::sample;
use crate::error::{Error, Exit};
use crate::usage::{self, ContainerUsage, Sample, Usage};
use crate::{console, select};

/// The time between the first two samples, and of `--once`.
const FIRST: Duration = Duration::from_millis(500);
/// The time between two samples after those.
const PAUSE: Duration = Duration::from_secs(2);
/// The most containers that are asked at once.
const PARALLEL: usize = 32;

/// The last sample of each container, by ID.
type Samples = HashMap<String, Sample>;

pub(super) async fn run(args: &Stats, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let found = ObservedCluster::look(terminal, &args.which).await?;
    if found.containers.is_empty() && args.targets.is_empty() && args.format == Format::Table {
        let cluster = &found.cluster;
        terminal.line(&format!("no container of cluster `{cluster}` is on the engine"));
        return work::other_clusters(terminal, &found.engine, cluster, "stats").await;
    }
    if !args.targets.is_empty() {
        found.select(|all| select::select(&args.targets, all).map(drop)).await?;
    }
    let is_live =
        args.format == Format::Table && !args.once && std::io::stdout().is_terminal() && console::is_obeying();
    if is_live {
        return live(args, session, &found).await;
    }
    let mut samples = Samples::new();
    look(args, &found, &mut samples).await?;
    tokio::time::sleep(FIRST).await;
    let usage = look(args, &found, &mut samples).await?;
    let text = match args.format {
        Format::Json => usage::json(&usage).map_err(anyhow::Error::from)? + "\n",
        Format::Table => table(args, &usage),
    };
    Ok(terminal.data(&text).map_err(anyhow::Error::from)?)
}

/// What the chosen containers use since the last look, or so far where there was none. Their order is by node and service.
async fn look(args: &Stats, found: &ObservedCluster, samples: &mut Samples) -> Result<Vec<ContainerUsage>, Error> {
    let looking = || Error::engine("look at the engine");
    let containers = observe::containers(&found.engine, Some(&found.cluster)).await;
    let mut containers = containers.map_err(looking())?;
    containers.retain(|c| !c.is_helper() && matches!(c.state, State::Running | State::Paused));
    let chosen = select::present(&args.targets, &containers);
    let each = chosen.into_iter().map(|container: &ObservedContainer| async move {
        let sample = sample(&found.engine, &container.id).await?;
        Ok((container, sample))
    });
    let each: Vec<_> = futures_util::stream::iter(each)
        .buffered(PARALLEL)
        .try_collect()
        .await
        .map_err(looking())?;
    let before = std::mem::take(samples);
    let mut all = Vec::new();
    for (container, sample) in each {
        let Some(sample) = sample else { continue };
        all.push(ContainerUsage {
            node: container.node().to_owned(),
            role: container.role().to_owned(),
            service: container.service().to_owned(),
            container: container.name.clone(),
            usage: Usage::between(before.get(&container.id), &sample),
        });
        samples.insert(container.id.clone(), sample);
    }
    Ok(all)
}

fn table(args: &Stats, all: &[ContainerUsage]) -> String {
    let level = match args.by {
        Level::Role => usage::Level::Role,
        Level::Node => usage::Level::Node,
        Level::Container => usage::Level::Container,
    };
    let order = match args.sort {
        Order::Cpu => usage::Order::Cpu,
        Order::Memory => usage::Order::Memory,
        Order::Network => usage::Order::Network,
        Order::Name => usage::Order::Name,
    };
    usage::table(all, level, order)
}

/// Shows it on the terminal until `q` is typed, or it is interrupted.
async fn live(args: &Stats, session: &Session, found: &ObservedCluster) -> Result<(), Error> {
    let mut end = Box::pin(session.asked_to_end());
    let mut samples = Samples::new();
    let mut usage = look(args, found, &mut samples).await?;
    let screen = console::Screen::new();
    let mut keys = console::Keys::new();
    let mut sizes = console::sizes();
    let mut next = Box::pin(tokio::time::sleep(FIRST));
    let ended = loop {
        let (rows, columns) = sizes.as_mut().map_or((24, 80), |sizes| *sizes.borrow_and_update());
        screen.show(&usage::screen(
            found.cluster.as_str(),
            &table(args, &usage),
            rows,
            columns,
        ));
        tokio::select! {
            () = &mut next => {
                usage = look(args, found, &mut samples).await?;
                next = Box::pin(tokio::time::sleep(PAUSE));
            }
            () = resized(&mut sizes) => {}
            () = keys.quit() => break Ok(()),
            () = &mut end => break Err(Error::Shown(Exit::Interrupted)),
        }
    };
    drop(keys);
    drop(screen);
    session
        .terminal
        .data(&table(args, &usage))
        .map_err(anyhow::Error::from)?;
    ended
}
