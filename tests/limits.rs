//! What a blueprint may expand to: every way to make much of little is stopped, with its own message and place.

use std::fmt::Write as _;

use topogen::budget::{self, Budget};
use topogen::topology::expand::Overrides;

use crate::support::{LAB, expanded, expanded_within};

/// A role whose only service has that as a variable of its environment.
fn template(text: &str) -> String {
    format!("roles: {{r: {{services: {{a: {{image: i, environment: {{A: '{text}'}}}}}}}}}}\n")
}

/// A loop of 40 turns, each of which makes of `x` what it says.
fn forty(start: &str, turn: &str, end: &str) -> String {
    template(&format!(
        "{{% set n = namespace(x={start}) %}}{{% for i in range(40) %}}{{% set n.x = {turn} %}}{{% endfor %}}{{{{ {end} }}}}"
    ))
}

fn is_too_much(what: &str, text: &str) {
    let told = expanded(text, &Overrides::default()).map(drop).expect_err(what);
    assert!(
        told.contains("error: the blueprint expands to too much"),
        "{what}: {told}"
    );
    assert!(told.contains("past 256 MiB here"), "{what}: {told}");
    assert!(told.contains(" --> topogen.yaml:"), "{what}: {told}");
}

#[test]
fn templates_cannot_make_much_of_little() {
    let cases = [
        ("a repeated text", template(r#"{{ "x" * 1000000000 }}"#)),
        ("a repeated list", template("{{ ([1] * 100000000) | list | length }}")),
        ("a list of lists", template("{{ ([[1] * 1000] * 1000000) | length }}")),
        (
            "constants",
            template(r#"{{ ("x" * 90000000 ~ "x" * 90000000 ~ "x" * 90000000) | length }}"#),
        ),
        ("texts joined", forty(r#""x""#, "n.x ~ n.x", "n.x | length")),
        ("texts added", forty(r#""x""#, "n.x + n.x", "n.x | length")),
        ("lists added", forty("[1]", "n.x + n.x", "n.x | list | length")),
        ("lists in lists", forty("[1]", "[n.x, n.x]", "n.x == n.x")),
        (
            "maps in maps",
            forty("{}", r#"{"a": n.x, "b": n.x}"#, "n.x | tojson | length"),
        ),
        ("join", template(r#"{{ range(100000) | join("y" * 100000) | length }}"#)),
        (
            "replace",
            template(r#"{{ ("x" * 1000000) | replace("x", "y" * 1000) | length }}"#),
        ),
        (
            "tojson",
            template(r#"{% set x = "x" * 1000000 %}{{ ([x] * 1000) | tojson | length }}"#),
        ),
        (
            "string",
            template(r#"{% set x = "x" * 1000000 %}{{ ([x] * 1000) | string | length }}"#),
        ),
        (
            "a list joined to a text",
            template(r#"{% set x = "x" * 1000000 %}{{ ([x] * 1000 ~ "") | length }}"#),
        ),
        (
            "indent",
            template(r#"{{ ("\n" * 1000000) | indent(1000, true, true) | length }}"#),
        ),
        (
            "slices",
            template(r#"{% set x = "x" * 9000000 %}{% for i in range(99) %}{% set y = x[1:] %}{% endfor %}"#),
        ),
        (
            "split",
            template(r#"{% set x = "x " * 9000000 %}{% for i in range(99) %}{% set y = x | split %}{% endfor %}"#),
        ),
    ];
    for (what, text) in cases {
        is_too_much(what, &text);
    }
}

#[test]
fn what_templates_write_as_it_stands_counts_too() {
    let raw = "y".repeat(2000);
    let block = format!("{{% set x %}}{{% for i in range(99999) %}}{raw}{{% endfor %}}{{% endset %}}");
    let told = expanded(&template(&block), &Overrides::default()).expect_err("too much");
    assert!(told.contains("yields too much: 10 MiB are the most"), "{told}");
}

#[test]
fn what_repeats_itself_counts_each_time() {
    let long = "x".repeat(1 << 20);
    let aliases = format!("x-a: &a \"{long}\"\nx-b: [{}]\n{}", "*a, ".repeat(300), template("b"));
    is_too_much("aliases", &aliases);
    let mut merges = format!("x-a: &a {{K: \"{long}\"}}\nroles: {{r: {{services: {{\n");
    for at in 0..300 {
        let _ = writeln!(merges, "  s{at}: {{image: i, environment: {{<<: *a}}}},");
    }
    is_too_much("merges", &format!("{merges}}}}}}}\n"));
    let nodes = format!(
        "roles: {{r: {{count: 1000, services: {{a: {{image: i, environment: {{A: \"{{{{ node.name }}}}{}\"}}}}}}}}}}",
        &long[..1 << 18]
    );
    is_too_much("nodes", &nodes);
    let ports = "roles: {r: {count: 100, services: {a: {image: i, ports: [1-65535], expose: [1-65535/udp]}}}}";
    is_too_much("ports", ports);
    let roles: String = ('a'..='h')
        .map(|r| format!("  {r}: {{count: 10000, services: {{a: {{image: i}}}}}}\n"))
        .collect();
    is_too_much("counts", &format!("roles:\n{roles}"));
}

#[test]
fn an_option_allows_more_or_less() {
    let text = template(r#"{{ ("x" * 100000) | length }}"#);
    let within = |limit: u64| expanded_within(&text, &Overrides::default(), Budget::of(limit));
    assert!(within(1 << 20).is_ok());
    insta::assert_snapshot!("over_a_small_budget", within(64 << 10).expect_err("too little"));
}

/// What a template may do within its bounds it does as before.
#[test]
fn bounded_operators_mean_what_they_meant() {
    let cases = [
        (
            r#"{{ 2 * 3 }} {{ 2 * 1.5 }} {{ "ab" * 2 }} {{ 2 * "ab" }} {{ [1, 2] * 2 }}"#,
            "6 3.0 abab abab [1, 2, 1, 2]",
        ),
        (
            r#"{{ 1 ~ "a" ~ true }} {{ 1 + 2 }} {{ "a" + "b" }} {{ ([1] + [2]) | list }}"#,
            "1aTrue 3 ab [1, 2]",
        ),
        (r#"{{ "abc"[1:] }} {{ [1, 2, 3][::2] }}"#, "bc [1, 3]"),
        (
            r#"{% set a, b = [1, 2] %}{{ b }}{% for k, v in {"x": 1} | items %}{{ k }}{{ v }}{% endfor %}"#,
            "2x1",
        ),
        (
            r#"{% macro m(x, y=2) %}{{ x * y }}{% endmacro %}{{ m(4) }}{{ m(4, y=3) }}"#,
            "812",
        ),
        (
            r#"{% filter upper %}a{% endfilter %}{% set x | upper %}b{% endset %}{{ x }}"#,
            "AB",
        ),
        (
            r#"{{ [3, 1] | sort(reverse=true) | join(", ") }} {{ "a" | indent(2, true) }}"#,
            "3, 1   a",
        ),
        (
            r#"{% with a = 1 %}{{ a }}{% endwith %}{% for i in range(5) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}"#,
            "1012",
        ),
        (
            r#"{% macro t() %}<{{ caller() }}>{% endmacro %}{% call t() %}x{% endcall %}{{ 1 if false else 2 }}"#,
            "<x>2",
        ),
        (
            r#"{{ vars is defined and vars.x is undefined }} {{ vars.x | default("d") ~ "e" }}"#,
            "true de",
        ),
    ];
    for (text, expected) in cases {
        let topology = expanded(&template(text), &Overrides::default()).unwrap_or_else(|e| panic!("{text}: {e}"));
        let service = &topology.nodes[0].services[0];
        let environment = service.get("environment").and_then(|e| e.as_map()).expect("a map");
        assert_eq!(environment["A"].scalar().as_deref(), Some(expected), "{text}");
    }
}

/// The largest clusters that other limits allow are not too much by themselves.
#[test]
fn ten_thousand_slaves_of_the_lab_are_not_too_much() {
    let slaves = Overrides {
        slaves: Some(10_000),
        ..Overrides::default()
    };
    let half = expanded_within(LAB, &slaves, Budget::of(budget::DEFAULT / 3 * 2));
    assert_eq!(half.unwrap_or_else(|e| panic!("{e}")).nodes.len(), 10_001);
}
