//! The probe: asks, from where it runs, what names lead to and who answers. It needs no shell and no resolver tool, so
//! it works inside the fake containers, and in the network namespace of any other.

mod dns;
pub mod question;

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::probe::question::{Answers, Contact, Questions};
use dns::Reply;

/// Names of a list asked at once. There are two lists, and of twice as many no question is lost: more than 250 fit the
/// socket of the engine's resolver (net.core.rmem_default).
const NAMES: usize = 64;
/// Connections of a list at once.
const CONNECTIONS: usize = 384;
/// Before a name is asked again: datagrams get lost.
const AGAIN: Duration = Duration::from_millis(500);
/// Before a port is tried again at which nobody listened.
const SETTLING: Duration = Duration::from_millis(50);

/// The least that what is not to answer is waited for.
const SHORTEST: Duration = Duration::from_millis(20);

/// How often what is to be out of reach must answer to be taken for within reach.
const TURNS: u32 = 3;
/// Between two such tries, and twice that before the last.
const PAUSE: Duration = Duration::from_millis(200);

/// How an endpoint is approached.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Ask who it is.
    Identify,
    /// Say nothing.
    Connect,
}

/// Ask all `questions` at once. What is to have no answer is waited for until those of its kind that are to have one have
/// it, and then until one of these answers once more: it was asked after the others, by the same machine at the same load, so
/// they would have been heard by then. Where none answers within [`Questions::haste`], that is the end too.
///
/// # Errors
/// A resolver configuration that cannot be read.
pub async fn ask(questions: &Questions) -> io::Result<Answers> {
    let inside = &Inside::new(questions, dns::server(&std::fs::read_to_string("/etc/resolv.conf")?));
    let known = async {
        let found = all(&questions.names, NAMES, |name| inside.resolve(name)).await;
        inside.names.end();
        found
    };
    let unknown = all(&questions.unknown, NAMES, |name| inside.resolve_in_vain(name));
    let unknown = inside.names.against(unknown, async || match questions.names.first() {
        Some(name) => matches!(dns::query(name, inside.server).await, Ok(Reply::Addresses(_))),
        None => false,
    });
    let listening = |list, manner| all(list, CONNECTIONS, move |e| inside.contact(e, manner, inside.settled));
    let within = async {
        let found = tokio::join!(
            listening(&questions.identify, Manner::Identify),
            listening(&questions.connect, Manner::Connect),
            all(&questions.touch, CONNECTIONS, |e| {
                inside.contact(e, Manner::Connect, None)
            }),
        );
        inside.contacts.end();
        found
    };
    let lists = [&questions.touch, &questions.identify, &questions.connect];
    let control = lists.into_iter().find_map(|list| list.last());
    let apart = all(&questions.apart, CONNECTIONS, |e| inside.contact_in_vain(e));
    let apart = inside.contacts.against(apart, async || match control {
        Some(endpoint) => inside.contact(endpoint, Manner::Connect, None).await.reached(),
        None => false,
    });
    let (known, unknown, (identified, connected, touched), apart) = tokio::join!(known, unknown, within, apart);
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
        let mut addresses: Vec<IpAddr> = found.into_iter().map(IpAddr::V4).collect();
        addresses.sort();
        answers.names.insert(name, addresses);
    }
    let endpoints = [identified, connected, touched, apart].into_iter().flatten();
    answers.endpoints.extend(endpoints);
    Ok(answers)
}

/// Each of `list`, so many at once, and what became of it.
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

/// Questions of one kind, asked at once.
struct Round {
    /// The longest that a control may take, and who waits for one to answer.
    haste: Duration,
    /// Whether all have come that are to come.
    answered: watch::Sender<bool>,
    /// Whether somebody waits for a control: those that are asked may be real services.
    wanted: Notify,
    /// How many controls were asked, and how many of them are over.
    asked: Cell<u32>,
    controls: watch::Sender<u32>,
}

impl Round {
    fn new(haste: Duration) -> Self {
        Self {
            haste,
            answered: watch::Sender::new(false),
            wanted: Notify::new(),
            asked: Cell::new(0),
            controls: watch::Sender::new(0),
        }
    }

    /// All answers have come that are to.
    fn end(&self) {
        self.answered.send_replace(true);
    }

    /// Those that are asked in `vain`, to their end, with a `control` where they wait for one, once all others have their
    /// answers. A control says whether it was answered.
    async fn against<T>(&self, vain: impl Future<Output = T>, control: impl AsyncFn() -> bool) -> T {
        let controls = async {
            // The senders are this one's, and outlive those that wait.
            let _ = self.answered.subscribe().wait_for(|answered| *answered).await;
            loop {
                self.wanted.notified().await;
                self.asked.set(self.asked.get() + 1);
                let answered = async {
                    if !control().await {
                        pending::<()>().await;
                    }
                };
                let _ = tokio::join!(timeout(self.haste, answered), sleep(SHORTEST));
                self.controls.send_replace(self.asked.get());
            }
        };
        tokio::select! {
            biased;
            found = vain => found,
            never = controls => never,
        }
    }

    /// Until a control is over that was asked later than this began.
    async fn late(&self) {
        let before = self.asked.get();
        self.wanted.notify_one();
        let _ = self.controls.subscribe().wait_for(|over| *over > before).await;
    }
}

/// What asks, from inside a container.
struct Inside {
    /// The resolver.
    server: SocketAddr,
    /// How long what is to answer may take.
    patience: Duration,
    /// When it began to ask.
    begun: Instant,
    /// Until when a port may come to be listened at.
    settled: Option<Instant>,
    /// When the resolver answered last.
    heard: Cell<Instant>,
    names: Round,
    contacts: Round,
}

impl Inside {
    fn new(questions: &Questions, server: SocketAddr) -> Self {
        let patience = Duration::from_millis(questions.patience);
        let haste = Duration::from_millis(questions.haste);
        let begun = Instant::now();
        Self {
            server,
            patience,
            begun,
            settled: questions.settle.then(|| begun + patience),
            heard: Cell::new(begun),
            names: Round::new(haste),
            contacts: Round::new(haste),
        }
    }

    /// What the resolver says of `name`; `None` where nobody answers. The patience is with the resolver, not with each name:
    /// as long as it was heard to answer any of many, this one's turn is to come. A resolver that fails is asked again, until
    /// the patience has passed that the whole round may take: many names that fail take no longer than one.
    async fn resolve(&self, name: &str) -> Option<Reply> {
        loop {
            match timeout(AGAIN.min(self.patience), dns::query(name, self.server)).await {
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
            // Asked once before the clock counts: its turn may come late.
            if Instant::now() >= self.heard.get() + self.patience {
                return None;
            }
        }
    }

    /// The same of one that is to lead nowhere.
    async fn resolve_in_vain(&self, name: &str) -> Option<Reply> {
        tokio::select! {
            biased;
            found = dns::query(name, self.server) => found.ok(),
            () = self.names.late() => None,
        }
    }

    /// What comes of a connection to `endpoint`; where nobody listens, once it is `settled` that nobody does.
    async fn contact(&self, endpoint: &str, manner: Manner, settled: Option<Instant>) -> Contact {
        let Some((host, port)) = endpoint
            .rsplit_once(':')
            .and_then(|(h, p)| Some((h, p.parse::<u16>().ok()?)))
        else {
            return Contact::Unresolved;
        };
        let address = match host.parse::<IpAddr>() {
            Ok(address) => Some(address),
            Err(_) => match self.resolve(host).await {
                Some(Reply::Addresses(found)) => found.into_iter().min().map(IpAddr::V4),
                Some(Reply::Failure(_)) | None => None,
            },
        };
        let Some(address) = address else {
            return Contact::Unresolved;
        };
        loop {
            let found = self.knock(address, port, manner).await;
            match settled {
                Some(end) if found == Contact::Refused && Instant::now() + SETTLING < end => sleep(SETTLING).await,
                _ => return found,
            }
        }
    }

    /// The same of one that is to be out of reach. Where it answers, it must again: engines let go of their rules for a
    /// moment when they write them anew, for any network of theirs.
    async fn contact_in_vain(&self, endpoint: &str) -> Contact {
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

    async fn knock(&self, address: IpAddr, port: u16, manner: Manner) -> Contact {
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

/// Who the far end says it is, where it is a fake.
async fn identity(mut stream: TcpStream) -> Option<Json> {
    // Let go at once: else the kernel of the host keeps in mind each connection for two minutes (conntrack, TIME_WAIT), and
    // an engine that takes down a network reads through all of them, for each container.
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
    use super::*;

    /// What `vain` comes to, where all others have been answered.
    fn against<T>(round: &Round, vain: impl Future<Output = T>, control: impl AsyncFn() -> bool) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        round.end();
        runtime.expect("a runtime").block_on(round.against(vain, control))
    }

    #[test]
    fn a_control_tells_nothing_of_what_was_asked_after_it() {
        let round = Round::new(Duration::from_secs(60));
        let (first, later) = (Notify::new(), Notify::new());
        let asked = Cell::new(0);
        let vain = async {
            let in_the_middle = async {
                first.notified().await;
                // It begins to wait before the first control is let go.
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
        assert_eq!(against(&round, vain, control), 2);
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

    #[test]
    fn the_least_is_waited_for_though_a_control_answers_at_once() {
        let round = Round::new(Duration::from_secs(60));
        let begun = Instant::now();
        against(&round, round.late(), async || true);
        assert!(begun.elapsed() >= SHORTEST);
    }
}
