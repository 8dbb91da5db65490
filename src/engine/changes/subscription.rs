//! A subscription to changes, which survives the loss of the engine.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, poll_fn};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Change, Events, Request, Topic};
use crate::engine::connect::{Engine, head_of};
use crate::engine::fault::Fault;

/// The wait before the first attempt to reconnect. It doubles before each further one.
pub const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest wait between two attempts to reconnect.
pub const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// The longest time for an attempt to reconnect.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The time in which the stream breaks off if another call has failed because the engine is lost.
const LOSS: Duration = Duration::from_secs(1);

/// What a [`Subscription`] reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Something happened on the engine.
    Change(Change),
    /// The engine ended the stream, for this reason. Changes are missed until [`Resumed`](Self::Resumed).
    Lost(String),
    /// The engine reports changes again. Only a complete observation shows what happened in between, because an engine
    /// forgets its events when it restarts.
    Resumed,
}

/// The changes on the engine. It does not end: if the stream breaks off, it reconnects, as often as necessary.
pub struct Subscription {
    engine: Engine,
    request: Request,
    state: State,
    /// The last change. The engine reports it again after a reconnection.
    last: Option<Change>,
    /// The wait before the next attempt to reconnect.
    delay: Duration,
}

/// Changes as they arrive, until the stream breaks off.
type Changes = BoxStream<'static, Result<Change, Fault>>;

enum State {
    /// The stream is open since this time.
    Listening(Changes, Instant),
    /// A future that resolves to the changes and the wait before a further attempt. It is kept here so that it
    /// continues if [`Subscription::next`] was dropped before it ended.
    Reconnecting(BoxFuture<'static, (Changes, Duration)>),
}

impl Subscription {
    /// Subscribes, and returns when the engine has begun to answer. No change to anything observed after that is
    /// missed.
    ///
    /// # Errors
    /// The engine refuses the request, or does not answer.
    pub async fn open(engine: &Engine, topic: Topic<'_>) -> Result<Self, Fault> {
        // The engine answers a moment before it starts to listen for events. It remembers those in between, and is
        // asked for them.
        let request = Request::new(topic, SystemTime::now());
        let changes = listen(engine, &request).await?;
        Ok(Self {
            engine: engine.clone(),
            request,
            state: State::Listening(changes, Instant::now()),
            last: None,
            delay: FIRST_DELAY,
        })
    }

    /// The next notice. It is not lost if the future is dropped before it ends.
    pub async fn next(&mut self) -> Notice {
        loop {
            match &mut self.state {
                State::Reconnecting(attempt) => {
                    let (changes, delay) = attempt.await;
                    self.delay = delay;
                    self.state = State::Listening(changes, Instant::now());
                    return Notice::Resumed;
                }
                State::Listening(changes, begun) => match changes.next().await {
                    Some(Ok(change)) => {
                        if self.last.as_ref() == Some(&change) {
                            continue;
                        }
                        self.request.since = Some(change.at());
                        self.last = Some(change.clone());
                        self.delay = FIRST_DELAY;
                        return Notice::Change(change);
                    }
                    broken => {
                        if begun.elapsed() > LONGEST_DELAY {
                            self.delay = FIRST_DELAY;
                        }
                        let attempt = reconnect(self.engine.clone(), self.request.clone(), self.delay);
                        self.state = State::Reconnecting(Box::pin(attempt));
                        return Notice::Lost(match broken {
                            Some(Err(fault)) => fault.to_string(),
                            _ => "the engine closed the connection".to_owned(),
                        });
                    }
                },
            }
        }
    }

    /// Why the engine was lost, after another call to it has failed; `None` if the engine still answers and the call
    /// failed for a reason of its own. Changes in between are dropped, because everything must be observed again
    /// anyway.
    pub async fn reason_of_loss(&mut self) -> Option<String> {
        let lost = async {
            loop {
                if let Notice::Lost(reason) = self.next().await {
                    return reason;
                }
            }
        };
        timeout(LOSS, lost).await.ok()
    }
}

/// Sends the request, and returns when the head of the response has arrived.
async fn listen(engine: &Engine, request: &Request) -> Result<Changes, Fault> {
    let mut events = request.send(engine);
    match head_of(&mut events).await {
        None => Ok(read_ahead(events)),
        Some(Ok(first)) => Ok(read_ahead(
            futures_util::stream::iter([Ok(first)]).chain(events).boxed(),
        )),
        Some(Err(fault)) => Err(fault),
    }
}

/// Reads `events` as they arrive, whether or not anybody takes them yet, because engines drop what a slow client does
/// not read in time (moby `daemon/events`, `bufferSize`).
fn read_ahead(mut events: Events) -> Changes {
    let (sender, mut changes) = mpsc::unbounded_channel();
    let mut reader = JoinSet::new();
    reader.spawn(async move {
        while let Some(event) = events.next().await {
            let Some(change) = event.map(Change::read).transpose() else {
                continue;
            };
            if sender.send(change).is_err() {
                return;
            }
        }
    });
    // The task ends when the receiver is dropped.
    poll_fn(move |context| {
        let _ = &reader;
        changes.poll_recv(context)
    })
    .boxed()
}

/// Tries until the engine answers. Returns the changes, and the wait before the next attempt if that stream breaks off
/// too.
async fn reconnect(engine: Engine, request: Request, mut delay: Duration) -> (Changes, Duration) {
    loop {
        sleep(delay).await;
        delay = (delay * 2).min(LONGEST_DELAY);
        if let Ok(Ok(changes)) = timeout(PATIENCE, listen(&engine, &request)).await {
            return (changes, delay);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{UnixListener, UnixStream};

    use super::*;
    use crate::engine::changes::ContainerEvent;
    use crate::engine::connect::choose::{By, Choice};
    use crate::engine::connect::host::Host;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nConnection: close\r\n\r\n";

    /// The next request to the engine, and the channel for its response.
    async fn request(engine: &UnixListener) -> (String, UnixStream) {
        let (mut stream, _) = engine.accept().await.expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let byte = stream.read_u8().await.expect("a request");
            request.push(byte);
        }
        (String::from_utf8(request).expect("UTF-8"), stream)
    }

    async fn say(stream: &mut UnixStream, text: &str) {
        stream.write_all(text.as_bytes()).await.expect("it listens");
    }

    fn event(action: &str, second: u64) -> String {
        let event = json!({
            "Type": "container", "Action": action, "Actor": {"ID": "1", "Attributes": {"name": "a"}},
            "timeNano": second * 1_000_000_000,
        });
        format!("{event}\n")
    }

    fn happened(notice: Notice) -> ContainerEvent {
        match notice {
            Notice::Change(Change::Container(change)) => change.event,
            other => panic!("{other:?}"),
        }
    }

    /// An engine at a socket, with a client.
    async fn engine() -> (tempfile::TempDir, UnixListener, Engine) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("engine.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let choice = Choice {
            host: Host::Unix(path),
            by: By::Nobody(Vec::new()),
            tls: None,
        };
        let answer = async {
            let (_, mut stream) = request(&listener).await;
            say(&mut stream, HEAD).await;
        };
        let (engine, ()) = tokio::join!(Engine::to(choice, crate::engine::connect::Patience::default()), answer);
        (directory, listener, engine.expect("it answers"))
    }

    #[tokio::test]
    async fn it_is_open_when_the_head_has_come() {
        let (_directory, listener, engine) = engine().await;
        let mut opening = Box::pin(Subscription::open(&engine, Topic::Everything));
        let (_, mut stream) = tokio::select! {
            biased;
            _ = &mut opening => panic!("nothing has come yet"),
            request = request(&listener) => request,
        };
        say(&mut stream, HEAD).await;
        let mut subscription = opening.await.expect("it is open, and no event has come");
        say(&mut stream, &event("start", 1)).await;
        assert_eq!(happened(subscription.next().await), ContainerEvent::Started);
    }

    #[tokio::test]
    async fn a_refusal_is_an_error() {
        let (_directory, listener, engine) = engine().await;
        let answer = async {
            let (_, mut stream) = request(&listener).await;
            let refusal = "HTTP/1.1 400 Bad Request\r\nContent-Length: 20\r\n\r\n{\"message\":\"no, no\"}";
            say(&mut stream, refusal).await;
        };
        let (opened, ()) = tokio::join!(Subscription::open(&engine, Topic::Everything), answer);
        assert_eq!(opened.err(), Some(Fault::Refused("no, no".to_owned())));
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_is_resumed_where_it_broke_off() {
        let (_directory, listener, engine) = engine().await;
        let answers = async {
            let (first, mut stream) = request(&listener).await;
            say(&mut stream, &(HEAD.to_owned() + &event("start", 1))).await;
            drop(stream);
            // The engine has not finished its start.
            drop(request(&listener).await);
            let (again, mut stream) = request(&listener).await;
            say(&mut stream, &(HEAD.to_owned() + &event("start", 1) + &event("die", 2))).await;
            (first, again, stream)
        };
        let follow = async {
            let mut subscription = Subscription::open(&engine, Topic::Everything)
                .await
                .expect("it is open");
            let mut notices = Vec::new();
            for _ in 0..4 {
                // A waiting caller may do something else in between.
                while timeout(Duration::from_millis(20), async {
                    notices.push(subscription.next().await)
                })
                .await
                .is_err()
                {}
            }
            notices
        };
        let ((first, again, _stream), notices) = tokio::join!(answers, follow);
        assert!(!first.contains("since=1.000000000"), "{first}");
        assert!(again.contains("since=1.000000000"), "{again}");
        let [started, lost, resumed, died] = <[Notice; 4]>::try_from(notices).expect("four");
        assert_eq!(happened(started), ContainerEvent::Started);
        assert!(matches!(lost, Notice::Lost(_)), "{lost:?}");
        assert_eq!(resumed, Notice::Resumed);
        // A change that was reported already is not reported again.
        assert_eq!(happened(died), ContainerEvent::Died(None));
    }
}
