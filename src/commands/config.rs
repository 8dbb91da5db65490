//! `topogen config`

use anyhow::Context;
use serde_json::json;

use super::up::failed;
use super::{load, recorded, work};
use crate::cli::{Config, Format};
use crate::commands::Session;
use crate::commands::recorded::Absent;
use crate::converge::{self, Options};
use crate::diagnostic::Instead;
use crate::error::Error;
use crate::plan::Operation;
use crate::render::compose;
use crate::topology::{Node, Topology};

pub(super) async fn run(args: &Config, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let meant = recorded::meant(terminal, &args.source, Absent::UseLab, None).await?;
    let loaded = load::topology(terminal, &meant.source)?;
    let (name, service) = match args.target.split_once('/') {
        Some((node, service)) => (node, Some(service)),
        None => (args.target.as_str(), None),
    };
    let node = one(&loaded.topology, name, service)?;
    if !args.live {
        let text = compose::file(&loaded.topology, &node).context("cannot write it as YAML")?;
        return Ok(terminal.data(&text).map_err(anyhow::Error::from)?);
    }
    let (loaded, desired) = load::desired(loaded)?;
    let engine = work::connect(terminal).await?;
    let plan = converge::plan_up(
        &engine,
        &desired,
        &loaded.origin.blueprint,
        Options::default(),
        terminal,
    );
    let plan = plan.await.map_err(|error| failed(error, &loaded))?;
    let containers: Vec<&str> = desired
        .containers()
        .filter(|c| c.node == node.name && service.is_none_or(|service| c.service.as_str() == service))
        .map(|c| c.name.as_str())
        .collect();
    let is_of_it = |operation: &&Operation| match service {
        Some(_) => containers.contains(&operation.subject.as_str()),
        None => operation.node.as_deref() == Some(node.name.as_str()),
    };
    let different: Vec<&Operation> = plan.operations.iter().filter(is_of_it).collect();
    let text = match args.format {
        Format::Json => {
            let shown =
                |o: &&Operation| json!({"operation": o.action.to_string(), "subject": o.subject, "cause": o.cause});
            let shown: Vec<serde_json::Value> = different.iter().map(shown).collect();
            serde_json::to_string_pretty(&shown).map_err(anyhow::Error::from)? + "\n"
        }
        Format::Table if different.is_empty() => {
            terminal.line(&format!("`{}` runs as the blueprint says", args.target));
            return Ok(());
        }
        Format::Table => different.iter().map(|operation| format!("{operation}\n")).collect(),
    };
    Ok(terminal.data(&text).map_err(anyhow::Error::from)?)
}

/// The node called `name`; with `service`, of its services only that one.
fn one(topology: &Topology, name: &str, service: Option<&str>) -> Result<Node, Error> {
    let Some(node) = topology.nodes.iter().find(|n| n.name.as_str() == name) else {
        let known: Vec<&str> = topology.nodes.iter().map(|n| n.name.as_str()).collect();
        return Err(unknown(&format!("no node is called `{name}`"), name, &known));
    };
    let mut node = node.clone();
    if let Some(service) = service {
        if !node.services.iter().any(|s| s.name.as_str() == service) {
            let known: Vec<&str> = node.services.iter().map(|s| s.name.as_str()).collect();
            return Err(unknown(
                &format!("`{name}` has no service `{service}`"),
                service,
                &known,
            ));
        }
        node.services.retain(|s| s.name.as_str() == service);
    }
    Ok(node)
}

fn unknown(message: &str, found: &str, known: &[&str]) -> Error {
    let hint = match Instead::of(found, known.iter().copied()) {
        Instead::Near(hint) | Instead::OneOf(hint) => hint,
        Instead::Unknown => "`topogen graph` shows all of them".to_owned(),
    };
    Error::Usage {
        message: message.to_owned(),
        hint,
    }
}
