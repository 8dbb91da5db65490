//! Who a request says that it asks: a page of another site may have its own name resolve to this machine, and then read
//! what is answered (DNS rebinding). So a request must be addressed to this machine by an address, or by a name that it is
//! known to have.

use std::net::IpAddr;

/// Whether a request to `host`, as the `Host` header has it (RFC 9110, section 7.2), is answered: it is an address,
/// `localhost`, or one of `allowed`, with or without a port.
#[must_use]
pub fn is_allowed(host: &str, allowed: &[String]) -> bool {
    let Some(name) = name(host) else { return false };
    let name = name.strip_suffix('.').unwrap_or(name);
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    name.parse::<IpAddr>().is_ok() || is("localhost") || allowed.iter().any(|host| is(host))
}

/// The host of `HOST[:PORT]`, without the brackets of an IPv6 address; `None` if that is malformed.
fn name(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']')?;
            name.parse::<std::net::Ipv6Addr>().ok()?;
            (name, port)
        }
        None => {
            let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if name.is_empty() || !name.chars().all(is_plain) {
                return None;
            }
            (name, port)
        }
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    let is_port = port.is_empty() || port.starts_with(':') && digits.chars().all(|c| c.is_ascii_digit());
    is_port.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_addressed_to_an_address_or_a_known_name() {
        let allowed = ["addresses".to_owned(), "Lab.example".to_owned()];
        for host in [
            "127.0.0.1",
            "127.0.0.1:7070",
            "[::1]",
            "[::1]:7070",
            "localhost",
            "LOCALHOST:7070",
            "localhost.:7070",
            "addresses:5000",
            "lab.example",
            "10.0.0.1:",
        ] {
            assert!(is_allowed(host, &allowed), "{host}");
        }
        for host in [
            "",
            ":7070",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "addresses.evil.example",
            "localhost@evil.example",
            "localhost:7070@evil.example",
            "[::1",
            "[::1]x",
            "[localhost]",
            "::1",
            "localhost:7070:1",
            "localhost/x",
            "local host",
        ] {
            assert!(!is_allowed(host, &allowed), "{host}");
        }
    }
}
