//! Named volumes: created if missing and never recreated, because of their content.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Up;
use crate::cluster::{ContainerSpec, Observed, ObservedContainer, VolumeSpec, label};
use crate::name::NodeName;
use crate::plan::conflict::Conflict;
use crate::plan::{Action, Plan, named};

/// A container that is removed.
pub(super) struct Removal<'a> {
    pub(super) container: &'a ObservedContainer,
    /// The operation that removes it.
    pub(super) at: usize,
    /// Whether the engine removes the volumes with it that are anonymous.
    pub(super) volumes: bool,
}

impl<'a> Up<'a> {
    pub(super) fn volume(&mut self, spec: &'a Arc<VolumeSpec>) {
        let name = spec.name.as_str();
        let node = spec.node.as_ref().map(NodeName::as_str);
        match self.observed.volumes.iter().find(|v| v.name == name) {
            Some(_) if spec.external => {}
            Some(observed) if !observed.is_of(&self.desired.cluster) => self.plan.notes.push(format!(
                "volume `{name}` exists already, and is not of this cluster: it is used and left as it is"
            )),
            Some(observed) => {
                if observed.labels.get(label::CONFIG_HASH) != Some(&spec.hash) {
                    self.plan.notes.push(format!(
                        "volume `{name}` is asked for otherwise now, and left as it is for what is in it: \
                         `topogen down -n {cluster}`, then `docker volume rm {name}` lets go of that",
                        cluster = self.desired.cluster,
                    ));
                }
            }
            None if spec.external => self.conflict(Conflict::MissingVolume { name: name.to_owned() }),
            None => {
                let action = Action::CreateVolume(spec.clone());
                let at = self.plan.push(action, name, node, "not found", Vec::new());
                self.volumes.insert(name, at);
            }
        }
    }

    /// The anonymous volumes of `observed` that its successor takes over, as pairs of name and path, as in Compose. Those
    /// where the successor mounts something else are left out, and those that it has from another container.
    pub(super) fn carried(&self, spec: &ContainerSpec, observed: &ObservedContainer) -> Vec<(String, String)> {
        let mounted = spec.targets();
        let donors = spec.config.volumes_from.iter().map(|from| from.container.as_str());
        let donated = |volume: &str| donors.clone().any(|donor| self.mounts(donor, volume));
        let is_named = |volume: &str| observed.named_volumes().any(|named| named == volume);
        let carried = observed.mounts.iter().filter(|(volume, target)| {
            is_anonymous(self.observed, volume) && !is_named(volume) && !mounted.contains(target) && !donated(volume)
        });
        carried.cloned().collect()
    }

    /// Whether the container of that name or ID mounts `volume`.
    fn mounts(&self, container: &str, volume: &str) -> bool {
        let mut all = self.observed.containers.iter().chain(&self.observed.foreign);
        all.any(|c| {
            let is_it = c.name == container || c.created_as() == container || c.id == container;
            is_it && c.mounts.iter().any(|(name, _)| name == volume)
        })
    }
}

/// Whether nobody gave `volume` its name.
fn is_anonymous(observed: &Observed, volume: &str) -> bool {
    match observed.volumes.iter().find(|v| v.name == volume) {
        Some(volume) => volume.is_anonymous(),
        None => label::is_made_up(volume),
    }
}

/// Removes the anonymous volumes that the engine leaves behind when the containers of `removals` are removed: those that are
/// anonymous no more for the engine, because a container took them over from the one before, and all those of a container
/// that passes some of them on. What has a name stays, whatever a label says, and so do what is `passed_on` and what another
/// container mounts.
pub(super) fn remove_leftovers(
    plan: &mut Plan,
    observed: &Observed,
    removals: &[Removal<'_>],
    passed_on: &HashSet<String>,
) {
    let removed: HashMap<&str, usize> = removals.iter().map(|r| (r.container.id.as_str(), r.at)).collect();
    let mut done: HashSet<&str> = passed_on.iter().map(String::as_str).collect();
    for Removal { container, at, volumes } in removals {
        for (volume, _) in &container.mounts {
            let is_left = !volumes || container.carried().any(|earlier| earlier == volume);
            let is_named = container.named_volumes().any(|named| named == volume);
            if !is_left || is_named || !is_anonymous(observed, volume) || !done.insert(volume) {
                continue;
            }
            let all = observed.containers.iter().chain(&observed.foreign);
            let users = all.filter(|c| c.mounts.iter().any(|(name, _)| name == volume));
            // Whoever stays mounts it still.
            let after: Option<Vec<usize>> = users.map(|c| removed.get(c.id.as_str()).copied()).collect();
            if let Some(mut after) = after {
                after.sort_unstable();
                let cause = plan.operations[*at].cause.clone();
                plan.push(Action::RemoveVolume, volume, named(container.node()), cause, after);
            }
        }
    }
}
