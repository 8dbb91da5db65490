//! Reaching the engine that `DOCKER_HOST` names, with the newest API that both sides speak.

use bollard::{API_DEFAULT_VERSION, Docker};

/// Where the engine listens when nobody says otherwise.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// Seconds to wait for one answer: creating a container takes long on a loaded machine.
const TIMEOUT: u64 = 600;

/// An engine that answers.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The client, its version settled.
    pub docker: Docker,
    /// Where it listens.
    pub host: String,
    /// The API version in use, major and minor.
    pub api: (usize, usize),
}

/// No engine answered.
#[derive(Debug, thiserror::Error)]
#[error("no engine answers at {host}: {reason}")]
pub struct ConnectError {
    /// What was tried.
    pub host: String,
    /// What came back.
    pub reason: String,
}

impl Engine {
    /// Connect and agree on a version (`GET /version`).
    ///
    /// # Errors
    /// No engine there, or one that does not answer.
    pub async fn connect() -> Result<Self, ConnectError> {
        let host = std::env::var("DOCKER_HOST")
            .ok()
            .filter(|h| !h.is_empty())
            .unwrap_or_else(|| DEFAULT_HOST.to_owned());
        let fault = |error: bollard::errors::Error| ConnectError {
            host: host.clone(),
            reason: innermost(&error),
        };
        let docker = if let Some(path) = host.strip_prefix("unix://") {
            Docker::connect_with_unix(path, TIMEOUT, API_DEFAULT_VERSION)
        } else {
            Docker::connect_with_host(&host).map(|d| d.with_timeout(std::time::Duration::from_secs(TIMEOUT)))
        };
        let docker = docker.map_err(fault)?.negotiate_version().await.map_err(fault)?;
        let version = docker.client_version();
        Ok(Self {
            docker,
            host,
            api: (version.major_version, version.minor_version),
        })
    }

    /// By which name its host's own ports are reached from here.
    #[must_use]
    pub fn at(&self) -> &str {
        "localhost"
    }

    /// Whether a create call takes several networks (Engine API 1.44, changelog).
    #[must_use]
    pub fn creates_with_all_networks(&self) -> bool {
        self.api >= (1, 44)
    }
}

/// The last cause, which is the one that says something: `No such file or directory`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}

/// The engine's own words for what went wrong.
#[must_use]
pub fn words(error: &bollard::errors::Error) -> String {
    match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        bollard::errors::Error::DockerStreamError { error } => error.trim().to_owned(),
        bollard::errors::Error::RequestTimeoutError => format!("no answer in {TIMEOUT} s"),
        other => innermost(other),
    }
}

/// The HTTP status of an answer, where there was one.
#[must_use]
pub fn status(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}
