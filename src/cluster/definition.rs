//! What a container or network was made from, as its label tells it: for people to see what changed, and for nobody to read
//! a secret. Labels reach `docker ps --format`, events and whoever collects metrics.

use serde_json::{Map, Value};

use crate::digest::sha256;

/// The key under which a definition says what its digests are salted with. A definition without it is of a topogen that
/// wrote all values in clear.
const SALT: &str = "salt";
/// Keys of services and networks whose values may be shown, with all below them: no secret has its place there. It is a
/// list of what may, since nobody knows all that may not.
const HARMLESS: &[&str] = &[
    "attachable",
    "attach",
    "blkio_config",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "depends_on",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "driver",
    "enable_ipv4",
    "enable_ipv6",
    "expose",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "hostname",
    "image",
    "init",
    "internal",
    "ipam",
    "ipc",
    "isolation",
    "links",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "name",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "privileged",
    "profiles",
    "pull_policy",
    "read_only",
    "restart",
    "runtime",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "subnet size",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
];
/// The same of keys below others.
const HARMLESS_BELOW: &[(&str, &[&str])] = &[
    ("deploy", &["resources", "restart_policy", "mode", "replicas"]),
    (
        "healthcheck",
        &[
            "interval",
            "timeout",
            "retries",
            "start_period",
            "start_interval",
            "disable",
        ],
    ),
    ("logging", &["driver"]),
    (
        "options",
        &[
            "attachable",
            "driver",
            "enable_ipv4",
            "enable_ipv6",
            "internal",
            "ipam",
            "name",
        ],
    ),
];

/// Whether the value at `path`, keys joined by dots, may be shown.
#[must_use]
pub fn is_harmless(path: &str) -> bool {
    let mut keys = path.split('.');
    let first = keys.next().unwrap_or_default();
    let second = keys.next();
    let below = HARMLESS_BELOW.iter().find(|(key, _)| *key == first);
    HARMLESS.contains(&first) || below.is_some_and(|(_, keys)| second.is_some_and(|key| keys.contains(&key)))
}

/// The `definition` with digests in place of all values that may not be shown, salted with `salt`.
#[must_use]
pub fn concealed(definition: Value, salt: &str) -> Value {
    let mut concealed = hidden("", &keyed(definition), salt);
    if let Some(map) = concealed.as_object_mut() {
        map.insert(SALT.to_owned(), salt.into());
    }
    concealed
}

/// Two definitions as their labels have them, made comparable: one that is in clear is concealed as the other one is.
#[must_use]
pub fn comparable(before: Value, now: Value) -> (Value, Value) {
    let salt = |definition: &Value| definition.get(SALT).and_then(Value::as_str).map(str::to_owned);
    let (mut before, mut now) = match (salt(&before), salt(&now)) {
        (None, Some(salt)) => (concealed(before, &salt), now),
        (Some(salt), None) => (before, concealed(now, &salt)),
        _ => (before, now),
    };
    for definition in [&mut before, &mut now] {
        if let Some(map) = definition.as_object_mut() {
            map.remove(SALT);
        }
    }
    (keyed(before), keyed(now))
}

/// Turns lists of `KEY=VALUE` into the maps that they stand for.
fn keyed(mut definition: Value) -> Value {
    let Some(map) = definition.as_object_mut() else {
        return definition;
    };
    for key in ["annotations", "environment", "labels"] {
        if let Some(Value::Array(items)) = map.get(key) {
            let pairs = items.iter().filter_map(Value::as_str);
            let pairs = pairs.map(|item| item.split_once('=').unwrap_or((item, "")));
            let pairs: Map<String, Value> = pairs.map(|(k, v)| (k.to_owned(), v.into())).collect();
            map.insert(key.to_owned(), pairs.into());
        }
    }
    definition
}

fn hidden(path: &str, value: &Value, salt: &str) -> Value {
    match value {
        Value::Object(map) if !is_harmless(path) => {
            let at = |key: &str| {
                if path.is_empty() {
                    key.to_owned()
                } else {
                    format!("{path}.{key}")
                }
            };
            let entries = map
                .iter()
                .map(|(key, value)| (key.clone(), hidden(&at(key), value, salt)));
            Value::Object(entries.collect())
        }
        Value::Null | Value::Bool(_) => value.clone(),
        shown if is_harmless(path) => shown.clone(),
        other => {
            // Text is the same whether it was written as text or as a number.
            let text = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            let digest = sha256(format!("{salt}\0{path}\0{text}").as_bytes());
            Value::from(format!("#{}", &digest[..16]))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_but_what_is_harmless_is_in_clear() {
        let definition = json!({
            "image": "a:1", "command": ["--password", "hunter2"], "entrypoint": "hunter2", "environment": ["DB_PASS=hunter2"],
            "labels": {"auth": "hunter2"}, "healthcheck": {"test": "curl hunter2", "interval": "1s"}, "x-mine": [{"a": "hunter2"}],
            "logging": {"driver": "syslog", "options": {"dsn": "hunter2"}}, "build": {"args": {"K": "hunter2"}}, "files": {"/s": "hunter2"},
            "ports": ["80:80"], "deploy": {"labels": ["hunter2"], "resources": {"limits": {"cpus": 1}}}, "tty": true,
        });
        let concealed = concealed(definition, "lab-a");
        assert!(!concealed.to_string().contains("hunter2"), "{concealed}");
        assert_eq!(concealed["image"], json!("a:1"));
        assert_eq!(concealed["ports"], json!(["80:80"]));
        assert_eq!(concealed["deploy"]["resources"]["limits"]["cpus"], json!(1));
        assert_eq!(concealed["healthcheck"]["interval"], json!("1s"));
        assert!(concealed["environment"].get("DB_PASS").is_some());
    }

    #[test]
    fn a_definition_in_clear_is_compared_as_it_was_meant() {
        let clear = json!({"environment": ["A=1", "B=2"], "command": "x"});
        let new = concealed(json!({"environment": {"A": "1", "B": "3"}, "command": "x"}), "s");
        let (before, now) = comparable(clear, new);
        assert_eq!(before["environment"]["A"], now["environment"]["A"]);
        assert_ne!(before["environment"]["B"], now["environment"]["B"]);
        assert_eq!(before["command"], now["command"]);
    }

    #[test]
    fn equal_values_look_different_elsewhere() {
        let of =
            |key: &str, salt: &str| concealed(json!({"environment": {key: "v"}}), salt)["environment"][key].clone();
        assert_eq!(of("A", "one"), of("A", "one"));
        assert_ne!(of("A", "one"), of("A", "two"));
        assert_ne!(of("A", "one"), of("B", "one"));
    }
}
