//! The page of `topogen serve`, in a real browser.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::browser::{self, Browser};
use crate::cluster::{Cluster, docker, lacks as program_lacks};

const BLUEPRINT: &str = r#"
roles:
  head:
    entry: api
    services:
      api: {image: topogen/fake, expose: [80]}
      db: {image: topogen/fake}
  w:
    count: 3
    entry: app
    services:
      app: {image: topogen/fake, expose: [80]}
      db: {image: topogen/fake}
"#;

/// Why there is no browser, if there is none.
pub(crate) fn lacks() -> Option<String> {
    program_lacks(&[browser::PROGRAM, "--version"])
}

/// A cluster of `blueprint` that is up.
fn up(blueprint: &str) -> Cluster {
    let cluster = Cluster::new();
    fs::write(cluster.path().join("topogen.yaml"), blueprint).expect("a file");
    cluster.must("up", &["-q"]);
    cluster
}

/// `topogen serve`, until this is dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    /// Of `cluster`, on the engine at `host`, or that of the scenarios.
    fn of(cluster: &Cluster, host: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_topogen"));
        command
            .args(["serve", "-n", &cluster.name, "--listen", "127.0.0.1:0"])
            .current_dir(cluster.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(host) = host {
            command.env("DOCKER_HOST", host);
        }
        let mut process = command.spawn().expect("topogen runs");
        let mut lines = BufReader::new(process.stderr.take().expect("it is piped"))
            .lines()
            .map_while(Result::ok);
        let url = |line: String| {
            line.split_whitespace()
                .find(|word| word.starts_with("http://"))
                .map(str::to_owned)
        };
        let url = lines.find_map(url).expect("a line with the URL");
        // What else it says is read, so that it can go on.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The look of a service's box in the picture.
fn look(node: &str, service: &str, class: &str) -> String {
    format!(
        "document.querySelector('[data-nodes=\"{node}\"] [data-service=\"{service}\"]').classList.contains('{class}')"
    )
}

/// The text of the row of a node.
fn row(node: &str) -> String {
    format!("document.querySelector('tr.node[data-node=\"{node}\"]').textContent")
}

const LIVE: &str = "document.querySelector('#link').textContent === 'live' && document.querySelector('#picture svg')";

pub(crate) fn shows_what_happens() {
    let cluster = up(BLUEPRINT);
    let server = Server::of(&cluster, None);
    let mut browser = Browser::new(1440, 900, "light");
    browser.open(&server.url);
    browser.until(LIVE);
    assert_eq!(browser.value("document.querySelectorAll('tr.node').length"), json!(4));
    assert_eq!(
        browser.value("document.querySelectorAll('#picture .node[data-nodes]').length"),
        json!(4)
    );
    assert_eq!(
        browser.value("document.querySelectorAll('#tiles button').length"),
        json!(4)
    );
    browser.until(&look("w2", "db", "running"));
    let address = cluster.address("w2", "app", &format!("{}-inout", cluster.name));
    assert_eq!(
        browser.value(&format!("{}.includes('{address}')", row("w2"))),
        json!(true)
    );
    let colour = "getComputedStyle(document.querySelector('[data-nodes=\"w2\"] [data-service=\"db\"] .box')).stroke";
    let before = browser.value(colour);
    browser.picture("light");

    docker(&["kill", &cluster.container("w2", "db")]);
    browser.until(&look("w2", "db", "stopped"));
    browser.until(&format!("{}.includes('db exited (137)')", row("w2")));
    browser.until("document.querySelector('#stream').textContent.includes('exited with status 137')");
    browser.until("document.querySelector('#counts').textContent.includes('1 not well')");
    assert_ne!(browser.value(colour), before);
    docker(&["rm", &cluster.container("w2", "db")]);
    browser.until(&look("w2", "db", "missing"));
    browser.until(&format!("{}.includes('db missing')", row("w2")));
    browser.picture("missing");

    let requests = browser.requests();
    let foreign = requests
        .iter()
        .filter(|url| !url.starts_with(&server.url) && !url.starts_with("data:"));
    assert_eq!(foreign.collect::<Vec<_>>(), [""; 0]);
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Whatever a container prints stays text.
pub(crate) fn logs_are_text() {
    let script = "<script>document.title='hit'</script><img src=x onerror=\"document.title='hit'\">";
    let blueprint = format!(
        "roles:\n  head:\n    services:\n      app:\n        image: topogen/fake\n        entrypoint: [{}, check, -f]\n        \
         command: ['{}']\n",
        topogen::fake::image::EXECUTABLE,
        script.replace('\'', "''")
    );
    let cluster = Cluster::new();
    fs::write(cluster.path().join("topogen.yaml"), blueprint).expect("a file");
    // What it is told to read does not exist, so that it ends; that may be said before this command does.
    cluster.run("up", &["-q"]);
    let server = Server::of(&cluster, None);
    let mut browser = Browser::new(1440, 900, "dark");
    browser.open(&format!("{}/#head/app", server.url.trim_end_matches('/')));
    browser.until("document.querySelector('#details-title').textContent === 'head / app'");
    browser.until("document.querySelector('#logs').textContent.includes('<script>document.title')");
    assert_eq!(
        browser.value("document.querySelectorAll('#logs script, #logs img').length"),
        json!(0)
    );
    assert_eq!(browser.value("document.title.includes('hit')"), json!(false));
    assert_eq!(browser.complaints(), [""; 0]);
    browser.picture("logs");
}

/// Everything can be reached and done without a pointer, and the focus is seen.
pub(crate) fn keyboard() {
    let cluster = up(BLUEPRINT);
    let server = Server::of(&cluster, None);
    let mut browser = Browser::new(1280, 800, "light");
    browser.open(&server.url);
    browser.until(LIVE);
    // The filter, by its key.
    browser.press("/");
    for key in ["w", "2"] {
        browser.press(key);
    }
    browser.until("document.querySelectorAll('tr.node').length === 1");
    browser.press("Tab");
    for _ in 0..7 {
        browser.press("Tab");
    }
    browser.until("document.activeElement.textContent === 'w2'");
    assert_ne!(
        browser.value("getComputedStyle(document.activeElement).outlineStyle"),
        json!("none")
    );
    // Its services, one of them, and back.
    browser.press("ArrowRight");
    browser.until("document.querySelectorAll('tr.service').length === 2");
    browser.press("ArrowDown");
    browser.press("Enter");
    browser.until("document.activeElement.id === 'details-title' && !document.querySelector('#details').hidden");
    browser.press("Escape");
    browser.until("document.querySelector('#details').hidden && document.activeElement.textContent === 'app'");
    // The picture is one stop, and its parts are reached by arrows.
    browser.value("document.querySelector('#picture [tabindex=\"0\"]').focus()");
    let label = browser.value("document.activeElement.getAttribute('aria-label')");
    browser.press("ArrowDown");
    browser.until("document.activeElement.closest('#picture')");
    assert_ne!(
        browser.value("document.activeElement.getAttribute('aria-label')"),
        label
    );
    assert_eq!(
        browser.value("document.querySelectorAll('#picture [tabindex=\"0\"]').length"),
        json!(1)
    );
    // Whatever can be pressed says what it is.
    let unnamed = "[...document.querySelectorAll('button, input, [role=button]')].filter(one => \
                   !(one.getAttribute('aria-label') || one.textContent.trim()) && one.offsetParent).length";
    assert_eq!(browser.value(unnamed), json!(0));
}

/// The page fits a phone, without anything to scroll sideways but the picture.
pub(crate) fn phone() {
    let cluster = up(BLUEPRINT);
    let server = Server::of(&cluster, None);
    let mut browser = Browser::new(390, 844, "light");
    browser.open(&server.url);
    browser.until(LIVE);
    browser.until("document.documentElement.scrollWidth <= 390");
    browser.picture("phone");
}

/// While the engine is lost the picture stays, and says so; when it is back, all is as before.
pub(crate) fn stale() {
    let cluster = up(BLUEPRINT);
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let Some(socket) = host.strip_prefix("unix://").map(PathBuf::from) else {
        return;
    };
    let path = cluster.path().join("engine.sock");
    let between = Between::new(&path, &socket);
    let server = Server::of(&cluster, Some(&format!("unix://{}", path.display())));
    let mut browser = Browser::new(1440, 900, "light");
    browser.open(&server.url);
    browser.until(LIVE);
    assert_eq!(browser.value("document.querySelector('#stale').hidden"), json!(true));
    between.cut();
    browser.until("document.querySelector('#stale').textContent.includes('the engine is lost')");
    browser.until("document.querySelector('#stale').getBoundingClientRect().width >= 1400");
    assert_eq!(browser.value("document.querySelectorAll('tr.node').length"), json!(4));
    browser.picture("stale");
    between.mend();
    browser.until("document.querySelector('#stale').hidden");
    // The server itself may be gone, too.
    drop(server);
    browser.until("document.querySelector('#stale').textContent.includes('topogen does not answer')");
    assert_eq!(browser.value("document.querySelectorAll('tr.node').length"), json!(4));
}

/// What lies between a server and its engine, and can be cut.
struct Between {
    state: Arc<Mutex<Lines>>,
}

/// The connections that go through.
#[derive(Default)]
struct Lines {
    is_cut: bool,
    open: Vec<UnixStream>,
}

impl Between {
    fn new(path: &Path, engine: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let state = Arc::new(Mutex::new(Lines::default()));
        let (lines, engine) = (state.clone(), engine.to_owned());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut lines = lines.lock().expect("a lock");
                if lines.is_cut {
                    continue;
                }
                let far = UnixStream::connect(&engine).expect("the engine");
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    std::thread::spawn(move || copy(from, to));
                }
                lines.open.extend([near, far]);
            }
        });
        Self { state }
    }

    fn cut(&self) {
        let mut lines = self.state.lock().expect("a lock");
        lines.is_cut = true;
        for line in lines.open.drain(..) {
            let _ = line.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.state.lock().expect("a lock").is_cut = false;
    }
}

fn copy(mut from: UnixStream, mut to: UnixStream) {
    let mut buffer = [0; 16384];
    while let Ok(length) = from.read(&mut buffer) {
        if length == 0 || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
