//! Takes connections, and hands requests to the router.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};

use super::Limits;

/// How long the server waits at its end for readers to take what it says last.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);
/// The most bytes of the head of a request.
const LONGEST_HEAD: usize = 8 << 10;
/// The wait after a connection could not be taken, for want of files.
const RETRY: Duration = Duration::from_millis(100);
/// How long a connection that is refused is kept for its answer to arrive.
const REFUSAL: Duration = Duration::from_secs(1);
/// What is answered where there is no room for another connection.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 5\r\n\
Connection: close\r\nContent-Length: 82\r\n\r\n{\"error\":\"there are as many connections as are allowed\",\"hint\":\"ask again later\"}\n";

/// Takes connections until `ending` turns true, then waits until all of them have ended.
pub(super) async fn accept(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    refused: Arc<AtomicU64>,
    ending: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut refusals = JoinSet::new();
    let mut tasks = JoinSet::new();
    let mut end = ending.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            Some(_) = refusals.join_next() => continue,
            _ = end.wait_for(|ending| *ending) => break,
        };
        let Ok((stream, _)) = accepted else {
            sleep(RETRY).await;
            continue;
        };
        match places.clone().try_acquire_owned() {
            Ok(place) => drop(tasks.spawn(connection(stream, router.clone(), limits, ending.clone(), place))),
            Err(_) => {
                refused.fetch_add(1, Ordering::Relaxed);
                // As many again are told so; what comes beyond is cut.
                if refusals.len() < limits.connections {
                    refusals.spawn(refuse(stream));
                }
            }
        }
    }
    drop((listener, refusals));
    while tasks.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    mut ending: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    // An event is one small write, which must not wait for another.
    let _ = stream.set_nodelay(true);
    let stream = Patient {
        stream,
        patience: limits.stall,
        waiting: None,
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ending.wait_for(|ending| *ending) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Says that there is no room, and reads what the client has to say: closing before would take the answer back
/// (RFC 9112, section 9.6).
async fn refuse(mut stream: TcpStream) {
    let last = async {
        stream.write_all(FULL).await?;
        stream.shutdown().await?;
        let mut buffer = [0; 1 << 10];
        while stream.read(&mut buffer).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    let _ = timeout(REFUSAL, last).await;
}

/// A connection that breaks where its reader takes nothing for a while.
struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// Runs out when the reader has taken nothing for too long; `None` while it takes what it gets.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn written<T>(&mut self, result: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.waiting = None;
            return result;
        }
        let patience = self.patience;
        ready!(
            self.waiting
                .get_or_insert_with(|| Box::pin(sleep(patience)))
                .as_mut()
                .poll(cx)
        );
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(result, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
