//! What is answered about a view, as data.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::view::{Member, Node, View};

/// A node in an answer.
#[derive(Debug, Serialize)]
pub struct NodeAnswer<'v> {
    /// The name of the node.
    node: &'v str,
    /// The name of its role.
    role: &'v str,
    /// Its containers that were asked for.
    instances: Vec<&'v Member>,
}

/// The nodes of a view, with the containers of each for which `is_asked` holds.
fn nodes<'v>(view: &'v View, is_asked: impl Fn(&Node, &Member) -> bool) -> Vec<NodeAnswer<'v>> {
    let nodes = view.nodes.iter().map(|node| NodeAnswer {
        node: &node.name,
        role: &node.role,
        instances: node.containers.iter().filter(|member| is_asked(node, member)).collect(),
    });
    nodes.collect()
}

/// All of a view.
#[must_use]
pub fn roster(view: &View) -> Json {
    json!({
        "cluster": view.cluster,
        "revision": view.revision,
        "stale": view.stale,
        "nodes": nodes(view, |_, _| true),
    })
}

/// What changed from `before` to `after`, with each node that changed as it is now, so that whoever has `before` can make
/// `after` of it.
#[must_use]
pub fn changes(before: &View, after: &View) -> Json {
    let node = |view: &View, name: &str| view.nodes.iter().position(|n| n.name == name);
    let removed: Vec<&str> = before
        .nodes
        .iter()
        .map(|n| n.name.as_str())
        .filter(|name| node(after, name).is_none())
        .collect();
    let is_changed = |now: &Node| node(before, &now.name).is_none_or(|at| before.nodes[at] != *now);
    let changed = nodes(after, |_, _| true).into_iter().zip(&after.nodes);
    let changed: Vec<NodeAnswer<'_>> = changed.filter(|(_, now)| is_changed(now)).map(|(n, _)| n).collect();
    json!({
        "revision": after.revision,
        "stale": after.stale,
        "changes": after.changes_since(before),
        "nodes": changed,
        "removed": removed,
    })
}
