//! What containers use of their machine, as the engine counts it.

use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;

use super::connect::Engine;
use super::fault::Fault;
use super::observe::read;
use crate::usage::Sample;

/// What the container `id` has used so far (`GET /containers/{id}/stats`, once); `None` if it does not run any more.
///
/// # Errors
/// The engine refused, or was lost.
pub async fn sample(engine: &Engine, id: &str) -> Result<Option<Sample>, Fault> {
    // Without `one-shot` the engine waits for a second sample.
    let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
    let mut answers = std::pin::pin!(engine.docker.stats(id, Some(options)));
    match answers.next().await.transpose().map_err(Fault::from) {
        Ok(stats) => Ok(stats.and_then(of)),
        Err(fault) if fault.is_not_found() => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn of(stats: ContainerStatsResponse) -> Option<Sample> {
    let at = read::time(&stats.read?)?.duration_since(std::time::UNIX_EPOCH).ok()?;
    // A container that does not run has no counters, and its time is the year 1.
    let cpu = stats.cpu_stats?.cpu_usage?.total_usage?;
    let memory = stats.memory_stats.unwrap_or_default();
    let counters = memory.stats.unwrap_or_default();
    // What can be dropped at once counts as free, as in `docker stats`: in the words of control groups 1, else of 2.
    let cache = ["total_inactive_file", "inactive_file"]
        .iter()
        .find_map(|key| counters.get(*key))
        .copied()
        .unwrap_or(0);
    let networks = stats.networks.unwrap_or_default();
    let sum = |of: fn(&bollard::models::ContainerNetworkStats) -> Option<u64>| networks.values().filter_map(of).sum();
    Some(Sample {
        at,
        cpu,
        memory: memory.usage.unwrap_or(0).saturating_sub(cache),
        received: sum(|network| network.rx_bytes),
        sent: sum(|network| network.tx_bytes),
        processes: stats.pids_stats.and_then(|pids| pids.current).unwrap_or(0),
    })
}
