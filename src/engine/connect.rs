//! Connects to the chosen engine, with the newest API version that both sides support.
//!
//! [`choose`] finds which engine is meant, as `docker` does; [`host`] parses its address. Both are pure.

pub mod choose;
mod error;
pub mod host;
mod metered;
mod patience;
mod ssh;
pub(crate) mod tls;
mod transport;
mod unanswered;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker};

use super::fault::{Fault, TIMEOUT};
use crate::read::{self, ReadError};
use crate::yaml::MAX_BYTES;
use choose::{By, Choice, Given, Machine};
use host::Host;
use tokio::io::{AsyncRead, AsyncWrite};
use transport::{Dial, Stream, Transport};

pub use error::ConnectError;
pub use patience::Patience;
pub(super) use transport::head_of;
pub use unanswered::no_answer;

/// An engine that responds.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The client, with the negotiated version.
    pub docker: Docker,
    /// The address it listens on.
    pub host: Host,
    /// The API version in use, major and minor.
    pub api: (usize, usize),
}

impl Engine {
    /// Connects and negotiates a version (`GET /_ping`, or the slower `GET /version` if that returns none).
    ///
    /// # Errors
    /// The engine does not respond.
    pub async fn to(choice: Choice, patience: Patience) -> Result<Self, ConnectError> {
        let transport = Transport::to(&choice, patience).map_err(|error| no_answer(&choice, &Fault::lost(&error)))?;
        Self::through(transport, choice).await
    }

    /// Connects over connections that `dial` opens, one for each request, and agrees on a version: for an engine that is
    /// reached in none of the ways of [`Host`], such as one inside this process. The engine counts as the one at `host`:
    /// by it messages name it, and decide whether its clock and its ports are this machine's.
    ///
    /// # Errors
    /// `dial` fails, or what it reaches does not answer as an engine does.
    pub async fn over<D, F, S>(host: Host, dial: D, patience: Patience) -> Result<Self, ConnectError>
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
        Self::through(Transport::over(dial, patience), choice).await
    }

    async fn through(transport: Transport, choice: Choice) -> Result<Self, ConnectError> {
        let transport = Arc::new(transport);
        let sending = Arc::clone(&transport);
        let send = move |request: BollardRequest| {
            let transport = Arc::clone(&sending);
            async move { transport.send(request).await }
        };
        // The transport ignores this address.
        let docker = Docker::connect_with_custom_transport(send, Some("http://docker"), TIMEOUT, API_DEFAULT_VERSION);
        let failed = |error: bollard::errors::Error| no_answer(&choice, &error.into());
        let docker = docker.map_err(failed)?;
        // A server that cannot be pinged may still report its version.
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

    /// Whether the engine answers (`GET /_ping`).
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), Fault> {
        self.docker.ping().await?;
        Ok(())
    }

    /// The operating system and architecture of the engine's machine, as `GOOS` and `GOARCH`: `linux`, `amd64` (`GET
    /// /version`).
    ///
    /// # Errors
    /// A refusal of the engine.
    pub async fn platform(&self) -> Result<(String, String), Fault> {
        let version = self.docker.version().await?;
        Ok((version.os.unwrap_or_default(), version.arch.unwrap_or_default()))
    }

    /// The name by which ports of the engine's host are reached from here.
    #[must_use]
    pub fn at(&self) -> &str {
        self.host.machine().unwrap_or("localhost")
    }

    /// Whether the engine rejects a second network of the same name (Engine API 1.44, changelog: `CheckDuplicate` is
    /// always set).
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

/// What the command line says of the engine, which counts for the whole process, as the environment does.
static GIVEN: OnceLock<Given> = OnceLock::new();

/// Prefers the engine that is `given` to that of environment and configuration, from now on. The first call counts.
pub fn give(given: Given) {
    let _ = GIVEN.set(given);
}

/// The engine that the command line, the environment and the configuration choose.
///
/// # Errors
/// The configuration is malformed or refers to a missing context.
pub fn chosen() -> Result<Choice, ConnectError> {
    choose::choose(&Here, GIVEN.get().unwrap_or(&Given::default()))
}

/// This machine's environment and files.
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
