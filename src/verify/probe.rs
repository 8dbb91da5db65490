//! The probe: asks, from where it runs, what names lead to and who answers. It needs no shell and no resolver tool, so
//! it works inside the fake containers.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// What to find out.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    /// Names to resolve.
    pub names: Vec<String>,
    /// `HOST:PORT`s to connect to.
    pub endpoints: Vec<String>,
    /// How long each question may take.
    pub patience: Duration,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Each name and its addresses, sorted; none where it does not resolve.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// Each endpoint and what came of it.
    pub endpoints: BTreeMap<String, Contact>,
}

/// What came of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "outcome")]
pub enum Contact {
    /// Connected; a fake said who it is.
    Connected {
        /// The fake's answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        identity: Option<Json>,
    },
    /// The host's name leads nowhere.
    Unresolved,
    /// Nobody listens there.
    Refused,
    /// No answer in time, or no way there.
    Unreachable,
}

/// Ask all `questions` at once.
///
/// # Errors
/// A resolver configuration that cannot be read.
pub async fn ask(questions: &Questions) -> io::Result<Answers> {
    let server = nameserver(&std::fs::read_to_string("/etc/resolv.conf")?);
    let patience = questions.patience;
    let names = questions
        .names
        .iter()
        .map(|name| async move { (name.clone(), resolve(name, server, patience).await) });
    let endpoints = questions
        .endpoints
        .iter()
        .map(|endpoint| async move { (endpoint.clone(), contact(endpoint, server, patience).await) });
    let (names, endpoints) = tokio::join!(
        futures_util::future::join_all(names),
        futures_util::future::join_all(endpoints)
    );
    Ok(Answers {
        names: names.into_iter().collect(),
        endpoints: endpoints.into_iter().collect(),
    })
}

/// The first `nameserver` of a resolv.conf(5); the engine's own where there is none.
fn nameserver(text: &str) -> SocketAddr {
    let named = text.lines().filter_map(|line| line.strip_prefix("nameserver"));
    let address = named.filter_map(|rest| rest.trim().parse().ok()).next();
    SocketAddr::new(address.unwrap_or(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11))), 53)
}

/// The IPv4 addresses of `name`; none where it has none or nobody answers.
async fn resolve(name: &str, server: SocketAddr, patience: Duration) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = match timeout(patience, query(name, server)).await {
        Ok(Ok(addresses)) => addresses.into_iter().map(IpAddr::V4).collect(),
        _ => Vec::new(),
    };
    found.sort();
    found
}

/// One question of type A (RFC 1035 §4.1), asked plainly, so that every record is seen and in the server's own words.
async fn query(name: &str, server: SocketAddr) -> io::Result<Vec<Ipv4Addr>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(server).await?;
    let message = question(name).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a DNS name"))?;
    socket.send(&message).await?;
    let mut answer = [0; 4096];
    loop {
        let length = socket.recv(&mut answer).await?;
        // Whatever does not carry our id answers another question.
        if answer[..length].starts_with(&message[..2]) {
            return addresses(&answer[..length])
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "bad DNS answer"));
        }
    }
}

const ID: [u8; 2] = [0x70, 0x67];

fn question(name: &str) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(name.len() + 18);
    message.extend(ID);
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

async fn contact(endpoint: &str, server: SocketAddr, patience: Duration) -> Contact {
    let Some((host, port)) = endpoint
        .rsplit_once(':')
        .and_then(|(h, p)| Some((h, p.parse::<u16>().ok()?)))
    else {
        return Contact::Unresolved;
    };
    let address = match host.parse::<IpAddr>() {
        Ok(address) => Some(address),
        Err(_) => resolve(host, server, patience).await.first().copied(),
    };
    let Some(address) = address else {
        return Contact::Unresolved;
    };
    match timeout(patience, TcpStream::connect((address, port))).await {
        Ok(Ok(stream)) => Contact::Connected {
            identity: timeout(patience, identity(stream)).await.ok().flatten(),
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
    fn the_nameserver_is_the_first_named() {
        assert_eq!(
            nameserver("search x\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n").to_string(),
            "10.0.0.1:53"
        );
        assert_eq!(nameserver("").to_string(), "127.0.0.11:53");
    }
}
