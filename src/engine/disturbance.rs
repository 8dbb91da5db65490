//! Decides from the engine's events whether anything but the plan changed a cluster.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use super::changes::{Change, ContainerEvent, NetworkEvent, Past, Topic};
use super::connect::Engine;
use super::connect::host::Host;
use crate::name::ClusterName;
use crate::plan::{Action, Plan};

/// The most events of a complete list. An engine keeps its last 256, so that a list this much shorter lacks none.
const SURE: usize = 200;

/// How much before `since` events are read, because a local socket may lead to a virtual machine with a clock of its
/// own.
const MARGIN: Duration = Duration::from_secs(1);

/// A change by the plan that the engine reports, with the name of the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Effect<'n> {
    NetworkCreated(&'n str),
    ContainerCreated(&'n str),
    ContainerStarted(&'n str),
}

/// Whether the engine's events show that since `since` the plan was carried out and nothing else changed `cluster`. It
/// is false if the events do not suffice, in which case the cluster must be observed again, which takes longer.
pub async fn is_ruled_out(plan: &Plan, cluster: &ClusterName, engine: &Engine, since: SystemTime) -> bool {
    let expected: HashSet<Effect<'_>> = plan
        .operations
        .iter()
        .filter_map(|o| effect(&o.action, &o.subject))
        .collect();
    // What was stopped or removed may have come back, which only an observation shows. An engine on another machine has
    // another clock, so that its events cannot be compared with `since`.
    let can_tell = |action: &Action| effect(action, "").is_some() || is_harmless(action);
    if expected.is_empty()
        || !plan.operations.iter().all(|o| can_tell(&o.action))
        || !matches!(engine.host, Host::Unix(_))
    {
        return false;
    }
    let since = since.checked_sub(MARGIN).unwrap_or(since);
    // All events are read, since events of any kind may push others out of the engine's memory.
    let past = Past::between(engine, Topic::Everything, since, SystemTime::now()).await;
    past.is_whole && past.events <= SURE && is_as_expected(&past.changes, cluster, &expected)
}

/// The event that the engine reports when the action on `subject` is done; `None` if it reports none that is checked
/// here.
fn effect<'n>(action: &Action, subject: &'n str) -> Option<Effect<'n>> {
    match action {
        Action::CreateNetwork(_) => Some(Effect::NetworkCreated(subject)),
        Action::CreateContainer(_) => Some(Effect::ContainerCreated(subject)),
        Action::Start(_) => Some(Effect::ContainerStarted(subject)),
        _ => None,
    }
}

/// Whether this action emits no event that is checked here and cannot disturb running containers.
fn is_harmless(action: &Action) -> bool {
    matches!(
        action,
        Action::LoadImage
            | Action::PullImage { .. }
            | Action::CreateVolume(_)
            | Action::Connect { .. }
            | Action::Await { .. }
    )
}

/// Whether `changes` are exactly the `expected` ones, without others of `cluster`.
fn is_as_expected(changes: &[Change], cluster: &ClusterName, expected: &HashSet<Effect<'_>>) -> bool {
    let mut found: HashSet<Effect<'_>> = HashSet::new();
    for change in changes {
        let effect = match change {
            Change::Container(change) if change.is_of(cluster) => match change.event {
                ContainerEvent::Created => Effect::ContainerCreated(&change.name),
                ContainerEvent::Started => Effect::ContainerStarted(&change.name),
                ContainerEvent::Health(_) | ContainerEvent::Visited => continue,
                _ => return false,
            },
            Change::Container(_) => continue,
            // Events of networks have no labels, so any other network may be the cluster's.
            Change::Network(change) => match change.event {
                NetworkEvent::Created => Effect::NetworkCreated(&change.name),
                NetworkEvent::Removed => return false,
                _ => continue,
            },
        };
        if !expected.contains(&effect) {
            return false;
        }
        found.insert(effect);
    }
    found.len() == expected.len()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cluster::{Health, label};
    use crate::engine::changes::{ContainerChange, NetworkChange};

    fn container(event: ContainerEvent, name: &str, cluster: &str) -> Change {
        Change::Container(ContainerChange {
            at: SystemTime::UNIX_EPOCH,
            id: format!("id of {name}"),
            name: name.to_owned(),
            labels: BTreeMap::from([(label::CLUSTER.to_owned(), cluster.to_owned())]),
            event,
        })
    }

    fn network(event: NetworkEvent, name: &str) -> Change {
        Change::Network(NetworkChange {
            at: SystemTime::UNIX_EPOCH,
            id: format!("id of {name}"),
            name: name.to_owned(),
            event,
        })
    }

    #[test]
    fn what_was_planned_and_nothing_else_has_happened() {
        use ContainerEvent::{Created, Died, Signalled, Started, Visited};
        let cluster: ClusterName = "lab".parse().expect("a name");
        let expected = HashSet::from([
            Effect::NetworkCreated("net"),
            Effect::ContainerCreated("a"),
            Effect::ContainerStarted("a"),
            Effect::ContainerStarted("b"),
        ]);
        let own = [
            network(NetworkEvent::Created, "net"),
            container(Created, "a", "lab"),
            container(Started, "a", "lab"),
            container(Started, "b", "lab"),
        ];
        assert!(is_as_expected(&own, &cluster, &expected));
        for missing in 0..own.len() {
            let mut rest = own.to_vec();
            rest.remove(missing);
            assert!(
                !is_as_expected(&rest, &cluster, &expected),
                "{:?} is missing",
                own[missing]
            );
        }
        for (also, expects) in [
            (container(Died(Some(0)), "a", "lab"), false),
            (container(Signalled(Some(1)), "c", "lab"), false),
            (container(Created, "c", "lab"), false),
            (container(Created, "b", "lab"), false),
            (network(NetworkEvent::Created, "other"), false),
            (network(NetworkEvent::Removed, "net"), false),
            (container(ContainerEvent::Health(Health::Healthy), "c", "lab"), true),
            (container(Visited, "c", "lab"), true),
            (network(NetworkEvent::Connected("c".to_owned()), "other"), true),
            (container(Died(Some(0)), "a", "another"), true),
        ] {
            let all = [&own[..], std::slice::from_ref(&also)].concat();
            assert_eq!(is_as_expected(&all, &cluster, &expected), expects, "{also:?}");
        }
    }
}
