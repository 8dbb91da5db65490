//! Which containers are on which network, indexed once: to search all containers for each network would take too long.

use std::collections::HashMap;

use crate::cluster::ObservedContainer;
use crate::cluster::ObservedNetwork;

/// The containers of an engine by their networks.
pub(super) struct Members<'a> {
    containers: &'a [ObservedContainer],
    by_id: HashMap<&'a str, Vec<usize>>,
    /// Containers by network name, if the engine reports no ID because they have not run on it yet.
    by_name: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Members<'a> {
    pub(super) fn of(containers: &'a [ObservedContainer]) -> Self {
        let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, container) in containers.iter().enumerate() {
            for on in &container.endpoints {
                match &on.network_id {
                    None => by_name.entry(&on.network).or_default().push(at),
                    Some(id) => by_id.entry(id).or_default().push(at),
                }
            }
        }
        Self {
            containers,
            by_id,
            by_name,
        }
    }

    /// The containers for which [`ObservedContainer::is_on`] holds, in the engine's order.
    pub(super) fn on(&self, network: &ObservedNetwork) -> Vec<&'a ObservedContainer> {
        let by_id = self.by_id.get(network.id.as_str());
        let by_name = self.by_name.get(network.name.as_str());
        let mut places: Vec<usize> = by_id.into_iter().chain(by_name).flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|at| &self.containers[at]).collect()
    }
}
