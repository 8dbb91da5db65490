//! The server over HTTP, with the engine double behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use topogen::cluster::roster::{Moment, Roster};
use topogen::serve::view::View;
use topogen::serve::{Settings, Subject, serve};

use crate::engine::cluster::Cluster;
use crate::engine::{Call, EngineDouble};

/// A container of the cluster on the double.
pub(super) const A: &str = "lab-node1-a-1";

/// A server in this process, and the engine behind it.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) cluster: Cluster,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(super) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Server {
    /// A server of a cluster that is up.
    pub(super) async fn start(settings: Settings) -> Self {
        let cluster = Cluster::on(EngineDouble::v28()).await;
        // The engine's own time passes at once; sockets take theirs.
        tokio::time::pause();
        cluster.up().await;
        tokio::time::resume();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (rosters, mut seen) = watch::channel(Arc::new(Roster::unknown("lab", Moment(0))));
        let (_topology, topology) = watch::channel(None);
        let subject = Subject {
            engine: cluster.engine.clone(),
            cluster: cluster.desired.cluster.clone(),
            topology,
            rosters,
            views: watch::channel(Arc::new(View::unknown("lab", Moment(1)))).0,
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            serve(listener, subject, settings, stopped).await;
        });
        seen.wait_for(|roster| roster.stale.is_none())
            .await
            .expect("it is followed");
        Self {
            address,
            cluster,
            stop,
            task,
        }
    }

    /// The answer to a request as it is sent.
    pub(super) async fn raw(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Answer {
            status: head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_default(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// The answer to `GET path` with these lines of a head.
    pub(super) async fn get_with(&self, path: &str, head: &str) -> Answer {
        self.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}\r\n"
        ))
        .await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, "").await
    }

    /// Listens to a stream.
    pub(super) async fn listen(&self, path: &str) -> Listener {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        Listener(BufReader::new(stream))
    }

    /// Ends it.
    pub(super) async fn stop(self) {
        self.stop.send(()).expect("it serves");
        tokio::time::timeout(Duration::from_secs(30), self.task)
            .await
            .expect("it ends")
            .expect("it ends well");
    }
}

/// A reader of a stream of events.
pub(super) struct Listener(pub(super) BufReader<TcpStream>);

impl Listener {
    /// The next event: its name and its data; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<(String, Json)> {
        let mut name = String::new();
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(Duration::from_secs(60), self.0.read_line(&mut line)).await;
            if read.expect("something is said").unwrap_or(0) == 0 {
                return None;
            }
            if let Some(text) = line.trim_end().strip_prefix("event: ") {
                text.clone_into(&mut name);
            }
            if let Some(data) = line.trim_end().strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data).expect("JSON")));
            }
        }
    }

    /// The first event for which `is` holds.
    pub(super) async fn until(&mut self, is: impl Fn(&str, &Json) -> bool) -> Json {
        loop {
            let (name, data) = self.next().await.expect("it goes on");
            if is(&name, &data) {
                return data;
            }
        }
    }
}

pub(super) fn settings() -> Settings {
    Settings {
        allow_hosts: vec!["addresses".to_owned()],
        logs: true,
        ..Settings::default()
    }
}

#[tokio::test]
async fn paths_are_answered() {
    let server = Server::start(settings()).await;
    let roster = server.get("/v1/roster").await;
    assert_eq!(
        (roster.status, roster.header("content-type")),
        (200, Some("application/json"))
    );
    let json = roster.json();
    let nodes: Vec<&str> = json["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["node"].as_str().unwrap())
        .collect();
    assert_eq!(
        (nodes, &json["cluster"], &json["stale"]),
        (vec!["node1", "node2"], &"lab".into(), &Json::Null)
    );
    assert_eq!(
        roster.header("etag"),
        Some(format!("\"{}\"", json["revision"]).as_str())
    );
    for (path, status, kind) in [
        ("/", 200, "text/html; charset=utf-8"),
        ("/v1/nodes/node2", 200, "application/json"),
        ("/v1/nodes/node%32?ready", 200, "application/json"),
        ("/v1/roles/node?ready", 200, "application/json"),
        ("/v1/services/a", 200, "application/json"),
        ("/v1/prometheus?role=node&port=9100", 200, "application/json"),
        ("/v1/hosts", 200, "text/plain; charset=utf-8"),
        ("/docker/service/node/ip", 200, "application/json"),
        ("/docker/service/node1/a/tasks/ip", 200, "application/json"),
        ("/docker/service/nothing/ip", 200, "application/json"),
        ("/graph.svg", 200, "image/svg+xml"),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("/healthz", 200, "application/json"),
        ("/v1/nodes/node3", 404, "application/json"),
        ("/v1/nodes/node1/x", 404, "application/json"),
        ("/v1/nodes/%ff", 400, "application/json"),
        ("/v1/roles/slave", 404, "application/json"),
        ("/v1/prometheus?role=nodes", 404, "application/json"),
        ("/v1/roster?redy", 400, "application/json"),
        ("/v1/roster?wait=1h", 400, "application/json"),
        ("/v1/logs/node1", 400, "application/json"),
        ("/v1/logs/node1/c", 404, "application/json"),
        ("/docker/service/node", 404, "application/json"),
        ("/v1/rooster", 404, "application/json"),
        ("/etc/passwd", 404, "application/json"),
        ("/../../etc/passwd", 404, "application/json"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some(kind)),
            "{path}: {answer:?}"
        );
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        // What is asked for the head alone has the same head.
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let head = server.raw(&request).await;
        assert_eq!(
            (head.status, head.header("content-type"), head.body.as_str()),
            (status, Some(kind), ""),
            "{path}"
        );
    }
    let near = server.get("/v1/rooster").await.json();
    assert_eq!(near["hint"], "did you mean `/v1/roster`?");
    let picture = server.get("/graph.svg").await.body;
    assert!(picture.starts_with("<svg") && picture.contains("node2") && !picture.contains("not in the blueprint"));
    server.stop().await;
}

#[tokio::test]
async fn only_readers_that_ask_this_server_are_answered() {
    let server = Server::start(settings()).await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
        for path in ["/v1/roster", "/", "/nothing"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let answer = server.raw(&request).await;
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, Some("GET, HEAD")),
                "{method} {path}"
            );
        }
    }
    for (head, status) in [
        ("Host: addresses:5000", 200),
        ("Host: 127.0.0.1", 200),
        ("Host: evil.example", 403),
        ("Host: addresses.evil.example", 403),
        ("Host: localhost\r\nHost: evil.example", 400),
        ("X: y", 400),
    ] {
        let answer = server
            .raw(&format!("GET / HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n"))
            .await;
        assert_eq!(answer.status, status, "{head}");
    }
    let absolute = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(server.raw(absolute).await.status, 403);
    server.stop().await;

    let server = Server::start(Settings {
        logs: false,
        ..settings()
    })
    .await;
    let answer = server.get("/v1/logs/node1/a").await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["hint"], "start `topogen serve` without `--no-logs`");
    server.stop().await;
}

#[tokio::test]
async fn what_a_reader_has_is_not_told_again() {
    let server = Server::start(settings()).await;
    let tag = server.get("/v1/roster").await.header("etag").expect("a tag").to_owned();
    for path in [
        "/v1/roster",
        "/v1/nodes/node1",
        "/v1/hosts",
        "/graph.svg",
        "/docker/service/node/ip",
    ] {
        for known in [tag.clone(), format!("W/{tag}"), format!("\"1\", {tag}"), "*".to_owned()] {
            let answer = server.get_with(path, &format!("If-None-Match: {known}\r\n")).await;
            assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{path} {known}");
        }
        let answer = server.get_with(path, "If-None-Match: \"1\"\r\n").await;
        assert_eq!(answer.status, 200, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_reader_waits_for_the_next_revision() {
    let server = Server::start(settings()).await;
    let revision = server.get("/v1/roster").await.json()["revision"]
        .as_u64()
        .expect("a revision");
    // What is not the newest is answered at once, and so is the newest after the time.
    let other = server
        .get(&format!("/v1/roster?wait=10m&revision={}", revision - 1))
        .await;
    assert_eq!(other.json()["revision"], revision);
    let same = server.get(&format!("/v1/roster?wait=10ms&revision={revision}")).await;
    assert_eq!((same.status, &same.json()["revision"]), (200, &revision.into()));
    let path = format!("/v1/nodes/node1?wait=10m&revision={revision}");
    let (next, ()) = tokio::join!(server.get(&path), async {
        server.cluster.double.state().exit(A, 3);
    });
    let next = next.json();
    assert!(next["revision"].as_u64() > Some(revision));
    assert_eq!(
        (&next["instances"][0]["state"], &next["instances"][0]["exit"]),
        (&"exited".into(), &3.into())
    );
    server.stop().await;
}

#[tokio::test]
async fn events_are_a_snapshot_then_changes_and_a_bye() {
    let server = Server::start(settings()).await;
    let mut events = server.listen("/v1/events").await;
    let (name, snapshot) = events.next().await.expect("a snapshot");
    assert_eq!(
        (name.as_str(), snapshot),
        ("snapshot", server.get("/v1/roster").await.json())
    );
    server.cluster.double.state().exit(A, 137);
    let change = events
        .until(|name, data| name == "change" && data["changes"][0]["what"] == "state")
        .await;
    let exited = &change["changes"][0];
    assert_eq!((&exited["container"], &exited["exit"]), (&A.into(), &137.into()));
    assert_eq!(change["nodes"][0]["node"], "node1");
    // The engine is lost, and it is told.
    server.cluster.double.on(Call::Ping).always().hang();
    server.cluster.double.on(Call::Events).always().hang();
    let lost = events.until(|_, data| !data["stale"].is_null()).await;
    assert_eq!(lost["changes"][0]["what"], "stale");
    assert_eq!(server.get("/healthz").await.status, 503);
    assert_eq!(server.get("/v1/prometheus?role=node&port=1").await.status, 503);
    assert_eq!(
        server.get("/v1/roster").await.json()["nodes"].as_array().map(Vec::len),
        Some(2)
    );
    // A reader that waits and one that listens both hear that it ends.
    let mut waiting = server.listen("/v1/roster?wait=10m").await;
    while !server
        .get("/metrics")
        .await
        .body
        .contains("topogen_http_streams{cluster=\"lab\"} 2")
    {
        tokio::task::yield_now().await;
    }
    let mut line = String::new();
    let (stopped, answered, last) = tokio::join!(server.stop(), waiting.0.read_line(&mut line), events.next());
    assert_eq!(
        (stopped, answered.is_ok(), last),
        ((), true, Some(("bye".to_owned(), serde_json::json!({}))))
    );
    assert_eq!(events.next().await, None);
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
}
