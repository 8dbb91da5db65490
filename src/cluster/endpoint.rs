//! A container on a network, as it is to be.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ContainerLink, unsaid};
use crate::name::NetworkName;

/// A container on a network, as it is to be (Compose specification, services, `networks`). What is `None` the engine
/// chooses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointSpec {
    /// The network, by its name in the engine.
    pub network: NetworkName,
    /// What the container answers to there: its name and its service's key first.
    pub aliases: Vec<String>,
    /// Names that it has there for other containers.
    #[serde(skip_serializing_if = "unsaid")]
    pub links: Vec<ContainerLink>,
    /// Its IPv4 address, as it is written.
    #[serde(skip_serializing_if = "unsaid")]
    pub ipv4_address: Option<String>,
    /// Its IPv6 address, as it is written.
    #[serde(skip_serializing_if = "unsaid")]
    pub ipv6_address: Option<String>,
    /// Its link-local addresses, as they are written.
    #[serde(skip_serializing_if = "unsaid")]
    pub link_local_addresses: Option<Vec<String>>,
    /// Its MAC address, as it is written. Engines before API 1.44 know that of the first network only.
    #[serde(skip_serializing_if = "unsaid")]
    pub mac_address: Option<String>,
    /// Options of the network's driver, the name of the interface among them.
    #[serde(skip_serializing_if = "unsaid")]
    pub driver_options: Option<BTreeMap<String, String>>,
    /// Which network is the way out: that with the highest. From API 1.48 on.
    #[serde(skip_serializing_if = "unsaid")]
    pub gateway_priority: Option<i64>,
}

impl EndpointSpec {
    /// On `network`, answering to `aliases`.
    #[must_use]
    pub fn new(network: NetworkName, aliases: Vec<String>) -> Self {
        Self {
            network,
            aliases,
            links: Vec::new(),
            ipv4_address: None,
            ipv6_address: None,
            link_local_addresses: None,
            mac_address: None,
            driver_options: None,
            gateway_priority: None,
        }
    }
}
