//! What `up` asks of the engine is what `docker compose` asks of it on the rendered file of the same blueprint: the
//! engine's own account of both is compared, and what differs is listed here with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::cluster::{Cluster, docker, text, topogen};

/// Every key that works with the fake image on any engine; `SUBNET` is one of the scenario's own.
const BLUEPRINT: &str = r#"
roles:
  w:
    entry: door
    networks:
      back: {ipam: {config: [{subnet: SUBNET.0/24, gateway: SUBNET.1}]}, labels: {a: b}, driver_opts: {com.docker.network.driver.mtu: 1400}}
      own: {internal: true, attachable: true, name: "{{ node.project }}-named"}
    volumes:
      data: {driver_opts: {type: tmpfs, device: tmpfs}, labels: [a=b]}
      named: {name: "{{ node.project }}-said"}
      unused: {}
    configs: {conf: {content: "for {{ node.name }}\n"}, file: {file: conf.txt}}
    secrets: {secret: {file: conf.txt}}
    services:
      door:
        image: topogen/fake
        entrypoint: [/topogen]
        command: fake
        hostname: "{{ node.name }}-door"
        domainname: lab.test
        expose: ["80", "81-82/udp"]
        ports: ["127.0.0.1::80", "127.0.0.1::90-91", {target: 83, protocol: udp, host_ip: 127.0.0.1, mode: host, name: x}]
        environment: {OWN: "{{ node.name }}", BARE: "", NUMBER: 1.50, LIST: "a,b"}
        env_file: [a.env, {path: raw.env, format: raw}, {path: none.env, required: false}]
        labels: {tier: front, number: 7}
        label_file: a.labels
        dns: [1.1.1.1, 8.8.8.8]
        dns_opt: [use-vc]
        dns_search: lab.test
        extra_hosts: {a: [1.1.1.1, "::1"], b: host-gateway}
        links: [app, "app:www"]
        external_links: ["{{ node.project }}-app-1:out"]
        depends_on: {app: {condition: service_healthy, restart: true}, off: {condition: service_started}}
        networks: {internal: {aliases: [w1]}, inout: {priority: 5}}
        logging: {driver: json-file, options: {max-size: 1m, max-file: "2"}}
        restart: on-failure:3
        init: true
        attach: false
        pull_policy: never
      app:
        image: topogen/fake
        user: "0:0"
        working_dir: /
        group_add: [20, 0]
        cap_add: [net_admin, SYS_TIME]
        cap_drop: [MKNOD]
        security_opt: ["no-new-privileges:true", "seccomp=./seccomp.json", "systempaths=unconfined"]
        ulimits: {nproc: 1000, nofile: {soft: 1000, hard: 2000}}
        sysctls: {net.ipv4.ip_unprivileged_port_start: 0}
        device_cgroup_rules: ["c 1:3 mr"]
        devices: ["/dev/null:/dev/nul2:r", /dev/zero]
        healthcheck: {test: [CMD, /topogen, probe], interval: 1s, timeout: 5s, retries: 9, start_period: 1s}
        stop_signal: SIGINT
        stop_grace_period: 3s
        tty: true
        stdin_open: true
        runtime: runc
        isolation: default
        platform: PLATFORM
        networks: {back: {ipv4_address: SUBNET.9, aliases: [application], driver_opts: {a: b}}, internal: {}}
        configs: [conf, {source: file, target: /etc/file.txt}]
        secrets: [secret]
      limits:
        image: topogen/fake
        mem_limit: 64m
        mem_reservation: 32m
        memswap_limit: 128m
        shm_size: 16mb
        cpus: 0.5
        cpu_shares: 100
        cpuset: "0"
        pids_limit: 50
        oom_score_adj: 100
        oom_kill_disable: false
        blkio_config: {weight: 300}
        mac_address: "02:42:ac:11:77:02"
        networks: [own]
      deployed:
        image: topogen/fake
        deploy:
          replicas: 2
          resources: {limits: {cpus: "0.25", memory: 32m, pids: 20}, reservations: {memory: 16m, cpus: "0.1"}}
          restart_policy: {condition: on-failure, max_attempts: 2, delay: 5s}
      hardened:
        image: topogen/fake
        read_only: true
        tmpfs: [/run]
        configs: [{source: file, target: /etc/app/file.txt}]
        secrets: [secret]
      still: {image: topogen/fake, read_only: true, tmpfs: [/t1, "/t2:size=1m,mode=755"]}
      quota: {image: topogen/fake, cpu_period: 50000, cpu_quota: 25000, healthcheck: {disable: true}}
      free: {image: topogen/fake, uts: host, pid: host, ipc: host, cgroup: host, userns_mode: host, network_mode: host}
      shared: {image: topogen/fake, ipc: shareable, cgroup: private, restart: unless-stopped}
      joined: {image: topogen/fake, network_mode: "service:shared", pid: "service:shared", ipc: "service:shared", volumes_from: [mounts, "container:{{ node.project }}-shared-1"]}
      alone: {image: topogen/fake, network_mode: none, restart: "no"}
      off: {image: topogen/fake, scale: 0}
      extending: {extends: alone, labels: {more: "1"}}
      out: {image: topogen/fake, profiles: [never]}
      mounts:
        image: topogen/fake
        volumes:
          - "data:/v1"
          - "named:/v2:ro"
          - "data:/v3:nocopy"
          - /anonymous
          - "./bound:/b1"
          - "./bound:/b2:ro"
          - "./bound:/b3:rprivate"
          - {type: bind, source: ./bound, target: /b4, read_only: true}
          - {type: bind, source: ./bound, target: /b5, bind: {propagation: private}}
          - {type: bind, source: ./made, target: /b6, bind: {create_host_path: true}}
          - {type: volume, source: data, target: /v4, volume: {nocopy: true}}
          - {type: volume, source: named, target: /v5}
          - {type: volume, target: /v6}
      memory:
        image: topogen/fake
        volumes: [{type: tmpfs, target: /t1, tmpfs: {size: 1048576, mode: 0700}}, {type: tmpfs, target: /t2}]
"#;

/// The same for what engines know from Docker 28 on.
const NEWER: &str = r#"
      newer:
        image: topogen/fake
        annotations: {a: b}
        healthcheck: {test: "exit 0", start_interval: 1s, start_period: 2s}
        networks: {internal: {gw_priority: 3, interface_name: eth7, mac_address: "02:42:ac:11:77:03"}, back: {mac_address: "02:42:ac:11:77:04"}}
"#;

/// A difference that remains.
struct Difference {
    /// Of what: the name of a container, `network NAME-…` or `volume NAME-…`; `*` stands for anything.
    of: &'static str,
    /// The path of what differs; `*` stands for anything.
    path: &'static str,
    /// Why it is right.
    reason: &'static str,
}

const fn differs(of: &'static str, path: &'static str, reason: &'static str) -> Difference {
    Difference { of, path, reason }
}

const DIFFERENCES: &[Difference] = &[
    differs(
        "NAME-*",
        "Config.Labels.io.topogen.*",
        "topogen's own labels, by which it knows what it may touch",
    ),
    differs(
        "network *",
        "Labels.io.topogen.*",
        "topogen's own labels, by which it knows what it may touch",
    ),
    differs(
        "volume *",
        "Labels.io.topogen.*",
        "topogen's own labels, by which it knows what it may touch",
    ),
    differs(
        "NAME-*",
        "Config.Labels.com.docker.compose.config-hash",
        "a hash of another making, over the contents of files too",
    ),
    differs(
        "*",
        "Labels.com.docker.compose.config-hash",
        "Compose would ask whether to recreate what has another hash, and lose what is in it",
    ),
    differs("*", "*Labels.com.docker.compose.version", "topogen's own version"),
    differs(
        "NAME-*",
        "Config.Labels.com.docker.compose.image",
        "the image's id, which only the engine knows",
    ),
    differs(
        "NAME-*",
        "Config.Labels.com.docker.compose.project.*",
        "the blueprint stands where Compose has a file",
    ),
    differs(
        "network NAME-inout",
        "Labels.com.docker.compose.network",
        "of a network that `render` leaves to be made by hand",
    ),
    differs(
        "NAME-*",
        "Config.AttachStd*",
        "who made the container listens to it no longer",
    ),
    differs(
        "NAME-w-hardened-1",
        "*Mounts",
        "configs and secrets are copied in, onto volumes where nothing else can be written",
    ),
    differs(
        "NAME-w-app-1",
        "*Mounts",
        "configs and secrets are copied in, so that the engine may be on another machine",
    ),
];

/// What the engine decides by itself, again for each run.
const OF_THE_RUN: &[&str] = &[
    "Created*",
    "Config.Hostname",
    "ExecIDs",
    "GraphDriver.*",
    "HostnamePath",
    "HostsPath",
    "Id",
    "LogPath",
    "NetworkSettings.Networks.*.EndpointID",
    "NetworkSettings.Networks.*.NetworkID",
    "NetworkSettings.Ports.*",
    "NetworkSettings.Sandbox*",
    "ResolvConfPath",
    "State.*",
    "Containers.*",
];

/// Networks whose subnets go by the cluster's name, and addresses there.
const SUBNETS: &[&str] = &["NAME-inout", "NAME-w_internal", "NAME-w-named"];

/// Whether `text` is as `pattern` says.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => {
            let Some(after) = text.strip_prefix(start) else {
                return false;
            };
            rest.is_empty() || (0..=after.len()).any(|at| after.is_char_boundary(at) && fits(rest, &after[at..]))
        }
    }
}

/// Whether `path` of the thing `name` says nothing of what was asked for.
fn is_of_the_run(name: &str, path: &str) -> bool {
    let address = |network: &&str| {
        let fields = ["Gateway", "IPAddress", "IPPrefixLen"].map(|f| format!("NetworkSettings.Networks.{network}.{f}"));
        fields.iter().any(|f| f == path)
    };
    // These two ask for one.
    let asks = ["NAME-w-limits-1", "NAME-w-newer-1"].contains(&name);
    let mac = !asks && fits("NetworkSettings.Networks.*.MacAddress", path);
    let subnet = |network: &&str| name == format!("network {network}") && path == "IPAM.Config";
    mac || OF_THE_RUN.iter().any(|run| fits(run, path)) || SUBNETS.iter().any(|n| address(n) || subnet(n))
}

pub(crate) fn inspected() {
    let mut cluster = Cluster::new();
    for volume in ["w_data", "w-said"] {
        let volume = format!("{}-{volume}", cluster.name);
        cluster.finally(&["volume", "rm", "-f", &volume]);
    }
    let directory = cluster.path();
    let subnet = format!("10.231.{}", std::process::id() % 250);
    let mut blueprint = BLUEPRINT.replace("SUBNET", &subnet);
    let platform = docker(&["version", "-f", "{{.Server.Os}}/{{.Server.Arch}}"]);
    blueprint = blueprint.replace("PLATFORM", &platform);
    let api = docker(&["version", "-f", "{{.Server.APIVersion}}"]);
    let minor: u32 = api.split('.').nth(1).and_then(|n| n.parse().ok()).expect("a version");
    if minor >= 48 {
        blueprint += NEWER;
    }
    for (name, content) in [
        ("topogen.yaml", blueprint.as_str()),
        ("a.env", "FROM=file\nOWN=file\nREF=$FROM-${OWN}\n"),
        ("raw.env", "RAW=\"$FROM\"\n"),
        ("a.labels", "from=file\ntier=file\n"),
        ("conf.txt", "text\n"),
        ("seccomp.json", "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}"),
    ] {
        fs::write(directory.join(name), content).expect("a file");
    }
    fs::create_dir(directory.join("bound")).expect("a directory");

    cluster.must("up", &[]);
    for path in ["/etc/app/file.txt", "/run/secrets/secret"] {
        let hardened = format!("{}-w-hardened-1", cluster.name);
        // There is no shell in it: what is no blueprint is shown.
        let output = Command::new("docker")
            .args(["exec", &hardened, "/topogen", "check", "-f", path])
            .output();
        let said = text(&output.expect("docker runs").stderr);
        assert!(said.contains("1 | text"), "{path}: {said}");
    }
    let ours = found(&cluster.name);
    cluster.must("down", &["--volumes"]);

    let other = format!("u{}", &cluster.name[1..]);
    let made = Compose::up(&directory, &other);
    let theirs = found(&other);
    drop(made);

    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in names {
        let none = BTreeMap::new();
        let (own, compose) = (ours.get(name).unwrap_or(&none), theirs.get(name).unwrap_or(&none));
        let paths: BTreeSet<&String> = own.keys().chain(compose.keys()).collect();
        for path in paths.into_iter().filter(|p| own.get(*p) != compose.get(*p)) {
            let listed = DIFFERENCES.iter().position(|d| fits(d.of, name) && fits(d.path, path));
            used.extend(listed);
            if listed.is_none() {
                let shown = |value: Option<&Json>| value.map_or("nothing".to_owned(), Json::to_string);
                let (own, compose) = (shown(own.get(path)), shown(compose.get(path)));
                wrong.push(format!("{name}: {path}\n    up:      {own}\n    compose: {compose}"));
            }
        }
    }
    for (at, difference) in DIFFERENCES.iter().enumerate() {
        if !used.contains(&at) {
            let Difference { of, path, reason } = difference;
            wrong.push(format!("{of}: {path} is the same, so this is not so: {reason}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// By name: what the engine says of each thing of a cluster, by path.
type Found = BTreeMap<String, BTreeMap<String, Json>>;

/// The containers, networks and volumes whose name begins with `cluster`.
fn found(cluster: &str) -> Found {
    let list = |arguments: &[&str]| -> Vec<String> {
        let names = docker(arguments);
        let own = names.lines().filter(|n| n.starts_with(&format!("{cluster}-")));
        own.map(str::to_owned).collect()
    };
    let containers = list(&["ps", "-a", "--format", "{{.Names}}"]);
    let networks = list(&["network", "ls", "--format", "{{.Name}}"]);
    let volumes = list(&["volume", "ls", "--format", "{{.Name}}"]);
    let inspect = |kind: &str, names: &[String]| -> Vec<Json> {
        let mut arguments = vec![kind, "inspect"];
        arguments.extend(names.iter().map(String::as_str));
        serde_json::from_str(&docker(&arguments)).expect("JSON")
    };
    let mut containers = inspect("container", &containers);
    containers.iter_mut().for_each(without_own_labels);
    // Containers and anonymous volumes go by ids, which are nobody's choice.
    let mut ids: Vec<(String, String)> = Vec::new();
    for container in &containers {
        let name = container["Name"].as_str().unwrap_or_default().trim_start_matches('/');
        let id = container["Id"].as_str().unwrap_or_default();
        ids.push((id.to_owned(), name.to_owned()));
        ids.push((id.chars().take(12).collect(), "SHORT-ID".to_owned()));
        for mount in container["Mounts"].as_array().into_iter().flatten() {
            let volume = mount["Name"].as_str().unwrap_or_default();
            if volume.len() == 64 {
                ids.push((volume.to_owned(), "ANONYMOUS".to_owned()));
            }
        }
    }
    let mut found = Found::new();
    let all = [
        ("", containers),
        ("network ", inspect("network", &networks)),
        ("volume ", inspect("volume", &volumes)),
    ];
    for (kind, things) in all {
        for thing in things {
            let mut flat = BTreeMap::new();
            flatten(String::new(), &named(&thing, cluster, &ids), &mut flat);
            let name = flat.get("Name").and_then(Json::as_str).unwrap_or_default();
            let name = format!("{kind}{}", name.trim_start_matches('/'));
            flat.retain(|path, _| !is_of_the_run(&name, path));
            found.insert(name, flat);
        }
    }
    found
}

/// The same, in names that do not hold the cluster's, sets in order.
fn named(value: &Json, cluster: &str, ids: &[(String, String)]) -> Json {
    match value {
        Json::String(text) => {
            let mut text = text.clone();
            for (id, name) in ids {
                text = text.replace(id, name);
            }
            json!(text.replace(cluster, "NAME"))
        }
        Json::Array(items) => {
            let mut items: Vec<Json> = items.iter().map(|i| said(named(i, cluster, ids))).collect();
            items.sort_by_key(ToString::to_string);
            items.dedup();
            Json::Array(items)
        }
        Json::Object(map) => {
            let entries = map.iter().map(|(key, value)| {
                let key = named(&json!(key), cluster, ids);
                (key.as_str().unwrap_or_default().to_owned(), named(value, cluster, ids))
            });
            Json::Object(entries.collect())
        }
        other => other.clone(),
    }
}

/// Without what is there to say nothing.
fn said(value: Json) -> Json {
    match value {
        Json::Object(map) => {
            let says = |value: &Json| match value {
                Json::Object(map) => !map.is_empty(),
                Json::Array(items) => !items.is_empty(),
                other => !other.is_null(),
            };
            Json::Object(map.into_iter().filter(|(_, value)| says(value)).collect())
        }
        other => other,
    }
}

/// Each value by its path; nothing at all is as good as nothing said.
fn flatten(path: String, value: &Json, flat: &mut BTreeMap<String, Json>) {
    let below = |key: &str| match path.as_str() {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match value {
        Json::Null => {}
        Json::Object(map) => {
            for (key, value) in map {
                flatten(below(key), value, flat);
            }
        }
        Json::Array(items) if items.is_empty() => {}
        Json::String(text) if path.ends_with("compose.depends_on") => {
            let each: BTreeSet<&str> = text.split(',').collect();
            flat.insert(path, json!(each));
        }
        other => {
            flat.insert(path, other.clone());
        }
    }
}

/// Projects that `docker compose` has up, down when this is dropped.
struct Compose {
    projects: Vec<std::path::PathBuf>,
    network: String,
}

impl Compose {
    /// Render the blueprint in `directory` under another name, and bring up what that gives.
    fn up(directory: &Path, name: &str) -> Self {
        let out = directory.join("rendered");
        let output = topogen(directory, &["render", "-n", name, "-o", out.to_str().expect("UTF-8")]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let network = format!("{name}-inout");
        let projects = vec![out.join(format!("{name}-w"))];
        let made = Self { projects, network };
        docker(&["network", "create", &made.network]);
        for project in &made.projects {
            let output = compose(project, &["up", "-d", "--quiet-pull"]);
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
        made
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        for project in &self.projects {
            compose(project, &["down", "-v", "-t", "1", "--remove-orphans"]);
        }
        let _ = Command::new("docker").args(["network", "rm", &self.network]).output();
    }
}

fn compose(project: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new("docker");
    command.arg("compose").args(arguments).current_dir(project);
    command.output().expect("docker compose runs")
}

/// Volumes without a name carry labels of topogen's, as containers do.
fn without_own_labels(container: &mut Json) {
    for mount in container["HostConfig"]["Mounts"].as_array_mut().into_iter().flatten() {
        let Some(options) = mount.get_mut("VolumeOptions").and_then(Json::as_object_mut) else {
            continue;
        };
        if let Some(labels) = options.get_mut("Labels").and_then(Json::as_object_mut) {
            // Engines from 23 on add theirs to labels that a mount has.
            let is_engines = |key: &str| key == "com.docker.volume.anonymous";
            labels.retain(|key, _| !key.starts_with("io.topogen.") && !is_engines(key));
            if labels.is_empty() {
                options.remove("Labels");
            }
        }
        if options.is_empty()
            && let Some(mount) = mount.as_object_mut()
        {
            mount.remove("VolumeOptions");
        }
    }
}
