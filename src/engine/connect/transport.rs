//! Sends requests over connections of any kind. Expensive connections are used again once a response has been read.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bollard::BollardRequest;
use bollard::errors::Error;
use futures_util::future::BoxFuture;
use futures_util::{Stream as Source, StreamExt};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderValue, LOCATION};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::choose::Choice;
use super::host::{Host, PORTS};
use super::metered::{Allowance, Metered, streams};
use super::patience::{Call, Calls, Patience};
use super::ssh::Ssh;
use super::tls;

/// The longest time that opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Names the type of a request's body, which bollard does not export.
trait Carries {
    type Body;
}
impl<B> Carries for Request<B> {
    type Body = B;
}
type Body = <BollardRequest as Carries>::Body;

/// What HTTP needs of a connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

tokio::task_local! {
    /// Whether the head of the response that [`head_of`] waits for has arrived.
    static HEAD: Arc<AtomicBool>;
}

/// Waits for the head of the response whose body is `stream`. Returns the first item of the body if it arrived with the
/// head. Bollard sends the request only when the stream is first polled, and does not report the head by itself.
pub(in crate::engine) async fn head_of<S: Source + Unpin>(stream: &mut S) -> Option<S::Item> {
    let head = Arc::new(AtomicBool::new(false));
    let has_come = Arc::clone(&head);
    let first = std::future::poll_fn(|context| match stream.poll_next_unpin(context) {
        Poll::Pending if has_come.load(Ordering::Relaxed) => Poll::Ready(None),
        polled => polled,
    });
    HEAD.scope(head, first).await
}

/// A way to reach an engine, with its idle connections.
pub(super) struct Transport {
    way: Way,
    /// The name of the machine, for the `Host` header that proxies need.
    name: HeaderValue,
    /// The negotiated API version as the start of each path, such as `/v1.43`. Bollard leaves it out over a custom
    /// transport.
    version: OnceLock<String>,
    /// The newest API version that the engine supports, from the `Api-Version` header of any response (Engine API, `GET
    /// /_ping`).
    heard: OnceLock<(usize, usize)>,
    /// Connections that are ready for another request.
    idle: Arc<Mutex<Vec<Connection>>>,
    calls: Calls,
}

/// A connection, and what may yet be read from it.
struct Connection {
    sender: SendRequest<Body>,
    allowance: Allowance,
}

/// Opens one connection to the engine.
pub(super) type Dial = dyn Fn() -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync;

enum Way {
    Unix(PathBuf),
    Tcp(String, u16),
    Tls(String, u16, TlsConnector, ServerName<'static>),
    Ssh(Ssh),
    Given(Box<Dial>),
}

/// What to say of an answer that leads elsewhere; `None` for any other. An engine never redirects: something else answers.
fn redirected(answer: &Response<Incoming>) -> Option<Error> {
    if !answer.status().is_redirection() || answer.status() == StatusCode::NOT_MODIFIED {
        return None;
    }
    let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
    let to = to.map_or_else(String::new, |to| format!(" to `{to}`"));
    Some(Error::DockerResponseServerError {
        status_code: answer.status().as_u16(),
        message: format!("what answers leads on{to}, as no engine does: is it one that the host names?"),
    })
}

impl Transport {
    /// A transport over connections that the caller opens.
    pub(super) fn over(dial: Box<Dial>, patience: Patience) -> Self {
        Self::by(Way::Given(dial), HeaderValue::from_static("docker"), patience)
    }

    /// A transport to the chosen engine.
    ///
    /// # Errors
    /// A TLS file cannot be read or is malformed.
    pub(super) fn to(choice: &Choice, patience: Patience) -> io::Result<Self> {
        let mut host = "docker".to_owned();
        let way = match (&choice.host, &choice.tls) {
            (Host::Unix(path), _) => Way::Unix(path.clone()),
            (Host::Tcp { name, port, .. }, None) => Way::Tcp(name.clone(), port.unwrap_or(PORTS.0)),
            (Host::Tcp { name, port, .. }, Some(tls)) => {
                let server = ServerName::try_from(name.clone()).map_err(io::Error::other)?;
                let connector = TlsConnector::from(tls::config(tls)?);
                Way::Tls(name.clone(), port.unwrap_or(PORTS.1), connector, server)
            }
            (ssh @ Host::Ssh { .. }, _) => match Ssh::to(ssh) {
                Some(ssh) => Way::Ssh(ssh),
                None => return Err(io::ErrorKind::Unsupported.into()),
            },
        };
        if let Way::Tcp(name, port) | Way::Tls(name, port, ..) = &way {
            host = if name.contains(':') {
                format!("[{name}]:{port}")
            } else {
                format!("{name}:{port}")
            };
        }
        let name = HeaderValue::try_from(host).map_err(io::Error::other)?;
        Ok(Self::by(way, name, patience))
    }

    fn by(way: Way, name: HeaderValue, patience: Patience) -> Self {
        Self {
            way,
            name,
            version: OnceLock::new(),
            heard: OnceLock::new(),
            idle: Arc::default(),
            calls: Calls::new(patience),
        }
    }

    /// Uses this API version from now on (Engine API, "Versioning").
    pub(super) fn speak(&self, (major, minor): (usize, usize)) {
        let _ = self.version.set(format!("/v{major}.{minor}"));
    }

    /// The newest API version that the engine supports; `None` until it has answered.
    pub(super) fn heard(&self) -> Option<(usize, usize)> {
        self.heard.get().copied()
    }

    fn hear(&self, answer: &Response<Incoming>) {
        let version = answer.headers().get("api-version").and_then(|v| v.to_str().ok());
        let parts = version.and_then(|v| v.split_once('.'));
        if let Some((Ok(major), Ok(minor))) = parts.map(|(major, minor)| (major.parse(), minor.parse())) {
            let _ = self.heard.set((major, minor));
        }
    }

    /// Sends `request`, and returns the response once its head has arrived.
    ///
    /// # Errors
    /// No connection could be opened, or it broke off; or a call that changes nothing was not answered in time.
    pub(super) async fn send(&self, request: BollardRequest) -> Result<Response<Incoming>, Error> {
        let call = Call::of(&request);
        self.calls.wait(call, self.send_once(request)).await
    }

    async fn send_once(&self, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        let version = self.version.get().map_or("", String::as_str);
        let path = Uri::try_from(format!("{version}{path}")).map_err(io::Error::other)?;
        *request.uri_mut() = path;
        request.headers_mut().insert(HOST, self.name.clone());
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let used = idle.is_some();
            let mut connection = match idle {
                Some(connection) => connection,
                None => self.open().await?,
            };
            connection.allowance.begin(streams(request.uri().path()));
            match connection.sender.try_send_request(request).await {
                Ok(answer) => {
                    self.hear(&answer);
                    // Whoever refuses says so in a few words, whatever was asked.
                    if !answer.status().is_success() {
                        connection.allowance.begin(false);
                    }
                    if let Some(fault) = redirected(&answer) {
                        return Err(fault);
                    }
                    // It fails if no [`head_of`] is waiting, which is fine.
                    let _ = HEAD.try_with(|head| head.store(true, Ordering::Relaxed));
                    self.keep(connection);
                    return Ok(answer);
                }
                // The engine had closed the idle connection, and nothing was sent, so the request is tried on another
                // one.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if used => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    /// Opens another connection to the engine.
    async fn open(&self) -> Result<Connection, Error> {
        let dialled = tokio::time::timeout(CONNECT_TIMEOUT, self.dial()).await;
        let stream = dialled.map_err(|_| {
            let text = format!("no connection in {} s", CONNECT_TIMEOUT.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, text)
        })??;
        let allowance = Allowance::default();
        let stream = Metered::new(stream, allowance.clone());
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // The task ends when the sender or the response is dropped. Errors are reported there.
        tokio::spawn(connection.with_upgrades());
        Ok(Connection { sender, allowance })
    }

    async fn dial(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match &self.way {
            Way::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Way::Tcp(name, port) => Box::new(tcp(name, *port).await?),
            Way::Tls(name, port, connector, server) => {
                Box::new(connector.connect(server.clone(), tcp(name, *port).await?).await?)
            }
            Way::Ssh(ssh) => Box::new(ssh.dial().await?),
            Way::Given(dial) => dial().await?,
        })
    }

    /// Returns the connection to the idle ones after the response. Unix and plain TCP connections are not kept: they
    /// are cheap, and an engine that is shutting down still answers on old connections, with errors that look final.
    fn keep(&self, mut connection: Connection) {
        if let Way::Unix(_) | Way::Tcp(..) | Way::Given(_) = self.way {
            return;
        }
        let idle = Arc::clone(&self.idle);
        tokio::spawn(async move {
            if connection.sender.ready().await.is_ok() {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
        });
    }
}

async fn tcp(name: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((name, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
