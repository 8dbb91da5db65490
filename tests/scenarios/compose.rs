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
