//! What is done by hand to a running cluster is found, reported once, and in its place.

use std::fs;
use std::process::Command;

use serde_json::Value as Json;

use crate::cluster::{Cluster, docker, text, topogen};
use crate::compose::{Downs, compose};
use crate::real;

const SLAVES: &[&str] = &["--slaves", "2"];
/// What Compose brought up has no label that names its blueprint.
const OF_THE_LAB: &[&str] = &["-f", "master-slaves", "--slaves", "2"];

/// The report on a cluster. A service that was just started may take its time to listen.
fn verify(cluster: &Cluster, arguments: &[&str]) -> Json {
    let mut all = vec!["--format", "json"];
    if !arguments.contains(&"--patience") {
        all.extend(["--patience", "20"]);
    }
    all.extend(arguments);
    let output = cluster.run("verify", &all);
    let report: Json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let code = if report["right"] == Json::Bool(true) { 0 } else { 4 };
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    report
}

fn is_right(cluster: &Cluster, arguments: &[&str]) {
    let report = verify(cluster, arguments);
    assert_eq!(report["findings"], Json::Array(Vec::new()), "{report:#}");
    assert_eq!(report["right"], Json::Bool(true));
}

/// The one finding, which is at `place`.
fn reported_once(report: &Json, place: (&str, &str)) -> Json {
    let findings = report["findings"].as_array().expect("a list");
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let (node, subject) = (
        &findings[0]["node"],
        findings[0]["subject"].as_str().unwrap_or_default(),
    );
    assert_eq!((node, subject), (&Json::from(place.0), place.1), "{findings:#?}");
    findings[0].clone()
}

fn containers(cluster: &Cluster) -> String {
    let label = format!("label=io.topogen.cluster={}", cluster.name);
    docker(&[
        "ps",
        "-a",
        "--no-trunc",
        "--filter",
        &label,
        "--format",
        "{{.ID}} {{.Names}}",
    ])
}

pub(crate) fn right() {
    let cluster = Cluster::new();
    cluster.must("up", SLAVES);
    let before = containers(&cluster);
    for _ in 0..3 {
        is_right(&cluster, SLAVES);
    }
    assert_eq!(containers(&cluster), before, "nothing was made, nothing is left");
    let report = verify(
        &cluster,
        &["--slaves", "2", "--from", "slave1/service_out", "--only", "names"],
    );
    assert_eq!(report["proved"]["containers"], 1);
    assert_eq!(report["proved"]["ports"], 0);
    // Another count than what is up is one difference, not one for each container.
    let report = verify(&cluster, &["--slaves", "1", "--only", "shape"]);
    reported_once(&report, ("slave2", ""));
}

/// What `up` would recreate, `verify` reports, once for what is the same in each node.
pub(crate) fn changed() {
    let cluster = Cluster::new();
    let text = "vars: {size: small}\nroles:\n  worker:\n    count: 2\n    entry: app\n    services:\n      \
                app: {image: topogen/fake, environment: {SIZE: \"{{ vars.size }}\"}, expose: [\"80\"]}\n";
    fs::write(cluster.path().join("topogen.yaml"), text).expect("a blueprint");
    cluster.must("up", &[]);
    is_right(&cluster, &[]);
    let report = verify(&cluster, &["--set", "size=large"]);
    let observed: Vec<&Json> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|f| &f["observed"])
        .collect();
    assert_eq!(observed, ["`environment.SIZE` changed"; 2], "{report}");
    cluster.must("up", &["--set", "size=large"]);
    is_right(&cluster, &["--set", "size=large"]);
}

pub(crate) fn names() {
    let mut cluster = Cluster::new();
    cluster.must("up", SLAVES);
    let inout = format!("{}-inout", cluster.name);
    let again = |container: &str, aliases: &[&str]| {
        docker(&["network", "disconnect", &inout, container]);
        let mut arguments = vec!["network", "connect"];
        arguments.extend(aliases.iter().flat_map(|a| ["--alias", a]));
        arguments.extend([inout.as_str(), container]);
        docker(&arguments);
    };
    let entry = cluster.container("slave1", "service_entry");
    again(&entry, &["slave1-service_entry"]);
    let finding = reported_once(&verify(&cluster, SLAVES), ("slave1", "service_entry"));
    assert!(
        finding["expected"].as_str().unwrap().contains("`slave1`"),
        "{finding:#}"
    );
    again(&entry, &["slave1-service_entry", "slave1"]);

    let out = cluster.container("slave2", "service_out");
    again(&out, &["slave2-service_out", "slave1"]);
    let finding = reported_once(&verify(&cluster, SLAVES), ("slave2", "service_out"));
    assert!(
        finding["observed"].as_str().unwrap().contains("`slave1/service_entry`"),
        "{finding:#}"
    );
    let led = &finding["consequences"][0];
    assert_eq!(
        (&led["what"], &led["subjects"]),
        (&"answers with 2 addresses".into(), &Json::from(vec!["slave1"]))
    );
    again(&out, &["slave2-service_out"]);

    let image = docker(&["inspect", "-f", "{{.Config.Image}}", &entry]);
    let squatter = format!("{}-squatter", cluster.name);
    cluster.finally(&["rm", "-f", &squatter]);
    docker(&[
        "run",
        "-d",
        "--name",
        &squatter,
        "--network",
        &inout,
        "--network-alias",
        "master",
        &image,
    ]);
    let finding = reported_once(&verify(&cluster, SLAVES), ("master", "service_entry"));
    assert!(finding["observed"].as_str().unwrap().contains(&squatter), "{finding:#}");
    docker(&["rm", "-f", &squatter]);
    is_right(&cluster, SLAVES);
}

pub(crate) fn places() {
    let cluster = Cluster::new();
    cluster.must("up", SLAVES);
    let inout = format!("{}-inout", cluster.name);
    let [entry, private] = ["service_entry", "service_3"].map(|s| cluster.container("slave1", s));
    docker(&["network", "disconnect", &inout, &entry]);
    reported_once(&verify(&cluster, SLAVES), ("slave1", "service_entry"));
    docker(&[
        "network",
        "connect",
        "--alias",
        "slave1",
        "--alias",
        "slave1-service_entry",
        &inout,
        &entry,
    ]);

    let other = format!("{}-slave2_internal", cluster.name);
    docker(&["network", "connect", &other, &private]);
    let finding = reported_once(&verify(&cluster, SLAVES), ("slave1", "service_3"));
    assert!(finding["cause"].as_str().unwrap().contains("`slave2`"), "{finding:#}");
    let reached = finding["consequences"].as_array().unwrap().iter();
    assert!(reached.clone().any(|c| c["what"] == "is reachable"), "{finding:#}");
    docker(&["network", "disconnect", &other, &private]);

    docker(&["stop", "-t", "1", &private]);
    reported_once(&verify(&cluster, SLAVES), ("slave1", "service_3"));
    docker(&["start", &private]);
    docker(&["pause", &entry]);
    reported_once(&verify(&cluster, SLAVES), ("slave1", "service_entry"));
    docker(&["unpause", &entry]);
    docker(&["rm", "-f", &private]);
    reported_once(&verify(&cluster, SLAVES), ("slave1", "service_3"));
    cluster.must("up", SLAVES);
    is_right(&cluster, SLAVES);
}

/// The same container recreated by hand, with one variable changed.
fn recreated_by_hand(cluster: &Cluster, node: &str, service: &str, variable: (&str, &str)) {
    let name = cluster.container(node, service);
    let inspect: Json = serde_json::from_str(&docker(&["inspect", &name])).expect("JSON");
    let inspect = &inspect[0];
    docker(&["rm", "-f", &name]);
    let mut create = vec!["create".to_owned(), "--name".to_owned(), name.clone()];
    for (key, value) in inspect["Config"]["Labels"].as_object().expect("labels") {
        create.extend(["--label".to_owned(), format!("{key}={}", value.as_str().expect("text"))]);
    }
    let variables = inspect["Config"]["Env"].as_array().expect("variables").iter();
    let kept = variables
        .filter_map(Json::as_str)
        .filter(|v| !v.starts_with(variable.0));
    let said = kept
        .map(str::to_owned)
        .chain([format!("{}={}", variable.0, variable.1)]);
    create.extend(said.flat_map(|v| ["-e".to_owned(), v]));
    let id = inspect["Id"].as_str().expect("an id");
    let networks = inspect["NetworkSettings"]["Networks"].as_object().expect("networks");
    for (at, (network, endpoint)) in networks.iter().enumerate() {
        let aliases = endpoint["Aliases"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str);
        let aliases: Vec<&str> = aliases.filter(|a| !id.starts_with(a)).collect();
        if at == 0 {
            create.extend(
                aliases
                    .iter()
                    .flat_map(|a| ["--network-alias".to_owned(), (*a).to_owned()]),
            );
            create.extend(
                [
                    "--network",
                    network,
                    inspect["Config"]["Image"].as_str().expect("an image"),
                ]
                .map(str::to_owned),
            );
            docker(&create.iter().map(String::as_str).collect::<Vec<_>>());
        } else {
            let aliases = aliases.iter().flat_map(|a| ["--alias", *a]);
            let connect: Vec<&str> = ["network", "connect"]
                .into_iter()
                .chain(aliases)
                .chain([network.as_str(), &name])
                .collect();
            docker(&connect);
        }
    }
    docker(&["start", &name]);
}

pub(crate) fn ports() {
    let cluster = Cluster::new();
    cluster.must("up", SLAVES);
    recreated_by_hand(&cluster, "slave1", "service_entry", ("TOPOGEN_PORTS", ""));
    // What never listens is waited for.
    let finding = reported_once(
        &verify(&cluster, &["--slaves", "2", "--patience", "1"]),
        ("slave1", "service_entry"),
    );
    assert!(
        finding["observed"].as_str().unwrap().contains("nobody listens"),
        "{finding:#}"
    );
    recreated_by_hand(&cluster, "slave1", "service_entry", ("TOPOGEN_PORTS", "443/tcp"));
    is_right(&cluster, SLAVES);
    recreated_by_hand(&cluster, "slave1", "service_entry", ("TOPOGEN_NODE", "slave9"));
    let finding = reported_once(&verify(&cluster, SLAVES), ("slave1", "service_entry"));
    assert!(
        finding["observed"].as_str().unwrap().contains("slave9/service_entry"),
        "{finding:#}"
    );
}

/// An image with nginx, and iptables, in it.
fn nginx() -> String {
    real::build("topogen-test/nginx-iptables", &["nginx-light", "iptables"])
}

pub(crate) fn ways() {
    let mut cluster = Cluster::new();
    let image = nginx();
    cluster.must("up", SLAVES);
    let subnet = |node: &str| {
        let network = format!("{}-{node}_internal", cluster.name);
        docker(&[
            "network",
            "inspect",
            "-f",
            "{{(index .IPAM.Config 0).Subnet}}",
            &network,
        ])
    };
    let (one, two) = (subnet("slave1"), subnet("slave2"));
    // On the engine's host, by the engine's means.
    let rule = |does: &'static str, from: &str, to: &str| {
        let run = [
            "run",
            "--rm",
            "--network",
            "host",
            "--cap-add",
            "NET_ADMIN",
            "--cap-add",
            "NET_RAW",
            &image,
        ];
        // Engines from 28 on also drop what comes to a container by another way than its bridge, before all else.
        let rule = format!("{does} PREROUTING -t raw -s {from} -d {to} -j ACCEPT");
        let script = format!("iptables {does} DOCKER-USER -s {from} -d {to} -j ACCEPT && iptables {rule}");
        let rule = ["sh".to_owned(), "-c".to_owned(), script];
        run.into_iter().map(str::to_owned).chain(rule).collect::<Vec<String>>()
    };
    for (from, to) in [(&one, &two), (&two, &one)] {
        let undo = rule("-D", from, to);
        cluster.finally(&undo.iter().map(String::as_str).collect::<Vec<_>>());
        docker(&rule("-I", from, to).iter().map(String::as_str).collect::<Vec<_>>());
    }
    let finding = reported_once(&verify(&cluster, SLAVES), ("slave1", "↔ slave2"));
    assert_eq!(finding["consequences"][0]["what"], "is reachable", "{finding:#}");
    for (from, to) in [(&one, &two), (&two, &one)] {
        docker(&rule("-D", from, to).iter().map(String::as_str).collect::<Vec<_>>());
    }
    is_right(&cluster, SLAVES);
}

pub(crate) fn of_compose() {
    let mut cluster = Cluster::new();
    load_fake(&cluster);
    let inout = format!("{}-inout", cluster.name);
    let rendered = cluster.run("render", SLAVES);
    let said = text(&rendered.stderr);
    let create = said
        .lines()
        .find_map(|l| l.strip_prefix("next: docker "))
        .expect("a command");
    cluster.finally(&["network", "rm", &inout]);
    docker(&create.split(' ').collect::<Vec<_>>());
    let nodes = ["master", "slave1", "slave2"];
    let directory = |node: &str| {
        cluster
            .path()
            .join("topogen-out")
            .join(format!("{}-{node}", cluster.name))
    };
    let command = ["docker", "compose"];
    let _downs = Downs {
        command: &command,
        directories: nodes.map(directory).to_vec(),
    };
    for node in nodes {
        compose(&command, &directory(node), &["up", "-d"]);
    }
    is_right(&cluster, OF_THE_LAB);
    docker(&[
        "network",
        "disconnect",
        &inout,
        &cluster.container("slave1", "service_out"),
    ]);
    reported_once(&verify(&cluster, OF_THE_LAB), ("slave1", "service_out"));
}

fn load_fake(cluster: &Cluster) {
    let archive = cluster.path().join("fake.tar");
    let archive = archive.to_str().expect("UTF-8");
    assert!(topogen(&cluster.path(), &["image", "-o", archive]).status.success());
    docker(&["load", "-q", "-i", archive]);
}

/// The article's two files, as its loop brings them up: every service's key is a name on the network that all share.
pub(crate) fn leak() {
    let mut cluster = Cluster::new();
    load_fake(&cluster);
    let inout = format!("{}-inout", cluster.name);
    cluster.finally(&["network", "rm", &inout]);
    docker(&["network", "create", &inout]);
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/article");
    let image = format!("topogen/fake:{}", env!("CARGO_PKG_VERSION"));
    let nodes: Vec<(String, &str)> = ["master".to_owned()]
        .into_iter()
        .map(|node| (node, "master"))
        .chain((1..=3).map(|n| (format!("slave{n}"), "slave")))
        .collect();
    let directory = |node: &str| cluster.path().join(format!("{}-{node}", cluster.name));
    for (node, role) in &nodes {
        let mut file = fs::read_to_string(files.join(format!("docker-compose-{role}.yml"))).unwrap();
        file = file.replace("name: inout", &format!("name: {inout}"));
        for n in 1..=5 {
            file = file.replace(&format!("image_{n}"), &image);
        }
        fs::create_dir(directory(node)).unwrap();
        fs::write(directory(node).join("docker-compose.yml"), file).unwrap();
    }
    let command = ["docker", "compose"];
    let _downs = Downs {
        command: &command,
        directories: nodes.iter().map(|(node, _)| directory(node)).collect(),
    };
    for (node, _) in &nodes {
        compose(&command, &directory(node), &["up", "-d"]);
    }
    let projects: Vec<String> = nodes
        .iter()
        .map(|(node, _)| format!("{}-{node}", cluster.name))
        .collect();
    let arguments = ["verify", "--format", "json", "--project"].into_iter();
    let arguments: Vec<&str> = arguments.chain(projects.iter().map(String::as_str)).collect();
    let output = topogen(&cluster.path(), &arguments);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let report: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("a list");
    let cause = format!("its key is an alias on `{inout}`");
    assert!(
        findings
            .iter()
            .all(|f| f["cause"].as_str().is_some_and(|c| c.starts_with(&cause))),
        "{findings:#?}"
    );
    let led: Vec<(&Json, &Json, usize)> = findings
        .iter()
        .map(|f| &f["consequences"][0])
        .map(|c| {
            (
                &c["subjects"][0],
                &c["what"],
                c["from"].as_array().expect("a list").len(),
            )
        })
        .collect();
    let what = |n: u32| Json::from(format!("answers with {n} addresses"));
    let (entry, out) = (Json::from("service_entry"), Json::from("service_out"));
    assert_eq!(led, [(&entry, &what(4), 7), (&out, &what(3), 7)]);
    // Nothing is left of what asked.
    let helpers = docker(&[
        "ps",
        "-aq",
        "--filter",
        "label=io.topogen.helper",
        "--filter",
        &format!("name={}", cluster.name),
    ]);
    assert_eq!(helpers, "");
}

/// Images that have neither topogen in them nor anything that could ask: a container beside each asks in its stead.
pub(crate) fn real_images() {
    let cluster = Cluster::new();
    let (web, store) = (nginx(), real::image("redis-server"));
    let blueprint = format!(
        r#"
roles:
  head:
    entry: db
    services:
      db: {{image: {store}, command: [redis-server, --protected-mode, "no", --save, ""], expose: [6379]}}
      note: {{image: topogen/fake, expose: [80]}}
  web:
    count: 2
    entry: front
    exit: out
    services:
      front: {{image: {web}, command: [nginx, -g, "daemon off;"], expose: [80]}}
      out: {{image: {store}, command: [redis-server, --protected-mode, "no", --save, ""]}}
"#
    );
    fs::write(cluster.path().join("topogen.yaml"), blueprint).unwrap();
    cluster.must("up", &[]);
    let before = containers(&cluster);
    is_right(&cluster, &[]);
    assert_eq!(containers(&cluster), before, "nothing is left of what asked");
    // It runs on, and does not listen.
    let db = cluster.container("head", "db");
    docker(&["exec", &db, "redis-cli", "config", "set", "port", "0"]);
    let finding = reported_once(&verify(&cluster, &["--patience", "1"]), ("head", "db"));
    assert!(finding["expected"].as_str().unwrap().contains("6379"), "{finding:#}");
    docker(&["restart", "-t", "1", &db]);
    docker(&["kill", &cluster.container("web1", "front")]);
    reported_once(&verify(&cluster, &[]), ("web1", "front"));
    docker(&["start", &cluster.container("web1", "front")]);
    is_right(&cluster, &[]);
    // Killed while it asks, it leaves nothing that `down` would not find.
    let mut child = cluster.spawn("verify", &[]);
    let _ = Command::new("kill").args(["-9", &child.id().to_string()]).status();
    child.wait().expect("it ends");
}
