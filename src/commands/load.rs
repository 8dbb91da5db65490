//! Reads a topology from the files and options of the command line.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::recorded;
use crate::blueprint::interpolate::{self, Variables};
use crate::blueprint::{Inputs, dotenv, not_utf8};
use crate::budget::Budget;
use crate::cli::{Source, Which};
use crate::cluster::Desired;
use crate::converge::Reporter;
use crate::diagnostic::{FileId, Kind, Problem, Problems, Sources, nearest};
use crate::engine::translate::{self, Origin};
use crate::error::Error;
use crate::fake;
use crate::lint::{self, Lint, Subject};
use crate::name::ClusterName;
use crate::read::{self, ReadError};
use crate::terminal::Terminal;
use crate::topology::Topology;
use crate::topology::expand::{self, Overrides};
use crate::yaml;

/// The blueprint in the working directory that is used by default.
pub(super) const HERE: &str = "topogen.yaml";
/// The name of the file of variables beside a blueprint.
const DOTENV: &str = ".env";
/// The blueprints in the binary. The first one is used if no other is given or found.
const SHIPPED: &[(&str, &str)] = &[("master-slaves", include_str!("../../blueprints/master-slaves.yaml"))];

/// A topology with its source.
pub(super) struct Loaded {
    /// The topology, in which fakes have their identity.
    pub(super) topology: Topology,
    /// The path of the blueprint.
    pub(super) origin: Origin,
    /// The texts that problems refer to.
    pub(super) sources: Sources,
}

/// Reads and expands the blueprint that `source` names.
pub(super) fn topology(terminal: &Terminal, source: &Source) -> Result<Loaded, Error> {
    let (mut sources, file, mut origin) = text(source.file.as_deref())?;
    if let Some(limit) = source.expand_limit {
        sources.set_budget(Budget::of(limit));
    }
    origin.options = recorded::Options::of(source).label();
    if source.file.is_none() && origin.blueprint == SHIPPED[0].0 {
        terminal.note(&format!(
            "no `{HERE}` here: this is the shipped lab, `{}`",
            SHIPPED[0].0
        ));
    }
    let environment = Arc::new(environment(&source.env_file, &origin)?);
    match expanded(terminal, source, file, &mut sources, &environment, &origin) {
        Ok(mut topology) => {
            if source.fake {
                fake::disguise(&mut topology);
            }
            fake::identify(&mut topology);
            let directory = PathBuf::from(&origin.directory);
            let read = |path: &str| in_words(read::file(&directory.join(path), yaml::MAX_BYTES));
            topology.look_outside(&read, &environment);
            if let Some(problems) = mistakes(&topology, &origin) {
                return Err(Error::Blueprint { problems, sources });
            }
            Ok(Loaded {
                topology,
                origin,
                sources,
            })
        }
        Err(problems) => Err(Error::Blueprint { problems, sources }),
    }
}

/// What the engine is to be asked for, beside the topology that it is made of.
///
/// # Errors
/// What `up` refuses, each with its place.
pub(super) fn desired(loaded: Loaded) -> Result<(Loaded, Desired), Error> {
    match translate::translate(&loaded.topology, &loaded.origin) {
        Ok(desired) => Ok((loaded, desired)),
        Err(problems) => Err(Error::Blueprint {
            problems,
            sources: loaded.sources,
        }),
    }
}

/// Everything that Compose refuses of a topology from which some of that was left out; `None` where nothing was.
fn mistakes(topology: &Topology, origin: &Origin) -> Option<Problems> {
    if topology.mistakes.is_empty() {
        return None;
    }
    let mut found = Problems::default();
    let all = translate::translate(topology, origin).err().unwrap_or_default();
    let all = all.sorted().into_iter().filter(|p| p.kind == Kind::Compose);
    all.cloned().for_each(|problem| found.push(problem));
    Some(found)
}

fn expanded(
    terminal: &Terminal,
    source: &Source,
    file: FileId,
    sources: &mut Sources,
    environment: &Arc<HashMap<String, String>>,
    origin: &Origin,
) -> Result<Topology, Problems> {
    let lookup = |name: &str| environment.get(name).cloned();
    let mut variables = Variables::new(&lookup);
    let directory = PathBuf::from(&origin.directory);
    let read = |path: &str| in_words(read::file(&directory.join(path), yaml::MAX_BYTES));
    let read_within = |path: &str| in_words(read::within(&directory, path, yaml::MAX_BYTES));
    let mut profiles = source.profile.clone();
    if profiles.is_empty() {
        let named = environment.get("COMPOSE_PROFILES").map_or("", String::as_str);
        profiles.extend(named.split(',').filter(|p| !p.is_empty()).map(str::to_owned));
    }
    let inputs = Inputs {
        read: &read,
        read_within: &read_within,
        base: &origin.directory,
        profiles: &profiles,
    };
    let overrides = Overrides {
        name: source.name.clone(),
        slaves: source.slaves,
        scale: source.scale.clone(),
        set: source.set.clone(),
    };
    let topology = expand::read(file, sources, &mut variables, &inputs, &overrides, environment)?;
    for name in variables.unset() {
        terminal.line(&format!("warning: variable `{name}` is not set, so blank"));
    }
    if !variables.unset().is_empty() {
        terminal.line(&format!(
            "hint: set it in the environment, or in `{DOTENV}` beside the blueprint; a dollar that is meant as one is `$$`"
        ));
    }
    Ok(topology)
}

/// Prints the lints of a blueprint that is not about to run.
pub(super) fn warn(terminal: &Terminal, loaded: &Loaded) {
    warn_of(
        terminal,
        &lint::look(&Subject::new(&loaded.topology)),
        &loaded.sources,
        "",
    );
}

/// Prints the lints of a blueprint that is about to run, without the one for full networks: `up` refuses those.
pub(super) fn warn_of_doubts(terminal: &Terminal, loaded: &Loaded) {
    let mut found = lint::look(&Subject::new(&loaded.topology));
    found.retain(|problem| problem.code != Some(Lint::FullNetwork.code()));
    warn_of(terminal, &found, &loaded.sources, "");
}

/// Prints `problems`, each with its place and with `what` before its message. A hint that several share is printed
/// after the last of them.
pub(super) fn warn_of(terminal: &Terminal, problems: &[Problem], sources: &Sources, what: &str) {
    let last: HashMap<Option<&str>, usize> = problems
        .iter()
        .enumerate()
        .map(|(at, p)| (p.hint.as_deref(), at))
        .collect();
    for (at, problem) in problems.iter().enumerate() {
        let place = sources.place_of(problem.place);
        let code = problem.code.map_or_else(String::new, |code| format!("[{code}]"));
        terminal.line(&format!("warning{code}: {place}{what}{}", problem.message));
        let hint = problem.hint.as_deref();
        if let Some(text) = hint.filter(|_| last.get(&hint) == Some(&at)) {
            terminal.line(&format!("hint: {text}"));
        }
    }
}

/// The variables of the environment and, for those that it does not have, of `--env-file` or of `.env` beside the
/// blueprint (Compose specification, "Interpolation").
fn environment(files: &[PathBuf], origin: &Origin) -> Result<HashMap<String, String>, Error> {
    let own = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    // A variable that is not UTF-8 cannot be used in YAML, and is ignored.
    let own: HashMap<String, String> = own.collect();
    let mut found = dotenv::Pairs::new();
    let beside = PathBuf::from(&origin.directory).join(DOTENV);
    let files = match files {
        [] if beside.is_file() => vec![beside],
        files => files.to_vec(),
    };
    for path in files {
        let shown = path.display().to_string();
        let bytes = read::named(&path, yaml::MAX_BYTES).with_context(|| format!("cannot read `{shown}`"))?;
        let text = String::from_utf8(bytes).with_context(|| format!("cannot read `{shown}`"))?;
        dotenv::parse(&text, &mut found, &|name| own.get(name).cloned()).map_err(|fault| Error::InTheWay {
            messages: vec![format!("`{shown}`: {fault}")],
            hints: vec!["a comment begins with `#`, a value with blanks at its ends needs quotes".to_owned()],
        })?;
    }
    let mut found: HashMap<String, String> = found.into_iter().collect();
    found.extend(own);
    Ok(found)
}

/// The name of the cluster that `which` selects. The blueprint may have other errors, and need not exist if a name is
/// given.
pub(super) fn cluster(which: &Which) -> Result<ClusterName, Error> {
    if let Some(name) = &which.name {
        return Ok(name.clone());
    }
    let (sources, file, origin) = text(which.file.as_deref())?;
    let mut tree = match yaml::parse(sources.text(file), file) {
        Ok(tree) => tree,
        Err(mut problems) => {
            problems.push(
                Problem::general("the cluster's name is in a file that cannot be read").hint("say it: `-n NAME`"),
            );
            return Err(Error::Blueprint { problems, sources });
        }
    };
    // Only the name is read, so that other errors of the blueprint do not matter.
    let environment = environment(&[], &origin)?;
    let lookup = |name: &str| environment.get(name).cloned();
    interpolate::tree(
        &mut tree,
        &mut Variables::new(&lookup),
        &sources,
        &mut Problems::default(),
    );
    let Some(node) = tree.get("name") else {
        return Ok(ClusterName::default());
    };
    node.scalar().unwrap_or_default().parse().map_err(|error| {
        let mut problems = Problems::default();
        problems.push(Problem::at(node.span, format!("{error}")).hint("name the cluster here: `-n NAME`"));
        Error::Blueprint { problems, sources }
    })
}

/// Whether neither `file` nor the working directory says which blueprint is meant.
pub(super) fn is_lacking(file: Option<&str>) -> bool {
    file.is_none() && !Path::new(HERE).exists()
}

/// Whether the shipped blueprint `name` is the one that is used if no other is found.
pub(super) fn is_lab(name: &str) -> bool {
    name == SHIPPED[0].0
}

/// The text of the blueprint that `-f` names, or of the default.
fn text(file: Option<&str>) -> Result<(Sources, FileId, Origin), Error> {
    let mut sources = Sources::default();
    let path = match file {
        Some(name) if !Path::new(name).exists() => {
            if name.contains(['/', '.']) {
                return Err(invalid(
                    format!("cannot read `{name}`: no such file"),
                    &format!("`topogen init {name}` writes a first blueprint there"),
                ));
            }
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
    let bytes = match read::named(path, yaml::MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            return Err(invalid(
                format!("cannot read `{shown}`: {error}"),
                "a blueprint is a YAML file",
            ));
        }
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let mut problems = Problems::default();
            problems.push(not_utf8(&mut sources, &shown, &error));
            return Err(Error::Blueprint { problems, sources });
        }
    };
    let absolute = std::path::absolute(path).with_context(|| format!("cannot find `{shown}`"))?;
    let origin = Origin {
        blueprint: absolute.display().to_string(),
        directory: absolute.parent().unwrap_or(Path::new("/")).display().to_string(),
        options: String::new(),
    };
    let file = sources.add(shown, text);
    Ok((sources, file, origin))
}

/// The content that was read, or the reason why it could not be.
pub(super) fn in_words(read: Result<Vec<u8>, ReadError>) -> Result<Vec<u8>, String> {
    read.map_err(|error| error.to_string())
}

/// The error for a file that is no blueprint at all.
fn invalid(message: String, hint: &str) -> Error {
    let mut problems = Problems::default();
    problems.push(Problem::general(message).hint(hint));
    Error::Blueprint {
        problems,
        sources: Sources::default(),
    }
}

fn shipped_one(name: &str, text: &str, mut sources: Sources) -> (Sources, FileId, Origin) {
    let file = sources.add(name, text);
    let here = std::env::current_dir().unwrap_or_default();
    let origin = Origin {
        blueprint: name.to_owned(),
        directory: here.display().to_string(),
        options: String::new(),
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
