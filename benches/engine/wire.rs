//! The Engine API with nothing between: one HTTP connection, one request after the other.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use anyhow::{Context, Result, bail};
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::UnixStream;

/// Where the engine listens, and the version of the API to ask in.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) socket: PathBuf,
    pub(crate) api: (usize, usize),
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: &'static str,
    path: String,
    body: Option<String>,
    /// Statuses that are as good as done.
    also: &'static [u16],
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path, None)
    }

    pub(crate) fn post(path: impl Into<String>, body: Option<String>) -> Self {
        Self::new("POST", path, body)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new("DELETE", path, None)
    }

    fn new(method: &'static str, path: impl Into<String>, body: Option<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body,
            also: &[],
        }
    }

    /// With `statuses` taken for done.
    pub(crate) fn or(mut self, statuses: &'static [u16]) -> Self {
        self.also = statuses;
        self
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A connection, opened when it is needed and again where the engine closed it.
pub(crate) struct Wire {
    place: Place,
    sender: Option<SendRequest<String>>,
}

impl Wire {
    pub(crate) fn to(place: &Place) -> Self {
        Self {
            place: place.clone(),
            sender: None,
        }
    }

    /// The answer, whatever its status.
    pub(crate) async fn ask(&mut self, call: &Call) -> Result<Answer> {
        let (major, minor) = self.place.api;
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("/v{major}.{minor}{}", call.path))
            .header("Host", "docker");
        if call.body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        let request = request.body(call.body.clone().unwrap_or_default())?;
        let sender = self.sender().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = read(answer.into_body()).await?;
        Ok(Answer { status, body })
    }

    /// The answer to what must succeed.
    pub(crate) async fn must(&mut self, call: &Call) -> Result<Vec<u8>> {
        let answer = self.ask(call).await?;
        if answer.status >= 300 && !call.also.contains(&answer.status) {
            let said = String::from_utf8_lossy(&answer.body);
            bail!("{} {}: {} {}", call.method, call.path, answer.status, said.trim());
        }
        Ok(answer.body)
    }

    /// The same, as JSON.
    pub(crate) async fn json(&mut self, call: &Call) -> Result<Json> {
        let body = self.must(call).await?;
        serde_json::from_slice(&body).with_context(|| format!("{} {}", call.method, call.path))
    }

    async fn sender(&mut self) -> Result<&mut SendRequest<String>> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.sender = Some(open(&self.place.socket).await?);
        }
        self.sender.as_mut().context("there is a connection")
    }
}

async fn open(socket: &Path) -> Result<SendRequest<String>> {
    let stream = UnixStream::connect(socket)
        .await
        .with_context(|| format!("{}", socket.display()))?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// A body to its end, which for the output of a command is the end of the connection.
async fn read(mut body: Incoming) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Some(data) = frame?.data_ref() {
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}
