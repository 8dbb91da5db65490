//! Faults: what of a network is cut on purpose, to see what a cluster makes of it.
//!
//! A fault is in the network namespace of one container, and nowhere else: rules of its routing that come before all others.
//! No host's firewall, no image and no address has a part in it. What is in force is asked of the namespace, since a container
//! that is started again has a new one, and is whole.
//!
//! [`plan`] decides which namespace is to be changed how, [`rules`] how the rules are written, and [`report`] what it means
//! that some are there. All of them are pure; [`namespace`] speaks to the kernel.

pub mod namespace;
pub mod plan;
pub mod report;
pub mod rules;

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// What is to be changed in a network namespace, as an order to the helper in it. One that says nothing only asks.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The networks and addresses that are let in again. They are healed before others are cut.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub heal: BTreeSet<IpNet>,
    /// The networks and addresses that nothing comes from and nothing goes to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cut: BTreeSet<IpNet>,
}

/// What is in force in a network namespace, as the helper in it found it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The networks and addresses that nothing comes from and nothing goes to: all of a family for [`EVERYTHING`].
    #[serde(default)]
    pub cut: BTreeSet<IpNet>,
}

/// The networks that stand for all that is beyond a namespace, of either family.
pub const EVERYTHING: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0)),
    IpNet::V6(Ipv6Net::new_assert(std::net::Ipv6Addr::UNSPECIFIED, 0)),
];

impl Change {
    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heal.is_empty() && self.cut.is_empty()
    }

    /// What is cut once it is done, of what is `cut` before.
    #[must_use]
    pub fn of(&self, cut: &BTreeSet<IpNet>) -> BTreeSet<IpNet> {
        let kept = cut.difference(&self.heal);
        kept.chain(&self.cut).copied().collect()
    }
}

impl State {
    /// Whether the namespace is whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.cut.is_empty()
    }

    /// Whether nothing comes from `address`, and nothing goes to it.
    #[must_use]
    pub fn cuts(&self, address: IpAddr) -> bool {
        self.cut.iter().any(|net| net.contains(&address))
    }
}
