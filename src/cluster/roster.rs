//! A cluster as it is now: every node with its containers, and what changes from one moment to the next.
//!
//! No variable of an environment and no value of a label enters it, so that it can be shown to anybody.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::{Health, HostPort, State};

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
    /// The signal that ends it, by number (`STOPSIGNAL`).
    #[serde(skip)]
    pub stop_signal: u8,
    /// Seconds that it has to end after that signal.
    #[serde(skip)]
    pub stop_timeout: u32,
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
                reason: "the engine was not asked yet".to_owned(),
            }),
            nodes: Vec::new(),
        }
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
    /// A container was started again by its restart policy, or has another name or other ports.
    Other,
    /// The roster may be out of date from now on.
    Stale {
        /// Why, in words for people.
        reason: String,
    },
    /// The roster is up to date again.
    Fresh,
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
        _ => {}
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
