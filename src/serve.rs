//! Tells how a cluster is, now and as it changes: over HTTP, as names, and to Consul.
//!
//! ```text
//! watch ──Roster──▶ view ──▶ answer, addresses, metrics      (pure)
//!                    ├─────▶ routes, streams, logs ──▶ connections ──▶ readers
//!                    └─────▶ dns, hosts ──▶ resolvers
//!       ──Roster──▶ consul ──▶ an agent of Consul
//! ```
//!
//! [`view`] and what is answered about it are pure. Readers take the newest view: one that is slow misses revisions and holds
//! up nobody. Everything is bounded: connections, heads of requests, streams, and how long a reader may take nothing.
//!
//! What is told is what a roster holds: no variable of an environment and no value of a label. Logs are what containers
//! print, and can be left out.

pub mod addresses;
pub mod answer;
mod connections;
pub mod consul;
pub mod dns;
pub mod host;
pub mod hosts;
mod logs;
pub mod metrics;
mod page;
mod picture;
pub mod query;
pub mod refusal;
mod routes;
mod streams;
pub mod view;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::http::HeaderValue;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::cluster::roster::Roster;
use crate::engine::connect::Engine;
use crate::name::ClusterName;
use crate::topology::Topology;
use crate::watch::follow;
use picture::Picture;
use view::View;

/// What a server is told at its start.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Names under which it may be asked, besides addresses and `localhost`.
    pub allow_hosts: Vec<String>,
    /// Whether it tells what containers print.
    pub logs: bool,
    /// How much it takes at once.
    pub limits: Limits,
}

/// How much a server takes at once, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most connections.
    pub connections: usize,
    /// The most streams, and requests that wait for a change.
    pub streams: usize,
    /// How long the head of a request may take to come, and the next request of a connection.
    pub head: Duration,
    /// How long a reader may take nothing before its connection is closed.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            streams: 128,
            head: Duration::from_secs(10),
            stall: Duration::from_secs(30),
        }
    }
}

/// What all requests share.
struct App {
    settings: Settings,
    engine: Engine,
    /// What a browser lets the page do.
    policy: HeaderValue,
    views: watch::Receiver<Arc<View>>,
    picture: Picture,
    /// Places for streams and for requests that wait.
    streams: Arc<Semaphore>,
    /// The number of requests so far.
    requests: AtomicU64,
    /// The number of connections that were refused so far.
    refused: Arc<AtomicU64>,
    /// Turns true when the server ends.
    ending: watch::Receiver<bool>,
}

/// What is served.
pub struct Subject {
    /// The engine that the cluster is on.
    pub engine: Engine,
    /// The name of the cluster, which need not be there yet.
    pub cluster: ClusterName,
    /// What should exist, as far as that is known. It may change.
    pub topology: watch::Receiver<Option<Arc<Topology>>>,
    /// Where the server puts what it learns of the cluster.
    pub rosters: watch::Sender<Arc<Roster>>,
    /// Where the server puts what it shows of that, at first a view that knows nothing.
    pub views: watch::Sender<Arc<View>>,
}

/// Follows a cluster and serves it at `listener`, until `stop` completes; then says so to those who listen, and ends.
pub async fn serve(listener: TcpListener, subject: Subject, settings: Settings, stop: impl Future<Output = ()>) {
    let Subject {
        engine,
        cluster,
        topology,
        rosters,
        views: sender,
    } = subject;
    let (end, ending) = watch::channel(false);
    let limits = settings.limits;
    let refused = Arc::<AtomicU64>::default();
    let app = App {
        settings,
        engine: engine.clone(),
        policy: page::policy(),
        views: sender.subscribe(),
        picture: Picture::new(cluster.clone()),
        streams: Arc::new(Semaphore::new(limits.streams)),
        requests: AtomicU64::new(0),
        refused: refused.clone(),
        ending,
    };
    let seen = rosters.subscribe();
    let follows = async { tokio::join!(follow(engine, cluster, rosters), show(seen, topology, sender)) };
    let mut known = app.views.clone();
    let router = routes::router(Arc::new(app));
    let accepts = async {
        // Whoever asks first waits until there is something to say, or a reason why not.
        let says = |view: &Arc<View>| view.stale.as_ref().is_none_or(|stale| !stale.is_first());
        let _ = known.wait_for(says).await;
        connections::accept(listener, router, limits, refused, end.subscribe()).await;
    };
    let (mut follows, mut accepts) = (std::pin::pin!(follows), std::pin::pin!(accepts));
    tokio::select! {
        _ = &mut follows => {}
        () = &mut accepts => {}
        () = stop => {}
    }
    end.send_replace(true);
    // Whoever does not take the last words in time does without them.
    let _ = tokio::time::timeout(connections::LAST_WORDS, accepts).await;
}

/// Makes a view of each roster, and again when `topology` changes.
async fn show(
    mut rosters: watch::Receiver<Arc<Roster>>,
    mut topology: watch::Receiver<Option<Arc<Topology>>>,
    views: watch::Sender<Arc<View>>,
) {
    loop {
        let roster = rosters.borrow_and_update().clone();
        let expected = topology.borrow_and_update().clone();
        let next = views.borrow().next(&roster, expected.as_ref());
        if let Some(next) = next {
            views.send_replace(Arc::new(next));
        }
        tokio::select! {
            changed = rosters.changed() => if changed.is_err() { return },
            Ok(()) = topology.changed() => {}
        }
    }
}
