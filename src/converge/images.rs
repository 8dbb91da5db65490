//! Images that are needed before there is a plan.

use std::collections::HashSet;

use super::{Worker, health};
use crate::cluster::{Desired, Pull};
use crate::engine::observe;
use crate::error::Error;
use crate::fake;
use crate::plan::{Action, Operation, Plan};

/// Pulls the images whose pull policy asks for it at each `up` or after a period, and those that are missing and of which it
/// matters whether they have a healthcheck. This happens before anything is observed, because the content of an image decides
/// whether its containers are recreated, and before anything is changed.
pub(super) async fn refresh(worker: &Worker<'_>, desired: &Desired) -> Result<(), Error> {
    let mut plan = Plan::default();
    let waited_for = health::images(desired);
    let mut looked_at = HashSet::new();
    for spec in desired.containers() {
        let asked = |o: &Operation| o.subject == spec.image();
        let is_needed = match spec.pull {
            Pull::Never | Pull::Built => false,
            Pull::Missing => waited_for.contains(spec.image()),
            _ => true,
        };
        if !is_needed
            || fake::is_image(spec.image())
            || plan.operations.iter().any(asked)
            || !looked_at.insert((spec.image(), spec.pull))
        {
            continue;
        }
        let present = observe::image(worker.engine, spec.image()).await;
        let present = present.map_err(Error::engine("look at the images"))?;
        let cause = match (spec.pull, &present) {
            (Pull::Missing, Some(_)) => continue,
            (Pull::Every(seconds), Some(image)) if image.age.is_some_and(|age| age.as_secs() < seconds) => continue,
            (Pull::Every(_), Some(_)) => "fetched too long ago",
            (Pull::Every(_) | Pull::Missing, None) => "not found",
            _ => "asked for at each `up`",
        };
        let action = Action::PullImage {
            platform: spec.platform.clone(),
            again: present.is_some(),
        };
        plan.push(action, spec.image(), None, cause, Vec::new());
    }
    match plan.is_empty() {
        true => Ok(()),
        false => worker.carry_out(&plan, false).await.map(drop),
    }
}
