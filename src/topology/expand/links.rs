//! The networks that the blueprint declares for the whole cluster. Those that a node joins are made, each with a subnet of
//! its own.

use std::collections::{HashMap, HashSet};

use minijinja::{Value as Scope, context};

use super::{Expansion, is_external, own_name, without, written_node};
use crate::blueprint::count::too_many;
use crate::blueprint::{self, MAX_COUNT};
use crate::diagnostic::{Problem, Span};
use crate::name::{NetworkKey, NetworkName};
use crate::template::Pattern;
use crate::text::decimal;
use crate::topology::extent::Extent;
use crate::topology::{Network, Node};
use crate::value::{Map, Value};

/// What a network that may be joined takes of the budget; bytes.
const LINK: usize = 256;

/// The networks of the cluster.
#[derive(Default)]
pub(super) struct Links {
    /// All that there are, by key, whether anybody joins them or not.
    by_key: HashMap<NetworkKey, Link>,
    /// Whether some are missing, because how many there are could not be told. Who names one of them is not to blame.
    pub(super) incomplete: bool,
    /// Those that nodes join and that somebody must make.
    pub(super) made: Vec<Made>,
}

/// A network of the cluster that is among the shared ones.
pub(super) struct Made {
    /// Its index among the shared networks.
    pub(super) at: usize,
    /// The index of the network of the blueprint that declares it.
    pub(super) declared: usize,
    /// Its indices, from 0: none of a single network.
    pub(super) ordinals: Vec<u32>,
    /// How many containers join it.
    pub(super) containers: usize,
}

/// One of them.
struct Link {
    /// Which network of the blueprint declares it.
    declared: usize,
    /// Its indices, from 1.
    position: Vec<u32>,
}

impl Links {
    /// Whether there is one with this key.
    pub(super) fn have(&self, key: &NetworkKey) -> bool {
        self.by_key.contains_key(key)
    }

    /// The keys of all, in no order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.by_key.keys().map(NetworkKey::as_str)
    }
}

impl Expansion<'_> {
    /// Counts the networks of the cluster. Their counts know the roles' nodes.
    pub(super) fn declare_links(&mut self) {
        let blueprint = self.blueprint;
        let mut links: HashMap<NetworkKey, Link> = HashMap::new();
        for (declared, network) in blueprint.networks.iter().enumerate() {
            let Some(extent) = self.extent(network) else {
                self.links.incomplete = true;
                continue;
            };
            let span = network.key.span;
            if self.sources.budget().spend(extent.len().saturating_mul(LINK)).is_err() {
                let problem = self.sources.budget().problem(span);
                self.problems.push(problem);
                return;
            }
            for position in extent.positions() {
                let Some(key) =
                    self.name::<NetworkKey>(&format!("{}{}", network.key.value, extent.suffix(&position)), span)
                else {
                    break;
                };
                let message = format!("two networks of the cluster are called `{key}`");
                if links.insert(key, Link { declared, position }).is_some() {
                    self.problems
                        .push(Problem::at(span, message).hint("call one of them otherwise"));
                    break;
                }
            }
        }
        self.links.by_key = links;
    }

    /// How many networks `network` stands for.
    fn extent(&mut self, network: &blueprint::ClusterNetwork) -> Option<Extent> {
        let Some(node) = &network.count else {
            return Some(Extent::Single);
        };
        let pattern = self.templates.compile(node, self.sources, &mut self.problems);
        let vars = self.cluster_vars();
        let found = self.problems.len();
        let value = self.evaluate(&pattern, &context! { vars })?;
        let mut number = |value: &Value, span: Span| {
            let text = value.scalar().unwrap_or_default();
            let number = decimal::<u32>(text.trim()).filter(|n| *n <= MAX_COUNT);
            if number.is_none() {
                self.problems.push(
                    Problem::at(span, format!("`{text}` is not a count"))
                        .label(format!("expected a whole number from 0 to {MAX_COUNT}")),
                );
            }
            number
        };
        let extent = match &value {
            Value::Map(map) => {
                let place = |key: &str| node.get(key).map_or(node.span, |n| n.span);
                let each = map
                    .iter()
                    .filter_map(|(key, value)| Some((key.clone(), number(value, place(key))?)));
                Extent::Dimensions(each.collect())
            }
            value => Extent::Numbered(number(value, node.span)?),
        };
        if self.problems.len() > found {
            return None;
        }
        let sides = match &extent {
            Extent::Dimensions(dimensions) => dimensions.iter().map(|(_, n)| *n).collect(),
            _ => vec![u32::try_from(extent.len()).unwrap_or(u32::MAX)],
        };
        if let Some(many) = too_many(sides.into_iter()) {
            let message = format!("{many} networks of one name, where {MAX_COUNT} are the most");
            self.problems.push(Problem::at(node.span, message));
            return None;
        }
        Some(extent)
    }

    /// Adds the networks of the cluster that `nodes` join to those that are shared, and tells the nodes their names.
    pub(super) fn add_links(&mut self, nodes: &mut [Node]) {
        let mut joined: HashMap<NetworkKey, usize> = HashMap::new();
        for service in nodes.iter().flat_map(|n| &n.services) {
            for attachment in service
                .attachments
                .iter()
                .filter(|a| a.shared && self.links.have(&a.network))
            {
                *joined.entry(attachment.network.clone()).or_default() += service.replicas as usize;
            }
        }
        let links = std::mem::take(&mut self.links.by_key);
        let mut all: Vec<(NetworkKey, &Link, usize)> = Vec::with_capacity(joined.len());
        all.extend(
            joined
                .into_iter()
                .filter_map(|(key, containers)| Some((key.clone(), links.get(&key)?, containers))),
        );
        // In the order of the blueprint, not in that of the map.
        all.sort_by(|(_, a, _), (_, b, _)| (a.declared, &a.position).cmp(&(b.declared, &b.position)));
        let found = self.problems.len();
        let blueprint = self.blueprint;
        let patterns: Vec<Option<Pattern>> = blueprint
            .networks
            .iter()
            .map(|n| {
                Some(
                    self.templates
                        .compile(n.options.as_ref()?, self.sources, &mut self.problems),
                )
            })
            .collect();
        let mut taken: HashSet<NetworkName> = self.shared.iter().map(|n| n.name.clone()).collect();
        let mut names: HashMap<NetworkKey, NetworkName> = HashMap::with_capacity(all.len());
        for (key, link, containers) in all {
            let network = self.link(&key, link, patterns[link.declared].as_ref(), &mut taken);
            // The others of the same name would repeat the same problem.
            if self.problems.len() > found {
                break;
            }
            let Some(network) = network else { continue };
            names.insert(key, network.name.clone());
            if !network.external && !network.options.contains_key("ipam") {
                self.links.made.push(Made {
                    at: self.shared.len(),
                    declared: link.declared,
                    ordinals: link.position.iter().map(|i| i - 1).collect(),
                    containers,
                });
            }
            self.shared.push(network);
        }
        for node in nodes {
            let mut known: Vec<NetworkKey> = Vec::new();
            for attachment in node.services.iter().flat_map(|s| &s.attachments).filter(|a| a.shared) {
                if let Some(name) = names.get(&attachment.network)
                    && !known.contains(&attachment.network)
                {
                    known.push(attachment.network.clone());
                    node.shared.push((attachment.network.clone(), name.clone()));
                }
            }
        }
        self.links.by_key = links;
    }

    /// The network of `link`, which services know as `key`, without its subnet. Its name must not be `taken`.
    fn link(
        &mut self,
        key: &NetworkKey,
        link: &Link,
        options: Option<&Pattern>,
        taken: &mut HashSet<NetworkName>,
    ) -> Option<Network> {
        let declared = &self.blueprint.networks[link.declared];
        let vars = self.cluster_vars();
        let index = link.position.first().copied();
        let names = declared.count.as_ref().map(|node| match &node.value {
            crate::yaml::Yaml::Map(entries) => entries.iter().map(|e| e.key.clone()).collect(),
            _ => vec!["index".to_owned()],
        });
        let own = names
            .into_iter()
            .flatten()
            .zip(link.position.iter().map(|i| Scope::from(*i)));
        let ordinal = index
            .filter(|_| link.position.len() == 1)
            .map(|i| ("ordinal".to_owned(), Scope::from(i - 1)));
        let scope = Scope::from_pairs(own.chain(ordinal).chain([("vars".to_owned(), vars)]));
        let options = match options {
            Some(pattern) => {
                let value = self.evaluate(pattern, &scope)?;
                let written = declared.options.as_ref().map(written_node);
                self.conformed(
                    value,
                    "networks.*",
                    &format!("networks.{}", declared.key.value),
                    written.as_ref(),
                )
            }
            None => Map::new().into(),
        };
        let span = declared.key.span;
        let external = is_external(&options);
        let name = own_name(&options).unwrap_or_else(|| match external {
            true => key.to_string(),
            false => format!("{}{key}", self.cluster.prefix()),
        });
        let name = self.name::<NetworkName>(&name, span)?;
        if !taken.insert(name.clone()) {
            self.problems.push(
                Problem::at(span, format!("two networks are called `{name}`"))
                    .hint("give each a `name` of its own, or leave it out")
                    .by_itself(),
            );
            return None;
        }
        Some(Network {
            key: key.clone(),
            name,
            subnet: None,
            external,
            link: Some(declared.key.value.clone()),
            options: without(&options, &["name", "external"]),
            written: declared.options.as_ref().map(written_node).unwrap_or_default(),
        })
    }
}
