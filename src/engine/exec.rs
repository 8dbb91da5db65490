//! Runs a command in a running container.

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

/// The time between two checks of a command that still runs after its output has ended.
const PAUSE: Duration = Duration::from_millis(20);
/// How often to send the terminal's size to a command that is about to start.
const TRIES: u32 = 50;

/// The command to run, and its environment.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Variables that are added to the container's environment: `KEY=VALUE`.
    pub environment: Vec<String>,
    /// The user and group, as `NAME|UID[:GROUP|GID]`; `None` for the container's.
    pub user: Option<String>,
    /// The working directory; `None` for the container's.
    pub directory: Option<String>,
    /// Whether it runs in a terminal of its own.
    pub tty: bool,
}

/// The stream that a piece of output was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output, file descriptor 1; all output of a terminal.
    Stdout,
    /// Standard error, file descriptor 2.
    Stderr,
}

/// The input and the terminal of the person who runs the command.
pub struct Console {
    /// The input. Its end becomes the end of the command's input.
    pub input: mpsc::Receiver<Vec<u8>>,
    /// The rows and columns of the terminal; `None` if it is none.
    pub size: Option<watch::Receiver<(u16, u16)>>,
}

/// Why a command has no exit code.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The engine did not run it, or was lost meanwhile.
    #[error(transparent)]
    Engine(#[from] Fault),
    /// The output could not be written.
    #[error("{}", reason(.0))]
    Output(io::Error),
}

impl From<bollard::errors::Error> for RunError {
    fn from(error: bollard::errors::Error) -> Self {
        Self::Engine(error.into())
    }
}

/// Runs `order` in a container, passes its output to `sink` as it arrives, and returns how it ended (`POST
/// /containers/{id}/exec`, `POST /exec/{id}/start`, `GET /exec/{id}/json`).
///
/// # Errors
/// [`RunError::Output`] if `sink` fails, otherwise that of the engine.
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
    let to_size = async |height, width| {
        let options = ResizeExecOptions { height, width };
        docker.resize_exec(&exec, options).await.is_ok()
    };
    tokio::select! {
        result = pass_on(&mut output, sink) => result?,
        never = forward(input, writer, order.tty) => match never {},
        never = resize(to_size, size) => match never {},
    }
    Ok(exit_code(docker, &exec).await?)
}

/// Passes the `output` of a command to `sink` until it ends.
pub(super) async fn pass_on(
    output: &mut (impl futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin),
    sink: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>,
) -> Result<(), RunError> {
    while let Some(piece) = output.next().await {
        match piece? {
            LogOutput::StdErr { message } => sink(Stream::Stderr, &message).map_err(RunError::Output)?,
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                sink(Stream::Stdout, &message).map_err(RunError::Output)?;
            }
            LogOutput::StdIn { .. } => {}
        }
    }
    Ok(())
}

/// Starts `order` in a container without waiting for it.
///
/// # Errors
/// The engine refused it.
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

/// The character that a terminal takes for the end of input, ^D (termios(3), `VEOF`).
const EOT: u8 = 4;

pub(super) enum Never {}

/// Passes the input to the command, and its end too. A command that does not read its input is no error.
pub(super) async fn forward(
    input: Option<mpsc::Receiver<Vec<u8>>>,
    mut writer: impl tokio::io::AsyncWrite + Unpin,
    tty: bool,
) -> Never {
    if let Some(mut input) = input {
        let mut is_line_begun = false;
        while let Some(bytes) = input.recv().await {
            if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                break;
            }
            is_line_begun = bytes.last().map_or(is_line_begun, |last| *last != b'\n');
        }
        if tty {
            // The engine drops the output of a terminal whose input is closed. There the end is typed instead: the first
            // one of two ends a line that was begun.
            let ends: &[u8] = if is_line_begun { &[EOT, EOT] } else { &[EOT] };
            let _ = writer.write_all(ends).await;
            let _ = writer.flush().await;
        } else {
            let _ = writer.shutdown().await;
        }
    }
    // The connection is kept until the output ends, because closing it would hang up.
    std::future::pending().await
}

/// Keeps the size of the command's terminal equal to the one that shows it. `to_size` tells the engine rows and columns, and
/// returns whether it did that (`POST /exec/{id}/resize`, `POST /containers/{id}/resize`).
pub(super) async fn resize(
    to_size: impl AsyncFn(u16, u16) -> bool,
    size: Option<watch::Receiver<(u16, u16)>>,
) -> Never {
    if let Some(mut size) = size {
        loop {
            let (height, width) = *size.borrow_and_update();
            for _ in 0..TRIES {
                // The engine refuses to resize before the command has started and after it has ended.
                if to_size(height, width).await {
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

/// How a command ended, after its output has ended.
async fn exit_code(docker: &Docker, exec: &str) -> Result<i64, Fault> {
    loop {
        let inspect = match docker.inspect_exec(exec).await.map_err(Fault::from) {
            Ok(inspect) => inspect,
            // The container was removed, which killed the command.
            Err(fault) if fault.is_not_found() => return Ok(137),
            Err(fault) => return Err(fault),
        };
        match (inspect.running, inspect.exit_code) {
            (Some(true), _) => tokio::time::sleep(PAUSE).await,
            (_, code) => return Ok(code.unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// What a command gets of `input`, and whether the connection stays open for its output.
    async fn forwarded(input: &[&str], tty: bool) -> (String, bool) {
        let (sender, receiver) = mpsc::channel(4);
        for piece in input {
            sender.send(piece.as_bytes().to_vec()).await.expect("room");
        }
        drop(sender);
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let mut text = Vec::new();
        let reading = tokio::time::timeout(std::time::Duration::from_secs(1), theirs.read_to_end(&mut text));
        let is_open = tokio::select! {
            never = forward(Some(receiver), ours, tty) => match never {},
            ended = reading => ended.is_err(),
        };
        (String::from_utf8(text).expect("text"), is_open)
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_input_keeps_a_terminals_output() {
        assert_eq!(forwarded(&[], true).await, ("\u{4}".to_owned(), true));
        assert_eq!(forwarded(&["a\n"], true).await, ("a\n\u{4}".to_owned(), true));
        assert_eq!(
            forwarded(&["a\n", "b"], true).await,
            ("a\nb\u{4}\u{4}".to_owned(), true)
        );
        assert_eq!(forwarded(&["a"], false).await, ("a".to_owned(), false));
    }
}
