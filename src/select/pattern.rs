//! The patterns of names in a [`super::Target`]: `*`, `?` and numbers in brackets.

use std::fmt;
use std::str::FromStr;

use super::TargetError;
use crate::text::decimal;

/// A name, or many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `*`: any text, also none.
    Any,
    /// `?`: any single character.
    One,
    /// `[2,5-7]`: one of these decimal numbers.
    Numbers(Vec<Numbers>),
}

/// A number, or all from one to another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Numbers {
    text: String,
    from: u64,
    to: u64,
}

impl FromStr for Numbers {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| decimal(text).ok_or(TargetError::Brackets);
        let (from, to): (u64, u64) = (number(from)?, number(to)?);
        if from > to {
            return Err(TargetError::Backwards(text.to_owned()));
        }
        let text = text.to_owned();
        Ok(Self { text, from, to })
    }
}

impl FromStr for Pattern {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (part, length) = match first {
                '*' => (Part::Any, 1),
                '?' => (Part::One, 1),
                ']' => return Err(TargetError::Brackets),
                '[' => {
                    let end = rest.find(']').ok_or(TargetError::Brackets)?;
                    let numbers = rest[1..end].split(',').map(str::parse).collect::<Result<_, _>>()?;
                    (Part::Numbers(numbers), end + 1)
                }
                _ => {
                    let end = rest.find(['*', '?', '[', ']']).unwrap_or(rest.len());
                    (Part::Text(rest[..end].to_owned()), end)
                }
            };
            parts.push(part);
            rest = &rest[length..];
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Any => f.write_str("*")?,
                Part::One => f.write_str("?")?,
                Part::Numbers(numbers) => {
                    let texts: Vec<&str> = numbers.iter().map(|n| n.text.as_str()).collect();
                    write!(f, "[{}]", texts.join(","))?;
                }
            }
        }
        Ok(())
    }
}

impl Pattern {
    /// Whether `name` is one that it means. What follows a `*` is tried at the first place where it fits, then at later ones.
    /// An earlier `*` need never be tried again, since the last one can take all that it would: so the time grows with the
    /// product of both lengths, however many `*` there are.
    pub(super) fn matches(&self, name: &str) -> bool {
        let parts = &self.0;
        let (mut part, mut at) = (0, 0);
        // The part that follows the last `*`, and where it was tried.
        let mut last: Option<(usize, usize)> = None;
        loop {
            match parts.get(part) {
                Some(Part::Any) => {
                    part += 1;
                    last = Some((part, at));
                    continue;
                }
                Some(one) => {
                    if let Some(length) = one.takes(&name[at..]) {
                        part += 1;
                        at += length;
                        continue;
                    }
                }
                None if at == name.len() => return true,
                None => {}
            }
            let Some((after, tried)) = last else { return false };
            let Some(skipped) = name[tried..].chars().next() else {
                return false;
            };
            (part, at) = (after, tried + skipped.len_utf8());
            last = Some((part, at));
        }
    }

    /// Whether it can only mean one name.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.0.as_slice(), [Part::Text(_)])
    }

    /// One pattern for each number and range in brackets, with the others as they are; itself where there is none.
    pub(super) fn each(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for (at, part) in self.0.iter().enumerate() {
            let Part::Numbers(numbers) = part else { continue };
            for number in numbers {
                let mut one = self.clone();
                one.0[at] = Part::Numbers(vec![number.clone()]);
                found.push(one);
            }
        }
        if found.is_empty() { vec![self.clone()] } else { found }
    }
}

impl Part {
    /// How many bytes of the start of `rest` this takes; `None` where it does not fit. [`Part::Any`] takes none at first.
    fn takes(&self, rest: &str) -> Option<usize> {
        match self {
            Self::Text(text) => rest.starts_with(text.as_str()).then_some(text.len()),
            Self::Any => Some(0),
            Self::One => rest.chars().next().map(char::len_utf8),
            Self::Numbers(numbers) => {
                // The whole number: `slave[1]` is not `slave12`.
                let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let number: u64 = decimal(&rest[..length])?;
                numbers
                    .iter()
                    .any(|r| r.from <= number && number <= r.to)
                    .then_some(length)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().expect("a pattern")
    }

    /// What [`Pattern::matches`] means, tried in every way there is.
    fn matches_in_some_way(parts: &[Part], name: &str) -> bool {
        match parts.split_first() {
            None => name.is_empty(),
            Some((Part::Any, rest)) => (0..=name.len())
                .filter(|at| name.is_char_boundary(*at))
                .any(|at| matches_in_some_way(rest, &name[at..])),
            Some((part, rest)) => part
                .takes(name)
                .is_some_and(|length| matches_in_some_way(rest, &name[length..])),
        }
    }

    #[test]
    fn many_stars_are_no_work() {
        let name = "a".repeat(600);
        assert!(pattern(&"*a".repeat(400)).matches(&name));
        assert!(pattern(&"*a*".repeat(400)).matches(&name));
        assert!(!pattern(&("*a".repeat(400) + "b")).matches(&name));
        assert!(!pattern(&("*a".repeat(400) + "?[1]")).matches(&name));
    }

    #[test]
    fn a_number_is_taken_whole() {
        assert!(pattern("slave[1]").matches("slave01"));
        assert!(!pattern("slave[1]").matches("slave12"));
        assert!(pattern("*[1-3]-?").matches("a9-b2-c"));
        assert!(!pattern("slave[0-9]").matches("slave"));
    }

    proptest! {
        #[test]
        fn all_ways_are_found(
            parts in prop::collection::vec(prop::sample::select(vec!["a", "ab", "*", "?", "[1]", "[0-12]", "ä", "1"]), 0..8),
            name in "[ab1ä2]{0,8}",
        ) {
            let pattern = pattern(&parts.concat());
            prop_assert_eq!(pattern.matches(&name), matches_in_some_way(&pattern.0, &name), "{}", pattern);
        }
    }
}
