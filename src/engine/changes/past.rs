//! Past changes, as far as the engine remembers them.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use tokio::time::timeout;

use super::{Change, Request, Topic};
use crate::engine::connect::Engine;

/// The number of events that an engine remembers, of all kinds (moby `daemon/events`, `eventsLimit`).
const REMEMBERED: usize = 256;

/// The longest wait for one more past event. If the engine's clock is behind ours, the end of the requested time lies
/// in its future, and the stream would stay open until then.
const PATIENCE: Duration = Duration::from_millis(500);

/// The changes between two times.
#[derive(Debug, Default)]
pub struct Past {
    /// The changes in the order of time.
    pub changes: Vec<Change>,
    /// The number of events that the engine reported, including those that are no [`Change`].
    pub events: usize,
    /// Whether the engine reported all that it remembers.
    pub is_whole: bool,
}

impl Past {
    /// The changes that the engine remembers between `since` and `until`. After an error or a timeout, those that came
    /// before it are kept.
    pub async fn between(engine: &Engine, topic: Topic<'_>, since: SystemTime, until: SystemTime) -> Self {
        let mut request = Request::new(topic, since);
        request.until = Some(until);
        let mut events = request.send(engine);
        let mut past = Self::default();
        while past.events < REMEMBERED {
            match timeout(PATIENCE, events.next()).await {
                Ok(Some(Ok(event))) => {
                    past.events += 1;
                    past.changes.extend(Change::read(event));
                }
                Ok(None) => {
                    past.is_whole = true;
                    break;
                }
                Ok(Some(Err(_))) | Err(_) => break,
            }
        }
        past
    }
}
