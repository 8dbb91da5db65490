//! What a cluster is to be, as one target is asked for it.

use std::sync::Arc;

use super::{ContainerSpec, NetworkSpec, VolumeSpec};
use crate::diagnostic::Span;
use crate::name::{ClusterName, NodeName, RoleName};
use crate::topology::RoleOrder;
use crate::topology::address::Layout;

/// What topogen wants of the engine for one cluster.
#[derive(Debug)]
pub struct Desired {
    /// The cluster.
    pub cluster: ClusterName,
    /// All roles of the blueprint, those without a node too.
    pub roles: Vec<RoleName>,
    /// Which role starts after which.
    pub order: Vec<RoleOrder>,
    /// The shared network.
    pub inout: Arc<NetworkSpec>,
    /// Other networks that nodes share.
    pub shared: Vec<Arc<NetworkSpec>>,
    /// The nodes, in the order of the topology.
    pub nodes: Vec<DesiredNode>,
    /// Named volumes, those of all nodes, each name once.
    pub volumes: Vec<Arc<VolumeSpec>>,
    /// How subnets lie; `None` where the engine chooses.
    pub layout: Option<Layout>,
    /// What of it not every engine knows.
    pub needs: Vec<Need>,
}

impl Desired {
    /// All its networks: the shared ones, then each node's.
    pub fn networks(&self) -> impl Iterator<Item = &Arc<NetworkSpec>> {
        let own = self.nodes.iter().flat_map(|n| &n.networks);
        [&self.inout].into_iter().chain(&self.shared).chain(own)
    }

    /// All its containers, those of one node after those of the one before.
    pub fn containers(&self) -> impl Iterator<Item = &Arc<ContainerSpec>> {
        self.nodes.iter().flat_map(|n| &n.containers)
    }

    /// Whether any of its containers takes a port of the host.
    #[must_use]
    pub fn host_ports(&self) -> bool {
        self.containers().any(|c| c.publishes())
    }
}

/// A node to be.
#[derive(Debug)]
pub struct DesiredNode {
    /// Its name.
    pub name: NodeName,
    /// Its role.
    pub role: RoleName,
    /// Its private networks.
    pub networks: Vec<Arc<NetworkSpec>>,
    /// Its containers.
    pub containers: Vec<Arc<ContainerSpec>>,
}

/// Something that engines know from some version of their API on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The version, major and minor.
    pub api: (usize, usize),
    /// The path of what needs it.
    pub path: String,
    /// Where that was written.
    pub place: Option<Span>,
}
