//! One question to a resolver, and its answer (RFC 1035).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// The first `nameserver` of a resolv.conf(5); the engine's own where there is none.
pub(super) fn server(text: &str) -> SocketAddr {
    let named = text.lines().filter_map(|line| line.strip_prefix("nameserver"));
    let address = named.filter_map(|rest| rest.trim().parse().ok()).next();
    SocketAddr::new(address.unwrap_or(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11))), 53)
}

/// One question of type A (RFC 1035 §4.1), asked plainly, so that every record is seen and in the server's own words.
pub(super) async fn query(name: &str, server: SocketAddr) -> io::Result<Vec<Ipv4Addr>> {
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
            server("search x\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n").to_string(),
            "10.0.0.1:53"
        );
        assert_eq!(server("").to_string(), "127.0.0.11:53");
    }
}
