//! A network to be.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::Serialize;

use super::unsaid;
use crate::name::{NetworkName, NodeName};

/// A network to be (Compose specification, top-level `networks`).
///
/// Its hash is over what is serialized, and over the size of its subnet: where that lies may differ from engine to engine.
#[derive(Debug, Clone, Serialize)]
pub struct NetworkSpec {
    /// The name in the engine.
    pub name: NetworkName,
    /// The node it belongs to; `None` where several share it. The hash is over its label.
    #[serde(skip)]
    pub node: Option<NodeName>,
    /// Whether somebody else creates and removes it.
    #[serde(skip)]
    pub external: bool,
    /// The subnet it asks for, another of the same size where that is taken; `None`: that of `ipam`, or the engine's choice.
    #[serde(skip)]
    pub subnet: Option<Ipv4Net>,
    /// Its driver: `bridge` where nothing is said.
    pub driver: String,
    /// Whether nothing beyond it can be reached; `None`: it can.
    #[serde(skip_serializing_if = "unsaid")]
    pub internal: Option<bool>,
    /// Whether containers that are not of Swarm's may join it; `None` where nothing is said.
    #[serde(skip_serializing_if = "unsaid")]
    pub attachable: Option<bool>,
    /// Whether it has IPv4; `None`: it has. Engines before API 1.48 cannot do without.
    #[serde(skip_serializing_if = "unsaid")]
    pub ipv4: Option<bool>,
    /// Whether it has IPv6; `None` for the engine's default.
    #[serde(skip_serializing_if = "unsaid")]
    pub ipv6: Option<bool>,
    /// Options of the driver's.
    #[serde(skip_serializing_if = "unsaid")]
    pub driver_options: Option<BTreeMap<String, String>>,
    /// How its addresses are given out, where the blueprint says so.
    #[serde(skip_serializing_if = "unsaid")]
    pub ipam: Option<Ipam>,
    /// Its labels, topogen's and Compose's own among them.
    pub labels: BTreeMap<String, String>,
    /// SHA-256 in hexadecimal, over all of the above that is compared.
    #[serde(skip)]
    pub hash: String,
}

impl NetworkSpec {
    /// The subnets that the blueprint itself gives it, which no other can stand in for: those of `ipam` that are of IPv4.
    pub fn fixed_subnets(&self) -> impl Iterator<Item = Ipv4Net> {
        let pools = self.ipam.iter().flat_map(|i| i.pools.iter().flatten());
        pools.filter_map(|p| p.subnet.as_ref()?.parse().ok())
    }
}

/// How a network's addresses are given out (Compose specification, top-level `networks`, `ipam`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ipam {
    /// The driver; `None` for `default`.
    #[serde(skip_serializing_if = "unsaid")]
    pub driver: Option<String>,
    /// What it gives them out from; `None` for the engine's choice.
    #[serde(skip_serializing_if = "unsaid")]
    pub pools: Option<Vec<Pool>>,
    /// Options of the driver's.
    #[serde(skip_serializing_if = "unsaid")]
    pub options: Option<BTreeMap<String, String>>,
}

/// Addresses of a network, all as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// The subnet, as `10.1.0.0/16`; `None` for one that the engine chooses.
    #[serde(skip_serializing_if = "unsaid")]
    pub subnet: Option<String>,
    /// The part of it that containers get their addresses from, as `10.1.2.0/24`; `None` for all of it.
    #[serde(skip_serializing_if = "unsaid")]
    pub range: Option<String>,
    /// The address of its gateway; `None` for the first.
    #[serde(skip_serializing_if = "unsaid")]
    pub gateway: Option<String>,
    /// Addresses that no container gets, by host name.
    #[serde(skip_serializing_if = "unsaid")]
    pub reserved: Option<BTreeMap<String, String>>,
}
