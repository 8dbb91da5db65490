//! Asking containers from inside: by exec where topogen's own executable is in them, else from a short-lived container in
//! their network namespace. One of either for each container.

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

/// The longest argument that a process can be given is 32 pages (execve(2)); questions past half of that are cut in two.
const LONGEST: usize = 64 << 10;

/// The longest that a container's answers are waited for beyond any patience of its own: an engine may lose the end of them.
const LIMIT: Duration = Duration::from_secs(120);
/// How often to check that an exited helper was removed: for five seconds.
const REMOVAL_CHECKS: u32 = 50;
/// The time between two checks.
const PAUSE: Duration = Duration::from_millis(100);

/// One container and what it is to be asked.
#[derive(Debug)]
pub struct Ask {
    /// The engine's ID of the container.
    pub container: String,
    /// Whether topogen's executable is in it.
    pub has_probe: bool,
    /// Labels for a container that asks in its stead, so that what is left of it after a kill is found.
    pub labels: HashMap<String, String>,
    /// What the probe is to find out.
    pub questions: Questions,
}

/// Asks containers of one engine.
#[derive(Debug)]
pub struct Prober<'e> {
    engine: &'e Engine,
    /// Whether the image of containers that ask in others' stead is there: made sure of once, and when first needed.
    image: OnceCell<()>,
}

impl<'e> Prober<'e> {
    /// One that has not asked anything yet.
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
    /// Why there are none, in words for people.
    pub async fn ask(&self, ask: &Ask) -> Result<Answers, String> {
        let command = command(&ask.questions);
        if ask.has_probe {
            match self.exec(ask, command.clone()).await {
                Ok(output) if let Some(answers) = read(&output, &ask.questions) => return Ok(answers),
                // Gone, stopped, frozen: nobody else's network namespace either.
                Err(
                    fault
                    @ (Fault::NoSuchContainer(_) | Fault::NotFound(_) | Fault::NotRunning(_) | Fault::Conflict(_)),
                ) => return Err(fault.to_string()),
                // Another build's fake, whose probe speaks otherwise.
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

    /// `POST /containers/{id}/exec`, `POST /exec/{id}/start`.
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

    /// `POST /containers/create` of a helper that shares the network of another container and is removed when it exits.
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

    /// `POST /containers/{id}/attach`, then `…/start`: what it says until it ends.
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

    /// Put the image on the engine, where it is not there or another build's.
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

/// `/topogen probe --ask JSON`.
fn command(questions: &Questions) -> Vec<String> {
    let mut command = vec![image::EXECUTABLE.to_owned(), "probe".to_owned()];
    for part in parts(questions.clone()) {
        command.push("--ask".to_owned());
        command.push(serde_json::to_string(&part).unwrap_or_default());
    }
    command
}

/// Questions in parts that fit an argument each.
fn parts(questions: Questions) -> Vec<Questions> {
    if questions.len() < 2 || serde_json::to_string(&questions).is_ok_and(|text| text.len() <= LONGEST) {
        return vec![questions];
    }
    let (first, second) = questions.halves();
    parts(first).into_iter().chain(parts(second)).collect()
}

/// The answers in what a probe printed, where they are to all questions.
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
