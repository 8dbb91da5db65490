//! `topogen graph`

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch::Receiver;

use super::recorded::{self, Absent};
use super::{follow, load, ps, work};
use crate::atomic;
use crate::cli::{Graph, GraphFormat};
use crate::cluster::roster::Roster;
use crate::commands::Session;
use crate::console;
use crate::error::{Error, Exit};
use crate::graph::{self, Format, mermaid};
use crate::terminal::Terminal;
use crate::topology::Topology;

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
    if args.watch && file.is_none() && !matches!(format, Format::Text { .. } | Format::Json) {
        return Err(Error::Usage {
            message: "`--watch` draws text or JSON on stdout, and every format into a file".to_owned(),
            hint: "name the file: `-o FILE`".to_owned(),
        });
    }
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
    if !args.live {
        return once(terminal, args, &topology, None, format, file);
    }
    let engine = work::connect(terminal).await?;
    let (roster, rosters) = follow::from_now(&engine, &topology.cluster).await?;
    if roster.nodes.is_empty() {
        let cluster = &topology.cluster;
        terminal.line(&format!("no container of cluster `{cluster}` is on the engine"));
        work::other_clusters(terminal, &engine, cluster, "graph --live").await?;
    }
    match args.watch {
        true => watch(session, args, &topology, roster, rosters, file).await,
        false => once(terminal, args, &topology, Some(&roster), format, file),
    }
}

/// Draws one picture.
fn once(
    terminal: &Terminal,
    args: &Graph,
    topology: &Topology,
    roster: Option<&Roster>,
    format: Format,
    file: Option<&Path>,
) -> Result<(), Error> {
    let observed = roster.map(Roster::observed);
    let text = graph::draw(topology, observed.as_ref(), format, args.unfold).context("cannot draw")?;
    if format == Format::Mermaid
        && let Some(why) = mermaid::too_much(&text)
    {
        terminal.line(&format!("warning: {why}; `--format svg` has no such limit"));
    }
    match file {
        None => Ok(terminal.coloured_data(&text).context("cannot print")?),
        Some(file) => write(file, &text),
    }
}

fn write(file: &Path, text: &str) -> Result<(), Error> {
    Ok(atomic::write(file, text.as_bytes(), 0o644).with_context(|| format!("cannot write `{}`", file.display()))?)
}

/// Draws the cluster as `roster` has it, and again whenever the picture has changed, until interrupted. While the engine is lost, the last
/// picture stays and says so.
async fn watch(
    session: &Session,
    args: &Graph,
    topology: &Topology,
    mut roster: Arc<Roster>,
    mut rosters: Receiver<Arc<Roster>>,
    file: Option<&Path>,
) -> Result<(), Error> {
    let terminal = &session.terminal;
    let mut end = Box::pin(session.asked_to_end());
    let is_text = matches!(format(args.format, file)?, Format::Text { .. });
    let on_terminal = is_text && file.is_none() && std::io::stdout().is_terminal() && console::is_obeying();
    let screen = on_terminal.then(console::Screen::new);
    let mut sizes = if on_terminal { console::sizes() } else { None };
    let mut shown = String::new();
    let mut was_lost = false;
    loop {
        // The terminal may be of another width now.
        let format = format(args.format, file)?;
        let observed = roster.observed();
        let text = match (format, file) {
            (Format::Json, None) => {
                let graph = graph::graph(topology, Some(&observed));
                serde_json::to_string(&graph).map_err(anyhow::Error::from)? + "\n"
            }
            _ => graph::draw(topology, Some(&observed), format, args.unfold).context("cannot draw")?,
        };
        if screen.is_none() {
            ps::report_loss(terminal, &roster, &mut was_lost);
        }
        let size = sizes.as_mut().map(|s| *s.borrow_and_update());
        if let Some(screen) = &screen {
            let rows = size.map_or(24, |(rows, _)| usize::from(rows));
            screen.paint(&text.lines().take(rows).collect::<Vec<&str>>());
        } else if text != shown {
            match file {
                Some(file) => write(file, &text)?,
                None => {
                    let apart = if shown.is_empty() || format == Format::Json {
                        ""
                    } else {
                        "\n"
                    };
                    if !terminal.reaches(&format!("{apart}{text}")).context("cannot print")? {
                        return Ok(());
                    }
                }
            }
        }
        shown = text;
        tokio::select! {
            () = follow::next(&mut rosters) => {}
            () = ps::resized(&mut sizes) => {}
            () = &mut end => break,
        }
        roster = rosters.borrow_and_update().clone();
    }
    if screen.is_some() {
        drop(screen);
        terminal.coloured_data(&shown).context("cannot print")?;
    }
    Err(Error::Shown(Exit::Interrupted))
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
