//! A cluster on an [`EngineDouble`], taken up and down as `up` and `down` do it.

use std::time::SystemTime;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use topogen::cluster::{Desired, Observed};
use topogen::converge::{self, Control, ConvergeError, Reporter, Summary};
use topogen::engine::apply::{ApplyContext, Handles, SharedImages, SharedObservation, apply};
use topogen::engine::connect::Engine;
use topogen::engine::{disturbance, observe};
use topogen::plan::event::Event;
use topogen::plan::reconcile::{self, Options};
use topogen::plan::schedule::Outcome;
use topogen::plan::{Operation, Plan};
use topogen::topology::expand::Overrides;

use super::EngineDouble;
use crate::support::desired;

/// Two nodes of two services each: `b` starts when `a` is healthy.
pub(crate) const BLUEPRINT: &str = r#"
name: lab
roles:
  node:
    count: 2
    entry: a
    services:
      a:
        image: "redis:7"
        healthcheck: {test: [CMD, "true"], interval: 1s}
        volumes: ["data:/data"]
      b:
        image: "redis:7"
        depends_on: {a: {condition: service_healthy}}
    volumes: {data: {}}
"#;

/// A cluster, and the engine it is on.
pub(crate) struct Cluster {
    pub(crate) desired: Desired,
    pub(crate) double: EngineDouble,
    pub(crate) engine: Engine,
    /// Until when containers are waited for.
    pub(crate) deadline: Option<Instant>,
    /// Turns true when no more work is to be begun.
    pub(crate) stop: watch::Sender<bool>,
}

impl Cluster {
    /// [`BLUEPRINT`] on an engine that has its image.
    pub(crate) async fn on(double: EngineDouble) -> Self {
        Self::of(BLUEPRINT, double).await
    }

    /// That blueprint, on an engine that has `redis:7`.
    pub(crate) async fn of(blueprint: &str, double: EngineDouble) -> Self {
        let double = double.with_image("redis:7");
        Self {
            desired: desired(blueprint, &Overrides::default(), &[]),
            engine: double.connect().await,
            double,
            deadline: None,
            stop: watch::Sender::new(false),
        }
    }

    /// What is on the engine.
    pub(crate) async fn observe(&self) -> Observed {
        let observed = observe::observe(&self.engine, &self.desired.cluster, false).await;
        let mut observed = observed.expect("the engine answers");
        let all = observe::inspect_all(&self.engine, &mut observed.containers).await;
        all.expect("the engine answers");
        observed
    }

    /// What `up` would do, by what is on the engine now.
    pub(crate) async fn plan(&self) -> Plan {
        let plan = reconcile::up(&self.desired, &self.observe().await, &Options::default());
        plan.unwrap_or_else(|conflicts| panic!("{conflicts:?}"))
    }

    /// What `up --wait` would do.
    pub(crate) async fn plan_and_wait(&self) -> Plan {
        let options = Options {
            wait: true,
            ..Options::default()
        };
        let plan = reconcile::up(&self.desired, &self.observe().await, &options);
        plan.unwrap_or_else(|conflicts| panic!("{conflicts:?}"))
    }

    /// What `down` would do.
    pub(crate) async fn plan_down(&self) -> Plan {
        reconcile::down(&self.desired.cluster, &self.observe().await, true)
    }

    /// What `up` does: observes, plans, carries out and puts back; the error as a person reads it.
    pub(crate) async fn converge(&self) -> Result<Summary, String> {
        let control = Control {
            parallel: Some(4),
            timeout: None,
            stop: self.stop.subscribe(),
        };
        let options = converge::Options::default();
        let blueprint = "/blueprint/topogen.yaml";
        let up = converge::up(&self.engine, &self.desired, blueprint, options, &control, &Silent);
        up.await.map_err(|error| match error {
            ConvergeError::Failed(error) => error.to_string(),
            ConvergeError::Conflicts { conflicts, .. } => format!("{conflicts:?}"),
        })
    }

    /// What `down --volumes` does.
    pub(crate) async fn converge_down(&self) {
        let control = Control {
            parallel: Some(4),
            timeout: None,
            stop: self.stop.subscribe(),
        };
        let down = converge::down(&self.engine, &self.desired.cluster, true, &[], &control, &Silent);
        down.await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Carries a plan out.
    pub(crate) async fn apply(&self, plan: &Plan) -> Outcome {
        self.apply_and_listen(plan, &mut |_| {}).await
    }

    /// The same, with the progress passed to `report`.
    pub(crate) async fn apply_and_listen(&self, plan: &Plan, report: &mut dyn FnMut(Event<'_>)) -> Outcome {
        let (progress, told) = mpsc::unbounded_channel();
        let setting = ApplyContext {
            engine: &self.engine,
            cluster: &self.desired.cluster,
            layout: self.desired.layout,
            parallel: 4,
            deadline: self.deadline,
            stop: self.stop.subscribe(),
            handles: &Handles::default(),
            images: SharedImages::default(),
            observation: SharedObservation::default(),
            progress,
        };
        apply(plan, &setting, told, report).await.outcome
    }

    /// Plans and carries out what is missing, which must all come about.
    pub(crate) async fn up(&self) {
        let plan = self.plan().await;
        let outcome = self.apply(&plan).await;
        assert_eq!(failures(&plan, &outcome), [""; 0]);
        assert_eq!(outcome.done.len(), plan.operations.len());
    }

    /// What is up needs nothing.
    pub(crate) async fn up_has_nothing_to_do(&self) {
        let plan = self.plan().await;
        assert!(plan.is_empty(), "{plan}");
    }

    /// Takes all of it away, which must all come about.
    pub(crate) async fn down(&self) {
        let plan = self.plan_down().await;
        let outcome = self.apply(&plan).await;
        assert_eq!(failures(&plan, &outcome), [""; 0]);
    }

    /// Whether nothing but `plan` has happened since then, by the engine's own account.
    pub(crate) async fn only_happened(&self, plan: &Plan, since: SystemTime) -> bool {
        disturbance::is_ruled_out(plan, &self.desired.cluster, &self.engine, since).await
    }
}

/// Tells nobody anything.
struct Silent;

impl Reporter for Silent {
    fn doing(&self, _: &str) {}
    fn plan(&self, _: &Plan) {}
    fn event(&self, _: Event<'_>) {}
    fn carried_out(&self) {}
    fn note(&self, _: &str) {}
}

/// What failed of a plan, and why, as a person reads it: `create container lab-node1-a-1: no space left`.
pub(crate) fn failures(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let failed = outcome.failed.iter();
    let words = |(at, reason): &(usize, String)| format!("{}: {reason}", words(&plan.operations[*at]));
    failed.map(words).collect()
}

/// An operation as a person reads it.
pub(crate) fn words(operation: &Operation) -> String {
    format!("{} {}", operation.action, operation.subject)
}

/// The operations of those places, as a person reads them.
pub(crate) fn operations(plan: &Plan, places: &[usize]) -> Vec<String> {
    places.iter().map(|at| words(&plan.operations[*at])).collect()
}
