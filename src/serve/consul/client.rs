//! Requests to an agent of Consul, one after another on one connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::target::Target;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes: ten thousand services take a tenth of it.
const LONGEST: usize = 64 << 20;
/// The most characters of a refusal that are repeated.
const LONGEST_REFUSAL: usize = 200;

/// How an agent is reached.
#[derive(Clone)]
pub struct Access {
    /// Where it is.
    pub target: Target,
    /// The token that says what one may do; `None` for what anybody may.
    pub token: Option<String>,
    /// Whose certificates are believed; `None` if it speaks no TLS.
    pub tls: Option<Arc<ClientConfig>>,
}

/// An agent of Consul.
pub struct Client {
    access: Access,
    connection: Option<SendRequest<Body>>,
}

impl Client {
    /// An agent that is not connected to yet.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self {
            access,
            connection: None,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.access.target
    }

    /// The body of the answer to a request; `None` if it says that there is no such thing (404).
    ///
    /// # Errors
    /// It does not answer, or refuses; in words for people.
    pub async fn call(&mut self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, String> {
        let answered = timeout(PATIENCE, self.answer(method, path, body)).await;
        let answered = answered.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
        match answered {
            Ok((status, body)) if status.is_success() => Ok(Some(body)),
            Ok((StatusCode::NOT_FOUND, _)) => Ok(None),
            Ok((status, body)) => {
                let said = String::from_utf8_lossy(&body);
                let said: String = said
                    .trim()
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(LONGEST_REFUSAL)
                    .collect();
                let hint = match status {
                    StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => "; the token is that of CONSUL_HTTP_TOKEN",
                    _ => "",
                };
                Err(format!("it refuses with {} ({said}){hint}", status.as_u16()))
            }
            Err(error) => {
                self.connection = None;
                Err(error)
            }
        }
    }

    async fn answer(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Vec<u8>), String> {
        let mut connection = match self.connection.take().filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => self.connect().await.map_err(|error| crate::text::reason(&error))?,
        };
        let host = match &self.access.target {
            Target::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Target::Tcp { host, port, .. } => format!("{host}:{port}"),
            Target::Unix(_) => "localhost".to_owned(),
        };
        let mut request = Request::builder().method(method).uri(path).header(HOST, host);
        if let Some(token) = &self.access.token {
            request = request.header("X-Consul-Token", token);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(body.map_or_else(Body::empty, Body::from))
            .map_err(|e| e.to_string())?;
        connection.ready().await.map_err(|error| in_words(&error))?;
        let answer = connection
            .send_request(request)
            .await
            .map_err(|error| in_words(&error))?;
        let status = answer.status();
        let body = axum::body::to_bytes(Body::new(answer.into_body()), LONGEST).await;
        let body = body.map_err(|error| error.to_string())?.to_vec();
        self.connection = Some(connection);
        Ok((status, body))
    }

    async fn connect(&self) -> io::Result<SendRequest<Body>> {
        match &self.access.target {
            Target::Unix(path) => begin(UnixStream::connect(path).await?).await,
            Target::Tcp { host, port, .. } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                match &self.access.tls {
                    None => begin(stream).await,
                    Some(config) => {
                        let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                        begin(TlsConnector::from(config.clone()).connect(name, stream).await?).await
                    }
                }
            }
        }
    }
}

async fn begin(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> io::Result<SendRequest<Body>> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Why there was no answer, with the cause that the client keeps behind its own words.
fn in_words(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
