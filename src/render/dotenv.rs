//! The `.env` of a rendered project: what Compose must know there, and no environment will tell it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::blueprint::dotenv::{self, Pairs};
use crate::topology::{ConfigSource, Node, Topology, outside};

/// The name of the file in its project's directory.
pub const FILE_NAME: &str = ".env";

/// The variables that `env_file`, `configs` and `secrets` of `node` take from outside and that only a `.env` or `--env-file`
/// has, as a file that Compose reads by itself; `None` if there are none. `is_set` says what the environment itself has,
/// which Compose is given when it brings the project up.
#[must_use]
pub fn file(topology: &Topology, node: &Node, is_set: &dyn Fn(&str) -> bool) -> Option<String> {
    let known = |name: &str| {
        let outside = topology.outside.variable(name).map(str::to_owned);
        outside.or_else(|| node.beside.get(name).cloned())
    };
    let asked: RefCell<BTreeSet<String>> = RefCell::default();
    for config in node.configs.iter() {
        if let ConfigSource::Environment { name, .. } = &config.source {
            asked.borrow_mut().insert(name.clone());
        }
    }
    let lookup = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        known(name)
    };
    let paths: BTreeSet<String> = node.services.iter().flat_map(outside::env_files).collect();
    for path in paths {
        if let Ok(text) = topology.outside.file(&path) {
            // A mistake in it is reported by `up`.
            let _ = dotenv::parse(&text, &mut Pairs::new(), &lookup);
        }
    }
    let asked = asked.into_inner().into_iter();
    // Compose says its own variables itself.
    let asked = asked.filter(|name| !is_set(name) && !name.starts_with("COMPOSE_"));
    let found: BTreeMap<String, String> = asked.filter_map(|name| Some((name.clone(), known(&name)?))).collect();
    let line = |(name, value): (&String, &String)| format!("{name}={}\n", quoted(value));
    (!found.is_empty()).then(|| found.iter().map(line).collect())
}

/// `value` in double quotes, in which nothing is expanded.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for character in value.chars() {
        match character {
            '\\' | '"' | '$' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_again_as_it_is() {
        for value in [
            "plain",
            "two words # none",
            "a\"b'c",
            "$HOME ${X} $$",
            "back\\slash\\n",
            "line\nline",
            "",
        ] {
            let mut found = Pairs::new();
            let text = format!("A={}\n", quoted(value));
            assert_eq!(dotenv::parse(&text, &mut found, &|_| None), Ok(()), "{text}");
            assert_eq!(found["A"], value, "{text}");
        }
    }
}
