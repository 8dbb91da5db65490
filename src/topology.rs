//! What a blueprint expands to: every node, network, service and name, settled.
//!
//! A topology holds the promises about names and addresses by construction: it comes out of [`expand`] only, which
//! refuses what would break them.

pub mod address;
pub mod expand;
pub mod outside;
pub mod written;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use ipnet::Ipv4Net;
use serde::Serialize;

use crate::blueprint::Lint;
use crate::compose::Condition;
use crate::compose::ConfigKind;
use crate::name::{
    Alias, ClusterName, ContainerName, NetworkKey, NetworkName, NodeName, ProjectName, RoleName, ServiceKey,
    ServiceName,
};
use crate::toposort;
use crate::value::{Map, Value};
use outside::Outside;
use written::Written;

/// A whole cluster.
#[derive(Debug, Clone, Serialize)]
pub struct Topology {
    /// Its name.
    pub cluster: ClusterName,
    /// All roles of the blueprint, those without a node too.
    pub roles: Vec<RoleName>,
    /// Which role starts after which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<RoleOrder>,
    /// The network that joins the nodes.
    pub inout: Network,
    /// Other networks that nodes share.
    pub shared: Vec<Network>,
    /// Its nodes: roles in the order of the blueprint, each in the order of its indices.
    pub nodes: Vec<Node>,
    /// How the pool is cut into subnets; `None` where the engine chooses them.
    #[serde(skip)]
    pub layout: Option<address::Layout>,
    /// The lints that the blueprint silences: in one role, or `None` for everywhere.
    #[serde(skip)]
    pub allowed: Vec<(Lint, Option<RoleName>)>,
    /// What its services take from outside it; nothing until that was looked at.
    #[serde(skip)]
    pub outside: Outside,
}

/// That one role starts after another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleOrder {
    /// The one that waits.
    pub role: RoleName,
    /// The one that is waited for: all of its containers.
    pub after: RoleName,
    /// What they are waited for.
    pub condition: Condition,
}

/// `roles` so that each stands after those that it starts after.
#[must_use]
pub fn in_order<'a>(roles: Vec<&'a RoleName>, order: &[RoleOrder]) -> Vec<&'a RoleName> {
    let waits = roles.iter().map(|role| {
        let after = order.iter().filter(|o| o.role == **role);
        after
            .filter_map(|o| roles.iter().position(|r| **r == o.after))
            .collect()
    });
    let waits: Vec<BTreeSet<usize>> = waits.collect();
    // A circle was refused long ago.
    toposort::sorted(&waits).all().map(|at| roles[at]).collect()
}

/// A network of the engine.
#[derive(Debug, Clone, Serialize)]
pub struct Network {
    /// Its key in Compose files.
    pub key: NetworkKey,
    /// Its name in the engine.
    pub name: NetworkName,
    /// The subnet it asks for; `None` where the engine or the user's own `ipam` decides.
    pub subnet: Option<Ipv4Net>,
    /// Whether somebody else creates and removes it.
    pub external: bool,
    /// Its other options, in Compose's words.
    pub options: Arc<Map>,
    /// Where they were written.
    #[serde(skip)]
    pub written: Written,
}

/// One node: one Compose project.
#[derive(Debug, Clone, Serialize)]
pub struct Node {
    /// Its name, by which its entry answers on the shared network.
    pub name: NodeName,
    /// Its role.
    pub role: RoleName,
    /// From 1 within the role; 1 for the one node of a role without a count.
    pub index: u32,
    /// Its Compose project.
    pub project: ProjectName,
    /// Its private networks.
    pub networks: Vec<Network>,
    /// The networks it shares beside the one of all: key and name.
    pub shared: Vec<(NetworkKey, NetworkName)>,
    /// Its services, in the order of the blueprint.
    pub services: Vec<Service>,
    /// Its configs and secrets.
    pub configs: Vec<Config>,
    /// Its named volumes, in Compose's words.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub volumes: Arc<Map>,
    /// Where they were written.
    #[serde(skip)]
    pub volumes_written: Written,
    /// Variables that only its Compose files know: of the `.env` beside each.
    #[serde(skip)]
    pub beside: Arc<HashMap<String, String>>,
    /// Services of its Compose files that its role leaves out.
    #[serde(skip)]
    pub left_out: Arc<[String]>,
    /// `x-…` at the top of its Compose file, which other tools read.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub extensions: Arc<Map>,
}

/// A config or secret of a node.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// Which of the two.
    pub kind: ConfigKind,
    /// Its name.
    pub name: Arc<str>,
    /// Where its content comes from.
    pub source: ConfigSource,
    /// Its other keys, in Compose's words.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub options: Arc<Map>,
    /// Where they were written.
    #[serde(skip)]
    pub written: Written,
}

/// Where the content of a config comes from.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigSource {
    /// A file beside the Compose file.
    File {
        /// Its path there.
        path: String,
        /// The mode that the blueprint asks for, as in chmod(1); none where it leaves it to [`ConfigSource::MODE`].
        #[serde(serialize_with = "or_usual")]
        mode: Option<u32>,
        /// What is in it.
        #[serde(serialize_with = "lossy")]
        content: Arc<[u8]>,
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        name: String,
        /// Its value; nobody else's business.
        #[serde(skip)]
        value: Option<String>,
    },
    /// Provided by others, in Compose's words.
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

/// One container of a node.
#[derive(Debug, Clone, Serialize)]
pub struct Service {
    /// Its name inside the node.
    pub name: ServiceName,
    /// Its key in the node's Compose file: its name, qualified by the node's where it joins a shared network.
    pub key: ServiceKey,
    /// The name of its container; of several, that of the first.
    pub container: ContainerName,
    /// How many containers it is: one, where neither `scale` nor `deploy.replicas` says otherwise.
    #[serde(skip_serializing_if = "is_one")]
    pub replicas: u32,
    /// Whether the Compose file must say the container's name, because Compose would choose another or none at all.
    pub container_named: bool,
    /// The networks it joins.
    pub attachments: Vec<Attachment>,
    /// Its other keys, in Compose's words, templates evaluated and references following the keys.
    pub definition: Arc<Map>,
    /// Where its keys were written.
    #[serde(skip)]
    pub written: Written,
}

/// The name of the container `number`, as Compose gives it, where that of the first is `first`.
fn numbered(first: &ContainerName, number: u32) -> Option<ContainerName> {
    let base = first.as_str().strip_suffix('1')?;
    format!("{base}{number}").parse().ok()
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(replicas: &u32) -> bool {
    *replicas == 1
}

/// A service on a network.
#[derive(Debug, Clone, Serialize)]
pub struct Attachment {
    /// The network's key.
    pub network: NetworkKey,
    /// Whether nodes share that network.
    pub shared: bool,
    /// The names it answers to there, beside its key and its container's name, which Compose and the engine add.
    pub aliases: Vec<Alias>,
    /// Its other options, in Compose's words.
    pub options: Arc<Map>,
}

impl Topology {
    /// All services of all nodes.
    #[must_use]
    pub fn services(&self) -> usize {
        self.nodes.iter().map(|n| n.services.len()).sum()
    }

    /// All containers of all nodes.
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
        // A role's own networks first: another role may share one of the same key.
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
        self.shared.iter().find(|n| n.name == *name)
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

    /// The names of its containers, the first of them [`Service::container`].
    pub fn containers(&self) -> impl Iterator<Item = ContainerName> + use<> {
        let first = self.container.clone();
        let replicas = self.replicas;
        (1..=replicas).filter_map(move |number| match number {
            1 => Some(first.clone()),
            number => numbered(&first, number),
        })
    }

    /// The name of its containers' host, where it says one: engines make it a name on every network.
    #[must_use]
    pub fn hostname(&self) -> Option<String> {
        self.get("hostname")
            .and_then(Value::scalar)
            .filter(|name| !name.is_empty())
    }

    /// The value of one of its keys.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.definition.get(key)
    }
}
