//! A command runs in a container of its own on a node's networks, and nothing of it is left.

use std::fs;
use std::process::{Command, Stdio};

use crate::cluster::{Cluster, docker, text, wait};

const BLUEPRINT: &str = r#"
roles:
  lb: {entry: front, services: {front: {image: topogen/fake, expose: ["80"]}}}
  w:
    count: 2
    entry: app
    services:
      app: {image: topogen/fake, expose: ["80"], ports: ["127.0.0.1::80"], configs: [greeting]}
      db: {image: topogen/fake, expose: ["90"]}
    configs: {greeting: {content: "hello {{ node.name }}"}}
"#;

/// The one-offs of the cluster.
fn one_offs(cluster: &Cluster) -> Vec<String> {
    let label = format!("label=io.topogen.cluster={}", cluster.name);
    let names = docker(&[
        "ps",
        "-a",
        "--filter",
        &label,
        "--filter",
        "label=io.topogen.helper=run",
        "--format",
        "{{.Names}}",
    ]);
    names.lines().map(str::to_owned).collect()
}

pub(crate) fn one_off() {
    let cluster = Cluster::new();
    fs::write(cluster.path().join("topogen.yaml"), BLUEPRINT).unwrap();
    cluster.must("up", &["-q"]);
    let before = cluster.containers(None);

    // On all networks of the node, whatever the image; as its service is configured.
    let probe = [
        "probe",
        "--resolve",
        "db",
        "--resolve",
        "lb",
        "--connect",
        "db:90",
        "--connect",
        "w2:80",
    ];
    for what in ["topogen/fake", "app"] {
        let mut words = vec!["w1", what];
        words.extend(probe);
        let found: serde_json::Value = serde_json::from_str(&cluster.must("run", &words)).unwrap();
        for endpoint in ["db:90", "w2:80"] {
            assert_eq!(found["endpoints"][endpoint]["outcome"], "connected", "{found}");
        }
    }
    // The command's exit code, its two streams, and what is no command.
    let output = cluster.run("run", &["w1", "db", "probe", "--resolve", "nobody"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let output = cluster.run("run", &["w1", "db", "--format", "json", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["exit"], told["node"].as_str()),
        (&2.into(), Some("w1")),
        "{told}"
    );
    assert!(told["stderr"].as_str().unwrap().contains("nonsense"), "{told}");
    let output = cluster.run("run", &["--entrypoint", "/nowhere", "w1", "db", "x"]);
    assert_eq!(output.status.code(), Some(127), "{}", text(&output.stderr));

    // An interrupt removes it, too; while it runs, nothing else of the cluster changes.
    let mut child = Command::new(env!("CARGO_BIN_EXE_topogen"))
        .args(["run", "-n", &cluster.name, "w2", "app"])
        .current_dir(cluster.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let name = wait("the one-off runs", || one_offs(&cluster).pop());
    wait("it has started", || {
        (docker(&["inspect", "-f", "{{.State.Running}}", &name]) == "true").then_some(())
    });
    assert_eq!(docker(&["port", &name]), "");
    assert!(!cluster.must("ps", &[]).contains("-run-"));
    cluster.must("up", &["-q"]);
    cluster.must("verify", &[]);
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap(),
        rustix::process::Signal::INT,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(one_offs(&cluster), Vec::<String>::new());
    assert_eq!(cluster.containers(None), before);
}
