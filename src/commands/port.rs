//! `topogen port`

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::verbs::ObservedCluster;
use crate::cli::{Format, Port};
use crate::cluster::ObservedContainer;
use crate::commands::Session;
use crate::error::Error;
use crate::lines::whose;
use crate::roster::laid_out;
use crate::select;

/// A port of the engine's host that leads to a port of a container.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    node: String,
    service: String,
    /// The port of the container: `80/tcp`.
    port: String,
    /// The address of the host; unspecified for all addresses.
    address: IpAddr,
    published: u16,
}

impl Row {
    /// Where it answers, as `docker port` writes it: `0.0.0.0:8080`.
    fn at(&self) -> String {
        SocketAddr::new(self.address, self.published).to_string()
    }
}

pub(super) async fn run(args: &Port, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let found = ObservedCluster::look(terminal, &args.which).await?;
    let targets = args.target.as_slice();
    let chosen = found.select(|all| select::select(targets, all)).await?;
    let mut rows: Vec<Row> = chosen.iter().flat_map(|container| ports(container)).collect();
    if let Some(port) = &args.port {
        let asked = format!("{}/{}", port.number, port.protocol);
        rows.retain(|row| row.port == asked);
        if rows.is_empty() && args.format == Format::Table {
            return Err(not_published(&asked, &chosen));
        }
    }
    let text = match (args.format, &args.port) {
        (Format::Json, _) => serde_json::to_string_pretty(&rows).map_err(anyhow::Error::from)? + "\n",
        (Format::Table, Some(_)) => rows.iter().map(|row| row.at() + "\n").collect(),
        (Format::Table, None) if rows.is_empty() => {
            terminal.line("no port of the host leads to any of them");
            return Ok(());
        }
        (Format::Table, None) => table(&rows),
    };
    Ok(terminal.data(&text).map_err(anyhow::Error::from)?)
}

/// The published ports of `container`, by its own.
fn ports(container: &ObservedContainer) -> Vec<Row> {
    let row = |(host, own): &(crate::cluster::HostPort, String)| Row {
        node: container.node().to_owned(),
        service: container.service().to_owned(),
        port: own.clone(),
        address: host.address,
        published: host.port,
    };
    let mut rows: Vec<Row> = container.ports.iter().map(row).collect();
    rows.sort_by_cached_key(|row| (crate::text::natural(&row.port), row.published, row.address));
    rows
}

fn table(rows: &[Row]) -> String {
    let rows = rows
        .iter()
        .map(|row| [row.node.clone(), row.service.clone(), row.port.clone(), row.at()]);
    laid_out(["NODE", "SERVICE", "PORT", "HOST"], rows)
}

fn not_published(port: &str, chosen: &[&ObservedContainer]) -> Error {
    let all: Vec<String> = chosen
        .iter()
        .flat_map(|c| ports(c))
        .map(|row| format!("`{}`", row.port))
        .collect();
    let (message, hint) = match (chosen, all.is_empty()) {
        ([one], false) => (
            format!("`{}` publishes no port `{port}`", whose(one)),
            format!("it publishes {}", all.join(", ")),
        ),
        ([one], true) => (
            format!("`{}` publishes no port", whose(one)),
            "say `ports: [\"8080:80\"]` in its service; other nodes reach it without".to_owned(),
        ),
        _ => (
            format!("none of them publishes a port `{port}`"),
            "`topogen port` lists what is published".to_owned(),
        ),
    };
    Error::InTheWay {
        messages: vec![message],
        hints: vec![hint],
    }
}
