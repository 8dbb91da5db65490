//! A part of a cluster, for commands that act on nothing else of it: `up TARGET`, `down TARGET`.
//!
//! What lies outside counts as somebody else's. So a plan for a part never touches it, and takes neither its names nor its
//! ports.

use std::collections::{HashMap, HashSet};

use super::{NoMatch, Target, present, select};
use crate::cluster::{ContainerSpec, Desired, DesiredNode, Observed, ObservedContainer, label};
use crate::name::ClusterName;

/// Leaves of `desired` the containers that `targets` name, with everything that they depend on if `dependencies` says so,
/// and the networks and volumes of those. All stays if there is no target.
///
/// # Errors
/// As for [`select`].
pub fn narrow(desired: &mut Desired, targets: &[Target], dependencies: bool) -> Result<(), Vec<NoMatch>> {
    if targets.is_empty() {
        return Ok(());
    }
    let listed: Vec<ObservedContainer> = desired.containers().map(|spec| as_observed(spec)).collect();
    let named = select(targets, &listed)?.into_iter().map(|c| c.name.clone()).collect();
    let chosen = match dependencies {
        true => with_dependencies(desired, named),
        false => named,
    };
    for node in &mut desired.nodes {
        node.containers.retain(|spec| chosen.contains(spec.name.as_str()));
        let on_it = |name: &str| {
            let mut endpoints = node.containers.iter().flat_map(|spec| &spec.endpoints);
            endpoints.any(|endpoint| endpoint.network.as_str() == name)
        };
        node.networks.retain(|network| on_it(network.name.as_str()));
    }
    desired.nodes.retain(|node| !node.containers.is_empty());
    let joined: HashSet<String> = desired
        .containers()
        .flat_map(|spec| &spec.endpoints)
        .map(|endpoint| endpoint.network.to_string())
        .collect();
    desired.shared.retain(|network| joined.contains(network.name.as_str()));
    let mounted: HashSet<String> = desired.containers().flat_map(|spec| spec.volumes.clone()).collect();
    desired.volumes.retain(|volume| mounted.contains(volume.name.as_str()));
    desired.is_part = true;
    Ok(())
}

/// The nodes of `desired` that `target` names.
///
/// # Errors
/// As for [`select`].
pub fn nodes<'d>(desired: &'d Desired, target: &Target) -> Result<Vec<&'d DesiredNode>, Vec<NoMatch>> {
    let listed: Vec<ObservedContainer> = desired.containers().map(|spec| as_observed(spec)).collect();
    let chosen = select(std::slice::from_ref(target), &listed)?;
    let chosen: HashSet<&str> = chosen.into_iter().map(ObservedContainer::node).collect();
    let nodes = desired.nodes.iter();
    Ok(nodes.filter(|node| chosen.contains(node.name.as_str())).collect())
}

/// A desired container as if it were listed, so that a target finds it by its labels.
fn as_observed(spec: &ContainerSpec) -> ObservedContainer {
    ObservedContainer {
        name: spec.name.to_string(),
        labels: spec.labels.clone(),
        ..ObservedContainer::default()
    }
}

/// The `chosen` containers and all that must run before them.
fn with_dependencies(desired: &Desired, mut chosen: HashSet<String>) -> HashSet<String> {
    let specs: HashMap<&str, &ContainerSpec> = desired.containers().map(|spec| (spec.name.as_str(), &**spec)).collect();
    let roles: HashMap<&str, &str> = desired
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), node.role.as_str()))
        .collect();
    let mut open: Vec<String> = chosen.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let Some(spec) = specs.get(name.as_str()).copied() else {
            continue;
        };
        let after = spec.after.iter().map(|dependency| dependency.container.as_str());
        let joined = spec.joined.iter().map(|name| name.as_str());
        let role = roles.get(spec.node.as_str());
        let orders = desired.order.iter().filter(|order| role == Some(&order.role.as_str()));
        let nodes = orders.flat_map(|order| desired.nodes.iter().filter(|node| node.role == order.after));
        let before = nodes.flat_map(|node| &node.containers).map(|spec| spec.name.as_str());
        for name in after.chain(joined).chain(before) {
            if chosen.insert(name.to_owned()) {
                open.push(name.to_owned());
            }
        }
    }
    chosen
}

/// Counts as somebody else's what of `observed` is no part of `desired`, if that is a part of its cluster.
pub fn set_aside(observed: &mut Observed, desired: &Desired) {
    if !desired.is_part {
        return;
    }
    let services: HashSet<(&str, &str)> = desired
        .containers()
        .map(|spec| (spec.node.as_str(), spec.service.as_str()))
        .collect();
    let networks: HashSet<&str> = desired.networks().map(|network| network.name.as_str()).collect();
    let (own, others) = std::mem::take(&mut observed.containers)
        .into_iter()
        .partition(|c: &ObservedContainer| services.contains(&(c.node(), c.service())));
    observed.containers = own;
    observed.foreign.extend(others);
    for network in &mut observed.networks {
        if network.is_of(&desired.cluster) && !networks.contains(network.name.as_str()) {
            network.labels.remove(label::CLUSTER);
        }
    }
}

/// Counts as somebody else's what of `observed` does not belong to `targets` alone: other containers of the `cluster`, the
/// networks and volumes of their nodes and those that nodes share. Nothing does if there is no target.
pub fn keep_only(observed: &mut Observed, cluster: &ClusterName, targets: &[Target]) {
    if targets.is_empty() {
        return;
    }
    let chosen: HashSet<String> = present(targets, &observed.containers)
        .into_iter()
        .map(|c| c.id.clone())
        .collect();
    let (own, others): (Vec<ObservedContainer>, Vec<ObservedContainer>) = std::mem::take(&mut observed.containers)
        .into_iter()
        .partition(|c| chosen.contains(&c.id));
    let whole = |node: &str| {
        let stays = others.iter().any(|c| c.node() == node);
        own.iter().any(|c| c.node() == node) && !stays
    };
    let goes = |node: &str| others.is_empty() || !node.is_empty() && whole(node);
    for network in &mut observed.networks {
        if network.is_of(cluster) && !goes(network.node()) {
            network.labels.remove(label::CLUSTER);
        }
    }
    for volume in &mut observed.volumes {
        let node = volume.labels.get(label::NODE).map_or("", String::as_str);
        if volume.is_of(cluster) && !goes(node) {
            volume.labels.remove(label::CLUSTER);
        }
    }
    observed.containers = own;
    observed.foreign.extend(others);
}
