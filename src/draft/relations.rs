//! Who asks for whom across roles, and which role starts after which.

use std::collections::{BTreeMap, BTreeSet};

use super::numbered::Numbered;
use super::out::Out;
use super::services::{Service, asked};
use crate::blueprint::words;
use crate::yaml::{Entry, Node, Yaml};

/// What services of different roles have to do with one another.
#[derive(Debug, Default)]
pub(super) struct Relations {
    /// For each service that others ask for, the names by which they do. Those of a family are all counted for each member.
    pub(super) asked: BTreeMap<String, BTreeSet<String>>,
    /// Services that ask for services of other nodes.
    pub(super) asking: BTreeSet<String>,
    /// For each role, those that it starts after, and whether they must be healthy.
    pub(super) after: BTreeMap<String, BTreeMap<String, bool>>,
    /// Orders that were left out, since they go in a circle: the role that waited, and the other.
    pub(super) circles: Vec<(String, String)>,
    /// Named volumes that services of several nodes mount.
    pub(super) shared: BTreeSet<String>,
}

impl Relations {
    pub(super) fn new(
        document: &Node,
        services: &[Service<'_>],
        numbered: &Numbered<'_>,
        rest: &[Service<'_>],
        rest_role: &str,
    ) -> Self {
        // A node: its role, and its place in it.
        let mut homes: BTreeMap<&str, (&str, usize)> = rest.iter().map(|s| (s.name, (rest_role, 0))).collect();
        for role in &numbered.roles {
            for family in &role.families {
                homes.extend(
                    family
                        .members
                        .iter()
                        .enumerate()
                        .map(|(at, m)| (m.name, (role.name(), at))),
                );
            }
        }
        let mut found = Self::default();
        let handles: Vec<(String, &str)> = services
            .iter()
            .flat_map(|s| s.handles().into_iter().map(|h| (h, s.name)))
            .collect();
        let names: Vec<&str> = handles.iter().map(|(handle, _)| handle.as_str()).collect();
        let mut mounted: BTreeMap<String, BTreeSet<(&str, usize)>> = BTreeMap::new();
        for service in services {
            let home = homes.get(service.name);
            for volume in service.volumes() {
                mounted.entry(volume).or_default().extend(home);
            }
            let mut meant: Vec<(&str, &str)> = Vec::new();
            for text in service.texts(document) {
                meant.extend(asked(&text, &names).into_iter().map(|at| (handles[at].1, names[at])));
            }
            let refers = service.refers();
            meant.extend(
                handles
                    .iter()
                    .filter(|(h, of)| h == of && refers.contains(h))
                    .map(|(h, of)| (*of, h.as_str())),
            );
            for (of, handle) in meant {
                if of != service.name && homes.get(of) != home {
                    found.asked.entry(of.to_owned()).or_default().insert(handle.to_owned());
                    found.asking.insert(service.name.to_owned());
                }
            }
            for (of, condition) in service.waits() {
                if let (Some((own, _)), Some((other, _))) = (home, homes.get(of.as_str()))
                    && own != other
                {
                    let after = found.after.entry((*own).to_owned()).or_default();
                    *after.entry((*other).to_owned()).or_default() |= condition == "service_healthy";
                }
            }
        }
        found.shared = mounted
            .into_iter()
            .filter(|(_, homes)| homes.len() > 1)
            .map(|(volume, _)| volume)
            .collect();
        found.without_circles(rest_role);
        found
    }

    /// `after` of a role; `None` if it waits for no other.
    pub(super) fn order(&self, role: &str) -> Option<Out> {
        let after = self.after.get(role).filter(|after| !after.is_empty())?;
        if after.values().any(|healthy| *healthy) {
            let word = |healthy: bool| if healthy { "healthy" } else { "started" };
            let map = after
                .iter()
                .map(|(role, healthy)| (role.clone(), Out::Text(word(*healthy).to_owned())));
            return Some(Out::Map(map.collect()));
        }
        let roles: Vec<Out> = after.keys().cloned().map(Out::Text).collect();
        Some(match roles.as_slice() {
            [one] => one.clone(),
            _ => Out::List(roles),
        })
    }

    /// Leaves out orders until none goes in a circle, those of the rest first: it holds what the others need, as often as not.
    fn without_circles(&mut self, rest_role: &str) {
        while let Some(circle) = self.circle() {
            let at = circle.iter().position(|role| role == rest_role).unwrap_or(0);
            let (waits, other) = (circle[at].clone(), circle[(at + 1) % circle.len()].clone());
            if let Some(after) = self.after.get_mut(&waits) {
                after.remove(&other);
            }
            self.circles.push((waits, other));
        }
    }

    /// Roles of which each waits for the next, and the last for the first.
    fn circle(&self) -> Option<Vec<String>> {
        for start in self.after.keys() {
            let mut path: Vec<String> = vec![start.clone()];
            let mut seen: BTreeSet<&String> = BTreeSet::new();
            // Depth first: what is left to follow at each step of the path.
            let mut left: Vec<Vec<&String>> = vec![self.next(start)];
            while let Some(rest) = left.last_mut() {
                let Some(role) = rest.pop() else {
                    left.pop();
                    path.pop();
                    continue;
                };
                if role == start {
                    return Some(path);
                }
                if seen.insert(role) {
                    path.push(role.clone());
                    left.push(self.next(role));
                }
            }
        }
        None
    }

    fn next(&self, role: &str) -> Vec<&String> {
        self.after
            .get(role)
            .map(|after| after.keys().collect())
            .unwrap_or_default()
    }
}

/// `document` with the names of services in place of their fixed addresses, in texts by which services ask for one another; and
/// these addresses, each with its service.
pub(super) fn by_name(document: &Node) -> (Node, Vec<(String, String)>) {
    let services = super::services::all(document);
    let addresses: Vec<(String, String)> = services
        .iter()
        .flat_map(|s| s.addresses().into_iter().map(|a| (a, s.name.to_owned())))
        .collect();
    let mut named = document.clone();
    if addresses.is_empty() {
        return (named, addresses);
    }
    let from: Vec<&str> = addresses.iter().map(|(address, _)| address.as_str()).collect();
    let to: Vec<&str> = addresses.iter().map(|(_, name)| name.as_str()).collect();
    if let Yaml::Map(sections) = &mut named.value {
        for section in sections.iter_mut().filter(|s| s.key == "services") {
            let Yaml::Map(services) = &mut section.node.value else {
                continue;
            };
            for service in services {
                let Yaml::Map(keys) = &mut service.node.value else {
                    continue;
                };
                for key in keys.iter_mut().filter(|e| e.key != "networks") {
                    rename(key, &from, &to);
                }
            }
        }
    }
    (named, addresses)
}

fn rename(entry: &mut Entry, from: &[&str], to: &[&str]) {
    fn texts(node: &mut Node, from: &[&str], to: &[&str]) {
        match &mut node.value {
            Yaml::Text(text) => {
                if let Some(new) = words::replaced(text, from, to, &mut |_| ()) {
                    *text = new;
                }
            }
            Yaml::List(list) => list.iter_mut().for_each(|n| texts(n, from, to)),
            Yaml::Map(entries) => entries.iter_mut().for_each(|e| texts(&mut e.node, from, to)),
            _ => {}
        }
    }
    texts(&mut entry.node, from, to);
}
