//! What a reader is shown: the roster, and the containers that it lacks.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::cluster::roster::{Address, Change, Exposed, Instance, Moment, Published, Roster, Stale, diff};
use crate::cluster::{Health, ObservedContainer, missing};
use crate::text::natural;
use crate::topology::Topology;

/// The state of a container that should exist and does not.
pub const MISSING: &str = "missing";

/// A cluster as it is now, with what is missing of it.
#[derive(Debug, Clone)]
pub struct View {
    /// The name of the cluster.
    pub cluster: String,
    /// Grows with each change. It begins with the time at which the server started, in milliseconds since 1970, so that no
    /// revision of one server is one of a later server.
    pub revision: u64,
    /// Since when the view may be out of date, and why; `None` if it is as of the last event.
    pub stale: Option<Stale>,
    /// The nodes, in natural order: `slave2` before `slave10`.
    pub nodes: Vec<Node>,
    /// The roster that it was made of.
    roster: Arc<Roster>,
    /// What should exist, as far as that is known.
    topology: Option<Arc<Topology>>,
    /// The containers that are missing.
    lacking: Arc<BTreeSet<Place>>,
}

/// A node, with the containers that it has and those that it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The name of the node: `slave3`.
    pub name: String,
    /// The name of its role.
    pub role: String,
    /// Its containers, by service and number.
    pub containers: Vec<Member>,
}

/// A container of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// It exists.
    Present(Arc<Instance>),
    /// It should exist, and does not.
    Missing {
        /// The service, by its name inside the node.
        service: String,
        /// The number among the containers of its service, from 1.
        number: u32,
    },
}

/// Where a missing container belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    node: String,
    role: String,
    service: String,
    number: u32,
}

/// What changed from one view to a later one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ViewChange {
    /// A change of the roster.
    Roster(Change),
    /// A container is missing from now on.
    Missing {
        /// The node that should have it.
        node: String,
        /// The service that it is of.
        service: String,
        /// `missing`.
        what: &'static str,
    },
}

impl View {
    /// A view that knows nothing yet, of a server that started `now`.
    #[must_use]
    pub fn unknown(cluster: &str, now: Moment) -> Self {
        let roster = Roster::unknown(cluster, now);
        Self {
            cluster: cluster.to_owned(),
            revision: now.0,
            stale: roster.stale.clone(),
            nodes: Vec::new(),
            roster: Arc::new(roster),
            topology: None,
            lacking: Arc::default(),
        }
    }

    /// The view of `roster` that follows this one, with what `topology` says is missing; `None` if nothing changed.
    #[must_use]
    pub fn next(&self, roster: &Arc<Roster>, topology: Option<&Arc<Topology>>) -> Option<Self> {
        let is_same = self.topology.as_ref().map(Arc::as_ptr) == topology.map(Arc::as_ptr);
        let lacking = match &roster.stale {
            // While not everything is known, nothing more is missing.
            Some(_) => Arc::new(without(&self.lacking, roster)),
            None if is_same && self.stale.is_none() && same_members(&self.roster, roster) => self.lacking.clone(),
            None => Arc::new(lacking(roster, topology.map(Arc::as_ref))),
        };
        if Arc::ptr_eq(&self.roster, roster) && self.lacking == lacking {
            return None;
        }
        Some(Self {
            cluster: self.cluster.clone(),
            revision: self.revision + 1,
            stale: roster.stale.clone(),
            nodes: merged(roster, &lacking),
            roster: roster.clone(),
            topology: topology.cloned(),
            lacking,
        })
    }

    /// The changes from `before` to this one.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<ViewChange> {
        let lacking = self
            .lacking
            .difference(&before.lacking)
            .map(|place| ViewChange::Missing {
                node: place.node.clone(),
                service: place.service.clone(),
                what: MISSING,
            });
        let changes = diff(&before.roster, &self.roster).into_iter().map(ViewChange::Roster);
        changes.chain(lacking).collect()
    }

    /// The roles that have a node, each once, in natural order.
    #[must_use]
    pub fn roles(&self) -> Vec<&str> {
        let mut roles: Vec<&str> = self.nodes.iter().map(|n| n.role.as_str()).collect();
        roles.sort_by_cached_key(|role| natural(role));
        roles.dedup();
        roles
    }

    /// The services of all nodes, each once, in natural order.
    #[must_use]
    pub fn services(&self) -> Vec<&str> {
        let mut services: Vec<&str> = self.containers().map(|(_, member)| member.service()).collect();
        services.sort_by_cached_key(|service| natural(service));
        services.dedup();
        services
    }

    /// All containers, by node.
    pub fn containers(&self) -> impl Iterator<Item = (&Node, &Member)> {
        self.nodes
            .iter()
            .flat_map(|node| node.containers.iter().map(move |member| (node, member)))
    }

    /// Whether nothing is known yet.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.stale.is_some() && self.nodes.is_empty()
    }

    /// The names of the nodes' own networks.
    pub fn private_networks(&self) -> impl Iterator<Item = &str> {
        self.roster.private_networks()
    }

    /// The subnets of the cluster's networks.
    #[must_use]
    pub fn subnets(&self) -> Vec<IpNet> {
        let networks = || self.roster.networks();
        let four = networks().flat_map(|n| n.subnets.iter().copied().map(IpNet::V4));
        let six = networks().flat_map(|n| n.subnets6.iter().copied().map(IpNet::V6));
        four.chain(six).collect()
    }

    /// The interface of the engine's host on the shared network, as its bridge is called where nobody names it.
    #[must_use]
    pub fn bridge(&self) -> Option<String> {
        let mut networks = self.roster.networks();
        let shared = networks.find(|n| n.is_inout() && n.driver == "bridge")?;
        Some(format!("br-{}", shared.id.get(..12)?))
    }

    /// What there is to draw: the roster, and what should exist as far as that is known.
    #[must_use]
    pub fn scene(&self) -> (Arc<Roster>, Option<Arc<Topology>>) {
        (self.roster.clone(), self.topology.clone())
    }
}

/// Those of `lacking` that are not in `roster`.
fn without(lacking: &BTreeSet<Place>, roster: &Roster) -> BTreeSet<Place> {
    let is_there = |place: &Place| {
        let mut all = roster.instances();
        all.any(|i| i.node == place.node && i.service == place.service && i.number == place.number)
    };
    lacking.iter().filter(|place| !is_there(place)).cloned().collect()
}

/// Whether the same containers exist in both.
fn same_members(a: &Roster, b: &Roster) -> bool {
    let key = |i: &Arc<Instance>| (i.id.clone(), i.number);
    a.instances().map(key).eq(b.instances().map(key))
}

/// What is missing in `roster`. A cluster of which nothing is there lacks all that `topology` says.
fn lacking(roster: &Roster, topology: Option<&Topology>) -> BTreeSet<Place> {
    if let (true, Some(topology)) = (roster.nodes.is_empty(), topology) {
        let all = topology.nodes.iter().flat_map(|node| {
            node.services.iter().flat_map(move |service| {
                (1..=service.replicas).map(move |number| Place {
                    node: node.name.to_string(),
                    role: node.role.to_string(),
                    service: service.name.to_string(),
                    number,
                })
            })
        });
        return all.collect();
    }
    let observed: Vec<ObservedContainer> = roster.instances().map(|i| i.observed()).collect();
    let missing = missing(&observed, topology).into_iter().map(|container| Place {
        node: container.node().to_owned(),
        role: container.role().to_owned(),
        service: container.service().to_owned(),
        number: container.number(),
    });
    missing.collect()
}

/// The nodes of `roster`, and those of `lacking`, with all their containers.
fn merged(roster: &Roster, lacking: &BTreeSet<Place>) -> Vec<Node> {
    let mut nodes: BTreeMap<_, Node> = BTreeMap::new();
    let mut add = |name: &str, role: &str, member: Member| {
        let empty = || Node {
            name: name.to_owned(),
            role: role.to_owned(),
            containers: Vec::new(),
        };
        nodes.entry(natural(name)).or_insert_with(empty).containers.push(member);
    };
    for instance in roster.instances() {
        add(&instance.node, &instance.role, Member::Present(instance.clone()));
    }
    for place in lacking {
        let (service, number) = (place.service.clone(), place.number);
        add(&place.node, &place.role, Member::Missing { service, number });
    }
    let mut nodes: Vec<Node> = nodes.into_values().collect();
    nodes.iter_mut().for_each(|node| node.containers.sort_by(by_service));
    nodes
}

fn by_service(a: &Member, b: &Member) -> Ordering {
    let place = |member: &Member| (natural(member.service()), member.number());
    place(a).cmp(&place(b))
}

impl Node {
    /// Whether its way in can serve; where none of its containers is reached by others, whether all of them can.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let entries = || {
            self.containers
                .iter()
                .filter(|m| m.present().is_some_and(|i| i.is_entry()))
        };
        match entries().next() {
            Some(_) => entries().any(Member::is_ready),
            None => self.containers.iter().all(Member::is_ready),
        }
    }
}

impl Member {
    /// The container, if it exists.
    #[must_use]
    pub fn present(&self) -> Option<&Arc<Instance>> {
        match self {
            Self::Present(instance) => Some(instance),
            Self::Missing { .. } => None,
        }
    }

    /// The service, by its name inside the node.
    #[must_use]
    pub fn service(&self) -> &str {
        match self {
            Self::Present(instance) => &instance.service,
            Self::Missing { service, .. } => service,
        }
    }

    /// The number among the containers of its service, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        match self {
            Self::Present(instance) => instance.number,
            Self::Missing { number, .. } => *number,
        }
    }

    /// Whether it can serve.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.present().is_some_and(|i| i.is_ready())
    }
}

impl Serialize for Member {
    /// A container that is missing has the same keys as one that exists.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Present<'i> {
            #[serde(flatten)]
            instance: &'i Instance,
            ready: bool,
        }
        #[derive(Serialize)]
        struct Missing<'i> {
            container: Option<&'i str>,
            id: Option<&'i str>,
            service: &'i str,
            number: u32,
            image: Option<&'i str>,
            state: &'static str,
            health: Option<Health>,
            exit: Option<i32>,
            leaving: bool,
            restarts: u32,
            since: Option<Moment>,
            address: Option<IpAddr>,
            addresses: [Address; 0],
            exposed: [Exposed; 0],
            published: [Published; 0],
            verdict: &'static str,
            wrong: [&'static str; 1],
            ready: bool,
        }
        match self {
            Self::Present(instance) => {
                let ready = instance.is_ready();
                Present { instance, ready }.serialize(serializer)
            }
            Self::Missing { service, number } => {
                let missing = Missing {
                    container: None,
                    id: None,
                    service,
                    number: *number,
                    image: None,
                    state: MISSING,
                    health: None,
                    exit: None,
                    leaving: false,
                    restarts: 0,
                    since: None,
                    address: None,
                    addresses: [],
                    exposed: [],
                    published: [],
                    verdict: MISSING,
                    wrong: [MISSING],
                    ready: false,
                };
                missing.serialize(serializer)
            }
        }
    }
}
