//! Observes what `verify` needs: every name and address of a cluster and its surroundings.

use super::connect::Engine;
use super::fault::Fault;
use super::observe;
use crate::cluster::{Inspected, ObservedContainer};

/// Every network, and the containers that `relevant` selects from the list, running or not. A container that was
/// removed since it was listed is left out.
///
/// # Errors
/// A call of the engine failed.
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
