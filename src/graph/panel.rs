//! What a picture shows, before it is laid out: panels with items in them, and the lines to networks.

use std::collections::HashMap;

use super::fold::{self, Card};
use super::model::{Foreign, Graph, Look, Network, Place, Standing};
use super::shape::{Edge, Shape};
use crate::text::plural;

/// A picture without positions.
#[derive(Debug)]
pub struct Scene {
    /// The title of the picture.
    pub title: String,
    /// The counts, and the states if the engine was observed.
    pub summary: Vec<(String, Look)>,
    /// Shared networks, the cluster's own first.
    pub networks: Vec<Strip>,
    /// Cards of nodes, in the order of the graph.
    pub panels: Vec<Panel>,
    /// How links join the nodes.
    pub shape: Shape,
    /// The links as ends at items, for formats that lay out themselves.
    pub cables: Vec<Cable>,
}

/// A link between items.
#[derive(Debug)]
pub struct Cable {
    /// The name of the link.
    pub label: String,
    /// The details, one line each, which show on hovering.
    pub details: String,
    /// The state that it is drawn as.
    pub look: Look,
    /// The items on it: the index of the panel, and that of the item in it.
    pub ends: Vec<(usize, usize)>,
}

/// A network to draw.
#[derive(Debug)]
pub struct Strip {
    /// The name on the bar.
    pub label: String,
    /// A short remark: the subnet, `external`.
    pub note: String,
    /// The details, one line each, which show on hovering.
    pub details: String,
    /// The state that it is drawn as.
    pub look: Look,
}

/// A card: a node, or several equal ones.
#[derive(Debug)]
pub struct Panel {
    /// The title: the node's name, or the first and last of several.
    pub title: String,
    /// A word or two beside the title; may be empty.
    pub note: String,
    /// The details, one line each, which show on hovering.
    pub details: String,
    /// The state that the frame is drawn as.
    pub look: Look,
    /// The role; panels of a role have the same width.
    pub role: String,
    /// How many nodes it represents.
    pub count: usize,
    /// The names of these nodes; none if it represents no node.
    pub nodes: Vec<String>,
    /// The private networks of the node.
    pub networks: Vec<Strip>,
    /// The services of the node, and containers of others on its networks.
    pub items: Vec<Item>,
}

/// A container, or the same one of several nodes.
#[derive(Debug)]
pub struct Item {
    /// The name in the box.
    pub name: String,
    /// The service, by its name inside the node; `None` for a container of others.
    pub service: Option<String>,
    /// The text below the name; may be empty.
    pub remark: String,
    /// The details, one line each, which show on hovering.
    pub details: String,
    /// The state that the box is drawn as.
    pub look: Look,
    /// The networks it is on.
    pub taps: Vec<Tap>,
}

/// The connection of an item to a network.
#[derive(Debug)]
pub struct Tap {
    /// The network, by index.
    pub place: Place,
    /// The names of the item on the network.
    pub names: Vec<String>,
    /// The state that the line is drawn as: plain, missing or foreign.
    pub look: Look,
}

impl Item {
    /// Whether the item is on a shared network.
    #[must_use]
    pub fn is_gate(&self) -> bool {
        self.taps.iter().any(|t| matches!(t.place, Place::Shared(_)))
    }
}

impl Scene {
    /// The scene of `graph`. `unfold`: equal nodes get a card each.
    #[must_use]
    pub fn of(graph: &Graph, unfold: bool) -> Self {
        let mut summary = vec![(graph.summary(), Look::Plain)];
        if graph.live {
            let tally = graph.tally().into_iter();
            summary.extend(tally.map(|(look, word, n)| (format!("{n} {word}"), look)));
        }
        summary.extend(graph.stale.iter().map(|stale| (stale.to_string(), Look::Stopped)));
        if let Some(linked) = Shape::too_large(graph).filter(|_| !unfold) {
            let links = graph.networks.iter().filter(|n| n.link).count();
            let links = plural(links, "link");
            summary.push((format!("{links} of {linked} nodes: `--unfold` draws them"), Look::Plain));
        }
        let shape = Shape::of(graph, unfold);
        // The networks that are bars, by their indices in the graph.
        let rails: Vec<usize> = (0..graph.networks.len())
            .filter(|at| !graph.networks[*at].link)
            .collect();
        let cards = fold::cards(graph, unfold);
        let cables = cables(graph, &cards, &shape);
        let mut panels: Vec<Panel> = cards.iter().map(panel).collect();
        if !graph.foreign.is_empty() {
            panels.push(Panel {
                title: "foreign".to_owned(),
                note: String::new(),
                details: "containers of others".to_owned(),
                look: Look::Foreign,
                role: String::new(),
                count: 1,
                nodes: Vec::new(),
                networks: Vec::new(),
                items: graph.foreign.iter().map(foreign).collect(),
            });
        }
        for tap in panels.iter_mut().flat_map(|p| &mut p.items).flat_map(|i| &mut i.taps) {
            if let Place::Shared(at) = &mut tap.place {
                *at = rails.binary_search(at).unwrap_or_default();
            }
        }
        Self {
            title: graph.cluster.prefix().trim_end_matches('-').to_owned(),
            summary,
            networks: rails.iter().map(|at| strip(graph, &graph.networks[*at])).collect(),
            panels,
            shape,
            cables,
        }
    }
}

/// The links of `shape` as ends at items; those of nodes that share a card are left out.
fn cables(graph: &Graph, cards: &[Card<'_>], shape: &Shape) -> Vec<Cable> {
    let mut ends: HashMap<usize, Vec<(usize, usize)>> = HashMap::new();
    for (at, card) in cards.iter().enumerate().filter(|(_, card)| card.nodes.len() == 1) {
        for (item, service) in card.first().services.iter().enumerate() {
            for join in &service.links {
                if let Place::Shared(network) = join.place {
                    ends.entry(network).or_default().push((at, item));
                }
            }
        }
    }
    let cable = |link: &Edge| Cable {
        label: graph.networks[link.network].key.clone(),
        details: link.details.clone(),
        look: link
            .ends
            .iter()
            .map(|(_, look)| *look)
            .find(|l| *l != Look::Plain)
            .unwrap_or(link.look),
        ends: ends.get(&link.network).cloned().unwrap_or_default(),
    };
    shape.links.iter().map(cable).filter(|c| !c.ends.is_empty()).collect()
}

fn strip(graph: &Graph, network: &Network) -> Strip {
    let ours = network.name == format!("{}{}", graph.cluster.prefix(), network.key);
    let label = if ours { &network.key } else { &network.name };
    let note = match (&network.subnet, network.external) {
        (Some(subnet), _) => subnet.clone(),
        (None, true) => "external".to_owned(),
        (None, false) => String::new(),
    };
    let mut details = vec![format!("network {}", network.name)];
    details.extend(network.subnet.clone());
    if network.external {
        details.push("external: others create and remove it".to_owned());
    }
    details.extend(standing_in_words(network.standing));
    Strip {
        label: label.clone(),
        note,
        details: details.join("\n"),
        look: network.standing.into(),
    }
}

fn standing_in_words(standing: Standing) -> Option<String> {
    match standing {
        Standing::Desired | Standing::There => None,
        Standing::Missing => Some("missing".to_owned()),
        Standing::Unwanted => Some("not in the blueprint".to_owned()),
    }
}

fn panel(card: &Card<'_>) -> Panel {
    let first = card.first();
    let items = (0..first.services.len()).map(|at| item(card, at));
    Panel {
        title: card.title(),
        note: card.note(),
        details: card.details(),
        look: first.standing.into(),
        role: first.role.clone(),
        count: card.nodes.len(),
        nodes: card.nodes.iter().map(|n| n.name.clone()).collect(),
        networks: (0..first.networks.len()).map(|at| private(card, at)).collect(),
        items: items.chain(first.foreign.iter().map(foreign)).collect(),
    }
}

fn private(card: &Card<'_>, at: usize) -> Strip {
    let network = &card.first().networks[at];
    let all = || card.nodes.iter().map(|n| &n.networks[at]);
    let missing = all().any(|n| n.standing == Standing::Missing);
    let standing = if missing { Standing::Missing } else { network.standing };
    let mut details = vec![format!("network {}", card.several(all().map(|n| n.name.as_str())))];
    let subnets = card.several(all().map(|n| n.subnet.as_deref().unwrap_or_default()));
    details.extend(Some(subnets).filter(|s| !s.is_empty()));
    details.extend(standing_in_words(standing));
    Strip {
        label: network.key.clone(),
        note: String::new(),
        details: details.join("\n"),
        look: standing.into(),
    }
}

fn item(card: &Card<'_>, at: usize) -> Item {
    let service = &card.first().services[at];
    let taps = service.joins.iter().enumerate();
    Item {
        name: card.name(at),
        service: Some(service.name.clone()),
        remark: card.remark(at),
        details: card.service_details(at),
        look: card.look(at),
        taps: taps
            .map(|(join, j)| Tap {
                place: j.place,
                names: names(card, at, join),
                look: card.standing(at, join).into(),
            })
            .collect(),
    }
}

/// The names beside a line, with those that are missing.
fn names(card: &Card<'_>, service: usize, join: usize) -> Vec<String> {
    let lost = card.lost(service, join).into_iter().map(|name| format!("not {name}"));
    lost.chain(card.answers(service, join)).collect()
}

fn foreign(foreign: &Foreign) -> Item {
    let mut details = vec![foreign.name.clone()];
    details.push(match foreign.ours {
        true => "of another node of the cluster".to_owned(),
        false => "not of the cluster".to_owned(),
    });
    details.extend(foreign.networks.iter().map(|n| format!("on {n}")));
    Item {
        name: foreign.name.clone(),
        service: None,
        remark: match foreign.ours {
            true => "of another node".to_owned(),
            false => "foreign".to_owned(),
        },
        details: details.join("\n"),
        look: Look::Foreign,
        taps: foreign
            .places
            .iter()
            .map(|place| Tap {
                place: *place,
                names: Vec::new(),
                look: Look::Foreign,
            })
            .collect(),
    }
}
