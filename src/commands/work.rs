//! What `up` and `down` share: carry out a plan, show how it goes, sum up.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

use anyhow::Context;
use indexmap::{IndexMap, IndexSet};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::cli;
use crate::cluster::Desired;
use crate::cluster::Observed;
use crate::cluster::Pull;
use crate::cluster::label;
use crate::engine::apply::{self, FakeError, Looks, Setting, apply};
use crate::engine::connect::{self, Engine};
use crate::engine::fault::Fault;
use crate::engine::observe;
use crate::error::Error;
use crate::fake;
use crate::name::ClusterName;
use crate::plan::Action;
use crate::plan::Plan;
use crate::plan::schedule::Outcome;
use crate::terminal;
use crate::text::plural;
use crate::topology::address::Layout;

/// The engine that is meant; a distant one may take its time.
pub(super) async fn connect() -> Result<Engine, Error> {
    let choice = connect::chosen()?;
    terminal::doing(&format!("connecting to the engine at {}", choice.host));
    Ok(Engine::to(choice).await?)
}

/// Carry out `plan` for `cluster`, waiting for containers no longer than until `deadline`.
pub(super) async fn carry_out(
    plan: &Plan,
    cluster: &ClusterName,
    engine: &Engine,
    layout: Option<Layout>,
    deadline: Option<tokio::time::Instant>,
    work: &cli::Work,
) -> Result<(), Error> {
    let (sender, stop) = watch::channel(false);
    // Before the face hands interrupts over, so that none is lost.
    let interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let listener = tokio::spawn(listen(sender, interrupt, terminate));
    let (progress, told) = mpsc::unbounded_channel();
    let setting = Setting {
        engine,
        cluster,
        layout,
        parallel: work.parallel.map_or_else(default_parallel, usize::from),
        deadline,
        stop,
        made: RefCell::default(),
        looks: Looks::default(),
        progress,
    };
    terminal::plan(plan);
    let outcome = apply(plan, &setting, told, &mut |event| terminal::show(event)).await;
    terminal::worked();
    listener.abort();
    sum_up(plan, &outcome)
}

/// Print `plan` instead of carrying it out.
pub(super) fn show(plan: &Plan, dry: &cli::DryRun) -> Result<(), Error> {
    let text = match dry.format {
        cli::Format::Json => serde_json::to_string_pretty(plan).map_err(anyhow::Error::from)?,
        cli::Format::Table => plan.to_string(),
    };
    terminal::data(&format!("{text}\n")).map_err(anyhow::Error::from)?;
    match dry.detailed_exitcode && !plan.is_empty() {
        true => Err(Error::Shown(crate::error::Exit::Difference)),
        false => Ok(()),
    }
}

/// Enough to keep an engine busy that spends most of each call waiting for the kernel.
fn default_parallel() -> usize {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    (4 * cores).clamp(4, 16)
}

/// The first interrupt ends the giving out of work, the second one ends topogen.
pub(super) async fn listen(stop: watch::Sender<bool>, mut interrupt: Signal, mut terminate: Signal) {
    let mut again = false;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if again {
            terminal::end();
            std::process::exit(crate::error::Exit::Interrupted.code().into());
        }
        again = true;
        let _ = stop.send(true);
    }
}

fn sum_up(plan: &Plan, outcome: &Outcome) -> Result<(), Error> {
    if outcome.unbegun == 0 && outcome.failed.is_empty() {
        return Ok(());
    }
    if let Some(error) = no_images(plan, outcome) {
        return Err(error);
    }
    let mut lines: Vec<String> = outcome
        .failed
        .iter()
        .map(|(at, reason)| {
            let operation = &plan.operations[*at];
            format!("{} {}: {reason}", operation.action, operation.subject)
        })
        .collect();
    let done = plural(outcome.done.len(), "operation");
    let (failed, skipped) = (outcome.failed.len(), outcome.skipped.len());
    if let Some(reason) = &outcome.lost {
        lines.push(format!(
            "the engine was lost in the middle ({reason}): {done} done, {failed} of unknown end, {} not begun",
            outcome.unbegun + skipped
        ));
        return Err(Error::Partial(lines.join("\n")));
    }
    if outcome.unbegun == 0 {
        let nodes = incomplete(plan, outcome);
        if !nodes.is_empty() {
            lines.push(format!("not as the blueprint says: {}", nodes.join(", ")));
        }
        let applied = if outcome.done.is_empty() {
            "nothing applied"
        } else {
            "applied in part"
        };
        lines.push(format!("{applied}: {done} done, {failed} failed, {skipped} skipped"));
        return Err(Error::Partial(lines.join("\n")));
    }
    let nodes = unfinished(plan, outcome);
    if !nodes.is_empty() {
        lines.push(format!("begun and not finished: {}", nodes.join(", ")));
    }
    lines.push(match failed {
        0 => format!("interrupted: {done} done, {} not begun", outcome.unbegun),
        _ => format!(
            "interrupted: {done} done, {failed} failed, {} not begun",
            outcome.unbegun + skipped
        ),
    });
    Err(Error::Interrupted(lines.join("\n")))
}

/// The error where nothing was done, because images are not to be had.
fn no_images(plan: &Plan, outcome: &Outcome) -> Option<Error> {
    let fetches = |at: usize| matches!(plan.operations[at].action, Action::PullImage { .. } | Action::LoadImage);
    let failed = &outcome.failed;
    let nothing_else = failed.iter().all(|(at, _)| fetches(*at)) && outcome.done.iter().all(|at| fetches(*at));
    if !nothing_else || failed.is_empty() || outcome.lost.is_some() {
        return None;
    }
    // Offline all of them fail for one reason: it is said once.
    let mut by_reason: IndexMap<&str, Vec<String>> = IndexMap::new();
    for (at, reason) in failed {
        let image = format!("`{}`", plan.operations[*at].subject);
        by_reason.entry(reason).or_default().push(image);
    }
    let message = |(reason, images): (&str, Vec<String>)| match &images[..] {
        [one] => format!("image {one} is not on the engine, and cannot be fetched: {reason}"),
        all => format!(
            "{} images are not on the engine, and cannot be fetched: {}: {reason}",
            all.len(),
            all.join(", ")
        ),
    };
    Some(Error::InTheWay {
        messages: by_reason.into_iter().map(message).collect(),
        hints: vec!["nothing was changed; see the cluster with fakes in place of all images: `--fake`".to_owned()],
    })
}

/// The nodes for which something failed, or was not begun because something failed.
fn incomplete(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let failed = outcome
        .failed
        .iter()
        .map(|(at, _)| *at)
        .chain(outcome.skipped.iter().copied());
    let mut at: Vec<usize> = failed.collect();
    at.sort_unstable();
    let nodes: IndexSet<&str> = at
        .iter()
        .filter_map(|at| plan.operations[*at].node.as_deref())
        .collect();
    nodes.iter().map(|n| format!("`{n}`")).collect()
}

/// The nodes for which some operations were done, and not all.
fn unfinished(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let mut counts: IndexMap<&str, (usize, usize)> = IndexMap::new();
    let node = |at: usize| plan.operations[at].node.as_deref();
    for node in (0..plan.operations.len()).filter_map(node) {
        counts.entry(node).or_default().0 += 1;
    }
    for node in outcome.done.iter().filter_map(|at| node(*at)) {
        counts.entry(node).or_default().1 += 1;
    }
    let begun = counts.iter().filter(|(_, (all, done))| *done > 0 && done < all);
    begun.map(|(node, _)| format!("`{node}`")).collect()
}

/// Name the clusters that are on the engine beside `cluster`, and the `command` for each.
pub(super) async fn other_clusters(engine: &Engine, cluster: &ClusterName, command: &str) -> Result<(), Error> {
    let all = observe::containers(engine, None)
        .await
        .map_err(doing("look at the engine"))?;
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for container in &all {
        *others.entry(container.cluster()).or_default() += 1;
    }
    for (name, count) in others.into_iter().filter(|(name, _)| *name != cluster.as_str()) {
        let containers = plural(count, "container");
        terminal::line(&format!(
            "hint: cluster `{name}` has {containers}: `topogen {command} -n {name}`"
        ));
    }
    Ok(())
}

/// An engine error, and what topogen was doing.
pub(super) fn doing(what: &str) -> impl FnOnce(Fault) -> Error + use<'_> {
    let doing = format!("cannot {what}");
    move |source| Error::Engine { doing, source }
}

/// What is said when an engine that is followed is lost, for that reason.
pub(super) fn lost_engine(reason: &str) -> String {
    format!("lost the engine ({reason}): trying to reach it again")
}

/// What is said when it answers again.
pub(super) const FOUND_AGAIN: &str = "the engine answers again";

/// How often it is looked and planned anew, where what was planned for has changed when all is done.
pub(super) const LOOKS: u32 = 3;

/// What there is of `cluster` when all is done: what a client that is gone had asked of the engine may be done only now.
pub(super) async fn look_back(engine: &Engine, cluster: &ClusterName) -> Result<Observed, Error> {
    let (containers, networks) = tokio::join!(observe::containers(engine, Some(cluster)), observe::networks(engine));
    let looking = || doing("look at the engine");
    let mut networks = networks.map_err(looking())?;
    networks.retain(|n| n.is_of(cluster));
    Ok(Observed {
        containers: containers.map_err(looking())?,
        networks,
        ..Observed::default()
    })
}

/// Fetch the images that are to be fetched at each `up`, or were fetched too long ago, before anything is looked at: what
/// they were made of decides what is made anew.
pub(super) async fn refresh_images(engine: &Engine, desired: &Desired, work: &cli::Work) -> Result<(), Error> {
    let mut plan = Plan::default();
    for spec in desired.nodes.iter().flat_map(|n| &n.containers) {
        let cause = match spec.pull {
            Pull::Always => "asked for at each `up`",
            Pull::Every(seconds) => match observe::image_age(engine, spec.image()).await {
                Ok(Some(age)) if age.as_secs() < seconds => continue,
                Ok(_) => "fetched too long ago",
                Err(error) => return Err(doing("look at the images")(error)),
            },
            Pull::Missing | Pull::Never => continue,
        };
        let asked = |o: &crate::plan::Operation| o.subject == spec.image();
        if !fake::is_image(spec.image()) && !plan.operations.iter().any(asked) {
            let action = Action::PullImage {
                platform: spec.platform.clone(),
            };
            plan.push(action, spec.image(), None, cause, Vec::new());
        }
    }
    match plan.is_empty() {
        true => Ok(()),
        false => carry_out(&plan, &desired.cluster, engine, None, None, work)
            .await
            .map(drop),
    }
}

/// Whether a container that is to be made runs the fake image.
pub(super) fn makes_fakes(desired: &Desired, observed: &Observed) -> bool {
    let name = fake::image_name();
    let there: HashSet<&str> = observed
        .containers
        .iter()
        .map(|c| c.label(label::CONFIG_HASH))
        .collect();
    let containers = desired.nodes.iter().flat_map(|n| &n.containers);
    let mut to_make = containers.filter(|c| !there.contains(c.hash.as_str()));
    to_make.any(|c| c.image() == name)
}

/// Whether the engine has a fake image that will do, or none is `needed`.
pub(super) async fn image_ready(engine: &Engine, needed: bool) -> Result<bool, Error> {
    if !needed {
        return Ok(true);
    }
    match apply::fake_is_ready(engine).await {
        Ok(ready) => Ok(ready),
        Err(FakeError::Engine(error)) => Err(doing("look at the fake image")(error)),
        Err(FakeError::Image {
            error,
            os,
            architecture,
        }) => Err(Error::InTheWay {
            messages: vec![format!("image `{}` is not on the engine: {error}", fake::image_name())],
            hints: vec![format!(
                "run `topogen image -o fake.tar` of a topogen built for {os}/{architecture}, then `docker load -i fake.tar`"
            )],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_cannot_be_had_for_one_reason_are_one_error() {
        let mut plan = Plan::default();
        for image in ["a", "b", "c"] {
            plan.push(Action::PullImage { platform: None }, image, None, "missing", Vec::new());
        }
        plan.push(Action::Unpause, "x", Some("n"), "paused", vec![0]);
        let outcome = Outcome {
            failed: [(0, "no such host"), (1, "no such host"), (2, "denied")]
                .map(|(at, reason)| (at, reason.to_owned()))
                .into(),
            skipped: vec![3],
            ..Outcome::default()
        };
        let Err(Error::InTheWay { messages, .. }) = sum_up(&plan, &outcome) else {
            panic!("images are in the way");
        };
        assert_eq!(
            messages,
            [
                "2 images are not on the engine, and cannot be fetched: `a`, `b`: no such host",
                "image `c` is not on the engine, and cannot be fetched: denied"
            ]
        );
    }

    #[test]
    fn an_interrupt_names_what_is_half_done() {
        let mut plan = Plan::default();
        for (node, subject) in [
            (None, "inout"),
            (Some("a"), "a-x-1"),
            (Some("b"), "b-x-1"),
            (Some("b"), "b-y-1"),
            (Some("c"), "c-x-1"),
        ] {
            plan.push(Action::Unpause, subject, node, "paused", Vec::new());
        }
        let outcome = Outcome {
            done: vec![0, 1, 2],
            failed: vec![(3, "no space left".to_owned())],
            skipped: Vec::new(),
            unbegun: 1,
            lost: None,
        };
        let error = sum_up(&plan, &outcome).expect_err("interrupted");
        assert_eq!(
            error.to_string(),
            "unpause container b-y-1: no space left\n\
             begun and not finished: `b`\n\
             interrupted: 3 operations done, 1 failed, 1 not begun"
        );
    }
}
