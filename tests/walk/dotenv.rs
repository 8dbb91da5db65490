//! Files of variables: quotes, escapes, comments, values of several lines, `export`, expansions, and what is malformed.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use topogen::blueprint::dotenv;
use topogen::topology::expand::Overrides;

use super::record;
use crate::support;

/// Variables of the environment.
const OUTSIDE: &[(&str, &str)] = &[("HOME", "/home"), ("OUT", "outer")];

fn lookup(name: &str) -> Option<String> {
    OUTSIDE
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| (*value).to_owned())
}

/// What may stand after the `=`.
const VALUES: &[&str] = &[
    "",
    "v",
    " v ",
    "v w",
    "v # c",
    "v #c",
    "v# c",
    "v#c",
    "#c",
    " #c",
    "# c",
    "\tv\t",
    "v\t# c",
    "v\t#c",
    // Quoted.
    "''",
    "\"\"",
    "'v'",
    "\"v\"",
    "' v '",
    "\" v \"",
    "'v' # c",
    "\"v\" # c",
    "'v'#c",
    "\"v\"#c",
    "'a # b'",
    "\"a # b\"",
    "'v'x",
    "\"v\"x",
    "'v' x",
    "\"v\" x",
    "x'v'",
    "x\"v\"",
    "'a\"b'",
    "\"a'b\"",
    "a'b",
    "a\"b",
    "a'b'c",
    "a\"b\"c",
    "'a''b'",
    "\"a\"\"b\"",
    "'a' 'b'",
    "\"a\" \"b\"",
    "'",
    "\"",
    "'a",
    "\"a",
    "a'",
    "a\"",
    "'''",
    "\"\"\"",
    "`v`",
    "'a\nb'",
    "\"a\nb\"",
    "'a\n\nb'",
    "\"a\n#b\n'c'\"",
    "\"a\r\nb\"",
    "\"{\n  \\\"k\\\": 1\n}\"",
    "'{\"k\": [1,\n2]}'",
    // Escaped.
    "a\\nb",
    "'a\\nb'",
    "\"a\\nb\"",
    "\"a\\tb\\rc\"",
    "\"a\\\\b\"",
    "\"a\\\\nb\"",
    "'a\\\\b'",
    "a\\\\b",
    "'a\\'b'",
    "\"a\\\"b\"",
    "\"a\\'b\"",
    "'a\\\"b'",
    "\"\\$OUT\"",
    "'\\$OUT'",
    "\\$OUT",
    "\"\\\\$OUT\"",
    "\"\\\\\\$OUT\"",
    "\"\\a\\b\\f\\v\"",
    "\"\\x41\"",
    "\"\\u0041\"",
    "\"\\101\"",
    "\"\\0101\"",
    "\"\\01\"",
    "\"\\0\"",
    "\"\\0777\"",
    "\"\\0303\\0251\"",
    "\"\\089 \\0100\\07\"",
    "\"\\0400\"",
    "\"\\z\"",
    "\"a\\",
    "\"a\\\"",
    "'a\\'",
    "\"a\\ b\"",
    "\"\\\"\"",
    "'\\''",
    "a\\ b",
    "\\#",
    "a \\# b",
    "\"\\n\\n\"",
    "\"\\\\\"",
    "'\\\\'",
    // Expanded.
    "$OUT",
    "${OUT}",
    "a${OUT}b",
    "'$OUT'",
    "\"$OUT\"",
    "\"${OUT}\"",
    "$NONE",
    "${NONE}",
    "${NONE:-d}",
    "${NONE-d}",
    "${OUT:+x}",
    "${OUT:-d}",
    "\"${NONE:-a b}\"",
    "${NONE:-a b}",
    "${NONE:-a # b}",
    "${NONE:-\"d\"}",
    "\"${NONE:-'d'}\"",
    "${NONE:-'d'}",
    "${NONE:-$OUT}",
    "${NONE:-${OUT}}",
    "${NONE:?why}",
    "${OUT:?why}",
    "${OUT",
    "\"${OUT\"",
    "${}",
    "$",
    "$$",
    "$$OUT",
    "\"$$OUT\"",
    "$${OUT}",
    "a$",
    "$(x)",
    "$1",
    "${1}",
    "\"a\n${OUT}\nb\"",
    "$HOME/x",
    "~/x",
    "${OUT} # ${OUT",
    "'${OUT'",
    // Of other kinds.
    "a=b",
    "=b",
    "a: b",
    ": b",
    "{{ x }}",
    "é ü",
    "a,b;c",
    "[1, 2]",
    "{\"k\": \"$OUT\"}",
    "a&b|c>d",
    "!x",
    "*",
    "0x10",
    "a\u{a0}b",
    "\u{a0}v\u{a0}",
    "-",
    "--",
    "a\\",
    "https://u:p@h:1/x?y=z#f",
    "base64==",
    "\"\\\"q\\\" # no\"",
];

/// What may stand before it.
const KEYS: &[&str] = &[
    "A=",
    "A = ",
    "A =",
    "A= ",
    "A: ",
    "A:",
    "A : ",
    "  A=",
    "\tA=",
    "export A=",
    "export  A=",
    "export\tA=",
    "exportA=",
    "export=",
    "export ",
    "EXPORT A=",
    "A.B=",
    "A-B=",
    "A B=",
    "1A=",
    "É=",
    "=",
    ":",
    "A[0]=",
    "A[=",
    "\"A\"=",
    "'A'=",
    "A'=",
    "$A=",
    "A$=",
    "A+=",
    "A/B=",
    "A,B=",
    "_=",
    "a=",
    "#A=",
    "# A=",
    "A#=",
    "A\u{a0}=",
    "- A=",
    "export export A=",
    "A==",
    "A:=",
    "A=:",
    "\u{feff}A=",
    "A\t=\t",
    "set A=",
];

/// Whole files.
const FILES: &[&str] = &[
    "",
    "\n",
    "\n\n\n",
    "#",
    "# c",
    "# c\n",
    "   # c\nA=1",
    "A=1\n\n\nB=2\n",
    "A=1\r\nB=2\r\n",
    "A=1\rB=2",
    "A=1;B=2",
    "A=1 B=2",
    "A=1\nA=2\n",
    "A=1\nB=$A\nA=2\nC=$A\n",
    "B=$A\nA=1\n",
    "A=$A\n",
    "A=1\nA=${A}2\nA=${A}3\n",
    "OUT=mine\nB=$OUT\n",
    "OUT\nB=1\n",
    "NONE\nB=1\n",
    "OUT=\nB=${OUT:-x}\n",
    "HOME\nOUT\n",
    "export OUT\nB=$OUT\n",
    "export\nB=1\n",
    "A\nB\nC=1",
    "A B\nC=1",
    "A=1\n=2",
    "A=1\nB C=2\nD=3",
    "A='a\nB=2\nC='\nD=4\n",
    "A=\"a\nB=2\nC=\"\nD=4\n",
    "A=\"a\n",
    "A='a\n\n",
    "A=1\n\n  B=2\n\tC=3",
    "A=1\n #c\nB=2",
    "A=1\n#c",
    "A=\"x\" # \"y\"\nB='z' # 'w'\n",
    "A=\"1\"\nB=\"$A$A\"\nC='$A'\n",
    "A: 1\nB: \"2\"\nC:3\n",
    "A=1\n---\nB=2\n",
    "\u{feff}A=1\nB=2\n",
    "A=x\\\nB=2\n",
    "A=\"x\\\ny\"\nB=2\n",
    "A=${B:-${C:-${OUT}}}\nB=2\n",
    "EMPTY=\nA=${EMPTY:-d}${EMPTY-e}${EMPTY:+f}${EMPTY+g}\n",
    "A='x'B='y'\nC=1\n",
    "A=\"x\"B=\"y\"\nC=1\n",
    "A=1 # c\nB=2#c\nC=' #'\n",
    "A=\nB=\n\nC=",
    "A\n=1\n",
    "A=\n1\n",
    "A = 1\nB =2\nC= 3\n",
    "A=$\nB=$$\nC=\\$\n",
    "KEY=-----BEGIN X-----\nabc\n-----END X-----\n",
    "KEY=\"-----BEGIN X-----\nabc==\n-----END X-----\"\nA=1\n",
];

fn cases() -> Vec<(String, String)> {
    let mut files: BTreeSet<String> = FILES.iter().map(|text| (*text).to_owned()).collect();
    for value in VALUES {
        for around in ["A=@", "A=@\nB=2\n", "A: @\n", "Z=1\nA=@\r\nB=$A"] {
            files.insert(around.replace('@', value));
        }
    }
    for key in KEYS {
        for after in ["1", "'1'\nB=2\n", "", "$OUT # c\n", "\nB=2"] {
            files.insert(format!("{key}{after}"));
        }
    }
    files.into_iter().map(|text| (text.clone(), text)).collect()
}

/// The variables of a file, as topogen reads it.
fn read(text: &str) -> Option<dotenv::Pairs> {
    let mut found = dotenv::Pairs::new();
    dotenv::parse(text, &mut found, &lookup).ok().map(|()| found)
}

/// What Compose makes of services whose variables are said by `service`, in a directory with `files`.
fn environments(services: &[Value], files: &[(String, &str)]) -> Option<Vec<Value>> {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    let named = services
        .iter()
        .enumerate()
        .map(|(at, service)| (format!("s{at}"), service.clone()));
    write(
        "compose.yaml",
        &json!({"services": named.collect::<Map<_, _>>()}).to_string(),
    );
    files.iter().for_each(|(name, text)| write(name, text));
    let config = record::compose(directory.path(), OUTSIDE)?;
    let environment = |at: usize| {
        let all = config["services"][format!("s{at}")]["environment"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        // `config` prints what it would read again.
        let plain = |value: Value| {
            value
                .as_str()
                .map_or(Value::Null, |text| json!(text.replace("$$", "$")))
        };
        all.into_iter()
            .map(|(name, value)| (name, plain(value)))
            .collect::<Map<_, _>>()
            .into()
    };
    Some((0..services.len()).map(environment).collect())
}

#[test]
fn the_record_of_files_of_variables_is_what_compose_says() {
    record::agrees("dotenv", &cases(), &|text| read(text).is_some(), &|texts| {
        let service = |at| json!({"image": "i", "env_file": [format!("{at}.env")]});
        let services: Vec<Value> = (0..texts.len()).map(service).collect();
        let files = texts
            .iter()
            .enumerate()
            .map(|(at, text)| (format!("{at}.env"), text.as_str()));
        environments(&services, &files.collect::<Vec<_>>())
    });
}

#[test]
fn each_file_of_variables_is_what_compose_makes_of_it() {
    let recorded = record::read("dotenv");
    let mut differ = Vec::new();
    for (name, text) in cases() {
        let here = json!(read(&text));
        match recorded.get(&name) {
            Some(compose) if *compose == here => {}
            // A variable without a name, which Compose passes on and no engine takes, is refused with its line.
            Some(compose) if compose.get("").is_some() => {}
            said => differ.push(format!("{name:?}: here {here}, Compose {said:?}")),
        }
    }
    assert!(differ.is_empty(), "{}:\n{}", differ.len(), differ.join("\n"));
}

/// A service's variables: its `env_file` and its `environment`, over [`BESIDE`].
fn services() -> Vec<(String, Value)> {
    let file = |path: &str| json!({ "path": path });
    let raw = |path: &str| json!({"path": path, "format": "raw"});
    let files = [
        json!(null),
        json!("one.env"),
        json!(["one.env", "two.env"]),
        json!(["two.env", "one.env"]),
        json!([file("one.env"), raw("two.env")]),
        json!([raw("one.env")]),
        json!([{"path": "none.env", "required": false}, "two.env"]),
        json!(["one.env", "two.env", "one.env"]),
    ];
    let environments = [
        json!(null),
        json!({"A": "own"}),
        json!({"A": ""}),
        json!({"A": null, "OUT": null, "NONE": null}),
        json!(["A", "B=own", "OUT", "NONE"]),
        json!({"A": 5, "B": true, "C": 1.5}),
        json!(["A=a=b", "B=", "C=c # c", "D='q'"]),
        json!({"A": "${OUT}", "B": "${NONE:-none}", "C": "$$OUT"}),
        json!(["A=1", "A=2", "OUT=mine"]),
    ];
    let mut all = Vec::new();
    for file in &files {
        for environment in &environments {
            let mut service = Map::from_iter([("image".to_owned(), json!("i"))]);
            for (key, value) in [("env_file", file), ("environment", environment)] {
                if !value.is_null() {
                    service.insert(key.to_owned(), value.clone());
                }
            }
            let service = Value::from(service);
            all.push((service.to_string(), service));
        }
    }
    all
}

/// The files that [`services`] name.
const BESIDE: &[(&str, &str)] = &[
    (
        "one.env",
        "A=one\nB=${A}-b\nC=$OUT\nQ='$A'\nINHERITED\nOUT\nHOME=none\n",
    ),
    ("two.env", "A=two\nD=$B\nE=\"$C # c\"\nB=again\nNONE\nF=${NONE:-f}\n"),
];

#[test]
fn the_record_of_variables_of_services_is_what_compose_says() {
    record::agrees("variables", &services(), &|_| true, &|services| {
        let services: Vec<Value> = services.iter().map(|service| (*service).clone()).collect();
        let files: Vec<_> = BESIDE.iter().map(|(name, text)| ((*name).to_owned(), *text)).collect();
        environments(&services, &files)
    });
}

#[test]
fn the_variables_of_each_service_are_what_compose_makes_of_them() {
    let recorded = record::read("variables");
    let beside: Vec<(String, &str)> = BESIDE
        .iter()
        .map(|(name, text)| (format!("/blueprint/{name}"), *text))
        .collect();
    let mut differ = Vec::new();
    for (name, service) in services() {
        let text = json!({"services": {"a": service}}).to_string();
        let mut files: Vec<(&str, &str)> = beside.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        files.push(("c.yaml", &text));
        let of = support::desired("roles: {r: {compose: c.yaml}}", &Overrides::default(), &files);
        let container = of.containers().next().expect("a container");
        let here = json!(container.config.environment.clone().unwrap_or_default());
        match recorded.get(&name) {
            Some(compose) if *compose == here => {}
            said => differ.push(format!("{name}: here {here}, Compose {said:?}")),
        }
    }
    assert!(differ.is_empty(), "{}:\n{}", differ.len(), differ.join("\n"));
}
