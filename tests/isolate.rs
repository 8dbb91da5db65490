//! `isolate:` of a role: any Compose file, several times, and nothing of it is changed but what it says.
//!
//! `tests/isolate/NAME/` holds files of the shape that real projects have, each with the blueprint that makes three nodes of
//! it. A scenario brings them up.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde_json::{Value, json};
use topogen::compose::ports;
use topogen::topology::Topology;
use topogen::topology::expand::Overrides;

use crate::compose_files::{PROJECTS, compose_is_here, config, rendered, same};
use crate::invalid;
use crate::support::{self, stderr, stdout, topogen};

/// Something of everything that only one of an engine can have.
const EVERYTHING: &str = r#"
services:
  master:
    image: m
    container_name: themaster
    hostname: boss
    mac_address: 02:42:ac:1c:00:02
    ports: ["9420:9420", "127.0.0.1:9421:9421/udp", {target: 80, published: 8080}, "3000", "7000-7001:70-71", "9000-9009:5000"]
    networks: {net: {ipv4_address: 172.28.0.2}, proxy: {aliases: [shop.example], ipv4_address: 10.9.0.5}}
  worker:
    image: w
    container_name: theworker
    environment: [MASTER=172.28.0.2, HOST=themaster, DOCKER_NETWORK=thenet, "V6=http://[fd4d::10]:80", OTHER=thenet]
    extra_hosts: ["themaster:172.28.0.2", "six:fd4d::10"]
    command: sh -c "ping 172.28.0.2 && route 172.28.0.0/16 172.28.200.9"
    healthcheck: {test: ["CMD", "nc", "172.28.0.2", "80"]}
    dns: [172.28.0.2]
    external_links: [themaster:chief, other]
    volumes_from: ["container:themaster:ro"]
    volumes: ["data:/data", "theirs:/theirs"]
    configs: [c]
    networks: {net: {ipv4_address: 172.28.0.3, ipv6_address: "fd4d::10"}, lan: {}}
  side: {image: s, network_mode: "container:themaster", pid: "container:theworker"}
  twin: {image: s, hostname: worker, container_name: side, networks: [net]}
networks:
  default: {name: thedefault}
  net:
    name: thenet
    enable_ipv6: true
    driver_opts: {com.docker.network.bridge.name: br-the, com.docker.network.driver.mtu: "1400"}
    ipam: {driver: default, config: [{subnet: 172.28.0.0/16, gateway: 172.28.0.1}, {subnet: "fd4d::/64"}]}
  lan: {driver: macvlan, driver_opts: {parent: eth0}}
  proxy: {external: true}
volumes:
  data: {name: thedata}
  theirs: {external: true, name: shared}
configs:
  c: {content: "server 172.28.0.2;\n", name: thec}
"#;

fn expanded(isolate: &str, compose: &str) -> Topology {
    let blueprint = format!("roles: {{n: {{count: 2, compose: c.yaml, entry: master, isolate: {isolate}}}}}");
    let (topology, sources) = support::read(&blueprint, &Overrides::default(), &[("c.yaml", compose)]);
    topology.unwrap_or_else(|p| panic!("{isolate}: {}", p.render(&sources, false)))
}

#[test]
fn all_that_collides_is_each_nodes_own() {
    let topology = expanded("true", EVERYTHING);
    let text = topogen::render::compose::file(&topology, &topology.nodes[1]).expect("a file");
    let config = format!("{:?}", topology.nodes[1].configs[0].source);
    insta::assert_snapshot!(format!("{text}---\n{config}\n"));
}

/// The ports of the host that the nodes of a topology take, by node.
fn published(topology: &Topology) -> Vec<Vec<u16>> {
    let of_node = |node: &topogen::topology::Node| {
        let services = node.services.iter().filter_map(|s| s.get("ports")?.as_list());
        let ports = services.flatten().map(|item| ports::read(item).expect("a port"));
        ports.filter_map(|port| Some(port.published?.0)).collect()
    };
    topology.nodes.iter().map(of_node).collect()
}

#[test]
fn ports_of_the_host_are_as_they_are_asked_for() {
    assert_eq!(published(&expanded("true", EVERYTHING)), [[]; 2] as [[u16; 0]; 2]);
    let first = vec![9420, 9421, 8080, 7000, 9000];
    let moved = |by: u16| first.iter().map(|p| p + by).collect::<Vec<u16>>();
    assert_eq!(
        published(&expanded("{ports: 100}", EVERYTHING)),
        [first.clone(), moved(100)]
    );
    assert_eq!(
        published(&expanded("{ports: \"7\"}", EVERYTHING)),
        [first.clone(), moved(7)]
    );
    let dropped = expanded("{ports: drop}", EVERYTHING);
    let master = &dropped.nodes[1].services[0];
    assert!(master.get("ports").is_none());
    let exposed: Vec<String> = master.get("expose").expect("ports").one_or_many();
    assert_eq!(exposed, ["9420", "9421/udp", "80", "3000", "70-71", "5000"]);
}

#[test]
fn each_part_can_be_said_alone() {
    const SMALL: &str = "services:
  master: {image: m, networks: [net, proxy], volumes: ['data:/data', 'theirs:/theirs']}
networks: {net: {name: thenet}, proxy: {external: true}}
volumes: {data: {name: thedata}, theirs: {external: true, name: shared}}
";
    let names = |isolate: &str| -> Vec<String> {
        let node = &expanded(isolate, SMALL).nodes[1];
        let own = node.networks.iter().map(|n| n.name.to_string());
        let shared = node.shared.iter().map(|(_, name)| name.to_string());
        own.chain(shared).collect()
    };
    for isolate in ["true", "{names: keep}", "{volumes: keep}", "{ports: keep}"] {
        assert_eq!(names(isolate), ["n2_net", "proxy"], "{isolate}");
    }
    assert_eq!(names("{networks: all}"), ["n2_net", "n2_proxy"]);
    assert_eq!(names("{networks: keep}"), ["thenet", "proxy"]);
    assert_eq!(names("false"), ["thenet", "proxy"]);
    let volumes = |isolate: &str| serde_json::to_value(&expanded(isolate, SMALL).nodes[1].volumes).expect("JSON");
    let theirs = json!({"external": true, "name": "shared"});
    assert_eq!(volumes("{networks: keep}"), json!({"data": {}, "theirs": theirs}));
    assert_eq!(
        volumes("{volumes: keep}"),
        json!({"data": {"name": "thedata"}, "theirs": theirs})
    );
    assert_eq!(volumes("{volumes: all}"), json!({"data": {}, "theirs": {}}));
}

#[test]
fn one_line_is_one_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let compose = "services: {a: {image: i, container_name: a, ports: ['80:80']}, b: {image: i, hostname: b}}\n";
    fs::write(directory.path().join("compose.yaml"), compose).expect("a file");
    let blueprint = "roles: {n: {compose: compose.yaml, count: 2, isolate: true}}\n";
    fs::write(directory.path().join("topogen.yaml"), blueprint).expect("a file");
    let output = topogen(directory.path(), &["check"]);
    assert_eq!(stderr(&output), "ok: 1 role, 2 nodes, 4 services\n");
    let output = topogen(directory.path(), &["check", "-v"]);
    let said = "note: isolate: n1: services.a.container_name: a -> left out\nnote: isolate: n1: services.a.ports: 80:80 -> 80\n\
                ok: 1 role, 2 nodes, 4 services\n";
    assert_eq!(stderr(&output), said);
    let output = topogen(directory.path(), &["check", "-v", "--format", "json"]);
    let notes: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(
        notes[1],
        json!({"severity": "note", "message": "isolate: n1: services.a.ports: 80:80 -> 80"})
    );
}

fn root(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

/// Directories with the Compose files of one project in each: those of `tests/compose`, `tests/isolate` and the examples.
fn projects() -> Vec<(PathBuf, Vec<String>)> {
    let owned = |files: &[&str]| files.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>();
    let of_compose = PROJECTS
        .iter()
        .map(|(name, files, _)| (root("tests/compose").join(name), owned(files)));
    let folders = |of: &str| {
        let entries = fs::read_dir(root(of)).expect("a directory");
        let mut folders: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
        folders.retain(|p| p.is_dir());
        folders.sort();
        folders
    };
    let mut found: Vec<_> = of_compose.collect();
    for folder in [folders("tests/isolate"), folders("examples")].concat() {
        for entry in fs::read_dir(&folder).expect("a directory") {
            let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            let is_compose = name.starts_with("compose") || name.starts_with("docker-compose");
            if is_compose && name.ends_with('l') {
                found.push((folder.clone(), vec![name]));
            }
        }
    }
    assert!(found.len() >= 19, "{found:?}");
    found
}

#[test]
fn five_shapes_take_ten_lines_each() {
    for entry in fs::read_dir(root("tests/isolate")).expect("a directory") {
        let folder = entry.expect("an entry").path();
        let blueprint = fs::read_to_string(folder.join("topogen.yaml")).expect("a blueprint");
        assert!(blueprint.lines().count() <= 10, "{}", folder.display());
        let output = topogen(&folder, &["check", "-f", "topogen.yaml", "--fake"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).starts_with("ok: "), "{}", stderr(&output));
    }
}

/// What `isolate` says of a rendered file: path, what was and what is.
fn notes(file: &Path) -> Vec<(String, String, String)> {
    let text = fs::read_to_string(file).expect("a file");
    let lines = text.lines().filter_map(|line| line.strip_prefix("# isolate: "));
    let note = |line: &str| {
        let (path, rest) = line.split_once(": ").expect("a path");
        let (was, now) = rest.rsplit_once(" -> ").expect("a change");
        (path.to_owned(), was.to_owned(), now.to_owned())
    };
    lines.map(note).collect()
}

/// `value` with `was` in place of `now` in each text.
fn replaced(value: &mut Value, now: &str, was: &str) {
    match value {
        Value::String(text) => *text = text.replace(now, was),
        Value::Array(items) => items.iter_mut().for_each(|v| replaced(v, now, was)),
        Value::Object(map) => map.values_mut().for_each(|v| replaced(v, now, was)),
        _ => {}
    }
}

/// Gives `after` at `path` what `before` has there.
fn undo(before: &Value, after: &mut Value, path: &[&str]) {
    let [key, rest @ ..] = path else {
        after.clone_from(before);
        return;
    };
    let Some(map) = after.as_object_mut() else { return };
    match (before.get(*key), rest) {
        (None, _) => {
            map.remove(*key);
        }
        (Some(was), []) => {
            map.insert((*key).to_owned(), was.clone());
        }
        (Some(was), rest) => undo(was, map.entry(*key).or_insert_with(|| json!({})), rest),
    }
}

/// The steps of a path such as `services.a.b.example.ports`: names may hold dots.
fn steps<'p>(path: &'p str, before: &Value) -> Vec<&'p str> {
    let Some((section, rest)) = path.split_once('.') else {
        return vec![path];
    };
    let names = before[section].as_object().into_iter().flat_map(|map| map.keys());
    let fits = names.filter(|name| rest.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with('.')));
    let name = fits.max_by_key(|name| name.len()).map_or(rest.len(), String::len);
    let below = rest.get(name + 1..).unwrap_or_default();
    let mut steps = vec![section, &rest[..name]];
    // The name of a network may hold dots too, and stands between two keys without any.
    match below.strip_prefix("networks.").and_then(|b| b.rsplit_once('.')) {
        Some((network, key)) => steps.extend(["networks", network, key]),
        None => steps.push(below),
    }
    steps
}

/// Takes back what `notes` say of `after`.
fn undone(before: &Value, after: &mut Value, notes: &[(String, String, String)]) {
    let mut texts: Vec<_> = notes.iter().filter(|(path, ..)| path == "texts").collect();
    // Of `10.0.0.1` and `10.0.0.12` the longer one first.
    texts.sort_by_key(|(_, _, now)| std::cmp::Reverse(now.len()));
    for (_, was, now) in texts {
        replaced(after, now, was);
    }
    for (path, was, _) in notes.iter().filter(|(path, ..)| path != "texts") {
        let steps = steps(path, before);
        match steps[..] {
            ["services", service, "container_name"] => {
                let of_shared = format!("n1-{service}");
                let services = after["services"].as_object_mut().expect("services").iter_mut();
                let own = services.filter(|(key, _)| *key == service || **key == of_shared);
                let networks = own.filter_map(|(_, value)| value.get_mut("networks")?.as_object_mut());
                for network in networks.flat_map(|map| map.values_mut()) {
                    if let Some(aliases) = network.get_mut("aliases").and_then(Value::as_array_mut) {
                        aliases.retain(|a| a != was);
                    }
                }
            }
            ["services", service, key]
                if ["network_mode", "pid", "ipc", "volumes_from", "links", "external_links"].contains(&key) =>
            {
                for key in [key, "links", "depends_on"] {
                    undo(before, after, &["services", service, key]);
                }
            }
            // They are compared by the ports of the container.
            ["services", _, "ports"] => {}
            _ => undo(before, after, &steps),
        }
    }
}

/// Takes away that services on networks of others, which several nodes share, meet their own on `internal` too: names lead home
/// there, isolated or not.
fn at_home_on_shared_networks(before: &Value, after: &mut Value) {
    let services = after["services"].as_object_mut().into_iter().flatten();
    for (key, service) in services {
        let key = key.strip_prefix("n1-").unwrap_or(key);
        let networks = before["services"][key]["networks"].as_object();
        let is_external = |key: &String| before["networks"][key]["external"] == true;
        let shares = networks.is_some_and(|all| all.keys().any(is_external) && !all.contains_key("internal"));
        if let (true, Some(networks)) = (shares, service["networks"].as_object_mut()) {
            networks.remove("internal");
        }
    }
}

/// `after` is `before`, but for what the notes say; networks too, which `same` does not compare.
fn compared(name: &str, before: &Value, mut after: Value, notes: &[(String, String, String)], wrong: &mut Vec<String>) {
    undone(before, &mut after, notes);
    at_home_on_shared_networks(before, &mut after);
    for config in after["configs"]
        .as_object_mut()
        .into_iter()
        .flat_map(|m| m.values_mut())
    {
        // Its text stands in a file, where addresses have moved too.
        let Some(file) = config["file"].as_str() else { continue };
        let mut content = json!(fs::read_to_string(file).expect("a config"));
        for (_, was, now) in notes.iter().filter(|(path, ..)| path == "texts") {
            replaced(&mut content, now, was);
        }
        fs::write(file, content.as_str().expect("text")).unwrap_or_default();
    }
    same(name, "n1", before, &after, wrong);
    let networks = before["networks"].as_object().into_iter().flatten();
    for (key, was) in networks {
        let key = if key == "default" { "internal" } else { key };
        let Some(is) = after["networks"].get(key) else { continue };
        let options = |value: &Value| {
            let mut map = value.as_object().cloned().unwrap_or_default();
            // Compose and topogen each put the project before a name, and a subnet where none is said.
            ["name", "driver", "ipam"].iter().for_each(|key| drop(map.remove(*key)));
            map.retain(|_, value| *value != json!({}));
            map
        };
        if was["external"] == true {
            continue;
        }
        if options(was) != options(is) {
            wrong.push(format!("{name}: network {key}: {was} became {is}"));
        }
        let is_said = notes.iter().any(|(path, ..)| *path == format!("networks.{key}.ipam"));
        if was["ipam"]["config"].is_array() && was["ipam"] != is["ipam"] && !is_said {
            wrong.push(format!("{name}: network {key}: its ipam changed, which nothing says"));
        }
    }
}

/// What two nodes both take of an engine, as `docker compose config` says it.
fn collisions(one: &Value, two: &Value) -> Vec<String> {
    let taken = |config: &Value| -> BTreeSet<String> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut found = BTreeSet::new();
        for service in config["services"].as_object().into_iter().flat_map(|m| m.values()) {
            found.extend(
                service["container_name"]
                    .as_str()
                    .map(|name| format!("container {name}")),
            );
            let ports = list(&service["ports"]);
            found.extend(
                ports
                    .iter()
                    .filter_map(|p| Some(format!("port {}", p["published"].as_str()?))),
            );
        }
        for section in ["networks", "volumes"] {
            let all = config[section].as_object().into_iter().flat_map(|m| m.values());
            for value in all.filter(|v| v["external"] != true) {
                found.insert(format!("{section} {}", value["name"]));
                let bridge = &value["driver_opts"]["com.docker.network.bridge.name"];
                found.extend(bridge.as_str().map(|name| format!("bridge {name}")));
            }
        }
        found
    };
    let subnets = |config: &Value| -> Vec<IpNet> {
        let networks = config["networks"].as_object().into_iter().flat_map(|m| m.values());
        let pools = networks.flat_map(|n| n["ipam"]["config"].as_array().cloned().unwrap_or_default());
        pools.filter_map(|pool| pool["subnet"].as_str()?.parse().ok()).collect()
    };
    let mut found: Vec<String> = taken(one).intersection(&taken(two)).cloned().collect();
    let others = subnets(two);
    for subnet in subnets(one) {
        let meets = |other: &&IpNet| other.contains(&subnet) || subnet.contains(*other);
        found.extend(others.iter().find(meets).map(|other| format!("{subnet} and {other}")));
    }
    found
}

#[test]
fn what_is_isolated_differs_in_what_isolate_says() {
    if !compose_is_here() {
        return;
    }
    let mut wrong = Vec::new();
    let mut kinds = HashSet::new();
    for (folder, files) in projects() {
        let name = format!("{}/{}", folder.display(), files.join("+"));
        let copy = tempfile::tempdir().expect("a directory");
        invalid::copy(&folder, copy.path());
        let folder = copy.path();
        let listed: Vec<String> = files.iter().map(|f| format!("{f:?}")).collect();
        let listed = listed.join(", ");
        for isolate in ["true", "{ports: 100}"] {
            let blueprint = format!("roles: {{n: {{count: 2, compose: [{listed}], isolate: {isolate}}}}}\n");
            fs::write(folder.join("isolated.yaml"), blueprint).expect("a blueprint");
            let out = tempfile::tempdir().expect("a directory");
            let path = out.path().to_str().expect("UTF-8");
            let output = topogen(folder, &["render", "-f", "isolated.yaml", "-o", path]);
            assert!(output.status.success(), "{name}: {}", stderr(&output));
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            let before = config(folder, &files, &[]);
            let node = |name: &str| config(&out.path().join(name), &["compose.yaml"], &[]);
            let (one, two) = (node("n1"), node("n2"));
            let notes = notes(&out.path().join("n1/compose.yaml"));
            kinds.extend(
                notes
                    .iter()
                    .map(|(path, ..)| path.rsplit('.').next().unwrap_or_default().to_owned()),
            );
            let found = collisions(&one, &two);
            wrong.extend(found.iter().map(|what| format!("{name}: {isolate}: both take {what}")));
            compared(&format!("{name}: {isolate}"), &before, one, &notes, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for kind in [
        "container_name",
        "ports",
        "ipam",
        "name",
        "texts",
        "network_mode",
        "ipv4_address",
        "driver_opts",
    ] {
        assert!(
            kinds.contains(kind),
            "no file shows what becomes of `{kind}`: {kinds:?}"
        );
    }
}

/// Each of these blueprints beside its file, for whoever looks for what the scenario brings up.
#[test]
fn the_five_render_for_compose() {
    let mut nodes: BTreeMap<String, usize> = BTreeMap::new();
    for entry in fs::read_dir(root("tests/isolate")).expect("a directory") {
        let folder = entry.expect("an entry").path();
        let out = rendered(&folder, &[]);
        let name = folder.file_name().and_then(|n| n.to_str()).expect("UTF-8").to_owned();
        for node in fs::read_dir(out.path())
            .expect("projects")
            .map(|e| e.expect("an entry").path())
        {
            if node.is_dir() {
                if compose_is_here() {
                    config(&node, &["compose.yaml"], &[]);
                }
                *nodes.entry(name.clone()).or_default() += 1;
            }
        }
    }
    assert_eq!(nodes.len(), 5);
    assert!(nodes.values().all(|n| *n == 3), "{nodes:?}");
}
