//! Resolves `${VAR}` when a file is read (Compose specification, "Interpolation").

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::budget::Budget;
use crate::diagnostic::{Problem, Problems, Sources};
use crate::template::is_template;
use crate::yaml::{Node, Yaml};

/// Where variables come from, and which names had no value.
pub struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    unset: Vec<String>,
    /// Variables of the current Compose file only: those of the `.env` beside it, and its project.
    beside: Option<HashMap<String, String>>,
    /// For a file that is no template: values are not escaped.
    plain: bool,
    /// Texts stay as they are written.
    verbatim: bool,
    /// What the values that are put into texts draw on; `None` if nothing bounds them.
    budget: Option<Arc<Budget>>,
}

/// A variable that Compose itself sets, and that differs for each node (Compose specification, `name`).
const PROJECT: (&str, &str) = ("COMPOSE_PROJECT_NAME", "{{ node.project }}");

impl<'a> Variables<'a> {
    /// Variables whose values `lookup` gives.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            unset: Vec::new(),
            beside: None,
            plain: false,
            verbatim: false,
            budget: None,
        }
    }

    /// No variables: texts stay as they are written.
    pub fn verbatim() -> Self {
        Self {
            verbatim: true,
            ..Self::new(&|_| None)
        }
    }

    /// Variables for a text that is no template: the values of `.env` files.
    pub fn plain(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            plain: true,
            ..Self::new(lookup)
        }
    }

    /// The same, whose values draw on `budget`: a long one may be put into many texts.
    #[must_use]
    pub fn within(self, budget: Arc<Budget>) -> Self {
        let budget = Some(budget);
        Self { budget, ..self }
    }

    /// Draws the bytes of `value`, which stands for what is at `range` of a text.
    fn draw(&self, value: &str, range: Range<usize>) -> Result<(), InterpolationError> {
        let spent = self.budget.as_ref().map_or(Ok(()), |budget| budget.spend(value.len()));
        spent.map_err(|over| InterpolationError {
            range,
            message: format!("the text {over}"),
            hint: Some("a value is repeated each time that its variable is named".to_owned()),
        })
    }

    /// The value of `name`; `None` when it is not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        match &self.beside {
            Some(_) if name == PROJECT.0 => Some(PROJECT.1.to_owned()),
            Some(beside) => (self.lookup)(name).or_else(|| beside.get(name).cloned()),
            None => (self.lookup)(name),
        }
    }

    /// The value of `name`, escaped for the text that it is put into.
    fn value(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        Some(if self.plain { value } else { literal(&value) })
    }

    /// Sets the variables of the next Compose file, which have the lowest precedence, and returns the previous ones.
    /// `None` ends a Compose file.
    pub fn beside(&mut self, variables: Option<HashMap<String, String>>) -> Option<HashMap<String, String>> {
        std::mem::replace(&mut self.beside, variables)
    }

    /// Names without a value or default, in order of first use. They became empty text, as in Compose.
    #[must_use]
    pub fn unset(&self) -> &[String] {
        &self.unset
    }
}

/// What is wrong with a `$`, and where in the text.
#[derive(Debug, PartialEq, Eq)]
pub struct InterpolationError {
    /// The bytes of the text that are at fault.
    pub range: Range<usize>,
    /// What is wrong, as a message.
    pub message: String,
    /// The way out, where there is one to suggest.
    pub hint: Option<String>,
}

impl InterpolationError {
    /// The same in a text that has `more` bytes before.
    fn after(self, more: usize) -> Self {
        let range = self.range.start + more..self.range.end + more;
        Self { range, ..self }
    }
}

/// Replaces variables in every text below `node`, but not in keys. What is put in draws on the budget of `sources`.
pub fn tree(node: &mut Node, variables: &mut Variables<'_>, sources: &Sources, problems: &mut Problems) {
    if variables.verbatim {
        return;
    }
    variables.budget.get_or_insert_with(|| sources.budget().clone());
    match &mut node.value {
        Yaml::Text(text) if text.contains('$') => match interpolate(text, variables) {
            Ok(new) => *text = new,
            Err(_) if sources.budget().is_spent() => problems.push(sources.budget().problem(node.span)),
            Err(fault) => {
                let mut problem = Problem::at(sources.within(node.span, text, fault.range), fault.message);
                problem.hint = fault.hint;
                problems.push(problem);
            }
        },
        Yaml::List(list) => {
            for item in list {
                tree(item, variables, sources, problems);
            }
        }
        Yaml::Map(entries) => {
            for entry in entries {
                tree(&mut entry.node, variables, sources, problems);
            }
        }
        _ => {}
    }
}

/// Gives names without a value, of `environment` or of the `args` of `build`, that of the environment (Compose
/// specification, services, `environment`). One that has none there stays a name: in a container it takes away what an
/// `env_file` or the image says.
pub fn names(node: &mut Node, variables: &Variables<'_>) {
    // Where the budget does not suffice, the expansion ends later and says so.
    let value = |name: &str| {
        let value = literal(&variables.get(name)?);
        variables.draw(&value, 0..0).ok().map(|()| value)
    };
    match &mut node.value {
        Yaml::List(list) => {
            for item in list {
                if let Yaml::Text(text) = &mut item.value
                    && !text.contains('=')
                    && !is_template(text)
                    && let Some(value) = value(text)
                {
                    *text = format!("{text}={value}");
                }
            }
        }
        Yaml::Map(entries) => {
            for entry in entries.iter_mut().filter(|e| e.node.value == Yaml::Null) {
                if let Some(value) = value(&entry.key) {
                    entry.node.value = Yaml::Text(value);
                }
            }
        }
        _ => {}
    }
}

/// Replaces variables in `text` (Compose specification, "Interpolation"). A `$` that begins no variable is literal, as it
/// is to Compose: `$(date)`, `$0`, a pattern that ends in `$`.
///
/// # Errors
/// `${` that begins no variable, or a variable that `?` requires and that has no value.
pub fn interpolate(text: &str, variables: &mut Variables<'_>) -> Result<String, InterpolationError> {
    nested(text, variables, 0)
}

/// The deepest nesting of `${A:-${B:-…}}`.
const MAX_NESTING: usize = 32;

fn nested(text: &str, variables: &mut Variables<'_>, depth: usize) -> Result<String, InterpolationError> {
    if depth > MAX_NESTING {
        return Err(InterpolationError {
            range: 0..text.len(),
            message: "`${…}` nested too deep".to_owned(),
            hint: Some(format!("at most {MAX_NESTING} inside one another")),
        });
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$').map(|n| at + n) {
        add(&mut out, &text[at..dollar], variables);
        let rest = &text[dollar + 1..];
        at = match rest.as_bytes().first() {
            Some(b'$') => {
                out.push('$');
                dollar + 2
            }
            Some(b'{') => {
                let end = dollar + length(&text[dollar..]).map_err(|fault| fault.after(dollar))?;
                let value = braced(text, dollar + 2..end - 1, variables, depth)?;
                variables.draw(&value, dollar..end)?;
                add(&mut out, &value, variables);
                end
            }
            Some(b) if name_start(*b) => {
                let len = name_length(rest);
                let value = value_or_blank(&rest[..len], variables);
                variables.draw(&value, dollar..dollar + 1 + len)?;
                add(&mut out, &value, variables);
                dollar + 1 + len
            }
            _ => {
                out.push('$');
                dollar + 1
            }
        };
    }
    add(&mut out, &text[at..], variables);
    Ok(out)
}

/// Adds `part` to `out`, so that a brace of the one and what begins the other are not read as the beginning of a template.
fn add(out: &mut String, part: &str, variables: &Variables<'_>) {
    if !variables.plain && part.starts_with(['{', '%', '#']) && out.ends_with('{') && !out.ends_with("{{") {
        out.pop();
        out.push_str(BRACE);
    }
    out.push_str(part);
}

fn name_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_'
}

fn name_length(text: &str) -> usize {
    text.bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .count()
}

/// What may follow a name in braces.
const OPERATORS: [&str; 6] = [":-", "-", ":?", "?", ":+", "+"];

/// The length of the `${…}` with which `text` begins, found as Compose finds it: the longest one of its line, cut where its
/// braces are balanced. So a default may hold braces: `${A:-{}}`.
fn length(text: &str) -> Result<usize, InterpolationError> {
    let line = text.split('\n').next().unwrap_or_default();
    let Some(last) = line.rfind('}') else {
        return Err(InterpolationError {
            range: 0..text.len(),
            message: "`${` without its `}`".to_owned(),
            hint: Some("write `$$` for a dollar sign".to_owned()),
        });
    };
    let first = line.find('}').unwrap_or(last);
    let inside = &line[2..first];
    if !inside.bytes().next().is_some_and(name_start) {
        return Err(InterpolationError {
            range: 0..first + 1,
            message: format!("`${{{inside}}}` names no variable"),
            hint: Some("a name is letters, digits and `_`, and begins with no digit".to_owned()),
        });
    }
    let (name, operator) = inside.split_at(name_length(inside));
    if operator.is_empty() {
        return Ok(first + 1);
    }
    if !OPERATORS.iter().any(|known| operator.starts_with(known)) {
        return Err(InterpolationError {
            range: 0..first + 1,
            message: format!("`${{{inside}}}` is no interpolation that Compose knows"),
            hint: Some(format!(
                "known are `${{{name}}}` and, after the name, `:-default`, `-default`, `:?error`, `?error`, `:+instead`, `+instead`"
            )),
        });
    }
    Ok(balanced(&line[..=last]).unwrap_or(last) + 1)
}

/// The position of the `}` that closes the first brace of `text`; none where the braces are not balanced. What follows an
/// opening brace is no brace, as Compose counts them.
fn balanced(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'{' => {
                depth += 1;
                bytes.next();
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The value of what stands in the braces at `range` of `text`.
fn braced(
    text: &str,
    range: Range<usize>,
    variables: &mut Variables<'_>,
    depth: usize,
) -> Result<String, InterpolationError> {
    let inside = &text[range.clone()];
    let len = name_length(inside);
    let (name, operator) = inside.split_at(len);
    let (colon, kind) = match operator.as_bytes() {
        [b':', kind, ..] => (true, *kind),
        [kind, ..] => (false, *kind),
        [] => return Ok(value_or_blank(name, variables)),
    };
    // Compose interpolates the word after the operator also where it is not used: what it requires is required then, too.
    let start = range.start + len + if colon { 2 } else { 1 };
    let word = nested(&text[start..range.end], variables, depth + 1).map_err(|fault| fault.after(start))?;
    let value = variables.value(name).filter(|v| !colon || !v.is_empty());
    match (kind, value) {
        (b'-', value) => Ok(value.unwrap_or(word)),
        (b'+', Some(_)) => Ok(word),
        (b'+', None) => Ok(String::new()),
        (_, Some(value)) => Ok(value),
        (_, None) => Err(InterpolationError {
            range: range.start - 2..range.end + 1,
            message: match word.as_str() {
                "" => format!("variable `{name}` is required and has no value"),
                why => format!("variable `{name}` is required and has no value: {why}"),
            },
            hint: Some(format!("set it: {name}=… topogen …")),
        }),
    }
}

fn value_or_blank(name: &str, variables: &mut Variables<'_>) -> String {
    variables.value(name).unwrap_or_else(|| {
        if !variables.unset.iter().any(|n| n == name) {
            variables.unset.push(name.to_owned());
        }
        String::new()
    })
}

/// The template that is a brace.
const BRACE: &str = "{{ '{' }}";

/// Escapes a value from outside, which is never a template. The value that topogen sets itself is one.
fn literal(value: &str) -> String {
    if value != PROJECT.1 && ["{{", "{%", "{#"].iter().any(|open| value.contains(open)) {
        value.replace('{', BRACE)
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, String> {
        let lookup = |name: &str| match name {
            "SET" => Some("v".to_owned()),
            "EMPTY" => Some(String::new()),
            "BRACES" => Some("a{{b".to_owned()),
            "BRACE" => Some("{".to_owned()),
            _ => None,
        };
        interpolate(text, &mut Variables::new(&lookup)).map_err(|f| format!("{:?} {}", f.range, f.message))
    }

    #[test]
    fn every_form_of_the_specification() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$SET-${SET}", "v-v"),
            ("${NONE}|$NONE", "|"),
            ("${SET:-d} ${EMPTY:-d} ${NONE:-d}", "v d d"),
            ("${SET-d} ${EMPTY-d} ${NONE-d}", "v  d"),
            ("${SET:+r} ${EMPTY:+r} ${NONE:+r}", "r  "),
            ("${SET+r} ${EMPTY+r} ${NONE+r}", "r r "),
            ("${SET:?e} ${SET?e} ${EMPTY?e}", "v v "),
            ("${NONE:-a${NONE:-b${SET}}c}d", "abvcd"),
            ("$$SET $${SET}", "$SET ${SET}"),
            ("${NONE:-$$}", "$"),
            ("$BRACES", "a{{ '{' }}{{ '{' }}b"),
            ("{{ node.name }}", "{{ node.name }}"),
            ("{$BRACE x $BRACE%", "{{ '{' }}{ x {{ '{' }}%"),
            ("$(date) $0 \"$@\" 5$ ^a$", "$(date) $0 \"$@\" 5$ ^a$"),
            ("${SET:-{}}|${NONE:-{}}", "v"),
            ("${NONE:-{}}", "{}"),
            ("${SET:-{\"k\":1}}|${NONE:-{\"k\":1}}", "v|{\"k\":1}"),
            ("${NONE:-{}", "{"),
        ] {
            assert_eq!(with(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_value_counts_each_time_that_it_is_named() {
        let lookup = |_: &str| Some("x".repeat(1 << 20));
        for text in ["$A", "${A}", "${A:-b}", "${B:+$A}"] {
            let mut variables = Variables::new(&lookup).within(Arc::new(Budget::of(10 << 20)));
            let told = interpolate(&text.repeat(11), &mut variables).map_err(|f| f.message);
            assert_eq!(told, Err("the text expands to too much".to_owned()), "{text}");
        }
    }

    #[test]
    fn faults_have_their_place() {
        for (text, expected) in [
            ("a ${SET", "2..7 `${` without its `}`"),
            ("${1}", "0..4 `${1}` names no variable"),
            ("${SET!x}", "0..8 `${SET!x}` is no interpolation that Compose knows"),
            (
                "${NONE:?say why}",
                "0..16 variable `NONE` is required and has no value: say why",
            ),
            ("${EMPTY:?}", "0..10 variable `EMPTY` is required and has no value"),
            (
                "${NONE:-${SET!}}",
                "8..15 `${SET!}` is no interpolation that Compose knows",
            ),
            (
                "${SET:-${NONE:?}}",
                "7..16 variable `NONE` is required and has no value",
            ),
            ("${SET:-a\nb}", "0..11 `${` without its `}`"),
        ] {
            assert_eq!(with(text), Err(expected.to_owned()), "{text}");
        }
    }
}
