//! An engine on a machine where one may log in: `ssh` runs `docker system dial-stdio` there, as `docker` has it do
//! (docker/cli `cli/connhelper`).

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;

use super::host::Host;
use crate::text::reason;

/// Logins at once: more than ten make sshd refuse some (sshd_config(5), `MaxStartups`).
const LOGINS: usize = 4;
/// Bytes of an answer to the first question, at most.
const MOST: usize = 64 * 1024;

/// The way to it.
pub(super) struct Ssh {
    arguments: Vec<String>,
    logins: Semaphore,
}

impl Ssh {
    /// To `host`; `None` where that is not reached by ssh.
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
        // Without a terminal nobody can be asked for a password.
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
            // ssh hands it to a shell.
            let quoted = format!("'unix://{}'", socket.replace('\'', r"'\''"));
            arguments.extend(["--host".to_owned(), quoted]);
        }
        arguments.extend(["system".to_owned(), "dial-stdio".to_owned()]);
        Some(Self {
            arguments,
            logins: Semaphore::new(LOGINS),
        })
    }

    /// A connection that the engine has answered on.
    ///
    /// # Errors
    /// In ssh's words, or those of what it ran there.
    pub(super) async fn dial(&self) -> io::Result<Stream> {
        let _login = self.logins.acquire().await.map_err(io::Error::other)?;
        let mut child = Command::new("ssh")
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // An interrupt is for topogen, which then ends what it has begun.
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

/// Ask whether the engine answers (`GET /_ping`), and read all of the answer.
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

/// What ssh said in the end, where it says something.
async fn last_words(mut stream: Stream, error: io::Error) -> io::Error {
    drop(stream.stdin.take());
    let mut said = Vec::new();
    let Some(stderr) = stream.child.stderr.take() else {
        return error;
    };
    let _ = stderr.take(MOST as u64).read_to_end(&mut said).await;
    let said = String::from_utf8_lossy(&said);
    // What goes before the last line is about the way there: a banner, a key that was added.
    match said.lines().map(str::trim).rfind(|l| !l.is_empty()) {
        Some(line) => io::Error::other(line.to_owned()),
        None => match stream.child.wait().await {
            Ok(status) if !status.success() => io::Error::other(format!("`ssh` failed ({status})")),
            _ => error,
        },
    }
}

/// What the engine and we say to each other.
pub(super) struct Stream {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    /// Killed where the stream is dropped.
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
        // The other side sees the end once the pipe is closed.
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}
