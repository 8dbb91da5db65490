//! Every blueprint in `tests/invalid/`, alone or in a directory with the files it names, and what is said of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::{stderr, topogen};

#[test]
fn each_has_its_message() {
    insta::glob!("invalid/*.yaml", |path| {
        let directory = tempfile::tempdir().expect("a directory");
        let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
        fs::copy(path, directory.path().join(name)).expect("a copy");
        insta::assert_snapshot!(refused(directory.path(), name));
    });
}

#[test]
fn each_directory_has_its_message() {
    insta::glob!("invalid/*/topogen.yaml", |path| {
        let directory = tempfile::tempdir().expect("a directory");
        copy(path.parent().expect("a directory"), directory.path());
        insta::assert_snapshot!(refused(directory.path(), "topogen.yaml"));
    });
}

/// A case that no test finds would be silent, and so would a golden that a removed case left behind.
#[test]
fn each_case_has_its_golden_and_each_golden_its_case() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(tests.join(folder)).expect("a directory");
        entries
            .map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8"))
            .collect()
    };
    let cases: BTreeSet<String> = names("invalid").into_iter().collect();
    let goldens = names("snapshots").into_iter().filter_map(|golden| {
        let case = golden.strip_prefix("main__invalid__")?.strip_suffix(".snap")?;
        let (test, case) = case.split_once('@')?;
        Some(match test {
            "each_has_its_message" => case.to_owned(),
            _ => case.strip_suffix("__topogen.yaml").expect("a directory").to_owned(),
        })
    });
    assert_eq!(cases, goldens.collect());
}

/// What is said of the blueprint `name` in `directory`, which must not be rendered.
fn refused(directory: &Path, name: &str) -> String {
    let text = fs::read(directory.join(name)).expect("a blueprint");
    let text = String::from_utf8_lossy(&text);
    // A first line `# topogen: --slaves 3` says the arguments.
    let first = text.lines().next().unwrap_or_default();
    let extra: Vec<&str> = first
        .strip_prefix("# topogen: ")
        .map_or_else(Vec::new, |a| a.split(' ').collect());
    let mut arguments = vec!["render", "-f", name];
    arguments.extend(extra);
    let output = topogen(directory, &arguments);
    assert_eq!(output.status.code(), Some(3), "{name}: {}", stderr(&output));
    assert!(!directory.join("topogen-out").exists(), "{name} was rendered");
    stderr(&output)
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).expect("a directory");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
