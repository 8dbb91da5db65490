//! What is to be asked of an agent so that it has the services of a cluster, and nothing else of that cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::service::{Owner, Service};

/// A request that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The path, with its query.
    pub path: String,
    /// The body; `None` without one.
    pub body: Option<Json>,
}

/// A service as an agent shows it (`GET /v1/agent/services`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Registered {
    /// Its name.
    pub service: String,
    /// Its tags.
    pub tags: Option<Vec<String>>,
    /// What is known of it.
    pub meta: Option<BTreeMap<String, String>>,
    /// Its port.
    pub port: u16,
    /// Its address.
    pub address: String,
}

/// A check as an agent shows it (`GET /v1/agent/checks`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Checked {
    /// How it is: `passing`, `critical`.
    pub status: String,
    /// What was said last.
    pub output: String,
}

/// All of an agent, by ID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// Its services.
    pub services: BTreeMap<String, Registered>,
    /// Its checks.
    pub checks: BTreeMap<String, Checked>,
}

/// The requests after which `agent` has `services` and no other one of `owner`: first what is gone, then what came, then how each
/// is. With `refresh` those that are well are said to be so again, before that is forgotten.
#[must_use]
pub fn requests(services: &[Service], agent: &Agent, owner: &Owner, refresh: bool) -> Vec<Request> {
    let desired: BTreeSet<&str> = services.iter().map(|s| s.id.as_str()).collect();
    let own = agent
        .services
        .iter()
        .filter(|(_, other)| other.meta.as_ref().is_some_and(|meta| owner.has(meta)));
    let gone = own
        .filter(|(id, _)| !desired.contains(id.as_str()))
        .map(|(id, _)| deregistration(id));
    let mut requests: Vec<Request> = gone.collect();
    for service in services {
        let known = agent.services.get(&service.id);
        let check = agent.checks.get(&service.check_id());
        let is_foreign = known.is_some_and(|other| !other.meta.as_ref().is_some_and(|meta| owner.has(meta)));
        if is_foreign {
            // Somebody else's ID, by `SERVICE_ID`.
            continue;
        }
        if check.is_none() || !known.is_some_and(|known| is_same(service, known)) {
            requests.push(Request {
                path: "/v1/agent/service/register?replace-existing-checks=true".to_owned(),
                body: serde_json::to_value(service).ok(),
            });
        }
        let (status, output) = (service.health.status, service.health.word);
        let is_said = check.is_some_and(|check| check.status == status && check.output == output);
        if !is_said || refresh && status == "passing" {
            requests.push(Request {
                path: format!("/v1/agent/check/update/{}", encoded(&service.check_id())),
                body: Some(json!({"Status": status, "Output": output})),
            });
        }
    }
    requests
}

fn deregistration(id: &str) -> Request {
    Request {
        path: format!("/v1/agent/service/deregister/{}", encoded(id)),
        body: None,
    }
}

fn is_same(service: &Service, other: &Registered) -> bool {
    other.service == service.name
        && other.tags.as_deref().unwrap_or_default() == service.tags
        && other.meta.as_ref() == Some(&service.meta)
        && other.port == service.port
        && other.address == service.address.to_string()
}

/// `text` as a segment of a path (RFC 3986 §3.3).
#[must_use]
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                encoded.push(char::from(byte))
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}
