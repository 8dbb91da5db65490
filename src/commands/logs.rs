//! `topogen logs`

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use bollard::models::EventMessage;
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::verbs::Found;
use super::work;
use crate::cli::{Format, Logs, Which};
use crate::cluster::ObservedContainer;
use crate::console;
use crate::engine::connect::Engine;
use crate::engine::events;
use crate::engine::fault::Fault;
use crate::engine::logs::{Ask, Line, Merged, follow, lines};
use crate::error::{Error, Exit};
use crate::lines::{Prefixes, whose};
use crate::{select, terminal};

/// Lines on their way from those who follow to the one who prints.
const ON_THE_WAY: usize = 1024;

pub(super) async fn run(args: &Logs) -> Result<(), Error> {
    let found = Found::look(&Which {
        name: args.name.clone(),
        file: args.file.clone(),
    })
    .await?;
    let chosen = found.select(|all| select::select(&args.targets, all)).await?;
    console::many_files();
    let mut printer = Printer::new(args, &chosen);
    let work = async {
        match args.follow {
            false => past(&found, &chosen, args, &mut printer).await.map(drop),
            true => all(&found, &chosen, args, &mut printer).await,
        }
    };
    let result = tokio::select! {
        result = work => result,
        () = console::asked_to_end() => Err(Error::Shown(Exit::Interrupted)),
    };
    match result {
        Err(Error::Other(error)) if nobody_reads(&error) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => printer.end(),
    }
}

fn nobody_reads(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// What was printed so far, in the order of time; for each container the time of its last line.
async fn past(
    found: &Found,
    chosen: &[&ObservedContainer],
    args: &Logs,
    printer: &mut Printer,
) -> Result<Vec<Option<SystemTime>>, Error> {
    let ask = Ask {
        since: args.since,
        until: args.until,
        tail: args.tail,
        ..Ask::default()
    };
    let mut last = vec![None; chosen.len()];
    let sources = chosen.iter().map(|c| lines(&found.engine, &c.id, ask)).collect();
    let mut merged = Merged::new(sources).await;
    while let Some((at, line)) = merged.next().await {
        if let Ok(line) = &line {
            last[at] = Some(line.time);
        }
        printer.show(chosen[at], line)?;
    }
    printer.flush()?;
    Ok(last)
}

/// What was printed so far and what will be, until nothing is left that could print.
async fn all(found: &Found, chosen: &[&ObservedContainer], args: &Logs, printer: &mut Printer) -> Result<(), Error> {
    // Before anything is read: what starts meanwhile is not to be missed.
    let (happened, mut happenings) = mpsc::unbounded_channel();
    let mut source = Box::pin(events::of(&found.engine, &["container"]));
    tokio::spawn(async move {
        while let Some(event) = source.next().await {
            if happened.send(event).is_err() {
                break;
            }
        }
    });
    let last = past(found, chosen, args, printer).await?;
    let mut followers = Followers::new(&found.engine);
    for (container, after) in chosen.iter().zip(last) {
        let ask = Ask {
            after,
            since: args.since,
            tail: args.tail.filter(|_| after.is_none()),
            ..Ask::default()
        };
        followers.add((*container).clone(), ask);
    }
    loop {
        tokio::select! {
            Some((container, line)) = followers.lines.recv() => {
                printer.show(&container, line)?;
                // All that has come meanwhile, before it is looked at.
                while let Ok((container, line)) = followers.lines.try_recv() {
                    printer.show(&container, line)?;
                }
                printer.flush()?;
            }
            happening = happenings.recv() => match happening {
                Some(Ok(event)) => followers.take(event, found, args),
                Some(Err(error)) => return Err(work::doing("look at the engine")(error)),
                None => return Err(Error::Other(anyhow::anyhow!("the engine hung up"))),
            },
            None = followers.tasks.join_next() => return Ok(()),
        }
    }
}

/// Those who follow a container each.
struct Followers {
    engine: Engine,
    tasks: JoinSet<()>,
    /// By container: told of every start.
    starts: HashMap<String, watch::Sender<()>>,
    sender: mpsc::Sender<(Arc<ObservedContainer>, Result<Line, Fault>)>,
    lines: mpsc::Receiver<(Arc<ObservedContainer>, Result<Line, Fault>)>,
}

impl Followers {
    fn new(engine: &Engine) -> Self {
        let (sender, lines) = mpsc::channel(ON_THE_WAY);
        Self {
            engine: engine.clone(),
            tasks: JoinSet::new(),
            starts: HashMap::new(),
            sender,
            lines,
        }
    }

    fn add(&mut self, container: ObservedContainer, ask: Ask) {
        let (start, starts) = watch::channel(());
        self.starts.insert(container.id.clone(), start);
        let work = follow(
            self.engine.clone(),
            Arc::new(container),
            ask,
            starts,
            self.sender.clone(),
        );
        self.tasks.spawn(work);
    }

    /// A container that starts is followed again, or for the first time; one that is gone no more.
    fn take(&mut self, event: EventMessage, found: &Found, args: &Logs) {
        let action = event.action.unwrap_or_default();
        let Some(container) = event.actor.and_then(|a| events::container(a, &found.cluster)) else {
            return;
        };
        match (action.as_str(), self.starts.get(&container.id)) {
            ("destroy", _) => drop(self.starts.remove(&container.id)),
            ("start", Some(start)) => drop(start.send(())),
            ("start", None) if !select::present(&args.targets, std::slice::from_ref(&container)).is_empty() => {
                self.add(container, Ask::default());
            }
            _ => {}
        }
    }
}

/// Puts lines on stdout.
struct Printer {
    out: io::BufWriter<io::Stdout>,
    prefixes: Prefixes,
    bare: bool,
    timestamps: bool,
    json: bool,
    /// Containers whose logs could not be read.
    failed: usize,
}

impl Printer {
    fn new(args: &Logs, chosen: &[&ObservedContainer]) -> Self {
        Self {
            out: io::BufWriter::new(io::stdout()),
            prefixes: Prefixes::new(chosen, !args.no_color && terminal::colours()),
            bare: args.no_log_prefix,
            timestamps: args.timestamps,
            json: args.format == Format::Json,
            failed: 0,
        }
    }

    fn show(&mut self, container: &ObservedContainer, line: Result<Line, Fault>) -> Result<(), Error> {
        let line = match line {
            Ok(line) => line,
            Err(fault) => {
                self.failed += 1;
                terminal::line(&format!("cannot read the log of `{}`: {fault}", whose(container)));
                return Ok(());
            }
        };
        let time = || humantime::format_rfc3339_nanos(line.time);
        let text = if self.json {
            let object = json!({
                "time": time().to_string(),
                "node": container.node(),
                "service": container.service(),
                "container": container.name,
                "stream": line.stream,
                "line": String::from_utf8_lossy(&line.text),
            });
            format!("{object}\n").into_bytes()
        } else {
            let mut prefix = if self.bare {
                String::new()
            } else {
                self.prefixes.of(container)
            };
            if self.timestamps {
                prefix += &format!("{} ", time());
            }
            self.prefixes.line(&prefix, &line.text)
        };
        Ok(self.out.write_all(&text).map_err(anyhow::Error::from)?)
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(self.out.flush().map_err(anyhow::Error::from)?)
    }

    fn end(&mut self) -> Result<(), Error> {
        self.flush()?;
        match self.failed {
            0 => Ok(()),
            n => Err(Error::Partial(format!(
                "{} could not be read",
                crate::text::plural(n, "log")
            ))),
        }
    }
}
