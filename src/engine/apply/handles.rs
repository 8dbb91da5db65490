//! The containers of a run by the engine's IDs: a name may be somebody else's by the time that it is used again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::name::ContainerName;

/// The engine's IDs of containers that a run created, or found to be what it would have created.
#[derive(Debug, Default)]
pub struct Handles(Mutex<HashMap<ContainerName, Handle>>);

#[derive(Debug)]
struct Handle {
    id: String,
    is_created: bool,
}

impl Handles {
    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerName, Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that this run created `container`, to which the engine gave that `id`.
    pub(super) fn created(&self, container: &ContainerName, id: String) {
        let is_created = true;
        self.lock().insert(container.clone(), Handle { id, is_created });
    }

    /// Remembers that `container` exists, is of the cluster, and has that `id`.
    pub(super) fn found(&self, container: &ContainerName, id: String) {
        let is_created = false;
        self.lock().insert(container.clone(), Handle { id, is_created });
    }

    /// Remembers that what was called `from` is called `to`.
    pub(super) fn renamed(&self, from: &str, to: &str) {
        let (Ok(from), Ok(to)) = (from.parse::<ContainerName>(), to.parse()) else {
            return;
        };
        let mut handles = self.lock();
        if let Some(handle) = handles.remove(&from) {
            handles.insert(to, handle);
        }
    }

    /// Whether this run created `container`. No other client is still creating it.
    pub(super) fn has_created(&self, container: &ContainerName) -> bool {
        self.lock().get(container).is_some_and(|handle| handle.is_created)
    }

    /// What the engine is asked by about the container called `name`: its ID if it is known; otherwise the name, which
    /// may be an ID already.
    pub(super) fn reference(&self, name: &str) -> String {
        let name_of = name.parse().ok();
        let id = name_of.and_then(|name: ContainerName| self.lock().get(&name).map(|handle| handle.id.clone()));
        id.unwrap_or_else(|| name.to_owned())
    }
}
