//! Ports that a container offers on the engine's host.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

use super::HostPort;
use crate::compose::ports::{ContainerPort, Protocol};

/// A port of a container that the engine's host offers (Compose specification, services, `ports`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PublishedPort {
    /// The port of the container.
    pub container: ContainerPort,
    /// The host's address; `None` for all of them.
    pub address: Option<IpAddr>,
    /// The port of the host, or how the engine chooses it.
    pub host: PortChoice,
}

impl PublishedPort {
    /// The port of the host, where that is known beforehand.
    #[must_use]
    pub fn host_port(&self) -> Option<HostPort> {
        let PortChoice::Exactly(port) = self.host else {
            return None;
        };
        Some(HostPort {
            address: self.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            port,
            udp: self.container.protocol == Protocol::Udp,
        })
    }
}

/// Which port of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PortChoice {
    /// This one, 1 to 65535.
    Exactly(u16),
    /// One from the first to the last of these, as the engine chooses.
    From(u16, u16),
    /// Any that is free, as the engine chooses.
    Any,
}
