//! Pictures of what runs.

use std::fs;

use serde_json::{Value as Json, json};

use crate::cluster::{Cluster, docker};

pub(crate) fn live() {
    let mut cluster = Cluster::new();
    let guest = format!("{}-guest", cluster.name);
    cluster.finally(&["rm", "-f", &guest]);
    cluster.must("up", &["--slaves", "3"]);
    let all_is_well = cluster.must("graph", &["--slaves", "3", "--live", "--format", "json"]);
    for word in ["missing", "unwanted", "exited", "foreign"] {
        assert!(!all_is_well.contains(word), "{word}: {all_is_well}");
    }

    docker(&["stop", &cluster.container("slave1", "service_3")]);
    docker(&["rm", "-f", &cluster.container("slave2", "service_4")]);
    let inout = format!("{}-inout", cluster.name);
    docker(&[
        "network",
        "disconnect",
        &inout,
        &cluster.container("slave2", "service_out"),
    ]);
    let image = docker(&[
        "inspect",
        "-f",
        "{{.Config.Image}}",
        &cluster.container("master", "service_2"),
    ]);
    docker(&["run", "-d", "--name", &guest, "--network", &inout, &image]);

    let graph = cluster.must("graph", &["--slaves", "2", "--live", "--format", "json"]);
    let graph: Json = serde_json::from_str(&graph).expect("JSON");
    let find = |list: &Json, name: &str| -> Json {
        let found = list
            .as_array()
            .expect("a list")
            .iter()
            .find(|n| n["name"] == json!(name));
        found.unwrap_or_else(|| panic!("no {name}: {graph}")).clone()
    };
    let service = |node: &str, service: &str| find(&find(&graph["nodes"], node)["services"], service);
    assert_eq!(
        service("slave1", "service_3")["containers"][0]["state"],
        json!("exited")
    );
    assert_eq!(
        service("slave1", "service_4")["containers"][0]["state"],
        json!("running")
    );
    let gone = service("slave2", "service_4")["containers"][0].clone();
    assert_eq!((&gone["standing"], gone.get("state")), (&json!("missing"), None));
    let join = |node: &str, name: &str, shared: bool| {
        let joins = service(node, name)["joins"].clone();
        let found = joins
            .as_array()
            .expect("a list")
            .iter()
            .find(|j| j["shared"] == json!(shared));
        found.expect("a network").clone()
    };
    assert_eq!(join("slave2", "service_out", false)["standing"], json!("there"));
    assert_eq!(join("slave2", "service_out", true)["standing"], json!("missing"));
    // Nobody wants it any more, and it still answers.
    assert_eq!(find(&graph["nodes"], "slave3")["standing"], json!("unwanted"));
    assert_eq!(join("slave3", "service_entry", true)["names"], json!(["slave3"]));
    assert_eq!(find(&graph["foreign"], &guest)["networks"], json!([inout]));

    // The same as a picture.
    cluster.must("graph", &["--slaves", "2", "--live", "-o", "live.svg"]);
    let svg = fs::read_to_string(cluster.path().join("live.svg")).expect("a picture");
    for part in ["1 exited", "1 missing", "1 foreign", "not in the blueprint", &guest] {
        assert!(svg.contains(part), "{part}: {svg}");
    }
}
