//! What the engine tells of (`GET /events`).

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::EngineDouble;
use super::state::State;

/// How many events the engine remembers.
const REMEMBERED: usize = 256;

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    kind: &'static str,
    action: String,
    id: String,
    attributes: BTreeMap<String, String>,
    time: SystemTime,
}

impl Event {
    /// For a person: `container start lab-a`.
    pub(crate) fn words(&self) -> String {
        let name = self.attributes.get("name").unwrap_or(&self.id);
        format!("{} {} {name}", self.kind, self.action)
    }

    fn json(&self) -> Value {
        let nanos = self.time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut event = json!({
            "Type": self.kind, "Action": self.action,
            "Actor": {"ID": self.id, "Attributes": self.attributes},
            "scope": "local", "time": (nanos / 1_000_000_000) as u64, "timeNano": nanos as u64,
        });
        if self.kind == "container" {
            event["status"] = json!(self.action);
            event["id"] = json!(self.id);
            event["from"] = json!(self.attributes.get("image"));
        }
        event
    }

    fn passes(&self, filters: &HashMap<String, Vec<String>>) -> bool {
        filters.iter().all(|(filter, values)| {
            values.iter().any(|value| match filter.as_str() {
                "type" => self.kind == value,
                // `health_status` lets `health_status: healthy` through.
                "event" => self.action == *value || self.action.split(':').next() == Some(value),
                "label" => match value.split_once('=') {
                    Some((key, value)) => self.attributes.get(key).is_some_and(|v| v == value),
                    None => self.attributes.contains_key(value),
                },
                "container" | "network" | "volume" => {
                    self.kind == filter && (self.id.starts_with(value) || self.attributes.get("name") == Some(value))
                }
                _ => false,
            })
        })
    }
}

impl State {
    pub(super) fn tell(&mut self, kind: &'static str, action: &str, id: &str, attributes: &[(&str, &str)]) {
        // No two at once: their order must show in their times.
        let last = self.events.last().map(|e| e.time + Duration::from_nanos(1));
        let time = self.now().max(last.unwrap_or(UNIX_EPOCH));
        self.events.push(Event {
            kind,
            action: action.to_owned(),
            id: id.to_owned(),
            attributes: attributes
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            time,
        });
    }

    /// An event of a container, with its labels.
    pub(super) fn tell_container(&mut self, at: usize, action: &str, more: &[(&str, &str)]) {
        let container = self.containers[at].clone();
        let image = container.body["Image"].as_str().unwrap_or_default();
        let mut attributes: Vec<(&str, &str)> = container.labels().collect();
        attributes.extend([("image", image), ("name", container.name.as_str())]);
        attributes.extend(more);
        self.tell("container", action, &container.id, &attributes);
    }

    pub(super) fn tell_network(&mut self, at: usize, action: &str, container: Option<&str>) {
        let network = self.networks[at].clone();
        let driver = network.body["Driver"].as_str().unwrap_or("bridge");
        let mut attributes = vec![("name", network.name.as_str()), ("type", driver)];
        attributes.extend(container.map(|id| ("container", id)));
        self.tell("network", action, &network.id, &attributes);
    }

    pub(super) fn tell_mounts(&mut self, at: usize) {
        let container = self.containers[at].clone();
        for mount in &container.mounts {
            let attributes = [
                ("container", container.id.as_str()),
                ("destination", &mount.target),
                ("driver", "local"),
                ("propagation", ""),
                ("read/write", "true"),
            ];
            self.tell("volume", "mount", &mount.volume, &attributes);
        }
    }

    pub(super) fn tell_unmounts(&mut self, at: usize) {
        let container = self.containers[at].clone();
        for mount in &container.mounts {
            let attributes = [("container", container.id.as_str()), ("driver", "local")];
            self.tell("volume", "unmount", &mount.volume, &attributes);
        }
    }

    /// All that has happened, for a person: `container start lab-a`.
    pub(crate) fn told(&self) -> Vec<String> {
        self.events.iter().map(Event::words).collect()
    }
}

/// Which events are asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) filters: HashMap<String, Vec<String>>,
    pub(super) since: Option<SystemTime>,
    pub(super) until: Option<SystemTime>,
}

struct Listener {
    double: EngineDouble,
    changed: watch::Receiver<usize>,
    asked: Asked,
    next: usize,
    /// How many more it may hear before the stream breaks off.
    left: Option<usize>,
}

/// The events that are asked for, each a line; an error in place of the next one where the stream breaks off after `cut`.
pub(super) fn stream(
    double: EngineDouble,
    asked: Asked,
    cut: Option<usize>,
) -> impl Stream<Item = Result<String, std::io::Error>> + Send {
    let changed = double.events.subscribe();
    let all = double.lock().events.len();
    let next = match asked.since {
        Some(_) => all.saturating_sub(REMEMBERED),
        None => all,
    };
    let listener = Listener {
        double,
        changed,
        asked,
        next,
        left: cut,
    };
    unfold(Some(listener), |listener| async {
        let mut listener = listener?;
        if listener.left == Some(0) {
            // What was reported before must arrive first.
            tokio::time::sleep(Duration::from_millis(1)).await;
            return Some((Err(std::io::ErrorKind::ConnectionReset.into()), None));
        }
        let event = listener.next().await?;
        listener.left = listener.left.map(|left| left - 1);
        Some((Ok(format!("{}\n", event.json())), Some(listener)))
    })
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        loop {
            self.changed.borrow_and_update();
            let (found, now) = {
                let state = self.double.lock();
                let ahead = state.events[self.next.min(state.events.len())..].iter();
                let found = ahead.clone().position(|e| self.wants(e));
                let event = found.map(|at| state.events[self.next + at].clone());
                self.next = found.map_or(state.events.len(), |at| self.next + at + 1);
                (event, state.now())
            };
            if found.is_some() {
                return found;
            }
            match self.asked.until {
                None => self.changed.changed().await.ok()?,
                // An engine whose clock is behind continues until it has caught up.
                Some(until) => {
                    let left = until.duration_since(now).ok().filter(|left| !left.is_zero())?;
                    tokio::select! {
                        changed = self.changed.changed() => changed.ok()?,
                        () = tokio::time::sleep(left) => return None,
                    }
                }
            }
        }
    }

    fn wants(&self, event: &Event) -> bool {
        let Asked { filters, since, until } = &self.asked;
        since.is_none_or(|since| event.time >= since)
            && until.is_none_or(|until| event.time <= until)
            && event.passes(filters)
    }
}
