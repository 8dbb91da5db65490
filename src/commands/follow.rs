//! Following a cluster, for the commands that show it as it is now.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::cluster::roster::{Instance, Moment, Roster};
use crate::cluster::{ObservedContainer, missing};
use crate::engine::connect::Engine;
use crate::engine::fault::Fault;
use crate::engine::observe::instance;
use crate::error::Error;
use crate::name::ClusterName;
use crate::select::{self, Target};
use crate::topology::Topology;

/// The least time between two pictures, so that what happens at once is shown together.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// The cluster as it is from now on. It is followed as long as the receiver is kept.
pub(super) fn follow(engine: &Engine, cluster: &ClusterName) -> watch::Receiver<Arc<Roster>> {
    let now = instance::at(SystemTime::now()).unwrap_or(Moment(0));
    let (sender, receiver) = watch::channel(Arc::new(Roster::unknown(cluster.as_str(), now)));
    tokio::spawn(crate::watch::follow(engine.clone(), cluster.clone(), sender));
    receiver
}

/// The first roster that says something: a complete one, or one that says why there is none.
pub(super) async fn first(rosters: &mut watch::Receiver<Arc<Roster>>) -> Arc<Roster> {
    let says = |roster: &Arc<Roster>| roster.stale.as_ref().is_none_or(|stale| !stale.is_first());
    // Whoever follows ends after those who read.
    let _ = rosters.wait_for(says).await;
    rosters.borrow_and_update().clone()
}

/// The cluster as it is now.
///
/// # Errors
/// The engine does not answer, or refuses to.
pub(super) async fn now(engine: &Engine, cluster: &ClusterName) -> Result<Arc<Roster>, Error> {
    Ok(from_now(engine, cluster).await?.0)
}

/// The cluster as it is now, and as it is from now on, as long as the receiver is kept.
///
/// # Errors
/// As for [`now`].
pub(super) async fn from_now(
    engine: &Engine,
    cluster: &ClusterName,
) -> Result<(Arc<Roster>, watch::Receiver<Arc<Roster>>), Error> {
    let mut rosters = follow(engine, cluster);
    let roster = first(&mut rosters).await;
    let Some(stale) = &roster.stale else {
        return Ok((roster, rosters));
    };
    let fault = match engine.ping().await {
        Ok(()) => Fault::Refused(stale.reason.clone()),
        Err(fault) => fault,
    };
    Err(Error::engine("look at the engine")(fault))
}

/// The containers of `roster`, and those that are missing, which have no ID.
pub(super) fn with_missing(roster: &Roster, topology: Option<&Topology>) -> Vec<ObservedContainer> {
    let mut all = roster.containers();
    all.extend(missing(&all, topology));
    all
}

/// The containers of `roster` that `targets` mean now: all without a target, none where nothing of them is there.
pub(super) fn chosen(roster: &Roster, targets: &[Target]) -> Vec<Arc<Instance>> {
    let by_id: HashMap<&str, &Arc<Instance>> = roster.instances().map(|i| (i.id.as_str(), i)).collect();
    let all = with_missing(roster, None);
    let chosen = select::present(targets, &all).into_iter();
    chosen
        .filter_map(|c| by_id.get(c.id.as_str()).map(|i| Arc::clone(i)))
        .collect()
}

/// The names of the nodes' own networks.
pub(super) fn private_networks(roster: &Roster) -> HashSet<String> {
    roster.private_networks().map(str::to_owned).collect()
}

/// The next roster that differs from the one that was seen last, and whatever follows it at once.
pub(super) async fn next(rosters: &mut watch::Receiver<Arc<Roster>>) {
    // Whoever follows ends after those who read.
    if rosters.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(PAUSE).await;
}
