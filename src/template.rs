//! Templates: strict minijinja in every text of a blueprint, evaluated for each node.
//!
//! Templates read nothing but their scope, and fuel bounds how long each may run.

mod bounds;
mod problem;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value as Scope};

use crate::diagnostic::{Problem, Problems, Sources, Span};
use crate::value::{Map, Value};
use crate::yaml::{Node, Yaml};
use bounds::{MAX_INDENT, MAX_TAG, indented, long_tag};
use problem::NO_ROLE;

/// Instructions that one template may run; a loop over 10,000 nodes takes about a tenth of them.
const FUEL: u64 = 1_000_000;
/// Keys whose value Compose requires to be a number or a boolean. A template yields text, which is converted.
const TYPED_KEYS: &[&str] = &[
    "attachable",
    "count",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_shares",
    "cpus",
    "disable",
    "enable_ipv4",
    "enable_ipv6",
    "gw_priority",
    "hard",
    "init",
    "internal",
    "max_attempts",
    "mem_swappiness",
    "oom_kill_disable",
    "oom_score_adj",
    "parallelism",
    "pids",
    "pids_limit",
    "priority",
    "privileged",
    "published",
    "read_only",
    "replicas",
    "required",
    "retries",
    "scale",
    "soft",
    "stdin_open",
    "target",
    "tty",
    "weight",
];
/// Keys whose children are named by the user.
const FREE_KEYS: &[&str] = &[
    "annotations",
    "args",
    "driver_opts",
    "environment",
    "labels",
    "options",
    "sysctls",
    "vars",
];
/// The largest output of one template, in bytes.
const MAX_OUTPUT: usize = crate::yaml::MAX_BYTES;

/// A value in which texts may be templates.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// A value without templates, the same for every node.
    Const(Value),
    /// A text that is a template.
    Text(Text),
    /// A list that contains a template.
    List(Vec<Pattern>),
    /// A map that contains a template.
    Map(Vec<(Arc<str>, Pattern)>),
}

/// A template and where it is written.
#[derive(Debug, Clone)]
pub struct Text {
    id: String,
    source: Arc<str>,
    span: Span,
    /// Whether Compose requires a number or a boolean here.
    typed: bool,
}

/// All compiled templates of one blueprint.
pub struct Templates {
    environment: Environment<'static>,
    count: usize,
    roles: Vec<String>,
    /// Bytes that the current template has written.
    written: Arc<AtomicUsize>,
}

/// The environment variables, read once when the program starts.
pub type Variables = Arc<HashMap<String, String>>;

impl Templates {
    /// Creates an empty set; `env('NAME')` reads `variables`.
    #[must_use]
    pub fn new(variables: Variables) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        // A line that holds only a block leaves no empty line, so that config files look like their templates.
        let mut syntax = SyntaxConfig::builder();
        syntax.keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true);
        if let Ok(syntax) = syntax.build() {
            environment.set_syntax(syntax);
        }
        // The output is YAML and config files, never HTML.
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        let written = Arc::new(AtomicUsize::new(0));
        let counter = written.clone();
        environment.set_formatter(move |out, state, value| {
            let more = value.as_str().map_or(1, str::len);
            if counter.fetch_add(more, Ordering::Relaxed) + more > MAX_OUTPUT {
                let message = format!("yields too much: {} MiB are the most", MAX_OUTPUT >> 20);
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
            // Booleans are written as in YAML and JSON, not as in Python, so that `privileged: "{{ vars.debug }}"` is a
            // boolean.
            if value.kind() == ValueKind::Bool {
                return Ok(out.write_str(if value.is_true() { "true" } else { "false" })?);
            }
            minijinja::escape_formatter(out, state, value)
        });
        environment.add_function("env", move |name: &str, default: Option<String>| {
            variables.get(name).cloned().or(default).ok_or_else(|| {
                Error::new(
                    ErrorKind::UndefinedError,
                    format!("environment variable `{name}` is not set"),
                )
            })
        });
        // Fuel bounds the number of steps, not the size of a step. Filters that multiply text are bounded here.
        environment.add_filter(
            "indent",
            |text: &str, width: usize, first: Option<bool>, blank: Option<bool>| {
                if width > MAX_INDENT {
                    return Err(Error::new(
                        ErrorKind::InvalidOperation,
                        format!("`indent` takes {MAX_INDENT} at most"),
                    ));
                }
                Ok(indented(text, width, first.unwrap_or(false), blank.unwrap_or(false)))
            },
        );
        environment.add_filter(
            "format",
            |state: &mut State<'_, '_>, format: &Scope, values: Rest<ValueOrKwargs>| {
                let text = format.as_str().unwrap_or_default();
                let digits = text
                    .split(|c: char| !c.is_ascii_digit())
                    .map(str::len)
                    .max()
                    .unwrap_or(0);
                if digits > 3 || text.contains('*') {
                    return Err(Error::new(
                        ErrorKind::InvalidOperation,
                        "`format` takes widths up to 999",
                    ));
                }
                minijinja::filters::format(state, format, values)
            },
        );
        // Plain JSON. The built-in filter escapes for HTML, which config files do not need.
        environment.add_filter("tojson", |value: &Scope, pretty: Option<bool>| {
            let text = match pretty {
                Some(true) => serde_json::to_string_pretty(value),
                _ => serde_json::to_string(value),
            };
            text.map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
        });
        Self {
            environment,
            count: 0,
            roles: Vec::new(),
            written,
        }
    }

    /// Defines `name` for every template.
    pub fn set_global(&mut self, name: &'static str, value: Scope) {
        self.environment.add_global(name, value);
    }

    /// Defines the function `role(name)`, which returns the nodes of a role, for every template.
    pub fn set_roles(&mut self, roles: Vec<(String, Scope)>) {
        self.roles = roles.iter().map(|(role, _)| role.clone()).collect();
        self.environment.add_function("role", move |name: &str| {
            roles
                .iter()
                .find(|(role, _)| role == name)
                .map(|(_, nodes)| nodes.clone())
                .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("{NO_ROLE}`{name}`")))
        });
    }

    /// Compiles every text below `node`.
    pub fn compile(&mut self, node: &Node, sources: &Sources, problems: &mut Problems) -> Pattern {
        self.pattern(node, false, sources, problems)
    }

    /// Compiles every text below `node`, the value of `key` in a service.
    pub fn compile_under(&mut self, key: &str, node: &Node, sources: &Sources, problems: &mut Problems) -> Pattern {
        if FREE_KEYS.contains(&key) {
            return self.free(node, sources, problems);
        }
        self.pattern(node, TYPED_KEYS.contains(&key), sources, problems)
    }

    fn pattern(&mut self, node: &Node, typed: bool, sources: &Sources, problems: &mut Problems) -> Pattern {
        match &node.value {
            Yaml::Text(text) if is_template(text) => self.text(text, node.span, typed, sources, problems),
            Yaml::List(list) => {
                let items = list.iter().map(|n| self.pattern(n, typed, sources, problems));
                list_or_const(items.collect(), node)
            }
            Yaml::Map(entries) => {
                let fields = entries.iter().map(|e| {
                    (
                        e.key.as_str().into(),
                        self.compile_under(&e.key, &e.node, sources, problems),
                    )
                });
                map_or_const(fields.collect(), node)
            }
            _ => Pattern::Const(Value::from(node)),
        }
    }

    /// Compiles what lies below user-named keys, where values are texts whatever the key is called.
    fn free(&mut self, node: &Node, sources: &Sources, problems: &mut Problems) -> Pattern {
        match &node.value {
            Yaml::Map(entries) => {
                let fields = entries
                    .iter()
                    .map(|e| (e.key.as_str().into(), self.free(&e.node, sources, problems)));
                map_or_const(fields.collect(), node)
            }
            _ => self.pattern(node, false, sources, problems),
        }
    }

    fn text(&mut self, text: &str, span: Span, typed: bool, sources: &Sources, problems: &mut Problems) -> Pattern {
        if let Some(tag) = long_tag(text) {
            let place = sources.within(span, text, tag..tag + 2);
            problems.push(
                Problem::at(place, "template: one expression is too long")
                    .by_itself()
                    .label(format!("{MAX_TAG} bytes are the most"))
                    .hint("put parts of it into `vars`, or into `{% set … %}`"),
            );
            return Pattern::Const(Value::Null);
        }
        let id = self.count.to_string();
        self.count += 1;
        match self.environment.add_template_owned(id.clone(), text.to_owned()) {
            Ok(()) => Pattern::Text(Text {
                id,
                source: text.into(),
                span,
                typed,
            }),
            Err(error) => {
                problems.push(self.problem(&error, text, span, &Scope::UNDEFINED, sources));
                Pattern::Const(Value::Null)
            }
        }
    }

    /// Evaluates `pattern` in `scope`; `None` when a template in it fails, and each failure is a problem.
    pub fn evaluate(
        &self,
        pattern: &Pattern,
        scope: &Scope,
        sources: &Sources,
        problems: &mut Problems,
    ) -> Option<Value> {
        match pattern {
            Pattern::Const(value) => Some(value.clone()),
            Pattern::Text(text) => {
                let template = self.environment.get_template(&text.id);
                self.written.store(0, Ordering::Relaxed);
                match template.and_then(|template| template.render(scope)) {
                    Ok(result) if text.typed => Some(Value::from_exact(&result)),
                    Ok(result) => Some(Value::Text(result.into())),
                    Err(error) => {
                        problems.push(self.problem(&error, &text.source, text.span, scope, sources));
                        None
                    }
                }
            }
            Pattern::List(items) => {
                let values: Vec<Value> = items
                    .iter()
                    .filter_map(|p| self.evaluate(p, scope, sources, problems))
                    .collect();
                (values.len() == items.len()).then(|| values.into())
            }
            Pattern::Map(fields) => {
                let mut map = Map::with_capacity(fields.len());
                for (key, pattern) in fields {
                    if let Some(value) = self.evaluate(pattern, scope, sources, problems) {
                        map.insert(key.clone(), value);
                    }
                }
                (map.len() == fields.len()).then(|| map.into())
            }
        }
    }
}

fn list_or_const(items: Vec<Pattern>, node: &Node) -> Pattern {
    if items.iter().all(|p| matches!(p, Pattern::Const(_))) {
        Pattern::Const(Value::from(node))
    } else {
        Pattern::List(items)
    }
}

fn map_or_const(fields: Vec<(Arc<str>, Pattern)>, node: &Node) -> Pattern {
    if fields.iter().all(|(_, p)| matches!(p, Pattern::Const(_))) {
        Pattern::Const(Value::from(node))
    } else {
        Pattern::Map(fields)
    }
}

/// Whether `text` contains template syntax. `{{.Name}}` does not count: it is a Docker template, for example in log
/// tags, and no expression of ours begins with a dot.
#[must_use]
pub fn is_template(text: &str) -> bool {
    let opens = |rest: &str| match rest.strip_prefix('{') {
        Some(inside) => !inside.trim_start_matches([' ', '-']).starts_with('.'),
        None => rest.starts_with(['%', '#']),
    };
    text.match_indices('{').any(|(at, _)| opens(&text[at + 1..]))
}
