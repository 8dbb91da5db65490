//! Brings a cluster to what is desired: observe, plan, act, look again.
//!
//! `up`, `down` and the node verbs are the same four steps with another plan. Whoever calls is told how it goes by a
//! [`Reporter`], may stop it by a [`Control`], and gets a [`Summary`] or an error. Nothing is printed here.
//!
//! Why to look again is told in `converge/disturbance.rs`.

mod disturbance;
mod outcome;

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::cluster::{Desired, Observed, Pull, label};
use crate::engine::apply::{self, ApplyContext, FakeError, SharedObservation, apply};
use crate::engine::connect::Engine;
use crate::engine::fault::Fault;
use crate::engine::stops::{SignalHistory, wait_for_stops};
use crate::engine::{self, observe};
use crate::error::Error;
use crate::fake;
use crate::name::ClusterName;
use crate::plan::conflict::Conflict;
use crate::plan::event::Event;
use crate::plan::{Action, Operation, Plan, reconcile};
use crate::topology::address::Layout;

/// How often it is observed and planned, where what was planned for had changed when all was done.
const ROUNDS: u32 = 3;

/// Is told how converging goes.
pub trait Reporter: Send + Sync {
    /// What is being done while there is no plan: `looking at the engine`.
    fn doing(&self, what: &str);
    /// The plan that is carried out from now on.
    fn plan(&self, plan: &Plan);
    /// What became of an operation of that plan.
    fn event(&self, event: Event<'_>);
    /// The plan is carried out, as far as it will be.
    fn carried_out(&self);
    /// Something that people should know, in one line.
    fn note(&self, text: &str);
}

/// How the work is done, and how it may be ended.
#[derive(Debug, Clone)]
pub struct Control {
    /// Operations at once, from 1; `None`: as many as keep this machine's engine busy.
    pub parallel: Option<usize>,
    /// How long containers are waited for; `None`: for ever.
    pub timeout: Option<Duration>,
    /// Turns true when nothing more is to be begun.
    pub stop: watch::Receiver<bool>,
}

/// What `up` may be asked beside the blueprint.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether nodes of roles that left the blueprint are removed.
    pub remove_orphans: bool,
    /// Whether every container is waited for until it is well.
    pub wait: bool,
    /// Whether a cluster that another blueprint made becomes this one's.
    pub take_over: bool,
}

/// Why a cluster was not brought to what is desired.
#[derive(Debug)]
pub enum ConvergeError {
    /// Something is in the way. `begun`: after some work was done.
    Conflicts {
        /// All that is in the way.
        conflicts: Vec<Conflict>,
        /// Whether something was changed before.
        begun: bool,
    },
    /// The engine refused, was lost, or somebody stopped the work.
    Failed(Error),
}

impl From<Error> for ConvergeError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What was done to bring a cluster to what is desired.
#[derive(Debug, Default)]
pub struct Summary {
    /// All operations that were carried out, over all rounds.
    pub operations: Vec<Operation>,
}

impl Summary {
    /// Whether nothing had to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// How many operations do what `is` picks.
    #[must_use]
    pub fn count(&self, is: fn(&Action) -> bool) -> usize {
        self.operations.iter().filter(|o| is(&o.action)).count()
    }

    /// The nodes that were removed whole: none of them is `desired`.
    #[must_use]
    pub fn nodes_removed(&self, desired: &Desired) -> BTreeSet<String> {
        let stay: HashSet<&str> = desired.nodes.iter().map(|n| n.name.as_str()).collect();
        let removals = self
            .operations
            .iter()
            .filter(|o| matches!(o.action, Action::RemoveContainer { .. }));
        let nodes = removals.filter_map(|o| o.node.as_deref());
        nodes.filter(|n| !stay.contains(n)).map(str::to_owned).collect()
    }

    /// The containers that were removed and made again.
    #[must_use]
    pub fn containers_recreated(&self) -> BTreeSet<String> {
        let of = |is: fn(&Action) -> bool| {
            self.operations
                .iter()
                .filter(move |o| is(&o.action))
                .map(|o| &o.subject)
        };
        let removed: HashSet<&String> = of(|a| matches!(a, Action::RemoveContainer { .. })).collect();
        let created = of(|a| matches!(a, Action::CreateContainer(_)));
        created.filter(|s| removed.contains(s)).cloned().collect()
    }
}

/// What is done about `desired` now: planned, not carried out.
///
/// # Errors
/// What is in the way, or what the engine refuses.
pub async fn plan_up(
    engine: &Engine,
    desired: &Desired,
    blueprint: &str,
    options: Options,
    reporter: &dyn Reporter,
) -> Result<Plan, ConvergeError> {
    let window = disturbance::window(desired);
    let (observed, fake_ready) = look(engine, desired, window, reporter).await?;
    plan(desired, &observed, fake_ready, blueprint, options, false)
}

/// Brings the cluster to what is `desired`. `blueprint` is where that was written.
///
/// # Errors
/// What is in the way; what the engine refuses, or what failed or was stopped half-way: the same call again finishes the job.
pub async fn up(
    engine: &Engine,
    desired: &Desired,
    blueprint: &str,
    options: Options,
    control: &Control,
    reporter: &dyn Reporter,
) -> Result<Summary, ConvergeError> {
    let started = Instant::now();
    let worker = Worker::new(engine, &desired.cluster, desired.layout, control, reporter);
    refresh_images(&worker, desired).await?;
    let window = disturbance::window(desired);
    let mut summary = Summary::default();
    for round in 1.. {
        let begun = SystemTime::now();
        let (observed, fake_ready) = look(engine, desired, window, reporter).await?;
        let plan = plan(desired, &observed, fake_ready, blueprint, options, !summary.is_empty())?;
        if round == 1 {
            plan.notes
                .iter()
                .for_each(|note| reporter.note(&format!("note: {note}")));
        }
        if plan.is_empty() {
            break;
        }
        let carried = worker.carry_out(&plan, round < ROUNDS).await?;
        summary.operations.extend(carried.done);
        if carried.vanished {
            continue;
        }
        let undisturbed = engine::disturbance::is_ruled_out(&plan, &desired.cluster, engine, begun).await;
        if !undisturbed {
            let now = look_again(engine, &desired.cluster).await?;
            disturbance::still_up(&plan, &now.containers)?;
            let ended = disturbance::ended_unasked(&plan, desired, &observed, &now);
            let again = disturbance::came_unasked(desired, &observed, &now)
                || disturbance::were_stopped(&ended, engine, &desired.cluster, window + started.elapsed()).await;
            if again && round < ROUNDS {
                continue;
            }
        }
        break;
    }
    Ok(summary)
}

/// Plans what takes the cluster away.
///
/// # Errors
/// The engine's.
pub async fn plan_down(
    engine: &Engine,
    cluster: &ClusterName,
    volumes: bool,
    reporter: &dyn Reporter,
) -> Result<Plan, Error> {
    reporter.doing("looking at the engine");
    let observed = observe::observe(engine, cluster, false).await.map_err(looking())?;
    Ok(reconcile::down(cluster, &observed, volumes))
}

/// Removes all that carries the labels of `cluster`, its named volumes too where `volumes` says so.
///
/// # Errors
/// What the engine refuses, or what failed or was stopped half-way: the same call again finishes the job.
pub async fn down(
    engine: &Engine,
    cluster: &ClusterName,
    volumes: bool,
    control: &Control,
    reporter: &dyn Reporter,
) -> Result<Summary, Error> {
    let worker = Worker::new(engine, cluster, None, control, reporter);
    let mut summary = Summary::default();
    for round in 1.. {
        reporter.doing("looking at the engine");
        let observed = observe::observe(engine, cluster, false).await.map_err(looking())?;
        let plan = reconcile::down(cluster, &observed, volumes);
        if round == 1 {
            plan.notes
                .iter()
                .for_each(|note| reporter.note(&format!("note: {note}")));
        }
        if plan.is_empty() {
            break;
        }
        let carried = worker.carry_out(&plan, round < ROUNDS).await?;
        summary.operations.extend(carried.done);
        if carried.vanished {
            continue;
        }
        let now = look_again(engine, cluster).await?;
        if round == ROUNDS || now.came_since(&observed).next().is_none() {
            break;
        }
    }
    Ok(summary)
}

/// Carries out a `plan` that needs no second look, as the node verbs make them.
///
/// # Errors
/// What failed or was stopped half-way.
pub async fn carry_out(
    engine: &Engine,
    cluster: &ClusterName,
    plan: Plan,
    control: &Control,
    reporter: &dyn Reporter,
) -> Result<Summary, Error> {
    let worker = Worker::new(engine, cluster, None, control, reporter);
    let operations = worker.carry_out(&plan, false).await?.done;
    Ok(Summary { operations })
}

/// What came of carrying out a plan, where it is no error.
#[derive(Debug)]
struct Carried {
    /// The operations that were carried out.
    done: Vec<Operation>,
    /// Whether something that was observed was gone when its turn came. It is observed and planned anew.
    vanished: bool,
}

/// Who carries out plans for a cluster.
struct Worker<'a> {
    engine: &'a Engine,
    cluster: &'a ClusterName,
    layout: Option<Layout>,
    control: &'a Control,
    deadline: Option<Instant>,
    reporter: &'a dyn Reporter,
}

impl<'a> Worker<'a> {
    fn new(
        engine: &'a Engine,
        cluster: &'a ClusterName,
        layout: Option<Layout>,
        control: &'a Control,
        reporter: &'a dyn Reporter,
    ) -> Self {
        Self {
            engine,
            cluster,
            layout,
            control,
            deadline: control.timeout.map(|t| Instant::now() + t),
            reporter,
        }
    }

    /// Carries out `plan`. Where all that failed had vanished since it was observed, that is an error unless there is `another`
    /// round.
    async fn carry_out(&self, plan: &Plan, another: bool) -> Result<Carried, Error> {
        let (progress, progressed) = mpsc::unbounded_channel();
        let context = ApplyContext {
            engine: self.engine,
            cluster: self.cluster,
            layout: self.layout,
            parallel: self.control.parallel.unwrap_or_else(default_parallel),
            deadline: self.deadline,
            stop: self.control.stop.clone(),
            made: Mutex::default(),
            observation: SharedObservation::default(),
            progress,
        };
        self.reporter.plan(plan);
        let applied = apply(plan, &context, progressed, &mut |event| self.reporter.event(event)).await;
        self.reporter.carried_out();
        let vanished = applied.only_vanished && another;
        if !vanished {
            outcome::judge(plan, &applied.outcome)?;
        }
        let done = applied.outcome.done.iter().map(|at| plan.operations[*at].clone());
        Ok(Carried {
            done: done.collect(),
            vanished,
        })
    }
}

/// Enough to keep an engine busy that spends most of each call waiting for the kernel.
fn default_parallel() -> usize {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    (4 * cores).clamp(4, 16)
}

fn looking() -> impl FnOnce(Fault) -> Error {
    Error::engine("look at the engine")
}

/// Observes the engine after pending stops have finished, and says whether it has the fake image where that is needed.
async fn look(
    engine: &Engine,
    desired: &Desired,
    window: Duration,
    reporter: &dyn Reporter,
) -> Result<(Observed, bool), Error> {
    reporter.doing("looking at the engine");
    let cluster = &desired.cluster;
    let observe = || observe::observe(engine, cluster, desired.host_ports());
    let (observed, signals) = tokio::join!(observe(), SignalHistory::read(engine, cluster, window));
    let mut observed = observed.map_err(looking())?;
    if wait_for_stops(engine, cluster, &signals).await.map_err(looking())? {
        observed = observe().await.map_err(looking())?;
    }
    let needed = makes_fakes(desired, &observed);
    let (inspected, ready) = tokio::join!(
        observe::inspect_all(engine, &mut observed.containers),
        image_ready(engine, needed)
    );
    inspected.map_err(looking())?;
    Ok((observed, ready?))
}

/// What there is of `cluster` when all is done.
async fn look_again(engine: &Engine, cluster: &ClusterName) -> Result<Observed, Error> {
    let (containers, networks) = tokio::join!(observe::containers(engine, Some(cluster)), observe::networks(engine));
    let mut networks = networks.map_err(looking())?;
    networks.retain(|n| n.is_of(cluster));
    Ok(Observed {
        containers: containers.map_err(looking())?,
        networks,
        ..Observed::default()
    })
}

fn plan(
    desired: &Desired,
    observed: &Observed,
    fake_ready: bool,
    blueprint: &str,
    options: Options,
    begun: bool,
) -> Result<Plan, ConvergeError> {
    let reconcile = reconcile::Options {
        fake_ready,
        remove_orphans: options.remove_orphans,
        wait: options.wait,
    };
    let plan = reconcile::up(desired, observed, &reconcile);
    let plan = plan.map_err(|conflicts| ConvergeError::Conflicts { conflicts, begun })?;
    match other_blueprint(&plan, desired, observed, blueprint) {
        Some(conflict) if !options.take_over => Err(ConvergeError::Conflicts {
            conflicts: vec![conflict],
            begun,
        }),
        _ => Ok(plan),
    }
}

/// That the cluster is another blueprint's, and would become this one's. One whose file is gone was moved.
fn other_blueprint(plan: &Plan, desired: &Desired, observed: &Observed, ours: &str) -> Option<Conflict> {
    if plan.is_empty() {
        return None;
    }
    let blueprints: BTreeSet<&str> = observed.containers.iter().map(|c| c.label(label::BLUEPRINT)).collect();
    let is_ours = |theirs: &str| {
        let real = |path: &str| std::fs::canonicalize(path).ok();
        theirs == ours || real(theirs).is_some_and(|t| Some(t) == real(ours))
    };
    if blueprints.iter().any(|b| is_ours(b)) {
        return None;
    }
    let is_there = |theirs: &&&str| !theirs.starts_with('/') || Path::new(theirs).exists();
    let theirs = blueprints.iter().find(is_there)?;
    Some(Conflict::OtherBlueprint {
        cluster: desired.cluster.to_string(),
        theirs: (*theirs).to_owned(),
        ours: ours.to_owned(),
    })
}

/// Fetches the images that are to be fetched at each `up`, or were fetched too long ago, before anything is observed: what
/// they were made of decides what is recreated.
async fn refresh_images(worker: &Worker<'_>, desired: &Desired) -> Result<(), Error> {
    let mut plan = Plan::default();
    for spec in desired.nodes.iter().flat_map(|n| &n.containers) {
        let cause = match spec.pull {
            Pull::Always => "asked for at each `up`",
            Pull::Every(seconds) => match observe::image_age(worker.engine, spec.image()).await {
                Ok(Some(age)) if age.as_secs() < seconds => continue,
                Ok(_) => "fetched too long ago",
                Err(error) => return Err(Error::engine("look at the images")(error)),
            },
            Pull::Missing | Pull::Never => continue,
        };
        let asked = |o: &Operation| o.subject == spec.image();
        if !fake::is_image(spec.image()) && !plan.operations.iter().any(asked) {
            let action = Action::PullImage {
                platform: spec.platform.clone(),
            };
            plan.push(action, spec.image(), None, cause, Vec::new());
        }
    }
    match plan.is_empty() {
        true => Ok(()),
        false => worker.carry_out(&plan, false).await.map(drop),
    }
}

/// Whether a container that is to be made runs the fake image.
fn makes_fakes(desired: &Desired, observed: &Observed) -> bool {
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
async fn image_ready(engine: &Engine, needed: bool) -> Result<bool, Error> {
    if !needed {
        return Ok(true);
    }
    match apply::fake_is_ready(engine).await {
        Ok(ready) => Ok(ready),
        Err(FakeError::Engine(error)) => Err(Error::engine("look at the fake image")(error)),
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
