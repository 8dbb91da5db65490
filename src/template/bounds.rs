//! Bounds that the engine of templates has not: its fuel counts steps, not sizes.

/// The longest tag, in bytes: it is parsed by recursion.
pub(super) const MAX_TAG: usize = 2_000;
/// The widest `indent`.
pub(super) const MAX_INDENT: usize = 1000;

/// Every line but the first moved right; blank ones and the first where asked for.
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

/// Where a tag begins that is longer than the template engine can take without running out of stack.
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

/// How far it is to the end of the tag that `text` begins with; what is in quotes or braces ends none.
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
