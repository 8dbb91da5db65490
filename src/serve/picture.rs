//! The picture of the cluster, drawn once for each revision.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::view::View;
use crate::graph::{self, Format};
use crate::name::ClusterName;

/// The newest picture.
pub(super) struct Picture {
    cluster: ClusterName,
    /// The revision and the text of what was drawn last. Whoever asks meanwhile waits until it is drawn.
    drawn: Mutex<Option<(u64, Arc<str>)>>,
}

impl Picture {
    /// The pictures of `cluster`, none of which is drawn yet.
    pub(super) fn new(cluster: ClusterName) -> Self {
        Self {
            cluster,
            drawn: Mutex::default(),
        }
    }

    /// The picture of `view` in SVG, as `graph --live` draws it; why it could not be drawn otherwise.
    pub(super) async fn of(&self, view: &View) -> Result<Arc<str>, String> {
        let mut drawn = self.drawn.lock().await;
        if let Some((_, text)) = drawn.as_ref().filter(|(revision, _)| *revision == view.revision) {
            return Ok(text.clone());
        }
        let (roster, topology) = view.scene();
        let cluster = self.cluster.clone();
        let draw = move || {
            let observed = roster.observed();
            match topology {
                Some(topology) => graph::draw(&topology, Some(&observed), Format::Svg, false),
                None => graph::draw_observed(&cluster, &observed, Format::Svg, false),
            }
        };
        // A large cluster takes a while, and nobody else is to wait for it.
        let text = tokio::task::spawn_blocking(draw)
            .await
            .map_err(|error| error.to_string())?;
        let text: Arc<str> = text.map_err(|error| error.to_string())?.into();
        *drawn = Some((view.revision, text.clone()));
        Ok(text)
    }
}
