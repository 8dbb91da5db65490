//! Which path is answered how.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::logs::{Asked, Lines};
use super::metrics::{Counts, metrics};
use super::page::PAGE;
use super::query::{Query, Wait, decoded};
use super::refusal::{Refusal, known_names};
use super::streams::{self, Views};
use super::view::View;
use super::{App, addresses, answer, host};

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";
/// The text format of Prometheus ("Exposition formats").
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The paths, as a person reads them.
const PATHS: &[&str] = &[
    "/",
    "/v1/roster",
    "/v1/nodes/NODE",
    "/v1/roles/ROLE",
    "/v1/services/SERVICE",
    "/v1/events",
    "/v1/prometheus",
    "/v1/hosts",
    "/v1/logs/NODE/SERVICE",
    "/docker/service/NAME/ip",
    "/docker/service/NAME/tasks/ip",
    "/graph.svg",
    "/metrics",
    "/healthz",
];
/// The most lines of a log to begin with.
const MOST_LINES: u32 = 10_000;
/// How long the engine may take to tell the first line of a log.
const PATIENCE: Duration = Duration::from_secs(5);
/// The lines of a log to begin with where the reader does not say how many.
const LINES: u32 = 200;

/// Nothing but what the page needs is kept by a browser, and asked for again.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

type Asks = State<Arc<App>>;

pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/v1/roster", get(roster))
        .route("/v1/nodes/{*name}", get(node))
        .route("/v1/roles/{*name}", get(role))
        .route("/v1/services/{*name}", get(service))
        .route("/v1/events", get(events))
        .route("/v1/prometheus", get(prometheus))
        .route("/v1/hosts", get(hosts))
        .route("/v1/logs/{*name}", get(logs))
        .route("/docker/service/{*name}", get(docker))
        .route("/graph.svg", get(picture))
        .route("/metrics", get(own_metrics))
        .route("/healthz", get(healthz))
        .fallback(unknown)
        .layer(from_fn_with_state(app.clone(), guarded))
        .with_state(app)
}

/// Answers only what is asked of this server, and only readers; tells browsers what may be done with an answer.
async fn guarded(State(app): Asks, request: Request, next: Next) -> Response {
    app.requests.fetch_add(1, Ordering::Relaxed);
    let is_head = request.method() == Method::HEAD;
    let mut response = match refusal(&app, &request) {
        Some(response) => response,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, app.policy.clone());
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(NO_CACHE);
    if is_head {
        *response.body_mut() = Body::empty();
    }
    response
}

/// The answer to what is not asked as it should be; `None` to what is.
fn refusal(app: &App, request: &Request) -> Option<Response> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let error = format!("`{}` is not allowed: everything here is read only", request.method());
        let mut response = Refusal::new(405, error, "ask with GET or HEAD").into_response();
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(response);
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Some(Refusal::new(400, "expected one `Host` header", "").into_response());
    };
    let host = host.to_str().unwrap_or_default();
    // A request in the form for a proxy names its host in its first line, too.
    let line = request.uri().authority().map(axum::http::uri::Authority::as_str);
    for host in [Some(host), line].into_iter().flatten() {
        if !host::is_allowed(host, &app.settings.allow_hosts) {
            let error = format!("the request is addressed to `{host}`, which is not known as a name of this server");
            let hint = "ask by address or `localhost`, or start `topogen serve` with `--allow-host NAME`";
            return Some(Refusal::new(403, error, hint).into_response());
        }
    }
    None
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, [(header::CONTENT_TYPE, JSON)], text(&self)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// The text of an answer in JSON.
fn text(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default() + "\n"
}

/// An answer about `view`, or that it is what the reader has already (RFC 9110, section 13.1.2).
fn answered(view: &View, headers: &HeaderMap, kind: &'static str, body: impl FnOnce() -> String) -> Response {
    let tag = format!("\"{}\"", view.revision);
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','));
    let is_known = known.any(|one| matches!(one.trim(), "*") || one.trim().trim_start_matches("W/") == tag);
    match is_known {
        true => (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response(),
        false => ([(header::ETAG, tag), (header::CONTENT_TYPE, kind.to_owned())], body()).into_response(),
    }
}

/// Parameters of what can be waited for.
const WAITING: [&str; 2] = ["wait", "revision"];

impl App {
    /// The view that is asked for: the newest, after a wait for another than the reader has.
    async fn view(&self, query: &Query) -> Result<Arc<View>, Refusal> {
        let mut views = self.views.clone();
        if let Some(Wait { revision, time }) = query.wait()? {
            let _place = self.place()?;
            let known = revision.unwrap_or_else(|| views.borrow().revision);
            let mut ending = self.ending.clone();
            let waited = async {
                tokio::select! {
                    _ = views.wait_for(|view| view.revision != known) => {}
                    _ = ending.wait_for(|ending| *ending) => {}
                }
            };
            // When the time is over, the answer is the one that the reader has.
            let _ = timeout(time, waited).await;
        }
        Ok(self.views.borrow().clone())
    }

    /// A place among the streams.
    fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = self.streams.clone().try_acquire_owned();
        place.map_err(|_| Refusal::new(503, "there are as many streams as are allowed", "ask again later"))
    }
}

/// The answer that `body` makes of the view that is asked for and of the flag `ready`.
async fn about(
    app: &App,
    uri: &Uri,
    headers: &HeaderMap,
    body: impl FnOnce(&View, bool) -> Result<String, Refusal>,
) -> Result<Response, Refusal> {
    let query = Query::parse(uri.query(), &["ready", WAITING[0], WAITING[1]])?;
    let ready = query.flag("ready")?;
    let view = app.view(&query).await?;
    let text = body(&view, ready)?;
    Ok(answered(&view, headers, JSON, || text))
}

/// The part of the path after `prefix`, decoded.
fn rest(uri: &Uri, prefix: &str) -> Result<String, Refusal> {
    let rest = uri.path().strip_prefix(prefix).unwrap_or_default();
    decoded(rest).ok_or_else(|| Refusal::new(400, format!("`{rest}` is not UTF-8, percent-encoded"), ""))
}

async fn page() -> Response {
    ([(header::CONTENT_TYPE, HTML)], PAGE).into_response()
}

async fn roster(State(app): Asks, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    about(&app, &uri, &headers, |view, ready| {
        Ok(text(&answer::roster(view, ready)))
    })
    .await
}

async fn node(State(app): Asks, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let name = rest(&uri, "/v1/nodes/")?;
    about(&app, &uri, &headers, |view, ready| {
        Ok(text(&answer::one_node(view, &name, ready)?))
    })
    .await
}

async fn role(State(app): Asks, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let name = rest(&uri, "/v1/roles/")?;
    about(&app, &uri, &headers, |view, ready| {
        Ok(text(&answer::role(view, &name, ready)?))
    })
    .await
}

async fn service(State(app): Asks, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let name = rest(&uri, "/v1/services/")?;
    about(&app, &uri, &headers, |view, ready| {
        Ok(text(&answer::service(view, &name, ready)?))
    })
    .await
}

async fn events(State(app): Asks, uri: Uri) -> Result<Response, Refusal> {
    Query::parse(uri.query(), &[])?;
    Ok(streams::answer(Views::new(
        app.views.clone(),
        app.ending.clone(),
        app.place()?,
    )))
}

async fn prometheus(State(app): Asks, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let query = Query::parse(uri.query(), &["role", "service", "port"])?;
    let port = query.number("port", 1, u16::MAX)?;
    let view = app.views.borrow().clone();
    let targets = addresses::targets(&view, query.text("role")?, query.text("service")?, port)?;
    Ok(answered(&view, &headers, JSON, || text(&targets)))
}

async fn hosts(State(app): Asks, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let query = Query::parse(uri.query(), &WAITING)?;
    let view = app.view(&query).await?;
    let hosts = addresses::hosts(&view)?;
    Ok(answered(&view, &headers, TEXT, || hosts))
}

/// `NAME/ip` and `NAME/tasks/ip`.
async fn docker(State(app): Asks, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let path = rest(&uri, "/docker/service/")?;
    let name = path
        .strip_suffix("/ip")
        .map(|name| name.strip_suffix("/tasks").unwrap_or(name));
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err(no_path(uri.path()));
    };
    let query = Query::parse(uri.query(), &WAITING)?;
    let view = app.view(&query).await?;
    Ok(answered(&view, &headers, JSON, || text(&addresses::of(&view, name))))
}

async fn logs(State(app): Asks, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    if !app.settings.logs {
        let hint = "start `topogen serve` without `--no-logs`";
        return Err(Refusal::new(403, "logs are not told here", hint));
    }
    let path = rest(&uri, "/v1/logs/")?;
    let query = Query::parse(uri.query(), &["tail", "follow"])?;
    let (tail, follow) = (
        query.number("tail", 0, MOST_LINES)?.unwrap_or(LINES),
        query.flag("follow")?,
    );
    let view = app.views.borrow().clone();
    let Some((node, service)) = path.split_once('/') else {
        return Err(Refusal::new(
            400,
            "expected a node and a service: `/v1/logs/NODE/SERVICE`",
            "",
        ));
    };
    answer::check_service(&view, node, service)?;
    let after = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let asked = Asked {
        node: node.to_owned(),
        service: service.to_owned(),
        tail,
        follow,
        after: after.and_then(|time| humantime::parse_rfc3339(time).ok()),
    };
    let place = app.place()?;
    let lines = Lines::new(app.engine.clone(), asked, app.views.clone(), app.ending.clone(), place);
    match timeout(PATIENCE, lines).await {
        Ok(lines) => Ok(streams::answer(lines)),
        Err(_) => Err(Refusal::new(
            503,
            "the engine does not tell the lines",
            "ask again later",
        )),
    }
}

async fn picture(State(app): Asks, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let query = Query::parse(uri.query(), &WAITING)?;
    let view = app.view(&query).await?;
    let picture = app
        .picture
        .of(&view)
        .await
        .map_err(|reason| Refusal::new(503, reason, "ask again later"))?;
    Ok(answered(&view, &headers, SVG, || picture.to_string()))
}

async fn own_metrics(State(app): Asks, uri: Uri) -> Result<Response, Refusal> {
    Query::parse(uri.query(), &[])?;
    let counts = Counts {
        requests: app.requests.load(Ordering::Relaxed),
        refused: app.refused.load(Ordering::Relaxed),
        streams: app.settings.limits.streams - app.streams.available_permits(),
    };
    let text = metrics(&app.views.borrow(), counts);
    Ok(([(header::CONTENT_TYPE, METRICS)], text).into_response())
}

async fn healthz(State(app): Asks, uri: Uri) -> Result<Response, Refusal> {
    Query::parse(uri.query(), &[])?;
    let view = app.views.borrow().clone();
    let status = match view.stale {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok((status, [(header::CONTENT_TYPE, JSON)], text(&answer::health(&view))).into_response())
}

async fn unknown(uri: Uri) -> Refusal {
    no_path(uri.path())
}

fn no_path(path: &str) -> Refusal {
    Refusal::new(
        404,
        format!("there is no `{path}`"),
        known_names(path, PATHS.iter().copied()),
    )
}
