//! The probe: asks, from where it runs, what names lead to and who answers. It needs no shell and no resolver tool, so
//! it works inside the fake containers, and in the network namespace of any other.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::question::{Answers, Contact, Questions};

/// Names asked at once: the answers to more would not fit the socket of the engine's resolver (net.core.rmem_default).
const NAMES: usize = 64;
/// Connections at once, below the descriptors that a process may have where nobody raised their number.
const CONNECTIONS: usize = 384;
/// Before a name is asked again: datagrams get lost.
const AGAIN: Duration = Duration::from_millis(500);
/// Before a port is tried again at which nobody listened.
const SETTLING: Duration = Duration::from_millis(50);

/// How many times as long as what answers takes, what is not to answer is waited for then, and the least of it.
const PATIENT: u32 = 2;
const SHORTEST: Duration = Duration::from_millis(60);

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

/// Ask all `questions` at once. What is to have no answer is waited for no longer than it takes those that are to have
/// one, and then a few times as long, [`Questions::haste`] at most: that these answer shows that the others would have.
///
/// # Errors
/// A resolver configuration that cannot be read.
pub async fn ask(questions: &Questions) -> io::Result<Answers> {
    let server = nameserver(&std::fs::read_to_string("/etc/resolv.conf")?);
    let patience = Duration::from_millis(questions.patience);
    let haste = Duration::from_millis(questions.haste);
    let begun = Instant::now();
    let end = begun + patience;
    let heard = Cell::new(begun);
    let settled = Some(end).filter(|_| questions.settle);
    let (answered, waiting) = watch::channel(false);
    let late = || {
        let mut waiting = waiting.clone();
        async move {
            // The sender outlives this.
            let _ = waiting.wait_for(|answered| *answered).await;
            // All were asked at once: what takes many times as long as the slowest of those that answer has no answer.
            sleep((begun.elapsed() * PATIENT).clamp(SHORTEST.min(haste), haste)).await;
        }
    };
    let sure = async {
        let found = tokio::join!(
            names(&questions.names, |name| resolve(name, server, patience, &heard)),
            contacts(&questions.identify, |e| contact(
                e,
                server,
                patience,
                Manner::Identify,
                settled
            )),
            contacts(&questions.connect, |e| contact(
                e,
                server,
                patience,
                Manner::Connect,
                settled
            )),
            contacts(&questions.touch, |e| contact(
                e,
                server,
                patience,
                Manner::Connect,
                None
            )),
        );
        answered.send_replace(true);
        found
    };
    let doubtful = async {
        tokio::join!(
            names(&questions.unknown, |name| async {
                tokio::select! {
                    found = query(name, server) => found.ok(),
                    () = late() => None,
                }
            }),
            contacts(&questions.apart, |endpoint| async {
                let mut found = Contact::Unreachable;
                // Where it answers, it must again: engines let go of their rules for a moment when they write them anew,
                // for any network of theirs.
                for turn in 0..TURNS {
                    sleep(PAUSE * turn).await;
                    found = tokio::select! {
                        found = contact(endpoint, server, patience + haste, Manner::Connect, None) => found,
                        () = late() => Contact::Unreachable,
                    };
                    if !found.reached() {
                        break;
                    }
                }
                found
            }),
        )
    };
    let ((known, identified, connected, touched), (unknown, apart)) = tokio::join!(sure, doubtful);
    let mut answers = Answers::default();
    for (name, found) in known.into_iter().chain(unknown) {
        if found.is_none() {
            answers.silent.insert(name.clone());
        }
        let mut addresses: Vec<IpAddr> = found.unwrap_or_default().into_iter().map(IpAddr::V4).collect();
        addresses.sort();
        answers.names.insert(name, addresses);
    }
    let endpoints = [identified, connected, touched, apart].into_iter().flatten();
    answers.endpoints.extend(endpoints);
    Ok(answers)
}

/// Each of `list`, so many at once, and what became of it.
async fn names<'q, F: Future<Output = Option<Vec<Ipv4Addr>>>>(
    list: &'q [String],
    ask: impl Fn(&'q str) -> F,
) -> Vec<(String, Option<Vec<Ipv4Addr>>)> {
    all(list, NAMES, ask).await
}

async fn contacts<'q, F: Future<Output = Contact>>(
    list: &'q [String],
    ask: impl Fn(&'q str) -> F,
) -> Vec<(String, Contact)> {
    all(list, CONNECTIONS, ask).await
}

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

/// The first `nameserver` of a resolv.conf(5); the engine's own where there is none.
fn nameserver(text: &str) -> SocketAddr {
    let named = text.lines().filter_map(|line| line.strip_prefix("nameserver"));
    let address = named.filter_map(|rest| rest.trim().parse().ok()).next();
    SocketAddr::new(address.unwrap_or(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11))), 53)
}

/// The IPv4 addresses of `name`, none where it has none; `None` where nobody answers. The patience is with the resolver, not
/// with each name: as long as it was `heard` to answer any of many, this one's turn is to come.
async fn resolve(name: &str, server: SocketAddr, patience: Duration, heard: &Cell<Instant>) -> Option<Vec<Ipv4Addr>> {
    let over = || Instant::now() >= heard.get() + patience;
    while !over() {
        match timeout(AGAIN.min(patience), query(name, server)).await {
            Ok(Ok(addresses)) => {
                heard.set(Instant::now());
                return Some(addresses);
            }
            Ok(Err(_)) => sleep(SETTLING).await,
            Err(_) => {}
        }
    }
    None
}

/// One question of type A (RFC 1035 §4.1), asked plainly, so that every record is seen and in the server's own words.
async fn query(name: &str, server: SocketAddr) -> io::Result<Vec<Ipv4Addr>> {
    let message = question(name).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a DNS name"))?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(server).await?;
    socket.send(&message).await?;
    let mut answer = [0; 4096];
    let length = loop {
        let length = socket.recv(&mut answer).await?;
        if answers(&message, &answer[..length]) {
            break length;
        }
    };
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "bad DNS answer");
    if answer[..length].get(2).is_some_and(|flags| flags & TRUNCATED != 0) {
        let whole = query_by_stream(&message, server).await?;
        return addresses(&whole).ok_or_else(bad);
    }
    addresses(&answer[..length]).ok_or_else(bad)
}

/// The same over TCP, where an answer did not fit a datagram (RFC 1035 §4.2.2, RFC 7766 §5).
async fn query_by_stream(message: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Whether `answer` is one to `message`: a late one to another question, asked from a port that is used again, is not
/// (RFC 5452 §9.1: the id and the question are the same). Some that refuse a question leave it out.
fn answers(message: &[u8], answer: &[u8]) -> bool {
    let asked = &message[12..];
    let same = answer
        .get(12..message.len())
        .is_some_and(|a| a.eq_ignore_ascii_case(asked));
    answer.starts_with(&message[..2]) && (same || answer.get(4..6) == Some(&[0, 0]))
}

/// The id of the next question.
static ID: AtomicU16 = AtomicU16::new(0x7067);
/// The bit TC of the third octet of a message (RFC 1035 §4.1.1).
const TRUNCATED: u8 = 2;

fn question(name: &str) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(name.len() + 18);
    message.extend(ID.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    // Recursion desired, one question.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|n| (1..=63).contains(n))?;
        message.push(length);
        message.extend(label.as_bytes());
    }
    // The root, type A, class IN.
    message.extend([0, 0, 1, 0, 1]);
    Some(message)
}

/// The A records of an answer; none where the server says that there are none.
fn addresses(message: &[u8]) -> Option<Vec<Ipv4Addr>> {
    let number = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let (questions, answers) = (number(4)?, number(6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = skip_name(message, at)? + 4;
    }
    let mut found = Vec::new();
    for _ in 0..answers {
        at = skip_name(message, at)?;
        let (kind, length) = (number(at)?, usize::from(number(at + 8)?));
        let data = message.get(at + 10..at + 10 + length)?;
        if let (1, [a, b, c, d]) = (kind, data) {
            found.push(Ipv4Addr::new(*a, *b, *c, *d));
        }
        at += 10 + length;
    }
    Some(found)
}

/// Past a name, which may end in a pointer (RFC 1035 §4.1.4).
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xc0 => return Some(at + 2),
            length => at += usize::from(length) + 1,
        }
    }
}

/// What comes of a connection to `endpoint`; where nobody listens, once it is `settled` that nobody does.
async fn contact(
    endpoint: &str,
    server: SocketAddr,
    patience: Duration,
    manner: Manner,
    settled: Option<Instant>,
) -> Contact {
    let Some((host, port)) = endpoint
        .rsplit_once(':')
        .and_then(|(h, p)| Some((h, p.parse::<u16>().ok()?)))
    else {
        return Contact::Unresolved;
    };
    let address = match host.parse::<IpAddr>() {
        Ok(address) => Some(address),
        Err(_) => {
            let found = resolve(host, server, patience, &Cell::new(Instant::now())).await;
            found.and_then(|found| found.into_iter().min().map(IpAddr::V4))
        }
    };
    let Some(address) = address else {
        return Contact::Unresolved;
    };
    loop {
        let found = knock(address, port, patience, manner).await;
        match settled {
            Some(end) if found == Contact::Refused && Instant::now() + SETTLING < end => sleep(SETTLING).await,
            _ => return found,
        }
    }
}

async fn knock(address: IpAddr, port: u16, patience: Duration, manner: Manner) -> Contact {
    match timeout(patience, TcpStream::connect((address, port))).await {
        Ok(Ok(stream)) => Contact::Connected {
            identity: match manner {
                Manner::Identify => timeout(patience, identity(stream)).await.ok().flatten(),
                Manner::Connect => None,
            },
        },
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Contact::Refused,
        Ok(Err(_)) | Err(_) => Contact::Unreachable,
    }
}

/// Who the far end says it is, where it is a fake.
async fn identity(mut stream: TcpStream) -> Option<Json> {
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

    #[test]
    fn answers_are_read_with_and_without_pointers() {
        let mut message = question("slave1").expect("a name");
        message[7] = 2;
        for last in [2, 3] {
            message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4, 10, 0, 0, last]);
        }
        let expected = [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3)];
        assert_eq!(addresses(&message).as_deref(), Some(&expected[..]));
        assert_eq!(addresses(&message[..20]), None);
        assert!(question("a..b").is_none());
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let (first, second) = (
            question("service_out").expect("a name"),
            question("service_in").expect("a name"),
        );
        assert!(answers(&first, &first) && answers(&second, &second));
        assert!(!answers(&first, &second));
        let mut late = question("service_xyz").expect("a name");
        late[..2].copy_from_slice(&first[..2]);
        assert!(!answers(&first, &late));
        // What refuses need not repeat the question.
        let refused = [&first[..2], &[0x81, 0x05, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert!(answers(&first, &refused));
    }

    #[test]
    fn the_nameserver_is_the_first_named() {
        assert_eq!(
            nameserver("search x\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n").to_string(),
            "10.0.0.1:53"
        );
        assert_eq!(nameserver("").to_string(), "127.0.0.11:53");
    }
}
