//! Templates: strict minijinja in every text of a blueprint, evaluated for each node.
//!
//! They read nothing but their scope, and their fuel bounds how long they may run.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value as Scope};

use crate::diagnostic::{Problem, Problems, Sources, Span};
use crate::value::{Map, Value};
use crate::yaml::{Node, Yaml};

/// Instructions one template may run: a loop over 10,000 nodes takes about a tenth.
const FUEL: u64 = 1_000_000;

/// A value whose texts may be templates.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// The same for every node.
    Const(Value),
    /// A template.
    Text(Text),
    /// A list with a template in it.
    List(Vec<Pattern>),
    /// A map with a template in it.
    Map(Vec<(Arc<str>, Pattern)>),
}

/// One template and its place.
#[derive(Debug, Clone)]
pub struct Text {
    id: String,
    source: Arc<str>,
    span: Span,
}

/// The templates of one blueprint.
pub struct Templates {
    environment: Environment<'static>,
    count: usize,
}

/// The environment's variables, read once at the edge of the program.
pub type Variables = Arc<HashMap<String, String>>;

impl Templates {
    /// No template yet; `env('NAME')` answers from `variables`.
    #[must_use]
    pub fn new(variables: Variables) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        // A line that holds a block and nothing else leaves no line behind: config files look as their templates do.
        let mut syntax = SyntaxConfig::builder();
        syntax.keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true);
        if let Ok(syntax) = syntax.build() {
            environment.set_syntax(syntax);
        }
        // Output is Compose YAML and config files, never HTML.
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_function("env", move |name: &str, default: Option<String>| {
            variables.get(name).cloned().or(default).ok_or_else(|| {
                Error::new(
                    ErrorKind::UndefinedError,
                    format!("environment variable `{name}` is not set"),
                )
            })
        });
        Self { environment, count: 0 }
    }

    /// Make `name` known to every template.
    pub fn set_global(&mut self, name: &'static str, value: Scope) {
        self.environment.add_global(name, value);
    }

    /// Make the function `role(name)` known to every template: the nodes of a role.
    pub fn set_roles(&mut self, roles: Vec<(String, Scope)>) {
        self.environment.add_function("role", move |name: &str| {
            roles
                .iter()
                .find(|(role, _)| role == name)
                .map(|(_, nodes)| nodes.clone())
                .ok_or_else(|| {
                    let known: Vec<&str> = roles.iter().map(|(role, _)| role.as_str()).collect();
                    Error::new(
                        ErrorKind::InvalidOperation,
                        format!("no role `{name}`, known are {}", known.join(", ")),
                    )
                })
        });
    }

    /// Compile every text below `node`.
    pub fn compile(&mut self, node: &Node, sources: &Sources, problems: &mut Problems) -> Pattern {
        match &node.value {
            Yaml::Text(text) if is_template(text) => self.text(text, node.span, sources, problems),
            Yaml::List(list) => {
                let items: Vec<Pattern> = list.iter().map(|n| self.compile(n, sources, problems)).collect();
                if items.iter().all(|p| matches!(p, Pattern::Const(_))) {
                    Pattern::Const(Value::from(node))
                } else {
                    Pattern::List(items)
                }
            }
            Yaml::Map(entries) => {
                let fields: Vec<(Arc<str>, Pattern)> = entries
                    .iter()
                    .map(|e| (e.key.as_str().into(), self.compile(&e.node, sources, problems)))
                    .collect();
                if fields.iter().all(|(_, p)| matches!(p, Pattern::Const(_))) {
                    Pattern::Const(Value::from(node))
                } else {
                    Pattern::Map(fields)
                }
            }
            _ => Pattern::Const(Value::from(node)),
        }
    }

    fn text(&mut self, text: &str, span: Span, sources: &Sources, problems: &mut Problems) -> Pattern {
        let id = self.count.to_string();
        self.count += 1;
        match self.environment.add_template_owned(id.clone(), text.to_owned()) {
            Ok(()) => Pattern::Text(Text {
                id,
                source: text.into(),
                span,
            }),
            Err(error) => {
                problems.push(problem(&error, text, span, sources));
                Pattern::Const(Value::Null)
            }
        }
    }

    /// The value of `pattern` in `scope`; `None` where any template in it fails, each of which is a problem.
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
                match template.and_then(|template| template.render(scope)) {
                    Ok(text) => Some(Value::Text(text.into())),
                    Err(error) => {
                        problems.push(problem(&error, &text.source, text.span, sources));
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

/// Whether `text` has anything for the template engine to do.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

fn problem(error: &Error, text: &str, span: Span, sources: &Sources) -> Problem {
    let place = error.range().map_or(span, |range| sources.within(span, text, range));
    let used = error.range().and_then(|range| text.get(range)).unwrap_or_default();
    match error.kind() {
        ErrorKind::UndefinedError => {
            let message = match error.detail() {
                Some(detail) if detail.starts_with("environment") => detail.to_owned(),
                _ => format!("`{used}` is not defined"),
            };
            Problem::at(place, format!("template: {message}"))
                .hint("in scope are `node`, `nodes`, `role('…')`, `vars`, `cluster` and `env('…')`")
        }
        ErrorKind::OutOfFuel => {
            Problem::at(place, "template: runs too long").label(format!("stopped after {FUEL} instructions"))
        }
        kind => {
            let detail = error.detail().map_or_else(|| kind.to_string(), str::to_owned);
            Problem::at(place, format!("template: {detail}"))
        }
    }
}
