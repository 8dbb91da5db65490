//! Values as they are written in a blueprint: short ones on one line, as a person would.

use std::fmt::Write as _;

use crate::yaml::{Node, Yaml, plain_scalar};

/// The longest line.
const WIDTH: usize = 118;

/// A value to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Out {
    /// A text; quoted where it would be read as anything else.
    Text(String),
    /// A scalar that stands as it is: a number, `true`.
    Bare(String),
    /// A list.
    List(Vec<Out>),
    /// A list in place of the whole of an earlier one: `!override`.
    Override(Vec<Out>),
    /// What takes an earlier value away: `!reset`.
    Reset,
    /// A map, in this order.
    Map(Vec<(String, Out)>),
}

impl From<&Node> for Out {
    fn from(node: &Node) -> Self {
        match &node.value {
            Yaml::Null => Self::Bare("null".to_owned()),
            Yaml::Text(text) => Self::Text(text.clone()),
            Yaml::List(list) => Self::List(list.iter().map(Self::from).collect()),
            Yaml::Map(entries) => Self::Map(entries.iter().map(|e| (e.key.clone(), Self::from(&e.node))).collect()),
            Yaml::Bool(_) | Yaml::Int(_) | Yaml::Float(_) => Self::Bare(node.scalar().unwrap_or_default()),
        }
    }
}

impl Out {
    /// Sets the value at `path`, which maps lead to.
    pub(super) fn set(&mut self, path: &[String], value: Out) {
        let [first, rest @ ..] = path else {
            *self = value;
            return;
        };
        if !matches!(self, Self::Map(_)) {
            *self = Self::Map(Vec::new());
        }
        let Self::Map(entries) = self else { return };
        let at = entries.iter().position(|(key, _)| key == first).unwrap_or_else(|| {
            entries.push((first.clone(), Self::Map(Vec::new())));
            entries.len() - 1
        });
        entries[at].1.set(rest, value);
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Map(entries) if entries.is_empty())
    }

    /// The value on one line.
    pub(super) fn flow(&self) -> String {
        let list = |items: &[Out]| {
            let items: Vec<String> = items.iter().map(Out::flow).collect();
            format!("[{}]", items.join(", "))
        };
        match self {
            Self::Text(text) => scalar(text),
            Self::Bare(text) => text.clone(),
            Self::List(items) => list(items),
            Self::Override(items) => format!("!override {}", list(items)),
            Self::Reset => "!reset null".to_owned(),
            Self::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(k, v)| format!("{}: {}", scalar(k), v.flow()))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}

/// A text as YAML reads it again, in any context.
pub(super) fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_'))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-'));
    match plain_scalar(text) {
        Yaml::Text(_) if is_plain => text.to_owned(),
        _ => serde_json::to_string(text).unwrap_or_default(),
    }
}

/// Writes `key: value` at `indent`, on one line where that is short enough, with `comment` after it.
pub(super) fn entry(out: &mut String, indent: usize, key: &str, value: &Out, comment: &str) {
    let key = scalar(key);
    let line = format!("{:indent$}{key}: {}", "", value.flow());
    let comment = if comment.is_empty() {
        String::new()
    } else {
        format!("  # {comment}")
    };
    let is_short = line.chars().count() <= WIDTH;
    match value {
        Out::Map(entries) if !is_short => {
            let _ = writeln!(out, "{:indent$}{key}:{comment}", "");
            for (key, value) in entries {
                entry(out, indent + 2, key, value, "");
            }
        }
        Out::List(items) | Out::Override(items) if !is_short => {
            let tag = if matches!(value, Out::Override(_)) {
                " !override"
            } else {
                ""
            };
            let _ = writeln!(out, "{:indent$}{key}:{tag}{comment}", "");
            for item in items {
                let _ = writeln!(out, "{:indent$}  - {}", "", item.flow());
            }
        }
        _ => {
            let _ = writeln!(out, "{line}{comment}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let texts = [
            "plain",
            "a b",
            "1",
            "1.10",
            "true",
            "null",
            "~",
            "-x",
            "a: b",
            "a#b",
            "{{ node.name }}",
            "\"q\"",
            "a\nb",
            "",
            "2024-01-01",
            "*a",
            "&b",
            "!c",
            "%d",
            "@e",
            "[x]",
            "0x1f",
            "é",
            "/x/y",
            "key=value",
            "a,b",
            "'",
            "\\",
            "$$",
        ];
        let list = Out::List(texts.iter().map(|t| Out::Text((*t).to_owned())).collect());
        let map = Out::Map(
            texts
                .iter()
                .map(|t| ((*t).to_owned(), Out::Text((*t).to_owned())))
                .collect(),
        );
        let mut text = String::new();
        entry(&mut text, 0, "list", &list, "");
        entry(&mut text, 0, "map", &map, "");
        entry(&mut text, 0, "flow", &Out::List(vec![list.clone(), map.clone()]), "");
        let read =
            crate::yaml::parse(&text, crate::diagnostic::FileId::default()).unwrap_or_else(|p| panic!("{p:?}\n{text}"));
        assert_eq!(read.get("list").map(Out::from), Some(list.clone()));
        assert_eq!(read.get("map").map(Out::from), Some(map.clone()));
        assert_eq!(read.get("flow").map(Out::from), Some(Out::List(vec![list, map])));
    }
}
