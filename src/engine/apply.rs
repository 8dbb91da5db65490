//! Carrying out a plan: each operation as soon as what it waits for is done, so many at once, none after a stop.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest,
    NetworkCreateRequest, NetworkDisconnectRequest, NetworkingConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ImportImageOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptions,
    UploadToContainerOptionsBuilder,
};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use super::connect::{Engine, status, words};
use super::{ContainerSpec, NetworkSpec, label, observe};
use crate::event::Event;
use crate::fake;
use crate::name::{ClusterName, ContainerName};
use crate::plan::{Action, Operation, Plan};
use crate::topology::address::{Layout, overlap};

/// How often an operation is tried where the engine says that what is in its way is passing.
const TRIES: u32 = 40;
/// How often a container that somebody else made is looked at before it is taken for whole: two seconds.
const SETTLING: u32 = 20;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Operations done: their place in the plan.
    pub done: Vec<usize>,
    /// Operations that failed: their place in the plan, and the engine's words.
    pub failed: Vec<(usize, String)>,
    /// Operations not begun, because what they wait for failed.
    pub skipped: Vec<usize>,
    /// Operations not begun, because a stop was asked for.
    pub unbegun: usize,
}

/// What applying needs beside the plan.
pub struct Setting<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The cluster.
    pub cluster: &'a ClusterName,
    /// How subnets lie, for another one where the engine finds one taken.
    pub layout: Option<Layout>,
    /// Operations at once.
    pub parallel: usize,
    /// Turns true when no more work is to be begun.
    pub stop: watch::Receiver<bool>,
    /// Containers that this run made: nobody else has their making in hand.
    pub made: RefCell<HashSet<ContainerName>>,
}

/// Carry out `plan`. Failures stop what depends on them and nothing else.
pub async fn apply(plan: &Plan, setting: &Setting<'_>, report: &mut dyn FnMut(Event<'_>)) -> Outcome {
    let count = plan.operations.len();
    let mut waits: Vec<usize> = plan.operations.iter().map(|o| o.after.len()).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (at, operation) in plan.operations.iter().enumerate() {
        for before in &operation.after {
            dependents[*before].push(at);
        }
    }
    // The earliest of the plan first: it goes node by node.
    let mut ready: BinaryHeap<Reverse<usize>> = (0..count).filter(|n| waits[*n] == 0).map(Reverse).collect();
    let mut doomed = vec![false; count];
    let mut outcome = Outcome::default();
    let mut running = FuturesUnordered::new();
    let mut stop = setting.stop.clone();
    loop {
        while running.len() < setting.parallel && !*stop.borrow() {
            let Some(Reverse(at)) = ready.pop() else { break };
            let operation = &plan.operations[at];
            report(Event::Started { at, operation });
            running.push(async move { (at, perform(operation, setting).await) });
        }
        let next = tokio::select! {
            next = running.next() => next,
            // Wakes the loop, so that a stop is seen while operations are in flight.
            Ok(()) = stop.changed() => {
                report(Event::Stopping { in_flight: running.len() });
                continue;
            }
        };
        let Some((at, result)) = next else { break };
        let operation = &plan.operations[at];
        match result {
            Ok(()) => {
                outcome.done.push(at);
                report(Event::Done { at, operation });
                for next in &dependents[at] {
                    waits[*next] -= 1;
                    if waits[*next] == 0 && !doomed[*next] {
                        ready.push(Reverse(*next));
                    }
                }
            }
            Err(error) => {
                let reason = words(&error);
                report(Event::Failed {
                    at,
                    operation,
                    reason: &reason,
                });
                outcome.failed.push((at, reason));
                let mut stack = dependents[at].clone();
                while let Some(next) = stack.pop() {
                    if !std::mem::replace(&mut doomed[next], true) {
                        report(Event::Skipped {
                            at: next,
                            operation: &plan.operations[next],
                        });
                        outcome.skipped.push(next);
                        stack.extend(&dependents[next]);
                    }
                }
            }
        }
    }
    outcome.unbegun = count - outcome.done.len() - outcome.failed.len() - outcome.skipped.len();
    outcome
}

async fn perform(operation: &Operation, setting: &Setting<'_>) -> Result<(), Error> {
    let docker = &setting.engine.docker;
    let subject = operation.subject.as_str();
    match &operation.action {
        Action::LoadImage => load_image(setting.engine, subject).await,
        Action::CreateNetwork(spec) => create_network(spec, setting).await,
        Action::CreateContainer(spec) => create_container(spec, setting).await,
        Action::Connect { container, .. } if !settled(container, setting).await? => {
            create_container(container, setting).await
        }
        Action::Connect { container, endpoint } => match connect(container, *endpoint, subject, setting).await {
            Err(error) if vanished(&error) => create_container(container, setting).await,
            other => other,
        },
        Action::Start(spec) if !settled(spec, setting).await? => {
            create_container(spec, setting).await?;
            start(spec, setting).await
        }
        Action::Start(spec) => match start(spec, setting).await {
            Err(error) if vanished(&error) => {
                create_container(spec, setting).await?;
                start(spec, setting).await
            }
            other => other,
        },
        Action::Unpause => already(docker.unpause_container(subject).await),
        // Without `t` the engine takes the container's own grace period.
        Action::Stop { id } => gone(docker.stop_container(id, None::<StopContainerOptions>).await),
        Action::RemoveContainer { id } => {
            let options = RemoveContainerOptionsBuilder::new().v(true).force(true).build();
            match docker.remove_container(id, Some(options)).await {
                // Somebody else removes it: gone soon, and what waits for that tries again.
                Err(error) if status(&error) == Some(409) => Ok(()),
                other => gone(other),
            }
        }
        Action::RemoveNetwork { id } => remove_network(id, docker).await,
    }
}

/// `DELETE /networks/{id}`.
async fn remove_network(id: &str, docker: &Docker) -> Result<(), Error> {
    for tries in 0.. {
        match docker.remove_network(id).await {
            Err(error) if in_use(&error) && tries < TRIES => {
                // An endpoint is let go a moment after its container is reported gone; one may also outlive it for ever,
                // where a client was killed while it joined the two.
                if tries >= 3 {
                    drop_stale_endpoints(id, docker).await?;
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) if in_use(&error) && nobody_on(id, docker).await? => {
                let reason = format!(
                    "{}, though nobody is on it: the engine has lost count, which restarting it mends",
                    words(&error)
                );
                return Err(Error::DockerStreamError { error: reason });
            }
            other => return gone(other),
        }
    }
    Ok(())
}

/// Whether the engine itself names no container on a network.
async fn nobody_on(id: &str, docker: &Docker) -> Result<bool, Error> {
    let inspect = docker.inspect_network(id, None).await?;
    Ok(inspect.containers.unwrap_or_default().is_empty())
}

/// Take off a network what the engine has left there of containers that are no more.
async fn drop_stale_endpoints(id: &str, docker: &Docker) -> Result<(), Error> {
    let inspect = match docker.inspect_network(id, None).await {
        Err(error) if status(&error) == Some(404) => return Ok(()),
        other => other?,
    };
    for (container, endpoint) in inspect.containers.unwrap_or_default() {
        match docker.inspect_container(&container, None).await {
            Err(error) if status(&error) == Some(404) => {
                let request = NetworkDisconnectRequest {
                    container: endpoint.name.unwrap_or(container),
                    force: Some(true),
                };
                gone(docker.disconnect_network(id, request).await)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Already so (304) is as good as done.
fn already(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if status(&error) == Some(304) => Ok(()),
        other => other,
    }
}

/// So is gone (404), where the aim was that it goes.
fn gone(result: Result<(), Error>) -> Result<(), Error> {
    match already(result) {
        Err(error) if status(&error) == Some(404) => Ok(()),
        other => other,
    }
}

/// `POST /images/load` of topogen's own executable.
async fn load_image(engine: &Engine, name: &str) -> Result<(), Error> {
    let failed = |error: &dyn std::fmt::Display| Error::DockerStreamError {
        error: error.to_string(),
    };
    let parts = fake::image::Parts::of_this_process().map_err(|e| failed(&e))?;
    let archive = parts.archive(name).map_err(|e| failed(&e))?;
    let body = futures_util::stream::iter([Ok::<_, std::io::Error>(archive.into())]);
    let options = ImportImageOptionsBuilder::default().build();
    let mut stream = std::pin::pin!(engine.docker.import_image_stream(options, body, None));
    while let Some(answer) = stream.next().await {
        answer?;
    }
    Ok(())
}

/// `POST /networks/create`, on another subnet where somebody took the planned one since it was looked at.
async fn create_network(spec: &NetworkSpec, setting: &Setting<'_>) -> Result<(), Error> {
    let docker = &setting.engine.docker;
    let mut subnet = spec.subnet;
    let mut alternatives = subnet.zip(setting.layout).map(|(s, layout)| layout.alternatives(s));
    loop {
        let request = NetworkCreateRequest {
            ipam: match subnet {
                Some(subnet) => Some(Ipam {
                    config: Some(vec![IpamConfig {
                        subnet: Some(subnet.to_string()),
                        ..IpamConfig::default()
                    }]),
                    ..Ipam::default()
                }),
                None => spec.request.ipam.clone(),
            },
            ..spec.request.clone()
        };
        match docker.create_network(request).await {
            // Engines from 25 on allow a name once: then it is the one that a killed `up`, or another one, made.
            Ok(_) => return one_network(spec.name.as_str(), setting).await,
            Err(error) if status(&error) == Some(409) && is_there(spec, setting).await? => return Ok(()),
            Err(error) if words(&error).contains("Pool overlaps") => {
                let Some(alternatives) = &mut alternatives else {
                    return Err(error);
                };
                let networks = observe::networks(setting.engine).await?;
                let taken: Vec<_> = networks.into_iter().flat_map(|n| n.subnets).collect();
                let free = alternatives.find(|s| !taken.iter().any(|t| overlap(t, s)));
                subnet = Some(free.ok_or(error)?);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the very network that `spec` describes is there.
async fn is_there(spec: &NetworkSpec, setting: &Setting<'_>) -> Result<bool, Error> {
    let networks = observe::networks(setting.engine).await?;
    Ok(networks.iter().any(|n| {
        n.name == spec.name.as_str() && n.is_of(setting.cluster) && n.labels.get(label::CONFIG_HASH) == Some(&spec.hash)
    }))
}

/// Engines up to 24 let two networks share a name, which an `up` killed in the middle of its call can bring about when the
/// next one makes the same network: of several of ours, those with containers stay, else the one whose id sorts first.
async fn one_network(name: &str, setting: &Setting<'_>) -> Result<(), Error> {
    let networks = observe::networks(setting.engine).await?;
    let mut own: Vec<String> = networks
        .into_iter()
        .filter(|n| n.name == name && n.is_of(setting.cluster))
        .map(|n| n.id)
        .collect();
    own.sort();
    let mut left = own.len();
    for id in own.iter().rev() {
        if left <= 1 {
            break;
        }
        match gone(setting.engine.docker.remove_network(id).await) {
            Err(error) if in_use(&error) => {}
            other => {
                other?;
                left -= 1;
            }
        }
    }
    Ok(())
}

/// `POST /containers/create`, joined to all its networks before it starts.
async fn create_container(spec: &ContainerSpec, setting: &Setting<'_>) -> Result<(), Error> {
    let engine = setting.engine;
    let at_once = if engine.creates_with_all_networks() {
        spec.endpoints.len()
    } else {
        1
    };
    let endpoints: HashMap<String, EndpointSettings> = spec
        .endpoints
        .iter()
        .take(at_once)
        .map(|(network, settings)| (network.to_string(), settings.clone()))
        .collect();
    let mut body = spec.body.clone();
    body.networking_config = Some(NetworkingConfig {
        endpoints_config: Some(endpoints),
    });
    let mut tries = 0;
    let mut connected = at_once;
    loop {
        let options = CreateContainerOptionsBuilder::new().name(spec.name.as_str()).build();
        match engine.docker.create_container(Some(options), body.clone()).await {
            Ok(_) => {
                setting.made.borrow_mut().insert(spec.name.clone());
                break;
            }
            Err(error) if status(&error) == Some(409) && tries < TRIES => {
                // None: just gone, its name is free in a moment.
                if let Some(holder) = inspect(spec, engine).await? {
                    let labels = holder.config.and_then(|c| c.labels).unwrap_or_default();
                    if labels.get(label::CLUSTER).map(String::as_str) != Some(setting.cluster.as_str()) {
                        return Err(error);
                    }
                    use ContainerStateStatusEnum::{DEAD, REMOVING};
                    let going = matches!(holder.state.and_then(|s| s.status), Some(REMOVING | DEAD));
                    // It is the very one that was to be made: a killed `up`, or another one, got that far.
                    if !going && labels.get(label::CONFIG_HASH) == Some(&spec.hash) && settled(spec, setting).await? {
                        connected = 0;
                        break;
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) if words(&error).contains("is ambiguous") && tries < TRIES => {
                for (network, _) in &spec.endpoints {
                    one_network(network.as_str(), setting).await?;
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
        tries += 1;
    }
    for at in connected..spec.endpoints.len() {
        connect(spec, at, spec.name.as_str(), setting).await?;
    }
    Ok(())
}

/// Whether a container that this run did not make is there to stay. What a killed client was making, the engine takes
/// back when it finds out; to touch it at that moment makes engine 20.10 lose count of endpoints, for ever.
async fn settled(spec: &ContainerSpec, setting: &Setting<'_>) -> Result<bool, Error> {
    if setting.made.borrow().contains(&spec.name) {
        return Ok(true);
    }
    for _ in 0..SETTLING {
        let Some(found) = inspect(spec, setting.engine).await? else {
            return Ok(false);
        };
        if found.state.and_then(|s| s.status) != Some(ContainerStateStatusEnum::CREATED) {
            return Ok(true);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(true)
}

/// The container that has the name of `spec`; `None` where it has just gone.
async fn inspect(spec: &ContainerSpec, engine: &Engine) -> Result<Option<ContainerInspectResponse>, Error> {
    match engine.docker.inspect_container(spec.name.as_str(), None).await {
        Ok(inspect) => Ok(Some(inspect)),
        Err(error) if status(&error) == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `PUT /containers/{id}/archive`: the configs and secrets of a container.
async fn upload(spec: &ContainerSpec, docker: &Docker) -> Result<(), Error> {
    if spec.files.is_empty() {
        return Ok(());
    }
    let mut archive = tar::Builder::new(Vec::new());
    for file in &spec.files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.content.len() as u64);
        header.set_mode(file.mode);
        header.set_uid(file.uid);
        header.set_gid(file.gid);
        archive.append_data(&mut header, file.target.trim_start_matches('/'), &*file.content)?;
    }
    let options = UploadToContainerOptionsBuilder::new().path("/").build();
    let body = bollard::body_full(archive.into_inner()?.into());
    docker
        .upload_to_container(spec.name.as_str(), Some(options), body)
        .await
}

/// Put its files into a container and start it (`POST /containers/{id}/start`), once more where a client that was killed left endpoints of its name behind.
async fn start(spec: &ContainerSpec, setting: &Setting<'_>) -> Result<(), Error> {
    let docker = &setting.engine.docker;
    // Here and not when it is made: a kill between the two would leave it to be started without them.
    upload(spec, docker).await?;
    match already(docker.start_container(spec.name.as_str(), None).await) {
        Err(error) if endpoint_exists(&error) => {
            for (network, _) in &spec.endpoints {
                drop_stale_endpoints(network.as_str(), docker).await?;
            }
            already(docker.start_container(spec.name.as_str(), None).await)
        }
        other => other,
    }
}

/// `POST /networks/{id}/connect`, once more where what the engine takes for the container is left of a killed client.
async fn connect(spec: &ContainerSpec, at: usize, container: &str, setting: &Setting<'_>) -> Result<(), Error> {
    let docker = &setting.engine.docker;
    let (network, settings) = &spec.endpoints[at];
    let request = || NetworkConnectRequest {
        container: container.to_owned(),
        endpoint_config: Some(settings.clone()),
    };
    match docker.connect_network(network.as_str(), request()).await {
        Err(error) if endpoint_exists(&error) => {
            let networks = inspect(spec, setting.engine).await?.and_then(|c| c.network_settings);
            if networks
                .and_then(|s| s.networks)
                .is_some_and(|n| n.contains_key(network.as_str()))
            {
                return Ok(());
            }
            drop_stale_endpoints(network.as_str(), docker).await?;
            let stale = NetworkDisconnectRequest {
                container: container.to_owned(),
                force: Some(true),
            };
            // Whether there was anything to take off shows in a moment.
            let _ = docker.disconnect_network(network.as_str(), stale).await;
            docker.connect_network(network.as_str(), request()).await
        }
        other => other,
    }
}

/// Whether the engine says that a container, or another one of its name, is on a network already.
fn endpoint_exists(error: &Error) -> bool {
    words(error).contains("already exists in network")
}

/// Whether a container that was seen is no more: a killed client's unfinished one, which the engine takes back when it
/// finds out.
fn vanished(error: &Error) -> bool {
    status(error) == Some(404) && words(error).contains("No such container")
}

/// Whether the engine says that containers are on a network.
fn in_use(error: &Error) -> bool {
    words(error).contains("active endpoints")
}
