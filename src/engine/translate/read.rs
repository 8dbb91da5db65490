//! Readers of single values. Templates and `${…}` turn any value into text, so each reader accepts text as well. A
//! value of another shape than Compose's specification asks for is reported by its path.

use std::collections::BTreeMap;

use super::faults::Faults;
use crate::compose::units;
use crate::value::{Map, Value};

/// A text; any other scalar is taken as it is written.
pub(super) fn text(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<String> {
    let text = value.scalar();
    if text.is_none() && *value != Value::Null {
        faults.wrong(path, "a text", value);
    }
    text
}

/// `true` or `false`. After interpolation every scalar is a text, so that the words of YAML 1.1 count too (Compose
/// specification, "Interpolation").
pub(super) fn boolean(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<bool> {
    match value.scalar().map(|text| text.to_lowercase()).as_deref() {
        Some("true" | "yes" | "y" | "on") => Some(true),
        Some("false" | "no" | "n" | "off") => Some(false),
        None if *value == Value::Null => None,
        _ => {
            faults.wrong(path, "`true` or `false`", value);
            None
        }
    }
}

/// A whole number, which may be written as a text.
pub(super) fn integer(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<i64> {
    let number = value.scalar().and_then(|t| t.parse().ok());
    if number.is_none() && *value != Value::Null {
        faults.wrong(path, "a whole number", value);
    }
    number
}

/// A list of texts; a single text counts as a list of one.
pub(super) fn texts(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::List(items) => {
            let mut texts = Vec::with_capacity(items.len());
            for (at, item) in items.iter().enumerate() {
                match item.scalar() {
                    Some(text) => texts.push(text),
                    None => faults.wrong(&format!("{path}[{at}]"), "a text", item),
                }
            }
            texts
        }
        Value::Map(_) => {
            faults.wrong(path, "a list", value);
            Vec::new()
        }
        other => other.scalar().into_iter().collect(),
    }
}

/// A map, or Compose's list of `KEY=VALUE`; `None` for the value of a key that has none.
pub(super) fn pairs(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<(String, Option<String>)> {
    match value {
        Value::Map(map) => {
            let mut pairs = Vec::with_capacity(map.len());
            for (key, value) in map.iter() {
                pairs.push((key.to_string(), text(value, &format!("{path}.{key}"), faults)));
            }
            pairs
        }
        Value::Null | Value::List(_) => texts(value, path, faults)
            .into_iter()
            .map(|text| match text.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (text, None),
            })
            .collect(),
        _ => {
            faults.wrong(path, "a map, or a list of `KEY=VALUE`", value);
            Vec::new()
        }
    }
}

/// The [pairs](pairs) as a map, with an empty text in place of a missing value.
pub(super) fn strings(value: &Value, path: &str, faults: &mut Faults<'_>) -> BTreeMap<String, String> {
    let pairs = pairs(value, path, faults).into_iter();
    pairs.map(|(key, value)| (key, value.unwrap_or_default())).collect()
}

/// The words of a command, split as Compose does (mattn/go-shellwords). Quotes and backslashes work as in a shell, but
/// there are no comments, and outside single quotes `\t` and `\n` are a tab and a newline.
///
/// # Errors
/// The quote that is not closed, or the operator at which Compose would refuse or cut off the command.
pub(super) fn shell_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some('"') | None, '\\') => {
                let escaped = match characters.next() {
                    Some('t') => '\t',
                    Some('n') => '\n',
                    Some(other) => other,
                    None => return Err("a backslash at the end escapes nothing".to_owned()),
                };
                word.get_or_insert_default().push(escaped);
            }
            (Some(open), close) if open == close => quote = None,
            (Some(_), inside) => word.get_or_insert_default().push(inside),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t' | '\r' | '\n') => words.extend(word.take()),
            (None, ';' | '&' | '|' | '<' | '>' | '(' | ')' | '`') => {
                return Err(format!("`{character}` outside quotes: no shell reads it"));
            }
            (None, other) => word.get_or_insert_default().push(other),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// A number, which may be written as a text.
pub(super) fn number(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<f64> {
    let number = value
        .scalar()
        .and_then(|t| t.parse().ok())
        .filter(|n: &f64| n.is_finite());
    if number.is_none() && *value != Value::Null {
        faults.wrong(path, "a number", value);
    }
    number
}

/// A map; `None` for a blank value.
pub(super) fn map<'a>(value: &'a Value, path: &str, faults: &mut Faults<'_>) -> Option<&'a Map> {
    if value.as_map().is_none() && *value != Value::Null {
        faults.wrong(path, "a map", value);
    }
    value.as_map()
}

/// The items of a list.
pub(super) fn list<'a>(value: &'a Value, path: &str, faults: &mut Faults<'_>) -> &'a [Value] {
    if value.as_list().is_none() && *value != Value::Null {
        faults.wrong(path, "a list", value);
    }
    value.as_list().unwrap_or_default()
}

/// A number of bytes: bare, or with a unit as in `64m`, `1.5gb` and `512KiB`, where each step is 1024 (Compose
/// specification, "Byte units").
pub(super) fn bytes(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<i64> {
    let bytes = value.scalar().and_then(|t| units::bytes(&t));
    if bytes.is_none() && *value != Value::Null {
        faults.wrong(path, "a size such as `64m` or `1.5gb`", value);
    }
    bytes
}

/// A period in whole seconds, in Compose's notation with days and weeks: `12h`, `1w2d`.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes()[digits] {
            b'w' => 7 * 24 * 60 * 60,
            b'd' => 24 * 60 * 60,
            b'h' => 60 * 60,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    (total > 0).then_some(total)
}

/// A duration in nanoseconds, in Compose's notation with days and weeks: `90s`, `1m30s`, `1h5m30s20ms`, `1d`, or 0;
/// `None` for a blank value.
pub(super) fn nanoseconds(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<i64> {
    let text = value.scalar().filter(|t| !t.is_empty());
    let found = text.as_deref().and_then(units::duration);
    if found.is_none() && !matches!(value.scalar().as_deref(), Some("")) && *value != Value::Null {
        faults.wrong(path, "a duration such as `10s` or `1m30s`", value);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::translate::faults::Findings;
    use crate::topology::written::Written;

    #[test]
    fn periods_in_every_form() {
        for (text, expected) in [
            ("12h", Some(43_200)),
            ("1w2d", Some(9 * 86_400)),
            ("5h30m10s", Some(19_810)),
            ("", None),
            ("0s", None),
            ("12", None),
            ("h", None),
            ("1é", None),
            ("99999999999999999999w", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn shell_words_are_split_as_compose_splits_them() {
        for (text, expected) in [
            ("", &[] as &[&str]),
            ("  a  b\tc\n", &["a", "b", "c"]),
            ("run # 5 #6", &["run", "#", "5", "#6"]),
            (r#"sh -c 'a "b" \n; c'"#, &["sh", "-c", r#"a "b" \n; c"#]),
            (r#"say "it's \"so\" $HOME""#, &["say", r#"it's "so" $HOME"#]),
            (r"a\ b \'c\n", &["a b", "'c\n"]),
            (r#"--x='1 2'3 "" ''"#, &["--x=1 23", "", ""]),
        ] {
            let expected: Vec<String> = expected.iter().map(|w| (*w).to_owned()).collect();
            assert_eq!(shell_words(text), Ok(expected), "{text}");
        }
        for text in ["'a", "\"a", "a\\", "a; b", "a > b", "`a`"] {
            assert!(shell_words(text).is_err(), "{text}");
        }
    }

    #[test]
    fn scalars_may_be_texts() {
        let mut findings = Findings::default();
        let written = Written::default();
        let faults = &mut Faults::new(String::new(), &written, &mut findings);
        assert_eq!(boolean(&Value::from("true"), "a", faults), Some(true));
        assert_eq!(boolean(&Value::Bool(false), "a", faults), Some(false));
        assert_eq!(integer(&Value::from("-7"), "a", faults), Some(-7));
        assert_eq!(boolean(&Value::from("Yes"), "a", faults), Some(true));
        assert_eq!(boolean(&Value::from("maybe"), "a", faults), None);
        assert_eq!(integer(&Value::from("many"), "b", faults), None);
        assert_eq!(findings.problems.len(), 2);
    }
}
