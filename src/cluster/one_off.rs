//! Containers that run one command on the networks of a node, and belong to no service: what `docker compose run` makes.

use std::sync::Arc;

use super::{ContainerConfig, ContainerSpec, DesiredNode, EndpointSpec, NetworkMode, Pull, label};
use crate::name::{ClusterName, ContainerName, ServiceName};
use crate::topology::Duty;

/// What [`label::HELPER`] says of such a container.
const PURPOSE: &str = "run";

impl ContainerSpec {
    /// A container like this one for one command, called `name`. It is on the same networks and answers to no name there,
    /// publishes no port, waits for nobody and is never restarted.
    #[must_use]
    pub fn one_off(&self, cluster: &ClusterName, name: ContainerName) -> Self {
        let mut spec = self.clone();
        spec.name = name;
        spec.labels.extend(label::of_helper(cluster, PURPOSE));
        spec.labels.insert(label::compose::ONEOFF.to_owned(), "True".to_owned());
        let networks = self.endpoints.iter();
        spec.endpoints = networks
            .map(|endpoint| EndpointSpec::new(endpoint.network.clone(), Vec::new()))
            .collect();
        spec.after.clear();
        spec.joined.clear();
        let config = Arc::make_mut(&mut spec.config);
        config.published = None;
        config.restart = None;
        spec
    }
}

impl DesiredNode {
    /// A container of `image` for one command, called `name`, on all networks that containers of this node join.
    #[must_use]
    pub fn one_off(
        &self,
        cluster: &ClusterName,
        name: ContainerName,
        service: ServiceName,
        image: &str,
    ) -> ContainerSpec {
        let mut endpoints: Vec<EndpointSpec> = Vec::new();
        for endpoint in self.containers.iter().flat_map(|spec| &spec.endpoints) {
            if endpoints.iter().all(|e| e.network != endpoint.network) {
                endpoints.push(EndpointSpec::new(endpoint.network.clone(), Vec::new()));
            }
        }
        let mode = endpoints.first().map_or_else(
            || NetworkMode::Network("default".to_owned()),
            |endpoint| NetworkMode::Network(endpoint.network.to_string()),
        );
        ContainerSpec {
            name,
            node: self.name.clone(),
            service,
            labels: label::of_helper(cluster, PURPOSE).collect(),
            network_mode: mode,
            endpoints,
            links: Vec::new(),
            duty: Duty::End,
            after: Vec::new(),
            joined: Vec::new(),
            volumes: Vec::new(),
            carried: Vec::new(),
            pull: Pull::Missing,
            platform: None,
            files: Vec::new(),
            config: Arc::new(ContainerConfig {
                image: image.to_owned(),
                ..ContainerConfig::default()
            }),
            hash: String::new(),
        }
    }
}
