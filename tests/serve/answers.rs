//! What is answered about a roster.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use topogen::cluster::roster::{Address, Exposed, Instance, Moment, Node, Published, Roster, Stale};
use topogen::cluster::{Health, HostPort, ObservedContainer, State, label};
use topogen::serve::addresses::{self, hosts, targets};
use topogen::serve::answer;
use topogen::serve::metrics::{Counts, metrics};
use topogen::serve::refusal::Refusal;
use topogen::serve::view::View;
use topogen::topology::Topology;
use topogen::topology::expand::Overrides;

use crate::support::expanded;

pub(super) const START: Moment = Moment(1_790_000_000_000);

/// A container that is on the shared network with these names, or on its node's alone if it has none.
pub(super) fn instance(node: &str, service: &str, last: u8, names: &[&str]) -> Instance {
    let role = node.trim_end_matches(|c: char| c.is_ascii_digit());
    let container = format!("lab-{node}-{service}-1");
    let own = Address {
        network: format!("lab-{node}_internal"),
        address: Some(IpAddr::from([10, 1, 0, last])),
        names: vec![service.to_owned(), container.clone()],
    };
    let shared = Address {
        network: "lab-inout".to_owned(),
        address: Some(IpAddr::from([10, 0, 0, last])),
        names: names
            .iter()
            .map(|n| (*n).to_owned())
            .chain([format!("{node}-{service}"), container.clone()])
            .collect(),
    };
    let is_shared = !names.is_empty();
    // What no answer may have in it.
    let labels = [
        (label::NODE, node),
        (label::ROLE, role),
        (label::SERVICE, service),
        (label::compose::CONTAINER_NUMBER, "1"),
        (label::DEFINITION, "environment: {PASSWORD: hunter2}"),
        ("secret", "hunter2"),
    ];
    let inspected = ObservedContainer {
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        ..ObservedContainer::default()
    };
    let mut instance = Instance {
        id: format!("{last:064x}"),
        node: node.to_owned(),
        role: role.to_owned(),
        service: service.to_owned(),
        number: 1,
        image: format!("shop/{service}"),
        state: State::Running,
        since: Some(START),
        address: shared.address.filter(|_| is_shared),
        addresses: if is_shared { vec![shared, own] } else { vec![own] },
        exposed: vec![Exposed {
            port: 443,
            protocol: "tcp".to_owned(),
        }],
        stop_signal: 15,
        stop_timeout: 10,
        inspected: Arc::new(inspected),
        container,
        ..Instance::default()
    };
    instance.judge(START);
    instance
}

/// As it is when its process has ended with that status.
pub(super) fn ended(mut instance: Instance, exit: i32) -> Instance {
    (instance.state, instance.exit, instance.address) = (State::Exited, Some(exit), None);
    instance.addresses.iter_mut().for_each(|a| a.address = None);
    instance.judge(START);
    instance
}

pub(super) fn roster(revision: u64, instances: Vec<Instance>) -> Arc<Roster> {
    let mut nodes: Vec<Node> = Vec::new();
    for instance in instances {
        let instance = Arc::new(instance);
        match nodes.last_mut() {
            Some(node) if node.node == instance.node => node.instances.push(instance),
            _ => nodes.push(Node {
                node: instance.node.clone(),
                role: instance.role.clone(),
                instances: vec![instance],
            }),
        }
    }
    let mut roster = Roster::unknown("lab", START);
    (roster.revision, roster.stale, roster.nodes) = (revision, None, nodes);
    Arc::new(roster)
}

pub(super) fn instances() -> Vec<Instance> {
    let mut master = instance("master", "app", 2, &["master", "boss"]);
    master.published = vec![Published {
        host: HostPort {
            address: IpAddr::from([0, 0, 0, 0]),
            port: 8443,
            udp: false,
        },
        port: 443,
    }];
    let mut ill = instance("slave2", "app", 4, &["slave2"]);
    ill.health = Some(Health::Unhealthy);
    ill.judge(START);
    let mut leaving = instance("slave2", "db", 5, &[]);
    leaving.leaving = true;
    vec![
        master,
        instance("slave1", "app", 3, &["slave1"]),
        instance("slave1", "db", 6, &[]),
        ill,
        leaving,
        ended(instance("slave3", "app", 7, &["slave3"]), 137),
        instance("slave3", "db", 8, &[]),
    ]
}

pub(super) fn topology() -> Arc<Topology> {
    let blueprint = "name: lab\nroles:\n  master: {entry: app, services: {app: {image: shop/app}}}\n  \
        slave: {count: 4, entry: app, services: {app: {image: shop/app}, db: {image: shop/db}, cron: {image: shop/cron}}}\n";
    Arc::new(expanded(blueprint, &Overrides::default()).expect("a blueprint"))
}

/// Three slaves of four, each of which lacks its `cron`.
pub(super) fn view() -> View {
    let unknown = View::unknown("lab", START);
    unknown
        .next(&roster(1, instances()), Some(&topology()))
        .expect("it differs")
}

/// A view of the same that may be out of date.
fn stale(view: &View, revision: u64, instances: Vec<Instance>) -> View {
    let mut roster = Roster::clone(&roster(revision, instances));
    roster.stale = Some(Stale {
        since: START,
        reason: "the engine is restarting".to_owned(),
    });
    view.next(&Arc::new(roster), None).expect("it differs")
}

fn text(answer: impl Serialize) -> String {
    serde_json::to_string_pretty(&answer).expect("JSON")
}

fn refused<T>(result: Result<T, Refusal>) -> String {
    let refusal = result.err().expect("it is refused");
    format!("{} {}", refusal.status, text(&refusal))
}

#[test]
fn nodes_are_told_with_what_is_missing() {
    let view = view();
    insta::assert_snapshot!("serve_roster", text(answer::roster(&view, false)));
    insta::assert_snapshot!(
        "serve_node",
        text(answer::one_node(&view, "slave2", false).expect("it is there"))
    );
    let ready = [
        text(answer::roster(&view, true)),
        text(answer::role(&view, "slave", true).expect("it is there")),
        text(answer::one_node(&view, "slave3", true).expect("it is there")),
        text(answer::service(&view, "db", true).expect("it is there")),
    ];
    // What is ill, leaves, has ended or is missing is in none of them.
    for answer in ready {
        let all: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        let nodes = all["nodes"].as_array().cloned().unwrap_or_else(|| vec![all.clone()]);
        let instances = nodes.iter().flat_map(|n| n["instances"].as_array().expect("a list"));
        let ids: Vec<&str> = instances.map(|i| i["id"].as_str().expect("an ID")).collect();
        assert!(
            !ids.is_empty()
                && ids
                    .iter()
                    .all(|id| ["2", "3", "6", "8"].iter().any(|i| id.ends_with(i))),
            "{ids:?}"
        );
    }
}

#[test]
fn what_is_not_known_is_named_with_what_was_meant() {
    let view = view();
    let all = [
        refused(answer::one_node(&view, "slav2", false)),
        refused(answer::role(&view, "x", false)),
        refused(answer::service(&view, "dbs", false)),
        refused(answer::check_service(&view, "slave1", "web")),
        refused(answer::one_node(&View::unknown("lab", START), "slave1", false)),
    ];
    insta::assert_snapshot!("serve_unknown", all.join("\n"));
}

#[test]
fn no_answer_has_a_variable_or_a_label() {
    let view = view();
    let all = [
        text(answer::roster(&view, false)),
        text(answer::changes(&View::unknown("lab", START), &view)),
        text(addresses::of(&view, "slave")),
        text(targets(&view, None, None, None).expect("targets")),
        hosts(&view).expect("lines"),
    ];
    assert!(
        all.iter()
            .all(|answer| !answer.contains("hunter2") && !answer.contains("PASSWORD"))
    );
}

/// Whoever has the snapshot and takes the changes has what a snapshot would say now.
#[test]
fn changes_lead_from_one_roster_to_the_next() {
    let before = view();
    let mut now = instances();
    now.remove(6);
    now[5] = ended(now[5].clone(), 1);
    now.remove(0);
    let now = roster(2, now);
    let after = before.next(&now, Some(&topology())).expect("it differs");
    assert_eq!(after.revision, before.revision + 1);
    assert!(after.next(&now, Some(&topology())).is_none(), "the same is no change");
    let changes = answer::changes(&before, &after);
    insta::assert_snapshot!("serve_changes", text(&changes));
    let nodes = |text: String| -> Vec<serde_json::Value> {
        let all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        all["nodes"].as_array().expect("nodes").clone()
    };
    let changed = nodes(text(&changes));
    let is_changed = |node: &serde_json::Value| changed.iter().any(|c| c["node"] == node["node"]);
    let mut kept: Vec<_> = nodes(text(answer::roster(&before, false)))
        .into_iter()
        .filter(|n| !is_changed(n))
        .collect();
    kept.extend(changed.clone());
    kept.sort_by_key(|node| node["node"].to_string());
    assert_eq!(kept, nodes(text(answer::roster(&after, false))));
}

#[test]
fn a_cluster_that_is_not_there_lacks_all_of_its_blueprint() {
    let unknown = View::unknown("lab", START);
    assert!(unknown.nodes.is_empty() && unknown.is_unknown());
    let empty = unknown
        .next(&roster(1, Vec::new()), Some(&topology()))
        .expect("it is known to be empty");
    let count = |view: &View| {
        view.containers()
            .filter(|(_, member)| member.present().is_none())
            .count()
    };
    assert_eq!((empty.nodes.len(), count(&empty)), (5, 13));
    assert!(!empty.is_unknown());
    // Without a blueprint nothing is missed; and nothing more while not everything is known.
    let empty = unknown
        .next(&roster(1, Vec::new()), None)
        .expect("it is known to be empty");
    assert_eq!(empty.nodes.len(), 0);
    let partly = stale(&unknown, 2, instances());
    assert_eq!(count(&partly), 0);
}

#[test]
fn addresses_are_those_of_what_was_named() {
    let view = view();
    let names = [
        "slave",
        "slave1",
        "slave3",
        "slave/db",
        "slave1/db",
        "lab-slave1-db-1",
        "slave1-db",
        "db",
        "cron",
        "slaves",
        "nope",
        "",
    ];
    let all = names.map(|name| serde_json::to_string(&addresses::of(&view, name)).expect("JSON"));
    let lost = serde_json::to_string(&addresses::of(&stale(&view, 2, instances()), "slave1")).expect("JSON");
    insta::assert_snapshot!("serve_addresses", [&all[..], &[lost]].concat().join("\n"));
}

#[test]
fn targets_are_entries_that_run() {
    let view = view();
    let told = |role, service, port| match targets(&view, role, service, port) {
        Ok(targets) => serde_json::to_string(&targets).expect("JSON"),
        Err(refusal) => format!("{} {}", refusal.status, serde_json::to_string(&refusal).expect("JSON")),
    };
    let mut silent = instances();
    silent.iter_mut().for_each(|i| i.exposed.clear());
    let silent = view.next(&roster(2, silent), None).expect("it differs");
    let none = view
        .next(
            &roster(2, vec![ended(instance("slave1", "app", 3, &["slave1"]), 0)]),
            None,
        )
        .expect("it differs");
    let all = [
        told(None, None, None),
        told(Some("slave"), None, Some(9100)),
        told(Some("slave"), Some("db"), None),
        told(Some("slav"), None, None),
        told(None, Some("dbx"), None),
        refused(targets(&silent, None, None, None)),
        refused(targets(&none, Some("slave"), None, Some(9100))),
        refused(targets(&stale(&view, 2, instances()), Some("slave"), None, Some(9100))),
    ];
    insta::assert_snapshot!("serve_targets", all.join("\n"));
}

#[test]
fn hosts_are_lines_that_nobody_can_break() {
    let mut all = instances();
    all[1].addresses[0].names.push("evil\n10.9.9.9\tbank".to_owned());
    let view = view().next(&roster(2, all.clone()), None).expect("it differs");
    let lost = stale(&view, 3, all);
    let texts = [
        hosts(&view).expect("lines"),
        hosts(&lost).expect("lines"),
        refused(hosts(&View::unknown("lab", START))),
    ];
    insta::assert_snapshot!("serve_hosts", texts.join("\n"));
}

#[test]
fn metrics_are_as_prometheus_reads_them() {
    let counts = Counts {
        requests: 7,
        refused: 1,
        streams: 2,
    };
    insta::assert_snapshot!("serve_metrics", metrics(&view(), counts));
}
