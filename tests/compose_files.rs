//! Compose files of other projects' shape become roles, and mean afterwards what they meant before.
//!
//! `tests/compose/NAME/` holds the files as those projects would have them, and a `topogen.yaml` that makes three
//! nodes of them. What `docker compose config` makes of the original and of the first node must be the same, but for
//! what [`DIFFERENCES`] and [`same`] list.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use crate::support::{stderr, topogen};

/// Each project, its Compose files, and the name of its first node.
pub(crate) const PROJECTS: &[(&str, &[&str], &str)] = &[
    ("airflow", &["compose.yaml"], "flow1"),
    ("assistant", &["compose.yaml"], "helper1"),
    ("clinic", &["compose.yaml"], "ward1"),
    ("edge-gateway", &["compose.yaml"], "edge1"),
    ("field-kit", &["compose.yaml"], "kit1"),
    ("kafka", &["compose.yaml"], "kafka1"),
    ("kiosk", &["compose.yaml", "compose.override.yaml"], "kiosk1"),
    ("ledger", &["compose.yaml"], "seat"),
    ("legacy-v2", &["docker-compose.yml"], "stack1"),
    ("mailer", &["compose.yaml"], "post1"),
    // Written for its merge, not in anybody's style.
    ("merged", &["compose.yaml", "compose.override.yaml"], "m1"),
    ("metrics", &["compose.yaml"], "metrics1"),
    ("observability", &["compose.yaml"], "dev1"),
    ("plant-bus", &["compose.yaml"], "line1"),
    ("queue-workers", &["compose.yaml"], "queue1"),
    ("shell-jobs", &["compose.yaml"], "jobs1"),
    ("spark", &["compose.yaml"], "spark1"),
    ("suite", &["compose.yaml"], "suite1"),
    ("toolchain", &["compose.yaml", "over/dev.yaml"], "bench1"),
    ("voting", &["compose.yaml"], "poll1"),
    ("webshop", &["compose.yaml", "compose.override.yaml"], "shop1"),
    ("wordpress", &["docker-compose.yml"], "blog1"),
];

/// A repository's Compose file lies where its project wants it, as often as not above the blueprint.
#[test]
fn a_compose_file_may_lie_anywhere() {
    let root = tempfile::tempdir().expect("a directory");
    let lab = root.path().join("lab");
    std::fs::create_dir(&lab).expect("a directory");
    let compose = "services: {app: {image: i, volumes: ['./data:/data'], build: .}}\n";
    std::fs::write(root.path().join("docker-compose.yml"), compose).expect("a file");
    for path in [
        "../docker-compose.yml",
        root.path().join("docker-compose.yml").to_str().expect("UTF-8"),
    ] {
        let blueprint = format!("roles: {{app: {{compose: {path}}}}}\n");
        std::fs::write(lab.join("topogen.yaml"), blueprint).expect("a file");
        let output = topogen(&lab, &["render", "-o", "-"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let data = format!("{}/data:/data", root.path().display());
        assert!(text.contains(&data), "{text}");
    }
}

/// Two files as one would have them for a shell loop over `docker compose -p`, and four lines of blueprint around them.
#[test]
fn a_master_and_its_slaves_from_two_files() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/article");
    let out = tempfile::tempdir().expect("a directory");
    let out = out.path().to_str().expect("UTF-8");
    let output = topogen(&project, &["render", "-o", out]);
    assert!(output.status.success(), "{}", stderr(&output));
    let nodes = (1..=10).map(|n| format!("slave{n}")).chain(["master".to_owned()]);
    for node in nodes {
        let directory = Path::new(out).join(&node);
        assert!(directory.join("compose.yaml").is_file(), "{node}");
        if compose_is_here() {
            let services = config(&directory, &["compose.yaml"], &[])["services"].clone();
            let services = services.as_object().expect("services");
            assert_eq!(services.len(), if node == "master" { 3 } else { 5 }, "{node}");
            assert_eq!(
                services[&format!("{node}-service_entry")]["networks"]["inout"]["aliases"],
                json!([node])
            );
        }
    }
}

/// What is meant to differ, and why: key of a service, for all projects.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "container_name",
        "one host has one container of a name; on `inout` topogen says it",
    ),
    (
        "networks",
        "topogen's own subject: `aliases` and addresses are compared by themselves",
    ),
    (
        "ports",
        "the host has each port once, so every `topogen.yaml` here moves them; targets are compared",
    ),
    ("configs", "what a config holds is compared where it is defined"),
];

/// Further differences, which one `topogen.yaml` asks for.
const ASKED_FOR: &[(&str, &str, &str, &str)] = &[];

/// Whether `docker compose` is there; CI says that it must be.
pub(crate) fn compose_is_here() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| {
        let output = Command::new("docker").args(["compose", "version"]).output();
        let here = output.is_ok_and(|o| o.status.success());
        let required = std::env::var_os("TOPOGEN_REQUIRE_ENGINE").is_some_and(|v| v == "1");
        assert!(here || !required, "`docker compose` is not installed");
        if !here {
            // Past the harness, which shows a test's own output only where it fails.
            let _ = writeln!(std::io::stderr(), "skipped: `docker compose` is not installed");
        }
        here
    })
}

/// `docker compose config` of the files in `directory`, as JSON.
pub(crate) fn config(directory: &Path, files: &[&str], profiles: &[&str]) -> Value {
    let mut command = Command::new("docker");
    command.arg("compose").current_dir(directory);
    for file in files {
        command.args(["-f", file]);
    }
    for profile in profiles {
        command.args(["--profile", profile]);
    }
    let output = command
        .args(["config", "--format", "json"])
        .env_remove("COMPOSE_PROFILES")
        .output()
        .unwrap();
    let place = directory.display();
    assert!(output.status.success(), "{place}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose").join(name)
}

/// Render the blueprint in `directory`; the directory of its projects.
pub(crate) fn rendered(directory: &Path, more: &[&str]) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().to_str().unwrap();
    let arguments = [&["render", "-f", "topogen.yaml", "-o", path], more].concat();
    let output = topogen(directory, &arguments);
    assert!(output.status.success(), "{}: {}", directory.display(), stderr(&output));
    out
}

/// With fakes, all of them run; without, what `up` would refuse is said with its place, and nothing else.
#[test]
fn up_takes_them_with_fakes_and_says_what_it_refuses_else() {
    let mut refused = String::new();
    for (name, ..) in PROJECTS {
        let output = topogen(&project(name), &["check", "-f", "topogen.yaml"]);
        refused += &format!("# {name}\n{}", stderr(&output));
        let output = topogen(&project(name), &["check", "-f", "topogen.yaml", "--fake"]);
        let said = stderr(&output);
        let mut warnings = said.lines().filter(|l| l.starts_with("warning"));
        // Options of the one are letters, written to see them merged; some have a hostname, true for one node only.
        assert!(
            *name == "merged" || warnings.all(|w| w.contains("its hostname")),
            "{name}: {said}"
        );
        assert!(output.status.success(), "{name}");
    }
    insta::assert_snapshot!("refused_of_compose_files", refused);
}

#[test]
fn every_rendered_file_is_accepted() {
    if !compose_is_here() {
        return;
    }
    for (name, _, _) in PROJECTS {
        let out = rendered(&project(name), &[]);
        let mut nodes = 0;
        for node in std::fs::read_dir(out.path()).unwrap() {
            let node = node.unwrap().path();
            if node.is_dir() {
                config(&node, &["compose.yaml"], &[]);
                nodes += 1;
            }
        }
        assert_eq!(nodes, 3, "{name}");
    }
}

#[test]
fn what_is_rendered_means_what_was_written() {
    if !compose_is_here() {
        return;
    }
    let mut wrong = Vec::new();
    for (name, files, node) in PROJECTS {
        for profiles in [&[][..], &["*"]] {
            let more: Vec<&str> = profiles.iter().flat_map(|p| ["--profile", *p]).collect();
            let out = rendered(&project(name), &more);
            let before = config(&project(name), files, profiles);
            let after = config(&out.path().join(node), &["compose.yaml"], &[]);
            same(name, node, &before, &after, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Compare two answers of `docker compose config`.
pub(crate) fn same(name: &str, node: &str, before: &Value, after: &Value, wrong: &mut Vec<String>) {
    let after_services = services(after, node);
    let before_services = services(before, "");
    let keys = |map: &BTreeMap<String, Value>| map.keys().cloned().collect::<Vec<_>>();
    if keys(&before_services) != keys(&after_services) {
        wrong.push(format!(
            "{name}: services {:?} {:?}",
            keys(&before_services),
            keys(&after_services)
        ));
    }
    for (service, was) in &before_services {
        let Some(is) = after_services.get(service) else {
            continue;
        };
        for key in was.as_object().unwrap().keys().chain(is.as_object().unwrap().keys()) {
            let asked = ASKED_FOR
                .iter()
                .any(|(n, s, k, _)| (*n, *s, *k) == (name, service.as_str(), key.as_str()));
            if asked || DIFFERENCES.iter().any(|(k, _)| k == key) || was[key] == is[key] {
                continue;
            }
            wrong.push(format!("{name}/{service}: {key}: {} became {}", was[key], is[key]));
        }
        // Compose makes no container of one that another program provides, and lists no network for it.
        if was["provider"].is_object() {
            continue;
        }
        let is = &without_home(was, is);
        for (what, of) in [("ports", ports as fn(&Value) -> Value), ("networks", networks)] {
            if of(was) != of(is) {
                wrong.push(format!("{name}/{service}: {what}: {} became {}", of(was), of(is)));
            }
        }
        if was["networks"].get("inout").is_some() && is["networks"].get("inout").is_none() {
            wrong.push(format!("{name}/{service}: is no longer on `inout`"));
        }
        if aliases(service, was) != aliases(service, is) {
            wrong.push(format!(
                "{name}/{service}: {:?} became {:?}",
                aliases(service, was),
                aliases(service, is)
            ));
        }
    }
    for section in ["volumes", "configs", "secrets"] {
        let (was, is) = (definitions(before, section), definitions(after, section));
        if was != is {
            wrong.push(format!("{name}: {section}: {was} became {is}"));
        }
    }
}

/// A service without the private network, where only topogen has it join that: on a network that nodes share, the names of
/// its node's services would be those of all nodes.
fn without_home(was: &Value, is: &Value) -> Value {
    let mut is = is.clone();
    let shares = is["networks"].get("inout").is_some();
    if let Some(networks) = is["networks"].as_object_mut()
        && shares
        && was["networks"].get("internal").is_none()
    {
        networks.remove("internal");
    }
    is
}

/// The services by the names that the user gave them, mentions of one another likewise.
fn services(config: &Value, node: &str) -> BTreeMap<String, Value> {
    let prefix = format!("{node}-");
    let plain = |key: &str| key.strip_prefix(&prefix).unwrap_or(key).to_owned();
    let mention = |value: &Value| -> Value {
        let text = value.as_str().unwrap_or_default();
        match text.strip_prefix("service:") {
            Some(service) => json!(format!("service:{}", plain(service))),
            None => json!(plain(text)),
        }
    };
    let mut found = BTreeMap::new();
    for (key, service) in config["services"].as_object().unwrap() {
        let mut service = service.clone();
        // A profile has done its work when a node is rendered.
        service.as_object_mut().unwrap().remove("profiles");
        if let Some(networks) = service.get_mut("networks").and_then(Value::as_object_mut) {
            *networks = std::mem::take(networks)
                .into_iter()
                .map(|(key, options)| (known_as(config, key), options))
                .collect();
        }
        if let Some(depends) = service.get_mut("depends_on") {
            let all = depends.as_object().unwrap();
            // Compose still names what need not be there and is not; in a file without it, it would be unknown.
            let there = |k: &str, v: &Value| v["required"] == true || config["services"].get(k).is_some();
            let all = all.iter().filter(|(k, v)| there(k, v));
            *depends = all.map(|(k, v)| (plain(k), v.clone())).collect::<Map<_, _>>().into();
        }
        for key in ["links", "volumes_from"] {
            for item in service.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
                *item = mention(item);
                // A link is known by the service's name, also where it does not say so.
                if key == "links" && !item.as_str().unwrap().contains(':') {
                    *item = json!(format!("{0}:{0}", item.as_str().unwrap()));
                }
            }
        }
        for key in ["network_mode", "pid", "ipc"] {
            if let Some(value) = service.get_mut(key) {
                *value = mention(value);
            }
        }
        found.insert(plain(key), service);
    }
    found
}

/// A network by the name it has here: what Compose calls `default` is `internal`, what exists as `inout` is `inout`.
fn known_as(config: &Value, key: String) -> String {
    match (config["networks"][&key]["name"].as_str(), key.as_str()) {
        (Some("inout"), _) => "inout".to_owned(),
        (_, "default") => "internal".to_owned(),
        _ => key,
    }
}

/// What a service's ports publish.
pub(crate) fn ports(service: &Value) -> Value {
    let list = service["ports"].as_array().cloned().unwrap_or_default();
    let mut targets: Vec<String> = list
        .iter()
        .map(|p| format!("{}/{} {} {}", p["target"], p["protocol"], p["mode"], p["host_ip"]))
        .collect();
    targets.sort();
    json!(targets)
}

/// The networks of a service with its names and addresses there, topogen's own left out.
pub(crate) fn networks(service: &Value) -> Value {
    let Some(networks) = service["networks"].as_object() else {
        return Value::Null;
    };
    let mut found = Map::new();
    for (key, options) in networks {
        let mut options = options.clone();
        if let Some(map) = options.as_object_mut() {
            map.remove("aliases");
        }
        let empty = options.as_object().is_none_or(Map::is_empty);
        if key != "inout" {
            found.insert(key.to_owned(), if empty { Value::Null } else { options });
        }
    }
    found.into()
}

/// The names of a service on the networks of its own: those it was given, and its own.
pub(crate) fn aliases(name: &str, service: &Value) -> BTreeMap<String, Vec<String>> {
    let networks = service["networks"].as_object().into_iter().flatten();
    let of = |options: &Value| -> Vec<String> {
        let given = options["aliases"].as_array().into_iter().flatten();
        let mut all: Vec<String> = given.map(|a| a.as_str().unwrap().to_owned()).collect();
        all.push(name.to_owned());
        all.sort();
        all.dedup();
        all
    };
    networks
        .filter(|(key, _)| *key != "inout")
        .map(|(key, options)| (key.clone(), of(options)))
        .collect()
}

/// Volumes, configs or secrets: what they are, not where the project keeps them.
fn definitions(config: &Value, section: &str) -> Value {
    let Some(all) = config[section].as_object() else {
        return json!({});
    };
    let definition = |value: &Value| -> Value {
        let mut value = value.clone();
        let map = value.as_object_mut().unwrap();
        // Compose puts the project before every name that is not given.
        if let Some(name) = map.get_mut("name") {
            let project = config["name"].as_str().unwrap();
            *name = json!(name.as_str().unwrap().replacen(project, "PROJECT", 1));
        }
        if let Some(content) = map.get_mut("content") {
            // `config` prints what it would read again.
            *content = json!(content.as_str().unwrap().replace("$$", "$"));
        }
        if let Some(file) = map.remove("file") {
            let content = std::fs::read_to_string(file.as_str().unwrap()).unwrap();
            map.insert("content".to_owned(), json!(content));
        }
        value
    };
    all.iter()
        .map(|(k, v)| (k.clone(), definition(v)))
        .collect::<Map<_, _>>()
        .into()
}

/// What a Compose file in a directory of its own may hold, none of it lost.
const EDGES: &[(&str, &str)] = &[
    (
        "topogen.yaml",
        "roles: {n: {count: 1, compose: sub/compose.yaml, entry: a}}\n",
    ),
    ("sub/.env", "TAG=9.9\nBARE=beside\nCOMPOSE_PROFILES=on\n"),
    (
        "base.yaml",
        "services: {base: {image: base, env_file: base.env, volumes: ['./bb:/bb'], environment: {BASE: '1'}}}\n",
    ),
    ("base.env", "A=1\n"),
    ("sub/x.env", "A=1\n"),
    (
        "sub/compose.yaml",
        r#"
name: lost-on-purpose
x-podman: {in_pod: false}
services:
  a:
    image: img:${TAG}
    environment: [BARE]
    env_file: [{path: x.env, required: false}]
    label_file: x.env
    links: [b]
    depends_on: {b: {condition: service_started}, c: {condition: service_started}, off: {condition: service_started, required: false}}
    volumes: [".cache:/cache", "named:/n", {type: bind, source: data, target: /d}]
    volumes_from: ["b:ro", "container:other"]
    configs: [c1, {source: c2, target: /c2}]
    x-service: {keep: me}
  b: {image: b, networks: {n: {ipv4_address: 172.30.0.5, aliases: [bee]}}}
  c: {image: c, profiles: [on]}
  off: {image: c, profiles: [other]}
  d: {image: d, network_mode: "service:a", pid: "service:a", ipc: "service:b"}
  e:
    build: {context: ../ctx, additional_contexts: {o: ../o, i: "docker-image://alpine"}}
    extends: {file: ../base.yaml, service: base}
  f: {build: "github.com/a/b", image: f}
networks:
  n: {ipam: {config: [{subnet: 172.30.0.0/24}]}}
volumes:
  named: {external: true, name: shared}
  fixed: {name: "${COMPOSE_PROJECT_NAME}-x"}
  bound: {driver: local, driver_opts: {type: none, o: bind, device: ./dd}}
configs:
  c1: {file: x.env, name: called, labels: {l: "1"}}
  c2: {external: true, name: theirs}
"#,
    ),
];

#[test]
fn nothing_of_a_compose_file_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("sub")).unwrap();
    for (path, text) in EDGES {
        std::fs::write(directory.path().join(path), text).unwrap();
    }
    let out = rendered(directory.path(), &[]);
    let text = std::fs::read_to_string(out.path().join("n1/compose.yaml")).unwrap();
    let base = directory.path().canonicalize().unwrap();
    insta::assert_snapshot!(text.replace(base.to_str().unwrap(), "/blueprint"));
    if compose_is_here() {
        let before = config(&directory.path().join("sub"), &["compose.yaml"], &["on"]);
        let after = config(&out.path().join("n1"), &["compose.yaml"], &[]);
        let mut wrong = Vec::new();
        same("edges", "n1", &before, &after, &mut wrong);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
