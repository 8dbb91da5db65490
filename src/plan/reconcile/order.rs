//! The order in which containers start and stop.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Decision, Up, distinct};
use crate::cluster::ContainerSpec;
use crate::cluster::DesiredNode;
use crate::cluster::HostPort;
use crate::cluster::ObservedContainer;
use crate::cluster::State;
use crate::cluster::verdict;
use crate::compose::Condition;
use crate::name::RoleName;
use crate::plan::Action;
use crate::topology::{Duty, in_order};
use crate::toposort;

impl<'a> Up<'a> {
    /// Creates and starts all containers: node by node, roles after those they wait for.
    pub(super) fn nodes(&mut self) {
        self.stop_what_restarts();
        let mut barriers: HashMap<(&RoleName, Condition), Option<usize>> = HashMap::new();
        for node in self.nodes_in_order() {
            // This comes after the networks of other nodes: the engine creates containers while it creates networks.
            for network in &node.networks {
                self.network(network);
            }
            for spec in sorted(&node.containers) {
                self.node_container(node, spec, &mut barriers);
            }
        }
        if self.options.wait {
            self.wait_for_all();
        }
    }

    pub(super) fn nodes_in_order(&self) -> Vec<&'a DesiredNode> {
        let roles = distinct(self.desired.nodes.iter().map(|n| &n.role));
        let roles = in_order(roles, &self.desired.order).into_iter();
        roles
            .flat_map(|role| self.desired.nodes.iter().filter(move |n| n.role == *role))
            .collect()
    }

    fn node_container(
        &mut self,
        node: &'a DesiredNode,
        spec: &'a Arc<ContainerSpec>,
        barriers: &mut HashMap<(&'a RoleName, Condition), Option<usize>>,
    ) {
        let name = spec.name.as_str();
        if let Some(Decision::Blocked(conflict)) = self.decisions.get(name) {
            let (conflict, cause) = (conflict.clone(), format!("cannot be: {conflict}"));
            let blocked = Action::Blocked(conflict);
            let at = self
                .plan
                .push(blocked, name, Some(node.name.as_str()), cause, Vec::new());
            self.started.insert(name, at);
            return;
        }
        let mut after = self.ensure_exists(spec);
        let (action, cause) = match (self.restarts.stops.get(name), self.start(spec)) {
            (Some((stopped, cause)), _) => {
                after.push(*stopped);
                (Action::Start(spec.clone()), cause.clone())
            }
            (None, Some(start)) => start,
            (None, None) => return,
        };
        after.extend(self.restarts.before.get(name).into_iter().flatten());
        after.extend(self.ports_free(spec));
        after.extend(self.addresses_free(spec));
        let mut after_any = Vec::new();
        for dependency in &spec.after {
            let at = match dependency.condition {
                Condition::Started => self.started.get(dependency.container.as_str()).copied(),
                condition => self.awaited(dependency.container.as_str(), condition),
            };
            if dependency.required {
                after.extend(at);
            } else {
                after_any.extend(at);
            }
        }
        after.extend(spec.joined.iter().filter_map(|j| self.started.get(j.as_str())));
        let order: Vec<_> = self.desired.order.iter().filter(|o| o.role == node.role).collect();
        for order in order {
            let key = (&order.after, order.condition);
            let barrier = match barriers.get(&key) {
                Some(barrier) => *barrier,
                None => {
                    let barrier = self.barrier(&order.after, order.condition);
                    barriers.insert(key, barrier);
                    barrier
                }
            };
            after.extend(barrier);
        }
        after.sort_unstable();
        after.dedup();
        let at = self.plan.push(action, name, Some(node.name.as_str()), cause, after);
        self.plan.operations[at].after_any = after_any;
        self.started.insert(name, at);
        self.remove_former(spec, at);
    }

    /// Operations after which the host ports of `spec` are free: the removal of containers that hold them.
    fn ports_free(&self, spec: &ContainerSpec) -> Vec<usize> {
        let freed = |desired: HostPort| {
            let others = self.freed.get(&desired.port).into_iter().flatten();
            others
                .filter(move |(port, _)| port.excludes(&desired))
                .map(|(_, at)| *at)
        };
        spec.host_ports().into_iter().flat_map(freed).collect()
    }

    /// The operation that waits for the container `name`; `None` if the condition is already met.
    fn awaited(&mut self, name: &'a str, condition: Condition) -> Option<usize> {
        if let Some(at) = self.awaits.get(&(name, condition)) {
            return Some(*at);
        }
        let started = self.started.get(name).copied();
        let spec = self.specs.get(name)?;
        let so = self.there.get(name).is_some_and(|observed| match condition {
            Condition::Started => observed.state == State::Running,
            Condition::Healthy => verdict(spec.duty, Some(observed)).is_well(),
            Condition::Completed => observed.state == State::Exited && observed.exit == Some(0),
        });
        if so && started.is_none() {
            return None;
        }
        let action = Action::Await {
            containers: vec![spec.name.clone()],
            condition,
        };
        let cause = format!("until it is {}", condition.word());
        let after = started.into_iter().chain(self.renamed.get(name).copied()).collect();
        let at = self.plan.push(action, name, Some(spec.node.as_str()), cause, after);
        self.awaits.insert((name, condition), at);
        Some(at)
    }

    /// The operation that waits for all containers of a role; `None` if there is nothing to wait for.
    fn barrier(&mut self, role: &'a RoleName, condition: Condition) -> Option<usize> {
        let nodes = self.desired.nodes.iter().filter(|n| n.role == *role);
        let containers = nodes.flat_map(|n| &n.containers).filter(|c| c.duty != Duty::End);
        let specs: Vec<_> = containers.collect();
        let containers: Vec<_> = specs.iter().map(|c| c.name.clone()).collect();
        let after: Vec<usize> = containers
            .iter()
            .filter_map(|c| self.started.get(c.as_str()).or_else(|| self.renamed.get(c.as_str())))
            .copied()
            .collect();
        let well = |spec: &ContainerSpec| {
            let observed = self.there.get(spec.name.as_str()).copied();
            verdict(spec.duty, observed).is_well()
        };
        let unwell = condition == Condition::Healthy && specs.iter().any(|spec| !well(spec));
        if after.is_empty() && !unwell {
            return None;
        }
        let cause = format!("until it is {}", condition.word());
        let one = match containers.as_slice() {
            [one] => self.specs.get(one.as_str()),
            _ => None,
        };
        let (subject, node) = one.map_or((role.as_str(), None), |spec| {
            (spec.name.as_str(), Some(spec.node.as_str()))
        });
        let action = Action::Await { containers, condition };
        Some(self.plan.push(action, subject, node, cause, after))
    }

    /// Waits until each container is in its final state.
    fn wait_for_all(&mut self) {
        for spec in self.desired.nodes.iter().flat_map(|n| &n.containers) {
            let name = spec.name.as_str();
            let condition = match spec.duty {
                Duty::End => Condition::Completed,
                Duty::Run | Duty::MayEnd => Condition::Healthy,
            };
            if !matches!(self.decisions.get(name), Some(Decision::Blocked(_))) {
                self.awaited(name, condition);
            }
        }
    }
}

/// `containers`, each after those that it waits for or shares something of, otherwise in their own order.
pub(super) fn sorted(containers: &[Arc<ContainerSpec>]) -> Vec<&Arc<ContainerSpec>> {
    let places: HashMap<&str, usize> = containers.iter().map(|c| c.name.as_str()).zip(0..).collect();
    let waits = containers.iter().map(|c| {
        let waited = c.after.iter().map(|d| d.container.as_str());
        let waited = waited.chain(c.joined.iter().map(|j| j.as_str()));
        let others = waited.filter(|name| *name != c.name.as_str());
        others.filter_map(|name| places.get(name).copied()).collect()
    });
    let waits: Vec<BTreeSet<usize>> = waits.collect();
    // Circles were reported when the blueprint was read.
    toposort::sorted(&waits).all().map(|at| &containers[at]).collect()
}

/// `containers`, each after those that depend on it according to their labels, with the IDs of those.
pub(crate) fn stops<'a>(containers: &[&'a ObservedContainer]) -> Vec<(&'a ObservedContainer, Vec<&'a str>)> {
    let dependents = toposort::turned(&needs(containers));
    let ids = |at: usize| dependents[at].iter().map(|d| containers[*d].id.as_str()).collect();
    let order = toposort::sorted(&dependents).all();
    order.map(|at| (containers[at], ids(at))).collect()
}

/// For each container the indices of those that it depends on according to their labels.
pub(crate) fn needs(containers: &[&ObservedContainer]) -> Vec<BTreeSet<usize>> {
    let mut by_service: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let mut by_role: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, container) in containers.iter().enumerate() {
        let project = container.project();
        let service = container.service_key();
        by_service.entry((project, service)).or_default().push(at);
        by_role.entry(container.role()).or_default().push(at);
    }
    let all = containers.iter().enumerate().map(|(at, container)| {
        let project = container.project();
        let keys = container.depends_on().filter_map(|d| by_service.get(&(project, d.key)));
        let roles = container.after().filter_map(|role| by_role.get(role));
        keys.chain(roles)
            .flatten()
            .copied()
            .filter(|other| *other != at)
            .collect()
    });
    all.collect()
}
