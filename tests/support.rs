//! What tests share: the program as its users run it, and its parts without files.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use topogen::blueprint::Inputs;
use topogen::blueprint::interpolate::Variables;
use topogen::diagnostic::Sources;
use topogen::fake;
use topogen::topology::Topology;
use topogen::topology::expand::{self, Overrides};

/// The program, in `directory`, in an environment that changes nothing.
pub(crate) fn topogen(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_topogen"))
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .env_remove("DOCKER_HOST")
        .output()
        .expect("topogen runs")
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
    let mut sources = Sources::default();
    let file = sources.add("topogen.yaml", text);
    let none = |_: &str| None;
    let mut variables = Variables::new(&none);
    let inputs = Inputs {
        read: &|path| Err(format!("`{path}` is not there: this blueprint stands alone")),
        base: "/blueprint",
        profiles: &[],
    };
    let none = Arc::new(HashMap::new());
    match expand::read(file, &mut sources, &mut variables, &inputs, overrides, &none) {
        Ok(mut topology) => {
            fake::identify(&mut topology);
            Ok(topology)
        }
        Err(problems) => Err(problems.render(&sources, false)),
    }
}

/// The lab with so many slaves.
pub(crate) fn lab(slaves: u32) -> Topology {
    let overrides = Overrides {
        slaves: Some(slaves),
        ..Overrides::default()
    };
    expanded(LAB, &overrides).expect("the lab is valid")
}
