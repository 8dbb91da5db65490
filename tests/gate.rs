//! The workflow checks what the gate checks, as far as it can elsewhere.

use std::fs;
use std::path::Path;

use serde_json::Value;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file")
}

fn workflow() -> Value {
    serde_saphyr::from_str(&text(".github/workflows/ci.yml")).expect("YAML")
}

/// The steps of all jobs.
fn steps(workflow: &Value) -> Vec<&Value> {
    let jobs = workflow["jobs"].as_object().expect("jobs");
    let steps = jobs.values().map(|job| job["steps"].as_array().expect("steps"));
    steps.flatten().collect()
}

/// The commands of all jobs, in one line each.
fn commands(workflow: &Value) -> Vec<String> {
    let runs = steps(workflow).into_iter().filter_map(|step| step["run"].as_str());
    runs.map(|run| run.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn the_workflow_runs_what_the_gate_runs() {
    let workflow = workflow();
    let commands = commands(&workflow);
    let gate = text(".ci/run");
    let lints: Vec<&str> = gate
        .lines()
        .filter(|l| l.starts_with("cargo fmt") || l.starts_with("cargo clippy"))
        .collect();
    assert_eq!(lints.len(), 2, "{gate}");
    for command in lints.into_iter().chain(["cargo test"]) {
        assert!(commands.iter().any(|c| c == command), "{command}: {commands:#?}");
    }
    let fuzz = "cargo +nightly fuzz run blueprint";
    assert!(gate.contains(fuzz) && commands.iter().any(|c| c.starts_with(fuzz)));
}

/// What a workflow may do and how long are the two things that do not show when they are wrong.
#[test]
fn the_workflow_may_read_only_and_ends() {
    let workflow = workflow();
    assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}));
    for (name, job) in workflow["jobs"].as_object().expect("jobs") {
        assert!(job["permissions"].is_null(), "{name}");
        assert!(job["timeout-minutes"].is_u64(), "{name} has no bound");
    }
    for step in steps(&workflow) {
        let checkout = step["uses"]
            .as_str()
            .is_some_and(|u| u.starts_with("actions/checkout@"));
        assert!(!checkout || step["with"]["persist-credentials"] == false, "{step}");
    }
}
