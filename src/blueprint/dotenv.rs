//! `.env` files as Compose reads them ("Environment file syntax"): `KEY=VALUE` lines, quotes, comments.

/// The variables of a `.env` file, in the order written.
///
/// # Errors
/// The number of the line, from 1, that is none.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, usize> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
        let key = key.trim();
        let named = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if !named {
            return Err(at + 1);
        }
        found.push((key.to_owned(), value_of(value.trim()).ok_or(at + 1)?));
    }
    Ok(found)
}

fn value_of(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix('\'') {
        return rest.split_once('\'').map(|(value, _)| value.to_owned());
    }
    let Some(rest) = text.strip_prefix('"') else {
        // A `#` after a blank begins a comment.
        let end = text.find(" #").unwrap_or(text.len());
        return Some(text[..end].trim_end().to_owned());
    };
    let mut value = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(value),
            '\\' => match characters.next()? {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let text = "# note\nA=1\nexport B = two words # why\nC='a # b'\nD=\"x\\ny\\\"\"\nE=\nF: yaml\n\nG=a#b\n";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "a # b"),
            ("D", "x\ny\""),
            ("E", ""),
            ("F", "yaml"),
            ("G", "a#b"),
        ];
        assert_eq!(
            parse(text),
            Ok(expected.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec())
        );
        assert_eq!(parse("A=1\n=2\n"), Err(2));
        assert_eq!(parse("A='open\n"), Err(1));
    }
}
