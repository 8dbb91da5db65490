//! Ports as Compose writes them (Compose specification, services, `expose` and `ports`).

use bollard::models::PortBinding;

use super::read;
use crate::diagnostic::Problems;
use crate::value::Value;

/// One item of `ports`: each of the container's ports (`80/tcp`) and where the host answers for it.
pub(super) fn published(item: &Value, path: &str, problems: &mut Problems) -> Vec<(String, PortBinding)> {
    let found = parse(item);
    if found.is_none() {
        read::wrong(
            problems,
            path,
            "`[[address:]published:]target[/protocol]`, ranges of one length",
            item,
        );
    }
    found.unwrap_or_default()
}

/// Each port (`443/tcp`) of an item of `expose`.
pub(super) fn exposed(item: &str) -> Option<Vec<String>> {
    let (ports, protocol) = item.split_once('/').unwrap_or((item, "tcp"));
    let (first, last) = range(ports)?;
    Some((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn parse(item: &Value) -> Option<Vec<(String, PortBinding)>> {
    let (host_ip, published, target, protocol) = match item {
        Value::Map(map) => {
            let field = |key: &str| map.get(key).and_then(Value::scalar);
            let protocol = field("protocol").unwrap_or_else(|| "tcp".to_owned());
            (
                field("host_ip"),
                field("published").unwrap_or_default(),
                field("target")?,
                protocol,
            )
        }
        other => {
            let text = other.scalar()?;
            let (rest, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
            let (rest, target) = rest.rsplit_once(':').unwrap_or(("", rest));
            // What is left is `published`, or an address before it, IPv6 in brackets.
            let (ip, published) = match rest.rsplit_once(':') {
                Some((ip, published)) => (Some(ip.trim_matches(['[', ']']).to_owned()), published),
                None => (None, rest),
            };
            (ip, published.to_owned(), target.to_owned(), protocol.to_owned())
        }
    };
    let binding = |host_port: String| PortBinding {
        host_ip: host_ip.clone(),
        host_port: Some(host_port),
    };
    let (first, last) = range(&target)?;
    if published.is_empty() {
        return Some(
            (first..=last)
                .map(|port| (format!("{port}/{protocol}"), binding(String::new())))
                .collect(),
        );
    }
    let (from, to) = range(&published)?;
    if first == last {
        // A range of host ports for one of the container's is the engine's to choose from.
        return Some(vec![(format!("{first}/{protocol}"), binding(published))]);
    }
    let pair = |(target, published): (u16, u16)| (format!("{target}/{protocol}"), binding(published.to_string()));
    (to - from == last - first).then(|| (first..=last).zip(from..=to).map(pair).collect())
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && first > 0).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_in_every_form() {
        let shown = |item: &Value| -> Vec<String> {
            let list = parse(item).unwrap_or_default();
            let line = |(target, b): (String, PortBinding)| {
                format!(
                    "{}:{}->{target}",
                    b.host_ip.unwrap_or_default(),
                    b.host_port.unwrap_or_default()
                )
            };
            list.into_iter().map(line).collect()
        };
        for (text, expected) in [
            ("80", &[":->80/tcp"][..]),
            ("8080:80", &[":8080->80/tcp"]),
            ("127.0.0.1:8080:80/udp", &["127.0.0.1:8080->80/udp"]),
            ("127.0.0.1::80", &["127.0.0.1:->80/tcp"]),
            ("[::1]:8080:80", &["::1:8080->80/tcp"]),
            ("8000-8001:80-81", &[":8000->80/tcp", ":8001->81/tcp"]),
            ("8000-8009:80", &[":8000-8009->80/tcp"]),
        ] {
            assert_eq!(shown(&Value::from(text)), expected, "{text}");
        }
        for text in ["a", "80:b", "0", "81-80", "1-2:1-3", "70000"] {
            assert!(parse(&Value::from(text)).is_none(), "{text}");
        }
    }
}
