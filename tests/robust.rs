//! Nothing that anybody writes makes it panic or run away, and what is rendered is read back as it was meant.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use topogen::blueprint::interpolate::Variables;
use topogen::blueprint::{Blueprint, Count, Inputs, Role};
use topogen::diagnostic::Sources;
use topogen::render::compose;
use topogen::topology::Topology;
use topogen::topology::expand::{Overrides, expand};
use topogen::value::Value;
use topogen::yaml;

use crate::support::{LAB, expanded, stderr, topogen};

/// Blueprints, right and wrong, that mutations begin with and are made of.
pub(crate) fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for directory in ["blueprints", "tests/invalid"] {
        for entry in fs::read_dir(root.join(directory)).expect("a directory") {
            let path = entry.expect("an entry").path();
            let small = path.metadata().is_ok_and(|m| m.len() < 4096);
            // Those that are refused for their size take their time, each in a way that has a test of its own.
            let bomb = ["alias_bomb.yaml", "template_grows.yaml", "template_endless.yaml"];
            if small
                && !bomb.iter().any(|b| path.ends_with(b))
                && let Ok(text) = fs::read_to_string(&path)
            {
                texts.push(text);
            }
        }
    }
    texts.sort();
    assert!(texts.len() > 50);
    texts
}

/// Read and expand, whatever comes of it; problems can be shown in the source, which is a promise too.
fn survive(text: &str) -> Option<Topology> {
    let mut sources = Sources::default();
    let file = sources.add("topogen.yaml", text);
    let none = |_: &str| None;
    let mut variables = Variables::new(&none);
    let read = |path: &str| match path.rsplit('.').next() {
        Some("j2") => Ok(b"{{ node.name }}\n".to_vec()),
        Some("yml" | "yaml") => Ok(b"services: {app: {image: i}}\n".to_vec()),
        _ => Err("no such file".to_owned()),
    };
    let inputs = Inputs {
        read: &read,
        read_within: &read,
        base: "/blueprint",
        profiles: &[],
    };
    // A wrong blueprint is expanded too, as far as it could be read: for the faults of its templates.
    let (blueprint, mut problems) = Blueprint::read_as_far(file, &mut sources, &mut variables, &inputs);
    let expanded = blueprint.map(|b| {
        // Small limits: ten thousand nodes are another test's matter.
        let smaller = |role: &Role| -> Vec<(String, u32)> {
            let name = &role.name.value;
            match &role.count {
                Some(Count::Number(count)) if count.value > 20 => vec![(name.to_string(), 2)],
                Some(Count::Dimensions(dimensions, _)) => {
                    let large = dimensions.iter().filter(|d| d.count.value > 3);
                    large.map(|d| (format!("{name}.{}", d.name.value), 2)).collect()
                }
                _ => Vec::new(),
            }
        };
        let overrides = Overrides {
            scale: b.roles.iter().flat_map(smaller).collect(),
            ..Overrides::default()
        };
        expand(&b, &overrides, &Arc::new(HashMap::new()), &sources)
    });
    match expanded {
        Some(Ok(topology)) if problems.is_empty() => Some(topology),
        other => {
            if let Some(Err(more)) = other {
                problems.extend(more);
            }
            assert!(!problems.is_empty(), "refused without a word");
            let _ = problems.render(&sources, true);
            let _ = problems.to_json(&sources);
            None
        }
    }
}

/// What expands also renders, and each definition is read back with the values it has.
fn reads_back(topology: &Topology) {
    for node in &topology.nodes {
        let text = compose::file(topology, node).expect("rendered");
        let mut sources = Sources::default();
        let file = sources.add("compose.yaml", text.as_str());
        let tree = yaml::parse(&text, file).unwrap_or_else(|p| panic!("{text}\n{}", p.render(&sources, false)));
        let services = tree.get("services");
        for service in &node.services {
            let read = services.and_then(|s| s.get(service.key.as_str()));
            let read = read.unwrap_or_else(|| panic!("{}: {text}", service.key));
            // Others are put in other words on their way out.
            for key in [
                "image",
                "command",
                "environment",
                "labels",
                "hostname",
                "working_dir",
                "entrypoint",
            ] {
                let meant = service.get(key).map(escaped);
                let found = read.get(key).map(Value::from);
                assert_eq!(found, meant, "{key} of {}: {text}", service.key);
            }
        }
    }
}

/// With every `$` doubled, as Compose wants it.
fn escaped(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::from(text.replace('$', "$$")),
        Value::List(list) => list.iter().map(escaped).collect::<Vec<_>>().into(),
        Value::Map(map) => {
            let map: topogen::value::Map = map.iter().map(|(k, v)| (k.clone(), escaped(v))).collect();
            map.into()
        }
        other => other.clone(),
    }
}

/// What a scalar is swapped with.
pub(crate) const SCALARS: &[&str] = &[
    "{a: b}",
    "[a, b]",
    "{}",
    "[]",
    "~",
    "-1",
    "1e99",
    "99999999999999999999",
    "\"\"",
    "\"{{ node.name }}\"",
    "\"{{ nope }}\"",
    "\"{% for x in nodes %}{{ x }}\"",
    "${A}",
    "${A:-${B:?x}}",
    "$",
    "!reset x",
    "!override [a]",
    "*a",
    "&a x",
    "|",
    "\"\\u0000\"",
    "é🐳",
    "{? [a] : b}",
    "<<",
    "2024-01-01",
    ".inf",
    "!!int x",
];

/// What text that looks like YAML is made of.
pub(crate) const TOKENS: &[&str] = &[
    "a", "bc", "roles", "services", "image", "count", ": ", ", ", "\n", "\n  ", "\n    ", "- ", "[", "]", "{", "}",
    "\"", "'", "*a", "&a ", "<<: ", "{{", "}}", "{%", "%}", "${", "|", ">", "#", "!reset ", "~", "1", "999", "\t", "é",
];

/// One change of a document.
#[derive(Debug, Clone)]
enum Mutation {
    Delete(Index),
    Repeat(Index, Index),
    Take(Index, Index, Index),
    Key(Index, String),
    Scalar(Index, &'static str),
    Indent(Index, usize),
    Cut(Index),
    Byte(Index, char),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        any::<Index>().prop_map(Mutation::Delete),
        any::<(Index, Index)>().prop_map(|(a, b)| Mutation::Repeat(a, b)),
        any::<(Index, Index, Index)>().prop_map(|(a, b, c)| Mutation::Take(a, b, c)),
        (any::<Index>(), "[a-z_<]{0,6}").prop_map(|(a, k)| Mutation::Key(a, k)),
        (any::<Index>(), select(SCALARS)).prop_map(|(a, s)| Mutation::Scalar(a, s)),
        (any::<Index>(), 0..12usize).prop_map(|(a, n)| Mutation::Indent(a, n)),
        any::<Index>().prop_map(Mutation::Cut),
        (any::<Index>(), any::<char>()).prop_map(|(a, c)| Mutation::Byte(a, c)),
    ]
}

fn mutated(text: &str, mutations: &[Mutation], corpus: &[String]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for mutation in mutations {
        if lines.is_empty() {
            lines.push(String::new());
        }
        let count = lines.len();
        match mutation {
            Mutation::Delete(at) => drop(lines.remove(at.index(count))),
            Mutation::Repeat(from, to) => lines.insert(to.index(count), lines[from.index(count)].clone()),
            Mutation::Take(which, from, to) => {
                let other: Vec<&str> = which.get(corpus).lines().collect();
                if !other.is_empty() {
                    lines.insert(to.index(count), (*from.get(&other)).to_owned());
                }
            }
            Mutation::Key(at, key) => {
                let line = &mut lines[at.index(count)];
                if let Some(colon) = line.find(':') {
                    let start = line.len() - line.trim_start().len();
                    line.replace_range(start.min(colon)..colon, key);
                }
            }
            Mutation::Scalar(at, scalar) => {
                let line = &mut lines[at.index(count)];
                if let Some(colon) = line.find(": ") {
                    line.replace_range(colon + 2.., scalar);
                }
            }
            Mutation::Indent(at, blanks) => {
                let line = &mut lines[at.index(count)];
                *line = format!("{}{}", " ".repeat(*blanks), line.trim_start());
            }
            Mutation::Cut(at) => {
                let line = &mut lines[at.index(count)];
                let half = line.floor_char_boundary(line.len() / 2);
                line.truncate(half);
            }
            Mutation::Byte(at, c) => {
                let line = &mut lines[at.index(count)];
                let middle = line.floor_char_boundary(at.index(line.len() + 1));
                line.insert(middle, *c);
            }
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2500, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_survived(bytes in vec(any::<u8>(), 0..400)) {
        survive(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn arbitrary_yaml_is_survived(tokens in vec(select(TOKENS), 0..60)) {
        survive(&tokens.concat());
    }

    #[test]
    fn arbitrary_values_in_a_service_are_survived(key in select(topogen::compose::table::keys("services.*")), value in select(SCALARS), role in select(topogen::blueprint::ROLE_KEYS), more in select(SCALARS)) {
        let text = format!("roles:\n  a:\n    count: 2\n    services: {{app: {{image: i, {key}: {value}}}}}\n    {role}: {more}\n");
        survive(&text);
        survive(&format!("roles:\n  a:\n    count: 2\n    entry: app\n    services: {{app: {{image: i, {key}: {value}}}}}\n")).as_ref().map(reads_back);
        survive(&format!("roles: {{a: {{services: {{app: {{image: i}}}}, {role}: {more}}}}}\n")).as_ref().map(reads_back);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    #[test]
    fn mutated_blueprints_are_survived(which in any::<Index>(), mutations in vec(mutation(), 1..5)) {
        thread_local!(static CORPUS: Vec<String> = corpus());
        CORPUS.with(|corpus| {
            let text = mutated(&corpus[which.index(corpus.len())], &mutations, corpus);
            survive(&text).as_ref().map(reads_back);
        });
    }

    #[test]
    fn the_lab_mutated_is_survived(mutations in vec(mutation(), 1..3)) {
        survive(&mutated(LAB, &mutations, &[LAB.to_owned()])).as_ref().map(reads_back);
    }

    #[test]
    fn texts_are_read_back(text in r#"([ \t\n:#'"\\%@`|>&*!?\[\]{},=~$.eE0-9a-zé🐳+-]|yes|null|0o17|0x1f|1_000|22:22|2024-01-01|\.inf){0,8}"#, block in "[ a-z\n]{0,12}") {
        let json = serde_json::to_string(&text).expect("JSON");
        let block = serde_json::to_string(&block).expect("JSON");
        let json = json.replace('$', "$$");
        // What the template engine would read as its own is not meant here.
        prop_assume!(!text.contains("{{") && !text.contains("{%") && !text.contains("{#"));
        let blueprint = format!("roles: {{a: {{services: {{app: {{image: {json}, command: [{json}, {block}], labels: {{a: {json}, b: {block}}}, environment: {{A: {json}}}}}}}}}}}");
        let topology = expanded(&blueprint, &Overrides::default());
        prop_assert!(topology.is_ok(), "{blueprint}\n{}", topology.unwrap_err());
        reads_back(&topology.unwrap());
    }
}

#[test]
fn every_document_here_is_survived() {
    for text in corpus() {
        survive(&text).as_ref().map(reads_back);
    }
}

/// Files that are no text of a sensible size, which no snapshot could hold.
#[test]
fn files_that_are_none_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let here = directory.path();
    let large = format!(
        "roles: {{a: {{services: {{app: {{image: i}}}}}}}}\n#{}\n",
        "x".repeat(yaml::MAX_BYTES)
    );
    fs::write(here.join("large.yaml"), &large).expect("a file");
    fs::write(here.join("compose.yaml"), "roles: {a: {compose: large.yaml}}\n").expect("a file");
    fs::create_dir(here.join("directory.yaml")).expect("a directory");
    let deep = format!("a: {}{}\n", "[".repeat(200_000), "]".repeat(200_000));
    fs::write(here.join("deep.yaml"), deep).expect("a file");
    fs::write(here.join("secret.yaml"), "roles: {}\n").expect("a file");
    fs::write(here.join("blank.yaml"), " \n# nothing\n").expect("a file");
    let mut cases = vec![
        "large.yaml",
        "compose.yaml",
        "directory.yaml",
        "deep.yaml",
        "blank.yaml",
    ];
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(here.join("secret.yaml"), fs::Permissions::from_mode(0o000)).expect("no permission");
        // Root reads everything.
        if fs::read(here.join("secret.yaml")).is_err() {
            let output = topogen(here, &["check", "-f", "secret.yaml"]);
            assert!(stderr(&output).contains("permission denied"), "{}", stderr(&output));
        }
        std::os::unix::fs::symlink("/dev/zero", here.join("endless.yaml")).expect("a link");
        cases.push("endless.yaml");
    }
    let mut text = String::new();
    for case in cases {
        let output = topogen(here, &["check", "-f", case]);
        assert_eq!(output.status.code(), Some(3), "{case}: {}", stderr(&output));
        for line in stderr(&output).lines() {
            text += &format!("{}\n", line.chars().take(100).collect::<String>());
        }
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}

#[test]
fn more_than_a_bridge_takes_is_a_warning_where_nothing_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "roles: {slave: {count: 1024, entry: app, services: {app: {image: i}}}}\n";
    fs::write(directory.path().join("topogen.yaml"), text).expect("a file");
    let warning = "warning[T001]: 1024 containers join `inout`, which has room for 1021: `up` would refuse it\n";
    for arguments in [&["check"][..], &["render", "--check"], &["render"]] {
        let output = topogen(directory.path(), arguments);
        assert!(stderr(&output).starts_with(warning), "{}", stderr(&output));
    }
    let output = topogen(directory.path(), &["check", "--slaves", "1021"]);
    assert!(!stderr(&output).contains("warning"), "{}", stderr(&output));
}

#[test]
fn what_is_long_neither_overflows_nor_takes_for_ever() {
    let command = |text: String| format!("roles: {{a: {{services: {{app: {{image: i, command: \"{text}\"}}}}}}}}");
    for part in [
        "-",
        ".b",
        "|e",
        "[0]",
        "1+",
        "('a')",
        "not ",
        "(",
        "[",
        "{% if 1 %}",
        "{{ 1 }}",
        "${A:-",
        "$ ",
    ] {
        for count in [300, 20_000] {
            survive(&command(format!("{{{{ a{} }}}}", part.repeat(count))));
            survive(&command(format!("{{{{ '}}}}' ~ {}1 }}}}", part.repeat(count))));
        }
        survive(&command(part.repeat(3_000)));
    }
    let keys: String = (0..50_000).map(|n| format!("k{n}: a, ")).collect();
    survive(&format!(
        "roles: {{a: {{services: {{app: {{image: i, labels: {{{keys}}}}}}}}}}}"
    ))
    .as_ref()
    .map(reads_back);
    let keys: String = (0..2_000).map(|n| format!("k{n}: a, ")).collect();
    assert!(survive(&format!("roles: {{a: {{services: {{app: {{image: i, {keys}}}}}}}}}")).is_none());
}
