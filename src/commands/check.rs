//! `topogen check`

use super::load::{self, Loaded};
use crate::cli::{Check, Format};
use crate::diagnostic::{Kind, Problem, Problems};
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
        (Ok((loaded, refused)), Format::Table) => {
            let topology = &loaded.topology;
            load::warn(topology);
            terminal::line(&format!(
                "ok: {}, {}, {}",
                plural(topology.roles.len(), "role"),
                plural(topology.nodes.len(), "node"),
                plural(topology.services(), "service")
            ));
            // Valid for `render`; what the engine is not to be asked for is better known before `up`.
            for problem in refused.iter().filter(|_| topology.warnings().is_empty()) {
                let place = loaded.sources.place_of(problem);
                terminal::line(&format!("warning: {place}`topogen up` refuses it: {}", problem.message));
            }
            return Ok(());
        }
    };
    terminal::data(&format!("{text}\n")).map_err(anyhow::Error::from)?;
    result.map(drop).map_err(|error| Error::Shown(error.exit()))
}

/// With what `up` alone refuses; what `render` would write down and Compose refuse is wrong: keys and values below those that
/// the blueprint itself reads.
fn known_to_compose(loaded: Loaded) -> Result<(Loaded, Vec<Problem>), Error> {
    let problems = translate::translate(&loaded.topology, &loaded.origin).err();
    let problems = problems.as_ref().map(Problems::sorted).unwrap_or_default();
    let (mistakes, refused): (Vec<&Problem>, Vec<&Problem>) =
        problems.into_iter().partition(|p| p.kind == Kind::Compose);
    if mistakes.is_empty() {
        let refused = refused.into_iter().cloned().collect();
        return Ok((loaded, refused));
    }
    let mut problems = Problems::default();
    mistakes.into_iter().cloned().for_each(|p| problems.push(p));
    Err(Error::Blueprint {
        problems,
        sources: loaded.sources,
    })
}
