//! Chooses the engine as `docker` does: `--host` or `--context`, else `DOCKER_HOST`, else the context that `DOCKER_CONTEXT` names, else the current
//! context of the configuration, else the first socket that exists (docker/cli `cli/command/cli.go`,
//! "resolveContextName").

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::ConnectError;
use super::host::{Host, PORTS};
use crate::diagnostic::nearest;
use crate::digest::sha256;
use crate::text::reason;

/// The usual socket of an engine that runs as root.
pub const SOCKET: &str = "/var/run/docker.sock";
/// The name by which `docker` calls the absence of a context.
const DEFAULT: &str = "default";
/// The variables that choose another engine, the stronger one first.
const DOCKER_HOST: &str = "DOCKER_HOST";
const DOCKER_CONTEXT: &str = "DOCKER_CONTEXT";

/// What the choice reads from the machine. Tests put another one in its place.
pub trait Machine {
    /// The value of an environment variable; `None` if it is unset or empty.
    fn variable(&self, name: &str) -> Option<String>;
    /// The content of a file; `None` if it does not exist.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    fn read(&self, path: &Path) -> io::Result<Option<String>>;
    /// Whether the path exists.
    fn is_there(&self, path: &Path) -> bool;
    /// The paths of what is in a directory; empty if it cannot be read.
    fn entries(&self, path: &Path) -> Vec<PathBuf>;
    /// The numeric ID of the user.
    fn user(&self) -> u32;
}

/// The chosen engine, and how to connect to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The address that the engine listens on.
    pub host: Host,
    /// What chose the engine.
    pub by: By,
    /// How to authenticate with TLS; `None` for a connection without it.
    pub tls: Option<Tls>,
}

impl Choice {
    fn new(host: Host, by: By, tls: Option<Tls>) -> Self {
        let usual = if tls.is_some() { PORTS.1 } else { PORTS.0 };
        let host = match host {
            Host::Tcp { name, port, https } => Host::Tcp {
                name,
                port: port.or(Some(usual)),
                https,
            },
            other => other,
        };
        Self { host, by, tls }
    }
}

/// The setting that chose the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Not configured. These sockets were tried in order; if none exists, the first is reported.
    Nobody(Vec<PathBuf>),
    /// The option `--host`.
    Option,
    /// The environment variable `DOCKER_HOST`.
    Host,
    /// A context of this name, and the setting that names it.
    Context(String, Named),
}

/// The setting that names a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// The option `--context`.
    Option,
    /// The environment variable `DOCKER_CONTEXT`.
    Variable,
    /// The `currentContext` of this configuration file.
    Current(PathBuf),
}

/// The files that TLS needs, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The directory that contains the files.
    pub directory: PathBuf,
    /// The certificate authority that signs the engine's certificate; `None` for those that this machine trusts.
    pub ca: Option<PathBuf>,
    /// The client's certificate and its key; `None` if the engine does not ask for them.
    pub own: Option<(PathBuf, PathBuf)>,
    /// Whether the engine's certificate is checked. Without it anybody may pose as the engine.
    pub verify: bool,
}

impl By {
    /// The setting in a message, such as `` context `lab`, which DOCKER_CONTEXT names ``; empty if there is none.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Nobody(_) => String::new(),
            Self::Option => "--host".to_owned(),
            Self::Host => DOCKER_HOST.to_owned(),
            Self::Context(name, Named::Option) => format!("context `{name}`"),
            Self::Context(name, Named::Variable) => format!("context `{name}`, which {DOCKER_CONTEXT} names"),
            Self::Context(name, Named::Current(file)) => format!("context `{name}`, current in {}", file.display()),
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.label() {
            none if none.is_empty() => Ok(()),
            label => write!(f, " ({label})"),
        }
    }
}

/// What the command line says of the engine: at most one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The address, as in `DOCKER_HOST`.
    pub host: Option<String>,
    /// The name of a context.
    pub context: Option<String>,
}

/// The engine that is `given`, or else that the settings of this `machine` choose.
///
/// # Errors
/// A setting is malformed, or its file cannot be read.
pub fn choose(machine: &dyn Machine, given: &Given) -> Result<Choice, ConnectError> {
    let home = machine
        .variable("HOME")
        .map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let directory = machine
        .variable("DOCKER_CONFIG")
        .map_or_else(|| home.join(".docker"), PathBuf::from);
    let variable = || machine.variable(DOCKER_HOST).map(|text| (text, By::Host));
    let host = match given {
        Given { host: Some(text), .. } => Some((text.clone(), By::Option)),
        Given { context: Some(_), .. } => None,
        _ => variable(),
    };
    if let Some((text, by)) = host {
        let host = parse(&text, &by)?;
        let tls = tls_of_environment(machine, &directory, &host, &by)?;
        return Ok(Choice::new(host, by, tls));
    }
    let (name, named) = match (&given.context, machine.variable(DOCKER_CONTEXT)) {
        (Some(name), _) => (name.clone(), Named::Option),
        (None, Some(name)) => (name, Named::Variable),
        (None, None) => {
            let file = directory.join("config.json");
            (current(machine, &file)?, Named::Current(file))
        }
    };
    if name.is_empty() || name == DEFAULT {
        return Ok(socket(machine, &home));
    }
    context(machine, &directory, By::Context(name.clone(), named), &name)
}

fn parse(text: &str, by: &By) -> Result<Host, ConnectError> {
    Host::parse(text).map_err(|error| ConnectError {
        message: format!("no engine can be at `{text}`{by}: {error}"),
        hints: vec!["expected unix:///PATH, tcp://NAME:PORT or ssh://USER@NAME".to_owned()],
    })
}

/// The part of the Docker CLI's `config.json` that names the context.
#[derive(Deserialize)]
struct Config {
    #[serde(default, rename = "currentContext")]
    current_context: String,
}

/// The name of the current context; empty if none is set.
fn current(machine: &dyn Machine, file: &Path) -> Result<String, ConnectError> {
    let Some(text) = read(machine, file)? else {
        return Ok(String::new());
    };
    match serde_json::from_str::<Config>(&text) {
        Ok(config) => Ok(config.current_context),
        Err(error) => Err(ConnectError {
            message: format!(
                "cannot tell which engine is meant: {} is no JSON: {error}",
                file.display()
            ),
            hints: vec![format!("mend it, or set {DOCKER_HOST} to where the engine listens")],
        }),
    }
}

fn read(machine: &dyn Machine, file: &Path) -> Result<Option<String>, ConnectError> {
    machine.read(file).map_err(|error| ConnectError {
        message: format!(
            "cannot tell which engine is meant: cannot read {}: {}",
            file.display(),
            reason(&error)
        ),
        hints: vec![format!("set {DOCKER_HOST} to where the engine listens")],
    })
}

/// The first socket that exists: the usual one, that of a rootless engine, or Podman's. If none does, it is the usual
/// one.
fn socket(machine: &dyn Machine, home: &Path) -> Choice {
    let run = machine
        .variable("XDG_RUNTIME_DIR")
        .map_or_else(|| PathBuf::from(format!("/run/user/{}", machine.user())), PathBuf::from);
    let places = vec![
        PathBuf::from(SOCKET),
        run.join("docker.sock"),
        home.join(".docker/run/docker.sock"),
        run.join("podman/podman.sock"),
        PathBuf::from("/run/podman/podman.sock"),
    ];
    let found = places.iter().find(|p| machine.is_there(p)).cloned();
    Choice {
        host: Host::Unix(found.unwrap_or_else(|| PathBuf::from(SOCKET))),
        by: By::Nobody(places),
        tls: None,
    }
}

/// A context as the Docker CLI stores it (docker/cli `cli/context/store`), in `contexts/meta/<SHA-256 of its
/// name>/meta.json`.
#[derive(Deserialize)]
struct Meta {
    #[serde(default, rename = "Name")]
    name: String,
    #[serde(default, rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default, rename = "Host")]
    host: String,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

fn context(machine: &dyn Machine, directory: &Path, by: By, name: &str) -> Result<Choice, ConnectError> {
    let id = sha256(name.as_bytes());
    let all = directory.join("contexts/meta");
    let file = all.join(&id).join("meta.json");
    let Some(text) = read(machine, &file)? else {
        return Err(unknown(machine, &all, &by, name));
    };
    let useless = |what: &str| ConnectError {
        message: format!("no engine is known{by}: {} {what}", file.display()),
        hints: vec![format!("`docker context inspect {name}` shows it")],
    };
    let meta: Meta = serde_json::from_str(&text).map_err(|error| useless(&format!("is not a context's: {error}")))?;
    let Some(endpoint) = meta.endpoints.docker else {
        return Err(useless("has no endpoint `docker`"));
    };
    if endpoint.host.is_empty() {
        let Choice { host, .. } = socket(machine, Path::new("/"));
        return Ok(Choice { host, by, tls: None });
    }
    let host = parse(&endpoint.host, &by)?;
    let tls = directory.join("contexts/tls").join(&id).join("docker");
    let verify = !endpoint.skip_tls_verify;
    let wanted = machine.is_there(&tls) || !verify || matches!(host, Host::Tcp { https: true, .. });
    let tls = match host {
        Host::Tcp { .. } if wanted => Some(files(machine, tls, verify, &by)?),
        _ => None,
    };
    Ok(Choice::new(host, by, tls))
}

/// The error for a context that does not exist, with the names of those that do.
fn unknown(machine: &dyn Machine, all: &Path, by: &By, name: &str) -> ConnectError {
    let metas = machine.entries(all).into_iter().map(|d| d.join("meta.json"));
    let texts = metas.filter_map(|file| machine.read(&file).ok().flatten());
    let mut names: Vec<String> = texts
        .filter_map(|text| serde_json::from_str::<Meta>(&text).ok())
        .map(|meta| meta.name)
        .collect();
    names.sort();
    names.insert(0, DEFAULT.to_owned());
    let quoted: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    let mut hints = Vec::new();
    if let Some(near) = nearest(name, names.iter().map(String::as_str)) {
        hints.push(format!("did you mean `{near}`?"));
    }
    hints.push(format!("known contexts are {}: `docker context ls`", quoted.join(", ")));
    ConnectError {
        message: format!("there is no {}", by.label()),
        hints,
    }
}

/// The TLS settings in `DOCKER_TLS_VERIFY`, `DOCKER_TLS` and `DOCKER_CERT_PATH`, which only go with `DOCKER_HOST`.
fn tls_of_environment(
    machine: &dyn Machine,
    directory: &Path,
    host: &Host,
    by: &By,
) -> Result<Option<Tls>, ConnectError> {
    let Host::Tcp { https, .. } = host else {
        return Ok(None);
    };
    let verify = machine.variable("DOCKER_TLS_VERIFY").is_some();
    let unverified = machine.variable("DOCKER_TLS").is_some();
    if !verify && !unverified && !https {
        return Ok(None);
    }
    let directory = machine
        .variable("DOCKER_CERT_PATH")
        .map_or_else(|| directory.to_owned(), PathBuf::from);
    files(machine, directory, verify || !unverified, by).map(Some)
}

/// The TLS files that exist in `directory`, by the names that `docker` expects.
fn files(machine: &dyn Machine, directory: PathBuf, verify: bool, by: &By) -> Result<Tls, ConnectError> {
    let there = |name: &str| Some(directory.join(name)).filter(|p| machine.is_there(p));
    let own = match (there("cert.pem"), there("key.pem")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (certificate, _) => {
            let (has, lacks) = match certificate {
                Some(_) => ("cert.pem", "key.pem"),
                None => ("key.pem", "cert.pem"),
            };
            return Err(ConnectError {
                message: format!(
                    "cannot speak TLS with the engine{by}: {} has `{has}` and no `{lacks}`",
                    directory.display()
                ),
                hints: vec!["a certificate and its key go together".to_owned()],
            });
        }
    };
    Ok(Tls {
        ca: there("ca.pem"),
        own,
        verify,
        directory,
    })
}
