//! Every key of the Compose specification: asked of the engine, or refused by its path with the way out.

use serde_json::{Value as Json, json};
use topogen::cluster::Desired;
use topogen::compose::table;
use topogen::engine::request;
use topogen::plan::reconcile;
use topogen::topology::expand::Overrides;

use crate::pretended::{Pretended, ready};
use crate::translate::ENV;

/// What becomes of a key.
enum Fate {
    /// It changes what the engine is asked for.
    Asked,
    /// It is refused by its path.
    Refused,
    /// Nothing is asked for on its account, and why that is right.
    Silent(&'static str),
    /// It needs a variable that is not set.
    Unset,
}
use Fate::{Asked, Refused, Silent, Unset};

/// Each key of a service with a legal value of it.
const SERVICE: &[(&str, &str, Fate)] = &[
    ("annotations", "{a: b}", Asked),
    (
        "attach",
        "false",
        Silent("of what `docker compose up` prints in the foreground"),
    ),
    ("blkio_config", "{weight: 300}", Asked),
    ("build", ".", Asked),
    ("cap_add", "[NET_ADMIN]", Asked),
    ("cap_drop", "[MKNOD]", Asked),
    ("cgroup", "host", Asked),
    ("cgroup_parent", "c", Asked),
    ("command", "run", Asked),
    ("configs", "[c]", Asked),
    ("container_name", "named", Asked),
    ("cpu_count", "1", Asked),
    ("cpu_percent", "50", Asked),
    ("cpu_period", "50000", Asked),
    ("cpu_quota", "50000", Asked),
    ("cpu_rt_period", "95000", Asked),
    ("cpu_rt_runtime", "50000", Asked),
    ("cpu_shares", "100", Asked),
    ("cpus", "0.5", Asked),
    ("cpuset", "0", Asked),
    ("credential_spec", "{file: c.json}", Refused),
    ("depends_on", "[y]", Asked),
    ("deploy", "{resources: {limits: {cpus: 1}}}", Asked),
    ("develop", "{watch: []}", Refused),
    ("device_cgroup_rules", "[\"c 1:3 mr\"]", Asked),
    ("devices", "[/dev/null]", Asked),
    ("dns", "1.1.1.1", Asked),
    ("dns_opt", "[use-vc]", Asked),
    ("dns_search", "a.b", Asked),
    ("domainname", "d", Asked),
    ("entrypoint", "run", Asked),
    ("env_file", "a.env", Asked),
    ("environment", "{A: b}", Asked),
    ("expose", "[80]", Asked),
    ("extends", "y2", Asked),
    ("external_links", "[redis]", Asked),
    ("extra_hosts", "[a=1.1.1.1]", Asked),
    ("gpus", "all", Asked),
    ("group_add", "[20]", Asked),
    ("healthcheck", "{test: exit 0}", Asked),
    ("hostname", "h", Asked),
    ("image", "other", Asked),
    ("init", "true", Asked),
    ("ipc", "host", Asked),
    ("isolation", "default", Asked),
    ("label_file", "a.labels", Asked),
    ("labels", "{a: b}", Asked),
    ("links", "[y]", Asked),
    ("logging", "{driver: none}", Asked),
    ("mac_address", "02:42:ac:11:00:02", Asked),
    ("mem_limit", "64m", Asked),
    ("mem_reservation", "32m", Asked),
    ("mem_swappiness", "10", Asked),
    ("memswap_limit", "128m", Asked),
    ("models", "[m]", Refused),
    ("network_mode", "host", Asked),
    ("networks", "[inout]", Asked),
    ("oom_kill_disable", "true", Asked),
    ("oom_score_adj", "100", Asked),
    ("pid", "host", Asked),
    ("pids_limit", "50", Asked),
    ("platform", "linux/arm64", Asked),
    ("ports", "[\"8080:80\"]", Asked),
    ("post_start", "[{command: run}]", Refused),
    ("pre_stop", "[{command: run}]", Refused),
    ("privileged", "true", Asked),
    ("profiles", "[\"*\"]", Silent("applied when the blueprint is read")),
    ("provider", "{type: p}", Refused),
    ("pull_policy", "always", Asked),
    (
        "pull_refresh_after",
        "1h",
        Silent("says how long `pull_policy: refresh` waits"),
    ),
    ("read_only", "true", Asked),
    ("restart", "always", Asked),
    ("runtime", "runc", Asked),
    ("scale", "2", Asked),
    ("secrets", "[s]", Asked),
    ("security_opt", "[no-new-privileges]", Asked),
    ("shm_size", "16m", Asked),
    ("stdin_open", "true", Asked),
    ("stop_grace_period", "5s", Asked),
    ("stop_signal", "SIGINT", Asked),
    ("storage_opt", "{size: 1G}", Asked),
    ("sysctls", "{net.core.somaxconn: 1}", Asked),
    ("tmpfs", "/t", Asked),
    ("tty", "true", Asked),
    ("ulimits", "{nofile: 100}", Asked),
    ("use_api_socket", "true", Refused),
    ("user", "nobody", Asked),
    ("userns_mode", "host", Asked),
    ("uts", "host", Asked),
    ("volumes", "[\"data:/v\"]", Asked),
    ("volumes_from", "[y]", Asked),
    ("working_dir", "/w", Asked),
];

/// The same for keys below others: where they stand (`*` is what they are keys of), the least that can stand there, the
/// keys and values.
type Below = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str, Fate)],
);
const BELOW: &[Below] = &[
    (
        "deploy: *",
        "{}",
        &[
            ("mode", "global", Silent("Swarm's; Compose passes it over too")),
            ("endpoint_mode", "vip", Silent("Swarm's; Compose passes it over too")),
            ("replicas", "2", Asked),
            ("labels", "{a: b}", Silent("Swarm's; Compose passes it over too")),
            (
                "rollback_config",
                "{parallelism: 1}",
                Silent("Swarm's; Compose passes it over too"),
            ),
            (
                "update_config",
                "{parallelism: 1}",
                Silent("Swarm's; Compose passes it over too"),
            ),
            ("resources", "{limits: {memory: 64m}}", Asked),
            ("restart_policy", "{condition: any}", Asked),
            (
                "placement",
                "{constraints: [a==b]}",
                Silent("Swarm's; Compose passes it over too"),
            ),
        ],
    ),
    (
        "deploy: {resources: {limits: *}}",
        "{}",
        &[("cpus", "0.5", Asked), ("memory", "64m", Asked), ("pids", "50", Asked)],
    ),
    (
        "deploy: {resources: {reservations: *}}",
        "{}",
        &[
            ("cpus", "0.5", Silent("Swarm's: one engine reserves no processors")),
            ("memory", "64m", Asked),
            ("generic_resources", "[]", Silent("Swarm's; Compose passes it over too")),
            ("devices", "[{capabilities: [gpu]}]", Asked),
        ],
    ),
    (
        "deploy: {restart_policy: *}",
        "{}",
        &[
            ("condition", "on-failure", Asked),
            ("delay", "5s", Silent("Swarm's: the engine has a pace of its own")),
            ("max_attempts", "3, condition: on-failure", Asked),
            ("window", "5s", Silent("Swarm's: the engine has a pace of its own")),
        ],
    ),
    (
        "gpus: [*]",
        "{}",
        &[
            ("capabilities", "[utility]", Asked),
            ("count", "1", Asked),
            ("device_ids", "[a]", Asked),
            ("driver", "d", Asked),
            ("options", "{a: b}", Asked),
        ],
    ),
    (
        "healthcheck: *",
        "{}",
        &[
            ("disable", "true", Asked),
            ("interval", "5s", Asked),
            ("retries", "3", Asked),
            ("test", "[CMD, run]", Asked),
            ("timeout", "5s", Asked),
            ("start_period", "5s", Asked),
            ("start_interval", "5s", Asked),
        ],
    ),
    (
        "logging: *",
        "{}",
        &[("driver", "none", Asked), ("options", "{a: b}", Asked)],
    ),
    (
        "blkio_config: *",
        "{}",
        &[
            ("device_read_bps", "[{path: /dev/x, rate: 1mb}]", Asked),
            ("device_read_iops", "[{path: /dev/x, rate: 1}]", Asked),
            ("device_write_bps", "[{path: /dev/x, rate: 1mb}]", Asked),
            ("device_write_iops", "[{path: /dev/x, rate: 1}]", Asked),
            ("weight", "100", Asked),
            ("weight_device", "[{path: /dev/x, weight: 1}]", Asked),
        ],
    ),
    (
        "depends_on: {y: *}",
        "{condition: service_started}",
        &[
            ("condition", "service_healthy", Asked),
            ("required", "false, condition: service_started", Asked),
            ("restart", "true, condition: service_started", Asked),
        ],
    ),
    (
        "env_file: [*]",
        "",
        &[
            ("path", "a.env", Asked),
            (
                "required",
                "false, path: none.env",
                Silent("what is not there and need not be says nothing"),
            ),
            ("format", "raw, path: raw.env", Asked),
        ],
    ),
    (
        "networks: {internal: *}",
        "{}",
        &[
            ("aliases", "[a]", Asked),
            ("interface_name", "eth7", Asked),
            ("ipv4_address", "10.9.9.9", Asked),
            ("ipv6_address", "fd00::9", Asked),
            ("link_local_ips", "[169.254.1.1]", Asked),
            ("mac_address", "02:42:ac:11:00:02", Asked),
            ("driver_opts", "{a: b}", Asked),
            (
                "priority",
                "5",
                Silent("orders the networks, of which there is one here"),
            ),
            ("gw_priority", "5", Asked),
        ],
    ),
    (
        "ports: [*]",
        "{target: 80}",
        &[
            ("target", "81", Asked),
            ("published", "8080, target: 80", Asked),
            ("host_ip", "127.0.0.1, target: 80", Asked),
            ("protocol", "udp, target: 80", Asked),
            ("name", "web, target: 80", Silent("for people to read")),
            (
                "mode",
                "host, target: 80",
                Silent("Swarm's; Compose passes it over too"),
            ),
            ("app_protocol", "http, target: 80", Silent("for people to read")),
        ],
    ),
    (
        "configs: [*]",
        "{source: c}",
        &[
            ("source", "other", Asked),
            ("target", "/t, source: c", Asked),
            ("uid", "\"1\", source: c", Asked),
            ("gid", "\"1\", source: c", Asked),
            ("mode", "0400, source: c", Asked),
        ],
    ),
    (
        "volumes: [*]",
        "{type: volume, target: /t}",
        &[
            ("type", "tmpfs, target: /t", Asked),
            ("source", "data, type: volume, target: /t", Asked),
            ("target", "/other, type: volume", Asked),
            ("read_only", "true, type: volume, target: /t", Asked),
            ("consistency", "cached, type: volume, target: /t", Asked),
            (
                "bind",
                "{propagation: slave}, type: bind, source: /s, target: /t",
                Asked,
            ),
            ("volume", "{nocopy: true}, type: volume, target: /t", Asked),
            ("tmpfs", "{size: 1m}, type: tmpfs, target: /t", Asked),
            ("image", "{subpath: s}, type: image, source: i, target: /t", Refused),
        ],
    ),
];

/// The same for what a role has beside services: the section, and the least that can stand below a name in it.
const SECTIONS: &[Below] = &[
    (
        "networks",
        "{}",
        &[
            ("name", "\"{{ node.name }}-n\"", Asked),
            ("driver", "macvlan", Asked),
            ("driver_opts", "{a: b}", Asked),
            (
                "ipam",
                "{config: [{subnet: 10.9.9.0/24, ip_range: 10.9.9.0/25, gateway: 10.9.9.1}]}",
                Asked,
            ),
            ("external", "true", Asked),
            ("internal", "true", Asked),
            ("enable_ipv4", "false", Asked),
            ("enable_ipv6", "true", Asked),
            ("attachable", "true", Asked),
            ("labels", "{a: b}", Asked),
        ],
    ),
    (
        "volumes",
        "{}",
        &[
            ("name", "n", Asked),
            ("driver", "d", Asked),
            ("driver_opts", "{a: b}", Asked),
            ("external", "true", Asked),
            ("labels", "{a: b}", Asked),
        ],
    ),
    (
        "configs",
        "{content: c}",
        &[
            ("name", "n, content: c", Silent("of Swarm's store of configs")),
            ("content", "other", Asked),
            ("environment", "NONE", Unset),
            ("file", "c.txt", Asked),
            ("external", "true", Refused),
            ("labels", "{a: b}, content: c", Silent("of Swarm's store of configs")),
            ("template_driver", "golang, content: c", Refused),
        ],
    ),
    (
        "secrets",
        "{file: c.txt}",
        &[
            ("name", "n, file: c.txt", Silent("of Swarm's store of secrets")),
            ("environment", "NONE", Unset),
            ("file", "other.txt", Asked),
            ("external", "true", Refused),
            ("labels", "{a: b}, file: c.txt", Silent("of Swarm's store of secrets")),
            ("driver", "d, file: c.txt", Refused),
            ("driver_opts", "{a: b}, file: c.txt", Refused),
            ("template_driver", "golang, file: c.txt", Refused),
        ],
    ),
];

/// What is asked of the engine for a service with `keys`, or the messages of what is refused.
fn asked(keys: &str) -> Result<Json, String> {
    let sections = "configs: {c: {content: config}, other: {content: other}}
    secrets: {s: {content: secret}}
    models: {m: {model: ai/m}}
    volumes: {data: {}}";
    all_asked(keys, sections)
}

/// The same for a role that has `sections` beside services.
fn all_asked(keys: &str, sections: &str) -> Result<Json, String> {
    let text = format!(
        r#"
roles:
  a:
    services:
      x: {{{keys}}}
      y: {{image: i}}
      y2: {{image: i, user: extended}}
    {sections}
"#
    );
    let files = [ENV, &[("c.txt", "text"), ("other.txt", "other")]].concat();
    let (topology, sources) = crate::support::read(&text, &Overrides::default(), &files);
    let topology = topology.unwrap_or_else(|p| panic!("{text}: {}", p.render(&sources, false)));
    let desired = topogen::engine::translate::translate(&topology, &Default::default());
    let desired = desired.map_err(|problems| problems.render(&sources, false))?;
    let containers = desired.nodes[0].containers.iter().filter(|c| c.service.as_str() == "x");
    let containers = containers.map(|c| {
        let mut body = json!(request::container(c));
        // What it says of itself says nothing of what is done about it.
        for told in [
            "io.topogen.definition",
            "io.topogen.config-hash",
            "com.docker.compose.config-hash",
        ] {
            body["Labels"][told].take();
        }
        json!([
            c.name,
            body,
            c.endpoints.iter().map(request::endpoint).collect::<Vec<_>>(),
            c.after,
            c.files,
            c.platform,
            format!("{:?}", c.pull)
        ])
    });
    let networks = desired
        .networks()
        .map(|n| json!([n.name, request::network(n), n.external]));
    let volumes = desired
        .volumes
        .iter()
        .map(|v| json!([v.name, request::volume(v), v.external]));
    Ok(containers.chain(networks).chain(volumes).collect())
}

/// That the request for `with` is to that for `without` as the fate of `key` says.
fn is_right(with: &str, asked: Result<Json, String>, without: Result<Json, String>, key: &str, fate: &Fate) {
    let without = without.unwrap_or_else(|p| panic!("{p}"));
    match (asked, fate) {
        (Ok(asked), Asked) => assert_ne!(asked, without, "`{with}` changes nothing"),
        (Ok(asked), Silent(reason)) => assert_eq!(asked, without, "`{with}`: {reason}"),
        (Err(problems), Refused) => {
            assert!(
                problems.contains("docker compose"),
                "the way out of `{with}`: {problems}"
            );
            assert!(problems.contains(key), "the path of `{with}`: {problems}");
        }
        (Err(problems), Unset) => assert!(problems.contains("variable `NONE`"), "{problems}"),
        (Ok(_), Refused | Unset) => panic!("`{with}` is not refused"),
        (Err(problems), _) => panic!("`{with}` is refused: {problems}"),
    }
}

/// That `keys` are those that are `known`, in any order.
fn complete(keys: &[(&str, &str, Fate)], known: &[&str]) {
    let mut listed: Vec<&str> = keys.iter().map(|(key, ..)| *key).collect();
    let mut known = known.to_vec();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known, "a key is missing here");
}

fn without<'k>(keys: &[&'k str], some: &[&str]) -> Vec<&'k str> {
    keys.iter().copied().filter(|k| !some.contains(k)).collect()
}

/// Every key of the Compose specification is asked of the engine, or refused by its path.
#[test]
fn no_key_of_a_service_is_dropped() {
    complete(SERVICE, &table::keys("services.*"));
    for (key, value, fate) in SERVICE {
        let image = if *key == "image" { "" } else { ", image: i" };
        let with = format!("{key}: {value}{image}");
        is_right(&with, asked(&with), asked("image: i"), key, fate);
    }
    for (place, least, keys) in BELOW {
        if *place == "networks: {internal: *}" {
            complete(keys, &table::keys("services.*.networks.*"));
        }
        for (key, value, fate) in *keys {
            let service = |inside: &str| format!("{}, image: i", place.replace('*', inside));
            let with = service(&format!("{{{key}: {value}}}"));
            is_right(&with, asked(&with), asked(&service(least)), key, fate);
        }
    }
}

#[test]
fn no_key_of_a_section_is_dropped() {
    for (section, least, keys) in SECTIONS {
        match *section {
            "networks" => complete(keys, &table::keys("networks.*")),
            "configs" => complete(keys, &table::keys("configs.*")),
            "secrets" => complete(keys, &without(&table::keys("secrets.*"), &["content"])),
            _ => {}
        }
        let service = match *section {
            "volumes" => "image: i, volumes: [\"n:/n\"]".to_owned(),
            section => format!("image: i, {section}: [n]"),
        };
        let asked = |inside: &str| all_asked(&service, &format!("{section}: {{n: {inside}}}"));
        for (key, value, fate) in *keys {
            let with = format!("{{{key}: {value}}}");
            is_right(&format!("{section}: {with}"), asked(&with), asked(least), key, fate);
        }
    }
}

/// The keys of a blueprint beside those of its services, each in one blueprint and changed in another, and whether a cluster
/// that runs is changed by it.
const LANGUAGE: &[(&str, &str, &str, Fate)] = &[
    ("addresses", "", "addresses: {pool: 172.28.0.0/16}", Asked),
    ("inout", "", "inout: {name: corp}", Asked),
    ("internal", "", "internal: {internal: true}", Asked),
    (
        "name",
        "",
        "name: another",
        Silent("another cluster, beside the one that runs"),
    ),
    (
        "networks",
        "networks: {n: {}}",
        "networks: {n: {internal: true}}",
        Asked,
    ),
    ("vars", "vars: {v: 1}", "vars: {v: 2}", Asked),
    ("volumes", "volumes: {n: {}}", "volumes: {n: {name: another}}", Asked),
    ("x-topogen", "", "x-topogen: {allow: [T003]}", Silent("silences lints")),
];

/// The same for the keys of a role.
const ROLE: &[(&str, &str, &str, Fate)] = &[
    (
        "after",
        "",
        "after: b",
        Silent("what starts later starts in that order; nothing runs otherwise for it"),
    ),
    ("compose", "", "compose: c.yaml", Asked),
    (
        "configs",
        "configs: {c: {content: one}}",
        "configs: {c: {content: two}}",
        Asked,
    ),
    ("count", "count: 1", "count: 2", Asked),
    ("entry", "", "entry: x", Asked),
    ("exit", "", "exit: x", Asked),
    (
        "isolate",
        "",
        "isolate: true",
        Silent("changes what collides, of which there is nothing here: tests/isolate.rs"),
    ),
    (
        "models",
        "",
        "models: {m: {model: m}}",
        Silent("Compose's; `up` refuses services that use one"),
    ),
    (
        "networks",
        "",
        "networks: {back: {}}",
        Silent("a network that no service joins is not made"),
    ),
    ("node", "", "node: n", Asked),
    ("overrides", "", "overrides: {a: {services: {x: {user: u}}}}", Asked),
    (
        "rename",
        "compose: c.yaml",
        "compose: c.yaml\n    rename: {added: more}",
        Asked,
    ),
    (
        "replace",
        "compose: c.yaml",
        "compose: c.yaml\n    replace: {i: j}",
        Asked,
    ),
    (
        "secrets",
        "secrets: {c: {content: one}}",
        "secrets: {c: {content: two}}",
        Asked,
    ),
    ("services", "", "services: {z: {image: i}}", Asked),
    ("take", "compose: c.yaml", "compose: c.yaml\n    take: []", Asked),
    ("vars", "vars: {w: 1}", "vars: {w: 2}", Asked),
    (
        "volumes",
        "",
        "volumes: {data: {}}",
        Silent("a volume that no service mounts is not made"),
    ),
    ("x-topogen", "", "x-topogen: {allow: [T003]}", Silent("silences lints")),
];

/// What `up` does about `changed` where `before` runs: nothing, something, or it says what is in the way.
fn is_noticed(before: &Desired, changed: &Desired) -> bool {
    let engine = Pretended::with(before);
    reconcile::up(changed, &engine.observed, &ready()).map_or(true, |plan| !plan.is_empty())
}

fn in_language(at_top: &str, in_role: &str) -> Desired {
    let (configs, secrets) = (in_role.starts_with("configs"), in_role.starts_with("secrets"));
    let uses = match (configs, secrets) {
        (true, _) => ", configs: [c]",
        (_, true) => ", secrets: [c]",
        _ => "",
    };
    let services = match in_role.strip_prefix("services: {") {
        Some(more) => format!("x: {{image: i}}, {}", more.trim_end_matches('}').to_owned() + "}"),
        None => format!(
            "x: {{image: i{uses}, environment: {{V: \"{{{{ vars.v | default(0) }}}}{{{{ vars.w | default(0) }}}}\"}}}}"
        ),
    };
    let in_role = if in_role.starts_with("services") { "" } else { in_role };
    let text = format!(
        "{at_top}\nroles:\n  b: {{services: {{x: {{image: i}}}}}}\n  a:\n    services: {{{services}}}\n    {in_role}\n"
    );
    let files = [("c.yaml", "services: {added: {image: i}}")];
    crate::support::desired(&text, &Overrides::default(), &files)
}

/// Whatever a blueprint can say is compared with what runs, or it is said why not.
#[test]
fn whatever_a_blueprint_says_is_compared() {
    let schema: Json = serde_json::from_str(include_str!("../topogen.schema.json")).expect("JSON");
    let known = |properties: &Json| -> Vec<String> {
        let map = properties.as_object().expect("keys");
        map.keys().cloned().collect()
    };
    let mut top = known(&schema["properties"]);
    top.retain(|key| key != "roles");
    let role = known(&schema["definitions"]["Role"]["properties"]);
    for (table, known, is_top) in [(LANGUAGE, top, true), (ROLE, role, false)] {
        let listed: Vec<&str> = table.iter().map(|(key, ..)| *key).collect();
        assert_eq!(listed, known, "a key is missing here");
        for (key, before, changed, fate) in table {
            if *key == "name" {
                continue;
            }
            let of = |text: &str| {
                if is_top {
                    // What nobody uses is not made.
                    let user = match *key {
                        "networks" => "services: {y: {image: i, networks: [n]}}",
                        "volumes" => "services: {y: {image: i, volumes: ['n:/n']}}",
                        _ => "",
                    };
                    in_language(text, user)
                } else {
                    in_language("", text)
                }
            };
            let noticed = is_noticed(&of(before), &of(changed));
            assert_eq!(noticed, matches!(fate, Asked), "`{changed}`");
        }
    }
    let of = |service: &str| {
        let files = [ENV, &[("c.txt", "text"), ("other.txt", "other")]].concat();
        let sections = "configs: {c: {content: c}}\n    secrets: {s: {content: s}}\n    volumes: {data: {}}";
        let text = format!(
            "roles:\n  a:\n    services:\n      x: {{{service}}}\n      y: {{image: i}}\n      y2: {{image: i, user: extended}}\n    {sections}\n"
        );
        crate::support::desired(&text, &Overrides::default(), &files)
    };
    for (key, value, fate) in SERVICE {
        // What is pulled or built is there before anything is observed.
        if !matches!(fate, Asked) || ["build", "pull_policy", "isolation"].contains(key) {
            continue;
        }
        let image = if *key == "image" { "" } else { ", image: i" };
        let changed = of(&format!("{key}: {value}{image}"));
        assert!(is_noticed(&of("image: i"), &changed), "`{key}: {value}`");
    }
}
