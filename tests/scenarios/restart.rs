//! An engine of a scenario's own, restarted in the middle of `up`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::cluster::{text, wait};

/// An engine in a network of its own.
struct Engine {
    directory: tempfile::TempDir,
    process: Child,
}

/// Why an engine cannot be started here, where it cannot.
pub(crate) fn lacks() -> Option<String> {
    let runs = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|o| o.status.success())
    };
    if !runs("unshare", &["--net", "true"]) {
        return Some("`unshare --net` needs root".to_owned());
    }
    (!runs("dockerd", &["--version"])).then(|| "`dockerd` is not there".to_owned())
}

impl Engine {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("daemon.json"), "{}").unwrap();
        let process = spawn(directory.path());
        let engine = Self { directory, process };
        engine.answers();
        engine
    }

    fn host(&self) -> String {
        format!("unix://{}", self.directory.path().join("socket").display())
    }

    fn answers(&self) {
        wait("the engine answers", || {
            self.docker(&["version"]).status.success().then_some(())
        });
    }

    fn docker(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("docker");
        command.args(arguments).env("DOCKER_HOST", self.host());
        command.output().expect("docker runs")
    }

    fn count(&self, arguments: &[&str]) -> usize {
        let output = self.docker(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).lines().count()
    }

    fn topogen(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_topogen"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("DOCKER_HOST", self.host());
        command
    }

    fn stop(&mut self) {
        let status = Command::new("kill").arg(self.process.id().to_string()).status();
        assert!(status.expect("kill runs").success());
        self.process.wait().expect("it ends");
    }

    fn restart(&mut self) {
        self.stop();
        self.process = spawn(self.directory.path());
        self.answers();
    }
}

fn spawn(directory: &Path) -> Child {
    let path = |name: &str| directory.join(name).display().to_string();
    let log = std::fs::File::create(directory.join("log")).unwrap();
    Command::new("unshare")
        .args(["--net", "sh", "-c", "ip link set lo up; exec dockerd \"$@\"", "dockerd"])
        .args([
            "--config-file",
            &path("daemon.json"),
            "-H",
            &format!("unix://{}", path("socket")),
        ])
        .args([
            "--data-root",
            &path("data"),
            "--exec-root",
            &path("exec"),
            "--pidfile",
            &path("pid"),
        ])
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("unshare runs")
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.topogen(&["down", "--progress", "quiet"]).status();
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// `up` ends with what is known, and the next one converges.
pub(crate) fn in_the_middle() {
    let mut engine = Engine::start();
    let mut child = engine
        .topogen(&["up", "--slaves", "5", "--progress", "json"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("topogen runs");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let done = |line: &Result<String, _>| line.as_ref().is_ok_and(|l| l.contains("\"done\""));
    assert!(lines.by_ref().filter(done).nth(15).is_some());
    engine.restart();
    // An engine that shuts down answers with errors of its own first, so that the loss is known only in part.
    let said: Vec<String> = lines.map_while(Result::ok).collect();
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(6), "{said:?}");
    let again = engine.topogen(&["up", "--slaves", "5"]).output().expect("topogen runs");
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(engine.count(&["ps", "-q"]), 28);
    assert_eq!(engine.count(&["ps", "-aq"]), 28);
    let down = engine.topogen(&["down"]).output().expect("topogen runs");
    assert!(down.status.success(), "{}", text(&down.stderr));
    assert_eq!(engine.count(&["ps", "-aq"]), 0);
    assert_eq!(engine.count(&["network", "ls", "-q", "--filter", "type=custom"]), 0);
}
