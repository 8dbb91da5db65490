//! Turns errors of the template engine into problems that help the template's author.

use std::ops::Range;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value as Scope};

use super::{FUEL, Templates};
use crate::diagnostic::{Problem, Sources, Span, nearest};

/// The filters, functions and tests of templates, for "did you mean".
const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "hosts",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "names",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "urls",
    "zip",
];

const FUNCTIONS: &[&str] = &["debug", "dict", "env", "namespace", "range", "role"];

const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// The beginning of the error of `role()` for an undefined role.
pub(super) const NO_ROLE: &str = "unknown role ";

impl Templates<'_> {
    /// The problem that describes the template engine's `error`.
    pub(super) fn problem(&self, error: &Error, text: &str, span: Span, scope: &Scope, sources: &Sources) -> Problem {
        self.describe(error, text, span, scope, sources).by_itself()
    }

    fn describe(&self, error: &Error, text: &str, span: Span, scope: &Scope, sources: &Sources) -> Problem {
        let range = error.range().filter(|r| text.get(r.clone()).is_some());
        let place = |range: Range<usize>| sources.within(span, text, range);
        let at = range.clone().map_or(span, place);
        let detail = error.detail().unwrap_or_default();
        let unknown = |what: &str, known: &[&str]| {
            let used = range.clone().and_then(|r| text.get(r)).unwrap_or_default();
            let name = word(used);
            let at = range.clone().map_or(span, |r| place(r.start..r.start + name.len()));
            Problem::at(at, format!("template: unknown {what} `{name}`")).did_you_mean(name, known.iter().copied())
        };
        match error.kind() {
            ErrorKind::UndefinedError if detail.starts_with("environment") => {
                Problem::at(at, format!("template: {detail}")).hint("set it, or say what else: env('NAME', 'default')")
            }
            ErrorKind::UndefinedError => {
                let used = range.map_or(0..0, |r| whole_path(text, r));
                let path = text.get(used.clone()).unwrap_or_default();
                let at = if path.is_empty() { at } else { place(used) };
                let problem = Problem::at(at, format!("template: `{path}` is not defined"));
                self.near(problem, path, scope)
            }
            ErrorKind::OutOfFuel => {
                Problem::at(at, "template: runs too long").label(format!("stopped after {FUEL} instructions"))
            }
            ErrorKind::UnknownFilter => unknown("filter", FILTERS),
            ErrorKind::UnknownFunction => unknown("function", FUNCTIONS),
            ErrorKind::UnknownTest => unknown("test", TESTS),
            ErrorKind::TemplateNotFound => Problem::at(at, "template: templates read no files")
                .hint("write it here, or make each file a config of its own"),
            _ if detail.starts_with(NO_ROLE) => {
                let name = detail[NO_ROLE.len()..].trim_matches('`');
                Problem::at(at, format!("template: {detail}")).did_you_mean(name, self.roles.iter().map(String::as_str))
            }
            kind => {
                let detail = if detail.is_empty() {
                    kind.to_string()
                } else {
                    detail.to_owned()
                };
                let problem = Problem::at(at, format!("template: {detail}"));
                let used = range.and_then(|r| text.get(r)).unwrap_or_default();
                let docker = used == "." || ["{{.", "{{json", ".}}", " . }}"].iter().any(|sign| text.contains(sign));
                if docker {
                    problem.hint("braces that Docker is to read go between `{% raw %}` and `{% endraw %}`")
                } else {
                    problem
                }
            }
        }
    }

    /// Describes how long the list is, if `path` indexes a list beyond its end.
    fn beyond(&self, path: &str, scope: &Scope) -> Option<String> {
        path.match_indices(']').find_map(|(end, _)| {
            let (list, index) = path[..end].rsplit_once('[')?;
            let index: usize = index.trim().parse().ok()?;
            let expression = self.environment.compile_expression(list).ok()?;
            let value = expression.eval(scope).ok()?;
            let count = value.len().filter(|_| value.kind() == ValueKind::Seq)?;
            let what = match word(list) {
                "role" | "nodes" => "node",
                _ => "item",
            };
            let s = if count == 1 { "" } else { "s" };
            (count <= index).then(|| format!("`{list}` has {count} {what}{s}, counted from 0"))
        })
    }

    /// Adds "did you mean" for `path`, which is undefined in `scope`.
    fn near(&self, problem: Problem, path: &str, scope: &Scope) -> Problem {
        let scope_hint = "in scope are `node`, `nodes`, `role('…')`, `vars`, `cluster` and `env('…')`";
        let keys = |value: &Scope| -> Vec<String> {
            let keys = value.try_iter().into_iter().flatten();
            keys.filter_map(|k| k.as_str().map(str::to_owned)).collect()
        };
        if let Some(hint) = self.beyond(path, scope) {
            return problem.hint(hint);
        }
        let first = word(path);
        let mut known = keys(scope);
        known.extend(["nodes", "cluster", "role", "env"].map(str::to_owned));
        let names = || known.iter().map(String::as_str);
        let Some((base, key)) = path.rsplit_once('.') else {
            return match nearest(path, names()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(scope_hint),
            };
        };
        let value = self
            .environment
            .compile_expression(base)
            .and_then(|expression| expression.eval(scope));
        match value {
            Ok(value) if value.kind() == ValueKind::Map && value.len() == Some(0) => {
                problem.hint(format!("`{base}` is empty"))
            }
            Ok(value) if value.kind() == ValueKind::Map => {
                let keys = keys(&value);
                problem.did_you_mean(key, keys.iter().map(String::as_str))
            }
            Ok(value) if value.kind() == ValueKind::Seq => problem.hint(format!(
                "`{base}` is a list: take one, `{base}[0].{key}`, or all, `{base} | map(attribute='{key}')`"
            )),
            Ok(value) if value.kind() == ValueKind::String => problem.hint(format!("`{base}` is text, not a map")),
            Ok(value) if value.kind() == ValueKind::Number => problem.hint(format!("`{base}` is a number, not a map")),
            _ => match nearest(first, names()).filter(|near| *near != first) {
                Some(near) => problem.hint(format!("did you mean `{near}{}`?", &path[first.len()..])),
                None => problem.hint(scope_hint),
            },
        }
    }
}

/// The identifier at the beginning of `text`.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// `range` of `text`, extended to the left to the beginning of the path: `role('a')[0].name`.
fn whole_path(text: &str, range: Range<usize>) -> Range<usize> {
    let mut start = range.start;
    let mut closing = 0usize;
    for (at, c) in text[..range.end].char_indices().rev() {
        match c {
            ')' | ']' => closing += 1,
            '(' | '[' if closing == 0 => break,
            '(' | '[' => closing -= 1,
            _ if closing > 0 || c.is_alphanumeric() || c == '_' || c == '.' => {}
            _ => break,
        }
        start = start.min(at);
    }
    start..range.end
}
