//! The names of a cluster and what they lead to.
//!
//! ```text
//! slave1                 the way in of the node, on the shared network
//! slave                  those of all nodes of the role
//! app.slave1, app.slave  the service, on the node's own network
//! boss, slave1-app, …    what a container is called on a network that it shares with others
//! _443._tcp.slave        the ports of the role's ways in with this number, _443._tcp.slave1 those of one node
//! _app._tcp.slave        the ports of the service, _app._tcp.slave1 those of one node
//! ```
//!
//! A name that several of these give is the first one's. What is known and cannot serve has its name, and nothing there.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;

use crate::cluster::roster::{Address, Exposed, Instance};
use crate::serve::view::{Member, Node, View};

/// The most octets of a name as it is written, without the dot at its end (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 253;
/// The most octets of a label (RFC 1035 §2.3.4).
const LONGEST_LABEL: usize = 63;
/// The name of the server itself.
pub const SERVER: &str = "ns.dns";

/// A domain: labels of letters, digits, `-` and `_`, in lower case, joined by dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// The domain as text, without a dot at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `name` in this domain, as text.
    #[must_use]
    pub fn join(&self, name: &str) -> String {
        if name.is_empty() {
            self.0.clone()
        } else {
            format!("{name}.{}", self.0)
        }
    }

    /// Whether a name can be one of this domain's.
    fn can_have(&self, name: &str) -> bool {
        is_name(name) && name.len() + 1 + self.0.len() <= LONGEST_NAME
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let domain = text.trim_end_matches('.').to_ascii_lowercase();
        let is_reverse = domain == "arpa" || domain.ends_with(".arpa");
        // Names below it need room, too.
        if !is_name(&domain) || domain.len() > 128 || is_reverse {
            return Err(
                "expected a domain such as `lab` or `lab.test`: labels of letters, digits, `-` and `_`, \
                        128 characters at most"
                    .to_owned(),
            );
        }
        Ok(Self(domain))
    }
}

fn is_name(text: &str) -> bool {
    text.split('.').all(|label| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    })
}

/// A port that a name leads to (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The port.
    pub port: u16,
    /// The name of the host, in the domain.
    pub host: String,
}

/// What a name leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Addresses of either family.
    pub addresses: Vec<IpAddr>,
    /// Ports of hosts.
    pub targets: Vec<Target>,
}

impl Entry {
    fn add(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        for address in addresses {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
    }

    fn lead_to(&mut self, target: Target) {
        if !self.targets.contains(&target) {
            self.targets.push(target);
        }
    }
}

type Names = HashMap<String, Entry>;

/// The names of a cluster, as of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The domain that the names are in.
    pub domain: Domain,
    /// The revision that it was made of, as far as 32 bits hold it (RFC 1982).
    pub serial: u32,
    /// Whether nothing is known of the cluster yet.
    pub is_unknown: bool,
    /// By name in the domain, in lower case. Names that only others are below have an entry, too.
    names: Names,
    /// The name in the domain of each address.
    reverse: HashMap<IpAddr, String>,
    /// The subnets of the cluster's networks, whose addresses have no other names than these.
    subnets: Vec<IpNet>,
}

impl Zone {
    /// The names of `view` in `domain`, told by a server that listens at `server`.
    #[must_use]
    pub fn of(view: &View, domain: &Domain, server: SocketAddr) -> Self {
        let mut zone = Self {
            domain: domain.clone(),
            #[expect(clippy::cast_possible_truncation, reason = "serial numbers wrap around")]
            serial: view.revision as u32,
            is_unknown: view.is_unknown(),
            names: HashMap::new(),
            reverse: HashMap::new(),
            subnets: view.subnets(),
        };
        let private: HashSet<&str> = view.private_networks().collect();
        let address = (!server.ip().is_unspecified()).then_some(server.ip());
        zone.names.entry(SERVER.to_owned()).or_default().add(address);
        // From the first that counts to the last.
        let mut levels: [Names; 5] = Default::default();
        for node in &view.nodes {
            let [nodes, aliases, roles, services, ports] = &mut levels;
            let ways_in = ways_in(node);
            for owner in [(&mut *nodes, &node.name), (&mut *roles, &node.role)] {
                let entry = owner.0.entry(owner.1.to_ascii_lowercase()).or_default();
                let ready = ways_in.iter().filter(|i| i.is_ready());
                entry.add(
                    ready
                        .flat_map(|i| shared(i).or_else(|| own(i, &private)))
                        .flat_map(|a| a.1),
                );
            }
            for member in &node.containers {
                for owner in [&node.name, &node.role] {
                    let name = format!("{}.{owner}", member.service()).to_ascii_lowercase();
                    let entry = services.entry(name).or_default();
                    let ready = member.present().filter(|i| i.is_ready());
                    entry.add(ready.and_then(|i| own(i, &private)).into_iter().flat_map(|a| a.1));
                }
                let Some(instance) = member.present() else { continue };
                let is_way_in = ways_in.iter().any(|way| way.id == instance.id);
                add_aliases(aliases, instance, &private);
                add_ports(ports, node, instance, is_way_in);
                zone.add_reverse(node, instance, is_way_in);
            }
        }
        for (name, entry) in levels.into_iter().flatten() {
            if domain.can_have(&name) {
                zone.names.entry(name).or_insert(entry);
            }
        }
        zone.add_parents();
        zone
    }

    /// What `name`, which is in the domain and in lower case, leads to; `None` if there is no such name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.names.get(name)
    }

    /// The name in the domain of `address`.
    #[must_use]
    pub fn name_of(&self, address: IpAddr) -> Option<&str> {
        self.reverse.get(&address).map(String::as_str)
    }

    /// Whether the addresses of `subnet`, or some of them, are the cluster's.
    #[must_use]
    pub fn has_part_of(&self, subnet: IpNet) -> bool {
        let is_part = |own: &IpNet| own.contains(&subnet) || subnet.contains(own);
        self.subnets.iter().any(is_part)
    }

    /// All names in natural order of the text, with what they lead to.
    #[must_use]
    pub fn all(&self) -> Vec<(&str, &Entry)> {
        let mut all: Vec<(&str, &Entry)> = self.names.iter().map(|(n, e)| (n.as_str(), e)).collect();
        all.sort_by_cached_key(|(name, _)| crate::text::natural(name));
        all
    }

    fn add_reverse(&mut self, node: &Node, instance: &Instance, is_way_in: bool) {
        let service = format!("{}.{}", instance.service, node.name).to_ascii_lowercase();
        for address in &instance.addresses {
            let is_shared = instance.address.is_some() && address.address == instance.address;
            let name = if is_shared && is_way_in { &node.name } else { &service };
            if self.domain.can_have(name) {
                for address in addresses(instance, address) {
                    self.reverse.entry(address).or_insert_with(|| name.to_ascii_lowercase());
                }
            }
        }
    }

    fn add_parents(&mut self) {
        let parents: BTreeSet<String> = self
            .names
            .keys()
            .flat_map(|name| parents(name))
            .map(str::to_owned)
            .collect();
        for parent in parents {
            self.names.entry(parent).or_default();
        }
    }
}

/// The names above `name`: `b.c` and `c` are above `a.b.c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent)).skip(1)
}

/// The containers by which others reach the node. Where it has no way in, and lacks no container that might be one, all of them.
fn ways_in(node: &Node) -> Vec<&Instance> {
    let present = || node.containers.iter().filter_map(Member::present).map(|i| &**i);
    let entries: Vec<&Instance> = present().filter(|i| i.is_entry()).collect();
    let is_whole = node.containers.iter().all(|member| member.present().is_some());
    if entries.is_empty() && is_whole {
        return present().collect();
    }
    entries
}

/// A network, and the addresses that a container has there.
type OnNetwork<'i> = (&'i Address, Vec<IpAddr>);

/// Where a container is on the shared network.
fn shared(instance: &Instance) -> Option<OnNetwork<'_>> {
    let shared = instance
        .addresses
        .iter()
        .find(|a| a.address.is_some() && a.address == instance.address)?;
    Some((shared, addresses(instance, shared)))
}

/// Where a container is on its node's own network; where it is not on it, on any that it does not share with all nodes, or
/// else on the shared one.
fn own<'i>(instance: &'i Instance, private: &HashSet<&str>) -> Option<OnNetwork<'i>> {
    let there = || instance.addresses.iter().filter(|a| a.address.is_some());
    let own = there().find(|a| private.contains(a.network.as_str()));
    let own = own
        .or_else(|| there().find(|a| a.address != instance.address))
        .or_else(|| there().next())?;
    Some((own, addresses(instance, own)))
}

/// The addresses of both families that a container has at `there`.
fn addresses(instance: &Instance, there: &Address) -> Vec<IpAddr> {
    let endpoints = instance
        .inspected
        .endpoints
        .iter()
        .filter(|e| e.network == there.network);
    let six = endpoints.filter_map(|e| e.address6).map(IpAddr::V6);
    let mut all: Vec<IpAddr> = there
        .address
        .into_iter()
        .chain(six.filter(|_| there.address.is_some()))
        .collect();
    all.dedup();
    all
}

/// What a container is called on the networks that are not its node's own.
fn add_aliases(names: &mut Names, instance: &Instance, private: &HashSet<&str>) {
    for address in instance
        .addresses
        .iter()
        .filter(|a| !private.contains(a.network.as_str()))
    {
        for name in &address.names {
            let entry = names.entry(name.to_ascii_lowercase()).or_default();
            entry.add(addresses(instance, address).into_iter().filter(|_| instance.is_ready()));
        }
    }
}

/// The ports of a container, by number if others reach its node by it, and by service.
fn add_ports(names: &mut Names, node: &Node, instance: &Instance, is_way_in: bool) {
    let host = match is_way_in {
        true => node.name.clone(),
        false => format!("{}.{}", instance.service, node.name),
    };
    for Exposed { port, protocol } in &instance.exposed {
        for owner in [&node.name, &node.role] {
            let by_number = is_way_in.then(|| format!("_{port}._{protocol}.{owner}"));
            let by_service = format!("_{}._{protocol}.{owner}", instance.service);
            for name in by_number.into_iter().chain([by_service]) {
                let entry = names.entry(name.to_ascii_lowercase()).or_default();
                if instance.is_ready() {
                    let host = host.to_ascii_lowercase();
                    entry.lead_to(Target { port: *port, host });
                }
            }
        }
    }
}
