//! Where an agent of Consul is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The port of an agent's HTTP API where none is said.
const PORT: u16 = 8500;

/// Where an agent of Consul is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// At a host and a port.
    Tcp {
        /// The host, a name or an address without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether it speaks TLS.
        tls: bool,
    },
    /// At a socket.
    Unix(PathBuf),
}

impl FromStr for Target {
    type Err = String;

    /// Consul's own forms, and those of Registrator.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "expected where an agent is, such as `http://127.0.0.1:8500`, `https://HOST`, `consul://HOST:8500` or \
             `unix:///run/consul.sock`"
                .to_owned()
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let tls = match scheme {
            "http" | "consul" => false,
            "https" | "consul-tls" => true,
            "unix" | "consul-unix" if rest.starts_with('/') => return Ok(Self::Unix(rest.into())),
            _ => return Err(wrong()),
        };
        let rest = rest.trim_end_matches('/');
        let is_bracketed = rest.ends_with(']') || !rest.contains(':');
        let (host, port) = match rest.rsplit_once(':').filter(|_| !is_bracketed) {
            Some((host, port)) => (host, crate::text::decimal(port).filter(|p| *p > 0).ok_or_else(wrong)?),
            None => (rest, PORT),
        };
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match inner {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
            }
        };
        if !is_host {
            return Err(wrong());
        }
        Ok(Self::Tcp {
            host: inner.unwrap_or(host).to_owned(),
            port,
            tls,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, tls } => {
                let scheme = if *tls { "https" } else { "http" };
                match host.contains(':') {
                    true => write!(f, "{scheme}://[{host}]:{port}"),
                    false => write!(f, "{scheme}://{host}:{port}"),
                }
            }
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}
