//! `topogen events`

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use super::verbs::ObservedCluster;
use super::work::{FOUND_AGAIN, lost_engine};
use crate::cli::{Events, Format};
use crate::cluster::roster::Moment;
use crate::cluster::{ObservedContainer, label};
use crate::commands::Session;
use crate::engine::changes::{Change, ContainerChange, ContainerEvent, NetworkEvent, Notice, Topic};
use crate::engine::observe::instance;
use crate::error::{Error, Exit};
use crate::lines::whose;
use crate::select::{self, Target};
use crate::signal;

pub(super) async fn run(args: &Events, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let mut found = ObservedCluster::look(terminal, &args.which).await?;
    let mut changes = found.subscribe(Topic::ContainersAndNetworks).await?;
    if !args.targets.is_empty() {
        found.select(|all| select::select(&args.targets, all)).await?;
    }
    let mut containers: HashMap<String, ObservedContainer> =
        found.containers.into_iter().map(|c| (c.id.clone(), c)).collect();
    let mut end = Box::pin(session.asked_to_end());
    loop {
        let notice = tokio::select! {
            notice = changes.next() => notice,
            () = &mut end => return Err(Error::Shown(Exit::Interrupted)),
        };
        let change = match notice {
            Notice::Lost(reason) => {
                terminal.line(&lost_engine(&reason));
                continue;
            }
            Notice::Resumed => {
                terminal.line(&format!("{FOUND_AGAIN}; what happened in between is not known"));
                continue;
            }
            Notice::Change(change) => change,
        };
        if let Change::Container(change) = &change
            && change.is_of(&found.cluster)
            && !change.is_of_helper()
        {
            containers
                .entry(change.id.clone())
                .or_insert_with(|| change.started())
                .name = change.name.clone();
        }
        let Some(happened) = Happened::of(&change, &containers) else {
            continue;
        };
        if is_chosen(&args.targets, happened.container)
            && !terminal
                .reaches(&happened.shown(args.format))
                .map_err(anyhow::Error::from)?
        {
            return Ok(());
        }
        if let Change::Container(change) = &change
            && change.event == ContainerEvent::Removed
        {
            containers.remove(&change.id);
        }
    }
}

fn is_chosen(targets: &[Target], container: &ObservedContainer) -> bool {
    !select::present(targets, std::slice::from_ref(container)).is_empty()
}

/// What happened to a container of the cluster.
struct Happened<'a> {
    at: Moment,
    container: &'a ObservedContainer,
    /// What happened, as people say it: `exited with status 137`.
    text: String,
    /// The same as data: `event`, and what belongs to it.
    fields: Map<String, Json>,
}

impl<'a> Happened<'a> {
    /// What `change` says; `None` if it is not about one of `containers`, or about nothing that anybody watches for.
    fn of(change: &Change, containers: &'a HashMap<String, ObservedContainer>) -> Option<Self> {
        let (id, (text, fields)): (&str, _) = match change {
            Change::Container(change) => match change.marked() {
                Some(id) => (id, of_helper(change)?),
                None => (&change.id, of_container(&change.event)?),
            },
            Change::Network(change) => match &change.event {
                NetworkEvent::Connected(id) => {
                    let fields = json!({"event": "connected", "network": change.name});
                    (id, (format!("connected to {}", change.name), fields))
                }
                NetworkEvent::Disconnected(id) => {
                    let fields = json!({"event": "disconnected", "network": change.name});
                    (id, (format!("disconnected from {}", change.name), fields))
                }
                _ => return None,
            },
        };
        Some(Self {
            at: instance::at(change.at())?,
            container: containers.get(id)?,
            text,
            fields: match fields {
                Json::Object(fields) => fields,
                _ => Map::new(),
            },
        })
    }

    /// One line, with the end of the line.
    fn shown(&self, format: Format) -> String {
        match format {
            Format::Table => format!("{}  {}  {}\n", self.at, whose(self.container), self.text),
            Format::Json => {
                let mut all = Map::new();
                all.insert("time".to_owned(), json!(self.at));
                all.insert("node".to_owned(), json!(self.container.node()));
                all.insert("role".to_owned(), json!(self.container.role()));
                all.insert("service".to_owned(), json!(self.container.service()));
                all.insert("container".to_owned(), json!(self.container.name));
                all.extend(self.fields.clone());
                format!("{}\n", Json::Object(all))
            }
        }
    }
}

/// What a helper has done in the network of a container; `None` if it has not, or not yet.
fn of_helper(change: &ContainerChange) -> Option<(String, Json)> {
    let errand = change.labels.get(label::ERRAND)?;
    let is_done = change.event == ContainerEvent::Died(Some(0));
    is_done.then(|| (errand.clone(), json!({"event": "fault", "fault": errand})))
}

/// What happened to a container, in words and as data; `None` for what health checks and other visitors do all the time.
fn of_container(event: &ContainerEvent) -> Option<(String, Json)> {
    let plain = |word: &str| (word.to_owned(), json!({"event": word}));
    Some(match event {
        ContainerEvent::Visited => return None,
        ContainerEvent::Created => plain("created"),
        ContainerEvent::Started => plain("started"),
        ContainerEvent::Signalled(None) => ("sent a signal".to_owned(), json!({"event": "signalled"})),
        ContainerEvent::Signalled(Some(number)) => {
            let name = signal::name(*number).map_or_else(|| number.to_string(), |name| format!("SIG{name}"));
            (format!("sent {name}"), json!({"event": "signalled", "signal": number}))
        }
        ContainerEvent::Died(None) => ("exited".to_owned(), json!({"event": "exited"})),
        ContainerEvent::Died(Some(status)) => (
            format!("exited with status {status}"),
            json!({"event": "exited", "exit": status}),
        ),
        ContainerEvent::Stopped => plain("stopped"),
        ContainerEvent::Restarted => plain("restarted"),
        ContainerEvent::OutOfMemory => ("out of memory".to_owned(), json!({"event": "oom"})),
        ContainerEvent::Health(health) => (
            format!("health is {}", health.word()),
            json!({"event": "health", "health": health}),
        ),
        ContainerEvent::Paused => plain("paused"),
        ContainerEvent::Unpaused => plain("unpaused"),
        ContainerEvent::Renamed(old) => (format!("renamed from {old}"), json!({"event": "renamed", "from": old})),
        ContainerEvent::Updated => (
            "limits or restart policy changed".to_owned(),
            json!({"event": "updated"}),
        ),
        ContainerEvent::Removed => plain("removed"),
        ContainerEvent::Other(word) => (word.clone(), json!({"event": word})),
    })
}
