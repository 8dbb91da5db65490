//! Whether anything happened to a cluster beside what was done to it, by the engine's own account.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use bollard::models::{EventMessage, EventMessageTypeEnum};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::connect::Engine;
use super::connect::host::Host;
use super::events;
use crate::cluster::label;
use crate::name::ClusterName;
use crate::plan::{Action, Plan};

/// An engine remembers its last 256 events. A list that is so much shorter is surely complete.
const SURE: usize = 200;

/// How much earlier than `since` events count: a socket of this machine may lead into a virtual one with a clock of its own.
const MARGIN: Duration = Duration::from_secs(1);

/// What an event says was done, and to what.
type Done<'n> = (&'static str, &'n str);

/// Whether nothing but what `plan` does happened to `cluster` since then (`GET /events`). Where that cannot be told it is not
/// so: a look at everything tells, and takes longer the more there is.
pub async fn only(plan: &Plan, cluster: &ClusterName, engine: &Engine, since: SystemTime) -> bool {
    let does: HashSet<Done<'_>> = plan
        .operations
        .iter()
        .filter_map(|o| Some((event_of(&o.action)?, o.subject.as_str())))
        .collect();
    // What ends something is looked at: it may have come back. And an engine elsewhere has another clock.
    if does.is_empty()
        || !plan
            .operations
            .iter()
            .all(|o| event_of(&o.action).is_some() || helps(&o.action))
        || !matches!(engine.host, Host::Unix(_))
    {
        return false;
    }
    let since = since.checked_sub(MARGIN).unwrap_or(since);
    let all = HashMap::new();
    let events = events::between(engine, since, SystemTime::now(), &all);
    let list = timeout(events::LISTEN, events.take(SURE + 1).collect::<Vec<_>>()).await;
    let list: Option<Vec<EventMessage>> = list
        .ok()
        .and_then(|list| list.into_iter().collect::<Result<_, _>>().ok());
    list.is_some_and(|list| list.len() <= SURE && only_done(&list, cluster, &does))
}

/// What the engine tells of an action when it is done.
fn event_of(action: &Action) -> Option<&'static str> {
    match action {
        Action::CreateNetwork(_) => Some("create network"),
        Action::CreateContainer(_) => Some("create"),
        Action::Start(_) => Some("start"),
        _ => None,
    }
}

/// Whether an action that the engine need not tell of leaves all as it was that ran before.
fn helps(action: &Action) -> bool {
    matches!(
        action,
        Action::LoadImage
            | Action::PullImage { .. }
            | Action::CreateVolume(_)
            | Action::Connect { .. }
            | Action::Await { .. }
    )
}

/// Whether `events` are of what the plan `does`, all of it, and of nothing else of `cluster`.
fn only_done(events: &[EventMessage], cluster: &ClusterName, does: &HashSet<Done<'_>>) -> bool {
    let mut done: HashSet<Done<'_>> = HashSet::new();
    for event in events {
        let action = event.action.as_deref().unwrap_or_default();
        let attributes = event.actor.as_ref().and_then(|a| a.attributes.as_ref());
        let attribute = |key: &str| attributes.and_then(|a| a.get(key)).map_or("", String::as_str);
        let name = attribute("name");
        let this = match event.typ {
            Some(EventMessageTypeEnum::CONTAINER) if attribute(label::CLUSTER) == cluster.as_str() => {
                match action.split(':').next().unwrap_or_default() {
                    "create" => ("create", name),
                    "start" => ("start", name),
                    "attach" | "archive-path" | "extract-to-dir" | "exec_create" | "exec_start" | "exec_die"
                    | "health_status" | "resize" | "top" => continue,
                    _ => return false,
                }
            }
            // A network's event does not say whose it is.
            Some(EventMessageTypeEnum::NETWORK) => match action {
                "create" => ("create network", name),
                "destroy" | "remove" => return false,
                _ => continue,
            },
            _ => continue,
        };
        if !does.contains(&this) {
            return false;
        }
        done.insert(this);
    }
    done.len() == does.len()
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;

    fn event(typ: EventMessageTypeEnum, action: &str, name: &str, cluster: &str) -> EventMessage {
        let attributes = [("name", name), (label::CLUSTER, cluster)];
        EventMessage {
            typ: Some(typ),
            action: Some(action.to_owned()),
            actor: Some(EventActor {
                id: None,
                attributes: Some(attributes.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
            }),
            ..EventMessage::default()
        }
    }

    #[test]
    fn what_was_planned_and_nothing_else_has_happened() {
        use EventMessageTypeEnum::{CONTAINER, NETWORK};
        let cluster: ClusterName = "lab".parse().expect("a name");
        let does = HashSet::from([
            ("create network", "net"),
            ("create", "a"),
            ("start", "a"),
            ("start", "b"),
        ]);
        let own = [
            event(NETWORK, "create", "net", ""),
            event(CONTAINER, "create", "a", "lab"),
            event(CONTAINER, "start", "a", "lab"),
            event(CONTAINER, "start", "b", "lab"),
        ];
        assert!(only_done(&own, &cluster, &does));
        for missing in 0..own.len() {
            let mut rest = own.to_vec();
            rest.remove(missing);
            assert!(!only_done(&rest, &cluster, &does), "{:?} is missing", own[missing]);
        }
        for (also, only) in [
            (event(CONTAINER, "die", "a", "lab"), false),
            (event(CONTAINER, "kill", "c", "lab"), false),
            (event(CONTAINER, "create", "c", "lab"), false),
            (event(CONTAINER, "create", "b", "lab"), false),
            (event(NETWORK, "create", "other", ""), false),
            (event(NETWORK, "destroy", "net", ""), false),
            (event(CONTAINER, "health_status: healthy", "c", "lab"), true),
            (event(CONTAINER, "exec_create: /bin/true", "c", "lab"), true),
            (event(NETWORK, "connect", "other", ""), true),
            (event(CONTAINER, "die", "a", "another"), true),
        ] {
            let all = [&own[..], std::slice::from_ref(&also)].concat();
            assert_eq!(only_done(&all, &cluster, &does), only, "{also:?}");
        }
    }
}
