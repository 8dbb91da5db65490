//! Which containers of a cluster are missing, as far as those that are there tell.
//!
//! | what is known | what must be there too |
//! | --- | --- |
//! | nodes of a role have the same services | each service of any of them, in all of them |
//! | nodes of a role are numbered from 1 | those below the highest number |
//! | containers of a service are numbered from 1 | those below the highest number |
//! | a container depends on services of its node | those |
//! | the blueprint that the cluster was created from | whatever it says of a node that is there, or of one before that |

use std::collections::{BTreeMap, BTreeSet};

use super::{ObservedContainer, label};
use crate::topology::Topology;

/// What is known of the nodes of one role.
#[derive(Default)]
struct Role<'a> {
    /// The services of each node, by name, with the highest number of a container.
    nodes: BTreeMap<String, BTreeMap<String, u32>>,
    /// The containers that are there: node, service, number.
    there: BTreeSet<(&'a str, &'a str, u32)>,
    /// Any container of the role.
    sample: Option<&'a ObservedContainer>,
}

/// A container for each that is missing among `containers` of one cluster: with the labels of a node, a role and a service,
/// and without an ID. Of nodes in `topology`, if that is known, it decides; the last nodes of a role may have been removed by
/// an `up` with a lower count, and are not missed.
#[must_use]
pub fn missing(containers: &[ObservedContainer], topology: Option<&Topology>) -> Vec<ObservedContainer> {
    let mut missing = by_labels(containers);
    let Some(topology) = topology else { return missing };
    let there: BTreeSet<(&str, &str, u32)> = containers.iter().map(|c| (c.node(), c.service(), c.number())).collect();
    let nodes: BTreeSet<&str> = containers.iter().map(ObservedContainer::node).collect();
    missing.retain(|c| !topology.nodes.iter().any(|node| node.name.as_str() == c.node()));
    let mut roles: BTreeSet<&str> = BTreeSet::new();
    for node in topology.nodes.iter().rev() {
        let (name, role) = (node.name.as_str(), node.role.as_str());
        // The nodes stand in their order, so those before one that is there come after it here.
        let is_expected = nodes.contains(name) || roles.contains(role) || name == role;
        if !is_expected {
            continue;
        }
        roles.insert(role);
        for service in &node.services {
            let numbers = (1..=service.replicas).filter(|n| !there.contains(&(name, service.name.as_str(), *n)));
            let cluster = topology.cluster.as_str();
            missing.extend(numbers.map(|number| placeholder([cluster, role, name, service.name.as_str()], number)));
        }
    }
    missing
}

/// What is missing according to the labels of the others.
fn by_labels(containers: &[ObservedContainer]) -> Vec<ObservedContainer> {
    let mut roles: BTreeMap<&str, Role<'_>> = BTreeMap::new();
    for container in containers.iter().filter(|c| !c.node().is_empty() && !c.is_helper()) {
        let role = roles.entry(container.role()).or_default();
        role.sample = Some(container);
        let (node, service, number) = (container.node(), container.service(), container.number());
        role.there.insert((node, service, number));
        let services = role.nodes.entry(node.to_owned()).or_default();
        let highest = services.entry(service.to_owned()).or_default();
        *highest = number.max(*highest);
    }
    for container in containers {
        let known = |key: &str| {
            let mut siblings = containers.iter().filter(|c| c.project() == container.project());
            siblings.any(|c| c.service_key() == key)
        };
        let Some(role) = roles.get_mut(container.role()) else {
            continue;
        };
        let Some(services) = role.nodes.get_mut(container.node()) else {
            continue;
        };
        for needed in container.depends_on().filter(|d| !known(d.key)) {
            let prefix = format!("{}-", container.node());
            let service = needed.key.strip_prefix(&prefix).unwrap_or(needed.key);
            services.entry(service.to_owned()).or_insert(1);
        }
    }
    roles.values_mut().flat_map(Role::missing).collect()
}

impl Role<'_> {
    fn missing(&mut self) -> Vec<ObservedContainer> {
        let services: BTreeSet<String> = self.nodes.values().flat_map(|own| own.keys().cloned()).collect();
        for node in self.skipped() {
            self.nodes.entry(node).or_default();
        }
        let mut missing = Vec::new();
        for (node, own) in &self.nodes {
            for service in &services {
                let highest = own.get(service).copied().unwrap_or(1);
                let absent = (1..=highest).filter(|n| !self.there.contains(&(node, service, *n)));
                let of = self
                    .sample
                    .map(|sample| [sample.cluster(), sample.role(), node, service]);
                missing.extend(absent.filter_map(|number| Some(placeholder(of?, number))));
            }
        }
        missing
    }

    /// Nodes between those that are there: `slave2` of `slave1` and `slave3`.
    fn skipped(&self) -> Vec<String> {
        let split = |name: &String| {
            let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
            Some((stem.to_owned(), name[stem.len()..].parse::<u32>().ok()?))
        };
        let mut numbers: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for (stem, number) in self.nodes.keys().filter_map(split) {
            numbers.entry(stem).or_default().insert(number);
        }
        // Names that are not simply numbered tell nothing.
        if numbers.len() != 1 || numbers.values().map(BTreeSet::len).sum::<usize>() != self.nodes.len() {
            return Vec::new();
        }
        let skipped = numbers.into_iter().flat_map(|(stem, known)| {
            let last = known.last().copied().unwrap_or_default();
            let all = (1..last).filter(move |n| !known.contains(n));
            all.map(move |n| format!("{stem}{n}"))
        });
        skipped.take(MOST).collect()
    }
}

/// A container that is missing, of that cluster, role, node and service.
fn placeholder(of: [&str; 4], number: u32) -> ObservedContainer {
    let keys = [label::CLUSTER, label::ROLE, label::NODE, label::SERVICE];
    let labels = keys
        .into_iter()
        .zip(of)
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let number = (label::compose::CONTAINER_NUMBER.to_owned(), number.to_string());
    ObservedContainer {
        labels: labels.chain([number]).collect(),
        ..ObservedContainer::default()
    }
}

/// The most nodes that are missed between others: a number that somebody chose, such as a year, is no count.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn container(role: &str, node: &str, service: &str, number: u32, needs: &str) -> ObservedContainer {
        let labels = [
            (label::ROLE, role.to_owned()),
            (label::NODE, node.to_owned()),
            (label::SERVICE, service.to_owned()),
            (label::compose::PROJECT, format!("lab-{node}")),
            (label::compose::SERVICE, service.to_owned()),
            (label::compose::CONTAINER_NUMBER, number.to_string()),
            (label::compose::DEPENDS_ON, needs.to_owned()),
        ];
        ObservedContainer {
            id: format!("{node}-{service}-{number}"),
            labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
            ..ObservedContainer::default()
        }
    }

    fn told(containers: &[ObservedContainer]) -> Vec<String> {
        let all = missing(containers, None);
        all.iter()
            .map(|c| format!("{}/{}-{}", c.node(), c.service(), c.number()))
            .collect()
    }

    #[test]
    fn what_others_tell_of_is_missed() {
        let whole = [
            container("slave", "slave1", "in", 1, ""),
            container("slave", "slave1", "db", 1, ""),
            container("slave", "slave2", "in", 1, ""),
            container("slave", "slave2", "db", 1, ""),
        ];
        assert_eq!(told(&whole), [""; 0]);
        assert_eq!(told(&whole[..3]), ["slave2/db-1"]);
        assert_eq!(told(&whole[2..]), ["slave1/db-1", "slave1/in-1"]);
        let needs = [container(
            "head",
            "head",
            "in",
            1,
            "db:service_started:false,head-api:service_healthy:true",
        )];
        assert_eq!(told(&needs), ["head/api-1", "head/db-1"]);
        let replicas = [
            container("head", "head", "pool", 3, ""),
            container("head", "head", "pool", 1, ""),
        ];
        assert_eq!(told(&replicas), ["head/pool-2"]);
    }

    #[test]
    fn names_that_are_not_numbered_tell_nothing() {
        let named = [
            container("site", "paris", "in", 1, ""),
            container("site", "rome2", "in", 1, ""),
        ];
        assert_eq!(told(&named), [""; 0]);
        assert_eq!(told(&[container("a", "a", "in", 1, "")]), [""; 0]);
    }
}
