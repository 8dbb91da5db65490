//! Folds equal nodes into one card, so that a picture of ten thousand nodes is one of ten.

use std::collections::HashMap;

use super::model::{Foreign, Graph, Join, Look, Node, Place, Service, Standing};
use crate::cluster::{Verdict, Wrong};
use crate::text::plural;

/// Up to this many nodes of a role are all drawn.
pub(super) const MOST: usize = 6;
/// How many nodes of a larger role are drawn before equal ones share a card.
const SHOWN: usize = 3;
/// With more kinds of nodes than this in a role, states no longer tell nodes apart.
const KINDS: usize = 8;
/// The longest list of names, in characters.
const LISTED: usize = 36;

/// One node, or several equal ones.
#[derive(Debug)]
pub(super) struct Card<'a> {
    /// The nodes of the card, at least one.
    pub(super) nodes: Vec<&'a Node>,
    /// The index of each node within its role.
    places: Vec<usize>,
}

/// What two nodes must have in common to share a card.
#[derive(PartialEq, Eq, Hash)]
struct Kind<'a> {
    standing: Standing,
    networks: Vec<(&'a str, Option<Standing>)>,
    services: Vec<ServiceKind<'a>>,
    foreign: &'a [Foreign],
}

#[derive(PartialEq, Eq, Hash)]
struct ServiceKind<'a> {
    name: &'a str,
    mode: Option<&'a str>,
    containers: usize,
    words: Option<Vec<(Standing, &'static str)>>,
    joins: Vec<(Place, [usize; 2], Option<Standing>)>,
    /// Whether all of its links are as they should be. Which they are is drawn elsewhere.
    linked: Option<bool>,
}

/// The cards of `graph`, by role, ordered by the first node of each. `unfold`: one card for each node.
pub(super) fn cards(graph: &Graph, unfold: bool) -> Vec<Card<'_>> {
    let mut cards = Vec::new();
    for nodes in graph.nodes.chunk_by(|a, b| a.role == b.role) {
        let first = cards.len();
        if unfold || nodes.len() <= MOST {
            cards.extend(nodes.iter().enumerate().map(one));
            continue;
        }
        let mut kinds = kinds(nodes, true);
        if kinds.len() > KINDS {
            kinds = self::kinds(nodes, false);
        }
        let largest = kinds.iter().map(Vec::len).max().unwrap_or_default();
        let mut shown = false;
        for mut places in kinds {
            // A few nodes of the commonest kind get a card each, so that one sees what the others are like.
            if places.len() == largest && largest > SHOWN + 1 && !shown {
                shown = true;
                cards.extend(places.drain(..SHOWN).map(|at| one((at, &nodes[at]))));
            }
            cards.push(Card {
                nodes: places.iter().map(|at| &nodes[*at]).collect(),
                places,
            });
        }
        cards[first..].sort_by_key(|c| c.places[0]);
    }
    cards
}

fn one((at, node): (usize, &Node)) -> Card<'_> {
    Card {
        nodes: vec![node],
        places: vec![at],
    }
}

/// The indices of equal nodes, ordered by the first of each kind.
fn kinds(nodes: &[Node], with_states: bool) -> Vec<Vec<usize>> {
    let mut kinds: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<Kind<'_>, usize> = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        let kind = *known.entry(kind(node, with_states)).or_insert(kinds.len());
        match kinds.get_mut(kind) {
            Some(places) => places.push(at),
            None => kinds.push(vec![at]),
        }
    }
    kinds
}

fn kind(node: &Node, with_states: bool) -> Kind<'_> {
    let state = |standing| with_states.then_some(standing);
    Kind {
        standing: match with_states || node.standing == Standing::Unwanted {
            true => node.standing,
            false => Standing::Desired,
        },
        networks: node
            .networks
            .iter()
            .map(|n| (n.key.as_str(), state(n.standing)))
            .collect(),
        services: node
            .services
            .iter()
            .map(|s| ServiceKind {
                name: &s.name,
                mode: s.network_mode.as_deref(),
                containers: s.containers.len(),
                words: with_states.then(|| s.containers.iter().map(|c| (c.standing, s.word(c))).collect()),
                joins: s
                    .joins
                    .iter()
                    .map(|j| (j.place, [j.names.len(), j.lost.len()], state(j.standing)))
                    .collect(),
                linked: with_states.then(|| {
                    s.links
                        .iter()
                        .all(|j| matches!(j.standing, Standing::Desired | Standing::There))
                }),
            })
            .collect(),
        foreign: &node.foreign,
    }
}

impl<'a> Card<'a> {
    /// The first node, which represents all.
    pub(super) fn first(&self) -> &'a Node {
        self.nodes[0]
    }

    /// The card's title: `slave1`, `slave4 … slave50`, `46 of slave4 … slave50`.
    pub(super) fn title(&self) -> String {
        self.several(self.nodes.iter().map(|n| n.name.as_str()))
    }

    /// A word or two beside the title; empty if there is nothing to add.
    pub(super) fn note(&self) -> String {
        let first = self.first();
        match self.nodes.len() {
            1 if first.standing == Standing::Unwanted => "not in the blueprint".to_owned(),
            1 if first.name.starts_with(&first.role) => String::new(),
            1 => first.role.clone(),
            n if first.standing == Standing::Unwanted => format!("{n} not in the blueprint"),
            n => plural(n, "node"),
        }
    }

    /// The details of the card's nodes, one line each.
    pub(super) fn details(&self) -> String {
        let names: Vec<&str> = self.nodes.iter().map(|n| n.name.as_str()).collect();
        let runs: Vec<String> = self.runs().map(|(a, b)| run(&names, a, b)).collect();
        let listed = match runs.len() {
            0..=12 => runs.join(", "),
            n => format!("{}, and {} more", runs[..10].join(", "), n - 10),
        };
        let mut lines = vec![listed, format!("role {}", self.first().role)];
        let projects = self.several(self.nodes.iter().map(|n| n.project.as_str()));
        if projects != self.title() && !projects.is_empty() {
            lines.push(format!("project {projects}"));
        }
        match self.first().standing {
            Standing::Desired | Standing::There => {}
            Standing::Missing => lines.push("missing".to_owned()),
            Standing::Unwanted => lines.push("not in the blueprint".to_owned()),
        }
        lines.join("\n")
    }

    /// One text for `texts`, which are one of each node: the common text, or the first and the last.
    pub(super) fn several<'t>(&self, texts: impl Iterator<Item = &'t str>) -> String {
        let texts: Vec<&str> = texts.collect();
        let Some(first) = texts.first() else {
            return String::new();
        };
        if texts.iter().all(|t| t == first) {
            return (*first).to_owned();
        }
        let runs: Vec<(usize, usize)> = self.runs().collect();
        let mut listed = String::new();
        for (a, b) in &runs {
            let comma = if listed.is_empty() { "" } else { ", " };
            listed = format!("{listed}{comma}{}", run(&texts, *a, *b));
            if listed.chars().count() > LISTED {
                break;
            }
        }
        match runs.len() > 1 && listed.chars().count() > LISTED {
            true => format!("{} of {first} … {}", texts.len(), texts[texts.len() - 1]),
            false => listed,
        }
    }

    /// The runs of consecutive nodes, as the first and last index in the card.
    fn runs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut at = 0;
        self.places.chunk_by(|a, b| a + 1 == *b).map(move |run| {
            let first = at;
            at += run.len();
            (first, at - 1)
        })
    }

    /// The same service of each node.
    fn each(&self, service: usize) -> impl Iterator<Item = &'a Service> + '_ {
        self.nodes.iter().map(move |n| &n.services[service])
    }

    /// The names of a service on a network, for all nodes of the card.
    pub(super) fn answers(&self, service: usize, join: usize) -> Vec<String> {
        self.listed(service, join, |j| &j.names)
    }

    /// The names that a service should have on a network and has not.
    pub(super) fn lost(&self, service: usize, join: usize) -> Vec<String> {
        self.listed(service, join, |j| &j.lost)
    }

    fn listed(&self, service: usize, join: usize, list: fn(&Join) -> &Vec<String>) -> Vec<String> {
        let count = list(&self.first().services[service].joins[join]).len();
        let name = |at: usize| self.several(self.each(service).map(|s| list(&s.joins[join])[at].as_str()));
        (0..count).map(name).collect()
    }

    /// The look of a service: the worst of all nodes.
    pub(super) fn look(&self, service: usize) -> Look {
        let each = self.each(service);
        let looks: Vec<Look> = each.flat_map(|s| s.containers.iter().map(|c| s.look(c))).collect();
        let worst = [Look::Missing, Look::Stopped, Look::Waiting, Look::Running];
        worst.into_iter().find(|l| looks.contains(l)).unwrap_or(Look::Plain)
    }

    /// The standing of a service on a network: missing if it is missing in any node.
    pub(super) fn standing(&self, service: usize, join: usize) -> Standing {
        let all = || self.each(service).map(|s| s.joins[join].standing);
        let missing = all().find(|s| *s == Standing::Missing);
        missing.or(all().next()).unwrap_or_default()
    }

    /// The name of a service, with the number of containers in each node.
    pub(super) fn name(&self, service: usize) -> String {
        let first = &self.first().services[service];
        match first.containers.len() {
            0 | 1 => first.name.clone(),
            count => format!("{} ×{count}", first.name),
        }
    }

    /// The text below a service's name: what is wrong with it, otherwise its ports.
    pub(super) fn remark(&self, service: usize) -> String {
        let first = &self.first().services[service];
        let states = self.states(service);
        match states.as_slice() {
            _ if first.containers.is_empty() => "no container".to_owned(),
            [] | [("running", _)]
                if first.standing == Standing::Unwanted && self.first().standing != Standing::Unwanted =>
            {
                "not in the blueprint".to_owned()
            }
            [] | [("running", _)] => match (&first.network_mode, first.ports.as_slice()) {
                (Some(mode), _) => mode_in_words(mode),
                (None, []) => String::new(),
                (None, ports) => self.ports(service, ports),
            },
            [(word, _)] => (*word).to_owned(),
            several => {
                let counted: Vec<String> = several.iter().map(|(w, n)| format!("{n} {w}")).collect();
                counted.join(", ")
            }
        }
    }

    /// The ports of a service if all nodes have the same; otherwise those of the first node.
    fn ports(&self, service: usize, first: &[String]) -> String {
        let same = self.each(service).all(|s| s.ports == first);
        let text = match first {
            [a, b, c, rest @ ..] if !rest.is_empty() => format!("{a} {b} {c} +{}", rest.len()),
            all => all.join(" "),
        };
        match same {
            true => text,
            false => format!("{text} …"),
        }
    }

    /// The states of a service's containers, and how many are in each.
    fn states(&self, service: usize) -> Vec<(&'static str, usize)> {
        let mut words: Vec<(&str, usize)> = Vec::new();
        let each = self.each(service).flat_map(|s| s.containers.iter().map(|c| s.word(c)));
        for word in each.filter(|w| !w.is_empty()) {
            match words.iter_mut().find(|(w, _)| *w == word) {
                Some((_, n)) => *n += 1,
                None => words.push((word, 1)),
            }
        }
        words
    }

    /// The details of a service, one line each, which show on hovering.
    pub(super) fn service_details(&self, service: usize) -> String {
        let first = &self.first().services[service];
        let mut lines = vec![first.name.clone()];
        let mut several = |what: &str, text: &dyn Fn(&'a Service) -> String| {
            let texts: Vec<String> = self.each(service).map(text).collect();
            let shown = self.several(texts.iter().map(String::as_str));
            if !shown.is_empty() {
                lines.push(format!("{what} {shown}"));
            }
        };
        several("container", &|s| match s.containers.as_slice() {
            [] => String::new(),
            [one] => one.name.clone(),
            [first, .., last] => format!("{} … {}", first.name, last.name),
        });
        several("image", &|s| s.image.clone());
        several("ports", &|s| s.ports.join(" "));
        several("network_mode:", &|s| s.network_mode.clone().unwrap_or_default());
        let states = self.states(service);
        match states.as_slice() {
            [] => {}
            [(word, _)] => lines.push((*word).to_owned()),
            several => lines.extend(several.iter().map(|(word, n)| format!("{n} {word}"))),
        }
        let each = self.each(service).flat_map(|s| &s.containers);
        let lost = each
            .flat_map(|c| c.verdict.iter().flat_map(Verdict::wrongs))
            .find(|w| matches!(w, Wrong::Lost(_)));
        lines.extend(lost.map(ToString::to_string));
        if first.standing == Standing::Unwanted {
            lines.push("not in the blueprint".to_owned());
        }
        for (at, join) in first.joins.iter().enumerate() {
            let network = self.several(self.each(service).map(|s| s.joins[at].network.as_str()));
            lines.push(self.joined(service, at, join, &network));
        }
        lines.extend(self.linked(service));
        lines.join("\n")
    }

    /// The links of a service: each of a single node, how many of several nodes.
    fn linked(&self, service: usize) -> Vec<String> {
        if self.nodes.len() > 1 {
            let counts: Vec<usize> = self.each(service).map(|s| s.links.len()).collect();
            let (least, most) = (counts.iter().min().copied(), counts.iter().max().copied());
            return match (least, most) {
                (_, None | Some(0)) => Vec::new(),
                (Some(least), Some(most)) if least < most => vec![format!("on {least} to {most} links")],
                (_, Some(most)) => vec![format!("on {}", plural(most, "link"))],
            };
        }
        let line = |join: &Join| match (join.standing, join.names.as_slice()) {
            (Standing::Missing, _) => format!("not on {}", join.network),
            (_, []) => format!("on {}", join.network),
            (_, names) => format!("on {} as {}", join.network, names.join(", ")),
        };
        self.first().services[service].links.iter().map(line).collect()
    }

    fn joined(&self, service: usize, at: usize, join: &Join, network: &str) -> String {
        let (names, lost) = (self.answers(service, at), self.lost(service, at));
        let named = match (names.is_empty(), join.shared && lost.is_empty()) {
            (false, _) => format!(" as {}", names.join(", ")),
            (true, true) => ", answers to no name of its node".to_owned(),
            (true, false) => String::new(),
        };
        match self.standing(service, at) {
            Standing::Desired | Standing::There => format!("on {network}{named}"),
            Standing::Missing if !lost.is_empty() => format!("on {network}{named}, not as {}", lost.join(", ")),
            Standing::Missing => format!("not on {network}"),
            Standing::Unwanted => format!("on {network}{named}, not in the blueprint"),
        }
    }
}

/// `slave4 … slave50`; both names if there are only two.
fn run(texts: &[&str], first: usize, last: usize) -> String {
    match last - first {
        0 => texts[first].to_owned(),
        1 => format!("{}, {}", texts[first], texts[last]),
        _ => format!("{} … {}", texts[first], texts[last]),
    }
}

/// `network_mode` in words short enough for a small box.
fn mode_in_words(mode: &str) -> String {
    match mode.split_once(':') {
        Some(("service" | "container", other)) => format!("with {other}"),
        None if mode == "none" => "no network".to_owned(),
        _ => format!("{mode} network"),
    }
}
