//! Streams of events (HTML Living Standard, "Server-sent events").

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use super::answer;
use super::view::View;

/// How often a stream says something, so that it is known to be alive.
pub(super) const BREATH: Duration = Duration::from_secs(15);

/// Who tells events, one after the other.
pub(super) trait Teller: Send + 'static {
    /// The next event; `None` if there is none any more.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
}

/// What `teller` tells, as an answer. The next event is made when there is room for it, so that a slow reader gets the newest.
pub(super) fn answer(teller: impl Teller) -> Response {
    let events = futures_util::stream::unfold(teller, |mut teller| async move {
        let event = teller.next().await?;
        Some((Ok::<_, Infallible>(event), teller))
    });
    Sse::new(events).into_response()
}

/// The last words of a server.
pub(super) fn bye() -> Event {
    Event::default().event("bye").data("{}")
}

/// Tells a view, then each change: what is taken late has all changes until then.
pub(super) struct Views {
    views: watch::Receiver<Arc<View>>,
    ending: watch::Receiver<bool>,
    /// The view that was told last; `None` before the first.
    told: Option<Arc<View>>,
    has_ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Views {
    /// Tells `views` until `ending` turns true, in that place among the streams.
    pub(super) fn new(
        views: watch::Receiver<Arc<View>>,
        ending: watch::Receiver<bool>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            views,
            ending,
            told: None,
            has_ended: false,
            _place: place,
        }
    }
}

impl Teller for Views {
    async fn next(&mut self) -> Option<Event> {
        if self.has_ended {
            return None;
        }
        let Some(told) = self.told.clone() else {
            let now = self.views.borrow_and_update().clone();
            let event = event("snapshot", now.revision, &answer::roster(&now, false));
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

fn event(name: &str, revision: u64, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).id(revision.to_string()).data(data)
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;
    use crate::cluster::roster::{Moment, Roster};

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_late_is_the_newest() {
        let roster = |revision: u64| {
            let mut roster = Roster::unknown("lab", Moment(0));
            (roster.revision, roster.stale) = (revision, None);
            Arc::new(roster)
        };
        let (sender, views) = watch::channel(Arc::new(View::unknown("lab", Moment(0))));
        let (end, ending) = watch::channel(false);
        let places = Arc::new(Semaphore::new(1));
        let place = places.clone().try_acquire_owned().expect("a place");
        let mut teller = Views::new(views, ending, place);
        let mut told = Vec::new();
        told.extend(teller.next().await);
        for revision in 1..=100 {
            let next = sender.borrow().next(&roster(revision), None).expect("it differs");
            sender.send_replace(Arc::new(next));
        }
        told.extend(teller.next().await);
        // Nothing has changed: it says so much.
        told.extend(teller.next().await);
        end.send_replace(true);
        told.extend(teller.next().await);
        assert!(teller.next().await.is_none());
        drop(teller);
        assert_eq!(places.available_permits(), 1);
        let text: Vec<String> = told.into_iter().map(|event| format!("{event:?}")).collect();
        assert_eq!(text.len(), 4);
        for (event, has) in text.iter().zip(["snapshot", "id: 100", ":", "bye"]) {
            assert!(event.contains(has), "{event}");
        }
    }
}
