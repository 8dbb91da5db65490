//! Links between nodes, dimensions of a count, and a volume of the cluster, on an engine.

use std::collections::BTreeMap;
use std::fs;

use crate::cluster::{Cluster, docker, text};

fn cluster(blueprint: &str) -> Cluster {
    let cluster = Cluster::new();
    fs::write(cluster.path().join("topogen.yaml"), blueprint).expect("a blueprint");
    cluster
}

/// A router resolves and reaches its neighbours, and no other one.
pub(crate) fn ring() {
    let cluster = cluster(
        r#"
networks: {link: {count: "{{ role('router') | length }}"}}
roles:
  router:
    count: 4
    services:
      frr:
        image: topogen/fake
        expose: ["2601"]
        networks: ["link{{ node.index }}", "link{{ node.index % (role('router') | length) + 1 }}"]
"#,
    );
    cluster.must("up", &[]);
    let answers = |asker: &str, asked: &str| {
        let question = format!("{asked}:2601");
        let said = cluster.probe(asker, "frr", &["--connect", &question]);
        said.to_string().contains("\"accepted\"") || said.to_string().contains(&format!("\"node\":\"{asked}\""))
    };
    for (asker, asked, reaches) in [
        ("router1", "router2", true),
        ("router1", "router4", true),
        ("router1", "router3", false),
        ("router2", "router4", false),
    ] {
        assert_eq!(answers(asker, asked), reaches, "{asker} asks for {asked}");
    }
    assert_eq!(cluster.run("verify", &[]).status.code(), Some(0));
    // A router more takes two links, and leaves those alone that are not beside it.
    let before = cluster.containers(None);
    cluster.must("up", &["--scale", "router=5"]);
    let after = cluster.containers(None);
    let kept = ["router2", "router3"].map(|node| cluster.container(node, "frr"));
    for name in kept {
        assert_eq!(after[&name], before[&name], "{name}");
    }
    assert_eq!(cluster.networks().len(), 6);
    assert_eq!(cluster.run("verify", &["--scale", "router=5"]).status.code(), Some(0));
    // Who is off its link is missed.
    let link = format!("{}-link3", cluster.name);
    docker(&["network", "disconnect", &link, &cluster.container("router2", "frr")]);
    let said = cluster.run("verify", &["--scale", "router=5"]);
    assert_eq!(said.status.code(), Some(4), "{}", text(&said.stdout));
    cluster.must("up", &["--scale", "router=5"]);
    assert_eq!(cluster.run("verify", &["--scale", "router=5"]).status.code(), Some(0));
    cluster.must("down", &[]);
    assert_eq!(cluster.networks(), Vec::<String>::new());
}

/// Another shard or replica touches nobody who was there.
pub(crate) fn dimensions() {
    let cluster = cluster(
        r#"
roles:
  mongo:
    count: {shard: 2, replica: 2}
    entry: db
    services: {db: {image: topogen/fake, expose: ["27017"], environment: {SHARD: "{{ node.shard }}"}}}
"#,
    );
    cluster.must("up", &[]);
    let before = cluster.containers(None);
    assert_eq!(before.len(), 4);
    let larger = ["--scale", "mongo.shard=3", "--scale", "mongo.replica=3"];
    cluster.must("up", &larger);
    let after = cluster.containers(None);
    assert_eq!(after.len(), 9);
    assert!(
        before.iter().all(|(name, id)| after[name] == *id),
        "{before:?} {after:?}"
    );
    assert_eq!(cluster.run("verify", &larger).status.code(), Some(0));
    cluster.must("stop", &["mongo-2-*"]);
    let stopped: Vec<String> = cluster.containers(Some("exited")).into_keys().collect();
    let shard = ["mongo-2-1", "mongo-2-2", "mongo-2-3"].map(|node| cluster.container(node, "db"));
    assert_eq!(stopped, shard);
    cluster.must("down", &[]);
    assert_eq!(cluster.containers(None), BTreeMap::new());
}

/// One volume for all that mount it; it stays until it is asked to go.
pub(crate) fn volume() {
    let mut cluster = cluster(
        r#"
volumes: {pool: {}}
roles:
  writer: {services: {app: {image: topogen/fake, volumes: ["pool:/pool"]}}}
  reader: {count: 2, services: {app: {image: topogen/fake, volumes: ["pool:/pool:ro"]}}}
"#,
    );
    let volume = format!("{}-pool", cluster.name);
    cluster.finally(&["volume", "rm", "-f", &volume]);
    cluster.must("up", &[]);
    let mounted = |node: &str| {
        let name = cluster.container(node, "app");
        docker(&["inspect", "-f", "{{range .Mounts}}{{.Name}} {{.RW}}{{end}}", &name])
    };
    assert_eq!(mounted("writer"), format!("{volume} true"));
    assert_eq!(mounted("reader2"), format!("{volume} false"));
    assert_eq!(cluster.run("verify", &[]).status.code(), Some(0));
    let label = docker(&[
        "volume",
        "inspect",
        "-f",
        "{{index .Labels \"io.topogen.cluster\"}}",
        &volume,
    ]);
    assert_eq!(label, cluster.name);
    cluster.must("up", &["--slaves", "1"]);
    cluster.must("down", &[]);
    let is_there = || docker(&["volume", "ls", "-q", "--filter", &format!("name={volume}")]);
    assert_eq!(is_there(), volume);
    cluster.must("up", &[]);
    cluster.must("down", &["--volumes"]);
    assert_eq!(is_there(), "");
}
