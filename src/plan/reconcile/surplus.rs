//! Resources that exist and are no longer desired.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Up, remove_network};
use crate::cluster::ObservedContainer;
use crate::cluster::ObservedNetwork;
use crate::cluster::label;
use crate::text::quoted;
use crate::text::{listed, plural};

impl<'a> Up<'a> {
    /// Whether its role is not in the blueprint, and no desired container has its name.
    pub(super) fn is_orphan(&self, container: &ObservedContainer) -> bool {
        let role = container.role();
        !self.desired.roles.iter().any(|r| r.as_str() == role) && !self.specs.contains_key(container.created_as())
    }

    /// Whether another blueprint than this one created it.
    pub(super) fn is_of_other_blueprint(&self, container: &ObservedContainer) -> bool {
        let theirs = container.label(label::BLUEPRINT);
        let mut specs = self.specs.values();
        let ours = specs.next().and_then(|spec| spec.labels.get(label::BLUEPRINT));
        !theirs.is_empty() && ours.is_some_and(|ours| ours != theirs)
    }

    fn is_desired(&self, node: &str) -> bool {
        self.desired.nodes.iter().any(|n| n.name.as_str() == node)
    }

    /// Notes what is cut: nothing of it is in the blueprint, and it is nothing that `up` ends.
    pub(super) fn note_cuts(&mut self) {
        let cut = self.observed.containers.iter().filter(|c| c.marked);
        let cut: BTreeSet<String> = cut.map(|c| format!("`{}/{}`", c.node(), c.service())).collect();
        if cut.is_empty() {
            return;
        }
        let which = listed(&cut.into_iter().collect::<Vec<_>>());
        let note = format!(
            "{which} may be cut off, which is left as it is: `topogen faults` lists it, `topogen heal` ends it"
        );
        self.plan.notes.push(note);
    }

    /// Marks containers that are no longer desired for removal. Orphans are only noted, unless they are to be removed
    /// too.
    pub(super) fn surplus_containers(&mut self) {
        let mut orphans: BTreeMap<(&str, Option<&str>), usize> = BTreeMap::new();
        for container in self.observed.containers.iter().filter(|c| !c.is_helper()) {
            let role = container.role();
            let orphan = self.is_orphan(container);
            if orphan && !self.options.remove_orphans {
                let other = self.is_of_other_blueprint(container);
                let other = other.then(|| container.label(label::BLUEPRINT));
                *orphans.entry((role, other)).or_default() += 1;
            } else if orphan {
                self.mark_for_removal(container, format!("role `{role}` is not in the blueprint"));
            } else if let Some(spec) = self.specs.get(container.created_as()) {
                if self
                    .there
                    .get(spec.name.as_str())
                    .is_none_or(|one| one.id != container.id)
                {
                    self.mark_for_removal(container, format!("container `{}` is another one", spec.name));
                }
            } else {
                let (node, service) = (container.node(), container.service());
                let mut specs = self.specs.values();
                let cause = match self.is_desired(node) {
                    true if specs.any(|s| s.node.as_str() == node && s.service.as_str() == service) => {
                        "its service is fewer containers now"
                    }
                    true => "its service is not in the blueprint",
                    false => "its node is not in the blueprint",
                };
                self.mark_for_removal(container, cause);
            }
        }
        for ((role, other), count) in orphans {
            let containers = match count {
                1 => "1 container is".to_owned(),
                n => format!("{n} containers are"),
            };
            let them = if count == 1 { "it" } else { "them" };
            let end = match other {
                // What another blueprint created may still be needed, so no option that removes it is named.
                Some(other) => format!("`{other}` brought {them} up"),
                None => format!("`--remove-orphans` removes {them}"),
            };
            let note = format!("role `{role}` is not in the blueprint: its {containers} left alone, {end}");
            self.plan.notes.push(note);
        }
    }

    /// Removes the marked networks and those no longer desired, except those that some container stays on.
    pub(super) fn remove_networks(&mut self) {
        for (network, cause) in std::mem::take(&mut self.networks_to_remove) {
            let removed = self.remove_network(network, &cause);
            self.removed.insert(&network.id, removed);
        }
        let desired: HashSet<&str> = self.desired.networks().map(|n| n.name.as_str()).collect();
        for network in self.own_networks() {
            if desired.contains(network.name.as_str()) || self.stays_on(network) {
                continue;
            }
            let guests = self.observed.guests(network);
            if !guests.is_empty() {
                self.plan.notes.push(kept_by(network, &guests));
                continue;
            }
            let cause = match network.labels.get(label::NODE) {
                Some(node) if !self.is_desired(node) => "its node is not in the blueprint",
                _ => "not in the blueprint",
            };
            self.remove_network(network, cause);
        }
    }

    /// Whether a container of the cluster is on `network` and stays there.
    fn stays_on(&self, network: &ObservedNetwork) -> bool {
        self.members.on(network).into_iter().any(|c| !self.is_marked(c))
    }

    /// Removes `network` after the containers on it.
    fn remove_network(&mut self, network: &ObservedNetwork, cause: &str) -> usize {
        let on_it = self.members.on(network).into_iter();
        let after = on_it.filter_map(|c| self.removed.get(c.id.as_str()).copied()).collect();
        remove_network(&mut self.plan, network, cause, after)
    }
}

/// The note that `network` is left alone because of `guests`.
pub(super) fn kept_by(network: &ObservedNetwork, guests: &[String]) -> String {
    format!(
        "network `{}` stays: {} on it, {}",
        network.name,
        plural(guests.len(), "foreign container"),
        quoted(guests)
    )
}
