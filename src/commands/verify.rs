//! `topogen verify`

mod ask;
mod print;
mod projects;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::recorded::{self, Absent};
use super::{load, verbs, work};
use crate::cli::{Only, Verify, Work};
use crate::cluster::ContainerSpec;
use crate::cluster::Inspected;
use crate::cluster::Mark;
use crate::cluster::ObservedContainer;
use crate::cluster::Wrong;
use crate::cluster::label;
use crate::commands::Session;
use crate::converge::Reporter;
use crate::engine::connect::Engine;
use crate::engine::fault::Fault;
use crate::engine::faults::Surgeon;
use crate::engine::inspect;
use crate::engine::translate;
use crate::error::{Error, Exit};
use crate::faults::State;
use crate::plan::reconcile;
use crate::select::select;
use crate::topology::Topology;
use crate::verify::expect::Kinds;
use crate::verify::model::{Concern, Model};
use crate::verify::report::Report;
use crate::verify::{Scope, report};

pub(super) async fn run(args: &Verify, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let _shown = terminal.begin(&Work {
        parallel: None,
        progress: args.progress,
        quiet: args.quiet,
    });
    if !args.project.is_empty() {
        return projects::run(args, session).await;
    }
    let meant = recorded::meant(terminal, &args.source, Absent::Refuse, None).await?;
    let loaded = load::topology(terminal, &meant.source)?;
    meant.check(&loaded.topology)?;
    load::warn_of_doubts(terminal, &loaded);
    let topology = &loaded.topology;
    let engine = work::connect(terminal).await?;
    terminal.doing("looking at the engine");
    let patience = Duration::from_millis(ask::patience(args));
    let (found, marks) = observed(&engine, topology, patience)
        .await
        .map_err(Error::engine("look at the engine"))?;
    let mut model = Model::new(topology, &found);
    model.cuts = cuts(&engine, &model, &marks).await?;
    model.flags = meant.source.typed();
    model.blueprint.clone_from(&loaded.origin.blueprint);
    model.changed = changed(&loaded, &found).unwrap_or_else(|| {
        terminal.line(&unknown(&model.flags));
        HashMap::new()
    });
    let scope = scope(&model, args)?;
    let compared = ask::members(session, &engine, &model, &scope, args).await?;
    let report = report(&model, &scope, compared);
    print::print(terminal, &report, Some(&scope), args)?;
    if (0..model.members.len()).all(|m| model.container(m).is_none()) {
        work::other_clusters(terminal, &engine, &topology.cluster, "verify").await?;
    }
    outcome(&report)
}

/// What exits with 0 is proved. What could not be asked is no difference either.
fn outcome(report: &Report) -> Result<(), Error> {
    match report {
        report if report.right => Ok(()),
        report if report.is_unknown() => Err(Error::Shown(Exit::Unexpected)),
        _ => Err(Error::Shown(Exit::Difference)),
    }
}

/// What was observed, once no healthcheck is pending any more: a container that was just started has a moment to become
/// healthy, as one has to listen.
///
/// Also the marks of helpers that have cut something, which the same list has.
async fn observed(engine: &Engine, topology: &Topology, patience: Duration) -> Result<(Inspected, Vec<Mark>), Fault> {
    let concern = Concern::of(topology);
    let end = Instant::now() + patience;
    loop {
        let mut marks = Vec::new();
        let relevant = |list: &[ObservedContainer]| {
            marks = Mark::all(list);
            list.iter().map(|c| concern.has(c)).collect()
        };
        let found = inspect::look(engine, relevant).await?;
        let model = Model::new(topology, &found);
        let mut verdicts = (0..model.members.len()).map(|member| model.verdict(member));
        let is_pending = verdicts.any(|verdict| verdict.wrongs() == [Wrong::Starting]);
        if !is_pending || Instant::now() >= end {
            return Ok((found, marks));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What is cut, where a helper has left a mark: asked of the networks themselves, since a mark says no more than where. By the
/// member whose network it is.
async fn cuts(engine: &Engine, model: &Model<'_>, marks: &[Mark]) -> Result<BTreeMap<usize, State>, Error> {
    let is_marked = |c: &ObservedContainer| c.runs() && marks.iter().any(|mark| mark.container == c.id);
    let places = (0..model.members.len()).filter_map(|member| Some((member, model.container(member)?)));
    let places: Vec<(usize, &ObservedContainer)> = places.filter(|(_, c)| is_marked(c)).collect();
    if places.is_empty() {
        return Ok(BTreeMap::new());
    }
    let cluster = model.cluster.parse().map_err(anyhow::Error::new)?;
    let (states, unknown) = Surgeon::new(engine, &cluster, &[]).ask(&places).await;
    let messages: Vec<String> = unknown
        .iter()
        .map(|(member, reason)| {
            format!(
                "`{}` may be cut off, and could not be asked: {reason}",
                model.title(*member)
            )
        })
        .collect();
    match messages.is_empty() {
        true => Ok(states),
        false => Err(Error::InTheWay {
            messages,
            hints: Vec::new(),
        }),
    }
}

/// Between two looks at containers that are not healthy yet.
const LOOK: Duration = Duration::from_millis(500);

/// The changes for which `up` would recreate containers, by container name; `None` if `up` would refuse the blueprint.
fn changed(loaded: &load::Loaded, found: &Inspected) -> Option<HashMap<String, String>> {
    let cluster = &loaded.topology.cluster;
    let is_ours = |c: &&ObservedContainer| c.cluster() == cluster.as_str();
    let mut ours = found.containers.iter().filter(is_ours).peekable();
    // The cluster was made by Compose or not at all, so there is no definition to compare with.
    if ours.peek().is_none() {
        return Some(HashMap::new());
    }
    let desired = translate::translate(&loaded.topology, &loaded.origin).ok()?;
    let specs = desired.nodes.iter().flat_map(|n| &n.containers);
    let specs: HashMap<&str, &ContainerSpec> = specs.map(|c| (c.name.as_str(), &**c)).collect();
    let changes = ours.filter_map(|c| {
        Some((
            c.name.clone(),
            reconcile::changed(&c.labels, specs.get(c.name.as_str())?)?,
        ))
    });
    Some(changes.collect())
}

/// The warning that changes are unknown; `flags` select the cluster.
fn unknown(flags: &str) -> String {
    let check = format!("topogen check {flags}");
    format!(
        "warning: what changed since it was brought up cannot be told: `topogen up` refuses the blueprint\nhint: `{}` \
         says why",
        check.trim_end()
    )
}

/// The parts of the cluster that `--from` and `--only` select.
fn scope(model: &Model<'_>, args: &Verify) -> Result<Scope, Error> {
    let only = |kind| args.only.is_empty() || args.only.contains(&kind);
    let all: Vec<ObservedContainer> = (0..model.members.len()).map(|m| labelled(model, m)).collect();
    let chosen = select(&args.from, &all).map_err(|faults| verbs::nothing_meant(&faults))?;
    let chosen: HashSet<&str> = chosen.iter().map(|c| c.id.as_str()).collect();
    Ok(Scope {
        members: (0..all.len())
            .filter(|m| chosen.contains(all[*m].id.as_str()))
            .collect(),
        all: args.from.is_empty(),
        shape: only(Only::Shape),
        kinds: Kinds {
            names: only(Only::Names),
            paths: only(Only::Paths),
        },
    })
}

/// A container with the labels that the blueprint gives it, because targets are matched by labels.
fn labelled(model: &Model<'_>, member: usize) -> ObservedContainer {
    let node = &model.nodes[model.members[member].node];
    let labels = [
        (label::NODE, node.name.to_string()),
        (label::ROLE, node.role.to_string()),
        (label::SERVICE, model.members[member].service.name.to_string()),
    ];
    ObservedContainer {
        id: member.to_string(),
        labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
        ..ObservedContainer::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_told_is_said() {
        assert_eq!(
            unknown("--name lab"),
            "warning: what changed since it was brought up cannot be told: `topogen up` refuses the blueprint\n\
             hint: `topogen check --name lab` says why"
        );
        assert!(unknown("").ends_with("`topogen check` says why"));
    }
}
