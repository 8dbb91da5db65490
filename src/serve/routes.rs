//! Which path is answered how.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value as Json, json};

use super::page::PAGE;
use super::view::View;
use super::{App, answer, host, streams};

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const SVG: &str = "image/svg+xml";

pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/v1/roster", get(roster))
        .route("/v1/events", get(events))
        .route("/graph.svg", get(picture))
        .fallback(unknown)
        .layer(from_fn_with_state(app.clone(), guarded))
        .with_state(app)
}

/// Answers only what is asked of this server, and only readers; says to browsers what nobody else may do with an answer.
async fn guarded(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let head = request.method() == Method::HEAD;
    let mut response = match refusal(&app, &request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, app.policy.clone()),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ] {
        headers.insert(name, value);
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
    if head {
        *response.body_mut() = axum::body::Body::empty();
    }
    response
}

/// The answer to what is not asked as it should be; `None` if it is.
fn refusal(app: &App, request: &Request) -> Option<Response> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let message = format!("`{}` is not allowed: everything here is read only", request.method());
        let mut response = failure(StatusCode::METHOD_NOT_ALLOWED, &message, "ask with GET or HEAD");
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(response);
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Some(failure(StatusCode::BAD_REQUEST, "expected one `Host` header", ""));
    };
    let host = host.to_str().unwrap_or_default();
    // A proxy's form of a request names its host in its line, too.
    let line = request.uri().authority().map(axum::http::uri::Authority::as_str);
    for host in [Some(host), line].into_iter().flatten() {
        if !host::is_allowed(host, &app.settings.allow_hosts) {
            let message = format!("the request is addressed to `{host}`, which is not known as a name of this server");
            let hint = "ask by address or `localhost`, or start `topogen serve` with `--allow-host NAME`";
            return Some(failure(StatusCode::FORBIDDEN, &message, hint));
        }
    }
    None
}

/// An answer that says why there is none; `hint` may be empty.
fn failure(status: StatusCode, message: &str, hint: &str) -> Response {
    let body = match hint {
        "" => json!({"error": message}),
        hint => json!({"error": message, "hint": hint}),
    };
    (status, [(header::CONTENT_TYPE, JSON)], format!("{body}\n")).into_response()
}

/// An answer about `view`, or that it is what the reader has already (RFC 9110, section 13.1.2).
fn answered(view: &View, headers: &HeaderMap, kind: &'static str, body: String) -> Response {
    let tag = format!("\"{}\"", view.revision);
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','));
    let is_known = known
        .map(|one| one.trim())
        .any(|one| one == "*" || one.trim_start_matches("W/") == tag);
    if is_known {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    ([(header::ETAG, tag), (header::CONTENT_TYPE, kind.to_owned())], body).into_response()
}

fn json(view: &View, headers: &HeaderMap, body: &Json) -> Response {
    answered(view, headers, JSON, format!("{body}\n"))
}

async fn page() -> Response {
    ([(header::CONTENT_TYPE, HTML)], PAGE).into_response()
}

async fn roster(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let view = app.views.borrow().clone();
    json(&view, &headers, &answer::roster(&view))
}

async fn events(State(app): State<Arc<App>>) -> Response {
    match app.streams.clone().try_acquire_owned() {
        Ok(place) => streams::views(app.views.clone(), app.ending.clone(), place),
        Err(_) => busy(),
    }
}

/// The answer where too many listen already.
fn busy() -> Response {
    let message = "as many listen as there is room for";
    let mut response = failure(StatusCode::SERVICE_UNAVAILABLE, message, "ask again later");
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

async fn picture(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let view = app.views.borrow().clone();
    match app.picture.at(view.revision).await {
        Ok(text) => answered(&view, &headers, SVG, text.to_string()),
        Err(reason) => failure(StatusCode::SERVICE_UNAVAILABLE, &reason, ""),
    }
}

async fn unknown(request: Request) -> Response {
    let message = format!("there is no `{}`", request.uri().path());
    failure(StatusCode::NOT_FOUND, &message, "")
}
