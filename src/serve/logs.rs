//! What the containers of a service print, as a stream of events.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::response::sse::Event;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::streams::{BREATH, Teller, bye};
use super::view::View;
use crate::cluster::roster::{Instance, Moment};
use crate::cluster::{ObservedContainer, State};
use crate::engine::fault::Fault;
use crate::engine::logs::{Ask, Line, Merged, follow};
use crate::engine::{self, connect::Engine};

/// The number of lines that may wait for a reader. An engine waits when there are more.
const ON_THE_WAY: usize = 64;
/// The most bytes of a line that are told.
const LONGEST_LINE: usize = 16 << 10;

/// Which lines are asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The node that prints them.
    pub(super) node: String,
    /// The service whose containers print them.
    pub(super) service: String,
    /// How many of the last lines of each container.
    pub(super) tail: u32,
    /// Only lines after this time: what the reader has already.
    pub(super) after: Option<SystemTime>,
    /// Whether to go on with new lines.
    pub(super) follow: bool,
}

/// A line with its container.
type Told = (Arc<ObservedContainer>, Result<Line, Fault>);

/// Tells the lines.
pub(super) struct Lines {
    engine: Engine,
    asked: Asked,
    views: watch::Receiver<Arc<View>>,
    ending: watch::Receiver<bool>,
    /// The containers whose past lines are told, and the time of the last line of each; `None` once they are.
    past: Option<(Merged, Vec<Arc<ObservedContainer>>)>,
    last: HashMap<String, SystemTime>,
    followed: HashMap<String, Followed>,
    tasks: JoinSet<()>,
    sender: mpsc::Sender<Told>,
    lines: mpsc::Receiver<Told>,
    has_ended: bool,
    _place: OwnedSemaphorePermit,
}

/// A container that is followed.
struct Followed {
    /// Since when it runs, as far as its follower was told.
    since: Option<Moment>,
    starts: watch::Sender<()>,
}

/// The containers of the service that is asked for.
fn instances(view: &View, asked: &Asked) -> Vec<Arc<Instance>> {
    let node = view.nodes.iter().find(|node| node.name == asked.node);
    let members = node.into_iter().flat_map(|node| &node.containers);
    members
        .filter(|m| m.service() == asked.service)
        .filter_map(|m| m.present().cloned())
        .collect()
}

impl Lines {
    /// Tells the lines that are `asked` for, of the containers in `views`; where they are followed, also of containers that
    /// come later.
    pub(super) async fn new(
        engine: Engine,
        asked: Asked,
        views: watch::Receiver<Arc<View>>,
        ending: watch::Receiver<bool>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let (sender, lines) = mpsc::channel(ON_THE_WAY);
        let found = instances(&views.borrow(), &asked);
        let containers: Vec<Arc<ObservedContainer>> = found.iter().map(|i| Arc::new(i.observed())).collect();
        let ask = Ask {
            // The last line is read even if none is asked for: its time separates past lines from new ones.
            tail: Some(asked.tail.max(1)),
            after: asked.after,
            ..Ask::default()
        };
        let sources = containers
            .iter()
            .map(|c| engine::logs::lines(&engine, &c.id, ask))
            .collect();
        Self {
            past: Some((Merged::new(sources).await, containers)),
            engine,
            asked,
            views,
            ending,
            last: HashMap::new(),
            followed: HashMap::new(),
            tasks: JoinSet::new(),
            sender,
            lines,
            has_ended: false,
            _place: place,
        }
    }

    /// The next past line; `None` if there is none any more.
    async fn past(&mut self) -> Option<Told> {
        loop {
            let (merged, containers) = self.past.as_mut()?;
            let Some((at, line)) = merged.next().await else {
                self.past = None;
                return None;
            };
            let container = containers[at].clone();
            if let Ok(line) = &line {
                self.last.insert(container.id.clone(), line.time);
                if self.asked.tail == 0 {
                    continue;
                }
            }
            return Some((container, line));
        }
    }

    fn end(&mut self, event: Event) -> Event {
        self.has_ended = true;
        event
    }

    /// Follows what has come, tells followers of what was started again, and leaves what has gone.
    fn compare(&mut self) {
        let now = instances(&self.views.borrow_and_update(), &self.asked);
        self.followed.retain(|id, _| now.iter().any(|i| i.id == *id));
        for instance in now {
            match self.followed.get_mut(&instance.id) {
                Some(followed) => {
                    let runs = instance.state == State::Running;
                    if runs && followed.since != instance.since {
                        followed.since = instance.since;
                        followed.starts.send_replace(());
                    }
                }
                None => self.add(&instance),
            }
        }
    }

    fn add(&mut self, instance: &Instance) {
        let (starts, started) = watch::channel(());
        let since = instance.since;
        self.followed.insert(instance.id.clone(), Followed { since, starts });
        let ask = Ask {
            after: self.last.get(&instance.id).copied().or(self.asked.after),
            ..Ask::default()
        };
        let container = Arc::new(instance.observed());
        self.tasks.spawn(follow(
            self.engine.clone(),
            container,
            ask,
            started,
            self.sender.clone(),
        ));
    }
}

impl Teller for Lines {
    async fn next(&mut self) -> Option<Event> {
        if self.has_ended {
            return None;
        }
        if self.past.is_some() {
            let mut ending = self.ending.clone();
            let told = tokio::select! {
                biased;
                _ = ending.wait_for(|ending| *ending) => return Some(self.end(bye())),
                told = self.past() => told,
            };
            match told {
                Some(told) => return Some(event_of(&told)),
                None if !self.asked.follow => return Some(self.end(Event::default().event("end").data("{}"))),
                None => self.compare(),
            }
        }
        let breath = Instant::now() + BREATH;
        let mut ending = self.ending.clone();
        loop {
            let is_changed = tokio::select! {
                biased;
                _ = ending.wait_for(|ending| *ending) => return Some(self.end(bye())),
                Some(told) = self.lines.recv() => return Some(event_of(&told)),
                Ok(()) = self.views.changed() => true,
                Some(_) = self.tasks.join_next() => false,
                () = sleep_until(breath) => return Some(Event::default().comment("")),
            };
            if is_changed {
                self.compare();
            }
        }
    }
}

/// A line, by whose time a reader that comes again says what it has; or why there are no lines of that container.
fn event_of((container, line): &Told) -> Event {
    match line {
        Ok(line) => {
            let time = humantime::format_rfc3339_nanos(line.time).to_string();
            let text = String::from_utf8_lossy(&line.text[..line.text.len().min(LONGEST_LINE)]);
            let is_cut = line.text.len() > LONGEST_LINE;
            let data = json!({
                "time": time,
                "container": container.name,
                "stream": line.stream,
                "line": text,
                "cut": is_cut,
            });
            Event::default().event("line").id(time).data(data.to_string())
        }
        Err(fault) => {
            let data = json!({"container": container.name, "error": fault.to_string()});
            Event::default().event("failed").data(data.to_string())
        }
    }
}
