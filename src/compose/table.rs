//! The one table of what stands where in a Compose file: which kinds of value each path may have, and how two of them
//! merge. Whoever parses, checks, merges or writes Compose files reads it.
//!
//! `table.txt` holds it, a line for each path, `*` for any key and `[]` for an item of a list:
//!
//! | kind | what Compose takes there |
//! | --- | --- |
//! | `text`, `text(a,b)` | a text; one of these |
//! | `truth`, `bool` | true or false; also as a text, with the words of YAML 1.1 |
//! | `whole`, `int`, `int[0..9]` | a whole number; also as a text; of this range |
//! | `real`, `number` | a number; also as a text |
//! | `bytes`, `count`, `mode` | a size, a number or `all`, the mode of a file; also as a text |
//! | `size`, `duration`, `pair` | a text that is a size, a period of time, two parts with `=` or `:` between them |
//! | `scalar`, `null` | any of these or nothing; nothing |
//! | `map`, `bare`, `open` | a map of the keys below it; without keys `x-…`; of any keys |
//! | `list`, `set` | a list; none of its items twice |
//! | `words`, `texts` | a list of texts; a set of them |
//! | `pairs` | a map of scalars, or a set of `KEY=VALUE` |
//!
//! The last column says how a later value is merged over an earlier one, where that is not key by key, item after item and
//! else the later one ([`Merge`]); `once=` by what items of a list are the same ([`Once`]); `needs=` which keys a map must
//! have; and `here` what Compose does not know, and topogen reads.

use std::sync::LazyLock;

/// One kind of value that a path may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A text; if there are any, one of these.
    Text(Vec<&'static str>),
    /// A truth value, `true` or `false`.
    Truth,
    /// The same, also as a text.
    Bool,
    /// A whole number, as a number of YAML.
    Whole,
    /// The same, also as a text, in a range whose ends are inclusive.
    Int(Option<i64>, Option<i64>),
    /// A number that may have a fraction.
    Real,
    /// The same, also as a text.
    Number,
    /// A number of bytes, also as a text with a unit.
    Bytes,
    /// A text that is a number of bytes, with a unit or without.
    Size,
    /// A text of two parts, with `=` or `:` between them.
    Pair,
    /// A text that is a period of time.
    Duration,
    /// A whole number, or `all`.
    Count,
    /// The mode of a file, octal where it is a text.
    Mode,
    /// Any scalar, or nothing.
    Scalar,
    /// Nothing, as `null` or an empty value.
    Null,
    /// A list whose items may be equal.
    List,
    /// A list of which no item is there twice.
    Set,
    /// A map of known keys, and of extensions.
    Map,
    /// A map of known keys alone.
    Bare,
    /// A map of any keys.
    Open,
}

/// How a later value is merged over an earlier one (Compose specification, "Merge and override").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Merge {
    /// Maps key by key, lists item after item, else the later one.
    #[default]
    Deep,
    /// The later one, whole.
    Replace,
    /// By key, whether list or map.
    Keyed,
    /// By name, whether a list of names or a map.
    Names,
    /// By name, where a list waits for each to be started.
    Depends,
    /// Key by key, where a text is the context.
    Build,
    /// As lists of hosts, of which one name may have several.
    Hosts,
    /// As lists, where a text is a list of one.
    Listed,
    /// Key by key where the driver is the same.
    Logging,
    /// Pools of addresses: by their subnet.
    Pools,
    /// As lists, where `all` is one request.
    Gpus,
}

/// By what two items of a list are the same, so that the later one takes the place of the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    /// The text, or what stands before its `=`.
    Key,
    /// The path of a file.
    Path,
    /// The path in the container of a volume.
    Volume,
    /// The path in the container of a device.
    Device,
    /// The path in the container of a config.
    Config,
    /// The path in the container of a secret.
    Secret,
    /// A port of the host and of the container: what was read decides, see [`super::ports::each_once`].
    Port,
}

/// What may stand at one path.
#[derive(Debug, Default)]
pub struct Row {
    /// The kinds of value; none of them for a path that only leads to others.
    pub kinds: Vec<Kind>,
    /// The keys that a map must have.
    pub needs: Vec<&'static str>,
    /// How two values merge.
    pub merge: Merge,
    /// By what items are the same; `None` if all are kept.
    pub once: Option<Once>,
    /// Whether Compose does not know it.
    pub here: bool,
    keys: Vec<(&'static str, Row)>,
    any: Option<Box<Row>>,
    item: Option<Box<Row>>,
}

impl Row {
    /// The row of the value of `key` in a map.
    #[must_use]
    pub fn key(&self, key: &str) -> Option<&Self> {
        let known = self.keys.iter().find(|(known, _)| *known == key).map(|(_, row)| row);
        known.or(self.any.as_deref())
    }

    /// The row of the value of a key that is not among [`Row::keys`].
    #[must_use]
    pub fn any(&self) -> Option<&Self> {
        self.any.as_deref()
    }

    /// The row of an item of a list.
    #[must_use]
    pub fn item(&self) -> Option<&Self> {
        self.item.as_deref()
    }

    /// The known keys of a map, in the order of the table.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|(key, _)| *key)
    }

    /// Whether a value may be a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.kinds.iter().any(|kind| matches!(kind, Kind::List | Kind::Set))
    }

    /// Whether a value may be a map.
    #[must_use]
    pub fn is_map(&self) -> bool {
        let is_map = |kind: &Kind| matches!(kind, Kind::Map | Kind::Bare | Kind::Open);
        self.kinds.iter().any(is_map)
    }

    /// Whether a number can only be meant as a text.
    #[must_use]
    pub fn is_text_only(&self) -> bool {
        let takes = |kind: &Kind| {
            matches!(
                kind,
                Kind::Truth
                    | Kind::Bool
                    | Kind::Whole
                    | Kind::Int(..)
                    | Kind::Real
                    | Kind::Number
                    | Kind::Bytes
                    | Kind::Count
                    | Kind::Mode
                    | Kind::Scalar
            )
        };
        let is_text = |kind: &Kind| matches!(kind, Kind::Text(_) | Kind::Size | Kind::Pair | Kind::Duration);
        self.kinds.iter().any(is_text) && !self.kinds.iter().any(takes)
    }

    fn below(&mut self, step: &'static str) -> &mut Self {
        match step {
            "*" => self.any.get_or_insert_default(),
            "[]" => self.item.get_or_insert_default(),
            key => {
                let at = self.keys.iter().position(|(known, _)| *known == key);
                let at = at.unwrap_or_else(|| {
                    self.keys.push((key, Self::default()));
                    self.keys.len() - 1
                });
                &mut self.keys[at].1
            }
        }
    }
}

/// The row of a whole Compose file, which all others stand below.
pub static FILE: LazyLock<Row> = LazyLock::new(|| {
    let mut file = Row::default();
    for (path, kinds, rules) in lines() {
        let row = path.fold(&mut file, Row::below);
        kinds.split('|').for_each(|kind| describe(row, kind));
        rules
            .split(' ')
            .filter(|rule| !rule.is_empty())
            .for_each(|word| rule(row, word));
    }
    file
});

/// The row at `path`, such as `services.*.ports[]`. `None` if the table has none.
#[must_use]
pub fn at(path: &str) -> Option<&'static Row> {
    let mut row: &Row = &FILE;
    for step in steps(path) {
        row = match step {
            "*" => row.any.as_deref()?,
            "[]" => row.item()?,
            key => row.keys.iter().find(|(known, _)| *known == key).map(|(_, row)| row)?,
        };
    }
    Some(row)
}

/// The known keys at `path`, in the order of the table.
#[must_use]
pub fn keys(path: &str) -> Vec<&'static str> {
    at(path).map_or_else(Vec::new, |row| row.keys().collect())
}

/// The table's lines: the steps of each path, its kinds and its rules.
fn lines() -> impl Iterator<Item = (impl Iterator<Item = &'static str>, &'static str, &'static str)> {
    let lines = include_str!("table.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (path, rest) = line.split_once(' ')?;
        let rest = rest.trim_start();
        let (kinds, rules) = rest.split_once(' ').unwrap_or((rest, ""));
        Some((steps(path), kinds, rules.trim_start()))
    })
}

/// `a.*[].b` step by step: `a`, `*`, `[]`, `b`.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').flat_map(|part| match part.strip_suffix("[]") {
        Some(key) => [Some(key), Some("[]")].into_iter().flatten(),
        None => [Some(part), None].into_iter().flatten(),
    })
}

/// Adds the kind that is called `word`.
fn describe(row: &mut Row, word: &'static str) {
    let (name, inside) = match word.split_once(['(', '[']) {
        Some((name, inside)) => (name, inside.trim_end_matches([')', ']'])),
        None => (word, ""),
    };
    let text = || Row {
        kinds: vec![Kind::Text(Vec::new())],
        ..Row::default()
    };
    let kind = match name {
        "text" => Kind::Text(inside.split(',').filter(|word| !word.is_empty()).collect()),
        "truth" => Kind::Truth,
        "bool" => Kind::Bool,
        "whole" => Kind::Whole,
        "int" => {
            let (least, most) = inside.split_once("..").unwrap_or_default();
            Kind::Int(least.parse().ok(), most.parse().ok())
        }
        "real" => Kind::Real,
        "number" => Kind::Number,
        "bytes" => Kind::Bytes,
        "size" => Kind::Size,
        "pair" => Kind::Pair,
        "duration" => Kind::Duration,
        "count" => Kind::Count,
        "mode" => Kind::Mode,
        "scalar" => Kind::Scalar,
        "null" => Kind::Null,
        "list" => Kind::List,
        "set" => Kind::Set,
        "bare" => Kind::Bare,
        "open" => Kind::Open,
        "words" => {
            row.item = Some(Box::new(text()));
            Kind::List
        }
        "texts" => {
            row.item = Some(Box::new(text()));
            Kind::Set
        }
        "pairs" => {
            row.item = Some(Box::new(text()));
            row.any.get_or_insert_default().kinds.push(Kind::Scalar);
            row.kinds.push(Kind::Set);
            Kind::Bare
        }
        _ => Kind::Map,
    };
    row.kinds.push(kind);
}

/// Adds the rule that is called `word`.
fn rule(row: &mut Row, word: &'static str) {
    if let Some(needs) = word.strip_prefix("needs=") {
        row.needs = needs.split(',').collect();
        return;
    }
    row.once = match word {
        "once=key" => Some(Once::Key),
        "once=path" => Some(Once::Path),
        "once=volume" => Some(Once::Volume),
        "once=device" => Some(Once::Device),
        "once=config" => Some(Once::Config),
        "once=secret" => Some(Once::Secret),
        "once=port" => Some(Once::Port),
        _ => row.once,
    };
    row.merge = match word {
        "replace" => Merge::Replace,
        "keyed" => Merge::Keyed,
        "names" => Merge::Names,
        "depends" => Merge::Depends,
        "build" => Merge::Build,
        "hosts" => Merge::Hosts,
        "listed" => Merge::Listed,
        "logging" => Merge::Logging,
        "pools" => Merge::Pools,
        "gpus" => Merge::Gpus,
        _ => row.merge,
    };
    row.here |= word == "here";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word that is misspelt would be taken for a map, or for no rule.
    #[test]
    fn every_word_of_the_table_is_known() {
        let kinds = [
            "text", "truth", "bool", "whole", "int", "real", "number", "bytes", "size", "pair", "duration", "count",
            "mode", "scalar", "null", "map", "bare", "open", "list", "set", "words", "texts", "pairs",
        ];
        let rules = [
            "replace", "keyed", "names", "depends", "build", "hosts", "listed", "logging", "pools", "gpus", "here",
        ];
        for (path, words, said) in lines() {
            let path: Vec<&str> = path.collect();
            for word in words.split('|') {
                let name = word.split(['(', '[']).next().unwrap_or_default();
                assert!(kinds.contains(&name), "{path:?}: {word}");
            }
            for word in said.split(' ').filter(|word| !word.is_empty()) {
                let is_known = rules.contains(&word) || word.starts_with("needs=");
                let mut row = Row::default();
                rule(&mut row, word);
                assert!(is_known || row.once.is_some(), "{path:?}: {word}");
            }
        }
    }

    #[test]
    fn a_path_leads_to_its_row() {
        let row = at("services.*.oom_score_adj").expect("a row");
        assert_eq!(row.kinds, [Kind::Int(Some(-1000), Some(1000))]);
        assert!(at("services.*.build.args").is_some_and(|row| row.is_map() && row.is_list()));
        assert_eq!(at("services.*.ports[].target").map(|row| row.kinds.len()), Some(1));
        assert!(at("services.*.imag").is_none());
        assert!(keys("networks.*").contains(&"ipam"));
    }
}
