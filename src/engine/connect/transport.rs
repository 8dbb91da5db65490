//! Requests on their way: connections of any kind, those that cost something used again once their answer is read.

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
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::choose::Choice;
use super::host::{Host, PORTS};
use super::ssh::Ssh;
use super::tls;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body of a request, which bollard has no name for.
trait Carries {
    type Body;
}
impl<B> Carries for Request<B> {
    type Body = B;
}
type Body = <BollardRequest as Carries>::Body;

/// What a connection is to HTTP.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

tokio::task_local! {
    /// Whether the head of the answer has come that [`head_of`] waits for.
    static HEAD: Arc<AtomicBool>;
}

/// Waits until the head of the answer has come that `stream` is the body of, and gives the first item where it came along.
/// Bollard sends the request when the stream is first polled, and tells nothing of the head.
pub(in crate::engine) async fn head_of<S: Source + Unpin>(stream: &mut S) -> Option<S::Item> {
    let head = Arc::new(AtomicBool::new(false));
    let has_come = Arc::clone(&head);
    let first = std::future::poll_fn(|context| match stream.poll_next_unpin(context) {
        Poll::Pending if has_come.load(Ordering::Relaxed) => Poll::Ready(None),
        polled => polled,
    });
    HEAD.scope(head, first).await
}

/// The way to an engine.
pub(super) struct Transport {
    way: Way,
    /// The name of the machine, for proxies.
    name: HeaderValue,
    /// The version of the API that was agreed upon, as paths begin with it: bollard leaves it out.
    version: OnceLock<String>,
    /// The version of the API that the engine said it speaks, as every answer of one does (Engine API, `GET /_ping`).
    heard: OnceLock<(usize, usize)>,
    /// Connections that wait for the next request.
    idle: Arc<Mutex<Vec<SendRequest<Body>>>>,
}

/// Opens one more connection.
pub(super) type Dial = dyn Fn() -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync;

enum Way {
    Unix(PathBuf),
    Tcp(String, u16),
    Tls(String, u16, TlsConnector, ServerName<'static>),
    Ssh(Ssh),
    Given(Box<Dial>),
}

impl Transport {
    /// Over connections that the caller opens.
    pub(super) fn over(dial: Box<Dial>) -> Self {
        Self::by(Way::Given(dial), HeaderValue::from_static("docker"))
    }

    /// To the engine that is meant.
    ///
    /// # Errors
    /// The files for TLS are not in order.
    pub(super) fn to(choice: &Choice) -> io::Result<Self> {
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
        Ok(Self::by(way, HeaderValue::try_from(host).map_err(io::Error::other)?))
    }

    fn by(way: Way, name: HeaderValue) -> Self {
        Self {
            way,
            name,
            version: OnceLock::new(),
            heard: OnceLock::new(),
            idle: Arc::default(),
        }
    }

    /// From now on ask in this version of the API (Engine API, "Versioning").
    pub(super) fn speak(&self, (major, minor): (usize, usize)) {
        let _ = self.version.set(format!("/v{major}.{minor}"));
    }

    /// The newest version of the API that the engine speaks, once it has answered and said so.
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

    /// Send `request`; its answer.
    ///
    /// # Errors
    /// No connection, or one that broke.
    pub(super) async fn send(&self, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        let version = self.version.get().map_or("", String::as_str);
        let path = Uri::try_from(format!("{version}{path}")).map_err(io::Error::other)?;
        *request.uri_mut() = path;
        request.headers_mut().insert(HOST, self.name.clone());
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let used = idle.is_some();
            let mut sender = match idle {
                Some(sender) => sender,
                None => self.open().await?,
            };
            match sender.try_send_request(request).await {
                Ok(answer) => {
                    self.hear(&answer);
                    // Nobody may be waiting for it.
                    let _ = HEAD.try_with(|head| head.store(true, Ordering::Relaxed));
                    self.keep(sender);
                    return Ok(answer);
                }
                // The engine had closed it in the meantime: nothing was sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if used => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    /// Opens another connection.
    async fn open(&self) -> Result<SendRequest<Body>, Error> {
        let dialled = tokio::time::timeout(PATIENCE, self.dial()).await;
        let stream = dialled.map_err(|_| {
            let text = format!("no connection in {} s", PATIENCE.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, text)
        })??;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with its sender or its response, which also reports errors.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
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

    /// Use the connection again once its answer is read. Not one that is had for nothing: an engine that is going down
    /// takes no new ones, and answers on old ones what it had better not.
    fn keep(&self, mut sender: SendRequest<Body>) {
        if let Way::Unix(_) | Way::Tcp(..) | Way::Given(_) = self.way {
            return;
        }
        let idle = Arc::clone(&self.idle);
        tokio::spawn(async move {
            if sender.ready().await.is_ok() {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
            }
        });
    }
}

async fn tcp(name: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((name, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
