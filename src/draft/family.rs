//! Families: services whose names are alike but for a number, such as `kafka1` to `kafka3`.

use std::collections::{BTreeMap, BTreeSet};

use super::pattern::{Number, runs};
use super::services::Service;
use crate::blueprint::words;

/// Services that become the nodes of one role.
#[derive(Debug, Clone)]
pub(super) struct Family<'d> {
    /// Its members, in the order of their numbers.
    pub(super) members: Vec<Service<'d>>,
    /// What stands before the number in their names, and after it.
    pub(super) around: (String, String),
    /// The number in their names.
    pub(super) number: Number,
    /// The name of the role.
    pub(super) role: String,
    /// What stands before the number in the names of nodes, and after it.
    pub(super) node: (String, String),
    /// The key of the service in the role.
    pub(super) key: String,
}

/// A family that was found, and services that might have been of it.
pub(super) struct Found<'d> {
    pub(super) families: Vec<Family<'d>>,
    /// The names of services that are numbered alike and stay out, each with the family's role.
    pub(super) left: Vec<(String, String)>,
}

impl Family<'_> {
    /// The name of the member at this place, also of one that is not there yet.
    pub(super) fn name(&self, at: usize) -> String {
        format!("{}{}{}", self.around.0, self.number.at(at), self.around.1)
    }

    /// The name of the node at this place.
    pub(super) fn node_name(&self, at: usize) -> String {
        format!("{}{}{}", self.node.0, self.number.at(at), self.node.1)
    }

    /// Whether nodes are called as their services were.
    pub(super) fn keeps_names(&self) -> bool {
        self.node == self.around
    }

    /// The template for the name of a member, of the node `of`: `{{ node.name }}`, or with its number.
    pub(super) fn own(&self, of: &str) -> String {
        match self.keeps_names() {
            true => format!("{{{{ {of}name }}}}"),
            false => {
                let number = self.number.expression(of);
                format!("{}{{{{ {number} }}}}{}", self.around.0, self.around.1)
            }
        }
    }

    /// `node:` of the role; `None` where nodes are called as the role and counted from 1.
    pub(super) fn node_template(&self) -> Option<String> {
        let usual =
            self.number.start == 1 && self.number.width == 0 && self.node.1.is_empty() && self.node.0 == self.role;
        let number = self.number.expression("");
        (!usual).then(|| format!("{}{{{{ {number} }}}}{}", self.node.0, self.node.1))
    }
}

/// A way to see a number in a name: what stands before and after it.
type Stem<'d> = (&'d str, &'d str, usize);

/// The families among `services`; the largest first; of two that are as large, the one with its number in
/// the first part of a name with dots, then the one with the later number.
pub(super) fn find<'d>(services: &[Service<'d>]) -> Found<'d> {
    let mut stems: BTreeMap<Stem<'d>, Vec<(u64, Service<'d>)>> = BTreeMap::new();
    for service in services.iter().filter(|s| s.is_active()) {
        for (stem, number) in numbers(service.name) {
            stems.entry(stem).or_default().push((number, *service));
        }
    }
    let mut candidates: Vec<(Stem<'d>, Vec<(u64, Service<'d>)>)> = stems.into_iter().collect();
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    let mut found = Found {
        families: Vec::new(),
        left: Vec::new(),
    };
    loop {
        for (_, members) in &mut candidates {
            members.retain(|(_, s)| !taken.contains(s.name));
        }
        let runs = candidates.iter().map(|(stem, members)| (*stem, run(members)));
        let best = runs.max_by_key(|(stem, members)| (members.len(), !stem.0.contains('.'), stem.0.len()));
        let Some((stem, members)) = best.filter(|(_, members)| members.len() > 1) else {
            break;
        };
        taken.extend(members.iter().map(|(_, s)| s.name));
        found.families.push(family(stem, &members, services));
    }
    let order = |name: &str| services.iter().position(|s| s.name == name);
    found.families.sort_by_key(|f| order(f.members[0].name));
    distinct(&mut found.families);
    for family in &found.families {
        let left = services.iter().filter(|s| !taken.contains(s.name)).filter(|s| {
            let numbers = numbers(s.name).into_iter();
            numbers
                .map(|(stem, _)| stem)
                .any(|(a, b, _)| a == family.around.0 && b == family.around.1)
        });
        found
            .left
            .extend(left.map(|s| (s.name.to_owned(), family.role.clone())));
    }
    found
}

/// The numbers in `name`, each with what is around it and how wide it is written, 0 without zeros before it.
fn numbers(name: &str) -> Vec<(Stem<'_>, u64)> {
    let mut found = Vec::new();
    let mut at = 0;
    for run in runs(name) {
        let width = if run.len() > 1 && run.starts_with('0') {
            run.len()
        } else {
            0
        };
        if let Ok(number) = run.parse::<u64>()
            && run.len() < 7
            && at + run.len() <= name.len()
        {
            found.push(((&name[..at], &name[at + run.len()..], width), number));
        }
        at += run.len();
    }
    found
}

/// The longest run of members that are counted up one by one and have one image.
fn run<'d>(members: &[(u64, Service<'d>)]) -> Vec<(u64, Service<'d>)> {
    let mut kinds: Vec<(String, Vec<(u64, Service<'d>)>)> = Vec::new();
    for (number, service) in members {
        let kind = kind(service);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, list)) => list.push((*number, *service)),
            None => kinds.push((kind, vec![(*number, *service)])),
        }
    }
    let mut best: Vec<(u64, Service<'d>)> = Vec::new();
    for (_, mut list) in kinds {
        list.sort_by_key(|(number, _)| *number);
        list.dedup_by_key(|(number, _)| *number);
        let mut current: Vec<(u64, Service<'d>)> = Vec::new();
        for member in list {
            if current.last().is_some_and(|(before, _)| before + 1 != member.0) {
                current.clear();
            }
            current.push(member);
            if current.len() > best.len() {
                best.clone_from(&current);
            }
        }
    }
    best
}

/// What a service runs: members of a family run the same, but for their own names.
fn kind(service: &Service<'_>) -> String {
    let text = |key: &str| {
        service
            .get(key)
            .and_then(|node| node.scalar().or_else(|| Some(format!("{:?}", bare(node)))))
    };
    let parts = ["image", "build", "network_mode"].map(|key| text(key).unwrap_or_default());
    let [image, build, mode] = parts;
    let without = |text: String| words::replaced(&text, &[service.name], &["\u{E000}"], &mut |_| ()).unwrap_or(text);
    // Each may share the network of a member of another family.
    let mode: String = mode.chars().filter(|c| !c.is_ascii_digit()).collect();
    [without(image), without(build), mode].join("\n")
}

/// A value without its places.
fn bare(node: &crate::yaml::Node) -> crate::value::Value {
    crate::value::Value::from(node)
}

fn family<'d>(stem: Stem<'d>, members: &[(u64, Service<'d>)], services: &[Service<'d>]) -> Family<'d> {
    let (before, after, width) = stem;
    let number = Number {
        start: members.first().map_or(0, |(number, _)| *number),
        step: 1,
        width,
    };
    let own = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = before.chars().chain(after.chars()).all(own)
        && before.starts_with(|c: char| c.is_ascii_lowercase())
        && !after.ends_with('-');
    let node = match is_name {
        true => (before.to_owned(), after.to_owned()),
        false => (plain(before), plain(&without_domain(before, after))),
    };
    let stem = format!("{}-{}", node.0.trim_end_matches('-'), node.1.trim_start_matches('-'));
    let role = stem
        .trim_matches(|c: char| c == '-' || c.is_ascii_digit() && node.0.is_empty())
        .to_owned();
    let role = if role.starts_with(|c: char| c.is_ascii_lowercase()) {
        role
    } else {
        "member".to_owned()
    };
    let mut role: String = role.chars().take(30).collect();
    role.truncate(role.trim_end_matches('-').len());
    let is_free = |key: &str| !services.iter().any(|s| s.name == key);
    let keys = [role.as_str(), "server", "app", "node"];
    let key = keys.into_iter().find(|key| is_free(key)).unwrap_or("member").to_owned();
    Family {
        members: members.iter().map(|(_, s)| *s).collect(),
        around: (before.to_owned(), after.to_owned()),
        number,
        role,
        node,
        key,
    }
}

/// What stands after the number without the domain at its end: `.org1.example.com` without `.example.com`.
fn without_domain(before: &str, after: &str) -> String {
    let labels: Vec<&str> = after.split('.').collect();
    let keep = match (before.contains('.'), labels.len()) {
        (_, 0 | 1) => labels.len(),
        (_, 2) => 1,
        (_, n) => n - 2,
    };
    labels[..keep].join(".")
}

/// Characters of names of nodes only.
fn plain(text: &str) -> String {
    let mut made = String::new();
    for c in text.to_lowercase().chars() {
        match c {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => made.push(c),
            _ if !made.ends_with('-') => made.push('-'),
            _ => {}
        }
    }
    made.trim_start_matches('-').to_owned().replace("--", "-")
}

/// Gives each role a name of its own.
fn distinct(families: &mut [Family<'_>]) {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for family in families {
        if !family.node.1.is_empty() && !family.keeps_names() {
            family.node.1 = format!("-{}", family.node.1.trim_matches('-'));
        }
        while !names.insert(family.role.clone()) {
            family.role.push('x');
        }
    }
}
