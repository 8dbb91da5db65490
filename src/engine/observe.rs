//! What is on the engine: a few calls, side by side.

mod host;
pub(super) mod read;

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptions,
};
use futures_util::StreamExt;

use super::connect::Engine;
use super::fault::Fault;
use crate::cluster::Observed;
use crate::cluster::ObservedContainer;
use crate::cluster::ObservedNetwork;
use crate::cluster::ObservedVolume;
use crate::cluster::State;
use crate::cluster::label;
use crate::name::ClusterName;

pub use host::{neighbours, overflows};

/// Inspections at once.
const PARALLEL: usize = 16;

/// The containers of `cluster`, and all that may be in its way; who listens on the host's `ports` only where that matters,
/// since the kernel takes long to say it.
///
/// # Errors
/// The engine's.
pub async fn observe(engine: &Engine, cluster: &ClusterName, ports: bool) -> Result<Observed, Fault> {
    let all = HashMap::new();
    let (containers, networks, images, volumes, host) = tokio::join!(
        list(engine, &all),
        networks(engine),
        engine.docker.list_images(Some(ListImagesOptionsBuilder::new().build())),
        engine.docker.list_volumes(None::<ListVolumesOptions>),
        host::observed(engine, ports),
    );
    let (networks, volumes) = (networks?, volumes?.volumes.unwrap_or_default());
    let is_ours = |c: &ObservedContainer| c.label(label::CLUSTER) == cluster.as_str();
    let (containers, foreign) = containers?.into_iter().partition(is_ours);
    let volume = |v: bollard::models::Volume| ObservedVolume {
        name: v.name,
        labels: v.labels.into_iter().collect(),
    };
    Ok(Observed {
        host: host.without_bridges(&networks),
        containers,
        foreign,
        networks,
        images: images?.into_iter().map(read::image).collect(),
        volumes: volumes.into_iter().map(volume).collect(),
    })
}

/// The containers of `cluster`, of every cluster where that is `None`, running or not (`GET /containers/json`).
///
/// # Errors
/// The engine's.
pub async fn containers(engine: &Engine, cluster: Option<&ClusterName>) -> Result<Vec<ObservedContainer>, Fault> {
    let ours = match cluster {
        Some(cluster) => format!("{}={cluster}", label::CLUSTER),
        None => label::CLUSTER.to_owned(),
    };
    list(engine, &HashMap::from([("label", vec![ours.as_str()])])).await
}

async fn list(engine: &Engine, filters: &HashMap<&str, Vec<&str>>) -> Result<Vec<ObservedContainer>, Fault> {
    let options = ListContainersOptionsBuilder::new().all(true).filters(filters).build();
    let list = engine.docker.list_containers(Some(options)).await?;
    Ok(list.into_iter().map(read::container).collect())
}

/// Every network of the engine (`GET /networks`).
///
/// # Errors
/// The engine's.
pub async fn networks(engine: &Engine) -> Result<Vec<ObservedNetwork>, Fault> {
    list_networks(engine, &HashMap::new()).await
}

/// The networks whose names hold `name`.
///
/// # Errors
/// The engine's.
pub async fn networks_named(engine: &Engine, name: &str) -> Result<Vec<ObservedNetwork>, Fault> {
    list_networks(engine, &HashMap::from([("name", vec![name])])).await
}

async fn list_networks(engine: &Engine, filters: &HashMap<&str, Vec<&str>>) -> Result<Vec<ObservedNetwork>, Fault> {
    let options = ListNetworksOptionsBuilder::new().filters(filters).build();
    let list = engine.docker.list_networks(Some(options)).await?;
    Ok(list.into_iter().map(read::network).collect())
}

/// Find out what `containers` were told to answer to, which no list says, and which of them run no longer
/// (`GET /containers/{id}/json` of each).
///
/// # Errors
/// The engine's.
pub async fn inspect_all(engine: &Engine, containers: &mut [ObservedContainer]) -> Result<(), Fault> {
    let inspect = |container| async move { inspect(engine, container).await };
    let mut all = futures_util::stream::iter(containers.iter_mut().map(inspect)).buffer_unordered(PARALLEL);
    while let Some(result) = all.next().await {
        result?;
    }
    Ok(())
}

async fn inspect(engine: &Engine, container: &mut ObservedContainer) -> Result<(), Fault> {
    let inspect = match engine
        .docker
        .inspect_container(&container.id, None)
        .await
        .map_err(Fault::from)
    {
        Ok(inspect) => inspect,
        // Gone since it was listed.
        Err(fault) if fault.is_not_found() => return Ok(()),
        Err(fault) => return Err(fault),
    };
    // The list may be older: where a container has just been killed, it runs there for a moment yet.
    if let Some(state) = inspect
        .state
        .filter(|s| s.running == Some(false) && s.restarting != Some(true))
        && container.state == State::Running
    {
        container.state = State::Exited;
        container.health = None;
        container.exit = state.exit_code.and_then(|code| i32::try_from(code).ok());
    }
    let networks = inspect.network_settings.and_then(|s| s.networks).unwrap_or_default();
    for endpoint in &mut container.networks {
        if let Some(observed) = networks.get(&endpoint.network) {
            endpoint.aliases = Some(observed.aliases.clone().unwrap_or_default());
        }
    }
    Ok(())
}

/// What `container` answers to on its networks that are `asked` for, beside its id, its own name and its key; its own name
/// too where that is its node's.
///
/// # Errors
/// The engine's.
pub async fn aliases(
    engine: &Engine,
    container: &ObservedContainer,
    asked: impl Fn(&str) -> bool,
) -> Result<Vec<String>, Fault> {
    if !container.networks.iter().any(|n| asked(&n.network)) {
        return Ok(Vec::new());
    }
    let mut container = container.clone();
    inspect(engine, &mut container).await?;
    Ok(told(&container, asked))
}

/// Of the aliases of `container`, those that it was told to answer to.
fn told(container: &ObservedContainer, asked: impl Fn(&str) -> bool) -> Vec<String> {
    let key = container.label(label::compose::SERVICE);
    let node = container.label(label::NODE);
    let added = |alias: &&String| {
        container.id.starts_with(*alias) || *alias == key || (**alias == container.name && *alias != node)
    };
    let endpoints = container.networks.iter().filter(|n| asked(&n.network));
    let mut names: Vec<String> = Vec::new();
    for alias in endpoints.flat_map(|e| e.aliases.iter().flatten()).filter(|a| !added(a)) {
        if !names.contains(alias) {
            names.push(alias.clone());
        }
    }
    names
}

/// The label `key` of the image `name`; `None` where there is no such image or label.
///
/// # Errors
/// The engine's.
pub async fn image_label(engine: &Engine, name: &str, key: &str) -> Result<Option<String>, Fault> {
    match engine.docker.inspect_image(name).await.map_err(Fault::from) {
        Ok(inspect) => Ok(inspect.config.and_then(|c| c.labels).and_then(|l| l.get(key).cloned())),
        Err(fault) if fault.is_not_found() => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// How long ago the image `name` was last fetched or given its name; `None` where it is not there, or that is not known.
///
/// # Errors
/// The engine's.
pub async fn image_age(engine: &Engine, name: &str) -> Result<Option<Duration>, Fault> {
    let inspect = match engine.docker.inspect_image(name).await.map_err(Fault::from) {
        Ok(inspect) => inspect,
        Err(fault) if fault.is_not_found() => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let tagged = inspect.metadata.and_then(|m| m.last_tag_time);
    let then = tagged.and_then(|text| read::time(&text));
    Ok(then.and_then(|then| SystemTime::now().duration_since(then).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ObservedEndpoint;

    fn names(container: &str, aliases: &[&str]) -> Vec<String> {
        let labels = [(label::NODE, "kibana"), (label::compose::SERVICE, "kibana-web")];
        let observed = ObservedContainer {
            id: "0123456789ab".to_owned(),
            name: container.to_owned(),
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            networks: vec![ObservedEndpoint {
                network: "inout".to_owned(),
                aliases: Some(aliases.iter().map(|a| (*a).to_owned()).collect()),
                ..ObservedEndpoint::default()
            }],
            ..ObservedContainer::default()
        };
        told(&observed, |network| network == "inout")
    }

    #[test]
    fn a_container_called_as_its_node_answers_to_the_nodes_name() {
        let of_default_name = ["kibana-web-1", "kibana-web", "kibana", "0123456789ab"];
        assert_eq!(names("kibana-web-1", &of_default_name), ["kibana"]);
        // Engines up to 24 list it twice.
        let twice = ["kibana", "kibana-web", "kibana", "0123456789ab"];
        assert_eq!(names("kibana", &twice), ["kibana"]);
        assert_eq!(names("kibana", &["kibana", "kibana-web"]), ["kibana"]);
    }
}
