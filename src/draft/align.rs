//! Compares the members of a family key by key: what all have, what follows from a name or a number, and what is one member's
//! alone.

use std::collections::BTreeSet;

use super::family::Family;
use super::out::Out;
use super::pattern::{self, OWN};
use super::peers::Lists;
use crate::blueprint::words;
use crate::compose::table::{self, Merge};
use crate::compose::{references, uses};
use crate::yaml::{Entry, Node, Yaml};

/// Keys that are not compared: references between services, and networks, of which every node has its own.
const APART: &[&str] = &["depends_on", "links", "volumes_from", "networks", "profiles", "extends"];

/// How the members compare at one path.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) path: Vec<String>,
    /// What a node has there; `None` for nothing.
    pub(super) usual: Option<Shape>,
    /// The members that have something else: their place, and what they have.
    pub(super) exceptions: Vec<(usize, Option<Out>)>,
}

/// A value as a template for all members.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) value: Out,
    pub(super) change: Change,
    /// The lists of peers in it.
    pub(super) lists: BTreeSet<usize>,
    /// The families of the role whose names are to be replaced in it, by their places.
    pub(super) names: BTreeSet<usize>,
}

impl Shape {
    /// One that holds others.
    fn of(value: Out, parts: Vec<Shape>) -> Self {
        let change = parts.iter().map(|part| part.change).max().unwrap_or(Change::Same);
        Self {
            value,
            change,
            lists: parts.iter().flat_map(|part| part.lists.clone()).collect(),
            names: parts.iter().flat_map(|part| part.names.clone()).collect(),
        }
    }
}

/// What has to be said so that each node has its own value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Nothing: all have the same.
    Same,
    /// Names and lists of peers are to be replaced.
    Named,
    /// The value is to be said anew.
    Made,
}

/// What compares the members of one of `families`.
pub(super) struct Align<'a, 'd> {
    pub(super) families: &'a [Family<'d>],
    /// The families of the role, of which each node has one member.
    pub(super) role: &'a [Family<'d>],
    /// The place of this one among them.
    pub(super) place: usize,
    pub(super) family: &'a Family<'d>,
    pub(super) lists: &'a mut Lists,
}

impl Align<'_, '_> {
    /// All paths at which something is to be said, or that are the same and hold a member's own name.
    pub(super) fn all(&mut self) -> Vec<Compared> {
        let mut keys: Vec<&str> = Vec::new();
        for entry in self.family.members.iter().flat_map(|m| m.keys()) {
            if !keys.contains(&entry.key.as_str()) && !APART.contains(&entry.key.as_str()) {
                keys.push(&entry.key);
            }
        }
        let mut found = Vec::new();
        for key in keys {
            let row = table::at("services.*").and_then(|row| row.key(key));
            let is_keyed = row.is_some_and(|row| row.merge == Merge::Keyed);
            let members = self.family.members.clone();
            let values: Vec<Option<&Node>> = members.iter().map(|m| m.get(key)).collect();
            // References follow what services are renamed to.
            let refers = |node: &&Node| node.scalar().is_some_and(|text| text.starts_with("service:"));
            if references::may_refer(key) && values.iter().flatten().all(refers) {
                continue;
            }
            let are_maps = values.iter().flatten().all(|n| matches!(n.value, Yaml::Map(_)));
            if is_keyed || are_maps {
                let maps: Vec<Vec<Entry>> = values.iter().map(|n| n.map(entries).unwrap_or_default()).collect();
                let mut names: Vec<&str> = Vec::new();
                for entry in maps.iter().flatten() {
                    if !names.contains(&entry.key.as_str()) {
                        names.push(&entry.key);
                    }
                }
                for name in names {
                    let values: Vec<Option<&Node>> = maps
                        .iter()
                        .map(|map| map.iter().find(|e| e.key == name).map(|e| &e.node))
                        .collect();
                    let path = vec![key.to_owned(), name.to_owned()];
                    found.push(self.at(path, &values));
                }
            } else {
                found.push(self.at(vec![key.to_owned()], &values));
            }
        }
        found
    }

    /// How the values at `path` compare; `None` in the place of a member that has none.
    fn at(&mut self, path: Vec<String>, values: &[Option<&Node>]) -> Compared {
        let all: Vec<usize> = (0..values.len()).collect();
        if let Some(usual) = self.usual(&path, values, &all) {
            return Compared {
                path,
                usual,
                exceptions: Vec::new(),
            };
        }
        let present: Vec<usize> = all.iter().copied().filter(|at| values[*at].is_some()).collect();
        // Of two members, the one that has something more is the exception, else the second.
        let candidates = match (values.len(), present.as_slice()) {
            (2, [one]) => vec![*one],
            (2, _) => vec![1],
            _ => all.clone(),
        };
        let literals: Vec<Option<Out>> = (0..values.len())
            .map(|at| Some(self.literal(values[at]?, at)))
            .collect();
        let literal = |at: usize| literals[at].clone();
        for out in candidates {
            let rest: Vec<usize> = all.iter().copied().filter(|at| *at != out).collect();
            if let Some(usual) = self.usual(&path, values, &rest) {
                let exceptions = vec![(out, literal(out))];
                return Compared {
                    path,
                    usual,
                    exceptions,
                };
            }
        }
        let usual = self.usual(&path, values, &[0]).unwrap_or_default();
        Compared {
            path,
            usual,
            exceptions: (1..values.len()).map(|at| (at, literal(at))).collect(),
        }
    }

    /// What the members at these places have in common: `Some(None)` if they have nothing; `None` if there is no common.
    #[allow(clippy::option_option)]
    fn usual(&mut self, path: &[String], values: &[Option<&Node>], of: &[usize]) -> Option<Option<Shape>> {
        let some: Vec<(usize, &Node)> = of.iter().filter_map(|at| Some((*at, values[*at]?))).collect();
        if some.is_empty() {
            return Some(None);
        }
        if some.len() < of.len() {
            return None;
        }
        match path {
            [key] if key == "volumes" => self.volumes(&some).map(Some),
            _ => self.value(&some).map(Some),
        }
    }

    /// A value as the member `at` has it, with its lists as templates.
    fn literal(&mut self, node: &Node, at: usize) -> Out {
        match &node.value {
            Yaml::Text(text) => {
                let signed = self.lists.signed_own(text, self.families, self.family, at);
                match pattern::of(&[(at, signed.clone())]).filter(|_| signed != *text) {
                    Some(parts) => Out::Text(pattern::written(&parts, "", "node.", &self.lists.templates)),
                    None => Out::from(node),
                }
            }
            Yaml::List(list) => Out::List(list.iter().map(|n| self.literal(n, at)).collect()),
            Yaml::Map(map) => Out::Map(map.iter().map(|e| (e.key.clone(), self.literal(&e.node, at))).collect()),
            _ => Out::from(node),
        }
    }

    fn value(&mut self, values: &[(usize, &Node)]) -> Option<Shape> {
        let (_, first) = values.first()?;
        match &first.value {
            Yaml::List(list) => {
                let same_length = |node: &Node| matches!(&node.value, Yaml::List(other) if other.len() == list.len());
                if !values.iter().all(|(_, n)| same_length(n)) {
                    return None;
                }
                let mut parts = Vec::with_capacity(list.len());
                for at in 0..list.len() {
                    let each = values.iter().map(|(n, node)| match &node.value {
                        Yaml::List(other) => Some((*n, &other[at])),
                        _ => None,
                    });
                    parts.push(self.value(&each.collect::<Option<Vec<_>>>()?)?);
                }
                let items = parts.iter().map(|part| part.value.clone()).collect();
                Some(Shape::of(Out::List(items), parts))
            }
            Yaml::Map(map) => {
                let same_keys = |node: &Node| matches!(&node.value, Yaml::Map(other) if other.len() == map.len());
                if !values.iter().all(|(_, n)| same_keys(n)) {
                    return None;
                }
                let mut parts = Vec::with_capacity(map.len());
                for entry in map {
                    let each = values.iter().map(|(n, node)| Some((*n, node.get(&entry.key)?)));
                    parts.push(self.value(&each.collect::<Option<Vec<_>>>()?)?);
                }
                let keys = map.iter().map(|e| e.key.clone());
                let entries = keys.zip(parts.iter().map(|part| part.value.clone())).collect();
                Some(Shape::of(Out::Map(entries), parts))
            }
            _ => {
                let texts = values.iter().map(|(n, node)| match node.value {
                    Yaml::Null => Some((*n, String::new())),
                    _ => Some((*n, node.scalar()?)),
                });
                let texts: Vec<(usize, String)> = texts.collect::<Option<_>>()?;
                let mut shape = self.text(&texts)?;
                if shape.change == Change::Same {
                    shape.value = Out::from(*first);
                }
                Some(shape)
            }
        }
    }

    /// A text of each member, as a template.
    fn text(&mut self, texts: &[(usize, String)]) -> Option<Shape> {
        let signed: Vec<(usize, String)> = texts
            .iter()
            .map(|(at, text)| (*at, self.lists.signed_own(text, self.families, self.family, *at)))
            .collect();
        let (_, first) = signed.first()?;
        let lists: BTreeSet<usize> = first.chars().filter_map(pattern::peers).collect();
        let own = self.family.own("node.");
        if texts.len() > 1 && signed.iter().all(|(_, text)| text == first) {
            let parts = pattern::of(&signed[..1])?;
            let value = Out::Text(pattern::written(&parts, &own, "node.", &self.lists.templates));
            let change = if lists.is_empty() { Change::Same } else { Change::Named };
            let names = BTreeSet::new();
            return Some(Shape {
                value,
                change,
                lists,
                names,
            });
        }
        let mut names = BTreeSet::new();
        let named: Vec<(usize, String)> = signed
            .iter()
            .map(|(at, text)| (*at, self.without_names(text, *at, &mut names)))
            .collect();
        let parts = pattern::of(&named)?;
        let value = Out::Text(pattern::written(&parts, &own, "node.", &self.lists.templates));
        let change = match named.iter().all(|(_, text)| *text == named[0].1) {
            false => Change::Made,
            true if lists.is_empty() && names.is_empty() => Change::Same,
            true => Change::Named,
        };
        Some(Shape {
            value,
            change,
            lists,
            names,
        })
    }

    /// `text` of the member `at`, with a sign in place of its own name, and for the other members of its node their keys there.
    /// `names` hears which were found.
    fn without_names(&self, text: &str, at: usize, names: &mut BTreeSet<usize>) -> String {
        let all: Vec<String> = self.role.iter().map(|family| family.name(at)).collect();
        let with = self
            .role
            .iter()
            .enumerate()
            .map(|(place, family)| match place == self.place {
                true => OWN.to_string(),
                false => family.key.clone(),
            });
        let with: Vec<String> = with.collect();
        let (all, with): (Vec<&str>, Vec<&str>) = (
            all.iter().map(String::as_str).collect(),
            with.iter().map(String::as_str).collect(),
        );
        let made = words::replaced(text, &all, &with, &mut |which| {
            names.insert(which);
        });
        made.unwrap_or_else(|| text.to_owned())
    }

    /// Mounts: what a node calls a volume of its own is nobody else's matter.
    fn volumes(&mut self, values: &[(usize, &Node)]) -> Option<Shape> {
        let lists = values.iter().map(|(n, node)| match &node.value {
            Yaml::List(list) => Some((*n, list)),
            _ => None,
        });
        let lists: Vec<(usize, &Vec<Node>)> = lists.collect::<Option<_>>()?;
        let (_, first) = lists.first()?;
        if lists.iter().any(|(_, list)| list.len() != first.len()) {
            return None;
        }
        let mut parts = Vec::with_capacity(first.len());
        for at in 0..first.len() {
            let named: Option<Vec<String>> = lists.iter().map(|(_, list)| uses::volume(&list[at])).collect();
            let of_first = named.as_ref().and_then(|n| n.first().cloned());
            let items: Vec<Node> = lists
                .iter()
                .map(|(_, list)| match &of_first {
                    // They are compared as if all volumes had one name.
                    Some(name) => with_volume(&list[at], name),
                    None => list[at].clone(),
                })
                .collect();
            let items: Vec<(usize, &Node)> = lists.iter().map(|(n, _)| *n).zip(&items).collect();
            parts.push(self.value(&items)?);
        }
        let items = parts.iter().map(|part| part.value.clone()).collect();
        Some(Shape::of(Out::List(items), parts))
    }
}

/// An item of `volumes` with another volume.
fn with_volume(item: &Node, name: &str) -> Node {
    let mut item = item.clone();
    match &mut item.value {
        Yaml::Text(text) => {
            if let Some((_, rest)) = text.split_once(':') {
                *text = format!("{name}:{rest}");
            }
        }
        Yaml::Map(entries) => {
            for entry in entries.iter_mut().filter(|e| e.key == "source") {
                entry.node.value = Yaml::Text(name.to_owned());
            }
        }
        _ => {}
    }
    item
}

/// The entries of a map, or of a list of `KEY=VALUE`.
fn entries(node: &Node) -> Vec<Entry> {
    match &node.value {
        Yaml::Map(entries) => entries.clone(),
        Yaml::List(list) => {
            let entry = |item: &Node| {
                let text = item.scalar()?;
                let (key, value) = match text.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Yaml::Text(value.to_owned())),
                    None => (text, Yaml::Null),
                };
                Some(Entry {
                    key,
                    key_span: item.span,
                    node: Node { value, ..item.clone() },
                })
            };
            list.iter().filter_map(entry).collect()
        }
        _ => Vec::new(),
    }
}
