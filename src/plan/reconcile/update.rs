//! Whether somebody changed a container by `docker update`: its limits or its restart policy.
//!
//! An engine without the control group for a limit drops it, and reports 0. So a limit counts as changed only where the
//! engine reports another one, not where it reports none.

use crate::cluster::{ContainerSpec, ObservedContainer, RestartCondition, RestartPolicy};

/// What was changed in `observed` by hand; `None` if nothing was, or if it was not inspected.
pub(super) fn changed(spec: &ContainerSpec, observed: &ObservedContainer) -> Option<String> {
    let now = &observed.details.as_ref()?.update;
    let limits = &spec.config.limits;
    let numbers = [
        ("mem_limit", limits.memory, now.memory),
        ("mem_reservation", limits.memory_reservation, now.memory_reservation),
        ("cpus", limits.nano_cpus, now.nano_cpus),
        ("cpu_shares", limits.cpu_shares, now.cpu_shares),
        ("cpu_period", limits.cpu_period, now.cpu_period),
        ("cpu_quota", limits.cpu_quota, now.cpu_quota),
    ];
    let number = numbers
        .into_iter()
        .find(|(_, desired, now)| *now != 0 && *desired != Some(*now))
        .map(|(key, desired, now)| cause(key, desired, now));
    // Without `memswap_limit` the engine sets twice the memory; -1 is also what it sets where there is no swap to limit.
    let swap = limits.memory_and_swap.unwrap_or(2 * now.memory);
    let swap = (now.memory_and_swap > 0 && now.memory_and_swap != swap)
        .then(|| cause("memswap_limit", limits.memory_and_swap, now.memory_and_swap));
    // Podman sets a limit of its own where none is asked for.
    let pids = limits.pids.filter(|desired| now.pids > 0 && now.pids != *desired);
    let pids = pids.map(|desired| cause("pids_limit", Some(desired), now.pids));
    let cpuset = (!now.cpuset.is_empty() && limits.cpuset.as_ref() != Some(&now.cpuset))
        .then(|| cause("cpuset", limits.cpuset.as_ref(), &now.cpuset));
    let restart = restart(spec.config.restart);
    let retries = now.max_retries;
    let policy = match (now.restart.as_str(), retries) {
        ("on-failure", 1..) => format!("on-failure:{retries}"),
        (word, _) => word.to_owned(),
    };
    let policy = (!policy.is_empty() && policy != restart).then(|| cause("restart", Some(restart), &policy));
    number.or(swap).or(pids).or(cpuset).or(policy)
}

fn cause(key: &str, desired: Option<impl ToString>, now: impl ToString) -> String {
    let before = desired.map_or_else(|| "nothing".to_owned(), |value| format!("`{}`", value.to_string()));
    format!("`{key}` was changed by hand, from {before} to `{}`", now.to_string())
}

/// The restart policy as Compose writes it.
fn restart(policy: Option<RestartPolicy>) -> String {
    let Some(policy) = policy else { return "no".to_owned() };
    match (policy.condition, policy.max_retries) {
        (RestartCondition::No, _) => "no".to_owned(),
        (RestartCondition::Always, _) => "always".to_owned(),
        (RestartCondition::UnlessStopped, _) => "unless-stopped".to_owned(),
        (RestartCondition::OnFailure, Some(most @ 1..)) => format!("on-failure:{most}"),
        (RestartCondition::OnFailure, _) => "on-failure".to_owned(),
    }
}
