//! `topogen check`

use std::collections::BTreeSet;
use std::path::Path;

use super::load::{self, Loaded};
use crate::cli::{Check, Format};
use crate::cluster::{Desired, MountSource};
use crate::diagnostic::{Kind, Problem, Problems};
use crate::engine::translate;
use crate::error::Error;
use crate::terminal;
use crate::text::plural;

pub(super) fn run(args: &Check) -> Result<(), Error> {
    let result = load::topology(&args.source).and_then(known_to_compose);
    let text = match (&result, args.format) {
        (Err(Error::Blueprint { problems, sources }), Format::Json) => problems.to_json(sources),
        (Ok(_), Format::Json) => "[]".to_owned(),
        (Err(_), _) => return result.map(drop),
        (
            Ok(Known {
                loaded,
                refused,
                missing,
            }),
            Format::Table,
        ) => {
            let topology = &loaded.topology;
            load::warn(loaded);
            terminal::line(&format!(
                "ok: {}, {}, {}",
                plural(topology.roles.len(), "role"),
                plural(topology.nodes.len(), "node"),
                plural(topology.services(), "service")
            ));
            // Valid for `render`; what the engine is not to be asked for is better known before `up`.
            let refused = match topology.warnings().is_empty() {
                true => refused.as_slice(),
                false => &[],
            };
            load::warn_of(refused, &loaded.sources, "`topogen up` refuses it: ");
            for path in missing {
                terminal::line(&format!(
                    "warning: `{path}` is not there: the engine would make a directory of that name"
                ));
            }
            return Ok(());
        }
    };
    terminal::data(&format!("{text}\n")).map_err(anyhow::Error::from)?;
    result.map(drop).map_err(|error| Error::Shown(error.exit()))
}

/// A blueprint that Compose takes.
struct Known {
    loaded: Loaded,
    /// What `up` alone refuses.
    refused: Vec<Problem>,
    /// Files that are mounted and not there.
    missing: BTreeSet<String>,
}

/// What is to be said of a blueprint that is right; what `render` would write down and Compose refuse is wrong: keys and values below those that
/// the blueprint itself reads.
fn known_to_compose(loaded: Loaded) -> Result<Known, Error> {
    let translated = translate::translate(&loaded.topology, &loaded.origin);
    let missing = translated.as_ref().map(missing_files).unwrap_or_default();
    let problems = translated.as_ref().err().map(Problems::sorted).unwrap_or_default();
    let (mistakes, refused): (Vec<&Problem>, Vec<&Problem>) =
        problems.into_iter().partition(|p| p.kind == Kind::Compose);
    if mistakes.is_empty() {
        let refused = refused.into_iter().cloned().collect();
        return Ok(Known {
            loaded,
            refused,
            missing,
        });
    }
    let mut problems = Problems::default();
    mistakes.into_iter().cloned().for_each(|p| problems.push(p));
    Err(Error::Blueprint {
        problems,
        sources: loaded.sources,
    })
}

/// What is mounted from this machine, by its name a file, and not there. A directory is made on purpose.
fn missing_files(desired: &Desired) -> BTreeSet<String> {
    let mounts = desired.containers().flat_map(|c| &c.config.mounts);
    let paths = mounts.filter_map(|m| match &m.source {
        MountSource::Bind(bind) if bind.create => Some(bind.path.as_str()),
        _ => None,
    });
    let is_file = |path: &&str| Path::new(path).extension().is_some() && !Path::new(path).exists();
    paths
        .filter(|s| s.starts_with('/'))
        .filter(is_file)
        .map(str::to_owned)
        .collect()
}
