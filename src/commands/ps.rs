//! `topogen ps`

use std::collections::HashSet;

use comfy_table::{Table, presets};
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::{load, work};
use crate::cli::{Format, Ps};
use crate::engine::connect::Engine;
use crate::engine::{SeenContainer, SeenEndpoint, State, label, observe};
use crate::error::Error;
use crate::name::ClusterName;
use crate::plan::reconcile::natural;
use crate::terminal;

/// Inspections at once.
const PARALLEL: usize = 16;

/// A node as it runs.
#[derive(Serialize)]
struct NodeRow {
    node: String,
    role: String,
    services: Vec<ServiceRow>,
}

/// A container as it runs.
#[derive(Serialize)]
struct ServiceRow {
    service: String,
    container: String,
    state: State,
    addresses: Vec<SeenEndpoint>,
    /// What it answers to on shared networks, its container's own name and key aside.
    names: Vec<String>,
}

pub(super) async fn run(args: &Ps) -> Result<(), Error> {
    let cluster = load::cluster(&args.which)?;
    let engine = Engine::connect().await?;
    let nodes = nodes(&engine, &cluster)
        .await
        .map_err(work::doing("look at the engine"))?;
    let text = match args.format {
        Format::Json => serde_json::to_string_pretty(&nodes).map_err(anyhow::Error::from)? + "\n",
        Format::Table if nodes.is_empty() => {
            terminal::line(&format!("no container of cluster `{cluster}` is on the engine"));
            return work::other_clusters(&engine, &cluster, "ps").await;
        }
        Format::Table => table(&nodes),
    };
    Ok(terminal::data(&text).map_err(anyhow::Error::from)?)
}

async fn nodes(engine: &Engine, cluster: &ClusterName) -> Result<Vec<NodeRow>, bollard::errors::Error> {
    let (mut containers, networks) =
        tokio::try_join!(observe::containers(engine, Some(cluster)), observe::networks(engine))?;
    containers.sort_by_cached_key(|c| (natural(c.label(label::NODE)), natural(c.label(label::SERVICE))));
    // Every network but the nodes' own is shared, whoever made it.
    let private: HashSet<&str> = networks
        .iter()
        .filter(|n| n.is_of(cluster) && n.labels.contains_key(label::NODE))
        .map(|n| n.name.as_str())
        .collect();
    let private = &private;
    let rows: Vec<(SeenContainer, Vec<String>)> = futures_util::stream::iter(containers)
        .map(|container| async {
            let names = observe::aliases(engine, &container, |network| !private.contains(network)).await?;
            Ok::<_, bollard::errors::Error>((container, names))
        })
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    let mut nodes: Vec<NodeRow> = Vec::new();
    for (container, names) in rows {
        let node = container.label(label::NODE).to_owned();
        if nodes.last().is_none_or(|n| n.node != node) {
            nodes.push(NodeRow {
                node,
                role: container.label(label::ROLE).to_owned(),
                services: Vec::new(),
            });
        }
        let row = ServiceRow {
            service: container.label(label::SERVICE).to_owned(),
            container: container.name,
            state: container.state,
            addresses: own_first(container.networks, private),
            names,
        };
        if let Some(node) = nodes.last_mut() {
            node.services.push(row);
        }
    }
    Ok(nodes)
}

/// The private networks first, then the shared ones.
fn own_first(mut endpoints: Vec<SeenEndpoint>, private: &HashSet<&str>) -> Vec<SeenEndpoint> {
    endpoints.sort_by_key(|e| !private.contains(e.network.as_str()));
    endpoints
}

fn table(nodes: &[NodeRow]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["NODE", "SERVICE", "STATE", "ADDRESSES", "NAMES ON INOUT"]);
    for node in nodes {
        for (at, service) in node.services.iter().enumerate() {
            let addresses: Vec<&str> = service.addresses.iter().map(|e| e.address.as_str()).collect();
            table.add_row([
                if at == 0 { node.node.as_str() } else { "" },
                &service.service,
                service.state.word(),
                addresses.join(" ").trim(),
                &service.names.join(" "),
            ]);
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.strip_prefix(' ').unwrap_or(&line).trim_end());
        text.push('\n');
    }
    text
}
