//! The table of what stands where in a Compose file, path by path with values of every kind, against what `docker compose
//! config` said of the same: that it takes it or not, and that it means the same when it is rendered.
//!
//! `tests/walk/verdicts.txt` is what Compose 2.40 said. Where Compose is there, some of it is asked again, all of it under
//! `TOPOGEN_WALK=all`; `TOPOGEN_WALK=record` writes it again.

mod dotenv;
mod interpolation;
mod merges;
mod record;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use topogen::compose::table::{FILE, Row};
use topogen::diagnostic::Kind;
use topogen::engine::translate::translate;
use topogen::topology::expand::Overrides;

use crate::compose_files::{compose_is_here, config, rendered};
use crate::support;

/// Values of every kind.
fn probes() -> Vec<Value> {
    vec![
        json!("k"),
        json!("5"),
        json!(5),
        json!(true),
        Value::Null,
        json!(["k"]),
        json!([5]),
        json!({"k": "k"}),
    ]
}

/// One value at one path.
struct Case {
    path: String,
    value: Value,
    /// The whole file.
    file: Value,
}

impl Case {
    /// As it stands in the record.
    fn name(&self) -> String {
        format!("{} {}", self.path, self.value)
    }
}

/// What a map must have beside what is tried, for Compose to look at that.
fn beside(path: &str) -> Value {
    match path {
        "services.*" => json!({"image": "i"}),
        "services.*.volumes[]" => json!({"type": "volume", "target": "/t"}),
        "services.*.develop.watch[]" => json!({"path": ".", "action": "rebuild"}),
        "services.*.develop.watch[].exec" | "services.*.post_start[]" | "services.*.pre_stop[]" => {
            json!({"command": ["x"]})
        }
        "services.*.devices[]" => json!({"source": "/dev/x"}),
        "services.*.depends_on.*" => json!({"condition": "service_started"}),
        "services.*.ulimits.*" | "services.*.build.ulimits.*" => json!({"soft": 1, "hard": 2}),
        "services.*.env_file[]" => json!({"path": "e.env"}),
        "services.*.provider" => json!({"type": "t"}),
        "services.*.deploy.resources.reservations.devices[]" => json!({"capabilities": ["gpu"]}),
        "services.*.ports[]" => json!({"target": 80}),
        "services.*.configs[]" | "services.*.secrets[]" | "services.*.build.secrets[]" => json!({"source": "k"}),
        "services.*.build" => json!({"context": "."}),
        "configs.*" => json!({"content": "c"}),
        "secrets.*" => json!({"environment": "HOME"}),
        "models.*" => json!({"model": "m"}),
        _ => json!({}),
    }
}

/// The file in which `value` stands at `path`, of which `done` is the part that is walked.
fn placed(steps: &[&str], done: &str, value: &Value) -> Value {
    let Some((step, rest)) = steps.split_first() else {
        return value.clone();
    };
    match *step {
        "[]" => json!([placed(rest, &format!("{done}[]"), value)]),
        step => {
            let key = match (step, done) {
                ("*", "services") => "a",
                ("*", _) => "k",
                (key, _) => key,
            };
            let below = format!("{done}{}{step}", if done.is_empty() { "" } else { "." });
            let mut map = beside(done).as_object().cloned().unwrap_or_default();
            // One source at a time.
            if ["configs.*", "secrets.*"].contains(&done)
                && ["file", "content", "environment", "external"].contains(&key)
            {
                map.clear();
            }
            map.insert(key.to_owned(), placed(rest, &below, value));
            map.into()
        }
    }
}

fn cases() -> Vec<Case> {
    let mut paths = Vec::new();
    walk(&FILE, "", &mut paths);
    let mut cases = Vec::new();
    for path in paths {
        let steps: Vec<&str> = path
            .split('.')
            .flat_map(|part| match part.strip_suffix("[]") {
                Some(key) => vec![key, "[]"],
                None => vec![part],
            })
            .collect();
        for value in probes() {
            let mut file = json!({
                "services": {"a": {"image": "i"}, "k": {"image": "i"}},
                "networks": {"k": {}},
                "volumes": {"k": {}},
                "configs": {"k": {"content": "c"}},
                "secrets": {"k": {"environment": "HOME"}},
                "models": {"k": {"model": "m"}},
            });
            let placed = placed(&steps, "", &value);
            for (section, entries) in placed.as_object().into_iter().flatten() {
                for (key, entry) in entries.as_object().into_iter().flatten() {
                    file[section][key] = entry.clone();
                }
            }
            let path = path.clone();
            cases.push(Case { path, value, file });
        }
    }
    cases
}

/// Every path below a name in one of the sections.
fn walk(row: &Row, path: &str, found: &mut Vec<String>) {
    let mut below = |step: &str, row: Option<&Row>| {
        let Some(row) = row.filter(|row| !row.here) else { return };
        let path = match step {
            "[]" => format!("{path}[]"),
            _ if path.is_empty() => step.to_owned(),
            _ => format!("{path}.{step}"),
        };
        if path.contains(['.']) {
            found.push(path.clone());
        }
        walk(row, &path, found);
    };
    for key in row.keys() {
        below(key, row.key(key));
    }
    below("*", row.any());
    below("[]", row.item());
}

/// Whether `check` takes a role of this Compose file.
fn is_taken(file: &Value) -> bool {
    let text = file.to_string();
    let files = [
        ("c.yaml", text.as_str()),
        ("/blueprint/e.env", ""),
        ("k", "k"),
        ("5", "5"),
    ];
    let (topology, _) = support::read("roles: {r: {compose: c.yaml}}", &Overrides::default(), &files);
    let Ok(topology) = topology else { return false };
    let problems = translate(&topology, &Default::default()).err().unwrap_or_default();
    problems.sorted().iter().all(|problem| problem.kind != Kind::Compose)
}

/// Paths at which topogen and Compose differ, values as they begin, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("services.*.deploy.restart_policy.condition", "", NO_ENGINE),
    ("services.*.ipc", "", NO_ENGINE),
    ("services.*.isolation", "", NO_ENGINE),
    ("services.*.pid", "", NO_ENGINE),
    ("services.*.uts", "", NO_ENGINE),
    ("services.*.restart", "", NO_ENGINE),
    ("services.*.ports[].published", "", NO_ENGINE),
    ("services.*.ports[].protocol", "", NO_ENGINE),
    ("services.*.hostname", "\"k", ONE_OWNER),
    ("services.*.networks.*.aliases**", "", ONE_OWNER),
    (
        "services.*.build.ssh**",
        "",
        "Compose alone builds, and says what is no key of the agent",
    ),
    (
        "services.*.build.secrets**",
        "\"5",
        "Compose alone builds, and says which secret is not there",
    ),
    (
        "services.*.gpus[]",
        "{",
        "what no engine knows is told of, where Compose passes it over",
    ),
];

/// Why a text is refused that Compose passes on.
const NO_ENGINE: &str = "Compose passes it on, and every engine refuses it";
/// Why a name is refused that Compose takes.
const ONE_OWNER: &str = "a name resolves to one service of a node: the other is called `k`";

fn exception(case: &Case) -> Option<&'static str> {
    let value = case.value.to_string();
    let fits = |(path, begins, _): &&(&str, &str, &str)| {
        let is_path = match path.strip_suffix("**") {
            Some(start) => case.path.starts_with(start),
            None => case.path == **path,
        };
        is_path && value.starts_with(begins)
    };
    EXCEPTIONS.iter().find(fits).map(|(_, _, why)| *why)
}

fn record() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/walk/verdicts.txt")
}

/// By case, whether Compose takes it.
fn recorded() -> BTreeMap<String, bool> {
    let text = std::fs::read_to_string(record()).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(said, name)| (name.to_owned(), said == "yes")).collect()
}

/// Whether `docker compose config` takes `file`.
fn compose_takes(file: &Value) -> bool {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("compose.yaml"), file.to_string()).expect("a file");
    std::fs::write(directory.path().join("e.env"), "").expect("a file");
    let output = Command::new("docker")
        .args(["compose", "config", "-q"])
        .current_dir(directory.path())
        .env_remove("COMPOSE_PROFILES")
        .output()
        .expect("Compose runs");
    output.status.success()
}

/// A number where only a text can be meant: Compose refuses it, and here it is written as a text.
fn is_written_as_text(case: &Case) -> bool {
    let row = topogen::compose::table::at(&case.path);
    let below = |value: &Value, row: Option<&Row>| {
        row.is_some_and(Row::is_text_only) && (value.is_number() || value.is_boolean())
    };
    match &case.value {
        Value::Array(items) => items.iter().all(|item| below(item, row.and_then(Row::item))),
        value => below(value, row),
    }
}

#[test]
fn compose_and_topogen_take_the_same() {
    let recorded = recorded();
    let mut differ = Vec::new();
    let (mut all, mut excepted) = (0, 0);
    for case in cases() {
        let Some(compose) = recorded.get(&case.name()) else {
            differ.push(format!("{}: not recorded", case.name()));
            continue;
        };
        all += 1;
        let here = is_taken(&case.file);
        if here == *compose || (here && is_written_as_text(&case)) {
            continue;
        }
        match exception(&case) {
            Some(_) => excepted += 1,
            None => differ.push(format!("{}: here {here}, Compose {compose}", case.name())),
        }
    }
    assert!(differ.is_empty(), "{} of {all}:\n{}", differ.len(), differ.join("\n"));
    assert!(excepted * 100 <= all, "{excepted} of {all} are exceptions");
}

/// The record is what Compose says, of a part of all cases.
#[test]
fn the_record_is_what_compose_says() {
    if !compose_is_here() {
        return;
    }
    let asked = std::env::var("TOPOGEN_WALK").unwrap_or_default();
    let step = if ["all", "record"].contains(&asked.as_str()) {
        1
    } else {
        97
    };
    let cases: Vec<Case> = cases().into_iter().step_by(step).collect();
    let said: Vec<bool> = std::thread::scope(|scope| {
        let parts = cases.chunks(cases.len().div_ceil(4));
        let each = parts.map(|part| scope.spawn(|| part.iter().map(|c| compose_takes(&c.file)).collect::<Vec<_>>()));
        let each: Vec<_> = each.collect();
        each.into_iter()
            .flat_map(|thread| thread.join().expect("asked"))
            .collect()
    });
    if asked == "record" {
        let line = |(case, said): (&Case, &bool)| format!("{} {}\n", if *said { "yes" } else { "no" }, case.name());
        let text: String = cases.iter().zip(&said).map(line).collect();
        std::fs::create_dir_all(record().parent().expect("a directory")).expect("a directory");
        std::fs::write(record(), text).expect("a record");
        return;
    }
    let recorded = recorded();
    let wrong: Vec<String> = cases
        .iter()
        .zip(&said)
        .filter(|(case, said)| recorded.get(&case.name()) != Some(said))
        .map(|(case, said)| format!("{}: {said}", case.name()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What both take means the same: each value in a service of its own, before and after it is rendered.
#[test]
fn what_both_take_means_the_same() {
    if !compose_is_here() {
        return;
    }
    let recorded = recorded();
    // These are one service's only, or are compared elsewhere.
    let apart = [
        "services.*.container_name",
        "services.*.hostname",
        "services.*.ports",
        "services.*.networks",
        "services.*.depends_on",
        "services.*.scale",
        // A path that is made absolute, since rendered files lie elsewhere; Compose looks for it where it runs.
        "services.*.credential_spec.file",
        // Compose cannot print it as JSON.
        "services.*.build.ssh",
        "services.*.deploy.replicas",
    ];
    let is_compared = |case: &Case| {
        case.path.starts_with("services.*.")
            && !apart.iter().any(|path| case.path.starts_with(path))
            && recorded.get(&case.name()) == Some(&true)
            && is_taken(&case.file)
    };
    let cases: Vec<Case> = cases().into_iter().filter(is_compared).collect();
    assert!(cases.len() > 300, "{}", cases.len());
    let mut file = cases[0].file.clone();
    let name = |at: usize| format!("s{at}");
    let services = cases
        .iter()
        .enumerate()
        .map(|(at, case)| (name(at), case.file["services"]["a"].clone()));
    let mut services: serde_json::Map<String, Value> = services.collect();
    services.insert("k".to_owned(), json!({"image": "i"}));
    file["services"] = services.into();
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    write("compose.yaml", &file.to_string());
    write("e.env", "");
    write("topogen.yaml", "roles: {r: {compose: compose.yaml}}");
    let out = rendered(directory.path(), &["--profile", "*"]);
    let before = config(directory.path(), &["compose.yaml"], &["*"]);
    let after = config(&out.path().join("r"), &["compose.yaml"], &["*"]);
    let plain = |value: &Value| {
        let mut value = value.clone();
        for key in ["networks", "profiles"] {
            value.as_object_mut().expect("a service").remove(key);
        }
        value
    };
    let differ: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(at, case)| (case, &before["services"][name(at)], &after["services"][name(at)]))
        .filter(|(_, before, after)| !after.is_object() || plain(before) != plain(after))
        .map(|(case, before, after)| format!("{}: {before} became {after}", case.name()))
        .collect();
    assert!(
        differ.is_empty(),
        "{} of {}:\n{}",
        differ.len(),
        cases.len(),
        differ.join("\n")
    );
}
