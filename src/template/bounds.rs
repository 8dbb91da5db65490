//! Bounds that the template engine does not have: its fuel counts steps, not sizes.

/// The longest tag, in bytes. The parser recurses, so a longer one could overflow the stack.
pub(super) const MAX_TAG: usize = 2_000;
/// The largest width of the `indent` filter, in columns.
pub(super) const MAX_INDENT: usize = 1000;

/// `text` with all lines but the first indented; `first` and `blank` include the first line and blank lines.
pub(super) fn indented(text: &str, width: usize, first: bool, blank: bool) -> String {
    let margin = " ".repeat(width);
    let lines = text.split('\n').enumerate().map(|(at, line)| {
        let moved = if at == 0 { first } else { blank || !line.is_empty() };
        if moved {
            format!("{margin}{line}")
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The start of a tag that is too long for the template engine's stack; `None` if there is none.
pub(super) fn long_tag(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find('{') {
        let start = from + at;
        let rest = &text[start..];
        let close = match rest.as_bytes().get(1) {
            Some(b'{') => b"}}",
            Some(b'%') => b"%}",
            _ => {
                from = start + 1;
                continue;
            }
        };
        let length = tag_length(rest.as_bytes(), close);
        if length > MAX_TAG {
            return Some(start);
        }
        from = start + length.max(2);
    }
    None
}

/// The length of the tag that `text` begins with. A `close` inside quotes or braces does not end it.
fn tag_length(text: &[u8], close: &[u8]) -> usize {
    let (mut quote, mut depth, mut at) = (None, 0usize, 2);
    while let Some(&byte) = text.get(at) {
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, _) if depth == 0 && text[at..].starts_with(close) => return at + 2,
            (None, b'{') => depth += 1,
            (None, b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    text.len()
}
