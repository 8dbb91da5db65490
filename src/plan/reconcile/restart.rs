//! What runs and starts again, because something that it shares a namespace with, or depends on with `restart: true`
//! (Compose specification, `depends_on`), is started.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use super::{Decision, Up, order};
use crate::cluster::ContainerSpec;
use crate::cluster::ObservedContainer;
use crate::cluster::State;
use crate::cluster::{Verdict, verdict};
use crate::plan::Action;

/// The containers that stop and start again because of others.
#[derive(Default)]
pub(super) struct Restarts<'a> {
    /// The operation that stops each, by its name, and why.
    pub(super) stops: HashMap<&'a str, (usize, String)>,
    /// The operations that must be done before a container starts, by its name: they stop what starts again with it.
    pub(super) before: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Restarts<'a> {
    /// Whatever `spec` starts again with starts after the operation at `stop`, which stops what runs of `spec` now. Were
    /// that stopped afterwards, an `up` that ends in between would leave it running with what is there no more, and the
    /// next one could not know.
    pub(super) fn stops_before(&mut self, spec: &'a ContainerSpec, stop: usize) {
        for other in with(spec) {
            self.before.entry(other).or_default().push(stop);
        }
    }
}

/// Whether it runs in a namespace that its owner, which runs, has left behind: a start joins it to the new one.
fn is_left(observed: &ObservedContainer) -> bool {
    observed.lost_namespaces().any(|lost| lost.owner_runs)
}

/// The containers that `spec` starts again with.
fn with(spec: &ContainerSpec) -> impl Iterator<Item = &str> {
    let dependencies = spec.after.iter().filter(|d| d.restart).map(|d| d.container.as_str());
    dependencies.chain(spec.joined.iter().map(|j| j.as_str()))
}

impl<'a> Up<'a> {
    /// How `spec` is started and why, by what became of it alone; `None` where it runs, has done what it was to do, or
    /// cannot be started.
    pub(super) fn start(&self, spec: &ContainerSpec) -> Option<(Action, String)> {
        let name = spec.name.as_str();
        let start = |cause: &str| Some((Action::Start(self.specs.get(name).copied()?.clone()), cause.to_owned()));
        let observed = match self.decisions.get(name) {
            Some(Decision::Blocked(_)) => return None,
            Some(Decision::Keep(observed)) => observed,
            _ => return start("not started yet"),
        };
        match observed.state {
            State::Running | State::Restarting => None,
            State::Paused => {
                let id = observed.id.clone();
                Some((Action::Unpause { id }, "paused".to_owned()))
            }
            // It did what it was to do.
            State::Exited if verdict(spec.duty, Some(observed)) == Verdict::Completed => None,
            State::Created => start("not started yet"),
            State::Exited | State::Removing | State::Dead => match observed.exit.filter(|status| *status != 0) {
                Some(status) => start(&format!("ended with status {status}")),
                None => start("stopped"),
            },
        }
    }

    /// Stop what starts again with something that is started, before that is.
    pub(super) fn stop_what_restarts(&mut self) {
        if !self.specs.values().any(|spec| with(spec).next().is_some()) && !self.observed.containers.iter().any(is_left)
        {
            return;
        }
        let mut started: HashSet<&str> = HashSet::new();
        let mut again: IndexMap<&str, (&'a ContainerSpec, &'a ObservedContainer)> = IndexMap::new();
        for node in self.nodes_in_order() {
            for spec in order::sorted(&node.containers) {
                let name = spec.name.as_str();
                let start = self.start(spec);
                // What is paused would go on with what is there no more.
                let runs = matches!(start, None | Some((Action::Unpause { .. }, _)));
                if let Some(Decision::Keep(observed)) = self.decisions.get(name)
                    && runs
                    && (is_left(observed) || with(spec).any(|other| started.contains(other)))
                {
                    started.insert(name);
                    again.insert(&observed.id, (spec, observed));
                } else if start.is_some() {
                    started.insert(name);
                }
            }
        }
        let observed: Vec<&'a ObservedContainer> = again.values().map(|(_, observed)| *observed).collect();
        let mut stopped: HashMap<&str, usize> = HashMap::new();
        for (container, dependents) in order::stops(&observed) {
            let Some((spec, _)) = again.get(container.id.as_str()).copied() else {
                continue;
            };
            let others: Vec<&str> = with(spec).filter(|other| started.contains(other)).collect();
            let cause = match (others.first(), container.lost_namespaces().next()) {
                (Some(other), _) => format!("`{other}`, with which it starts again, is started"),
                (None, Some(lost)) => lost.to_string(),
                (None, None) => continue,
            };
            let mut after: Vec<usize> = dependents.iter().filter_map(|d| stopped.get(d).copied()).collect();
            // What cannot start for want of its image is no reason to stop anything.
            let specs = others.iter().filter_map(|other| self.specs.get(other));
            after.extend(specs.flat_map(|spec| self.image_ready(spec)));
            after.sort_unstable();
            after.dedup();
            let stop = Action::Stop {
                id: container.id.clone(),
                grace: None,
            };
            let node = Some(spec.node.as_str());
            let at = self.plan.push(stop, spec.name.as_str(), node, cause.clone(), after);
            stopped.insert(&container.id, at);
            self.restarts.stops_before(spec, at);
            self.restarts.stops.insert(spec.name.as_str(), (at, cause));
        }
    }
}
