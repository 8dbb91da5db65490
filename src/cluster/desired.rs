//! The desired state of a cluster.

use std::sync::Arc;

use super::{ContainerSpec, NetworkSpec, VolumeSpec};
use crate::diagnostic::Span;
use crate::name::{ClusterName, NodeName, RoleName};
use crate::topology::RoleOrder;
use crate::topology::address::Layout;

/// What topogen wants the engine to hold for one cluster.
#[derive(Debug)]
pub struct Desired {
    /// The name of the cluster.
    pub cluster: ClusterName,
    /// All roles of the blueprint, including those without nodes.
    pub roles: Vec<RoleName>,
    /// Which role starts after which other role.
    pub order: Vec<RoleOrder>,
    /// The network that joins all nodes.
    pub inout: Arc<NetworkSpec>,
    /// Other networks that several nodes share.
    pub shared: Vec<Arc<NetworkSpec>>,
    /// The nodes, in the order of the topology.
    pub nodes: Vec<DesiredNode>,
    /// Named volumes of all nodes, each name once.
    pub volumes: Vec<Arc<VolumeSpec>>,
    /// Where subnets come from; `None` if the engine chooses them.
    pub layout: Option<Layout>,
    /// Features that need a minimum version of the engine's API.
    pub needs: Vec<Need>,
    /// Whether it is only a part of the cluster, so that whatever else there is of the cluster stays as it is.
    pub is_part: bool,
}

impl Desired {
    /// All networks: the shared ones first, then those of each node.
    pub fn networks(&self) -> impl Iterator<Item = &Arc<NetworkSpec>> {
        let own = self.nodes.iter().flat_map(|n| &n.networks);
        [&self.inout].into_iter().chain(&self.shared).chain(own)
    }

    /// All its containers, those of one node after those of the one before.
    pub fn containers(&self) -> impl Iterator<Item = &Arc<ContainerSpec>> {
        self.nodes.iter().flat_map(|n| &n.containers)
    }

    /// Whether any container publishes a port of the host.
    #[must_use]
    pub fn host_ports(&self) -> bool {
        self.containers().any(|c| c.publishes())
    }
}

/// A node as the blueprint desires it: its containers and private networks.
#[derive(Debug)]
pub struct DesiredNode {
    /// The name of the node.
    pub name: NodeName,
    /// The role of the node.
    pub role: RoleName,
    /// The private networks of the node.
    pub networks: Vec<Arc<NetworkSpec>>,
    /// The containers of the node, in the order of its services.
    pub containers: Vec<Arc<ContainerSpec>>,
}

/// A feature that engines support from some version of their API on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The minimum API version, major and minor.
    pub api: (usize, usize),
    /// The path of the key that needs the feature.
    pub path: String,
    /// Where the key is written; `None` if the place is unknown.
    pub place: Option<Span>,
}
