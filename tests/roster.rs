//! How nodes that run are shown.

use topogen::cluster::Details;
use topogen::cluster::Health;
use topogen::cluster::HostPort;
use topogen::cluster::NamespaceKind;
use topogen::cluster::ObservedContainer;
use topogen::cluster::ObservedEndpoint;
use topogen::cluster::OwnerFate;
use topogen::cluster::SharedNamespace;
use topogen::cluster::State;
use topogen::cluster::label;
use topogen::roster::{NodeRow, rows, screen, table};

fn container(node: &str, service: &str, state: State, health: Option<Health>, exit: Option<i32>) -> ObservedContainer {
    let network = |network: &str, address: &str| ObservedEndpoint {
        network: network.to_owned(),
        network_id: None,
        address: address.parse().ok(),
        ..ObservedEndpoint::default()
    };
    let runs = state == State::Running;
    let labels = [
        (label::NODE, node),
        (label::ROLE, node.trim_end_matches(char::is_numeric)),
        (label::SERVICE, service),
    ];
    let mut endpoints = vec![network(&format!("{node}_internal"), if runs { "10.0.1.2" } else { "" })];
    if service == "api" {
        endpoints.insert(0, network("inout", if runs { "10.0.0.2" } else { "" }));
    }
    ObservedContainer {
        id: format!("id-{node}-{service}"),
        name: format!("{node}-{service}-1"),
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        state,
        health,
        exit,
        endpoints,
        ..ObservedContainer::default()
    }
}

fn of(containers: &[ObservedContainer]) -> Vec<NodeRow> {
    let names = containers.iter().filter(|c| c.service() == "api");
    let names = names.map(|c| (c.id.clone(), vec![c.node().to_owned()])).collect();
    let private = containers.iter().map(|c| format!("{}_internal", c.node())).collect();
    rows(&containers.iter().collect::<Vec<_>>(), &names, &private)
}

/// Everything that a state can be.
fn motley() -> Vec<ObservedContainer> {
    use State::{Created, Dead, Exited, Paused, Removing, Restarting, Running};
    let mut all = vec![
        container("head", "api", Running, Some(Health::Healthy), None),
        container("head", "db", Running, None, None),
        container("w1", "api", Running, Some(Health::Starting), None),
        container("w1", "db", Exited, None, Some(137)),
        container("w2", "api", Running, Some(Health::Unhealthy), None),
        container("w2", "db", Restarting, None, None),
        container("w3", "api", Paused, None, None),
        container("w3", "db", Created, None, None),
        container("w4", "api", Dead, None, None),
        container("w4", "db", Removing, None, None),
    ];
    let port = |own: &str, port, address: &str| {
        let address = address.parse().expect("an address");
        let udp = own.ends_with("udp");
        (HostPort { address, port, udp }, own.to_owned())
    };
    all[0].ports = vec![
        port("80/tcp", 8000, "0.0.0.0"),
        port("80/tcp", 8000, "0.0.0.0"),
        port("81/tcp", 8001, "0.0.0.0"),
        port("82/tcp", 8002, "0.0.0.0"),
    ];
    all[1].ports = vec![
        port("53/udp", 5353, "127.0.0.1"),
        port("90/tcp", 9000, "127.0.0.1"),
        port("53/tcp", 5353, "::1"),
    ];
    let labelled = |container: &mut ObservedContainer, key: &str, value: &str| {
        container.labels.insert(key.to_owned(), value.to_owned());
    };
    let mut done = container("w5", "job", Exited, None, Some(0));
    labelled(&mut done, label::DUTY, "may-end");
    let mut cut_off = container("w6", "side", Running, None, None);
    cut_off.details = Some(Details {
        shared: vec![SharedNamespace {
            kind: NamespaceKind::Network,
            owner: "1234".to_owned(),
            fate: Some(OwnerFate::Stopped("w6-api-1".to_owned())),
        }],
        ..Details::default()
    });
    let mut missing = container("w7", "db", Created, None, None);
    missing.id.clear();
    let ended = container("w8", "db", Exited, None, Some(0));
    all.extend([done, cut_off, missing, ended]);
    all
}

#[test]
fn a_table_says_all() {
    insta::assert_snapshot!("roster_table", table(&of(&motley())));
}

#[test]
fn json_says_the_same() {
    let rows = of(&motley()[..4]);
    insta::assert_snapshot!("roster_json", serde_json::to_string_pretty(&rows).expect("JSON"));
}

#[test]
fn a_screen_shows_what_fits_it() {
    let mut text = String::new();
    let many: Vec<ObservedContainer> = (1..=30)
        .flat_map(|n| {
            let exit = (n == 27).then_some(1);
            let state = exit.map_or(State::Running, |_| State::Exited);
            ["api", "db"].map(|service| container(&format!("w{n}"), service, state, None, exit))
        })
        .collect();
    for (containers, rows, columns) in [
        (&motley()[..], 24, 80),
        (&motley(), 24, 40),
        (&motley(), 8, 80),
        (&many, 24, 80),
        (&many[..2], 3, 20),
        (&[], 24, 80),
    ] {
        let screen = screen("lab", &of(containers), rows, columns);
        assert!(screen.len() <= usize::from(rows).max(4), "{screen:?}");
        text += &format!("--- {rows} rows of {columns}\n{}\n", screen.join("\n"));
    }
    insta::assert_snapshot!("roster_screens", text);
}
