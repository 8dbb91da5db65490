//! Connects over SSH. As with `docker`, `ssh` runs `docker system dial-stdio` on the other machine, whose input and
//! output become the connection (docker/cli `cli/connhelper`).

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;

use super::host::Host;
use crate::text::reason;

/// The most logins at once. With more than ten, sshd begins to refuse some (sshd_config(5), `MaxStartups`).
const LOGINS: usize = 4;
/// The most bytes to read of the answer to the ping.
const MOST: usize = 64 * 1024;

/// The `ssh` command that opens a connection.
pub(super) struct Ssh {
    arguments: Vec<String>,
    logins: Semaphore,
}

impl Ssh {
    /// The command for `host`; `None` if its address is not one of SSH.
    pub(super) fn to(host: &Host) -> Option<Self> {
        let Host::Ssh {
            user,
            name,
            port,
            socket,
        } = host
        else {
            return None;
        };
        // There may be no terminal to ask for a password, so ssh must fail instead of waiting for one.
        let mut arguments: Vec<String> = ["-o", "ConnectTimeout=30", "-o", "BatchMode=yes", "-T"]
            .map(str::to_owned)
            .into();
        if let Some(user) = user {
            arguments.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        arguments.extend(["--".to_owned(), name.clone(), "docker".to_owned()]);
        if let Some(socket) = socket {
            // On the other machine a shell reads the command.
            let quoted = format!("'unix://{}'", socket.replace('\'', r"'\''"));
            arguments.extend(["--host".to_owned(), quoted]);
        }
        arguments.extend(["system".to_owned(), "dial-stdio".to_owned()]);
        Some(Self {
            arguments,
            logins: Semaphore::new(LOGINS),
        })
    }

    /// Opens a connection, and waits until the engine has answered a ping on it.
    ///
    /// # Errors
    /// The last line that ssh, or the command on the other machine, wrote to standard error.
    pub(super) async fn dial(&self) -> io::Result<Stream> {
        let _login = self.logins.acquire().await.map_err(io::Error::other)?;
        let mut child = Command::new("ssh")
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // An interrupt must reach topogen alone, which still needs the connection to clean up.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("cannot run `ssh`: {}", reason(&error))))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("`ssh` has no input or output"));
        };
        let mut stream = Stream {
            stdin: Some(stdin),
            stdout,
            child,
        };
        match ping(&mut stream).await {
            Ok(()) => Ok(stream),
            Err(error) => Err(last_words(stream, error).await),
        }
    }
}

/// Pings the engine (`GET /_ping`) and reads the whole answer, so that the next request starts on a clean stream.
async fn ping(stream: &mut Stream) -> io::Result<()> {
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n").await?;
    let mut answer = Vec::new();
    while answer.len() < MOST {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&answer[..end]);
        let lengths = head.lines().filter_map(|l| l.split_once(':'));
        let length = lengths
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .find_map(|(_, value)| value.trim().parse::<usize>().ok());
        if !head.starts_with("HTTP/1.") || length.is_none() {
            break;
        }
        if answer.len() >= end + 4 + length.unwrap_or(0) {
            return Ok(());
        }
    }
    Err(io::Error::other("what answers there is not an engine"))
}

/// The error in ssh's own words, if it wrote any; `error` otherwise.
async fn last_words(mut stream: Stream, error: io::Error) -> io::Error {
    drop(stream.stdin.take());
    let mut said = Vec::new();
    let Some(stderr) = stream.child.stderr.take() else {
        return error;
    };
    let _ = stderr.take(MOST as u64).read_to_end(&mut said).await;
    let said = String::from_utf8_lossy(&said);
    // Earlier lines are banners and warnings about host keys.
    match said.lines().map(str::trim).rfind(|l| !l.is_empty()) {
        Some(line) => io::Error::other(line.to_owned()),
        None => match stream.child.wait().await {
            Ok(status) if !status.success() => io::Error::other(format!("`ssh` failed ({status})")),
            _ => error,
        },
    }
}

/// The input and output of the `ssh` process as one stream.
pub(super) struct Stream {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    /// The process, which is killed when the stream is dropped.
    child: Child,
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buf)
    }
}

impl Stream {
    fn stdin(self: Pin<&mut Self>) -> io::Result<Pin<&mut ChildStdin>> {
        let stdin = self.get_mut().stdin.as_mut();
        stdin.map(Pin::new).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stdin()?.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stdin()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Closing the pipe tells the other side that the stream has ended.
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}
