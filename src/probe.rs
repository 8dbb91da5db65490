//! The probe: checks from inside a container what names resolve to and who responds. It needs no shell and no resolver
//! tool, so it works in the fake containers, and in the network namespace of any other.

mod dns;
pub mod question;
mod resolver;

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::probe::question::{Answers, Contact, Questions};
use dns::Reply;
use resolver::Resolver;

/// Names of one list that are queried at once. With two lists of this size no query is lost: more than 250 fit the
/// socket of the engine's resolver (net.core.rmem_default).
const NAMES: usize = 64;
/// Connections of one list at once.
const CONNECTIONS: usize = 384;
/// The time before a name is queried again, since datagrams get lost.
const AGAIN: Duration = Duration::from_millis(500);
/// The time before a port that refused a connection is tried again.
const SETTLING: Duration = Duration::from_millis(50);

/// The shortest wait for a negative check.
const SHORTEST: Duration = Duration::from_millis(20);

/// How many attempts must succeed before an address that should be unreachable counts as reachable.
const TURNS: u32 = 3;
/// The pause between these attempts; twice as long before the last.
const PAUSE: Duration = Duration::from_millis(200);

/// How to check an endpoint.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Ask for the identity of a fake.
    Identify,
    /// Connect, and send nothing.
    Connect,
}

/// Runs all checks, and those once more that should have been answered and were not: a busy engine may be silent for
/// longer than the timeout, which is no difference.
///
/// # Errors
/// A resolver configuration that cannot be read.
pub async fn ask(questions: &Questions) -> io::Result<Answers> {
    let conf = std::fs::read_to_string("/etc/resolv.conf")?;
    // Where there is no such file, libc goes on without it.
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let resolver = Resolver::read(&hosts, &conf, questions.ipv6);
    Ok(ask_twice(questions, &resolver).await)
}

/// All checks, and once more those without an answer, by `resolver`.
async fn ask_twice(questions: &Questions, resolver: &Resolver) -> Answers {
    let mut answers = ask_once(questions, resolver).await;
    let again = questions.unanswered(&answers);
    if !again.is_empty() {
        answers.replace(ask_once(&again, resolver).await);
    }
    answers
}

/// Runs all checks concurrently. A negative check cannot wait for ever, so it ends when all positive checks of its kind
/// have finished and then a control query, sent after it, has been answered: a real answer would have arrived by then.
/// Without an answer to any control, it ends after [`Questions::control_timeout`].
async fn ask_once(questions: &Questions, resolver: &Resolver) -> Answers {
    let inside = &Inside::new(questions, resolver);
    let known = async {
        let found = all(&questions.names, NAMES, |name| inside.resolve(name)).await;
        inside.names.end();
        found
    };
    let unknown = all(&questions.unknown, NAMES, |name| inside.resolve_negative(name));
    let unknown = inside.names.against(unknown, async || match questions.names.first() {
        Some(name) => matches!(inside.resolver.query(name).await, Ok(Reply::Addresses(_))),
        None => false,
    });
    let listening = |list, manner| {
        all(list, CONNECTIONS, move |e| {
            inside.contact(e, manner, inside.retry_until)
        })
    };
    let within = async {
        let found = tokio::join!(
            listening(&questions.identify, Manner::Identify),
            listening(&questions.connect, Manner::Connect),
            all(&questions.responds, CONNECTIONS, |e| {
                inside.contact(e, Manner::Connect, None)
            }),
        );
        inside.contacts.end();
        found
    };
    let lists = [&questions.responds, &questions.identify, &questions.connect];
    let control = lists.into_iter().find_map(|list| list.last());
    let unreachable = all(&questions.unreachable, CONNECTIONS, |e| inside.contact_negative(e));
    let unreachable = inside.contacts.against(unreachable, async || match control {
        Some(endpoint) => inside.contact(endpoint, Manner::Connect, None).await.reached(),
        None => false,
    });
    let (known, unknown, (identified, connected, responded), unreachable) =
        tokio::join!(known, unknown, within, unreachable);
    let mut answers = Answers::default();
    for (name, found) in known.into_iter().chain(unknown) {
        let found = match found {
            Some(Reply::Addresses(found)) => found,
            Some(Reply::Failure(code)) => {
                answers.failed.insert(name.clone(), code.to_owned());
                Vec::new()
            }
            None => {
                answers.silent.insert(name.clone());
                Vec::new()
            }
        };
        let mut addresses = found;
        addresses.sort();
        answers.names.insert(name, addresses);
    }
    let endpoints = [identified, connected, responded, unreachable].into_iter().flatten();
    answers.endpoints.extend(endpoints);
    answers
}

/// Runs `work` on each of `list`, with a limited number at once.
async fn all<'q, T, F: Future<Output = T>>(
    list: &'q [String],
    at_once: usize,
    ask: impl Fn(&'q str) -> F,
) -> Vec<(String, T)> {
    let asked = list.iter().map(|item| {
        let answer = ask(item);
        async move { (item.clone(), answer.await) }
    });
    futures_util::stream::iter(asked)
        .buffer_unordered(at_once)
        .collect()
        .await
}

/// Checks of one kind that run at the same time.
struct Round {
    /// The timeout of a control query; it also tracks who waits for one.
    control_timeout: Duration,
    /// Whether all positive checks have finished.
    answered: watch::Sender<bool>,
    /// Signals that a negative check waits for a control. None is sent before, because the endpoints may be real
    /// services.
    wanted: Notify,
    /// How many control queries were sent, and how many have ended.
    asked: Cell<u32>,
    controls: watch::Sender<u32>,
}

impl Round {
    fn new(control_timeout: Duration) -> Self {
        Self {
            control_timeout,
            answered: watch::Sender::new(false),
            wanted: Notify::new(),
            asked: Cell::new(0),
            controls: watch::Sender::new(0),
        }
    }

    /// Marks all positive checks as finished.
    fn end(&self) {
        self.answered.send_replace(true);
    }

    /// Drives the negative checks to completion, and answers their requests for a control query once all positive
    /// checks have finished. `control` returns whether it was answered.
    async fn against<T>(&self, negative: impl Future<Output = T>, control: impl AsyncFn() -> bool) -> T {
        let controls = async {
            // `self` owns the senders, which outlive the waiters.
            let _ = self.answered.subscribe().wait_for(|answered| *answered).await;
            loop {
                self.wanted.notified().await;
                self.asked.set(self.asked.get() + 1);
                let answered = async {
                    if !control().await {
                        pending::<()>().await;
                    }
                };
                let _ = tokio::join!(timeout(self.control_timeout, answered), sleep(SHORTEST));
                self.controls.send_replace(self.asked.get());
            }
        };
        tokio::select! {
            biased;
            found = negative => found,
            never = controls => never,
        }
    }

    /// Waits until a control query that was sent after this call has ended.
    async fn late(&self) {
        let before = self.asked.get();
        self.wanted.notify_one();
        let _ = self.controls.subscribe().wait_for(|over| *over > before).await;
    }
}

/// The probe's view from inside a container.
struct Inside<'r> {
    /// What names are resolved with.
    resolver: &'r Resolver,
    /// The timeout of a positive check.
    patience: Duration,
    /// When the probe began.
    begun: Instant,
    /// Until when a port may still begin to listen; `None` if it must already.
    retry_until: Option<Instant>,
    /// When the resolver last answered.
    heard: Cell<Instant>,
    names: Round,
    contacts: Round,
}

impl<'r> Inside<'r> {
    fn new(questions: &Questions, resolver: &'r Resolver) -> Self {
        let patience = Duration::from_millis(questions.patience);
        let control_timeout = Duration::from_millis(questions.control_timeout);
        let begun = Instant::now();
        Self {
            resolver,
            patience,
            begun,
            retry_until: questions.retry_refused.then(|| begun + patience),
            heard: Cell::new(begun),
            names: Round::new(control_timeout),
            contacts: Round::new(control_timeout),
        }
    }

    /// The resolver's reply for `name`; `None` if it does not answer. The timeout applies to the resolver, not to each
    /// name: while it answers any of many queries, this one's turn will come. A failing resolver is asked again until
    /// the timeout of the whole round, so that many failing names take no longer than one.
    async fn resolve(&self, name: &str) -> Option<Reply> {
        loop {
            match timeout(AGAIN.min(self.patience), self.resolver.query(name)).await {
                Ok(Ok(reply @ Reply::Addresses(_))) => {
                    self.heard.set(Instant::now());
                    return Some(reply);
                }
                Ok(Ok(failure)) => {
                    if Instant::now() + AGAIN >= self.begun + self.patience {
                        return Some(failure);
                    }
                    sleep(AGAIN).await;
                    continue;
                }
                Ok(Err(_)) => sleep(SETTLING).await,
                Err(_) => {}
            }
            // The query is sent once before the clock counts, because its turn may come late.
            if Instant::now() >= self.heard.get() + self.patience {
                return None;
            }
        }
    }

    /// The reply for a name that should not resolve.
    async fn resolve_negative(&self, name: &str) -> Option<Reply> {
        tokio::select! {
            biased;
            found = self.resolver.query(name) => found.ok(),
            () = self.names.late() => None,
        }
    }

    /// The result of a connection to `endpoint`. If it is refused, it is tried again until `retry_until`.
    async fn contact(&self, endpoint: &str, manner: Manner, retry_until: Option<Instant>) -> Contact {
        let Some((host, port)) = endpoint
            .rsplit_once(':')
            .and_then(|(h, p)| Some((h, p.parse::<u16>().ok()?)))
        else {
            return Contact::Unresolved;
        };
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let address = match bare.parse::<IpAddr>() {
            Ok(address) => Some(address),
            Err(_) => match self.resolve(host).await {
                Some(Reply::Addresses(found)) => found.into_iter().min(),
                Some(Reply::Failure(_)) | None => None,
            },
        };
        let Some(address) = address else {
            return Contact::Unresolved;
        };
        loop {
            let found = self.connect_to(address, port, manner).await;
            match retry_until {
                Some(end) if found == Contact::Refused && Instant::now() + SETTLING < end => sleep(SETTLING).await,
                _ => return found,
            }
        }
    }

    /// The result for an endpoint that should be unreachable. If it responds, it must do so repeatedly: engines drop
    /// their rules for a moment while they rewrite them for any network.
    async fn contact_negative(&self, endpoint: &str) -> Contact {
        let mut found = Contact::Unreachable;
        for turn in 0..TURNS {
            sleep(PAUSE * turn).await;
            found = tokio::select! {
                biased;
                found = self.contact(endpoint, Manner::Connect, None) => found,
                () = self.contacts.late() => Contact::Unreachable,
            };
            if !found.reached() {
                break;
            }
        }
        found
    }

    async fn connect_to(&self, address: IpAddr, port: u16, manner: Manner) -> Contact {
        match timeout(self.patience, TcpStream::connect((address, port))).await {
            Ok(Ok(stream)) => Contact::Connected {
                identity: match manner {
                    Manner::Identify => timeout(self.patience, identity(stream)).await.ok().flatten(),
                    Manner::Connect => None,
                },
            },
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Contact::Refused,
            Ok(Err(_)) | Err(_) => Contact::Unreachable,
        }
    }
}

/// The identity that the other side reports, if it is a fake.
async fn identity(mut stream: TcpStream) -> Option<Json> {
    // The connection is reset at once. Otherwise the host's kernel remembers each for two minutes (conntrack,
    // TIME_WAIT), and an engine that removes a network reads through all of them for each container.
    let _ = stream.set_zero_linger();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")
        .await
        .ok()?;
    let mut answer = Vec::new();
    stream.take(64 << 10).read_to_end(&mut answer).await.ok()?;
    let text = String::from_utf8(answer).ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use tokio::net::UdpSocket;

    use super::*;
    use crate::probe::question::NoAnswer;

    /// The result of `negative` after all positive checks have finished.
    fn against<T>(round: &Round, negative: impl Future<Output = T>, control: impl AsyncFn() -> bool) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        round.end();
        runtime.expect("a runtime").block_on(round.against(negative, control))
    }

    #[test]
    fn a_control_tells_nothing_of_what_was_asked_after_it() {
        let round = Round::new(Duration::from_secs(60));
        let (first, later) = (Notify::new(), Notify::new());
        let asked = Cell::new(0);
        let negative = async {
            let in_the_middle = async {
                first.notified().await;
                // The wait begins before the first control is released.
                tokio::join!(biased; round.late(), async { later.notify_one() });
                asked.get()
            };
            tokio::join!(round.late(), in_the_middle).1
        };
        let control = async || {
            asked.set(asked.get() + 1);
            if asked.get() == 1 {
                first.notify_one();
                later.notified().await;
            }
            true
        };
        assert_eq!(against(&round, negative, control), 2);
    }

    #[test]
    fn where_no_control_is_answered_haste_is_the_end() {
        for silent in [true, false] {
            let round = Round::new(3 * SHORTEST);
            let begun = Instant::now();
            against(&round, round.late(), async || match silent {
                true => pending().await,
                false => false,
            });
            assert!(begun.elapsed() >= 3 * SHORTEST);
        }
    }

    /// A resolver that leaves the first `silent` queries for a name unanswered, then answers each with 10.0.0.9.
    async fn resolver(silent: usize) -> SocketAddr {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let address = socket.local_addr().expect("an address");
        tokio::spawn(async move {
            let mut message = [0; 512];
            for query in 0.. {
                let Ok((length, asker)) = socket.recv_from(&mut message).await else {
                    return;
                };
                if query < silent {
                    continue;
                }
                let mut answer = message[..length].to_vec();
                answer[2..4].copy_from_slice(&[0x81, 0x80]);
                answer[7] = 1;
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4, 10, 0, 0, 9]);
                let _ = socket.send_to(&answer, asker).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn a_resolver_that_was_silent_for_a_while_is_asked_once_more() {
        let questions = Questions {
            names: vec!["slave1".to_owned()],
            patience: 200,
            control_timeout: 200,
            ..Questions::default()
        };
        // The first round sends one query, which lasts as long as the timeout.
        let answers = ask_twice(&questions, &Resolver::at(resolver(1).await)).await;
        assert_eq!(answers.names["slave1"], [IpAddr::from([10, 0, 0, 9])]);
        assert_eq!(answers.no_answer("slave1"), None);
        let answers = ask_twice(&questions, &Resolver::at(resolver(usize::MAX).await)).await;
        assert_eq!(answers.no_answer("slave1"), Some(NoAnswer::Silence));
    }

    #[test]
    fn the_least_is_waited_for_though_a_control_answers_at_once() {
        let round = Round::new(Duration::from_secs(60));
        let begun = Instant::now();
        against(&round, round.late(), async || true);
        assert!(begun.elapsed() >= SHORTEST);
    }
}
