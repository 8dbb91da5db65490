//! Amounts in Compose's words: sizes and periods of time.

/// Bytes: a bare number of them, or `64m`, `1.5gb`, `512KiB`, always by 1024 (Compose specification, "Byte units"). `None`
/// for anything else.
#[must_use]
pub fn bytes(text: &str) -> Option<i64> {
    if let Ok(bytes) = text.parse() {
        return Some(bytes);
    }
    let lower = text.trim().to_lowercase();
    let digits = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let number: f64 = lower[..digits].parse().ok()?;
    let unit = lower[digits..].trim();
    let unit = unit.strip_suffix('b').unwrap_or(unit);
    let power = match unit.strip_suffix('i').unwrap_or(unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    Some((number * 1024f64.powi(power)) as i64)
}

/// Nanoseconds of a period in Compose's words, which know days and weeks too: `90s`, `1m30s`, `1h5m30s20ms`, `1d`; a number
/// without a unit is none, except 0. `None` for anything else.
#[must_use]
pub fn duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let whole = |nanoseconds: f64| (nanoseconds.is_finite() && nanoseconds >= 0.0).then_some(nanoseconds as i64);
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "w" => 6.048e14,
                "d" => 8.64e13,
                "h" => 3.6e12,
                "m" => 6e10,
                "s" => 1e9,
                "ms" => 1e6,
                // With the micro sign, and with the letter mu.
                "us" | "µs" | "μs" => 1e3,
                "ns" => 1.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    whole(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_every_form() {
        for (text, expected) in [
            ("10", None),
            ("90s", Some(90_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1h", Some(3_600_000_000_000)),
            ("1.5m", Some(90_000_000_000)),
            ("200ms", Some(200_000_000)),
            ("5\u{b5}s", Some(5_000)),
            ("5\u{3bc}s", Some(5_000)),
            ("1d", Some(86_400_000_000_000)),
            ("1w2d1h", Some(781_200_000_000_000)),
            ("0", Some(0)),
            ("soon", None),
            ("10x", None),
            ("-5", None),
            ("-5s", None),
            ("inf", None),
            ("nan", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_in_every_form() {
        for (text, expected) in [
            ("64m", Some(64 << 20)),
            ("1.5gb", Some(1_610_612_736)),
            ("512KiB", Some(512 << 10)),
            ("100", Some(100)),
            ("-1", Some(-1)),
            ("2 GB", Some(2 << 30)),
            ("", None),
            ("m", None),
            ("1x", None),
            ("1mm", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
