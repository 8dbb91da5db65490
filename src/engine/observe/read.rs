//! What the engine's lists say, in topogen's words.

use crate::cluster::label;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use bollard::models::{
    ContainerSummary, ContainerSummaryStateEnum, ImageSummary, MountPoint, Network, PortSummary, PortSummaryTypeEnum,
};

use crate::cluster::Health;
use crate::cluster::HostPort;
use crate::cluster::ObservedContainer;
use crate::cluster::ObservedEndpoint;
use crate::cluster::ObservedImage;
use crate::cluster::ObservedNetwork;
use crate::cluster::State;

pub(super) fn container(summary: ContainerSummary) -> ObservedContainer {
    let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    let endpoints = summary.network_settings.and_then(|s| s.networks).unwrap_or_default();
    let mut networks: Vec<ObservedEndpoint> = endpoints
        .into_iter()
        .map(|(network, endpoint)| ObservedEndpoint {
            // Podman says the name here again.
            network_id: endpoint.network_id.filter(|id| *id != network).unwrap_or_default(),
            network,
            address: endpoint.ip_address.unwrap_or_default(),
            aliases: None,
        })
        .collect();
    networks.sort_by(|a, b| a.network.cmp(&b.network));
    let text = summary.status.unwrap_or_default();
    let state = state(summary.state);
    let mut ports: Vec<_> = summary.ports.into_iter().flatten().filter_map(port).collect();
    ports.sort();
    ObservedContainer {
        id: summary.id.unwrap_or_default(),
        name: name.trim_start_matches('/').to_owned(),
        labels: summary.labels.unwrap_or_default().into_iter().collect(),
        health: health(&text).filter(|_| state == State::Running),
        exit: exit(&text).filter(|_| state == State::Exited),
        state,
        image: summary.image.unwrap_or_default(),
        image_id: summary.image_id.unwrap_or_default(),
        networks,
        ports,
        mounts: summary.mounts.into_iter().flatten().filter_map(mount).collect(),
    }
}

/// `Up 3 seconds (healthy)`: before API 1.52 the list says it in its text only.
fn health(text: &str) -> Option<Health> {
    match text.rsplit_once('(')?.1 {
        "healthy)" => Some(Health::Healthy),
        "unhealthy)" => Some(Health::Unhealthy),
        "health: starting)" => Some(Health::Starting),
        _ => None,
    }
}

/// `Exited (137) 3 seconds ago`
fn exit(text: &str) -> Option<i32> {
    let rest = text.strip_prefix("Exited (")?;
    rest.split(')').next()?.parse().ok()
}

fn port(port: PortSummary) -> Option<(HostPort, String)> {
    let public = port.public_port?;
    let udp = port.typ == Some(PortSummaryTypeEnum::UDP);
    let address = port.ip.and_then(|ip| ip.parse().ok());
    let address = match address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) {
        // The engine says both where a port is open to all.
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        other => other,
    };
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

fn mount(mount: MountPoint) -> Option<(String, String)> {
    let name = mount.name.filter(|n| !n.is_empty())?;
    Some((name, mount.destination?))
}

fn state(state: Option<ContainerSummaryStateEnum>) -> State {
    use ContainerSummaryStateEnum as Engine;
    match state {
        Some(Engine::RUNNING) => State::Running,
        Some(Engine::PAUSED) => State::Paused,
        Some(Engine::RESTARTING) => State::Restarting,
        Some(Engine::EXITED | Engine::STOPPING) => State::Exited,
        Some(Engine::REMOVING) => State::Removing,
        Some(Engine::DEAD) => State::Dead,
        Some(Engine::CREATED | Engine::EMPTY) | None => State::Created,
    }
}

pub(super) fn network(network: Network) -> ObservedNetwork {
    let configs = network.ipam.and_then(|i| i.config).unwrap_or_default();
    ObservedNetwork {
        id: network.id.unwrap_or_default(),
        name: network.name.unwrap_or_default(),
        labels: network.labels.unwrap_or_default().into_iter().collect(),
        subnets: configs.into_iter().filter_map(|c| c.subnet?.parse().ok()).collect(),
    }
}

pub(super) fn image(image: ImageSummary) -> ObservedImage {
    ObservedImage {
        fake: image.labels.contains_key(label::EXECUTABLE),
        id: image.id,
        tags: image.repo_tags,
        digests: image.repo_digests,
    }
}

/// A time as the engine writes it (RFC 3339), in its own zone where that is not UTC.
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
