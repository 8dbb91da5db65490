//! `topogen stop`, `start`, `restart`, `kill`, `pause`, `unpause`

use std::collections::BTreeSet;

use serde_json::json;

use super::{load, work};
use crate::cli::{Act, Which};
use crate::cluster::ObservedContainer;
use crate::commands::Session;
use crate::converge::{self, Reporter};
use crate::engine::changes::{Subscription, Topic};
use crate::engine::connect::Engine;
use crate::engine::observe;
use crate::error::Error;
use crate::name::ClusterName;
use crate::plan::Action;
use crate::plan::verbs::{self, NodeVerb, Unfit};
use crate::select::{self, NoMatch};
use crate::terminal::Terminal;
use crate::terminal::words::span;
use crate::text::listed;
use crate::text::plural;

/// The default number of containers that are stopped at once.
const STOPPING: usize = 64;

pub(super) async fn run(verb: &NodeVerb, args: &Act, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let _shown = terminal.begin(&args.work);
    let mut found = ObservedCluster::look(terminal, &args.which).await?;
    if let NodeVerb::Start = verb {
        let inspected = observe::inspect_all(&found.engine, &mut found.containers).await;
        inspected.map_err(Error::engine("look at the engine"))?;
    }
    if found.containers.is_empty() && args.targets.is_empty() {
        let text = format!(
            "nothing to do: no container of cluster `{}` is on the engine",
            found.cluster
        );
        terminal.result(&text, json!({"containers": 0}));
        return work::other_clusters(terminal, &found.engine, &found.cluster, verb.word()).await;
    }
    let chosen = found.select(|all| select::select(&args.targets, all)).await?;
    let plan = verbs::plan(verb, &chosen, &found.containers).map_err(|unfit| never_whole(&unfit, &args.which))?;
    if args.dry.dry_run {
        return work::show(terminal, &plan, &args.dry);
    }
    for note in &plan.notes {
        terminal.note(&format!("note: {note}"));
    }
    if plan.is_empty() {
        let containers = plural(chosen.len(), "container");
        let text = format!("nothing to do: none of {containers} {}", verb.nothing());
        terminal.result(&text, json!({"containers": 0}));
        return Ok(());
    }
    let mut control = work::control(session, &args.work, None);
    if let NodeVerb::Stop(_) | NodeVerb::Restart { .. } = verb {
        // Stopping takes the containers' time, not the engine's, so there may be more of them.
        control.parallel = control.parallel.or(Some(STOPPING));
    }
    let summary = converge::carry_out(&found.engine, &found.cluster, plan, &control, terminal).await?;
    let acted = || {
        summary
            .operations
            .iter()
            .filter(|o| !matches!(o.action, Action::Await { .. }))
    };
    let nodes = acted()
        .filter_map(|o| o.node.as_deref())
        .collect::<BTreeSet<&str>>()
        .len();
    let containers = acted().count();
    let counts = format!("{} of {}", plural(containers, "container"), plural(nodes, "node"));
    let text = format!("{}: {counts}, in {}", verb.done(), span(terminal.elapsed()));
    terminal.result(&text, json!({"containers": containers, "nodes": nodes}));
    Ok(())
}

fn never_whole(unfit: &[Unfit], which: &Which) -> Error {
    Error::InTheWay {
        messages: unfit.iter().map(ToString::to_string).collect(),
        hints: vec![format!("`{}` finishes what it began", which.command("up"))],
    }
}

/// The observed containers of a cluster.
pub(super) struct ObservedCluster {
    pub(super) cluster: ClusterName,
    pub(super) engine: Engine,
    pub(super) containers: Vec<ObservedContainer>,
    /// Topogen's own helpers that are of the cluster.
    pub(super) helpers: Vec<ObservedContainer>,
    /// The command that brings the cluster up.
    up: String,
}

impl ObservedCluster {
    /// Observes the cluster that `which` selects. Its blueprint need not exist if a name is given.
    pub(super) async fn look(terminal: &Terminal, which: &Which) -> Result<Self, Error> {
        let cluster = load::cluster(which)?;
        terminal.doing("looking at the engine");
        let engine = work::connect(terminal).await?;
        let all = observe::containers_and_helpers(&engine, Some(&cluster))
            .await
            .map_err(Error::engine("look at the engine"))?;
        let (helpers, containers) = all.into_iter().partition(ObservedContainer::is_helper);
        Ok(Self {
            cluster,
            engine,
            containers,
            helpers,
            up: which.command("up"),
        })
    }

    /// Subscribes to changes on the engine and observes the cluster again, so that nothing between the two is missed.
    pub(super) async fn subscribe(&mut self, topic: Topic<'_>) -> Result<Subscription, Error> {
        let subscription = Subscription::open(&self.engine, topic).await;
        let subscription = subscription.map_err(Error::engine("look at the engine"))?;
        self.containers = containers(&self.engine, &self.cluster).await?;
        Ok(subscription)
    }

    /// The result of `choose`.
    ///
    /// # Errors
    /// An error of usage if `choose` finds nothing, or if there is no such cluster.
    pub(super) async fn select<'a, T>(
        &'a self,
        choose: impl FnOnce(&'a [ObservedContainer]) -> Result<T, Vec<NoMatch>>,
    ) -> Result<T, Error> {
        if self.containers.is_empty() {
            return Err(self.nothing_there().await?);
        }
        choose(&self.containers).map_err(|faults| nothing_meant(&faults))
    }

    /// The error for a cluster that does not exist, which names those that do.
    async fn nothing_there(&self) -> Result<Error, Error> {
        let all = observe::containers(&self.engine, None)
            .await
            .map_err(Error::engine("look at the engine"))?;
        let names: BTreeSet<String> = all.iter().map(|c| format!("`{}`", c.cluster())).collect();
        let names: Vec<String> = names.into_iter().collect();
        let mut hint = format!("`{}` brings it up", self.up);
        if !names.is_empty() {
            hint += &format!("\nfor another, `-n NAME`: {} there", are(&names));
        }
        Ok(Error::Usage {
            message: format!("no container of cluster `{}` is on the engine", self.cluster),
            hint,
        })
    }
}

/// The containers of the nodes of `cluster`.
async fn containers(engine: &Engine, cluster: &ClusterName) -> Result<Vec<ObservedContainer>, Error> {
    let containers = observe::containers(engine, Some(cluster)).await;
    let mut containers = containers.map_err(Error::engine("look at the engine"))?;
    containers.retain(|c| !c.is_helper());
    Ok(containers)
}

/// The error for targets that match nothing, with each hint once.
pub(super) fn nothing_meant(faults: &[NoMatch]) -> Error {
    let messages: Vec<&str> = faults.iter().map(|f| f.message.as_str()).collect();
    let mut hints: Vec<&str> = Vec::new();
    for fault in faults {
        if !hints.contains(&fault.hint.as_str()) {
            hints.push(&fault.hint);
        }
    }
    Error::Usage {
        message: messages.join("\n"),
        hint: hints.join("\n"),
    }
}

/// `a is`, `a and b are`, for a message.
fn are(names: &[String]) -> String {
    format!("{} {}", listed(names), if names.len() == 1 { "is" } else { "are" })
}
