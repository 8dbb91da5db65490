//! Combines the blueprint with what was observed on the engine.

use std::collections::{HashMap, HashSet};

use super::desired;
use super::model::{self, Container, Foreign, Graph, Join, Network, Node, Place, Service, Standing};
use crate::cluster::Observed;
use crate::cluster::ObservedContainer;
use crate::cluster::ObservedEndpoint;
use crate::cluster::ObservedNetwork;
use crate::cluster::label;
use crate::cluster::verdict;
use crate::name::{ClusterName, RoleName};
use crate::text::natural;
use crate::topology::{Duty, Topology};

/// The graph of `topology` with the states of `observed`, and with containers that are not in the blueprint.
pub(super) fn graph(topology: &Topology, observed: &Observed) -> Graph {
    let mut graph = desired::graph(topology);
    graph.live = true;
    graph.stale.clone_from(&observed.stale);
    let mut live = Live::new(&topology.cluster, &topology.roles, observed);
    live.networks(&mut graph.networks);
    live.nodes(&mut graph);
    live.unwanted(&mut graph);
    live.astray(&mut graph);
    live.guests(&mut graph);
    graph
}

/// The graph of what was `observed` of `cluster`, whose blueprint is not known: everything is where it should be.
pub(super) fn observed(cluster: &ClusterName, observed: &Observed) -> Graph {
    let mut graph = Graph {
        cluster: cluster.clone(),
        live: true,
        stale: observed.stale.clone(),
        networks: Vec::new(),
        nodes: Vec::new(),
        foreign: Vec::new(),
    };
    let mut live = Live::new(cluster, &[], observed);
    live.networks(&mut graph.networks);
    live.unwanted(&mut graph);
    live.astray(&mut graph);
    live.guests(&mut graph);
    graph
        .networks
        .iter_mut()
        .for_each(|network| network.standing = Standing::There);
    for node in &mut graph.nodes {
        node.standing = Standing::There;
        node.networks
            .iter_mut()
            .for_each(|network| network.standing = Standing::There);
        for service in &mut node.services {
            service.standing = Standing::There;
            service
                .containers
                .iter_mut()
                .for_each(|container| container.standing = Standing::There);
            service
                .joins
                .iter_mut()
                .for_each(|join| join.standing = Standing::There);
        }
    }
    graph
}

struct Live<'a> {
    cluster: &'a ClusterName,
    /// The roles in the order of the blueprint; empty if that is not known.
    roles: &'a [RoleName],
    observed: &'a Observed,
    /// Containers that no service of the blueprint has claimed.
    containers: HashMap<&'a str, &'a ObservedContainer>,
}

impl<'a> Live<'a> {
    fn new(cluster: &'a ClusterName, roles: &'a [RoleName], observed: &'a Observed) -> Self {
        Self {
            cluster,
            roles,
            observed,
            containers: observed.containers.iter().map(|c| (c.name.as_str(), c)).collect(),
        }
    }

    fn own(&self) -> impl Iterator<Item = &'a ObservedNetwork> + use<'a> {
        let cluster = self.cluster;
        self.observed.networks.iter().filter(move |n| n.is_of(cluster))
    }

    fn networks(&self, networks: &mut Vec<Network>) {
        for network in networks.iter_mut() {
            // Any owner counts, because a shared network may belong to somebody else.
            let found = self.observed.networks.iter().find(|n| n.name == network.name);
            stand(network, found);
        }
        for left in self.own().filter(|n| !n.labels.contains_key(label::NODE)) {
            if !networks.iter().any(|n| n.name == left.name) {
                networks.push(unwanted(left));
            }
        }
    }

    fn nodes(&mut self, graph: &mut Graph) {
        let networks: HashMap<&str, &ObservedNetwork> = self.own().map(|n| (n.name.as_str(), n)).collect();
        for node in &mut graph.nodes {
            for network in &mut node.networks {
                stand(network, networks.get(network.name.as_str()).copied());
            }
            for service in &mut node.services {
                self.service(service);
            }
            let any = node.services.iter().map(|s| s.standing);
            let any = any.chain(node.networks.iter().map(|n| n.standing));
            node.standing = there(any.into_iter().any(|s| s == Standing::There));
        }
    }

    fn service(&mut self, service: &mut Service) {
        let mut found = Vec::new();
        for container in &mut service.containers {
            let observed = self.containers.remove(container.name.as_str());
            container.standing = there(observed.is_some());
            look_at(container, observed, service.duty);
            found.extend(observed);
        }
        service.standing = there(found.len() == service.containers.len());
        for join in service.joins.iter_mut().chain(&mut service.links) {
            let ends: Vec<&ObservedEndpoint> = found
                .iter()
                .filter_map(|c| c.endpoints.iter().find(|e| e.network == join.network))
                .collect();
            join.standing = there(!found.is_empty() && ends.len() == found.len());
            // All containers of a service have the same names.
            let Some(names) = found.first().zip(ends.first()).and_then(|(c, e)| c.chosen_aliases(e)) else {
                continue;
            };
            // A container always has its own name, whether requested or not.
            let own = |n: &String| found.first().is_some_and(|c| c.name == *n);
            (join.names, join.lost) = join
                .names
                .drain(..)
                .partition(|n| names.contains(&n.as_str()) || own(n));
            if !join.lost.is_empty() {
                join.standing = Standing::Missing;
            }
            let names = names.into_iter().map(str::to_owned);
            let more = |n: &String| !join.names.contains(n) && *n != service.name;
            let more: Vec<String> = names.filter(more).collect();
            join.names.extend(more);
        }
    }

    /// Adds containers and private networks of the cluster that are not in the blueprint.
    fn unwanted(&mut self, graph: &mut Graph) {
        let mut containers: Vec<&ObservedContainer> = self.containers.values().copied().collect();
        containers.sort_by_cached_key(|c| (natural(c.node()), natural(c.service())));
        for container in containers {
            let node = unwanted_node(graph, container.node(), container.role());
            node.project = container.project().to_owned();
            let name = container.service();
            let same = |s: &Service| s.standing == Standing::Unwanted && s.name == name;
            let at = node.services.iter().position(same).unwrap_or_else(|| {
                node.services.push(Service {
                    name: name.to_owned(),
                    containers: Vec::new(),
                    image: container.image.clone(),
                    ports: Vec::new(),
                    network_mode: None,
                    duty: container.duty(),
                    standing: Standing::Unwanted,
                    joins: Vec::new(),
                    links: Vec::new(),
                });
                node.services.len() - 1
            });
            let mut left = model::container(&container.name);
            left.standing = Standing::Unwanted;
            look_at(&mut left, Some(container), container.duty());
            node.services[at].containers.push(left);
        }
        let known: HashSet<String> = graph
            .nodes
            .iter()
            .flat_map(|n| &n.networks)
            .map(|n| n.name.clone())
            .collect();
        let mut networks: Vec<&ObservedNetwork> = self.own().filter(|n| !known.contains(&n.name)).collect();
        networks.sort_by_cached_key(|n| natural(&n.name));
        for network in networks {
            if let Some(node) = network.labels.get(label::NODE) {
                unwanted_node(graph, node, "").networks.push(unwanted(network));
            }
        }
        // A removed node is sorted among the others of its role.
        let roles: Vec<String> = self.roles.iter().map(ToString::to_string).collect();
        let place = |role: &str| roles.iter().position(|r| r == role).unwrap_or(roles.len());
        graph.nodes.sort_by_key(|n| place(&n.role));
    }

    /// Adds containers of the cluster on networks that the blueprint does not connect them to.
    fn astray(&self, graph: &mut Graph) {
        let owners: HashMap<String, (usize, usize)> = graph
            .nodes
            .iter()
            .enumerate()
            .flat_map(|(at, n)| {
                let own = n.networks.iter().enumerate();
                own.map(move |(own, network)| (network.name.clone(), (at, own)))
            })
            .collect();
        let observed: HashMap<&str, &ObservedContainer> =
            self.observed.containers.iter().map(|c| (c.name.as_str(), c)).collect();
        for at in 0..graph.nodes.len() {
            for service in 0..graph.nodes[at].services.len() {
                let here = &graph.nodes[at].services[service];
                if here.network_mode.is_some() {
                    continue;
                }
                let found = here.containers.iter().filter_map(|c| observed.get(c.name.as_str()));
                let ends = found.flat_map(|c| c.endpoints.iter().map(move |e| (*c, e)));
                let known = |name: &str| here.joins.iter().chain(&here.links).any(|j| j.network == name);
                let others: Vec<(&ObservedContainer, &ObservedEndpoint)> =
                    ends.filter(|(_, e)| !known(&e.network)).collect();
                for (container, end) in others {
                    let name = end.network.as_str();
                    let place = match owners.get(name) {
                        Some((owner, own)) if *owner == at => Place::Own(*own),
                        Some((owner, own)) => {
                            let foreign = &mut graph.nodes[*owner].foreign;
                            meet(foreign, &container.name, true, Place::Own(*own), name);
                            continue;
                        }
                        None => Place::Shared(shared(&mut graph.networks, self.observed, name)),
                    };
                    let is_link = matches!(place, Place::Shared(at) if graph.networks[at].link);
                    let service = &mut graph.nodes[at].services[service];
                    let joins = if is_link {
                        &mut service.links
                    } else {
                        &mut service.joins
                    };
                    if joins.iter().any(|j| j.place == place) {
                        continue;
                    }
                    let names = container.chosen_aliases(end).unwrap_or_default().into_iter();
                    let names = names.filter(|n| *n != service.name).map(str::to_owned).collect();
                    joins.push(Join {
                        place,
                        network: name.to_owned(),
                        shared: matches!(place, Place::Shared(_)),
                        names,
                        lost: Vec::new(),
                        standing: Standing::Unwanted,
                    });
                }
            }
        }
    }

    /// Adds containers of others on the cluster's networks.
    fn guests(&self, graph: &mut Graph) {
        for network in self.own() {
            for guest in &self.observed.guests(network) {
                if let Some(at) = graph.networks.iter().position(|n| n.name == network.name) {
                    meet(&mut graph.foreign, guest, false, Place::Shared(at), &network.name);
                    continue;
                }
                for node in &mut graph.nodes {
                    if let Some(at) = node.networks.iter().position(|n| n.name == network.name) {
                        meet(&mut node.foreign, guest, false, Place::Own(at), &network.name);
                    }
                }
            }
        }
        graph.foreign.sort_by_cached_key(|f| natural(&f.name));
    }
}

fn look_at(container: &mut Container, observed: Option<&ObservedContainer>, duty: Duty) {
    container.state = observed.map(|o| o.state);
    container.health = observed.and_then(|o| o.health);
    container.exit = observed.and_then(|o| o.exit);
    let verdict = verdict(duty, observed);
    container.wrong = verdict.phrases();
    container.verdict = Some(verdict);
}

fn there(found: bool) -> Standing {
    match found {
        true => Standing::There,
        false => Standing::Missing,
    }
}

fn stand(network: &mut Network, found: Option<&ObservedNetwork>) {
    network.standing = there(found.is_some());
    if let Some(subnet) = found.and_then(|f| f.subnets.first()) {
        network.subnet = Some(subnet.to_string());
    }
}

fn unwanted(network: &ObservedNetwork) -> Network {
    let key = network.labels.get(label::compose::NETWORK);
    Network {
        key: key.unwrap_or(&network.name).clone(),
        name: network.name.clone(),
        subnet: network.subnets.first().map(ToString::to_string),
        external: false,
        declared: None,
        link: false,
        members: Vec::new(),
        standing: Standing::Unwanted,
    }
}

/// The node `name`; it is added as unwanted if the blueprint does not have it.
fn unwanted_node<'g>(graph: &'g mut Graph, name: &str, role: &str) -> &'g mut Node {
    let at = graph.nodes.iter().position(|n| n.name == name).unwrap_or_else(|| {
        graph.nodes.push(Node {
            name: name.to_owned(),
            role: role.to_owned(),
            project: String::new(),
            standing: Standing::Unwanted,
            networks: Vec::new(),
            services: Vec::new(),
            foreign: Vec::new(),
        });
        graph.nodes.len() - 1
    });
    &mut graph.nodes[at]
}

/// The index of the shared network `name`; it is added as one of somebody else if it is not known yet.
fn shared(networks: &mut Vec<Network>, observed: &Observed, name: &str) -> usize {
    networks.iter().position(|n| n.name == name).unwrap_or_else(|| {
        let subnet = observed.networks.iter().find(|n| n.name == name);
        networks.push(Network {
            key: name.to_owned(),
            name: name.to_owned(),
            subnet: subnet.and_then(|n| n.subnets.first()).map(ToString::to_string),
            external: true,
            declared: None,
            link: false,
            members: Vec::new(),
            standing: Standing::Unwanted,
        });
        networks.len() - 1
    })
}

fn meet(list: &mut Vec<Foreign>, name: &str, ours: bool, place: Place, network: &str) {
    match list.iter_mut().find(|f| f.name == name) {
        Some(known) => {
            known.places.push(place);
            known.networks.push(network.to_owned());
        }
        None => list.push(Foreign {
            name: name.to_owned(),
            ours,
            places: vec![place],
            networks: vec![network.to_owned()],
        }),
    }
}
