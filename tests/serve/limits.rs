//! What a server takes at once, and readers that are slow.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use topogen::serve::{Limits, Settings};

use super::http::{A, Server, settings};

fn limited(limits: Limits) -> Settings {
    Settings { limits, ..settings() }
}

/// What arrives until the connection is closed.
async fn all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut bytes))
        .await
        .expect("it is closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_with_words() {
    let server = Server::start(limited(Limits {
        connections: 2,
        ..Limits::default()
    }))
    .await;
    let mut first = server.listen("/v1/events").await;
    let mut second = server.listen("/v1/events").await;
    first.next().await.expect("a snapshot");
    second.next().await.expect("a snapshot");
    for _ in 0..10 {
        let refused = server.get("/v1/roster").await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
        assert_eq!(refused.json()["error"], "there are as many connections as are allowed");
    }
    // There is room again when one has gone.
    drop(second);
    while server.get("/v1/roster").await.status != 200 {
        tokio::task::yield_now().await;
    }
    let metrics = server.get("/metrics").await.body;
    assert!(
        metrics.contains("topogen_http_refused_total{cluster=\"lab\"} 1"),
        "{metrics}"
    );
    server.stop().await;
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_and_other_answers_are_not() {
    let server = Server::start(limited(Limits {
        streams: 1,
        ..Limits::default()
    }))
    .await;
    let mut listener = server.listen("/v1/events").await;
    listener.next().await.expect("a snapshot");
    for path in ["/v1/events", "/v1/roster?wait=1s", "/v1/logs/node1/a?follow"] {
        let refused = server.get(path).await;
        assert_eq!(
            (refused.status, refused.header("retry-after")),
            (503, Some("5")),
            "{path}"
        );
    }
    assert_eq!(server.get("/v1/roster").await.status, 200);
    drop(listener);
    while server.get("/v1/roster?wait=1ms").await.status != 200 {
        tokio::task::yield_now().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn heads_are_short_and_come_in_time() {
    let server = Server::start(limited(Limits {
        head: Duration::from_millis(100),
        ..Limits::default()
    }))
    .await;
    let long = format!("X: {}\r\n", "y".repeat(9000));
    assert_eq!(server.get_with("/", &long).await.status, 431);
    assert_eq!(server.get(&format!("/{}", "y".repeat(9000))).await.status / 100, 4);
    // One that never ends is closed, whether it has begun or not.
    for begin in ["", "GET / HTTP/1.1\r\nHost: local"] {
        let mut stream = TcpStream::connect(server.address).await.expect("a connection");
        stream.write_all(begin.as_bytes()).await.expect("sent");
        let said = all(&mut stream).await;
        assert!(!said.contains("200 OK"), "{said}");
    }
    server.stop().await;
}

/// A reader that takes nothing for a while holds up nobody, and gets the newest in the end.
#[tokio::test]
async fn a_slow_reader_holds_up_nobody() {
    let server = Server::start(limited(Limits {
        stall: Duration::from_secs(60),
        ..Limits::default()
    }))
    .await;
    let mut slow = server.listen("/v1/events").await;
    let mut quick = server.listen("/v1/events").await;
    let (name, _) = quick.next().await.expect("a snapshot");
    assert_eq!(name, "snapshot");
    for turn in 0..300 {
        let word = if turn % 2 == 0 { "unhealthy" } else { "healthy" };
        server.cluster.double.state().set_health(A, word, "as it was told");
        quick
            .until(|_, data| data["nodes"][0]["instances"][0]["health"] == word)
            .await;
    }
    let newest = server.get("/v1/roster").await.json()["revision"].as_u64();
    slow.until(|_, data| data["revision"].as_u64() == newest).await;
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_closed() {
    let server = Server::start(limited(Limits {
        stall: Duration::from_millis(100),
        ..Limits::default()
    }))
    .await;
    let stream = TcpStream::connect(server.address).await.expect("a connection");
    let mut asked = 0;
    // Answers are asked for, and never read, until the server has had enough.
    let closed = async {
        loop {
            let request = b"GET /v1/roster HTTP/1.1\r\nHost: localhost\r\n\r\n";
            stream.writable().await?;
            match stream.try_write(request) {
                Ok(_) => asked += 1,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err::<(), _>(error),
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), closed)
        .await
        .expect("it is closed");
    assert!(ended.is_err() && asked > 0);
    server.stop().await;
}
