//! Containers: which stay, which are recreated and why, and the operations that create them.

use std::sync::Arc;

use super::{Decision, Up, change, order, update};
use crate::cluster::ContainerSpec;
use crate::cluster::ObservedContainer;
use crate::cluster::State;
use crate::plan::Action;
use crate::text::quoted;

impl<'a> Up<'a> {
    /// Decides what happens to each container, after those that it shares something of.
    pub(super) fn decide_containers(&mut self) {
        for node in &self.desired.nodes {
            for spec in order::sorted(&node.containers) {
                let decision = self.decide(spec);
                if let Decision::Recreate(observed) = decision {
                    let cause = self.why_recreate(spec, observed).unwrap_or_default();
                    self.mark_for_removal(observed, cause);
                }
                self.decisions.insert(spec.name.as_str(), decision);
            }
        }
    }

    fn decide(&self, spec: &ContainerSpec) -> Decision<'a> {
        match self.there.get(spec.name.as_str()) {
            // The engine is removing it: its name will be free in a moment.
            Some(observed) if observed.state == State::Removing && !self.is_marked(observed) => Decision::Create,
            Some(observed) if self.why_recreate(spec, observed).is_some() => Decision::Recreate(observed),
            Some(observed) => Decision::Keep(observed),
            None => Decision::Create,
        }
    }

    /// Why `observed` cannot stay; `None` if it can.
    fn why_recreate(&self, spec: &ContainerSpec, observed: &ObservedContainer) -> Option<String> {
        if let Some((_, cause)) = self.to_remove.get(observed.id.as_str()) {
            return Some(cause.clone());
        }
        if observed.state == State::Dead {
            return Some("dead".to_owned());
        }
        if let Some(cause) = change::changed(&observed.labels, spec) {
            return Some(cause);
        }
        if let Some(cause) = self.other_image(spec, observed) {
            return Some(cause);
        }
        for network in spec.endpoints.iter().map(|e| &e.network) {
            let on = observed.endpoints.iter().find(|n| n.network == network.as_str());
            let Some((on, planned)) = on.zip(self.networks.get(network.as_str())) else {
                continue;
            };
            // The engine reports the ID only of networks that the container has run on.
            let is_other = |id: &String| on.network_id.as_ref().is_some_and(|on| on != id);
            let other = planned.id.as_ref().is_none_or(is_other);
            if other {
                return Some(format!("network `{network}` is another one now"));
            }
        }
        if let Some(cause) = update::changed(spec, observed) {
            return Some(cause);
        }
        if let Some(lost) = observed.lost_namespaces().find(|lost| lost.owner.is_none()) {
            return Some(lost.to_string());
        }
        let is_recreated = |n: &&str| matches!(self.decisions.get(n), Some(Decision::Create | Decision::Recreate(_)));
        let shared = spec.joined.iter().map(|n| n.as_str()).find(is_recreated);
        let shared = shared.map(|shared| format!("`{shared}`, of which it shares something, is recreated"));
        let is_asked = self.options.recreate.contains(&observed.id);
        shared.or_else(|| is_asked.then(|| "`--force-recreate` asks for it".to_owned()))
    }

    /// Whether its image's name means another image now. All fakes count as equal.
    fn other_image(&self, spec: &ContainerSpec, observed: &ObservedContainer) -> Option<String> {
        let image = self.observed.image(spec.image())?;
        let own = self.observed.images.iter().find(|i| i.id == observed.image_id);
        let fakes = image.fake && own.is_none_or(|i| i.fake);
        let other = !observed.image_id.is_empty() && observed.image_id != image.id && !fakes;
        other.then(|| format!("image `{}` is another one now", spec.image()))
    }

    /// The operations after which `spec` exists as desired, not yet started.
    pub(super) fn ensure_exists(&mut self, spec: &'a Arc<ContainerSpec>) -> Vec<usize> {
        match self.decisions.get(spec.name.as_str()) {
            Some(Decision::Keep(observed)) => {
                let observed = *observed;
                self.join(spec, observed)
            }
            Some(Decision::Recreate(observed)) => {
                let observed = *observed;
                if let Some(created) = self.create_beside(spec) {
                    return vec![created];
                }
                let removed = self.removed.get(observed.id.as_str()).copied();
                let carried = self.carried(spec, observed);
                let spec = if carried.is_empty() {
                    spec
                } else {
                    &Arc::new(spec.carrying(&carried))
                };
                vec![self.create(spec, spec.name.as_str(), "recreated", removed.into_iter().collect())]
            }
            _ => {
                let leaving = self.there.get(spec.name.as_str());
                let cause = if leaving.is_some() {
                    "on its way out"
                } else {
                    "not found"
                };
                vec![self.create(spec, spec.name.as_str(), cause, Vec::new())]
            }
        }
    }

    /// Creates a container, and tells people that it is `subject`.
    pub(super) fn create(
        &mut self,
        spec: &Arc<ContainerSpec>,
        subject: &str,
        cause: &str,
        mut after: Vec<usize>,
    ) -> usize {
        after.extend(self.networks_ready(spec));
        after.extend(self.vacated.get(spec.name.as_str()));
        after.extend(spec.volumes.iter().filter_map(|v| self.volumes.get(v.as_str())));
        after.extend(self.image_ready(spec));
        // Containers are created in the order of the plan, so what it shares something of exists by then or never will.
        after.extend(spec.joined.iter().filter_map(|j| self.started.get(j.as_str())));
        after.sort_unstable();
        after.dedup();
        let action = Action::CreateContainer(spec.clone());
        self.plan.push(action, subject, Some(spec.node.as_str()), cause, after)
    }

    /// Operations that must succeed before `spec` can join its networks.
    fn networks_ready(&self, spec: &ContainerSpec) -> Vec<usize> {
        let networks = spec
            .endpoints
            .iter()
            .filter_map(|e| self.networks.get(e.network.as_str()));
        networks.flat_map(|n| n.ready.iter().copied()).collect()
    }

    /// Connects a container that stays to its networks under its names, and disconnects it from networks of other
    /// nodes.
    fn join(&mut self, spec: &'a Arc<ContainerSpec>, observed: &'a ObservedContainer) -> Vec<usize> {
        // The engine connects a container at its start, by network names, so each name must exist exactly once.
        let mut operations = self.networks_ready(spec);
        let renamed = self.renamed.get(spec.name.as_str()).copied();
        operations.extend(renamed);
        let (name, node) = (spec.name.as_str(), Some(spec.node.as_str()));
        let is_own = |name: &&str| {
            let mut named = self.named.get(name).into_iter().flatten();
            named.any(|n| n.is_of(&self.desired.cluster))
        };
        let on = observed.endpoints.iter().map(|n| n.network.as_str());
        let extras: Vec<&str> = on.filter(is_own).collect();
        for extra in extras {
            if spec.endpoints.iter().any(|e| e.network.as_str() == extra) || spec.endpoints.is_empty() {
                continue;
            }
            if let Ok(network) = extra.parse() {
                let action = Action::Disconnect {
                    id: observed.id.clone(),
                    network,
                };
                let cause = format!("on `{extra}`, where it does not belong");
                operations.push(self.plan.push(action, name, node, cause, renamed.into_iter().collect()));
            }
        }
        for (at, endpoint) in spec.endpoints.iter().enumerate() {
            let network = &endpoint.network;
            let mut after: Vec<usize> = self
                .networks
                .get(network.as_str())
                .map_or_else(Vec::new, |n| n.ready.clone());
            after.extend(renamed);
            let cause = match observed.endpoints.iter().find(|n| n.network == network.as_str()) {
                None => format!("not on `{network}`"),
                Some(on) => {
                    let desired = &endpoint.aliases;
                    let Some(cause) = on.aliases.as_ref().and_then(|a| misnamed(desired, a, observed)) else {
                        continue;
                    };
                    let cause = format!("on `{network}` it {cause}");
                    let action = Action::Disconnect {
                        id: observed.id.clone(),
                        network: network.clone(),
                    };
                    let renamed = renamed.into_iter().collect();
                    after.push(self.plan.push(action, name, node, cause.clone(), renamed));
                    cause
                }
            };
            let action = Action::Connect {
                container: spec.clone(),
                endpoint: at,
            };
            operations.push(self.plan.push(action, name, node, cause, after));
        }
        operations
    }
}

/// Describes how the names of a container differ from the desired ones; `None` if they do not.
fn misnamed(desired: &[String], found: &[String], observed: &ObservedContainer) -> Option<String> {
    let missing = desired.iter().filter(|w| !found.contains(w) && **w != observed.name);
    let missing: Vec<String> = missing.cloned().collect();
    let extra = found.iter().filter(|f| !desired.contains(f) && !observed.is_given(f));
    let extra: Vec<String> = extra.cloned().collect();
    match (missing.is_empty(), extra.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("does not answer to {}", quoted(&missing))),
        (true, false) => Some(format!("answers to {}, which is not its name", quoted(&extra))),
        (false, false) => Some(format!("answers to {} and not to {}", quoted(&extra), quoted(&missing))),
    }
}
