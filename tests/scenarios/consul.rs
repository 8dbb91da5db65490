//! A cluster that is kept registered with a real Consul.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::cluster::{Cluster, docker, text, wait};
use crate::names::dig;
use crate::real;

const BLUEPRINT: &str = "
roles:
  head:
    entry: app
    services: {app: {image: topogen/fake, expose: [80]}}
  slave:
    count: 3
    entry: app
    services:
      app:
        image: topogen/fake
        expose: [8080]
        environment: {SERVICE_NAME: svc4, SERVICE_TAGS: http}
";

/// Why there is no Consul, where there is none.
pub(crate) fn lacks() -> Option<String> {
    real::lacks_packages().or_else(crate::names::lacks)
}

/// `topogen register`, until it is dropped.
struct Register(Child);

impl Register {
    fn of(cluster: &Cluster, consul: &Consul) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_topogen"));
        let target = format!("consul://127.0.0.1:{}", consul.http);
        command.args(["register", &target, "-n", &cluster.name, "--consul-kv", "shop"]);
        Self(
            command
                .current_dir(cluster.path())
                .stderr(Stdio::piped())
                .spawn()
                .expect("topogen runs"),
        )
    }

    /// Its exit status after this signal, and what it said.
    fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        let id = i32::try_from(self.0.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process");
        kill_process(id, signal).expect("it runs");
        let mut said = String::new();
        self.0
            .stderr
            .take()
            .expect("a pipe")
            .read_to_string(&mut said)
            .expect("text");
        (self.0.wait().expect("it ends").code(), said)
    }
}

impl Drop for Register {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An agent that keeps nothing, beside the scenario: the network of an engine's host may be another one.
struct Consul {
    /// Where the package is unpacked.
    directory: TempDir,
    options: Vec<String>,
    process: Child,
    http: u16,
    dns: String,
}

impl Consul {
    fn new() -> Self {
        let directory = real::unpacked("bullseye", "consul");
        let free = || TcpListener::bind("127.0.0.1:0").expect("a port");
        // All at once, so that each is another.
        let ports = [free(), free(), free(), free(), free()].map(|l| l.local_addr().expect("an address").port());
        let [http, dns, server, lan, wan] = ports;
        let options = vec![
            "-bind=127.0.0.1".to_owned(),
            format!("-http-port={http}"),
            format!("-dns-port={dns}"),
            format!("-server-port={server}"),
            format!("-serf-lan-port={lan}"),
            format!("-serf-wan-port={wan}"),
            "-grpc-port=-1".to_owned(),
        ];
        let process = Self::started(&directory, &options);
        let consul = Self {
            directory,
            options,
            process,
            http,
            dns: dns.to_string(),
        };
        consul.is_there();
        consul
    }

    fn started(directory: &TempDir, options: &[String]) -> Child {
        Command::new(directory.path().join("usr/bin/consul"))
            .args(["agent", "-dev"])
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Consul runs")
    }

    /// Ends it, and starts another one, which knows nothing.
    fn restart(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.process = Self::started(&self.directory, &self.options);
        self.is_there();
    }

    fn is_there(&self) {
        wait("Consul answers", || {
            self.call("GET", "/v1/status/leader", "")
                .filter(|said| said.contains(':'))
        });
    }

    /// The body of an answer; `None` if there is none.
    fn call(&self, method: &str, path: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).ok()?;
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(head.as_bytes()).ok()?;
        let mut said = String::new();
        stream.read_to_string(&mut said).ok()?;
        let (head, body) = said.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| body.to_owned())
    }

    /// The IDs of the agent's services that are somebody else's, and the number of the others.
    fn services(&self) -> (BTreeSet<String>, usize) {
        let said: Json =
            serde_json::from_str(&self.call("GET", "/v1/agent/services", "").expect("it answers")).expect("JSON");
        let ids: BTreeSet<String> = said.as_object().expect("services").keys().cloned().collect();
        let (own, others): (BTreeSet<_>, BTreeSet<_>) = ids.into_iter().partition(|id| id.starts_with("topogen:"));
        (others, own.len())
    }

    /// What its DNS answers, by TCP: it puts three records at most in a datagram.
    fn dig(&self, arguments: &[&str]) -> BTreeSet<String> {
        let more = ["+tcp", "-p", &self.dns];
        dig("127.0.0.1", &[&more[..], arguments].concat())
    }
}

impl Drop for Consul {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn follows() {
    let cluster = Cluster::new();
    fs::write(cluster.path().join("topogen.yaml"), BLUEPRINT).expect("a file");
    let mut consul = Consul::new();
    cluster.must("up", &["--wait"]);
    let inout = format!("{}-inout", cluster.name);
    let address = |node: &str| cluster.address(node, "app", &inout);
    let addresses = ["slave1", "slave2", "slave3"].map(address);
    let register = Register::of(&cluster, &consul);
    let are = |consul: &Consul, what: &str, nodes: &[usize]| {
        let expected: BTreeSet<String> = nodes.iter().map(|at| addresses[*at].clone()).collect();
        wait(what, || {
            (consul.dig(&["svc4.service.consul"]) == expected).then_some(())
        });
    };
    are(&consul, "all are found", &[0, 1, 2]);
    let ports = consul.dig(&["svc4.service.consul", "SRV"]);
    assert!(
        ports.len() == 3 && ports.iter().all(|port| port.starts_with("1 1 8080 ")),
        "{ports:?}"
    );
    let one = |text: &str| BTreeSet::from([text.to_owned()]);
    assert_eq!(consul.dig(&["slave2.svc4.service.consul"]), one(&addresses[1]));
    assert_eq!(
        consul.dig(&["head.service.consul"]),
        one(&cluster.address("head", "app", &inout))
    );
    let key = |consul: &Consul| consul.call("GET", "/v1/kv/shop/nodes/slave3/address?raw", "");
    wait("its address is a key", || {
        (key(&consul).as_deref() == Some(&addresses[2])).then_some(())
    });
    docker(&["kill", &cluster.container("slave1", "app")]);
    are(&consul, "what was killed is gone", &[1, 2]);
    // It keeps nothing.
    consul.restart();
    are(&consul, "all is registered again", &[1, 2]);
    let foreign = r#"{"ID": "foreign", "Name": "foreign", "Port": 1}"#;
    consul
        .call("PUT", "/v1/agent/service/register", foreign)
        .expect("it is registered");
    // Nobody tells Consul of what ends meanwhile.
    register.end(Signal::KILL);
    docker(&["kill", &cluster.container("slave2", "app")]);
    let register = Register::of(&cluster, &consul);
    are(&consul, "what ended meanwhile is gone", &[2]);
    let (status, said) = register.end(Signal::TERM);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(consul.services(), (one("foreign"), 0));
    assert_eq!(key(&consul), None);
    let said = text(said.as_bytes());
    assert!(!said.contains("warning"), "{said}");
}
