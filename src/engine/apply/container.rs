//! Containers: created, connected to all of their networks, given their files, started.

use bollard::Docker;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, NetworkingConfig};
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder};

use serde_json::json;

use super::network::{connect, drop_namesakes, one_network_each};
use super::{ApplyContext, PAUSE, STABLE_CHECKS, TRIES, files, inspect};
use crate::cluster::ContainerSpec;
use crate::cluster::label;
use crate::engine::connect::Engine;
use crate::engine::fault::Fault;
use crate::engine::observe::ownership::{draw, is_owned};
use crate::engine::request;

/// `POST /containers/create`, joined to all its networks before it starts.
pub(super) async fn create_container(spec: &ContainerSpec, context: &ApplyContext<'_>) -> Result<(), Fault> {
    let engine = context.engine;
    let at_once = if engine.creates_with_all_networks() {
        spec.endpoints.len()
    } else {
        1
    };
    let endpoints = spec.endpoints.iter().take(at_once);
    let endpoints = endpoints.map(|e| (e.network.to_string(), request::endpoint(e)));
    let mut body = request::container(spec);
    let declared = context.images.volumes(spec.image(), engine).await?;
    request::declare_volumes(&mut body, spec, &declared);
    body.networking_config = Some(NetworkingConfig {
        endpoints_config: Some(endpoints.collect()),
    });
    let labels = body.labels.get_or_insert_default();
    labels.insert(label::CREATION.to_owned(), draw());
    let docker = telling_mac_address(spec, &body, engine);
    let mut tries = 0;
    let mut connected = at_once;
    loop {
        let options = CreateContainerOptionsBuilder::new().name(spec.name.as_str());
        let options = match &spec.platform {
            Some(platform) => options.platform(platform),
            None => options,
        };
        let created = docker.create_container(Some(options.build()), body.clone()).await;
        match created.map_err(Fault::from) {
            Ok(created) => {
                context.handles.created(&spec.name, created.id);
                break;
            }
            Err(fault @ (Fault::NameTaken(_) | Fault::Conflict(_))) if tries < TRIES => {
                // It was removed just now; its name will be free in a moment.
                if let Some(holder) = inspect(spec.name.as_str(), engine).await? {
                    if !is_of_cluster(&holder, context).await? {
                        return Err(fault);
                    }
                    let labels = holder.config.and_then(|c| c.labels).unwrap_or_default();
                    use ContainerStateStatusEnum::{DEAD, REMOVING};
                    let is_being_removed = matches!(holder.state.and_then(|s| s.status), Some(REMOVING | DEAD));
                    // It is the desired container: a killed `up`, or another one, got that far.
                    if !is_being_removed
                        && labels.get(label::CONFIG_HASH) == Some(&spec.hash)
                        && is_stable(spec, context).await?
                    {
                        connected = 0;
                        break;
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(Fault::Ambiguous(_)) if tries < TRIES => {
                one_network_each(spec, context).await?;
                tokio::time::sleep(PAUSE).await;
            }
            Err(fault) => return Err(fault),
        }
        tries += 1;
    }
    let id = context.handles.reference(spec.name.as_str());
    for at in connected..spec.endpoints.len() {
        let joined = connect(spec, at, &id, context).await;
        if joined.is_err()
            && connected > 0
            && spec.labels.get(label::NAME).map(String::as_str) != Some(spec.name.as_str())
        {
            // It takes nobody's place, so nobody is to see it.
            let options = RemoveContainerOptionsBuilder::new().v(true).force(true).build();
            let _ = engine.docker.remove_container(&id, Some(options)).await;
        }
        joined?;
    }
    Ok(())
}

/// The client that creates a container from `body`. For engines before API 1.44 it adds the MAC address outside of the
/// networks, for which the client has no field any more.
fn telling_mac_address(spec: &ContainerSpec, body: &ContainerCreateBody, engine: &Engine) -> Docker {
    let address = spec.endpoints.first().and_then(|e| e.mac_address.as_ref());
    let Some(address) = address.filter(|_| !engine.creates_with_all_networks()) else {
        return engine.docker.clone();
    };
    let mut body = json!(body);
    body["MacAddress"] = json!(address);
    let body = body.to_string().into_bytes();
    let docker = engine.docker.clone();
    docker.with_request_modifier(move |request| request.map(|_| bollard::body_full(body.clone().into())))
}

/// Whether a container that this run did not create exists and will stay; from then on it is asked for by its ID. The engine
/// removes what a killed client was creating once it notices; a request for it at that moment makes engine 20.10 lose count
/// of endpoints for good.
///
/// # Errors
/// A call failed, or the container is not of this cluster.
pub(super) async fn is_stable(spec: &ContainerSpec, context: &ApplyContext<'_>) -> Result<bool, Fault> {
    if context.handles.has_created(&spec.name) {
        return Ok(true);
    }
    let mut checks = 0;
    let found = loop {
        let Some(found) = inspect(spec.name.as_str(), context.engine).await? else {
            return Ok(false);
        };
        checks += 1;
        let status = found.state.as_ref().and_then(|s| s.status);
        if status != Some(ContainerStateStatusEnum::CREATED) || checks == STABLE_CHECKS {
            break found;
        }
        tokio::time::sleep(PAUSE).await;
    };
    if !is_of_cluster(&found, context).await? {
        let name = &spec.name;
        return Err(Fault::Own(format!(
            "container `{name}` is not of this cluster any more"
        )));
    }
    context.handles.found(&spec.name, found.id.unwrap_or_default());
    Ok(true)
}

/// Whether the inspected `container` is topogen's, and of this cluster.
async fn is_of_cluster(container: &ContainerInspectResponse, context: &ApplyContext<'_>) -> Result<bool, Fault> {
    let labels = container.config.as_ref().and_then(|c| c.labels.as_ref());
    let cluster = labels.and_then(|labels| labels.get(label::CLUSTER));
    Ok(cluster.map(String::as_str) == Some(context.cluster.as_str()) && is_owned(context.engine, container).await?)
}

/// How many ports of the engine's choice may be taken before a start fails.
const OTHER_PORTS: u32 = 5;

/// Whether the port of the host that is taken, according to the engine's `words`, is none that `spec` asks for by its number.
fn is_engines_choice(spec: &ContainerSpec, words: &str) -> bool {
    let fixed = spec.host_ports();
    // The words name it with its address: `Bind for 127.0.0.1:8080 failed`, `listen tcp4 0.0.0.0:8080: bind`.
    let is_named = |port: u16| {
        let parts = words.split(|c: char| c.is_whitespace());
        parts
            .map(|part| part.trim_end_matches(':'))
            .any(|part| part.ends_with(&format!(":{port}")))
    };
    fixed.len() < spec.config.published.iter().flatten().count() && !fixed.iter().any(|port| is_named(port.port))
}

/// Put its files into a container and start it (`POST /containers/{id}/start`), once more where a client that was killed left endpoints of its name behind.
pub(super) async fn start(spec: &ContainerSpec, context: &ApplyContext<'_>) -> Result<(), Fault> {
    let docker = &context.engine.docker;
    // This is done here and not at creation: a kill between the two would leave a container without its files.
    let id = context.handles.reference(spec.name.as_str());
    files::upload(spec, &id, context.engine).await?;
    let mut started = docker.start_container(&id, None).await.map_err(Fault::from);
    for _ in 0..OTHER_PORTS {
        match &started {
            // Engine 20.10 takes a port of one address for free that somebody has on all of them. It chooses the next one
            // at the next start.
            Err(Fault::PortTaken(words)) if is_engines_choice(spec, words) => {
                started = docker.start_container(&id, None).await.map_err(Fault::from);
            }
            _ => break,
        }
    }
    match started {
        Err(Fault::EndpointExists(_)) => drop_namesakes(spec, &id, docker).await?,
        // Engines up to 24 resolve networks by name only when a container starts.
        Err(Fault::Ambiguous(_)) => one_network_each(spec, context).await?,
        other => return other,
    }
    Ok(docker.start_container(&id, None).await?)
}
