//! Real software in place of fakes, in images built here from packages.

use std::fs;
use std::process::Command;

use crate::cluster::{Cluster, text, wait};

/// Names the program that builds them.
const BUILDER: &str = "TOPOGEN_IMAGES";

/// Why images cannot be built, where they cannot.
pub(crate) fn lacks() -> Option<String> {
    match std::env::var(BUILDER) {
        Ok(_) => None,
        Err(_) => Some(format!("{BUILDER} names no program that builds images")),
    }
}

/// An image with `package` in it.
pub(crate) fn image(package: &str) -> String {
    build(&format!("topogen-test/{package}"), &[package])
}

/// `image`, with `packages` in it.
pub(crate) fn build(image: &str, packages: &[&str]) -> String {
    let builder = std::env::var(BUILDER).expect("a program");
    let output = Command::new(builder)
        .arg(image)
        .args(packages)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    image.to_owned()
}

/// What `command` says in a container.
fn exec(container: &str, command: &[&str]) -> Option<String> {
    let output = Command::new("docker")
        .args(["exec", container])
        .args(command)
        .output()
        .expect("docker runs");
    output.status.success().then(|| text(&output.stdout))
}

/// The primary counts its replicas: as many as there are slaves, also when there are more, and when it was away.
pub(crate) fn redis() {
    let cluster = Cluster::new();
    let image = image("redis-server");
    let blueprint = format!(
        r#"
roles:
  master:
    entry: db
    services:
      db:
        image: {image}
        command: [redis-server, --protected-mode, "no", --save, ""]
        expose: [6379]
        healthcheck: {{test: [CMD, redis-cli, ping], interval: 1s}}
  slave:
    count: 5
    after: {{master: healthy}}
    exit: db
    services:
      db:
        image: {image}
        command: [redis-server, /etc/redis.conf]
        configs: [{{source: conf, target: /etc/redis.conf, mode: 0444}}]
    configs:
      conf:
        content: |
          protected-mode no
          save ""
          replicaof {{{{ role('master')[0].name }}}} 6379
"#
    );
    fs::write(cluster.path().join("topogen.yaml"), blueprint).unwrap();
    let counts = |replicas: u32| {
        let master = cluster.container("master", "db");
        wait("the primary counts its replicas", || {
            let info = exec(&master, &["redis-cli", "info", "replication"])?;
            let connected = info.lines().find_map(|l| l.strip_prefix("connected_slaves:"))?;
            let online = info.matches("state=online").count();
            (connected.trim() == replicas.to_string() && online == replicas as usize).then_some(())
        });
    };
    cluster.must("up", &["--wait"]);
    counts(5);
    cluster.must("up", &["--slaves", "8", "--wait"]);
    counts(8);
    cluster.must("kill", &["master"]);
    cluster.must("start", &["master"]);
    counts(8);
}
