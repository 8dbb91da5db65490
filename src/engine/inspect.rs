//! What proving needs to see: every name and address of what has to do with a cluster.

use std::collections::BTreeMap;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, EndpointSettings, Network as Listed,
};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder};
use futures_util::{StreamExt, TryStreamExt};

use super::connect::Engine;
use super::fault::Fault;
use crate::cluster::State;
use crate::verify::found::{Container, Endpoint, Found, Network};

/// Inspections at once.
const PARALLEL: usize = 16;
/// Says whether a bridge's addresses are for others too (docker network create, bridge driver options).
const GATEWAY_MODE: &str = "com.docker.network.bridge.gateway_mode_ipv4";

/// Every network, and every container that `relevant` picks of all, running or not. It is given what a list says:
/// no host name, and of names only the container's own.
///
/// # Errors
/// The engine's.
pub async fn look(engine: &Engine, relevant: impl FnOnce(&[Container]) -> Vec<bool>) -> Result<Found, Fault> {
    let docker = &engine.docker;
    let (containers, networks) = tokio::try_join!(
        docker.list_containers(Some(ListContainersOptionsBuilder::new().all(true).build())),
        docker.list_networks(Some(ListNetworksOptionsBuilder::new().build())),
    )?;
    let listed: Vec<Container> = containers.into_iter().map(summary).collect();
    let relevant = relevant(&listed);
    let ids = listed.into_iter().zip(relevant).filter(|(_, r)| *r).map(|(c, _)| c.id);
    let inspected: Vec<Option<Container>> = futures_util::stream::iter(ids)
        .map(|id| async move {
            match docker.inspect_container(&id, None).await.map_err(Fault::from) {
                Ok(inspect) => Ok(Some(container(inspect))),
                // Gone since it was listed.
                Err(fault) if fault.is_not_found() => Ok(None),
                Err(fault) => Err(fault),
            }
        })
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    let mut containers: Vec<Container> = inspected.into_iter().flatten().collect();
    containers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Found {
        containers,
        networks: networks.into_iter().map(network).collect(),
    })
}

fn summary(summary: ContainerSummary) -> Container {
    let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    let id = summary.id.unwrap_or_default();
    let name = name.trim_start_matches('/').to_owned();
    let networks = summary.network_settings.and_then(|s| s.networks).unwrap_or_default();
    Container {
        endpoints: endpoints(networks, &id, &name),
        id,
        name,
        image: summary.image.unwrap_or_default(),
        labels: summary.labels.unwrap_or_default().into_iter().collect(),
        hostname: String::new(),
        state: State::Created,
        exit_code: 0,
        error: String::new(),
    }
}

fn container(inspect: ContainerInspectResponse) -> Container {
    let id = inspect.id.unwrap_or_default();
    let name = inspect.name.unwrap_or_default().trim_start_matches('/').to_owned();
    let config = inspect.config.unwrap_or_default();
    let state = inspect.state.unwrap_or_default();
    let networks = inspect.network_settings.and_then(|s| s.networks).unwrap_or_default();
    Container {
        endpoints: endpoints(networks, &id, &name),
        image: config.image.unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        hostname: config.hostname.unwrap_or_default(),
        state: doing(state.status),
        exit_code: state.exit_code.unwrap_or_default(),
        error: state.error.unwrap_or_default().trim().to_owned(),
        id,
        name,
    }
}

fn doing(status: Option<ContainerStateStatusEnum>) -> State {
    use ContainerStateStatusEnum as Engine;
    match status {
        Some(Engine::RUNNING) => State::Running,
        Some(Engine::PAUSED) => State::Paused,
        Some(Engine::RESTARTING) => State::Restarting,
        Some(Engine::EXITED | Engine::STOPPING) => State::Exited,
        Some(Engine::REMOVING) => State::Removing,
        Some(Engine::DEAD) => State::Dead,
        Some(Engine::CREATED | Engine::EMPTY) | None => State::Created,
    }
}

fn endpoints(
    networks: impl IntoIterator<Item = (String, EndpointSettings)>,
    id: &str,
    container: &str,
) -> Vec<Endpoint> {
    let endpoint = |(network, settings): (String, EndpointSettings)| {
        // Engines from 25 on say all names; before, what they do not say is the container's own.
        let said = settings.dns_names.filter(|names| !names.is_empty());
        let mut names: Vec<String> = match said {
            Some(names) => names,
            None => {
                let given = [container.to_owned(), id.chars().take(12).collect()];
                given.into_iter().chain(settings.aliases.unwrap_or_default()).collect()
            }
        };
        names.iter_mut().for_each(|name| *name = name.to_lowercase());
        names.sort();
        names.dedup();
        Endpoint {
            network,
            network_id: settings.network_id.unwrap_or_default(),
            address: settings.ip_address.and_then(|a| a.parse().ok()),
            names,
        }
    };
    let mut endpoints: Vec<Endpoint> = networks.into_iter().map(endpoint).collect();
    endpoints.sort_by(|a, b| a.network.cmp(&b.network));
    endpoints
}

fn network(network: Listed) -> Network {
    let configs = network.ipam.and_then(|i| i.config).unwrap_or_default();
    let options: BTreeMap<String, String> = network.options.unwrap_or_default().into_iter().collect();
    let mode = options.get(GATEWAY_MODE).map(String::as_str);
    Network {
        id: network.id.unwrap_or_default(),
        name: network.name.unwrap_or_default(),
        driver: network.driver.unwrap_or_default(),
        internal: network.internal.unwrap_or_default(),
        routed: matches!(mode, Some("routed" | "nat-unprotected")),
        labels: network.labels.unwrap_or_default().into_iter().collect(),
        subnets: configs.into_iter().filter_map(|c| c.subnet?.parse().ok()).collect(),
    }
}
