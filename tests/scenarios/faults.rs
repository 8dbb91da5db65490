//! What is foreign, what fails, what is killed.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::cluster::{Cluster, docker, text, wait};

/// 5.
pub(crate) fn foreign_survives() {
    let mut cluster = Cluster::new();
    let [container, network, volume] =
        ["guest", "net", "volume"].map(|kind| format!("{}-foreign-{kind}", cluster.name));
    cluster.finally(&["rm", "-f", "-v", &container]);
    cluster.finally(&["network", "rm", &network]);
    cluster.finally(&["volume", "rm", &volume]);
    docker(&["network", "create", &network]);
    docker(&["volume", "create", &volume]);
    cluster.must("up", &["--slaves", "1"]);
    let image = docker(&[
        "inspect",
        "-f",
        "{{.Config.Image}}",
        &cluster.container("master", "service_2"),
    ]);
    docker(&[
        "run",
        "-d",
        "--name",
        &container,
        "--network",
        &network,
        "-v",
        &format!("{volume}:/data"),
        &image,
    ]);
    let inout = format!("{}-inout", cluster.name);
    docker(&["network", "connect", &inout, &container]);
    let down = cluster.run("down", &[]);
    assert!(down.status.success());
    assert!(
        text(&down.stderr).contains(&container),
        "down says who keeps it: {}",
        text(&down.stderr)
    );
    assert_eq!(docker(&["inspect", "-f", "{{.State.Running}}", &container]), "true");
    docker(&["network", "inspect", &network]);
    docker(&["volume", "inspect", &volume]);
    assert_eq!(cluster.networks(), std::slice::from_ref(&inout));
    assert_eq!(cluster.containers(None).len(), 0);
    // It also comes back with the guest on it.
    cluster.must("up", &["--slaves", "1"]);
    docker(&["network", "disconnect", &inout, &container]);
    cluster.must("down", &[]);
    assert!(cluster.networks().is_empty());
    assert_eq!(docker(&["inspect", "-f", "{{.State.Running}}", &container]), "true");
}

pub(crate) fn guests() {
    let mut cluster = Cluster::new();
    let guest = format!("{}-guest", cluster.name);
    let sleeper = format!("{}-sleeper", cluster.name);
    cluster.finally(&["rm", "-f", &guest]);
    cluster.finally(&["rm", "-f", &sleeper]);
    let blueprint = |mtu: u32| {
        let inout = format!("inout: {{driver_opts: {{com.docker.network.driver.mtu: {mtu}}}}}");
        let role = "{count: 2, entry: app, services: {app: {image: topogen/fake, expose: [80]}}}";
        fs::write(
            cluster.path().join("topogen.yaml"),
            format!("{inout}\nroles: {{w: {role}}}\n"),
        )
        .unwrap();
    };
    blueprint(1400);
    cluster.must("up", &[]);
    let before = (cluster.containers(Some("running")), cluster.networks());
    let inout = format!("{}-inout", cluster.name);
    let image = docker(&["inspect", "-f", "{{.Config.Image}}", &cluster.container("w1", "app")]);
    docker(&["run", "-d", "--name", &guest, "--network", &inout, &image]);
    // Never started: the engine knows it by the network's name only.
    docker(&["create", "--name", &sleeper, "--network", &inout, &image]);
    blueprint(1300);
    let output = cluster.run("up", &[]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&guest) && said.contains(&sleeper),
        "up says who is on it: {said}"
    );
    assert_eq!(
        (cluster.containers(Some("running")), cluster.networks()),
        before,
        "nothing was touched"
    );
    docker(&["network", "disconnect", "-f", &inout, &guest]);
    docker(&["rm", &sleeper]);
    cluster.must("up", &[]);
    let mtu = "{{index .Options \"com.docker.network.driver.mtu\"}}";
    assert_eq!(docker(&["network", "inspect", "-f", mtu, &inout]), "1300");
    assert_eq!(docker(&["inspect", "-f", "{{.State.Running}}", &guest]), "true");
    assert_eq!(cluster.containers(Some("running")).len(), 2);
}

pub(crate) fn configs() {
    let cluster = Cluster::new();
    let blueprint = |content: &str| {
        let text = format!(
            r#"
roles:
  w:
    count: 2
    services:
      app:
        image: topogen/fake
        configs: [{{source: c, target: /etc/lab/c.conf}}]
      db: {{image: topogen/fake}}
    configs: {{c: {{content: "{content} {{{{ node.name }}}}"}}}}
"#
        );
        fs::write(cluster.path().join("topogen.yaml"), text).unwrap();
    };
    // The image has no `cat`: the archive that `docker cp` prints is text enough.
    let read = |node: &str| {
        docker(&[
            "cp",
            &format!("{}:/etc/lab/c.conf", cluster.container(node, "app")),
            "-",
        ])
    };
    blueprint("x");
    cluster.must("up", &[]);
    for node in ["w1", "w2"] {
        assert!(read(node).contains(&format!("x {node}\0")), "{}", read(node));
    }
    let before = cluster.containers(Some("running"));
    assert_eq!(before.len(), 4);
    blueprint("{{ 'y' if node.index == 2 else 'x' }}");
    cluster.must("up", &[]);
    assert!(read("w1").contains("x w1\0") && read("w2").contains("y w2\0"));
    let after = cluster.containers(Some("running"));
    for (name, id) in &after {
        let changed = *name == cluster.container("w2", "app");
        assert_eq!(before[name] != *id, changed, "{name}");
    }
}

/// Configs are written into no mount that is not the container's own, also if a link of the image points there.
pub(crate) fn configs_and_mounts() {
    let mut cluster = Cluster::new();
    let image = format!("{}-linked", cluster.name);
    cluster.finally(&["rmi", "-f", &image]);
    let root = cluster.path().join("root");
    fs::create_dir_all(root.join("var")).unwrap();
    std::os::unix::fs::symlink("../run", root.join("var/run")).unwrap();
    let archive = cluster.path().join("root.tar");
    let (archive, root) = (archive.to_str().expect("UTF-8"), root.to_str().expect("UTF-8"));
    let packed = std::process::Command::new("tar")
        .args(["-cf", archive, "-C", root, "."])
        .status();
    assert!(packed.unwrap().success());
    docker(&["import", "-c", "CMD [\"/none\"]", archive, &image]);
    let blueprint = |linked: &str| {
        let text = format!(
            r#"
roles:
  w:
    services:
      own:
        image: topogen/fake
        read_only: true
        volumes: [/data]
        configs: [{{source: c, target: /data/new/sub/c.conf}}]
      {linked}
    configs: {{c: {{content: ours}}}}
"#
        );
        fs::write(cluster.path().join("topogen.yaml"), text).unwrap();
    };
    fs::create_dir_all(cluster.path().join("host")).unwrap();
    let theirs = cluster.path().join("host/c.conf");
    fs::write(&theirs, "theirs").unwrap();
    blueprint(&format!(
        "linked: {{image: {image}, volumes: [\"./host:/run\"], configs: [{{source: c, target: /var/run/c.conf}}]}}"
    ));
    let output = cluster.run("up", &[]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("config `/var/run/c.conf` is `/run/c.conf` there"),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(6));
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
    let own = format!("{}:/data/new/sub/c.conf", cluster.container("w", "own"));
    assert!(docker(&["cp", &own, "-"]).contains("ours"));
    blueprint(&format!(
        "linked: {{image: {image}, volumes: [\"./host:/run\"], configs: [{{source: c, target: /run/c.conf}}]}}"
    ));
    assert_eq!(cluster.run("up", &[]).status.code(), Some(3));
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
}

pub(crate) fn interrupted() {
    let cluster = Cluster::new();
    let mut child = cluster.spawn("up", &["--slaves", "5"]);
    wait("a first container", || {
        (!cluster.containers(None).is_empty()).then_some(())
    });
    docker_kill(child.id());
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert!(cluster.containers(None).len() < 28, "it stopped giving out work");
    cluster.must("up", &["--slaves", "5"]);
    assert_eq!(cluster.containers(Some("running")).len(), 28);
}

fn docker_kill(process: u32) {
    let status = std::process::Command::new("kill")
        .args(["-INT", &process.to_string()])
        .status();
    assert!(status.expect("kill runs").success());
}

pub(crate) fn one_failure() {
    let mut cluster = Cluster::new();
    // Somebody else has the name of one container of slave2.
    let squatter = cluster.container("slave2", "service_out");
    cluster.finally(&["rm", "-f", &squatter]);
    cluster.must("up", &["--slaves", "1"]);
    let image = docker(&[
        "inspect",
        "-f",
        "{{.Config.Image}}",
        &cluster.container("master", "service_2"),
    ]);
    docker(&["create", "--name", &squatter, &image]);
    let output = cluster.run("up", &["--slaves", "3"]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    assert!(
        said.contains(&squatter) && said.contains("already, and is not of this cluster"),
        "{said}"
    );
    assert_eq!(cluster.containers(Some("running")).len(), 17, "all but one run");
    docker(&["rm", &squatter]);
    cluster.must("up", &["--slaves", "3"]);
    assert_eq!(cluster.containers(Some("running")).len(), 18);
}

pub(crate) fn mended() {
    let cluster = Cluster::new();
    let blueprint = r#"
roles:
  w:
    count: 2
    entry: app
    services:
      app: {image: topogen/fake, expose: [80]}
      db: {image: topogen/fake, environment: {SIZE: "${SIZE:-1}"}}
"#;
    fs::write(cluster.path().join("topogen.yaml"), blueprint).unwrap();
    cluster.must("up", &[]);
    let before = cluster.containers(None);
    docker(&["stop", &cluster.container("w1", "db")]);
    docker(&["rm", "-f", &cluster.container("w2", "db")]);
    let inout = format!("{}-inout", cluster.name);
    let [w1, w2] = ["w1", "w2"].map(|node| cluster.container(node, "app"));
    docker(&["network", "disconnect", &inout, &w2]);
    docker(&["network", "disconnect", &inout, &w1]);
    docker(&["network", "connect", "--alias", "another", &inout, &w1]);
    docker(&["pause", &w1]);
    cluster.must("up", &[]);
    let after = cluster.containers(Some("running"));
    assert_eq!(after.len(), 4);
    for name in ["w1-app", "w1-db", "w2-app"].map(|n| format!("{}-{n}-1", cluster.name)) {
        assert_eq!(before[&name], after[&name], "{name} was mended, not recreated");
    }
    let found = cluster.probe("w1", "app", &["--connect", "w2:80"]);
    assert_eq!(found["endpoints"]["w2:80"]["identity"]["node"], json!("w2"), "{found}");
    let found = cluster.probe("w2", "app", &["--connect", "w1:80", "--resolve", "another"]);
    assert_eq!(found["endpoints"]["w1:80"]["identity"]["node"], json!("w1"), "{found}");
    assert_eq!(found["names"]["another"], json!([]), "{found}");
    // What changes in the blueprint changes what it describes, and nothing else.
    fs::write(cluster.path().join("topogen.yaml"), blueprint.replace(":-1", ":-2")).unwrap();
    cluster.must("up", &[]);
    let changed = cluster.containers(Some("running"));
    for (name, id) in &changed {
        assert_eq!(after[name] == *id, name.contains("-app-"), "{name}");
    }
}

/// A stop that somebody asked for and left: the container runs on until its grace period is over, and is started again.
pub(crate) fn being_stopped() {
    let cluster = Cluster::new();
    let blueprint = r#"
roles:
  node:
    exit: app
    services: {app: {image: topogen/fake, stop_signal: SIGUSR2, stop_grace_period: 4s}}
"#;
    fs::write(cluster.path().join("topogen.yaml"), blueprint).unwrap();
    cluster.must("up", &[]);
    let container = cluster.container("node", "app");
    let started = || docker(&["inspect", "-f", "{{.State.StartedAt}}", &container]);
    let (before, filter) = (started(), format!("container={container}"));
    let mut stop = Command::new("docker").args(["stop", &container]).spawn().unwrap();
    wait("the engine tells it to end", || {
        let told = [
            "--since",
            "60s",
            "--until",
            "0s",
            "--filter",
            "event=kill",
            "--filter",
            &filter,
        ];
        let events = docker(&[&["events"], &told[..]].concat());
        (!events.is_empty()).then_some(())
    });
    stop.kill().unwrap();
    stop.wait().unwrap();
    cluster.must("up", &[]);
    assert_eq!(cluster.containers(Some("running")).len(), 1);
    assert_ne!(started(), before, "it ended and was started again");
}
