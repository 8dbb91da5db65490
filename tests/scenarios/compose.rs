//! Compose beside topogen: it sees what `up` made, and brings up what `render` made.

use std::path::Path;
use std::process::Command;

use crate::cluster::{Cluster, docker, text, topogen};
use crate::lab::names_are_right;

pub(crate) fn compose(command: &[&str], directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new(command[0])
        .args(&command[1..])
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("compose runs");
    assert!(
        output.status.success(),
        "{command:?} {arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

pub(crate) fn sees_up() {
    let cluster = Cluster::new();
    cluster.must("up", &["--slaves", "2"]);
    let project = format!("{}-slave1", cluster.name);
    let docker_compose = |arguments: &[&str]| {
        let mut all = vec!["-p", project.as_str()];
        all.extend(arguments);
        compose(&["docker", "compose"], &cluster.path(), &all)
    };
    let list = compose(&["docker", "compose"], &cluster.path(), &["ls", "--format", "json"]);
    assert!(list.contains(&format!("\"{project}\"")), "{list}");
    assert_eq!(docker_compose(&["ps", "-q"]).lines().count(), 5);
    assert!(docker_compose(&["logs"]).contains("slave1/service_entry: answers on 443/tcp"));
    docker_compose(&["stop"]);
    assert_eq!(cluster.containers(Some("running")).len(), 8);
    docker_compose(&["down"]);
    assert_eq!(cluster.containers(None).len(), 8);
    assert!(!cluster.networks().contains(&format!("{project}_internal")));
    cluster.must("up", &["--slaves", "2"]);
    assert_eq!(cluster.containers(Some("running")).len(), 13);
}

pub(crate) fn brings_up_render() {
    brings_up(&["docker", "compose"], '-');
}

pub(crate) fn one_brings_up_render() {
    brings_up(&["docker-compose"], '_');
}

fn brings_up(command: &[&str], separator: char) {
    let mut cluster = Cluster::new();
    let archive = cluster.path().join("fake.tar");
    let archive = archive.to_str().expect("UTF-8");
    assert!(topogen(&cluster.path(), &["image", "-o", archive]).status.success());
    docker(&["load", "-q", "-i", archive]);
    let inout = format!("{}-inout", cluster.name);
    let rendered = cluster.run("render", &["--slaves", "3"]);
    // The command that `render` shows: a subnet of its own for the shared network.
    let said = text(&rendered.stderr);
    let create = said
        .lines()
        .find_map(|l| l.strip_prefix("next: docker "))
        .expect("a command");
    cluster.finally(&["network", "rm", &inout]);
    docker(&create.split(' ').collect::<Vec<_>>());
    let directory = |node: &str| {
        cluster
            .path()
            .join("topogen-out")
            .join(format!("{}-{node}", cluster.name))
    };
    let nodes = ["master", "slave1", "slave2", "slave3"];
    let guard = Downs {
        command,
        directories: nodes.map(directory).to_vec(),
    };
    for node in nodes {
        compose(command, &directory(node), &["up", "-d"]);
    }
    let container = |node: &str, service: &str| match service {
        "service_entry" | "service_out" => format!("{}-{node}-{service}-1", cluster.name),
        _ => format!("{}-{node}{separator}{service}{separator}1", cluster.name),
    };
    let address = |container: &str, network: &str| {
        docker(&[
            "inspect",
            "-f",
            &format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}"),
            container,
        ])
    };
    let internal = format!("{}-slave2_internal", cluster.name);
    names_are_right(
        &container("slave2", "service_out"),
        |service| address(&container("slave2", service), &internal),
        |node| address(&container(node, "service_entry"), &inout),
    );
    assert_eq!(
        cluster.containers(None).len(),
        0,
        "what Compose made carries no label of ours"
    );
    drop(guard);
}

/// A cluster whose networks have all that `docker network create` can say, and whose services have addresses there.
const FIXED: &str = r#"
inout:
  name: NAME-inout
  driver_opts: {com.docker.network.driver.mtu: "1400"}
  internal: true
  attachable: true
  enable_ipv6: true
  labels: {of: "the lab's", empty: ""}
  ipam:
    config:
      - {subnet: SUBNET.0/24, ip_range: SUBNET.128/25, gateway: SUBNET.9, aux_addresses: {spare: SUBNET.200}}
      - {subnet: "PREFIX::/64", gateway: "PREFIX::9"}
roles:
  node:
    count: 2
    entry: n
    networks: {other: {name: NAME-other, ipam: {config: [{subnet: OTHER.0/24}]}}}
    services:
      n:
        image: topogen/fake
        expose: ["80"]
        networks:
          inout: {ipv4_address: "SUBNET.1{{ node.index }}", ipv6_address: "PREFIX::1{{ node.index }}"}
          other: {ipv4_address: "OTHER.2{{ node.index }}"}
"#;

/// What `render` prints to be typed, typed: the networks are those that `up` would make, and each address is as written.
pub(crate) fn types_what_render_prints() {
    let mut cluster = Cluster::new();
    let archive = cluster.path().join("fake.tar");
    assert!(
        topogen(&cluster.path(), &["image", "-o", archive.to_str().expect("UTF-8")])
            .status
            .success()
    );
    docker(&["load", "-q", "-i", archive.to_str().expect("UTF-8")]);
    let process = std::process::id();
    let subnet = format!("10.{}.{}", 100 + process % 30, process / 30 % 256);
    let other = format!("10.{}.{}", 130 + process % 30, process / 30 % 256);
    let prefix = format!("fd7e:{:x}", process % 0xffff);
    let blueprint = FIXED
        .replace("NAME", &cluster.name)
        .replace("SUBNET", &subnet)
        .replace("OTHER", &other);
    let blueprint = blueprint.replace("PREFIX", &prefix);
    std::fs::write(cluster.path().join("topogen.yaml"), blueprint).expect("a file");
    let (inout, shared) = (format!("{}-inout", cluster.name), format!("{}-other", cluster.name));
    cluster.finally(&["network", "rm", &inout]);
    cluster.finally(&["network", "rm", &shared]);
    let rendered = cluster.run("render", &["-o", "out of it"]);
    let said = text(&rendered.stderr);
    let (_, script) = said.split_once("next: ").expect("what to type");
    let directories = ["node1", "node2"].map(|node| {
        cluster
            .path()
            .join("out of it")
            .join(format!("{}-{node}", cluster.name))
    });
    let guard = Downs {
        command: &["docker", "compose"],
        directories: directories.to_vec(),
    };
    compose(&["sh", "-ec"], &cluster.path(), &[script]);
    let inspect = |network: &str| -> serde_json::Value {
        let all: serde_json::Value = serde_json::from_str(&docker(&["network", "inspect", network])).expect("JSON");
        all[0].clone()
    };
    let made = inspect(&inout);
    let is =
        |path: &str, expected: serde_json::Value| assert_eq!(made.pointer(path), Some(&expected), "{path}: {made}");
    is("/Internal", true.into());
    is("/Attachable", true.into());
    is("/EnableIPv6", true.into());
    is("/Options/com.docker.network.driver.mtu", "1400".into());
    is("/Labels/of", "the lab's".into());
    is("/Labels/empty", "".into());
    let pools = made["IPAM"]["Config"].as_array().expect("pools");
    let four = pools
        .iter()
        .find(|pool| pool["Subnet"] == format!("{subnet}.0/24"))
        .expect("a pool");
    assert_eq!(four["Gateway"], format!("{subnet}.9"));
    assert_eq!(four["IPRange"], format!("{subnet}.128/25"));
    assert_eq!(four["AuxiliaryAddresses"]["spare"], format!("{subnet}.200"));
    let six = pools
        .iter()
        .find(|pool| pool["Subnet"] == format!("{prefix}::/64"))
        .expect("a pool");
    assert_eq!(six["Gateway"], format!("{prefix}::9"));
    for index in 1..=2 {
        let container = format!("{}-node{index}-n-1", cluster.name);
        let of = |network: &str, what: &str| {
            let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").{what}}}}}");
            docker(&["inspect", "-f", &format, &container])
        };
        assert_eq!(of(&inout, "IPAddress"), format!("{subnet}.1{index}"));
        assert_eq!(of(&inout, "GlobalIPv6Address"), format!("{prefix}::1{index}"));
        assert_eq!(of(&shared, "IPAddress"), format!("{other}.2{index}"));
    }
    drop(guard);
}

/// `down` in each directory, however the scenario ends.
pub(crate) struct Downs<'a> {
    pub(crate) command: &'a [&'a str],
    pub(crate) directories: Vec<std::path::PathBuf>,
}

impl Drop for Downs<'_> {
    fn drop(&mut self) {
        for directory in &self.directories {
            let _ = Command::new(self.command[0])
                .args(&self.command[1..])
                .args(["down", "-t", "1"])
                .current_dir(directory)
                .output();
        }
    }
}
