//! The address of an engine, in the notation of `DOCKER_HOST`: `unix:///var/run/docker.sock`, `tcp://build-7:2376`,
//! `ssh://me@build-7`.

use std::fmt;
use std::path::PathBuf;

use crate::text::decimal;

/// The usual TCP ports of an engine, without and with TLS (IANA, `docker` and `docker-s`).
pub const PORTS: (u16, u16) = (2375, 2376);

/// The address that an engine listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A Unix socket of this machine.
    Unix(PathBuf),
    /// A TCP port of any machine.
    Tcp {
        /// The machine's name or address; an IPv6 address without its brackets.
        name: String,
        /// The port, from 1 to 65535; `None` for the usual one of [`PORTS`].
        port: Option<u16>,
        /// Whether the scheme is `https`, which asks for TLS by itself.
        https: bool,
    },
    /// A machine that is reached over SSH.
    Ssh {
        /// The user to log in as; `None` leaves it to the configuration of ssh.
        user: Option<String>,
        /// The machine's name or alias, as ssh resolves it.
        name: String,
        /// The SSH port; `None` leaves it to the configuration of ssh.
        port: Option<u16>,
        /// The engine's socket on that machine; `None` leaves it to `docker` there.
        socket: Option<String>,
    },
}

/// The address is malformed; the text says in which way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HostError(String);

impl Host {
    /// Parses an address.
    ///
    /// # Errors
    /// It has none of the known forms, or has a part that its form does not use.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let wrong = |what: &str| Err(HostError(what.to_owned()));
        // `docker` takes `build-7:2375` without a scheme as a TCP address too.
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        if scheme == "unix" {
            return match rest {
                "" => wrong("the socket's path is missing"),
                path => Ok(Self::Unix(PathBuf::from(path))),
            };
        }
        if !["tcp", "http", "https", "ssh"].contains(&scheme) {
            return Err(HostError(format!(
                "`{scheme}://` is none of unix://, tcp://, http://, https:// and ssh://"
            )));
        }
        if rest.contains(['?', '#']) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return wrong("it has more than a name, a port and a path");
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (name, port) = name_and_port(place)?;
        if name.is_empty() {
            return wrong("the name of the machine is missing");
        }
        if scheme != "ssh" {
            if user.is_some() {
                return wrong("a user has no place in it");
            }
            if !path.trim_matches('/').is_empty() {
                return wrong("a path has no place in it");
            }
            let usual = match scheme {
                "http" => Some(80),
                "https" => Some(443),
                _ => None,
            };
            return Ok(Self::Tcp {
                name,
                port: port.or(usual),
                https: scheme == "https",
            });
        }
        match user {
            Some("") => return wrong("the user's name is missing"),
            Some(user) if user.contains(':') => return wrong("a password has no place in it: ssh uses keys"),
            _ => {}
        }
        Ok(Self::Ssh {
            user: user.map(str::to_owned),
            name,
            port,
            socket: Some(path)
                .filter(|p| !p.trim_matches('/').is_empty())
                .map(str::to_owned),
        })
    }

    /// The name of the engine's machine; `None` if it is this one.
    #[must_use]
    pub fn machine(&self) -> Option<&str> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp { name, .. } | Self::Ssh { name, .. } => Some(name),
        }
    }
}

/// Parses `build-7:2376` or `[::1]:2376`.
fn name_and_port(place: &str) -> Result<(String, Option<u16>), HostError> {
    let (name, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let Some((name, after)) = rest.split_once(']') else {
                return Err(HostError("`[` is not closed".to_owned()));
            };
            (name, after.strip_prefix(':').or_else(|| after.is_empty().then_some("")))
        }
        None => match place.rsplit_once(':') {
            Some((name, _)) if name.contains(':') => {
                return Err(HostError(format!("an IPv6 address goes in brackets: [{place}]")));
            }
            Some((name, port)) => (name, Some(port)),
            None => (place, Some("")),
        },
    };
    match port {
        Some("") => Ok((name.to_owned(), None)),
        Some(port) => match decimal(port) {
            Some(port) if port > 0 => Ok((name.to_owned(), Some(port))),
            _ => Err(HostError(format!("`{port}` is not a port"))),
        },
        None => Err(HostError(format!("`{place}` is not a name and a port"))),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, user, name, port, path) = match self {
            Self::Unix(path) => return write!(f, "unix://{}", path.display()),
            Self::Tcp { name, port, https } => (if *https { "https" } else { "tcp" }, None, name, port, None),
            Self::Ssh {
                user,
                name,
                port,
                socket,
            } => ("ssh", user.as_deref(), name, port, socket.as_deref()),
        };
        write!(f, "{scheme}://")?;
        if let Some(user) = user {
            write!(f, "{user}@")?;
        }
        match name.contains(':') {
            true => write!(f, "[{name}]")?,
            false => f.write_str(name)?,
        }
        if let Some(port) = port {
            write!(f, ":{port}")?;
        }
        f.write_str(path.unwrap_or_default())
    }
}
