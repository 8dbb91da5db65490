//! `topogen verify --project`

use std::collections::{BTreeSet, HashMap};

use super::super::work;
use super::{ask, print};
use crate::cli::{ReportFormat, Verify};
use crate::cluster::Inspected;
use crate::cluster::label;
use crate::commands::Session;
use crate::converge::Reporter;
use crate::diagnostic::nearest;
use crate::engine::inspect;
use crate::engine::probe::Ask;
use crate::error::Error;
use crate::verify::projects::{Projects, all, concern};

pub(super) async fn run(args: &Verify, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    if print::format(args) == ReportFormat::Svg {
        return Err(Error::Usage {
            message: "`--format svg` pictures who is to reach whom, which no blueprint says here".to_owned(),
            hint: "leave it out, or `--format json`".to_owned(),
        });
    }
    let engine = work::connect(terminal).await?;
    terminal.doing("looking at the engine");
    let mut there = BTreeSet::new();
    let picked = |listed: &[_]| {
        there = all(listed);
        concern(&args.project, listed)
    };
    let found = inspect::look(&engine, picked)
        .await
        .map_err(Error::engine("look at the engine"))?;
    if let Some(missing) = args.project.iter().find(|name| !there.contains(*name)) {
        return Err(no_project(missing, &there));
    }
    let projects = Projects::new(&args.project, &found);
    let questions = projects.questions(ask::patience(args));
    let asks: Vec<(String, Ask)> = questions
        .iter()
        .map(|(at, questions)| {
            let ask = Ask {
                container: found.containers[*at].id.clone(),
                has_probe: found.containers[*at].has_probe(),
                labels: labels(&found, *at),
                questions: questions.clone(),
            };
            (projects.title(*at), ask)
        })
        .collect();
    let answers = ask::each(session, &engine, asks, args).await?;
    let report = projects.report(&questions, &answers);
    print::print(terminal, &report, None, args)?;
    super::outcome(&report)
}

/// Labels that let the project's own `down` remove a probe container which a kill left behind.
fn labels(found: &Inspected, at: usize) -> HashMap<String, String> {
    let project = found.containers[at].project();
    let labels = [
        (label::compose::PROJECT, project),
        (label::compose::SERVICE, "topogen-verify"),
        (label::compose::ONEOFF, "True"),
        (label::compose::CONTAINER_NUMBER, "1"),
        (label::compose::CONFIG_HASH, "none"),
    ];
    labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn no_project(missing: &str, there: &BTreeSet<String>) -> Error {
    let names: Vec<String> = there.iter().map(|p| format!("`{p}`")).collect();
    Error::Usage {
        message: format!("no container of a Compose project `{missing}` is on the engine"),
        hint: match nearest(missing, there.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "no Compose project is there: `docker compose ls -a` lists them".to_owned(),
            None => format!("there are {}", names.join(", ")),
        },
    }
}
