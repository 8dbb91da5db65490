//! The expansion of a blueprint: every node, network, service and name.
//!
//! A topology keeps the promises about names and addresses by construction: only [`expand`] creates it, and rejects
//! what would break them.

pub mod address;
mod duty;
pub mod expand;
pub mod extent;
pub mod outside;
pub mod written;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use ipnet::Ipv4Net;
use serde::Serialize;

use crate::blueprint::Lint;
use crate::blueprint::isolate::Change;
use crate::compose::Condition;
use crate::compose::ConfigKind;
use crate::diagnostic::{Problem, Problems};
use crate::name::{
    Alias, ClusterName, ContainerName, NetworkKey, NetworkName, NodeName, ProjectName, RoleName, ServiceKey,
    ServiceName,
};
use crate::toposort;
use crate::value::{Map, Value};
pub use duty::Duty;
use outside::Outside;
use written::Written;

/// A whole cluster, as the blueprint defines it.
#[derive(Debug, Clone, Serialize)]
pub struct Topology {
    /// The name of the cluster.
    pub cluster: ClusterName,
    /// All roles of the blueprint, including those without nodes.
    pub roles: Vec<RoleName>,
    /// Which role starts after which other role.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<RoleOrder>,
    /// The network that joins all nodes.
    pub inout: Network,
    /// Other networks that several nodes share.
    pub shared: Vec<Network>,
    /// The index in `shared` of each network there.
    #[serde(skip)]
    pub places: HashMap<NetworkName, usize>,
    /// The volumes of the cluster that nodes mount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// The nodes, ordered by role as in the blueprint, then by index.
    pub nodes: Vec<Node>,
    /// How the pool is divided into subnets; `None` if the engine chooses them.
    #[serde(skip)]
    pub layout: Option<address::Layout>,
    /// The lints that the blueprint silences: in one role, or `None` for everywhere.
    #[serde(skip)]
    pub allowed: Vec<(Lint, Option<RoleName>)>,
    /// What was changed of Compose files in silence, each with its place: for those who ask.
    #[serde(skip)]
    pub notes: Vec<Problem>,
    /// What services use from outside the blueprint; empty until it was looked up.
    #[serde(skip)]
    pub outside: Outside,
    /// Values that were left out, since Compose refuses them there. Nothing is done with such a topology but to tell of
    /// them, together with what else is wrong.
    #[serde(skip)]
    pub mistakes: Problems,
}

/// An order between two roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleOrder {
    /// The role that waits.
    pub role: RoleName,
    /// The role that is waited for: all of its containers.
    pub after: RoleName,
    /// The condition that these must meet.
    pub condition: Condition,
}

/// `roles`, each after those that it starts after.
#[must_use]
pub fn in_order<'a>(roles: Vec<&'a RoleName>, order: &[RoleOrder]) -> Vec<&'a RoleName> {
    let waits = roles.iter().map(|role| {
        let after = order.iter().filter(|o| o.role == **role);
        after
            .filter_map(|o| roles.iter().position(|r| **r == o.after))
            .collect()
    });
    let waits: Vec<BTreeSet<usize>> = waits.collect();
    // Circles were reported when the blueprint was read.
    toposort::sorted(&waits).all().map(|at| roles[at]).collect()
}

/// A network, shared or private.
#[derive(Debug, Clone, Serialize)]
pub struct Network {
    /// The key in Compose files.
    pub key: NetworkKey,
    /// The name in the engine.
    pub name: NetworkName,
    /// The subnet; `None` if the engine or the user's own `ipam` chooses it.
    pub subnet: Option<Ipv4Net>,
    /// Whether somebody else creates and removes it.
    pub external: bool,
    /// The key under which the blueprint declares it for the whole cluster; `None` for `inout` and for networks of roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<NetworkKey>,
    /// The remaining options, as in Compose.
    pub options: Arc<Map>,
    /// Where the options are written.
    #[serde(skip)]
    pub written: Written,
}

/// A volume of the cluster, which several nodes may mount.
#[derive(Debug, Clone, Serialize)]
pub struct Volume {
    /// The key in the blueprint and in Compose files.
    pub key: Arc<str>,
    /// The name in the engine.
    pub name: String,
    /// Whether somebody else creates and removes it.
    pub external: bool,
    /// The remaining options, as in Compose.
    pub options: Arc<Map>,
    /// Where the options are written.
    #[serde(skip)]
    pub written: Written,
}

/// A node, which is one Compose project.
#[derive(Debug, Clone, Serialize)]
pub struct Node {
    /// The name, to which its entry answers on the shared network.
    pub name: NodeName,
    /// The role of the node.
    pub role: RoleName,
    /// The index within the role, from 1; 1 for the single node of a role without a count. Where the count has dimensions, the
    /// last one counts fastest.
    pub index: u32,
    /// The index, from 1, in each dimension of the role's count.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub dimensions: IndexMap<Arc<str>, u32>,
    /// The Compose project of the node.
    pub project: ProjectName,
    /// The private networks of the node.
    pub networks: Vec<Network>,
    /// The shared networks other than the cluster's own, by key and name.
    pub shared: Vec<(NetworkKey, NetworkName)>,
    /// The services, in the order of the blueprint.
    pub services: Vec<Service>,
    /// The configs and secrets of the node.
    pub configs: Vec<Config>,
    /// The named volumes, as in Compose.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub volumes: Arc<Map>,
    /// Where the volumes are written.
    #[serde(skip)]
    pub volumes_written: Written,
    /// Variables of the `.env` beside each Compose file, known to those files only.
    #[serde(skip)]
    pub beside: Arc<HashMap<String, String>>,
    /// Services of its Compose files that its role leaves out.
    #[serde(skip)]
    pub left_out: Arc<[String]>,
    /// `x-…` keys of the Compose file, for other tools.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub extensions: Arc<Map>,
    /// What the role's `isolate:` changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// A config or secret of a node.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// Whether it is a config or a secret.
    pub kind: ConfigKind,
    /// The key that services refer to it by.
    pub name: Arc<str>,
    /// Where the content comes from.
    pub source: ConfigSource,
    /// The remaining keys, as in Compose.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub options: Arc<Map>,
    /// Where the keys are written.
    #[serde(skip)]
    pub written: Written,
}

/// Where the content of a config comes from.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigSource {
    /// A file beside the Compose file.
    File {
        /// The path relative to the Compose file.
        path: String,
        /// The mode that the blueprint asks for, as in chmod(1); none where it leaves it to [`ConfigSource::MODE`].
        #[serde(serialize_with = "or_usual")]
        mode: Option<u32>,
        /// The content after templates were rendered.
        #[serde(serialize_with = "lossy")]
        content: Arc<[u8]>,
    },
    /// A variable of the environment.
    Environment {
        /// The name of the variable.
        name: String,
        /// The value, which is never printed; `None` if it is not set.
        #[serde(skip)]
        value: Option<String>,
    },
    /// `external:`, as in Compose: somebody else provides it.
    External(Value),
}

impl ConfigSource {
    /// The mode of a file where the blueprint asks for none, as in chmod(1) (Compose specification, services, `configs`).
    pub const MODE: u32 = 0o444;
}

fn or_usual<S: serde::Serializer>(mode: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(mode.unwrap_or(ConfigSource::MODE))
}

fn lossy<S: serde::Serializer>(content: &Arc<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(content))
}

/// A service of a node.
#[derive(Debug, Clone, Serialize)]
pub struct Service {
    /// The name inside the node.
    pub name: ServiceName,
    /// The key in the node's Compose file: the name, prefixed with the node's if it joins a shared network.
    pub key: ServiceKey,
    /// The name of the container; of several containers, that of the first.
    pub container: ContainerName,
    /// The number of containers: 1 unless `scale` or `deploy.replicas` says otherwise.
    #[serde(skip_serializing_if = "is_one")]
    pub replicas: u32,
    /// Whether the Compose file must give the container's name, because Compose would derive another one or none.
    pub container_named: bool,
    /// The networks it joins, in the order of the blueprint.
    pub attachments: Vec<Attachment>,
    /// The remaining keys as in Compose, with templates rendered and references renamed.
    pub definition: Arc<Map>,
    /// Where the keys are written.
    #[serde(skip)]
    pub written: Written,
}

/// The name that Compose gives the container `number`, if the first is called `first`.
fn numbered(first: &ContainerName, number: u32) -> Option<ContainerName> {
    let base = first.as_str().strip_suffix('1')?;
    format!("{base}{number}").parse().ok()
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(replicas: &u32) -> bool {
    *replicas == 1
}

/// The connection of a service to a network.
#[derive(Debug, Clone, Serialize)]
pub struct Attachment {
    /// The key of the network.
    pub network: NetworkKey,
    /// Whether nodes share the network.
    pub shared: bool,
    /// The names on the network, besides the service's key and the container's name, which Compose and the engine add.
    pub aliases: Vec<Alias>,
    /// The remaining options, as in Compose.
    pub options: Arc<Map>,
}

impl Topology {
    /// The number of services of all nodes.
    #[must_use]
    pub fn services(&self) -> usize {
        self.nodes.iter().map(|n| n.services.len()).sum()
    }

    /// The number of containers of all nodes.
    #[must_use]
    pub fn containers(&self) -> usize {
        let services = self.nodes.iter().flat_map(|n| &n.services);
        services.map(|s| s.replicas as usize).sum()
    }

    /// Whether the blueprint allows what `lint` finds: everywhere, or in `role`.
    #[must_use]
    pub fn allows(&self, lint: Lint, role: Option<&RoleName>) -> bool {
        let covers = |of: &Option<RoleName>| of.is_none() || of.as_ref() == role;
        self.allowed.iter().any(|(allowed, of)| *allowed == lint && covers(of))
    }

    /// The network that a service of `node` knows as `key`.
    #[must_use]
    pub fn network<'a>(&'a self, node: &'a Node, key: &NetworkKey) -> Option<&'a Network> {
        // The role's own network takes precedence, since another role may share one under the same key.
        let own = node.networks.iter().find(|n| n.key == *key);
        own.or_else(|| self.shared_network(node, key))
    }

    /// The shared network that a service of `node` knows as `key`.
    #[must_use]
    pub fn shared_network(&self, node: &Node, key: &NetworkKey) -> Option<&Network> {
        if self.inout.key == *key {
            return Some(&self.inout);
        }
        let name = node.shared.iter().find(|(k, _)| k == key).map(|(_, name)| name)?;
        self.shared.get(*self.places.get(name)?)
    }
}

impl Service {
    /// Whether it joins the network that its node knows as `key`.
    #[must_use]
    pub fn joins(&self, key: &NetworkKey) -> bool {
        self.attachments.iter().any(|a| a.network == *key)
    }

    /// Whether it joins a network that nodes share.
    #[must_use]
    pub fn shared(&self) -> bool {
        self.attachments.iter().any(|a| a.shared)
    }

    /// The names of its containers; the first is [`Service::container`].
    pub fn containers(&self) -> impl Iterator<Item = ContainerName> + use<> {
        let first = self.container.clone();
        let replicas = self.replicas;
        (1..=replicas).filter_map(move |number| match number {
            1 => Some(first.clone()),
            number => numbered(&first, number),
        })
    }

    /// The host name of its containers, if one is given: engines make it a name on every network.
    #[must_use]
    pub fn hostname(&self) -> Option<String> {
        self.get("hostname")
            .and_then(Value::scalar)
            .filter(|name| !name.is_empty())
    }

    /// The value of the key `key`; `None` if it is absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.definition.get(key)
    }
}
