//! Addresses in texts: which stand there whole, and others in their place.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What replaces an address, given with the length of the prefix that follows it as in `10.0.0.0/8`; `None` leaves it.
pub(super) type Replace<'a> = dyn FnMut(IpAddr, Option<u8>) -> Option<(IpAddr, Option<u8>)> + 'a;

/// `text` with others in place of the addresses that stand whole in it; `None` where none is replaced. What is a part of a
/// longer number, name or address is none.
pub(super) fn replaced(text: &str, replace: &mut Replace<'_>) -> Option<String> {
    let four = family(text, |c| c.is_ascii_digit() || c == '.', v4, replace);
    let six = family(
        four.as_deref().unwrap_or(text),
        |c| c.is_ascii_hexdigit() || c == ':',
        v6,
        replace,
    );
    six.or(four)
}

/// The address in `run`, a longest part of a text of the characters that addresses have, given whether it begins within a
/// word; and where in `run` it begins.
type Find = fn(run: &str, within: bool) -> Option<(usize, IpAddr)>;

fn family(text: &str, is_part: fn(char) -> bool, find: Find, replace: &mut Replace<'_>) -> Option<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut new = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(start) = text[at..].find(is_part).map(|n| at + n) {
        let end = text[start..].find(|c| !is_part(c)).map_or(text.len(), |n| start + n);
        at = end;
        if text[end..].starts_with(is_word) {
            continue;
        }
        let run = text[start..end].trim_end_matches(['.', ':']);
        // `::` at the end belongs to an address.
        let run = if text[start + run.len()..end].starts_with("::") {
            &text[start..start + run.len() + 2]
        } else {
            run
        };
        let end = start + run.len();
        let Some((skipped, address)) = find(run, text[..start].ends_with(is_word)) else {
            continue;
        };
        let (prefix, after) = prefix(&text[end..]);
        let Some((address, length)) = replace(address, prefix) else {
            continue;
        };
        new.push_str(&text[copied..start + skipped]);
        new.push_str(&address.to_string());
        if let Some(length) = length {
            new.push_str(&format!("/{length}"));
        }
        copied = end + after;
        at = at.max(copied);
    }
    if copied == 0 {
        return None;
    }
    new.push_str(&text[copied..]);
    Some(new)
}

fn v4(run: &str, within: bool) -> Option<(usize, IpAddr)> {
    let address: Ipv4Addr = run.parse().ok()?;
    (!within).then_some((0, address.into()))
}

/// A name before a colon, as in `db:fd00::5`, may be of the digits of an address.
fn v6(run: &str, within: bool) -> Option<(usize, IpAddr)> {
    let whole = || run.parse::<Ipv6Addr>().ok().filter(|_| !within).map(|a| (0, a));
    let last = || {
        let colon = run.find(':')?;
        let address = run[colon + 1..].parse::<Ipv6Addr>().ok()?;
        Some((colon + 1, address))
    };
    // Of two readings, the one after the colon is an address of a pool only where the other one is none: no pool has both.
    let (at, address) = match (whole(), last()) {
        (Some(whole), Some(last)) if !is_local(whole.1) && is_local(last.1) => last,
        (whole, last) => whole.or(last)?,
    };
    Some((at, address.into()))
}

/// Whether `address` is one that networks of one's own have (RFC 4193), for documentation (RFC 3849), or public.
fn is_local(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    first & 0xfe00 == 0xfc00 || first & 0xe000 == 0x2000
}

/// The prefix length at the start of `rest`, and how many bytes say it.
fn prefix(rest: &str) -> (Option<u8>, usize) {
    let Some(digits) = rest.strip_prefix('/') else {
        return (None, 0);
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let is_whole = !digits[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    match digits[..end].parse() {
        Ok(length) if is_whole => (Some(length), end + 1),
        _ => (None, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every address replaced by one of its family.
    fn marked(text: &str) -> String {
        let replace = &mut |address: IpAddr, prefix: Option<u8>| {
            let new: IpAddr = match address {
                IpAddr::V4(_) => Ipv4Addr::new(9, 9, 9, 9).into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            };
            Some((new, prefix.map(|p| p + 1)))
        };
        replaced(text, replace).unwrap_or_else(|| "-".to_owned())
    }

    #[test]
    fn an_address_is_told_from_other_numbers() {
        for (text, expected) in [
            ("172.28.0.5", "9.9.9.9"),
            ("http://172.28.0.5:8080/a", "http://9.9.9.9:8080/a"),
            ("a=172.28.0.5,b=172.28.0.6:2380.", "a=9.9.9.9,b=9.9.9.9:2380."),
            ("etcd:172.28.0.5", "etcd:9.9.9.9"),
            (
                "--peer=172.28.0.5 --net 172.28.0.0/16",
                "--peer=9.9.9.9 --net 9.9.9.9/17",
            ),
            ("http://172.28.0.5/16th", "http://9.9.9.9/16th"),
            ("http://172.28.0.5/index", "http://9.9.9.9/index"),
            ("It is 172.28.0.5.", "It is 9.9.9.9."),
            ("172.28.0.50.1", "-"),
            ("v172.28.0.5", "-"),
            ("172.28.0.5a", "-"),
            ("1.172.28.0.5", "-"),
            ("172.28.0", "-"),
            ("172.28.0.999", "-"),
            ("fd00::5", "::1"),
            ("http://[fd00::5]:80/", "http://[::1]:80/"),
            ("db:fd00::5", "db:::1"),
            ("etcd:fd00::5", "etcd:::1"),
            ("fd00:1::/64", "::1/65"),
            ("ENV=fd00::5", "ENV=::1"),
            ("02:42:ac:11:00:02", "-"),
            ("12:34:56", "-"),
            ("redis::5x", "-"),
            ("é172.28.0.5é 172.28.0.5é", "-"),
            ("", "-"),
        ] {
            assert_eq!(marked(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "[0-9a-f:./é \\[\\]-]{0,40}") {
            let _ = marked(&text);
            prop_assert_eq!(replaced(&text, &mut |_, _| None), None);
        }
    }
}
