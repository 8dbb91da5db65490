//! HTTP at one end, calls at the other.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use super::EngineDouble;
use super::events;
use super::faults::{Call, Fault};
use super::model::{Container, Refusal};
use super::routes::{self, Said};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What a client asks.
pub(super) struct Question {
    pub(super) call: Call,
    /// What the path names: a container, a network and so on; empty where it names none.
    pub(super) subject: String,
    pub(super) query: HashMap<String, String>,
    pub(super) body: Bytes,
}

impl Question {
    /// What the body says.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A parameter of the query.
    pub(super) fn query(&self, key: &str) -> Option<&str> {
        self.query.get(key).map(String::as_str)
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        matches!(self.query(key), Some("1" | "true" | "True"))
    }

    /// The filters, by name.
    pub(super) fn filters(&self) -> HashMap<String, Vec<String>> {
        let text = self.query("filters").unwrap_or_default();
        serde_json::from_str(text).unwrap_or_default()
    }

    /// All names by which a rule may mean this call.
    fn subjects(&self, double: &EngineDouble) -> Vec<String> {
        let mut subjects = vec![self.subject.clone()];
        let body = self.json();
        subjects.extend(self.query("name").map(str::to_owned));
        subjects.extend(body["Name"].as_str().map(str::to_owned));
        subjects.extend(body["Container"].as_str().map(str::to_owned));
        let state = double.lock();
        for id in subjects.clone() {
            subjects.extend(state.position(&id).map(|at| state.containers[at].name.clone()));
            subjects.extend(state.network_position(&id).map(|at| state.networks[at].name.clone()));
        }
        subjects.retain(|s| !s.is_empty());
        subjects
    }
}

/// The client is to find its connection broken.
#[derive(Debug)]
struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the double hangs up")
    }
}

impl std::error::Error for Lost {}

/// Answers what comes over `stream`, until it ends.
pub(super) async fn connection(double: EngineDouble, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    let service = service_fn(move |request| {
        let double = double.clone();
        async move {
            // What was begun is continued when its client has exited.
            let answer = tokio::spawn(respond(double, request)).await;
            answer.unwrap_or(Err(Lost))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that has exited is no error.
    let _ = connection.await;
}

async fn respond(double: EngineDouble, request: Request<Incoming>) -> Result<Response<Body>, Lost> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    let path = routes::segments(parts.uri.path());
    let Some((call, subject)) = routes::call(&parts.method, &path) else {
        return Ok(answer(&double, Err(Refusal::new(404, "page not found"))));
    };
    let question = Question {
        call,
        subject,
        query: parameters(parts.uri.query().unwrap_or_default()),
        body,
    };
    let subjects = question.subjects(&double);
    // The name that a person would give it is the last: ids come before.
    let subject = subjects.last().cloned().unwrap_or_default();
    double.lock().asked.push((call, subject));
    let effects = effects(&double, call, &subjects).await?;
    if let Some(refusal) = effects.refusal {
        return Ok(answer(&double, Err(refusal)));
    }
    let said = routes::carry_out(&double, &question, effects.stale, effects.cut).await;
    match effects.loses_answer {
        true => Err(Lost),
        false if parts.method == Method::HEAD && !matches!(said, Ok(Said::Stat(_))) => {
            Ok(answer(&double, said.map(|_| Said::Nothing(200))))
        }
        false => Ok(answer(&double, said)),
    }
}

#[derive(Default)]
struct Effects {
    refusal: Option<Refusal>,
    loses_answer: bool,
    stale: Option<Vec<Container>>,
    cut: Option<usize>,
}

/// What is wrong with this call, once it has taken as long as it is to take.
async fn effects(double: &EngineDouble, call: Call, subjects: &[String]) -> Result<Effects, Lost> {
    enum Wait {
        For(std::time::Duration),
        Ever,
    }
    let mut effects = Effects::default();
    let rules = double.lock().faults.len();
    for at in 0..rules {
        let mut wait = None;
        {
            let mut state = double.state();
            // What somebody else does changes the state that the rules are part of.
            let mut faults = std::mem::take(&mut state.faults);
            let mut lost = false;
            match faults[at].due(call, subjects) {
                None => {}
                Some(Fault::Refuse(refusal)) => {
                    effects.refusal.get_or_insert_with(|| refusal.clone());
                }
                Some(Fault::Lose) => lost = true,
                Some(Fault::GoDown) => {
                    state.is_down = true;
                    lost = true;
                }
                Some(Fault::LoseAnswer) => effects.loses_answer = true,
                Some(Fault::Hang) => wait = Some(Wait::Ever),
                Some(Fault::Take(time)) => wait = Some(Wait::For(*time)),
                Some(Fault::Meanwhile(act)) => act(&mut state),
                Some(Fault::Stale(containers)) => effects.stale = Some(containers.clone()),
                Some(Fault::CutAfter(count)) => effects.cut = Some(*count),
            }
            faults.append(&mut state.faults);
            state.faults = faults;
            if lost {
                return Err(Lost);
            }
        }
        match wait {
            None => {}
            Some(Wait::For(time)) => tokio::time::sleep(time).await,
            Some(Wait::Ever) => std::future::pending().await,
        }
    }
    Ok(effects)
}

fn answer(double: &EngineDouble, said: Result<Said, Refusal>) -> Response<Body> {
    let whole = |text: String| {
        Full::new(Bytes::from(text))
            .map_err(|never: Infallible| match never {})
            .boxed_unsync()
    };
    let mut stat = None;
    let (status, kind, body): (u16, &str, Body) = match said {
        Ok(Said::Stat(value)) => {
            stat = Some(base64(value.to_string().as_bytes()));
            (200, "application/json", whole(String::new()))
        }
        Ok(Said::Json(status, value)) => (status, "application/json", whole(value.to_string())),
        Ok(Said::Text(text)) => (200, "text/plain; charset=utf-8", whole(text)),
        Ok(Said::Nothing(status)) => (status, "text/plain; charset=utf-8", whole(String::new())),
        Ok(Said::Bytes(bytes)) => {
            let body = Full::new(Bytes::from(bytes)).map_err(|never: Infallible| match never {});
            (200, "application/vnd.docker.raw-stream", body.boxed_unsync())
        }
        Ok(Said::Events(asked, cut)) => {
            use futures_util::StreamExt;
            let lines = events::stream(double.clone(), asked, cut);
            let frames = lines.map(|line| line.map(|line| Frame::data(Bytes::from(line))));
            (200, "application/json", StreamBody::new(frames).boxed_unsync())
        }
        Err(Refusal { status, message }) => (
            status,
            "application/json",
            whole(json!({"message": message}).to_string()),
        ),
    };
    let version = double.lock().version;
    let mut answer = Response::new(body);
    *answer.status_mut() = hyper::StatusCode::from_u16(status).expect("a status");
    let headers = answer.headers_mut();
    headers.insert(
        "api-version",
        format!("{}.{}", version.0, version.1).parse().expect("a version"),
    );
    headers.insert("content-type", kind.parse().expect("a type"));
    headers.insert("ostype", "linux".parse().expect("a system"));
    if let Some(stat) = stat {
        headers.insert("x-docker-container-path-stat", stat.parse().expect("a header"));
    }
    answer
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| {
            bits << 8 | usize::from(three.get(at).copied().unwrap_or(0))
        });
        for at in 0..4 {
            let digit = DIGITS[bits >> (18 - 6 * at) & 63] as char;
            text.push(if at > three.len() { '=' } else { digit });
        }
    }
    text
}

/// The parameters of a query.
fn parameters(query: &str) -> HashMap<String, String> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (routes::decoded(key), routes::decoded(value))
    };
    query.split('&').filter(|p| !p.is_empty()).map(pair).collect()
}
