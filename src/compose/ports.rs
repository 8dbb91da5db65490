//! Ports as Compose writes them: `ports`, short and long, and `expose` (Compose specification, services).

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use indexmap::IndexMap;
use serde::Serialize;

use crate::diagnostic::nearest;
use crate::text::decimal;
use crate::value::{Map, Value};

/// The keys of the long syntax.
const KEYS: &[&str] = &[
    "app_protocol",
    "host_ip",
    "mode",
    "name",
    "protocol",
    "published",
    "target",
];

/// A port of a container, or a range of them, and where the host publishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The container's first and last port, inclusive.
    pub target: (u16, u16),
    /// The host's first and last port, inclusive: as many as `target`, or a range from which the engine picks one for a
    /// single target. `None` when the engine picks any.
    pub published: Option<(u16, u16)>,
    /// The host's address; `None` for all addresses.
    pub address: Option<IpAddr>,
    /// The transport protocol; TCP if the port names none.
    pub protocol: Protocol,
}

/// Target, published, protocol and address.
type Key = ((u16, u16), Option<(u16, u16)>, Protocol, IpAddr);

impl Port {
    /// The host's ports that are certainly taken; `None` when the engine picks.
    #[must_use]
    pub fn taken(&self) -> Option<(u16, u16)> {
        self.published
            .filter(|(first, last)| last - first == self.target.1 - self.target.0)
    }

    /// How many ports of the container it is.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::from(self.target.1 - self.target.0) + 1
    }

    /// Each of a range on its own.
    fn singles(&self) -> impl Iterator<Item = Self> + use<> {
        let whole = self.clone();
        (whole.target.0..=whole.target.1).map(move |target| {
            let published = match whole.taken() {
                Some((first, _)) => {
                    let published = first + (target - whole.target.0);
                    Some((published, published))
                }
                None => whole.published,
            };
            Self {
                target: (target, target),
                published,
                ..whole.clone()
            }
        })
    }

    /// The ports of the container as `expose` says them: `53/udp`, `8000-8002`.
    #[must_use]
    pub fn exposed(&self) -> String {
        match self.protocol {
            Protocol::Tcp => range_text(self.target),
            other => format!("{}/{other}", range_text(self.target)),
        }
    }

    /// Whatever makes it another port to Compose, to which no address is that of all.
    fn key(&self) -> Key {
        let all = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        (self.target, self.published, self.protocol, self.address.unwrap_or(all))
    }

    /// This port, one of those that `item` says, in the same syntax.
    fn written(&self, item: &Value) -> Value {
        let published = match self.published {
            Some(range) => range_text(range),
            None => String::new(),
        };
        if let Value::Map(map) = item {
            let mut map = (**map).clone();
            map.insert("target".into(), Value::Int(self.target.0.into()));
            if self.published.is_some() {
                map.insert("published".into(), Value::from(published));
            }
            return map.into();
        }
        let address = match self.address {
            Some(IpAddr::V6(address)) => format!("[{address}]:"),
            Some(IpAddr::V4(address)) => format!("{address}:"),
            None => String::new(),
        };
        let colon = if self.published.is_some() || self.address.is_some() {
            ":"
        } else {
            ""
        };
        Value::from(format!(
            "{address}{published}{colon}{}/{}",
            self.target.0, self.protocol
        ))
    }

    /// Each of the container's ports, one by one.
    pub fn targets(&self) -> impl Iterator<Item = ContainerPort> + use<> {
        let protocol = self.protocol;
        (self.target.0..=self.target.1).map(move |number| ContainerPort { number, protocol })
    }
}

/// A port of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct ContainerPort {
    /// The number, 1 to 65535.
    pub number: u16,
    /// The transport protocol; TCP if the port names none.
    pub protocol: Protocol,
}

/// As the engine names it, `80/tcp`.
impl fmt::Display for ContainerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

/// A transport protocol (Compose specification, services, `ports`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Protocol {
    /// The Stream Control Transmission Protocol (RFC 9260), written `sctp`.
    Sctp,
    /// `tcp`, the default (RFC 9293).
    Tcp,
    /// The User Datagram Protocol (RFC 768), written `udp`.
    Udp,
}

/// As the Compose specification and the engine write it.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// Reads one item of `expose`: a container port or a range.
///
/// # Errors
/// What was expected instead, as a phrase.
pub fn exposed(text: &str) -> Result<Port, String> {
    let (target, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    port(target, "", "", protocol)
}

/// Why an item of `ports` is malformed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortError {
    /// What is wrong: `expected a port from 1 to 65535 or a range, found `web``.
    pub reason: String,
    /// The unknown key of the long syntax; `None` if something else is wrong.
    pub key: Option<String>,
}

impl From<String> for PortError {
    fn from(reason: String) -> Self {
        Self { reason, key: None }
    }
}

/// Reads one item of `ports`, in the short or the long syntax.
///
/// # Errors
/// An item that is in neither the short nor the long syntax (Compose specification, services, `ports`).
pub fn read(item: &Value) -> Result<Port, PortError> {
    match item {
        Value::Map(map) => long(map),
        other => match other.scalar() {
            Some(text) => Ok(short(&text)?),
            None => Err("expected `HOST:CONTAINER` or a map with a `target`".to_owned().into()),
        },
    }
}

/// `items` of `ports` in which each port is said once, the last that says it in the place of the first: in two spellings, or
/// in two ranges, it is one port to Compose. `None` where nothing is said twice, or something is no port.
#[must_use]
pub fn each_once(items: &[Value]) -> Option<Vec<Value>> {
    let ports: Vec<Port> = items.iter().map(read).collect::<Result<_, _>>().ok()?;
    let singles = || {
        ports
            .iter()
            .zip(items)
            .flat_map(|(port, item)| port.singles().map(move |p| (p, item)))
    };
    let mut known = HashSet::new();
    if singles().all(|(port, _)| known.insert(port.key())) {
        return None;
    }
    let mut found: IndexMap<Key, Value> = IndexMap::new();
    for (port, item) in singles() {
        found.insert(port.key(), port.written(item));
    }
    Some(found.into_values().collect())
}

/// An `item` of `ports` with other ports of the host, first and last; `None` leaves them to the engine. All else of it stays as
/// it was written.
#[must_use]
pub fn republished(item: &Value, published: Option<(u16, u16)>) -> Value {
    let said = published.map(range_text);
    if let Value::Map(map) = item {
        let mut map = (**map).clone();
        match said {
            Some(said) => map.insert("published".into(), Value::from(said)),
            None => map.shift_remove("published"),
        };
        return map.into();
    }
    let text = item.scalar().unwrap_or_default();
    let (rest, target) = text.rsplit_once(':').unwrap_or(("", &text));
    let address = rest.rsplit_once(':').map(|(address, _)| format!("{address}:"));
    let colon = if said.is_some() || address.is_some() { ":" } else { "" };
    Value::from(format!(
        "{}{}{colon}{target}",
        address.unwrap_or_default(),
        said.unwrap_or_default()
    ))
}

fn short(text: &str) -> Result<Port, String> {
    let (rest, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (rest, target) = match rest.rsplit_once(':') {
        Some((rest, target)) => (Some(rest), target),
        None => (None, rest),
    };
    let (address, published) = match rest.map(|r| r.rsplit_once(':').ok_or(r)) {
        None => ("", ""),
        Some(Ok((address, published))) => (address.trim_start_matches('[').trim_end_matches(']'), published),
        Some(Err(published)) => ("", published),
    };
    port(target, published, address, protocol)
}

fn long(map: &Map) -> Result<Port, PortError> {
    if let Some(key) = map.keys().find(|k| !KEYS.contains(&&***k) && !k.starts_with("x-")) {
        let reason = match nearest(key, KEYS.iter().copied()) {
            Some(near) => format!("unknown key `{key}`: did you mean `{near}`?"),
            None => format!("unknown key `{key}`"),
        };
        let key = Some(key.to_string());
        return Err(PortError { reason, key });
    }
    let text = |key: &str| map.get(key).and_then(Value::scalar).unwrap_or_default();
    if !map.contains_key("target") {
        return Err("expected a `target`, the container's port".to_owned().into());
    }
    let protocol = map.get("protocol").and_then(Value::scalar);
    Ok(port(
        &text("target"),
        &text("published"),
        &text("host_ip"),
        protocol.as_deref().unwrap_or("tcp"),
    )?)
}

fn port(target: &str, published: &str, address: &str, protocol: &str) -> Result<Port, String> {
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        other => return Err(format!("expected `tcp`, `udp` or `sctp`, found `{other}`")),
    };
    let address = match address {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|_| format!("expected an IP address, found `{text}`"))?,
        ),
    };
    let target = range(target)?;
    let published = match published {
        // The engine takes 0 for any port that is free.
        "" | "0" => None,
        text => Some(range(text)?),
    };
    // A range for a single target: the engine picks a free port of it.
    if published.is_some_and(|(first, last)| target.0 != target.1 && last - first != target.1 - target.0) {
        return Err("expected as many ports of the host as of the container".to_owned());
    }
    Ok(Port {
        target,
        published,
        address,
        protocol,
    })
}

/// A port, or a range of ports from the first to the last, as it is written: `80` or `80-90`.
#[must_use]
pub fn range_text((first, last): (u16, u16)) -> String {
    match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    }
}

/// Reads `80` or `80-90`.
fn range(text: &str) -> Result<(u16, u16), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (decimal::<u16>(first), decimal::<u16>(last)) {
        (Some(first), Some(last)) if 0 < first && first <= last => Ok((first, last)),
        _ => Err(format!("expected a port from 1 to 65535 or a range, found `{text}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_is_said_once() {
        for (items, expected) in [
            (&["8080:80", "8080:80/tcp"] as &[_], Some(&["8080:80/tcp"] as &[_])),
            (&["80", "80/tcp", "80/udp"], Some(&["80/tcp", "80/udp"])),
            (&["8080:80", "0.0.0.0:8080:80"], Some(&["0.0.0.0:8080:80/tcp"])),
            (
                &["8080-8082:80-82", "8081:81"],
                Some(&["8080:80/tcp", "8081:81/tcp", "8082:82/tcp"]),
            ),
            (
                &["[::1]:1:1", "[::1]:1:1", "9000-9009:7", "9000-9009:7"],
                Some(&["[::1]:1:1/tcp", "9000-9009:7/tcp"]),
            ),
            (&["8080:80", "127.0.0.1:8080:80", "8081:80", "x"], None),
            (&["8080:80", "127.0.0.1:8080:80", "8081:80"], None),
        ] {
            let values: Vec<Value> = items.iter().map(|i| Value::from(*i)).collect();
            let expected = expected.map(|e| e.iter().map(|i| Value::from(*i)).collect::<Vec<_>>());
            assert_eq!(each_once(&values), expected, "{items:?}");
        }
    }

    #[test]
    fn ports_of_the_host_change_and_nothing_else() {
        for (item, chosen, moved) in [
            ("8080:80", "80", "9000:80"),
            ("8080:80/udp", "80/udp", "9000:80/udp"),
            ("127.0.0.1:8080:80", "127.0.0.1::80", "127.0.0.1:9000:80"),
            ("[::1]:8080:80", "[::1]::80", "[::1]:9000:80"),
        ] {
            let item = Value::from(item);
            assert_eq!(republished(&item, None), Value::from(chosen));
            assert_eq!(republished(&item, Some((9000, 9000))), Value::from(moved));
            assert_eq!(read(&republished(&item, None)).map(|p| p.published), Ok(None));
        }
        let range = republished(&Value::from("8000-8002:80-82"), Some((9000, 9002)));
        assert_eq!(range, Value::from("9000-9002:80-82"));
    }

    #[test]
    fn reads_the_short_syntax() {
        let published = |text: &str| short(text).map(|p| p.taken());
        assert_eq!(published("80"), Ok(None));
        assert_eq!(published("8080:80/udp"), Ok(Some((8080, 8080))));
        assert_eq!(published("127.0.0.1:9000-9001:90-91"), Ok(Some((9000, 9001))));
        assert_eq!(published("127.0.0.1::80"), Ok(None));
        assert_eq!(short("0:80"), short("80"));
        assert_eq!(published("[::1]:81:80"), Ok(Some((81, 81))));
        assert_eq!(published("9000-9009:80"), Ok(None));
        assert_eq!(short("9000-9009:80").map(|p| p.published), Ok(Some((9000, 9009))));
        for bad in [
            "", "web", "8080:0", "+80", "8080:+80", "80-+90", "70000:80", "90-80:80", "1-2:3-5", "80/ip", "x:1:2",
            "1:2:3:4",
        ] {
            assert!(short(bad).is_err(), "{bad}");
        }
    }
}
