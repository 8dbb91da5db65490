//! What is on a picture, before anybody says where: panels with items in them, and what hangs on what.

use super::fold::{self, Card};
use super::model::{Foreign, Graph, Look, Network, Place, Standing};

/// A picture without places.
#[derive(Debug)]
pub struct Scene {
    /// What stands above it.
    pub title: String,
    /// What it holds, and how that stands where the engine was looked at.
    pub summary: Vec<(String, Look)>,
    /// The networks that nodes share, the one of all first.
    pub networks: Vec<Strip>,
    /// Nodes, or several equal ones in one.
    pub panels: Vec<Panel>,
}

/// A network as it is drawn.
#[derive(Debug)]
pub struct Strip {
    /// What it is called.
    pub label: String,
    /// What else there is to say in short: its subnet, that it is external.
    pub note: String,
    /// All there is to say, a line each.
    pub details: String,
    /// How it looks.
    pub look: Look,
}

/// A node, or several equal ones.
#[derive(Debug)]
pub struct Panel {
    /// What it is called.
    pub title: String,
    /// What else is to be said in a word or two.
    pub note: String,
    /// All there is to say, a line each.
    pub details: String,
    /// How its frame looks.
    pub look: Look,
    /// Its role: panels of one role are of one width.
    pub role: String,
    /// How many nodes it stands for.
    pub count: usize,
    /// Its private networks.
    pub networks: Vec<Strip>,
    /// Its services, and containers of others among them.
    pub items: Vec<Item>,
}

/// A container, or the same one of several nodes.
#[derive(Debug)]
pub struct Item {
    /// What it is called.
    pub name: String,
    /// What is to be read below; may be empty.
    pub remark: String,
    /// All there is to say, a line each.
    pub details: String,
    /// How it looks.
    pub look: Look,
    /// The networks it hangs on.
    pub taps: Vec<Tap>,
}

/// An item on a network.
#[derive(Debug)]
pub struct Tap {
    /// Which network.
    pub place: Place,
    /// What it answers to there.
    pub names: Vec<String>,
    /// How the line looks: missing and foreign ones otherwise than the rest.
    pub look: Look,
}

impl Item {
    /// Whether it hangs on a network that nodes share.
    #[must_use]
    pub fn is_gate(&self) -> bool {
        self.taps.iter().any(|t| matches!(t.place, Place::Shared(_)))
    }
}

impl Scene {
    /// What is drawn of `graph`. `unfold`: each node on its own.
    #[must_use]
    pub fn of(graph: &Graph, unfold: bool) -> Self {
        let mut summary = vec![(graph.summary(), Look::Plain)];
        if graph.live {
            let tally = graph.tally().into_iter();
            summary.extend(tally.map(|(look, word, n)| (format!("{n} {word}"), look)));
        }
        let mut panels: Vec<Panel> = fold::cards(graph, unfold).iter().map(panel).collect();
        if !graph.foreign.is_empty() {
            panels.push(Panel {
                title: "foreign".to_owned(),
                note: String::new(),
                details: "containers of others".to_owned(),
                look: Look::Foreign,
                role: String::new(),
                count: 1,
                networks: Vec::new(),
                items: graph.foreign.iter().map(foreign).collect(),
            });
        }
        Self {
            title: graph.cluster.prefix().trim_end_matches('-').to_owned(),
            summary,
            networks: graph.networks.iter().map(|n| strip(graph, n)).collect(),
            panels,
        }
    }
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
        details.push("external: others make and remove it".to_owned());
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

/// What stands beside a line: also what should be a name and is none.
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
