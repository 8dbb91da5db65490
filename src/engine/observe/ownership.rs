//! Which containers are topogen's.
//!
//! A container has the labels of its image, and `docker commit` makes an image with the labels of a container. So labels are
//! believed only where no image can have given them: each container gets a number when it is created, and one whose image
//! carries the same number is somebody else's.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::ListImagesOptionsBuilder;

use super::image_label;
use crate::cluster::{ObservedContainer, label};
use crate::engine::connect::Engine;
use crate::engine::fault::Fault;

/// The numbers that images carry, by the images' IDs.
pub(super) type Numbers = HashMap<String, String>;

/// A number that no container has yet, as 32 hexadecimal digits.
pub(in crate::engine) fn draw() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", random(), random())
}

/// The images that carry a number, which were committed from containers (`GET /images/json`).
///
/// # Errors
/// The engine's.
pub(super) async fn images(engine: &Engine) -> Result<Numbers, Fault> {
    let filters = HashMap::from([("label", vec![label::CREATION])]);
    let options = ListImagesOptionsBuilder::new().all(true).filters(&filters).build();
    let images = engine.docker.list_images(Some(options)).await?;
    let number = |labels: &HashMap<String, String>| labels.get(label::CREATION).cloned();
    Ok(images
        .into_iter()
        .filter_map(|i| Some((number(&i.labels)?, i.id)))
        .map(|(number, id)| (id, number))
        .collect())
}

/// Takes topogen's labels from the `containers` that are not topogen's, whose `images` carry these numbers.
///
/// # Errors
/// The engine's.
pub(super) async fn disown(
    engine: &Engine,
    containers: &mut [ObservedContainer],
    images: &Numbers,
) -> Result<(), Fault> {
    for container in containers.iter_mut().filter(|c| !c.cluster().is_empty()) {
        let mut number = images.get(&container.image_id).cloned();
        let mut is_known = true;
        if number.is_none() && container.created_as() != container.name {
            // It was renamed, or its image is one that no list has any more.
            is_known = engine.docker.inspect_image(&container.image_id).await.is_ok();
            number = image_label(engine, &container.image_id, label::CREATION).await?;
        }
        if !label::is_owned_container(&container.labels, &container.name, number.as_deref(), is_known) {
            label::disown(&mut container.labels);
        }
    }
    Ok(())
}

/// Whether the inspected `container` is topogen's and of the cluster that its labels name.
///
/// # Errors
/// The engine's.
pub(in crate::engine) async fn is_owned(engine: &Engine, container: &ContainerInspectResponse) -> Result<bool, Fault> {
    let labels = container.config.as_ref().and_then(|c| c.labels.clone());
    let labels = labels.unwrap_or_default().into_iter().collect();
    let image = container.image.as_deref().unwrap_or_default();
    let name = container.name.as_deref().unwrap_or_default().trim_start_matches('/');
    let number = image_label(engine, image, label::CREATION).await?;
    Ok(label::is_owned_container(&labels, name, number.as_deref(), true))
}
