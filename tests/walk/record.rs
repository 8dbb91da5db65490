//! What Compose was found to say of each case of a matrix, kept in a file, so that topogen is compared with it also where
//! there is no Compose.
//!
//! A line is a JSON list of the case's name and of Compose's answer, which is `null` where it refuses the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::compose_files::compose_is_here;

/// One in how many of the refused cases is asked of Compose again, where not all of them are.
const STEP: usize = 29;
/// How many cases stand in one file where nobody knows which are refused.
const FEW: usize = 32;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/walk/{name}.jsonl"))
}

/// By case, what Compose said.
pub(super) fn read(name: &str) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(path(name)).expect("a record");
    let line = |line: &str| serde_json::from_str::<(String, Value)>(line).expect("a case and an answer");
    text.lines().map(line).collect()
}

/// Compares the record `name` with what Compose says of `cases`: of all that it takes, and of some that it refuses;
/// `TOPOGEN_WALK=all` asks of all, and `TOPOGEN_WALK=record` writes the record.
///
/// `ask` has one answer for each of several cases that stand in one file, or none where Compose refuses the file. `is_taken`
/// is what topogen says of a case, so that few that Compose takes share a file with one that it refuses.
pub(super) fn agrees<C: Sync>(
    name: &str,
    cases: &[(String, C)],
    is_taken: &dyn Fn(&C) -> bool,
    ask: &(dyn Fn(&[&C]) -> Option<Vec<Value>> + Sync),
) {
    if !compose_is_here() {
        return;
    }
    let asked = std::env::var("TOPOGEN_WALK").unwrap_or_default();
    let recorded = if asked == "record" { BTreeMap::new() } else { read(name) };
    let is_taken = |case: &&(String, C)| match recorded.get(&case.0) {
        Some(answer) => !answer.is_null(),
        None => is_taken(&case.1),
    };
    let (taken, refused): (Vec<_>, Vec<_>) = cases.iter().partition(is_taken);
    let step = if asked.is_empty() { STEP } else { 1 };
    let refused: Vec<_> = refused.into_iter().step_by(step).collect();
    let few = if asked == "record" { FEW } else { usize::MAX };
    let each = |cases: &[&(String, C)]| {
        cases
            .iter()
            .map(|case| answers(&[&case.1], ask))
            .collect::<Vec<_>>()
            .concat()
    };
    let answers = std::thread::scope(|scope| {
        let parts: Vec<_> = refused.chunks(refused.len().div_ceil(3).max(1)).collect();
        let parts: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || each(part))).collect();
        let taken: Vec<&C> = taken.iter().map(|case| &case.1).collect();
        let mut all = taken
            .chunks(few)
            .map(|part| answers(part, ask))
            .collect::<Vec<_>>()
            .concat();
        all.extend(parts.into_iter().flat_map(|part| part.join().expect("asked")));
        all
    });
    let answers = taken.iter().chain(&refused).map(|case| &case.0).zip(answers);
    if asked == "record" {
        let answers: BTreeMap<&String, Value> = answers.collect();
        let text: String = answers
            .iter()
            .map(|(name, answer)| format!("{}\n", json!([name, answer])))
            .collect();
        std::fs::write(path(name), text).expect("a record");
        return;
    }
    let wrong = answers.filter(|(name, answer)| recorded.get(*name) != Some(answer));
    let wrong: Vec<String> = wrong.map(|(name, answer)| format!("{name}: {answer}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The answers to `cases`, by halves where one of them is refused.
fn answers<C>(cases: &[&C], ask: &dyn Fn(&[&C]) -> Option<Vec<Value>>) -> Vec<Value> {
    match (ask(cases), cases.len()) {
        (Some(answers), _) => answers,
        (None, 0 | 1) => vec![Value::Null; cases.len()],
        (None, all) => {
            let (first, second) = cases.split_at(all / 2);
            [answers(first, ask), answers(second, ask)].concat()
        }
    }
}

/// What Compose makes of the project in `directory`, with these variables of the environment; `None` where it refuses it.
pub(super) fn compose(directory: &Path, outside: &[(&str, &str)]) -> Option<Value> {
    let output = Command::new("docker")
        .args(["compose", "config", "--format", "json"])
        .current_dir(directory)
        .env_remove("COMPOSE_PROFILES")
        .envs(outside.iter().copied())
        .output()
        .expect("Compose runs");
    let config = serde_json::from_slice(&output.stdout).ok();
    config.filter(|_| output.status.success())
}
