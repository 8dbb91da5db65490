//! Merges one Compose document over another (Compose specification, "Merge and override").
//!
//! Maps merge key by key and scalars replace. Lists append, with exceptions: lists that are another form of a map
//! (`environment`, `labels`, …) merge by key, lists that are one value (`command`) are replaced, and of things that can be
//! there once (`volumes` with one target) the later one stays. The [table](crate::compose::table) says which. `!reset` removes the earlier value, `!override` replaces it as a whole.

use std::collections::{HashMap, HashSet};

use crate::compose::ConfigKind;
use crate::compose::mounts_of_windows;
use crate::compose::table::{Merge, Once, Row};
use crate::diagnostic::Span;
use crate::value::Value;
use crate::yaml::{Entry, MergeTag, Node, Yaml};

/// Merges `over` onto `base`, of which `row` says how; `None` for what the table does not know, such as `x-…`. The result is
/// `None` when `over` resets `base`.
pub(super) fn merge(base: Node, over: Node, row: Option<&Row>) -> Option<Node> {
    match over.tag {
        Some(MergeTag::Reset) => return None,
        Some(MergeTag::Override) => return Some(without_tags(over)),
        None => {}
    }
    let rule = row.map(|row| row.merge).unwrap_or_default();
    let span = over.span;
    let (base, over) = match rule {
        Merge::Build => (long_build(base), long_build(over)),
        Merge::Gpus => (requests(base), requests(over)),
        _ => (base, over),
    };
    let value = match (base.value, over.value, rule) {
        // Only these may be nothing, which is what they are then.
        (_, Yaml::Null, Merge::Replace) => Yaml::Null,
        (base, Yaml::Null, _) => base,
        (_, over, Merge::Replace) => over,
        (Yaml::Map(base), Yaml::Map(over), Merge::Logging) if another_driver(&base, &over) => Yaml::Map(over),
        (base, over, Merge::Keyed | Merge::Names | Merge::Depends)
            if is_list_or_map(&base) && is_list_or_map(&over) =>
        {
            Yaml::Map(entries(keyed(base, rule), keyed(over, rule), row))
        }
        (base, over, Merge::Hosts) if is_list_or_map(&base) && is_list_or_map(&over) => {
            Yaml::List(appended(hosts(base), hosts(over), row))
        }
        (base, over, Merge::Listed) => Yaml::List(appended(many(base, span), many(over, span), row)),
        (Yaml::List(base), Yaml::List(over), Merge::Pools) => Yaml::List(pools(&base, over, row)),
        (Yaml::Map(base), Yaml::Map(over), _) => Yaml::Map(entries(base, over, row)),
        (Yaml::List(base), Yaml::List(over), _) => Yaml::List(appended(base, over, row)),
        (_, over, _) => over,
    };
    Some(without_tags(Node { value, span, tag: None }))
}

fn entries(mut base: Vec<Entry>, over: Vec<Entry>, row: Option<&Row>) -> Vec<Entry> {
    let is_keyed = row.is_some_and(|row| row.merge == Merge::Keyed);
    for entry in over {
        match base.iter().position(|e| e.key == entry.key) {
            None => base.push(entry),
            // A bare name has no value of its own, whatever the earlier one was.
            Some(at) if is_keyed && entry.node.value == Yaml::Null && entry.node.tag.is_none() => base[at] = entry,
            Some(at) => {
                let Entry { key, key_span, node } = entry;
                let below = base.remove(at);
                if let Some(node) = merge(below.node, node, row.and_then(|row| row.key(&key))) {
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
fn pools(base: &[Node], over: Vec<Node>, row: Option<&Row>) -> Vec<Node> {
    let subnet = |node: &Node| node.get("subnet").and_then(Node::scalar);
    let on_top = |pool: Node| match base.iter().find(|b| subnet(b) == subnet(&pool)) {
        Some(below) => merge(below.clone(), pool.clone(), row.and_then(Row::item)).unwrap_or(pool),
        None => pool,
    };
    over.into_iter().map(on_top).collect()
}

/// The requests for GPUs, of which `all` is one.
fn requests(node: Node) -> Node {
    if !matches!(&node.value, Yaml::Text(text) if text == "all") {
        return node;
    }
    let count = Entry {
        key: "count".to_owned(),
        key_span: node.span,
        node: node.clone(),
    };
    let request = Node {
        value: Yaml::Map(vec![count]),
        ..node.clone()
    };
    Node {
        value: Yaml::List(vec![request]),
        ..node
    }
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

/// A list of `KEY=VALUE` or of names as the map that it stands for; of equal keys the last one counts.
fn keyed(value: Yaml, rule: Merge) -> Vec<Entry> {
    let list = match value {
        Yaml::Map(entries) => return entries,
        Yaml::List(list) => list,
        _ => return Vec::new(),
    };
    let mut found: Vec<Entry> = Vec::with_capacity(list.len());
    for node in list {
        let text = node.scalar().unwrap_or_default();
        let (key, value) = match text.split_once('=') {
            Some((key, value)) if rule == Merge::Keyed => (key.to_owned(), Yaml::Text(value.to_owned())),
            _ if rule == Merge::Depends => (text, started(&node)),
            _ => (text, Yaml::Null),
        };
        let entry = Entry {
            key,
            key_span: node.span,
            node: Node { value, ..node },
        };
        match found.iter_mut().find(|e| e.key == entry.key) {
            Some(earlier) => *earlier = entry,
            None => found.push(entry),
        }
    }
    found
}

/// The long form of a name in a `depends_on` list.
fn started(node: &Node) -> Yaml {
    let entry = |key: &str, value: Yaml| Entry {
        key: key.to_owned(),
        key_span: node.span,
        node: Node { value, ..node.clone() },
    };
    Yaml::Map(vec![
        entry("condition", Yaml::Text("service_started".to_owned())),
        entry("required", Yaml::Bool(true)),
    ])
}

fn appended(mut base: Vec<Node>, over: Vec<Node>, row: Option<&Row>) -> Vec<Node> {
    base.extend(over);
    match row.and_then(|row| row.once) {
        Some(of) => once(&mut base, of),
        None if row.is_none_or(|row| row.merge == Merge::Hosts) => {
            // They are looked up by what they say, since there may be thousands.
            let mut found: HashSet<String> = HashSet::new();
            base.retain(|item| found.insert(format!("{:?}", Value::from(item))));
        }
        None => {}
    }
    base
}

/// Keeps of items that are the same the last one, in the place of the first.
pub(super) fn once(items: &mut Vec<Node>, of: Once) {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut found: Vec<Node> = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        let place = identity(&item, of).map_or(found.len(), |key| *places.entry(key).or_insert(found.len()));
        match found.get_mut(place) {
            Some(earlier) => *earlier = item,
            None => found.push(item),
        }
    }
    *items = found;
}

/// By what `item` is known; `None` where it is the same as no other.
fn identity(item: &Node, of: Once) -> Option<String> {
    match of {
        Once::Key => {
            let text = item.scalar()?;
            Some(text.split_once('=').map_or(text.clone(), |(key, _)| key.to_owned()))
        }
        Once::Path => item.scalar().or_else(|| item.get("path")?.scalar()),
        Once::Volume => target(item, "volumes"),
        Once::Device => target(item, "devices"),
        Once::Config => mounted(item, ConfigKind::Config),
        Once::Secret => mounted(item, ConfigKind::Secret),
        // What names the same port in another spelling is found when its templates are known.
        Once::Port => item.scalar().or_else(|| Some(format!("{:?}", Value::from(item)))),
    }
}

/// Where a config or secret is mounted.
fn mounted(item: &Node, kind: ConfigKind) -> Option<String> {
    match item.value {
        Yaml::Map(_) => match item.get("target") {
            Some(target) => target.scalar(),
            None => Some(kind.default_target(&item.get("source")?.scalar()?)),
        },
        _ => Some(kind.default_target(&item.scalar()?)),
    }
}

/// The path in the container of an item of `volumes` or `devices`.
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
    Some(target.map_or(first, str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::table;
    use crate::diagnostic::FileId;
    use crate::yaml::parse;

    fn merged(base: &str, over: &str) -> String {
        merged_at("services", base, over)
    }

    /// What stands at `path` of a Compose file, merged.
    fn merged_at(path: &str, base: &str, over: &str) -> String {
        let read = |text| parse(text, FileId::default()).unwrap_or_else(|p| panic!("{p:?}"));
        let node = merge(read(base), read(over), table::at(path)).map(|n| Value::from(&n));
        serde_json::to_string(&node).unwrap_or_default()
    }

    #[test]
    fn pools_of_a_network_merge_by_subnet() {
        let base = "{a: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.0.9}, {subnet: 10.1.0.0/24}]}}}";
        let over = "{a: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}";
        let expected = r#"{"a":{"ipam":{"config":[{"subnet":"10.0.0.0/24","gateway":"10.0.0.9"}]}}}"#;
        assert_eq!(merged_at("networks", base, over), expected);
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
                r#"{"a":{"depends_on":{"b":{"condition":"service_healthy","required":true}}}}"#,
            ),
            (
                "{a: {depends_on: {b: {condition: service_healthy, required: false}}}}",
                "{a: {depends_on: [b]}}",
                r#"{"a":{"depends_on":{"b":{"condition":"service_started","required":true}}}}"#,
            ),
            (
                "{a: {labels: {l: '1', m: '2'}}}",
                "{a: {labels: [l, m=3]}}",
                r#"{"a":{"labels":{"l":null,"m":"3"}}}"#,
            ),
            (
                "{a: {environment: [A=1, A, B]}}",
                "{a: {environment: [B=2, B=3]}}",
                r#"{"a":{"environment":{"A":null,"B":"3"}}}"#,
            ),
            (
                "{a: {gpus: all}}",
                "{a: {gpus: [{count: 1}]}}",
                r#"{"a":{"gpus":[{"count":"all"},{"count":1}]}}"#,
            ),
            (
                "{a: {post_start: [{command: x}], build: ./d}}",
                "{a: {post_start: [{command: x}], build: {args: [A=1]}}}",
                r#"{"a":{"post_start":[{"command":"x"},{"command":"x"}],"build":{"context":"./d","args":["A=1"]}}}"#,
            ),
            (
                "{a: {configs: [c1, c3], secrets: [s1]}}",
                "{a: {configs: [{source: c2, target: /c1}], secrets: [{source: s2, target: /run/secrets/s1}]}}",
                r#"{"a":{"configs":[{"source":"c2","target":"/c1"},"c3"],"secrets":[{"source":"s2","target":"/run/secrets/s1"}]}}"#,
            ),
            (
                "{a: {env_file: [./e, f]}}",
                "{a: {env_file: [e, f]}}",
                r#"{"a":{"env_file":["./e","f","e"]}}"#,
            ),
            (
                "{a: {command: [x], entrypoint: y, user: z}}",
                "{a: {command: , entrypoint: , user: }}",
                r#"{"a":{"command":null,"entrypoint":null,"user":"z"}}"#,
            ),
            (
                "{a: {ulimits: {nofile: {soft: 1, hard: 2}}}}",
                "{a: {ulimits: {nofile: 5}}}",
                r#"{"a":{"ulimits":{"nofile":5}}}"#,
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
