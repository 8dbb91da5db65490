//! The ARP table of the engine's host, which all containers of the host share.

/// The ARP entries needed for all containers to talk to all others on their networks, given the number of containers on
/// each network: each holds one entry for each other.
#[must_use]
pub fn pairs(networks: impl IntoIterator<Item = usize>) -> u64 {
    let of = |joined: usize| u64::try_from(joined).unwrap_or(u64::MAX);
    let entries = networks
        .into_iter()
        .map(|n| of(n).saturating_mul(of(n).saturating_sub(1)));
    entries.fold(0, u64::saturating_add)
}

/// The command that makes room for `entries` in the ARP table, with a reserve.
#[must_use]
pub fn grow(entries: u64) -> String {
    let room = entries.next_power_of_two().saturating_mul(2).max(4096);
    format!("`sysctl -w net.ipv4.neigh.default.gc_thresh3={room}` lets it grow")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_an_entry_of_each_other() {
        // The lab of 14 slaves: 29 on the shared network, 5 in each slave, 3 in the master.
        assert_eq!(pairs([29, 3].into_iter().chain([5; 14])), 29 * 28 + 3 * 2 + 14 * 5 * 4);
        assert_eq!(pairs([0, 1]), 0);
    }
}
