//! No way out to a terminal lets through what others wrote for terminals.

use std::fs;

use proptest::prelude::*;
use topogen::text::{is_hidden, printable, printable_with_colours};

use crate::engine::{Call, EngineDouble};
use crate::support::{stderr, stdout, topogen};
use crate::whole::{directory_of, topogen as whole};

/// Escape sequences by C0 and by C1, DEL, a bell, and what turns text around, in YAML's escapes.
const EVIL: &str = r"x\e[31m\e]0;t\a\x9b2J\x7f\b\r\u202ey\u2066z\u200f";

fn is_clean(what: &str, text: &str) {
    let harmful = |c: char| is_hidden(c) && c != '\n' && c != '\t';
    let found: Vec<char> = text.chars().filter(|c| harmful(*c)).collect();
    assert!(found.is_empty(), "{what}: {found:?} in {text:?}");
}

#[test]
fn blueprints_cannot_write_to_the_terminal() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |arguments: &[&str], blueprint: &str| {
        fs::write(directory.path().join("topogen.yaml"), blueprint).expect("a file");
        let output = topogen(directory.path(), arguments);
        let what = format!("{arguments:?} of {blueprint}");
        is_clean(&what, &stdout(&output));
        is_clean(&what, &stderr(&output));
        assert!(!stdout(&output).is_empty() || !stderr(&output).is_empty(), "{what}");
    };
    let services = |service: &str| format!("roles: {{r: {{services: {{a: {service}}}}}}}\n");
    let blueprints = [
        services(&format!("{{image: i, \"{EVIL}\": 1}}")),
        services(&format!("{{image: \"{EVIL}\", labels: {{\"{EVIL}\": \"{EVIL}\"}}}}")),
        services(&format!(
            "{{image: i, ports: [\"{EVIL}\"], cap_add: [\"{EVIL}\"], environment: {{H: \"{EVIL}:80\"}}}}"
        )),
        services(&format!(
            "{{image: i, hostname: \"{EVIL}\", healthcheck: {{\"{EVIL}\": 1}}, annotations: {{a: \"{EVIL}\"}}}}"
        )),
        services(&format!(
            "{{image: i, volumes: [\"./{EVIL}:/x\"], deploy: {{mode: \"{EVIL}\"}}}}"
        )),
        services(&format!(
            "{{image: i, environment: {{A: \"{{{{ role('{EVIL}') }}}}\", B: \"{{{{ env('{EVIL}') }}}}\"}}}}"
        )),
        format!("name: \"{EVIL}\"\nroles: {{\"{EVIL}\": {{}}}}\n"),
        format!("roles: {{r: {{compose: \"{EVIL}\"}}}}\n"),
        format!("roles: {{r: {{services: {{a: {{image: i}}}}, after: [\"{EVIL}\"], entry: \"{EVIL}\"}}}}\n"),
    ];
    for blueprint in &blueprints {
        for format in ["text", "mermaid", "dot", "json", "svg"] {
            run(&["graph", "--format", format], blueprint);
        }
        run(&["check"], blueprint);
        run(&["check", "--format", "json"], blueprint);
        run(&["render", "-o", "out", "--force"], blueprint);
    }
    for arguments in [
        ["check", "-f", "\u{1b}[31m\u{202e}"],
        ["graph", "--set", "\u{1b}[2J\u{9b}=1"],
    ] {
        run(&arguments, &blueprints[1]);
    }
}

proptest! {
    #[test]
    fn nothing_hidden_is_printed(text in any::<String>()) {
        is_clean("plain", &printable(&text));
        let plain = text.replace('\x1b', "");
        is_clean("with colours", &printable_with_colours(&plain));
    }
}

#[test]
fn only_colours_are_kept_of_what_is_our_own() {
    let text = "\x1b[1;31merror\x1b[0m\x1b[2J\x1b]0;t\x07\u{9b}1m\u{202e}\n\tend";
    let shown = "\x1b[1;31merror\x1b[0m\\u001b[2J\\u001b]0;t\\u0007\\u009b1m\\u202e\n\tend";
    assert_eq!(printable_with_colours(text), shown);
    assert_eq!(printable("a\u{1b}[1mb"), "a\\u001b[1mb");
}

/// What the engine says: refusals, and the labels, images and names of what runs.
#[test]
fn engines_cannot_write_to_the_terminal() {
    let evil: String = serde_json::from_str(&format!(
        "\"{}\"",
        EVIL.replace(r"\e", r"\u001b")
            .replace(r"\a", r"\u0007")
            .replace(r"\x9b", r"\u009b")
            .replace(r"\x7f", r"\u007f")
    ))
    .expect("a text");
    let blueprint = format!(
        "name: lab\nroles: {{node: {{entry: a, services: {{a: {{image: 'redis:7', environment: {{A: \"{EVIL}\"}}, labels: {{l: \"{EVIL}\"}}}}}}}}}}\n"
    );
    let directory = directory_of(&blueprint);
    let double = EngineDouble::v28().with_image("redis:7");
    let socket = double.listen();
    let run = |arguments: &[&str]| {
        let output = whole(&directory, &socket, arguments);
        is_clean(&format!("{arguments:?}"), &stdout(&output));
        is_clean(&format!("{arguments:?}"), &stderr(&output));
        format!("{}{}", stdout(&output), stderr(&output))
    };
    run(&["up", "--dry-run"]);
    for progress in ["plain", "json", "quiet"] {
        for call in [
            Call::CreateContainer,
            Call::StartContainer,
            Call::CreateNetwork,
            Call::ListContainers,
        ] {
            double.on(call).refuse(500, &evil);
            let told = run(&["up", "--progress", progress]);
            assert!(
                told.contains("x [31m") || told.contains("x\\u001b[31m"),
                "{call:?}: {told}"
            );
            run(&["down"]);
        }
    }
    run(&["up"]);
    fs::write(directory.path().join("topogen.yaml"), blueprint.replace("A:", "B:")).expect("a file");
    for arguments in [
        &["up", "--dry-run"][..],
        &["up", "--dry-run", "--format", "json"],
        &["ps"],
        &["ps", "--format", "json"],
        &["graph", "--live"],
        &["verify"],
        &["verify", "--format", "json"],
        &["stop", "node"],
        &["down", "--dry-run"],
        &["down"],
    ] {
        run(arguments);
    }
}
