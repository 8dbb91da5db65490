//! The fake service: it answers HTTP on every exposed TCP port with its identity as JSON, and each UDP datagram with
//! the same. It runs as PID 1, exits at once on SIGTERM and needs no shell.
//!
//! It uses a thread for each port and connection and no runtime: a machine may run a thousand fakes, so what counts is
//! the memory that each touches.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::variable;

/// How long a client may take to send its request, and then to read the answer, before the connection is closed.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes of a request that are read before the answer. Their content does not matter.
const LONGEST_REQUEST: usize = 16 << 10;

/// The most connections of a port at once. Others wait until one of them ends.
const MOST_CONNECTIONS: usize = 128;

/// The identity of a fake, which is its answer to every request.
#[derive(Debug, Clone, Serialize)]
pub struct Identity {
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the node.
    pub node: String,
    /// The role of the node.
    pub role: String,
    /// The node's index within its role.
    pub index: Index,
    /// The name of the service inside its node.
    pub service: String,
    /// The container's host name.
    pub hostname: String,
    /// The addresses of the container, without loopback.
    pub addresses: Vec<IpAddr>,
    /// The port that was asked, `443/tcp`; empty in the log line.
    pub port: String,
}

/// A node's index within its role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Index {
    /// Counted from 1; 0 if it is not known.
    Number(u32),
    /// The index in each dimension of the count, from 1: `2-1`.
    Dimensions(String),
}

impl Index {
    fn of(text: String) -> Self {
        match text.parse() {
            Ok(number) => Self::Number(number),
            Err(_) if text.is_empty() => Self::Number(0),
            Err(_) => Self::Dimensions(text),
        }
    }
}

impl Identity {
    fn of_this_process() -> Self {
        let text = |name| std::env::var(name).unwrap_or_default();
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            cluster: text(variable::CLUSTER),
            node: text(variable::NODE),
            role: text(variable::ROLE),
            index: Index::of(text(variable::INDEX)),
            service: text(variable::SERVICE),
            hostname: hostname.trim().to_owned(),
            addresses: Vec::new(),
            port: String::new(),
        }
    }

    /// The answer on `port`. Addresses are read each time, because networks are connected and disconnected at run time.
    fn answer(&self, port: &str) -> Vec<u8> {
        let identity = Self {
            addresses: addresses(),
            port: port.to_owned(),
            ..self.clone()
        };
        let mut text = serde_json::to_vec(&identity).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// A port that cannot be bound.
pub fn run() -> io::Result<()> {
    // This comes first: PID 1 ignores signals that it has no handler for.
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let identity = Identity::of_this_process();
    let ports = std::env::var(variable::PORTS).unwrap_or_default();
    for port in ports.split_whitespace() {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let number: u16 = number
            .parse()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("`{port}` is not a port")))?;
        let any = [
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, number)),
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, number)),
        ];
        let (identity, port) = (identity.clone(), port.to_owned());
        match protocol {
            "udp" => {
                let socket = UdpSocket::bind(&any[..])?;
                thread(move || datagrams(&socket, &identity, &port))?;
            }
            _ => {
                let listener = TcpListener::bind(&any[..])?;
                thread(move || connections(&listener, &identity, &port))?;
            }
        }
    }
    announce(&identity, &ports)?;
    forget_the_start();
    signals.forever().next();
    Ok(())
}

/// Releases the code that only the start needed, about half of what would stay resident. It is read from the file again
/// if needed.
fn forget_the_start() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, end) in maps.lines().filter_map(code) {
        #[allow(unsafe_code)]
        // SAFETY: the range is a private mapping of a file that is executable and not writable, so its pages are the
        // file's own and are read from it again when they are next used (madvise(2), MADV_DONTNEED).
        let _ = unsafe {
            let address = std::ptr::without_provenance_mut(start);
            rustix::mm::madvise(address, end - start, rustix::mm::Advice::LinuxDontNeed)
        };
    }
}

/// The range of a line of /proc/pid/maps, if it maps code of a file.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (mode, path) = (fields.next()?, fields.nth(3)?);
    if mode != "r-xp" || !path.starts_with('/') {
        return None;
    }
    Some((
        usize::from_str_radix(start, 16).ok()?,
        usize::from_str_radix(end, 16).ok()?,
    ))
}

/// Spawns a thread with a small stack, since it does little.
fn thread(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().stack_size(64 << 10).spawn(work).map(drop)
}

/// Prints the one line that `logs` shows.
fn announce(identity: &Identity, ports: &str) -> io::Result<()> {
    let Identity { node, service, .. } = identity;
    let line = match ports {
        "" => format!("{node}/{service}: exposes no port, waits\n"),
        ports => format!("{node}/{service}: answers on {ports}\n"),
    };
    io::stdout().write_all(line.as_bytes())
}

/// Places for connections, each of which has a thread.
#[derive(Default)]
struct Places(Arc<AtomicUsize>);

/// One of them, until it is dropped.
struct Place(Arc<AtomicUsize>);

impl Places {
    /// A place; `None` if all are taken.
    fn take(&self) -> Option<Place> {
        let more = |taken: usize| (taken < MOST_CONNECTIONS).then_some(taken + 1);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Place(Arc::clone(&self.0)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn connections(listener: &TcpListener, identity: &Identity, port: &str) {
    let places = Places::default();
    loop {
        let Some(place) = places.take() else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        let begun = listener.accept().and_then(|(stream, _)| {
            let answer = identity.answer(port);
            // A client that disconnects early is no error of ours.
            thread(move || {
                drop(http(stream, &answer));
                drop(place);
            })
        });
        if begun.is_err() {
            // The process is out of descriptors or threads: existing connections may finish first.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Reads one request, whatever it is, and answers it (RFC 9112; the connection closes after it, §9.6).
fn http(mut stream: TcpStream, body: &[u8]) -> io::Result<()> {
    let begun = Instant::now();
    let left = || PATIENCE.checked_sub(begun.elapsed()).filter(|left| !left.is_zero());
    let request = request(left, |left, part| {
        stream.set_read_timeout(Some(left))?;
        stream.read(part)
    })?;
    stream.set_write_timeout(Some(PATIENCE))?;
    if request.is_empty() {
        return Ok(());
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    if !request.starts_with(b"HEAD ") {
        stream.write_all(body)?;
    }
    stream.shutdown(std::net::Shutdown::Write)
}

/// The head of a request, from parts that `read` gets within the time that is `left`.
///
/// # Errors
/// A part cannot be read, or no time is left: it is for the whole request, however small the parts that it comes in.
fn request(
    left: impl Fn() -> Option<Duration>,
    mut read: impl FnMut(Duration, &mut [u8]) -> io::Result<usize>,
) -> io::Result<Vec<u8>> {
    let mut request = Vec::with_capacity(512);
    let mut part = [0; 512];
    while !request.windows(4).any(|w| w == b"\r\n\r\n") && request.len() < LONGEST_REQUEST {
        let left = left().ok_or(io::ErrorKind::TimedOut)?;
        match read(left, &mut part)? {
            0 => break,
            length => request.extend(&part[..length]),
        }
    }
    Ok(request)
}

fn datagrams(socket: &UdpSocket, identity: &Identity, port: &str) {
    let mut buffer = [0; 512];
    loop {
        if let Ok((_, from)) = socket.recv_from(&mut buffer) {
            // The sender may have exited.
            drop(socket.send_to(&identity.answer(port), from));
        }
    }
}

/// The addresses of this network namespace, without loopback and link-local ones.
fn addresses() -> Vec<IpAddr> {
    let trie = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let inet6 = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let mut found: BTreeSet<IpAddr> = local_v4(&trie).map(IpAddr::V4).collect();
    found.extend(local_v6(&inet6).map(IpAddr::V6));
    found.into_iter().collect()
}

/// The addresses of this host: the kernel's routing trie names one on a line, followed by a line with `host LOCAL`.
fn local_v4(trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut last = None;
    trie.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
            return None;
        }
        last.filter(|a| line.starts_with("/32 host LOCAL") && !a.is_loopback())
    })
}

fn local_v6(inet6: &str) -> impl Iterator<Item = Ipv6Addr> {
    inet6.lines().filter_map(|line| {
        let bits = u128::from_str_radix(line.split_whitespace().next()?, 16).ok()?;
        let address = Ipv6Addr::from(bits);
        (!address.is_loopback() && !address.is_unicast_link_local()).then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_deadline_however_it_comes() {
        let parts = std::cell::Cell::new(0);
        let left = || (parts.get() < 3).then_some(PATIENCE);
        let drip = |_, part: &mut [u8]| {
            parts.set(parts.get() + 1);
            part[0] = b'x';
            Ok(1)
        };
        let ended = request(left, drip).map_err(|e| e.kind());
        assert_eq!(ended, Err(io::ErrorKind::TimedOut));
        assert_eq!(parts.get(), 3);
        let mut texts = ["GET / HTTP/1.1\r\n", "\r\n"].into_iter();
        let whole = |_: Duration, part: &mut [u8]| {
            let text = texts.next().unwrap_or_default();
            part[..text.len()].copy_from_slice(text.as_bytes());
            Ok(text.len())
        };
        assert_eq!(request(|| Some(PATIENCE), whole).map(|r| r.len()).ok(), Some(18));
    }

    #[test]
    fn connections_are_bounded() {
        let places = Places::default();
        let mut taken: Vec<Place> = (0..MOST_CONNECTIONS).filter_map(|_| places.take()).collect();
        assert_eq!(taken.len(), MOST_CONNECTIONS);
        assert!(places.take().is_none());
        taken.pop();
        assert!(places.take().is_some());
    }

    #[test]
    fn addresses_are_read_from_the_kernel_tables() {
        let trie = "Local:\n  +-- 10.1.2.0/28 2 0 2\n     |-- 10.1.2.0\n        /28 link UNICAST\n     |-- 10.1.2.3\n        \
                    /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(local_v4(trie).collect::<Vec<_>>(), [Ipv4Addr::new(10, 1, 2, 3)]);
        let inet6 =
            "fd000000000000000000000000000002 05 40 00 80 eth0\n00000000000000000000000000000001 01 80 10 80 lo\n";
        assert_eq!(local_v6(inet6).count(), 1);
    }
}
