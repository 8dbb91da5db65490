//! The parameters of a request.

use std::str::FromStr;
use std::time::Duration;

use super::refusal::{Refusal, known_names};

/// The longest that a reader may wait for a change.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The parameters of a request, as `?NAME=VALUE&NAME` (WHATWG URL Standard, "application/x-www-form-urlencoded").
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, Option<String>)>);

/// What a reader waits for: another revision than this one, for that long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The revision that the reader has; `None` for the one at the time of the request.
    pub revision: Option<u64>,
    /// How long it waits.
    pub time: Duration,
}

impl Query {
    /// The parameters in `text`.
    ///
    /// # Errors
    /// One that is not among `known`, is there twice, or is not UTF-8 when it is decoded.
    pub fn parse(text: Option<&str>, known: &[&str]) -> Result<Self, Refusal> {
        let mut pairs: Vec<(String, Option<String>)> = Vec::new();
        for part in text.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (part, None),
            };
            let decode = |text: &str| {
                let text = decoded(&text.replace('+', " "));
                text.ok_or_else(|| Refusal::new(400, format!("`{part}` is not UTF-8, percent-encoded"), ""))
            };
            let (name, value) = (decode(name)?, value.map(decode).transpose()?);
            if !known.contains(&name.as_str()) {
                let hint = known_names(&name, known.iter().copied());
                return Err(Refusal::new(400, format!("`{name}` is no parameter here"), hint));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(Refusal::new(400, format!("`{name}` is there twice"), ""));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Whether the flag `name` is set: it is there without a value, or with `true` or `1`.
    ///
    /// # Errors
    /// It has another value than `true`, `1`, `false` or `0`.
    pub fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.find(name) {
            None | Some(Some("false" | "0")) => Ok(false),
            Some(None | Some("" | "true" | "1")) => Ok(true),
            Some(Some(other)) => {
                let error = format!("expected `{name}`, `{name}=true` or `{name}=false`, found `{name}={other}`");
                Err(Refusal::new(400, error, ""))
            }
        }
    }

    /// The text of `name`; `None` if it is not there.
    ///
    /// # Errors
    /// It has no value.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.find(name) {
            None => Ok(None),
            Some(Some(value)) if !value.is_empty() => Ok(Some(value)),
            Some(_) => Err(Refusal::new(400, format!("expected a value: `{name}=…`"), "")),
        }
    }

    /// The number of `name`, up to `most`; `None` if it is not there.
    ///
    /// # Errors
    /// It is no whole number, or more than `most`.
    pub fn number<T>(&self, name: &str, least: T, most: T) -> Result<Option<T>, Refusal>
    where
        T: FromStr + PartialOrd + std::fmt::Display + Copy,
    {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match crate::text::decimal::<T>(text).filter(|n| (least..=most).contains(n)) {
            Some(number) => Ok(Some(number)),
            None => {
                let error = format!("expected a whole number from {least} to {most}, found `{name}={text}`");
                Err(Refusal::new(400, error, ""))
            }
        }
    }

    /// What the reader waits for, by `wait` and `revision`; `None` if it does not wait.
    ///
    /// # Errors
    /// `wait` is no duration, or more than 10 minutes; `revision` is no number.
    pub fn wait(&self) -> Result<Option<Wait>, Refusal> {
        let revision = self.number("revision", 0, u64::MAX)?;
        let Some(text) = self.text("wait")? else {
            return Ok(None);
        };
        let time = humantime::parse_duration(text)
            .ok()
            .filter(|time| *time <= LONGEST_WAIT);
        match time {
            Some(time) => Ok(Some(Wait { revision, time })),
            None => {
                let error = format!("expected a duration of 10 minutes at most, such as `30s`, found `wait={text}`");
                Err(Refusal::new(400, error, ""))
            }
        }
    }

    fn find(&self, name: &str) -> Option<Option<&str>> {
        let pair = self.0.iter().find(|(other, _)| other == name);
        pair.map(|(_, value)| value.as_deref())
    }
}

/// `text` without its percent-encoding (RFC 3986, section 2.1); `None` if that is malformed or not UTF-8.
#[must_use]
pub fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let digits = after.get(..2).filter(|d| d.iter().all(u8::is_ascii_hexdigit))?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["wait", "revision", "ready", "tail"];

    fn refused(text: &str) -> String {
        let query = Query::parse(Some(text), KNOWN);
        let read = query.and_then(|q| Ok((q.flag("ready")?, q.number("tail", 0, 10)?, q.wait()?)));
        let refusal = read.expect_err(text);
        assert_eq!(refusal.status, 400);
        format!("{} ({})", refusal.error, refusal.hint)
    }

    #[test]
    fn parameters_are_read() {
        let query = Query::parse(Some("ready&wait=1m30s&revision=7&tail=%31%30&"), KNOWN).expect("right");
        assert_eq!(query.flag("ready"), Ok(true));
        assert_eq!(query.number("tail", 0, 10), Ok(Some(10)));
        let time = Duration::from_secs(90);
        assert_eq!(
            query.wait(),
            Ok(Some(Wait {
                revision: Some(7),
                time
            }))
        );
        let query = Query::parse(Some("ready=false&revision=7"), KNOWN).expect("right");
        assert_eq!((query.flag("ready"), query.wait()), (Ok(false), Ok(None)));
        assert_eq!(Query::parse(None, KNOWN), Ok(Query::default()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("redy", "`redy` is no parameter here (did you mean `ready`?)"),
            (
                "x=1",
                "`x` is no parameter here (known are `wait`, `revision`, `ready`, `tail`)",
            ),
            (
                "ready=yes",
                "expected `ready`, `ready=true` or `ready=false`, found `ready=yes` ()",
            ),
            ("ready&ready", "`ready` is there twice ()"),
            ("wait", "expected a value: `wait=…` ()"),
            ("wait=", "expected a value: `wait=…` ()"),
            (
                "wait=5",
                "expected a duration of 10 minutes at most, such as `30s`, found `wait=5` ()",
            ),
            (
                "wait=11m",
                "expected a duration of 10 minutes at most, such as `30s`, found `wait=11m` ()",
            ),
            (
                "wait=1s&revision=x",
                "expected a whole number from 0 to 18446744073709551615, found `revision=x` ()",
            ),
            ("tail=11", "expected a whole number from 0 to 10, found `tail=11` ()"),
            ("tail=-1", "expected a whole number from 0 to 10, found `tail=-1` ()"),
            ("tail=%zz", "`tail=%zz` is not UTF-8, percent-encoded ()"),
            ("tail=%ff", "`tail=%ff` is not UTF-8, percent-encoded ()"),
        ] {
            assert_eq!(refused(text), said);
        }
    }

    #[test]
    fn percent_encoding_is_undone() {
        assert_eq!(decoded("a%2Fb%C3%A9").as_deref(), Some("a/bé"));
        for malformed in ["%", "%2", "%g0", "%+1", "%ff"] {
            assert_eq!(decoded(malformed), None, "{malformed}");
        }
    }
}
