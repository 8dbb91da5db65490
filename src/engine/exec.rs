//! Running a command in a container that runs.

use std::io;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};

use super::connect::Engine;
use super::fault::Fault;
use crate::text::reason;

/// Between two looks at a command whose output has ended and that has not.
const PAUSE: Duration = Duration::from_millis(20);
/// How often to send the terminal's size to a command that is about to start.
const TRIES: u32 = 50;

/// What to run, and as whom.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Its environment beside the container's: `KEY=VALUE`.
    pub environment: Vec<String>,
    /// User, and group; the container's where `None`.
    pub user: Option<String>,
    /// Directory; the container's where `None`.
    pub directory: Option<String>,
    /// Whether it runs in a terminal of its own.
    pub tty: bool,
}

/// Where a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output, of a terminal all.
    Stdout,
    /// Standard error, file descriptor 2.
    Stderr,
}

/// What a person types and looks at.
pub struct Console {
    /// What is typed; its end is the end of the command's input.
    pub input: mpsc::Receiver<Vec<u8>>,
    /// Rows and columns of the terminal, where it is one.
    pub size: Option<watch::Receiver<(u16, u16)>>,
}

/// Why a command that was to be run has no exit code.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The engine did not run it, or was lost meanwhile.
    #[error(transparent)]
    Engine(#[from] Fault),
    /// Its output could not be passed on.
    #[error("{}", reason(.0))]
    Output(io::Error),
}

impl From<bollard::errors::Error> for RunError {
    fn from(error: bollard::errors::Error) -> Self {
        Self::Engine(error.into())
    }
}

/// Run `order` in a container, give its output to `sink` as it comes, and say how it ended (`POST /containers/{id}/exec`,
/// `POST /exec/{id}/start`, `GET /exec/{id}/json`).
///
/// # Errors
/// [`RunError::Output`] where `sink` fails, else the engine's.
pub async fn run(
    engine: &Engine,
    container: &str,
    order: &Order,
    console: Option<Console>,
    sink: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>,
) -> Result<i64, RunError> {
    let docker = &engine.docker;
    let (input, size) = match console {
        Some(console) => (Some(console.input), console.size),
        None => (None, None),
    };
    let exec = create(docker, container, order, input.is_some(), size.as_ref()).await?;
    let options = StartExecOptions {
        detach: false,
        tty: order.tty,
        output_capacity: None,
    };
    let (mut output, writer) = match docker.start_exec(&exec, Some(options)).await? {
        StartExecResults::Attached { output, input } => (output, input),
        StartExecResults::Detached => return Ok(exit_code(docker, &exec).await?),
    };
    let reading = async {
        while let Some(piece) = output.next().await {
            match piece? {
                LogOutput::StdErr { message } => sink(Stream::Stderr, &message).map_err(RunError::Output)?,
                LogOutput::StdOut { message } | LogOutput::Console { message } => {
                    sink(Stream::Stdout, &message).map_err(RunError::Output)?;
                }
                LogOutput::StdIn { .. } => {}
            }
        }
        Ok::<(), RunError>(())
    };
    tokio::select! {
        result = reading => result?,
        never = forward(input, writer) => match never {},
        never = resize(docker, &exec, size) => match never {},
    }
    Ok(exit_code(docker, &exec).await?)
}

/// Start `order` in a container and do not wait for it.
///
/// # Errors
/// The engine's.
pub async fn detached(engine: &Engine, container: &str, order: &Order) -> Result<(), RunError> {
    let docker = &engine.docker;
    let exec = create(docker, container, order, false, None).await?;
    let options = StartExecOptions {
        detach: true,
        tty: order.tty,
        output_capacity: None,
    };
    docker.start_exec(&exec, Some(options)).await?;
    Ok(())
}

async fn create(
    docker: &Docker,
    container: &str,
    order: &Order,
    stdin: bool,
    size: Option<&watch::Receiver<(u16, u16)>>,
) -> Result<String, Fault> {
    let config = ExecConfig {
        attach_stdin: Some(stdin),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        console_size: size
            .map(|s| *s.borrow())
            .map(|(rows, columns)| vec![rows.into(), columns.into()]),
        tty: Some(order.tty),
        env: Some(order.environment.clone()),
        cmd: Some(order.command.clone()),
        user: order.user.clone(),
        working_dir: order.directory.clone(),
        ..ExecConfig::default()
    };
    Ok(docker.create_exec(container, config).await?.id)
}

enum Never {}

/// What is typed goes to the command, and so does its end. A command that reads no more is none of our business.
async fn forward(input: Option<mpsc::Receiver<Vec<u8>>>, mut writer: impl tokio::io::AsyncWrite + Unpin) -> Never {
    if let Some(mut input) = input {
        while let Some(bytes) = input.recv().await {
            if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
        let _ = writer.shutdown().await;
    }
    // Held until the command's output ends: to let go of it is to hang up.
    std::future::pending().await
}

/// The terminal of the command is as large as the one that shows it (`POST /exec/{id}/resize`).
async fn resize(docker: &Docker, exec: &str, size: Option<watch::Receiver<(u16, u16)>>) -> Never {
    if let Some(mut size) = size {
        loop {
            let (height, width) = *size.borrow_and_update();
            for _ in 0..TRIES {
                let options = ResizeExecOptions { height, width };
                // Until the command has started there is nothing to resize, and when it has ended no more.
                if docker.resize_exec(exec, options).await.is_ok() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            if size.changed().await.is_err() {
                break;
            }
        }
    }
    std::future::pending().await
}

/// How a command ended whose output has ended.
async fn exit_code(docker: &Docker, exec: &str) -> Result<i64, Fault> {
    loop {
        let inspect = match docker.inspect_exec(exec).await.map_err(Fault::from) {
            Ok(inspect) => inspect,
            // Its container went with all that ran in it: killed.
            Err(fault) if fault.is_not_found() => return Ok(137),
            Err(fault) => return Err(fault),
        };
        match (inspect.running, inspect.exit_code) {
            (Some(true), _) => tokio::time::sleep(PAUSE).await,
            (_, code) => return Ok(code.unwrap_or(0)),
        }
    }
}
