//! `topogen serve`

mod holder;
mod names;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{load, ps, recorded, register, work};
use crate::cli::{Serve, Source};
use crate::cluster::roster::{Moment, Roster};
use crate::cluster::{ObservedContainer, label};
use crate::commands::Session;
use crate::console;
use crate::engine::connect::Engine;
use crate::engine::observe::{self, instance};
use crate::error::Error;
use crate::name::ClusterName;
use crate::serve::view::View;
use crate::serve::{self, Limits, Settings, Subject};
use crate::terminal::Terminal;
use crate::topology::Topology;
use names::Names;

/// The wait after containers came or went before the blueprint is read that they are of: `up` creates many at once.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the engine may take to list containers.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(args: &Serve, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let (given, cluster) = named(terminal, &args.source, args.here.as_ref())?;
    let engine = work::connect(terminal).await?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| taken(&error, args.listen, "--listen"))?;
    let address = listener.local_addr().context("cannot listen")?;
    let mut names = Names::open(terminal, args, &cluster).await?;
    console::many_files();
    let now = instance::at(SystemTime::now()).unwrap_or(Moment(0));
    let (rosters, seen) = watch::channel(Arc::new(Roster::unknown(cluster.as_str(), now)));
    let (views, shown) = watch::channel(Arc::new(View::unknown(cluster.as_str(), now)));
    let mut blueprint = Blueprint {
        terminal: terminal.clone(),
        engine: engine.clone(),
        cluster: cluster.clone(),
        given: given.map(Arc::new),
        read: None,
    };
    let (expected, topology) = watch::channel(blueprint.given.clone());
    let url = format!("http://{address}/");
    terminal.line(&format!("cluster `{cluster}` is served at {url}"));
    if !address.ip().is_loopback() {
        let logs = if args.no_logs {
            ""
        } else {
            ", and what its containers print"
        };
        terminal.line(&format!(
            "warning: whoever reaches that address reads how the cluster is{logs}"
        ));
    }
    if args.open {
        open(terminal, &url);
    }
    tell_of_none(terminal, &engine, &cluster, "serve").await?;
    let mut registration = match &args.consul {
        Some(agent) => {
            let registration = register::registration(agent, &args.registered, &engine, &cluster).await?;
            terminal.line(&format!("it is registered at {agent}"));
            Some(registration)
        }
        None => None,
    };
    let subject = Subject {
        engine,
        cluster,
        topology,
        rosters,
        views,
    };
    let settings = Settings {
        allow_hosts: args.allow_host.clone(),
        logs: !args.no_logs,
        limits: Limits::default(),
    };
    let tell_names = async {
        match &mut names {
            Some(names) => names.follow(shown).await,
            None => std::future::pending().await,
        }
    };
    let registered = async {
        match &mut registration {
            Some(registration) => register::follow(registration, terminal, seen.clone()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = serve::serve(listener, subject, settings, session.asked_to_end()) => {}
        () = blueprint.follow(seen.clone(), &expected) => {}
        () = report_losses(terminal, seen.clone()) => {}
        () = tell_names => {}
        () = registered => {}
    }
    let unregistered = match registration {
        Some(registration) => register::end(registration).await,
        None => Ok(()),
    };
    names.map_or(Ok(()), |names| names.end()).and(unregistered)
}

/// The cluster that `source` names, or else that of the container that this is; with what should exist, where there is a
/// blueprint.
///
/// # Errors
/// The blueprint is invalid.
pub(super) fn named(
    terminal: &Terminal,
    source: &Source,
    here: Option<&ClusterName>,
) -> Result<(Option<Topology>, ClusterName), Error> {
    let given = match load::is_lacking(source.file.as_deref()) {
        true => None,
        false => Some(load::topology(terminal, source)?.topology),
    };
    let name = source.name.clone().or_else(|| here.cloned());
    let cluster = name.or_else(|| given.as_ref().map(|t| t.cluster.clone()));
    Ok((given, cluster.unwrap_or_default()))
}

/// Says so if nothing of `cluster` is on the engine yet, with the `command` for the clusters that are.
///
/// # Errors
/// A call of the engine failed.
pub(super) async fn tell_of_none(
    terminal: &Terminal,
    engine: &Engine,
    cluster: &ClusterName,
    command: &str,
) -> Result<(), Error> {
    let containers = observe::containers(engine, Some(cluster)).await;
    if containers.map_err(Error::engine("look at the engine"))?.is_empty() {
        terminal.line(&format!("no container of cluster `{cluster}` is on the engine yet"));
        work::other_clusters(terminal, engine, cluster, command).await?;
    }
    Ok(())
}

/// Says when the engine is lost, and when it is back.
pub(super) async fn report_losses(terminal: &Terminal, mut rosters: watch::Receiver<Arc<Roster>>) {
    let is_first = |roster: &Arc<Roster>| roster.stale.as_ref().is_some_and(|stale| stale.is_first());
    let _ = rosters.wait_for(|roster| !is_first(roster)).await;
    let mut was_lost = false;
    loop {
        ps::report_loss(terminal, &rosters.borrow_and_update().clone(), &mut was_lost);
        if rosters.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// What should exist: as the cluster was last created, and until there is one, as the command line says.
struct Blueprint {
    terminal: Terminal,
    engine: Engine,
    cluster: ClusterName,
    given: Option<Arc<Topology>>,
    /// Which blueprint and options were read last, and when that file was changed; `None` before the first.
    read: Option<(String, String, Option<SystemTime>)>,
}

impl Blueprint {
    /// Reads it again whenever containers came or went.
    async fn follow(
        &mut self,
        mut rosters: watch::Receiver<Arc<Roster>>,
        expected: &watch::Sender<Option<Arc<Topology>>>,
    ) {
        let mut known: Option<Vec<String>> = None;
        loop {
            let roster = rosters.borrow_and_update().clone();
            let now: Vec<String> = roster.instances().map(|i| i.id.clone()).collect();
            if roster.stale.is_none() && known.as_ref() != Some(&now) {
                let list = observe::containers(&self.engine, Some(&self.cluster));
                // Where it is not answered, the roster is about to say so.
                if let Ok(Ok(containers)) = timeout(PATIENCE, list).await {
                    if let Some(topology) = self.of(containers).await {
                        expected.send_replace(topology);
                    }
                    known = Some(now);
                }
                sleep(PAUSE).await;
            }
            if rosters.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// What should exist according to `containers`; `None` if that is what it was.
    async fn of(&mut self, containers: Vec<ObservedContainer>) -> Option<Option<Arc<Topology>>> {
        let youngest = containers.first()?;
        let blueprint = youngest.label(label::BLUEPRINT).to_owned();
        let changed = std::fs::metadata(Path::new(&blueprint))
            .and_then(|file| file.modified())
            .ok();
        let now = Some((blueprint, youngest.label(label::OPTIONS).to_owned(), changed));
        if self.read == now {
            return None;
        }
        self.read = now;
        let terminal = self.terminal.clone();
        // A large one takes a while, and nobody else is to wait for it.
        let read = tokio::task::spawn_blocking(move || recorded::topology(&terminal, &containers));
        let read = read.await.ok().flatten().map(Arc::new);
        Some(read.or_else(|| self.given.clone()))
    }
}

/// Why `address` cannot be listened at.
fn taken(error: &std::io::Error, address: SocketAddr, option: &str) -> Error {
    let (why, hint) = match error.kind() {
        ErrorKind::AddrInUse => {
            let by = holder::of(address).map_or_else(String::new, |holder| format!(" by {holder}"));
            (
                format!("it is taken{by}"),
                format!("`{option} 127.0.0.1:0` takes any port that is free"),
            )
        }
        ErrorKind::AddrNotAvailable => (
            "this machine has no such address".to_owned(),
            format!("`{option} 0.0.0.0:PORT` listens at all addresses"),
        ),
        ErrorKind::PermissionDenied => (
            "it needs more rights".to_owned(),
            "ports from 1024 on are for everybody".to_owned(),
        ),
        _ => (error.to_string(), format!("choose another: `{option} ADDRESS:PORT`")),
    };
    Error::InTheWay {
        messages: vec![format!("cannot listen at {address}: {why}")],
        hints: vec![hint],
    }
}

/// Opens `url` in the user's browser.
fn open(terminal: &Terminal, url: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Err(error) = command.spawn() {
        terminal.line(&format!("warning: cannot open a browser with `{program}`: {error}"));
    }
}
