//! Answers questions of the domain name system about a cluster, over UDP and TCP.
//!
//! ```text
//! view ──▶ zone ──▶ answer        (pure)
//! ```
//!
//! What is pure knows nothing of sockets. A question is answered from the newest zone; nobody else is ever asked.

pub mod answer;
pub mod setup;
pub mod zone;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::view::View;
use answer::{Transport, answer};
use zone::{Domain, Zone};

/// The most connections.
const CONNECTIONS: usize = 64;
/// How long a question may take to come, and an answer to go.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes of a question: a name has 255 of them, and what comes beside it is short.
const LONGEST_QUESTION: usize = 4096;
/// The wait after a socket failed, for want of files or of memory.
const RETRY: Duration = Duration::from_millis(100);
/// How many ports are tried where any will do: one that is free for UDP may be taken for TCP.
const TRIES: usize = 16;

/// The sockets of a server, which listen at one address.
pub struct Server {
    datagrams: UdpSocket,
    streams: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens at `address`, with port 0 at any that is free.
    ///
    /// # Errors
    /// The system's.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let mut tries = TRIES;
        loop {
            let datagrams = UdpSocket::bind(address).await?;
            let bound = datagrams.local_addr()?;
            tries -= 1;
            match TcpListener::bind(bound).await {
                Ok(streams) => {
                    return Ok(Self {
                        datagrams,
                        streams,
                        address: bound,
                    });
                }
                Err(error) if address.port() != 0 || tries == 0 => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers questions about what `views` show, in `domain`, for ever.
    pub async fn serve(self, mut views: watch::Receiver<Arc<View>>, domain: Domain) {
        let zone = |view: &View| Arc::new(Zone::of(view, &domain, self.address));
        let (sender, zones) = watch::channel(zone(&views.borrow_and_update().clone()));
        let turn = Arc::<AtomicUsize>::default();
        let follows = async {
            while views.changed().await.is_ok() {
                let view = views.borrow_and_update().clone();
                sender.send_replace(zone(&view));
            }
            std::future::pending::<()>().await;
        };
        tokio::join!(
            follows,
            answer_datagrams(&self.datagrams, &zones, &turn),
            answer_streams(&self.streams, &zones, &turn)
        );
    }
}

async fn answer_datagrams(socket: &UdpSocket, zones: &watch::Receiver<Arc<Zone>>, turn: &AtomicUsize) {
    let mut question = [0; LONGEST_QUESTION];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut question).await else {
            // Also that an answer before did not arrive.
            sleep(Duration::from_millis(1)).await;
            continue;
        };
        let zone = zones.borrow().clone();
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        if let Some(answer) = answer(&question[..length], &zone, Transport::Datagram, turn) {
            // Whoever does not get it asks again.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn answer_streams(listener: &TcpListener, zones: &watch::Receiver<Arc<Zone>>, turn: &Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) if connections.len() < CONNECTIONS => {
                connections.spawn(answer_stream(stream, zones.clone(), turn.clone()));
            }
            // Closed at once.
            Ok(_) => {}
            Err(_) => sleep(RETRY).await,
        }
    }
}

/// Answers the questions of a connection, one after another, until there is none for a while (RFC 7766 §6).
async fn answer_stream(mut stream: TcpStream, zones: watch::Receiver<Arc<Zone>>, turn: Arc<AtomicUsize>) {
    while let Ok(Ok(question)) = timeout(PATIENCE, read_question(&mut stream)).await {
        let zone = zones.borrow().clone();
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let Some(answer) = answer(&question, &zone, Transport::Stream, turn) else {
            return;
        };
        let Ok(length) = u16::try_from(answer.len()) else {
            return;
        };
        let message = [&length.to_be_bytes(), &answer[..]].concat();
        match timeout(PATIENCE, stream.write_all(&message)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}

async fn read_question(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > LONGEST_QUESTION {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut question = vec![0; length];
    stream.read_exact(&mut question).await?;
    Ok(question)
}
