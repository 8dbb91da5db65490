//! `.env` files as Compose reads them (Compose specification, services, `env_file`, "Env_file format"): `KEY=VALUE`,
//! quotes, comments, and variables in values.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

use super::interpolate::{self, Variables};
use crate::budget::Budget;

/// The bytes that variables may put into the values of one file: each may name those before it, twice.
const EXPANDED: u64 = 16 << 20;

/// Variables and their values, in the order written.
pub type Pairs = IndexMap<String, String>;

/// What is wrong with a `.env` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DotenvError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with the line.
    pub reason: String,
}

impl fmt::Display for DotenvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} {}", self.line, self.reason)
    }
}

impl DotenvError {
    fn not_a_pair(line: usize) -> Self {
        let reason = "is not KEY=VALUE".to_owned();
        Self { line, reason }
    }
}

/// Adds the variables of a file to `found`, which holds those of earlier files. A value may refer to variables:
/// `lookup` is asked first, then `found`. A key without a value takes the value of `lookup`, and is dropped when there
/// is none.
///
/// # Errors
/// The first line that is malformed.
pub fn parse(text: &str, found: &mut Pairs, lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), DotenvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let budget = Arc::new(Budget::of(EXPANDED));
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if rest.starts_with('#') {
            rest = rest.find('\n').map_or("", |end| &rest[end..]).trim_start();
            continue;
        }
        let line = text[..text.len() - rest.len()].matches('\n').count() + 1;
        let statement = match rest.strip_prefix("export") {
            // Compose looks for the name on the next lines, too.
            Some(after) if after.starts_with(BLANKS) => after.trim_start(),
            _ => rest,
        };
        let end = statement.find(['=', ':', '\n']).unwrap_or(statement.len());
        let key = statement[..end].trim();
        if key.is_empty() || !key.chars().all(|c| c.is_alphanumeric() || "_.-[]".contains(c)) {
            return Err(DotenvError::not_a_pair(line));
        }
        rest = match statement[end..].strip_prefix(['=', ':']) {
            None => {
                found.extend(lookup(key).map(|value| (key.to_owned(), value)));
                &statement[end..]
            }
            Some(after) => {
                let (value, after) = value(after.trim_start_matches(BLANKS), line, found, lookup, &budget)?;
                found.insert(key.to_owned(), value);
                after
            }
        }
        .trim_start();
    }
    Ok(())
}

/// Reads a file with `format: raw`: the value is everything after the first `=`, quotes included.
///
/// # Errors
/// The first line that is malformed.
pub fn raw(text: &str, found: &mut Pairs, lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), DotenvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').map_or((line, None), |(k, v)| (k, Some(v)));
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(DotenvError::not_a_pair(at + 1));
        }
        let value = value.map(str::to_owned).or_else(|| lookup(key));
        found.extend(value.map(|value| (key.to_owned(), value)));
    }
    Ok(())
}

/// Whitespace within a line.
const BLANKS: [char; 6] = [' ', '\t', '\r', '\u{b}', '\u{c}', '\u{a0}'];

/// The value at the beginning of `text`, for a statement of `line`, and the text after it.
fn value<'t>(
    text: &'t str,
    line: usize,
    found: &Pairs,
    lookup: &dyn Fn(&str) -> Option<String>,
    budget: &Arc<Budget>,
) -> Result<(String, &'t str), DotenvError> {
    let known = |name: &str| lookup(name).or_else(|| found.get(name).cloned());
    let expanded = |text: &str| {
        let mut variables = Variables::plain(&known).within(budget.clone());
        interpolate::interpolate(text, &mut variables).map_err(|fault| DotenvError {
            line,
            reason: format!("cannot be read: {}", fault.message),
        })
    };
    let Some(quote) = text.chars().next().filter(|c| ['"', '\''].contains(c)) else {
        let (value, rest) = text.split_once('\n').unwrap_or((text, ""));
        // A `#` after a blank begins a comment.
        let value = value.split(" #").next().unwrap_or_default().trim_end();
        return Ok((expanded(value)?, rest));
    };
    let mut quoted = String::new();
    let mut characters = text[1..].char_indices();
    while let Some((at, character)) = characters.next() {
        match (character, quote) {
            ('\\', _) => match characters.next() {
                Some((_, escaped)) if escaped == quote => quoted.push(quote),
                Some((_, escaped)) => quoted.extend(['\\', escaped]),
                None => break,
            },
            (end, '\'') if end == quote => return Ok((quoted, &text[at + 2..])),
            (end, _) if end == quote => return Ok((expanded(&unescaped(&quoted))?, &text[at + 2..])),
            (other, _) => quoted.push(other),
        }
    }
    let reason = "opens a quote that is not closed".to_owned();
    Err(DotenvError { line, reason })
}

/// Resolves shell escapes of a double-quoted text. `\$` becomes `$$`, a literal dollar.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut characters = rest.chars();
        let meant = match characters.next() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('v') => '\u{b}',
            Some(same @ ('\\' | '"')) => same,
            Some('$') => {
                out.push('$');
                '$'
            }
            // `\0101` is an `A`; of what is no character, Compose takes away the zero.
            Some('0') => {
                let digits = rest[1..].bytes().take(3).take_while(u8::is_ascii_digit).count();
                let code = u8::from_str_radix(&rest[1..=digits], 8).ok().filter(|_| digits == 3);
                let Some(code) = code else {
                    out.push('\\');
                    rest = &rest[1..];
                    continue;
                };
                rest = &rest[3..];
                char::from(code)
            }
            _ => {
                out.push('\\');
                continue;
            }
        };
        out.push(meant);
        rest = &rest[1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(name: &str) -> Option<String> {
        ["OUT", "INHERIT", "SET"].contains(&name).then(|| format!("<{name}>"))
    }

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        let mut found = Pairs::new();
        let result = parse(text, &mut found, &outside);
        result.map(|()| found.into_iter().collect()).map_err(|f| f.to_string())
    }

    #[test]
    fn values_that_double_come_to_an_end() {
        let doubled = |at: usize| format!("A{}=$A{at}$A{at}\n", at + 1);
        let text: String = ["A0=x\n".to_owned()].into_iter().chain((0..60).map(doubled)).collect();
        let told = read(&text).expect_err("16 MiB are not enough");
        assert_eq!(told, "line 25 cannot be read: the text expands to too much");
    }

    /// Each expectation was checked with Compose 2.40.
    #[test]
    fn every_form() {
        for (text, expected) in [
            ("# note\nA=1\r\n", &[("A", "1")] as &[_]),
            ("export B = two words # why", &[("B", "two words")]),
            ("exportX=1", &[("exportX", "1")]),
            ("C='a # b $OUT'", &[("C", "a # b $OUT")]),
            (r"C='it\'s \n'", &[("C", r"it's \n")]),
            ("D=\"x\\ny\\\"\\t\"", &[("D", "x\ny\"\t")]),
            ("D=\"a\nb\"\nE=1", &[("D", "a\nb"), ("E", "1")]),
            ("E=\nF: yaml\n\nG=a#b", &[("E", ""), ("F", "yaml"), ("G", "a#b")]),
            ("H=1\nI=$H-${OUT}-${NONE:-d}|$NONE", &[("H", "1"), ("I", "1-<OUT>-d|")]),
            (
                "J=a$$b\nK=\"a\\$b\"\nL=pa$ $(x) c$",
                &[("J", "a$b"), ("K", "a$b"), ("L", "pa$ $(x) c$")],
            ),
            ("INHERIT\nNOT\nM=1", &[("INHERIT", "<INHERIT>"), ("M", "1")]),
            ("SET=mine\nN=$SET", &[("SET", "mine"), ("N", "<SET>")]),
            ("1A=2\nA-B=1\nA.B[0]=é", &[("1A", "2"), ("A-B", "1"), ("A.B[0]", "é")]),
            (r#"O="\0101\\""#, &[("O", "A\\")]),
            (r#"O="\0 \01 \0400 \089""#, &[("O", "\\ \\1 \\400 \\89")]),
            ("export \nB=2", &[("B", "2")]),
            (
                "P='x' # why\nQ='{{ no template }}'",
                &[("P", "x"), ("Q", "{{ no template }}")],
            ),
        ] {
            let expected = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            assert_eq!(read(text), Ok(expected.collect()), "{text}");
        }
        for (text, expected) in [
            ("A=1\n=2\n", "line 2 is not KEY=VALUE"),
            ("\n\nA B=1", "line 3 is not KEY=VALUE"),
            ("A='open\n\n", "line 1 opens a quote that is not closed"),
            ("B=1\nA=${X", "line 2 cannot be read: `${` without its `}`"),
        ] {
            assert_eq!(read(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn raw_values_are_what_they_are() {
        let mut found = Pairs::new();
        let text = "  A=\"q $OUT\" # c\n#c\nINHERIT\nNOT\nB.C= x \n";
        assert_eq!(raw(text, &mut found, &outside), Ok(()));
        let expected = [("A", "\"q $OUT\" # c"), ("INHERIT", "<INHERIT>"), ("B.C", " x ")];
        let expected = Pairs::from(expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(found, expected);
        assert_eq!(raw("A=1\nB C=1", &mut found, &outside), Err(DotenvError::not_a_pair(2)));
    }
}
