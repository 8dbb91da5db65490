//! Runs probes inside containers: by `exec` if topogen's executable is in them, otherwise in a short-lived container in
//! their network namespace. One probe per container asks all questions.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::{ContainerCreateBody, ExecConfig, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptions, RemoveContainerOptionsBuilder};
use futures_util::{Stream, StreamExt};
use tokio::sync::OnceCell;

use super::apply::{self, FakeError};
use super::connect::Engine;
use super::fault::Fault;
use super::observe::ownership::draw;
use crate::cluster::label;
use crate::fake::{self, image};
use crate::probe::question::Answers;
use crate::probe::question::Questions;

/// The most bytes of an argument. A process takes 32 pages (execve(2)); questions beyond half of that are split.
const LONGEST: usize = 64 << 10;

/// The longest wait for the answers of a container in addition to its own timeouts, because an engine may lose the end
/// of the output.
const LIMIT: Duration = Duration::from_secs(120);
/// How often to check that an exited helper was removed: for five seconds.
const REMOVAL_CHECKS: u32 = 50;
/// The time between two checks.
const PAUSE: Duration = Duration::from_millis(100);

/// A container with its questions.
#[derive(Debug)]
pub struct Ask {
    /// The engine's ID of the container.
    pub container: String,
    /// Whether topogen's executable is in the container.
    pub has_probe: bool,
    /// Labels of the helper container, by which it is found if a kill leaves it behind.
    pub labels: HashMap<String, String>,
    /// The questions of the probe.
    pub questions: Questions,
}

/// Asks the containers of one engine.
#[derive(Debug)]
pub struct Prober<'e> {
    engine: &'e Engine,
    /// Whether the image of helper containers is on the engine, which is ensured once and on demand.
    image: OnceCell<()>,
}

impl<'e> Prober<'e> {
    /// An asker that has not asked anything yet.
    #[must_use]
    pub fn new(engine: &'e Engine) -> Self {
        Self {
            engine,
            image: OnceCell::new(),
        }
    }

    /// The answers of one container.
    ///
    /// # Errors
    /// Why there are none, as a message.
    pub async fn ask(&self, ask: &Ask) -> Result<Answers, String> {
        let command = command(&ask.questions);
        if ask.has_probe {
            match self.exec(ask, command.clone()).await {
                Ok(output) if let Some(answers) = read(&output, &ask.questions) => return Ok(answers),
                // The container was removed, stopped or paused, so that a helper could not join its network namespace
                // either.
                Err(
                    fault
                    @ (Fault::NoSuchContainer(_) | Fault::NotFound(_) | Fault::NotRunning(_) | Fault::Conflict(_)),
                ) => return Err(fault.to_string()),
                // The fake is of another build, whose probe has another protocol.
                Ok(_) | Err(_) => {}
            }
        }
        self.image.get_or_try_init(|| self.provide()).await?;
        let output = self.helper(ask, command).await.map_err(|fault| fault.to_string())?;
        read(&output, &ask.questions).ok_or_else(|| match output.trim() {
            "" => "the probe said nothing".to_owned(),
            said => format!("the probe said: {}", said.lines().next().unwrap_or_default()),
        })
    }

    /// Runs the probe in the container itself (`POST /containers/{id}/exec`, `POST /exec/{id}/start`).
    async fn exec(&self, ask: &Ask, command: Vec<String>) -> Result<String, Fault> {
        let docker = &self.engine.docker;
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command),
            ..ExecConfig::default()
        };
        let exec = docker.create_exec(&ask.container, config).await?;
        match docker.start_exec(&exec.id, None).await? {
            StartExecResults::Attached { output, .. } => collect(output).await,
            StartExecResults::Detached => Ok(String::new()),
        }
    }

    /// Runs the probe in a helper that shares the network of the container and is removed when it exits (`POST
    /// /containers/create`).
    async fn helper(&self, ask: &Ask, command: Vec<String>) -> Result<String, Fault> {
        let docker = &self.engine.docker;
        let mut labels = ask.labels.clone();
        labels.insert(label::HELPER.to_owned(), "verify".to_owned());
        labels.insert(label::CREATION.to_owned(), draw());
        let body = ContainerCreateBody {
            image: Some(fake::image_name()),
            entrypoint: Some(Vec::new()),
            cmd: Some(command),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            labels: Some(labels),
            host_config: Some(HostConfig {
                network_mode: Some(format!("container:{}", ask.container)),
                auto_remove: Some(true),
                cap_drop: Some(vec!["ALL".to_owned()]),
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
        let output = self.run(&made.id).await;
        if output.is_err() {
            // It is removed automatically only if it ran.
            let options = RemoveContainerOptionsBuilder::new().force(true).build();
            let _ = docker.remove_container(&made.id, Some(options)).await;
        }
        output
    }

    /// Starts a container, and returns its output when it has exited (`POST /containers/{id}/attach`, then `…/start`).
    async fn run(&self, id: &str) -> Result<String, Fault> {
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
        for _ in 0..REMOVAL_CHECKS {
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

/// The command line of the probe: `/topogen probe --ask JSON`.
fn command(questions: &Questions) -> Vec<String> {
    let mut command = vec![image::EXECUTABLE.to_owned(), "probe".to_owned()];
    for part in parts(questions.clone()) {
        command.push("--ask".to_owned());
        command.push(serde_json::to_string(&part).unwrap_or_default());
    }
    command
}

/// The questions in parts that each fit an argument.
fn parts(questions: Questions) -> Vec<Questions> {
    if questions.len() < 2 || serde_json::to_string(&questions).is_ok_and(|text| text.len() <= LONGEST) {
        return vec![questions];
    }
    let (first, second) = questions.halves();
    parts(first).into_iter().chain(parts(second)).collect()
}

/// The answers in the output of a probe; `None` unless they answer all questions.
fn read(output: &str, questions: &Questions) -> Option<Answers> {
    let answers: Answers = serde_json::from_str(output).ok()?;
    (answers.len() >= questions.len()).then_some(answers)
}

async fn collect(
    mut output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    while let Ok(Some(part)) = tokio::time::timeout(LIMIT, output.next()).await {
        bytes.extend(part?.into_bytes());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_too_many_for_an_argument_are_several() {
        let questions = Questions {
            names: (0..9000).map(|n| format!("a-name-of-some-length-{n}")).collect(),
            unreachable: (0..9000).map(|n| format!("10.0.0.1:{n}")).collect(),
            ..Questions::default()
        };
        let command = command(&questions);
        assert!(command.iter().all(|argument| argument.len() <= LONGEST));
        let asked = command
            .iter()
            .filter_map(|argument| serde_json::from_str::<Questions>(argument).ok());
        assert_eq!(asked.map(|q| q.len()).sum::<usize>(), questions.len());
    }
}
