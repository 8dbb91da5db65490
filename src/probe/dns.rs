//! A single DNS query (RFC 1035).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE, header_buffer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// The reply of a resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// The addresses, in the server's order; empty if the name does not exist or has none.
    Addresses(Vec<IpAddr>),
    /// The resolver failed or refused, with the response code as in RFCs: `SERVFAIL`. The name may exist.
    Failure(&'static str),
}

/// The type of the records that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// IPv4 addresses (RFC 1035 §3.4.1).
    A,
    /// IPv6 addresses (RFC 3596 §2.2).
    Aaaa,
}

/// The first `nameserver` of a resolv.conf(5); the engine's resolver if there is none.
pub(super) fn server(text: &str) -> SocketAddr {
    let named = text.lines().filter_map(|line| line.strip_prefix("nameserver"));
    let address = named.filter_map(|rest| rest.trim().parse().ok()).next();
    SocketAddr::new(address.unwrap_or(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11))), 53)
}

/// Sends one query (RFC 1035 §4.1) without the system's resolver, so that all records and codes are seen. It has no
/// timeout.
///
/// # Errors
/// A `name` that DNS cannot express, a socket error, or a malformed answer.
pub(super) async fn query(name: &str, kind: Kind, server: SocketAddr) -> io::Result<Reply> {
    let message = question(name, kind).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a DNS name"))?;
    let any = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(&message).await?;
    let mut answer = [0; 4096];
    let length = loop {
        let length = socket.recv(&mut answer).await?;
        if answers(&message, &answer[..length]) {
            break length;
        }
    };
    let answer = &answer[..length];
    if !is_truncated(answer) {
        return reply(answer);
    }
    let whole = query_by_stream(&message, server).await?;
    match answers(&message, &whole) {
        true => reply(&whole),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "an answer to another question",
        )),
    }
}

/// The same over TCP, for answers that do not fit a datagram (RFC 1035 §4.2.2, RFC 7766 §5).
async fn query_by_stream(message: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// The length of a message header in bytes (RFC 1035 §4.1.1); the question follows it.
const HEADER: usize = 12;

/// Whether `answer` belongs to `message` (RFC 5452 §9.1: ID and question are equal). A late answer to another query
/// does not, if its port is used again. Some refusals omit the question.
fn answers(message: &[u8], answer: &[u8]) -> bool {
    let same = answer
        .get(HEADER..message.len())
        .is_some_and(|asked| asked.eq_ignore_ascii_case(&message[HEADER..]));
    let without = header_buffer::questions(answer).is_ok_and(|count| count == 0);
    header_buffer::has_flags(answer, PacketFlag::RESPONSE).unwrap_or(false)
        && answer.starts_with(&message[..2])
        && (same || without)
}

/// Whether `answer` was truncated to fit a datagram. It may be cut anywhere, so only the header is read.
fn is_truncated(answer: &[u8]) -> bool {
    header_buffer::has_flags(answer, PacketFlag::TRUNCATION).unwrap_or(false)
}

/// The ID of the next query.
static ID: AtomicU16 = AtomicU16::new(0x7067);

/// The query for `name` as bytes; `None` if DNS cannot express the name.
fn question(name: &str, kind: Kind) -> Option<Vec<u8>> {
    let name = name.trim_end_matches('.');
    // The crate skips empty labels, which would query another name.
    if name.split('.').any(str::is_empty) {
        return None;
    }
    let mut packet = Packet::new_query(ID.fetch_add(1, Ordering::Relaxed));
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).ok()?;
    let kind = match kind {
        Kind::A => TYPE::A,
        Kind::Aaaa => TYPE::AAAA,
    };
    packet
        .questions
        .push(Question::new(name, kind.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec().ok()
}

/// The reply in `answer`, which belongs to our query and is complete.
fn reply(answer: &[u8]) -> io::Result<Reply> {
    let packet =
        Packet::parse(answer).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    let addresses = packet.answers.iter().filter_map(|record| match &record.rdata {
        RData::A(a) => Some(IpAddr::V4(Ipv4Addr::from(a.address))),
        RData::AAAA(a) => Some(IpAddr::V6(Ipv6Addr::from(a.address))),
        _ => None,
    });
    Ok(match packet.rcode() {
        RCODE::NoError | RCODE::NameError => Reply::Addresses(addresses.collect()),
        RCODE::FormatError => Reply::Failure("FORMERR"),
        RCODE::ServerFailure => Reply::Failure("SERVFAIL"),
        RCODE::NotImplemented => Reply::Failure("NOTIMP"),
        RCODE::Refused => Reply::Failure("REFUSED"),
        _ => Reply::Failure("an unusual response code"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The question for `slave1` and what a server makes of it: its flags, the counts of answers, and what follows.
    fn answered(flags: [u8; 2], answers: u8, records: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let message = question("slave1", Kind::A).expect("a name");
        let mut answer = message.clone();
        answer[2..4].copy_from_slice(&flags);
        answer[7] = answers;
        answer.extend(records);
        (message, answer)
    }

    /// An A record of the name at `at`, which is where the question's stands at 12.
    fn record(at: u8, last: u8) -> [u8; 16] {
        [0xc0, at, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4, 10, 0, 0, last]
    }

    const NO_ERROR: [u8; 2] = [0x81, 0x80];

    #[test]
    fn a_question_is_written_as_rfc_1035_says() {
        let message = question("slave1.", Kind::A).expect("a name");
        assert_eq!(message[2..12], [1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(message[12..], *b"\x06slave1\0\0\x01\0\x01");
        for name in [
            "",
            ".",
            "a..b",
            &"a".repeat(64),
            &["a".repeat(60).as_str(); 5].join("."),
        ] {
            assert_eq!(question(name, Kind::A), None, "{name}");
        }
    }

    #[test]
    fn addresses_are_read_with_and_without_pointers() {
        let (message, answer) = answered(NO_ERROR, 2, &[record(12, 2), record(12, 3)].concat());
        assert!(answers(&message, &answer) && !is_truncated(&answer));
        let expected = vec![IpAddr::from([10, 0, 0, 2]), IpAddr::from([10, 0, 0, 3])];
        assert_eq!(reply(&answer).expect("whole"), Reply::Addresses(expected));
        // By way of another name (CNAME), written out.
        let alias = b"\xc0\x0c\0\x05\0\x01\0\0\0\x01\0\x04\x02db\0\x02db\0\0\x01\0\x01\0\0\0\x01\0\x04\x0a\0\0\x09";
        let (_, answer) = answered(NO_ERROR, 2, alias);
        assert_eq!(
            reply(&answer).expect("whole"),
            Reply::Addresses(vec![IpAddr::from([10, 0, 0, 9])])
        );
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        let message = question("slave1", Kind::Aaaa).expect("a name");
        assert_eq!(message[20..], *b"\0\x1c\0\x01");
        let six = [
            &[0xc0, 12, 0, 28, 0, 1, 0, 0, 2, 88, 0, 16, 0xfd, 0][..],
            &[0; 13],
            &[7],
        ]
        .concat();
        let (_, answer) = answered(NO_ERROR, 2, &[&record(12, 2)[..], &six].concat());
        let expected = ["10.0.0.2", "fd00::7"].map(|a| a.parse().expect("an address")).to_vec();
        assert_eq!(reply(&answer).expect("whole"), Reply::Addresses(expected));
    }

    #[test]
    fn no_such_name_is_told_from_a_resolver_that_fails() {
        for (code, expected) in [
            (0, Reply::Addresses(Vec::new())),
            (3, Reply::Addresses(Vec::new())),
            (1, Reply::Failure("FORMERR")),
            (2, Reply::Failure("SERVFAIL")),
            (4, Reply::Failure("NOTIMP")),
            (5, Reply::Failure("REFUSED")),
            (9, Reply::Failure("an unusual response code")),
        ] {
            let (message, answer) = answered([0x81, 0x80 | code], 0, &[]);
            assert!(answers(&message, &answer));
            assert_eq!(reply(&answer).expect("whole"), expected, "{code}");
        }
        // What refuses need not repeat the question.
        let message = question("slave1", Kind::A).expect("a name");
        let refused = [&message[..2], &[0x81, 0x05, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert!(answers(&message, &refused));
        assert_eq!(reply(&refused).expect("whole"), Reply::Failure("REFUSED"));
    }

    #[test]
    fn what_is_cut_off_or_goes_in_circles_is_no_answer() {
        let (_, answer) = answered(NO_ERROR, 1, &record(12, 2));
        for end in 0..answer.len() {
            assert!(reply(&answer[..end]).is_err(), "cut at {end}");
        }
        // A name that is a pointer to itself, two that point to each other, and one beyond the end (RFC 1035 §4.1.4).
        let start = 24;
        let circle = [record(start + 16, 2), record(start, 3)].concat();
        for (count, records) in [(1, &record(start, 2)[..]), (2, &circle), (1, &record(0xff, 2))] {
            let (_, answer) = answered(NO_ERROR, count, records);
            assert!(reply(&answer).is_err(), "{records:?}");
        }
    }

    #[test]
    fn what_did_not_fit_is_known_by_its_header() {
        let (message, answer) = answered([0x83, 0x80], 9, &record(12, 2)[..7]);
        assert!(answers(&message, &answer) && is_truncated(&answer));
        assert!(reply(&answer).is_err());
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let (message, answer) = answered(NO_ERROR, 1, &record(12, 2));
        let mut wrong_id = answer.clone();
        wrong_id[1] ^= 1;
        assert!(!answers(&message, &wrong_id));
        let mut upper = answer.clone();
        upper[13] = b'S';
        assert!(answers(&message, &upper), "names know no case");
        let mut other = answer.clone();
        other[13] = b'x';
        assert!(!answers(&message, &other));
        assert!(!answers(&message, &message), "an echo of the question");
        for end in 0..12 {
            assert!(!answers(&message, &answer[..end]));
        }
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
