//! Networks: created on free subnets, and removed when no container is on them.

use bollard::Docker;
use bollard::models::{EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest};

use super::{ApplyContext, PAUSE, TRIES, TRIES_OF_RELEASE, inspect};
use crate::cluster::ContainerSpec;
use crate::cluster::NetworkSpec;
use crate::cluster::label;
use crate::engine::fault::{Fault, ignore_missing};
use crate::engine::{observe, request, verbs};
use crate::topology::address::Subnets;

/// `POST /networks/create`, on another subnet if somebody took the planned one since it was observed.
pub(super) async fn create_network(spec: &NetworkSpec, context: &ApplyContext<'_>) -> Result<(), Fault> {
    let docker = &context.engine.docker;
    let mut spec = spec.clone();
    let mut alternatives = spec
        .subnet
        .zip(context.layout)
        .map(|(s, layout)| layout.alternatives(s));
    loop {
        let request = request::network(&spec);
        match docker.create_network(request).await.map_err(Fault::from) {
            Ok(_) if context.engine.network_names_are_unique() => return Ok(()),
            Ok(_) => return one_network(spec.name.as_str(), context).await,
            // A killed `up`, or another one, created it.
            Err(Fault::NameTaken(_) | Fault::Conflict(_)) if is_there(&spec, context).await? => return Ok(()),
            Err(fault @ Fault::PoolOverlaps(_)) => {
                let Some(alternatives) = &mut alternatives else {
                    return Err(fault);
                };
                let networks = observe::networks(context.engine).await?;
                let taken: Subnets = networks.into_iter().flat_map(|n| n.subnets).collect();
                let free = alternatives.find(|s| !taken.meets(s));
                spec.subnet = Some(free.ok_or(fault)?);
            }
            Err(fault) => return Err(fault),
        }
    }
}

/// Whether the network that `spec` describes exists.
async fn is_there(spec: &NetworkSpec, context: &ApplyContext<'_>) -> Result<bool, Fault> {
    let networks = observe::networks(context.engine).await?;
    Ok(networks.iter().any(|n| {
        n.name == spec.name.as_str() && n.is_of(context.cluster) && n.labels.get(label::CONFIG_HASH) == Some(&spec.hash)
    }))
}

/// Removes duplicates of a network. Engines up to 24 let two networks share a name, which happens when an `up` is
/// killed during its request and the next one creates the same network. Of several of ours, those with containers stay,
/// otherwise the one whose ID sorts first: every `up` that looks comes to the same. Where containers run on several, those
/// of the others move to that one.
pub(super) async fn one_network(name: &str, context: &ApplyContext<'_>) -> Result<(), Fault> {
    let networks = observe::networks_named(context.engine, name).await?;
    let mut own: Vec<String> = networks
        .into_iter()
        .filter(|n| n.name == name && n.is_of(context.cluster))
        .map(|n| n.id)
        .collect();
    own.sort();
    let mut left = own.len();
    for id in own.iter().rev() {
        if left <= 1 {
            break;
        }
        match ignore_missing(context.engine.docker.remove_network(id).await) {
            Err(Fault::InUse(_)) => {}
            other => {
                other?;
                left -= 1;
            }
        }
    }
    if left > 1
        && let [first, others @ ..] = &own[..]
    {
        for other in others {
            move_containers(other, first, &context.engine.docker).await?;
            ignore_missing(context.engine.docker.remove_network(other).await)?;
        }
    }
    Ok(())
}

/// Moves the containers on the network `from` to the network `to`, with the names that they have there.
async fn move_containers(from: &str, to: &str, docker: &Docker) -> Result<(), Fault> {
    let inspect = match docker.inspect_network(from, None).await.map_err(Fault::from) {
        // Another `up` was faster.
        Err(fault) if fault.is_not_found() => return Ok(()),
        other => other?,
    };
    let name = inspect.name.unwrap_or_default();
    for container in inspect.containers.unwrap_or_default().into_keys() {
        let inspect = match docker.inspect_container(&container, None).await.map_err(Fault::from) {
            Err(fault) if fault.is_not_found() => continue,
            other => other?,
        };
        let networks = inspect.network_settings.and_then(|s| s.networks).unwrap_or_default();
        let Some(settings) = networks.get(&name) else { continue };
        let request = NetworkDisconnectRequest {
            container: container.clone(),
            force: Some(true),
        };
        ignore_missing(docker.disconnect_network(from, request).await)?;
        let endpoint = EndpointSettings {
            aliases: settings.aliases.clone(),
            ipam_config: settings.ipam_config.clone(),
            links: settings.links.clone(),
            driver_opts: settings.driver_opts.clone(),
            ..EndpointSettings::default()
        };
        let request = NetworkConnectRequest {
            container,
            endpoint_config: Some(endpoint),
        };
        match docker.connect_network(to, request).await.map_err(Fault::from) {
            Err(Fault::EndpointExists(_)) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Removes duplicates of each network that the container of `spec` joins.
pub(super) async fn one_network_each(spec: &ContainerSpec, context: &ApplyContext<'_>) -> Result<(), Fault> {
    for endpoint in &spec.endpoints {
        one_network(endpoint.network.as_str(), context).await?;
    }
    Ok(())
}

/// `DELETE /networks/{id}`, repeated while the engine still releases endpoints: a busy one takes seconds for what it has no
/// container for any more, which is waited for longer than for a container that may stay.
pub(super) async fn remove_network(id: &str, docker: &Docker) -> Result<(), Fault> {
    for tries in 0.. {
        match docker.remove_network(id).await.map_err(Fault::from) {
            Err(Fault::InUse(_)) if tries < TRIES => {
                // An endpoint is released a moment after its container was reported as removed. It may also stay for
                // good if a client was killed while it connected the two.
                if tries >= 3 {
                    drop_stale_endpoints(id, docker).await?;
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(Fault::InUse(words)) if nobody_on(id, docker).await? => {
                if tries < TRIES_OF_RELEASE {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                return Err(Fault::Own(format!(
                    "{words}, though nobody is on it: the engine has lost count, which restarting it mends"
                )));
            }
            other => return ignore_missing(other),
        }
    }
    Ok(())
}

/// Whether the engine lists no container on the network, or no such network any more.
async fn nobody_on(id: &str, docker: &Docker) -> Result<bool, Fault> {
    match docker.inspect_network(id, None).await.map_err(Fault::from) {
        Ok(inspect) => Ok(inspect.containers.unwrap_or_default().is_empty()),
        Err(fault) if fault.is_not_found() => Ok(true),
        Err(fault) => Err(fault),
    }
}

/// Removes endpoints of containers that no longer exist from a network.
async fn drop_stale_endpoints(id: &str, docker: &Docker) -> Result<(), Fault> {
    let inspect = match docker.inspect_network(id, None).await.map_err(Fault::from) {
        Err(fault) if fault.is_not_found() => return Ok(()),
        other => other?,
    };
    for (container, endpoint) in inspect.containers.unwrap_or_default() {
        match docker.inspect_container(&container, None).await.map_err(Fault::from) {
            Err(fault) if fault.is_not_found() => {
                let request = NetworkDisconnectRequest {
                    container: endpoint.name.unwrap_or(container),
                    force: Some(true),
                };
                ignore_missing(docker.disconnect_network(id, request).await)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes stale endpoints with the name of its container, which has that `id`, from the networks of `spec`. While a container of that name
/// exists, the engine would disconnect the container instead, so it is renamed in the meantime (`POST
/// /containers/{id}/rename`).
pub(super) async fn drop_namesakes(spec: &ContainerSpec, id: &str, docker: &Docker) -> Result<(), Fault> {
    verbs::rename(id, &format!("{}-renamed", spec.name), docker).await?;
    let mut dropped = Ok(());
    for endpoint in &spec.endpoints {
        dropped = dropped.and(drop_stale_endpoints(endpoint.network.as_str(), docker).await);
    }
    verbs::rename(id, spec.name.as_str(), docker).await?;
    dropped
}

/// `POST /networks/{id}/connect`, repeated after stale endpoints of a killed client were removed.
pub(super) async fn connect(
    spec: &ContainerSpec,
    at: usize,
    container: &str,
    context: &ApplyContext<'_>,
) -> Result<(), Fault> {
    let docker = &context.engine.docker;
    let endpoint = &spec.endpoints[at];
    let network = &endpoint.network;
    let request = || NetworkConnectRequest {
        container: container.to_owned(),
        endpoint_config: Some(request::endpoint(endpoint)),
    };
    let connected = docker.connect_network(network.as_str(), request()).await;
    match connected.map_err(Fault::from) {
        // Two `up` at once made it twice; of both, one is left.
        Err(Fault::Ambiguous(_)) => {
            one_network(network.as_str(), context).await?;
            Ok(docker.connect_network(network.as_str(), request()).await?)
        }
        Err(Fault::EndpointExists(_)) => {
            let networks = inspect(container, context.engine)
                .await?
                .and_then(|c| c.network_settings);
            if networks
                .and_then(|s| s.networks)
                .is_some_and(|n| n.contains_key(network.as_str()))
            {
                return Ok(());
            }
            drop_namesakes(spec, container, docker).await?;
            let stale = NetworkDisconnectRequest {
                container: container.to_owned(),
                force: Some(true),
            };
            // Whether there was one to remove shows at the next attempt.
            let _ = docker.disconnect_network(network.as_str(), stale).await;
            Ok(docker.connect_network(network.as_str(), request()).await?)
        }
        other => other,
    }
}
