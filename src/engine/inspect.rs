//! What proving needs to observe: every name and address of what has to do with a cluster.

use super::connect::Engine;
use super::fault::Fault;
use super::observe;
use crate::cluster::{Inspected, ObservedContainer};

/// Every network, and every container that `relevant` picks of all, running or not. It is given what a list says. A
/// container that was removed since it was listed is left out.
///
/// # Errors
/// The engine's.
pub async fn look(
    engine: &Engine,
    relevant: impl FnOnce(&[ObservedContainer]) -> Vec<bool>,
) -> Result<Inspected, Fault> {
    let (listed, networks) = tokio::try_join!(observe::all_containers(engine), observe::networks(engine))?;
    let relevant = relevant(&listed);
    let mut containers: Vec<ObservedContainer> = listed
        .into_iter()
        .zip(relevant)
        .filter(|(_, r)| *r)
        .map(|(c, _)| c)
        .collect();
    observe::inspect_all(engine, &mut containers).await?;
    containers.retain(|c| c.details.is_some());
    containers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Inspected { containers, networks })
}
