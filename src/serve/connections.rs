//! Takes connections, and hands requests to the router.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the server waits at its end for readers to take what it says last.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);
/// The most bytes of the head of a request.
const LONGEST_HEAD: usize = 8 << 10;
/// How long a request may take to come, and the next one on the same connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The wait after a connection could not be taken, for want of files.
const RETRY: Duration = Duration::from_millis(100);

/// Takes connections until `ending` turns true, then waits until all of them have ended.
pub(super) async fn accept(listener: TcpListener, router: Router, ending: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let mut end = ending.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(tasks.spawn(connection(stream, router.clone(), ending.clone()))),
                Err(_) => tokio::time::sleep(RETRY).await,
            },
            Some(_) = tasks.join_next() => {}
            _ = end.wait_for(|ending| *ending) => break,
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: Router, mut ending: watch::Receiver<bool>) {
    // An event is one small write, which must not wait for another.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ending.wait_for(|ending| *ending) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
