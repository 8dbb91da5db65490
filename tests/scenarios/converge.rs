//! Order, waiting, what is in the way, and several at once.

use std::fs;
use std::net::TcpListener;

use serde_json::{Value as Json, json};

use crate::cluster::{Cluster, docker, text};

fn write(cluster: &Cluster, blueprint: &str) {
    fs::write(cluster.path().join("topogen.yaml"), blueprint).unwrap();
}

fn inspect(container: &str) -> Json {
    let all: Json = serde_json::from_str(&docker(&["inspect", container])).expect("JSON");
    all[0].clone()
}

/// Slaves start after a healthy master, which Compose has no word for.
pub(crate) fn healthy_master_first() {
    let cluster = Cluster::new();
    write(
        &cluster,
        r#"
roles:
  slave: {count: 2, after: {master: healthy}, services: {app: {image: topogen/fake}}}
  master:
    services:
      app: {image: topogen/fake, depends_on: {db: {condition: service_healthy}}}
      db: {image: topogen/fake, healthcheck: {test: [CMD, /topogen, --version], interval: 1s}}
"#,
    );
    cluster.must("up", &[]);
    let at = |service: &str, node: &str| inspect(&cluster.container(node, service));
    let healthy = at("db", "master")["State"]["Health"]["Log"][0]["End"].clone();
    let healthy = healthy.as_str().expect("a time").get(..19).unwrap().to_owned();
    let master = at("app", "master")["State"]["StartedAt"].as_str().unwrap().to_owned();
    assert!(master >= healthy, "{master} is before {healthy}");
    for slave in ["slave1", "slave2"] {
        let slave = at("app", slave)["State"]["StartedAt"].as_str().unwrap().to_owned();
        assert!(slave >= master, "{slave} is before {master}");
    }
    let before = cluster.containers(Some("running"));
    cluster.must("up", &["--wait"]);
    assert_eq!(cluster.containers(Some("running")), before, "all is well already");
}

/// What would be done is printed, to CI by the exit code too, and nothing is done.
pub(crate) fn dry_run() {
    let cluster = Cluster::new();
    let told = |slaves: &str, code: i32| -> Vec<Json> {
        let all = [
            "--slaves",
            slaves,
            "--dry-run",
            "--format",
            "json",
            "--detailed-exitcode",
        ];
        let output = cluster.run("up", &all);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let plan: Json = serde_json::from_str(&text(&output.stdout)).expect("JSON");
        plan["changes"].as_array().expect("changes").clone()
    };
    let creates = |changes: &[Json], kind: &str| {
        let is_such = |c: &&Json| c["verb"] == "create" && c["kind"] == kind;
        changes.iter().filter(is_such).count()
    };
    let first = told("1", 4);
    assert_eq!(
        (creates(&first, "container"), creates(&first, "network")),
        (8, 3),
        "{first:?}"
    );
    assert_eq!((cluster.containers(None).len(), cluster.networks().len()), (0, 0));
    cluster.must("up", &["--slaves", "1"]);
    assert_eq!(told("1", 0), Vec::<Json>::new());
    let before = (cluster.containers(Some("running")), cluster.networks());
    let more = told("2", 4);
    assert_eq!(
        (creates(&more, "container"), creates(&more, "network")),
        (5, 1),
        "{more:?}"
    );
    assert_eq!((cluster.containers(Some("running")), cluster.networks()), before);
}

/// What never tells that it is well is waited for no longer than asked; it runs, and so does the rest.
pub(crate) fn timeout() {
    let cluster = Cluster::new();
    write(
        &cluster,
        r#"
roles:
  a:
    count: 2
    services:
      app: {image: topogen/fake, healthcheck: {test: [CMD, /topogen, nothing], interval: 1s, retries: 1000}}
      db: {image: topogen/fake}
"#,
    );
    let output = cluster.run("up", &["--wait", "--timeout", "2"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("a1") && said.contains("a2"), "{said}");
    let before = cluster.containers(Some("running"));
    assert_eq!(before.len(), 4);
    cluster.must("up", &[]);
    assert_eq!(cluster.containers(Some("running")), before);
}

/// What was to end, and did, is not started again.
pub(crate) fn what_completed_stays_so() {
    let cluster = Cluster::new();
    write(
        &cluster,
        r#"
roles:
  a:
    services:
      init: {image: topogen/fake, entrypoint: [/topogen, --version]}
      app: {image: topogen/fake, depends_on: {init: {condition: service_completed_successfully}}}
"#,
    );
    cluster.must("up", &[]);
    let started = || inspect(&cluster.container("a", "init"))["State"]["StartedAt"].clone();
    let before = started();
    assert_eq!(cluster.containers(Some("running")).len(), 1);
    cluster.must("up", &["--wait"]);
    assert_eq!(started(), before);
}

/// Each in one slave of ten: the nine others run, and the one is named.
pub(crate) fn one_of_ten() {
    let mut cluster = Cluster::new();
    let squatter = format!("{}-squatter", cluster.name);
    cluster.finally(&["rm", "-f", &squatter]);
    let blueprint = |over: &str| {
        format!(
            "roles:\n  slave:\n    count: 10\n    services: {{app: {{image: topogen/fake}}}}\n    overrides: {{slave3: {{services: {{app: {{{over}}}}}}}}}\n"
        )
    };
    write(&cluster, &blueprint("image: topogen/fake"));
    cluster.must("up", &[]);
    let image = inspect(&cluster.container("slave1", "app"))["Config"]["Image"]
        .as_str()
        .unwrap()
        .to_owned();
    docker(&[
        "run",
        "-d",
        "--name",
        &squatter,
        "-p",
        "127.0.0.1::80",
        "--expose",
        "80",
        &image,
    ]);
    let port = docker(&["port", &squatter, "80/tcp"]);
    let port = port
        .lines()
        .next()
        .and_then(|l| l.rsplit(':').next())
        .expect("a port")
        .to_owned();
    let missing = format!("image: {}/missing", cluster.name);
    let taken = format!("ports: [\"127.0.0.1:{port}:80\"]");
    for (over, named) in [
        ("entrypoint: [/topogen, nonsense]", "status 2"),
        (
            "healthcheck: {test: [CMD, /topogen, nonsense], interval: 1s, retries: 1}",
            "unhealthy",
        ),
        (missing.as_str(), "missing"),
        (taken.as_str(), squatter.as_str()),
    ] {
        cluster.must("down", &[]);
        write(&cluster, &blueprint(over));
        let output = cluster.run("up", &["--wait"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(6), "{over}: {said}");
        let summary = said.lines().rev().take(4).collect::<Vec<_>>().join("\n");
        assert!(summary.contains("slave3"), "{over}: {said}");
        assert!(said.contains(named), "{over}: {said}");
        let running = cluster.containers(Some("running"));
        let others = running.keys().filter(|n| !n.contains("slave3")).count();
        assert_eq!(others, 9, "{over}: {said}");
    }
}

/// An image that cannot be had is one error, before anything is made; one that is never to be fetched, with its place.
pub(crate) fn no_image() {
    let cluster = Cluster::new();
    for (policy, place) in [("missing", ""), ("never", "topogen.yaml:1:")] {
        write(
            &cluster,
            &format!(
                "roles: {{slave: {{count: 3, services: {{app: {{image: {}/missing, pull_policy: {policy}}}}}}}}}",
                cluster.name
            ),
        );
        let output = cluster.run("up", &[]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.matches("is not on the engine").count(), 1, "{said}");
        assert!(said.contains("--fake"), "{said}");
        assert!(said.contains(place), "{said}");
        assert_eq!((cluster.containers(None).len(), cluster.networks().len()), (0, 0));
    }
}

/// Engines make a host's name one of its aliases: no drift, and no leak where it is a node's own.
pub(crate) fn hostnames() {
    let cluster = Cluster::new();
    let service = "{image: topogen/fake, expose: [80], hostname: NAME}";
    let blueprint = format!(
        "roles: {{a: {{count: 2, entry: x, services: {{x: {}, y: {}}}}}, b: {{exit: gate, services: {{gate: {}}}}}}}",
        service.replace("NAME", "\"{{ node.name }}\""),
        service.replace("NAME", "other"),
        service.replace("NAME", "gate"),
    );
    write(&cluster, &blueprint);
    cluster.must("up", &["--fake"]);
    cluster.must("up", &["--fake", "--dry-run", "--detailed-exitcode"]);
    cluster.must("verify", &["--fake"]);
}

/// Ports of the host pass from what is removed to what is created: nodes under other names, a role in another's place.
pub(crate) fn ports_pass_on() {
    let cluster = Cluster::new();
    let free = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let ports = free.map(|l| l.local_addr().expect("an address").port());
    let blueprint = |role: &str, node: &str| {
        format!(
            "roles: {{{role}: {{count: 3, node: \"{node}{{{{ index }}}}\", services: {{x: {{image: topogen/fake, \
             ports: [\"127.0.0.1:{{{{ {ports:?}[node.ordinal] }}}}:80\"]}}}}}}}}"
        )
    };
    write(&cluster, &blueprint("a", "old"));
    cluster.must("up", &["--fake"]);
    for (role, node, options) in [
        ("a", "new", &["--fake"][..]),
        ("b", "other", &["--fake", "--remove-orphans"]),
    ] {
        write(&cluster, &blueprint(role, node));
        cluster.must("up", options);
        let running = cluster.containers(Some("running"));
        assert_eq!(running.len(), 3, "{running:?}");
        assert!(running.keys().all(|name| name.contains(node)), "{running:?}");
    }
}

/// Two at once, of the same cluster: one may lose a race, the result is right.
pub(crate) fn two_at_once() {
    let cluster = Cluster::new();
    let mut children = [(); 2].map(|()| cluster.spawn("up", &["--slaves", "3"]));
    for child in &mut children {
        let code = child.wait().expect("it ends").code();
        assert!(matches!(code, Some(0 | 6)), "{code:?}");
    }
    cluster.must("up", &["--slaves", "3"]);
    assert_eq!(cluster.containers(None).len(), 18);
    assert_eq!(cluster.containers(Some("running")).len(), 18);
    let mut networks = cluster.networks();
    networks.sort();
    networks.dedup();
    assert_eq!(
        (networks.len(), cluster.networks().len()),
        (5, 5),
        "none is there twice"
    );
    let found = cluster.probe("slave1", "service_out", &["--connect", "slave3:443"]);
    assert_eq!(found["endpoints"]["slave3:443"]["identity"]["node"], json!("slave3"));
    cluster.must("down", &[]);
    assert_eq!((cluster.containers(None).len(), cluster.networks().len()), (0, 0));
}

/// Thirty clusters of 1+1 at once on one engine, each on its own.
pub(crate) fn thirty_clusters() {
    let clusters: Vec<Cluster> = (0..30).map(|_| Cluster::new()).collect();
    let blueprint = "roles: {master: {entry: app, services: {app: {image: topogen/fake, expose: [80]}}}, slave: {count: 1, entry: app, services: {app: {image: topogen/fake, expose: [80]}}}}";
    let mut children: Vec<_> = clusters
        .iter()
        .map(|cluster| {
            write(cluster, blueprint);
            cluster.spawn("up", &["--parallel", "2"])
        })
        .collect();
    for (child, cluster) in children.iter_mut().zip(&clusters) {
        cluster.ends_well("up", child);
    }
    for cluster in &clusters {
        assert_eq!(cluster.containers(Some("running")).len(), 2, "{}", cluster.name);
        assert_eq!(cluster.networks().len(), 3);
    }
    for cluster in [&clusters[0], &clusters[29]] {
        let found = cluster.probe("slave1", "app", &["--connect", "master:80"]);
        assert_eq!(
            found["endpoints"]["master:80"]["identity"]["cluster"],
            json!(cluster.name)
        );
    }
    let mut children: Vec<_> = clusters.iter().map(|c| c.spawn("down", &["--parallel", "2"])).collect();
    for (child, cluster) in children.iter_mut().zip(&clusters) {
        cluster.ends_well("down", child);
    }
}

/// Named volumes outlive their containers, and go where that is asked for.
pub(crate) fn volumes() {
    let cluster = Cluster::new();
    let blueprint = |size: u32| {
        format!(
            "roles: {{a: {{count: 2, volumes: {{data: {{}}}}, services: {{app: {{image: topogen/fake, volumes: [\"data:/data\", /cache], environment: {{SIZE: {size}}}}}}}}}}}"
        )
    };
    let mounts = || {
        let mounts = inspect(&cluster.container("a1", "app"))["Mounts"].clone();
        let names = mounts
            .as_array()
            .expect("mounts")
            .iter()
            .map(|m| m["Name"].as_str().unwrap().to_owned());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let there = |volumes: &std::collections::BTreeSet<String>| {
        let all = docker(&["volume", "ls", "-q"]);
        all.lines().filter(|v| volumes.contains(*v)).count()
    };
    write(&cluster, &blueprint(1));
    cluster.must("up", &[]);
    let before = mounts();
    assert_eq!(before.len(), 2);
    write(&cluster, &blueprint(2));
    cluster.must("up", &[]);
    assert_eq!(mounts(), before, "its successor has the same volumes");
    cluster.must("down", &[]);
    assert_eq!(there(&before), 1, "the anonymous one goes");
    cluster.must("up", &[]);
    assert_eq!(
        mounts().intersection(&before).count(),
        1,
        "what was in the named one is there again"
    );
    let last = mounts();
    cluster.must("down", &["--volumes"]);
    assert_eq!(there(&last), 0);
}

/// What left the blueprint is named and left alone, until it is said to go.
pub(crate) fn orphans() {
    let cluster = Cluster::new();
    let role = "{services: {app: {image: topogen/fake}}}";
    write(&cluster, &format!("roles: {{a: {role}, b: {role}}}"));
    cluster.must("up", &[]);
    write(&cluster, &format!("roles: {{a: {role}}}"));
    let said = text(&cluster.run("up", &[]).stderr);
    assert!(said.contains("role `b`"), "{said}");
    assert_eq!(cluster.containers(Some("running")).len(), 2);
    cluster.must("up", &["--remove-orphans"]);
    assert_eq!(cluster.containers(None).len(), 1);
    assert_eq!(cluster.networks().len(), 2);
}

/// Another blueprint does not take a cluster over by accident.
pub(crate) fn other_blueprint() {
    let cluster = Cluster::new();
    let role = "{services: {app: {image: topogen/fake}}}";
    write(&cluster, &format!("roles: {{a: {role}}}"));
    cluster.must("up", &[]);
    let before = cluster.containers(Some("running"));
    fs::write(
        cluster.path().join("other.yaml"),
        format!("roles: {{a: {{count: 2, services: {{x: {{image: topogen/fake}}}}}}, b: {role}}}"),
    )
    .unwrap();
    let output = cluster.run("up", &["-f", "other.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(cluster.containers(Some("running")), before);
    // Nor is anything added to it, as from a directory that has no blueprint.
    let output = cluster.run("up", &["-f", "master-slaves", "--slaves", "1"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(cluster.containers(None), before);
    cluster.must("up", &["-f", "other.yaml", "--take-over"]);
    assert_eq!(cluster.containers(Some("running")).len(), 3);
}
