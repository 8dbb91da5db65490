//! Verifying without an engine: what would be found, and what containers would answer, is made up as engines do it.

mod engine;

use std::collections::BTreeSet;
use std::time::Duration;

use engine::Engine;
use proptest::prelude::*;
use topogen::cluster::label;
use topogen::cluster::{Health, NamespaceKind, OwnerFate, SharedNamespace, State};
use topogen::topology::Topology;
use topogen::topology::expand::Overrides;
use topogen::verify::Scope;
use topogen::verify::expect::{Check, Expectations, Kinds};
use topogen::verify::junit::junit;
use topogen::verify::model::Model;
use topogen::verify::report::{Kind, Report};
use topogen::verify::table::table;

use crate::support::{expanded, lab};

const ALL: Kinds = Kinds {
    names: true,
    paths: true,
};

fn everything(model: &Model<'_>) -> Scope {
    Scope {
        members: (0..model.members.len()).collect(),
        all: true,
        shape: true,
        kinds: ALL,
    }
}

/// As people see it.
fn shown(report: &Report) -> String {
    let notes: String = report.notes.iter().map(|n| format!("note: {n}\n")).collect();
    format!("{}{notes}{}\n", table(report, 140), report.summary())
}

/// Who reaches whom, as a picture.
fn pictured(report: &Report) -> String {
    report.matrix.as_ref().expect("it was asked for").svg()
}

/// One fault on a right cluster of two slaves, and how it is reported.
fn fault(make: impl FnOnce(&mut Engine)) -> String {
    let topology = lab(2);
    let mut engine = Engine::of(&topology);
    make(&mut engine);
    shown(&engine.verify(&topology, everything))
}

fn blueprint(text: &str) -> Topology {
    expanded(text, &Overrides::default()).expect("it is valid")
}

/// Services that share names, links, a network namespace, networks of their own and of others.
const CROOKED: &str = "
name: shop
roles:
  head:
    entry: {api: head, admin: [admin, Office]}
    services:
      api: {image: topogen/fake, expose: [80, 443/tcp, 53/udp], links: [db, 'cache:quick']}
      admin: {image: topogen/fake, expose: [8000-8002]}
      db: {image: topogen/fake, expose: [5432]}
      cache: {image: 'redis:7', expose: [6379], hostname: cache}
      pool: {image: topogen/fake, expose: [7000], scale: 3}
      side: {image: topogen/fake, network_mode: 'service:api', expose: [9000]}
      batch: {image: topogen/fake, network_mode: none}
  worker:
    count: 3
    entry: agent
    exit: [out, pump]
    services:
      agent: {image: topogen/fake, expose: [80], networks: {internal: {aliases: [api, 'db']}, back: {}}}
      out: {image: topogen/fake}
      pump: {image: topogen/fake, networks: [inout, back]}
      store: {image: topogen/fake, expose: [5432], networks: {back: {aliases: ['{{ node.name }}-store']}}}
    networks: {back: {internal: true}}
";

#[test]
fn a_right_cluster_has_no_findings() {
    let crooked = blueprint(CROOKED);
    for topology in [lab(0), lab(1), lab(2), lab(5), crooked] {
        let report = Engine::of(&topology).verify(&topology, everything);
        assert!(report.right && report.findings.is_empty(), "{}", shown(&report));
        assert!(pictured(&report).contains("all as expected"));
        assert_eq!(table(&report, 140), "");
    }
    let topology = lab(3);
    insta::assert_snapshot!(Engine::of(&topology).verify(&topology, everything).summary());
}

#[test]
fn an_alias_is_missing() {
    insta::assert_snapshot!(fault(|engine| {
        engine.disconnect("slave1-service_entry-1", "inout");
        engine.connect("slave1-service_entry-1", "inout", &["slave1-service_entry"]);
    }));
}

#[test]
fn an_alias_has_a_second_owner() {
    insta::assert_snapshot!(fault(|engine| {
        engine.disconnect("slave2-service_out-1", "inout");
        engine.connect("slave2-service_out-1", "inout", &["slave2-service_out", "slave1"]);
    }));
}

#[test]
fn a_container_is_off_inout() {
    insta::assert_snapshot!(
        "off_inout_entry",
        fault(|e| e.disconnect("slave1-service_entry-1", "inout"))
    );
    insta::assert_snapshot!(
        "off_inout_exit",
        fault(|e| e.disconnect("slave1-service_out-1", "inout"))
    );
}

#[test]
fn a_private_network_is_shared() {
    insta::assert_snapshot!(fault(|e| e.connect(
        "slave2-service_3-1",
        "slave1_internal",
        &["service_3"]
    )));
}

#[test]
fn a_port_is_closed() {
    insta::assert_snapshot!(fault(|engine| {
        engine.listening.remove("slave1-service_entry-1");
    }));
}

#[test]
fn a_service_does_not_run() {
    insta::assert_snapshot!("stopped", fault(|e| e.stop("slave1-service_4-1")));
    insta::assert_snapshot!(
        "paused",
        fault(|e| e.container("slave1-service_4-1").state = State::Paused)
    );
    insta::assert_snapshot!(
        "restarting",
        fault(|engine| {
            engine.stop("slave1-service_4-1");
            engine.container("slave1-service_4-1").state = State::Restarting;
        })
    );
    let unstarted = |engine: &mut Engine, name: &str| {
        engine.stop(name);
        let container = engine.container(name);
        (container.state, container.exit) = (State::Created, None);
    };
    insta::assert_snapshot!("unstarted", fault(|e| unstarted(e, "slave1-service_4-1")));
    insta::assert_snapshot!(
        "unstarted_many",
        fault(|engine| (1..=5).for_each(|at| match at {
            1 => unstarted(engine, "slave1-service_entry-1"),
            2 => unstarted(engine, "slave1-service_out-1"),
            at => unstarted(engine, &format!("slave1-service_{at}-1")),
        }))
    );
    insta::assert_snapshot!(
        "start_failed",
        fault(|engine| {
            unstarted(engine, "slave1-service_4-1");
            let error = "driver failed programming external connectivity: port is already allocated";
            let details = engine.container("slave1-service_4-1").details.as_mut();
            details.expect("inspected").start_error = error.to_owned();
        })
    );
    insta::assert_snapshot!(
        "missing",
        fault(|e| e.found.containers.retain(|c| c.name != "slave1-service_4-1"))
    );
    insta::assert_snapshot!(
        "all_stopped",
        fault(|engine| {
            let names: Vec<String> = engine.found.containers.iter().map(|c| c.name.clone()).collect();
            names.iter().for_each(|name| engine.stop(name));
        })
    );
}

/// A service that shares a network, one that does its work and ends, one that waits for it, and one on no network.
const DUTIES: &str = "
name: duty
roles:
  r:
    entry: web
    services:
      web: {image: topogen/fake, expose: [80], depends_on: {migrate: {condition: service_completed_successfully}}}
      migrate: {image: topogen/fake}
      once: {image: topogen/fake, restart: 'no'}
      side: {image: topogen/fake, network_mode: 'service:web', expose: [90]}
      alone: {image: topogen/fake, network_mode: none}
";

/// That cluster with its jobs done and one fault on it.
fn duties(make: impl FnOnce(&mut Engine)) -> (Topology, Engine) {
    let topology = blueprint(DUTIES);
    let mut engine = Engine::of(&topology);
    for job in ["duty-r-migrate-1", "duty-r-once-1"] {
        engine.stop(job);
        engine.container(job).exit = Some(0);
    }
    make(&mut engine);
    (topology, engine)
}

/// What one fault on that cluster is told as, to those who ask from `service` alone.
fn told_from(service: &str, make: impl FnOnce(&mut Engine)) -> Report {
    let (topology, engine) = duties(make);
    engine.verify(&topology, |model| Scope {
        members: (0..model.members.len())
            .filter(|m| model.label(*m) == service)
            .collect(),
        all: false,
        ..everything(model)
    })
}

fn lose_network(engine: &mut Engine, fate: OwnerFate) {
    let owner = engine.container("duty-r-web-1").id.clone();
    let details = engine.container("duty-r-side-1").details.as_mut().expect("inspected");
    details.started = Some(Duration::from_secs(5));
    details.shared.push(SharedNamespace {
        kind: NamespaceKind::Network,
        owner,
        fate: Some(fate),
    });
}

#[test]
fn jobs_that_are_done_and_what_shares_a_network_are_right() {
    let (topology, engine) = duties(|_| {});
    let report = engine.verify(&topology, everything);
    assert!(report.right, "{}", shown(&report));
    assert!(pictured(&report).contains("all as expected"));
    // The one that shares a network is asked as that one's owner is.
    assert_eq!(report.proved.containers, 2);
    let alive = |engine: &mut Engine| {
        lose_network(
            engine,
            OwnerFate::Runs("duty-r-web-1".to_owned(), Some(Duration::from_secs(4))),
        );
    };
    let report = told_from("side", alive);
    assert!(report.right && report.proved.containers == 1, "{}", shown(&report));
    let notes: Vec<String> = ["migrate", "once", "alone"]
        .into_iter()
        .flat_map(|service| told_from(service, |_| {}).notes)
        .collect();
    insta::assert_snapshot!("not_asked", notes.join("\n"));
}

#[test]
fn what_ends_otherwise_than_it_should_is_wrong() {
    let failed = |engine: &mut Engine| engine.container("duty-r-migrate-1").exit = Some(3);
    let (topology, engine) = duties(failed);
    insta::assert_snapshot!("job_failed", shown(&engine.verify(&topology, everything)));
}

#[test]
fn what_is_not_healthy_is_wrong() {
    for (health, name) in [(Health::Unhealthy, "unhealthy"), (Health::Starting, "not_healthy_yet")] {
        insta::assert_snapshot!(name, fault(|e| e.container("slave1-service_4-1").health = Some(health)));
    }
}

#[test]
fn what_is_in_a_network_of_the_past_is_wrong() {
    let web = || "duty-r-web-1".to_owned();
    for (fate, name) in [
        (
            OwnerFate::Runs(web(), Some(Duration::from_secs(6))),
            "network_of_an_earlier_run",
        ),
        (OwnerFate::Gone, "network_of_nobody"),
    ] {
        let (topology, engine) = duties(|engine| lose_network(engine, fate.clone()));
        let report = engine.verify(&topology, everything);
        assert!(!pictured(&report).contains("all as expected"));
        insta::assert_snapshot!(name, shown(&report));
        assert!(!told_from("side", |engine| lose_network(engine, fate)).right);
    }
}

/// Whoever is chosen and cannot be asked is told, whatever else is left out.
#[test]
fn what_does_not_run_is_told_though_only_names_are_asked_for() {
    let (topology, engine) = duties(|engine| engine.stop("duty-r-web-1"));
    let report = engine.verify(&topology, |model| Scope {
        members: (0..model.members.len()).filter(|m| model.label(*m) == "web").collect(),
        all: false,
        shape: false,
        kinds: Kinds {
            names: true,
            paths: false,
        },
    });
    insta::assert_snapshot!("names_of_what_does_not_run", shown(&report));
    assert!(!report.right && !report.is_unknown());
}

#[test]
fn a_picture_names_colours_that_any_program_knows() {
    let (topology, engine) = duties(|engine| engine.stop("duty-r-web-1"));
    let picture = pictured(&engine.verify(&topology, everything));
    assert!(!picture.contains("var("), "{picture}");
    assert!(
        picture.contains("difference") && !picture.contains("all as expected"),
        "{picture}"
    );
}

/// All networks of a cluster with IPv6, beside IPv4 or alone.
fn with_ipv6(engine: &mut Engine, alone: bool) {
    let names: Vec<String> = engine.found.networks.iter().map(|n| n.name.clone()).collect();
    for (at, name) in names.iter().enumerate() {
        engine.enable_ipv6(name, &format!("fd00:{:x}::/64", at + 1), alone);
    }
}

#[test]
fn both_families_are_right_and_are_asked_for() {
    let topology = |options: &str| {
        let text = "{name: shop, inout: OPTIONS, roles: {web: {count: 3, entry: a, networks: {internal: OPTIONS}, services: {a: \
                    {image: topogen/fake, expose: [80]}, b: {image: topogen/fake, expose: [81]}}}}}";
        blueprint(&text.replace("OPTIONS", options))
    };
    let ipv4 = topology("{}");
    let proved = Engine::of(&ipv4).verify(&ipv4, everything).proved;
    for (alone, options) in [
        (false, "{enable_ipv6: true}"),
        (true, "{enable_ipv4: false, enable_ipv6: true}"),
    ] {
        let topology = topology(options);
        let mut engine = Engine::of(&topology);
        with_ipv6(&mut engine, alone);
        let report = engine.verify(&topology, everything);
        assert!(report.right, "{}", shown(&report));
        let families = if alone { 1 } else { 2 };
        let expected = (proved.names, families * proved.ports, families * proved.apart);
        assert_eq!(
            (report.proved.names, report.proved.ports, report.proved.apart),
            expected
        );
    }
}

#[test]
fn a_neighbour_within_reach_by_ipv6_alone_is_a_difference() {
    insta::assert_snapshot!(fault(|engine| {
        with_ipv6(engine, false);
        let way = |a: &str, b: &str| (format!("{a}_internal"), format!("{b}_internal"));
        engine
            .forwarded6
            .extend([way("slave1", "slave2"), way("slave2", "slave1")]);
    }));
}

#[test]
fn a_name_that_hides_a_node_is_told() {
    let topology = blueprint(
        "{name: shop, roles: {web: {entry: a, services: {a: {image: topogen/fake, extra_hosts: ['db:10.9.9.9']}}}, db: \
         {entry: a, services: {a: {image: topogen/fake}}}}}",
    );
    let mut engine = Engine::of(&topology);
    // As libc does it, in the one container that has the line in its file.
    engine
        .by_files
        .push(("shop-web-a-1".to_owned(), "db".to_owned(), [10, 9, 9, 9].into()));
    insta::assert_snapshot!(shown(&engine.verify(&topology, everything)));
}

#[test]
fn another_nodes_addresses_are_within_reach() {
    let way = |a: &str, b: &str| (format!("{a}_internal"), format!("{b}_internal"));
    insta::assert_snapshot!(
        "reach_between_two",
        fault(|e| e.forwarded.extend([way("slave1", "slave2"), way("slave2", "slave1")]))
    );
    insta::assert_snapshot!(
        "reach_between_all",
        fault(|engine| {
            let nodes = ["master", "slave1", "slave2"];
            let ways = nodes.iter().flat_map(|a| nodes.iter().map(move |b| way(a, b)));
            engine.forwarded.extend(ways);
            let inout = nodes.iter().map(|a| (format!("{a}_internal"), "inout".to_owned()));
            engine.forwarded.extend(inout);
        })
    );
}

#[test]
fn a_stranger_has_a_name_of_ours() {
    let stranger = |network: &'static str, alias: &'static str| {
        move |engine: &mut Engine| {
            engine.found.containers.push(engine::stranger("squatter"));
            engine.connect("squatter", network, &[alias]);
        }
    };
    insta::assert_snapshot!("squatter_on_a_node", fault(stranger("inout", "Slave1")));
    insta::assert_snapshot!("squatter_on_a_private_name", fault(stranger("inout", "service_3")));
    insta::assert_snapshot!("squatter_inside", fault(stranger("slave2_internal", "out")));
    insta::assert_snapshot!("guest", fault(stranger("inout", "guest")));
}

#[test]
fn a_fake_is_another_one() {
    insta::assert_snapshot!(fault(|engine| {
        for (_, said) in engine.listening.get_mut("slave1-service_entry-1").expect("it listens") {
            said["node"] = "slave9".into();
        }
    }));
}

#[test]
fn a_network_is_another_one() {
    let network = |name: &'static str, change: fn(&mut topogen::cluster::ObservedNetwork)| {
        move |engine: &mut Engine| {
            let mut networks = engine.found.networks.iter_mut();
            change(networks.find(|n| n.name == name).expect("it is there"));
        }
    };
    insta::assert_snapshot!(
        "subnet",
        fault(network("slave1_internal", |n| n.subnets = vec!["10.9.0.0/24".parse().unwrap()]))
    );
    insta::assert_snapshot!(
        "subnet_moved",
        fault(network("slave1_internal", |n| n.subnets = vec!["10.9.0.0/28".parse().unwrap()]))
    );
    insta::assert_snapshot!("internal", fault(network("slave1_internal", |n| n.internal = true)));
    insta::assert_snapshot!("driver", fault(network("inout", |n| n.driver = "macvlan".to_owned())));
    insta::assert_snapshot!(
        "network_of_others",
        fault(network("inout", |n| {
            n.labels.clear();
            n.subnets = vec!["10.9.0.0/24".parse().unwrap()];
        }))
    );
    insta::assert_snapshot!(
        "twin",
        fault(|engine| {
            let mut twin = engine.found.networks[0].clone();
            twin.id = "another".to_owned();
            twin.labels.clear();
            engine.found.networks.push(twin);
        })
    );
    insta::assert_snapshot!(
        "network_recreated",
        fault(|engine| {
            engine.found.networks[0].id = "another".to_owned();
        })
    );
    insta::assert_snapshot!(
        "network_removed",
        fault(|engine| {
            let on_it = |n: &str| {
                engine
                    .found
                    .containers
                    .iter()
                    .filter(|c| c.endpoints.iter().any(|e| e.network == n))
                    .count()
            };
            assert_eq!(on_it("slave1_internal"), 5);
            engine.found.networks.retain(|n| n.name != "slave1_internal");
            for container in &mut engine.found.containers {
                container.endpoints.retain(|e| e.network != "slave1_internal");
            }
        })
    );
    insta::assert_snapshot!(
        "network_too_many",
        fault(|engine| {
            let mut more = engine.found.networks[1].clone();
            (more.id, more.name) = ("more".to_owned(), "master_more".to_owned());
            engine.found.networks.push(more);
        })
    );
}

#[test]
fn containers_are_not_those_of_the_blueprint() {
    insta::assert_snapshot!("renamed", fault(|e| e.rename("slave1-service_3-1", "mine")));
    insta::assert_snapshot!(
        "second_of_a_service",
        fault(|engine| {
            let mut second = engine.container("slave1-service_3-1").clone();
            (second.id, second.name) = ("f".repeat(64), "slave1-service_3-2".to_owned());
            second.endpoints.clear();
            engine.found.containers.push(second);
            engine.connect("slave1-service_3-2", "slave1_internal", &["service_3"]);
        })
    );
    insta::assert_snapshot!(
        "image",
        fault(|e| e.container("slave1-service_3-1").image = "nginx".to_owned())
    );
    let (more, fewer) = (lab(4), lab(1));
    let two = lab(2);
    insta::assert_snapshot!("more_nodes_run", shown(&Engine::of(&more).verify(&two, everything)));
    insta::assert_snapshot!("fewer_nodes_run", shown(&Engine::of(&fewer).verify(&two, everything)));
    let gone = |node: &'static str| move |e: &mut Engine| e.found.containers.retain(|c| c.node() != node);
    insta::assert_snapshot!("first_node_removed", fault(gone("slave1")));
    insta::assert_snapshot!("only_node_of_a_role_removed", fault(gone("master")));
    let none = blueprint("{name: other, roles: {a: {services: {b: {image: topogen/fake}}}}}");
    insta::assert_snapshot!("nothing_runs", shown(&Engine::of(&none).verify(&two, everything)));
    let nginx = blueprint("roles: {web: {count: 2, entry: app, services: {app: {image: nginx}, db: {image: redis}}}}");
    let mut engine = Engine::of(&nginx);
    engine
        .found
        .containers
        .iter_mut()
        .for_each(|c| c.image = "topogen/fake:1".to_owned());
    insta::assert_snapshot!("fakes_run", shown(&engine.verify(&nginx, everything)));
}

#[test]
fn one_of_several_containers_of_a_service_is_missing() {
    let topology = blueprint(CROOKED);
    let mut engine = Engine::of(&topology);
    engine.disconnect("shop-head-pool-2", "shop-head_internal");
    insta::assert_snapshot!(shown(&engine.verify(&topology, everything)));
}

#[test]
fn the_blueprint_changed_since() {
    let environment = || "`environment.SIZE` changed from `1` to `2`".to_owned();
    let change = |e: &mut Engine, services: &[&str]| {
        e.flags = "--name lab --slaves 2".to_owned();
        for service in services {
            e.changed.insert(format!("slave1-{service}-1"), environment());
        }
    };
    insta::assert_snapshot!("changed", fault(|e| change(e, &["service_3"])));
    let all = ["service_entry", "service_out", "service_3", "service_4", "service_5"];
    insta::assert_snapshot!("changed_many", fault(|e| change(e, &all)));
    // What says how many nodes there are changes with their count, and is not to be mended by removing one.
    let four = |services: &[&str]| {
        let mut engine = Engine::of(&lab(4));
        change(&mut engine, services);
        engine
    };
    let of_four = |engine: Engine| shown(&engine.verify(&lab(2), everything));
    insta::assert_snapshot!("changed_with_count", of_four(four(&["service_3"])));
    insta::assert_snapshot!("changed_several_with_count", {
        let mut engine = four(&["service_3", "service_4", "service_5"]);
        engine.found.containers.retain(|c| c.name != "slave2-service_3-1");
        of_four(engine)
    });
    // Another image has its own word, and changes much else.
    insta::assert_snapshot!(
        "changed_with_image",
        fault(|e| {
            change(e, &["service_3"]);
            e.container("slave1-service_3-1").image = "nginx".to_owned();
        })
    );
}

#[test]
fn a_role_of_another_blueprint_is_named_as_one() {
    let mut engine = Engine::of(&lab(2));
    engine.found.containers.push(engine::stranger("other1-app-1"));
    let stray = engine.container("other1-app-1");
    for (key, value) in [
        ("cluster", "default"),
        ("node", "other1"),
        ("role", "other"),
        ("service", "app"),
    ] {
        stray.labels.insert(format!("io.topogen.{key}"), value.to_owned());
    }
    insta::assert_snapshot!(shown(&engine.verify(&lab(2), everything)));
    // The same among nodes of a greater count, which stay what they are.
    let stray = engine.container("other1-app-1").clone();
    let mut more = Engine::of(&lab(4));
    more.found.containers.push(stray);
    insta::assert_snapshot!(
        "another_role_beside_another_count",
        shown(&more.verify(&lab(2), everything))
    );
}

#[test]
fn a_role_without_a_node_is_one_of_the_blueprint() {
    let text = "{roles: {head: {services: {app: {image: topogen/fake}}}, \
                spare: {count: 2, services: {app: {image: topogen/fake}}}}}";
    let engine = Engine::of(&blueprint(text));
    let none = blueprint(&text.replace("count: 2", "count: 0"));
    insta::assert_snapshot!(shown(&engine.verify(&none, everything)));
}

#[test]
fn packets_get_lost() {
    let lose = |e: &mut Engine| {
        let pair = ["slave1-service_entry-1", "slave2-service_entry-1"].map(ToOwned::to_owned);
        e.lost.push(pair.into());
    };
    insta::assert_snapshot!("lost", fault(lose));
    insta::assert_snapshot!(
        "lost_in_a_full_arp_table",
        fault(|e| {
            lose(e);
            e.crowded = true;
        })
    );
}

#[test]
fn a_container_cannot_be_asked() {
    insta::assert_snapshot!(fault(|e| e.dumb.push("slave1/service_3".to_owned())));
}

#[test]
fn names_that_the_engine_gets_wrong_itself() {
    insta::assert_snapshot!(
        "lost_by_the_engine",
        fault(|e| e.amiss.push(("slave1".to_owned(), Vec::new())))
    );
    let stray = "203.0.113.9".parse().expect("an address");
    insta::assert_snapshot!(
        "led_astray",
        fault(|e| e.amiss.push(("slave1".to_owned(), vec![stray])))
    );
    // What the world outside answers is no leak.
    let topology = lab(2);
    let mut engine = Engine::of(&topology);
    engine.outside = Some(stray);
    assert!(engine.verify(&topology, everything).right);
}

#[test]
fn a_resolver_fails() {
    let asker = "slave1-service_entry-1";
    let failing =
        |name: &str, code: &str| fault(|e| e.failing.push((asker.to_owned(), name.to_owned(), code.to_owned())));
    insta::assert_snapshot!("resolver_fails_for_all", failing("*", "SERVFAIL"));
    insta::assert_snapshot!("resolver_refuses_one", failing("slave2", "REFUSED"));
    insta::assert_snapshot!("resolver_is_silent", failing("*", ""));
    // A name that the engine does not know any more, where it can ask nobody else.
    insta::assert_snapshot!(
        "resolver_knows_no_more",
        fault(|engine| {
            engine.stop("slave1-service_3-1");
            let others = ["entry", "out", "4", "5"].map(|service| format!("slave1-service_{service}-1"));
            let fails = others.map(|asker| (asker, "service_3".to_owned(), "SERVFAIL".to_owned()));
            engine.failing.extend(fails);
        })
    );
}

#[test]
fn what_a_resolver_cannot_tell_is_not_as_it_should_be() {
    let topology = lab(2);
    let right = Engine::of(&topology).verify(&topology, everything).proved;
    let proved = |failing: &[(&str, &str)]| {
        let mut engine = Engine::of(&topology);
        let names = engine.found.containers.iter().map(|c| c.name.clone());
        let fails = |container: String| {
            let fail = |(name, code): &(&str, &str)| (container.clone(), (*name).to_owned(), (*code).to_owned());
            failing.iter().map(fail).collect::<Vec<_>>()
        };
        engine.failing = names.flat_map(fails).collect();
        engine.verify(&topology, everything).proved
    };
    assert!(right.names > 0 && right.unknown > 0);
    for code in ["SERVFAIL", "REFUSED", ""] {
        let broken = proved(&[("*", code)]);
        assert_eq!((broken.names, broken.unknown), (0, 0), "{code}");
        // An engine that may ask nobody outside says so of names that it does not know, and these do not resolve.
        let inside = proved(&[("no-such-name", code), ("service_3", code)]);
        assert_eq!(inside.unknown, right.unknown, "{code}");
        assert!(inside.names < right.names, "{code}");
    }
}

#[test]
fn a_host_name_is_a_name() {
    let topology = blueprint(
        "roles: {web: {count: 2, entry: app, exit: out, services: {app: {image: topogen/fake, hostname: app}, \
         out: {image: topogen/fake}}}}",
    );
    let mut engine = Engine::of(&topology);
    // As engines do it.
    for container in &mut engine.found.containers {
        let name = container.service().to_owned();
        container.details.as_mut().expect("inspected").hostname = name.clone();
        container.endpoints.iter_mut().for_each(|e| e.names.push(name.clone()));
    }
    insta::assert_snapshot!(shown(&engine.verify(&topology, everything)));
}

/// The cluster as the article brings it up: each service under its own key, on every network.
fn leaking(slaves: u32) -> Engine {
    let topology = lab(slaves);
    let mut engine = Engine::of(&topology);
    for container in &mut engine.found.containers {
        let node = container.node().to_owned();
        let service = container.service().to_owned();
        container.labels.retain(|key, _| !key.starts_with(label::PREFIX));
        container
            .labels
            .insert(label::compose::SERVICE.to_owned(), service.clone());
        for endpoint in &mut container.endpoints {
            endpoint
                .names
                .retain(|name| *name != node && !name.starts_with(&format!("{node}-service_")));
            endpoint.names.extend([service.clone(), container.name.clone()]);
        }
    }
    engine
}

#[test]
fn other_files_than_the_rendered_ones_are_up() {
    let topology = lab(10);
    insta::assert_snapshot!(shown(&leaking(10).verify(&topology, everything)));
}

#[test]
fn projects_of_others_leak() {
    let engine = leaking(10);
    let projects: Vec<String> = ["master".to_owned()]
        .into_iter()
        .chain((1..=10).map(|n| format!("slave{n}")))
        .collect();
    let report = engine.examine(&projects);
    insta::assert_snapshot!("projects_leak", shown(&report));
    insta::assert_snapshot!("projects_leak_junit", junit(&report, None));
    assert_eq!(report.findings.len(), 2);

    let mut engine = Engine::of(&lab(1));
    assert!(engine.examine(&projects[..2]).right);
    // Its own inside, another's on inout: the engine asks one network after the other.
    engine.disconnect("master-service_entry-1", "inout");
    engine.connect("master-service_entry-1", "inout", &["master", "service_3"]);
    insta::assert_snapshot!("projects_crossed", shown(&engine.examine(&projects[..2])));

    let mut engine = Engine::of(&lab(1));
    let mut second = engine.container("slave1-service_3-1").clone();
    (second.id, second.name) = ("f".repeat(64), "slave1-service_3-2".to_owned());
    second.endpoints.clear();
    engine.found.containers.push(second);
    engine.connect("slave1-service_3-2", "slave1_internal", &["service_3"]);
    insta::assert_snapshot!("projects_replicas", shown(&engine.examine(&projects[..2])));
}

/// Several faults at once.
fn mixed() -> (Topology, Engine) {
    let topology = lab(3);
    let mut engine = Engine::of(&topology);
    engine.connect("slave2-service_3-1", "slave1_internal", &["service_3"]);
    engine.disconnect("slave3-service_entry-1", "inout");
    engine.stop("slave1-service_4-1");
    engine.listening.remove("master-service_entry-1");
    engine.found.containers.push(engine::stranger("squatter"));
    engine.connect("squatter", "inout", &["slave2"]);
    engine
        .forwarded
        .push(("slave1_internal".to_owned(), "master_internal".to_owned()));
    (topology, engine)
}

#[test]
fn a_report_prints_in_every_form() {
    let (topology, engine) = mixed();
    let report = engine.verify(&topology, everything);
    insta::assert_snapshot!("mixed_wide", table(&report, 140));
    insta::assert_snapshot!("mixed_narrow", table(&report, 80));
    insta::assert_snapshot!("mixed_json", serde_json::to_string_pretty(&report).expect("JSON"));
    let scope = everything(&Model::new(&topology, &engine.found));
    insta::assert_snapshot!("mixed_junit", junit(&report, Some(&scope)));
    insta::assert_snapshot!("mixed_svg", pictured(&report));
}

#[test]
fn what_is_not_asked_for_is_not_reported() {
    let (topology, engine) = mixed();
    let only = |shape, names, paths| {
        let report = engine.verify(&topology, |model| Scope {
            shape,
            kinds: Kinds { names, paths },
            ..everything(model)
        });
        let kinds = |f: &topogen::verify::report::Finding| {
            let kinds = f.consequences.iter().map(|c| c.kind);
            kinds
                .chain(Some(f.kind).filter(|k| *k != Kind::Shape || shape))
                .collect::<Vec<_>>()
        };
        let kinds: BTreeSet<Kind> = report.findings.iter().flat_map(kinds).collect();
        (kinds, report.findings.len())
    };
    assert_eq!(only(true, false, false), ([Kind::Shape].into(), 4));
    assert_eq!(only(false, true, false).0, [Kind::Names].into());
    assert_eq!(only(false, false, true).0, [Kind::Paths].into());
    let from = engine.verify(&topology, |model| Scope {
        members: (0..model.members.len())
            .filter(|m| model.title(*m) == "slave3/service_out")
            .collect(),
        all: false,
        ..everything(model)
    });
    insta::assert_snapshot!("from_one_service", shown(&from));
}

/// The nodes that a check of `asker` is about, where it is about another one.
fn asked_nodes(model: &Model<'_>, asker: usize, checks: &[Check]) -> BTreeSet<usize> {
    let targets = checks.iter().filter_map(|check| match check {
        Check::Port { at, .. } | Check::Responds(at) | Check::Unreachable(at) | Check::CutOff(at) => Some(at.target),
        Check::Name { .. } | Check::Unknown { .. } => None,
    });
    let nodes = targets.map(|t| model.members[t].node);
    nodes.filter(|n| *n != model.members[asker].node).collect()
}

#[test]
fn each_container_asks_of_each_node_and_is_asked_for() {
    for slaves in [1, 3, 50, 150] {
        let topology = lab(slaves);
        let engine = Engine::of(&topology);
        let model = Model::new(&topology, &engine.found);
        let all: Vec<usize> = (0..model.members.len()).collect();
        let mut asked_for = vec![BTreeSet::new(); all.len()];
        let expectations = Expectations::new(&model, ALL);
        for expected in all.iter().filter_map(|m| expectations.of(*m)) {
            let nodes = asked_nodes(&model, expected.asker, &expected.checks);
            assert_eq!(nodes.len(), topology.nodes.len() - 1, "of every other node");
            for check in &expected.checks {
                if let Check::Unreachable(at) = check {
                    asked_for[at.target].insert(model.members[expected.asker].node);
                }
            }
            let few = 4 * topology.nodes.len() + 500;
            assert!(expected.checks.len() < few, "{} at {slaves}", expected.checks.len());
        }
        assert!(
            asked_for.iter().all(|nodes| !nodes.is_empty()),
            "each address is asked for from elsewhere"
        );
    }
}

/// What one may do by hand, to whom.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Disconnect,
    ConnectElsewhere,
    TakeName,
    LoseNames,
    Stop,
    Close,
    Remove,
}

fn deed() -> impl Strategy<Value = Deed> {
    proptest::sample::select(vec![
        Deed::Disconnect,
        Deed::ConnectElsewhere,
        Deed::TakeName,
        Deed::LoseNames,
        Deed::Stop,
        Deed::Close,
        Deed::Remove,
    ])
}

/// Do it; the container, where there was anything to do.
fn carry_out(engine: &mut Engine, deed: Deed, whom: usize, other: usize) -> Option<String> {
    let names: Vec<String> = engine.found.containers.iter().map(|c| c.name.clone()).collect();
    let name = names[whom % names.len()].clone();
    let networks: Vec<String> = engine
        .container(&name)
        .endpoints
        .iter()
        .map(|e| e.network.clone())
        .collect();
    let network = networks[other % networks.len()].clone();
    match deed {
        Deed::Disconnect => engine.disconnect(&name, &network),
        Deed::ConnectElsewhere => {
            let all: Vec<String> = engine.found.networks.iter().map(|n| n.name.clone()).collect();
            let free: Vec<&String> = all.iter().filter(|n| !networks.contains(n)).collect();
            let free = free.get(other % free.len().max(1))?;
            engine.connect(&name, free, &["again"]);
        }
        Deed::TakeName => {
            let victim = names[other % names.len()].clone();
            let endpoint = engine
                .container(&victim)
                .endpoints
                .iter()
                .find(|e| e.network == network)?;
            let taken = endpoint
                .names
                .iter()
                .find(|n| !names.contains(n) && n.len() != 12)?
                .clone();
            let own = engine
                .container(&name)
                .endpoints
                .iter_mut()
                .find(|e| e.network == network)?;
            if own.names.contains(&taken) {
                return None;
            }
            own.names.push(taken);
        }
        Deed::LoseNames => {
            let short = engine.container(&name).id[..12].to_owned();
            let endpoint = engine
                .container(&name)
                .endpoints
                .iter_mut()
                .find(|e| e.network == network)?;
            endpoint.names.retain(|n| *n == name || *n == short);
        }
        Deed::Stop => engine.stop(&name),
        Deed::Close => {
            let ports = engine.listening.get_mut(&name).filter(|ports| !ports.is_empty())?;
            ports.clear();
        }
        Deed::Remove => engine.found.containers.retain(|c| c.name != name),
    }
    Some(name)
}

/// What counts of an engine: who is where, under which names, and what listens. Addresses may change.
fn form(engine: &Engine) -> String {
    let mut lines = Vec::new();
    for container in &engine.found.containers {
        let mut endpoints = container
            .endpoints
            .iter()
            .map(|e| format!("{} {:?}", e.network, e.names))
            .collect::<Vec<_>>();
        endpoints.sort();
        let listening = engine.listening.get(&container.name);
        lines.push(format!(
            "{} {:?} {endpoints:?} {listening:?}",
            container.name, container.state
        ));
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// One deed is one finding, and it says where.
    #[test]
    fn whatever_is_done_by_hand_is_reported_once(slaves in 1u32..4, deed in deed(), whom: u16, other: u16) {
        let topology = lab(slaves);
        let mut engine = Engine::of(&topology);
        if let Some(name) = carry_out(&mut engine, deed, whom.into(), other.into()) {
            let report = engine.verify(&topology, everything);
            prop_assert_eq!(report.findings.len(), 1, "{:?} {}\n{}", deed, name, shown(&report));
            let finding = &report.findings[0];
            let place = finding.place().replace('/', "-");
            prop_assert!(name.starts_with(&place), "{name}: {place}");
            for width in [20, 60, 110, 200] {
                prop_assert!(!table(&report, width).is_empty());
            }
        }
    }

    /// Whatever is done, nothing panics, and the report can be written in every form.
    #[test]
    fn whatever_is_done_can_be_reported(deeds in proptest::collection::vec((deed(), any::<u16>(), any::<u16>()), 1..12)) {
        let topology = lab(2);
        let mut engine = Engine::of(&topology);
        let before = form(&engine);
        for (deed, whom, other) in deeds {
            if engine.found.containers.iter().any(|c| c.endpoints.is_empty()) || engine.found.containers.is_empty() {
                break;
            }
            carry_out(&mut engine, deed, whom.into(), other.into());
        }
        let report = engine.verify(&topology, everything);
        // One deed may undo another.
        prop_assert_eq!(report.right, form(&engine) == before, "{}", shown(&report));
        let xml = junit(&report, None);
        prop_assert_eq!(xml.matches("<testcase").count(), xml.matches("/>\n").count() + xml.matches("</testcase>").count());
        prop_assert!(pictured(&report).ends_with("</svg>\n"));
    }
}

/// What is cut in the network of `container`.
fn cut(engine: &mut Engine, container: &str, nets: &[&str]) {
    let cut = nets.iter().map(|net| net.parse().expect("a network")).collect();
    engine.cuts.insert(container.to_owned(), topogen::faults::State { cut });
}

#[test]
fn what_is_cut_on_purpose_is_expected_to_be() {
    let topology = lab(2);
    let whole = Engine::of(&topology).verify(&topology, everything).proved;
    let mut engine = Engine::of(&topology);
    let inout = engine.found.networks[0].subnets[0].to_string();
    cut(&mut engine, "slave1-service_entry-1", &[&inout]);
    cut(&mut engine, "slave1-service_out-1", &[&inout]);
    let report = engine.verify(&topology, everything);
    assert!(report.right, "{}", shown(&report));
    // Slave1's two on `inout` and the three others, in both directions.
    assert_eq!(report.proved.cut, 2 * 2 * 3 + 2);
    let (before, after) = (whole.ports + whole.reached, report.proved.ports + report.proved.reached);
    assert_eq!(before, after + report.proved.cut);
    assert_eq!(report.proved.names, whole.names);
    insta::assert_snapshot!(shown(&report));
    // A container alone, off its own node, too.
    let mut engine = Engine::of(&topology);
    cut(&mut engine, "slave2-service_4-1", &["0.0.0.0/0", "::/0"]);
    let report = engine.verify(&topology, everything);
    assert!(report.right && report.proved.cut > 0, "{}", shown(&report));
}

#[test]
fn a_cut_that_something_leads_around_is_a_difference() {
    insta::assert_snapshot!(fault(|engine| {
        let address = engine
            .container("master-service_entry-1")
            .endpoints
            .iter()
            .find(|e| e.network == "inout");
        let address = address.and_then(|e| e.address).expect("an address").to_string();
        cut(engine, "slave1-service_entry-1", &[&format!("{address}/32")]);
        engine.leaks = true;
    }));
}
