//! Reconciliation, by golden text and against a pretended engine.

use std::collections::BTreeMap;

use topogen::cluster::Desired;
use topogen::cluster::Details;
use topogen::cluster::Observed;
use topogen::cluster::ObservedNetwork;
use topogen::cluster::State;
use topogen::cluster::Updatable;
use topogen::cluster::label;
use topogen::engine::translate::{Origin, translate};
use topogen::plan::reconcile::Options;
use topogen::plan::{Action, Kind, Plan, reconcile};

use crate::pretended::{Pretended, ready};

use crate::support::{LAB, expanded, lab, refused};
use topogen::topology::expand::Overrides;

fn desired(slaves: u32) -> Desired {
    translate(&lab(slaves), &Origin::default()).unwrap_or_else(|p| panic!("{p:?}"))
}

/// The lab with so many slaves, in another `edition` of its blueprint.
fn edited(slaves: u32, edition: usize) -> Desired {
    let [head, environment] = [
        ["", ""],
        ["inout: {driver_opts: {com.docker.network.driver.mtu: 1400}}", ""],
        ["", "environment: {SIZE: 2}"],
        ["internal: {internal: true}", "environment: {SIZE: 3}"],
    ][edition];
    let entry = "image: topogen/fake\n        expose";
    let text = LAB.replace(entry, &format!("{environment}\n        {entry}"));
    let overrides = Overrides {
        slaves: Some(slaves),
        ..Overrides::default()
    };
    of(&format!("{head}\n{text}"), &overrides)
}

/// What is desired by a blueprint that is valid.
fn of(text: &str, overrides: &Overrides) -> Desired {
    let topology = expanded(text, overrides).unwrap_or_else(|p| panic!("{p}"));
    translate(&topology, &Origin::default()).unwrap_or_else(|p| panic!("{p:?}"))
}

fn shown(plan: &Plan) -> String {
    plan.to_string()
}

#[test]
fn from_nothing() {
    let desired = desired(1);
    let plan = reconcile::up(&desired, &Observed::default(), &Options::default()).expect("no conflict");
    insta::assert_snapshot!("plan_from_nothing", shown(&plan));
    insta::assert_snapshot!(
        "plan_from_nothing_json",
        serde_json::to_string_pretty(&plan.operations[..4]).expect("JSON")
    );
}

#[test]
fn from_all_there_is_nothing_to_do() {
    let engine = Pretended::with(&desired(10));
    assert_eq!(engine.observed.containers.len(), 53);
    assert_eq!(engine.observed.networks.len(), 12);
    let plan = engine.up(&desired(10));
    assert_eq!(shown(&plan), "nothing to do");
}

#[test]
fn scaling_touches_no_other_container() {
    let mut engine = Pretended::with(&desired(2));
    let before = engine.names();
    let more = engine.up(&desired(3));
    insta::assert_snapshot!("plan_one_more", shown(&more));
    engine.apply(&more);
    let after = engine.names();
    assert!(before.iter().all(|(name, id)| after.get(name) == Some(id)));
    let fewer = engine.up(&desired(1));
    insta::assert_snapshot!("plan_fewer", shown(&fewer));
    engine.apply(&fewer);
    assert_eq!(engine.names().len(), 8);
}

#[test]
fn what_was_changed_by_hand_is_mended() {
    let mut engine = Pretended::with(&desired(2));
    engine.container("slave1-service_3-1").state = State::Exited;
    engine.container("slave1-service_4-1").state = State::Paused;
    engine
        .container("slave1-service_5-1")
        .labels
        .insert(label::CONFIG_HASH.to_owned(), "another".to_owned());
    engine
        .container("slave1-service_out-1")
        .endpoints
        .retain(|n| n.network != "inout");
    engine.container("slave2-service_5-1").state = State::Dead;
    engine.observed.containers.retain(|c| c.name != "master-service_3-1");
    engine
        .observed
        .networks
        .iter_mut()
        .find(|n| n.name == "slave2_internal")
        .expect("there")
        .id = "another".to_owned();
    engine
        .container("slave2-service_entry-1")
        .endpoints
        .iter_mut()
        .for_each(|n| n.network_id = None);
    let plan = engine.up(&desired(2));
    insta::assert_snapshot!("plan_mended", shown(&plan));
}

#[test]
fn a_role_that_left_the_blueprint_is_named_and_left_alone() {
    let mut engine = Pretended::with(&desired(1));
    for container in &mut engine.observed.containers {
        if container.node() == "slave1" {
            container.labels.insert(label::ROLE.to_owned(), "worker".to_owned());
            container.labels.insert(label::NODE.to_owned(), "worker1".to_owned());
        }
    }
    insta::assert_snapshot!("plan_orphans", shown(&engine.up(&desired(0))));
}

#[test]
fn what_is_foreign_is_in_the_way_or_made_way_for() {
    let foreign = |name: &str, subnet: &str, project: &str| ObservedNetwork {
        id: name.to_owned(),
        name: name.to_owned(),
        labels: BTreeMap::from([(label::compose::PROJECT.to_owned(), project.to_owned())]),
        subnets: vec![subnet.parse().expect("a subnet")],
        ..ObservedNetwork::default()
    };
    let observed = Observed {
        networks: vec![
            foreign("slave1_internal", "172.17.0.0/16", "slave1"),
            foreign("master_internal", "172.18.0.0/16", ""),
        ],
        ..Observed::default()
    };
    let conflicts = reconcile::up(&desired(1), &observed, &ready()).expect_err("in the way");
    let text: Vec<String> = conflicts.iter().map(|c| format!("{c}\nhint: {}", c.hint())).collect();
    insta::assert_snapshot!("conflicts", text.join("\n"));

    let desired = desired(1);
    let subnet = desired.nodes[1].networks[0].subnet.expect("a subnet").to_string();
    let mut engine = Pretended::default();
    engine.observed.networks.push(foreign("vpn", &subnet, ""));
    engine.observed.networks.push(foreign("inout", "172.19.0.0/16", ""));
    let plan = engine.up(&desired);
    let networks: Vec<String> = plan
        .operations
        .iter()
        .map(ToString::to_string)
        .filter(|o| o.contains("network"))
        .collect();
    insta::assert_snapshot!("plan_subnet_taken", networks.join("\n"));
    let notes = plan.notes.iter().filter(|n| n.contains("`inout`"));
    assert_eq!(
        notes.collect::<Vec<_>>(),
        [
            "network `inout` is there already and not of this cluster: it is used as it is, and `external: true` says that this \
          is meant"
        ]
    );
    engine.apply(&plan);
    assert!(
        engine.up(&desired).is_empty(),
        "another subnet is no reason to recreate anything"
    );
}

#[test]
fn a_network_to_be_recreated_has_no_guests() {
    let mut engine = Pretended::with(&desired(1));
    let inout = engine.endpoint("inout").network_id.expect("made");
    engine.guests(&inout, &["web", "proxy"]);
    assert!(engine.up(&desired(1)).is_empty(), "guests are no reason to do anything");
    let conflicts = reconcile::up(&edited(1, 1), &engine.observed, &ready()).expect_err("in the way");
    let text: Vec<String> = conflicts.iter().map(|c| format!("{c}\nhint: {}", c.hint())).collect();
    insta::assert_snapshot!("conflict_guests", text.join("\n"));

    // A network that nobody wants stays for its guests.
    let private = engine.endpoint("slave1_internal").network_id.expect("made");
    engine.observed.foreign.clear();
    engine.guests(&private, &["web"]);
    insta::assert_snapshot!("plan_surplus_with_guest", shown(&engine.up(&desired(0))));

    // So does one of a role that left the blueprint.
    let mut engine = Pretended::with(&desired(1));
    let stray = engine.container("slave1-service_out-1");
    stray.labels.insert(label::ROLE.to_owned(), "worker".to_owned());
    stray.name = "worker1-service_out-1".to_owned();
    stray.labels.insert(label::NAME.to_owned(), stray.name.clone());
    let conflicts = reconcile::up(&edited(1, 1), &engine.observed, &ready()).expect_err("in the way");
    assert_eq!(conflicts.len(), 1);
    insta::assert_snapshot!(
        "conflict_orphan",
        format!("{}\nhint: {}", conflicts[0], conflicts[0].hint())
    );
}

#[test]
fn an_orphan_whose_name_is_desired_is_recreated_in_silence() {
    let mut engine = Pretended::with(&desired(1));
    for container in &mut engine.observed.containers {
        container.labels.insert(label::ROLE.to_owned(), "worker".to_owned());
        container
            .labels
            .insert(label::CONFIG_HASH.to_owned(), "another".to_owned());
    }
    let plan = engine.up(&desired(1));
    assert_eq!(plan.notes, Vec::<String>::new());
    engine.apply(&plan);
    assert!(engine.up(&desired(1)).is_empty());
}

#[test]
fn a_recreated_network_keeps_its_subnet() {
    let mut engine = Pretended::with(&desired(1));
    let before = engine.observed.networks.clone();
    let plan = engine.up(&edited(1, 3));
    insta::assert_snapshot!("plan_network_recreated", shown(&plan));
    engine.apply(&plan);
    for network in &before {
        let now = engine.observed.networks.iter().find(|n| n.name == network.name);
        assert_eq!(now.map(|n| &n.subnets), Some(&network.subnets), "{}", network.name);
    }
}

#[test]
fn a_role_that_outgrows_its_subnets_gets_larger_ones() {
    let blueprint = |services: usize| {
        let services: Vec<String> = (0..services)
            .map(|n| format!("s{n}: {{image: topogen/fake}}"))
            .collect();
        let text = format!("roles: {{a: {{count: 2, services: {{{}}}}}}}", services.join(", "));
        of(&text, &Overrides::default())
    };
    let mut engine = Pretended::with(&blueprint(13));
    let larger = blueprint(14);
    let plan = engine.up(&larger);
    let networks: Vec<String> = plan
        .operations
        .iter()
        .filter(|o| o.action.kind() == Kind::Network)
        .map(|o| {
            let after = o.after.iter().map(|at| &plan.operations[*at]);
            let after = after.filter(|o| matches!(o.action, Action::RemoveNetwork { .. }));
            let after: Vec<&str> = after.map(|o| o.subject.as_str()).collect();
            format!("{o}; after {}", after.join(" "))
        })
        .collect();
    insta::assert_snapshot!("plan_outgrown", networks.join("\n"));
    engine.apply(&plan);
    for spec in larger.networks() {
        let observed = engine.observed.networks.iter().find(|n| n.name == spec.name.as_str());
        assert_eq!(
            observed.map(|n| n.subnets.clone()),
            Some(spec.subnet.into_iter().collect())
        );
    }
    assert!(engine.up(&larger).is_empty());
}

#[test]
fn a_network_that_left_the_blueprint_goes_after_its_containers() {
    let with = "roles: {a: {networks: {back: {}}, services: {x: {image: topogen/fake, networks: [internal, back]}}}}";
    let without = "roles: {a: {services: {x: {image: topogen/fake}}}}";
    let mut engine = Pretended::with(&of(with, &Overrides::default()));
    let without = of(without, &Overrides::default());
    let plan = engine.up(&without);
    insta::assert_snapshot!("plan_network_left", shown(&plan));
    engine.apply(&plan);
    assert!(engine.up(&without).is_empty());
}

#[test]
fn of_two_networks_of_one_name_the_one_in_use_stays() {
    let mut engine = Pretended::with(&desired(1));
    engine.duplicate("slave1_internal");
    engine.container("slave1-service_3-1").state = State::Exited;
    engine.observed.containers.retain(|c| c.name != "slave1-service_4-1");
    let plan = engine.up(&desired(1));
    insta::assert_snapshot!("plan_duplicate", shown(&plan));
    let removal = plan
        .operations
        .iter()
        .position(|o| matches!(o.action, Action::RemoveNetwork { .. }));
    let removal = removal.expect("one goes");
    for operation in &plan.operations {
        if matches!(operation.action, Action::CreateContainer(_) | Action::Start(_)) {
            let waits = |at: &usize| *at == removal || plan.operations[*at].after.contains(&removal);
            assert!(operation.after.iter().any(waits), "{operation}");
        }
    }
    engine.apply(&plan);
    assert!(engine.up(&desired(1)).is_empty());
}

#[test]
fn dependencies_start_first() {
    let text = "roles: {a: {services: {x: {image: topogen/fake, depends_on: [y]}, y: {image: topogen/fake, depends_on: {z: {condition: service_started}}}, z: {image: topogen/fake}}}}";
    let topology = expanded(text, &Overrides::default()).expect("valid");
    let desired = translate(&topology, &Origin::default()).expect("translated");
    let plan = Pretended::default().up(&desired);
    let starts: Vec<&str> = plan
        .operations
        .iter()
        .filter(|o| matches!(o.action, Action::Start(_)))
        .map(|o| o.subject.as_str())
        .collect();
    assert_eq!(starts, ["a-z-1", "a-y-1", "a-x-1"]);
}

#[test]
fn down_leaves_what_is_foreign() {
    let mut engine = Pretended::with(&desired(1));
    let inout = engine.endpoint("inout").network_id.expect("made");
    engine.guests(&inout, &["web", "proxy"]);
    let cluster = desired(1).cluster;
    let plan = reconcile::down(&cluster, &engine.observed, false);
    insta::assert_snapshot!("plan_down", shown(&plan));
    engine.apply(&plan);
    assert!(engine.observed.containers.is_empty());
    assert_eq!(engine.observed.networks.len(), 1, "`inout` stays for its guests");
}

#[test]
fn a_bridge_has_only_so_many_ports() {
    let overrides = |slaves| Overrides {
        slaves: Some(slaves),
        ..Overrides::default()
    };
    // Two of each slave and one of the master's are on `inout`, whose subnet holds 1021.
    of(LAB, &overrides(510));
    let mut text = refused(LAB, &overrides(511), &[]);
    let wide = format!("inout: {{ipam: {{config: [{{subnet: 10.0.0.0/16}}]}}}}\n{LAB}");
    of(&wide, &overrides(511));
    text += &refused(&wide, &overrides(512), &[]);
    insta::assert_snapshot!("bridge_full", text);
    of(&wide.replace("inout: {", "inout: {driver: macvlan, "), &overrides(512));
}

#[test]
fn values_of_a_wrong_shape_are_refused_by_their_paths() {
    let text = r#"
inout: {internal: "perhaps", labels: {io.topogen.node: x}, ipam: {config: {subnet: 10.0.0.0/8}}}
roles:
  a:
    entry: x
    services:
      x:
        image: topogen/fake
        command: {run: it}
        entrypoint: "sh -c 'echo"
        environment: {A: [b]}
        expose: {80: tcp}
        labels: [[a]]
        stop_grace_period: "-3s"
        stop_signal: [TERM]
        networks: {internal: {priority: much}}
      y: {image: topogen/fake, stop_grace_period: inf, environment: [[A, b]], command: [[a]]}
"#;
    insta::assert_snapshot!("wrong_shapes_up", refused(text, &Overrides::default(), &[]));
}

#[test]
fn values_are_read_as_compose_reads_them() {
    let text = r#"
vars: {first: "7"}
inout: {internal: "${INTERNAL:-true}", labels: {com.docker.compose.network: mine, team: lab}}
roles:
  a:
    entry: x
    services:
      x:
        image: topogen/fake
        command: "run --colour=#fff # 'no comment'"
        networks: {internal: {}, inout: {priority: "{{ vars.first }}"}}
"#;
    let desired = of(text, &Overrides::default());
    assert_eq!(desired.inout.internal, Some(true));
    let labels = &desired.inout.labels;
    assert_eq!(labels[label::compose::NETWORK], "inout", "topogen's own labels win");
    assert_eq!(labels["team"], "lab");
    let container = &desired.nodes[0].containers[0];
    let command = container.config.command.clone().unwrap_or_default();
    assert_eq!(command, ["run", "--colour=#fff", "#", "no comment"]);
    assert_eq!(
        container.endpoints[0].network.as_str(),
        "inout",
        "the higher priority first"
    );
}

#[test]
fn another_pool_moves_the_networks_that_are_not_in_it() {
    let blueprint = |addresses: &str| {
        let text = format!("addresses: {addresses}\nroles: {{a: {{services: {{x: {{image: topogen/fake}}}}}}}}");
        of(&text, &Overrides::default())
    };
    let mut engine = Pretended::with(&blueprint("{pool: 10.192.0.0/11}"));
    // One that all of it lies in moves nothing.
    assert!(engine.up(&blueprint("{pool: 10.0.0.0/8}")).is_empty());
    let plan = engine.up(&blueprint("{pool: 172.28.0.0/16}"));
    insta::assert_snapshot!("plan_another_pool", shown(&plan));
    engine.apply(&plan);
    assert!(engine.up(&blueprint("{pool: 172.28.0.0/16}")).is_empty());
    let plan = engine.up(&blueprint("engine"));
    insta::assert_snapshot!("plan_no_pool", shown(&plan));
}

#[test]
fn a_network_that_is_called_otherwise_is_the_cause_that_is_told() {
    let blueprint = |inout: &str| {
        let text = format!("inout: {inout}\nroles: {{a: {{entry: x, services: {{x: {{image: topogen/fake}}}}}}}}");
        of(&text, &Overrides::default())
    };
    let engine = Pretended::with(&blueprint("{}"));
    let plan = engine.up(&blueprint("{name: corp}"));
    insta::assert_snapshot!("plan_inout_renamed", shown(&plan));
}

/// `docker update` is found in whatever it changes; what the engine reports of itself is no change.
#[test]
fn what_docker_update_changed_is_mended() {
    const LIMITS: &str = "mem_limit: 1g, memswap_limit: 2g, mem_reservation: 512m, cpus: 0.5, cpu_shares: 512, \
                          cpuset: \"0\", pids_limit: 100, restart: \"on-failure:3\"";
    let of_limits = |limits: &str| {
        let text = format!("roles: {{a: {{services: {{x: {{image: i, {limits}}}}}}}}}");
        of(&text, &Overrides::default())
    };
    let as_asked = || Updatable {
        memory: 1 << 30,
        memory_and_swap: 2 << 30,
        memory_reservation: 512 << 20,
        nano_cpus: 500_000_000,
        cpu_shares: 512,
        cpuset: "0".to_owned(),
        pids: 100,
        restart: "on-failure".to_owned(),
        max_retries: 3,
        ..Updatable::default()
    };
    let plan = |limits: &str, update: Updatable| {
        let desired = of_limits(limits);
        let mut engine = Pretended::with(&desired);
        let name = desired.nodes[0].containers[0].name.to_string();
        engine.container(&name).details = Some(Details {
            update,
            ..Details::default()
        });
        shown(&engine.up(&desired))
    };
    let none = || Updatable {
        restart: "no".to_owned(),
        ..Updatable::default()
    };
    // An engine without a control group reports 0, and one that sets twice the memory says so.
    let default_swap = Updatable {
        memory: 1 << 30,
        memory_and_swap: 2 << 30,
        ..none()
    };
    for (limits, update) in [
        (LIMITS, as_asked()),
        (LIMITS, Updatable::default()),
        ("environment: {}", none()),
        ("mem_limit: 1g", default_swap),
        ("environment: {}", Updatable { pids: 2048, ..none() }),
        (
            "memswap_limit: 2g",
            Updatable {
                memory_and_swap: -1,
                ..none()
            },
        ),
    ] {
        assert_eq!(plan(limits, update.clone()), "nothing to do", "{limits} {update:?}");
    }
    let mut text = String::new();
    type Deed = fn(&mut Updatable);
    let deeds: [Deed; 11] = [
        |u| u.memory = 1 << 20,
        |u| u.memory_and_swap = 3 << 30,
        |u| u.memory_reservation = 1 << 20,
        |u| u.nano_cpus = 1_000_000_000,
        |u| u.cpu_shares = 7,
        |u| u.cpu_period = 50_000,
        |u| u.cpu_quota = 10_000,
        |u| u.cpuset = "1".to_owned(),
        |u| u.pids = 7,
        |u| u.restart = "always".to_owned(),
        |u| u.max_retries = 5,
    ];
    for deed in deeds {
        let mut update = as_asked();
        deed(&mut update);
        let changed = plan(LIMITS, update);
        text += changed.lines().find(|l| l.contains("by hand")).unwrap_or("nothing");
        text += "\n";
    }
    for deed in [deeds[0], deeds[7], deeds[9]] {
        let mut update = none();
        deed(&mut update);
        let changed = plan("environment: {}", update);
        text += changed.lines().find(|l| l.contains("by hand")).unwrap_or("nothing");
        text += "\n";
    }
    insta::assert_snapshot!(text);
}
