//! `serve` on a real engine: what it tells is what the engine's inspections say, whatever happens to the containers and to the
//! connection.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use crate::cluster::{Cluster, docker, text, wait};

const BLUEPRINT: &str = "
roles:
  head:
    entry: app
    services: {app: {image: topogen/fake, expose: [80]}}
  slave:
    count: 2
    entry: app
    services:
      app: {image: topogen/fake, expose: [80]}
      db: {image: topogen/fake, healthcheck: {test: [CMD, /topogen, --version], interval: 1s}}
";

/// A cluster of [`BLUEPRINT`] that is up.
pub(crate) fn cluster() -> Cluster {
    let cluster = Cluster::new();
    std::fs::write(cluster.path().join("topogen.yaml"), BLUEPRINT).expect("a file");
    cluster.must("up", &["--wait"]);
    cluster
}

/// A server of its own, ended when the scenario ends.
pub(crate) struct Server {
    process: Child,
    stderr: BufReader<std::process::ChildStderr>,
    address: String,
}

impl Server {
    pub(crate) fn of(cluster: &Cluster, arguments: &[&str], host: Option<&Path>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_topogen"));
        command
            .args(["serve", "-n", &cluster.name, "--listen", "127.0.0.1:0"])
            .args(arguments);
        command.current_dir(cluster.path()).stderr(Stdio::piped());
        if let Some(socket) = host {
            command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
        }
        let mut process = command.spawn().expect("topogen runs");
        let mut stderr = BufReader::new(process.stderr.take().expect("a pipe"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .split_once("http://")
            .map(|(_, rest)| rest.trim_end_matches('/').to_owned());
        Self {
            process,
            stderr,
            address: address.unwrap_or_else(|| panic!("{line}")),
        }
    }

    fn stream(&self, path: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).expect("it serves");
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("sent");
        BufReader::new(stream)
    }

    fn get(&self, path: &str) -> String {
        let mut said = String::new();
        self.stream(path).read_to_string(&mut said).expect("an answer");
        said.split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default()
    }

    fn json(&self, path: &str) -> Json {
        serde_json::from_str(&self.get(path)).expect("JSON")
    }

    /// Its exit status after this signal, and what else it said.
    pub(crate) fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        let id = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process");
        kill_process(id, signal).expect("it runs");
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).expect("text");
        (self.process.wait().expect("it ends").code(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A container as both say it: state, health, exit status, and address by network.
type Said = (String, Option<String>, Option<i64>, BTreeMap<String, String>);

/// What the engine's inspections say of the cluster's containers, by name.
fn inspected(cluster: &Cluster) -> BTreeMap<String, Said> {
    let label = format!("label=io.topogen.cluster={}", cluster.name);
    let ids = docker(&["ps", "-aq", "--filter", &label]);
    let mut arguments = vec!["inspect"];
    arguments.extend(ids.lines());
    if arguments.len() == 1 {
        return BTreeMap::new();
    }
    let output = Command::new("docker").args(&arguments).output().expect("docker runs");
    // One of them may have been removed meanwhile.
    let all: Json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = all.as_array().into_iter().flatten().map(|container| {
        let state = &container["State"];
        let word = state["Status"].as_str().unwrap_or_default().to_owned();
        let health = state["Health"]["Status"]
            .as_str()
            .filter(|_| word == "running")
            .map(str::to_owned);
        let exit = state["ExitCode"].as_i64().filter(|_| word == "exited");
        let networks = container["NetworkSettings"]["Networks"]
            .as_object()
            .into_iter()
            .flatten();
        let runs = word == "running" || word == "paused";
        let addresses = networks.map(|(name, end)| {
            let address = end["IPAddress"].as_str().filter(|_| runs).unwrap_or_default();
            (name.clone(), address.to_owned())
        });
        let name = container["Name"]
            .as_str()
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned();
        (name, (word, health, exit, addresses.collect()))
    });
    said.collect()
}

/// The same as the server tells it.
fn told(server: &Server) -> BTreeMap<String, Said> {
    let roster = server.json("/v1/roster");
    let nodes = roster["nodes"].as_array().cloned().unwrap_or_default();
    let instances = nodes
        .iter()
        .flat_map(|n| n["instances"].as_array().cloned().unwrap_or_default());
    let said = instances.filter(|i| i["state"] != "missing").map(|i| {
        let addresses = i["addresses"].as_array().cloned().unwrap_or_default();
        let addresses = addresses.iter().map(|a| {
            let address = a["address"].as_str().unwrap_or_default().to_owned();
            (a["network"].as_str().unwrap_or_default().to_owned(), address)
        });
        let health = i["health"]
            .as_str()
            .filter(|_| i["state"] == "running")
            .map(str::to_owned);
        let said = (
            i["state"].as_str().unwrap_or_default().to_owned(),
            health,
            i["exit"].as_i64().filter(|_| i["state"] == "exited"),
            addresses.collect(),
        );
        (i["container"].as_str().unwrap_or_default().to_owned(), said)
    });
    said.collect()
}

fn is_as_inspected(what: &str, cluster: &Cluster, server: &Server) {
    wait(what, || {
        let expected = inspected(cluster);
        (server.json("/v1/roster")["stale"].is_null() && told(server) == expected).then_some(())
    });
}

/// Each thing that can happen to a container, one after the other.
pub(crate) fn tells_what_is_inspected() {
    let mut cluster = cluster();
    let server = Server::of(&cluster, &[], None);
    let (app, db) = (cluster.container("slave1", "app"), cluster.container("slave2", "db"));
    let network = format!("{}-extra", cluster.name);
    docker(&["network", "create", &network]);
    cluster.finally(&["network", "rm", &network]);
    is_as_inspected("at first", &cluster, &server);
    let renamed = format!("{app}-renamed");
    for act in [
        vec!["kill", &app],
        vec!["start", &app],
        vec!["stop", &app],
        vec!["restart", &app],
        vec!["kill", "--signal", "HUP", &app],
        vec!["pause", &db],
        vec!["unpause", &db],
        vec!["rename", &app, &renamed],
        vec!["rename", &renamed, &app],
        vec!["update", "--cpu-shares", "512", &app],
        vec!["network", "connect", &network, &app],
        vec!["network", "disconnect", &network, &app],
        vec!["stop", &app, &db],
        vec!["start", &app, &db],
        vec!["rm", "-f", &app],
    ] {
        // A signal may end the fake, which is nothing to wait for.
        docker(&act);
        is_as_inspected(&act.join(" "), &cluster, &server);
    }
    let roster = server.json("/v1/nodes/slave1");
    assert_eq!(roster["instances"][0]["state"], "missing", "{roster}");
    cluster.must("up", &["--wait"]);
    is_as_inspected("up", &cluster, &server);
    cluster.must("down", &[]);
    wait("all is missing", || {
        let roster = server.json("/v1/roster");
        let nodes = roster["nodes"].as_array()?;
        let mut instances = nodes
            .iter()
            .flat_map(|n| n["instances"].as_array().cloned().unwrap_or_default());
        (nodes.len() == 3 && instances.all(|i| i["state"] == "missing")).then_some(())
    });
    let mut events = server.stream("/v1/events");
    // It listens from here on.
    let snapshot = events
        .by_ref()
        .lines()
        .map_while(Result::ok)
        .find(|line| line == "event: snapshot");
    assert!(snapshot.is_some());
    let (status, said) = server.end(Signal::TERM);
    assert_eq!((status, said.as_str()), (Some(0), ""));
    let mut last = String::new();
    events.read_to_string(&mut last).expect("text");
    assert!(last.trim_end().ends_with("event: bye\ndata: {}"), "{last}");
}

/// What containers print is told, also by one that takes the place of another.
pub(crate) fn tells_logs() {
    let cluster = cluster();
    let server = Server::of(&cluster, &[], None);
    let past = server.get("/v1/logs/slave1/app?tail=1");
    assert!(
        past.contains("event: line") && past.contains("slave1/app: answers on 80/tcp"),
        "{past}"
    );
    assert!(past.trim_end().ends_with("event: end\ndata: {}"), "{past}");
    let mut lines = server
        .stream("/v1/logs/slave1/app?follow&tail=0")
        .lines()
        .map_while(Result::ok);
    let mut next = || {
        lines
            .find(|line| line.contains("slave1/app: answers on 80/tcp"))
            .is_some()
    };
    cluster.must("restart", &["slave1/app"]);
    assert!(next());
    docker(&["rm", "-f", &cluster.container("slave1", "app")]);
    cluster.must("up", &["--wait"]);
    assert!(next());
}

/// What a proxy between topogen and an engine does with what goes through it.
const PASS: u8 = 0;
/// It keeps what the engine says on streams of events to itself.
const SWALLOW: u8 = 1;
/// It forwards no question about networks.
const HANG: u8 = 2;

struct Proxy {
    directory: tempfile::TempDir,
    mode: Arc<AtomicU8>,
    /// Both ends of each connection.
    open: Arc<Mutex<Vec<UnixStream>>>,
}

impl Proxy {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(directory.path().join("docker.sock")).expect("a socket");
        let proxy = Self {
            directory,
            mode: Arc::default(),
            open: Arc::default(),
        };
        let (mode, open) = (proxy.mode.clone(), proxy.open.clone());
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let engine = host
            .strip_prefix("unix://")
            .map_or(PathBuf::from("/var/run/docker.sock"), PathBuf::from);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&engine) else {
                    continue;
                };
                for stream in [&client, &server] {
                    open.lock().expect("a list").push(stream.try_clone().expect("a stream"));
                }
                let is_events = Arc::new(AtomicU8::new(0));
                pump(&client, &server, &mode, &is_events, true);
                pump(&server, &client, &mode, &is_events, false);
            }
        });
        proxy
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }

    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }

    /// Breaks every connection.
    fn cut(&self) {
        for stream in self.open.lock().expect("a list").drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Passes bytes from one to the other, as the mode says.
fn pump(from: &UnixStream, to: &UnixStream, mode: &Arc<AtomicU8>, events: &Arc<AtomicU8>, asks: bool) {
    let (mut from, mut to) = (from.try_clone().expect("a stream"), to.try_clone().expect("a stream"));
    let (mode, events) = (mode.clone(), events.clone());
    thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let said = String::from_utf8_lossy(&buffer[..read]);
            if asks {
                events.store(u8::from(said.contains("/events?")), Ordering::SeqCst);
                if mode.load(Ordering::SeqCst) == HANG && said.contains("/networks") {
                    continue;
                }
            } else if mode.load(Ordering::SeqCst) == SWALLOW && events.load(Ordering::SeqCst) == 1 {
                continue;
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

/// Connections that break, streams that say nothing any more, and an engine that does not answer for its networks.
pub(crate) fn survives_its_connection() {
    let cluster = cluster();
    let proxy = Proxy::new();
    let server = Server::of(&cluster, &[], Some(&proxy.socket()));
    let app = cluster.container("slave1", "app");
    is_as_inspected("at first", &cluster, &server);
    for (what, mode) in [
        ("hung networks", HANG),
        ("swallowed events", SWALLOW),
        ("nothing", PASS),
    ] {
        proxy.set(mode);
        docker(&["kill", &app]);
        is_as_inspected(&format!("after {what}"), &cluster, &server);
        if mode == SWALLOW {
            // A stream of which not even the beginning is heard is none, and what is known is said to be stale.
            proxy.cut();
            wait("it is stale", || {
                (!server.json("/v1/roster")["stale"].is_null()).then_some(())
            });
            proxy.set(PASS);
        }
        proxy.cut();
        docker(&["start", &app]);
        is_as_inspected(&format!("after {what} and a cut"), &cluster, &server);
        proxy.set(PASS);
    }
    let (status, said) = server.end(Signal::INT);
    assert_eq!(status, Some(0));
    assert!(
        said.contains("lost the engine (") && said.contains("the engine answers again"),
        "{said}"
    );
}

/// A second server is told who has the port, and one without a cluster waits for it.
pub(crate) fn waits_for_its_cluster() {
    let cluster = Cluster::new();
    std::fs::write(cluster.path().join("topogen.yaml"), BLUEPRINT).expect("a file");
    let server = Server::of(&cluster, &[], None);
    let taken = cluster.run("serve", &["--listen", &server.address]);
    let said = text(&taken.stderr);
    assert_eq!(taken.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("it is taken by `topogen` (process {})", server.process.id())),
        "{said}"
    );
    wait("all is missing", || {
        let roster = server.json("/v1/roles/slave");
        (roster["nodes"].as_array()?.len() == 2).then_some(())
    });
    cluster.must("up", &["--slaves", "3", "--wait"]);
    is_as_inspected("up", &cluster, &server);
    // The third is of the cluster's options, and is missed when it has gone.
    docker(&["rm", "-f", &cluster.container("slave3", "app")]);
    wait("it is missed", || {
        let node = server.json("/v1/nodes/slave3");
        let instances = node["instances"].as_array()?;
        instances
            .iter()
            .any(|i| i["service"] == "app" && i["state"] == "missing")
            .then_some(())
    });
}
