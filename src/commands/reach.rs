//! Tells how to reach a cluster that is up.

use std::net::IpAddr;

use crate::cli::{Source, Which};
use crate::cluster::Desired;
use crate::engine::connect::Engine;
use crate::engine::observe;
use crate::error::Error;
use crate::terminal::reach::{Entrance, Published, sentence};

/// Half a sentence that tells the address of an entry, or the command that lists them.
pub(super) async fn reach(engine: &Engine, desired: &Desired, source: &Source) -> Result<String, Error> {
    // A name alone selects the cluster; without one the blueprint does.
    let named = Which {
        name: source.name.clone(),
        file: source.file.clone().filter(|_| source.name.is_none()),
    };
    let published = match desired.host_ports() {
        true => published(engine, desired).await?,
        false => Vec::new(),
    };
    Ok(sentence(&published, entrance(desired).as_ref(), &named.command("ps")))
}

/// The first node that has a name on the shared network.
fn entrance(desired: &Desired) -> Option<Entrance> {
    let network = &desired.inout.name;
    desired.containers().find_map(|container| {
        let mut aliases = container.aliases(network).iter();
        let name = aliases.find(|a| *a == container.node.as_str())?;
        let ports = container.config.exposed.iter().flatten();
        Some(Entrance {
            name: name.clone(),
            port: ports.min_by_key(|p| p.number).map(ToString::to_string),
            network: network.to_string(),
        })
    })
}

/// The ports that nodes publish on the engine's host, some of which the engine may have chosen.
async fn published(engine: &Engine, desired: &Desired) -> Result<Vec<Published>, Error> {
    let containers = observe::containers(engine, Some(&desired.cluster)).await;
    let containers = containers.map_err(Error::engine("look at the engine"))?;
    let mut found = Vec::new();
    for node in &desired.nodes {
        let of_node = containers.iter().filter(|c| c.node() == node.name.as_str());
        for (port, _) in of_node.flat_map(|c| &c.ports) {
            let host = match port.address {
                any if any.is_unspecified() => engine.at().to_owned(),
                own if own.is_loopback() => "localhost".to_owned(),
                IpAddr::V6(address) => format!("[{address}]"),
                IpAddr::V4(address) => address.to_string(),
            };
            let protocol = if port.udp { "/udp" } else { "" };
            // The port is bound to the loopback address of that machine only.
            let there = match engine.host.machine() {
                Some(machine) if port.address.is_loopback() => format!(" on {machine}"),
                _ => String::new(),
            };
            found.push(Published {
                node: node.name.to_string(),
                address: format!("{host}:{}{protocol}{there}", port.port),
            });
        }
    }
    Ok(found)
}
