//! How the programs of a container resolve names: by its files first, then by the resolver that it is given
//! (nsswitch.conf(5), `hosts: files dns`; resolv.conf(5)).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::timeout;

use super::dns::{self, Kind, Reply};

/// How long a name with a search domain is asked for: the engine forwards it, and what does not answer has no such name.
const SEARCH: Duration = Duration::from_millis(200);

/// What a container resolves names with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolver {
    server: SocketAddr,
    /// The addresses by name, in lower case (hosts(5)).
    hosts: HashMap<String, Vec<IpAddr>>,
    /// The domains that names are tried with (resolv.conf(5), `search`).
    search: Vec<String>,
    /// With fewer dots than that, a name is tried with these domains first (resolv.conf(5), `ndots`).
    ndots: usize,
    /// Whether IPv6 addresses are asked for too.
    ipv6: bool,
}

impl Resolver {
    /// One that knows nothing but its server.
    pub(super) fn at(server: SocketAddr) -> Self {
        Self {
            server,
            hosts: HashMap::new(),
            search: Vec::new(),
            ndots: 1,
            ipv6: false,
        }
    }

    /// By the texts of hosts(5) and resolv.conf(5).
    pub(super) fn read(hosts: &str, conf: &str, ipv6: bool) -> Self {
        let mut resolver = Self::at(dns::server(conf));
        resolver.ipv6 = ipv6;
        for line in hosts.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
                continue;
            };
            for name in words {
                resolver.hosts.entry(name.to_lowercase()).or_default().push(address);
            }
        }
        for line in conf.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("search" | "domain") => {
                    let domains = words.map(|w| w.trim_end_matches('.').to_owned());
                    resolver.search = domains.filter(|w| !w.is_empty()).collect();
                }
                Some("options") => {
                    let mut numbers = words.filter_map(|w| w.strip_prefix("ndots:")?.parse().ok());
                    resolver.ndots = numbers.next_back().unwrap_or(resolver.ndots);
                }
                _ => {}
            }
        }
        resolver
    }

    /// What `name` resolves to. It has no timeout.
    ///
    /// # Errors
    /// A `name` that DNS cannot express, a socket error, or a malformed answer.
    pub(super) async fn query(&self, name: &str) -> io::Result<Reply> {
        if let Some(known) = self.by_files(name) {
            return Ok(Reply::Addresses(known));
        }
        if name.matches('.').count() < self.ndots {
            for domain in &self.search {
                let full = format!("{name}.{domain}");
                if let Ok(Ok(Reply::Addresses(found))) = timeout(SEARCH, self.ask(&full)).await
                    && !found.is_empty()
                {
                    return Ok(Reply::Addresses(found));
                }
            }
        }
        self.ask(name).await
    }

    /// What the files say; `None` if they do not name it.
    fn by_files(&self, name: &str) -> Option<Vec<IpAddr>> {
        let known = self.hosts.get(&name.to_lowercase())?;
        let of_family: Vec<IpAddr> = known.iter().copied().filter(|a| self.ipv6 || a.is_ipv4()).collect();
        Some(if of_family.is_empty() { known.clone() } else { of_family })
    }

    /// What the server says of exactly this name: addresses of both families, if both are asked for.
    async fn ask(&self, name: &str) -> io::Result<Reply> {
        let v4 = dns::query(name, Kind::A, self.server);
        if !self.ipv6 {
            return v4.await;
        }
        let (v4, v6) = tokio::try_join!(v4, dns::query(name, Kind::Aaaa, self.server))?;
        Ok(match (v4, v6) {
            (Reply::Addresses(mut all), Reply::Addresses(more)) => {
                all.extend(more);
                Reply::Addresses(all)
            }
            // One of the two says that the name is there, and the other is of no importance then.
            (Reply::Addresses(found), Reply::Failure(_)) | (Reply::Failure(_), Reply::Addresses(found))
                if !found.is_empty() =>
            {
                Reply::Addresses(found)
            }
            (failure @ Reply::Failure(_), _) | (_, failure) => failure,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &str = "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n# 10.0.0.1 no\n10.0.0.9 Slave2 db # mine\n\
                         fd00::9 six\nnonsense here\n";

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|t| t.parse().expect("an address")).collect()
    }

    #[test]
    fn files_come_first() {
        let resolver = Resolver::read(HOSTS, "nameserver 127.0.0.11\n", false);
        assert_eq!(resolver.by_files("slave2"), Some(addresses(&["10.0.0.9"])));
        assert_eq!(resolver.by_files("DB"), Some(addresses(&["10.0.0.9"])));
        assert_eq!(resolver.by_files("localhost"), Some(addresses(&["127.0.0.1"])));
        assert_eq!(resolver.by_files("six"), Some(addresses(&["fd00::9"])));
        for unknown in ["no", "mine", "here", "slave1"] {
            assert_eq!(resolver.by_files(unknown), None, "{unknown}");
        }
        let both = Resolver::read(HOSTS, "", true);
        assert_eq!(both.by_files("localhost"), Some(addresses(&["127.0.0.1", "::1"])));
    }

    #[test]
    fn domains_are_tried_first_where_a_name_has_few_dots() {
        let docker = Resolver::read("", "search corp.example lan.\noptions ndots:0 edns0\n", false);
        assert_eq!(
            (docker.ndots, docker.search),
            (0, vec!["corp.example".to_owned(), "lan".to_owned()])
        );
        assert_eq!(Resolver::read("", "options edns0 ndots:2\n", false).ndots, 2);
        assert_eq!(Resolver::read("", "", false).ndots, 1);
    }
}
