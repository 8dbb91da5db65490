//! Two Compose files over one another: at each path of the table each value that Compose takes there, over each of the
//! others, and what the rules of the paths are for, written out.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Map, Value, json};
use topogen::compose::table::FILE;
use topogen::diagnostic::Kind;
use topogen::engine::translate::translate;
use topogen::topology::expand::Overrides;

use super::{Case, record, recorded, walk};
use crate::compose_files::{compose_is_here, config, rendered};
use crate::support;

/// What a later file says over an earlier one of one service.
#[derive(Clone)]
struct Pair {
    base: Value,
    over: Value,
}

/// A whole value, in place of what the earlier file has.
fn instead(value: &Value) -> Value {
    json!({ "!override": value })
}

/// YAML of a value in which `!reset` is a text and `!override` the only key of a map.
fn yaml(value: &Value) -> String {
    match value {
        Value::String(text) if text == "!reset" => "!reset null".to_owned(),
        Value::Object(map) => match map.get("!override") {
            Some(inner) => format!("!override {}", yaml(inner)),
            None => {
                let entries: Vec<String> = map.iter().map(|(k, v)| format!("{}: {}", json!(k), yaml(v))).collect();
                format!("{{{}}}", entries.join(", "))
            }
        },
        Value::Array(list) => format!("[{}]", list.iter().map(yaml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// By key of a service, values of which each is laid over each.
fn written() -> Vec<(&'static str, Vec<Value>)> {
    let pairs = || {
        vec![
            json!(["A=1", "B=2"]),
            json!({"A": "3", "C": 4}),
            json!(["A", "C=5"]),
            json!({"A": null}),
            json!(["A=6", "A=7"]),
            json!([]),
            json!({}),
        ]
    };
    let texts = |some: [&str; 3]| {
        vec![
            json!([some[0], some[1]]),
            json!([some[1], some[2]]),
            json!([some[0]]),
            json!([]),
        ]
    };
    vec![
        ("environment", pairs()),
        ("labels", pairs()),
        ("annotations", pairs()),
        (
            "sysctls",
            vec![
                json!(["net.a=1"]),
                json!({"net.a": 2, "net.b": "3"}),
                json!(["net.b=4"]),
            ],
        ),
        (
            "extra_hosts",
            vec![
                json!(["a:10.0.0.1", "b=10.0.0.2"]),
                json!({"a": "10.0.0.3"}),
                json!({"a": ["10.0.0.1", "10.0.0.4"], "c": "::1"}),
                json!(["a:10.0.0.1"]),
            ],
        ),
        (
            "command",
            vec![json!("a b"), json!(["c", "d e"]), json!([]), Value::Null, json!("")],
        ),
        (
            "entrypoint",
            vec![json!("a b"), json!(["c", "d e"]), json!([]), Value::Null, json!("")],
        ),
        (
            "healthcheck",
            vec![
                json!({"test": "a b", "retries": 3}),
                json!({"test": ["CMD", "c"], "interval": "5s"}),
                json!({"interval": "1m30s", "start_period": "2s"}),
                json!({"disable": true}),
                json!({"test": ["NONE"]}),
            ],
        ),
        (
            "logging",
            vec![
                json!({"driver": "json-file", "options": {"max-size": "1m", "a": "1"}}),
                json!({"driver": "json-file", "options": {"a": "2", "b": "3"}}),
                json!({"driver": "syslog", "options": {"c": "4"}}),
                json!({"options": {"a": "5"}}),
                json!({"driver": "none"}),
            ],
        ),
        (
            "ports",
            vec![
                json!(["@1:80"]),
                json!(["@1:80/tcp", "81"]),
                json!(["@1:80/udp"]),
                json!([{"target": 80, "published": "@1"}]),
                json!([{"target": 80, "published": "@2", "host_ip": "127.0.0.1"}]),
                json!(["127.0.0.1:@2:80"]),
                json!([{"target": 80, "published": "@1", "name": "n", "app_protocol": "http"}]),
                json!([]),
            ],
        ),
        (
            "volumes",
            vec![
                json!(["kv:/t", "/u"]),
                json!(["./d:/t:ro"]),
                json!([{"type": "volume", "source": "kv", "target": "/t", "read_only": true}]),
                json!([{"type": "tmpfs", "target": "/t", "tmpfs": {"size": "1m"}}]),
                json!([{"type": "bind", "source": "./e", "target": "/u", "bind": {"create_host_path": true}}]),
                json!(["/t"]),
                json!(["kv:/t/"]),
            ],
        ),
        (
            "configs",
            vec![
                json!(["k"]),
                json!(["k", "l"]),
                json!([{"source": "l", "target": "/k"}]),
                json!([{"source": "k", "target": "/x", "mode": "0440"}]),
            ],
        ),
        (
            "secrets",
            vec![
                json!(["k"]),
                json!(["k", "l"]),
                json!([{"source": "l", "target": "k"}]),
                json!([{"source": "k", "target": "/x", "uid": "5"}]),
            ],
        ),
        (
            "depends_on",
            vec![
                json!(["k"]),
                json!({"k": {"condition": "service_completed_successfully", "restart": true}}),
                json!({"k": {"condition": "service_started", "required": false}}),
                json!(["k", "l"]),
            ],
        ),
        (
            "build",
            vec![
                json!("."),
                json!({"context": "./d", "args": ["A=1", "B=2"], "tags": ["t:1"]}),
                json!({"args": {"A": "3", "C": null}, "target": "x"}),
                json!({"context": ".", "dockerfile": "D", "labels": ["a=1"], "cache_from": ["c:1"]}),
                json!({"context": ".", "labels": {"a": "2"}, "cache_from": ["c:1", "c:2"], "tags": ["t:1", "t:2"]}),
                json!({"dockerfile_inline": "FROM scratch", "extra_hosts": ["h:10.0.0.1"]}),
                json!({"context": ".", "additional_contexts": ["x=./x"], "extra_hosts": {"h": "10.0.0.2"}}),
                json!({"context": ".", "additional_contexts": {"x": "./y"}, "ulimits": {"nofile": 5}, "no_cache": true}),
            ],
        ),
        (
            "deploy",
            vec![
                json!({"resources": {"limits": {"cpus": "0.5", "memory": "1g"}}}),
                json!({"resources": {"limits": {"pids": 5, "memory": "2g"}, "reservations": {"memory": "1m"}}}),
                json!({"labels": ["a=1"], "restart_policy": {"condition": "on-failure"}}),
                json!({"labels": {"a": "2", "b": "3"}, "restart_policy": {"max_attempts": 3}}),
                json!({"placement": {"constraints": ["node.a==b"], "preferences": [{"spread": "node.x"}]}}),
                json!({"placement": {"constraints": ["node.a==b", "node.c==d"]}, "update_config": {"parallelism": 2}}),
                json!({"resources": {"reservations": {"devices": [{"capabilities": ["gpu"], "count": 1}]}}}),
            ],
        ),
        (
            "ulimits",
            vec![
                json!({"nofile": 5}),
                json!({"nofile": {"soft": 6, "hard": 7}}),
                json!({"nproc": 8, "nofile": 9}),
            ],
        ),
        (
            "env_file",
            vec![
                json!("e.env"),
                json!(["e.env", "f.env"]),
                json!([{"path": "f.env", "required": false}]),
                json!([{"path": "./e.env", "format": "raw"}]),
            ],
        ),
        (
            "tmpfs",
            vec![
                json!("/t"),
                json!(["/t", "/u"]),
                json!("/u:size=1m"),
                json!(["/t:size=1m"]),
            ],
        ),
        (
            "dns",
            vec![
                json!("10.0.0.1"),
                json!(["10.0.0.1", "10.0.0.2"]),
                json!(["10.0.0.2"]),
                json!([]),
            ],
        ),
        ("dns_search", vec![json!("a.b"), json!(["a.b", "c.d"]), json!(["c.d"])]),
        ("dns_opt", texts(["a:1", "b", "a:2"])),
        ("cap_add", texts(["ALL", "NET_ADMIN", "SYS_TIME"])),
        ("cap_drop", texts(["ALL", "NET_ADMIN", "SYS_TIME"])),
        (
            "security_opt",
            texts(["no-new-privileges:true", "seccomp=unconfined", "label=disable"]),
        ),
        ("group_add", texts(["a", "1000", "b"])),
        ("device_cgroup_rules", texts(["c 1:3 mr", "c 1:5 r", "a *:* rwm"])),
        (
            "expose",
            vec![
                json!([80, "81"]),
                json!(["80", 82]),
                json!(["80-82"]),
                json!(["80/udp"]),
            ],
        ),
        ("external_links", texts(["x:y", "z", "x:w"])),
        ("links", texts(["k", "l", "k:m"])),
        ("profiles", texts(["p", "q", "r"])),
        (
            "devices",
            vec![
                json!(["/dev/a:/dev/x"]),
                json!(["/dev/b:/dev/x:r", "/dev/c"]),
                json!([{"source": "/dev/d", "target": "/dev/x", "permissions": "rw"}]),
                json!(["/dev/x"]),
            ],
        ),
        (
            "storage_opt",
            vec![json!({"size": "1G", "a": "b"}), json!({"size": "2G"})],
        ),
        (
            "blkio_config",
            vec![
                json!({"weight": 300, "weight_device": [{"path": "/dev/a", "weight": 400}]}),
                json!({"weight": 500, "device_read_bps": [{"path": "/dev/a", "rate": "1m"}]}),
                json!({"weight_device": [{"path": "/dev/a", "weight": 600}, {"path": "/dev/b", "weight": 700}]}),
            ],
        ),
        (
            "gpus",
            vec![
                json!("all"),
                json!([{"driver": "nvidia", "count": 2}]),
                json!([{"device_ids": ["0"], "options": {"a": "b"}}]),
            ],
        ),
        (
            "post_start",
            vec![
                json!([{"command": "a"}]),
                json!([{"command": ["b"], "user": "root", "environment": ["A=1"]}]),
            ],
        ),
        (
            "pre_stop",
            vec![
                json!([{"command": "a"}]),
                json!([{"command": ["b"], "user": "root", "environment": {"A": "1"}}]),
            ],
        ),
        (
            "develop",
            vec![
                json!({"watch": [{"path": "./a", "action": "sync", "target": "/a"}]}),
                json!({"watch": [{"path": "./a", "action": "rebuild"}, {"path": "./b", "action": "restart"}]}),
            ],
        ),
        ("restart", vec![json!("always"), json!("on-failure:3"), json!("no")]),
        ("stop_grace_period", vec![json!("1m"), json!("1s500ms")]),
        ("mem_limit", vec![json!("1g"), json!(1048576), json!("1048576")]),
        ("user", vec![json!("a"), json!("1000:1000"), json!("")]),
        ("privileged", vec![json!(true), json!(false), json!("true")]),
        ("network_mode", vec![json!("none"), json!("host"), json!("service:k")]),
        ("pull_policy", vec![json!("always"), json!("never"), json!("daily")]),
    ]
}

fn cases() -> Vec<(String, Pair)> {
    let mut cases: Vec<(String, Pair)> = Vec::new();
    let mut add = |path: &str, base: &Value, over: &Value, of: &dyn Fn(&Value) -> Value| {
        let name = format!("{path} {} < {}", yaml(base), yaml(over));
        let pair = Pair {
            base: of(base),
            over: of(over),
        };
        cases.push((name, pair));
    };
    for (key, values) in written() {
        let of = |value: &Value| json!({ key: value });
        for base in &values {
            for over in &values {
                add(key, base, over, &of);
            }
            add(key, base, &json!("!reset"), &of);
            add(key, base, &instead(&values[0]), &of);
        }
    }
    // What Compose takes at each path, one value over another of those.
    let verdicts = recorded();
    let known: BTreeSet<&str> = written().iter().map(|(key, _)| *key).collect();
    let mut paths = Vec::new();
    walk(&FILE, "", &mut paths);
    let all = super::cases();
    for path in paths.iter().filter(|path| path.starts_with("services.*.")) {
        let taken: Vec<&Case> = all
            .iter()
            .filter(|case| {
                case.path == *path && verdicts.get(&case.name()) == Some(&true) && super::is_taken(&case.file)
            })
            .collect();
        if known.contains(path.trim_start_matches("services.*.")) {
            continue;
        }
        for base in &taken {
            for over in &taken {
                let name = format!("{path} {} < {}", base.value, over.value);
                let service = |case: &Case| {
                    let mut service = case.file["services"]["a"].clone();
                    service.as_object_mut().expect("a service").remove("image");
                    service
                };
                let pair = Pair {
                    base: service(base),
                    over: service(over),
                };
                cases.push((name, pair));
            }
        }
    }
    cases
}

/// What stands for `@1` and `@2` in the service at `at`: a port of the host is one service's.
fn host_ports(at: usize) -> [String; 2] {
    [1, 2].map(|which| (20_000 + 2 * at + which).to_string())
}

/// The two files in which the services stand, each after its place.
fn files(pairs: &[&Pair]) -> [String; 2] {
    let service = |value: &Value, at: usize| {
        let mut service = value.clone();
        service
            .as_object_mut()
            .expect("a service")
            .entry("image")
            .or_insert(json!("i"));
        let [first, second] = host_ports(at);
        yaml(&service).replace("@1", &first).replace("@2", &second)
    };
    let file = |of: &dyn Fn(&Pair) -> Value, rest: &str| {
        let services = pairs
            .iter()
            .enumerate()
            .map(|(at, pair)| format!("  s{at}: {}\n", service(&of(pair), at)));
        let services: String = services.collect();
        format!("services:\n{services}{rest}")
    };
    let rest = "  k: {image: i}\n  l: {image: i}\nnetworks: {k: {}}\nvolumes: {k: {}, kv: {}}\nconfigs: {k: {content: c}, l: {content: d}}\nsecrets: {k: {environment: HOME}, l: {environment: HOME}}\nmodels: {k: {model: m}}\n";
    [file(&|p| p.base.clone(), rest), file(&|p| p.over.clone(), "")]
}

/// Files that services name.
const BESIDE: &[(&str, &str)] = &[
    ("e.env", "E=1\nA=e\n"),
    ("f.env", "F=2\nE=3\n"),
    ("k", "K=4"),
    ("5", "FIVE=5"),
];

/// The services of a project as Compose prints them, in which the directory is no matter, nor which networks they are on.
fn services(config: &Value, directory: &str, count: usize) -> Vec<Value> {
    let text = config.to_string().replace(directory, "/here");
    let config: Value = serde_json::from_str(&text).expect("JSON");
    let service = |at: usize| {
        let service = config["services"][format!("s{at}")].as_object();
        let mut service: Map<String, Value> = service.cloned().unwrap_or_default();
        for key in ["networks", "profiles", "image"] {
            service.remove(key);
        }
        let [first, second] = host_ports(at);
        let text = json!(service).to_string().replace(&first, "@1").replace(&second, "@2");
        serde_json::from_str(&text).expect("JSON")
    };
    (0..count).map(service).collect()
}

/// What `check` says of a role of the two files.
fn is_taken(pair: &Pair) -> bool {
    let [base, over] = files(&[pair]);
    let mut files = vec![("a.yaml", base.as_str()), ("b.yaml", over.as_str())];
    let beside: Vec<(String, &str)> = BESIDE
        .iter()
        .map(|(name, text)| (format!("/blueprint/{name}"), *text))
        .collect();
    files.extend(beside.iter().map(|(name, text)| (name.as_str(), *text)));
    files.extend(BESIDE);
    let (topology, _) = support::read("roles: {r: {compose: [a.yaml, b.yaml]}}", &Overrides::default(), &files);
    let Ok(topology) = topology else { return false };
    let problems = translate(&topology, &Default::default()).err().unwrap_or_default();
    problems.sorted().iter().all(|problem| problem.kind != Kind::Compose)
}

#[test]
fn the_record_of_merges_is_what_compose_says() {
    record::agrees("merges", &cases(), &|pair| is_taken(pair), &|pairs| {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).expect("a file");
        let [base, over] = files(pairs);
        write("compose.yaml", &base);
        write("compose.override.yaml", &over);
        BESIDE.iter().for_each(|(name, text)| write(name, text));
        let config = record::compose(directory.path(), &[("COMPOSE_PROFILES", "*")])?;
        Some(services(
            &config,
            directory.path().to_str().expect("a path"),
            pairs.len(),
        ))
    });
}

/// Why Compose refuses what is taken here, by how the names of the cases begin.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("services.*.build.ssh", CANNOT_OVERRIDE),
    ("services.*.provider.options.*", CANNOT_OVERRIDE),
    ("gpus", CANNOT_OVERRIDE),
    (
        "services.*.ports[].published \"5\" < 5",
        "a number and a text that say the same port are one port here",
    ),
    (
        "services.*.group_add[] \"5\" < 5",
        "a number and a text that say the same group are one group here",
    ),
];
const CANNOT_OVERRIDE: &str = "Compose has no rule for two values of these kinds, where the later one counts here";

/// Each pair is taken or refused as by Compose.
#[test]
fn each_merge_is_taken_as_by_compose() {
    let recorded = record::read("merges");
    let (mut differ, mut excepted) = (Vec::new(), 0);
    let cases = cases();
    let all = cases.len();
    for (name, pair) in cases {
        let here = is_taken(&pair);
        match recorded.get(&name) {
            Some(said) if said.is_null() != here => {}
            Some(Value::Null) if EXCEPTIONS.iter().any(|(begins, _)| name.starts_with(begins)) => excepted += 1,
            said => differ.push(format!("{name}: here {here}, Compose {said:?}")),
        }
    }
    assert!(differ.is_empty(), "{}:\n{}", differ.len(), differ.join("\n"));
    assert!(excepted * 50 <= all, "{excepted} of {all} are exceptions");
}

/// The services of a rendered project, as Compose prints them.
fn made_of(cases: &[(String, Pair)]) -> Vec<Value> {
    let pairs: Vec<&Pair> = cases.iter().map(|(_, pair)| pair).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).expect("a file");
    let [base, over] = files(&pairs);
    write("a.yaml", &base);
    write("b.yaml", &over);
    BESIDE.iter().for_each(|(name, text)| write(name, text));
    write(
        "topogen.yaml",
        "addresses: engine\nroles: {r: {compose: [a.yaml, b.yaml]}}",
    );
    let out = rendered(directory.path(), &["--profile", "*"]);
    let after = config(&out.path().join("r"), &["compose.yaml"], &["*"]);
    services(&after, directory.path().to_str().expect("a path"), pairs.len())
}

/// What a rendered project has of them is what Compose makes of the two files.
#[test]
fn each_merge_means_what_compose_makes_of_it() {
    if !compose_is_here() {
        return;
    }
    let recorded = record::read("merges");
    // The path of a credential is made absolute, since rendered files lie elsewhere.
    let cases: Vec<(String, Pair)> = cases()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("services.*.credential_spec.file"))
        // Compose has such a port twice.
        .filter(|(name, _)| name != "services.*.ports[].published 5 < \"5\"")
        .filter(|(name, pair)| recorded.get(name).is_some_and(|said| !said.is_null()) && is_taken(pair))
        .collect();
    // A config has one mode in a role, and a port of the host is one service's.
    let is_alone = |name: &str| {
        ["configs[].mode", "secrets[].mode", "0440", "ports[].published"]
            .iter()
            .any(|part| name.contains(part))
    };
    let (alone, cases): (Vec<_>, Vec<_>) = cases.into_iter().partition(|(name, _)| is_alone(name));
    let mut after = made_of(&cases);
    for case in &alone {
        after.extend(made_of(std::slice::from_ref(case)));
    }
    let cases: Vec<_> = cases.into_iter().chain(alone).collect();
    let differ: Vec<String> = cases
        .iter()
        .zip(&after)
        .filter(|((name, _), after)| recorded.get(name) != Some(after))
        .map(|((name, _), after)| format!("{name}: here {after}, Compose {}", recorded[name]))
        .collect();
    assert!(
        differ.is_empty(),
        "{} of {}:\n{}",
        differ.len(),
        cases.len(),
        differ.join("\n")
    );
}
