//! A container as the roster shows it, from its inspection.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::slice;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::models::{ContainerInspectResponse, EndpointSettings, PortBinding};

use super::{ownership, read};
use crate::cluster::roster::{Address, Exposed, Instance, Moment, Published};
use crate::cluster::{HostPort, ObservedNetwork, State, label};
use crate::engine::connect::Engine;
use crate::engine::fault::Fault;
use crate::name::ClusterName;
use crate::signal;

/// Seconds that a container has to end after its signal, if it does not say (Engine API, `StopTimeout`).
const STOP_TIMEOUT: u32 = 10;

/// Which networks of a cluster lead out of its nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    /// The names of the nodes' own networks.
    private: HashSet<String>,
    /// The name of the network that all nodes share; `None` if it is somebody else's.
    inout: Option<String>,
}

impl Networks {
    /// Those of `cluster` among `all` networks of the engine.
    #[must_use]
    pub fn of(cluster: &ClusterName, all: &[ObservedNetwork]) -> Self {
        let ours = || all.iter().filter(|n| n.is_of(cluster));
        let is_private = |n: &&ObservedNetwork| n.labels.get(label::NODE).is_some_and(|node| !node.is_empty());
        Self {
            private: ours().filter(is_private).map(|n| n.name.clone()).collect(),
            inout: ours().find(|n| n.is_inout()).map(|n| n.name.clone()),
        }
    }

    /// The address at which other nodes reach a container with these `addresses`.
    fn entry(&self, addresses: &[Address]) -> Option<IpAddr> {
        let leads = |a: &&Address| match &self.inout {
            Some(inout) => a.network == *inout,
            None => !self.private.contains(&a.network),
        };
        addresses.iter().find(leads)?.address
    }
}

/// The container with this ID; `None` if it does not exist, or is not of `cluster`. `GET /containers/{id}/json`.
///
/// # Errors
/// The call failed.
pub async fn instance(
    engine: &Engine,
    cluster: &ClusterName,
    networks: &Networks,
    id: &str,
) -> Result<Option<Instance>, Fault> {
    match engine.docker.inspect_container(id, None).await.map_err(Fault::from) {
        Ok(inspect) if ownership::is_owned(engine, &inspect).await? => {
            let mut inspected = read::from_inspection(inspect.clone());
            super::owners(engine, slice::from_mut(&mut inspected)).await?;
            let instance = read_instance(inspect, cluster, networks);
            Ok(instance.map(|instance| Instance {
                inspected: Arc::new(inspected),
                ..instance
            }))
        }
        Ok(_) => Ok(None),
        Err(fault) if fault.is_not_found() => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn read_instance(inspect: ContainerInspectResponse, cluster: &ClusterName, networks: &Networks) -> Option<Instance> {
    let config = inspect.config.unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
    let variables = config
        .env
        .iter()
        .flatten()
        .filter_map(|variable| variable.split_once('='));
    let said = variables.chain(labels.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let is_setting = |(key, _): &(&str, &str)| key.starts_with(label::SERVICE_SETTING);
    let settings = said
        .filter(is_setting)
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let settings: BTreeMap<String, String> = settings.collect();
    if label(label::CLUSTER) != cluster.as_str() || !label(label::HELPER).is_empty() {
        return None;
    }
    let id = inspect.id.unwrap_or_default();
    let name = inspect.name.unwrap_or_default().trim_start_matches('/').to_owned();
    let inspected = inspect.state.unwrap_or_default();
    let read::Process { state, health, exit } = read::process(&inspected);
    let runs = matches!(state, State::Running | State::Paused);
    let since = if runs {
        inspected.started_at
    } else {
        inspected.finished_at
    };
    let network = inspect.network_settings.unwrap_or_default();
    let endpoints = network.networks.unwrap_or_default();
    let mut addresses: Vec<Address> = endpoints
        .into_iter()
        .map(|(network, endpoint)| address(network, endpoint, &name, &id, runs))
        .collect();
    addresses.sort();
    let mut exposed: Vec<Exposed> = config
        .exposed_ports
        .into_iter()
        .flatten()
        .filter_map(|p| port(&p))
        .collect();
    exposed.sort();
    let bindings = network.ports.unwrap_or_default().into_iter();
    let mut published: Vec<Published> = bindings
        .flat_map(|(own, hosts)| {
            hosts
                .unwrap_or_default()
                .into_iter()
                .filter_map(move |h| binding(&own, &h))
        })
        .collect();
    published.sort();
    Some(Instance {
        container: name,
        id,
        node: label(label::NODE),
        role: label(label::ROLE),
        service: label(label::SERVICE),
        number: label(label::compose::CONTAINER_NUMBER).parse().unwrap_or(1),
        image: config.image.unwrap_or_default(),
        state,
        health,
        exit,
        leaving: false,
        restarts: read::restarts(inspect.restart_count),
        since: since.and_then(|text| moment(&text)),
        address: networks.entry(&addresses),
        addresses,
        exposed,
        published,
        settings,
        // Where none is said, it is this one (Dockerfile reference, `STOPSIGNAL`).
        stop_signal: config
            .stop_signal
            .and_then(|s| signal::number_of(&s))
            .unwrap_or(signal::TERM),
        stop_timeout: config
            .stop_timeout
            .and_then(|t| u32::try_from(t).ok())
            .unwrap_or(STOP_TIMEOUT),
        ..Instance::default()
    })
}

/// The engine gives no address to what does not run, but for a moment after its end, when it still shows the last one.
fn address(network: String, endpoint: EndpointSettings, container: &str, id: &str, runs: bool) -> Address {
    let v4 = endpoint.ip_address.as_deref().and_then(|a| a.parse().ok());
    let v6 = endpoint.global_ipv6_address.as_deref().and_then(|a| a.parse().ok());
    let mut names = read::names(&endpoint, container, id);
    names.retain(|name| !id.starts_with(name.as_str()));
    Address {
        network,
        address: v4.or(v6).filter(|_| runs),
        names,
    }
}

/// The port that the engine writes as `80/tcp`; `None` for anything else.
fn port(text: &str) -> Option<Exposed> {
    let (port, protocol) = text.split_once('/')?;
    Some(Exposed {
        port: port.parse().ok()?,
        protocol: protocol.to_owned(),
    })
}

fn binding(own: &str, host: &PortBinding) -> Option<Published> {
    let own = port(own)?;
    Some(Published {
        host: HostPort {
            address: host.host_ip.as_deref()?.parse().ok()?,
            port: host.host_port.as_deref()?.parse().ok()?,
            udp: own.protocol == "udp",
        },
        port: own.port,
    })
}

/// A time of the engine; `None` for the year 1, which stands for never.
fn moment(text: &str) -> Option<Moment> {
    read::time(text).and_then(at)
}

/// A point in time of the system's clock; `None` if it was before 1970.
#[must_use]
pub fn at(time: SystemTime) -> Option<Moment> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(Moment)
}
