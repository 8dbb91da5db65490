//! How the resolver of a machine is told of a server for one domain.

use std::net::{IpAddr, SocketAddr};

use super::zone::Domain;

/// Lines for people, one for each of the usual resolvers. `bridge` is the machine's interface on the shared network.
#[must_use]
pub fn lines(domain: &Domain, server: SocketAddr, bridge: Option<&str>) -> Vec<String> {
    let interface = bridge.unwrap_or("INTERFACE");
    let (address, port) = (reachable(server.ip()), server.port());
    let at = SocketAddr::new(address, port);
    vec![
        format!("systemd-resolved: `resolvectl dns {interface} {at}` and `resolvectl domain {interface} '~{domain}'`"),
        format!("dnsmasq: `server=/{domain}/{address}#{port}`"),
        format!("macOS: /etc/resolver/{domain} with the lines `nameserver {address}` and `port {port}`"),
    ]
}

/// An address at which this machine reaches a server that listens at `address`.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) if v4.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}
