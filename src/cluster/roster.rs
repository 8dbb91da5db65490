//! A cluster as it is now: every node with its containers, and what changes from one moment to the next.
//!
//! No variable of an environment and no value of a label is in what is written of it, so that it can be shown to anybody.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::{
    Health, HostPort, Mark, Observed, ObservedContainer, ObservedEndpoint, ObservedNetwork, State, Verdict, Wrong,
    label, verdict,
};
use crate::name::ClusterName;

/// A point in time by the engine's clock or ours, in milliseconds since 1970. Written as in RFC 3339, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(self.0)).fmt(f)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A cluster as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Roster {
    /// The name of the cluster.
    pub cluster: String,
    /// Grows by one with each change, from 0.
    pub revision: u64,
    /// Since when the roster may be out of date, and why; `None` if it is as of the last event.
    pub stale: Option<Stale>,
    /// The nodes that have a container, in natural order: `slave2` before `slave10`.
    pub nodes: Vec<Node>,
    /// The networks that the containers may be on, and who else is on those of the cluster.
    #[serde(skip)]
    pub surroundings: Arc<Surroundings>,
}

/// What is around the containers of a cluster on its engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// All networks of the engine, by name.
    pub networks: Vec<ObservedNetwork>,
    /// The containers of others on the cluster's networks, by name: their IDs, names and networks, and nothing else.
    pub guests: Vec<ObservedContainer>,
    /// The helpers that have cut something, in order.
    pub marks: Vec<Mark>,
}

impl Surroundings {
    /// Those of `cluster`, of what an engine holds: all its `networks`, the containers that are not of the cluster, and the
    /// `helpers` that are.
    #[must_use]
    pub fn of(
        cluster: &ClusterName,
        mut networks: Vec<ObservedNetwork>,
        others: &[ObservedContainer],
        helpers: &[ObservedContainer],
    ) -> Self {
        networks.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
        let ours: Vec<&ObservedNetwork> = networks.iter().filter(|n| n.is_of(cluster)).collect();
        let guest = |container: &ObservedContainer| {
            let on = container.endpoints.iter();
            let endpoints: Vec<ObservedEndpoint> = on
                .filter(|e| ours.iter().any(|n| e.is_of(&n.id, &n.name)))
                .map(|e| ObservedEndpoint {
                    network: e.network.clone(),
                    network_id: e.network_id.clone(),
                    ..ObservedEndpoint::default()
                })
                .collect();
            (!endpoints.is_empty()).then(|| ObservedContainer {
                id: container.id.clone(),
                name: container.name.clone(),
                endpoints,
                ..ObservedContainer::default()
            })
        };
        let mut guests: Vec<ObservedContainer> = others.iter().filter_map(guest).collect();
        guests.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            networks,
            guests,
            marks: Mark::all(helpers),
        }
    }
}

/// Why a roster may be out of date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// When the engine was lost, by this machine's clock.
    pub since: Moment,
    /// Why, in words for people.
    pub reason: String,
}

/// A node as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The name of the node: `slave3`.
    pub node: String,
    /// The name of its role.
    pub role: String,
    /// Its containers, by service and number.
    pub instances: Vec<Arc<Instance>>,
}

/// A container of a node as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// The name of the container.
    pub container: String,
    /// The engine's ID of the container, 64 hexadecimal digits.
    pub id: String,
    /// The node that it belongs to.
    #[serde(skip)]
    pub node: String,
    /// The role that it belongs to.
    #[serde(skip)]
    pub role: String,
    /// The service, by its name inside the node.
    pub service: String,
    /// The number among the containers of its service, from 1.
    pub number: u32,
    /// The name of its image when it was created.
    pub image: String,
    /// The state of its process.
    pub state: State,
    /// The result of the healthcheck; `None` without one, or if the container does not run.
    pub health: Option<Health>,
    /// The exit status; `None` if it has not exited.
    pub exit: Option<i32>,
    /// Whether it runs and was sent the signal that ends it.
    pub leaving: bool,
    /// How often its restart policy has started it again since it was last started by a request.
    pub restarts: u32,
    /// Since when it runs, or since when it does not; `None` if it was never started.
    pub since: Option<Moment>,
    /// The address at which other nodes reach it: on the shared network. `None` if it is not on it, or does not run.
    pub address: Option<IpAddr>,
    /// Its addresses, by network.
    pub addresses: Vec<Address>,
    /// The ports that its image or its definition exposes.
    pub exposed: Vec<Exposed>,
    /// The ports of the engine's host that lead to it.
    pub published: Vec<Published>,
    /// What its labels and variables say about its services: those that begin with `SERVICE_`, labels before variables. No
    /// reader is shown them; they make names in Consul.
    #[serde(skip)]
    pub settings: BTreeMap<String, String>,
    /// The signal that ends it, by number (`STOPSIGNAL`).
    #[serde(skip)]
    pub stop_signal: u8,
    /// Seconds that it has to end after that signal.
    #[serde(skip)]
    pub stop_timeout: u32,
    /// Whether it is as it should be: written as `verdict`, a word (`running`, `completed`, or what is wrong), and as `wrong`, a
    /// list of phrases that say all of it.
    #[serde(flatten, serialize_with = "in_words")]
    pub verdict: Verdict,
    /// What its last inspection said, in the words in which all else of topogen observes containers. What happened since
    /// is in the other fields alone, see [`Self::observed`].
    #[serde(skip)]
    pub inspected: Arc<ObservedContainer>,
}

/// A verdict as two fields.
fn in_words<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct InWords {
        verdict: &'static str,
        wrong: Vec<String>,
    }
    let written = InWords {
        verdict: verdict.word(),
        wrong: verdict.phrases(),
    };
    written.serialize(serializer)
}

/// The address of a container on a network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Address {
    /// The name of the network.
    pub network: String,
    /// The address, of either family; `None` unless the container runs.
    pub address: Option<IpAddr>,
    /// The names that resolve to it on that network, without the start of the container's ID.
    pub names: Vec<String>,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Exposed {
    /// The port number, from 1 to 65535.
    pub port: u16,
    /// The protocol: `tcp`, `udp`, `sctp`.
    pub protocol: String,
}

/// A port of the engine's host that leads to a port of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Published {
    /// The port of the host.
    pub host: HostPort,
    /// The port of the container.
    pub port: u16,
}

impl Instance {
    /// Whether it can serve: it runs, is healthy if it has a healthcheck, and was not sent the signal that ends it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == State::Running && !self.leaving && matches!(self.health, None | Some(Health::Healthy))
    }

    /// The names on the shared network of a container that is on it and runs; empty otherwise.
    #[must_use]
    pub fn shared_names(&self) -> &[String] {
        let shared = |address: &IpAddr| self.addresses.iter().find(|a| a.address.as_ref() == Some(address));
        self.address
            .as_ref()
            .and_then(shared)
            .map_or(&[], |address| &address.names)
    }

    /// Whether others reach its node by it: on the shared network it has a name beside its own and its service's. One that does
    /// not run has no address there, and is known by its node's name.
    #[must_use]
    pub fn is_entry(&self) -> bool {
        let key = format!("{}-{}", self.node, self.service);
        let is = |name: &String, other: &str| name.eq_ignore_ascii_case(other);
        let is_chosen = |name: &String| is(name, &self.node) || !is(name, &key) && !is(name, &self.container);
        match self.state {
            State::Running | State::Paused => self.shared_names().iter().any(is_chosen),
            _ => self
                .addresses
                .iter()
                .flat_map(|a| &a.names)
                .any(|name| is(name, &self.node)),
        }
    }

    /// The container as an observation of the engine would have it now.
    #[must_use]
    pub fn observed(&self) -> ObservedContainer {
        let mut observed = ObservedContainer::clone(&self.inspected);
        observed.id.clone_from(&self.id);
        observed.name.clone_from(&self.container);
        (observed.state, observed.health, observed.exit) = (self.state, self.health, self.exit);
        if !matches!(self.state, State::Running | State::Paused) {
            for endpoint in &mut observed.endpoints {
                (endpoint.address, endpoint.address6) = (None, None);
            }
        }
        // An observation counts its seconds, which the verdict has done already.
        observed.uptime = self.is_unsteady().then_some(0);
        observed
    }

    /// Its names on shared networks, as names of a host (hosts(5)): the node's first. One that anybody gave by hand may be none,
    /// and must not make another line of a file.
    #[must_use]
    pub fn host_names(&self) -> Vec<&str> {
        let is_name =
            |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let mut names: Vec<&str> = self.shared_names().iter().map(String::as_str).filter(is_name).collect();
        names.sort_by_key(|name| *name != self.node);
        names
    }

    /// Judges it at `now`: the function `verdict` says what is wrong.
    pub fn judge(&mut self, now: Moment) {
        let mut observed = self.observed();
        observed.uptime = self.since.map(|since| now.0.saturating_sub(since.0) / 1000);
        self.verdict = verdict(observed.duty(), Some(&observed));
    }

    /// Whether time alone will change its verdict: it was started again by its restart policy less than
    /// [`STEADY`](super::STEADY) seconds ago.
    #[must_use]
    pub fn is_unsteady(&self) -> bool {
        let wrongs = self.verdict.wrongs();
        wrongs.iter().any(|wrong| matches!(wrong, Wrong::Unsteady(_)))
    }

    /// Whether it has a namespace of the container with this ID or name.
    #[must_use]
    pub fn shares_with(&self, id: &str, name: &str) -> bool {
        let details = self.inspected.details.iter();
        let mut owners = details.flat_map(|d| d.shared.iter().map(|s| s.owner.as_str()));
        owners.any(|owner| owner == id || owner == name)
    }
}

/// Why a roster is stale at first.
const NOT_ASKED: &str = "the engine was not asked yet";

impl Stale {
    /// Whether the engine has not answered yet, and has not refused to.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.reason == NOT_ASKED
    }
}

impl fmt::Display for Stale {
    /// For people: `as of 2027-01-01T10:00:00.000Z, the engine is lost (it is restarting)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "as of {}, the engine is lost ({})", self.since, self.reason)
    }
}

impl Roster {
    /// A roster that knows nothing yet.
    #[must_use]
    pub fn unknown(cluster: &str, since: Moment) -> Self {
        Self {
            cluster: cluster.to_owned(),
            revision: 0,
            stale: Some(Stale {
                since,
                reason: NOT_ASKED.to_owned(),
            }),
            nodes: Vec::new(),
            surroundings: Arc::default(),
        }
    }

    /// All that was observed of the cluster, as far as pictures of it need it: its containers, the networks of the engine,
    /// and who else is on the cluster's.
    #[must_use]
    pub fn observed(&self) -> Observed {
        Observed {
            containers: self.containers(),
            foreign: self.surroundings.guests.clone(),
            networks: self.surroundings.networks.clone(),
            stale: self.stale.clone(),
            ..Observed::default()
        }
    }

    /// The networks of the cluster.
    pub fn networks(&self) -> impl Iterator<Item = &ObservedNetwork> {
        self.surroundings
            .networks
            .iter()
            .filter(|n| n.cluster() == self.cluster)
    }

    /// The names of the nodes' own networks.
    pub fn private_networks(&self) -> impl Iterator<Item = &str> {
        self.networks()
            .filter(|n| n.labels.contains_key(label::NODE))
            .map(|n| n.name.as_str())
    }

    /// All containers as an observation of the engine would have them now, by node.
    #[must_use]
    pub fn containers(&self) -> Vec<ObservedContainer> {
        let marks = &self.surroundings.marks;
        let observed = self.instances().map(|instance| {
            let of = |mark: &Mark| mark.is_of(&instance.id, instance.state, instance.since);
            ObservedContainer {
                marked: marks.iter().any(of),
                ..instance.observed()
            }
        });
        observed.collect()
    }

    /// All containers, by node.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.nodes.iter().flat_map(|n| &n.instances)
    }
}

/// What differs from one roster to a later one. Several differences of one container are one change each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The node that it is about; `None` if it is about the roster as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The service that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The container that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What changed, with its values before and after where they are few.
    #[serde(flatten)]
    pub what: What,
}

/// The kinds of changes from one roster to a later one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum What {
    /// A container was created.
    Came,
    /// A container was removed.
    Went,
    /// A container's process is in another state.
    State {
        /// The state in the earlier roster.
        from: State,
        /// The state in the later roster.
        to: State,
        /// The exit status; `None` if it has not exited.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit: Option<i32>,
    },
    /// The healthcheck came to another result.
    Health {
        /// The result before; `None` if there was none.
        from: Option<Health>,
        /// The result now; `None` if there is none.
        to: Option<Health>,
    },
    /// A container was sent the signal that ends it.
    Leaving,
    /// A container has other addresses or names.
    Addresses {
        /// Those it has now, by network.
        to: Vec<Address>,
    },
    /// A container was started again by its restart policy, has another name or other ports, or another verdict.
    Other,
    /// The roster may be out of date from now on.
    Stale {
        /// Why, in words for people.
        reason: String,
    },
    /// The roster is up to date again.
    Fresh,
    /// The engine has other networks, or others have joined or left the cluster's.
    Networks,
}

/// The changes from `old` to `new`: those of the roster as a whole first, then by container, in the order of `new`.
#[must_use]
pub fn diff(old: &Roster, new: &Roster) -> Vec<Change> {
    let mut changes = Vec::new();
    let whole = |what| Change {
        node: None,
        service: None,
        container: None,
        what,
    };
    match (&old.stale, &new.stale) {
        (None, Some(stale)) => changes.push(whole(What::Stale {
            reason: stale.reason.clone(),
        })),
        (Some(_), None) => changes.push(whole(What::Fresh)),
        (Some(before), Some(stale)) if before != stale => changes.push(whole(What::Stale {
            reason: stale.reason.clone(),
        })),
        _ => {}
    }
    if old.surroundings != new.surroundings {
        changes.push(whole(What::Networks));
    }
    let before: std::collections::HashMap<&str, &Arc<Instance>> = old.instances().map(|i| (i.id.as_str(), i)).collect();
    let after: std::collections::HashSet<&str> = new.instances().map(|i| i.id.as_str()).collect();
    for instance in old.instances().filter(|i| !after.contains(i.id.as_str())) {
        changes.push(of(instance, What::Went));
    }
    for instance in new.instances() {
        match before.get(instance.id.as_str()) {
            None => changes.push(of(instance, What::Came)),
            Some(old) if Arc::ptr_eq(old, instance) => {}
            Some(old) => changes.extend(changed(old, instance).into_iter().map(|what| of(instance, what))),
        }
    }
    changes
}

fn of(instance: &Instance, what: What) -> Change {
    Change {
        node: Some(instance.node.clone()),
        service: Some(instance.service.clone()),
        container: Some(instance.container.clone()),
        what,
    }
}

/// What changed of one container.
fn changed(old: &Instance, new: &Instance) -> Vec<What> {
    let mut changes = Vec::new();
    if old.state != new.state || old.exit != new.exit {
        changes.push(What::State {
            from: old.state,
            to: new.state,
            exit: new.exit,
        });
    }
    if old.health != new.health {
        changes.push(What::Health {
            from: old.health,
            to: new.health,
        });
    }
    if new.leaving && !old.leaving {
        changes.push(What::Leaving);
    }
    if old.addresses != new.addresses {
        changes.push(What::Addresses {
            to: new.addresses.clone(),
        });
    }
    if changes.is_empty() && old != new {
        changes.push(What::Other);
    }
    changes
}
