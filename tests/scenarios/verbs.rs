//! Existing containers are stopped, started, inspected and used, as their users do it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::cluster::{Cluster, docker, text, topogen, wait};

const BLUEPRINT: &str = r#"
roles:
  head:
    entry: api
    services:
      api: {image: topogen/fake, expose: [80], depends_on: {db: {condition: service_started, restart: true}}}
      db: {image: topogen/fake}
  w:
    count: 2
    after: head
    entry: app
    services:
      app: {image: topogen/fake, depends_on: [db]}
      db: {image: topogen/fake}
"#;

/// A cluster of `blueprint` that is up.
fn up(blueprint: &str) -> Cluster {
    let cluster = Cluster::new();
    fs::write(cluster.path().join("topogen.yaml"), blueprint).unwrap();
    cluster.must("up", &["-q"]);
    // The labels alone are to do from here on.
    fs::remove_file(cluster.path().join("topogen.yaml")).unwrap();
    cluster
}

/// The state of each container, by node and service.
fn states(cluster: &Cluster) -> BTreeMap<String, String> {
    let label = format!("label=io.topogen.cluster={}", cluster.name);
    let format = "{{.Label \"io.topogen.node\"}}/{{.Label \"io.topogen.service\"}} {{.State}}";
    let list = docker(&["ps", "-a", "--filter", &label, "--format", format]);
    let pairs = list.lines().filter_map(|l| l.split_once(' '));
    pairs.map(|(name, state)| (name.to_owned(), state.to_owned())).collect()
}

/// The containers that are in `state`.
fn those(cluster: &Cluster, state: &str) -> Vec<String> {
    let states = states(cluster).into_iter();
    states.filter(|(_, s)| s == state).map(|(name, _)| name).collect()
}

fn inspect(cluster: &Cluster, node: &str, service: &str, format: &str) -> String {
    docker(&["inspect", "-f", format, &cluster.container(node, service)])
}

pub(crate) fn stop_and_start() {
    let cluster = up(BLUEPRINT);
    let before = cluster.containers(None);
    cluster.must("stop", &["w[1-2]/app", "head/db"]);
    assert_eq!(those(&cluster, "exited"), ["head/db", "w1/app", "w2/app"]);
    // Already so is no error, and changes nothing.
    let ended = inspect(&cluster, "w1", "app", "{{.State.FinishedAt}}");
    cluster.must("stop", &["w/app"]);
    assert_eq!(inspect(&cluster, "w1", "app", "{{.State.FinishedAt}}"), ended);
    cluster.must("start", &["w1"]);
    assert_eq!(those(&cluster, "exited"), ["head/db", "w2/app"]);
    cluster.must("stop", &[]);
    assert_eq!(those(&cluster, "exited").len(), 6);
    cluster.must("start", &[]);
    assert_eq!(those(&cluster, "running").len(), 6);
    assert_eq!(cluster.containers(None), before, "none was recreated");
}

pub(crate) fn up_starts_what_was_stopped() {
    let cluster = up(BLUEPRINT);
    let before = cluster.containers(None);
    cluster.must("stop", &["w1"]);
    cluster.must("pause", &["head/api"]);
    fs::write(cluster.path().join("topogen.yaml"), BLUEPRINT).unwrap();
    cluster.must("up", &["-q"]);
    assert_eq!(those(&cluster, "running").len(), 6);
    assert_eq!(cluster.containers(None), before, "none was recreated");
}

/// What depends on something stops before it and starts after it, in a node and between roles.
pub(crate) fn order() {
    let cluster = up(BLUEPRINT);
    let times = |field: &str| -> BTreeMap<String, String> {
        let all = [("head", "api"), ("head", "db"), ("w1", "app"), ("w1", "db")];
        // Times of the engine in UTC are in order as texts are, but for the zeros at the end of a fraction.
        let time = |(node, service)| inspect(&cluster, node, service, &format!("{{{{.State.{field}}}}}"));
        let padded = |t: String| format!("{:0<29}", t.trim_end_matches('Z'));
        all.map(|(node, service)| (format!("{node}/{service}"), padded(time((node, service)))))
            .into()
    };
    cluster.must("stop", &[]);
    let ended = times("FinishedAt");
    assert!(ended["head/api"] < ended["head/db"], "{ended:?}");
    assert!(
        ended["w1/app"] < ended["w1/db"] && ended["w1/db"] < ended["head/api"],
        "{ended:?}"
    );
    cluster.must("start", &[]);
    let begun = times("StartedAt");
    assert!(
        begun["head/db"] < begun["head/api"] && begun["head/api"] < begun["w1/db"],
        "{begun:?}"
    );
    assert!(begun["w1/db"] < begun["w1/app"], "{begun:?}");
    // What is to restart with another does.
    cluster.must("restart", &["head/db"]);
    let again = times("StartedAt");
    assert!(
        again["head/db"] > begun["head/db"] && again["head/api"] > again["head/db"],
        "{again:?}"
    );
    assert_eq!(again["w1/db"], begun["w1/db"]);
    cluster.must("restart", &["--no-deps", "*/db"]);
    let last = times("StartedAt");
    assert!(last["w1/db"] > again["w1/db"] && last["head/db"] > again["head/db"]);
    assert_eq!(
        (&last["head/api"], &last["w1/app"]),
        (&again["head/api"], &again["w1/app"])
    );
}

pub(crate) fn signals() {
    let cluster = up(BLUEPRINT);
    cluster.must("pause", &["w"]);
    assert_eq!(those(&cluster, "paused"), ["w1/app", "w1/db", "w2/app", "w2/db"]);
    cluster.must("pause", &["w1"]);
    cluster.must("unpause", &["w1"]);
    assert_eq!(those(&cluster, "paused"), ["w2/app", "w2/db"]);
    cluster.must("kill", &["w1/app", "w2/app"]);
    assert_eq!(those(&cluster, "exited"), ["w1/app", "w2/app"]);
    assert_eq!(inspect(&cluster, "w1", "app", "{{.State.ExitCode}}"), "137");
    // A fake ends by itself at SIGTERM, which it may take a moment to do.
    cluster.must("kill", &["-s", "term", "w1"]);
    let code = || inspect(&cluster, "w1", "db", "{{.State.Status}} {{.State.ExitCode}}");
    wait("the fake ends", || (code() == "exited 0").then_some(()));
    cluster.must("start", &["w2"]);
    assert_eq!(those(&cluster, "exited"), ["w1/app", "w1/db"]);
    assert_eq!(those(&cluster, "paused"), Vec::<String>::new());
}

/// What a signal does not stop is killed when its time is over, its own or the one that is said.
pub(crate) fn grace() {
    let blueprint = "roles: {a: {services: {own: {image: topogen/fake, stop_signal: HUP, stop_grace_period: 0s}, \
                     said: {image: topogen/fake, stop_signal: HUP, stop_grace_period: 10h}}}}";
    let cluster = up(blueprint);
    cluster.must("stop", &["a/own"]);
    cluster.must("stop", &["-t", "0", "a/said"]);
    for service in ["own", "said"] {
        assert_eq!(
            inspect(&cluster, "a", service, "{{.State.Status}} {{.State.ExitCode}}"),
            "exited 137"
        );
    }
}

pub(crate) fn wrong_targets() {
    let cluster = up(BLUEPRINT);
    for arguments in [
        &["stop", "w1", "w3"][..],
        &["kill", "w[1,3]"],
        &["pause", "db"],
        &["exec", "w1/nothing", "/topogen", "probe"],
        &["logs", "x*"],
        &["ps", "nobody"],
    ] {
        let output = cluster.run(arguments[0], &arguments[1..]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
    }
    assert_eq!(those(&cluster, "running").len(), 6, "nothing was touched");
    let nowhere = topogen(&cluster.path(), &["stop", "-n", "t0-nowhere", "w1"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(topogen(&cluster.path(), &["stop", "-n", "t0-nowhere"]).status.success());
}

/// What was killed is started at once, though the engine may still list it as running.
pub(crate) fn killed_and_started() {
    let cluster = up("roles: {a: {count: 3, services: {x: {image: topogen/fake}}}}");
    for _ in 0..10 {
        cluster.must("kill", &[]);
        cluster.must("start", &[]);
        assert_eq!(cluster.containers(Some("running")).len(), 3);
    }
}

/// One cannot start, because somebody else has its port meanwhile: the others do.
pub(crate) fn part_failed() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    let port = port.expect("a free port").port();
    let blueprint = "roles: {a: {services: {x: {image: topogen/fake}, y: {image: topogen/fake, ports: [PORT]}}}}";
    let mut cluster = up(&blueprint.replace("PORT", &format!("'127.0.0.1:{port}:80'")));
    let image = inspect(&cluster, "a", "x", "{{.Config.Image}}");
    cluster.must("stop", &[]);
    let squatter = format!("{}-squatter", cluster.name);
    cluster.finally(&["rm", "-f", &squatter]);
    docker(&[
        "run",
        "-d",
        "--name",
        &squatter,
        "-p",
        &format!("127.0.0.1:{port}:80"),
        &image,
    ]);
    let output = cluster.run("start", &[]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert_eq!(those(&cluster, "running"), ["a/x"]);
    docker(&["rm", "-f", &squatter]);
    cluster.must("start", &[]);
    assert_eq!(those(&cluster, "running"), ["a/x", "a/y"]);
}

/// What `exec --format json` says.
fn answers(output: &std::process::Output) -> Vec<Json> {
    let list: Json = serde_json::from_str(&text(&output.stdout)).expect("JSON");
    list.as_array().expect("a list").clone()
}

pub(crate) fn exec() {
    let cluster = up(BLUEPRINT);
    let json = ["--format", "json"];
    let run = |target: &str, command: &[&str]| {
        let mut all = json.to_vec();
        all.push(target);
        all.extend(command);
        cluster.run("exec", &all)
    };
    // A role is each node's entry.
    let all = run("w", &["/topogen", "probe", "--resolve", "head"]);
    assert_eq!(all.status.code(), Some(0));
    let found = answers(&all);
    let whose: Vec<_> = found
        .iter()
        .map(|a| [&a["node"], &a["service"], &a["container"], &a["exit"]])
        .collect();
    let container = |node| cluster.container(node, "app");
    assert_eq!(
        json!(whose),
        json!([["w1", "app", container("w1"), 0], ["w2", "app", container("w2"), 0]])
    );
    let head = cluster.address("head", "api", &format!("{}-inout", cluster.name));
    for answer in &found {
        let said: Json = serde_json::from_str(answer["stdout"].as_str().expect("text")).expect("JSON");
        assert_eq!(said["names"]["head"], json!([head]), "{answer}");
    }
    // The highest exit code is that of all; what was not run counts as 125.
    let wrong = run("*/db", &["/topogen", "nothing"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        answers(&wrong)
            .iter()
            .all(|a| a["exit"] == json!(2) && a["stderr"].as_str().is_some_and(|e| e.contains("nothing")))
    );
    cluster.must("stop", &["w2"]);
    let partly = run("w", &["/topogen", "nothing"]);
    assert_eq!(partly.status.code(), Some(125));
    let found = answers(&partly);
    assert_eq!([&found[0]["exit"], &found[1]["exit"]], [&json!(2), &Json::Null]);
    assert!(
        found[1]["error"]
            .as_str()
            .is_some_and(|e| e.contains(&format!("topogen start --name {} w2/app", cluster.name))),
        "{found:?}"
    );
    assert_eq!(
        cluster.run("exec", &["w2", "/topogen", "probe"]).status.code(),
        Some(125)
    );
    // A command that is none is the engine's to name: 126 before API 1.50, 127 since.
    let none = cluster.run("exec", &["w1", "/nothing"]);
    assert!(matches!(none.status.code(), Some(126 | 127)), "{none:?}");
    assert!(text(&none.stderr).contains("is a fake"), "{none:?}");
    // For people each line is after whose it is.
    cluster.must("start", &["w2"]);
    let lines = cluster.must("exec", &["w", "/topogen", "--version"]);
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    let version = format!("topogen {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(lines, [format!("w1/app | {version}"), format!("w2/app | {version}")]);
}

/// What is typed and how it ended, of a command that reads all of its input.
pub(crate) fn exec_reads() {
    let cluster = up(BLUEPRINT);
    let check = |blueprint: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_topogen"))
            .args([
                "exec",
                "-n",
                &cluster.name,
                "head",
                "/topogen",
                "check",
                "-f",
                "/dev/stdin",
            ])
            .current_dir(cluster.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("topogen runs");
        let mut input = child.stdin.take().expect("stdin");
        input.write_all(blueprint.as_bytes()).expect("written");
        drop(input);
        child.wait().expect("it ends").code()
    };
    assert_eq!(check("roles: {a: {services: {x: {image: i}}}}\n"), Some(0));
    assert_eq!(check(&format!("roles: [\n{}", "# long\n".repeat(20_000))), Some(3));
}

/// In a terminal (script(1) of util-linux makes one): the command has one of its own, of the same size; keys reach it raw,
/// what it sends comes back, and afterwards the terminal is as it was.
pub(crate) fn exec_in_a_terminal() {
    let cluster = up(BLUEPRINT);
    let command = format!(
        "stty rows 33 columns 99; {} exec -n {} head /topogen check -f /dev/stdin; echo ended with $?; stty -a",
        env!("CARGO_BIN_EXE_topogen"),
        cluster.name
    );
    let mut child = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script runs");
    // Only once it runs is there anybody to type to.
    let container = cluster.container("head", "api");
    let runs = || docker(&["top", &container, "-o", "pid,tty,args"]).contains("check -f");
    wait("the command runs", || runs().then_some(()));
    let mut input = child.stdin.take().expect("stdin");
    // The end of input, typed: the command's terminal knows what it means, after a line of its own.
    input.write_all(b"roles: [\r\x04").expect("typed");
    let output = child.wait_with_output().expect("it ends");
    drop(input);
    let said = text(&output.stdout);
    assert!(said.contains("/dev/stdin"), "{said}");
    assert!(said.contains("ended with 3"), "{said}");
    assert!(
        said.contains(" icanon") && !said.contains("-icanon") && said.contains(" echo "),
        "{said}"
    );
}

/// The lines of `logs --format json` with `arguments`: whose, and when.
fn printed(cluster: &Cluster, arguments: &[&str]) -> Vec<(String, String)> {
    let mut all = vec!["--format", "json"];
    all.extend(arguments);
    let lines = cluster.must("logs", &all);
    let line = |line: &str| {
        let line: Json = serde_json::from_str(line).expect("JSON");
        let field = |name: &str| line[name].as_str().expect("text").to_owned();
        assert_eq!(field("stream"), "stdout");
        (format!("{}/{}", field("node"), field("service")), field("time"))
    };
    lines.lines().map(line).collect()
}

pub(crate) fn logs() {
    let cluster = up(BLUEPRINT);
    // A fake prints a line when it starts; a kill leaves no time to print another.
    let all = || {
        wait("each fake speaks", || {
            Some(printed(&cluster, &[])).filter(|l| l.len() == 6)
        })
    };
    all();
    for node in ["w2", "head", "w1"] {
        cluster.must("restart", &["-t", "0", "--no-deps", &format!("{node}/db")]);
        let so_far = printed(&cluster, &[&format!("{node}/db")]).len();
        wait("it speaks", || {
            (so_far == 2 || printed(&cluster, &[&format!("{node}/db")]).len() == 2).then_some(())
        });
    }
    let lines = printed(&cluster, &[]);
    assert_eq!(lines.len(), 9);
    assert!(lines.is_sorted_by_key(|(_, time)| time), "{lines:?}");
    let last: Vec<&str> = lines[6..].iter().map(|(whose, _)| whose.as_str()).collect();
    assert_eq!(last, ["w2/db", "head/db", "w1/db"]);
    assert_eq!(printed(&cluster, &["--since", &lines[7].1]), lines[7..]);
    assert_eq!(printed(&cluster, &["--until", &lines[1].1]), lines[..2]);
    let tail = printed(&cluster, &["--tail", "1", "w1", "head/db"]);
    let tail: Vec<&str> = tail.iter().map(|(whose, _)| whose.as_str()).collect();
    assert_eq!(tail, ["w1/app", "head/db", "w1/db"]);
    let plain = cluster.must("logs", &["--no-log-prefix", "head/api"]);
    assert_eq!(plain, "head/api: answers on 80/tcp");
    let plain = cluster.must("logs", &["head/api", "-t"]);
    assert!(
        plain.starts_with("head/api | 2") && plain.ends_with("Z head/api: answers on 80/tcp"),
        "{plain}"
    );
}

/// A topogen that runs until it is interrupted, and what it prints.
struct Follower {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Follower {
    fn new(cluster: &Cluster, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_topogen"))
            .args(arguments)
            .args(["-n", &cluster.name])
            .current_dir(cluster.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("topogen runs");
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        std::thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.recv_timeout(Duration::from_secs(60)).expect("a line")
    }

    fn interrupt(mut self) -> Option<i32> {
        let process = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &process])
                .status()
                .expect("kill runs")
                .success()
        );
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

pub(crate) fn logs_follow() {
    let cluster = up(BLUEPRINT);
    wait("each fake speaks", || (printed(&cluster, &[]).len() == 6).then_some(()));
    let mut follower = Follower::new(&cluster, &["logs", "-f", "--tail", "1", "w[1-2]/db"]);
    let mut first = [follower.line(), follower.line()];
    first.sort_unstable();
    assert_eq!(
        first,
        [
            "w1/db | w1/db: exposes no port, waits",
            "w2/db | w2/db: exposes no port, waits"
        ]
    );
    // What starts again is followed again, and so is what is recreated.
    cluster.must("restart", &["-t", "0", "w1/db"]);
    assert_eq!(follower.line(), "w1/db | w1/db: exposes no port, waits");
    docker(&["rm", "-f", &cluster.container("w2", "db")]);
    fs::write(cluster.path().join("topogen.yaml"), BLUEPRINT).unwrap();
    cluster.must("up", &["-q"]);
    assert_eq!(follower.line(), "w2/db | w2/db: exposes no port, waits");
    assert_eq!(follower.interrupt(), Some(130));
    // When all of the cluster is removed, there is nothing left to wait for.
    let mut follower = Follower::new(&cluster, &["logs", "-f", "w1"]);
    follower.line();
    cluster.must("down", &["-q"]);
    assert_eq!(follower.child.wait().expect("it ends").code(), Some(0));
}

/// A container that is recreated is followed under its new id, though for a while there is none; and what was printed before
/// the beginning is not shown when it starts again.
pub(crate) fn logs_follow_the_new_one() {
    let cluster = up(BLUEPRINT);
    let old = wait("it speaks", || printed(&cluster, &["w1/db"]).pop());
    let mut follower = Follower::new(&cluster, &["logs", "-f", "--tail", "0", "--format", "json", "w1/db"]);
    let time = |line: &str| -> String {
        let line: Json = serde_json::from_str(line).expect("JSON");
        line["time"].as_str().expect("a time").to_owned()
    };
    // Until it follows, what is printed is not shown.
    let first = wait("it follows", || {
        cluster.must("restart", &["-q", "-t", "0", "w1/db"]);
        follower.lines.recv_timeout(Duration::from_secs(2)).ok()
    });
    cluster.must("restart", &["-q", "-t", "0", "w1/db"]);
    let mut times = vec![old.1, time(&first)];
    docker(&["rm", "-f", &cluster.container("w1", "db")]);
    fs::write(cluster.path().join("topogen.yaml"), BLUEPRINT).unwrap();
    cluster.must("up", &["-q"]);
    let new = wait("the new one speaks", || printed(&cluster, &["w1/db"]).pop());
    while times.last() != Some(&new.1) {
        times.push(time(&follower.line()));
    }
    assert!(times.is_sorted_by(|a, b| a < b), "no line twice: {times:?}");
    assert_eq!(follower.interrupt(), Some(130));
}

pub(crate) fn ps_health() {
    let blueprint = r#"
roles:
  a:
    services:
      well: {image: topogen/fake, healthcheck: {test: [CMD, /topogen, probe], interval: 1s}}
      ill: {image: topogen/fake, healthcheck: {test: [CMD, /topogen, nothing], interval: 1s, retries: 1}}
      ended: {image: topogen/fake}
      open: {image: topogen/fake, ports: ["127.0.0.1::80"]}
  b: {services: {x: {image: topogen/fake}}}
"#;
    let cluster = up(blueprint);
    cluster.must("kill", &["a/ended"]);
    let list = |target: &str| -> Vec<Json> {
        let list: Json = serde_json::from_str(&cluster.must("ps", &["--format", "json", target])).expect("JSON");
        list.as_array().expect("a list").clone()
    };
    let services = || -> BTreeMap<String, Json> {
        let node = list("a").remove(0);
        let services = node["services"].as_array().expect("a list").iter();
        services
            .map(|s| (s["service"].as_str().expect("a name").to_owned(), s.clone()))
            .collect()
    };
    let found = wait("health is known", || {
        Some(services()).filter(|s| s["well"]["health"] == json!("healthy") && s["ill"]["health"] == json!("unhealthy"))
    });
    assert_eq!(
        [&found["ended"]["state"], &found["ended"]["exit"]],
        [&json!("exited"), &json!(137)]
    );
    let port = inspect(
        &cluster,
        "a",
        "open",
        "{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}",
    );
    let port: u16 = port.parse().expect("a port");
    let desired = json!([{"address": "127.0.0.1", "published": port, "target": 80, "protocol": "tcp"}]);
    assert_eq!(found["open"]["ports"], desired);
    assert_eq!(list("a/open")[0]["services"].as_array().map(Vec::len), Some(1));
    assert_eq!(list("b").len(), 1);
    let table = cluster.must("ps", &[]);
    for part in [
        "running (healthy)",
        "running (unhealthy)",
        "exited (137)",
        &format!("127.0.0.1:{port}->80/tcp"),
    ] {
        assert!(table.contains(part), "{table}");
    }
}

/// Where there is no terminal each change is printed once, for programs a line each.
pub(crate) fn ps_watch() {
    let cluster = up(BLUEPRINT);
    let mut follower = Follower::new(&cluster, &["ps", "--watch", "--format", "json", "w1/db"]);
    let state = |line: String| -> Json {
        let list: Json = serde_json::from_str(&line).expect("JSON");
        list[0]["services"][0]["state"].clone()
    };
    assert_eq!(state(follower.line()), json!("running"));
    cluster.must("pause", &["w1/db"]);
    assert_eq!(state(follower.line()), json!("paused"));
    cluster.must("unpause", &["w1/db"]);
    assert_eq!(state(follower.line()), json!("running"));
    cluster.must("down", &["-q"]);
    let last = std::iter::from_fn(|| Some(follower.line())).find(|line| line == "[]");
    assert!(last.is_some(), "that nothing is left is a change too");
    assert_eq!(follower.interrupt(), Some(130));
}
