//! Templates: strict minijinja in every text of a blueprint, evaluated for each node.
//!
//! Templates read nothing but their scope. Fuel bounds how long each may run, and a budget what all of them make.

mod bounded;
mod bounds;
mod peers;
mod problem;
mod rewrite;
mod roles;
mod texts;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::machinery::{CodeGenerator, Instructions, eval, make_string_output, parse};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value as Scope};

use crate::budget::Budget;
use crate::diagnostic::{Problem, Problems, Sources, Span};
use crate::value::{Map, Value};
use crate::yaml::{Node, Yaml};
use bounds::{MAX_TAG, long_tag};
use problem::NO_ROLE;
pub use roles::RoleNodes;
pub use texts::Texts;

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
    /// Its position among the compiled templates.
    id: usize,
    source: Arc<str>,
    span: Span,
    /// Whether Compose requires a number or a boolean here.
    typed: bool,
}

/// All compiled templates of one blueprint, whose texts live for `'t`.
pub struct Templates<'t> {
    environment: Environment<'t>,
    syntax: SyntaxConfig,
    texts: &'t Texts,
    compiled: Vec<Compiled<'t>>,
    roles: Vec<String>,
    budget: Arc<Budget>,
    /// Bytes that the current template has written.
    written: Arc<AtomicUsize>,
}

/// One template as the engine runs it.
struct Compiled<'t> {
    instructions: Instructions<'t>,
    blocks: BTreeMap<&'t str, Instructions<'t>>,
}

/// The environment variables, read once when the program starts.
pub type Variables = Arc<HashMap<String, String>>;

/// What a value takes in a map or list of a topology, beside its text; bytes.
const VALUE: usize = 128;
/// What a compiled template takes, bytes: the template engine reserves room for many instructions.
const TEMPLATE: usize = 8 << 10;
/// How many instructions take as long as it takes to begin.
const BEGINNING: u64 = 16;

impl<'t> Templates<'t> {
    /// Creates an empty set; `env('NAME')` reads `variables`, and what templates make draws on `budget`.
    #[must_use]
    pub fn new(variables: Variables, texts: &'t Texts, budget: Arc<Budget>) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        // A line that holds only a block leaves no empty line, so that config files look like their templates.
        let mut syntax = SyntaxConfig::builder();
        syntax.keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true);
        let syntax = syntax.build().unwrap_or_default();
        // The output is YAML and config files, never HTML.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        let (own, written) = (budget.clone(), Arc::<AtomicUsize>::default());
        let counter = written.clone();
        environment.set_formatter(move |out, state, value| {
            let more = bounded::written(value, &own)?;
            if counter.fetch_add(more, Ordering::Relaxed).saturating_add(more) > MAX_OUTPUT {
                let message = format!("yields too much: {} MiB are the most", MAX_OUTPUT >> 20);
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
            // It is written, and kept.
            bounded::draw(more.saturating_mul(2), &own)?;
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
        bounded::add_to(&mut environment, &budget);
        Self {
            environment,
            syntax,
            texts,
            compiled: Vec::new(),
            roles: Vec::new(),
            budget,
            written,
        }
    }

    /// Defines `name` for every template.
    pub fn set_global(&mut self, name: &'static str, value: Scope) {
        self.environment.add_global(name, value);
    }

    /// Defines the function `role(name)`, which returns the nodes of a role, for every template; of a role whose count has
    /// dimensions, `role(name, shard=2)` returns those with that index.
    pub fn set_roles(&mut self, roles: Vec<RoleNodes>) {
        self.roles = roles.iter().map(|role| role.name.clone()).collect();
        let roles: Vec<roles::Indexed> = roles.into_iter().map(roles::Indexed::new).collect();
        let budget = self.budget.clone();
        self.environment
            .add_function("role", move |name: &str, indices: Kwargs| {
                let role = roles.iter().find(|role| role.is(name));
                let role = role.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("{NO_ROLE}`{name}`")))?;
                role.nodes(&indices, &budget)
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
        if self.budget.is_spent() || self.budget.spend(TEMPLATE).is_err() {
            problems.push(self.budget.problem(span));
            return Pattern::Const(Value::Null);
        }
        let source = self.texts.keep(text.to_owned());
        match self.compiled(source) {
            Ok(compiled) => {
                self.compiled.push(compiled);
                Pattern::Text(Text {
                    id: self.compiled.len() - 1,
                    source: text.into(),
                    span,
                    typed,
                })
            }
            Err(error) => {
                problems.push(self.problem(&error, text, span, &Scope::UNDEFINED, sources));
                Pattern::Const(Value::Null)
            }
        }
    }

    /// The template `source`, with bounds for what it makes.
    fn compiled(&self, source: &'t str) -> Result<Compiled<'t>, Error> {
        const NAME: &str = "template";
        let tree = parse(source, NAME, self.syntax.clone())?;
        let mut generator = CodeGenerator::new(NAME, source);
        generator.compile_stmt(&rewrite::statement(&tree));
        let (instructions, blocks) = generator.finish();
        Ok(Compiled { instructions, blocks })
    }

    /// The output of the template `id`.
    fn rendered(&self, id: usize, scope: &Scope) -> Result<String, Error> {
        let Some(Compiled { instructions, blocks }) = self.compiled.get(id) else {
            return Ok(String::new());
        };
        self.written.store(0, Ordering::Relaxed);
        let mut text = String::new();
        let mut output = make_string_output(&mut text);
        let environment = &self.environment;
        let ended = eval(
            environment,
            instructions,
            scope.clone(),
            blocks,
            &mut output,
            AutoEscape::None,
        );
        let spent = match &ended {
            Ok((_, state)) => state.fuel_levels().map_or(FUEL, |(spent, _)| spent),
            Err(_) => FUEL,
        };
        ended?;
        self.budget.run(spent + BEGINNING).map_err(bounded::over)?;
        Ok(text)
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
                // What is said once of a spent budget is not said again of whatever follows.
                if self.budget.is_spent() {
                    return None;
                }
                match self.rendered(text.id, scope) {
                    Err(error) if self.budget.is_spent() => {
                        let range = error.range().filter(|r| text.source.get(r.clone()).is_some());
                        let place = range.map_or(text.span, |r| sources.within(text.span, &text.source, r));
                        problems.push(self.budget.problem(place));
                        None
                    }
                    Ok(result) if text.typed => Some(Value::from_exact(&result)),
                    Ok(result) => Some(Value::Text(result.into())),
                    Err(error) => {
                        problems.push(self.problem(&error, &text.source, text.span, scope, sources));
                        None
                    }
                }
            }
            Pattern::List(items) => {
                self.budget.spend(items.len().saturating_mul(VALUE)).ok()?;
                let values: Vec<Value> = items
                    .iter()
                    .filter_map(|p| self.evaluate(p, scope, sources, problems))
                    .collect();
                (values.len() == items.len()).then(|| values.into())
            }
            Pattern::Map(fields) => {
                self.budget.spend(fields.len().saturating_mul(VALUE)).ok()?;
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
