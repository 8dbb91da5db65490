//! `${…}` in all its forms: each operator with each state of a variable and each kind of word, nested, escaped, misspelt;
//! values from the environment, from `.env`, and from both.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use topogen::blueprint::interpolate::{Variables, interpolate};
use topogen::yaml;

use super::record;
use crate::support::{stderr, topogen_with};

/// Variables of the environment.
const OUTSIDE: &[(&str, &str)] = &[
    ("SET", "v"),
    ("EMPTY", ""),
    ("BOTH", "outside"),
    ("BLANKED", ""),
    ("DOLLARS", "$SET ${SET} $$"),
    ("BRACES", "{{ node.name }} {% x"),
    ("LINES", "a\n b: c # d"),
    ("BRACE", "{"),
    ("_", "under"),
];

/// The file beside the blueprint, and beside the Compose file.
const DOTENV: &str = "BOTH=file\nBLANKED=file\nFILE=f\nQUOTED='$SET'\nMADE=${SET}-${FILE}\nGONE=${NONE:-gone}\nBARE\n";

/// What the program makes of [`DOTENV`] and of [`OUTSIDE`].
fn lookup(name: &str) -> Option<String> {
    let file = [("FILE", "f"), ("QUOTED", "$SET"), ("MADE", "v-f"), ("GONE", "gone")];
    let mut all = OUTSIDE.iter().chain(&file);
    all.find(|(known, _)| *known == name)
        .map(|(_, value)| (*value).to_owned())
}

/// Texts that hold what is to be replaced.
fn cases() -> Vec<(String, String)> {
    let names = [
        "SET", "EMPTY", "NONE", "BOTH", "BLANKED", "FILE", "DOLLARS", "BRACES", "LINES", "MADE",
    ];
    let operators = ["", ":-", "-", ":+", "+", ":?", "?"];
    let words = [
        "",
        "w",
        "two words",
        "$SET",
        "${SET}",
        "${NONE}",
        "$NONE",
        "${NONE:-n}",
        "${NONE-${EMPTY:-deep}}",
        "${SET:+${NONE:-${FILE}}}",
        "${NONE:?why}",
        "${SET:?why}",
        "$$",
        "$$SET",
        "$${SET}",
        "{}",
        "{\"k\":1}",
        "{{}}",
        "a}b",
        "a{b",
        "a:b",
        "a-b",
        "a?b+c",
        "'q'",
        "\"q\"",
        "\\}",
        "\\$",
        "$",
        "a$",
        "$(x)",
        "#x",
        " x ",
        "é",
        "/p/q:r",
        "${FILE}/$SET",
        "a\nb",
        ":-x",
        "${SET",
        "${}",
        "${1}",
    ];
    let mut texts = BTreeSet::new();
    for name in names {
        for operator in operators {
            for word in words {
                // The values of some are all that makes them another case.
                if ["SET", "EMPTY", "NONE"].contains(&name) || ["", "w", "${SET}", "{}"].contains(&word) {
                    texts.insert(format!("${{{name}{operator}{word}}}"));
                }
            }
            for word in ["", "w", "${SET}"]
                .into_iter()
                .filter(|_| ["SET", "EMPTY", "NONE"].contains(&name))
            {
                texts.insert(format!("a${{{name}{operator}{word}}}b"));
                texts.insert(format!("${{{name}{operator}{word}}}${{FILE}}"));
                texts.insert(format!("${{{name}{operator}{word}}}}}"));
                texts.insert(format!("$${{{name}{operator}{word}}}"));
                texts.insert(format!("$$${{{name}{operator}{word}}}"));
                texts.insert(format!("{{${{{name}{operator}{word}}}}}"));
                texts.insert(format!("${{NONE:-${{{name}{operator}{word}}}}}"));
                texts.insert(format!("${{SET:+x${{{name}{operator}{word}}}y}}"));
            }
        }
        for after in [
            "", " ", "-", ".x", "/", ":", "$", "${SET}", "$SET", "(", "}", "é", "x", "1", "_",
        ] {
            texts.insert(format!("${name}{after}"));
            texts.insert(format!("x${name}{after}y"));
        }
    }
    for odd in [
        "",
        "$",
        "$$",
        "$$$",
        "$$$$",
        "$$$$$",
        "a$",
        "$ a",
        "$1",
        "$0 $@ $* $# $? $!",
        "$-",
        "$(date)",
        "$((1+1))",
        "$[1]",
        "$'x'",
        "$\"x\"",
        "`$SET`",
        "${",
        "${}",
        "${ SET}",
        "${SET }",
        "${ SET }",
        "${1}",
        "${-x}",
        "${:-x}",
        "${SET!}",
        "${SET:}",
        "${SET:x}",
        "${SET=x}",
        "${SET:=x}",
        "${SET#x}",
        "${SET%x}",
        "${SET/x/y}",
        "${SET^^}",
        "${#SET}",
        "${!SET}",
        "${SET[0]}",
        "${SET",
        "${SET:-",
        "${SET:-x",
        "a${SET}b${",
        "${SET}}",
        "{$SET}",
        "{{$SET}}",
        "${É}",
        "$É",
        "${SETÉ}",
        "$_",
        "${_}",
        "$SET$EMPTY$FILE",
        "${SET}${EMPTY}${FILE}",
        "^a$",
        "a$|b$",
        "\\$SET",
        "\\${SET}",
        "\\$$SET",
        "%{SET}",
        "$%SET",
        "${set}",
        "${NONE:-a${NONE:-b${NONE:-c${SET}d}e}f}g",
        "${NONE:-${NONE:-${NONE:-}}}",
        "${NONE:-}${NONE-}",
        "${NONE:--}",
        "${NONE:-:-}",
        "${NONE:-+x}",
        "${NONE-:-x}",
        "${SET:+:+x}",
        "${NONE:-$SET-$FILE}",
        "${NONE:-$}",
        "${NONE:-$$}",
        "${NONE:-$$$$}",
        "${NONE:-a b} ${NONE:-c}",
        "${NONE:-x}:${NONE:-y}",
        "${NONE:-\"{}\"}",
        "${NONE:-{\"a\":{\"b\":\"$SET\"}}}",
        "${NONE:-{${SET}}}",
        "${NONE:-[${SET}]}",
        "${NONE:-$${SET}}",
        "${NONE:-\n}",
        "${SET:-\n}\n$SET",
        "a\n${SET}\n\n$$\n",
        "${NONE\n}",
        "$SET\n",
        "${QUOTED}",
        "{$BRACE",
        "{$BRACES",
        "$BRACE{",
        "$BRACE%",
        "$BRACE# x",
        "$BRACE$BRACE",
        "${BRACE}${BRACES}",
        "{${NONE:-{}",
        "${NONE:-{}${BRACE}}",
        "$BRACE{x}$BRACE%$BRACE",
        "$QUOTED",
        "${GONE}",
        "${BARE}",
        "${BARE-unset}",
        "${BARE:-blank}",
        "http://${SET}:${NONE:-80}/${FILE}?q=$$1#${EMPTY:-f}",
        "${NONE:?}",
        "${NONE?}",
        "${NONE:?a: b}",
        "${EMPTY?e}",
        "${EMPTY:?e}",
        "${NONE:+${NONE:?x}}",
        "${SET:-${NONE:?x}}",
        "${SET-${NONE?x}}",
        "${SET:?${NONE:?x}}",
        "${SET+${SET:?x}}",
    ] {
        texts.insert(odd.to_owned());
    }
    texts.into_iter().map(|text| (text.clone(), text)).collect()
}

/// What topogen makes of a text.
fn read(text: &str) -> Option<String> {
    interpolate(text, &mut Variables::plain(&lookup)).ok()
}

fn file<'c>(texts: impl Iterator<Item = &'c str>) -> String {
    let service = |(at, text)| (format!("s{at}"), json!({"image": "i", "environment": {"V": text}}));
    let services: serde_json::Map<String, Value> = texts.enumerate().map(service).collect();
    json!({ "services": services }).to_string()
}

#[test]
fn the_record_of_interpolation_is_what_compose_says() {
    record::agrees("interpolation", &cases(), &|text| read(text).is_some(), &|texts| {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
        write("compose.yaml", &file(texts.iter().map(|text| text.as_str())));
        write(".env", DOTENV);
        let config = record::compose(directory.path(), OUTSIDE)?;
        // `config` prints what it would read again.
        let value = |at: usize| {
            config["services"][format!("s{at}")]["environment"]["V"]
                .as_str()
                .expect("a text")
                .replace("$$", "$")
        };
        Some((0..texts.len()).map(|at| json!(value(at))).collect())
    });
}

/// Each by itself is taken or refused as by Compose, with the same value.
#[test]
fn each_interpolation_is_what_compose_makes_of_it() {
    let recorded = record::read("interpolation");
    let mut differ = Vec::new();
    for (name, text) in cases() {
        let here = json!(read(&text));
        match recorded.get(&name) {
            Some(compose) if *compose == here => {}
            said => differ.push(format!("{name:?}: here {here}, Compose {said:?}")),
        }
    }
    assert!(differ.is_empty(), "{}:\n{}", differ.len(), differ.join("\n"));
}

/// All that are taken and are no templates, in one project, whose values come from where the program finds them.
#[test]
fn a_rendered_project_has_the_values_that_compose_finds() {
    let recorded = record::read("interpolation");
    let taken: Vec<(&String, &str)> = recorded
        .iter()
        .filter(|(text, _)| !["{{", "{%", "{#"].iter().any(|opens| text.contains(opens)))
        .filter_map(|(text, said)| Some((text, said.as_str()?)))
        .collect();
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    write("compose.yaml", &file(taken.iter().map(|(text, _)| text.as_str())));
    write(".env", DOTENV);
    write("topogen.yaml", "addresses: engine\nroles: {r: {compose: compose.yaml}}");
    let output = topogen_with(directory.path(), OUTSIDE, &["render", "-o", "out"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(directory.path().join("out/r/compose.yaml")).expect("a file");
    let tree = yaml::parse(&text, Default::default()).expect("YAML");
    let services = tree.get("services").expect("services");
    let mut differ = Vec::new();
    for (at, (text, said)) in taken.iter().enumerate() {
        let service = services.get(&format!("s{at}")).expect("a service");
        let value = service
            .get("environment")
            .and_then(|e| e.get("V"))
            .and_then(|v| v.scalar());
        let value = value.expect("a value").replace("$$", "$");
        if value != *said {
            differ.push(format!("{text:?}: here {value:?}, Compose {said:?}"));
        }
    }
    assert!(differ.is_empty(), "{}:\n{}", differ.len(), differ.join("\n"));
}
