//! A cluster of a scenario's own, removed when the scenario ends, however it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

const LABEL: &str = "io.topogen.cluster";
/// Begins the names of everything that scenarios make: the number of the process follows.
const PREFIX: &str = "t";

/// Why `command` cannot be run, where it cannot.
pub(crate) fn lacks(command: &[&str]) -> Option<String> {
    let output = Command::new(command[0]).args(&command[1..]).output();
    match output {
        Ok(output) if output.status.success() => None,
        _ => Some(format!("`{}` does not answer", command.join(" "))),
    }
}

/// What an earlier run was killed over: clusters whose process is no more.
pub(crate) fn remove_leftovers() {
    let labels = docker(&[
        "ps",
        "-a",
        "--filter",
        &format!("label={LABEL}"),
        "--format",
        &format!("{{{{.Label \"{LABEL}\"}}}}"),
    ]);
    let networks = docker(&[
        "network",
        "ls",
        "--filter",
        &format!("label={LABEL}"),
        "--format",
        &format!("{{{{.Label \"{LABEL}\"}}}}"),
    ]);
    let clusters: BTreeSet<&str> = labels.lines().chain(networks.lines()).collect();
    for cluster in clusters {
        let process = cluster.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let Some(process) = process.and_then(|p| p.parse::<u32>().ok()) else {
            continue;
        };
        if !Path::new(&format!("/proc/{process}")).exists() {
            topogen(Path::new("/"), &["down", "-n", cluster, "--progress", "quiet"]);
        }
    }
}

/// The standard output of a `docker` command that must succeed.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker runs");
    assert!(
        output.status.success(),
        "docker {}: {}",
        arguments.join(" "),
        text(&output.stderr)
    );
    text(&output.stdout)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// Run topogen in `directory`.
pub(crate) fn topogen(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_topogen"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("topogen runs")
}

/// Wait until `condition` gives something.
pub(crate) fn wait<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < end, "no longer waited for: {what}");
        std::thread::yield_now();
    }
}

/// A cluster name that nobody else has, a directory of its own, and their end.
pub(crate) struct Cluster {
    pub(crate) name: String,
    directory: tempfile::TempDir,
    /// Commands that remove what the scenario made beside the cluster.
    also: Vec<Vec<String>>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("{PREFIX}{}-{count}", std::process::id()),
            directory: tempfile::tempdir().expect("a directory"),
            also: Vec::new(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// `docker` with `arguments` when the scenario ends, whether it can or not.
    pub(crate) fn finally(&mut self, arguments: &[&str]) {
        self.also.push(arguments.iter().map(|a| (*a).to_owned()).collect());
    }

    pub(crate) fn run(&self, command: &str, arguments: &[&str]) -> Output {
        let mut all = vec![command, "-n", &self.name];
        all.extend(arguments);
        topogen(self.directory.path(), &all)
    }

    /// Run, and fail with what topogen said where it does.
    pub(crate) fn must(&self, command: &str, arguments: &[&str]) -> String {
        let output = self.run(command, arguments);
        assert!(
            output.status.success(),
            "topogen {command} {arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Starts topogen and does not wait for its end; what it says goes where [`Cluster::ends_well`] looks for it.
    pub(crate) fn spawn(&self, command: &str, arguments: &[&str]) -> Child {
        let said = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.said(command));
        Command::new(env!("CARGO_BIN_EXE_topogen"))
            .args([command, "-n", &self.name])
            .args(arguments)
            .current_dir(self.directory.path())
            .stdout(Stdio::null())
            .stderr(said.expect("a file"))
            .spawn()
            .expect("topogen runs")
    }

    fn said(&self, command: &str) -> PathBuf {
        self.directory.path().join(format!("{command}.said"))
    }

    /// Waits for what [`Cluster::spawn`] started, and fails with what it said where it does.
    pub(crate) fn ends_well(&self, command: &str, child: &mut Child) {
        let status = child.wait().expect("it ends");
        let said = fs::read_to_string(self.said(command)).unwrap_or_default();
        assert!(status.success(), "{} {command}: {status}: {said}", self.name);
    }

    /// Names and ids of the containers that carry the cluster's label, with those in `state` only.
    pub(crate) fn containers(&self, state: Option<&str>) -> BTreeMap<String, String> {
        let label = format!("label={LABEL}={}", self.name);
        let mut arguments = vec![
            "ps",
            "-a",
            "--no-trunc",
            "--filter",
            &label,
            "--format",
            "{{.Names}} {{.ID}}",
        ];
        let filter;
        if let Some(state) = state {
            filter = format!("status={state}");
            arguments.extend(["--filter", &filter]);
        }
        docker(&arguments)
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, id)| (name.to_owned(), id.to_owned()))
            .collect()
    }

    /// Names of the networks that carry the cluster's label.
    pub(crate) fn networks(&self) -> Vec<String> {
        let label = format!("label={LABEL}={}", self.name);
        let list = docker(&["network", "ls", "--filter", &label, "--format", "{{.Name}}"]);
        list.lines().map(str::to_owned).collect()
    }

    /// The container of a service.
    pub(crate) fn container(&self, node: &str, service: &str) -> String {
        format!("{}-{node}-{service}-1", self.name)
    }

    /// What the probe finds from a service.
    pub(crate) fn probe(&self, node: &str, service: &str, questions: &[&str]) -> Json {
        probe(&self.container(node, service), questions)
    }

    /// The address of a service on one of its networks.
    pub(crate) fn address(&self, node: &str, service: &str, network: &str) -> String {
        let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
        docker(&["inspect", "-f", &format, &self.container(node, service)])
    }
}

impl Cluster {
    /// What a scenario that failed leaves to read: its containers, and the last that each said.
    #[allow(clippy::print_stderr)]
    fn tell(&self) {
        eprintln!("{}", text(&self.run("ps", &[]).stdout));
        for name in self.containers(None).keys() {
            let said = Command::new("docker").args(["logs", "--tail", "12", name]).output();
            let said = said.expect("docker runs");
            eprintln!("== {name}\n{}\n{}", text(&said.stdout), text(&said.stderr));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
        }
        let output = self.run("down", &["--progress", "quiet"]);
        for arguments in &self.also {
            let _ = Command::new("docker").args(arguments).output();
        }
        // A second time, for what its guests kept.
        let output = if self.also.is_empty() {
            output
        } else {
            self.run("down", &["--progress", "quiet"])
        };
        if !std::thread::panicking() {
            assert!(output.status.success(), "down: {}", text(&output.stderr));
            assert_eq!(self.containers(None), BTreeMap::new(), "containers left");
            assert_eq!(self.networks(), Vec::<String>::new(), "networks left");
        }
    }
}

/// Run the probe inside a fake container, until every fake that it reaches has had the time to listen: `up` is done when
/// containers run, not when what is in them answers.
pub(crate) fn probe(container: &str, questions: &[&str]) -> Json {
    let mut arguments = vec!["exec", container, "/topogen", "probe"];
    arguments.extend(questions);
    wait("the fakes listen", || {
        // It fails where an answer is bad, which a test may ask for.
        let output = Command::new("docker").args(&arguments).output().expect("docker runs");
        let found: Json = serde_json::from_str(&text(&output.stdout)).expect("JSON");
        let endpoints = found["endpoints"].as_object().expect("endpoints");
        let early = |contact: &Json| match contact["outcome"].as_str() {
            Some("connected") => contact["identity"].is_null(),
            outcome => outcome == Some("refused"),
        };
        (!endpoints.values().any(early)).then_some(found)
    })
}
