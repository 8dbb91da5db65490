//! Converts the engine's lists and inspections into observed containers and networks.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerSummary, EndpointSettings, HostConfig, ImageSummary, MountPoint,
    Network, PortBinding, PortSummary, PortSummaryTypeEnum, Volume,
};

use crate::cluster::{
    Details, Health, HostPort, NamespaceKind, ObservedContainer, ObservedEndpoint, ObservedImage, ObservedNetwork,
    ObservedVolume, OwnerFate, SharedNamespace, State, Updatable, label,
};

/// The driver option that decides whether the addresses of a bridge are reachable from outside (docker network create,
/// bridge driver options).
const GATEWAY_MODE: &str = "com.docker.network.bridge.gateway_mode_ipv4";
/// The same for IPv6.
const GATEWAY_MODE_IPV6: &str = "com.docker.network.bridge.gateway_mode_ipv6";

/// A container from an entry of the list.
pub(in crate::engine) fn container(summary: ContainerSummary) -> ObservedContainer {
    let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    let endpoints = summary.network_settings.and_then(|s| s.networks).unwrap_or_default();
    let mut endpoints: Vec<ObservedEndpoint> = endpoints.into_iter().map(endpoint).collect();
    endpoints.sort_by(|a, b| a.network.cmp(&b.network));
    let text = summary.status.unwrap_or_default();
    let state = State::from_word(summary.state.as_ref().map_or("", AsRef::as_ref));
    let mut ports: Vec<_> = summary.ports.into_iter().flatten().filter_map(port).collect();
    ports.sort();
    let mode = summary.host_config.and_then(|h| h.network_mode);
    let mut container = ObservedContainer {
        id: summary.id.unwrap_or_default(),
        name: name.trim_start_matches('/').to_owned(),
        labels: summary.labels.unwrap_or_default().into_iter().collect(),
        health: health(&text).filter(|_| state == State::Running),
        exit: exit(&text),
        uptime: uptime(&text).filter(|_| state == State::Running),
        created: summary.created.unwrap_or_default(),
        network_host: mode.as_deref().and_then(other_container),
        state,
        image: summary.image.unwrap_or_default(),
        image_id: summary.image_id.unwrap_or_default(),
        endpoints,
        ports,
        mounts: summary.mounts.into_iter().flatten().filter_map(mount).collect(),
        marked: false,
        details: None,
    };
    forget_addresses(&mut container);
    container
}

/// An engine keeps the addresses of a container that ended with it, for example when the machine lost its power, although
/// others may have them by now.
fn forget_addresses(container: &mut ObservedContainer) {
    if !matches!(container.state, State::Running | State::Paused) {
        for endpoint in &mut container.endpoints {
            (endpoint.address, endpoint.address6) = (None, None);
        }
    }
}

/// A time as the engine writes it, since the beginning of 1970; `None` for the year 1, which stands for never.
fn since_epoch(text: &str) -> Option<Duration> {
    time(text)?.duration_since(UNIX_EPOCH).ok()
}

/// The container that a mode of a namespace names.
fn other_container(mode: &str) -> Option<String> {
    mode.strip_prefix("container:").map(str::to_owned)
}

/// What an inspection says of the main process of a container.
pub(super) struct Process {
    /// Whether it runs.
    pub(super) state: State,
    /// The result of the healthcheck; `None` without one, or if it does not run.
    pub(super) health: Option<Health>,
    /// The exit status; `None` if it has not exited.
    pub(super) exit: Option<i32>,
}

/// The process as `state` has it (Engine API, `GET /containers/{id}/json`, `State`).
pub(super) fn process(inspected: &ContainerState) -> Process {
    let state = State::from_word(inspected.status.as_ref().map_or("", AsRef::as_ref));
    let ended = matches!(state, State::Exited | State::Restarting | State::Dead);
    let health = inspected.health.as_ref().and_then(|h| h.status.as_ref());
    Process {
        state,
        health: health
            .filter(|_| state == State::Running)
            .and_then(|status| Health::from_word(status.as_ref())),
        exit: inspected
            .exit_code
            .filter(|_| ended)
            .and_then(|code| i32::try_from(code).ok()),
    }
}

/// How often the restart policy has started a container again (`RestartCount`).
pub(super) fn restarts(count: Option<i64>) -> u32 {
    count.and_then(|n| u32::try_from(n).ok()).unwrap_or_default()
}

/// A container from its inspection alone.
pub(super) fn from_inspection(mut inspect: ContainerInspectResponse) -> ObservedContainer {
    let labels = inspect.config.as_ref().and_then(|c| c.labels.clone());
    let mode = inspect.host_config.as_ref().and_then(|h| h.network_mode.as_deref());
    let bindings = inspect.network_settings.as_mut().and_then(|s| s.ports.take());
    let bindings = bindings.unwrap_or_default().into_iter();
    let mut ports: Vec<(HostPort, String)> = bindings
        .flat_map(|(own, hosts)| {
            let hosts = hosts.unwrap_or_default().into_iter();
            hosts.filter_map(move |host| Some((bound(&own, &host)?, own.clone())))
        })
        .collect();
    ports.sort();
    let mut container = ObservedContainer {
        id: inspect.id.clone().unwrap_or_default(),
        name: inspect
            .name
            .as_deref()
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        labels: labels.unwrap_or_default().into_iter().collect(),
        created: inspect
            .created
            .as_deref()
            .and_then(since_epoch)
            .map_or(0, |created| i64::try_from(created.as_secs()).unwrap_or_default()),
        network_host: mode.and_then(other_container),
        image_id: inspect.image.clone().unwrap_or_default(),
        ports,
        mounts: inspect.mounts.take().into_iter().flatten().filter_map(mount).collect(),
        ..ObservedContainer::default()
    };
    inspected(&mut container, inspect);
    container
}

/// The port of the host that leads to the port `own` of a container, such as `80/tcp`.
fn bound(own: &str, host: &PortBinding) -> Option<HostPort> {
    let address = host.host_ip.as_deref().and_then(|ip| ip.parse().ok());
    Some(HostPort {
        address: open_to_all(address),
        port: host.host_port.as_deref()?.parse().ok()?,
        udp: own.ends_with("/udp"),
    })
}

/// Updates `container` with its inspection, which is newer: the list may show a container as running for a moment after
/// it was killed.
pub(super) fn inspected(container: &mut ObservedContainer, inspect: ContainerInspectResponse) {
    let state = inspect.state.unwrap_or_default();
    let process = process(&state);
    (container.state, container.health, container.exit) = (process.state, process.health, process.exit);
    let config = inspect.config.unwrap_or_default();
    container.image = config.image.unwrap_or_default();
    container.details = Some(Details {
        hostname: config.hostname.unwrap_or_default(),
        start_error: state.error.unwrap_or_default().trim().to_owned(),
        started: state.started_at.as_deref().and_then(since_epoch),
        restarts: restarts(inspect.restart_count),
        shared: inspect.host_config.as_ref().map(shared).unwrap_or_default(),
        update: inspect.host_config.as_ref().map(updatable).unwrap_or_default(),
    });
    let networks = inspect.network_settings.and_then(|s| s.networks).unwrap_or_default();
    let read = |(name, settings): (String, EndpointSettings)| {
        let aliases = settings.aliases.clone().unwrap_or_default();
        let names = names(&settings, &container.name, &container.id);
        ObservedEndpoint {
            aliases: Some(aliases),
            names,
            ..endpoint((name, settings))
        }
    };
    let mut endpoints: Vec<ObservedEndpoint> = networks.into_iter().map(read).collect();
    endpoints.sort_by(|a, b| a.network.cmp(&b.network));
    container.endpoints = endpoints;
    forget_addresses(container);
}

fn updatable(host: &HostConfig) -> Updatable {
    let restart = host.restart_policy.clone().unwrap_or_default();
    Updatable {
        memory: host.memory.unwrap_or_default(),
        memory_reservation: host.memory_reservation.unwrap_or_default(),
        memory_and_swap: host.memory_swap.unwrap_or_default(),
        pids: host.pids_limit.unwrap_or_default(),
        nano_cpus: host.nano_cpus.unwrap_or_default(),
        cpu_shares: host.cpu_shares.unwrap_or_default(),
        cpu_period: host.cpu_period.unwrap_or_default(),
        cpu_quota: host.cpu_quota.unwrap_or_default(),
        cpuset: host.cpuset_cpus.clone().unwrap_or_default(),
        restart: restart.name.map(|name| name.to_string()).unwrap_or_default(),
        max_retries: restart.maximum_retry_count.unwrap_or_default(),
    }
}

/// The namespaces that a container has of others; what became of those is not known yet.
fn shared(host: &HostConfig) -> Vec<SharedNamespace> {
    let modes = [
        (NamespaceKind::Network, &host.network_mode),
        (NamespaceKind::Ipc, &host.ipc_mode),
    ];
    let shared = modes.into_iter().filter_map(|(kind, mode)| {
        Some(SharedNamespace {
            kind,
            owner: mode.as_deref().and_then(other_container)?,
            fate: None,
        })
    });
    shared.collect()
}

/// What became of a container whose namespace another one has.
pub(super) fn fate(inspect: ContainerInspectResponse) -> OwnerFate {
    let name = inspect.name.unwrap_or_default().trim_start_matches('/').to_owned();
    let state = inspect.state.unwrap_or_default();
    let word = state.status.as_ref().map_or("", AsRef::as_ref);
    match State::from_word(word) {
        State::Running | State::Paused => OwnerFate::Runs(name, state.started_at.as_deref().and_then(since_epoch)),
        _ => OwnerFate::Stopped(name),
    }
}

fn endpoint((network, settings): (String, EndpointSettings)) -> ObservedEndpoint {
    ObservedEndpoint {
        // Docker reports an empty ID before the first start; Podman repeats the name of the network here.
        network_id: settings.network_id.filter(|id| !id.is_empty() && *id != network),
        network,
        address: settings.ip_address.and_then(|a| a.parse().ok()),
        address6: settings.global_ipv6_address.and_then(|a| a.parse().ok()),
        aliases: None,
        names: Vec::new(),
    }
}

/// All names by which the engine's resolver knows the container `name` at an endpoint. Engines from version 25 on report all of
/// them. Older ones leave out the container's own name and the start of its ID, which are added here.
pub(super) fn names(settings: &EndpointSettings, name: &str, id: &str) -> Vec<String> {
    let said = settings.dns_names.as_ref().filter(|names| !names.is_empty());
    let mut names: Vec<String> = match said {
        Some(names) => names.clone(),
        None => {
            let given = [name.to_owned(), id.chars().take(12).collect()];
            given
                .into_iter()
                .chain(settings.aliases.clone().unwrap_or_default())
                .collect()
        }
    };
    names.iter_mut().for_each(|name| *name = name.to_lowercase());
    names.sort();
    names.dedup();
    names
}

/// The health in a status such as `Up 3 seconds (healthy)`. Before API 1.52 the list has it only there.
fn health(text: &str) -> Option<Health> {
    match text.rsplit_once('(')?.1 {
        "healthy)" => Some(Health::Healthy),
        "unhealthy)" => Some(Health::Unhealthy),
        "health: starting)" => Some(Health::Starting),
        _ => None,
    }
}

/// `Exited (137) 3 seconds ago`, `Restarting (1) 3 seconds ago`
fn exit(text: &str) -> Option<i32> {
    let rest = text
        .strip_prefix("Exited (")
        .or_else(|| text.strip_prefix("Restarting ("))?;
    rest.split(')').next()?.parse().ok()
}

/// `Up 3 seconds (healthy)`, `Up Less than a second`; from a minute on, it is said in other units.
fn uptime(text: &str) -> Option<u64> {
    let rest = text.strip_prefix("Up ")?;
    match rest.split_once(" second")?.0 {
        "Less than a" => Some(0),
        seconds => seconds.parse().ok(),
    }
}

fn port(port: PortSummary) -> Option<(HostPort, String)> {
    let public = port.public_port?;
    let udp = port.typ == Some(PortSummaryTypeEnum::UDP);
    let address = open_to_all(port.ip.and_then(|ip| ip.parse().ok()));
    let protocol = match port.typ {
        Some(PortSummaryTypeEnum::UDP) => "udp",
        Some(PortSummaryTypeEnum::SCTP) => "sctp",
        _ => "tcp",
    };
    let own = format!("{}/{protocol}", port.private_port);
    let host = HostPort {
        address,
        port: public,
        udp,
    };
    Some((host, own))
}

/// The address that a port is bound to. The engine lists a port that is open to all once for each family, and one is enough.
fn open_to_all(address: Option<IpAddr>) -> IpAddr {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    address.filter(|a| !a.is_unspecified()).unwrap_or(any)
}

fn mount(mount: MountPoint) -> Option<(String, String)> {
    let name = mount.name.filter(|n| !n.is_empty())?;
    Some((name, mount.destination?))
}

pub(in crate::engine) fn network(network: Network) -> ObservedNetwork {
    let name = network.name.unwrap_or_default();
    let configs = network.ipam.and_then(|i| i.config).unwrap_or_default();
    let is_routed = |option: &str| {
        let mode = network.options.as_ref().and_then(|o| o.get(option));
        matches!(mode.map(String::as_str), Some("routed" | "nat-unprotected"))
    };
    ObservedNetwork {
        routed: is_routed(GATEWAY_MODE),
        routed6: is_routed(GATEWAY_MODE_IPV6),
        id: network.id.unwrap_or_default(),
        labels: owned(network.labels, &name),
        name,
        driver: network.driver.unwrap_or_default(),
        internal: network.internal.unwrap_or_default(),
        subnets: configs.iter().filter_map(|c| c.subnet.as_ref()?.parse().ok()).collect(),
        subnets6: configs.iter().filter_map(|c| c.subnet.as_ref()?.parse().ok()).collect(),
    }
}

pub(super) fn volume(volume: Volume) -> ObservedVolume {
    ObservedVolume {
        labels: owned(Some(volume.labels), &volume.name),
        name: volume.name,
    }
}

/// The labels of a network or volume, without topogen's own where it is not topogen's.
fn owned(labels: Option<HashMap<String, String>>, name: &str) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = labels.unwrap_or_default().into_iter().collect();
    if !label::is_owned(&labels, name) {
        label::disown(&mut labels);
    }
    labels
}

pub(super) fn image(image: ImageSummary) -> ObservedImage {
    ObservedImage {
        fake: image.labels.contains_key(label::EXECUTABLE),
        id: image.id,
        tags: image.repo_tags,
        digests: image.repo_digests,
        platform: None,
    }
}

/// A time in RFC 3339, in any zone.
pub(in crate::engine) fn time(text: &str) -> Option<SystemTime> {
    if text.ends_with('Z') {
        return humantime::parse_rfc3339(text).ok();
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub("+01:00".len())?)?;
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let offset_by = Duration::from_secs(hours.parse::<u64>().ok()? * 3600 + minutes.parse::<u64>().ok()? * 60);
    match offset.starts_with('-') {
        true => local.checked_add(offset_by),
        false => local.checked_sub(offset_by),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_any_zone() {
        let utc = time("2024-05-01T10:00:00.25Z");
        assert!(utc.is_some());
        assert_eq!(time("2024-05-01T12:30:00.25+02:30"), utc);
        assert_eq!(time("2024-05-01T08:00:00.25-02:00"), utc);
        assert_eq!(time("0001"), None);
    }

    #[test]
    fn health_and_exit_are_read_from_the_status() {
        assert_eq!(health("Up 3 seconds (healthy)"), Some(Health::Healthy));
        assert_eq!(health("Up 2 minutes (unhealthy)"), Some(Health::Unhealthy));
        assert_eq!(
            health("Up Less than a second (health: starting)"),
            Some(Health::Starting)
        );
        assert_eq!(health("Up 3 seconds"), None);
        assert_eq!(health("Up 3 seconds (Paused)"), None);
        assert_eq!(exit("Exited (137) 3 seconds ago"), Some(137));
        assert_eq!(exit("Created"), None);
    }
}
