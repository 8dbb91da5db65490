//! Every way to an engine, through doors that the scenarios open to the one that is there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite, copy, split};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::cluster::{Cluster, text, wait};

/// Two containers that need no image.
const BLUEPRINT: &str = "roles: {w: {count: 2, entry: app, services: {app: {image: topogen/fake, expose: [80]}}}}";

/// Another way to the engine, closed when dropped.
struct Door {
    /// What DOCKER_HOST is to say.
    host: String,
    _open: oneshot::Sender<()>,
}

enum Kind {
    Unix(PathBuf),
    Tcp,
    Tls(Arc<ServerConfig>),
}

impl Door {
    fn open(kind: Kind) -> Self {
        let (open, closed) = oneshot::channel::<()>();
        let (ready, host) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                tokio::select! {
                    () = serve(kind, ready) => {}
                    _ = closed => {}
                }
            });
        });
        let host = host.recv().expect("a door");
        Self { host, _open: open }
    }
}

async fn serve(kind: Kind, ready: mpsc::Sender<String>) {
    match kind {
        Kind::Unix(path) => {
            let listener = UnixListener::bind(&path).unwrap();
            ready.send(format!("unix://{}", path.display())).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(lead_on(client));
            }
        }
        Kind::Tcp => {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            ready.send(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(lead_on(client));
            }
        }
        Kind::Tls(config) => {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            ready.send(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = TlsAcceptor::from(Arc::clone(&config));
                tokio::spawn(async move {
                    if let Ok(client) = acceptor.accept(client).await {
                        lead_on(client).await;
                    }
                });
            }
        }
    }
}

/// To the engine that `docker` finds.
async fn lead_on(client: impl AsyncRead + AsyncWrite) {
    let mut docker = tokio::process::Command::new("docker")
        .args(["system", "dial-stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("docker runs");
    let (mut stdin, mut stdout) = (docker.stdin.take().unwrap(), docker.stdout.take().unwrap());
    let (mut reading, mut writing) = split(client);
    tokio::select! {
        _ = copy(&mut reading, &mut stdin) => {}
        _ = copy(&mut stdout, &mut writing) => {}
    }
}

/// topogen that finds its engine by these variables and no others.
fn topogen(cluster: &Cluster, command: &str, variables: &[(&str, &str)]) -> Command {
    let mut topogen = Command::new(env!("CARGO_BIN_EXE_topogen"));
    topogen.args([command, "-n", &cluster.name]).current_dir(cluster.path());
    for name in [
        "DOCKER_HOST",
        "DOCKER_CONTEXT",
        "DOCKER_TLS",
        "DOCKER_TLS_VERIFY",
        "DOCKER_CERT_PATH",
    ] {
        topogen.env_remove(name);
    }
    topogen.envs(variables.iter().copied());
    topogen
}

fn run(cluster: &Cluster, command: &str, variables: &[(&str, &str)]) -> Output {
    topogen(cluster, command, variables).output().expect("topogen runs")
}

fn must(cluster: &Cluster, command: &str, variables: &[(&str, &str)]) {
    let output = run(cluster, command, variables);
    assert!(output.status.success(), "{variables:?}: {}", text(&output.stderr));
}

/// Up and down by these variables, observed by the way that everybody else takes.
fn up_and_down(variables: &[(&str, &str)]) {
    let cluster = Cluster::new();
    fs::write(cluster.path().join("topogen.yaml"), BLUEPRINT).unwrap();
    must(&cluster, "up", variables);
    assert_eq!(cluster.containers(Some("running")).len(), 2, "{variables:?}");
    must(&cluster, "down", variables);
    assert_eq!(
        (cluster.containers(None).len(), cluster.networks().len()),
        (0, 0),
        "{variables:?}"
    );
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

pub(crate) fn socket() {
    let directory = tempfile::tempdir().unwrap();
    let door = Door::open(Kind::Unix(directory.path().join("engine.sock")));
    up_and_down(&[("DOCKER_HOST", &door.host)]);
}

pub(crate) fn tcp() {
    let door = Door::open(Kind::Tcp);
    up_and_down(&[("DOCKER_HOST", &door.host)]);
    up_and_down(&[("DOCKER_HOST", &door.host.replace("tcp://", "http://"))]);
}

/// `docker` with a configuration of its own.
fn docker(configuration: &Path, arguments: &[&str]) {
    let output = Command::new("docker")
        .args(arguments)
        .env("DOCKER_CONFIG", configuration)
        .env_remove("DOCKER_HOST")
        .env_remove("DOCKER_CONTEXT")
        .output()
        .expect("docker runs");
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        text(&output.stderr)
    );
}

pub(crate) fn context() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = directory.path();
    let door = Door::open(Kind::Tcp);
    docker(
        configuration,
        &["context", "create", "door", "--docker", &format!("host={}", door.host)],
    );
    docker(
        configuration,
        &["context", "create", "wall", "--docker", "host=tcp://127.0.0.1:1"],
    );
    let by = ("DOCKER_CONFIG", shown(configuration));
    up_and_down(&[by, ("DOCKER_CONTEXT", "door")]);
    docker(configuration, &["context", "use", "door"]);
    up_and_down(&[by]);
    // What counts more.
    docker(configuration, &["context", "use", "wall"]);
    let cluster = Cluster::new();
    assert_eq!(run(&cluster, "ps", &[by]).status.code(), Some(5));
    assert_eq!(
        run(&cluster, "ps", &[by, ("DOCKER_CONTEXT", "nobody")]).status.code(),
        Some(5)
    );
    up_and_down(&[by, ("DOCKER_CONTEXT", "door")]);
    up_and_down(&[by, ("DOCKER_CONTEXT", "wall"), ("DOCKER_HOST", &door.host)]);
}

/// An authority, and by it a certificate of the engine and one of ours.
fn certificates(directory: &Path) {
    let script = r#"
set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout authority.pem -out ca.pem
for name in server cert; do
  openssl req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $name.key -out $name.csr
  printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' > extensions
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey authority.pem -CAcreateserial -days 2 -extfile extensions -out $name.pem
done
mv cert.key key.pem
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=stranger -keyout stranger.key -out stranger.pem
"#;
    let output = Command::new("sh").args(["-c", script]).current_dir(directory).output();
    let output = output.expect("sh runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// An engine that talks to those only whom the authority vouches for.
fn strict(directory: &Path) -> Arc<ServerConfig> {
    let read = |name: &str| -> Vec<CertificateDer<'static>> {
        let all = CertificateDer::pem_file_iter(directory.join(name)).unwrap();
        all.map(|c| c.unwrap()).collect()
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in read("ca.pem") {
        roots.add(certificate).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(read("server.pem"), key)
        .unwrap();
    Arc::new(config)
}

pub(crate) fn tls() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    certificates(path);
    let door = Door::open(Kind::Tls(strict(path)));
    let host = ("DOCKER_HOST", door.host.as_str());
    let ours = ("DOCKER_CERT_PATH", shown(path));
    up_and_down(&[host, ours, ("DOCKER_TLS_VERIFY", "1")]);
    up_and_down(&[host, ours, ("DOCKER_TLS", "1")]);
    up_and_down(&[
        (
            "DOCKER_HOST",
            &door.host.replace("tcp://127.0.0.1", "https://localhost"),
        ),
        ours,
    ]);
    // Who is not known is not talked to, on either side.
    let cluster = Cluster::new();
    let refused = |variables: &[(&str, &str)]| {
        assert_eq!(run(&cluster, "ps", variables).status.code(), Some(5), "{variables:?}");
    };
    refused(&[host]);
    let stranger = path.join("stranger");
    fs::create_dir(&stranger).unwrap();
    let unknown = ("DOCKER_CERT_PATH", shown(&stranger));
    refused(&[host, unknown, ("DOCKER_TLS_VERIFY", "1")]);
    refused(&[host, unknown, ("DOCKER_TLS", "1")]);
    fs::copy(path.join("stranger.pem"), stranger.join("ca.pem")).unwrap();
    for file in ["cert.pem", "key.pem"] {
        fs::copy(path.join(file), stranger.join(file)).unwrap();
    }
    refused(&[host, unknown, ("DOCKER_TLS_VERIFY", "1")]);
    up_and_down(&[host, unknown, ("DOCKER_TLS", "1")]);
    // A context brings its own.
    let configuration = path.join("configuration");
    let file = |name: &str| path.join(name).display().to_string();
    let endpoint = format!(
        "host={},ca={},cert={},key={}",
        door.host,
        file("ca.pem"),
        file("cert.pem"),
        file("key.pem")
    );
    docker(&configuration, &["context", "create", "door", "--docker", &endpoint]);
    up_and_down(&[("DOCKER_CONFIG", shown(&configuration)), ("DOCKER_CONTEXT", "door")]);
}

/// A directory with an `ssh` that runs here what it is to run there, notes what it was asked, and dies of an interrupt.
fn pretended_ssh(directory: &Path) -> String {
    let script = format!(
        r#"#!/bin/sh
echo "$@" >> '{}/log'
while [ "$1" != -- ]; do shift; done
shift 2
exec 3<&0
trap 'kill -KILL $!; exit 255' INT
DOCKER_HOST={} sh -c "exec $*" <&3 &
wait $!
"#,
        directory.display(),
        std::env::var("DOCKER_HOST").unwrap_or_default(),
    );
    let file = directory.join("ssh");
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default())
}

pub(crate) fn ssh() {
    let directory = tempfile::tempdir().unwrap();
    let path = pretended_ssh(directory.path());
    up_and_down(&[("PATH", &path), ("DOCKER_HOST", "ssh://me@elsewhere:2222")]);
    let log = fs::read_to_string(directory.path().join("log")).unwrap();
    for line in log.lines() {
        assert!(line.contains("-l me -p 2222 -- elsewhere docker"), "{line}");
    }
    // Two commands, some twenty requests.
    assert!(log.lines().count() < 20, "connections are used again: {log}");
    // What ssh says is reported.
    fs::write(
        directory.path().join("ssh"),
        "#!/bin/sh\necho 'no way to there' >&2\nexit 255\n",
    )
    .unwrap();
    let cluster = Cluster::new();
    let output = run(
        &cluster,
        "ps",
        &[("PATH", &path), ("DOCKER_HOST", "ssh://me@elsewhere")],
    );
    assert_eq!(output.status.code(), Some(5));
    assert!(
        text(&output.stderr).contains("no way to there"),
        "{}",
        text(&output.stderr)
    );
}

/// An interrupt reaches all processes of the terminal's group; the connection must outlive it, or what is in flight is
/// lost.
pub(crate) fn interrupt() {
    let directory = tempfile::tempdir().unwrap();
    let path = pretended_ssh(directory.path());
    let variables = [("PATH", path.as_str()), ("DOCKER_HOST", "ssh://elsewhere")];
    let cluster = Cluster::new();
    let mut up = topogen(&cluster, "up", &variables);
    let child = up
        .args(["--slaves", "5"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("topogen runs");
    wait("a first container", || {
        (!cluster.containers(None).is_empty()).then_some(())
    });
    let group = format!("-{}", child.id());
    let status = Command::new("kill").args(["-INT", "--", &group]).status();
    assert!(status.expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    assert!(!said.contains("failed"), "{said}");
    must(&cluster, "down", &variables);
    assert_eq!((cluster.containers(None).len(), cluster.networks().len()), (0, 0));
}
