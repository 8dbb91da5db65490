//! A pretended engine: all as it should be, and all that can be otherwise.

use std::collections::BTreeMap;

use topogen::cluster::Health;
use topogen::cluster::Observed;
use topogen::cluster::ObservedContainer;
use topogen::cluster::ObservedEndpoint;
use topogen::cluster::ObservedNetwork;
use topogen::cluster::State;
use topogen::cluster::label;
use topogen::topology::Topology;

use crate::support::lab;

/// The engine as it is when all of `topology` runs.
pub(super) fn running(topology: &Topology) -> Observed {
    let mut observed = Observed::default();
    let cluster = topology.cluster.to_string();
    let mut network = |name: &str, key: &str, node: Option<&str>, subnet| {
        let mut labels = BTreeMap::from([
            (label::CLUSTER.to_owned(), cluster.clone()),
            (label::compose::NETWORK.to_owned(), key.to_owned()),
        ]);
        labels.extend(node.map(|n| (label::NODE.to_owned(), n.to_owned())));
        observed.networks.push(ObservedNetwork {
            id: format!("id-{name}"),
            name: name.to_owned(),
            labels,
            subnets: Option::into_iter(subnet).collect(),
            ..ObservedNetwork::default()
        });
    };
    for shared in [&topology.inout].into_iter().chain(&topology.shared) {
        network(shared.name.as_str(), shared.key.as_str(), None, shared.subnet);
    }
    for node in &topology.nodes {
        for own in &node.networks {
            network(
                own.name.as_str(),
                own.key.as_str(),
                Some(node.name.as_str()),
                own.subnet,
            );
        }
        for service in &node.services {
            let labels = [
                (label::CLUSTER, topology.cluster.as_str()),
                (label::NODE, node.name.as_str()),
                (label::ROLE, node.role.as_str()),
                (label::SERVICE, service.name.as_str()),
                (label::compose::PROJECT, node.project.as_str()),
                (label::compose::SERVICE, service.key.as_str()),
            ];
            let endpoints = service.attachments.iter().map(|a| {
                let network = topology.network(node, &a.network).expect("a network");
                let mut endpoint = endpoint(network.name.as_str());
                let aliases = a.aliases.iter().map(ToString::to_string);
                endpoint.aliases = Some(aliases.chain([service.key.to_string()]).collect());
                endpoint
            });
            let endpoints: Vec<ObservedEndpoint> = endpoints.collect();
            for container in service.containers() {
                observed.containers.push(ObservedContainer {
                    id: format!("id-{container}"),
                    name: container.to_string(),
                    labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
                    state: State::Running,
                    endpoints: endpoints.clone(),
                    ..ObservedContainer::default()
                });
            }
        }
    }
    observed
}

pub(super) fn endpoint(network: &str) -> ObservedEndpoint {
    ObservedEndpoint {
        network: network.to_owned(),
        network_id: Some(format!("id-{network}")),
        ..ObservedEndpoint::default()
    }
}

pub(super) fn container<'a>(observed: &'a mut Observed, name: &str) -> &'a mut ObservedContainer {
    let found = observed.containers.iter_mut().find(|c| c.name == name);
    found.unwrap_or_else(|| panic!("no container {name}"))
}

/// Of everything that can be otherwise, one.
pub(super) fn disturbed() -> (Topology, Observed) {
    let mut observed = running(&lab(4));
    container(&mut observed, "slave1-service_3-1").state = State::Exited;
    container(&mut observed, "slave1-service_4-1").state = State::Paused;
    container(&mut observed, "slave1-service_5-1").state = State::Created;
    observed.containers.retain(|c| c.name != "slave2-service_4-1");
    observed.networks.retain(|n| n.name != "slave2_internal");
    for container in observed.containers.iter_mut().filter(|c| c.name.starts_with("slave2-")) {
        container.endpoints.retain(|n| n.network != "slave2_internal");
    }
    // Astray: off a network, on the one of all, on another node's, on one that is nobody's.
    container(&mut observed, "slave3-service_out-1")
        .endpoints
        .retain(|n| n.network != "inout");
    container(&mut observed, "slave3-service_3-1")
        .endpoints
        .push(endpoint("inout"));
    container(&mut observed, "slave3-service_4-1")
        .endpoints
        .push(endpoint("slave1_internal"));
    container(&mut observed, "slave3-service_5-1")
        .endpoints
        .push(endpoint("bridge"));
    // A service that left the blueprint, and a network.
    let mut left = container(&mut observed, "master-service_3-1").clone();
    left.name = "master-service_9-1".to_owned();
    left.labels.insert(label::SERVICE.to_owned(), "service_9".to_owned());
    observed.containers.push(left);
    let mut network = observed.networks[0].clone();
    network.name = "old".to_owned();
    network.id = "id-old".to_owned();
    network
        .labels
        .insert(label::compose::NETWORK.to_owned(), "old".to_owned());
    network.subnets.clear();
    observed.networks.push(network);
    // A name that was taken away, and one that was given by hand.
    let entry = container(&mut observed, "slave3-service_entry-1");
    let inout = entry
        .endpoints
        .iter_mut()
        .find(|e| e.network == "inout")
        .expect("inout");
    inout.aliases = Some(vec!["www".to_owned()]);
    container(&mut observed, "slave4-service_5-1").health = Some(Health::Unhealthy);
    for (name, networks) in [
        ("web-1", &["inout"][..]),
        ("proxy", &["inout", "slave1_internal"]),
        ("else", &["bridge"]),
    ] {
        observed.foreign.push(ObservedContainer {
            id: format!("id-{name}"),
            name: name.to_owned(),
            endpoints: networks.iter().map(|n| endpoint(n)).collect(),
            ..ObservedContainer::default()
        });
    }
    (lab(3), observed)
}
