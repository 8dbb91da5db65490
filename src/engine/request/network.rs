//! Networks, and the connections of containers to them.

use bollard::models::{EndpointIpamConfig, EndpointSettings, Ipam as EngineIpam, IpamConfig, NetworkCreateRequest};

use super::{pairs, said};
use crate::cluster::{EndpointSpec, Ipam, NetworkSpec, Pool};

/// The body of `POST /networks/create`.
#[must_use]
pub fn network(spec: &NetworkSpec) -> NetworkCreateRequest {
    let NetworkSpec {
        name,
        // It is in the labels.
        node: _,
        hash: _,
        // An external network is never created.
        external: _,
        subnet,
        driver,
        internal,
        attachable,
        ipv4,
        ipv6,
        driver_options,
        ipam,
        labels,
    } = spec;
    let ipam = match subnet {
        Some(subnet) => Some(EngineIpam {
            config: Some(vec![IpamConfig {
                subnet: Some(subnet.to_string()),
                ..IpamConfig::default()
            }]),
            ..EngineIpam::default()
        }),
        None => ipam.as_ref().map(engine_ipam),
    };
    NetworkCreateRequest {
        name: name.to_string(),
        driver: Some(driver.clone()),
        internal: *internal,
        attachable: *attachable,
        enable_ipv4: *ipv4,
        enable_ipv6: *ipv6,
        options: driver_options.as_ref().map(pairs),
        ipam,
        labels: Some(pairs(labels)),
        ..NetworkCreateRequest::default()
    }
}

fn engine_ipam(ipam: &Ipam) -> EngineIpam {
    let Ipam { driver, pools, options } = ipam;
    EngineIpam {
        driver: driver.clone(),
        config: pools.as_ref().map(|pools| pools.iter().map(pool).collect()),
        options: options.as_ref().map(pairs),
    }
}

fn pool(pool: &Pool) -> IpamConfig {
    let Pool {
        subnet,
        range,
        gateway,
        reserved,
    } = pool;
    IpamConfig {
        subnet: subnet.clone(),
        ip_range: range.clone(),
        gateway: gateway.clone(),
        auxiliary_addresses: reserved.as_ref().map(pairs),
    }
}

/// The settings of an endpoint, for `POST /containers/create` and `POST /networks/{id}/connect`.
#[must_use]
pub fn endpoint(spec: &EndpointSpec) -> EndpointSettings {
    let EndpointSpec {
        // Both calls take the name separately.
        network: _,
        aliases,
        links,
        ipv4_address,
        ipv6_address,
        link_local_addresses,
        mac_address,
        driver_options,
        gateway_priority,
    } = spec;
    let addresses = EndpointIpamConfig {
        ipv4_address: ipv4_address.clone(),
        ipv6_address: ipv6_address.clone(),
        link_local_ips: link_local_addresses.clone(),
    };
    EndpointSettings {
        aliases: Some(aliases.clone()),
        links: said(links).map(|links| links.iter().map(ToString::to_string).collect()),
        ipam_config: (addresses != EndpointIpamConfig::default()).then_some(addresses),
        mac_address: mac_address.clone(),
        driver_opts: driver_options.as_ref().map(pairs),
        gw_priority: *gateway_priority,
        ..EndpointSettings::default()
    }
}
