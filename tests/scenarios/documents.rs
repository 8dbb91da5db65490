//! What the README shows of an engine.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cluster::{Cluster, text};

/// The first blueprint of its own that a newcomer brings up: every command says what the README says it does, but for how
/// long it took.
pub(crate) fn five_minutes() {
    spoken("README.md");
}

/// A cut, what is said of it, and its end.
pub(crate) fn faults() {
    spoken("docs/faults.md");
}

/// Every command of the transcript in `document` prints its last line.
fn spoken(document: &str) {
    let cluster = Cluster::new();
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).expect("a document");
    let (_, block) = document.split_once("```text engine\n").expect("a transcript");
    let (block, _) = block.split_once("```").expect("its end");
    let spoken: Vec<&str> = block.split_terminator("$ ").filter(|s| !s.is_empty()).collect();
    assert!(spoken.len() > 4, "{block}");
    for command in spoken {
        let (command, expected) = command.split_once('\n').expect("what it prints");
        let command = &command.replace("-n demo", &format!("-n {}", cluster.name));
        let words = command.strip_prefix("topogen ").expect("topogen").split(' ');
        let output = Command::new(env!("CARGO_BIN_EXE_topogen"))
            .args(words)
            .current_dir(cluster.path())
            .output()
            .expect("topogen runs");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{command}: {said}");
        let last = said.trim_end().lines().last().unwrap_or_default();
        let expected = untimed(expected.trim_end()).replace("demo", &cluster.name);
        assert_eq!(untimed(last), expected, "{command}");
        if command == "topogen init" {
            // The blueprint's own name is nobody's to take.
            let path = cluster.path().join("topogen.yaml");
            let blueprint = fs::read_to_string(&path).expect("a blueprint");
            fs::write(
                path,
                blueprint.replace("name: demo", &format!("name: {}", cluster.name)),
            )
            .unwrap();
        }
    }
}

/// `text` without the durations at the end of its parts: `in 1.2 s`, `(0.4 s)`.
fn untimed(text: &str) -> String {
    let is_number = |word: &&str| word.trim_start_matches('(').parse::<f64>().is_ok();
    let words: Vec<&str> = text.split(' ').collect();
    let timed = |at: usize| {
        words
            .get(at + 1)
            .is_some_and(|unit| unit.starts_with('s') && unit.len() < 3)
    };
    let kept = words
        .iter()
        .enumerate()
        .filter(|(at, word)| !(is_number(word) && timed(*at)));
    kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}
