//! Whole commands, on an engine that is inside the test process and listens at a socket.

use std::fs;
use std::process::{Command, Output};

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
    let directory = TempDir::new().expect("a directory");
    fs::write(directory.path().join("topogen.yaml"), BLUEPRINT).expect("a file");
    directory
}

/// The program, with the engine at `socket`.
fn topogen(directory: &TempDir, socket: &Socket, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_topogen"));
    command.args(arguments).current_dir(directory.path());
    for variable in ["DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY"] {
        command.env_remove(variable);
    }
    command.env("NO_COLOR", "1").env("DOCKER_HOST", socket.host());
    command.output().expect("topogen runs")
}

/// The double answers what engines of its kind were seen to answer.
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
fn an_engine_that_is_lost_is_told_with_what_is_known() {
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
