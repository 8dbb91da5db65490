//! The commands of the workflows for CI servers, as a server runs them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cluster::{Cluster, text};

/// The commands that workflows have in common: up, proved, tested, down. Other lines install and report.
fn commands(workflow: &str) -> Vec<String> {
    let lines = workflow.lines().map(|l| l.trim_start().trim_start_matches("- "));
    let lines = lines.map(|l| l.strip_prefix("run: ").unwrap_or(l));
    let desired = ["topogen up", "topogen verify", "topogen down", "sh "];
    let lines = lines.filter(|l| desired.iter().any(|w| l.starts_with(w)));
    lines.map(str::to_owned).collect()
}

/// 53 containers come up, are right by the report, are tested, and are removed.
pub(crate) fn run() {
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci");
    let read = |file: &str| fs::read_to_string(recipes.join(file)).expect("a workflow");
    let of_github = commands(&read("github-actions.yml"));
    assert_eq!(of_github, commands(&read("gitlab-ci.yml")));
    assert_eq!(of_github.len(), 4, "{of_github:?}");

    let cluster = Cluster::new();
    let copied = cluster.path().join("examples/ci");
    fs::create_dir_all(&copied).expect("a directory");
    fs::copy(recipes.join("test.sh"), copied.join("test.sh")).expect("a file");
    let built = Path::new(env!("CARGO_BIN_EXE_topogen")).parent().expect("a directory");
    let path = format!("{}:{}", built.display(), std::env::var("PATH").unwrap_or_default());
    for command in of_github {
        let output = Command::new("sh")
            .args(["-c", &format!("{command} -n {}", cluster.name)])
            .current_dir(cluster.path())
            .env("PATH", &path)
            .output()
            .expect("a shell");
        let report = || fs::read_to_string(cluster.path().join("report.xml")).unwrap_or_default();
        assert!(
            output.status.success(),
            "{command}: {}{}",
            text(&output.stderr),
            report()
        );
        let containers = cluster.containers(Some("running")).len();
        assert_eq!(containers, if command == "topogen down" { 0 } else { 53 }, "{command}");
    }
    let report = fs::read_to_string(cluster.path().join("report.xml")).expect("a report");
    assert!(report.contains("<testsuite"), "{report}");
}
