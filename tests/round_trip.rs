//! What a user wrote is what Compose reads: strings that YAML readers mistake go through a blueprint and its rendered
//! file, and come back equal from `docker compose config`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::compose_files::{compose_is_here, config, rendered};

/// Strings that some reader of YAML takes for something else, or cannot hold without quotes.
const MISREAD: &[&str] = &[
    "",
    " ",
    "  lead",
    "trail ",
    "\ttab",
    "tab\t",
    "2024-01-01",
    "2024-01-01T00:00:00Z",
    "2024-01-01 12:00:00",
    "1_000",
    "22:22",
    "1:20:30",
    "190:20:30.15",
    "=",
    "<<",
    "yes",
    "Yes",
    "no",
    "NO",
    "on",
    "off",
    "y",
    "n",
    "Y",
    "N",
    "true",
    "False",
    "~",
    "null",
    "Null",
    "NULL",
    "0o17",
    "017",
    "08",
    "0x1f",
    "0b11",
    "-0",
    "+1",
    "-1",
    "1.",
    ".5",
    "1e3",
    "1E+3",
    "1e400",
    "1.10",
    ".inf",
    "-.inf",
    "+.INF",
    ".nan",
    ".NaN",
    "NaN",
    "Infinity",
    "12345678901234567890",
    "#",
    "# x",
    "a # b",
    "a#b",
    ":",
    ": ",
    "a: b",
    "a:",
    ":a",
    "-",
    "- ",
    "- a",
    "--",
    "---",
    "--- a",
    "...",
    "... a",
    "?",
    "? a",
    "!tag",
    "!!str x",
    "!",
    "&a",
    "*a",
    "*",
    "&",
    "%",
    "%YAML 1.2",
    "@a",
    "`a`",
    "|",
    "|-",
    ">",
    ">-\n a",
    "'",
    "''",
    "'a'",
    "\"",
    "\"\"",
    "\"a\"",
    "a'b\"c",
    "\\",
    "\\n",
    "\\\\",
    "a\\",
    "C:\\x\\t",
    "[",
    "]",
    "[a",
    "[]",
    "{",
    "}",
    "{a",
    "{}",
    "{a: b}",
    "a, b",
    ",",
    "$",
    "$$",
    "$$$",
    "$x",
    "${X}",
    "${X:-y}",
    "$${X}",
    "a$",
    "${",
    "\n",
    "a\n",
    "a\n\n",
    "\na",
    "a\nb",
    "a\n b\n",
    " a\nb",
    "a\n\tb",
    "a\r\nb",
    "a\rb",
    "a \nb",
    "\u{1}",
    "a\u{7}b",
    "\u{1b}[0m",
    "\u{7f}",
    "\u{85}",
    "a\u{85}b",
    "\u{9f}",
    "\u{a0}",
    "\u{2028}",
    "a\u{2028}b",
    "\u{2029}",
    "\u{200b}",
    "\u{feff}",
    "\u{feff}a",
    "a\u{feff}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{e000}",
    "\u{10ffff}",
    "é",
    "e\u{301}",
    "🦀",
    "👩‍👩‍👧 x",
    "日本",
    "a\u{202e}b",
];

/// Names and tags of images that look like something else.
const IMAGES: &[&str] = &[
    "2024-01-01",
    "1_000",
    "22:22",
    "yes",
    "no",
    "null",
    "true",
    "0o17",
    "017",
    "0x1f",
    "1e3",
    "1.10",
    "on",
    "x:1.10",
    "x:2024-01-01",
    "x:1e3",
    "x:NaN",
    "x:null",
    "1:20:30",
    "12345678901234567890",
];

/// Arbitrary strings of what is hard, always the same ones.
fn arbitrary() -> Vec<String> {
    let hard =
        "[ \t\n\r\"'\\\\#:,?!&*%@`|>{}\\[\\]$=~_.+0-9a-cexXoOnyYNE\u{1}\u{7f}\u{85}\u{a0}\u{2028}\u{feff}🦀é-]{0,12}";
    let strategy = prop_oneof![3 => hard.prop_map(String::from), 1 => any::<String>()];
    let mut runner = TestRunner::deterministic();
    let mut next = || strategy.new_tree(&mut runner).expect("a string").current();
    (0..1500).map(|_| next()).collect()
}

fn strings() -> Vec<String> {
    let long = "0123456789 abc: # ".repeat(4000);
    let fixed = MISREAD.iter().map(|s| (*s).to_owned());
    let words = ["x".repeat(5000), long.clone(), format!("{long}\n{long}")];
    // Templates have a test of their own, and no process takes a NUL.
    let legal = |s: &String| !["{{", "{%", "{#", "\0"].iter().any(|no| s.contains(no));
    fixed.chain(words).chain(arbitrary()).filter(legal).collect()
}

/// As YAML and JSON both read it, in ASCII, and literal for Compose's interpolation.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.replace('$', "$$").chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => write!(out, "\\U{:08X}", c as u32).expect("text"),
        }
    }
    out + "\""
}

/// A key, which nothing interpolates.
fn key(text: &str) -> String {
    quoted(text).replace("$$", "$")
}

fn read_back(blueprint: &str, node: &str) -> Value {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("topogen.yaml"), blueprint).expect("written");
    let out = rendered(directory.path(), &[]);
    plain(config(&out.path().join(node), &["compose.yaml"], &[]))
}

/// `config` prints what it would read again, every `$` doubled.
fn plain(value: Value) -> Value {
    let text = value.to_string().replace("$$", "$");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn every_string_survives() {
    if !compose_is_here() {
        return;
    }
    let strings = strings();
    // Compose takes no key that is empty or all line ends. YAML's own limit on keys is 1024 characters, and `<<` is its merge key, in quotes too.
    let mut keys: Vec<&String> = strings
        .iter()
        .filter(|s| !s.trim_matches('\n').is_empty() && !s.contains('=') && *s != "<<" && s.len() < 200)
        .collect();
    keys.sort();
    keys.dedup();
    let list = |of: &dyn Fn(usize, &str) -> String| -> String {
        let items: Vec<String> = strings.iter().enumerate().map(|(n, s)| of(n, s)).collect();
        items.join(", ")
    };
    let items = list(&|_, s| quoted(s));
    let values = list(&|n, s| format!("K{n}: {}", quoted(s)));
    let keyed: Vec<String> = keys.iter().map(|k| format!("{}: {}", key(k), quoted(k))).collect();
    let keyed = keyed.join(", ");
    let mut text = format!(
        "roles:\n  r:\n    services:\n      items: {{image: x, command: [{items}], entrypoint: [{items}], \
         healthcheck: {{test: [CMD, {items}]}}}}\n      \
         values: {{image: x, environment: {{{values}}}, labels: {{{values}}}, logging: {{driver: local, options: {{{values}}}}}}}\n      \
         keys: {{image: x, environment: {{{keyed}}}, labels: {{{keyed}}}}}\n"
    );
    for (n, image) in IMAGES.iter().enumerate() {
        writeln!(
            text,
            "      {}: {{image: {}}}",
            quoted(&service(n, image)),
            quoted(image)
        )
        .expect("text");
    }
    let config = read_back(&text, "r");
    let services = &config["services"];
    let mut wrong = Vec::new();
    let mut compare = |place: &str, expected: &str, found: &Value| {
        if found.as_str() != Some(expected) {
            wrong.push(format!("{place}: {expected:?} became {found}"));
        }
    };
    for (n, s) in strings.iter().enumerate() {
        for section in ["command", "entrypoint"] {
            compare(section, s, &services["items"][section][n]);
        }
        compare("test", s, &services["items"]["healthcheck"]["test"][n + 1]);
        let values = &services["values"];
        for map in [&values["environment"], &values["labels"], &values["logging"]["options"]] {
            compare("value", s, &map[format!("K{n}")]);
        }
    }
    for k in &keys {
        for section in ["environment", "labels"] {
            compare(section, k, &services["keys"][section][k.as_str()]);
        }
    }
    for (n, image) in IMAGES.iter().enumerate() {
        compare("image", image, &services[service(n, image)]["image"]);
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

/// A service is called as its image where that is a name: keys are misread like values.
fn service(n: usize, image: &str) -> String {
    if image.contains(':') {
        format!("i{n}")
    } else {
        image.to_owned()
    }
}

/// What nobody quoted: topogen types it as Compose does, or hands it on as it is.
#[test]
fn plain_scalars_are_read_as_compose_reads_them() {
    if !compose_is_here() {
        return;
    }
    let scalars = [
        "1e3",
        "1.10",
        "1.0",
        "0o17",
        "017",
        "08",
        "0x1f",
        "0b11",
        "1_000",
        "22:22",
        "1:20:30",
        "yes",
        "on",
        "off",
        "NO",
        "y",
        "true",
        "True",
        "FALSE",
        "~",
        "null",
        "12345678901234567890",
        "-0",
        "+1",
        "-1",
        "1.",
        ".5",
        "0.1e-7",
        "1e21",
        "123456789.125",
        "1e-7",
        "100000000000000000000",
        "9223372036854775807",
        "9223372036854775808",
        "3.0e2",
        "0.30000000000000004",
    ];
    let mut service = String::from("{image: x, environment: {");
    for (n, scalar) in scalars.iter().enumerate() {
        write!(service, "K{n}: {scalar}, ").expect("text");
    }
    service.push_str("}}");
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: String| std::fs::write(directory.path().join(name), text).expect("written");
    write("compose.yaml", format!("services: {{s: {service}}}\n"));
    let expected = environment(directory.path());
    let found = read_back(&format!("roles: {{r: {{services: {{s: {service}}}}}}}\n"), "r");
    let found: BTreeMap<String, Value> =
        serde_json::from_value(found["services"]["s"]["environment"].clone()).expect("a map");
    let wrong: Vec<String> = scalars
        .iter()
        .enumerate()
        .map(|(n, scalar)| (scalar, format!("K{n}")))
        .filter(|(_, k)| expected.get(k) != found.get(k))
        .map(|(s, k)| format!("{s}: {:?}, not {:?}", found.get(&k), expected.get(&k)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The environment of the service `s`.
fn environment(directory: &Path) -> BTreeMap<String, Value> {
    let config = plain(config(directory, &["compose.yaml"], &[]));
    serde_json::from_value(config["services"]["s"]["environment"].clone()).expect("a map")
}
