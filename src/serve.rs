//! Tells over HTTP how a cluster is, now and as it changes.
//!
//! ```text
//! watch ──Roster──▶ View ──▶ answer, text           (pure)
//!                    └─────▶ routes, streams ──▶ connections ──▶ readers
//! ```
//!
//! [`view`] and what is answered about it decide nothing else and are pure. Readers take the newest view: one that is slow
//! misses revisions and holds up nobody. Everything is bounded: connections, heads, streams, and how long a reader may take
//! nothing.

pub mod answer;
mod connections;
pub mod host;
mod page;
mod picture;
mod routes;
mod streams;
pub mod view;

use std::sync::Arc;
use std::time::SystemTime;

use axum::http::HeaderValue;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::cluster::roster::{Moment, Roster};
use crate::engine::connect::Engine;
use crate::engine::observe::instance;
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
}

/// The most streams and requests that wait, at once.
const MOST_STREAMS: usize = 128;

/// What all requests share.
struct App {
    settings: Settings,
    /// What a browser lets the page do.
    policy: HeaderValue,
    views: watch::Receiver<Arc<View>>,
    picture: Picture,
    /// Places for streams and for requests that wait.
    streams: Arc<Semaphore>,
    /// Turns true when the server ends.
    ending: watch::Receiver<bool>,
}

/// Follows `cluster` on `engine` and serves it at `listener`, until `stop` completes; then tells those who listen and ends.
/// `topology` is what should exist, as far as that is known; it may change.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    cluster: ClusterName,
    topology: watch::Receiver<Option<Arc<Topology>>>,
    settings: Settings,
    rosters: watch::Sender<Arc<Roster>>,
    stop: impl Future<Output = ()>,
) {
    let now = instance::at(SystemTime::now()).unwrap_or(Moment(0));
    let (sender, views) = watch::channel(Arc::new(View::unknown(cluster.as_str(), now)));
    let (end, ending) = watch::channel(false);
    let app = App {
        settings,
        policy: page::policy(),
        views,
        picture: Picture::new(engine.clone(), cluster.clone(), topology.clone()),
        streams: Arc::new(Semaphore::new(MOST_STREAMS)),
        ending,
    };
    let seen = rosters.subscribe();
    let work = async {
        tokio::join!(
            follow(engine, cluster, rosters),
            show(seen, topology, sender),
            connections::accept(listener, routes::router(Arc::new(app)), end.subscribe()),
        )
    };
    tokio::pin!(work);
    tokio::select! {
        _ = &mut work => return,
        () = stop => {}
    }
    end.send_replace(true);
    // Whoever does not take the last words in time does without them.
    let _ = tokio::time::timeout(connections::LAST_WORDS, work).await;
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
