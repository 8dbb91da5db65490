//! What the parsers of a blueprint ask of any map in it: that it is one, and that it has no unknown key.

use crate::diagnostic::{Problem, Problems};
use crate::yaml::{Entry, Node, Yaml};

/// The entries of `node`; `None`, with a problem that calls it `what`, if it is no map.
pub(super) fn map<'a>(node: &'a Node, what: &str, problems: &mut Problems) -> Option<&'a [Entry]> {
    match &node.value {
        Yaml::Map(entries) => Some(entries),
        _ => {
            problems
                .push(Problem::at(node.span, format!("{what} must be a map")).label(format!("found {}", node.kind())));
            None
        }
    }
}

/// Keys of Compose and other tools that have another name in a blueprint.
const ELSEWHERE: [(&str, &str); 4] = [
    ("replicas", "count"),
    ("scale", "count"),
    ("instances", "count"),
    ("depends_on", "after"),
];

/// Adds a problem for each key that is neither `known` nor an extension (`x-…`).
pub(super) fn known_keys(entries: &[Entry], known: &[&str], what: &str, problems: &mut Problems) {
    for entry in entries {
        if !known.contains(&entry.key.as_str()) && !entry.key.starts_with("x-") {
            let problem = Problem::at(entry.key_span, format!("unknown key `{}` in {what}", entry.key));
            let meant = ELSEWHERE
                .iter()
                .find(|(other, key)| *other == entry.key && known.contains(key));
            problems.push(match meant {
                Some((_, key)) => problem.hint(format!("did you mean `{key}`?")),
                None => problem.did_you_mean(&entry.key, known.iter().copied()),
            });
        }
    }
}
