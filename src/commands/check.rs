//! `topogen check`

use super::load::{self, Loaded};
use crate::cli::{Check, Format};
use crate::diagnostic::{Kind, Problems};
use crate::engine::translate;
use crate::error::Error;
use crate::plan::plural;
use crate::terminal;

pub(super) fn run(args: &Check) -> Result<(), Error> {
    let result = load::topology(&args.source).and_then(known_to_compose);
    let text = match (&result, args.format) {
        (Err(Error::Blueprint { problems, sources }), Format::Json) => problems.to_json(sources),
        (Ok(_), Format::Json) => "[]".to_owned(),
        (Err(_), _) => return result.map(drop),
        (Ok(loaded), Format::Table) => {
            let topology = &loaded.topology;
            load::warn(topology);
            terminal::line(&format!(
                "ok: {}, {}, {}",
                plural(topology.roles.len(), "role"),
                plural(topology.nodes.len(), "node"),
                plural(topology.services(), "service")
            ));
            // Valid for `render`; what the engine is not to be asked for is better known before `up`.
            if topology.warnings().is_empty()
                && let Err(problems) = translate::translate(topology, &loaded.origin)
            {
                for problem in problems.sorted() {
                    let place = loaded.sources.place_of(problem);
                    terminal::line(&format!("warning: {place}`topogen up` refuses it: {}", problem.message));
                }
            }
            return Ok(());
        }
    };
    terminal::data(&format!("{text}\n")).map_err(anyhow::Error::from)?;
    result.map(drop).map_err(|error| Error::Shown(error.exit()))
}

/// What `render` would write down and Compose refuse: keys and values below those that the blueprint itself reads.
fn known_to_compose(loaded: Loaded) -> Result<Loaded, Error> {
    let mut mistakes = Problems::default();
    if let Err(problems) = translate::translate(&loaded.topology, &loaded.origin) {
        let unknown = problems.sorted().into_iter().filter(|p| p.kind == Kind::Compose);
        unknown.cloned().for_each(|p| mistakes.push(p));
    }
    match mistakes.is_empty() {
        true => Ok(loaded),
        false => Err(Error::Blueprint {
            problems: mistakes,
            sources: loaded.sources,
        }),
    }
}
