//! Explains what changed, by comparing the definitions that a container or network was and would be created from, in
//! the blueprint's terms.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cluster::ContainerSpec;
use crate::cluster::NetworkSpec;
use crate::cluster::ObservedNetwork;
use crate::cluster::{comparable, is_harmless, label};

/// The most changes that are listed; the others are counted.
const LISTED: usize = 2;
/// The longest value that is shown in full, in characters.
const LONGEST: usize = 48;

/// Why a container with `labels` must be recreated as `spec`; `None` if it may stay.
#[must_use]
pub fn changed(labels: &BTreeMap<String, String>, spec: &ContainerSpec) -> Option<String> {
    let same = labels.get(label::CONFIG_HASH) == Some(&spec.hash);
    (!same).then(|| of_labels(labels, &spec.labels))
}

/// Why `observed` must be recreated as `spec`.
pub(super) fn of_network(observed: &ObservedNetwork, spec: &NetworkSpec) -> String {
    of_labels(&observed.labels, &spec.labels)
}

/// The cause by the labels of what was created, and of what is desired.
fn of_labels(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> String {
    let version = label::compose::VERSION;
    let same_version = before.get(version) == now.get(version);
    cause(before.get(label::DEFINITION), now.get(label::DEFINITION), same_version)
}

fn cause(before: Option<&String>, now: Option<&String>, same_version: bool) -> String {
    let read = |text: Option<&String>| serde_json::from_str::<Value>(text?).ok();
    let (Some(before), Some(now)) = (read(before), read(now)) else {
        return "its configuration changed".to_owned();
    };
    let mut changes = Vec::new();
    let (before, now) = comparable(before, now);
    compare("", &before, &now, &mut changes);
    // A new image changes much else, so it comes first.
    changes.sort_by_key(|c| !c.starts_with("`image`"));
    let more = changes.len().saturating_sub(LISTED);
    match changes.len() {
        // The definition is the same, and another request is derived from it.
        0 if same_version => return "what the engine is asked for changed".to_owned(),
        0 => return "another version of topogen made it".to_owned(),
        1..=LISTED => {}
        _ => changes.truncate(LISTED),
    }
    if more > 0 {
        changes.push(format!("{more} more"));
    }
    changes.join("; ")
}

fn compare(path: &str, before: &Value, now: &Value, changes: &mut Vec<String>) {
    if before == now {
        return;
    }
    if let (Value::Object(before), Value::Object(now)) = (before, now) {
        let removed = before.keys().filter(|k| !now.contains_key(*k));
        let mut keys: Vec<&String> = now.keys().chain(removed).collect();
        keys.sort_unstable();
        for key in keys {
            let at = match path {
                "" => key.clone(),
                _ => format!("{path}.{key}"),
            };
            match (before.get(key), now.get(key)) {
                (Some(before), Some(now)) => compare(&at, before, now, changes),
                (None, Some(now)) => changes.push(describe(&at, "is new", &format!(": {}", shown(now)))),
                (Some(before), None) => changes.push(describe(&at, "is removed", &format!(", was {}", shown(before)))),
                (None, None) => {}
            }
        }
        return;
    }
    changes.push(describe(
        path,
        "changed",
        &format!(" from {} to {}", shown(before), shown(now)),
    ));
}

fn describe(path: &str, what: &str, values: &str) -> String {
    if let Some(file) = path.strip_prefix("files.") {
        return format!("file `{file}` {what}");
    }
    format!("`{path}` {what}{}", if is_harmless(path) { values } else { "" })
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn causes_name_the_key_and_both_values() {
        let text = |before: Value, now: Value| cause(Some(&before.to_string()), Some(&now.to_string()), false);
        let causes = [
            text(json!({"image": "a:1"}), json!({"image": "a:2"})),
            text(
                json!({"environment": ["A=1"]}),
                json!({"environment": {"A": "1", "B": "2"}}),
            ),
            text(
                json!({"environment": {"DB_PASSWORD": "x"}}),
                json!({"environment": {"DB_PASSWORD": "y"}}),
            ),
            text(json!({"files": {"/etc/a": "1"}}), json!({"files": {"/etc/a": "2"}})),
            text(
                json!({"user": 1, "b": 1, "c": 1, "d": 1}),
                json!({"user": 2, "b": [1], "d": 2}),
            ),
            text(json!({"a": 1}), json!({"a": 1})),
            text(json!({"working_dir": "x".repeat(60)}), json!({"working_dir": null})),
            cause(None, None, false),
            cause(Some(&"{}".to_owned()), Some(&"{}".to_owned()), true),
        ];
        insta::assert_snapshot!(causes.join("\n"));
    }
}
