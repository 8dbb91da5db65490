//! What texts have in common that differ by a number: `broker-1:9092`, `broker-2:9093` are one pattern.

use crate::blueprint::words;

/// Stands for a member's own name, before numbers are compared.
pub(super) const OWN: char = '\u{E000}';
/// The first of the signs that stand for a list of peers.
const PEERS: u32 = 0xE100;
/// The longest number that is compared; a longer run of digits is no number of anything.
const MAX_DIGITS: usize = 9;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// The same in all texts.
    Text(String),
    /// The own name of each member.
    Own,
    /// A number that grows from member to member.
    Number(Number),
    /// A list of peers, by its position among [`super::peers::Lists`].
    Peers(usize),
}

/// A number that grows with the ordinal of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    /// The number of the node with the ordinal 0.
    pub(super) start: u64,
    /// How much it grows, at least 1.
    pub(super) step: u64,
    /// How many digits it has, with zeros before; 0 for as many as it takes.
    pub(super) width: usize,
}

impl Number {
    /// The number for the node with this ordinal.
    pub(super) fn at(self, ordinal: usize) -> String {
        let ordinal = u64::try_from(ordinal).unwrap_or_default();
        format!("{:0width$}", self.start + self.step * ordinal, width = self.width)
    }

    /// The expression for it; `of` is the node with a dot, or nothing where `index` and `ordinal` are known by themselves.
    pub(super) fn expression(self, of: &str) -> String {
        let Self { start, step, width } = self;
        let plain = match (start, step) {
            (0, 1) => format!("{of}ordinal"),
            (1, 1) => format!("{of}index"),
            (start, 1) => format!("{} + {of}index", start - 1),
            (0, step) => format!("{step} * {of}ordinal"),
            (start, step) if start == step => format!("{step} * {of}index"),
            (start, step) => format!("{start} + {step} * {of}ordinal"),
        };
        match width {
            0 => plain,
            _ => format!("'%0{width}d' | format({plain})"),
        }
    }
}

/// The sign that stands for the list `id` of peers.
pub(super) fn sign(id: usize) -> char {
    u32::try_from(id)
        .ok()
        .and_then(|id| char::from_u32(PEERS + id))
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The list of peers that `c` stands for; `None` for any other sign.
pub(super) fn peers(c: char) -> Option<usize> {
    (PEERS..0xF000)
        .contains(&u32::from(c))
        .then(|| usize::try_from(u32::from(c) - PEERS).unwrap_or_default())
}

/// The pattern of texts, each with the ordinal of its member; `None` if they differ by more than numbers that grow evenly.
pub(super) fn of(texts: &[(usize, String)]) -> Option<Vec<Part>> {
    let (first, rest) = texts.split_first()?;
    let split: Vec<Vec<&str>> = texts.iter().map(|(_, text)| runs(text)).collect();
    if split.iter().any(|runs| runs.len() != split[0].len()) {
        return None;
    }
    let mut parts: Vec<Part> = Vec::new();
    for at in 0..split[0].len() {
        let run = split[0][at];
        if split.iter().all(|runs| runs[at] == run) {
            text(&mut parts, run);
            continue;
        }
        let others: Vec<(usize, &str)> = rest
            .iter()
            .zip(&split[1..])
            .map(|((n, _), runs)| (*n, runs[at]))
            .collect();
        parts.push(Part::Number(number((first.0, run), &others)?));
    }
    Some(parts)
}

/// Adds a text that is the same for all to `parts`.
fn text(parts: &mut Vec<Part>, run: &str) {
    for c in run.chars() {
        match (c, peers(c), parts.last_mut()) {
            (OWN, ..) => parts.push(Part::Own),
            (_, Some(id), _) => parts.push(Part::Peers(id)),
            (c, None, Some(Part::Text(text))) => text.push(c),
            (c, None, _) => parts.push(Part::Text(c.to_string())),
        }
    }
}

/// The number that is `first` for one member and each of `others` for another.
fn number(first: (usize, &str), others: &[(usize, &str)]) -> Option<Number> {
    let value = |text: &str| text.parse::<u64>().ok().filter(|_| text.len() <= MAX_DIGITS);
    let (ordinal, written) = first;
    let from = value(written)?;
    let (other, text) = others.first()?;
    let distance = u64::try_from(other.checked_sub(ordinal)?).ok().filter(|d| *d > 0)?;
    let step = value(text)?.checked_sub(from)?;
    if step == 0 || !step.is_multiple_of(distance) {
        return None;
    }
    let step = step / distance;
    // Two numbers always have a step; one that nobody would choose is none.
    let is_chosen = step <= 10 || step.is_multiple_of(10);
    let padded = |text: &str| text.len() > 1 && text.starts_with('0');
    let is_padded = padded(written) || others.iter().any(|(_, text)| padded(text));
    let number = Number {
        start: from.checked_sub(step * u64::try_from(ordinal).ok()?)?,
        step,
        width: if is_padded { written.len() } else { 0 },
    };
    let fits = others.iter().all(|(n, text)| number.at(*n) == *text);
    (fits && (others.len() > 1 || is_chosen)).then_some(number)
}

/// A text as runs of digits and of what is between them.
pub(super) fn runs(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut before: Option<bool> = None;
    for (at, c) in text.char_indices() {
        let digit = c.is_ascii_digit();
        if before.is_some_and(|before| before != digit) {
            found.push(&text[start..at]);
            start = at;
        }
        before = Some(digit);
    }
    found.push(&text[start..]);
    found
}

/// Whether two texts differ in their numbers at most.
pub(super) fn are_alike(one: &str, other: &str) -> bool {
    let (one, other) = (runs(one), runs(other));
    let digit = |run: &str| run.starts_with(|c: char| c.is_ascii_digit());
    one.len() == other.len() && one.iter().zip(&other).all(|(a, b)| a == b || digit(a) && digit(b))
}

/// `parts` as a template; `own` is the text of [`Part::Own`], `of` the node that numbers belong to, with a dot.
pub(super) fn written(parts: &[Part], own: &str, of: &str, lists: &[String]) -> String {
    let is_template = parts.iter().any(|part| !matches!(part, Part::Text(_)));
    let mut made = String::new();
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Text(text) if is_template => {
                let before_tag = parts.len() > at + 1;
                made.push_str(&words::literal(text, before_tag));
            }
            Part::Text(text) => made.push_str(text),
            Part::Own => made.push_str(own),
            Part::Number(number) => made.push_str(&format!("{{{{ {} }}}}", number.expression(of))),
            Part::Peers(id) => made.push_str(lists.get(*id).map_or("", String::as_str)),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(texts: &[&str]) -> Option<String> {
        let texts: Vec<(usize, String)> = texts.iter().map(|t| (*t).to_owned()).enumerate().collect();
        of(&texts).map(|parts| written(&parts, "OWN", "node.", &[]))
    }

    #[test]
    fn numbers_that_grow_evenly_are_a_pattern() {
        for (texts, expected) in [
            (&["a1", "a2", "a3"][..], Some("a{{ node.index }}")),
            (
                &["a0:2379", "a1:2380"],
                Some("a{{ node.ordinal }}:{{ 2378 + node.index }}"),
            ),
            (&["7051", "8051", "9051"], Some("{{ 7051 + 1000 * node.ordinal }}")),
            (&["es01", "es02"], Some("es{{ '%02d' | format(node.index) }}")),
            (&["x9", "x10"], Some("x{{ 8 + node.index }}")),
            (&["10", "20", "30"], Some("{{ 10 * node.index }}")),
            (&["a{1", "a{2"], Some("a{{ '{' }}{{ node.index }}")),
            (&["same", "same"], Some("same")),
            (&["\u{E000}:1", "\u{E000}:1"], Some("OWN:1")),
            (&["1", "2", "4"], None),
            (&["1", "0"], None),
            (&["17", "94"], None),
            (&["a", "b"], None),
            (&["9999999999", "10000000000"], None),
        ] {
            assert_eq!(template(texts).as_deref(), expected, "{texts:?}");
        }
    }
}
