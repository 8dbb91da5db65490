//! How to reach a cluster that is up: what its first node answers to.

use std::collections::HashMap;

use bollard::query_parameters::ListContainersOptionsBuilder;

use super::work;
use crate::cli::Source;
use crate::engine::connect::Engine;
use crate::engine::{Wanted, label};
use crate::error::Error;
use crate::terminal::reach::{Entrance, Published, sentence};

/// Half a sentence that says it.
pub(super) async fn reach(engine: &Engine, wanted: &Wanted, source: &Source) -> Result<String, Error> {
    let flags = match (&source.name, &source.file) {
        (Some(name), _) => format!("-n {name}"),
        (None, Some(file)) => format!("-f {file}"),
        (None, None) => String::new(),
    };
    let mut containers = wanted.nodes.iter().flat_map(|n| &n.containers);
    let publishes = containers.any(|c| {
        let host = c.body.host_config.as_ref();
        host.is_some_and(|h| h.port_bindings.as_ref().is_some_and(|b| !b.is_empty()))
    });
    let published = match publishes {
        true => published(engine, wanted).await?,
        false => Vec::new(),
    };
    Ok(sentence(&published, entrance(wanted).as_ref(), &flags))
}

/// The first node that has a name on the shared network.
fn entrance(wanted: &Wanted) -> Option<Entrance> {
    let network = &wanted.inout.name;
    wanted.nodes.iter().flat_map(|n| &n.containers).find_map(|container| {
        let (_, endpoint) = container.endpoints.iter().find(|(n, _)| n == network)?;
        let name = endpoint
            .aliases
            .as_ref()?
            .iter()
            .find(|a| *a == container.node.as_str())?;
        let ports = container.body.exposed_ports.iter().flatten();
        Some(Entrance {
            name: name.clone(),
            port: ports
                .min_by_key(|p| p.split('/').next().and_then(|n| n.parse::<u16>().ok()))
                .cloned(),
            network: network.to_string(),
        })
    })
}

/// What the engine's host offers, which it may have chosen itself (`GET /containers/json`).
async fn published(engine: &Engine, wanted: &Wanted) -> Result<Vec<Published>, Error> {
    let ours = HashMap::from([("label", vec![format!("{}={}", label::CLUSTER, wanted.cluster)])]);
    let options = ListContainersOptionsBuilder::new().filters(&ours).build();
    let list = engine.docker.list_containers(Some(options)).await;
    let list = list.map_err(work::doing("look at the engine"))?;
    let mut found = Vec::new();
    for node in &wanted.nodes {
        let is_of = |l: &HashMap<String, String>| l.get(label::NODE).map(String::as_str) == Some(node.name.as_str());
        let of_node = list.iter().filter(|c| c.labels.as_ref().is_some_and(is_of));
        let mut ports: Vec<_> = of_node.flat_map(|c| c.ports.iter().flatten()).collect();
        ports.sort_by_key(|p| p.private_port);
        for port in ports {
            let Some(public) = port.public_port else { continue };
            let host = match port.ip.as_deref() {
                None | Some("" | "0.0.0.0" | "::") => engine.at().to_owned(),
                Some("127.0.0.1" | "::1") => "localhost".to_owned(),
                Some(ip) if ip.contains(':') => format!("[{ip}]"),
                Some(ip) => ip.to_owned(),
            };
            let protocol = match port.typ {
                None | Some(bollard::models::PortSummaryTypeEnum::TCP) => String::new(),
                Some(other) => format!("/{other}"),
            };
            found.push(Published {
                node: node.name.to_string(),
                address: format!("{host}:{public}{protocol}"),
            });
        }
    }
    Ok(found)
}
