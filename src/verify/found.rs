//! What is on the engine, as far as proving needs it: more than converging does, such as every name of an endpoint.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::cluster::State;
use crate::cluster::label;
use crate::fake;

/// What was found on the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Containers of the cluster, and all others on its networks.
    pub containers: Vec<Container>,
    /// Every network.
    pub networks: Vec<Network>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The engine's id, 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image it was made from, as it was called then.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its host name.
    pub hostname: String,
    /// What it is doing.
    pub state: State,
    /// How it ended, where it has.
    pub exit_code: i64,
    /// Why the engine could not start it the last time, in the engine's words; empty where it could, or never tried.
    pub error: String,
    /// The networks it is on.
    pub endpoints: Vec<Endpoint>,
}

/// A container on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The network's name.
    pub network: String,
    /// The network's id; empty until the container has run.
    pub network_id: String,
    /// The container's address there; none unless it runs.
    pub address: Option<Ipv4Addr>,
    /// Every name by which the engine knows it there, in lower case: its own, the start of its id, and aliases.
    pub names: Vec<String>,
}

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The engine's id.
    pub id: String,
    /// Its name, which others may bear too.
    pub name: String,
    /// `bridge`, `overlay`, …
    pub driver: String,
    /// Whether it has no way out.
    pub internal: bool,
    /// Whether it is told to let others at its addresses (`com.docker.network.bridge.gateway_mode_ipv4`).
    pub routed: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its IPv4 subnets.
    pub subnets: Vec<Ipv4Net>,
}

impl Container {
    /// One of its labels; empty where it has none.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    /// Whether it runs, and is not frozen.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.state == State::Running
    }

    /// Whether it is a fake, which says who it is.
    #[must_use]
    pub fn is_fake(&self) -> bool {
        fake::is_image(&self.image)
    }

    /// Whether topogen's executable is in it, by whatever name its image goes: containers inherit an image's labels.
    #[must_use]
    pub fn has_probe(&self) -> bool {
        self.labels.contains_key(label::EXECUTABLE)
    }

    /// Whether it is one of topogen's own that asks in another's stead.
    #[must_use]
    pub fn is_helper(&self) -> bool {
        self.labels.contains_key(label::HELPER)
    }

    /// Its endpoint on the network of this id.
    #[must_use]
    pub fn endpoint(&self, network_id: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|e| e.network_id == network_id)
    }

    /// Whether `name` is one that the engine gives it unasked: its own, its host's, the start of its id.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        name == self.name.to_lowercase() || self.is_hostname(name) || self.id.starts_with(name)
    }

    /// Whether `name` is its host's.
    #[must_use]
    pub fn is_hostname(&self, name: &str) -> bool {
        self.hostname.eq_ignore_ascii_case(name)
    }

    /// Which of its service's containers it is, from 1 (Compose's label).
    #[must_use]
    pub fn number(&self) -> u32 {
        self.label(label::compose::CONTAINER_NUMBER).parse().unwrap_or(1)
    }

    /// The service it is of, by Compose's label; else its name.
    #[must_use]
    pub fn service(&self) -> &str {
        match self.label(label::compose::SERVICE) {
            "" => &self.name,
            service => service,
        }
    }
}

impl Network {
    /// One of its labels; empty where it has none.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }
}
