//! Decides which network namespace is changed how, so that containers are cut off each other.
//!
//! A cut between two containers is in the namespace of one of them, and holds in both directions: what it sends goes nowhere,
//! and what the other sends is dropped. So it ends when that container is started again, and when the other has another
//! address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Change, EVERYTHING, State};
use crate::cluster::{ObservedContainer, ObservedEndpoint, ObservedNetwork, State as Process};

/// The containers of a cluster, without topogen's own helpers, and the networks of the engine.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The containers; elsewhere they are meant by their index.
    pub containers: &'a [ObservedContainer],
    /// The networks that they may be on.
    pub networks: &'a [ObservedNetwork],
}

/// What is changed in the network namespace of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The container that the namespace belongs to.
    pub place: usize,
    /// What is changed there.
    pub change: Change,
}

/// Why a container's network cannot be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It does not run, so that it has no namespace.
    #[error("does not run, and its network is there only while it does")]
    Stopped,
    /// It is in the network of the engine's host.
    #[error("is in the network of the engine's host, which is not touched")]
    OfHost,
    /// It is in the network of a container of somebody else's, or of one that is gone.
    #[error("is in the network of a container that is not of the cluster")]
    OfOther,
    /// It is on no network.
    #[error("is on no network")]
    Alone,
}

impl Field<'_> {
    /// The container whose network namespace `container` is in: its own, or that of another one of the cluster.
    ///
    /// # Errors
    /// There is none that can be changed.
    pub fn place(&self, container: usize) -> Result<usize, Unfit> {
        let is_on = |c: &ObservedContainer, name: &str| c.endpoints.iter().any(|e| e.network == name);
        let one = &self.containers[container];
        let place = match &one.network_host {
            None => container,
            Some(owner) => {
                let is_owner = |c: &ObservedContainer| c.id == *owner || c.name == *owner;
                self.containers.iter().position(is_owner).ok_or(Unfit::OfOther)?
            }
        };
        let owner = &self.containers[place];
        match owner.state {
            _ if is_on(owner, "host") => Err(Unfit::OfHost),
            Process::Running | Process::Paused if owner.endpoints.iter().all(|e| e.network == "none") => {
                Err(Unfit::Alone)
            }
            Process::Running | Process::Paused => Ok(place),
            _ => Err(Unfit::Stopped),
        }
    }

    /// `container` in a message: `slave3/db`.
    #[must_use]
    pub fn title(&self, container: usize) -> String {
        let one = &self.containers[container];
        format!("{}/{}", one.node(), one.service())
    }

    /// The network of an endpoint; `None` if the engine has no such network any more.
    fn network(&self, endpoint: &ObservedEndpoint) -> Option<&ObservedNetwork> {
        self.networks.iter().find(|n| endpoint.is_of(&n.id, &n.name))
    }

    /// The networks that the container `place` shares with other nodes: all that are no node's own.
    fn shared(&self, place: usize) -> impl Iterator<Item = &ObservedNetwork> {
        let networks = self.containers[place].endpoints.iter().filter_map(|e| self.network(e));
        networks.filter(|n| n.node().is_empty())
    }

    /// The addresses at which the container `place` reaches `peer`: those on the networks that both are on.
    fn reached(&self, place: usize, peer: usize) -> impl Iterator<Item = IpAddr> {
        let both = move |theirs: &&ObservedEndpoint| {
            let networks = self.containers[place].endpoints.iter();
            let same = |own: &ObservedEndpoint| match (&own.network_id, &theirs.network_id) {
                (Some(own), Some(theirs)) => own == theirs,
                _ => own.network == theirs.network,
            };
            networks.into_iter().any(same)
        };
        let endpoints = self.containers[peer].endpoints.iter().filter(both);
        endpoints.flat_map(ObservedEndpoint::addresses)
    }

    /// Cuts each of `places` off all networks that it shares with other nodes, whoever is on them or comes later. One that
    /// shares none is left out.
    #[must_use]
    pub fn cut_off(&self, places: &BTreeSet<usize>) -> Vec<Order> {
        let nets =
            |place: usize| -> BTreeSet<IpNet> { self.shared(place).flat_map(ObservedNetwork::all_subnets).collect() };
        orders(places.iter().map(|place| (*place, nets(*place))))
    }

    /// Cuts each of `places` off each of `peers` that it shares a network with.
    #[must_use]
    pub fn cut_from(&self, places: &BTreeSet<usize>, peers: &BTreeSet<usize>) -> Vec<Order> {
        let nets = |place: usize| -> BTreeSet<IpNet> {
            let others = peers.iter().filter(|peer| **peer != place);
            others
                .flat_map(|peer| self.reached(place, *peer))
                .map(IpNet::from)
                .collect()
        };
        orders(places.iter().map(|place| (*place, nets(*place))))
    }

    /// Cuts each of `places` off everything, its own node included.
    #[must_use]
    pub fn isolate(&self, places: &BTreeSet<usize>) -> Vec<Order> {
        orders(places.iter().map(|place| (*place, EVERYTHING.into())))
    }

    /// Cuts all containers off each other that are in one of `sets` and have none in common. The sets may overlap: who is in
    /// two meets both.
    ///
    /// Each pair is cut at the one of the two that has more to be cut off, so that few namespaces are changed.
    #[must_use]
    pub fn partition(&self, sets: &[BTreeSet<usize>]) -> Vec<Order> {
        let all: BTreeSet<usize> = sets.iter().flatten().copied().collect();
        let together = |a: usize, b: usize| sets.iter().any(|set| set.contains(&a) && set.contains(&b));
        let mut apart: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for a in &all {
            for b in all.range(..a) {
                if !together(*a, *b) && self.reached(*a, *b).next().is_some() {
                    apart.entry(*a).or_default().insert(*b);
                    apart.entry(*b).or_default().insert(*a);
                }
            }
        }
        let is_here = |place: &usize, peer: &usize| {
            let many = |container: &usize| apart[container].len();
            many(place).cmp(&many(peer)).then_with(|| peer.cmp(place)).is_gt()
        };
        let nets = |place: &usize, peers: &BTreeSet<usize>| -> BTreeSet<IpNet> {
            let here = peers.iter().filter(|peer| is_here(place, peer));
            here.flat_map(|peer| self.reached(*place, *peer))
                .map(IpNet::from)
                .collect()
        };
        orders(apart.iter().map(|(place, peers)| (*place, nets(place, peers))))
    }

    /// Heals `targets`, all without any: what is cut in their namespaces, and what others are cut off that has one of their
    /// addresses. `states` are what is in force, by the container that the namespace belongs to.
    #[must_use]
    pub fn heal(&self, targets: Option<&BTreeSet<usize>>, states: &BTreeMap<usize, State>) -> Vec<Order> {
        let addresses = targets.map(|targets| -> BTreeSet<IpNet> {
            let endpoints = targets.iter().flat_map(|t| &self.containers[*t].endpoints);
            endpoints
                .flat_map(ObservedEndpoint::addresses)
                .map(IpNet::from)
                .collect()
        });
        let healed = |place: usize, state: &State| -> BTreeSet<IpNet> {
            match (targets, &addresses) {
                (Some(targets), Some(addresses)) if !targets.contains(&place) => {
                    state.cut.intersection(addresses).copied().collect()
                }
                _ => state.cut.clone(),
            }
        };
        let orders = states.iter().map(|(place, state)| Order {
            place: *place,
            change: Change {
                heal: healed(*place, state),
                cut: BTreeSet::new(),
            },
        });
        orders.filter(|order| !order.change.is_empty()).collect()
    }
}

/// The orders that cut; none where there is nothing to be cut.
fn orders(cuts: impl Iterator<Item = (usize, BTreeSet<IpNet>)>) -> Vec<Order> {
    let orders = cuts.map(|(place, cut)| Order {
        place,
        change: Change {
            heal: BTreeSet::new(),
            cut,
        },
    });
    orders.filter(|order| !order.change.is_empty()).collect()
}
