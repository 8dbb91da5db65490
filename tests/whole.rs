//! Whole commands, on an engine that is inside the test process and listens at a socket.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::engine::{Call, EngineDouble, Socket};
use crate::support::{stderr, stdout};
use crate::transcript::transcript;

const BLUEPRINT: &str = r#"
name: lab
roles: {node: {count: 2, entry: a, services: {a: {image: "redis:7"}}}}
"#;

/// A directory with a blueprint.
fn directory() -> TempDir {
    directory_of(BLUEPRINT)
}

/// A directory with that blueprint.
pub(crate) fn directory_of(blueprint: &str) -> TempDir {
    let directory = TempDir::new().expect("a directory");
    fs::write(directory.path().join("topogen.yaml"), blueprint).expect("a file");
    directory
}

/// The program, with the engine at `socket`.
pub(crate) fn topogen(directory: &TempDir, socket: &Socket, arguments: &[&str]) -> Output {
    command(directory, socket, arguments).output().expect("topogen runs")
}

fn command(directory: &TempDir, socket: &Socket, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_topogen"));
    command.args(arguments).current_dir(directory.path());
    for variable in ["DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY"] {
        command.env_remove(variable);
    }
    command.env("NO_COLOR", "1").env("DOCKER_HOST", socket.host());
    command
}

/// The double answers what engines of its kind were observed to answer.
#[test]
fn the_double_is_as_the_engines_are() {
    for (double, api, expected) in [
        (EngineDouble::v20(), "1.41", include_str!("transcripts/v20.txt")),
        (EngineDouble::v28(), "1.51", include_str!("transcripts/v28.txt")),
    ] {
        let double = double.with_image("redis:7");
        let socket = double.listen();
        let found = transcript(&socket.path(), api, "redis:7", "lab");
        assert_eq!(found, expected);
        assert_eq!(double.state().left(), [""; 0]);
    }
}

#[test]
fn up_twice_and_down() {
    for double in EngineDouble::both() {
        let double = double.with_image("redis:7");
        let (directory, socket) = (directory(), double.listen());
        let first = topogen(&directory, &socket, &["up"]);
        assert!(first.status.success(), "{}", stderr(&first));
        assert_eq!(double.state().container_names(), ["lab-node1-a-1", "lab-node2-a-1"]);
        let before = double.changes();
        let second = topogen(&directory, &socket, &["up"]);
        assert!(stdout(&second).contains("nothing to do") || stderr(&second).contains("nothing to do"));
        assert_eq!(double.changes(), before);
        let down = topogen(&directory, &socket, &["down"]);
        assert!(down.status.success(), "{}", stderr(&down));
        assert_eq!(double.state().left(), [""; 0]);
    }
}

#[test]
fn an_engine_that_is_lost_is_reported_with_what_is_known() {
    let double = EngineDouble::v28().with_image("redis:7");
    let (directory, socket) = (directory(), double.listen());
    double.on(Call::StartContainer).go_down();
    let output = topogen(&directory, &socket, &["up", "--parallel", "1"]);
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains("the engine was lost in the middle"),
        "{}",
        stderr(&output)
    );
}

/// With `--quiet` too, a line says which call is waited for; what changes nothing ends after `--timeout`, with exit 5.
#[test]
fn an_engine_that_does_not_answer_is_given_up() {
    let double = EngineDouble::v28().with_image("redis:7");
    let (directory, socket) = (directory(), double.listen());
    double.on(Call::ListNetworks).hang();
    let output = topogen(&directory, &socket, &["up", "--quiet", "--timeout", "4"]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(
        text.starts_with("waiting for the engine: no answer to `GET /networks` for 3 s\nerror: cannot look at the engine: no answer to `GET /networks` in 4 s; it has answered `"),
        "{text}"
    );
    assert_eq!(double.changes(), [""; 0]);
}

/// As Compose, which fails once the container runs: here before anything is changed.
#[test]
fn what_has_no_healthcheck_is_not_waited_for_until_it_is_healthy() {
    let waits = "depends_on: {db: {condition: service_healthy}}";
    let roles = |db: &str| {
        format!(
            "name: lab\nroles: {{node: {{count: 2, services: {{db: {{image: \"redis:7\"{db}}}, a: {{image: \"redis:7\", {waits}}}}}}}}}\n"
        )
    };
    let double = EngineDouble::v28().with_image("redis:7");
    let socket = double.listen();
    let directory = directory_of(&roles(""));
    let mut text = String::new();
    for arguments in [&["up"][..], &["up", "--dry-run"]] {
        let output = topogen(&directory, &socket, arguments);
        assert_eq!(output.status.code(), Some(1));
        text += &stderr(&output);
    }
    double.state().set_image_health("redis:7", serde_json::json!(["NONE"]));
    text += &stderr(&topogen(&directory, &socket, &["up"]));
    for off in [", healthcheck: {disable: true}", ", healthcheck: {test: [NONE]}"] {
        let directory = directory_of(&roles(off));
        let output = topogen(&directory, &socket, &["up"]);
        assert_eq!(output.status.code(), Some(3));
        text += &stderr(&output);
        let output = topogen(&directory, &socket, &["check"]);
        text += &stderr(&output);
    }
    insta::assert_snapshot!(text);
    assert_eq!(double.changes(), [""; 0]);
    let own = ["[CMD, \"true\"]", "curl -f http://localhost"].map(|test| format!(", healthcheck: {{test: {test}}}"));
    for db in own {
        let output = topogen(&directory_of(&roles(&db)), &socket, &["up", "--dry-run"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    double
        .state()
        .set_image_health("redis:7", serde_json::json!(["CMD", "redis-cli", "ping"]));
    let output = topogen(&directory, &socket, &["up", "--dry-run"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The image is fetched first, so that it can be asked.
#[test]
fn an_image_that_is_fetched_is_asked_for_its_healthcheck_before_anything_is_changed() {
    let roles = "name: lab\nroles: {node: {services: {db: {image: \"nginx:1\"}, a: {image: \"redis:7\", \
                 depends_on: {db: {condition: service_healthy}}}}}}\n";
    let double = EngineDouble::v28().with_image("redis:7").with_registry("nginx:1");
    let (directory, socket) = (directory_of(roles), double.listen());
    let output = topogen(&directory, &socket, &["up"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output));
    assert_eq!(double.changes(), ["PullImage "], "nothing else");
}

/// As Compose, which builds what is missing; nothing is fetched in its place.
#[test]
fn what_is_built_is_there_under_its_name() {
    let roles = "name: lab\nroles: {node: {services: {a: {image: \"shop/a:1\", build: ./a}}}}\n";
    let double = EngineDouble::v28().with_registry("shop/a:1");
    let (directory, socket) = (directory_of(roles), double.listen());
    let output = topogen(&directory, &socket, &["up"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output));
    assert_eq!(double.changes(), [""; 0]);
    double.state().add_image("shop/a:1");
    let output = topogen(&directory, &socket, &["up"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(double.state().container("lab-node-a-1").status(), "running");
}

/// The engine would take it for missing when the container is created, when others have made place for it already.
#[test]
fn an_image_for_another_platform_is_fetched_or_named_before_anything_is_changed() {
    let roles = |policy: &str| {
        format!(
            "name: lab\nroles:\n  node:\n    services:\n      a:\n        image: redis:7\n        \
             platform: linux/arm64{policy}\n"
        )
    };
    let double = EngineDouble::v28().with_image("redis:7");
    let socket = double.listen();
    let mut text = String::new();
    for (policy, arguments) in [
        ("", &["up", "--dry-run"][..]),
        ("", &["up"]),
        ("\n        pull_policy: never", &["up"]),
    ] {
        let output = topogen(&directory_of(&roles(policy)), &socket, arguments);
        text += &format!("$ topogen {}{policy}\n", arguments.join(" "));
        text += &String::from_utf8_lossy(&output.stdout);
        text += &stderr(&output);
    }
    insta::assert_snapshot!(text);
    assert_eq!(double.state().left(), [""; 0]);
    let same = roles("").replace("arm64", "x86_64");
    let output = topogen(&directory_of(&same), &socket, &["up"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn the_fake_image_is_loaded_where_it_is_needed() {
    let double = EngineDouble::v20();
    let (directory, socket) = (directory(), double.listen());
    let output = topogen(&directory, &socket, &["up", "--fake"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let again = topogen(&directory, &socket, &["up", "--fake"]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!((double.count(Call::LoadImage), double.count(Call::RemoveImage)), (1, 0));
    assert_eq!(double.state().container("lab-node1-a-1").status(), "running");
}

#[test]
fn an_image_that_is_there_and_cannot_be_fetched_again_is_reported_as_that() {
    let double = EngineDouble::v28().with_image("redis:7");
    let blueprint = BLUEPRINT.replace("}}}}", ", pull_policy: always}}}}");
    let (directory, socket) = (directory_of(&blueprint), double.listen());
    double
        .on(Call::PullImage)
        .always()
        .refuse(500, "dial tcp: lookup registry-1.docker.io: no such host");
    let output = topogen(&directory, &socket, &["up"]);
    let expected = "error: image `redis:7` is on the engine, and cannot be fetched again: dial tcp: lookup \
                    registry-1.docker.io: no such host\n\
                    hint: nothing was changed; `pull_policy: missing` takes an image that is there\n";
    assert!(stderr(&output).ends_with(expected), "{}", stderr(&output));
    assert_eq!(double.state().left(), [""; 0]);
}

/// What a round did is reported also where that round had to be planned again.
#[test]
fn what_was_done_before_something_vanished_is_in_the_summary() {
    let double = EngineDouble::v28().with_image("redis:7");
    let (directory, socket) = (directory(), double.listen());
    assert!(topogen(&directory, &socket, &["up"]).status.success());
    let changed = BLUEPRINT
        .replace("count: 2", "count: 1")
        .replace("}}}}", ", command: [x]}}}}");
    fs::write(directory.path().join("topogen.yaml"), changed).expect("a file");
    double
        .on(Call::StartContainer)
        .of("lab-node1-a-1")
        .meanwhile(|state| state.remove("lab-node1-a-1", true, true).expect("it is there"));
    let output = topogen(&directory, &socket, &["up", "--parallel", "1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(double.state().container_names(), ["lab-node1-a-1"]);
    let summary = "up: 1 node, 1 container, 1 of them recreated, 1 node removed";
    assert!(
        stdout(&output).contains(summary) || stderr(&output).contains(summary),
        "{}",
        stderr(&output)
    );
}

/// A conflict that comes up half-way names its way out as one does that is found before.
#[test]
fn what_is_in_the_way_half_way_has_its_hint() {
    let double = EngineDouble::v28().with_image("redis:7");
    let (directory, socket) = (directory(), double.listen());
    double.on(Call::StartContainer).of("lab-node2-a-1").meanwhile(|state| {
        state.remove("lab-node1-a-1", true, true).expect("it is there");
        state.remove_network("lab-node1_internal").expect("it is free");
        state.add_network("lab-node1_internal", "10.99.0.0/24");
    });
    let output = topogen(&directory, &socket, &["up", "--parallel", "1"]);
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    let expected = "error: network `lab-node1_internal` exists already, and is not of this cluster\n\
                    hint: `docker network rm lab-node1_internal` removes it, or name this cluster otherwise: `-n NAME`\n";
    assert!(stderr(&output).ends_with(expected), "{}", stderr(&output));
}

#[test]
fn a_container_that_somebody_removed_meanwhile_is_made_again() {
    for double in EngineDouble::both() {
        let double = double.with_image("redis:7");
        let (directory, socket) = (directory(), double.listen());
        double
            .on(Call::StartContainer)
            .of("lab-node2-a-1")
            .meanwhile(|state| state.remove("lab-node1-a-1", true, true).expect("it is there"));
        let output = topogen(&directory, &socket, &["up", "--parallel", "1"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(double.state().container("lab-node1-a-1").status(), "running");
    }
}

#[test]
fn a_container_that_somebody_removes_each_time_is_not_called_up() {
    let double = EngineDouble::v28().with_image("redis:7");
    let (directory, socket) = (directory(), double.listen());
    // An engine that does not say what happened is observed once more after each round.
    double.on(Call::Events).always().refuse(500, "no events are kept");
    double.on(Call::ListContainers).always().meanwhile(|state| {
        let is_there = state.container_names().contains(&"lab-node1-a-1");
        if is_there && state.container("lab-node1-a-1").status() == "running" {
            state.remove("lab-node1-a-1", true, true).expect("it is there");
        }
    });
    let output = topogen(&directory, &socket, &["up", "--parallel", "1"]);
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    let expected = "error: container `lab-node1-a-1` was removed by somebody else meanwhile\n\
                    hint: mend what failed, and the same command again finishes the job\n";
    assert!(stderr(&output).ends_with(expected), "{}", stderr(&output));
}

/// What happens to the containers of the cluster is told as it happens, and nothing of others is.
#[test]
fn events_are_told_by_node() {
    for (format, expected) in [
        (
            "table",
            [
                "node1/a  disconnected from lab-inout",
                "node1/a  disconnected from lab-node1_internal",
                "node1/a  exited with status 3",
                "node2/a  renamed from lab-node2-a-1",
                "node2/a  removed",
            ],
        ),
        (
            "json",
            [
                r#""container":"lab-node1-a-1","event":"disconnected","network":"lab-inout""#,
                r#""container":"lab-node1-a-1","event":"disconnected","network":"lab-node1_internal""#,
                r#""container":"lab-node1-a-1","event":"exited","exit":3"#,
                r#""container":"other","event":"renamed","from":"lab-node2-a-1""#,
                r#""container":"other","event":"removed""#,
            ],
        ),
    ] {
        let double = EngineDouble::v28().with_image("redis:7");
        let (directory, socket) = (directory(), double.listen());
        assert!(topogen(&directory, &socket, &["up"]).status.success());
        let listed = double.count(Call::ListContainers);
        let mut command = command(&directory, &socket, &["events", "--format", format]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("topogen runs");
        // It has subscribed by the second list.
        while double.count(Call::ListContainers) < listed + 2 {
            std::thread::yield_now();
        }
        double.state().run("foreign", "lab-inout");
        double.state().exit("lab-node1-a-1", 3);
        double
            .state()
            .rename("lab-node2-a-1", "other")
            .expect("the name is free");
        double.state().exit("other", 0);
        double.state().remove("other", true, true).expect("it is there");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut told = Vec::new();
        while !told.iter().any(|line: &String| line.contains("removed")) {
            told.push(lines.next().expect("a line").expect("text"));
        }
        child.kill().and_then(|()| child.wait()).expect("it ends");
        let mut rest = told.iter();
        for line in expected {
            assert!(
                rest.any(|t| t.contains(line) || t.ends_with(line)),
                "{line} in {told:#?}"
            );
        }
        assert!(!told.iter().any(|t| t.contains("foreign")), "{told:#?}");
    }
}

/// A container that was created is meant by its ID: who has its name by then is somebody else.
#[test]
fn a_container_that_took_the_name_meanwhile_is_neither_started_nor_written_to() {
    for double in EngineDouble::both() {
        let double = double.with_image("redis:7");
        let blueprint = BLUEPRINT.replace(
            r#"services: {a: {image: "redis:7"}}"#,
            r#"services: {a: {image: "redis:7", configs: [{source: c, target: /c}]}}, configs: {c: {content: x}}"#,
        );
        let (directory, socket) = (directory_of(&blueprint), double.listen());
        double.on(Call::Upload).of("lab-node1-a-1").meanwhile(|state| {
            state.remove("lab-node1-a-1", true, true).expect("it is there");
            state.run("lab-node1-a-1", "lab-inout");
            state.exit("lab-node1-a-1", 0);
        });
        let output = topogen(&directory, &socket, &["up", "--parallel", "1"]);
        assert!(!output.status.success(), "{}", stderr(&output));
        let state = double.state();
        let foreign = state.container("lab-node1-a-1");
        assert_eq!((foreign.status(), foreign.uploads()), ("exited", 0));
    }
}

/// Each change is drawn once, the loss of the engine is said in the picture and on stderr, and its return too.
#[test]
fn a_picture_that_is_watched_follows_the_cluster() {
    let double = EngineDouble::v28().with_image("redis:7");
    let (directory, socket) = (directory(), double.listen());
    let up = topogen(&directory, &socket, &["up"]);
    assert!(up.status.success(), "{}", stderr(&up));
    let mut watching = command(&directory, &socket, &["graph", "--live", "--watch", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("topogen runs");
    let mut lines = BufReader::new(watching.stdout.take().expect("it is piped")).lines();
    let mut picture = || {
        let line = lines.next().expect("a line").expect("text");
        let graph: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let state = graph["nodes"][0]["services"][0]["containers"][0]["state"].clone();
        (
            state.as_str().unwrap_or_default().to_owned(),
            graph["stale"]["reason"].is_string(),
        )
    };
    assert_eq!(picture(), ("running".to_owned(), false));
    double.state().exit("lab-node1-a-1", 3);
    assert_eq!(picture(), ("exited".to_owned(), false));
    drop(socket);
    assert_eq!(picture(), ("exited".to_owned(), true));
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&watching),
        rustix::process::Signal::INT,
    )
    .expect("it runs");
    let output = watching.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(stderr(&output).contains("lost the engine ("), "{}", stderr(&output));
}
