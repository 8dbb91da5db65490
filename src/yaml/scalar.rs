//! Types of plain scalars.

use super::Yaml;

/// The type of a plain scalar (YAML 1.2 §10.3.2). Unlike there, integers are what Go accepts, so that `mode: 0440`,
/// `0b11` and `1_000` mean the same as in Compose.
#[must_use]
pub fn plain_scalar(text: &str) -> Yaml {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Yaml::Null,
        "true" | "True" | "TRUE" => return Yaml::Bool(true),
        "false" | "False" | "FALSE" => return Yaml::Bool(false),
        _ => {}
    }
    let (sign, digits) = match text.as_bytes()[0] {
        b'-' => (-1i32, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let radix = |digits: &str, radix| i64::from_str_radix(digits, radix).ok();
    let joined;
    let digits = if digits.starts_with(|c: char| c.is_ascii_digit()) && digits.contains('_') {
        joined = digits.replace('_', "");
        joined.as_str()
    } else {
        digits
    };
    let unsigned = text.starts_with(|c: char| c.is_ascii_digit());
    let whole = match digits.as_bytes() {
        [b'0', b'b', ..] if unsigned => radix(&digits[2..], 2),
        [b'0', b'o', ..] if unsigned => radix(&digits[2..], 8),
        [b'0', b'x', ..] if unsigned => radix(&digits[2..], 16),
        [b'0', rest @ ..] if !rest.is_empty() && rest.iter().all(|b| (b'0'..=b'7').contains(b)) => radix(digits, 8),
        [b'0'..=b'9', ..] if digits.bytes().all(|b| b.is_ascii_digit()) => radix(digits, 10),
        _ => None,
    };
    if let Some(number) = whole {
        return Yaml::Int(i64::from(sign) * number);
    }
    // The number fits Compose's integers but not ours. As text it keeps its digits.
    if digits.len() == text.len() && digits.parse::<u64>().is_ok() {
        return Yaml::Text(text.to_owned());
    }
    if is_float(digits)
        && let Ok(number) = digits.parse::<f64>()
    {
        return Yaml::Float(f64::from(sign) * number);
    }
    Yaml::Text(text.to_owned())
}

/// Matches `[.][0-9]+` or `[0-9]+[.][0-9]*`, with or without an exponent.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    mantissa && exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_what_compose_reads() {
        for (text, expected) in [
            ("", Yaml::Null),
            ("~", Yaml::Null),
            ("True", Yaml::Bool(true)),
            ("0440", Yaml::Int(288)),
            ("089", Yaml::Int(89)),
            ("0o17", Yaml::Int(15)),
            ("0x1f", Yaml::Int(31)),
            ("0b11", Yaml::Int(3)),
            ("1_000", Yaml::Int(1000)),
            ("-12", Yaml::Int(-12)),
            ("+12", Yaml::Int(12)),
            ("1e3", Yaml::Float(1000.0)),
            ("-.5", Yaml::Float(-0.5)),
            ("1.10", Yaml::Float(1.1)),
        ] {
            assert_eq!(plain_scalar(text), expected, "{text}");
        }
        for text in [
            "yes",
            "22:22",
            "2024-01-01",
            "=",
            "1.2.3",
            "_1",
            "0x",
            "-",
            "+",
            "1e",
            ".",
            "nul",
            "9999999999999999999",
        ] {
            let read = plain_scalar(text);
            let text_or_float =
                matches!(&read, Yaml::Text(t) if t == text) || matches!(read, Yaml::Float(n) if n > 9e18);
            assert!(text_or_float, "{text}: {read:?}");
        }
    }
}
