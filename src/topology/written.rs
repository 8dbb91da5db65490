//! Where things of a topology were written, for problems that show only later.

use std::sync::Arc;

use crate::diagnostic::Span;
use crate::yaml::{Entry, Node, Yaml};

/// The map that something of a topology was read from, templates and all. All nodes of a role share it.
#[derive(Debug, Clone, Default)]
pub struct Written(Option<Arc<Node>>);

impl Written {
    /// What was written as `entries`, at `span` as a whole.
    #[must_use]
    pub fn new(entries: Vec<Entry>, span: Span) -> Self {
        let node = Node {
            value: Yaml::Map(entries),
            span,
            tag: None,
        };
        Self(Some(Arc::new(node)))
    }

    /// The value at `path`, where one was written: `deploy.resources.limits`, `volumes[2].bind`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Node> {
        let (node, rest) = walk(self.0.as_deref()?, path, |_| {});
        rest.is_empty().then_some(node)
    }

    /// The span of the value at `path`, or of as much of the path as was written: the value where it is a scalar, else its
    /// key. For problems of a value; for those of a key see [`Self::key`].
    #[must_use]
    pub fn place(&self, path: &str) -> Option<Span> {
        let (node, key) = self.reach(path)?;
        Some(match node.value {
            Yaml::Map(_) | Yaml::List(_) | Yaml::Null => key,
            _ => node.span,
        })
    }

    /// The span of the last key of `path` that was written, or of the last list item. For problems of a key itself: one that
    /// is unknown or not supported.
    #[must_use]
    pub fn key(&self, path: &str) -> Option<Span> {
        self.reach(path).map(|(_, key)| key)
    }

    /// The node that `path` leads to, as far as it was written, and the span of the last key or item on the way.
    fn reach(&self, path: &str) -> Option<(&Node, Span)> {
        let root = self.0.as_deref()?;
        let mut key = root.span;
        let (node, _) = walk(root, path, |span| key = span);
        Some((node, key))
    }
}

/// Follow `path` below `node`: where it ends, and what is left of it. `step` hears the place of each key or item passed.
fn walk<'a, 'p>(mut node: &'a Node, path: &'p str, mut step: impl FnMut(Span)) -> (&'a Node, &'p str) {
    let mut rest = path;
    loop {
        let part = rest.strip_prefix('.').unwrap_or(rest);
        let next = match &node.value {
            Yaml::Map(entries) => {
                // Keys may hold dots, so the longest one that fits.
                let fits = |e: &&Entry| match part.strip_prefix(e.key.as_str()) {
                    Some(after) => after.is_empty() || after.starts_with(['.', '[']),
                    None => false,
                };
                let entry = entries.iter().filter(fits).max_by_key(|e| e.key.len());
                entry.map(|e| (&e.node, e.key_span, &part[e.key.len()..]))
            }
            Yaml::List(items) => part.strip_prefix('[').and_then(|p| {
                let (index, after) = p.split_once(']')?;
                let item = items.get(index.parse::<usize>().ok()?)?;
                Some((item, item.span, after))
            }),
            _ => None,
        };
        match next {
            Some((found, place, after)) if !part.is_empty() => {
                step(place);
                (node, rest) = (found, after);
            }
            _ => return (node, rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::FileId;

    #[test]
    fn a_path_leads_as_far_as_it_was_written() {
        let text = "labels: {a.b: x, a: {b: [y, {c: z}]}}\nports:\n  - 80\n";
        let node = crate::yaml::parse(text, FileId::default()).unwrap_or_else(|p| panic!("{p:?}"));
        let Yaml::Map(entries) = node.value else {
            panic!("a map")
        };
        let written = Written::new(entries, Span::default());
        let at = |path: &str| {
            let span = written.place(path).unwrap_or_default();
            &text[span.start as usize..span.end as usize]
        };
        assert_eq!(at("labels.a.b"), "x");
        assert_eq!(at("labels.a.b[1].c"), "x", "the longest key that fits");
        assert_eq!(at("labels.a"), "a");
        assert_eq!(at("labels.a.x"), "a");
        assert_eq!(at("ports"), "ports");
        assert_eq!(at("ports[0].target"), "80");
        assert_eq!(at("ports[7]"), "ports");
        assert_eq!(at("image"), "");
        let key = |path: &str| {
            let span = written.key(path).unwrap_or_default();
            &text[span.start as usize..span.end as usize]
        };
        assert_eq!(key("labels.a.b"), "a.b");
        assert_eq!(key("labels.a.b[1].c"), "a.b", "the longest key that fits");
        assert_eq!(key("ports[0]"), "80", "an item has no key");
        assert_eq!(key("ports"), "ports");
        assert!(written.get("ports[0]").is_some() && written.get("ports[1]").is_none());
        assert_eq!(Written::default().place("ports"), None);
    }
}
