//! What containers use: the one that eats the machine comes first, and sums are those of what they sum.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cluster::{Cluster, wait};

const BLUEPRINT: &str = r#"
roles:
  lb: {entry: front, services: {front: {image: topogen/fake}}}
  w: {count: 3, entry: app, services: {app: {image: topogen/fake}, db: {image: topogen/fake}}}
"#;

pub(crate) fn greedy() {
    let cluster = Cluster::new();
    fs::write(cluster.path().join("topogen.yaml"), BLUEPRINT).unwrap();
    cluster.must("up", &["-q"]);
    // A fake that renders many nodes again and again, from inside.
    let greedy = cluster.container("w2", "db");
    let mut load = Command::new("sh")
        .args([
            "-c",
            &format!("while docker exec {greedy} /topogen render -o - --slaves 500 >/dev/null; do :; done"),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait("the greedy one is found", || {
        let text = cluster.must("stats", &["--once"]);
        let tables: Vec<&str> = text.split("\n\n").collect();
        let first = |table: &str| {
            table
                .lines()
                .nth(1)
                .and_then(|l| l.split_whitespace().next())
                .map(str::to_owned)
        };
        let is_it = first(tables[0]).as_deref() == Some("w") && first(tables[1]).as_deref() == Some("w2");
        is_it.then_some(())
    });
    load.kill().unwrap();
    load.wait().unwrap();
    let told: Value = serde_json::from_str(&cluster.must("stats", &["--format", "json"])).unwrap();
    let containers = told["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 7, "{told}");
    for one in containers {
        assert!(one["memory"].as_u64().unwrap() > 100_000, "{one}");
        assert!(one["processes"].as_u64().unwrap() >= 1, "{one}");
        assert!(one["cpu_percent"].is_number(), "{one}");
    }
    let of = |rows: &str, name: &str| -> u64 {
        let rows = told[rows].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        row["memory"].as_u64().unwrap()
    };
    let nodes = ["w1", "w2", "w3"].map(|node| of("nodes", node)).iter().sum::<u64>();
    assert_eq!(nodes, of("roles", "w"), "{told}");
    let w2: Value = serde_json::from_str(&cluster.must("stats", &["w2", "--format", "json"])).unwrap();
    assert_eq!(w2["containers"].as_array().unwrap().len(), 2, "{w2}");
}
