//! What `isolate:` of a role changes from node to node: ports of the host, names outside of the node, addresses.

mod addresses;
mod moves;
mod outside;
mod pools;
mod ports;

use std::collections::HashSet;

use super::super::Node;
use super::Expansion;
use crate::blueprint::Role;
use crate::blueprint::isolate::{Change, HINT, Isolated};
use crate::diagnostic::Problem;

/// What a change takes of the budget beside its texts; bytes.
const CHANGE: usize = 128;

impl<'b> Expansion<'b> {
    /// Isolates the nodes of isolated roles, as far as no subnet is needed for that.
    pub(super) fn isolate(&mut self, nodes: &mut [Node]) {
        let mut reported = HashSet::new();
        for node in nodes {
            let Some(isolated) = self.isolated(node) else { continue };
            node.changes.clone_from(&isolated.changes);
            self.host_ports(node, isolated.asked.ports, &mut reported);
            outside::names(node, isolated.asked);
            outside::mentions(node, isolated);
            let texts = |c: &Change| CHANGE + c.path.len() + c.was.len() + c.now.len();
            let texts: usize = node.changes.iter().map(texts).sum();
            // Whoever has no budget left is told of it when the expansion ends.
            if self.sources.budget().spend(texts).is_err() {
                break;
            }
        }
    }

    /// What `isolate:` took out of the role of `node`; `None` where that is not isolated.
    fn isolated(&self, node: &Node) -> Option<&'b Isolated> {
        let role: &'b Role = self.blueprint.role(node.role.as_str())?;
        role.isolated.as_ref()
    }

    /// `hint`, and that isolation is another way out where the role of `node` is not isolated.
    pub(super) fn or_isolated(&self, node: &Node, hint: &str) -> String {
        match self.isolated(node) {
            None => format!("{hint}, {HINT}"),
            Some(_) => hint.to_owned(),
        }
    }
}

/// What was changed in the first of `nodes` of each of `roles`: the others of a role are alike.
pub(super) fn notes(roles: &[Role], nodes: &[Node]) -> Vec<Problem> {
    let first = roles
        .iter()
        .filter_map(|role| nodes.iter().find(|node| node.role == role.name.value));
    let notes = first.flat_map(|node| {
        let note = |change: &Change| Problem::general(format!("isolate: {}: {change}", node.name));
        node.changes.iter().map(note)
    });
    notes.collect()
}

/// Adds to `node` that what `path` says, `was`, is `now`.
fn change(node: &mut Node, path: String, was: impl Into<String>, now: impl Into<String>) {
    let (was, now) = (was.into(), now.into());
    node.changes.push(Change { path, was, now });
}
