//! The examples: each is complete, checks clean, and renders what its snapshot says. `documents` runs their READMEs;
//! scenarios bring them up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{copy, stderr, stdout, topogen};

/// Workflows rather than a blueprint.
pub(crate) const RECIPES: &str = "ci";

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// All folders, in order.
pub(crate) fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(root()).expect("examples");
    let mut folders: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    folders.retain(|p| p.is_dir());
    folders.sort();
    folders
}

fn name(folder: &Path) -> String {
    folder.file_name().expect("a name").to_string_lossy().into_owned()
}

/// Those with a blueprint, each in a directory of its own, where nothing else lies.
pub(crate) fn examples() -> Vec<(String, tempfile::TempDir)> {
    let folders = folders();
    let examples = folders.iter().filter(|f| name(f) != RECIPES);
    examples
        .map(|folder| {
            let directory = tempfile::tempdir().expect("a directory");
            copy(folder, directory.path());
            (name(folder), directory)
        })
        .collect()
}

#[test]
fn each_is_complete_and_in_the_table() {
    let index = fs::read_to_string(root().join("README.md")).expect("an index");
    for folder in folders() {
        let name = name(&folder);
        let readme = fs::read_to_string(folder.join("README.md")).unwrap_or_else(|_| panic!("{name}: no README"));
        assert!(readme.starts_with(&format!("# {name}\n")), "{name}: its title");
        assert!(
            name == RECIPES || folder.join("topogen.yaml").is_file(),
            "{name}: no blueprint"
        );
        assert!(index.contains(&format!("[{name}]({name})")), "{name}: not in the index");
    }
    let listed = index.lines().filter(|l| l.starts_with("| [")).count();
    assert_eq!(listed, examples().len(), "the table lists what is not there");
}

#[test]
fn each_checks_clean_and_takes_no_port() {
    for (name, directory) in examples() {
        let output = topogen(directory.path(), &["check"]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let said = stderr(&output);
        assert!(said.starts_with("ok: ") && said.lines().count() == 1, "{name}: {said}");
        // Several clusters live side by side, and several jobs on one engine.
        let output = topogen(directory.path(), &["render", "-o", "-"]);
        let published = stdout(&output);
        assert!(!published.contains("ports:"), "{name}: {published}");
    }
}

/// An image without a version is another one tomorrow.
#[test]
fn each_image_has_a_version() {
    // Their projects tag no versions, or they are nobody's.
    const WITHOUT: &[&str] = &["dockersamples/", "image_"];
    for (name, directory) in examples() {
        let output = topogen(directory.path(), &["render", "-o", "-"]);
        let text = stdout(&output);
        let images = text.lines().filter_map(|l| l.trim().strip_prefix("image: "));
        let images: Vec<&str> = images.map(|i| i.trim_matches('"')).collect();
        assert!(!images.is_empty(), "{name}");
        for image in images {
            let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
            let versioned = tag.chars().any(|c| c.is_ascii_digit());
            assert!(
                versioned || WITHOUT.iter().any(|w| image.starts_with(w)),
                "{name}: {image}"
            );
        }
    }
}

/// What is rendered for the first and the last node of each role: configs whole, and the Compose file of the last.
#[test]
fn each_renders_as_before() {
    for (name, directory) in examples() {
        let directory = directory.path();
        let output = topogen(directory, &["render", "-o", "out", "--name", "x"]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let mut roles: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        let projects = fs::read_dir(directory.join("out")).expect("projects");
        for project in projects.map(|e| e.expect("an entry").path()).filter(|p| p.is_dir()) {
            let role = project.file_name().unwrap().to_string_lossy().into_owned();
            let role = role.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
            roles.entry(role).or_default().push(project);
        }
        let mut text = String::new();
        for nodes in roles.values_mut() {
            nodes.sort_by_key(|n| (n.as_os_str().len(), n.clone()));
            for node in [nodes.first(), nodes.last()].into_iter().flatten() {
                let configs = node.join("configs");
                let mut files: Vec<PathBuf> = fs::read_dir(&configs)
                    .map(|list| list.map(|e| e.expect("an entry").path()).collect())
                    .unwrap_or_default();
                files.sort();
                if Some(node) == nodes.last() {
                    files.push(node.join("compose.yaml"));
                }
                for file in files {
                    let place = file.strip_prefix(directory.join("out")).unwrap().display();
                    let _ = writeln!(text, "== {place}\n{}", fs::read_to_string(&file).expect("text"));
                }
                if nodes.len() == 1 {
                    break;
                }
            }
        }
        insta::assert_snapshot!(format!("example_{}", name.replace('-', "_")), text);
    }
}
