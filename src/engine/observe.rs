//! What is on the engine: three calls, side by side.

use std::collections::{BTreeMap, HashMap};

use bollard::errors::Error;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum, Network};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder};

use super::connect::Engine;
use super::{Observed, SeenContainer, SeenEndpoint, SeenNetwork, State, label};
use crate::name::ClusterName;

/// The containers of `cluster`, every network and every image of the engine.
///
/// # Errors
/// The engine's.
pub async fn observe(engine: &Engine, cluster: &ClusterName) -> Result<Observed, Error> {
    let (containers, networks, images) = tokio::join!(
        containers(engine, Some(cluster)),
        networks(engine),
        engine.docker.list_images(Some(ListImagesOptionsBuilder::new().build())),
    );
    let (containers, networks) = (containers?, networks?);
    let images = images?.into_iter().flat_map(|image| image.repo_tags).collect();
    Ok(Observed {
        containers,
        networks,
        images,
        volumes: Vec::new(),
        guests: BTreeMap::new(),
    })
}

/// The containers of `cluster`, of every cluster where that is `None`, running or not (`GET /containers/json`).
///
/// # Errors
/// The engine's.
pub async fn containers(engine: &Engine, cluster: Option<&ClusterName>) -> Result<Vec<SeenContainer>, Error> {
    let ours = match cluster {
        Some(cluster) => format!("{}={cluster}", label::CLUSTER),
        None => label::CLUSTER.to_owned(),
    };
    let list = list(engine, "label", &[&ours]).await?;
    Ok(list.into_iter().map(container).collect())
}

/// Every network of the engine (`GET /networks`).
///
/// # Errors
/// The engine's.
pub async fn networks(engine: &Engine) -> Result<Vec<SeenNetwork>, Error> {
    let list = engine
        .docker
        .list_networks(Some(ListNetworksOptionsBuilder::new().build()))
        .await?;
    Ok(list.into_iter().map(network).collect())
}

/// Foreign containers on those of `networks` that are of `cluster`, running or not.
///
/// # Errors
/// The engine's.
pub async fn guests(
    engine: &Engine,
    cluster: &ClusterName,
    networks: impl IntoIterator<Item = &SeenNetwork>,
) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut found = BTreeMap::new();
    let own = networks.into_iter().filter(|n| n.is_of(cluster));
    // By name too: the engine knows what was never started to be on a network of that name, and on no id.
    let lists =
        own.map(|network| async move { (network, list(engine, "network", &[&network.id, &network.name]).await) });
    for (network, list) in futures_util::future::join_all(lists).await {
        let names: Vec<String> = list?
            .into_iter()
            .map(container)
            .filter(|c| c.label(label::CLUSTER) != cluster.as_str() && c.is_on(network))
            .map(|c| c.name)
            .collect();
        if !names.is_empty() {
            found.insert(network.id.clone(), names);
        }
    }
    Ok(found)
}

async fn list(engine: &Engine, filter: &str, values: &[&str]) -> Result<Vec<ContainerSummary>, Error> {
    let filters = HashMap::from([(filter, values.to_vec())]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    engine.docker.list_containers(Some(options)).await
}

fn container(summary: ContainerSummary) -> SeenContainer {
    let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    let endpoints = summary.network_settings.and_then(|s| s.networks).unwrap_or_default();
    let mut networks: Vec<SeenEndpoint> = endpoints
        .into_iter()
        .map(|(network, endpoint)| SeenEndpoint {
            network,
            network_id: endpoint.network_id.unwrap_or_default(),
            address: endpoint.ip_address.unwrap_or_default(),
        })
        .collect();
    networks.sort_by(|a, b| a.network.cmp(&b.network));
    SeenContainer {
        id: summary.id.unwrap_or_default(),
        name: name.trim_start_matches('/').to_owned(),
        labels: summary.labels.unwrap_or_default().into_iter().collect(),
        state: state(summary.state),
        networks,
    }
}

fn state(state: Option<ContainerSummaryStateEnum>) -> State {
    use ContainerSummaryStateEnum as Engine;
    match state {
        Some(Engine::RUNNING) => State::Running,
        Some(Engine::PAUSED) => State::Paused,
        Some(Engine::RESTARTING) => State::Restarting,
        Some(Engine::EXITED | Engine::STOPPING) => State::Exited,
        Some(Engine::REMOVING) => State::Removing,
        Some(Engine::DEAD) => State::Dead,
        Some(Engine::CREATED | Engine::EMPTY) | None => State::Created,
    }
}

fn network(network: Network) -> SeenNetwork {
    let configs = network.ipam.and_then(|i| i.config).unwrap_or_default();
    SeenNetwork {
        id: network.id.unwrap_or_default(),
        name: network.name.unwrap_or_default(),
        labels: network.labels.unwrap_or_default().into_iter().collect(),
        subnets: configs.into_iter().filter_map(|c| c.subnet?.parse().ok()).collect(),
    }
}

/// What `container` answers to on its networks that are `asked` for, beside its id, its own name and its key.
///
/// # Errors
/// The engine's.
pub async fn aliases(
    engine: &Engine,
    container: &SeenContainer,
    asked: impl Fn(&str) -> bool,
) -> Result<Vec<String>, Error> {
    let asked: Vec<&str> = container
        .networks
        .iter()
        .map(|n| n.network.as_str())
        .filter(|n| asked(n))
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let inspect = match engine.docker.inspect_container(&container.id, None).await {
        Ok(inspect) => inspect,
        // Gone since it was listed.
        Err(error) if super::connect::status(&error) == Some(404) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let networks = inspect.network_settings.and_then(|s| s.networks).unwrap_or_default();
    let endpoints = asked.iter().filter_map(|network| networks.get(*network));
    let aliases = endpoints.flat_map(|e| e.aliases.clone().unwrap_or_default());
    let key = container.label(label::compose::SERVICE);
    let added = |alias: &String| container.id.starts_with(alias.as_str()) || *alias == container.name || alias == key;
    let mut names: Vec<String> = Vec::new();
    for alias in aliases.filter(|a| !added(a)) {
        if !names.contains(&alias) {
            names.push(alias);
        }
    }
    Ok(names)
}

/// The label `key` of the image `name`; `None` where there is no such image or label.
///
/// # Errors
/// The engine's.
pub async fn image_label(engine: &Engine, name: &str, key: &str) -> Result<Option<String>, Error> {
    match engine.docker.inspect_image(name).await {
        Ok(inspect) => Ok(inspect.config.and_then(|c| c.labels).and_then(|l| l.get(key).cloned())),
        Err(error) if super::connect::status(&error) == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}
