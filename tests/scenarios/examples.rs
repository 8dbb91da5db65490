//! The examples, as they are: with fakes all of them, with real software those whose packages can be had.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::cluster::{Cluster, docker, text, wait};
use crate::compose::compose;
use crate::real::{self, exec};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Names of those that have a blueprint.
fn names() -> Vec<String> {
    let entries = fs::read_dir(root()).expect("examples");
    let mut folders: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    folders.retain(|p| p.join("topogen.yaml").is_file());
    folders.sort();
    let names = folders.iter().map(|p| p.file_name().expect("a name"));
    names.map(|n| n.to_string_lossy().into_owned()).collect()
}

/// A cluster, in a copy of an example.
fn example(name: &str) -> Cluster {
    let cluster = Cluster::new();
    for entry in fs::read_dir(root().join(name)).expect("an example") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), cluster.path().join(entry.file_name())).expect("a file");
    }
    cluster
}

/// What runs is proved, and the options of `up` are given again.
fn is_right(cluster: &Cluster, arguments: &[&str]) {
    let output = cluster.run("verify", &[arguments, &["--patience", "20"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}

/// It comes up with fakes, is right, and leaves nothing.
pub(crate) fn fakes(name: &str) {
    let cluster = example(name);
    // The article's is the size of the lab, which others bring up.
    let arguments: &[&str] = match name {
        "article" => &["--fake", "--slaves", "3"],
        _ => &["--fake"],
    };
    cluster.must("up", arguments);
    let all = cluster.containers(None);
    assert!(all.len() >= 3, "{all:?}");
    assert_eq!(cluster.containers(Some("running")), all);
    is_right(&cluster, arguments);
    cluster.must("down", &["--volumes"]);
    assert_eq!(cluster.containers(None), BTreeMap::new());
    assert_eq!(cluster.networks(), Vec::<String>::new());
}

/// What each renders is what Compose takes; and each is brought up by a scenario.
pub(crate) fn compose_reads_each() {
    let names = names();
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        let scenario = format!("examples::{}_with_fakes", name.replace('-', "_"));
        assert!(crate::SCENARIOS.iter().any(|(n, ..)| *n == scenario), "no {scenario}");
        let cluster = example(&name);
        cluster.must("render", &["-o", "out"]);
        let projects = fs::read_dir(cluster.path().join("out")).expect("projects");
        let projects = projects.map(|e| e.expect("an entry").path()).filter(|p| p.is_dir());
        let mut count = 0;
        for project in projects {
            compose(&["docker", "compose"], &project, &["config", "-q"]);
            count += 1;
        }
        assert!(count >= 3, "{name}: {count} projects");
    }
}

/// Clients of replication and their state, as the primary tells them, sorted.
fn redis_replicas(cluster: &Cluster) -> Option<Vec<String>> {
    let info = exec(
        &cluster.container("primary", "redis"),
        &["redis-cli", "info", "replication"],
    )?;
    let lines = info
        .lines()
        .filter(|l| l.starts_with("slave") && l.contains("state=online"));
    let name = |line: &str| Some(line.split_once("ip=")?.1.split(',').next()?.to_owned());
    let mut names: Vec<String> = lines.filter_map(name).collect();
    names.sort();
    Some(names)
}

/// The primary counts its replicas by name: as many as there are, also when there are more, and when it was away.
pub(crate) fn redis() {
    let cluster = example("redis-replication");
    let image = format!("image={}", real::image("redis-server"));
    let counts = |replicas: u32| {
        let names: Vec<String> = (1..=replicas).map(|n| format!("replica{n}")).collect();
        wait(&format!("the primary counts {replicas} replicas"), || {
            (redis_replicas(&cluster)? == names).then_some(())
        });
    };
    cluster.must("up", &["--wait", "--set", &image]);
    counts(3);
    let primary = cluster.containers(None)[&cluster.container("primary", "redis")].clone();
    let eight = ["--set", &image, "--slaves", "8"];
    cluster.must("up", &[&eight[..], &["--wait"]].concat());
    counts(8);
    assert_eq!(
        cluster.containers(None)[&cluster.container("primary", "redis")],
        primary
    );
    is_right(&cluster, &eight);
    cluster.must("kill", &["primary"]);
    cluster.must("start", &["primary"]);
    counts(8);
}

/// Prometheus scrapes each node there is, also when there are more, and none that is stopped.
pub(crate) fn prometheus() {
    let cluster = example("prometheus");
    let images = [
        format!("prometheus={}", real::image("prometheus")),
        format!("exporter={}", real::image("prometheus-node-exporter")),
        "exporter_binary=/usr/bin/prometheus-node-exporter".to_owned(),
        "app=topogen/fake".to_owned(),
    ];
    let set: Vec<&str> = images.iter().flat_map(|i| ["--set", i.as_str()]).collect();
    let hears_of = |nodes: &[u32]| {
        let up: BTreeSet<String> = nodes.iter().map(|n| format!("node{n}:9100")).collect();
        wait("Prometheus hears of each node", || {
            let query = ["promtool", "query", "instant", "http://localhost:9090", "up == 1"];
            let said = exec(&cluster.container("monitor", "prometheus"), &query)?;
            let instance = |line: &str| Some(line.split_once("instance=\"")?.1.split_once('"')?.0.to_owned());
            let heard: BTreeSet<String> = said.lines().filter_map(instance).collect();
            (heard == up).then_some(())
        });
    };
    cluster.must("up", &[&set[..], &["--wait"]].concat());
    hears_of(&[1, 2, 3]);
    is_right(&cluster, &set);
    let five = [&set[..], &["--slaves", "5"]].concat();
    cluster.must("up", &[&five[..], &["--wait"]].concat());
    hears_of(&[1, 2, 3, 4, 5]);
    is_right(&cluster, &five);
    cluster.must("stop", &["node4"]);
    hears_of(&[1, 2, 3, 5]);
}

/// Who answers `requests` requests to the balancer, asked from a node behind it.
fn served(cluster: &Cluster, requests: usize) -> Option<BTreeMap<String, usize>> {
    let ask = format!(
        "for i in $(seq {requests}); do exec 3<>/dev/tcp/balancer/80; \
         printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3; done"
    );
    let said = exec(&cluster.container("web1", "nginx"), &["bash", "-c", &ask])?;
    let mut served = BTreeMap::new();
    for name in said.lines() {
        *served.entry(name.to_owned()).or_default() += 1;
    }
    Some(served)
}

/// Requests are spread evenly over all nodes, also when there are more.
pub(crate) fn nginx() {
    let cluster = example("nginx-balancer");
    let image = format!("image={}", real::image("nginx-light"));
    let spreads = |nodes: usize| {
        let evenly: BTreeMap<String, usize> = (1..=nodes).map(|n| (format!("web{n}"), 4)).collect();
        wait("each node serves four requests", || {
            (served(&cluster, 4 * nodes)? == evenly).then_some(())
        });
    };
    cluster.must("up", &["--wait", "--set", &image]);
    spreads(3);
    is_right(&cluster, &["--set", &image]);
    let five = ["--set", &image, "--slaves", "5"];
    cluster.must("up", &[&five[..], &["--wait"]].concat());
    spreads(5);
    is_right(&cluster, &five);
}

/// What `web1` is answered by HTTP.
fn asked(cluster: &Cluster, host: &str, port: u16, path: &str) -> Option<String> {
    let ask = format!(
        "exec 3<>/dev/tcp/{host}/{port}; printf 'GET {path} HTTP/1.0\\r\\nHost: {host}:{port}\\r\\n\\r\\n' >&3; cat <&3"
    );
    let said = exec(&cluster.container("web1", "nginx"), &["bash", "-c", &ask])?;
    Some(said.split_once("\r\n\r\n")?.1.trim().to_owned())
}

/// A service inside the cluster tells where each nginx is, each nginx its own figures; those that came later too, and none
/// that has ended.
pub(crate) fn addresses() {
    let cluster = example("addresses");
    let image = format!("image={}", real::image("nginx-light"));
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let socket = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock");
    let socket = format!("socket={socket}");
    let real = ["--set", &image, "--set", &socket];
    let are_asked = |nodes: &[u32]| {
        let names: BTreeSet<String> = nodes.iter().map(|n| format!("web{n}")).collect();
        wait("each nginx is asked for its figures", || {
            let answer = asked(&cluster, "addresses", 5000, "/docker/service/web/tasks/ip")?;
            let answer: serde_json::Value = serde_json::from_str(&answer).ok()?;
            let addresses = answer["tasks"].as_array()?.iter().filter_map(|a| a.as_str());
            let mut found = BTreeSet::new();
            for address in addresses {
                found.insert(asked(&cluster, address, 80, "/")?);
                let figures = asked(&cluster, address, 80, "/figures")?;
                assert!(figures.starts_with("Active connections"), "{figures}");
            }
            (found == names && answer["error"] == "").then_some(())
        });
    };
    cluster.must("up", &[&["--wait"], &real[..]].concat());
    are_asked(&[1, 2, 3]);
    is_right(&cluster, &real);
    cluster.must("up", &[&["--wait", "--slaves", "5"], &real[..]].concat());
    are_asked(&[1, 2, 3, 4, 5]);
    cluster.must("kill", &["web4"]);
    are_asked(&[1, 2, 3, 5]);
}

/// What is written on the primary is read on each standby, also on one that came later, and is kept when the primary is
/// recreated.
pub(crate) fn postgres() {
    let mut cluster = example("postgres-replication");
    for node in ["primary", "standby1", "standby2", "standby3"] {
        let volume = format!("{}-{node}_data", cluster.name);
        cluster.finally(&["volume", "rm", "-f", &volume]);
    }
    let image = real::build("topogen-test/postgresql", &["postgresql"]);
    let image = format!("image={image}");
    let asks = |node: &str, sql: &str| {
        let psql = ["psql", "-XAt", "-v", "ON_ERROR_STOP=1", "-c", sql, "postgres"];
        exec(&cluster.container(node, "db"), &psql)
    };
    let reads = |standbys: u32, notes: &str| {
        let names: Vec<String> = (1..=standbys).map(|n| format!("standby{n}")).collect();
        wait("the primary streams to each standby", || {
            let streaming = "select application_name from pg_stat_replication where state = 'streaming' order by 1";
            (asks("primary", streaming)? == names.join("\n")).then_some(())
        });
        for name in names {
            wait("each standby has what was written", || {
                (asks(&name, "select text from notes order by id")? == notes).then_some(())
            });
        }
    };
    cluster.must("up", &["--wait", "--set", &image]);
    asks("primary", "insert into notes values (1, 'one')").expect("the primary is written to");
    reads(2, "one");
    assert_eq!(
        asks("standby1", "insert into notes values (2, 'no')"),
        None,
        "a standby is only read"
    );
    is_right(&cluster, &["--set", &image]);
    let primary = cluster.container("primary", "db");
    let before = cluster.containers(None)[&primary].clone();
    let three = ["--set", &image, "--slaves", "3"];
    cluster.must("up", &[&three[..], &["--wait"]].concat());
    assert_eq!(cluster.containers(None)[&primary], before);
    reads(3, "one");
    docker(&["rm", "-f", &primary]);
    cluster.must("up", &[&three[..], &["--wait"]].concat());
    asks("primary", "insert into notes values (2, 'two')").expect("the primary is written to");
    reads(3, "one\ntwo");
    is_right(&cluster, &three);
}

/// Consul's DNS answers with each agent whose service is well, on every server.
pub(crate) fn consul() {
    let cluster = example("consul-cluster");
    let base = real::build("topogen-test/dig", &["bind9-dnsutils"]);
    let image = real::with_file("topogen-test/consul", &base, "bullseye", "consul", "/usr/bin/consul");
    let (image, app) = (format!("image={image}"), format!("app={}", real::image("nginx-light")));
    let inout = format!("{}-inout", cluster.name);
    let answers = |agents: &[u32]| {
        let addresses = agents
            .iter()
            .map(|n| cluster.address(&format!("agent{n}"), "consul", &inout));
        let addresses: BTreeSet<String> = addresses.collect();
        assert_eq!(addresses.len(), agents.len());
        for server in ["server1", "server2", "server3"] {
            // By TCP, for it puts three addresses at most in a datagram.
            let dig = [
                "dig",
                "+short",
                "+tcp",
                "-p",
                "8600",
                "@127.0.0.1",
                "web.service.consul",
            ];
            wait("its DNS answers with all of them", || {
                let said = exec(&cluster.container(server, "consul"), &dig)?;
                let said: BTreeSet<String> = said.lines().map(str::to_owned).collect();
                (said == addresses).then_some(())
            });
        }
    };
    let three = ["--set", &image, "--set", &app];
    cluster.must("up", &[&three[..], &["--wait"]].concat());
    answers(&[1, 2, 3]);
    is_right(&cluster, &three);
    cluster.must("stop", &["agent2/web"]);
    answers(&[1, 3]);
    let five = [&three[..], &["--scale", "agent=5"]].concat();
    cluster.must("up", &[&five[..], &["--wait"]].concat());
    answers(&[1, 2, 3, 4, 5]);
    is_right(&cluster, &five);
}
