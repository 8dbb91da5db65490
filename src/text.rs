//! Text for people: counts, lists and names, and the order of names.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::str::FromStr;

/// Parts of keys whose values are not shown.
const SECRET: &[&str] = &[
    "auth", "cookie", "cred", "dsn", "jwt", "key", "pass", "private", "pwd", "salt", "secret", "session", "token",
];

/// `1 node`, `2 nodes`.
#[must_use]
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// A number of bytes as people write it, in the units of storage: `512 bytes`, `1.2 MB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.into_iter().find(|(unit, _)| count >= *unit) {
        Some((unit, word)) => format!("{:.1} {word}", count as f64 / unit as f64),
        None => plural(usize::try_from(count).unwrap_or(usize::MAX), "byte"),
    }
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// The names in backticks, separated by commas.
#[must_use]
pub fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    quoted.join(", ")
}

/// The sort key of a name.
pub type Natural = (String, u64, String);

/// The natural order, in which `slave2` comes before `slave10`.
#[must_use]
pub fn natural(name: &str) -> Natural {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem, number) = name.split_at(name.len() - digits);
    (stem.to_owned(), number.parse().unwrap_or(0), name.to_owned())
}

/// Whether a terminal would do something at `c` and not show it: control characters (C0, DEL and C1), what changes the
/// direction of text (Unicode, UAX #9), and separators of lines.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    let directions = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}'];
    c.is_control()
        || directions.contains(&c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

/// `text` in which what a terminal would not show is written as in JSON, `\u001b`; line ends and tabs stay.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |_| 0)
}

/// The same for text of topogen's own with colours (ECMA-48, SGR), in which whatever others wrote is [`printable`] already.
#[must_use]
pub fn printable_with_colours(text: &str) -> Cow<'_, str> {
    let colour = |rest: &str| {
        let codes = rest.strip_prefix("\x1b[").unwrap_or_default();
        let length = codes
            .find(|c: char| !c.is_ascii_digit() && c != ';')
            .unwrap_or(codes.len());
        if codes[length..].starts_with('m') {
            "\x1b[".len() + length + 1
        } else {
            0
        }
    };
    escaped(text, colour)
}

/// `text` without what is hidden, except for as many bytes as `keep` says from where it begins.
fn escaped(text: &str, keep: impl Fn(&str) -> usize) -> Cow<'_, str> {
    let harmful = |c: char| is_hidden(c) && c != '\n' && c != '\t';
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(harmful) {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        let kept = keep(rest);
        if kept > 0 {
            shown.push_str(&rest[..kept]);
            rest = &rest[kept..];
        } else if let Some(c) = rest.chars().next() {
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
            rest = &rest[c.len_utf8()..];
        }
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// Whether `key` sounds like a secret, whose value must not be shown.
#[must_use]
pub fn is_secret(key: &str) -> bool {
    let lower = key.to_lowercase();
    SECRET.iter().any(|word| lower.contains(word))
}

/// A number in decimal digits and nothing else; `None` where there are none, or too many. [`str::parse`] takes a sign, so
/// that `+80` would be a port and `--scale slave=+3` would pass for three more.
#[must_use]
pub fn decimal<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Text as XML has it, in content and between quotes (XML 1.0 §2.4). A character that XML has no place for (§2.2) is shown
/// as the replacement character.
#[must_use]
pub fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if is_hidden(c) || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// An error and what caused it, the innermost cause last.
pub(crate) fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn std::error::Error + 'static)| {
        let error = *error;
        // What an error of the system wraps is not called its source.
        match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn std::error::Error + 'static)),
            None => error.source(),
        }
    })
}

/// The innermost cause, which is the one that says something; of an error of the system, without its number: `no such file
/// or directory`.
pub(crate) fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let innermost = causes(error).last().unwrap_or(error);
    let text = innermost.to_string();
    if !innermost.is::<std::io::Error>() {
        return text;
    }
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

/// `text` as one word of a shell (POSIX, 2.2 Quoting).
#[must_use]
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("'{}'", text.replace('\'', r"'\''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole() {
        for (text, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(text), expected);
        }
    }

    #[test]
    fn a_number_is_digits_alone() {
        assert_eq!(decimal::<u16>("080"), Some(80));
        for text in ["", "+80", "-1", " 80", "8_0", "70000", "x"] {
            assert_eq!(decimal::<u16>(text), None, "{text}");
        }
    }

    #[test]
    fn what_xml_has_no_place_for_is_replaced() {
        assert_eq!(
            xml("a<b & \"c\">\u{1}\n\u{7f}\u{ffff}"),
            "a&lt;b &amp; &quot;c&quot;&gt;\u{fffd}\n\u{fffd}\u{fffd}"
        );
    }
}
