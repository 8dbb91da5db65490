//! What a host has no room for is said before the first change: work that cannot finish should not begin unknown.

use super::Up;
use crate::plan::Action;

/// What a container costs its host beside what runs in it, in bytes: most is the engine's process that looks after it, 13 to
/// 18 MB resident with 20.10 and 28, of which containers share some.
const MEMORY: u64 = 12 << 20;

/// The same in processes and threads.
const TASKS: u64 = 13;

impl Up<'_> {
    /// Note what the host has too little of.
    pub(super) fn room(&mut self) {
        let Some(room) = self.seen.host.room else { return };
        let (mut starts, mut stops) = (0u64, 0u64);
        for operation in &self.plan.operations {
            match operation.action {
                Action::Start(_) | Action::StartAgain { .. } => starts += 1,
                Action::Stop { .. } => stops += 1,
                _ => {}
            }
        }
        let more = starts.saturating_sub(stops);
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
        let inout = &self.wanted.inout.name;
        let containers = self.wanted.nodes.iter().flat_map(|n| &n.containers);
        let joined = containers
            .filter(|c| c.endpoints.iter().any(|(n, _)| n == inout))
            .count();
        if more > 0
            && let Some(note) = crowded(joined, room.neighbours)
        {
            self.plan.notes.push(note);
        }
    }
}

/// What becomes of so many containers on one network where the kernel keeps so many `neighbours` in mind.
#[must_use]
pub fn crowded(joined: usize, neighbours: u64) -> Option<String> {
    let joined = u64::try_from(joined).unwrap_or(u64::MAX);
    let pairs = joined.saturating_mul(joined.saturating_sub(1));
    (pairs > neighbours).then(|| {
        format!(
            "{joined} containers on one network are {pairs} entries of the host's ARP table where each talks to each, and \
             it takes {neighbours}: what is beyond gets lost; `sysctl -w net.ipv4.neigh.default.gc_thresh3={}` lets it grow",
            pairs.next_power_of_two().saturating_mul(2)
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
