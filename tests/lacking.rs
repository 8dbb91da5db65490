//! Commands where there is no blueprint: the cluster's labels say what it was brought up from, and the shipped lab never
//! takes its place.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::engine::{EngineDouble, Socket};
use crate::support::{stderr, stdout};

const BLUEPRINT: &str = r#"
vars: {a: "", password: "", link: ""}
roles: {node: {count: 2, entry: a, services: {a: {image: "redis:7"}}}}
"#;

/// An engine, a directory with a blueprint, and one without.
struct Place {
    double: EngineDouble,
    socket: Socket,
    with: TempDir,
    without: TempDir,
}

impl Place {
    fn new() -> Self {
        let double = EngineDouble::v28().with_image("redis:7");
        let socket = double.listen();
        let (with, without) = (
            TempDir::new().expect("a directory"),
            TempDir::new().expect("a directory"),
        );
        fs::write(with.path().join("topogen.yaml"), BLUEPRINT).expect("a file");
        Self {
            double,
            socket,
            with,
            without,
        }
    }

    fn run(&self, directory: &TempDir, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_topogen"));
        command.args(arguments).current_dir(directory.path());
        for variable in ["DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY"] {
            command.env_remove(variable);
        }
        command.env("NO_COLOR", "1").env("DOCKER_HOST", self.socket.host());
        command.output().expect("topogen runs")
    }

    /// Runs a command beside the blueprint, which must succeed.
    fn must(&self, arguments: &[&str]) {
        let output = self.run(&self.with, arguments);
        assert!(output.status.success(), "{}", stderr(&output));
    }

    /// The exit code and stderr of a command without a blueprint, with `DIR` for the other directory.
    fn outcome(&self, arguments: &[&str]) -> String {
        let output = self.run(&self.without, arguments);
        let text = stderr(&output).replace(&self.with.path().display().to_string(), "DIR");
        format!(
            "$ topogen {}\n{text}exit {}\n",
            arguments.join(" "),
            output.status.code().unwrap_or(-1)
        )
    }
}

#[test]
fn a_named_cluster_is_what_its_labels_say() {
    let place = Place::new();
    place.must(&["up", "-n", "x", "--slaves", "3", "--set", "a=b"]);
    let before = place.double.changes();
    let up = place.outcome(&["up", "-n", "x"]);
    assert!(
        up.contains("no `topogen.yaml` here: cluster `x` is of `DIR/topogen.yaml` with `--slaves 3 --set a=b`\n")
            && up.contains("nothing to do: all is up as the blueprint says, 3 nodes"),
        "{up}"
    );
    assert_eq!(place.double.changes(), before);
    let graph = place.run(&place.without, &["graph", "--live", "-n", "x", "--format", "json"]);
    assert!(graph.status.success(), "{}", stderr(&graph));
    let graph = stdout(&graph);
    assert!(graph.contains("x-node3-a-1") && !graph.contains("unwanted"), "{graph}");
    let shape = place.outcome(&["verify", "-n", "x", "--only", "shape"]);
    assert!(shape.ends_with("exit 0\n"), "{shape}");
    // What the command line says counts before what labels say.
    let more = place.outcome(&["up", "-n", "x", "--slaves", "4"]);
    assert!(more.contains("up: 4 nodes"), "{more}");
}

#[test]
fn what_labels_cannot_say_is_asked_for() {
    let place = Place::new();
    place.must(&["up", "-n", "x", "--slaves", "3", "--set", "password=geheim"]);
    place.must(&["up", "-n", "x", "--slaves", "2", "--set", "password=geheim"]);
    place.must(&["up", "-n", "y", "--set", "link=http://me:geheim@host/"]);
    assert!(
        !place
            .double
            .state()
            .container("x-node1-a-1")
            .body()
            .to_string()
            .contains("geheim")
    );
    let mut text = String::new();
    for arguments in [
        &["verify", "-n", "x"][..],
        &["verify", "-n", "y"],
        &["up", "-n", "x", "--set", "password=geheim"],
        &["graph", "--live", "-n", "x", "--set", "password=geheim"],
    ] {
        text += &place.outcome(arguments);
    }
    fs::remove_file(place.with.path().join("topogen.yaml")).expect("a file");
    let before = place.double.changes();
    for arguments in [
        &["up", "-n", "x"][..],
        &["verify", "-n", "x"],
        &["graph", "--live", "-n", "x"],
        &["verify", "-n", "xz"],
        &["graph", "--live", "-n", "quite-another"],
    ] {
        text += &place.outcome(arguments);
    }
    assert_eq!(place.double.changes(), before);
    insta::assert_snapshot!(text);
    let down = place.outcome(&["down", "-n", "x"]);
    assert!(down.ends_with("exit 0\n"), "{down}");
}

#[test]
fn the_shipped_lab_takes_nobodys_place() {
    let place = Place::new();
    place.must(&["up"]);
    let before = place.double.changes();
    let mut text = String::new();
    for arguments in [&["up"][..], &["down"], &["verify"], &["graph", "--live"]] {
        text += &place.outcome(arguments);
    }
    fs::remove_file(place.with.path().join("topogen.yaml")).expect("a file");
    text += &place.outcome(&["up"]);
    assert_eq!(place.double.changes(), before, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn down_offers_near_names_only() {
    let place = Place::new();
    place.must(&["up", "-n", "staging"]);
    let near = place.outcome(&["down", "-n", "stagign"]);
    assert!(
        near.contains("hint: did you mean `topogen down -n staging`?\n"),
        "{near}"
    );
    let other = place.outcome(&["down", "-n", "lab"]);
    assert!(!other.contains("staging"), "{other}");
}

/// A blueprint that is not the cluster's names no command that removes what the cluster's own made.
#[test]
fn no_hint_removes_what_another_blueprint_made() {
    let place = Place::new();
    place.must(&["up", "-n", "x"]);
    let other = "roles: {other: {entry: a, services: {a: {image: \"redis:7\"}}}}\n";
    fs::write(place.without.path().join("topogen.yaml"), other).expect("a file");
    for arguments in [
        &["verify", "-n", "x", "--only", "shape", "--format", "json"][..],
        &["up", "-n", "x", "--take-over"],
    ] {
        let output = place.run(&place.without, arguments);
        let text = stdout(&output) + &stderr(&output);
        assert!(!text.contains("--remove-orphans"), "{text}");
        let with = place.with.path().display().to_string();
        assert!(text.contains(&format!("`{with}/topogen.yaml`")), "{text}");
    }
}

/// What the same blueprint made and no longer has is removed by a command, which is named.
#[test]
fn a_hint_removes_what_left_the_blueprint() {
    let place = Place::new();
    place.must(&["up", "-n", "x"]);
    let other = "roles: {other: {entry: a, services: {a: {image: \"redis:7\"}}}}\n";
    fs::write(place.with.path().join("topogen.yaml"), other).expect("a file");
    let output = place.run(
        &place.with,
        &["verify", "-n", "x", "--only", "shape", "--format", "json"],
    );
    let text = stdout(&output);
    assert!(
        text.contains("`topogen up --remove-orphans --name x` removes it"),
        "{text}"
    );
}

#[test]
fn the_first_thing_that_works_says_what_it_is() {
    let place = Place::new();
    let up = place.outcome(&["up", "--slaves", "1"]);
    let first = "no `topogen.yaml` here: this is the shipped lab, `master-slaves`\n";
    assert!(
        up.contains(&format!("up --slaves 1\n{first}")) && up.ends_with("exit 0\n"),
        "{up}"
    );
    let again = place.outcome(&["up", "--slaves", "1"]);
    assert!(again.contains("nothing to do"), "{again}");
    let down = place.outcome(&["down"]);
    assert!(down.ends_with("exit 0\n"), "{down}");
    assert_eq!(place.double.state().left(), [""; 0]);
}
