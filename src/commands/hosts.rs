//! `topogen hosts`

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use super::follow;
use super::verbs::ObservedCluster;
use crate::cli::{Format, Hosts};
use crate::cluster::roster::Instance;
use crate::commands::Session;
use crate::error::Error;
use crate::select;

/// An address of the cluster, and what it is called.
#[derive(Debug, Serialize)]
struct Row {
    address: IpAddr,
    /// The names on shared networks, the node's first.
    names: Vec<String>,
    node: String,
    service: String,
}

pub(super) async fn run(args: &Hosts, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let found = ObservedCluster::look(terminal, &args.which).await?;
    found.select(|all| select::select(&args.targets, all)).await?;
    let roster = follow::now(&found.engine, &found.cluster).await?;
    let row = |instance: &Arc<Instance>| {
        let names: Vec<String> = instance.host_names().into_iter().map(str::to_owned).collect();
        let address = instance.address.filter(|_| !names.is_empty())?;
        Some(Row {
            address,
            names,
            node: instance.node.clone(),
            service: instance.service.clone(),
        })
    };
    let rows: Vec<Row> = follow::chosen(&roster, &args.targets).iter().filter_map(row).collect();
    let text = match args.format {
        Format::Json => serde_json::to_string_pretty(&rows).map_err(anyhow::Error::from)? + "\n",
        Format::Table if args.env => rows.iter().flat_map(variables).collect(),
        Format::Table => rows.iter().map(line).collect(),
    };
    Ok(terminal.data(&text).map_err(anyhow::Error::from)?)
}

/// A line of hosts(5).
fn line(row: &Row) -> String {
    format!("{}\t{}\n", row.address, row.names.join(" "))
}

/// A variable for each name, as a shell reads it: `SLAVE1_ADDR=10.206.240.4`.
fn variables(row: &Row) -> Vec<String> {
    let word = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let variable = |name: &String| {
        let name: String = name.chars().map(word).collect();
        let first = if name.starts_with(|c: char| c.is_ascii_digit()) {
            "_"
        } else {
            ""
        };
        format!("{first}{name}_ADDR={}\n", row.address)
    };
    row.names.iter().map(variable).collect()
}
