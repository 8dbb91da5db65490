//! What comes to a cluster while it is taken down.
//!
//! An engine fulfils the requests of a client that has exited: a container may come after `down` has observed. Its events show
//! that somebody was at work just before, and what came since.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use crate::cluster::Observed;
use crate::engine::changes::{Change, ContainerEvent, NetworkEvent, Past, Topic};
use crate::engine::connect::Engine;
use crate::name::ClusterName;

/// How long after the last arrival nothing more is expected.
const QUIET: Duration = Duration::from_secs(2);

/// The arrivals at a cluster.
pub(super) struct Arrivals<'a> {
    engine: &'a Engine,
    cluster: &'a ClusterName,
    since: SystemTime,
    /// The networks of the cluster, by ID: events do not say whose they are.
    networks: HashSet<String>,
    /// The time of the last arrival that was waited for, by the engine's clock.
    last: Option<SystemTime>,
}

impl<'a> Arrivals<'a> {
    /// The arrivals from shortly before now on.
    pub(super) fn new(engine: &'a Engine, cluster: &'a ClusterName) -> Self {
        let now = SystemTime::now();
        Self {
            engine,
            cluster,
            since: now.checked_sub(QUIET).unwrap_or(now),
            networks: HashSet::new(),
            last: None,
        }
    }

    /// Remembers which networks are the cluster's.
    pub(super) fn know(&mut self, observed: &Observed) {
        let own = observed.networks.iter().filter(|n| n.is_of(self.cluster));
        self.networks.extend(own.map(|n| n.id.clone()));
    }

    /// How long to wait before looking again; `None` if nothing has arrived that was not waited for already. An engine that
    /// tells no events counts as one where nothing arrives.
    pub(super) async fn wait(&mut self) -> Option<Duration> {
        let now = SystemTime::now();
        let past = Past::between(self.engine, Topic::Everything, self.since, now).await;
        let arrived = past.changes.iter().filter_map(|change| self.arrived(change)).max()?;
        if self.last.is_some_and(|last| last >= arrived) {
            return None;
        }
        self.last = Some(arrived);
        Some(QUIET.saturating_sub(now.duration_since(arrived).unwrap_or_default()))
    }

    /// When that came to the cluster; `None` if it is no arrival. `down` itself brings nothing.
    fn arrived(&self, change: &Change) -> Option<SystemTime> {
        match change {
            Change::Container(change) if change.is_of(self.cluster) => {
                use ContainerEvent::{Created, Started};
                matches!(change.event, Created | Started).then_some(change.at)
            }
            Change::Network(change) if self.networks.contains(&change.id) => {
                matches!(change.event, NetworkEvent::Created).then_some(change.at)
            }
            _ => None,
        }
    }
}
