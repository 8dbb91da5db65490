//! What is drawn, as plain data: nodes, their services, and what these hang on.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::cluster::Health;
use crate::cluster::State;
use crate::name::ClusterName;
use crate::text::plural;

/// A cluster to be drawn.
#[derive(Debug, Clone, Serialize)]
pub struct Graph {
    /// Its name.
    pub cluster: ClusterName,
    /// Whether the engine was looked at.
    pub live: bool,
    /// The networks that nodes share, the one of all first.
    pub networks: Vec<Network>,
    /// Its nodes: roles in the order of the blueprint, each in the order of its indices.
    pub nodes: Vec<Node>,
    /// Containers of others on the networks that nodes share.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<Foreign>,
}

/// How something stands on the engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Nobody looked: the blueprint says it.
    #[default]
    Desired,
    /// The blueprint says it, and there it is.
    There,
    /// The blueprint says it, and it is not there.
    Missing,
    /// It is there, and the blueprint does not say it.
    Unwanted,
}

impl Standing {
    fn is_wanted(&self) -> bool {
        *self == Self::Desired
    }
}

/// A network.
#[derive(Debug, Clone, Serialize)]
pub struct Network {
    /// Its key in Compose files.
    pub key: String,
    /// Its name in the engine.
    pub name: String,
    /// The subnet it asks for, or has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// Whether somebody else creates and removes it.
    pub external: bool,
    /// How it stands.
    #[serde(skip_serializing_if = "Standing::is_wanted")]
    pub standing: Standing,
}

/// A node.
#[derive(Debug, Clone, Serialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: String,
    /// Its Compose project.
    pub project: String,
    /// How it stands: there where anything of it is.
    #[serde(skip_serializing_if = "Standing::is_wanted")]
    pub standing: Standing,
    /// Its private networks.
    pub networks: Vec<Network>,
    /// Its services.
    pub services: Vec<Service>,
    /// Containers of others on its private networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<Foreign>,
}

/// A service of a node.
#[derive(Debug, Clone, Serialize)]
pub struct Service {
    /// Its name inside the node.
    pub name: String,
    /// Its containers: one, as a rule.
    pub containers: Vec<Container>,
    /// Its image; empty where it is built, or not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Its ports: `443`, `53/udp`, `8080:80` where the host offers it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// What it says in place of networks; another service by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    /// Whether it is to end: others wait for that.
    #[serde(skip)]
    pub ends: bool,
    /// How it stands: missing where any of its containers is.
    #[serde(skip_serializing_if = "Standing::is_wanted")]
    pub standing: Standing,
    /// The networks it is on.
    pub joins: Vec<Join>,
}

/// A container of a service.
#[derive(Debug, Clone, Serialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// How it stands.
    #[serde(skip_serializing_if = "Standing::is_wanted")]
    pub standing: Standing,
    /// What it is doing, where it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// What its healthcheck says, where it has one and runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// The status it ended with, where it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
}

/// A service on a network.
#[derive(Debug, Clone, Serialize)]
pub struct Join {
    /// Which network.
    #[serde(skip)]
    pub place: Place,
    /// The network's name in the engine.
    pub network: String,
    /// Whether nodes share it.
    pub shared: bool,
    /// What the service answers to there, beside its own name inside the node.
    pub names: Vec<String>,
    /// What it should answer to there, and does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// How it stands: missing also where a name is.
    #[serde(skip_serializing_if = "Standing::is_wanted")]
    pub standing: Standing,
}

/// Which network, by its place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Of the networks that nodes share.
    Shared(usize),
    /// Of the node's own.
    Own(usize),
}

/// A container that is not the cluster's, or not that node's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Foreign {
    /// Its name.
    pub name: String,
    /// Whether it is the cluster's, and only astray.
    pub ours: bool,
    /// The networks it is on, by their place.
    #[serde(skip)]
    pub places: Vec<Place>,
    /// The same by their names.
    pub networks: Vec<String>,
}

/// How something is to look, in whatever colours and strokes the format has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nobody knows how it stands.
    Plain,
    /// It runs.
    Running,
    /// It is between states, or held: created, restarting, paused.
    Waiting,
    /// It stopped.
    Stopped,
    /// It is not there.
    Missing,
    /// It is not in the blueprint.
    Foreign,
}

impl Graph {
    /// What it holds in a line: `4 nodes, 18 services, 5 networks`.
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

    /// How many containers look how, with a word for it: the states that there are, in a fixed order.
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

/// What a container may be doing, in the order in which it is told, and how that looks.
const WORDS: &[(Look, &str)] = &[
    (Look::Running, "running"),
    (Look::Waiting, "starting"),
    (Look::Waiting, "created"),
    (Look::Waiting, "restarting"),
    (Look::Waiting, "paused"),
    (Look::Plain, "completed"),
    (Look::Stopped, "unhealthy"),
    (Look::Stopped, "exited"),
    (Look::Stopped, "removing"),
    (Look::Stopped, "dead"),
    (Look::Missing, "missing"),
    (Look::Foreign, "foreign"),
];

impl Service {
    /// What one of its containers is doing, in a word; empty where nobody looked.
    #[must_use]
    pub fn word(&self, container: &Container) -> &'static str {
        match (container.state, container.health) {
            (Some(State::Running), Some(Health::Unhealthy)) => "unhealthy",
            (Some(State::Running), Some(Health::Starting)) => "starting",
            (Some(State::Exited), _) if self.ends && container.exit == Some(0) => "completed",
            (Some(state), _) => state.word(),
            (None, _) if container.standing == Standing::Missing => "missing",
            (None, _) => "",
        }
    }

    /// How one of its containers is to look.
    #[must_use]
    pub fn look(&self, container: &Container) -> Look {
        let word = self.word(container);
        let known = WORDS.iter().find(|(_, w)| *w == word);
        known.map_or(Look::Plain, |(look, _)| *look)
    }

    /// Whether it is on a network that nodes share.
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

/// A container that nobody has looked at.
pub(super) fn container(name: &str) -> Container {
    Container {
        name: name.to_owned(),
        standing: Standing::Desired,
        state: None,
        health: None,
        exit: None,
    }
}
