//! `topogen graph`

use std::io::IsTerminal;
use std::path::Path;

use anyhow::Context;

use super::recorded::{self, Absent};
use super::{load, work};
use crate::atomic;
use crate::cli::{Graph, GraphFormat};
use crate::cluster::Observed;
use crate::commands::Session;
use crate::console;
use crate::engine::observe;
use crate::error::Error;
use crate::graph::{self, Format, mermaid};
use crate::name::ClusterName;
use crate::terminal::Terminal;

/// The width in columns if stdout is no terminal.
const COLUMNS: usize = 120;
/// The file name extensions of each format.
const ENDINGS: &[(&str, GraphFormat)] = &[
    ("svg", GraphFormat::Svg),
    ("mmd", GraphFormat::Mermaid),
    ("mermaid", GraphFormat::Mermaid),
    ("dot", GraphFormat::Dot),
    ("gv", GraphFormat::Dot),
    ("json", GraphFormat::Json),
    ("txt", GraphFormat::Text),
];

pub(super) async fn run(args: &Graph, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let file = args.output.as_deref().filter(|o| o.as_os_str() != "-");
    let format = format(args.format, file)?;
    let meant = match args.live {
        true => Some(recorded::meant(terminal, &args.source, Absent::Refuse, None).await?),
        false => None,
    };
    let source = meant.as_ref().map_or(&args.source, |m| &m.source);
    let loaded = load::topology(terminal, source)?;
    if let Some(meant) = meant {
        meant.check(&loaded.topology)?;
    }
    load::warn(terminal, &loaded);
    let topology = loaded.topology;
    let observed = match args.live {
        true => Some(observed(terminal, &topology.cluster).await?),
        false => None,
    };
    let text = graph::draw(&topology, observed.as_ref(), format, args.unfold).context("cannot draw")?;
    if format == Format::Mermaid
        && let Some(why) = mermaid::too_much(&text)
    {
        terminal.line(&format!("warning: {why}; `--format svg` has no such limit"));
    }
    let Some(file) = file else {
        return Ok(terminal.coloured_data(&text).context("cannot print")?);
    };
    Ok(atomic::write(file, text.as_bytes(), 0o644).with_context(|| format!("cannot write `{}`", file.display()))?)
}

/// The format that the options ask for, else the one of the extension of `file`, else text.
fn format(asked: Option<GraphFormat>, file: Option<&Path>) -> Result<Format, Error> {
    let ending = file
        .and_then(Path::extension)
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    let known = ENDINGS.iter().find(|(e, _)| *e == ending).map(|(_, f)| *f);
    let format = match (asked.or(known), file) {
        (Some(format), _) => format,
        (None, None) => GraphFormat::Text,
        (None, Some(file)) => {
            let endings: Vec<String> = ENDINGS.iter().map(|(e, _)| format!("`.{e}`")).collect();
            return Err(Error::Usage {
                message: format!("`{}` ends in none of {}", file.display(), endings.join(", ")),
                hint: "say the format: `--format svg`".to_owned(),
            });
        }
    };
    Ok(match format {
        GraphFormat::Svg => Format::Svg,
        GraphFormat::Mermaid => Format::Mermaid,
        GraphFormat::Dot => Format::Dot,
        GraphFormat::Json => Format::Json,
        GraphFormat::Text => {
            let shown = file.is_none() && std::io::stdout().is_terminal();
            let size = console::size(std::io::stdout()).filter(|_| shown);
            Format::Text {
                columns: size.map_or(COLUMNS, |(_, columns)| usize::from(columns)),
                colour: shown && !console::is_plain(),
            }
        }
    })
}

/// Observes the cluster, and other containers on its networks.
async fn observed(terminal: &Terminal, cluster: &ClusterName) -> Result<Observed, Error> {
    let engine = work::connect(terminal).await?;
    let looking = || Error::engine("look at the engine");
    let mut observed = observe::observe(&engine, cluster, false).await.map_err(looking())?;
    observe::inspect_all(&engine, &mut observed.containers)
        .await
        .map_err(looking())?;
    if observed.containers.is_empty() {
        terminal.line(&format!("no container of cluster `{cluster}` is on the engine"));
        work::other_clusters(terminal, &engine, cluster, "graph --live").await?;
    }
    Ok(observed)
}
