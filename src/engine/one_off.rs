//! Runs one command in a container of its own, which is removed when the command has ended.

use std::io;
use std::time::Duration;

use bollard::container::AttachContainerResults;
use bollard::models::{NetworkConnectRequest, NetworkingConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    ResizeContainerTTYOptionsBuilder,
};

use super::apply::files;
use super::connect::Engine;
use super::exec::{Console, RunError, Stream, forward, pass_on, resize};
use super::fault::{Fault, ignore_missing};
use super::observe::ownership::draw;
use super::{observe, request};
use crate::cluster::{ContainerSpec, label};

/// The time between two checks of a container that still runs after its output has ended.
const PAUSE: Duration = Duration::from_millis(50);

/// Creates the container of `spec`, on all of its networks and with its files, and returns its ID. It is not started.
///
/// # Errors
/// The engine refused, and nothing is left.
pub async fn create(engine: &Engine, spec: &ContainerSpec) -> Result<String, Fault> {
    let docker = &engine.docker;
    let at_once = if engine.creates_with_all_networks() {
        spec.endpoints.len()
    } else {
        1
    };
    let mut body = request::container(spec);
    if let Some(image) = observe::image(engine, spec.image()).await? {
        request::declare_volumes(&mut body, spec, &image.volumes);
    }
    let endpoints = spec.endpoints.iter().take(at_once);
    body.networking_config = Some(NetworkingConfig {
        endpoints_config: Some(
            endpoints
                .map(|e| (e.network.to_string(), request::endpoint(e)))
                .collect(),
        ),
    });
    let labels = body.labels.get_or_insert_default();
    labels.insert(label::CREATION.to_owned(), draw());
    body.attach_stdin = Some(true);
    body.attach_stdout = Some(true);
    body.attach_stderr = Some(true);
    body.open_stdin = Some(true);
    body.stdin_once = Some(true);
    let options = CreateContainerOptionsBuilder::new().name(spec.name.as_str());
    let options = match &spec.platform {
        Some(platform) => options.platform(platform),
        None => options,
    };
    let id = docker.create_container(Some(options.build()), body).await?.id;
    let joined = async {
        for endpoint in spec.endpoints.iter().skip(at_once) {
            let request = NetworkConnectRequest {
                container: id.clone(),
                endpoint_config: Some(request::endpoint(endpoint)),
            };
            docker.connect_network(endpoint.network.as_str(), request).await?;
        }
        files::upload(spec, &id, engine).await
    };
    if let Err(fault) = joined.await {
        // What the engine said first is what there is to report.
        let _ = remove(engine, &id).await;
        return Err(fault);
    }
    Ok(id)
}

/// Starts the container `id`, passes its output to `sink` as it arrives, and returns its exit code (`POST
/// /containers/{id}/attach`, `…/start`, `GET …/json`).
///
/// # Errors
/// [`RunError::Output`] if `sink` fails, otherwise that of the engine.
pub async fn run(
    engine: &Engine,
    id: &str,
    tty: bool,
    console: Console,
    sink: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>,
) -> Result<i64, RunError> {
    let docker = &engine.docker;
    let options = AttachContainerOptionsBuilder::new()
        .stream(true)
        .stdin(true)
        .stdout(true)
        .stderr(true)
        .build();
    let AttachContainerResults { mut output, input } = docker.attach_container(id, Some(options)).await?;
    docker.start_container(id, None).await?;
    let to_size = async |height: u16, width: u16| {
        let options = ResizeContainerTTYOptionsBuilder::new()
            .h(height.into())
            .w(width.into())
            .build();
        docker.resize_container_tty(id, options).await.is_ok()
    };
    tokio::select! {
        result = pass_on(&mut output, sink) => result?,
        never = forward(Some(console.input), input, tty) => match never {},
        never = resize(to_size, console.size) => match never {},
    }
    // The output may end before the process does. `POST …/wait` is no help: engine 20.10 does not always answer it.
    loop {
        let state = docker.inspect_container(id, None).await?.state.unwrap_or_default();
        if state.running != Some(true) {
            return Ok(state.exit_code.unwrap_or(0));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Removes the container `id` and its anonymous volumes, also while it runs (`DELETE /containers/{id}`).
///
/// # Errors
/// The engine refused. That it does not exist is none.
pub async fn remove(engine: &Engine, id: &str) -> Result<(), Fault> {
    let options = RemoveContainerOptionsBuilder::new().v(true).force(true).build();
    ignore_missing(engine.docker.remove_container(id, Some(options)).await)
}
