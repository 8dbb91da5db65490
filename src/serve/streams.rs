//! Streams of events (HTML Living Standard, "Server-sent events").

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use serde_json::Value as Json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use super::answer;
use super::view::View;

/// How often a stream says something, so that it is known to be alive.
const BREATH: Duration = Duration::from_secs(15);

/// What a stream of views tells next.
struct Views {
    views: watch::Receiver<Arc<View>>,
    ending: watch::Receiver<bool>,
    /// The view that was told last; `None` before the first.
    told: Option<Arc<View>>,
    has_ended: bool,
    _place: OwnedSemaphorePermit,
}

/// A snapshot, then each change: one that is taken late has all changes until then.
pub(super) fn views(
    views: watch::Receiver<Arc<View>>,
    ending: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) -> Response {
    let state = Views {
        views,
        ending,
        told: None,
        has_ended: false,
        _place: place,
    };
    Sse::new(events(state)).into_response()
}

fn events(state: Views) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(state, |mut state| async move {
        let event = state.next().await?;
        Some((Ok(event), state))
    })
}

impl Views {
    async fn next(&mut self) -> Option<Event> {
        if self.has_ended {
            return None;
        }
        let Some(told) = self.told.clone() else {
            let now = self.views.borrow_and_update().clone();
            let event = event("snapshot", now.revision, &answer::roster(&now));
            self.told = Some(now);
            return Some(event);
        };
        let breath = Instant::now() + BREATH;
        tokio::select! {
            biased;
            _ = self.ending.wait_for(|ending| *ending) => {
                self.has_ended = true;
                Some(bye())
            }
            Ok(()) = self.views.changed() => {
                let now = self.views.borrow_and_update().clone();
                let event = event("change", now.revision, &answer::changes(&told, &now));
                self.told = Some(now);
                Some(event)
            }
            () = sleep_until(breath) => Some(Event::default().comment("")),
        }
    }
}

fn event(name: &str, revision: u64, data: &Json) -> Event {
    Event::default()
        .event(name)
        .id(revision.to_string())
        .data(data.to_string())
}

/// The last words of a server.
fn bye() -> Event {
    Event::default().event("bye").data("{}")
}
