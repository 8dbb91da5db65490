//! The services that a cluster is registered as in Consul.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::settings::{Settings, tags};
use crate::cluster::roster::{Exposed, Instance, Roster};
use crate::cluster::{Health, State};
use crate::digest::hash;

/// The keys of what a service says about itself. Whose it is, too: nothing else is ever changed or removed.
pub mod meta {
    /// The cluster.
    pub const CLUSTER: &str = "topogen-cluster";
    /// The engine: there may be clusters of one name on two.
    pub const ENGINE: &str = "topogen-engine";
    /// A digest of all that is registered, checks among it, which the agent does not tell.
    pub const DIGEST: &str = "topogen-digest";
}

/// Seconds after which a service is critical of which nobody says that it is well.
const TTL: &str = "30s";
/// How long a service of which nobody says anything stays.
const FORGOTTEN: &str = "10m";
/// How often Consul checks a service by itself where nothing is said.
const INTERVAL: &str = "10s";
/// The most pairs of meta data, and the most characters of a key and of a value (Consul, "Register Service", `Meta`).
const MOST_META: usize = 64;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 512;

/// A service, as the agent takes it (Consul HTTP API, `PUT /v1/agent/service/register`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Service {
    /// Its ID, one of which there is on an agent.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name, which several have.
    pub name: String,
    /// Words by which it is found: the node, the role, the service, and those that it says itself.
    pub tags: Vec<String>,
    /// Where it is.
    pub address: IpAddr,
    /// Its port; 0 if it has none.
    pub port: u16,
    /// What else is known of it.
    pub meta: BTreeMap<String, String>,
    /// That somebody says that it is well, and what Consul asks by itself.
    pub checks: Vec<Check>,
    /// Whether it can serve, and why not.
    #[serde(skip)]
    pub health: Verdict,
}

/// A check, as the agent takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Check {
    /// Its ID.
    #[serde(rename = "CheckID")]
    pub id: String,
    /// What it is about, for people.
    pub name: String,
    /// The kind of check, and what that asks.
    #[serde(flatten)]
    pub kind: Kind,
}

/// A kind of check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Kind {
    /// Somebody says how it is.
    #[serde(rename_all = "PascalCase")]
    Told {
        /// For how long that counts.
        #[serde(rename = "TTL")]
        ttl: &'static str,
        /// How it is at first.
        status: &'static str,
        /// After how long without it the service is removed.
        deregister_critical_service_after: &'static str,
    },
    /// Consul asks.
    #[serde(rename_all = "PascalCase")]
    Asked {
        /// The URL that must answer with 2xx.
        #[serde(rename = "HTTP", skip_serializing_if = "Option::is_none")]
        http: Option<String>,
        /// The address that must take a connection.
        #[serde(rename = "TCP", skip_serializing_if = "Option::is_none")]
        tcp: Option<String>,
        /// How often.
        interval: String,
        /// How long an answer may take.
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout: Option<String>,
    },
}

/// Whether a service can serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// As Consul calls it: `passing`, `critical`.
    pub status: &'static str,
    /// In one word, and whose: `running`, `unhealthy`.
    pub word: &'static str,
}

impl Verdict {
    fn of(instance: &Instance) -> Self {
        let word = match (instance.state, instance.health) {
            (State::Paused, _) => "paused",
            _ if instance.leaving => "leaving",
            (_, Some(Health::Starting)) => "starting",
            (_, Some(Health::Unhealthy)) => "unhealthy",
            (_, Some(Health::Healthy)) => "healthy",
            (_, None) => "running",
        };
        let status = if instance.is_ready() { "passing" } else { "critical" };
        Self { status, word }
    }
}

/// Whose services are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The cluster.
    pub cluster: String,
    /// The engine's ID.
    pub engine: String,
}

impl Owner {
    /// Whether a service with this meta data is of it.
    #[must_use]
    pub fn has(&self, meta: &BTreeMap<String, String>) -> bool {
        let is = |key: &str, value: &str| meta.get(key).is_some_and(|other| other == value);
        is(meta::CLUSTER, &self.cluster) && is(meta::ENGINE, &self.engine)
    }
}

impl Service {
    /// The ID of the check that is passed as long as it can serve.
    #[must_use]
    pub fn check_id(&self) -> String {
        format!("{}:topogen", self.id)
    }
}

/// The services of `roster`: one for each TCP or UDP port of what is on the shared network and runs; with `private` also of
/// what is on its node's network alone. A way in without a port is one, too, whose name still leads to its address.
#[must_use]
pub fn services(roster: &Roster, owner: &Owner, private: bool) -> Vec<Service> {
    let runs = |i: &&Instance| matches!(i.state, State::Running | State::Paused);
    let mut taken = BTreeSet::new();
    let mut all = Vec::new();
    for instance in roster.instances().map(|i| &**i).filter(runs) {
        let elsewhere = || instance.addresses.iter().find_map(|a| a.address).filter(|_| private);
        let Some(address) = instance.address.or_else(elsewhere) else {
            continue;
        };
        let is_known = |e: &&Exposed| e.protocol == "tcp" || e.protocol == "udp";
        let ports: Vec<&Exposed> = instance.exposed.iter().filter(is_known).collect();
        let none = Exposed {
            port: 0,
            protocol: "tcp".to_owned(),
        };
        let named: Vec<&Exposed> = match ports.as_slice() {
            [] if instance.is_entry() => vec![&none],
            ports => ports.to_vec(),
        };
        for port in &named {
            if let Some(service) = service(instance, address, port, named.len() > 1, owner, &mut taken) {
                all.push(service);
            }
        }
    }
    all
}

fn service(
    instance: &Instance,
    address: IpAddr,
    port: &Exposed,
    is_one_of_several: bool,
    owner: &Owner,
    taken: &mut BTreeSet<String>,
) -> Option<Service> {
    let settings = Settings::of(&instance.settings, port.port);
    if settings.get("ignore").is_some() {
        return None;
    }
    let is_udp = port.protocol == "udp";
    let default = match instance.is_entry() {
        true => instance.role.clone(),
        false => format!("{}-{}", instance.role, instance.service),
    };
    let mut name = match settings.get("name") {
        Some(name) => name.to_owned(),
        // A name that Consul's DNS has no place for could not be found there.
        None => default.replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
    };
    if is_one_of_several && !settings.is_own("name") {
        name = format!("{name}-{}", port.port);
    }
    // The same container may be on two engines that one agent is told of.
    let engine: String = crate::digest::sha256(owner.engine.as_bytes()).chars().take(8).collect();
    let udp = if is_udp { ":udp" } else { "" };
    let own_id = format!(
        "topogen:{}:{engine}:{}:{}{udp}",
        owner.cluster, instance.container, port.port
    );
    let id = settings
        .get("id")
        .map(str::to_owned)
        .filter(|id| !taken.contains(id))
        .unwrap_or(own_id);
    taken.insert(id.clone());
    let mut all_tags = vec![instance.node.clone(), instance.role.clone(), instance.service.clone()];
    all_tags.extend(settings.get("tags").map(tags).unwrap_or_default());
    all_tags.extend(is_udp.then(|| "udp".to_owned()));
    let mut seen = BTreeSet::new();
    all_tags.retain(|tag| seen.insert(tag.clone()));
    let health = Verdict::of(instance);
    let mut service = Service {
        name,
        tags: all_tags,
        address,
        port: port.port,
        meta: described(instance, &settings, owner),
        checks: Vec::new(),
        health,
        id,
    };
    service.checks.push(Check {
        id: service.check_id(),
        name: format!("{} as its engine sees it", instance.container),
        kind: Kind::Told {
            ttl: TTL,
            status: "critical",
            deregister_critical_service_after: FORGOTTEN,
        },
    });
    service.checks.extend(asked(&service, &settings));
    let digest = hash(&service).unwrap_or_default();
    service
        .meta
        .insert(meta::DIGEST.to_owned(), digest.chars().take(16).collect());
    for check in &mut service.checks {
        if let Kind::Told { status, .. } = &mut check.kind {
            *status = service.health.status;
        }
    }
    Some(service)
}

/// What is known of a container beside its address.
fn described(instance: &Instance, settings: &Settings, owner: &Owner) -> BTreeMap<String, String> {
    let own = [
        (meta::CLUSTER, owner.cluster.as_str()),
        (meta::ENGINE, owner.engine.as_str()),
        ("topogen-node", instance.node.as_str()),
        ("topogen-role", instance.role.as_str()),
        ("topogen-service", instance.service.as_str()),
        ("topogen-container", instance.container.as_str()),
    ];
    let can_be = |key: &str, value: &str| {
        let is_key = key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        is_key && (1..=LONGEST_KEY).contains(&key.len()) && value.len() <= LONGEST_VALUE && !key.starts_with("consul-")
    };
    // Its digest is one more.
    let room = MOST_META - own.len() - 1;
    let said = settings.others().filter(|(key, value)| can_be(key, value)).take(room);
    said.chain(own)
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The check that the container wants Consul to make by itself: `CHECK_HTTP=/path` or `CHECK_TCP=true`.
fn asked(service: &Service, settings: &Settings) -> Option<Check> {
    let at = SocketAddr::new(service.address, service.port);
    let path = settings.get("check_http");
    let http = path.map(|path| format!("http://{at}/{}", path.trim_start_matches('/')));
    let tcp = settings
        .get("check_tcp")
        .filter(|_| http.is_none())
        .map(|_| at.to_string());
    if http.is_none() && tcp.is_none() {
        return None;
    }
    Some(Check {
        id: format!("{}:asked", service.id),
        name: format!("{at} as Consul sees it"),
        kind: Kind::Asked {
            http,
            tcp,
            interval: settings.get("check_interval").unwrap_or(INTERVAL).to_owned(),
            timeout: settings.get("check_timeout").map(str::to_owned),
        },
    })
}
