//! The flow's middle stays pure: no async, no file, no socket, no clock.

use std::fs;
use std::path::{Path, PathBuf};

const PURE: &[&str] = &[
    "blueprint.rs",
    "blueprint",
    "compose.rs",
    "cluster.rs",
    "cluster",
    "digest.rs",
    "compose",
    "diagnostic.rs",
    "engine/connect/choose.rs",
    "engine/connect/host.rs",
    "fake.rs",
    "graph.rs",
    "graph",
    "lines.rs",
    "lint.rs",
    "lint",
    "name.rs",
    "plan.rs",
    "plan",
    "render/compose.rs",
    "render/manifest.rs",
    "roster.rs",
    "select.rs",
    "select",
    "signal.rs",
    "template.rs",
    "template",
    "terminal/layout.rs",
    "terminal/line.rs",
    "terminal/paint.rs",
    "terminal/reach.rs",
    "terminal/state.rs",
    "terminal/words.rs",
    "topology.rs",
    "text.rs",
    "topology",
    "toposort.rs",
    "value.rs",
    "verify.rs",
    "verify/compare.rs",
    "verify/expect.rs",
    "verify/explain",
    "verify/explain.rs",
    "verify/junit.rs",
    "verify/matrix",
    "verify/matrix.rs",
    "verify/model.rs",
    "verify/projects",
    "verify/projects.rs",
    "probe/question.rs",
    "verify/report.rs",
    "verify/shape",
    "verify/shape.rs",
    "verify/table.rs",
    "yaml.rs",
    "yaml",
];

const FORBIDDEN: &[&str] = &[
    "tokio",
    "bollard",
    "std::fs",
    "std::net::Tcp",
    "std::env::var",
    "std::time",
    "async ",
];

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            files(&entry.unwrap().path(), found);
        }
    } else {
        found.push(path.to_owned());
    }
}

#[test]
fn pure_files_name_nothing_impure() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut list = Vec::new();
    for name in PURE {
        files(&source.join(name), &mut list);
    }
    assert!(list.len() >= PURE.len(), "files are missing: {list:?}");
    for path in list {
        let text = fs::read_to_string(&path).unwrap();
        for word in FORBIDDEN {
            assert!(!text.contains(word), "{} names `{word}`", path.display());
        }
    }
}

#[test]
fn yaml_is_named_in_two_files() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut list = Vec::new();
    files(&source, &mut list);
    let mut naming: Vec<PathBuf> = list
        .into_iter()
        .filter(|p| fs::read_to_string(p).unwrap().contains("serde_saphyr"))
        .map(|p| p.strip_prefix(&source).unwrap().to_owned())
        .collect();
    naming.sort();
    assert_eq!(naming, [PathBuf::from("render/compose.rs"), PathBuf::from("yaml.rs")]);
}
