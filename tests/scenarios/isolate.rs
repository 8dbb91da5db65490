//! Files that were written to be brought up once, three times each.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cluster::{Cluster, text};

/// What `ps` says of the ports of the host that lead to containers, by node: how many, and whether no two are one.
fn published(cluster: &Cluster) -> usize {
    let nodes: Value = serde_json::from_str(&cluster.must("ps", &["--format", "json"])).expect("JSON");
    let services = nodes
        .as_array()
        .expect("nodes")
        .iter()
        .flat_map(|n| n["services"].as_array().expect("services"));
    let ports = services.flat_map(|s| s["ports"].as_array().expect("ports"));
    let all: Vec<String> = ports
        .map(|p| format!("{} {} {}", p["address"], p["published"], p["protocol"]))
        .collect();
    let once: BTreeSet<&String> = all.iter().collect();
    assert_eq!(once.len(), all.len(), "{all:?}");
    all.len()
}

/// The file of `name` is up three times with fakes, is as it should be, and publishes ports if it is to.
pub(crate) fn three_times(name: &str, publishes: bool) {
    let cluster = Cluster::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/isolate").join(name);
    for file in ["compose.yaml", "topogen.yaml"] {
        fs::copy(folder.join(file), cluster.path().join(file)).expect("a file");
    }
    cluster.must("up", &["--fake"]);
    let all = cluster.containers(None);
    assert!(all.len() >= 12 && all.len().is_multiple_of(3), "{all:?}");
    assert_eq!(cluster.containers(Some("running")), all);
    assert_eq!(published(&cluster) > 0, publishes);
    let output = cluster.run("verify", &["--fake", "--patience", "20"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    let again = cluster.run("up", &["--fake", "--dry-run", "--detailed-exitcode"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stdout));
    cluster.must("down", &["--volumes"]);
    assert!(cluster.containers(None).is_empty());
    assert_eq!(cluster.networks(), Vec::<String>::new());
}
