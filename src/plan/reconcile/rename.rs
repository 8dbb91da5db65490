//! Names: a container that somebody renamed gets its own back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Decision, Up};
use crate::cluster::{ContainerSpec, ObservedContainer, State, label};
use crate::plan::{Action, named};

/// The observed `containers` by the names that they were created under. Of several, that one counts which is called so, and
/// otherwise one that is as the blueprint says.
pub(super) fn by_name<'a>(
    containers: &'a [ObservedContainer],
    specs: &HashMap<&str, &Arc<ContainerSpec>>,
) -> HashMap<&'a str, &'a ObservedContainer> {
    let rank = |container: &ObservedContainer| {
        let name = container.created_as();
        let is_desired = |spec: &&Arc<ContainerSpec>| container.label(label::CONFIG_HASH) == spec.hash;
        let has_run = container.state != State::Created;
        (container.name == name, specs.get(name).is_some_and(is_desired), has_run)
    };
    let mut there: HashMap<&str, &ObservedContainer> = HashMap::new();
    for container in containers {
        let one = there.entry(container.created_as()).or_insert(container);
        if rank(container) > rank(one) {
            *one = container;
        }
    }
    there
}

impl<'a> Up<'a> {
    /// Gives containers that stay the names back that they were created under. Those that have each other's names go by
    /// another one in between.
    pub(super) fn rename_containers(&mut self) {
        let renamed = self.renamed();
        let held: HashSet<&str> = renamed.iter().map(|c| c.name.as_str()).collect();
        let mut moved: HashMap<&str, usize> = HashMap::new();
        for container in renamed.iter().filter(|c| held.contains(c.created_as())) {
            let at = self.rename(container, format!("{}.renamed", container.created_as()), Vec::new());
            moved.insert(&container.name, at);
        }
        for container in renamed {
            let name = container.created_as();
            let mut after: Vec<usize> = moved.get(container.name.as_str()).copied().into_iter().collect();
            after.extend(moved.get(name).copied());
            after.extend(self.vacated.get(name).copied());
            after.sort_unstable();
            after.dedup();
            let at = self.rename(container, name.to_owned(), after);
            self.vacated.insert(&container.name, at);
            self.renamed.insert(name, at);
        }
    }

    /// The containers that stay and are not called as they were created: desired ones, and those that have the name of a
    /// desired one.
    fn renamed(&self) -> Vec<&'a ObservedContainer> {
        let stays = |c: &&ObservedContainer| c.name != c.created_as() && !self.is_marked(c);
        let is_needed = |c: &&ObservedContainer| {
            let keeps = matches!(self.decisions.get(c.created_as()), Some(Decision::Keep(kept)) if kept.id == c.id);
            keeps || self.specs.contains_key(c.name.as_str())
        };
        self.observed
            .containers
            .iter()
            .filter(stays)
            .filter(is_needed)
            .collect()
    }

    fn rename(&mut self, container: &ObservedContainer, to: String, after: Vec<usize>) -> usize {
        let cause = format!("it is called `{}`", container.name);
        let id = container.id.clone();
        let node = named(container.node());
        self.plan
            .push(Action::Rename { id, to }, container.created_as(), node, cause, after)
    }
}
