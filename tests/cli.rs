//! The commands that need no engine, as their users run them.

use std::fs;
use std::process::Command;

use crate::support::{stderr, stdout, topogen};

fn entries(directory: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .expect("a directory")
        .map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn help_reads_well() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut text = stdout(&topogen(directory.path(), &["--help"]));
    for command in ["render", "up", "down", "ps", "verify", "image", "fake", "probe"] {
        text += &format!("\n$ topogen {command} --help\n");
        text += &stdout(&topogen(directory.path(), &[command, "--help"]));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn render_writes_a_directory_a_project_and_removes_what_it_wrote() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("topogen-out");
    let first = topogen(directory.path(), &["render", "--slaves", "3"]);
    insta::assert_snapshot!("render_first", stderr(&first));
    assert_eq!(entries(&out), [".topogen.json", "master", "slave1", "slave2", "slave3"]);
    fs::write(out.join("notes.txt"), "mine").expect("a note");
    fs::create_dir(out.join("mine")).expect("a directory");
    fs::write(out.join("slave3/mine.txt"), "mine").expect("a note");
    let second = topogen(directory.path(), &["render", "--slaves", "1"]);
    insta::assert_snapshot!("render_second", stderr(&second));
    assert_eq!(
        entries(&out),
        [".topogen.json", "master", "mine", "notes.txt", "slave1", "slave3"]
    );
    assert_eq!(entries(&out.join("slave3")), ["mine.txt"]);
    let third = topogen(directory.path(), &["render", "--slaves", "1"]);
    insta::assert_snapshot!("render_third", stderr(&third));
}

#[test]
fn render_refuses_to_write_over_what_it_did_not_write() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("topogen-out");
    fs::create_dir_all(out.join("slave1")).expect("a directory");
    fs::write(out.join("slave1/compose.yaml"), "services: {}\n").expect("a file");
    let refused = topogen(directory.path(), &["render", "--slaves", "2"]);
    assert_eq!(refused.status.code(), Some(1));
    insta::assert_snapshot!("render_foreign", stderr(&refused));
    assert_eq!(entries(&out), ["slave1"], "nothing else was written");
    fs::remove_dir_all(&out).expect("removed");

    assert!(topogen(directory.path(), &["render", "--slaves", "2"]).status.success());
    fs::write(out.join("slave2/compose.yaml"), "# mine\n").expect("a file");
    for slaves in ["2", "1"] {
        let refused = topogen(directory.path(), &["render", "--slaves", slaves]);
        assert_eq!(
            refused.status.code(),
            Some(1),
            "changed by hand, so neither overwritten nor removed"
        );
        insta::assert_snapshot!("render_changed", stderr(&refused));
    }
    assert!(
        topogen(directory.path(), &["render", "--slaves", "2", "--force"])
            .status
            .success()
    );
    assert_ne!(
        fs::read_to_string(out.join("slave2/compose.yaml")).expect("a file"),
        "# mine\n"
    );
}

#[test]
fn usage_errors_say_what_to_type() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(
        directory.path().join("two.yaml"),
        "roles: {a: {services: {x: {image: i}}}, b: {services: {x: {image: i}}}}",
    )
    .expect("a file");
    let mut text = String::new();
    for arguments in [
        &["render", "-f", "master-slave"][..],
        &["render", "-f", "nowhere.yaml"],
        &["render", "-f", "."],
        &["render", "--slaves", "many"],
        &["render", "--slaves", "10001"],
        &["render", "-f", "two.yaml", "--slaves", "3"],
        &["render", "--scale", "slaves=3"],
        &["render", "--scale", "slave"],
        &["render", "--scale", "slave=+3"],
        &["render", "--set", "verison=3"],
        &["render", "-n", "My Lab"],
        &["rendr"],
    ] {
        let output = topogen(directory.path(), arguments);
        text += &format!(
            "$ topogen {}\n{}exit {}\n\n",
            arguments.join(" "),
            stderr(&output),
            output.status.code().unwrap_or(-1)
        );
    }
    insta::assert_snapshot!(text);
}

#[test]
fn no_engine_is_exit_5_and_says_what_was_tried() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut text = String::new();
    for host in ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "gopher://x"] {
        for command in ["up", "down", "ps"] {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_topogen"))
                .arg(command)
                .current_dir(directory.path())
                .env("DOCKER_HOST", host)
                .output()
                .expect("topogen runs");
            assert_eq!(output.status.code(), Some(5));
            if command == "up" {
                text += &stderr(&output);
            }
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_fake_image_is_an_archive_that_docker_loads() {
    let directory = tempfile::tempdir().expect("a directory");
    for file in ["one.tar", "two.tar"] {
        assert!(topogen(directory.path(), &["image", "-o", file]).status.success());
    }
    let one = fs::read(directory.path().join("one.tar")).expect("a file");
    assert!(
        one == fs::read(directory.path().join("two.tar")).expect("a file"),
        "the same bytes each time"
    );
    let mut archive = tar::Archive::new(one.as_slice());
    let names: Vec<String> = archive
        .entries()
        .expect("a tar")
        .map(|e| e.expect("an entry").path().expect("a path").display().to_string())
        .collect();
    assert!(
        names.iter().any(|n| n == "manifest.json") && names.iter().any(|n| n == "layer.tar"),
        "{names:?}"
    );
}

/// What does not resolve or refuses is an exit code too.
#[test]
fn probe_fails_where_an_answer_is_bad() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let open = listener.local_addr().expect("an address").to_string();
    let refused = {
        let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        other.local_addr().expect("an address").to_string()
    };
    let code = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_topogen"))
            .arg("probe")
            .args(arguments)
            .args(["--patience", "500"])
            .output();
        output.expect("topogen runs").status.code()
    };
    assert_eq!(code(&["--connect", &open]), Some(0));
    assert_eq!(code(&["--connect", &refused]), Some(4));
    assert_eq!(code(&["--connect", &open, "--connect", &refused]), Some(4));
    assert_eq!(code(&["--connect", "nowhere.invalid:80"]), Some(4));
    assert_eq!(code(&["--resolve", "nowhere.invalid"]), Some(4));
}
