//! `topogen check`

use super::load;
use crate::cli::{Check, Format};
use crate::engine::translate;
use crate::error::Error;
use crate::plan::plural;
use crate::terminal;

pub(super) fn run(args: &Check) -> Result<(), Error> {
    let result = load::topology(&args.source);
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
