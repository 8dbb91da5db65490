//! What is registered with Consul, and an agent in this process that may be away, empty or unwilling.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use topogen::cluster::roster::{Exposed, Instance, Roster};
use topogen::cluster::{Health, State};
use topogen::serve::consul::client::Access;
use topogen::serve::consul::keys;
use topogen::serve::consul::service::{Owner, Service, services};
use topogen::serve::consul::settings::tags;
use topogen::serve::consul::target::Target;
use topogen::serve::consul::{Registration, Scope};

use super::answers::{ended, instance, instances, roster};

fn owner() -> Owner {
    Owner {
        cluster: "lab".to_owned(),
        engine: "ENGINE".to_owned(),
    }
}

fn exposed(ports: &[(u16, &str)]) -> Vec<Exposed> {
    let port = |(port, protocol): &(u16, &str)| Exposed {
        port: *port,
        protocol: (*protocol).to_owned(),
    };
    ports.iter().map(port).collect()
}

/// A way in with these ports, which says this about its services.
fn said(ports: &[(u16, &str)], settings: &[(&str, &str)]) -> Instance {
    let mut instance = instance("slave1", "app", 3, &["slave1"]);
    instance.exposed = exposed(ports);
    instance.settings = settings
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    instance
}

fn registered(instances: Vec<Instance>) -> Vec<Service> {
    services(&roster(1, instances), &owner(), false)
}

/// Name, ID where it was said, and the tags beside topogen's own.
fn found(ports: &[(u16, &str)], settings: &[(&str, &str)]) -> Vec<(String, Option<String>, Vec<String>)> {
    let shown = |service: Service| {
        let id = Some(service.id).filter(|id| !id.starts_with("topogen:"));
        (service.name, id, service.tags[3..].to_vec())
    };
    registered(vec![said(ports, settings)]).into_iter().map(shown).collect()
}

/// The examples of Registrator's `docs/user/services.md`, and what its `bridge/util.go` makes of other settings.
#[test]
fn settings_are_read_as_registrator_does() {
    let one = |name: &str, tags: &[&str]| (name.to_owned(), None, tags.iter().map(|t| (*t).to_owned()).collect());
    let redis = [(6379, "tcp")];
    let nginx = [(80, "tcp"), (443, "tcp")];
    // "Single service with defaults": there the image's name is the default, here the role's.
    assert_eq!(found(&redis, &[]), [one("slave", &[])]);
    // "Single service with metadata".
    let metadata = [
        ("SERVICE_NAME", "db"),
        ("SERVICE_TAGS", "master,backups"),
        ("SERVICE_REGION", "us2"),
    ];
    assert_eq!(found(&redis, &metadata), [one("db", &["master", "backups"])]);
    let meta = &registered(vec![said(&redis, &metadata)])[0].meta;
    assert_eq!(meta.get("region").map(String::as_str), Some("us2"));
    // "Multiple services with defaults".
    assert_eq!(found(&nginx, &[]), [one("slave-80", &[]), one("slave-443", &[])]);
    // "Multiple services with metadata".
    let metadata = [
        ("SERVICE_443_NAME", "https"),
        ("SERVICE_443_ID", "https.12345"),
        ("SERVICE_443_SNI", "enabled"),
        ("SERVICE_80_NAME", "http"),
        ("SERVICE_TAGS", "www"),
    ];
    let https = (
        "https".to_owned(),
        Some("https.12345".to_owned()),
        vec!["www".to_owned()],
    );
    assert_eq!(found(&nginx, &metadata), [one("http", &["www"]), https]);
    let services = registered(vec![said(&nginx, &metadata)]);
    assert_eq!(
        services.iter().map(|s| s.meta.contains_key("sni")).collect::<Vec<_>>(),
        [false, true]
    );
    // The name of the container has the port behind it where several count, that of a port has not.
    let named = [("SERVICE_NAME", "webserver"), ("SERVICE_80_TAGS", "http")];
    assert_eq!(
        found(&nginx, &named),
        [one("webserver-80", &["http"]), one("webserver-443", &[])]
    );
    let mixed = [("SERVICE_NAME", "webserver"), ("SERVICE_80_NAME", "web")];
    assert_eq!(found(&nginx, &mixed), [one("web", &[]), one("webserver-443", &[])]);
    // "Ignoring a service": one that is ignored still counts as one of several.
    assert_eq!(found(&nginx, &[("SERVICE_443_IGNORE", "true")]), [one("slave-80", &[])]);
    assert_eq!(found(&nginx, &[("SERVICE_IGNORE", "yes")]), []);
    assert_eq!(found(&redis, &[("SERVICE_IGNORE", "")]), [one("slave", &[])]);
    // UDP has a tag of its own.
    let dns = [(53, "tcp"), (53, "udp")];
    assert_eq!(
        found(&dns, &[("SERVICE_53_NAME", "dns")]),
        [one("dns", &[]), one("dns", &["udp"])]
    );
    let ids: Vec<String> = registered(vec![said(&dns, &[])]).into_iter().map(|s| s.id).collect();
    assert!(ids[1].ends_with(":53:udp") && ids[0].ends_with(":53"), "{ids:?}");
    // Keys of other kinds and of other ports are nobody's.
    assert_eq!(found(&redis, &[("SERVICE_80_NAME", "web")]), [one("slave", &[])]);
    for (text, expected) in [
        ("", vec![]),
        ("a,b", vec!["a", "b"]),
        (",a,,b,", vec!["a", "b"]),
        (r"a\,b,c", vec!["a,b", "c"]),
        (r"a\b", vec![r"a\b"]),
    ] {
        assert_eq!(tags(text), expected, "{text}");
    }
}

#[test]
fn checks_of_consul_itself_are_those_that_are_said() {
    let checks = |settings: &[(&str, &str)]| {
        let services = registered(vec![said(&[(80, "tcp")], settings)]);
        serde_json::to_value(&services[0].checks[1..]).expect("JSON")
    };
    assert_eq!(checks(&[]), json!([]));
    let http = [
        ("SERVICE_80_CHECK_HTTP", "/health"),
        ("SERVICE_CHECK_INTERVAL", "15s"),
        ("SERVICE_CHECK_TIMEOUT", "1s"),
    ];
    insta::assert_snapshot!(
        "checks",
        format!("{:#}\n{:#}", checks(&http), checks(&[("SERVICE_CHECK_TCP", "true")]))
    );
}

#[test]
fn an_id_is_taken_once() {
    let mut two = [
        said(&[(80, "tcp")], &[("SERVICE_ID", "web")]),
        said(&[(80, "tcp")], &[("SERVICE_ID", "web")]),
    ];
    two[1].container = "lab-slave1-app-2".to_owned();
    let ids: Vec<String> = registered(two.to_vec()).into_iter().map(|s| s.id).collect();
    assert_eq!(ids[0], "web");
    assert!(ids[1].contains("lab-slave1-app-2"), "{ids:?}");
}

/// How the services of the other tests' cluster are.
#[test]
fn what_runs_is_registered_with_its_health() {
    let mut all = instances();
    let mut paused = instance("slave4", "app", 9, &["slave4"]);
    paused.state = State::Paused;
    let mut starting = instance("slave5", "app", 10, &["slave5"]);
    starting.health = Some(Health::Starting);
    let mut leaving = instance("slave6", "service_out", 11, &["slave6-service_out"]);
    leaving.leaving = true;
    let mut without = instance("slave7", "app", 12, &["slave7"]);
    without.exposed.clear();
    all.extend([paused, starting, leaving, without]);
    let roster = roster(1, all);
    let shown = |private: bool| -> String {
        let line = |s: &Service| {
            let words = format!("{} {} {}", s.name, s.address, s.port);
            format!(
                "{words} [{}] {} ({})\n",
                s.tags.join(" "),
                s.health.status,
                s.health.word
            )
        };
        services(&roster, &owner(), private).iter().map(line).collect()
    };
    insta::assert_snapshot!("services", format!("{}\nthe rest, too:\n{}", shown(false), shown(true)));
    let one = &services(&roster, &owner(), false)[0];
    insta::assert_snapshot!("service", serde_json::to_string_pretty(one).expect("JSON"));
}

#[test]
fn an_agent_is_named_as_elsewhere() {
    let target = |text: &str| text.parse::<Target>().map(|t| t.to_string()).map_err(drop);
    for (text, expected) in [
        ("http://127.0.0.1:8500", "http://127.0.0.1:8500"),
        ("http://localhost", "http://localhost:8500"),
        ("consul://10.0.0.1:8500/", "http://10.0.0.1:8500"),
        ("https://consul.example:8501", "https://consul.example:8501"),
        ("consul-tls://c:1", "https://c:1"),
        ("http://[::1]:8500", "http://[::1]:8500"),
        ("http://[::1]", "http://[::1]:8500"),
        ("unix:///run/consul.sock", "unix:///run/consul.sock"),
        ("consul-unix:///run/consul.sock", "unix:///run/consul.sock"),
    ] {
        assert_eq!(target(text).as_deref(), Ok(expected));
    }
    for wrong in [
        "",
        "127.0.0.1:8500",
        "etcd://x:1",
        "http://",
        "http://a b",
        "http://x:0",
        "http://x:y",
        "http://[x]:1",
        "unix://x",
        "http://x/y",
    ] {
        assert_eq!(target(wrong), Err(()), "{wrong}");
    }
}

#[test]
fn nodes_are_keys() {
    let roster = roster(1, instances());
    let desired = keys::desired(&roster, "lab");
    insta::assert_debug_snapshot!("keys", desired);
    let flags = keys::flags(&owner());
    let known = |key: &str, value: &str, flags: u64| keys::Known {
        key: key.to_owned(),
        value: Some(value.to_owned()),
        flags,
    };
    let there = [
        known("lab/nodes/slave1/address", "MTAuMC4wLjM=", flags),
        known("lab/nodes/slave1/role", "b2xk", flags),
        known("lab/nodes/slave9/address", "eA==", flags),
        known("lab/nodes/slave8/address", "eA==", 0),
        known("lab/nodes/master/role", "eA==", 7),
    ];
    let operations = keys::operations(&desired, &there, flags);
    let said: Vec<String> = operations
        .iter()
        .map(|o| format!("{} {}", o["KV"]["Verb"], o["KV"]["Key"]))
        .collect();
    insta::assert_debug_snapshot!("operations", said);
}

/// What an agent holds, and how it behaves.
#[derive(Default)]
struct Held {
    services: BTreeMap<String, Json>,
    checks: BTreeMap<String, Json>,
    keys: BTreeMap<String, Json>,
    /// The requests that changed something, and the token of the last one.
    changes: Vec<String>,
    token: String,
    /// The status with which it refuses everything.
    refuses: Option<u16>,
}

/// An agent of Consul in this process.
struct Agent {
    held: Arc<Mutex<Held>>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Agent {
    async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), Arc::default()).await
    }

    async fn at(address: SocketAddr, held: Arc<Mutex<Held>>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = held.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(TokioIo::new(stream), shared.clone()));
            }
        });
        Self { held, address, task }
    }

    /// Its end, with all its connections.
    async fn stop(self) -> (SocketAddr, Arc<Mutex<Held>>) {
        self.task.abort();
        let _ = self.task.await;
        (self.address, self.held)
    }

    fn registration(&self, token: Option<&str>, keys: Option<&str>) -> Registration {
        let target = format!("http://{}", self.address).parse().expect("a target");
        Registration::new(access(target, token), scope(keys))
    }
}

fn access(target: Target, token: Option<&str>) -> Access {
    Access {
        target,
        token: token.map(str::to_owned),
        tls: None,
    }
}

fn scope(keys: Option<&str>) -> Scope {
    Scope {
        owner: owner(),
        private: false,
        keys: keys.map(str::to_owned),
        every: Duration::from_millis(100),
    }
}

async fn answer<S>(stream: TokioIo<S>, held: Arc<Mutex<Held>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let held = held.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(Body::new(body), 1 << 20).await.expect("a body");
            let token = head
                .headers
                .get("X-Consul-Token")
                .and_then(|t| t.to_str().ok())
                .unwrap_or_default();
            let (status, said) = held
                .lock()
                .expect("it")
                .on(head.method.as_str(), head.uri.path(), &body, token);
            Ok::<_, std::convert::Infallible>(
                Response::builder()
                    .status(status)
                    .body(Body::from(said))
                    .expect("an answer"),
            )
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(stream, service)
        .await;
}

impl Held {
    fn on(&mut self, method: &str, path: &str, body: &[u8], token: &str) -> (u16, String) {
        self.token = token.to_owned();
        if let Some(status) = self.refuses {
            return (status, "Permission denied".to_owned());
        }
        let body: Json = serde_json::from_slice(body).unwrap_or_default();
        let rest = |prefix: &str| path.strip_prefix(prefix).map(str::to_owned);
        if method == "PUT" {
            self.changes.push(path.trim_start_matches("/v1/").to_owned());
        }
        match (method, path) {
            ("GET", "/v1/agent/services") => return (200, json!(self.services).to_string()),
            ("GET", "/v1/agent/checks") => return (200, json!(self.checks).to_string()),
            ("PUT", "/v1/agent/service/register") => {
                let id = body["ID"].as_str().expect("an ID").to_owned();
                let mut service = body.clone();
                service["Service"] = body["Name"].clone();
                self.services.insert(id.clone(), service);
                self.checks.retain(|_, check| check["ServiceID"] != json!(id));
                for check in body["Checks"].as_array().expect("checks") {
                    let status = check["Status"].as_str().unwrap_or("critical");
                    let check_id = check["CheckID"].as_str().expect("an ID").to_owned();
                    self.checks
                        .insert(check_id, json!({"Status": status, "Output": "", "ServiceID": id}));
                }
                return (200, String::new());
            }
            ("PUT", "/v1/txn") => {
                for operation in body.as_array().expect("operations") {
                    let kv = &operation["KV"];
                    let key = kv["Key"].as_str().expect("a key").to_owned();
                    match kv["Verb"].as_str() {
                        Some("delete") => drop(self.keys.remove(&key)),
                        _ => drop(self.keys.insert(key, kv.clone())),
                    }
                }
                return (200, json!({"Results": null, "Errors": null}).to_string());
            }
            _ => {}
        }
        if let Some(id) = rest("/v1/agent/service/deregister/") {
            self.checks.retain(|_, check| check["ServiceID"] != json!(id));
            return match self.services.remove(&id) {
                Some(_) => (200, String::new()),
                None => (404, "Unknown service".to_owned()),
            };
        }
        if let Some(id) = rest("/v1/agent/check/update/") {
            let Some(check) = self.checks.get_mut(&id) else {
                return (404, "Unknown check".to_owned());
            };
            check["Status"] = body["Status"].clone();
            check["Output"] = body["Output"].clone();
            return (200, String::new());
        }
        if let Some(prefix) = rest("/v1/kv/") {
            let below: Vec<&Json> = self
                .keys
                .iter()
                .filter(|(k, _)| k.starts_with(&prefix))
                .map(|(_, v)| v)
                .collect();
            return if below.is_empty() {
                (404, String::new())
            } else {
                (200, json!(below).to_string())
            };
        }
        (400, format!("{method} {path}"))
    }

    /// The words of its checks, by container.
    fn words(&self) -> BTreeMap<String, String> {
        let word = |(id, service): (&String, &Json)| {
            let check = self.checks.get(&format!("{id}:topogen"))?;
            let container = service["Meta"]["topogen-container"].as_str()?;
            let words = [&check["Status"], &check["Output"]].map(|w| w.as_str().unwrap_or_default());
            Some((container.to_owned(), words.join(" ")))
        };
        self.services.iter().filter_map(word).collect()
    }
}

/// A registration that follows, and what it reports.
struct Following {
    rosters: watch::Sender<Arc<Roster>>,
    reports: Arc<Mutex<Vec<String>>>,
    stop: tokio::sync::oneshot::Sender<()>,
    task: JoinHandle<Result<(), String>>,
}

impl Following {
    fn start(mut registration: Registration, first: Arc<Roster>) -> Self {
        let (rosters, seen) = watch::channel(first);
        let reports = Arc::<Mutex<Vec<String>>>::default();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let reported = reports.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = registration.follow(seen, |line| reported.lock().expect("a list").push(line.to_owned())) => {}
                _ = stopped => {}
            }
            registration.end().await
        });
        Self {
            rosters,
            reports,
            stop,
            task,
        }
    }

    async fn end(self) -> Result<(), String> {
        let _ = self.stop.send(());
        tokio::time::timeout(Duration::from_secs(60), self.task)
            .await
            .expect("it ends")
            .expect("it ends well")
    }
}

/// Waits until `is_so`.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waits).await;
    waited.unwrap_or_else(|_| panic!("{what}"));
}

fn two() -> Vec<Instance> {
    vec![
        instance("slave1", "app", 1, &["slave1"]),
        instance("slave2", "app", 2, &["slave2"]),
    ]
}

#[tokio::test]
async fn what_is_registered_follows_the_cluster() {
    let agent = Agent::start().await;
    let held = agent.held.clone();
    // Somebody else's, one that an earlier server left, and those of another engine and of another cluster.
    let service = |meta: Json| json!({"Service": "x", "Meta": meta});
    for (id, meta) in [
        ("foreign", json!(null)),
        ("left", json!({"topogen-cluster": "lab", "topogen-engine": "ENGINE"})),
        (
            "elsewhere",
            json!({"topogen-cluster": "lab", "topogen-engine": "OTHER"}),
        ),
        (
            "another",
            json!({"topogen-cluster": "lab2", "topogen-engine": "ENGINE"}),
        ),
    ] {
        held.lock().expect("it").services.insert(id.to_owned(), service(meta));
    }
    let following = Following::start(agent.registration(Some("secret"), Some("shop")), roster(1, two()));
    let words = |expected: &[(&str, &str)]| {
        let expected: BTreeMap<String, String> = expected
            .iter()
            .map(|(node, words)| (format!("lab-{node}-app-1"), (*words).to_owned()))
            .collect();
        let held = held.clone();
        move || {
            let held = held.lock().expect("it");
            let own = held
                .services
                .iter()
                .filter(|(id, _)| id.starts_with("topogen:"))
                .count();
            own == expected.len() && held.checks.len() == own && held.words() == expected
        }
    };
    let both = [("slave1", "passing running"), ("slave2", "passing running")];
    until("both are registered", words(&both)).await;
    {
        let held = held.lock().expect("it");
        assert_eq!(held.token, "secret");
        let others: Vec<&String> = held.services.keys().filter(|id| !id.starts_with("topogen:")).collect();
        assert_eq!(others, ["another", "elsewhere", "foreign"]);
    }
    until("keys", || {
        held.lock().expect("it").keys.contains_key("shop/nodes/slave2/address")
    })
    .await;
    // What is well is said to be so again and again, and registered once.
    let count = |word: &str| {
        held.lock()
            .expect("it")
            .changes
            .iter()
            .filter(|c| c.contains(word))
            .count()
    };
    let before = count("check/update");
    until("it is passed again", || count("check/update") > before + 4).await;
    assert_eq!(count("service/register"), 2);
    // Being told to end, then ended.
    let mut next = two();
    next[0].leaving = true;
    following.rosters.send_replace(roster(2, next.clone()));
    until("it is leaving", words(&[("slave1", "critical leaving"), both[1]])).await;
    next[0] = ended(next[0].clone(), 137);
    following.rosters.send_replace(roster(3, next.clone()));
    until("it is gone", words(&[both[1]])).await;
    next[1].health = Some(Health::Unhealthy);
    following.rosters.send_replace(roster(4, next));
    until("the other one is ill", words(&[("slave2", "critical unhealthy")])).await;
    following.rosters.send_replace(roster(5, two()));
    until("both are back", words(&both)).await;
    // Consul loses its memory.
    {
        let held = &mut *held.lock().expect("it");
        held.services.clear();
        held.checks.clear();
        held.keys.clear();
    }
    until("all is there again", words(&both)).await;
    until("keys, too", || {
        held.lock().expect("it").keys.contains_key("shop/nodes/slave2/address")
    })
    .await;
    assert_eq!(*following.reports.lock().expect("a list"), [""; 0]);
    following.end().await.expect("it is taken away");
    let held = held.lock().expect("it");
    assert!(held.services.is_empty() && held.checks.is_empty() && held.keys.is_empty());
}

#[tokio::test]
async fn while_the_engine_is_lost_nothing_is_said() {
    let agent = Agent::start().await;
    let held = agent.held.clone();
    let following = Following::start(agent.registration(None, None), roster(1, two()));
    until("both are registered", || held.lock().expect("it").words().len() == 2).await;
    let mut lost = Roster::clone(&roster(2, Vec::new()));
    lost.stale = Roster::unknown("lab", super::answers::START).stale;
    following.rosters.send_replace(Arc::new(lost));
    // What was under way when it was lost ends.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = held.lock().expect("it").changes.len();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(held.lock().expect("it").changes.len(), before);
    assert_eq!(held.lock().expect("it").services.len(), 2);
    following.rosters.send_replace(roster(3, Vec::new()));
    until("all are gone", || held.lock().expect("it").services.is_empty()).await;
    following.end().await.expect("it is taken away");
}

#[tokio::test]
async fn an_agent_that_is_away_or_unwilling_is_reported_once() {
    let agent = Agent::start().await;
    let held = agent.held.clone();
    let following = Following::start(agent.registration(None, None), roster(1, two()));
    until("both are registered", || held.lock().expect("it").words().len() == 2).await;
    let (address, held) = agent.stop().await;
    let reports = following.reports.clone();
    let count = || reports.lock().expect("a list").len();
    until("it is lost", || count() >= 1).await;
    held.lock().expect("it").services.clear();
    held.lock().expect("it").refuses = Some(403);
    let agent = Agent::at(address, held.clone()).await;
    until("it refuses", || {
        reports.lock().expect("a list").iter().any(|r| r.contains("403"))
    })
    .await;
    held.lock().expect("it").refuses = None;
    until("it is back", || {
        reports.lock().expect("a list").iter().any(|r| r.contains("again"))
    })
    .await;
    assert_eq!(held.lock().expect("it").words().len(), 2);
    let said = reports
        .lock()
        .expect("a list")
        .join("\n")
        .replace(&address.to_string(), "ADDRESS");
    // How a connection ends that is cut depends on the moment.
    let said: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("refuses with") || line.contains("again"))
        .collect();
    insta::assert_snapshot!("reports", said.join("\n"));
    held.lock().expect("it").refuses = Some(500);
    let error = following.end().await.expect_err("it refuses");
    assert!(
        error.contains("is still there: it refuses with 500 (Permission denied)"),
        "{error}"
    );
    drop(agent);
}

#[tokio::test]
async fn an_agent_at_a_socket_is_one_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("consul.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let held = Arc::<Mutex<Held>>::default();
    let shared = held.clone();
    let task = tokio::spawn(async move {
        // One that is ended in the middle of a request takes another connection.
        while let Ok((stream, _)) = listener.accept().await {
            answer(TokioIo::new(stream), shared.clone()).await;
        }
    });
    let target = format!("unix://{}", path.display()).parse().expect("a target");
    let following = Following::start(Registration::new(access(target, None), scope(None)), roster(1, two()));
    until("both are registered", || held.lock().expect("it").words().len() == 2).await;
    following.end().await.expect("it is taken away");
    assert!(held.lock().expect("it").services.is_empty());
    task.abort();
}
