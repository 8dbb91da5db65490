//! In which order things start, stop and wait, what keeps them back, and what they carry over: all by golden plans.

use ipnet::Ipv4Net;
use topogen::cluster::Desired;
use topogen::cluster::Health;
use topogen::cluster::HostPort;
use topogen::cluster::Observed;
use topogen::cluster::ObservedContainer;
use topogen::cluster::ObservedHost;
use topogen::cluster::ObservedImage;
use topogen::cluster::Room;
use topogen::cluster::State;
use topogen::cluster::label;
use topogen::engine::translate::{Origin, translate};
use topogen::plan::conflict::Conflict;
use topogen::plan::reconcile::Options;
use topogen::plan::{Kind, Plan, reconcile};
use topogen::topology::expand::Overrides;

use crate::pretended::{Pretended, ready};
use crate::support::expanded;

fn desired(text: &str) -> Desired {
    let topology = expanded(text, &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
    translate(&topology, &Origin::default()).unwrap_or_else(|p| panic!("{p:?}"))
}

/// Every operation, and what it waits for.
fn shown(plan: &Plan) -> String {
    let name = |at: &usize| {
        let o = &plan.operations[*at];
        format!("{} {}", o.action, o.subject)
    };
    let mut lines: Vec<String> = Vec::new();
    for operation in &plan.operations {
        assert!(
            operation
                .after
                .iter()
                .chain(&operation.after_any)
                .all(|at| *at < lines.len())
        );
        let mut line = operation.to_string();
        let networks = |at: &&usize| plan.operations[**at].action.kind() != Kind::Network;
        let after: Vec<String> = operation.after.iter().filter(networks).map(name).collect();
        if !after.is_empty() {
            line += &format!("\n    after {}", after.join(", "));
        }
        if !operation.after_any.is_empty() {
            let any: Vec<String> = operation.after_any.iter().map(name).collect();
            line += &format!("\n    whatever becomes of {}", any.join(", "));
        }
        lines.push(line);
    }
    lines.extend(plan.notes.iter().map(|n| format!("note: {n}")));
    lines.push(plan.counts());
    lines.join("\n")
}

const ORDERED: &str = r#"
roles:
  slave:
    count: 2
    after: {master: healthy}
    services: {app: {image: topogen/fake}}
  master:
    services:
      app: {image: topogen/fake, depends_on: {db: {condition: service_healthy}, init: {condition: service_completed_successfully}, cache: {condition: service_started, required: false}}}
      db: {image: topogen/fake, healthcheck: {test: [CMD, /topogen, probe]}}
      init: {image: topogen/fake}
      cache: {image: topogen/fake}
"#;

#[test]
fn conditions_are_waited_for() {
    let desired = desired(ORDERED);
    let plan = Pretended::default().up(&desired);
    insta::assert_snapshot!("order_conditions", shown(&plan));
    let mut engine = Pretended::with(&desired);
    let done = |engine: &mut Pretended| {
        engine.container("master-init-1").state = State::Exited;
        engine.container("master-init-1").exit = Some(0);
        engine.container("master-db-1").health = Some(Health::Healthy);
    };
    done(&mut engine);
    assert!(engine.up(&desired).is_empty(), "what was to end and did is left alone");
    engine.container("slave2-app-1").state = State::Exited;
    engine.container("master-db-1").health = Some(Health::Starting);
    insta::assert_snapshot!("order_one_slave_again", shown(&engine.up(&desired)));
    done(&mut engine);
    engine.container("master-init-1").exit = Some(3);
    insta::assert_snapshot!("order_what_failed_again", shown(&engine.up(&desired)));
}

#[test]
fn waiting_is_for_what_is_not_well_yet() {
    let desired = desired(ORDERED);
    let options = Options { wait: true, ..ready() };
    let mut engine = Pretended::with(&desired);
    engine.container("master-init-1").state = State::Exited;
    engine.container("master-init-1").exit = Some(0);
    engine.container("master-db-1").health = Some(Health::Starting);
    let plan = reconcile::up(&desired, &engine.observed, &options).expect("no conflict");
    insta::assert_snapshot!("order_wait", shown(&plan));
    assert_eq!(plan.counts(), "nothing to change, only to wait for");
}

#[test]
fn what_is_stopped_is_stopped_before_what_it_depends_on() {
    let desired = desired(ORDERED);
    let mut engine = Pretended::with(&desired);
    engine.container("master-app-1").labels.insert(
        label::compose::DEPENDS_ON.to_owned(),
        "db:service_healthy:false,cache:service_started:false".to_owned(),
    );
    engine.container("master-init-1").state = State::Running;
    insta::assert_snapshot!(
        "order_down",
        shown(&reconcile::down(&desired.cluster, &engine.observed, false))
    );
}

#[test]
fn what_restarts_with_another_does() {
    let text = "roles: {a: {services: {app: {image: topogen/fake, depends_on: {db: {condition: service_started, restart: true}}}, db: {image: topogen/fake}}}}";
    let desired = desired(text);
    let mut engine = Pretended::with(&desired);
    engine.container("a-db-1").state = State::Exited;
    engine.container("a-db-1").exit = Some(137);
    let plan = engine.up(&desired);
    insta::assert_snapshot!("order_restart", format!("{}\n---\n{plan}", shown(&plan)));
}

#[test]
fn images_are_fetched_once_and_those_of_a_whole_role_first() {
    let text = "roles: {a: {count: 3, services: {x: {image: redis:7}, y: {image: shop/y}}, overrides: {a2: {services: {y: {image: shop/other}}}}}}";
    let observed = Observed {
        images: vec![ObservedImage {
            id: "sha256:1".to_owned(),
            tags: vec!["shop/y:latest".to_owned()],
            digests: Vec::new(),
            fake: false,
            platform: None,
        }],
        ..Observed::default()
    };
    let plan = reconcile::up(&desired(text), &observed, &ready()).expect("no conflict");
    insta::assert_snapshot!("order_images", shown(&plan));
}

#[test]
fn an_image_that_is_another_one_now_recreates_its_containers() {
    let text = "roles: {a: {services: {x: {image: redis:7}, y: {image: topogen/fake}}}}";
    let desired = desired(text);
    let image = |id: &str, tag: &str, fake| ObservedImage {
        id: id.to_owned(),
        tags: vec![tag.to_owned()],
        digests: Vec::new(),
        fake,
        platform: None,
    };
    let mut engine = Pretended::default();
    engine.observed.images = vec![
        image("sha256:1", "redis:7", false),
        image("sha256:2", &topogen::fake::image_name(), true),
    ];
    engine.apply(&engine.up(&desired));
    engine.container("a-x-1").image_id = "sha256:1".to_owned();
    engine.container("a-y-1").image_id = "sha256:2".to_owned();
    assert!(engine.up(&desired).is_empty());
    engine.observed.images = vec![
        image("sha256:3", "redis:7", false),
        image("sha256:4", &topogen::fake::image_name(), true),
        image("sha256:2", "<none>", true),
    ];
    insta::assert_snapshot!("order_other_image", engine.up(&desired).to_string());
}

#[test]
fn what_is_in_the_way_of_some_keeps_back_those() {
    let text = r#"roles: {a: {count: 3, services: {x: {image: topogen/fake, ports: ["{{ 8000 + node.index }}:80"]}, y: {image: topogen/fake, depends_on: [x]}}}}"#;
    let desired = desired(text);
    let foreign = ObservedContainer {
        name: "web".to_owned(),
        state: State::Running,
        ports: vec![(port(8002), "80/tcp".to_owned())],
        ..ObservedContainer::default()
    };
    let mut observed = Observed {
        foreign: vec![foreign],
        ..Observed::default()
    };
    let plan = reconcile::up(&desired, &observed, &ready()).expect("some can be made");
    insta::assert_snapshot!("order_blocked", plan.to_string());
    observed.host.ports = vec![port(8001), port(8003)];
    observed.foreign.push(ObservedContainer {
        name: "a3-y-1".to_owned(),
        ..ObservedContainer::default()
    });
    let conflicts = reconcile::up(&desired, &observed, &ready()).expect_err("all are blocked");
    let text: Vec<String> = conflicts.iter().map(|c| format!("{c}\nhint: {}", c.hint())).collect();
    insta::assert_snapshot!("conflicts_of_a_role", text.join("\n"));
}

/// A container that has a port of the host is removed before another starts that asks for it.
#[test]
fn ports_are_free_before_who_asks_for_them_starts() {
    let text = |role: &str, node: &str| {
        format!(
            r#"roles: {{{role}: {{count: 2, node: "{node}{{{{ index }}}}", services: {{x: {{image: topogen/fake, ports: ["{{{{ 8000 + node.index }}}}:80"]}}}}}}}}"#
        )
    };
    let mut engine = Pretended::with(&desired(&text("a", "old")));
    for (container, number) in engine.observed.containers.iter_mut().zip(8001..) {
        container.ports = vec![(port(number), "80/tcp".to_owned())];
    }
    insta::assert_snapshot!("order_of_ports", shown(&engine.up(&desired(&text("a", "new")))));

    let conflicts = reconcile::up(&desired(&text("b", "new")), &engine.observed, &ready()).expect_err("in the way");
    let text: Vec<String> = conflicts.iter().map(|c| format!("{c}\nhint: {}", c.hint())).collect();
    insta::assert_snapshot!("conflicts_with_orphans", text.join("\n"));
}

/// What is in the way is reported with its place in the blueprint, where that is one.
#[test]
fn what_is_in_the_way_has_a_place() {
    let text = r#"inout: {external: true}
roles:
  a:
    networks: {own: {ipam: {config: [{subnet: 10.77.0.0/24}]}}}
    services:
      x: {image: shop/x, networks: [own], ports: ["8000:80", "{{ 8000 + node.index }}:81"]}
"#;
    let topology = expanded(text, &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
    let at = |conflict: &Conflict| {
        let span = conflict.place(&topology)?;
        Some(&text[span.start as usize..span.end as usize])
    };
    let taken = |number: u16| Conflict::PortTaken {
        container: "a-x-1".to_owned(),
        port: port(number),
        by: None,
        orphan: None,
    };
    let name = || "inout".to_owned();
    let image = |name: &str| Conflict::MissingImage { name: name.to_owned() };
    assert_eq!(at(&taken(8000)), Some("\"8000:80\""));
    assert_eq!(at(&taken(8001)), Some("\"{{ 8000 + node.index }}:81\""));
    assert_eq!(at(&image("shop/x")), Some("shop/x"));
    assert_eq!(at(&image("shop/y")), None);
    assert_eq!(at(&Conflict::MissingNetwork { name: name() }), Some("true"));
    assert_eq!(at(&Conflict::NoSubnet { name: name() }), None);
    let subnet: Ipv4Net = "10.77.0.0/24".parse().expect("a subnet");
    let overlaps = Conflict::SubnetTaken {
        name: "a_own".to_owned(),
        subnet,
        taken: subnet,
        by: "eth0".to_owned(),
    };
    assert_eq!(at(&overlaps), Some("config"));
}

fn port(port: u16) -> HostPort {
    HostPort {
        address: std::net::Ipv4Addr::UNSPECIFIED.into(),
        port,
        udp: false,
    }
}

#[test]
fn subnets_keep_clear_of_the_hosts_routes() {
    let text = "inout: {ipam: {config: [{subnet: 10.9.0.0/16}]}}\nroles: {a: {entry: x, services: {x: {image: topogen/fake}}}}";
    let desired = desired(text);
    let own = desired.nodes[0].networks[0].subnet.expect("a subnet");
    let mut observed = Observed {
        host: ObservedHost {
            routes: vec![(own, "tun0".to_owned())],
            ..ObservedHost::default()
        },
        ..Observed::default()
    };
    let plan = reconcile::up(&desired, &observed, &ready()).expect("another is free");
    insta::assert_snapshot!("order_route_in_the_way", plan.to_string());
    observed
        .host
        .routes
        .push(("10.0.0.0/8".parse().expect("a network"), "wg0".to_owned()));
    let conflicts = reconcile::up(&desired, &observed, &ready()).expect_err("fixed");
    let text: Vec<String> = conflicts.iter().map(|c| format!("{c}\nhint: {}", c.hint())).collect();
    insta::assert_snapshot!("conflicts_of_routes", text.join("\n"));
}

#[test]
fn a_host_without_room_is_noted() {
    let desired = desired("roles: {a: {count: 20, services: {x: {image: topogen/fake}}}}");
    let joined = self::desired("roles: {a: {count: 20, entry: x, services: {x: {image: topogen/fake}}}}");
    let watching = |memory, tasks, inotify_instances| Observed {
        host: ObservedHost {
            room: Some(Room {
                memory,
                tasks,
                neighbours: 100,
                inotify_instances,
            }),
            ..ObservedHost::default()
        },
        ..Observed::default()
    };
    let engine = |memory, tasks| watching(memory, tasks, Some(20));
    let notes = |observed: &Observed| reconcile::up(&desired, observed, &ready()).expect("a plan").notes;
    assert!(notes(&engine(1 << 30, 1000)).is_empty());
    insta::assert_snapshot!("order_no_room", notes(&engine(100 << 20, 100)).join("\n"));
    let plan = reconcile::up(&joined, &engine(1 << 30, 1000), &ready()).expect("a plan");
    insta::assert_snapshot!("order_crowded", plan.notes.join("\n"));
    insta::assert_snapshot!("order_watches", notes(&watching(1 << 30, 1000, Some(19))).join("\n"));
}

#[test]
fn names_and_networks_that_were_changed_by_hand_are_mended() {
    let desired = desired("roles: {a: {count: 2, entry: x, services: {x: {image: topogen/fake}}}}");
    let mut engine = Pretended::with(&desired);
    let inout = |c: &mut ObservedContainer| {
        let on = c.endpoints.iter_mut().find(|n| n.network == "inout").expect("on it");
        on.aliases = Some(vec!["a2".to_owned()]);
    };
    inout(engine.container("a1-x-1"));
    let private = engine
        .container("a1-x-1")
        .endpoints
        .iter()
        .find(|n| n.network != "inout")
        .cloned();
    engine.container("a2-x-1").endpoints.extend(private);
    let plan = engine.up(&desired);
    insta::assert_snapshot!("order_mended", format!("{}\n---\n{plan}", shown(&plan)));
    engine.apply(&plan);
    assert!(engine.up(&desired).is_empty());
}

#[test]
fn orphans_go_where_that_is_asked_for() {
    let both = desired("roles: {a: {services: {x: {image: topogen/fake}}}, b: {services: {x: {image: topogen/fake}}}}");
    let one = desired("roles: {a: {services: {x: {image: topogen/fake}}}}");
    let mut engine = Pretended::with(&both);
    let options = Options {
        remove_orphans: true,
        ..ready()
    };
    insta::assert_snapshot!("order_orphans_stay", engine.up(&one).to_string());
    let plan = reconcile::up(&one, &engine.observed, &options).expect("no conflict");
    insta::assert_snapshot!("order_orphans_go", plan.to_string());
    engine.apply(&plan);
    assert!(engine.up(&one).is_empty());
}

#[test]
fn anonymous_volumes_are_carried_over_and_go_with_the_last_container() {
    let before = desired("roles: {a: {services: {x: {image: topogen/fake, volumes: [/data]}}}}");
    let after = desired("roles: {a: {services: {x: {image: topogen/fake, volumes: [/data], environment: {A: 1}}}}}");
    let volume = "0123456789abcdef".repeat(4);
    let mut engine = Pretended::with(&before);
    engine.container("a-x-1").mounts = vec![(volume.clone(), "/data".to_owned())];
    let plan = engine.up(&after);
    let made = plan.operations.iter().find_map(|o| match &o.action {
        topogen::plan::Action::CreateContainer(spec) => Some(spec.clone()),
        _ => None,
    });
    let spec = made.expect("recreated");
    let host = topogen::engine::request::container(&spec)
        .host_config
        .unwrap_or_default();
    assert_eq!(host.binds, Some(vec![format!("{volume}:/data")]));
    assert_eq!(host.mounts, None, "it is mounted once");
    let removal = plan.operations.iter().find_map(|o| match &o.action {
        topogen::plan::Action::RemoveContainer { volumes, .. } => Some(*volumes),
        _ => None,
    });
    assert_eq!(removal, Some(false));
    engine.apply(&plan);
    engine.container("a-x-1").mounts = vec![(volume, "/data".to_owned())];
    assert!(engine.up(&after).is_empty(), "its hash is over what the blueprint says");
    insta::assert_snapshot!(
        "order_carried_down",
        reconcile::down(&after.cluster, &engine.observed, false).to_string()
    );
}

#[test]
fn a_network_says_which_option_changed() {
    let before = desired("roles: {a: {services: {x: {image: topogen/fake}}}}");
    let after = desired(
        "internal: {driver_opts: {com.docker.network.driver.mtu: 1400}}\nroles: {a: {services: {x: {image: topogen/fake}}}}",
    );
    let engine = Pretended::with(&before);
    insta::assert_snapshot!("order_network_option", engine.up(&after).to_string());
}
