//! Images: topogen's own, loaded from its executable, and those that are fetched.

use crate::cluster::label;
use std::collections::HashMap;
use std::fs::{File, TryLockError};

use bollard::query_parameters::{CreateImageOptionsBuilder, ImportImageOptionsBuilder, PruneImagesOptionsBuilder};
use futures_util::StreamExt;

use super::{PAUSE, Setting};
use crate::engine::connect::Engine;
use crate::engine::fault::Fault;
use crate::engine::observe;
use crate::fake;

/// `POST /images/load` of topogen's own executable.
pub(in crate::engine) async fn load_image(engine: &Engine, name: &str) -> Result<(), Fault> {
    let failed = |error: fake::image::ImageError| Fault::Own(error.to_string());
    // Many that come up at once need it but once.
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
    // What another build of topogen left there without a name is of no use; whether it goes does not matter.
    let unnamed = HashMap::from([("dangling", vec!["true"]), ("label", vec![label::EXECUTABLE])]);
    let options = PruneImagesOptionsBuilder::new().filters(&unnamed).build();
    let _ = engine.docker.prune_images(Some(options)).await;
    Ok(())
}

/// Wait until no other topogen of this machine's loads the image: a lock that ends with whoever holds it. Where there is no
/// place for one, all load it.
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

/// `POST /images/create`: fetch an image from its registry, which its name says, and tell how far it is.
pub(super) async fn pull_image(
    name: &str,
    platform: Option<&str>,
    at: usize,
    setting: &Setting<'_>,
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
    let mut stream = std::pin::pin!(setting.engine.docker.create_image(Some(options.build()), None, None));
    // Bytes of each layer: so many of so many.
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
        setting.tell(at, format!("{:.1} of {:.1} MB", mega(done), mega(all)));
    }
    Ok(())
}
