//! `topogen images`, `topogen pull`

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;

use super::recorded::{self, Absent};
use super::{load, work};
use crate::cli::{Format, Images, Pull, Source};
use crate::cluster::{self, Desired};
use crate::commands::Session;
use crate::converge::{self, Reporter};
use crate::engine::connect::Engine;
use crate::engine::observe;
use crate::error::Error;
use crate::fake;
use crate::plan::{Action, Plan};
use crate::roster::laid_out;
use crate::terminal::Terminal;
use crate::terminal::words::span;
use crate::text::plural;

/// An image that a blueprint needs.
#[derive(Debug, Serialize)]
struct Row {
    image: String,
    /// The platform that is asked for; `None` for the engine's own.
    platform: Option<String>,
    /// The services that need it: `slave/app`.
    services: BTreeSet<String>,
    /// How many containers it is needed for.
    containers: usize,
    /// Whether the engine has it, for that platform.
    present: bool,
    /// Whether it is never pulled: a fake, one that is built, or `pull_policy: never`.
    #[serde(skip)]
    stays: bool,
}

pub(super) async fn list(args: &Images, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let (engine, _, rows) = needed(terminal, &args.source).await?;
    drop(engine);
    let text = match args.format {
        Format::Json => serde_json::to_string_pretty(&rows).map_err(anyhow::Error::from)? + "\n",
        Format::Table => table(&rows),
    };
    Ok(terminal.data(&text).map_err(anyhow::Error::from)?)
}

pub(super) async fn pull(args: &Pull, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let _shown = terminal.begin(&args.work);
    let (engine, desired, rows) = needed(terminal, &args.source).await?;
    let mut plan = Plan::default();
    for row in rows.iter().filter(|row| !(row.stays || args.missing && row.present)) {
        let action = Action::PullImage {
            platform: row.platform.clone(),
            again: row.present,
        };
        let cause = if row.present { "asked for" } else { "not found" };
        plan.push(action, &row.image, None, cause, Vec::new());
    }
    if plan.is_empty() {
        let text = format!("nothing to do: {} on the engine", plural(rows.len(), "image"));
        terminal.result(&text, json!({"images": 0}));
        return Ok(());
    }
    let control = work::control(session, &args.work, None);
    let pulled = converge::carry_out(&engine, &desired.cluster, plan, &control, terminal).await;
    let summary = pulled.map_err(|error| match error {
        Error::InTheWay { messages, .. } => Error::InTheWay {
            messages,
            hints: vec!["what was pulled stays; `--missing` leaves alone what the engine has".to_owned()],
        },
        other => other,
    })?;
    let count = summary.operations.len();
    let text = format!("pulled {}, in {}", plural(count, "image"), span(terminal.elapsed()));
    terminal.result(&text, json!({"images": count}));
    Ok(())
}

/// The images that the blueprint of `source` needs, and the engine.
async fn needed(terminal: &Terminal, source: &Source) -> Result<(Engine, Desired, Vec<Row>), Error> {
    let meant = recorded::meant(terminal, source, Absent::UseLab, None).await?;
    let loaded = load::topology(terminal, &meant.source)?;
    let (_, desired) = load::desired(loaded)?;
    let engine = work::connect(terminal).await?;
    terminal.doing("looking at the images");
    let mut rows: BTreeMap<(&str, Option<&str>), Row> = BTreeMap::new();
    for (node, container) in desired
        .nodes
        .iter()
        .flat_map(|n| n.containers.iter().map(move |c| (n, c)))
    {
        let key = (container.image(), container.platform.as_deref());
        let row = rows.entry(key).or_insert_with(|| Row {
            image: container.image().to_owned(),
            platform: container.platform.clone(),
            services: BTreeSet::new(),
            containers: 0,
            present: false,
            stays: fake::is_image(container.image()),
        });
        row.services.insert(format!("{}/{}", node.role, container.service));
        row.containers += 1;
        row.stays |= container.pull.is_never();
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    for row in &mut rows {
        let present = observe::image(&engine, &row.image).await;
        let present = present.map_err(Error::engine("look at the images"))?;
        let asked = row.platform.as_deref();
        row.present = present.is_some_and(|image| cluster::is_for(asked, image.platform.as_deref()));
    }
    Ok((engine, desired, rows))
}

fn table(rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| {
        let there = match (row.present, row.stays) {
            (true, _) => "yes",
            (false, true) if fake::is_image(&row.image) => "no, `up` loads it",
            (false, _) => "no",
        };
        let platform = row.platform.as_ref().map(|p| format!(" ({p})")).unwrap_or_default();
        let services: Vec<&str> = row.services.iter().map(String::as_str).collect();
        [
            format!("{}{platform}", row.image),
            there.to_owned(),
            row.containers.to_string(),
            services.join(" "),
        ]
    });
    laid_out(["IMAGE", "ON THE ENGINE", "CONTAINERS", "NEEDED BY"], rows)
}
