//! Warns before the first change if the host lacks resources for all containers.

use crate::cluster::arp::{grow, pairs};
use std::collections::HashMap;

use super::Up;
use crate::plan::Action;

/// The memory that a container takes besides its own processes, in bytes. Most of it is the engine's shim, 13 to 18 MB
/// resident with 20.10 and 28, of which containers share some.
const MEMORY: u64 = 12 << 20;

/// The processes and threads that a container takes besides its own.
const TASKS: u64 = 13;

impl Up<'_> {
    /// Adds a note for each resource that the host has too little of.
    pub(super) fn room(&mut self) {
        let Some(room) = self.observed.host.room else { return };
        let (mut starts, mut stops) = (0u64, 0u64);
        for operation in &self.plan.operations {
            match operation.action {
                Action::Start(_) | Action::StartAgain { .. } => starts += 1,
                Action::Stop { .. } => stops += 1,
                _ => {}
            }
        }
        let more = starts.saturating_sub(stops);
        if more == 0 {
            return;
        }
        let (memory, tasks) = (more.saturating_mul(MEMORY), more.saturating_mul(TASKS));
        if memory > room.memory {
            self.plan.notes.push(format!(
                "{more} more containers take about {} of memory beside what runs in them, and the host has {} left",
                size(memory),
                size(room.memory)
            ));
        }
        if tasks > room.tasks {
            self.plan.notes.push(format!(
                "{more} more containers take about {tasks} processes and threads beside what runs in them, and the host \
                 has room for {}: `sysctl kernel.pid_max kernel.threads-max` says how many it takes",
                room.tasks
            ));
        }
        let containers = self.desired.nodes.iter().flat_map(|n| &n.containers);
        let all = containers.clone().count();
        let mut joined: HashMap<&str, usize> = HashMap::new();
        for endpoint in containers.flat_map(|c| &c.endpoints) {
            *joined.entry(endpoint.network.as_str()).or_default() += 1;
        }
        self.plan
            .notes
            .extend(crowded(pairs(joined.into_values()), room.neighbours));
        if let Some(instances) = room.inotify_instances
            && u64::try_from(all).is_ok_and(|all| all > instances)
        {
            self.plan.notes.push(format!(
                "{all} containers take {all} inotify instances of the engine's user, and the host gives each user {instances}: \
                 the containers run, but beyond that, programs of that user that watch files fail with `too many open \
                 files`; `sysctl -w fs.inotify.max_user_instances={}` gives more",
                all.next_power_of_two().saturating_mul(2)
            ));
        }
    }
}

/// Warns that so many `pairs` of talking containers exceed the `neighbours` that the kernel's ARP table holds.
fn crowded(pairs: u64, neighbours: u64) -> Option<String> {
    (pairs > neighbours).then(|| {
        format!(
            "if all containers on each network talk to each other, that takes {pairs} entries of the host's ARP table, which \
             holds {neighbours}: packets beyond that get lost; {}",
            grow(pairs)
        )
    })
}

fn size(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 30;
    match tenths {
        0..10 => format!("{} MB", bytes >> 20),
        _ => format!("{}.{} GB", tenths / 10, tenths % 10),
    }
}
