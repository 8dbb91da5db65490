//! Reaching the engine that is meant, with the newest API that both sides speak.
//!
//! [`choose`] says which one that is, as `docker` would; [`host`] how that is written. Both are pure.

pub mod choose;
pub mod host;
mod ssh;
mod tls;
mod transport;
mod unanswered;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker};

use super::fault::Fault;
use crate::read::{self, ReadError};
use crate::yaml::MAX_BYTES;
use choose::{By, Choice, Machine};
use host::Host;
use tokio::io::{AsyncRead, AsyncWrite};
use transport::{Dial, Stream, Transport};

pub(super) use transport::head_of;
pub use unanswered::no_answer;

/// Seconds to wait for one answer: creating a container takes long on a loaded machine.
pub(super) const TIMEOUT: u64 = 600;

/// An engine that answers.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The client, its version settled.
    pub docker: Docker,
    /// Where it listens.
    pub host: Host,
    /// The API version in use, major and minor.
    pub api: (usize, usize),
}

/// No engine answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    /// What was tried, who said so, what came back.
    pub message: String,
    /// What to do.
    pub hints: Vec<String>,
}

impl Engine {
    /// The one that is meant, connected.
    ///
    /// # Errors
    /// It cannot be told which engine is meant, or that one does not answer.
    pub async fn connect() -> Result<Self, ConnectError> {
        Self::to(chosen()?).await
    }

    /// Connect and agree on a version (`GET /_ping`; `GET /version`, which takes an engine longer, where that says none).
    ///
    /// # Errors
    /// It does not answer.
    pub async fn to(choice: Choice) -> Result<Self, ConnectError> {
        let transport = Transport::to(&choice).map_err(|error| no_answer(&choice, &Fault::lost(&error)))?;
        Self::through(transport, choice).await
    }

    /// Connects over connections that `dial` opens, one for each request, and agrees on a version: for an engine that is
    /// reached in none of the ways of [`Host`], such as one inside this process. The engine counts as the one at `host`:
    /// by it messages name it, and decide whether its clock and its ports are this machine's.
    ///
    /// # Errors
    /// `dial` fails, or what it reaches does not answer as an engine does.
    pub async fn over<D, F, S>(host: Host, dial: D) -> Result<Self, ConnectError>
    where
        D: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let choice = Choice {
            host,
            by: By::Nobody(Vec::new()),
            tls: None,
        };
        let dial: Box<Dial> = Box::new(move || {
            let opening = dial();
            Box::pin(async move { Ok(Box::new(opening.await?) as Box<dyn Stream>) })
        });
        Self::through(Transport::over(dial), choice).await
    }

    async fn through(transport: Transport, choice: Choice) -> Result<Self, ConnectError> {
        let transport = Arc::new(transport);
        let sending = Arc::clone(&transport);
        let send = move |request: BollardRequest| {
            let transport = Arc::clone(&sending);
            async move { transport.send(request).await }
        };
        // The address is the transport's business.
        let docker = Docker::connect_with_custom_transport(send, Some("http://docker"), TIMEOUT, API_DEFAULT_VERSION);
        let failed = |error: bollard::errors::Error| no_answer(&choice, &error.into());
        let docker = docker.map_err(failed)?;
        // What answers and cannot be pinged may still say its version.
        if let Err(fault @ (Fault::Lost(..) | Fault::Unreadable(_))) = docker.ping().await.map_err(Fault::from) {
            return Err(no_answer(&choice, &fault));
        }
        let pair = |version: &ClientVersion| (version.major_version, version.minor_version);
        let (docker, api) = match transport.heard() {
            Some(theirs) => (docker, theirs.min(pair(API_DEFAULT_VERSION))),
            None => {
                let docker = docker.negotiate_version().await.map_err(failed)?;
                let api = pair(&docker.client_version());
                (docker, api)
            }
        };
        transport.speak(api);
        Ok(Self {
            docker,
            host: choice.host,
            api,
        })
    }

    /// The operating system and the architecture of the engine's machine, in Go's words: `linux`, `amd64` (`GET /version`).
    ///
    /// # Errors
    /// The engine's.
    pub async fn platform(&self) -> Result<(String, String), Fault> {
        let version = self.docker.version().await?;
        Ok((version.os.unwrap_or_default(), version.arch.unwrap_or_default()))
    }

    /// By which name its host's own ports are reached from here.
    #[must_use]
    pub fn at(&self) -> &str {
        self.host.machine().unwrap_or("localhost")
    }

    /// Whether the engine lets no two networks have one name (Engine API 1.44, changelog: `CheckDuplicate` is always so).
    #[must_use]
    pub fn network_names_are_unique(&self) -> bool {
        self.api >= (1, 44)
    }

    /// Whether a create call takes several networks (Engine API 1.44, changelog).
    #[must_use]
    pub fn creates_with_all_networks(&self) -> bool {
        self.api >= (1, 44)
    }
}

/// Which engine is meant here.
///
/// # Errors
/// It cannot be told.
pub fn chosen() -> Result<Choice, ConnectError> {
    choose::choose(&Here)
}

/// This machine.
struct Here;

impl Machine for Here {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|v| !v.is_empty())
    }

    fn read(&self, path: &Path) -> io::Result<Option<String>> {
        match read::file(path, MAX_BYTES) {
            Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(io::Error::other),
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(ReadError::Io(error)) => Err(error),
            Err(other) => Err(io::Error::other(other.to_string())),
        }
    }

    fn is_there(&self, path: &Path) -> bool {
        path.exists()
    }

    fn entries(&self, path: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten();
        entries.flatten().map(|e| e.path()).collect()
    }

    fn user(&self) -> u32 {
        rustix::process::getuid().as_raw()
    }
}
