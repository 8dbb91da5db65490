//! Resolves `${VAR}` when a file is read (Compose specification, "Interpolation").

use std::collections::HashMap;
use std::ops::Range;

use crate::diagnostic::{Problem, Problems, Sources};
use crate::template::is_template;
use crate::yaml::{Node, Yaml};

/// Where variables come from, and which names had no value.
pub struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    unset: Vec<String>,
    /// Variables of the current Compose file only: those of the `.env` beside it, and its project.
    beside: Option<HashMap<String, String>>,
    /// For a file that is no template: values are not escaped, and a `$` that begins no variable is literal.
    plain: bool,
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
        }
    }

    /// Variables for a text that is no template, where a `$` that begins no variable is literal: the values of `.env`
    /// files.
    pub fn plain(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            plain: true,
            ..Self::new(lookup)
        }
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

/// Replaces variables in every text below `node`, but not in keys.
pub fn tree(node: &mut Node, variables: &mut Variables<'_>, sources: &Sources, problems: &mut Problems) {
    match &mut node.value {
        Yaml::Text(text) if text.contains('$') => match interpolate(text, variables) {
            Ok(new) => *text = new,
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

/// Gives `environment:` names without a value that of the environment, and drops those that have none there (Compose
/// specification, services, `environment`).
pub fn environment(node: &mut Node, variables: &Variables<'_>) {
    named(node, variables, false);
}

/// Does the same while a Compose file is read, and keeps names without a value: a later file may set them.
pub fn environment_beside(node: &mut Node, variables: &Variables<'_>) {
    named(node, variables, true);
}

fn named(node: &mut Node, variables: &Variables<'_>, keep: bool) {
    let value = |name: &str| variables.get(name).map(|v| literal(&v));
    match &mut node.value {
        Yaml::List(list) => list.retain_mut(|item| match &mut item.value {
            Yaml::Text(text) if !text.contains('=') && !is_template(text) => match value(text) {
                Some(value) => {
                    *text = format!("{text}={value}");
                    true
                }
                None => keep,
            },
            _ => true,
        }),
        Yaml::Map(entries) => entries.retain_mut(|entry| match (&entry.node.value, value(&entry.key)) {
            (Yaml::Null, Some(value)) => {
                entry.node.value = Yaml::Text(value);
                true
            }
            (Yaml::Null, None) => keep,
            _ => true,
        }),
        _ => {}
    }
}

/// Replaces variables in `text`.
///
/// # Errors
/// A `$` that begins no variable, an unclosed brace, or a variable that `?` requires and that has no value.
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
        out.push_str(&text[at..dollar]);
        let rest = &text[dollar + 1..];
        at = match rest.as_bytes().first() {
            Some(b'$') => {
                out.push('$');
                dollar + 2
            }
            Some(b'{') => {
                let close = closing(text, dollar + 2).ok_or_else(|| InterpolationError {
                    range: dollar..text.len(),
                    message: "`${` without its `}`".to_owned(),
                    hint: Some("write `$$` for a dollar sign".to_owned()),
                })?;
                out.push_str(&braced(text, dollar + 2..close, variables, depth)?);
                close + 1
            }
            Some(b) if name_start(*b) => {
                let len = name_length(rest);
                out.push_str(&value_or_blank(&rest[..len], variables));
                dollar + 1 + len
            }
            _ if variables.plain => {
                out.push('$');
                dollar + 1
            }
            _ => {
                return Err(InterpolationError {
                    range: dollar..dollar + 1,
                    message: "`$` begins no variable".to_owned(),
                    hint: Some("write `$$` for a dollar sign".to_owned()),
                });
            }
        };
    }
    out.push_str(&text[at..]);
    Ok(out)
}

fn name_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_'
}

fn name_length(text: &str) -> usize {
    text.bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .count()
}

/// The position of the `}` that closes the variable begun before `from`; nested `${…}` are skipped.
fn closing(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0;
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                depth += 1;
                at += 1;
            }
            b'$' if bytes.get(at + 1) == Some(&b'$') => at += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

fn braced(
    text: &str,
    range: Range<usize>,
    variables: &mut Variables<'_>,
    depth: usize,
) -> Result<String, InterpolationError> {
    let inside = &text[range.clone()];
    let whole = range.start - 2..range.end + 1;
    let len = name_length(inside);
    let (name, operator) = inside.split_at(len);
    if !inside.bytes().next().is_some_and(name_start) {
        return Err(InterpolationError {
            range: whole,
            message: format!("`${{{inside}}}` names no variable"),
            hint: Some("a name is letters, digits and `_`, and begins with no digit".to_owned()),
        });
    }
    let value = variables.value(name);
    let filled = value.clone().filter(|v| !v.is_empty());
    // The word after an operator is interpolated only when it is used.
    let mut word = |skip: usize| {
        let start = range.start + len + skip;
        nested(&text[start..range.end], variables, depth + 1).map_err(|fault| InterpolationError {
            range: start + fault.range.start..start + fault.range.end,
            ..fault
        })
    };
    let (set, skip, kind) = match operator.as_bytes() {
        [] => return Ok(value_or_blank(name, variables)),
        [b':', kind @ (b'-' | b'?' | b'+'), ..] => (filled, 2, *kind),
        [kind @ (b'-' | b'?' | b'+'), ..] => (value, 1, *kind),
        _ => {
            return Err(InterpolationError {
                range: whole,
                message: format!("`${{{inside}}}` is no interpolation that Compose knows"),
                hint: Some(format!(
                    "known are `${{{name}}}` and, after the name, `:-default`, `-default`, `:?error`, `?error`, `:+instead`, `+instead`"
                )),
            });
        }
    };
    match (kind, set) {
        (b'-', Some(value)) => Ok(value),
        (b'-', None) => word(skip),
        (b'+', Some(_)) => word(skip),
        (b'+', None) => Ok(String::new()),
        (_, Some(value)) => Ok(value),
        (_, None) => {
            let why = word(skip)?;
            Err(InterpolationError {
                range: whole,
                message: match why.as_str() {
                    "" => format!("variable `{name}` is required and has no value"),
                    why => format!("variable `{name}` is required and has no value: {why}"),
                },
                hint: Some(format!("set it: {name}=… topogen …")),
            })
        }
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

/// Escapes a value from outside, which is never a template. The value that topogen sets itself is one.
fn literal(value: &str) -> String {
    if value != PROJECT.1 && ["{{", "{%", "{#"].iter().any(|open| value.contains(open)) {
        value.replace('{', "{{ '{' }}")
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
        ] {
            assert_eq!(with(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn faults_have_their_place() {
        for (text, expected) in [
            ("a $ b", "2..3 `$` begins no variable"),
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
        ] {
            assert_eq!(with(text), Err(expected.to_owned()), "{text}");
        }
    }
}
