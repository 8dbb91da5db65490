//! Whether what is to become healthy has a healthcheck.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::cluster::{ContainerSpec, Desired};
use crate::compose::Condition;
use crate::engine::connect::Engine;
use crate::engine::observe;
use crate::error::Error;
use crate::fake;

/// Who waits for whom to become healthy, by the image, the service and the service that waits, as the names of the waiting
/// container and of the other one; only where the blueprint gives that no healthcheck.
type Waits<'a> = BTreeMap<(&'a str, &'a str, &'a str), (&'a str, &'a str)>;

fn waits(desired: &Desired) -> Waits<'_> {
    let specs: HashMap<&str, &ContainerSpec> = desired.containers().map(|c| (c.name.as_str(), &**c)).collect();
    let mut waits = Waits::new();
    for (waiting, dependency) in desired.containers().flat_map(|c| c.after.iter().map(move |d| (c, d))) {
        let Some(other) = specs.get(dependency.container.as_str()) else {
            continue;
        };
        let has_test = other.config.healthcheck.as_ref().is_some_and(|h| h.test.is_some());
        let is_asked = dependency.condition == Condition::Healthy && dependency.required && !has_test;
        if is_asked && !fake::is_image(other.image()) {
            let key = (other.image(), other.service.as_str(), waiting.service.as_str());
            waits.entry(key).or_insert((waiting.name.as_str(), other.name.as_str()));
        }
    }
    waits
}

/// The images of which it matters whether they have a healthcheck.
pub(super) fn images(desired: &Desired) -> BTreeSet<&str> {
    waits(desired).into_keys().map(|(image, ..)| image).collect()
}

/// Refuses to wait for the health of a container that has no healthcheck, as Compose does. Of an image that is not on the
/// engine nothing is known; `up` pulls it before.
pub(super) async fn check(engine: &Engine, desired: &Desired) -> Result<(), Error> {
    let (mut messages, mut hints) = (Vec::new(), Vec::new());
    let mut known: HashMap<&str, bool> = HashMap::new();
    for ((image, service, _), (waiting, other)) in waits(desired) {
        let lacks = match known.get(image) {
            Some(lacks) => *lacks,
            None => {
                let found = observe::image(engine, image).await;
                let found = found.map_err(Error::engine("look at the images"))?;
                found.is_some_and(|image| !image.has_healthcheck)
            }
        };
        known.insert(image, lacks);
        if lacks {
            messages.push(format!(
                "`{waiting}` waits until `{other}` is healthy, and neither the blueprint nor image `{image}` gives that a \
                 healthcheck"
            ));
            hints.push(format!(
                "give `{service}` a `healthcheck`, or wait for it with `condition: service_started`"
            ));
        }
    }
    hints.dedup();
    match messages.is_empty() {
        true => Ok(()),
        false => Err(Error::InTheWay { messages, hints }),
    }
}
