//! The graph to draw, as plain data: nodes, services, and the networks they are on. It is also the JSON output.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::cluster::Health;
use crate::cluster::State;
use crate::cluster::Verdict;
use crate::cluster::roster::Stale;
use crate::name::ClusterName;
use crate::text::plural;
use crate::topology::Duty;

/// A cluster to draw.
#[derive(Debug, Clone, Serialize)]
pub struct Graph {
    /// The name of the cluster.
    pub cluster: ClusterName,
    /// Whether the engine was observed.
    pub live: bool,
    /// Since when what was observed may be out of date, and why; `None` if it is as the engine last said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
    /// Shared networks, the cluster's own first.
    pub networks: Vec<Network>,
    /// Nodes, ordered by role as in the blueprint, then by index.
    pub nodes: Vec<Node>,
    /// Containers of others on shared networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<Foreign>,
}

/// Whether something is in the blueprint, on the engine, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// In the blueprint; the engine was not observed.
    #[default]
    Desired,
    /// In the blueprint and on the engine.
    There,
    /// In the blueprint, but not on the engine.
    Missing,
    /// On the engine, but not in the blueprint.
    Unwanted,
}

impl Standing {
    fn is_desired(&self) -> bool {
        *self == Self::Desired
    }
}

/// A network, shared or private.
#[derive(Debug, Clone, Serialize)]
pub struct Network {
    /// The key in Compose files.
    pub key: String,
    /// The name in the engine.
    pub name: String,
    /// The subnet in CIDR notation, desired or observed; `None` if the engine chooses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// Whether somebody else creates and removes it.
    pub external: bool,
    /// The key under which the blueprint declares it for the whole cluster; `None` for other networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// Whether it is a link between nodes, which is drawn as a line, not as a bar.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub link: bool,
    /// The services on it, as `NODE/SERVICE`, if it is a link.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Whether it is desired, and exists.
    #[serde(skip_serializing_if = "Standing::is_desired")]
    pub standing: Standing,
}

/// A node, desired or observed.
#[derive(Debug, Clone, Serialize)]
pub struct Node {
    /// The name of the node.
    pub name: String,
    /// The role of the node.
    pub role: String,
    /// The Compose project of the node.
    pub project: String,
    /// Whether it is desired, and whether any part of it exists.
    #[serde(skip_serializing_if = "Standing::is_desired")]
    pub standing: Standing,
    /// The private networks of the node.
    pub networks: Vec<Network>,
    /// The services of the node.
    pub services: Vec<Service>,
    /// Containers of others on the private networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<Foreign>,
}

/// A service of a node.
#[derive(Debug, Clone, Serialize)]
pub struct Service {
    /// The name inside the node.
    pub name: String,
    /// The containers of the service: usually one.
    pub containers: Vec<Container>,
    /// The image; empty if it is built or unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// The ports: `443`, `53/udp`, or `8080:80` if the host publishes it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// `network_mode`, in which a service has the name that the user gave it; `None` for a service on networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    /// What is expected of it in the long run.
    #[serde(skip)]
    pub duty: Duty,
    /// Missing if any of its containers is missing.
    #[serde(skip_serializing_if = "Standing::is_desired")]
    pub standing: Standing,
    /// The networks it is on, without links.
    pub joins: Vec<Join>,
    /// The links it is on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Join>,
}

/// A container of a service.
#[derive(Debug, Clone, Serialize)]
pub struct Container {
    /// The name in the engine.
    pub name: String,
    /// Whether it is desired, and exists.
    #[serde(skip_serializing_if = "Standing::is_desired")]
    pub standing: Standing,
    /// The engine's state; `None` if it does not exist or the engine was not observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The result of the healthcheck; `None` without one, or if the container does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// The exit status; `None` if it has not exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// Whether it is as it should be; `None` if the engine was not observed.
    #[serde(skip)]
    pub verdict: Option<Verdict>,
    /// What is wrong with it, as phrases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<String>,
}

/// The membership of a service in a network.
#[derive(Debug, Clone, Serialize)]
pub struct Join {
    /// The network, by index.
    #[serde(skip)]
    pub place: Place,
    /// The name of the network in the engine.
    pub network: String,
    /// Whether nodes share the network.
    pub shared: bool,
    /// The names of the service on the network, besides its name inside the node.
    pub names: Vec<String>,
    /// Names that it should have on the network and has not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// Missing also if one of its names is missing.
    #[serde(skip_serializing_if = "Standing::is_desired")]
    pub standing: Standing,
}

/// A network, by its index in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The index in [`Graph::networks`].
    Shared(usize),
    /// Index in the networks of the node.
    Own(usize),
}

/// A container that does not belong to the cluster, or not on that network.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Foreign {
    /// The name in the engine.
    pub name: String,
    /// Whether it belongs to the cluster, and is merely on a wrong network.
    pub ours: bool,
    /// The networks it is on, by index.
    #[serde(skip)]
    pub places: Vec<Place>,
    /// The names of these networks.
    pub networks: Vec<String>,
}

/// The look of something, whatever colours and strokes a format has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The engine was not observed.
    Plain,
    /// The main process runs.
    Running,
    /// Between states, or held: created, restarting, paused.
    Waiting,
    /// The main process has exited.
    Stopped,
    /// It is desired, and the engine does not have it.
    Missing,
    /// Not in the blueprint.
    Foreign,
}

impl Graph {
    /// The counts in a line: `4 nodes, 18 services, 5 networks`.
    #[must_use]
    pub fn summary(&self) -> String {
        let desired = |s: &Standing| *s != Standing::Unwanted;
        let nodes: Vec<&Node> = self.nodes.iter().filter(|n| desired(&n.standing)).collect();
        let services = nodes.iter().flat_map(|n| &n.services).filter(|s| desired(&s.standing));
        let own = nodes.iter().flat_map(|n| &n.networks);
        let networks = self.networks.iter().chain(own).filter(|n| desired(&n.standing));
        format!(
            "{}, {}, {}",
            plural(nodes.len(), "node"),
            plural(services.count(), "service"),
            plural(networks.count(), "network")
        )
    }

    /// The number of containers in each state, with a word and a look for it, in a fixed order; only states that occur.
    #[must_use]
    pub fn tally(&self) -> Vec<(Look, &'static str, usize)> {
        let mut tally: Vec<(Look, &str, usize)> = WORDS.iter().map(|(look, word)| (*look, *word, 0)).collect();
        let mut count = |word: &str, more: usize| {
            if let Some(entry) = tally.iter_mut().find(|(_, w, _)| *w == word) {
                entry.2 += more;
            }
        };
        for service in self.nodes.iter().flat_map(|n| &n.services) {
            for container in &service.containers {
                count(service.word(container), 1);
            }
        }
        let inside = self.nodes.iter().flat_map(|n| &n.foreign).filter(|f| !f.ours);
        let names: BTreeSet<&str> = inside.chain(&self.foreign).map(|f| f.name.as_str()).collect();
        count("foreign", names.len());
        tally.retain(|(.., n)| *n > 0);
        tally
    }
}

/// The states of containers, in the order in which they are shown, and the look of each.
const WORDS: &[(Look, &str)] = &[
    (Look::Running, "running"),
    (Look::Waiting, "starting"),
    (Look::Waiting, "created"),
    (Look::Waiting, "restarting"),
    (Look::Waiting, "paused"),
    (Look::Plain, "completed"),
    (Look::Stopped, "unhealthy"),
    (Look::Stopped, "cut off"),
    (Look::Stopped, "exited"),
    (Look::Stopped, "removing"),
    (Look::Stopped, "dead"),
    (Look::Missing, "missing"),
    (Look::Foreign, "foreign"),
];

impl Service {
    /// The state of a container in a word; empty if the engine was not observed.
    #[must_use]
    pub fn word(&self, container: &Container) -> &'static str {
        container.verdict.as_ref().map_or("", Verdict::word)
    }

    /// The look of a container.
    #[must_use]
    pub fn look(&self, container: &Container) -> Look {
        let word = self.word(container);
        let known = WORDS.iter().find(|(_, w)| *w == word);
        known.map_or(Look::Plain, |(look, _)| *look)
    }

    /// Whether the service is on a shared network.
    #[must_use]
    pub fn is_gate(&self) -> bool {
        self.joins.iter().any(|j| j.shared)
    }
}

impl From<Standing> for Look {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Desired | Standing::There => Self::Plain,
            Standing::Missing => Self::Missing,
            Standing::Unwanted => Self::Foreign,
        }
    }
}

/// A container that was not observed.
pub(super) fn container(name: &str) -> Container {
    Container {
        name: name.to_owned(),
        standing: Standing::Desired,
        state: None,
        health: None,
        exit: None,
        verdict: None,
        wrong: Vec::new(),
    }
}
