//! From the command line to a topology.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::blueprint::Blueprint;
use crate::blueprint::interpolate::Variables;
use crate::cli::{Source, Which};
use crate::diagnostic::{FileId, Problem, Problems, Sources, nearest};
use crate::engine::translate::Origin;
use crate::error::Error;
use crate::fake;
use crate::name::ClusterName;
use crate::terminal;
use crate::topology::Topology;
use crate::topology::expand::{Overrides, expand};
use crate::yaml;

/// The blueprint that is looked for in the working directory.
const HERE: &str = "topogen.yaml";
/// Blueprints in the binary, the first of them for when there is no other.
const SHIPPED: &[(&str, &str)] = &[("master-slaves", include_str!("../../blueprints/master-slaves.yaml"))];

/// A topology, and where it came from.
pub(super) struct Loaded {
    /// The topology, fakes told who they are.
    pub(super) topology: Topology,
    /// Where the blueprint is.
    pub(super) origin: Origin,
    /// The texts that problems point into.
    pub(super) sources: Sources,
}

/// Read and expand what `source` names.
pub(super) fn topology(source: &Source) -> Result<Loaded, Error> {
    let (mut sources, file, origin) = text(source.file.as_deref())?;
    let environment: Arc<HashMap<String, String>> = Arc::new(std::env::vars().collect());
    let result = expanded(source, file, &mut sources, &environment);
    match result {
        Ok(mut topology) => {
            if source.fake {
                fake::disguise(&mut topology);
            }
            fake::identify(&mut topology);
            Ok(Loaded {
                topology,
                origin,
                sources,
            })
        }
        Err(problems) => Err(Error::Blueprint { problems, sources }),
    }
}

fn expanded(
    source: &Source,
    file: FileId,
    sources: &mut Sources,
    environment: &Arc<HashMap<String, String>>,
) -> Result<Topology, Problems> {
    let lookup = |name: &str| environment.get(name).cloned();
    let mut variables = Variables::new(&lookup);
    let blueprint = Blueprint::read(file, sources, &mut variables)?;
    for name in variables.unset() {
        terminal::line(&format!("warning: variable `{name}` is not set, so blank"));
    }
    let overrides = Overrides {
        name: source.name.clone(),
        slaves: source.slaves,
        scale: source.scale.clone(),
        set: source.set.clone(),
    };
    expand(&blueprint, &overrides, environment, sources)
}

/// The name of the cluster that `which` means; its blueprint need not be valid, nor be there.
pub(super) fn cluster(which: &Which) -> Result<ClusterName, Error> {
    if let Some(name) = &which.name {
        return Ok(name.clone());
    }
    let (sources, file, _) = text(which.file.as_deref())?;
    let tree = match yaml::parse(sources.text(file), file) {
        Ok(tree) => tree,
        Err(problems) => return Err(Error::Blueprint { problems, sources }),
    };
    let Some(node) = tree.get("name") else {
        return Ok(ClusterName::default());
    };
    node.scalar().unwrap_or_default().parse().map_err(|error| {
        let mut problems = Problems::default();
        problems.push(Problem::at(node.span, format!("{error}")).hint("name the cluster here: `-n NAME`"));
        Error::Blueprint { problems, sources }
    })
}

/// The text of the blueprint that `-f` means.
fn text(file: Option<&str>) -> Result<(Sources, FileId, Origin), Error> {
    let mut sources = Sources::default();
    let path = match file {
        Some(name) if !Path::new(name).exists() => {
            let shipped = SHIPPED.iter().find(|(n, _)| *n == name);
            let (name, text) = shipped.ok_or_else(|| no_blueprint(name))?;
            return Ok(shipped_one(name, text, sources));
        }
        Some(name) => Path::new(name),
        None if Path::new(HERE).exists() => Path::new(HERE),
        None => {
            let (name, text) = SHIPPED[0];
            return Ok(shipped_one(name, text, sources));
        }
    };
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read `{shown}`"))?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..good].iter().filter(|b| **b == b'\n').count() + 1;
            let message = format!("`{shown}` is not UTF-8 text: line {line}");
            return Err(Error::InTheWay {
                messages: vec![message],
                hints: vec!["save it as UTF-8".to_owned()],
            });
        }
    };
    let absolute = std::path::absolute(path).with_context(|| format!("cannot find `{shown}`"))?;
    let origin = Origin {
        blueprint: absolute.display().to_string(),
        directory: absolute.parent().unwrap_or(Path::new("/")).display().to_string(),
    };
    let file = sources.add(shown, text);
    Ok((sources, file, origin))
}

fn shipped_one(name: &str, text: &str, mut sources: Sources) -> (Sources, FileId, Origin) {
    let file = sources.add(name, text);
    let here = std::env::current_dir().unwrap_or_default();
    let origin = Origin {
        blueprint: name.to_owned(),
        directory: here.display().to_string(),
    };
    (sources, file, origin)
}

fn no_blueprint(name: &str) -> Error {
    let names = || SHIPPED.iter().map(|(n, _)| *n);
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "shipped ones are {}",
            names().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
        ),
    };
    Error::Usage {
        message: format!("no file and no shipped blueprint is called `{name}`"),
        hint,
    }
}
