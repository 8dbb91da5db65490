//! What has happened, as far as the engine remembers.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use tokio::time::timeout;

use super::{Change, Request, Topic};
use crate::engine::connect::Engine;

/// How many events an engine remembers, of whatever kind (moby `daemon/events`, `eventsLimit`).
const REMEMBERED: usize = 256;

/// How long the engine may take to say one more past event. If the engine's clock is behind ours, the end of the time that
/// is asked for lies in its future, and the answer would not end before.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the engine says has happened between two times.
#[derive(Debug, Default)]
pub struct Past {
    /// What happened, in order.
    pub changes: Vec<Change>,
    /// How many events the engine told, also those that are no [`Change`].
    pub events: usize,
    /// Whether the engine came to the end of what it had to tell.
    pub is_whole: bool,
}

impl Past {
    /// What the engine remembers of the time between `since` and `until`. What came before an error, or before the engine
    /// fell silent, counts, and the rest is lacking.
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
