//! Reaching the engine that is meant, with the newest API that both sides speak.
//!
//! [`choose`] says which one that is, as `docker` would; [`host`] how that is written. Both are pure.

pub mod choose;
pub mod host;
mod ssh;
mod tls;
mod transport;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker};

use choose::{By, Choice, Machine, Named};
use host::Host;
use transport::Transport;

/// Seconds to wait for one answer: creating a container takes long on a loaded machine.
const TIMEOUT: u64 = 600;

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
        let transport = Transport::to(&choice).map_err(|error| no_answer(&choice, &reason(&error)))?;
        let transport = Arc::new(transport);
        let sending = Arc::clone(&transport);
        let send = move |request: BollardRequest| {
            let transport = Arc::clone(&sending);
            async move { transport.send(request).await }
        };
        // The address is the transport's business.
        let docker = Docker::connect_with_custom_transport(send, Some("http://docker"), TIMEOUT, API_DEFAULT_VERSION);
        let fault = |error: bollard::errors::Error| no_answer(&choice, &words(&error));
        let docker = docker.map_err(fault)?;
        if let Err(error) = docker.ping().await
            && status(&error).is_none()
        {
            return Err(fault(error));
        }
        let pair = |version: &ClientVersion| (version.major_version, version.minor_version);
        let (docker, api) = match transport.heard() {
            Some(theirs) => (docker, theirs.min(pair(API_DEFAULT_VERSION))),
            None => {
                let docker = docker.negotiate_version().await.map_err(fault)?;
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

/// Nobody answers, for that `reason`, where `choice` says.
#[must_use]
pub fn no_answer(choice: &Choice, reason: &str) -> ConnectError {
    let Choice { host, by, tls } = choice;
    let mut message = format!("no engine answers at {host}{by}: {reason}");
    let mut hints = Vec::new();
    let has = |word: &str| reason.to_lowercase().contains(word);
    match host {
        Host::Unix(_) if has("permission denied") => hints.push(
            "you may not talk to it: join the group `docker` (`sudo usermod -aG docker $USER`, then log in again), or \
             use `sudo`"
                .to_owned(),
        ),
        Host::Unix(path) => match by {
            By::Nobody(places) if places.first() == Some(path) && has("no such file") => {
                let places: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
                message = format!("no engine is there: none of {} is", places.join(", "));
                hints.push("start it (`systemctl start docker`), or set DOCKER_HOST to where one listens".to_owned());
            }
            By::Nobody(_) => hints.push("is it running? `systemctl start docker` starts it".to_owned()),
            _ => {}
        },
        Host::Ssh { .. } if has("cannot run `ssh`") => {
            hints.push("OpenSSH's client is what takes one there".to_owned())
        }
        Host::Ssh { user, name, port, .. } => {
            let user = user.as_ref().map_or_else(String::new, |u| format!("{u}@"));
            let port = port.map_or_else(String::new, |p| format!("-p {p} "));
            hints.push(format!(
                "`ssh {port}{user}{name} docker version` must work without being asked anything"
            ));
        }
        Host::Tcp { .. } => match tls {
            None if has("http request to an https server") || has("reset by peer") => hints.push(match by {
                By::Context(name, _) => format!("it may speak TLS: context `{name}` has no certificates"),
                _ => "it may speak TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to where ca.pem, cert.pem and \
                      key.pem are"
                    .to_owned(),
            }),
            Some(_) if has("corrupt message") => hints.push("it does not seem to speak TLS".to_owned()),
            Some(tls) if has("certificate required") || has("certificaterequired") || has("handshake") => {
                hints.push(format!(
                    "it wants to know who you are: {} is to hold cert.pem and key.pem that it trusts",
                    tls.directory.display()
                ));
            }
            Some(_) if has("not valid for name") => {
                hints.push("reach it by a name that its certificate is for".to_owned());
            }
            Some(tls) if has("certificate") => hints.push(match &tls.ca {
                Some(ca) => format!("{} is who may vouch for it", ca.display()),
                None => format!(
                    "{} holds no ca.pem, so whom this machine trusts may vouch for it",
                    tls.directory.display()
                ),
            }),
            _ => {}
        },
    }
    let unexplained = hints.is_empty();
    if unexplained && (has("refused") || has("no such file") || has("no connection")) {
        hints.push("is an engine listening there?".to_owned());
    }
    match by {
        By::Host if unexplained => {
            hints.push("`unset DOCKER_HOST` goes back to this machine's engine, or the current context's".to_owned());
        }
        By::Nobody(_) | By::Host => {}
        By::Context(_, Named::Variable) => {
            hints.push("`unset DOCKER_CONTEXT` goes back to the current context".to_owned());
        }
        By::Context(_, Named::Current(_)) => {
            hints.push("`docker context use default` goes back to this machine's engine".to_owned());
        }
    }
    ConnectError { message, hints }
}

/// This machine.
struct Here;

impl Machine for Here {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|v| !v.is_empty())
    }

    fn read(&self, path: &Path) -> io::Result<Option<String>> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
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

/// The last cause, which is the one that says something.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    match current.downcast_ref::<io::Error>() {
        Some(error) => reason(error),
        None => current.to_string(),
    }
}

/// The same of an error of the system, without its number: `no such file or directory`.
fn reason(error: &io::Error) -> String {
    // Another one may be inside, which is no source of it.
    if let Some(inner) = error.get_ref() {
        return innermost(inner);
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

/// The engine's own words for what went wrong.
#[must_use]
pub fn words(error: &bollard::errors::Error) -> String {
    use bollard::errors::Error;
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::IOError { err } => reason(err),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::RequestTimeoutError => format!("no answer in {TIMEOUT} s"),
        Error::HyperResponseError { err } if err.is_incomplete_message() || err.is_canceled() => {
            "the engine closed the connection".to_owned()
        }
        Error::JsonDataError { message, .. } => format!("what answers is not in an engine's words: {message}"),
        Error::APIVersionParseError {} => "what answers does not say which API it speaks".to_owned(),
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
