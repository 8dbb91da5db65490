//! What is cut on purpose, and healed.

use serde_json::{Value as Json, json};

use crate::cluster::{Cluster, docker, text, wait};

/// The helpers of a cluster that are there.
fn helpers(cluster: &Cluster) -> usize {
    let label = format!("label=io.topogen.cluster={}", cluster.name);
    let list = docker(&[
        "ps",
        "-aq",
        "--filter",
        &label,
        "--filter",
        "label=io.topogen.helper=fault",
    ]);
    list.lines().count()
}

/// What `topogen faults` says: each container that is not whole, and what it is cut off.
fn faults(cluster: &Cluster) -> Vec<(String, String)> {
    let list: Json = serde_json::from_str(&cluster.must("faults", &["--format", "json"])).expect("JSON");
    let rows = list.as_array().expect("a list").iter().map(|row| {
        let said = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let cuts = row["cuts"].as_array().expect("a list").iter();
        let cuts: Vec<String> = cuts
            .map(|cut| match said(&cut["off"]).as_str() {
                "network" => said(&cut["network"]),
                "container" => format!("{}/{}", said(&cut["node"]), said(&cut["service"])),
                other => other.to_owned(),
            })
            .collect();
        (
            format!("{}/{}", said(&row["node"]), said(&row["service"])),
            cuts.join(" "),
        )
    });
    rows.collect()
}

/// What becomes of a connection.
fn outcome(cluster: &Cluster, from: (&str, &str), to: &str) -> String {
    let answer = cluster.probe(from.0, from.1, &["--connect", to, "--patience", "1000"]);
    answer["endpoints"][to]["outcome"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Whether a port on which nobody listens refuses a connection: packets go there and back.
fn is_refused(cluster: &Cluster, from: (&str, &str), to: &str) -> bool {
    let container = cluster.container(from.0, from.1);
    let asked = ["exec", &container, "/topogen", "probe", "--connect", to];
    let output = std::process::Command::new("docker")
        .args(asked)
        .output()
        .expect("docker runs");
    let answer: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    answer["endpoints"][to]["outcome"] == "refused"
}

/// What `verify` has proved, where all is as it should be.
fn proved(cluster: &Cluster, slaves: &str) -> Json {
    let output = cluster.run("verify", &["--slaves", slaves, "--fake", "--format", "json"]);
    let report: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        report["right"],
        true,
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    report["proved"].clone()
}

/// A node off the shared network goes on inside, `verify` expects what is cut, `up` leaves it, and a restart ends it.
pub(crate) fn cut_and_started_again() {
    let cluster = Cluster::new();
    cluster.must("up", &["--slaves", "2", "--fake"]);
    cluster.must("cut", &["slave2"]);
    let inout = format!("{}-inout", cluster.name);
    let cut = |service: &str| (format!("slave2/{service}"), inout.clone());
    assert_eq!(faults(&cluster), [cut("service_entry"), cut("service_out")]);
    assert_eq!(
        outcome(&cluster, ("master", "service_entry"), "slave2:443"),
        "unreachable"
    );
    assert_eq!(
        outcome(&cluster, ("slave2", "service_out"), "master:443"),
        "unreachable"
    );
    assert_eq!(
        outcome(&cluster, ("slave2", "service_3"), "service_entry:443"),
        "connected"
    );
    assert_eq!(
        outcome(&cluster, ("slave2", "service_entry"), "slave2:443"),
        "connected"
    );
    assert_eq!(
        outcome(&cluster, ("master", "service_entry"), "slave1:443"),
        "connected"
    );
    let paths = proved(&cluster, "2")["cut"].as_u64();
    assert!(paths.is_some_and(|paths| paths > 0), "{paths:?}");
    let again = cluster.run("up", &["--slaves", "2", "--fake"]);
    assert!(
        text(&again.stderr).contains("`topogen heal` ends it"),
        "{}",
        text(&again.stderr)
    );
    assert_eq!(faults(&cluster).len(), 2);
    let ps: Json = serde_json::from_str(&cluster.must("ps", &["slave2", "--format", "json"])).expect("JSON");
    let services = ps[0]["services"].as_array().expect("a list").iter();
    let cut: Vec<&Json> = services.filter(|s| s["cut"] == true).map(|s| &s["service"]).collect();
    assert_eq!(cut, ["service_entry", "service_out"]);
    // What is started again has another network, which is whole.
    cluster.must("restart", &["slave2"]);
    assert_eq!(faults(&cluster), []);
    assert_eq!(helpers(&cluster), 0);
    assert_eq!(proved(&cluster, "2")["cut"], Json::Null);
}

/// Sets of nodes do not meet, until one of them is healed; a container alone meets nobody; `down` takes all of it away.
pub(crate) fn partitioned() {
    let cluster = Cluster::new();
    cluster.must("up", &["--slaves", "3", "--fake"]);
    cluster.must("partition", &["slave1", "slave[2-3],master"]);
    assert_eq!(
        outcome(&cluster, ("slave1", "service_entry"), "master:443"),
        "unreachable"
    );
    assert_eq!(
        outcome(&cluster, ("slave2", "service_entry"), "slave1:443"),
        "unreachable"
    );
    assert_eq!(
        outcome(&cluster, ("slave2", "service_entry"), "slave3:443"),
        "connected"
    );
    assert!(proved(&cluster, "3")["cut"].as_u64() > Some(0));
    cluster.must("heal", &["master"]);
    assert_eq!(
        outcome(&cluster, ("slave1", "service_entry"), "master:443"),
        "connected"
    );
    assert_eq!(
        outcome(&cluster, ("slave3", "service_entry"), "slave1:443"),
        "unreachable"
    );
    cluster.must("isolate", &["master/service_3"]);
    assert!(faults(&cluster).contains(&("master/service_3".to_owned(), "everything".to_owned())));
    assert_eq!(
        outcome(&cluster, ("master", "service_2"), "service_3:80"),
        "unreachable"
    );
    assert_eq!(
        outcome(&cluster, ("master", "service_3"), "service_2:80"),
        "unreachable"
    );
    cluster.must("heal", &[]);
    assert_eq!(faults(&cluster), []);
    assert_eq!(helpers(&cluster), 0);
    assert_eq!(
        outcome(&cluster, ("slave3", "service_entry"), "slave1:443"),
        "connected"
    );
    assert!(is_refused(&cluster, ("master", "service_2"), "service_3:80"));
    cluster.must("cut", &["slave1", "--from", "slave2"]);
    assert_eq!(
        outcome(&cluster, ("slave2", "service_entry"), "slave1:443"),
        "unreachable"
    );
    assert_eq!(
        outcome(&cluster, ("slave3", "service_entry"), "slave1:443"),
        "connected"
    );
    assert!(helpers(&cluster) > 0);
    cluster.must("down", &[]);
    assert_eq!(helpers(&cluster), 0);
    assert_eq!(cluster.containers(None).len(), 0);
}

/// What happens to a network is told as it happens, and what cannot be cut is refused before anything is.
pub(crate) fn told_and_refused() {
    let cluster = Cluster::new();
    cluster.must("up", &["--slaves", "1", "--fake"]);
    let log = cluster.path().join("events");
    let mut events = std::process::Command::new(env!("CARGO_BIN_EXE_topogen"))
        .args(["events", "-n", &cluster.name, "--format", "json"])
        .stdout(std::fs::File::create(&log).unwrap())
        .spawn()
        .expect("topogen runs");
    let told = || -> Vec<Json> {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
        lines.filter(|event| event["event"] == "fault").collect()
    };
    // It follows from some moment on, which nothing says.
    let first = wait("the events are followed", || {
        cluster.must("cut", &["slave1/service_entry"]);
        told().first().cloned()
    });
    assert_eq!(
        (&first["node"], &first["service"], &first["fault"]),
        (
            &json!("slave1"),
            &json!("service_entry"),
            &json!(format!("cut off {}-inout", cluster.name))
        )
    );
    cluster.must("heal", &[]);
    wait("the end is told", || {
        told()
            .last()
            .filter(|e| e["fault"].as_str().unwrap().starts_with("no longer"))
            .cloned()
    });
    events.kill().unwrap();
    events.wait().unwrap();
    let refused = |arguments: &[&str], words: &str| {
        let output = cluster.run(arguments[0], &arguments[1..]);
        assert!(
            !output.status.success() && text(&output.stderr).contains(words),
            "{}",
            text(&output.stderr)
        );
    };
    refused(&["cut", "slave1/service_3"], "`topogen isolate TARGET`");
    refused(
        &["partition", "master", "slave1/service_3"],
        "nobody is cut off anybody",
    );
    cluster.must("stop", &["slave1/service_out"]);
    refused(&["isolate", "slave1/service_out"], "does not run");
    assert_eq!(faults(&cluster), []);
}
