//! Brings a cluster to its desired state: observe, plan, apply, observe again.
//!
//! `up`, `down` and the node verbs take the same four steps with different plans. The caller follows the progress with
//! a [`Reporter`], may stop it with a [`Control`], and gets a [`Summary`] or an error. Nothing is printed here.
//!
//! `converge/disturbance.rs` explains why the second observation is needed.

mod arrivals;
mod disturbance;
mod health;
mod images;
mod outcome;

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::cluster::{Desired, Mark, Observed, ObservedContainer, label, mark};
use crate::engine::apply::{self, Applied, ApplyContext, FakeError, Handles, SharedImages, SharedObservation, apply};
use crate::engine::connect::Engine;
use crate::engine::fault::Fault;
use crate::engine::stops::{SignalHistory, wait_for_stops};
use crate::engine::{self, observe};
use crate::error::Error;
use crate::fake;
use crate::name::ClusterName;
use crate::plan::conflict::Conflict;
use crate::plan::event::Event;
use crate::plan::schedule::Outcome;
use crate::plan::{self, Action, Operation, Plan, reconcile};
use crate::select::{Target, part};
use crate::topology::address::Layout;
use arrivals::Arrivals;

/// The most rounds of observing and planning, if the engine keeps changing in between.
const ROUNDS: u32 = 3;

/// The largest number of rounds of a `down`, if others go on creating what it removes.
const MORE_ROUNDS: u32 = 10;

/// Receives the progress of converging.
pub trait Reporter: Send + Sync {
    /// The current activity before there is a plan, such as `looking at the engine`.
    fn doing(&self, what: &str);
    /// The plan that is about to be carried out.
    fn plan(&self, plan: &Plan);
    /// The progress of one operation of that plan.
    fn event(&self, event: Event<'_>);
    /// The plan has been carried out, as far as possible.
    fn carried_out(&self);
    /// A message to the user, in one line.
    fn note(&self, text: &str);
}

/// How the work is done, and how it is stopped.
#[derive(Debug, Clone)]
pub struct Control {
    /// The most operations at once, from 1; `None` for a number that suits this machine.
    pub parallel: Option<usize>,
    /// The longest time to wait for containers; `None` for no limit.
    pub timeout: Option<Duration>,
    /// Becomes true when nothing more may be started.
    pub stop: watch::Receiver<bool>,
}

/// The options of `up` that are not part of the blueprint.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether nodes of roles that the blueprint no longer has are removed.
    pub remove_orphans: bool,
    /// Whether to wait until every container is healthy.
    pub wait: bool,
    /// Whether to take over a cluster that was brought up from another blueprint.
    pub take_over: bool,
    /// Whether to recreate the containers that are there, even if they are as the blueprint says.
    pub force_recreate: bool,
}

impl Options {
    /// These options as a plan takes them, with the containers to `recreate` by ID.
    fn reconcile(self, fake_ready: bool, recreate: HashSet<String>) -> reconcile::Options {
        reconcile::Options {
            fake_ready,
            remove_orphans: self.remove_orphans,
            wait: self.wait,
            recreate,
        }
    }
}

/// Why a cluster did not reach its desired state.
#[derive(Debug)]
pub enum ConvergeError {
    /// Something outside of topogen's control prevents it.
    Conflicts {
        /// All conflicts that were found.
        conflicts: Vec<Conflict>,
        /// Whether something was changed before they were found.
        begun: bool,
    },
    /// The engine refused, was lost, or the work was stopped.
    Failed(Error),
}

impl From<Error> for ConvergeError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What was done to bring a cluster to its desired state.
#[derive(Debug, Default)]
pub struct Summary {
    /// All operations that were carried out, in all rounds.
    pub operations: Vec<Operation>,
    /// What is not well although nothing had to be done about it, each as `slave1/db is unhealthy`.
    pub unwell: Vec<String>,
}

impl Summary {
    /// Whether nothing had to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The number of operations whose action `is` selects.
    #[must_use]
    pub fn count(&self, is: fn(&Action) -> bool) -> usize {
        self.operations.iter().filter(|o| is(&o.action)).count()
    }

    /// The nodes that were removed entirely, which excludes those that are `desired`.
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

    /// The names of the containers that were recreated.
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

/// The plan for `desired`, which is not carried out.
///
/// # Errors
/// A conflict, or a failed call of the engine.
pub async fn plan_up(
    engine: &Engine,
    desired: &Desired,
    blueprint: &str,
    options: Options,
    reporter: &dyn Reporter,
) -> Result<Plan, ConvergeError> {
    let window = disturbance::window(desired);
    let (observed, fake_ready) = look(engine, desired, window, reporter).await?;
    health::check(engine, desired).await?;
    let reconcile = options.reconcile(fake_ready, to_recreate(options, &observed));
    plan(desired, &observed, &reconcile, blueprint, options, false)
}

/// Brings the cluster to the `desired` state. `blueprint` is the path or name of its source.
///
/// # Errors
/// A conflict, a failed call of the engine, or an operation that failed or was stopped. The same call again continues
/// the work.
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
    images::refresh(&worker, desired).await?;
    health::check(engine, desired).await?;
    let window = disturbance::window(desired);
    let mut summary = Summary::default();
    let mut recreate = None;
    for round in 1.. {
        let begun = SystemTime::now();
        let (observed, fake_ready) = look(engine, desired, window, reporter).await?;
        // What this `up` has created is not recreated in a later round.
        let recreate = recreate.get_or_insert_with(|| to_recreate(options, &observed));
        let reconcile = options.reconcile(fake_ready, recreate.clone());
        let plan = plan(desired, &observed, &reconcile, blueprint, options, !summary.is_empty())?;
        if round == 1 {
            plan.notes
                .iter()
                .for_each(|note| reporter.note(&format!("note: {note}")));
        }
        if plan.is_empty() {
            disturbance::still_up(&plan, desired, &observed.containers)?;
            summary.unwell = disturbance::unwell(desired, &observed);
            break;
        }
        let carried = worker.carry_out(&plan, round < ROUNDS).await?;
        summary.operations.extend(carried.done);
        if carried.vanished {
            continue;
        }
        let undisturbed = engine::disturbance::is_ruled_out(&plan, &desired.cluster, engine, begun).await;
        if !undisturbed {
            let mut now = look_again(engine, &desired.cluster).await?;
            part::set_aside(&mut now, desired);
            disturbance::still_up(&plan, desired, &now.containers)?;
            let ended = disturbance::ended_unasked(&plan, desired, &observed, &now);
            let removed = disturbance::removed(desired, &now);
            if !removed.is_empty() && round == ROUNDS {
                return Err(disturbance::not_there(&removed).into());
            }
            let again = !removed.is_empty()
                || disturbance::came_unasked(desired, &observed, &now)
                || disturbance::were_stopped(&ended, engine, &desired.cluster, window + started.elapsed()).await;
            if again && round < ROUNDS {
                continue;
            }
        }
        break;
    }
    Ok(summary)
}

/// The plan that removes the cluster, or what `targets` name of it if there are any; it is not carried out.
///
/// # Errors
/// A call of the engine failed.
pub async fn plan_down(
    engine: &Engine,
    cluster: &ClusterName,
    volumes: bool,
    targets: &[Target],
    reporter: &dyn Reporter,
) -> Result<Plan, Error> {
    reporter.doing("looking at the engine");
    let mut observed = observe::observe(engine, cluster, false).await.map_err(looking())?;
    part::keep_only(&mut observed, cluster, targets);
    Ok(reconcile::down(cluster, &observed, volumes))
}

/// Removes everything that belongs to `cluster`, or to what `targets` name of it if there are any; named volumes only with
/// `volumes`.
///
/// # Errors
/// A failed call of the engine, or an operation that failed or was stopped. The same call again continues the work.
pub async fn down(
    engine: &Engine,
    cluster: &ClusterName,
    volumes: bool,
    targets: &[Target],
    control: &Control,
    reporter: &dyn Reporter,
) -> Result<Summary, Error> {
    let worker = Worker::new(engine, cluster, None, control, reporter);
    let mut arrivals = Arrivals::new(engine, cluster);
    let mut summary = Summary::default();
    let mut stop = control.stop.clone();
    for round in 1.. {
        reporter.doing("looking at the engine");
        let mut observed = observe::observe(engine, cluster, false).await.map_err(looking())?;
        part::keep_only(&mut observed, cluster, targets);
        arrivals.know(&observed);
        let plan = reconcile::down(cluster, &observed, volumes);
        if round == 1 {
            plan.notes
                .iter()
                .for_each(|note| reporter.note(&format!("note: {note}")));
        }
        if !plan.is_empty() {
            let carried = worker.carry_out(&plan, round < ROUNDS).await?;
            summary.operations.extend(carried.done);
            if carried.vanished {
                continue;
            }
            let mut now = look_again(engine, cluster).await?;
            part::keep_only(&mut now, cluster, targets);
            if round < ROUNDS && now.came_since(&observed).next().is_some() {
                continue;
            }
        }
        // A request of a client that has exited may still be fulfilled.
        let Some(wait) = arrivals.wait().await.filter(|_| round < MORE_ROUNDS) else {
            break;
        };
        reporter.doing("waiting for what another client may have asked for");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stopped| *stopped) => break,
        }
    }
    Ok(summary)
}

/// Carries out a `plan` that needs no second observation, as those of the node verbs.
///
/// # Errors
/// An operation failed or was stopped.
pub async fn carry_out(
    engine: &Engine,
    cluster: &ClusterName,
    plan: Plan,
    control: &Control,
    reporter: &dyn Reporter,
) -> Result<Summary, Error> {
    let worker = Worker::new(engine, cluster, None, control, reporter);
    let operations = worker.carry_out(&plan, false).await?.done;
    Ok(Summary {
        operations,
        unwell: Vec::new(),
    })
}

/// The result of carrying out a plan without an error.
#[derive(Debug)]
struct Carried {
    /// The operations that were carried out.
    done: Vec<Operation>,
    /// Whether an observed resource was removed before its turn came, so that it must be observed and planned again.
    vanished: bool,
}

/// Carries out plans for one cluster.
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

    /// Carries out `plan`. If operations failed only because their resources had vanished, this is an error unless
    /// there is `another` round to plan again.
    async fn carry_out(&self, plan: &Plan, another: bool) -> Result<Carried, Error> {
        let handles = Handles::default();
        let applied = self.apply(plan, &handles).await;
        let vanished = applied.only_vanished && another;
        if !vanished && let Err(error) = outcome::judge(plan, &applied.outcome) {
            return Err(self.put_back(plan, &applied.outcome, &handles, error).await);
        }
        let done = applied.outcome.done.iter().map(|at| plan.operations[*at].clone());
        Ok(Carried {
            done: done.collect(),
            vanished,
        })
    }

    /// Puts back what `plan` stopped and could not start; `handles` are of the containers that it created. Returns the `error` that the plan ended with, and what became of
    /// that.
    async fn put_back(&self, plan: &Plan, outcome: &Outcome, handles: &Handles, error: Error) -> Error {
        let back = plan::put_back(plan, outcome);
        if back.is_empty() {
            return error;
        }
        let applied = self.apply(&back, handles).await;
        outcome::and_back(error, &back, &applied.outcome)
    }

    /// Carries out `plan` and reports how it goes.
    async fn apply(&self, plan: &Plan, handles: &Handles) -> Applied {
        let (progress, progressed) = mpsc::unbounded_channel();
        let context = ApplyContext {
            engine: self.engine,
            cluster: self.cluster,
            layout: self.layout,
            parallel: self.control.parallel.unwrap_or_else(default_parallel),
            deadline: self.deadline,
            stop: self.control.stop.clone(),
            handles,
            images: SharedImages::default(),
            observation: SharedObservation::default(),
            progress,
        };
        self.reporter.plan(plan);
        let applied = apply(plan, &context, progressed, &mut |event| self.reporter.event(event)).await;
        self.reporter.carried_out();
        applied
    }
}

/// The default number of operations at once. An engine spends most of each call waiting for the kernel, so there are
/// more of them than cores.
fn default_parallel() -> usize {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    (4 * cores).clamp(4, 16)
}

fn looking() -> impl FnOnce(Fault) -> Error {
    Error::engine("look at the engine")
}

/// Observes the engine after pending stops have finished, and checks that the fake image is present if it is needed.
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
    // Helpers are of no node, and none is in the way: what stays behind says that something is cut.
    let (helpers, containers) = observed.containers.into_iter().partition(ObservedContainer::is_helper);
    (observed.containers, observed.helpers) = (containers, helpers);
    let needed = makes_fakes(desired, &observed);
    let (inspected, ready) = tokio::join!(
        observe::inspect_all(engine, &mut observed.containers),
        image_ready(engine, needed)
    );
    inspected.map_err(looking())?;
    let ready = ready?;
    mark(&mut observed.containers, &Mark::all(&observed.helpers));
    part::set_aside(&mut observed, desired);
    let of_a_platform = desired
        .containers()
        .filter(|c| c.platform.is_some() && !fake::is_image(c.image()));
    let names = of_a_platform.map(|c| c.image()).collect();
    observe::platforms(engine, &mut observed, &names)
        .await
        .map_err(looking())?;
    Ok((observed, ready))
}

/// The IDs of the observed containers that are to be recreated whether they differ or not.
fn to_recreate(options: Options, observed: &Observed) -> HashSet<String> {
    let all = observed.containers.iter().filter(|_| options.force_recreate);
    all.map(|c| c.id.clone()).collect()
}

/// The containers and networks of `cluster` after a plan was carried out.
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
    reconcile: &reconcile::Options,
    blueprint: &str,
    options: Options,
    begun: bool,
) -> Result<Plan, ConvergeError> {
    let plan = reconcile::up(desired, observed, reconcile);
    let plan = plan.map_err(|conflicts| ConvergeError::Conflicts { conflicts, begun })?;
    match other_blueprint(&plan, desired, observed, blueprint) {
        Some(conflict) if !options.take_over => Err(ConvergeError::Conflicts {
            conflicts: vec![conflict],
            begun,
        }),
        _ => Ok(plan),
    }
}

/// The conflict with another blueprint that brought up a cluster of the same name; `None` if that blueprint's file no
/// longer exists, because it was probably moved here.
fn other_blueprint(plan: &Plan, desired: &Desired, observed: &Observed, ours: &str) -> Option<Conflict> {
    if plan.is_empty() {
        return None;
    }
    // Of a part, the rest of the cluster counts as foreign.
    let all = observed.containers.iter().chain(&observed.foreign);
    let own = all.filter(|c| c.cluster() == desired.cluster.as_str());
    let blueprints: BTreeSet<&str> = own.map(|c| c.label(label::BLUEPRINT)).collect();
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

/// Whether a container that has to be created uses the fake image.
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

/// Whether the engine has a usable fake image; true if none is `needed`.
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
