//! Which engine is meant, and what is said where it does not answer.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};

use proptest::prelude::*;
use topogen::engine::connect::choose::{Choice, Given, Machine, choose};
use topogen::engine::connect::host::Host;
use topogen::engine::connect::{ConnectError, no_answer};
use topogen::engine::fault::{Fault, Loss};

use crate::support::stderr;

/// A machine of the test's own.
#[derive(Default, Clone)]
struct Pretended {
    variables: BTreeMap<&'static str, String>,
    files: BTreeMap<PathBuf, String>,
}

impl Machine for Pretended {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|v| !v.is_empty()).cloned()
    }

    fn read(&self, path: &Path) -> io::Result<Option<String>> {
        match self.files.get(path).map(String::as_str) {
            Some("unreadable") => Err(io::ErrorKind::PermissionDenied.into()),
            text => Ok(text.map(str::to_owned)),
        }
    }

    fn is_there(&self, path: &Path) -> bool {
        self.files.keys().any(|p| p.starts_with(path))
    }

    fn entries(&self, path: &Path) -> Vec<PathBuf> {
        let inside = self.files.keys().filter_map(|p| p.strip_prefix(path).ok());
        let mut names: Vec<PathBuf> = inside.filter_map(|p| p.iter().next()).map(|n| path.join(n)).collect();
        names.dedup();
        names
    }

    fn user(&self) -> u32 {
        1000
    }
}

/// Names of contexts, and SHA-256 of each.
const CONTEXTS: [(&str, &str); 3] = [
    (
        "build",
        "44575cf5b28512d75644bf54a517dcef304ff809fd511747621b4d64f19aac66",
    ),
    (
        "lab",
        "a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7",
    ),
    (
        "old",
        "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4",
    ),
];

fn id(name: &str) -> &'static str {
    CONTEXTS.iter().find(|(n, _)| *n == name).expect("a known one").1
}

impl Pretended {
    fn new() -> Self {
        Self::default().with("HOME", "/home/me")
    }

    fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.variables.insert(variable, value.to_owned());
        self
    }

    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(PathBuf::from(path), text.to_owned());
        self
    }

    fn meta(self, name: &str, meta: &str) -> Self {
        self.file(&format!("/home/me/.docker/contexts/meta/{}/meta.json", id(name)), meta)
    }

    /// With a context of that name for an engine at `host`.
    fn context(self, name: &str, host: &str) -> Self {
        let endpoints = format!(r#"{{"docker": {{"Host": "{host}", "SkipTLSVerify": false}}}}"#);
        let meta = format!(r#"{{"Name": "{name}", "Metadata": {{}}, "Endpoints": {endpoints}}}"#);
        self.meta(name, &meta)
    }

    fn tls(mut self, directory: &str, files: &[&str]) -> Self {
        for file in files {
            self = self.file(&format!("{directory}/{file}"), "");
        }
        self
    }

    fn current(self, name: &str) -> Self {
        self.file(
            "/home/me/.docker/config.json",
            &format!(r#"{{"auths": {{}}, "currentContext": "{name}"}}"#),
        )
    }
}

fn shown(result: &Result<Choice, ConnectError>) -> String {
    match result {
        Ok(Choice { host, by, tls }) => match tls {
            None => format!("{host}{by}"),
            Some(tls) => {
                let path = |p: &PathBuf| p.display().to_string();
                let ca = tls.ca.as_ref().map_or_else(|| "those of the machine".to_owned(), path);
                let own = tls
                    .own
                    .as_ref()
                    .map_or_else(|| "none".to_owned(), |(c, k)| path(c) + " " + &path(k));
                let verify = if tls.verify { "verified" } else { "not verified" };
                format!("{host}{by}\n    TLS, {verify}; authorities: {ca}; own: {own}")
            }
        },
        Err(error) => told(error),
    }
}

fn told(error: &ConnectError) -> String {
    let hints: String = error.hints.iter().map(|h| format!("\nhint: {h}")).collect();
    format!("error: {error}{hints}")
}

#[test]
fn the_engine_that_docker_would_take() {
    let here = Pretended::new;
    let socket = || here().file("/var/run/docker.sock", "");
    let lab = || socket().context("lab", "ssh://me@lab");
    let all = ["ca.pem", "cert.pem", "key.pem"];
    let certificates = |machine: Pretended| machine.tls("/certs", &all).with("DOCKER_CERT_PATH", "/certs");
    let tls_of = |name: &str| format!("/home/me/.docker/contexts/tls/{}/docker", id(name));
    let remote = || here().with("DOCKER_HOST", "tcp://build-7");
    let cases = [
        ("nothing said", socket()),
        ("no socket at all", here()),
        ("rootless", here().file("/run/user/1000/docker.sock", "")),
        (
            "rootless, elsewhere",
            here()
                .with("XDG_RUNTIME_DIR", "/tmp/run")
                .file("/tmp/run/docker.sock", "")
                .file("/run/podman/podman.sock", ""),
        ),
        ("both", socket().file("/run/user/1000/docker.sock", "")),
        ("Podman", here().file("/run/user/1000/podman/podman.sock", "")),
        ("Podman of root", here().file("/run/podman/podman.sock", "")),
        (
            "DOCKER_HOST",
            lab()
                .current("lab")
                .with("DOCKER_HOST", "unix:///run/other.sock")
                .with("DOCKER_CONTEXT", "old"),
        ),
        ("DOCKER_HOST empty", lab().with("DOCKER_HOST", "")),
        (
            "DOCKER_CONTEXT",
            lab()
                .context("old", "tcp://old:2375")
                .current("old")
                .with("DOCKER_CONTEXT", "lab"),
        ),
        (
            "DOCKER_CONTEXT=default",
            lab().current("lab").with("DOCKER_CONTEXT", "default"),
        ),
        ("current context", lab().current("lab")),
        ("current context default", lab().current("default")),
        ("no current context", lab().file("/home/me/.docker/config.json", "{}")),
        (
            "configuration elsewhere",
            lab()
                .with("DOCKER_CONFIG", "/etc/docker-cli")
                .file("/etc/docker-cli/config.json", r#"{"currentContext": "lab"}"#),
        ),
        (
            "configuration that is none",
            lab().file("/home/me/.docker/config.json", "{,}"),
        ),
        (
            "configuration unreadable",
            lab().file("/home/me/.docker/config.json", "unreadable"),
        ),
        (
            "unknown context",
            lab().context("build", "tcp://b").with("DOCKER_CONTEXT", "old"),
        ),
        (
            "nearly known",
            lab().context("build", "tcp://b").with("DOCKER_CONTEXT", "biuld"),
        ),
        ("unknown current context", socket().current("old")),
        ("context that is none", socket().meta("lab", "[]").current("lab")),
        (
            "context of something else",
            socket()
                .meta("lab", r#"{"Name": "lab", "Endpoints": {"kubernetes": {}}}"#)
                .current("lab"),
        ),
        (
            "context without a host",
            socket().meta("lab", r#"{"Endpoints": {"docker": {}}}"#).current("lab"),
        ),
        (
            "context with a bad host",
            socket().context("lab", "lab:way").current("lab"),
        ),
        (
            "context with TLS",
            here()
                .context("lab", "tcp://lab:2376")
                .tls(&tls_of("lab"), &all)
                .current("lab"),
        ),
        (
            "context with a key and no certificate",
            here()
                .context("lab", "tcp://lab:2376")
                .tls(&tls_of("lab"), &all[2..])
                .current("lab"),
        ),
        (
            "context unverified",
            here()
                .meta(
                    "lab",
                    r#"{"Endpoints": {"docker": {"Host": "tcp://lab", "SkipTLSVerify": true}}}"#,
                )
                .current("lab"),
        ),
        (
            "the environment's TLS is not a context's",
            certificates(here().context("lab", "tcp://lab"))
                .with("DOCKER_TLS_VERIFY", "1")
                .current("lab"),
        ),
        ("tcp", remote()),
        ("tcp and certificates, no TLS asked for", certificates(remote())),
        ("TLS", certificates(remote()).with("DOCKER_TLS_VERIFY", "1")),
        ("TLS unverified", certificates(remote()).with("DOCKER_TLS", "1")),
        (
            "TLS, certificates of the configuration",
            remote()
                .with("DOCKER_TLS_VERIFY", "1")
                .tls("/home/me/.docker", &all[..1]),
        ),
        ("TLS, no certificate", remote().with("DOCKER_TLS_VERIFY", "1")),
        (
            "TLS, a certificate and no key",
            remote()
                .with("DOCKER_TLS_VERIFY", "1")
                .with("DOCKER_CERT_PATH", "/certs")
                .tls("/certs", &all[..2]),
        ),
        ("https", here().with("DOCKER_HOST", "https://build-7")),
        (
            "TLS and a socket",
            certificates(here())
                .with("DOCKER_TLS_VERIFY", "1")
                .with("DOCKER_HOST", "unix:///x"),
        ),
    ];
    let text: Vec<String> = cases
        .iter()
        .map(|(what, machine)| format!("# {what}\n{}\n", shown(&choose(machine, &Given::default()))))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

/// The options go before the environment, with its TLS settings for an address.
#[test]
fn what_the_command_line_says_of_the_engine_counts_first() {
    let machine = Pretended::new()
        .context("lab", "tcp://lab")
        .context("build", "tcp://b")
        .with("DOCKER_HOST", "unix:///variable")
        .with("DOCKER_CONTEXT", "build");
    let host = |host: &str| Given {
        host: Some(host.to_owned()),
        ..Given::default()
    };
    let context = |context: &str| Given {
        context: Some(context.to_owned()),
        ..Given::default()
    };
    let given = [
        host("unix:///option"),
        host("tcp://build-7"),
        host("build"),
        context("lab"),
        context("default"),
        context("bulid"),
    ];
    let text: Vec<String> = given
        .iter()
        .map(|given| format!("# {given:?}\n{}\n", shown(&choose(&machine, given))))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn hosts_as_they_are_written() {
    let mut text = String::new();
    for host in [
        "unix:///var/run/docker.sock",
        "unix://",
        "tcp://build-7:2375",
        "tcp://build-7",
        "tcp://build-7/",
        "build-7:2375",
        "tcp://[::1]:2376",
        "tcp://::1",
        "tcp://[::1",
        "tcp://[::1]x",
        "tcp://",
        "tcp://:2375",
        "tcp://me@build-7",
        "tcp://build-7/engine",
        "tcp://build-7:0",
        "tcp://build-7:99999",
        "tcp://h:+80",
        "tcp://build-7:2375?x=1",
        "tcp://build 7",
        "http://build-7",
        "https://build-7:444",
        "ssh://build-7",
        "ssh://me@build-7:2222",
        "ssh://me@build-7/run/docker.sock",
        "ssh://me@[fe80::1]:22/",
        "ssh://@build-7",
        "ssh://me:secret@build-7",
        "ssh://",
        "fd://",
        "npipe:////./pipe/docker_engine",
        "gopher://x",
    ] {
        let read = match Host::parse(host) {
            Ok(read) => format!("{read}  {read:?}"),
            Err(error) => format!("error: {error}"),
        };
        text += &format!("{host}\n    {read}\n");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_does_not_answer_is_named_with_who_says_so() {
    let socket = Pretended::new().file("/var/run/docker.sock", "");
    let tcp = Pretended::new().with("DOCKER_HOST", "tcp://build-7:2376");
    let tls = tcp
        .clone()
        .with("DOCKER_TLS_VERIFY", "1")
        .with("DOCKER_CERT_PATH", "/certs");
    let with_ca = tls.clone().tls("/certs", &["ca.pem"]);
    let context = Pretended::new().context("lab", "tcp://lab").current("lab");
    let ssh = Pretended::new().with("DOCKER_HOST", "ssh://me@build-7:2222");
    let lost = |loss, words: &str| Fault::Lost(loss, words.to_owned());
    let cases = [
        (&Pretended::new(), lost(Loss::NotFound, "no such file or directory")),
        (&socket, lost(Loss::Refused, "connection refused")),
        (&socket, lost(Loss::Denied, "permission denied")),
        (
            &Pretended::new().with("DOCKER_HOST", "unix:///x.sock"),
            lost(Loss::NotFound, "no such file or directory"),
        ),
        (
            &Pretended::new().with("DOCKER_HOST", "unix:///x.sock"),
            lost(Loss::Denied, "permission denied"),
        ),
        (&tcp, lost(Loss::Refused, "connection refused")),
        (
            &tcp,
            lost(
                Loss::Other,
                "failed to lookup address information: Name or service not known",
            ),
        ),
        (&tcp, lost(Loss::TimedOut, "no connection in 30 s")),
        (
            &tcp,
            lost(Loss::TlsWanted, "Client sent an HTTP request to an HTTPS server."),
        ),
        (&tcp, lost(Loss::Reset, "connection reset by peer")),
        (
            &tcp,
            Fault::Unreadable("what answers is not in an engine's words: expected value at line 1 column 1".to_owned()),
        ),
        (
            &tls,
            lost(Loss::TlsUnknown, "received corrupt message of type InvalidContentType"),
        ),
        (
            &tls,
            lost(Loss::CertificateInvalid, "invalid peer certificate: UnknownIssuer"),
        ),
        (
            &with_ca,
            lost(Loss::CertificateInvalid, "invalid peer certificate: UnknownIssuer"),
        ),
        (
            &with_ca,
            lost(
                Loss::CertificateOfAnother,
                "invalid peer certificate: certificate not valid for name \"build-7\"",
            ),
        ),
        (
            &with_ca,
            lost(Loss::CertificateWanted, "received fatal alert: CertificateRequired"),
        ),
        (
            &with_ca,
            lost(Loss::CertificateWanted, "received fatal alert: HandshakeFailure"),
        ),
        (
            &with_ca,
            lost(Loss::Other, "cannot read /certs/ca.pem: permission denied"),
        ),
        (&context, lost(Loss::Refused, "connection refused")),
        (
            &context,
            lost(Loss::TlsWanted, "Client sent an HTTP request to an HTTPS server."),
        ),
        (&ssh, lost(Loss::Other, "Host key verification failed.")),
        (&ssh, lost(Loss::Other, "me@build-7: Permission denied (publickey).")),
        (
            &ssh,
            lost(Loss::NotFound, "cannot run `ssh`: no such file or directory"),
        ),
        (
            &Pretended::new()
                .with("DOCKER_CONTEXT", "lab")
                .context("lab", "ssh://lab"),
            lost(Loss::Other, "sh: 1: docker: not found"),
        ),
    ];
    let text: Vec<String> = cases
        .iter()
        .map(|(machine, fault)| {
            let choice = choose(*machine, &Given::default()).expect("a choice");
            told(&no_answer(&choice, fault)) + "\n"
        })
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

proptest! {
    #[test]
    fn a_host_that_is_read_is_written_so_that_it_is_read_again(
        text in "(unix|tcp|http|https|ssh)://([a-z]{1,3}@)?(\\[[0-9a-f:]{1,6}\\]|[a-z.-]{0,6})(:[0-9]{0,6})?(/[a-z /]{0,6})?",
    ) {
        if let Ok(host) = Host::parse(&text) {
            // 80 and 443 are written where they were meant.
            prop_assert_eq!(Host::parse(&host.to_string()).map(|h| h.to_string()), Ok(host.to_string()));
        }
    }

    #[test]
    fn any_text_is_a_host_or_an_error(text in "\\PC{0,30}") {
        let _ = Host::parse(&text);
    }
}

/// Answer every request with `version` where that is asked for, and with `else_` otherwise, as one that speaks `api` where
/// it says so; what was asked.
fn pretended_engine(api: Option<&str>, version: &'static str, else_: &'static str) -> (String, Receiver<String>) {
    let said = api.map_or_else(String::new, |api| format!("Api-Version: {api}\r\n"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = format!("tcp://{}", listener.local_addr().expect("an address"));
    let (asked, questions) = channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (asked, said, mut client) = (asked.clone(), said.clone(), client.expect("a client"));
            std::thread::spawn(move || {
                let lines = BufReader::new(client.try_clone().expect("a socket")).lines();
                for line in lines.map_while(Result::ok) {
                    let Some(question) = line.strip_suffix(" HTTP/1.1") else {
                        continue;
                    };
                    let answer = if question.contains("/version") { version } else { else_ };
                    let _ = asked.send(question.split('?').next().unwrap_or_default().to_owned());
                    let head = format!("HTTP/1.1 200 OK\r\n{said}Content-Length: {}\r\n\r\n", answer.len());
                    let _ = client.write_all((head + answer).as_bytes());
                }
            });
        }
    });
    (host, questions)
}

fn ps(host: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_topogen"))
        .args(["ps", "-n", "nobody"])
        .env("DOCKER_HOST", host)
        .env_remove("DOCKER_TLS")
        .env_remove("DOCKER_TLS_VERIFY")
        .output()
        .expect("topogen runs")
}

#[test]
fn requests_are_in_the_version_that_both_speak() {
    let version = r#"{"ApiVersion": "1.42", "MinAPIVersion": "1.24"}"#;
    // An engine says it with every answer; what does not is asked.
    for (api, first) in [
        (Some("1.42"), &["GET /_ping"][..]),
        (None, &["GET /_ping", "GET /version"]),
    ] {
        let (host, questions) = pretended_engine(api, version, "[]");
        let output = ps(&host);
        assert!(output.status.success(), "{}", stderr(&output));
        let questions: Vec<String> = questions.try_iter().collect();
        let (begin, rest) = questions.split_at(first.len());
        assert_eq!(begin, first);
        assert!(rest.iter().all(|q| q.starts_with("GET /v1.42/")), "{questions:?}");
        assert!(rest.iter().any(|q| q == "GET /v1.42/containers/json"), "{questions:?}");
    }
}

#[test]
fn what_is_no_engine_is_reported() {
    let mut text = String::new();
    for (version, else_) in [
        ("<html></html>", ""),
        ("{}", "[]"),
        (r#"{"ApiVersion": "1.42"}"#, "<html>"),
    ] {
        let (host, _questions) = pretended_engine(None, version, else_);
        let output = ps(&host);
        let said = stderr(&output).replace(&host, "tcp://127.0.0.1:PORT");
        text += &format!(
            "{version} {else_}\n{said}exit {}\n\n",
            output.status.code().unwrap_or(-1)
        );
    }
    insta::assert_snapshot!(text);
}

/// What follows the head of each answer: `Location`, or a body without an end.
fn raw_engine(head: &'static str, endless: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = format!("tcp://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.expect("a client");
            std::thread::spawn(move || {
                let mut lines = BufReader::new(client.try_clone().expect("a socket")).lines();
                while lines.next().is_some_and(|l| l.is_ok_and(|l| !l.is_empty())) {}
                let _ = client.write_all(head.as_bytes());
                let part = vec![b' '; 1 << 20];
                while endless && client.write_all(&part).is_ok() {}
            });
        }
    });
    host
}

#[test]
fn a_redirect_is_said_to_be_one() {
    let host = raw_engine(
        "HTTP/1.1 302 Found\r\nLocation: https://login.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        false,
    );
    let output = ps(&host);
    let said = stderr(&output).replace(&host, "tcp://127.0.0.1:PORT");
    insta::assert_snapshot!(format!("{said}exit {}", output.status.code().unwrap_or(-1)));
}

#[test]
fn an_answer_without_an_end_is_not_read_to_it() {
    let host = raw_engine(
        "HTTP/1.1 200 OK\r\nApi-Version: 1.42\r\nContent-Type: application/json\r\nContent-Length: 2000000000\r\n\r\n",
        true,
    );
    let output = ps(&host);
    let said = stderr(&output).replace(&host, "tcp://127.0.0.1:PORT");
    insta::assert_snapshot!(format!("{said}exit {}", output.status.code().unwrap_or(-1)));
}
