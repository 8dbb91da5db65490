//! What an engine answers to one sequence of calls, and what it tells of them. The real one must answer as its transcript
//! says (`tests/scenarios/double.rs`), and so must the double that stands in for it (`tests/whole.rs`).

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// The calls, `P` in place of what their names begin with and `IMAGE` of an image whose program runs until its stop signal.
/// The container is stopped by SIGKILL: whether a program heeds another one depends on how far it is.
const CALLS: &str = r#"
POST /networks/create {"Name": "P-net", "CheckDuplicate": true, "IPAM": {"Config": [{"Subnet": "10.251.77.0/24"}]}}
POST /networks/create {"Name": "P-net", "CheckDuplicate": true}
POST /networks/create {"Name": "P-other", "CheckDuplicate": true, "IPAM": {"Config": [{"Subnet": "10.251.77.0/25"}]}}
GET /networks/P-none
DELETE /networks/P-none
POST /containers/create?name=P-a {"Image": "P-none"}
POST /containers/create?name=P-a {"Image": "IMAGE", "StopSignal": "SIGKILL", "HostConfig": {"Mounts": [{"Type": "volume", "Source": "P-data", "Target": "/data"}]}, "NetworkingConfig": {"EndpointsConfig": {"P-net": {"Aliases": ["alias"]}}}}
POST /containers/create?name=P-a {"Image": "IMAGE"}
GET /containers/P-a/json
GET /containers/json?all=1&filters={"name":["P-a"]}
POST /containers/P-none/start
POST /containers/P-none/stop
POST /containers/P-none/kill
DELETE /containers/P-none
POST /containers/create?name=P-b {"Image": "IMAGE", "NetworkingConfig": {"EndpointsConfig": {"P-none": {}}}}
POST /containers/P-b/start
GET /containers/P-b/json
DELETE /containers/P-b
POST /containers/P-a/start
POST /containers/P-a/start
GET /containers/P-a/json
GET /containers/json?all=1&filters={"name":["P-a"]}
POST /networks/P-net/connect {"Container": "P-a"}
POST /networks/P-net/connect {"Container": "P-none"}
POST /networks/P-net/disconnect {"Container": "P-none", "Force": true}
POST /networks/P-net/disconnect {"Container": "P-none"}
DELETE /networks/P-net
DELETE /volumes/P-data
DELETE /containers/P-a
POST /containers/P-a/pause
POST /containers/P-a/pause
GET /containers/json?all=1&filters={"name":["P-a"]}
POST /containers/P-a/start
POST /containers/P-a/unpause
POST /containers/P-a/unpause
POST /containers/P-a/kill?signal=SIGWINCH
POST /containers/P-a/stop
POST /containers/P-a/stop
POST /containers/P-a/kill
POST /containers/P-a/pause
GET /containers/P-a/json
GET /containers/json?all=1&filters={"name":["P-a"]}
POST /containers/P-a/rename?name=P-c
POST /containers/P-c/rename?name=P-a
POST /containers/P-a/restart
POST /containers/P-a/kill
POST /containers/P-a/start
DELETE /containers/P-a?force=1&v=1
DELETE /containers/P-a?force=1&v=1
DELETE /volumes/P-data
DELETE /volumes/P-data
DELETE /networks/P-net
DELETE /networks/P-net
GET /P-none
"#;

/// What the engine at `socket` answers, in that version of its API; it is left as it was. Names begin with `prefix`.
pub(crate) fn transcript(socket: &Path, api: &str, image: &str, prefix: &str) -> String {
    let begun = now();
    let mut text = String::new();
    for call in CALLS.lines().filter(|line| !line.is_empty()) {
        let real = call.replace("IMAGE", image).replace("P-", &format!("{prefix}-"));
        let mut parts = real.splitn(3, ' ');
        let [method, path, body] = std::array::from_fn(|_| parts.next().unwrap_or_default());
        let (status, answer) = ask(socket, method, &format!("/v{api}{path}"), body);
        let shown = call.split(" {").next().unwrap_or(call);
        text += &format!("{shown} -> {status}{}\n", told(&answer));
    }
    let (_, events) = ask(
        socket,
        "GET",
        &format!("/v{api}/events?since={begun}&until={}", now()),
        "",
    );
    let mut lines = events
        .lines()
        .filter_map(|line| event(line, prefix))
        .collect::<Vec<String>>();
    // Newer engines tell these two in either order.
    for at in 1..lines.len() {
        if lines[at - 1].starts_with("container stop") && lines[at].starts_with("container die") {
            lines.swap(at - 1, at);
        }
    }
    text += &format!("\nevents\n{}\n", lines.join("\n"));
    without_ids(&text.replace(&format!("{prefix}-"), "P-"))
}

/// An event as a line, where it is about something whose name begins with `prefix`.
fn event(line: &str, prefix: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let attributes = &event["Actor"]["Attributes"];
    let name = attributes["name"].as_str().or(event["Actor"]["ID"].as_str())?;
    if !name.starts_with(prefix) {
        return None;
    }
    let mut text = format!("{} {} {name}", event["Type"].as_str()?, event["Action"].as_str()?);
    for key in ["exitCode", "signal", "oldName", "destination"] {
        text += &attributes[key]
            .as_str()
            .map_or_else(String::new, |value| format!(" {key}={value}"));
    }
    Some(text)
}

/// Seconds since 1970.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}

/// Status and body of an answer.
fn ask(socket: &Path, method: &str, path: &str, body: &str) -> (u16, String) {
    let path = path.replace('"', "%22");
    let length = body.len();
    let mut stream = UnixStream::connect(socket).expect("an engine");
    // Version 1.0 of HTTP knows no chunks.
    let head =
        format!("{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).expect("an engine");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
    (status.expect("a status"), body.trim().to_owned())
}

/// Of an answer what does not change from time to time.
fn told(answer: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(answer) else {
        return String::new();
    };
    if let Some(message) = value["message"].as_str() {
        return format!(" {message}");
    }
    let one = value.get(0).unwrap_or(&value);
    let Some(networks) = one["NetworkSettings"]["Networks"].as_object() else {
        return String::new();
    };
    let state = match &one["State"] {
        Value::String(state) => {
            let status = one["Status"].as_str().unwrap_or_default();
            // Without the time.
            let kept = |word: &&str| word.starts_with(|c: char| c.is_uppercase() && c != 'L') || word.starts_with('(');
            let words: Vec<&str> = status.split(' ').filter(kept).collect();
            format!("{state} ({})", words.join(" "))
        }
        state => format!(
            "{} running={} exit={} error={}",
            state["Status"], state["Running"], state["ExitCode"], state["Error"]
        ),
    };
    let endpoints = networks.iter().map(|(name, endpoint)| {
        let has = |key: &str| endpoint[key].as_str().is_some_and(|v| !v.is_empty());
        format!(
            "\n    {name} aliases={} names={} id={} up={} address={}",
            endpoint["Aliases"],
            endpoint["DNSNames"],
            has("NetworkID"),
            has("EndpointID"),
            endpoint["IPAddress"],
        )
    });
    format!(" {state}{}", endpoints.collect::<String>())
}

/// Text with `ID` in place of all that looks like one.
fn without_ids(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_hexdigit()).len();
        if digits >= 12 {
            shown += "ID";
            rest = &rest[digits..];
        } else {
            let length = digits.max(rest.chars().next().map_or(1, char::len_utf8));
            shown += &rest[..length];
            rest = &rest[length..];
        }
    }
    shown
}
