//! The lab of the article, as its users run it.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use crate::cluster::{Cluster, docker, probe, text, topogen, wait};

/// 1.
pub(crate) fn ten_slaves() {
    let cluster = Cluster::new();
    cluster.must("up", &["--slaves", "10"]);
    assert_eq!(cluster.containers(Some("running")).len(), 53);
    assert_eq!(cluster.containers(None).len(), 53);
    assert_eq!(cluster.networks().len(), 12);
    let mut questions = vec!["--connect".to_owned(), "master:443".to_owned()];
    for n in 1..=10 {
        questions.extend(["--connect".to_owned(), format!("slave{n}:443")]);
    }
    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    let found = cluster.probe("master", "service_entry", &questions);
    for n in 1..=10 {
        let identity = &found["endpoints"][format!("slave{n}:443")]["identity"];
        assert_eq!(identity["cluster"], json!(cluster.name), "{found}");
        assert_eq!(identity["node"], json!(format!("slave{n}")));
        assert_eq!(identity["role"], json!("slave"));
        assert_eq!(identity["index"], json!(n));
        assert_eq!(identity["service"], json!("service_entry"));
        assert_eq!(identity["port"], json!("443/tcp"));
        let addresses = identity["addresses"].as_array().expect("a list");
        let inout = cluster.address(
            &format!("slave{n}"),
            "service_entry",
            &format!("{}-inout", cluster.name),
        );
        assert!(
            addresses.contains(&json!(inout)) && addresses.len() == 2,
            "{addresses:?}"
        );
    }
    assert_eq!(found["endpoints"]["master:443"]["identity"]["node"], json!("master"));
    let ids = cluster.containers(None);
    cluster.must("up", &["--slaves", "10"]);
    assert_eq!(cluster.containers(None), ids, "the same again changes nothing");
}

/// 2, also for what `docker compose` brought up: `container` names the service's container.
pub(crate) fn names_are_right(out: &str, own: impl Fn(&str) -> String, entry: impl Fn(&str) -> String) {
    let found = probe(
        out,
        &[
            "--resolve",
            "service_entry",
            "--resolve",
            "entry",
            "--resolve",
            "out",
            "--resolve",
            "service_3",
            "--resolve",
            "service_out",
            "--resolve",
            "master",
            "--resolve",
            "slave1",
            "--resolve",
            "slave2",
        ],
    );
    for (name, service) in [
        ("service_entry", "service_entry"),
        ("entry", "service_entry"),
        ("out", "service_out"),
        ("service_out", "service_out"),
        ("service_3", "service_3"),
    ] {
        assert_eq!(found["names"][name], json!([own(service)]), "{name}: {found}");
    }
    for node in ["master", "slave1", "slave2"] {
        assert_eq!(found["names"][node], json!([entry(node)]), "{node}: {found}");
    }
}

pub(crate) fn names() {
    let cluster = Cluster::new();
    cluster.must("up", &["--slaves", "3"]);
    let inout = format!("{}-inout", cluster.name);
    let internal = format!("{}-slave2_internal", cluster.name);
    names_are_right(
        &cluster.container("slave2", "service_out"),
        |service| cluster.address("slave2", service, &internal),
        |node| cluster.address(node, "service_entry", &inout),
    );
}

/// 3.
pub(crate) fn private() {
    let cluster = Cluster::new();
    cluster.must("up", &["--slaves", "2"]);
    let inout = format!("{}-inout", cluster.name);
    // Its address on the private network and on the shared one: neither is for a private service of another node.
    let other = cluster.address("slave1", "service_entry", &format!("{}-slave1_internal", cluster.name));
    let shared = cluster.address("slave1", "service_entry", &inout);
    let own = cluster.address("slave2", "service_entry", &format!("{}-slave2_internal", cluster.name));
    let [other, shared, own] = [other, shared, own].map(|a| format!("{a}:443"));
    let found = cluster.probe(
        "slave2",
        "service_3",
        &[
            "--resolve",
            "slave1",
            "--resolve",
            "master",
            "--resolve",
            "slave2",
            "--connect",
            &other,
            "--connect",
            &shared,
            "--connect",
            &own,
        ],
    );
    for name in ["slave1", "slave2", "master"] {
        assert_eq!(found["names"][name], json!([]), "{found}");
    }
    assert_eq!(found["endpoints"][&other]["outcome"], json!("unreachable"), "{found}");
    assert_eq!(found["endpoints"][&shared]["outcome"], json!("unreachable"), "{found}");
    assert_eq!(found["endpoints"][&own]["outcome"], json!("connected"), "{found}");
}

/// 4.
pub(crate) fn scaling() {
    let cluster = Cluster::new();
    let mut before = std::collections::BTreeMap::new();
    for slaves in ["2", "4", "1"] {
        cluster.must("up", &["--slaves", slaves]);
        let after = cluster.containers(Some("running"));
        for (name, id) in &before {
            assert!(after.get(name).is_none_or(|new| new == id), "{name} was recreated");
        }
        let count: usize = slaves.parse().unwrap();
        assert_eq!(after.len(), 3 + 5 * count);
        assert_eq!(cluster.networks().len(), 2 + count);
        before = after;
    }
    // That nodes went is said.
    cluster.must("up", &["--slaves", "3"]);
    let output = cluster.run("up", &["--slaves", "1", "--progress", "json"]);
    let last = text(&output.stderr).lines().last().map(str::to_owned);
    let told: serde_json::Value = serde_json::from_str(&last.expect("a line")).expect("JSON");
    assert_eq!(told["nodes_removed"], json!(["slave2", "slave3"]), "{told}");
    assert_eq!(told["containers_recreated"], json!([]), "{told}");
}

/// 7.
pub(crate) fn two_clusters() {
    let (a, b) = (Cluster::new(), Cluster::new());
    let mut children = [a.spawn("up", &["--slaves", "2"]), b.spawn("up", &["--slaves", "2"])];
    for (child, cluster) in children.iter_mut().zip([&a, &b]) {
        cluster.ends_well("up", child);
    }
    for cluster in [&a, &b] {
        assert_eq!(cluster.containers(Some("running")).len(), 13);
        let found = cluster.probe("slave1", "service_out", &["--connect", "slave2:443"]);
        assert_eq!(
            found["endpoints"]["slave2:443"]["identity"]["cluster"],
            json!(cluster.name)
        );
    }
    a.must("down", &[]);
    assert_eq!(a.containers(None).len(), 0);
    assert_eq!(b.containers(Some("running")).len(), 13);
}

pub(crate) fn down_without_blueprint() {
    let cluster = Cluster::new();
    let file = cluster.path().join("topogen.yaml");
    fs::write(
        &file,
        format!(
            "name: {}\nroles: {{w: {{count: 2, services: {{app: {{image: topogen/fake}}}}}}}}\n",
            cluster.name
        ),
    )
    .unwrap();
    assert!(topogen(&cluster.path(), &["up"]).status.success());
    assert_eq!(cluster.containers(Some("running")).len(), 2);
    fs::write(&file, "roles: [broken").unwrap();
    cluster.must("down", &[]);
    assert_eq!(cluster.containers(None).len(), 0);
    fs::remove_file(&file).unwrap();
    cluster.must("down", &[]);
}

pub(crate) fn fakes_of_a_blueprint() {
    let cluster = Cluster::new();
    let blueprint = r#"
roles:
  api:
    entry: web
    services:
      web:
        image: "shop/web:{{ cluster }}"
        command: ["serve", "--all"]
        entrypoint: /entrypoint.sh
        environment: {MASTER: "{{ node.name }}", PRICE: "5$$"}
        expose: ["8000-8001", "53/udp"]
        depends_on: [db]
        labels: {shop.tier: front}
        stop_signal: SIGINT
        stop_grace_period: 3s
      db: {image: shop/db, expose: [5432]}
"#;
    fs::write(cluster.path().join("topogen.yaml"), blueprint).unwrap();
    let refused = cluster.run("up", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("--fake"), "{}", text(&refused.stderr));
    assert_eq!(cluster.networks().len(), 0, "nothing was made");
    cluster.must("up", &["--fake"]);
    let web = cluster.container("api", "web");
    let found = cluster.probe(
        "api",
        "web",
        &["--connect", "db:5432", "--connect", "api:8000", "--connect", "web:8001"],
    );
    assert_eq!(
        found["endpoints"]["db:5432"]["identity"]["service"],
        json!("db"),
        "{found}"
    );
    assert_eq!(found["endpoints"]["api:8000"]["identity"]["service"], json!("web"));
    assert_eq!(found["endpoints"]["web:8001"]["identity"]["port"], json!("8001/tcp"));
    let inspect = docker(&[
        "inspect",
        "-f",
        "{{json .Config.Env}} {{.Config.StopSignal}} {{.Config.StopTimeout}} {{index .Config.Labels \"shop.tier\"}} {{json .Config.Entrypoint}} {{json .Args}}",
        &web,
    ]);
    assert!(
        inspect.contains("\"MASTER=api\"") && inspect.contains("\"PRICE=5$\""),
        "{inspect}"
    );
    assert!(
        inspect.ends_with("SIGINT 3 front [\"/topogen\"] [\"fake\"]"),
        "{inspect}"
    );
}

/// Compose files as people have them: with Compose, `service_entry` would resolve to every node's.
pub(crate) fn two_files() {
    let cluster = Cluster::new();
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/article/topogen.yaml");
    cluster.must("up", &["-f", files, "--slaves", "3", "--fake"]);
    assert_eq!(cluster.containers(Some("running")).len(), 18);
    let found = cluster.probe(
        "slave2",
        "service_out",
        &["--resolve", "service_entry", "--connect", "slave3:443"],
    );
    let own = cluster.address("slave2", "service_entry", &format!("{}-slave2_internal", cluster.name));
    assert_eq!(found["names"]["service_entry"], json!([own]), "{found}");
    assert_eq!(found["endpoints"]["slave3:443"]["identity"]["node"], json!("slave3"));
}

/// What a service asks of the engine, on a blueprint of many keys: the state of its containers says so.
pub(crate) fn keys() {
    let cluster = Cluster::new();
    let blueprint = r#"
roles:
  w:
    services:
      app:
        image: topogen/fake
        ports: ["127.0.0.1::80"]
        restart: on-failure:3
        hostname: "{{ node.name }}"
        read_only: true
        cap_add: [NET_ADMIN]
        extra_hosts: ["db=10.0.0.1"]
        ulimits: {nofile: {soft: 1000, hard: 2000}}
        tmpfs: ["/run:size=1m"]
        mem_limit: 64m
        cpus: 0.5
        pids_limit: "{{ 40 + node.index }}"
        healthcheck: {test: [CMD, /topogen, probe], interval: 1s}
      host: {image: topogen/fake, network_mode: none, pid: host}
"#;
    fs::write(cluster.path().join("topogen.yaml"), blueprint).unwrap();
    cluster.must("up", &[]);
    let app = cluster.container("w", "app");
    let inspect: serde_json::Value = serde_json::from_str(&docker(&["inspect", &app])).expect("JSON");
    let (config, host) = (&inspect[0]["Config"], &inspect[0]["HostConfig"]);
    assert_eq!(config["Hostname"], json!("w"));
    assert_eq!(host["PortBindings"]["80/tcp"][0]["HostIp"], json!("127.0.0.1"));
    assert_eq!(
        host["RestartPolicy"],
        json!({"Name": "on-failure", "MaximumRetryCount": 3})
    );
    assert_eq!(host["ReadonlyRootfs"], json!(true));
    assert!(
        host["CapAdd"][0].as_str().is_some_and(|c| c.ends_with("NET_ADMIN")),
        "{host}"
    );
    assert_eq!(host["ExtraHosts"], json!(["db:10.0.0.1"]));
    assert_eq!(host["Ulimits"], json!([{"Name": "nofile", "Hard": 2000, "Soft": 1000}]));
    assert_eq!(host["Tmpfs"], json!({"/run": "size=1m"}));
    assert_eq!(
        (&host["Memory"], &host["NanoCpus"]),
        (&json!(64 << 20), &json!(500_000_000))
    );
    assert_eq!(host["PidsLimit"], json!(41));
    wait("a healthy container", || {
        (docker(&["inspect", "-f", "{{.State.Health.Status}}", &app]) == "healthy").then_some(())
    });
    let other = docker(&[
        "inspect",
        "-f",
        "{{.HostConfig.NetworkMode}} {{.HostConfig.PidMode}}",
        &cluster.container("w", "host"),
    ]);
    assert_eq!(other, "none host");
}

pub(crate) fn ps() {
    let cluster = Cluster::new();
    cluster.must("up", &["--slaves", "2"]);
    docker(&["stop", &cluster.container("slave2", "service_5")]);
    let list: serde_json::Value = serde_json::from_str(&cluster.must("ps", &["--format", "json"])).expect("JSON");
    let nodes: Vec<&str> = list
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|n| n["node"].as_str())
        .collect();
    assert_eq!(nodes, ["master", "slave1", "slave2"]);
    let services = list[2]["services"].as_array().expect("a list");
    let of = |name: &str| {
        services
            .iter()
            .find(|s| s["service"] == json!(name))
            .expect("a service")
    };
    assert_eq!(of("service_5")["state"], json!("exited"));
    assert_eq!(of("service_entry")["names"], json!(["slave2"]));
    assert_eq!(of("service_out")["names"], json!([]));
    let inout = cluster.address("slave2", "service_entry", &format!("{}-inout", cluster.name));
    let addresses: BTreeSet<&str> = of("service_entry")["addresses"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|a| a["address"].as_str())
        .collect();
    assert!(addresses.contains(inout.as_str()) && addresses.len() == 2);
    let table = cluster.must("ps", &[]);
    assert_eq!(table.lines().count(), 14, "{table}");
}

pub(crate) fn fake_is_small() {
    let cluster = Cluster::new();
    cluster.must("up", &["--slaves", "1"]);
    let entry = cluster.container("slave1", "service_entry");
    let process = docker(&["inspect", "-f", "{{.State.Pid}}", &entry]);
    // Answering is part of what it is for.
    let found = cluster.probe(
        "slave1",
        "service_out",
        &["--connect", "slave1:443", "--connect", "entry:443"],
    );
    assert_eq!(
        found["endpoints"]["entry:443"]["outcome"],
        json!("connected"),
        "{found}"
    );
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("this machine runs it");
    assert!(
        status.contains("NSpid:\t") && status.lines().any(|l| l.starts_with("NSpid:") && l.ends_with("\t1")),
        "PID 1"
    );
    let kilobytes = |field: &str| -> u64 {
        let line = status.lines().find_map(|l| l.strip_prefix(field)).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    // What it has for itself, as each of its fellows has; the code is shared by all of one image.
    let own = kilobytes("RssAnon:");
    assert!(own < 3 << 10, "{own} kB of its own");
    // Without optimisation the code alone is six times as large.
    let (resident, bound) = (
        kilobytes("VmRSS:"),
        if cfg!(debug_assertions) { 24 << 10 } else { 4 << 10 },
    );
    assert!(resident < bound, "{resident} kB resident");
    docker(&["stop", "-t", "60", &entry]);
    // 0: it ended by itself; 137 would be the engine's patience at its end.
    assert_eq!(docker(&["inspect", "-f", "{{.State.ExitCode}}", &entry]), "0");
}

pub(crate) fn fake_udp() {
    let cluster = Cluster::new();
    let blueprint = "roles: {dns: {services: {dns: {image: topogen/fake, expose: ['53/udp', '53']}}}}";
    fs::write(cluster.path().join("topogen.yaml"), blueprint).unwrap();
    cluster.must("up", &[]);
    let address = cluster.address("dns", "dns", &format!("{}-dns_internal", cluster.name));
    let process = docker(&["inspect", "-f", "{{.State.Pid}}", &cluster.container("dns", "dns")]);
    // From the container's own network namespace, where its engine's bridge need not be this machine's.
    let script = format!("exec 3<>/dev/udp/{address}/53; echo hello >&3; timeout 5 head -n 1 <&3");
    let output = std::process::Command::new("nsenter")
        .args(["-t", &process, "-n", "bash", "-c", &script])
        .output()
        .expect("nsenter runs");
    let identity: serde_json::Value = serde_json::from_str(&text(&output.stdout)).expect("JSON");
    assert_eq!(identity["service"], json!("dns"));
    assert_eq!(identity["port"], json!("53/udp"));
}
