//! Containers that are removed, and those that others take the place of.
//!
//! What the engine refuses it refuses when a container is created or started. So a successor is created under another name
//! while the container that it replaces still runs, and that one is removed only once the successor has started:
//!
//! 1. create `a.next`, on all its networks; its ports and addresses it takes when it starts,
//! 2. stop `a`, after all that depends on it and once every successor that is started before it is needed again is created,
//! 3. rename `a` to `a.former` and `a.next` to `a`,
//! 4. start `a`, with its files in it,
//! 5. remove `a.former`.
//!
//! Of the containers of a service in a role, one goes through all of it before the second is stopped. Where a step fails, what
//! was stopped is put back by [`put_back`](crate::plan::put_back). A container whose network is removed cannot stay until
//! then: it is removed first.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::volume::{self, Removal};
use super::{Decision, Up, has_stop, order, remove};
use crate::cluster::{ContainerSpec, ObservedContainer, ObservedNetwork, State};
use crate::name::{RoleName, ServiceName};
use crate::plan::{Action, named};

/// A container whose successor is created beside it.
pub(super) struct Replaced<'a> {
    container: &'a ObservedContainer,
    /// The operation that stops it, or gives it another name where it does not run; `None` if an interrupted `up` did both.
    first: Option<usize>,
    /// The operation that gives it another name.
    rename: Option<usize>,
    /// The operation that creates its successor; `None` until that is planned.
    created: Option<usize>,
    /// Its anonymous volumes that its successor takes over, as pairs of name and path.
    carried: Vec<(String, String)>,
    /// Why it is replaced.
    cause: String,
}

/// The operation that stops or renames a container, and the one that starts its successor.
type Steps = (Option<usize>, usize);

impl<'a> Up<'a> {
    /// Stops and removes the marked containers, each after those that depend on it. Those that others take the place of are
    /// removed later.
    pub(super) fn remove_containers(&mut self) {
        let to_remove: Vec<&'a ObservedContainer> = self.to_remove.values().map(|(c, _)| *c).collect();
        let stay = self.volumes_that_stay();
        let mut stopped: HashMap<&str, usize> = HashMap::new();
        for (container, dependents) in order::stops(&to_remove) {
            let Some((_, cause)) = self.to_remove.get(container.id.as_str()) else {
                continue;
            };
            let cause = cause.clone();
            let mut after: Vec<usize> = dependents.iter().filter_map(|d| stopped.get(d).copied()).collect();
            let successor = self.successor(container);
            // A container that cannot be replaced because its image is missing stays.
            after.extend(successor.into_iter().flat_map(|spec| self.image_ready(spec)));
            let first = match successor {
                Some(spec) if self.can_stay_meanwhile(container) => self.replace(spec, container, cause, after),
                _ => {
                    let subject = successor.map_or(container.name.as_str(), |spec| spec.name.as_str());
                    let volumes = !container
                        .mounts
                        .iter()
                        .any(|(volume, _)| stay.contains(volume.as_str()));
                    let (first, at) = remove(&mut self.plan, (container, subject), &cause, after, volumes);
                    self.removed.insert(&container.id, at);
                    self.vacated.insert(&container.name, at);
                    self.frees(container, at);
                    self.removals.push(Removal { container, at, volumes });
                    Some(first)
                }
            };
            let Some(first) = first else { continue };
            stopped.insert(&container.id, first);
            if let Some(spec) = successor {
                self.restarts.stops_before(spec, first);
            }
        }
        for (name, replaced) in &self.replaced {
            let to = self.specs.get(name).map(|spec| spec.name_of_former());
            let vacated = to.and_then(|to| self.vacated.get(to.as_str()).copied());
            if let (Some(rename), Some(vacated)) = (replaced.rename, vacated) {
                self.plan.operations[rename].after.push(vacated);
            }
        }
    }

    /// The specification of what takes the place of `container`; `None` if nothing does.
    fn successor(&self, container: &ObservedContainer) -> Option<&'a Arc<ContainerSpec>> {
        match self.decisions.get(container.created_as())? {
            Decision::Recreate(observed) if observed.id == container.id => {
                self.specs.get(container.created_as()).copied()
            }
            _ => None,
        }
    }

    /// The anonymous volumes that are not removed with the container that is: others take them over, or mount them.
    fn volumes_that_stay(&self) -> HashSet<String> {
        let mut stay = HashSet::new();
        for (name, decision) in &self.decisions {
            match (decision, self.specs.get(name)) {
                (Decision::Recreate(observed), Some(spec)) => {
                    stay.extend(self.carried(spec, observed).into_iter().map(|(volume, _)| volume));
                }
                (Decision::Keep(observed), _) => stay.extend(observed.mounts.iter().map(|(volume, _)| volume.clone())),
                _ => {}
            }
        }
        stay
    }

    /// Whether `container` can wait until its successor has started: none of its networks is removed.
    fn can_stay_meanwhile(&self, container: &ObservedContainer) -> bool {
        let desired = |n: &ObservedNetwork| self.desired.networks().any(|d| d.name.as_str() == n.name);
        let is_removed = |n: &&ObservedNetwork| {
            let marked = self.networks_to_remove.iter().any(|(removed, _)| removed.id == n.id);
            marked || n.is_of(&self.desired.cluster) && !desired(n)
        };
        let mut on = self.observed.networks.iter().filter(|n| container.is_on(n));
        !matches!(container.state, State::Dead | State::Removing) && !on.any(|n| is_removed(&n))
    }

    /// Stops `container` and gives it another name. Returns the first operation; `None` if both are done.
    fn replace(
        &mut self,
        spec: &'a Arc<ContainerSpec>,
        container: &'a ObservedContainer,
        cause: String,
        after: Vec<usize>,
    ) -> Option<usize> {
        let (name, node) = (spec.name.as_str(), named(container.node()));
        let id = container.id.clone();
        let stop = has_stop(container).then(|| {
            let (id, grace) = (id.clone(), None);
            self.plan
                .push(Action::Stop { id, grace }, name, node, cause.as_str(), after.clone())
        });
        let to = spec.name_of_former().to_string();
        let after = stop.map_or(after, |stop| vec![stop]);
        let meanwhile = "its successor takes its place";
        let rename =
            (container.name != to).then(|| self.plan.push(Action::Rename { id, to }, name, node, meanwhile, after));
        if let Some(rename) = rename {
            self.vacated.insert(&container.name, rename);
        }
        if let Some(stop) = stop {
            self.frees(container, stop);
        }
        let first = stop.or(rename);
        let replaced = Replaced {
            container,
            first,
            rename,
            created: None,
            carried: self.carried(spec, container),
            cause,
        };
        self.replaced.insert(name, replaced);
        first
    }

    /// The ports and addresses of `container` are free after the operation at `at`.
    fn frees(&mut self, container: &'a ObservedContainer, at: usize) {
        for (port, _) in &container.ports {
            self.freed.entry(port.port).or_default().push((*port, at));
        }
        for endpoint in &container.endpoints {
            if let Some(address) = endpoint.address {
                self.freed_addresses.insert((&endpoint.network, address), at);
            }
        }
    }

    /// Operations after which the addresses are free that `spec` asks for: those that stop or remove containers that have
    /// them.
    pub(super) fn addresses_free(&self, spec: &ContainerSpec) -> Vec<usize> {
        let asked = spec.endpoints.iter().filter_map(|endpoint| {
            let address = endpoint.ipv4_address.as_ref()?.parse().ok()?;
            self.freed_addresses.get(&(endpoint.network.as_str(), address)).copied()
        });
        asked.collect()
    }

    /// Creates the successor of the container that has the name of `spec`, and gives it that name. Returns the last
    /// operation; `None` if no container stays until it has a successor.
    pub(super) fn create_beside(&mut self, spec: &'a Arc<ContainerSpec>) -> Option<usize> {
        let name = spec.name.as_str();
        let replaced = self.replaced.get(name)?;
        let (rename, carried) = (replaced.rename, replaced.carried.clone());
        let mut waiting = spec.in_waiting();
        if !carried.is_empty() {
            waiting = waiting.carrying(&carried);
        }
        let id = waiting.name.to_string();
        let created = self.create(&Arc::new(waiting), name, "recreated", Vec::new());
        let to = name.to_owned();
        let cause = "it takes the place of the former one";
        let node = Some(spec.node.as_str());
        let take = Action::Rename { id, to };
        let mut after = vec![created];
        after.extend(rename);
        after.extend(self.vacated.get(name));
        let taken = self.plan.push(take, name, node, cause, after);
        if let Some(replaced) = self.replaced.get_mut(name) {
            replaced.created = Some(created);
        }
        Some(taken)
    }

    /// Removes the container that `spec` has taken the place of, once its successor has started by the operation at
    /// `started`.
    pub(super) fn remove_former(&mut self, spec: &ContainerSpec, started: usize) {
        let Some(replaced) = self.replaced.get(spec.name.as_str()) else {
            return;
        };
        let container = replaced.container;
        let volumes = replaced.carried.is_empty();
        let action = Action::RemoveContainer {
            id: container.id.clone(),
            volumes,
        };
        let node = named(container.node());
        let cause = replaced.cause.clone();
        let at = self.plan.push(action, spec.name.as_str(), node, cause, vec![started]);
        self.removed.insert(&container.id, at);
        self.removals.push(Removal { container, at, volumes });
    }

    /// Removes the anonymous volumes that nobody has any more.
    pub(super) fn remove_leftovers(&mut self) {
        let passed_on = self.volumes_that_stay();
        volume::remove_leftovers(&mut self.plan, self.observed, &self.removals, &passed_on);
    }

    /// Nothing is stopped before the successors are created of it and of all that is stopped after it: what cannot be
    /// created takes nothing away. Successors that share something of another container are created after that has started.
    pub(super) fn create_before_stopping(&mut self) {
        let containers: Vec<&ObservedContainer> = self.replaced.values().map(|r| r.container).collect();
        let needs = order::needs(&containers);
        let replaced: Vec<(Option<usize>, Option<usize>)> = self
            .replaced
            .iter()
            .map(|(name, r)| {
                let shares = self.specs.get(name).is_some_and(|spec| !spec.joined.is_empty());
                (r.first, r.created.filter(|_| !shares))
            })
            .collect();
        for (at, (first, _)) in replaced.iter().enumerate() {
            let Some(first) = *first else { continue };
            let mut all = HashSet::from([at]);
            let mut stack = vec![at];
            while let Some(at) = stack.pop() {
                stack.extend(needs[at].iter().copied().filter(|other| all.insert(*other)));
            }
            let mut created: Vec<usize> = all.into_iter().filter_map(|at| replaced[at].1).collect();
            created.sort_unstable();
            for before in created {
                self.wait_unless_circular(first, before);
            }
        }
    }

    /// The operation at `at` waits for the one at `before`, unless that waits for it.
    fn wait_unless_circular(&mut self, at: usize, before: usize) {
        // To create a container waits for networks only, and these for others that are removed.
        let networks = self.plan.operations[before].after.iter();
        let mut networks = networks.filter(|n| !self.plan.operations[**n].after.is_empty());
        if networks.next().is_none() || !self.plan.needed(before).contains(&at) {
            self.plan.operations[at].after.push(before);
        }
    }

    /// Of the containers of each service in a role, the others are stopped after the first has started.
    pub(super) fn try_one_first(&mut self) {
        let mut services: IndexMap<(&RoleName, &ServiceName), Vec<Steps>> = IndexMap::new();
        for node in self.nodes_in_order() {
            for spec in &node.containers {
                let name = spec.name.as_str();
                if let (Some(replaced), Some(started)) = (self.replaced.get(name), self.started.get(name)) {
                    let service = services.entry((&node.role, &spec.service)).or_default();
                    service.push((replaced.first, *started));
                }
            }
        }
        for containers in services.into_values() {
            let [(_, started), others @ ..] = &containers[..] else {
                continue;
            };
            let needed = self.plan.needed(*started);
            // What must stop for the first to start cannot wait for that.
            let others = others.iter().filter_map(|(touches, _)| *touches);
            for touches in others.filter(|touches| !needed.contains(touches)) {
                self.plan.operations[touches].after.push(*started);
            }
        }
    }
}
