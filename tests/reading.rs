//! What is read, where somebody else has put something that is no file, has no end, or lies elsewhere.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{fifo, stderr, stdout, topogen};

/// A file of that many bytes, of which the disk holds none.
fn large(path: &Path) {
    File::create(path).and_then(|f| f.set_len(1 << 40)).expect("a file");
}

/// A way to put something that is no sensible file at a path.
type Make = fn(&Path);

#[test]
fn what_is_no_file_or_has_no_end_is_refused_wherever_it_is_named() {
    let makes: [(&str, Make); 5] = [
        ("it is a fifo", fifo),
        ("it is a device", |path| symlink("/dev/zero", path).expect("a link")),
        ("it is a device", |path| symlink("/dev/tty", path).expect("a link")),
        ("it is a directory", |path| fs::create_dir(path).expect("a directory")),
        ("too large: 10 MiB are read at most", large),
    ];
    let role = |keys: &str| format!("roles: {{a: {{{keys}}}}}\n");
    let service = |keys: &str| role(&format!("services: {{app: {{image: i, {keys}}}}}"));
    let configs = |file: &str| {
        let service = "services: {app: {image: i, configs: [c]}}";
        role(&format!("{service}, configs: {{c: {{file: {file}}}}}"))
    };
    for (reason, make) in makes {
        let ground = tempfile::tempdir().expect("a directory");
        let here = ground.path();
        fs::create_dir(here.join("in")).expect("a directory");
        for name in ["odd", "odd.j2", "in/.env"] {
            make(&here.join(name));
        }
        fs::write(here.join("in/compose.yaml"), "services: {app: {image: i}}\n").expect("a file");
        let cases = [
            ("compose", role("compose: odd")),
            ("config", configs("odd")),
            ("template", configs("odd.j2")),
            ("env_file", service("env_file: odd")),
            ("label_file", service("label_file: odd")),
            ("seccomp", service("security_opt: [\"seccomp=odd\"]")),
            ("beside", role("compose: in/compose.yaml")),
        ];
        for (what, text) in cases {
            let file = format!("{what}.yaml");
            fs::write(here.join(&file), text).expect("a file");
            let output = topogen(here, &["check", "-f", &file]);
            // Compose passes over a directory called `.env`. A link to a device is outside of the directory, too.
            let reason = match what {
                "beside" if reason == "it is a directory" => "ok: ",
                "config" | "template" if reason == "it is a device" => "lead from it out",
                _ => reason,
            };
            assert!(
                stderr(&output).contains(reason),
                "{what}, {reason}: {}",
                stderr(&output)
            );
        }
        for arguments in [
            &["check", "-f", "odd"][..],
            &["check", "-f", "env_file.yaml", "--env-file", "odd"],
        ] {
            let output = topogen(here, arguments);
            assert!(!output.status.success(), "{arguments:?}");
            assert!(stderr(&output).contains(reason), "{arguments:?}: {}", stderr(&output));
        }
    }
}

#[test]
fn pipes_of_the_shell_and_dev_null_are_files() {
    let ground = tempfile::tempdir().expect("a directory");
    let text = "roles: {a: {services: {app: {image: \"i:${TAG:-none}\", env_file: /dev/null}}}}\n";
    fs::write(ground.path().join("topogen.yaml"), text).expect("a file");
    let run = |script: &str| {
        let output = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_topogen")])
            .current_dir(ground.path())
            .env_remove("TAG")
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        assert!(output.status.success(), "{script}: {}", stderr(&output));
        stdout(&output)
    };
    for (script, image) in [
        ("exec \"$0\" render -o - --env-file /dev/null", "i:none"),
        ("cat topogen.yaml | \"$0\" render -o - -f /dev/stdin", "i:none"),
        ("echo TAG=3 | \"$0\" render -o - --env-file /dev/fd/0", "i:3"),
    ] {
        assert!(run(script).contains(image), "{script}");
    }
}

#[test]
fn what_containers_are_given_lies_with_the_blueprint_links_followed() {
    let ground = tempfile::tempdir().expect("a directory");
    let here = ground.path().join("here");
    fs::create_dir_all(here.join("in")).expect("a directory");
    fs::write(ground.path().join("victim"), "private {{ node.name }}\n").expect("a file");
    fs::write(here.join("in/own"), "own {{ node.name }}\n").expect("a file");
    symlink("../victim", here.join("out")).expect("a link");
    symlink(ground.path().join("victim"), here.join("out.j2")).expect("a link");
    symlink("../..", here.join("in/up")).expect("a link");
    symlink("in/own", here.join("own")).expect("a link");
    symlink("own", here.join("own.j2")).expect("a link");
    symlink("here", ground.path().join("other")).expect("a link");
    let blueprint = |kind: &str, file: &str| {
        let service = format!("services: {{app: {{image: i, {kind}: [c]}}}}");
        let text = format!("roles: {{a: {{{service}, {kind}: {{c: {{file: {file}}}}}}}}}\n");
        fs::write(here.join("topogen.yaml"), text).expect("a file");
    };
    for kind in ["configs", "secrets"] {
        for file in ["out", "out.j2", "in/up/victim"] {
            blueprint(kind, file);
            let output = topogen(&here, &["render", "-o", "-"]);
            assert_eq!(output.status.code(), Some(3), "{kind} {file}: {}", stdout(&output));
            assert!(!stdout(&output).contains("private"));
            if kind == "configs" && file == "out.j2" {
                insta::assert_snapshot!(stderr(&output));
            }
        }
        for (file, expected) in [
            ("own", "own {{ node.name }}"),
            ("own.j2", "own a"),
            ("in/up/here/in/own", "own {{"),
        ] {
            blueprint(kind, file);
            let output = topogen(ground.path(), &["render", "-o", "-", "-f", "other/topogen.yaml"]);
            assert!(stdout(&output).contains(expected), "{kind} {file}: {}", stderr(&output));
        }
    }
    // A Compose file's definitions are held to it too; the file itself may lie anywhere.
    let compose = "services: {app: {image: i, secrets: [s]}}\nsecrets: {s: {file: out}}\n";
    fs::write(here.join("compose.yaml"), compose).expect("a file");
    fs::write(here.join("topogen.yaml"), "roles: {a: {compose: compose.yaml}}\n").expect("a file");
    let output = topogen(&here, &["render", "-o", "-"]);
    assert_eq!(output.status.code(), Some(3), "{}", stdout(&output));
    assert!(stderr(&output).contains("lead from it out"), "{}", stderr(&output));
}
