//! `init --from`: the blueprint for every Compose file in `tests/draft/` and `tests/compose/`, and whether it expands.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use topogen::blueprint::{self, Inputs, interpolate::Variables};
use topogen::diagnostic::Sources;
use topogen::draft::{self, Asked};
use topogen::topology::expand::{self, Overrides};

use crate::support::{stderr, topogen};

/// The Compose files of `directory`, an override after the file that it is for.
fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let names = entries.map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8"));
    let is_compose = |name: &String| {
        ["compose.", "docker-compose."]
            .iter()
            .any(|stem| name.starts_with(stem))
    };
    let mut files: Vec<String> = names.filter(is_compose).collect();
    files.sort_by_key(|name| (name.contains("override"), name.clone()));
    files
}

/// The blueprint for the Compose files of `directory`, and what it expands to.
fn drafted(directory: &Path, count: Option<u32>, role: Option<&str>, entry: Option<&str>) -> String {
    let files = files(directory);
    let read = |path: &str| fs::read(directory.join(path)).map_err(|_| "no such file".to_owned());
    let inputs = Inputs {
        read: &read,
        read_within: &read,
        base: "/project",
        profiles: &[],
    };
    let mut sources = Sources::default();
    let document = match blueprint::compose_files(&files, &mut sources, &inputs) {
        Ok(document) => document,
        Err(problems) => return problems.render(&sources, false),
    };
    let asked = Asked {
        files: &files,
        name: Some("lab"),
        count,
        role,
        entry,
    };
    let text = match draft::blueprint(&document, &asked) {
        Ok(text) => text,
        Err(refused) => return format!("{}\nhint: {}\n", refused.message, refused.hint),
    };
    let mut sources = Sources::default();
    let file = sources.add("topogen.yaml", text.clone());
    // What the projects have in their `.env`, and what has no default.
    let lookup = |name: &str| match name {
        "ES_PORT" => Some("9200".to_owned()),
        "SHOP_VERSION" => Some("1.0".to_owned()),
        _ => None,
    };
    let mut variables = Variables::new(&lookup);
    let over = Overrides::default();
    let variables_of_templates = Arc::new(HashMap::new());
    let expanded = expand::read(
        file,
        &mut sources,
        &mut variables,
        &inputs,
        &over,
        &variables_of_templates,
    );
    let becomes = match expanded {
        Ok(topology) => format!("ok: {} nodes, {} services\n", topology.nodes.len(), topology.services()),
        Err(problems) => problems.render(&sources, false),
    };
    format!("{text}---\n{becomes}")
}

fn shape(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/draft").join(name)
}

#[test]
fn every_shape_becomes_a_blueprint_that_expands() {
    insta::glob!("draft/*/*compose.y*ml", |path| {
        let text = drafted(path.parent().expect("a directory"), None, None, None);
        assert!(text.contains("---\nok: "), "{text}");
        insta::assert_snapshot!(text);
    });
}

#[test]
fn every_project_becomes_a_blueprint_that_expands() {
    let projects = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose");
    for project in fs::read_dir(projects).expect("projects") {
        let project = project.expect("a project").path();
        let text = drafted(&project, None, None, None);
        assert!(text.contains("---\nok: "), "{}: {text}", project.display());
    }
}

/// More nodes than the file has: lists of peers and numbers follow.
#[test]
fn a_count_is_followed_by_peers_and_ports() {
    for (name, count) in [
        ("tidb", 5),
        ("kafka", 5),
        ("etcd", 7),
        ("quorum", 5),
        ("search", 4),
        ("galera", 5),
    ] {
        let text = drafted(&shape(name), Some(count), None, None);
        assert!(text.contains(&format!("    count: {count}\n")), "{text}");
        assert!(text.contains("---\nok: "), "{text}");
    }
}

#[test]
fn what_is_asked_for_is_done_or_refused_by_name() {
    let mail = drafted(&shape("mail"), Some(1), Some("post"), Some("smtp"));
    assert!(
        mail.contains("  post: {compose: compose.yaml, count: 1, entry: smtp}\n"),
        "{mail}"
    );
    let stack = drafted(&shape("kafka"), None, Some("stack"), None);
    assert!(
        stack.contains("  stack: {compose: compose.yaml, count: 1, entry: ui}\n"),
        "{stack}"
    );
    let one = drafted(&shape("tidb"), None, Some("pd"), None);
    assert!(
        one.contains("  pd:\n") && !one.contains("  tikv:\n") && one.contains("---\nok: "),
        "{one}"
    );
    let near = drafted(&shape("tidb"), None, None, Some("tikv"));
    assert_eq!(
        near,
        "`--entry tikv`: no service of the file is called so\nhint: did you mean `tikv2`?\n"
    );
    let name = drafted(&shape("tidb"), None, Some("No Name"), None);
    assert!(name.starts_with("`No Name` is not a role name\n"), "{name}");
}

#[test]
fn init_writes_it_checks_it_and_never_writes_over_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let compose = "services: {app: {image: i, ports: ['8080:80']}, db: {image: j}}\n";
    fs::write(at.join("compose.yaml"), compose).expect("a file");
    fs::create_dir(at.join("lab")).expect("a directory");
    let first = topogen(at, &["init", "--from", "compose.yaml", "lab/topogen.yaml"]);
    assert!(first.status.success(), "{}", stderr(&first));
    assert!(
        stderr(&first).contains("ok: 1 role, 1 node, 2 services"),
        "{}",
        stderr(&first)
    );
    let again = topogen(at, &["init", "--from", "compose.yaml", "lab/topogen.yaml"]);
    assert_eq!(again.status.code(), Some(1), "{}", stderr(&again));
    for arguments in [
        &["--from", "gone.yaml"][..],
        &["--from", "compose.yaml", "--entry", "ap"],
        &["--count", "3"],
    ] {
        let refused = topogen(at, &[&["init"], arguments].concat());
        assert!(!refused.status.success(), "{arguments:?}");
        assert!(!at.join("topogen.yaml").exists(), "{arguments:?} wrote something");
    }
}
