//! Whole words in a text, for `replace`.
//!
//! A word is a run of letters, digits, `_` and `-`, as names of services, hosts and volumes are: `pd0` is no word of `pd0-data`
//! or `pd0_data`. A `.` separates words, as it separates the parts of a domain and the ending of a file: `pd0` is a word of
//! `pd0.log` and of `pd0.example.com`.

use std::ops::Range;

use crate::template::is_template;

/// Whether `c` belongs to a word.
#[must_use]
pub fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

/// Where one of `words` stands in `text` as a whole word, from left to right: the bytes, and its position in `words`. Of two
/// that begin at one place the longer counts.
#[must_use]
pub fn find(text: &str, words: &[&str]) -> Vec<(Range<usize>, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(next) = rest.chars().next() else { break };
        let here = words.iter().enumerate().filter(|(_, word)| stands_at(text, at, word));
        match here.max_by_key(|(_, word)| word.len()) {
            Some((which, word)) => {
                found.push((at..at + word.len(), which));
                at += word.len();
            }
            None => at += next.len_utf8(),
        }
    }
    found
}

/// Whether `word` stands in `text` as a whole word.
#[must_use]
pub fn has(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| stands_at(text, at, word))
}

/// The longest run of characters of words around the first `part` in `text`; `None` if it is not in there.
#[must_use]
pub fn around<'t>(text: &'t str, part: &str) -> Option<&'t str> {
    let at = text.find(part)?;
    let start = text[..at].trim_end_matches(is_of_word).len();
    let rest = &text[at + part.len()..];
    let end = text.len() - rest.trim_start_matches(is_of_word).len();
    Some(&text[start..end])
}

fn stands_at(text: &str, at: usize, word: &str) -> bool {
    let ends = |outside: Option<char>, inside: Option<char>| match (outside, inside) {
        (Some(outside), Some(inside)) => !(is_of_word(outside) && is_of_word(inside)),
        _ => true,
    };
    !word.is_empty()
        && text[at..].starts_with(word)
        && ends(text[..at].chars().next_back(), word.chars().next())
        && ends(text[at + word.len()..].chars().next(), word.chars().next_back())
}

/// `text` with each whole word that is one of `words` replaced by what `with` has in its place; `None` if there is none. `used`
/// hears which were found.
///
/// What is put in may be a template. Then braces of the text that stay are literal, unless the text is a template already:
/// then nothing is replaced within its tags.
#[must_use]
pub fn replaced(text: &str, words: &[&str], with: &[&str], used: &mut dyn FnMut(usize)) -> Option<String> {
    let tagged = is_template(text);
    let tags = if tagged { tags(text) } else { Vec::new() };
    let found = find(text, words);
    let found: Vec<_> = found
        .into_iter()
        .filter(|(range, _)| !tags.iter().any(|tag| tag.start < range.end && range.start < tag.end))
        .collect();
    if found.is_empty() {
        return None;
    }
    let becomes_template = !tagged && found.iter().any(|(_, which)| is_template(with[*which]));
    let mut made = String::with_capacity(text.len());
    let mut end = 0;
    let keep = |made: &mut String, part: &str, before_tag: bool| {
        if becomes_template {
            made.push_str(&literal(part, before_tag));
        } else {
            made.push_str(part);
        }
    };
    for (range, which) in found {
        used(which);
        keep(&mut made, &text[end..range.start], with[which].starts_with('{'));
        made.push_str(with[which]);
        end = range.end;
    }
    keep(&mut made, &text[end..], false);
    Some(made)
}

/// `part` of a text that is no template, within one: a brace that would begin a tag is written as an expression.
#[must_use]
pub fn literal(part: &str, before_tag: bool) -> String {
    const BRACE: &str = "{{ '{' }}";
    let mut made = String::with_capacity(part.len());
    let mut rest = part.chars().peekable();
    while let Some(c) = rest.next() {
        let begins = match rest.peek() {
            Some(next) => matches!(next, '{' | '%' | '#'),
            None => before_tag,
        };
        match c {
            '{' if begins => made.push_str(BRACE),
            c => made.push(c),
        }
    }
    made
}

/// Where the tags of a template are.
fn tags(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(['{']).map(|n| at + n) {
        let end = match text[start + 1..].chars().next() {
            Some('{') => "}}",
            Some('%') => "%}",
            Some('#') => "#}",
            _ => {
                at = start + 1;
                continue;
            }
        };
        let length = text[start + 2..].find(end).map_or(text.len() - start, |n| n + 4);
        found.push(start..start + length);
        at = start + length;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Option<String> {
        replaced(
            text,
            &["pd0", "pd0.eu", "10.0.0.5"],
            &["{{ n }}", "EU", "ip"],
            &mut |_| (),
        )
    }

    #[test]
    fn whole_words_alone() {
        for (text, expected) in [
            ("pd0", "{{ n }}"),
            ("http://pd0:2380,pd1", "http://{{ n }}:2380,pd1"),
            ("pd0=http://pd0:1", "{{ n }}=http://{{ n }}:1"),
            ("/logs/pd0.log", "/logs/{{ n }}.log"),
            ("pd0.eu", "EU"),
            ("10.0.0.5/24", "ip/24"),
            ("{pd0}", "{{ '{' }}{{ n }}}"),
            ("{{.ID}} pd0", "{{ '{' }}{.ID}} {{ n }}"),
            ("{{ pd0 }} pd0", "{{ pd0 }} {{ n }}"),
            ("x.pd0", "x.{{ n }}"),
        ] {
            assert_eq!(with(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "pd01",
            "pd0-data",
            "my-pd0",
            "pd0_data",
            "Pd0",
            "10.0.0.51",
            "--pd0",
            "{{ pd0 }}",
            "épd0",
            "",
        ] {
            assert_eq!(with(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_around_a_part() {
        assert_eq!(around("a=/x/pd0-data:/d", "pd0"), Some("pd0-data"));
        assert_eq!(around("a", "pd0"), None);
    }
}
