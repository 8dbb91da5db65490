//! What tests share: the program as its users run it, and its parts without files.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use topogen::blueprint::Inputs;
use topogen::blueprint::interpolate::Variables;
use topogen::blueprint::unread::NO_FILE;
use topogen::budget::Budget;
use topogen::cluster::Desired;
use topogen::diagnostic::{Problems, Sources};
use topogen::engine::translate::{Origin, translate};
use topogen::fake;
use topogen::topology::Topology;
use topogen::topology::expand::{self, Overrides};

/// The program, in `directory`, in an environment that changes nothing.
pub(crate) fn topogen(directory: &Path, arguments: &[&str]) -> Output {
    topogen_with(directory, &[], arguments)
}

/// The same with more in its environment.
pub(crate) fn topogen_with(directory: &Path, outside: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_topogen"))
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .env_remove("DOCKER_HOST")
        .envs(outside.iter().copied())
        .output()
        .expect("topogen runs")
}

/// The files of a directory into another.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a file");
    }
}

/// A pipe with a name, which nobody opens.
pub(crate) fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a fifo");
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// The built-in blueprint.
pub(crate) const LAB: &str = include_str!("../blueprints/master-slaves.yaml");

/// The topology of a blueprint, or what is wrong with it as a person reads it.
pub(crate) fn expanded(text: &str, overrides: &Overrides) -> Result<Topology, String> {
    let (topology, sources) = read(text, overrides, &[]);
    topology.map_err(|problems| problems.render(&sources, false))
}

/// What `up` refuses in a valid blueprint, as people read it.
pub(crate) fn refused(text: &str, overrides: &Overrides, files: &[(&str, &str)]) -> String {
    let (topology, sources) = read(text, overrides, files);
    let topology = topology.unwrap_or_else(|p| panic!("{}", p.render(&sources, false)));
    let problems = translate(&topology, &origin()).expect_err("refused");
    problems.render(&sources, false)
}

/// What `up` wants of the engine for a blueprint.
pub(crate) fn desired(text: &str, overrides: &Overrides, files: &[(&str, &str)]) -> Desired {
    let (topology, sources) = read(text, overrides, files);
    let topology = topology.unwrap_or_else(|p| panic!("{}", p.render(&sources, false)));
    translate(&topology, &origin()).unwrap_or_else(|p| panic!("{}", p.render(&sources, false)))
}

fn origin() -> Origin {
    Origin {
        options: String::new(),
        blueprint: "/blueprint/topogen.yaml".to_owned(),
        directory: "/blueprint".to_owned(),
    }
}

/// A blueprint in `/blueprint`, read and expanded where there are no files but `files`, and the text that its problems
/// point into. Outside, `HOME` is `/home` and `OUT` is `outer`.
pub(crate) fn read(text: &str, overrides: &Overrides, files: &[(&str, &str)]) -> (Result<Topology, Problems>, Sources) {
    read_from(Sources::default(), text, overrides, files)
}

/// The same where it may expand to what `budget` allows.
pub(crate) fn expanded_within(text: &str, overrides: &Overrides, budget: Budget) -> Result<Topology, String> {
    let mut sources = Sources::default();
    sources.set_budget(budget);
    let (topology, sources) = read_from(sources, text, overrides, &[]);
    topology.map_err(|problems| problems.render(&sources, false))
}

fn read_from(
    mut sources: Sources,
    text: &str,
    overrides: &Overrides,
    files: &[(&str, &str)],
) -> (Result<Topology, Problems>, Sources) {
    let file = sources.add("topogen.yaml", text);
    let outside = HashMap::from([("HOME", "/home"), ("OUT", "outer")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    let lookup = |name: &str| outside.get(name).cloned();
    let mut variables = Variables::new(&lookup);
    let read = |path: &str| {
        let found = files.iter().find(|(name, _)| *name == path);
        found
            .map(|(_, content)| content.as_bytes().to_vec())
            .ok_or_else(|| NO_FILE.to_owned())
    };
    let inputs = Inputs {
        read: &read,
        read_within: &read,
        base: "/blueprint",
        profiles: &[],
    };
    let none = Arc::new(HashMap::new());
    let topology = expand::read(file, &mut sources, &mut variables, &inputs, overrides, &none);
    let topology = topology.map(|mut topology| {
        fake::identify(&mut topology);
        topology.look_outside(&read, &Arc::new(outside.clone()));
        topology
    });
    (topology, sources)
}

/// The lab with so many slaves.
pub(crate) fn lab(slaves: u32) -> Topology {
    let overrides = Overrides {
        slaves: Some(slaves),
        ..Overrides::default()
    };
    expanded(LAB, &overrides).expect("the lab is valid")
}
