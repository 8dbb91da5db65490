//! Short-lived containers of topogen's own, in the network namespace of another container: of the fake image, whose executable
//! is this one.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptions, RemoveContainerOptionsBuilder};
use futures_util::{Stream, StreamExt};
use tokio::sync::OnceCell;

use super::apply::{self, FakeError};
use super::connect::Engine;
use super::fault::Fault;
use super::observe::ownership::draw;
use crate::cluster::label;
use crate::fake::{self, image};

/// The longest wait for the output of a helper in addition to its own timeouts, because an engine may lose the end of it.
const LIMIT: Duration = Duration::from_secs(120);
/// How often to check that an exited helper was removed: for five seconds.
const REMOVAL_CHECKS: u32 = 50;
/// The time between two checks.
const PAUSE: Duration = Duration::from_millis(100);

/// What a helper does.
#[derive(Debug, Clone)]
pub struct Errand {
    /// The engine's ID of the container whose network namespace it is in; `None` for one without any network.
    pub container: Option<String>,
    /// The purpose, as the label [`label::HELPER`] has it.
    pub purpose: &'static str,
    /// Other labels, by which it is found if a kill leaves it behind.
    pub labels: HashMap<String, String>,
    /// The arguments of topogen.
    pub arguments: Vec<String>,
    /// Whether it may change the network (capabilities(7), `CAP_NET_ADMIN`).
    pub is_admin: bool,
    /// Whether it is there until somebody removes it. Otherwise it is removed when it has exited.
    pub stays: bool,
}

/// What a helper has done.
#[derive(Debug, Clone)]
pub struct Done {
    /// The engine's ID of the helper.
    pub id: String,
    /// What it wrote, to either stream.
    pub output: String,
}

/// Runs helpers on one engine.
#[derive(Debug)]
pub struct Helpers<'e> {
    engine: &'e Engine,
    /// Whether the image is on the engine, which is ensured once and on demand.
    image: OnceCell<()>,
}

impl<'e> Helpers<'e> {
    /// One that has not run any yet.
    #[must_use]
    pub fn new(engine: &'e Engine) -> Self {
        Self {
            engine,
            image: OnceCell::new(),
        }
    }

    /// Runs a helper to its end. It has no more than one capability, and nothing to write to (`POST /containers/create`).
    ///
    /// # Errors
    /// Why it did not run, as a message.
    pub async fn run(&self, errand: &Errand) -> Result<Done, String> {
        self.image.get_or_try_init(|| self.provide()).await?;
        self.create(errand).await.map_err(|fault| fault.to_string())
    }

    async fn create(&self, errand: &Errand) -> Result<Done, Fault> {
        let docker = &self.engine.docker;
        let mut labels = errand.labels.clone();
        labels.insert(label::HELPER.to_owned(), errand.purpose.to_owned());
        labels.insert(label::CREATION.to_owned(), draw());
        let network = errand.container.as_ref();
        let body = ContainerCreateBody {
            image: Some(fake::image_name()),
            entrypoint: Some(Vec::new()),
            cmd: Some(command(&errand.arguments)),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            labels: Some(labels),
            host_config: Some(HostConfig {
                network_mode: Some(network.map_or_else(|| "none".to_owned(), |id| format!("container:{id}"))),
                auto_remove: Some(!errand.stays),
                cap_drop: Some(vec!["ALL".to_owned()]),
                cap_add: errand.is_admin.then(|| vec!["NET_ADMIN".to_owned()]),
                readonly_rootfs: Some(true),
                log_config: Some(HostConfigLogConfig {
                    typ: Some("none".to_owned()),
                    config: None,
                }),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let made = docker.create_container(None::<CreateContainerOptions>, body).await?;
        match self.start(&made.id, errand.stays).await {
            Ok(output) => Ok(Done { id: made.id, output }),
            Err(fault) => {
                // It is removed automatically only if it ran.
                self.remove(&made.id).await;
                Err(fault)
            }
        }
    }

    /// Removes a helper; one that is gone already is no error.
    pub async fn remove(&self, id: &str) {
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        let _ = self.engine.docker.remove_container(id, Some(options)).await;
    }

    /// Starts a container, and returns its output when it has exited (`POST /containers/{id}/attach`, then `…/start`).
    async fn start(&self, id: &str, stays: bool) -> Result<String, Fault> {
        let docker = &self.engine.docker;
        let options = AttachContainerOptionsBuilder::new()
            .stream(true)
            .stdout(true)
            .stderr(true)
            .build();
        let attached = docker.attach_container(id, Some(options)).await?;
        docker.start_container(id, None).await?;
        let output = collect(attached.output).await?;
        // An exited helper is removed in a moment, and later observations must not find it. `POST …/wait` is no help:
        // engine 20.10 never answers it if the container is removed at that moment.
        for _ in 0..if stays { 0 } else { REMOVAL_CHECKS } {
            if docker.inspect_container(id, None).await.is_err() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(output)
    }

    /// Loads the image of the helpers if the engine has none or that of another build.
    async fn provide(&self) -> Result<(), String> {
        let name = fake::image_name();
        match apply::fake_is_ready(self.engine).await {
            Ok(true) => Ok(()),
            Ok(false) => apply::load_image(self.engine, &name)
                .await
                .map_err(|fault| fault.to_string()),
            Err(FakeError::Engine(fault)) => Err(fault.to_string()),
            Err(FakeError::Image { error, .. }) => Err(format!("image `{name}` is not on the engine: {error}")),
        }
    }
}

/// The command line of topogen with `arguments`, where its executable is in a container.
pub(super) fn command(arguments: &[String]) -> Vec<String> {
    let executable = std::iter::once(image::EXECUTABLE.to_owned());
    executable.chain(arguments.iter().cloned()).collect()
}

/// All output of a command, of either stream.
pub(super) async fn collect(
    mut output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    while let Ok(Some(part)) = tokio::time::timeout(LIMIT, output.next()).await {
        bytes.extend(part?.into_bytes());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Runs topogen with `arguments` in a container that has its executable (`POST /containers/{id}/exec`, `POST
/// /exec/{id}/start`), and returns what it wrote.
pub(super) async fn exec(engine: &Engine, container: &str, arguments: &[String]) -> Result<String, Fault> {
    let docker = &engine.docker;
    let config = bollard::models::ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command(arguments)),
        ..bollard::models::ExecConfig::default()
    };
    let exec = docker.create_exec(container, config).await?;
    match docker.start_exec(&exec.id, None).await? {
        bollard::exec::StartExecResults::Attached { output, .. } => collect(output).await,
        bollard::exec::StartExecResults::Detached => Ok(String::new()),
    }
}
