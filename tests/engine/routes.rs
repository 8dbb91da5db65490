//! The calls that the engine knows, and what it does at each.

use hyper::Method;
use serde_json::{Value, json};

use super::EngineDouble;
use super::events;
use super::faults::Call;
use super::model::{Answer, Container, Network, Refusal};
use super::serve::Question;
use super::{json as views, life};

/// What the engine says when it has done what it was asked.
pub(super) enum Said {
    /// With that status.
    Json(u16, Value),
    Text(String),
    Nothing(u16),
    Bytes(Vec<u8>),
    /// What there is of a file, in a header of its own.
    Stat(Value),
    /// Those events, and after how many the stream breaks off.
    Events(events::Asked, Option<usize>),
}

/// The parts of a path, without the version that it begins with.
pub(super) fn segments(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path.split('/').filter(|p| !p.is_empty()).map(decoded).collect();
    let is_version = |p: &String| p.starts_with('v') && p[1..].starts_with(|c: char| c.is_ascii_digit());
    if parts.first().is_some_and(is_version) {
        parts.remove(0);
    }
    parts
}

/// Text without the escapes of a URL.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = std::str::from_utf8(&digits).unwrap_or("00");
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or_default());
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Which call that is, and what its path names.
pub(super) fn call(method: &Method, path: &[String]) -> Option<(Call, String)> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let (call, subject) = match (method.as_str(), path.as_slice()) {
        ("GET" | "HEAD", ["_ping"]) => (Call::Ping, ""),
        ("GET", ["version"]) => (Call::Version, ""),
        ("GET", ["events"]) => (Call::Events, ""),
        ("GET", ["containers", "json"]) => (Call::ListContainers, ""),
        ("POST", ["containers", "create"]) => (Call::CreateContainer, ""),
        ("DELETE", ["containers", id]) => (Call::RemoveContainer, *id),
        (method, ["containers", id, what]) => {
            let call = match (method, *what) {
                ("GET", "json") => Call::InspectContainer,
                ("GET", "logs") => Call::Logs,
                ("GET", "stats") => Call::Stats,
                ("PUT", "archive") => Call::Upload,
                ("HEAD", "archive") => Call::StatFile,
                ("POST", "start") => Call::StartContainer,
                ("POST", "stop") => Call::StopContainer,
                ("POST", "restart") => Call::RestartContainer,
                ("POST", "kill") => Call::KillContainer,
                ("POST", "pause") => Call::PauseContainer,
                ("POST", "unpause") => Call::UnpauseContainer,
                ("POST", "rename") => Call::RenameContainer,
                _ => return None,
            };
            (call, *id)
        }
        ("GET", ["networks"]) => (Call::ListNetworks, ""),
        ("POST", ["networks", "create"]) => (Call::CreateNetwork, ""),
        ("GET", ["networks", id]) => (Call::InspectNetwork, *id),
        ("DELETE", ["networks", id]) => (Call::RemoveNetwork, *id),
        ("POST", ["networks", id, "connect"]) => (Call::Connect, *id),
        ("POST", ["networks", id, "disconnect"]) => (Call::Disconnect, *id),
        ("GET", ["volumes"]) => (Call::ListVolumes, ""),
        ("POST", ["volumes", "create"]) => (Call::CreateVolume, ""),
        ("DELETE", ["volumes", name]) => (Call::RemoveVolume, *name),
        ("GET", ["images", "json"]) => (Call::ListImages, ""),
        ("POST", ["images", "create"]) => (Call::PullImage, ""),
        ("POST", ["images", "load"]) => (Call::LoadImage, ""),
        ("DELETE", ["images", name @ ..]) => return Some((Call::RemoveImage, name.join("/"))),
        ("GET", ["images", name @ .., "json"]) => return Some((Call::InspectImage, name.join("/"))),
        _ => return None,
    };
    Some((call, subject.to_owned()))
}

/// Does what is asked; a list of containers says what is in `stale`, where there is that, and events break off after `cut`.
pub(super) async fn carry_out(
    double: &EngineDouble,
    question: &Question,
    stale: Option<Vec<Container>>,
    cut: Option<usize>,
) -> Answer<Said> {
    let subject = question.subject.as_str();
    let done = |()| Said::Nothing(204);
    let or_already = |new: bool| Said::Nothing(if new { 204 } else { 304 });
    match question.call {
        Call::Ping => Ok(Said::Text("OK".to_owned())),
        Call::Version => {
            let version = double.lock().version;
            let api = format!("{}.{}", version.0, version.1);
            Ok(Said::Json(
                200,
                json!({
                    "Version": if version.is_old() { "20.10.24" } else { "28.5.2" }, "ApiVersion": api,
                    "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64",
                }),
            ))
        }
        Call::Events => {
            let asked = events::Asked {
                filters: question.filters(),
                since: question.query("since").and_then(time),
                until: question.query("until").and_then(time),
            };
            Ok(Said::Events(asked, cut))
        }
        Call::ListContainers => Ok(Said::Json(200, list_containers(double, question, stale))),
        Call::InspectContainer => {
            let state = double.lock();
            let container = &state.containers[state.position(subject)?];
            Ok(Said::Json(200, state.inspection(container)))
        }
        Call::Logs => {
            let state = double.lock();
            let container = &state.containers[state.position(subject)?];
            Ok(Said::Bytes(frames(container, question)))
        }
        Call::Stats => {
            let state = double.lock();
            let at = state.position(subject)?;
            Ok(Said::Json(200, usage(at, state.containers[at].runs_now())))
        }
        Call::CreateContainer => {
            let name = question.query("name").unwrap_or_default();
            let id = double.state().create(name, question.json())?;
            Ok(Said::Json(201, json!({"Id": id, "Warnings": []})))
        }
        Call::Upload => {
            let mut state = double.state();
            let at = state.position(subject)?;
            state.containers[at].uploads += 1;
            Ok(Said::Nothing(200))
        }
        Call::StatFile => {
            let state = double.lock();
            state.position(subject)?;
            let path = question.query("path").unwrap_or_default();
            let target = state.files.get(path);
            let target = target.ok_or_else(|| Refusal::new(404, format!("Could not find the file {path}")))?;
            let name = path.rsplit('/').next();
            let stat = json!({"name": name, "size": 0, "mode": 0o755, "mtime": null, "linkTarget": target});
            Ok(Said::Stat(stat))
        }
        Call::StartContainer => {
            let started = double.state().start(subject)?;
            if started {
                life::live(double, subject);
            }
            Ok(or_already(started))
        }
        Call::StopContainer => life::stop(double, subject, seconds(question)).await.map(or_already),
        Call::RestartContainer => {
            life::stop(double, subject, seconds(question)).await?;
            let mut state = double.state();
            state.start(subject)?;
            let at = state.position(subject)?;
            state.tell_container(at, "restart", &[]);
            drop(state);
            life::live(double, subject);
            Ok(Said::Nothing(204))
        }
        Call::KillContainer => double
            .state()
            .kill(subject, question.query("signal").unwrap_or_default())
            .map(done),
        Call::PauseContainer => double.state().pause(subject).map(done),
        Call::UnpauseContainer => double.state().unpause(subject).map(done),
        Call::RenameContainer => {
            let name = question.query("name").unwrap_or_default();
            double.state().rename(subject, name).map(done)
        }
        Call::RemoveContainer => {
            let (force, volumes) = (question.is_set("force"), question.is_set("v"));
            double.state().remove(subject, force, volumes).map(done)
        }
        _ => carry_out_beside(double, question),
    }
}

/// What is asked of networks, volumes and images.
fn carry_out_beside(double: &EngineDouble, question: &Question) -> Answer<Said> {
    let subject = question.subject.as_str();
    let (body, filters) = (question.json(), question.filters());
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    let mut state = double.state();
    Ok(match question.call {
        Call::ListNetworks => {
            let passes = |n: &&Network| views::passes(&filters, &n.id, &n.name, &n.body["Labels"]);
            let networks = state.networks.iter().filter(passes);
            Said::Json(200, networks.map(|n| state.network_json(n, false)).collect())
        }
        Call::InspectNetwork => {
            let network = &state.networks[state.network_position(subject)?];
            Said::Json(200, state.network_json(network, true))
        }
        Call::CreateNetwork => {
            let (id, warning) = state.create_network(body)?;
            Said::Json(201, json!({"Id": id, "Warning": warning}))
        }
        Call::RemoveNetwork => {
            state.remove_network(subject)?;
            Said::Nothing(204)
        }
        Call::Connect => {
            state.connect(subject, text("Container"), body["EndpointConfig"].clone())?;
            Said::Nothing(200)
        }
        Call::Disconnect => {
            state.disconnect(subject, text("Container"), body["Force"] == true)?;
            Said::Nothing(200)
        }
        Call::ListVolumes => {
            let volumes: Vec<Value> = state.volumes.iter().map(views::volume).collect();
            Said::Json(200, json!({"Volumes": volumes, "Warnings": null}))
        }
        Call::CreateVolume => {
            let name = text("Name");
            state.create_volume(name, body["Labels"].clone());
            let volume = state.volumes.iter().find(|v| v.name == name);
            Said::Json(201, volume.map_or(Value::Null, views::volume))
        }
        Call::RemoveVolume => {
            state.remove_volume(subject)?;
            Said::Nothing(204)
        }
        Call::ListImages => {
            let dangling = filters.contains_key("dangling");
            let images = state.images.iter().filter(|i| !dangling || i.tags.is_empty());
            let images = images.filter(|i| views::passes(&filters, &i.id, "", &i.labels));
            Said::Json(200, images.map(views::image_summary).collect())
        }
        Call::InspectImage => Said::Json(200, views::image(state.image(subject)?)),
        Call::PullImage => {
            state.pull(question.query("fromImage").unwrap_or_default())?;
            let progress =
                json!({"id": "layer", "status": "Downloading", "progressDetail": {"current": 1, "total": 2}});
            Said::Text(format!("{progress}\n{}\n", json!({"status": "Download complete"})))
        }
        Call::LoadImage => {
            let names = state
                .load(&question.body)
                .map_err(|e| Refusal::new(500, e.to_string()))?;
            Said::Text(format!(
                "{}\n",
                json!({"stream": format!("Loaded image: {}\n", names.join(", "))})
            ))
        }
        Call::RemoveImage => {
            state.remove_image(subject)?;
            Said::Json(200, json!([{"Deleted": subject}]))
        }
        other => return Err(Refusal::new(501, format!("the double does not know {other:?}"))),
    })
}

fn list_containers(double: &EngineDouble, question: &Question, stale: Option<Vec<Container>>) -> Value {
    let state = double.lock();
    let filters = question.filters();
    let containers = stale.as_ref().unwrap_or(&state.containers);
    let shown = containers.iter().filter(|c| question.is_set("all") || c.runs_now());
    let shown = shown.filter(|c| views::passes(&filters, &c.id, &c.name, &c.body["Labels"]));
    // The youngest first.
    shown.rev().map(|c| state.summary(c)).collect()
}

/// What a container uses, by its place: more of everything the later it was created, and no more of it from one question
/// to the next.
fn usage(at: usize, runs: bool) -> Value {
    if !runs {
        return json!({"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}});
    }
    let (at, now) = (
        at as u64 + 1,
        humantime::format_rfc3339_nanos(std::time::SystemTime::now()).to_string(),
    );
    json!({
        "read": now,
        "cpu_stats": {"cpu_usage": {"total_usage": 5_000_000 * at}, "system_cpu_usage": 1, "online_cpus": 2},
        "memory_stats": {"usage": 1_500_000 * at, "stats": {"inactive_file": 500_000 * at}, "limit": 1 << 30},
        "networks": {"eth0": {"rx_bytes": 1000 * at, "tx_bytes": 10 * at}, "eth1": {"rx_bytes": 1, "tx_bytes": 0}},
        "pids_stats": {"current": 7},
    })
}

/// Lines as the engine sends them of a container without a terminal: a head of eight bytes before each.
fn frames(container: &Container, question: &Question) -> Vec<u8> {
    let tail = question
        .query("tail")
        .and_then(|t| t.parse().ok())
        .unwrap_or(usize::MAX);
    let skip = container.lines.len().saturating_sub(tail);
    let mut bytes = Vec::new();
    for line in &container.lines[skip..] {
        let text = match question.is_set("timestamps") {
            true => format!("{} {line}\n", humantime::format_rfc3339_nanos(container.created)),
            false => format!("{line}\n"),
        };
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(u32::try_from(text.len()).unwrap_or_default().to_be_bytes());
        bytes.extend(text.into_bytes());
    }
    bytes
}

fn seconds(question: &Question) -> Option<i64> {
    question.query("t").and_then(|t| t.parse().ok())
}

/// A time as seconds and nanoseconds since 1970, with a point between them.
fn time(text: &str) -> Option<std::time::SystemTime> {
    let (seconds, nanos) = text.split_once('.').unwrap_or((text, "0"));
    let since = std::time::Duration::new(seconds.parse().ok()?, nanos.parse().ok()?);
    std::time::UNIX_EPOCH.checked_add(since)
}
