//! `topogen check`

use std::collections::BTreeSet;
use std::path::Path;

use super::load::{self, Loaded};
use crate::cli::{Check, Format};
use crate::cluster::{Desired, MountSource};
use crate::commands::Session;
use crate::diagnostic::{self, Kind, Problem, Problems, Severity};
use crate::engine::translate;
use crate::error::Error;
use crate::lint::{self, Lint, Subject};
use crate::name::RoleName;
use crate::terminal::Terminal;
use crate::text::plural;

pub(super) fn run(args: &Check, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let result = load::topology(terminal, &args.source).and_then(known_to_compose);
    let text = match (&result, args.format) {
        (Ok(known), Format::Table) => {
            table(known, terminal, args.verbose);
            return Ok(());
        }
        (Ok(known), Format::Json) => {
            let refused = known.refused.iter().cloned().map(|mut problem| {
                problem.message.insert_str(0, REFUSED);
                problem
            });
            let warnings: Vec<Problem> = known.lints().into_iter().chain(refused).collect();
            let warnings = warnings.iter().map(|p| (Severity::Warning, p));
            let notes = known.loaded.topology.notes.iter().filter(|_| args.verbose);
            let notes = notes.map(|p| (Severity::Note, p));
            diagnostic::json(warnings.chain(notes), &known.loaded.sources)
        }
        (Err(Error::Blueprint { problems, sources }), Format::Json) => problems.to_json(sources),
        (Err(_), _) => return result.map(drop),
    };
    terminal.data(&format!("{text}\n")).map_err(anyhow::Error::from)?;
    result.map(drop).map_err(|error| Error::Shown(error.exit()))
}

fn table(known: &Known, terminal: &Terminal, verbose: bool) {
    let Known { loaded, refused, .. } = known;
    for note in loaded.topology.notes.iter().filter(|_| verbose) {
        let place = loaded.sources.place_of(note.place);
        terminal.line(&format!("note: {place}{}", note.message));
    }
    let found = known.lints();
    load::warn_of(terminal, &found, &loaded.sources, "");
    let topology = &loaded.topology;
    terminal.line(&format!(
        "ok: {}, {}, {}",
        plural(topology.roles.len(), "role"),
        plural(topology.nodes.len(), "node"),
        plural(topology.services(), "service")
    ));
    // A network that is too full is a lint already, and `up` refuses it for the same reason.
    let full = found.iter().any(|p| p.code == Some(Lint::FullNetwork.code()));
    let refused = if full { &[] } else { refused.as_slice() };
    load::warn_of(terminal, refused, &loaded.sources, REFUSED);
}

/// What stands before a problem that `render` does not have.
const REFUSED: &str = "`topogen up` refuses it: ";

/// A blueprint that Compose accepts.
struct Known {
    loaded: Loaded,
    /// The problems that only `up` refuses.
    refused: Vec<Problem>,
    /// The paths that containers mount from this machine, each with the role that mounts it.
    mounts: BTreeSet<(String, RoleName)>,
}

impl Known {
    fn lints(&self) -> Vec<Problem> {
        let is_there = |path: &str| Path::new(path).exists();
        lint::look(&Subject::new(&self.loaded.topology).mounting(&self.mounts, &is_there))
    }
}

/// Separates what Compose would refuse, which is an error because `render` would write it, from what only `up` refuses.
/// These are keys and values below those that the blueprint itself reads.
fn known_to_compose(loaded: Loaded) -> Result<Known, Error> {
    let translated = translate::translate(&loaded.topology, &loaded.origin);
    let mounts = translated.as_ref().map(mounts).unwrap_or_default();
    let problems = translated.as_ref().err().map(Problems::sorted).unwrap_or_default();
    let (mistakes, refused): (Vec<&Problem>, Vec<&Problem>) =
        problems.into_iter().partition(|p| p.kind == Kind::Compose);
    if mistakes.is_empty() {
        let refused = refused.into_iter().cloned().collect();
        return Ok(Known {
            loaded,
            refused,
            mounts,
        });
    }
    let mut problems = Problems::default();
    mistakes.into_iter().cloned().for_each(|p| problems.push(p));
    Err(Error::Blueprint {
        problems,
        sources: loaded.sources,
    })
}

/// The paths that the engine would create on this machine for a mount, each with the role that mounts it.
fn mounts(desired: &Desired) -> BTreeSet<(String, RoleName)> {
    let of_nodes = desired.nodes.iter().flat_map(|node| {
        let mounts = node.containers.iter().flat_map(|c| &c.config.mounts);
        mounts.map(move |mount| (mount, &node.role))
    });
    let bound = of_nodes.filter_map(|(mount, role)| match &mount.source {
        MountSource::Bind(bind) if bind.create => Some((bind.path.clone(), role.clone())),
        _ => None,
    });
    bound.collect()
}
