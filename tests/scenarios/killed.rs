//! Killed at random moments: ten trials in the gate, as many as `TOPOGEN_TRIALS` says elsewhere, the same ones for the
//! same `TOPOGEN_SEED`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::cluster::{Cluster, docker};

const BLUEPRINT: &str = r#"
roles:
  master:
    entry: app
    volumes: {data: {}}
    services:
      app: {image: topogen/fake, expose: [80], volumes: ["data:/data", /cache], depends_on: [db]}
      db: {image: topogen/fake}
  slave:
    count: 2
    entry: app
    after: master
    volumes: {data: {}}
    services:
      app: {image: topogen/fake, expose: [80], volumes: ["data:/data"]}
      out: {image: topogen/fake, configs: [c], networks: [inout, internal]}
    configs: {c: {content: "{{ node.name }}"}}
"#;

/// Numbers that look random: xorshift.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).expect("small")
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

/// What somebody else has on the engine, and what is known of it.
struct Foreign {
    names: [String; 3],
    before: Vec<String>,
}

impl Foreign {
    fn new(cluster: &mut Cluster) -> Self {
        let names = ["guest", "net", "volume"].map(|kind| format!("{}-foreign-{kind}", cluster.name));
        let [container, network, volume] = &names;
        cluster.finally(&["rm", "-f", "-v", container]);
        cluster.finally(&["network", "rm", network]);
        cluster.finally(&["volume", "rm", volume]);
        docker(&["network", "create", network]);
        docker(&["volume", "create", volume]);
        let image = docker(&[
            "inspect",
            "-f",
            "{{.Config.Image}}",
            &cluster.container("master", "app"),
        ]);
        let mount = format!("{volume}:/data");
        docker(&[
            "run",
            "-d",
            "--name",
            container,
            "--network",
            network,
            "-v",
            &mount,
            &image,
        ]);
        let mut foreign = Self {
            names,
            before: Vec::new(),
        };
        foreign.before = foreign.observed();
        foreign
    }

    fn observed(&self) -> Vec<String> {
        let [container, network, volume] = &self.names;
        vec![
            docker(&[
                "inspect",
                "-f",
                "{{.Id}} {{.State.StartedAt}} {{json .NetworkSettings.Networks}}",
                container,
            ]),
            docker(&["network", "inspect", "-f", "{{.Id}} {{json .Containers}}", network]),
            docker(&["volume", "inspect", volume]),
        ]
    }
}

pub(crate) fn any_moment() {
    let mut cluster = Cluster::new();
    fs::write(cluster.path().join("topogen.yaml"), BLUEPRINT).unwrap();
    cluster.must("up", &["--slaves", "1"]);
    let foreign = Foreign::new(&mut cluster);
    cluster.must("down", &["--volumes"]);
    let (trials, seed) = (number("TOPOGEN_TRIALS", 10), number("TOPOGEN_SEED", 20_261_121));
    let mut numbers = Numbers(seed.max(1));
    for trial in 0..trials {
        let kind = trial % 3;
        let sizes = [0; 3].map(|_| numbers.below(4).to_string());
        if kind > 0 {
            cluster.must("up", &["--slaves", &sizes[0]]);
        }
        let (command, arguments): (&str, &[&str]) = match kind {
            2 => ("down", &["--volumes"]),
            _ => ("up", &["--slaves", &sizes[1]]),
        };
        let moment = numbers.below(40);
        kill_after(&cluster, command, arguments, moment);
        let what = format!("trial {trial} of seed {seed}: {command} {arguments:?} killed after {moment} events");
        cluster.must("up", &["--slaves", &sizes[2]]);
        let slaves: usize = sizes[2].parse().expect("a number");
        assert_eq!(cluster.containers(Some("running")).len(), 2 + 2 * slaves, "{what}");
        assert_eq!(cluster.containers(None).len(), 2 + 2 * slaves, "{what}");
        assert_eq!(cluster.networks().len(), 2 + slaves, "{what}");
        let found = cluster.probe("master", "app", &["--resolve", "master"]);
        assert_eq!(
            found["names"]["master"].as_array().map(Vec::len),
            Some(1),
            "{what}: {found}"
        );
        cluster.must("down", &["--volumes"]);
        assert_eq!(
            (cluster.containers(None).len(), cluster.networks().len()),
            (0, 0),
            "{what}"
        );
        let volumes = docker(&[
            "volume",
            "ls",
            "-q",
            "--filter",
            &format!("label=io.topogen.cluster={}", cluster.name),
        ]);
        assert_eq!(volumes, "", "{what}");
        assert_eq!(foreign.observed(), foreign.before, "{what}");
    }
}

/// Run `command` and kill it when it has reported so many beginnings and ends, or has ended before.
fn kill_after(cluster: &Cluster, command: &str, arguments: &[&str], events: usize) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_topogen"))
        .args([command, "-n", &cluster.name, "--progress", "json"])
        .args(arguments)
        .current_dir(cluster.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("topogen runs");
    let lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let event = |line: &Result<String, _>| {
        let line = line.as_ref().map(String::as_str).unwrap_or_default();
        line.contains("\"done\"") || line.contains("\"started\"")
    };
    let _ = lines.filter(event).take(events).count();
    child.kill().expect("killed");
    child.wait().expect("it ends");
}
