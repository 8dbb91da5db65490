//! Images: topogen's own, loaded from its executable, and those that are fetched.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::sync::Arc;

use bollard::query_parameters::{
    CreateImageOptionsBuilder, ImportImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions,
};
use futures_util::StreamExt;

use super::{ApplyContext, PAUSE};
use crate::cluster::label;
use crate::engine::connect::Engine;
use crate::engine::fault::Fault;
use crate::engine::observe;
use crate::fake;
use crate::fake::image::ImageError;

/// Why the engine has no usable fake image, and cannot be given one.
#[derive(Debug)]
pub(crate) enum FakeError {
    /// The engine refused a request.
    Engine(Fault),
    /// No image for the engine's machine can be built here.
    Image {
        /// Why the image cannot be built.
        error: ImageError,
        /// The operating system of the engine's machine, in Go's words (`GOOS`): `linux`.
        os: String,
        /// Its architecture, in Go's words (`GOARCH`): `arm64`.
        architecture: String,
    },
}

impl From<Fault> for FakeError {
    fn from(fault: Fault) -> Self {
        Self::Engine(fault)
    }
}

/// The volumes that images declare, by the names of the images. All containers of an image share one question.
#[derive(Debug, Default)]
pub struct SharedImages(tokio::sync::Mutex<HashMap<String, Arc<[String]>>>);

impl SharedImages {
    /// The paths at which `image` declares volumes; none if the engine does not have it.
    pub(super) async fn volumes(&self, image: &str, engine: &Engine) -> Result<Arc<[String]>, Fault> {
        if fake::is_image(image) {
            return Ok(Arc::default());
        }
        let mut known = self.0.lock().await;
        if let Some(volumes) = known.get(image) {
            return Ok(volumes.clone());
        }
        let present = observe::image(engine, image).await?;
        let volumes: Arc<[String]> = present.map(|image| image.volumes).unwrap_or_default().into();
        known.insert(image.to_owned(), volumes.clone());
        Ok(volumes)
    }
}

/// Whether the engine has a fake image that will do; else it is to be loaded ([`load_image`]).
///
/// # Errors
/// The engine's; that there is none, and none can be made.
pub(crate) async fn fake_is_ready(engine: &Engine) -> Result<bool, FakeError> {
    let label = observe::image_label(engine, &fake::image_name(), label::EXECUTABLE).await?;
    let own = fake::image::identity_of_this_process().ok();
    if own.is_some() && label == own {
        return Ok(true);
    }
    let (os, architecture) = engine.platform().await?;
    let can_run = fake::image::Parts::of_this_process().and_then(|p| p.runs_on(&os, &architecture));
    fake::image::ready(label.as_deref(), own.as_deref(), can_run).map_err(|error| FakeError::Image {
        error,
        os,
        architecture,
    })
}

/// `POST /images/load` of an image built from topogen's own executable.
pub(in crate::engine) async fn load_image(engine: &Engine, name: &str) -> Result<(), Fault> {
    let failed = |error: fake::image::ImageError| Fault::Own(error.to_string());
    // Of many `up`s that begin at once, only one needs to load it.
    let _turn = turn().await;
    let own = fake::image::identity_of_this_process().ok();
    if own.is_some() && observe::image_label(engine, name, label::EXECUTABLE).await? == own {
        return Ok(());
    }
    let parts = fake::image::Parts::of_this_process().map_err(failed)?;
    let archive = parts.archive(name).map_err(failed)?;
    let body = futures_util::stream::iter([Ok::<_, std::io::Error>(archive.into())]);
    let options = ImportImageOptionsBuilder::default().build();
    let mut stream = std::pin::pin!(engine.docker.import_image_stream(options, body, None));
    while let Some(answer) = stream.next().await {
        answer?;
    }
    // A failure to prune is harmless.
    let _ = prune_fakes(engine).await;
    Ok(())
}

/// Removes fake images of other builds of topogen that lost their name to this one's. Images that somebody built from a
/// fake stay, as do those that a container still uses.
async fn prune_fakes(engine: &Engine) -> Result<(), Fault> {
    let unnamed = HashMap::from([("dangling", vec!["true"]), ("label", vec![label::EXECUTABLE])]);
    let options = ListImagesOptionsBuilder::new().filters(&unnamed).build();
    for image in engine.docker.list_images(Some(options)).await? {
        let inspect = engine.docker.inspect_image(&image.id).await?;
        let layers = inspect.root_fs.and_then(|r| r.layers).unwrap_or_default();
        let architecture = inspect.architecture.unwrap_or_default();
        let identity = image.labels.get(label::EXECUTABLE).map(String::as_str);
        if fake::image::is_own_make(&image.id, &architecture, identity.unwrap_or_default(), &layers) {
            // Without force, so that an image in use stays.
            let _ = engine
                .docker
                .remove_image(&image.id, None::<RemoveImageOptions>, None)
                .await;
        }
    }
    Ok(())
}

/// Waits until no other topogen process on this machine loads the image, by a file lock that ends with its holder. If
/// there is no place for the lock, all of them load it.
async fn turn() -> Option<File> {
    let path = std::env::temp_dir().join("topogen-image.lock");
    let file = File::options().create(true).append(true).open(path).ok()?;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
            Err(TryLockError::Error(_)) => return None,
        }
    }
}

/// `POST /images/create`: pulls an image from its registry and reports the progress.
pub(super) async fn pull_image(
    name: &str,
    platform: Option<&str>,
    at: usize,
    context: &ApplyContext<'_>,
) -> Result<(), Fault> {
    let name = match name.rsplit('/').next().unwrap_or(name).contains([':', '@']) {
        true => name.to_owned(),
        false => format!("{name}:latest"),
    };
    let options = CreateImageOptionsBuilder::new().from_image(&name);
    let options = match platform {
        Some(platform) => options.platform(platform),
        None => options,
    };
    let mut stream = std::pin::pin!(context.engine.docker.create_image(Some(options.build()), None, None));
    // Bytes of each layer: pulled, and in total.
    let mut layers: HashMap<String, (i64, i64)> = HashMap::new();
    while let Some(answer) = stream.next().await {
        let answer = answer?;
        let detail = answer.progress_detail.unwrap_or_default();
        let (Some(layer), Some(done), Some(all)) = (answer.id, detail.current, detail.total) else {
            continue;
        };
        layers.insert(layer, (done, all));
        let (done, all) = layers.values().fold((0, 0), |(d, a), (done, all)| (d + done, a + all));
        let mega = |bytes: i64| bytes as f64 / 1e6;
        context.tell(at, format!("{:.1} of {:.1} MB", mega(done), mega(all)));
    }
    Ok(())
}
