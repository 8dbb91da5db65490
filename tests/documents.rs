//! Every fenced block of README.md, docs/*.md and examples/*/README.md runs. What a block is, its info string says:
//!
//! - `yaml`: a complete blueprint. It is written to `topogen.yaml` and must check clean; commands after it see it.
//! - `yaml fragment`: what stands below a role, here `worker`. Where it names no services, it gets one, `agent`.
//! - `LANGUAGE file=NAME`: a file beside the blueprint, written for the blocks that follow.
//! - `sh`: commands. What needs no engine runs and must succeed; of the rest, the words are parsed.
//! - `text engine`: commands and the last line of what each prints, with an engine. A scenario runs it; here the words are
//!   parsed.
//! - `text`: a picture; or, where it begins with `$ `, commands and exactly what they print.
//!
//! Each document has a directory of its own, in which its blocks run in their order. That of an example begins as a copy of
//! the example.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::examples;
use crate::support::{copy, stderr, stdout};

/// Commands that need no engine.
const PURE: &[&str] = &["render", "check", "init", "schema", "completions", "man"];

/// A fenced block.
struct Block {
    info: String,
    text: String,
    /// Document and line, for messages.
    place: String,
}

/// The documents.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("README.md"), root.join("examples/README.md")];
    let docs = fs::read_dir(root.join("docs")).expect("documents");
    paths.extend(docs.map(|e| e.expect("an entry").path()));
    paths.retain(|p| p.extension().is_some_and(|e| e == "md"));
    paths.extend(examples::folders().iter().map(|p| p.join("README.md")));
    paths.sort();
    paths
}

fn blocks(path: &Path) -> Vec<Block> {
    let text = fs::read_to_string(path).expect("a document");
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                open = Some(Block {
                    info: info.to_owned(),
                    text: String::new(),
                    place: format!("{}:{}", path.display(), at + 1),
                });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a block does not end", path.display());
    found
}

/// One line of shell, with this build's topogen, in an environment that changes nothing.
fn shell(directory: &Path, line: &str) -> Output {
    let built = Path::new(env!("CARGO_BIN_EXE_topogen")).parent().expect("a directory");
    let path = format!("{}:{}", built.display(), std::env::var("PATH").unwrap_or_default());
    Command::new("sh")
        .args(["-c", line])
        .current_dir(directory)
        .env("PATH", path)
        .env("NO_COLOR", "1")
        .env_remove("DOCKER_HOST")
        .env_remove("COMPOSE_PROFILES")
        .output()
        .expect("a shell")
}

fn succeeds(directory: &Path, line: &str, place: &str) {
    let output = shell(directory, line);
    assert!(output.status.success(), "{place}: {line}\n{}", stderr(&output));
}

/// A role of a fragment.
fn wrapped(fragment: &str) -> String {
    let mut text = "roles:\n  worker:\n".to_owned();
    for line in fragment.lines() {
        text += &format!("    {line}\n");
    }
    let says = |key: &str| fragment.lines().any(|l| l.starts_with(key));
    if !says("services:") && !says("compose:") {
        text += "    services: {agent: {image: shop/agent}}\n";
    }
    text
}

/// Commands, a line each. Those that need no engine run; of the others, the words are parsed.
pub(crate) fn commands(directory: &Path, text: &str, place: &str) -> usize {
    let mut count = 0;
    for line in text.lines() {
        let command = line.split(" #").next().unwrap_or_default().trim();
        let command = command.replace("cargo run --release -- ", "topogen ");
        let mut words = command.split_whitespace().skip_while(|w| w.contains('='));
        match (words.next(), words.next()) {
            (Some("topogen"), Some(verb)) if PURE.contains(&verb) => succeeds(directory, &command, place),
            // What needs an engine runs in the scenarios; here its words are parsed, with `--help` for what else is asked.
            (Some("topogen"), Some("exec")) => {
                // Behind its target the words are the command's own.
                let parsed = command.replacen(" exec ", " exec --help ", 1);
                succeeds(directory, &parsed, place);
            }
            (Some("topogen"), Some(_)) => succeeds(directory, &format!("{command} --help"), place),
            (None | Some("cargo" | "docker"), _) => continue,
            _ => panic!("{place}: {line}"),
        }
        count += 1;
    }
    count
}

/// Commands behind `$ ` and what they print, errors after data.
fn transcript(directory: &Path, block: &Block) {
    let mut ran = String::new();
    for line in block.text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let output = shell(directory, command);
            ran += &format!("{line}\n{}{}", stdout(&output), stderr(&output));
        }
    }
    assert_eq!(block.text, ran, "{}", block.place);
}

#[test]
fn every_block_runs() {
    let (mut blueprints, mut ran) = (0, 0);
    for document in documents() {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = directory.path();
        let folder = document.parent().expect("a directory");
        if folder.join("topogen.yaml").exists() {
            copy(folder, directory);
        }
        for block in &blocks(&document) {
            let (language, rest) = block.info.split_once(' ').unwrap_or((&block.info, ""));
            match (language, rest) {
                (_, file) if file.starts_with("file=") => {
                    fs::write(directory.join(&file["file=".len()..]), &block.text).expect("written");
                }
                ("yaml", "") => {
                    fs::write(directory.join("topogen.yaml"), &block.text).expect("written");
                    succeeds(directory, "topogen check", &format!("{}\n{}", block.place, block.text));
                    blueprints += 1;
                }
                ("yaml", "fragment") => {
                    let text = wrapped(&block.text);
                    fs::write(directory.join("fragment.yaml"), &text).expect("written");
                    succeeds(
                        directory,
                        "topogen check -f fragment.yaml",
                        &format!("{}\n{text}", block.place),
                    );
                    blueprints += 1;
                }
                ("sh", "") => ran += commands(directory, &block.text, &block.place),
                ("text", "") if block.text.starts_with("$ ") => transcript(directory, block),
                ("text", "engine") => {
                    let spoken = block.text.lines().filter_map(|l| l.strip_prefix("$ "));
                    for line in spoken {
                        succeeds(directory, &format!("{line} --help"), &block.place);
                    }
                }
                ("text", "") => {}
                _ => panic!("{}: nobody knows what `{}` is", block.place, block.info),
            }
        }
    }
    assert!(blueprints > 10 && ran > 5, "{blueprints} blueprints, {ran} commands");
}

/// The test command of the README is the one that the gate runs.
#[test]
fn the_gate_runs_the_test_command() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let gate = fs::read_to_string(root.join(".ci/run")).expect("a gate");
    let readme = blocks(&root.join("README.md"));
    let test = readme
        .iter()
        .flat_map(|b| b.text.lines())
        .find(|l| l.starts_with("cargo test"))
        .expect("the README says how to test");
    let command = test.split('#').next().unwrap_or_default().trim();
    assert!(
        gate.lines().any(|l| l.trim() == command),
        "`{command}` is not in .ci/run"
    );
}
