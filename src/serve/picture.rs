//! The picture of the cluster, drawn once for each revision.

use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use crate::engine::connect::Engine;
use crate::engine::fault::Fault;
use crate::engine::observe;
use crate::graph::{self, Format};
use crate::name::ClusterName;
use crate::topology::Topology;

/// The newest picture.
pub(super) struct Picture {
    engine: Engine,
    cluster: ClusterName,
    topology: watch::Receiver<Option<Arc<Topology>>>,
    /// The revision and the text of what was drawn last. Whoever asks next waits until it is drawn.
    drawn: Mutex<Option<(u64, Arc<str>)>>,
}

impl Picture {
    pub(super) fn new(engine: Engine, cluster: ClusterName, topology: watch::Receiver<Option<Arc<Topology>>>) -> Self {
        Self {
            engine,
            cluster,
            topology,
            drawn: Mutex::default(),
        }
    }

    /// The picture as of `revision`, in SVG; why it could not be drawn otherwise.
    pub(super) async fn at(&self, revision: u64) -> Result<Arc<str>, String> {
        let mut drawn = self.drawn.lock().await;
        if let Some((_, text)) = drawn.as_ref().filter(|(of, _)| *of == revision) {
            return Ok(text.clone());
        }
        let text: Arc<str> = self.draw().await?.into();
        *drawn = Some((revision, text.clone()));
        Ok(text)
    }

    async fn draw(&self) -> Result<String, String> {
        let observe = async {
            let mut observed = observe::observe(&self.engine, &self.cluster, false).await?;
            observe::inspect_all(&self.engine, &mut observed.containers).await?;
            Ok::<_, Fault>(observed)
        };
        let observed = observe.await.map_err(|fault| fault.to_string())?;
        let topology = self.topology.borrow().clone();
        let topology = topology.ok_or("no blueprint of the cluster is known, by which it could be drawn")?;
        // A large cluster takes a while, and nobody else is to wait for it.
        let draw = move || graph::draw(&topology, Some(&observed), Format::Svg, false);
        let drawn = tokio::task::spawn_blocking(draw)
            .await
            .map_err(|error| error.to_string())?;
        drawn.map_err(|error| error.to_string())
    }
}
