//! Every block of the README runs.

use std::fs;
use std::path::Path;

use topogen::topology::expand::Overrides;

use crate::support::{expanded, stderr, topogen};

/// The fenced blocks of the README: language and text.
fn blocks() -> Vec<(String, String)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a README");
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, text)), None) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    found
}

#[test]
fn every_blueprint_expands() {
    let mut count = 0;
    for (_, text) in blocks().iter().filter(|(l, _)| l == "yaml") {
        if let Err(problems) = expanded(text, &Overrides::default()) {
            panic!("{text}\n{problems}");
        }
        count += 1;
    }
    assert!(count > 0, "the README shows no blueprint");
}

#[test]
fn every_command_is_known() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut count = 0;
    for (_, text) in blocks().iter().filter(|(l, _)| l == "sh") {
        for line in text.lines() {
            let command = line.split('#').next().unwrap_or_default().trim();
            let Some(arguments) = command
                .strip_prefix("topogen ")
                .or(command.strip_prefix("cargo run --release -- "))
            else {
                assert!(
                    command.is_empty() || command.starts_with("cargo ") || command.starts_with("docker "),
                    "{line}"
                );
                continue;
            };
            count += 1;
            let words: Vec<&str> = arguments.split(' ').filter(|w| !w.is_empty()).collect();
            if words[0] == "render" {
                let output = topogen(directory.path(), &words);
                assert!(output.status.success(), "{line}\n{}", stderr(&output));
                continue;
            }
            // What needs an engine runs in the scenarios; here its words are parsed, which `--help` comes after.
            let mut words = words.clone();
            words.push("--help");
            assert!(topogen(directory.path(), &words).status.success(), "{line}");
        }
    }
    assert!(count > 5, "the README shows {count} commands");
}

/// The test command of the README is the one that the gate runs.
#[test]
fn the_gate_runs_the_test_command() {
    let gate = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run")).expect("a gate");
    let test = blocks()
        .iter()
        .flat_map(|(_, t)| t.lines())
        .find(|l| l.starts_with("cargo test"))
        .map(str::to_owned);
    let test = test.expect("the README says how to test");
    let command = test.split('#').next().unwrap_or_default().trim();
    assert!(
        gate.lines().any(|l| l.trim() == command),
        "`{command}` is not in .ci/run"
    );
}
