//! Observes the state of the engine with a few concurrent calls.

mod host;
pub mod instance;
pub(super) mod ownership;
pub(super) mod read;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptions,
};
use futures_util::{StreamExt, TryStreamExt};

use super::connect::Engine;
use super::fault::Fault;
use crate::cluster::Observed;
use crate::cluster::ObservedContainer;
use crate::cluster::ObservedNetwork;
use crate::cluster::OwnerFate;
use crate::cluster::State;
use crate::cluster::label;
use crate::name::ClusterName;

pub use host::{neighbours, overflows};

/// The most inspections in flight at once.
const PARALLEL: usize = 16;

/// The ID of the engine, which no other has (`GET /info`); its address where it has none.
///
/// # Errors
/// The call failed.
pub async fn engine_id(engine: &Engine) -> Result<String, Fault> {
    let id = engine.docker.info().await?.id.filter(|id| !id.is_empty());
    Ok(id.unwrap_or_else(|| engine.host.to_string()))
}

/// The containers of `cluster`, and everything that may conflict with it. The host's listening `ports` are read only on
/// demand, because the kernel takes long to list them.
///
/// # Errors
/// A call of the engine failed.
pub async fn observe(engine: &Engine, cluster: &ClusterName, ports: bool) -> Result<Observed, Fault> {
    let (containers, networks, images, volumes, host) = tokio::join!(
        all_containers(engine),
        networks(engine),
        engine.docker.list_images(Some(ListImagesOptionsBuilder::new().build())),
        engine.docker.list_volumes(None::<ListVolumesOptions>),
        host::observed(engine, ports),
    );
    let (networks, volumes) = (networks?, volumes?.volumes.unwrap_or_default());
    let is_ours = |c: &ObservedContainer| c.cluster() == cluster.as_str();
    let (containers, foreign) = containers?.into_iter().partition(is_ours);
    Ok(Observed {
        host: host.without_bridges(&networks),
        containers,
        helpers: Vec::new(),
        foreign,
        networks,
        images: images?.into_iter().map(read::image).collect(),
        volumes: volumes.into_iter().map(read::volume).collect(),
        stale: None,
    })
}

/// The containers of `cluster`, running or not (`GET /containers/json`); those of every cluster if it is `None`. Helpers are
/// not among them.
///
/// # Errors
/// The call failed.
pub async fn containers(engine: &Engine, cluster: Option<&ClusterName>) -> Result<Vec<ObservedContainer>, Fault> {
    let mut containers = containers_and_helpers(engine, cluster).await?;
    containers.retain(|c| !c.is_helper());
    Ok(containers)
}

/// The same with topogen's own helpers, which are of the cluster and of none of its nodes.
///
/// # Errors
/// The call failed.
pub async fn containers_and_helpers(
    engine: &Engine,
    cluster: Option<&ClusterName>,
) -> Result<Vec<ObservedContainer>, Fault> {
    let ours = match cluster {
        Some(cluster) => format!("{}={cluster}", label::CLUSTER),
        None => label::CLUSTER.to_owned(),
    };
    let mut containers = list(engine, &HashMap::from([("label", vec![ours.as_str()])])).await?;
    containers.retain(|c| !c.cluster().is_empty());
    Ok(containers)
}

/// Every container of the engine, running or not (`GET /containers/json`).
///
/// # Errors
/// The call failed.
pub async fn all_containers(engine: &Engine) -> Result<Vec<ObservedContainer>, Fault> {
    list(engine, &HashMap::new()).await
}

async fn list(engine: &Engine, filters: &HashMap<&str, Vec<&str>>) -> Result<Vec<ObservedContainer>, Fault> {
    let options = ListContainersOptionsBuilder::new().all(true).filters(filters).build();
    let (list, images) = tokio::join!(engine.docker.list_containers(Some(options)), ownership::images(engine));
    let mut containers: Vec<ObservedContainer> = list?.into_iter().map(read::container).collect();
    ownership::disown(engine, &mut containers, &images?).await?;
    Ok(containers)
}

/// Every network of the engine (`GET /networks`).
///
/// # Errors
/// The call failed.
pub async fn networks(engine: &Engine) -> Result<Vec<ObservedNetwork>, Fault> {
    list_networks(engine, &HashMap::new()).await
}

/// The networks whose names contain `name`.
///
/// # Errors
/// The call failed.
pub async fn networks_named(engine: &Engine, name: &str) -> Result<Vec<ObservedNetwork>, Fault> {
    list_networks(engine, &HashMap::from([("name", vec![name])])).await
}

async fn list_networks(engine: &Engine, filters: &HashMap<&str, Vec<&str>>) -> Result<Vec<ObservedNetwork>, Fault> {
    let options = ListNetworksOptionsBuilder::new().filters(filters).build();
    let list = engine.docker.list_networks(Some(options)).await?;
    Ok(list.into_iter().map(read::network).collect())
}

/// Adds what no list contains to `containers`: their aliases, and whether they still run (`GET /containers/{id}/json`
/// of each).
///
/// # Errors
/// A call failed. A container that has been removed since it was listed is no error.
pub async fn inspect_all(engine: &Engine, containers: &mut [ObservedContainer]) -> Result<(), Fault> {
    // Collected first: a closure that is kept across an `await` would bind the future to this thread.
    let inspections: Vec<_> = containers
        .iter_mut()
        .map(|container| inspect(engine, container))
        .collect();
    let mut all = futures_util::stream::iter(inspections).buffer_unordered(PARALLEL);
    while let Some(result) = all.next().await {
        result?;
    }
    drop(all);
    owners(engine, containers).await
}

/// Finds out what became of the containers whose namespaces `containers` have, each asked once (`GET
/// /containers/{id}/json`). They are asked last: what was started again meanwhile must not look as if it never was.
async fn owners(engine: &Engine, containers: &mut [ObservedContainer]) -> Result<(), Fault> {
    let details = containers.iter().filter_map(|c| c.details.as_ref());
    let owners: BTreeSet<String> = details.flat_map(|d| d.shared.iter().map(|s| s.owner.clone())).collect();
    let ask = |owner: String| async move {
        let fate = match engine.docker.inspect_container(&owner, None).await.map_err(Fault::from) {
            Ok(inspect) => read::fate(inspect),
            Err(fault) if fault.is_not_found() => OwnerFate::Gone,
            Err(fault) => return Err(fault),
        };
        Ok((owner, fate))
    };
    let fates: HashMap<String, OwnerFate> = futures_util::stream::iter(owners.into_iter().map(ask))
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    for details in containers.iter_mut().filter_map(|c| c.details.as_mut()) {
        for shared in &mut details.shared {
            shared.fate = fates.get(&shared.owner).cloned();
        }
    }
    Ok(())
}

/// Finds out what a list does not say and a verdict needs: of containers that may share something, or that may be started
/// again and again.
///
/// # Errors
/// The engine's.
pub async fn inspect_doubtful(engine: &Engine, containers: &mut [ObservedContainer]) -> Result<(), Fault> {
    let is_doubtful = |c: &ObservedContainer| match c.state {
        State::Running => c.uptime.is_some() || c.network_host.is_some() || c.depends_on().next().is_some(),
        State::Created | State::Exited | State::Dead => true,
        State::Paused | State::Restarting | State::Removing => false,
    };
    let mut doubtful: Vec<ObservedContainer> = containers.iter().filter(|c| is_doubtful(c)).cloned().collect();
    inspect_all(engine, &mut doubtful).await?;
    let mut doubtful = doubtful
        .into_iter()
        .map(|c| (c.id.clone(), c))
        .collect::<HashMap<_, _>>();
    for container in containers {
        if let Some(inspected) = doubtful.remove(&container.id) {
            *container = inspected;
        }
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
        // It was removed after the list was made.
        Err(fault) if fault.is_not_found() => return Ok(()),
        Err(fault) => return Err(fault),
    };
    read::inspected(container, inspect);
    Ok(())
}

/// The label `key` of the image `name`; `None` if there is no such image or label.
///
/// # Errors
/// The call failed.
pub async fn image_label(engine: &Engine, name: &str, key: &str) -> Result<Option<String>, Fault> {
    match engine.docker.inspect_image(name).await.map_err(Fault::from) {
        Ok(inspect) => Ok(inspect.config.and_then(|c| c.labels).and_then(|l| l.get(key).cloned())),
        Err(fault) if fault.is_not_found() => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Adds to the observed images called `names` for which platform they are, which no list of images says.
///
/// # Errors
/// A call failed.
pub async fn platforms(engine: &Engine, observed: &mut Observed, names: &BTreeSet<&str>) -> Result<(), Fault> {
    for name in names {
        let Some(id) = observed.image(name).map(|image| image.id.clone()) else {
            continue;
        };
        let platform = image(engine, &id).await?.and_then(|image| image.platform);
        observed
            .images
            .iter_mut()
            .filter(|image| image.id == id)
            .for_each(|image| image.platform.clone_from(&platform));
    }
    Ok(())
}

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentImage {
    /// How long ago it was last fetched or given its name; `None` if the engine does not say so.
    pub age: Option<Duration>,
    /// Whether its containers have a healthcheck, unless they turn it off.
    pub has_healthcheck: bool,
    /// The platform that it is for: `linux/arm64/v8`; `None` if the engine does not say so.
    pub platform: Option<String>,
    /// The paths at which each of its containers has a volume, unless something else is mounted there.
    pub volumes: Vec<String>,
}

/// The image `name`; `None` if the engine does not have it. `GET /images/{name}/json`.
///
/// # Errors
/// The call failed.
pub async fn image(engine: &Engine, name: &str) -> Result<Option<PresentImage>, Fault> {
    let inspect = match engine.docker.inspect_image(name).await.map_err(Fault::from) {
        Ok(inspect) => inspect,
        Err(fault) if fault.is_not_found() => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let config = inspect.config.unwrap_or_default();
    let test = config.healthcheck.and_then(|h| h.test);
    let has_healthcheck = test.is_some_and(|test| test.first().is_some_and(|first| first != "NONE"));
    let tagged = inspect.metadata.and_then(|m| m.last_tag_time);
    let then = tagged.and_then(|text| read::time(&text));
    let age = then.and_then(|then| SystemTime::now().duration_since(then).ok());
    let words = [inspect.os, inspect.architecture, inspect.variant].map(|word| word.filter(|word| !word.is_empty()));
    let platform = words.into_iter().flatten().collect::<Vec<String>>().join("/");
    Ok(Some(PresentImage {
        age,
        has_healthcheck,
        platform: Some(platform).filter(|platform| !platform.is_empty()),
        volumes: config.volumes.unwrap_or_default(),
    }))
}
