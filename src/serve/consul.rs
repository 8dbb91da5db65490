//! Keeps a cluster registered with an agent of Consul.
//!
//! ```text
//! roster ──▶ service (settings), keys ──▶ plan        (pure)
//!                       what the agent has ──┘  └──▶ client
//! ```
//!
//! What the agent has is read before each change and every ten seconds, and what differs is changed: it makes no difference
//! whether the cluster changed, Consul was emptied, or an earlier server was killed. What is not of this cluster and this engine is
//! never touched. While the engine is lost nothing is said, and what was registered becomes critical after half a minute.

pub mod client;
pub mod keys;
pub mod plan;
pub mod service;
pub mod settings;
pub mod target;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::cluster::roster::Roster;
use client::{Access, Client};
use keys::{Known, MOST_OPERATIONS};
use plan::Agent;
use service::{Owner, Service, services};

/// How often what the agent has is read, and said what is well: three times before that is forgotten.
pub const EVERY: Duration = Duration::from_secs(10);
/// The first wait after the agent was lost, and the longest.
const DELAYS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long the end may take.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Whose it is.
    pub owner: Owner,
    /// Whether what is on its node's network alone is registered, too.
    pub private: bool,
    /// Below which key the nodes are keys, without a slash at its end; `None` for nowhere.
    pub keys: Option<String>,
    /// How often what the agent has is read, and said what is well.
    pub every: Duration,
}

/// A cluster that is kept registered.
pub struct Registration {
    client: Client,
    scope: Scope,
}

impl Registration {
    /// One of `scope`, at the agent that `access` leads to.
    #[must_use]
    pub fn new(access: Access, scope: Scope) -> Self {
        Self {
            client: Client::new(access),
            scope,
        }
    }

    /// Keeps it as `rosters` have the cluster, for ever. `report` is told when the agent is lost or refuses, and when all is
    /// registered again.
    pub async fn follow(&mut self, mut rosters: watch::Receiver<Arc<Roster>>, report: impl Fn(&str)) {
        let mut ticks = interval(self.scope.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut lost, mut delay) = (None, DELAYS.0);
        let mut refresh = true;
        loop {
            let roster = rosters.borrow_and_update().clone();
            if roster.stale.is_none() {
                match self.reconcile(&roster, refresh).await {
                    Ok(()) => {
                        if lost.take().is_some() {
                            report(&format!("all is registered at {} again", self.client.target()));
                        }
                        delay = DELAYS.0;
                    }
                    Err(error) => {
                        if lost.as_ref() != Some(&error) {
                            report(&format!(
                                "warning: cannot register at {}: {error}",
                                self.client.target()
                            ));
                        }
                        lost = Some(error);
                        refresh = true;
                        sleep(delay).await;
                        delay = (delay * 2).min(DELAYS.1);
                        continue;
                    }
                }
            }
            refresh = tokio::select! {
                changed = rosters.changed() => match changed {
                    Ok(()) => false,
                    Err(_) => return std::future::pending().await,
                },
                _ = ticks.tick() => true,
            };
        }
    }

    /// Takes everything away that is of the cluster.
    ///
    /// # Errors
    /// The agent does not answer, or refuses; in words for people.
    pub async fn end(&mut self) -> Result<(), String> {
        let removed = timeout(LAST_WORDS, async {
            self.change(&[], false).await?;
            self.change_keys(&BTreeMap::new()).await
        });
        let removed = removed.await.unwrap_or_else(|_| Err("it takes too long".to_owned()));
        removed.map_err(|error| format!("what is registered at {} is still there: {error}", self.client.target()))
    }

    async fn reconcile(&mut self, roster: &Roster, refresh: bool) -> Result<(), String> {
        let services = services(roster, &self.scope.owner, self.scope.private);
        self.change(&services, refresh).await?;
        let keys = self.scope.keys.as_ref().map(|prefix| keys::desired(roster, prefix));
        self.change_keys(&keys.unwrap_or_default()).await
    }

    async fn change(&mut self, services: &[Service], refresh: bool) -> Result<(), String> {
        let agent = Agent {
            services: self.read("/v1/agent/services").await?.unwrap_or_default(),
            checks: self.read("/v1/agent/checks").await?.unwrap_or_default(),
        };
        for request in plan::requests(services, &agent, &self.scope.owner, refresh) {
            let body = request.body.map(|body| body.to_string().into_bytes());
            // What is gone already (404) needs nothing more.
            self.client.call(Method::PUT, &request.path, body).await?;
        }
        Ok(())
    }

    async fn change_keys(&mut self, desired: &BTreeMap<String, String>) -> Result<(), String> {
        let Some(prefix) = &self.scope.keys else { return Ok(()) };
        let path: Vec<String> = prefix.split('/').map(plan::encoded).collect();
        let path = format!("/v1/kv/{}/nodes/?recurse", path.join("/"));
        let known: Vec<Known> = self.read(&path).await?.unwrap_or_default();
        let operations = keys::operations(desired, &known, keys::flags(&self.scope.owner));
        for part in operations.chunks(MOST_OPERATIONS) {
            let body = json!(part).to_string().into_bytes();
            let answer = self.client.call(Method::PUT, "/v1/txn", Some(body)).await?;
            let answer: Json = answer.and_then(|a| serde_json::from_slice(&a).ok()).unwrap_or_default();
            if let Some(error) = answer["Errors"][0]["What"].as_str() {
                return Err(format!("it refuses a transaction ({error})"));
            }
        }
        Ok(())
    }

    /// What is at `path`; `None` if nothing is.
    async fn read<T: DeserializeOwned>(&mut self, path: &str) -> Result<Option<T>, String> {
        let Some(body) = self.client.call(Method::GET, path, None).await? else {
            return Ok(None);
        };
        let read = serde_json::from_slice(&body);
        read.map(Some)
            .map_err(|error| format!("it answers {path} with something else: {error}"))
    }
}
