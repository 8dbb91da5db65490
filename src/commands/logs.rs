//! `topogen logs`

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::verbs::ObservedCluster;
use super::work::{FOUND_AGAIN, lost_engine};
use crate::cli::{Format, Logs, Which};
use crate::cluster::ObservedContainer;
use crate::commands::Session;
use crate::console;
use crate::engine::changes::{Change, ContainerEvent, Notice, Subscription, Topic};
use crate::engine::connect::Engine;
use crate::engine::fault::Fault;
use crate::engine::logs::{Ask, Line, Merged, follow, lines};
use crate::engine::observe;
use crate::error::{Error, Exit};
use crate::lines::{Prefixes, whose};
use crate::select::{self, Target};
use crate::terminal::{self, Terminal};
use crate::text::decimal;

/// The number of lines that may wait to be printed.
const ON_THE_WAY: usize = 1024;
/// The time between two checks whether the cluster still exists.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// The number of checks in a row that must find nothing. `up` may remove a whole cluster before it creates it again.
const REMOVAL_CHECKS: u32 = 4;

/// The name of the cluster if it is a number, as `-n` has it elsewhere for the last lines.
fn lines_meant(args: &Logs) -> Option<u32> {
    args.name.as_ref().and_then(|name| decimal(name.as_str()))
}

pub(super) async fn run(args: &Logs, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let mut found = ObservedCluster::look(
        terminal,
        &Which {
            name: args.name.clone(),
            file: args.file.clone(),
        },
    )
    .await?;
    if let (true, Some(lines)) = (found.containers.is_empty(), lines_meant(args)) {
        return Err(Error::Usage {
            message: format!("no container of cluster `{lines}` is on the engine"),
            hint: format!("`--tail {lines}` shows the last lines; `-n` is the cluster's name"),
        });
    }
    let changes = match args.follow {
        true => Some(found.subscribe(Topic::ContainersOf(&found.cluster.clone())).await?),
        false => None,
    };
    let chosen = found.select(|all| select::select(&args.targets, all)).await?;
    console::many_files();
    let mut printer = Printer::new(args, &chosen);
    let work = async {
        match changes {
            None => past(terminal, &found, &chosen, args, &mut printer).await.map(drop),
            Some(changes) => all(terminal, &found, &chosen, changes, args, &mut printer).await,
        }
    };
    let result = tokio::select! {
        result = work => result,
        () = session.asked_to_end() => Err(Error::Shown(Exit::Interrupted)),
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

/// Prints past lines in the order of time. Returns the time of each container's last line; `None` if it has printed
/// nothing.
async fn past(
    terminal: &Terminal,
    found: &ObservedCluster,
    chosen: &[&ObservedContainer],
    args: &Logs,
    printer: &mut Printer,
) -> Result<Vec<Option<SystemTime>>, Error> {
    let shows_none = args.tail == Some(0);
    let ask = Ask {
        since: args.since,
        until: args.until,
        // The last line is read even if none is shown, because its time separates past lines from new ones.
        tail: args.tail.map(|n| n.max(1)),
        ..Ask::default()
    };
    let mut last = vec![None; chosen.len()];
    let sources = chosen.iter().map(|c| lines(&found.engine, &c.id, ask)).collect();
    let mut merged = Merged::new(sources).await;
    while let Some((at, line)) = merged.next().await {
        if let Ok(line) = &line {
            last[at] = Some(line.time);
            if shows_none {
                continue;
            }
        }
        printer.show(terminal, chosen[at], line)?;
    }
    printer.flush()?;
    Ok(last)
}

/// Prints past lines, then new ones until nothing of the cluster is left on the engine.
async fn all(
    terminal: &Terminal,
    found: &ObservedCluster,
    chosen: &[&ObservedContainer],
    mut changes: Subscription,
    args: &Logs,
    printer: &mut Printer,
) -> Result<(), Error> {
    let last = past(terminal, found, chosen, args, printer).await?;
    let mut followers = Followers::new(&found.engine, &args.targets);
    for (container, after) in chosen.iter().zip(last) {
        let ask = Ask {
            after,
            since: args.since,
            ..Ask::default()
        };
        followers.add((*container).clone(), ask);
    }
    let mut is_lost = false;
    loop {
        tokio::select! {
            Some((container, line)) = followers.lines.recv() => {
                printer.show(terminal, &container, line)?;
                // Everything that has arrived is taken at once, to be sorted by time.
                while let Ok((container, line)) = followers.lines.try_recv() {
                    printer.show(terminal, &container, line)?;
                }
                printer.flush()?;
            }
            notice = changes.next() => match notice {
                Notice::Change(change) => followers.take(change),
                Notice::Lost(reason) => {
                    is_lost = true;
                    terminal.line(&lost_engine(&reason));
                }
                Notice::Resumed => {
                    is_lost = false;
                    terminal.line(FOUND_AGAIN);
                    match observe::containers(&found.engine, Some(&found.cluster)).await {
                        Ok(containers) => followers.compare(&containers),
                        Err(error) => match changes.reason_of_loss().await {
                            Some(reason) => {
                                is_lost = true;
                                terminal.line(&lost_engine(&reason));
                            }
                            None => return Err(Error::engine("look at the engine")(error)),
                        },
                    }
                }
            },
            Some(_) = followers.tasks.join_next() => {}
            () = removed(found), if followers.tasks.is_empty() && !is_lost => return Ok(()),
        }
    }
}

/// Completes when nothing of the cluster is left on the engine. While `up` recreates a cluster, for a moment there may
/// be no container, but its networks stay.
async fn removed(found: &ObservedCluster) {
    let mut checks = 0;
    while checks < REMOVAL_CHECKS {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let containers = observe::containers(&found.engine, Some(&found.cluster)).await;
        let networks = observe::networks(&found.engine).await;
        let is_removed = containers.is_ok_and(|c| c.is_empty())
            && networks.is_ok_and(|n| !n.iter().any(|n| n.is_of(&found.cluster)));
        checks = if is_removed { checks + 1 } else { 0 };
    }
}

/// The tasks that follow a container each.
struct Followers<'a> {
    engine: Engine,
    targets: &'a [Target],
    tasks: JoinSet<()>,
    /// Notifies the follower of a container of each start, by the container's ID.
    starts: HashMap<String, watch::Sender<()>>,
    sender: mpsc::Sender<(Arc<ObservedContainer>, Result<Line, Fault>)>,
    lines: mpsc::Receiver<(Arc<ObservedContainer>, Result<Line, Fault>)>,
}

impl<'a> Followers<'a> {
    fn new(engine: &Engine, targets: &'a [Target]) -> Self {
        let (sender, lines) = mpsc::channel(ON_THE_WAY);
        Self {
            engine: engine.clone(),
            targets,
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

    /// Follows a container that starts, for the first time or again, and stops to follow one that was removed.
    fn take(&mut self, change: Change) {
        let Change::Container(change) = change else { return };
        match change.event {
            ContainerEvent::Removed => drop(self.starts.remove(&change.id)),
            ContainerEvent::Started => {
                let container = change.started();
                // An image that was committed from a node gives that node's labels to containers of other names.
                if self.starts.contains_key(&container.id) || container.name == container.created_as() {
                    self.follow(container);
                }
            }
            _ => {}
        }
    }

    /// Catches up after the connection to the engine was lost: `containers` are those that exist now.
    fn compare(&mut self, containers: &[ObservedContainer]) {
        self.starts.retain(|id, _| containers.iter().any(|c| c.id == *id));
        for container in containers {
            self.follow(container.clone());
        }
    }

    fn follow(&mut self, container: ObservedContainer) {
        match self.starts.get(&container.id) {
            Some(start) => drop(start.send(())),
            None if select::present(self.targets, std::slice::from_ref(&container)).is_empty() => {}
            None => self.add(container, Ask::default()),
        }
    }
}

/// Prints lines to stdout.
struct Printer {
    out: io::BufWriter<io::Stdout>,
    prefixes: Prefixes,
    bare: bool,
    timestamps: bool,
    json: bool,
    /// The number of containers whose logs could not be read.
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

    fn show(
        &mut self,
        terminal: &Terminal,
        container: &ObservedContainer,
        line: Result<Line, Fault>,
    ) -> Result<(), Error> {
        let line = match line {
            Ok(line) => line,
            Err(fault) => {
                self.failed += 1;
                terminal.line(&format!("cannot read the log of `{}`: {fault}", whose(container)));
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
            n => Err(Error::partial(format!(
                "{} could not be read",
                crate::text::plural(n, "log")
            ))),
        }
    }
}
