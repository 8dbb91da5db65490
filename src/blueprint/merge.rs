//! Merges one Compose document over another (Compose specification, "Merge and override").
//!
//! Maps merge key by key and scalars replace. Lists append, with three exceptions: lists that are another form of a map
//! (`environment`, `labels`, …) merge by key, lists that are one value (`command`) are replaced, and lists of things
//! with a target (`volumes`) merge by target. `!reset` removes the earlier value, `!override` replaces it as a whole.

use crate::compose::mounts_of_windows;
use crate::diagnostic::Span;
use crate::value::Value;
use crate::yaml::{Entry, MergeTag, Node, Yaml};

/// Lists of a service that are replaced as a whole.
const REPLACED: &[&str] = &["command", "entrypoint", "test"];
/// Lists of a service that are another form of a map.
const KEYED: &[&str] = &[
    "annotations",
    "args",
    "depends_on",
    "environment",
    "labels",
    "networks",
    "storage_opt",
    "sysctls",
];
/// Keys that take one text or a list of them.
const ONE_OR_MANY: &[&str] = &["dns", "dns_search", "env_file", "label_file", "tmpfs"];
/// Lists of a service whose items have a target, which only one item can have.
const TARGETED: &[&str] = &["configs", "devices", "secrets", "volumes"];

/// Merges `over` onto `base`; `key` is the key of both. `None` when `over` resets it.
pub(super) fn merge(base: Node, over: Node, key: &str) -> Option<Node> {
    match over.tag {
        Some(MergeTag::Reset) => return None,
        Some(MergeTag::Override) => return Some(without_tags(over)),
        None => {}
    }
    let span = over.span;
    let (base, over) = match key {
        "build" => (long_build(base), long_build(over)),
        _ => (base, over),
    };
    let value = match (base.value, over.value) {
        (_, Yaml::Null) if REPLACED.contains(&key) => Yaml::Null,
        (base, Yaml::Null) => base,
        (Yaml::Map(base), Yaml::Map(over)) if key == "logging" && another_driver(&base, &over) => Yaml::Map(over),
        (Yaml::Map(base), Yaml::Map(over)) => Yaml::Map(entries(base, over, key)),
        (base, over) if KEYED.contains(&key) && is_list_or_map(&base) && is_list_or_map(&over) => {
            Yaml::Map(entries(keyed(base, key), keyed(over, key), key))
        }
        (base, over) if key == "extra_hosts" && is_list_or_map(&base) && is_list_or_map(&over) => {
            Yaml::List(appended(hosts(base), hosts(over), key))
        }
        (base, over) if ONE_OR_MANY.contains(&key) => Yaml::List(appended(many(base, span), many(over, span), key)),
        (Yaml::List(base), Yaml::List(over)) if key == "config" => Yaml::List(pools(&base, over)),
        (Yaml::List(_), over @ Yaml::List(_)) if REPLACED.contains(&key) => over,
        (Yaml::List(base), Yaml::List(over)) => Yaml::List(appended(base, over, key)),
        (_, over) => over,
    };
    Some(without_tags(Node { value, span, tag: None }))
}

fn entries(mut base: Vec<Entry>, over: Vec<Entry>, parent: &str) -> Vec<Entry> {
    for entry in over {
        match base.iter().position(|e| e.key == entry.key) {
            None => base.push(entry),
            // A bare name takes its value from the environment, whatever the earlier value was.
            Some(at) if parent == "environment" && entry.node.value == Yaml::Null && entry.node.tag.is_none() => {
                base[at] = entry;
            }
            Some(at) => {
                let Entry { key, key_span, node } = entry;
                let below = base.remove(at);
                if let Some(node) = merge(below.node, node, &key) {
                    base.insert(at, Entry { key, key_span, node });
                }
            }
        }
    }
    base
}

/// The tree without what is tagged `!reset`, and without tags.
pub(super) fn without_tags(mut node: Node) -> Node {
    node.tag = None;
    let is_reset = |n: &Node| n.tag == Some(MergeTag::Reset);
    node.value = match node.value {
        Yaml::Map(entries) => {
            let kept = entries.into_iter().filter(|e| !is_reset(&e.node));
            Yaml::Map(
                kept.map(|e| Entry {
                    node: without_tags(e.node),
                    ..e
                })
                .collect(),
            )
        }
        Yaml::List(list) => Yaml::List(list.into_iter().filter(|n| !is_reset(n)).map(without_tags).collect()),
        other => other,
    };
    node
}

fn is_list_or_map(value: &Yaml) -> bool {
    matches!(value, Yaml::List(_) | Yaml::Map(_))
}

/// Whether `over` names another log driver than `base`, to which the options of `base` mean nothing. No name is the
/// same driver.
fn another_driver(base: &[Entry], over: &[Entry]) -> bool {
    let driver = |entries: &[Entry]| entries.iter().find(|e| e.key == "driver").and_then(|e| e.node.scalar());
    matches!((driver(base), driver(over)), (Some(base), Some(over)) if base != over)
}

/// Merges the pools of `ipam`: the pools of `over`, each over the pool of `base` with the same subnet.
fn pools(base: &[Node], over: Vec<Node>) -> Vec<Node> {
    let subnet = |node: &Node| node.get("subnet").and_then(Node::scalar);
    let on_top = |pool: Node| match base.iter().find(|b| subnet(b) == subnet(&pool)) {
        Some(below) => merge(below.clone(), pool.clone(), "").unwrap_or(pool),
        None => pool,
    };
    over.into_iter().map(on_top).collect()
}

/// The long form of `build`, of which the short one is the `context`.
fn long_build(node: Node) -> Node {
    let Yaml::Text(_) = node.value else { return node };
    let entry = Entry {
        key: "context".to_owned(),
        key_span: node.span,
        node: node.clone(),
    };
    Node {
        value: Yaml::Map(vec![entry]),
        ..node
    }
}

fn many(value: Yaml, span: Span) -> Vec<Node> {
    match value {
        Yaml::List(list) => list,
        Yaml::Null => Vec::new(),
        value => vec![Node { value, span, tag: None }],
    }
}

/// `extra_hosts` as a list, because one name may have several addresses.
fn hosts(value: Yaml) -> Vec<Node> {
    let Yaml::Map(entries) = value else {
        return many(value, Span::default());
    };
    let of = |entry: Entry| -> Vec<Node> {
        let Entry { key, node, .. } = entry;
        let line = move |address: Node| {
            let text = format!("{key}={}", address.scalar().unwrap_or_default());
            Node {
                value: Yaml::Text(text),
                ..address
            }
        };
        many(node.value, node.span).into_iter().map(line).collect()
    };
    entries.into_iter().flat_map(of).collect()
}

/// A list of `KEY=VALUE`, of names or of hosts, as the map that it stands for.
fn keyed(value: Yaml, key: &str) -> Vec<Entry> {
    let list = match value {
        Yaml::Map(entries) => return entries,
        Yaml::List(list) => list,
        _ => return Vec::new(),
    };
    let entry = |node: Node| {
        let text = node.scalar().unwrap_or_default();
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Yaml::Text(value.to_owned())),
            None if key == "depends_on" => (text, started(&node)),
            None => (text, Yaml::Null),
        };
        Entry {
            key: name,
            key_span: node.span,
            node: Node { value, ..node },
        }
    };
    list.into_iter().map(entry).collect()
}

/// The long form of a name in a `depends_on` list.
fn started(node: &Node) -> Yaml {
    Yaml::Map(vec![Entry {
        key: "condition".to_owned(),
        key_span: node.span,
        node: Node {
            value: Yaml::Text("service_started".to_owned()),
            ..node.clone()
        },
    }])
}

fn appended(mut base: Vec<Node>, over: Vec<Node>, key: &str) -> Vec<Node> {
    for item in over {
        let same = |other: &Node| match key {
            key if TARGETED.contains(&key) => match target(&item, key) {
                // Some lists of these names have no targets: `devices` of `deploy.resources`, for example.
                None => Value::from(other) == Value::from(&item),
                target_of_item => target(other, key) == target_of_item,
            },
            _ => Value::from(other) == Value::from(&item),
        };
        match base.iter().position(same) {
            Some(at) => base[at] = item,
            None => base.push(item),
        }
    }
    base
}

/// The path in the container of an item of `volumes`, `devices`, `configs` or `secrets`.
pub(super) fn target(node: &Node, key: &str) -> Option<String> {
    if let Yaml::Map(_) = node.value {
        return node.get("target").or_else(|| node.get("source")).and_then(Node::scalar);
    }
    let text = node.scalar()?;
    // The colon after a Windows drive is no separator.
    let drive = if key == "volumes" && mounts_of_windows(&text) {
        2
    } else {
        0
    };
    let source = text[drive..].find(':').map_or(text.len(), |at| drive + at);
    let first = text[..source].to_owned();
    let target = text[source..].strip_prefix(':').and_then(|rest| rest.split(':').next());
    match key {
        "configs" | "secrets" => Some(first),
        _ => Some(target.map_or(first, str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::FileId;
    use crate::yaml::parse;

    fn merged(base: &str, over: &str) -> String {
        let read = |text| parse(text, FileId::default()).unwrap_or_else(|p| panic!("{p:?}"));
        let node = merge(read(base), read(over), "services").map(|n| Value::from(&n));
        serde_json::to_string(&node).unwrap_or_default()
    }

    #[test]
    fn by_the_rules_of_compose() {
        for (base, over, expected) in [
            (
                "{a: {image: x, tty: true}}",
                "{a: {image: y}}",
                r#"{"a":{"image":"y","tty":true}}"#,
            ),
            (
                "{a: {command: [x, y]}}",
                "{a: {command: [z]}}",
                r#"{"a":{"command":["z"]}}"#,
            ),
            (
                "{a: {volumes: ['C:/x:/a', 'D:\\x:/b']}}",
                "{a: {volumes: ['E:\\y:/b:ro']}}",
                r#"{"a":{"volumes":["C:/x:/a","E:\\y:/b:ro"]}}"#,
            ),
            (
                "{a: {expose: [1, 2]}}",
                "{a: {expose: [2, 3]}}",
                r#"{"a":{"expose":[1,2,3]}}"#,
            ),
            (
                "{a: {environment: [A=1, B=2]}}",
                "{a: {environment: {B: 3, C: null}}}",
                r#"{"a":{"environment":{"A":"1","B":3,"C":null}}}"#,
            ),
            (
                "{a: {volumes: ['x:/data', 'y:/etc']}}",
                "{a: {volumes: ['z:/data:ro']}}",
                r#"{"a":{"volumes":["z:/data:ro","y:/etc"]}}"#,
            ),
            (
                "{a: {depends_on: [b]}}",
                "{a: {depends_on: {b: {condition: service_healthy}}}}",
                r#"{"a":{"depends_on":{"b":{"condition":"service_healthy"}}}}"#,
            ),
            (
                "{a: {networks: [x]}}",
                "{a: {networks: {x: {aliases: [y]}}}}",
                r#"{"a":{"networks":{"x":{"aliases":["y"]}}}}"#,
            ),
            (
                "{a: {ports: ['80:80'], dns: [1.1.1.1]}}",
                "{a: {ports: !override ['81:80'], dns: !reset []}}",
                r#"{"a":{"ports":["81:80"]}}"#,
            ),
            (
                "{a: {dns_search: x, tmpfs: [/a], extra_hosts: ['h:1.1.1.1']}}",
                "{a: {dns_search: [y], tmpfs: /b, extra_hosts: {h: 2.2.2.2}}}",
                r#"{"a":{"dns_search":["x","y"],"tmpfs":["/a","/b"],"extra_hosts":["h:1.1.1.1","h=2.2.2.2"]}}"#,
            ),
            (
                "{a: {logging: {driver: syslog, options: {a: b}}}}",
                "{a: {logging: {options: {c: d}}}}",
                r#"{"a":{"logging":{"driver":"syslog","options":{"a":"b","c":"d"}}}}"#,
            ),
            (
                "{a: {deploy: {resources: {reservations: {devices: [{count: 1}]}}}}}",
                "{a: {deploy: {resources: {reservations: {devices: [{count: 2}]}}}}}",
                r#"{"a":{"deploy":{"resources":{"reservations":{"devices":[{"count":1},{"count":2}]}}}}}"#,
            ),
            (
                "{a: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.0.9}, {subnet: 10.1.0.0/24}]}}}",
                "{a: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}",
                r#"{"a":{"ipam":{"config":[{"subnet":"10.0.0.0/24","gateway":"10.0.0.9"}]}}}"#,
            ),
            (
                "{a: {logging: {driver: syslog, options: {a: b}}}}",
                "{a: {logging: {driver: none}}}",
                r#"{"a":{"logging":{"driver":"none"}}}"#,
            ),
            (
                "{a: {image: x}}",
                "{b: {image: y}, a: !reset null}",
                r#"{"b":{"image":"y"}}"#,
            ),
        ] {
            assert_eq!(merged(base, over), expected, "{base} + {over}");
        }
    }
}
