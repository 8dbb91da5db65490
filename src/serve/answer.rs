//! What is answered about a view, as data.

use serde::Serialize;

use super::refusal::{Refusal, known_names};
use super::view::{Member, Node, View, ViewChange};
use crate::cluster::roster::Stale;

/// A node, with those of its containers that were asked for.
#[derive(Debug, Serialize)]
pub struct NodeAnswer<'v> {
    /// The name of the node.
    node: &'v str,
    /// The name of its role.
    role: &'v str,
    /// Whether its way in can serve.
    ready: bool,
    /// Its containers, by service and number.
    instances: Vec<&'v Member>,
}

/// What every answer about a view begins with.
#[derive(Debug, Serialize)]
struct Head<'v> {
    cluster: &'v str,
    revision: u64,
    stale: Option<&'v Stale>,
}

impl<'v> Head<'v> {
    fn of(view: &'v View) -> Self {
        Self {
            cluster: &view.cluster,
            revision: view.revision,
            stale: view.stale.as_ref(),
        }
    }
}

/// Nodes that were asked for.
#[derive(Debug, Serialize)]
pub struct Nodes<'v> {
    #[serde(flatten)]
    head: Head<'v>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'v str>,
    nodes: Vec<NodeAnswer<'v>>,
}

/// One node.
#[derive(Debug, Serialize)]
pub struct OneNode<'v> {
    #[serde(flatten)]
    head: Head<'v>,
    #[serde(flatten)]
    node: NodeAnswer<'v>,
}

/// What changed from one view to a later one, with each node that changed as it is now: whoever has the earlier view can make
/// the later one of it.
#[derive(Debug, Serialize)]
pub struct Changes<'v> {
    #[serde(flatten)]
    head: Head<'v>,
    changes: Vec<ViewChange>,
    nodes: Vec<NodeAnswer<'v>>,
    removed: Vec<&'v str>,
}

/// Whether the server knows all that it should.
#[derive(Debug, Serialize)]
pub struct Health<'v> {
    #[serde(flatten)]
    head: Head<'v>,
    healthy: bool,
}

fn node<'v>(node: &'v Node, is_asked: impl Fn(&Member) -> bool) -> NodeAnswer<'v> {
    NodeAnswer {
        node: &node.name,
        role: &node.role,
        ready: node.is_ready(),
        instances: node.containers.iter().filter(|member| is_asked(member)).collect(),
    }
}

/// Those nodes that have a container for which `is_asked` holds; all of them if everything is asked for.
fn nodes<'v>(view: &'v View, of: impl Fn(&Node) -> bool, is_asked: impl Fn(&Member) -> bool) -> Vec<NodeAnswer<'v>> {
    let nodes = view.nodes.iter().filter(|n| of(n)).map(|n| node(n, &is_asked));
    nodes.filter(|n| !n.instances.is_empty()).collect()
}

/// All nodes; with `ready` only containers that can serve, and nodes that have one.
#[must_use]
pub fn roster(view: &View, ready: bool) -> Nodes<'_> {
    Nodes {
        head: Head::of(view),
        role: None,
        service: None,
        nodes: nodes(view, |_| true, |m| !ready || m.is_ready()),
    }
}

/// The node `name`; with `ready` only those of its containers that can serve.
///
/// # Errors
/// There is no such node.
pub fn one_node<'v>(view: &'v View, name: &str, ready: bool) -> Result<OneNode<'v>, Refusal> {
    let found = view.nodes.iter().find(|n| n.name == name);
    let found = found.ok_or_else(|| Refusal::unknown("node", name, view.nodes.iter().map(|n| n.name.as_str())))?;
    Ok(OneNode {
        head: Head::of(view),
        node: node(found, |m| !ready || m.is_ready()),
    })
}

/// The nodes of the role `name`; with `ready` only containers that can serve, and nodes that have one.
///
/// # Errors
/// There is no such role.
pub fn role<'v>(view: &'v View, name: &str, ready: bool) -> Result<Nodes<'v>, Refusal> {
    let roles = view.roles();
    let found = roles.iter().copied().find(|role| *role == name);
    let found = found.ok_or_else(|| Refusal::unknown("role", name, roles))?;
    Ok(Nodes {
        head: Head::of(view),
        role: Some(found),
        service: None,
        nodes: nodes(view, |n| n.role == name, |m| !ready || m.is_ready()),
    })
}

/// The nodes that have the service `name`, with its containers alone; with `ready` only those that can serve.
///
/// # Errors
/// There is no such service.
pub fn service<'v>(view: &'v View, name: &str, ready: bool) -> Result<Nodes<'v>, Refusal> {
    let services = view.services();
    let found = services.iter().copied().find(|service| *service == name);
    let found = found.ok_or_else(|| Refusal::unknown("service", name, services))?;
    Ok(Nodes {
        head: Head::of(view),
        role: None,
        service: Some(found),
        nodes: nodes(view, |_| true, |m| m.service() == name && (!ready || m.is_ready())),
    })
}

/// Whether the node `node` has the service `service`.
///
/// # Errors
/// It has not, or there is no such node.
pub fn check_service(view: &View, node: &str, service: &str) -> Result<(), Refusal> {
    let found = one_node(view, node, false)?;
    let services = found.node.instances.iter().map(|member| member.service());
    match services.clone().any(|name| name == service) {
        true => Ok(()),
        false => {
            let error = format!("node `{node}` has no service `{service}`");
            Err(Refusal::new(404, error, known_names(service, services)))
        }
    }
}

/// What changed from `before` to `after`.
#[must_use]
pub fn changes<'v>(before: &'v View, after: &'v View) -> Changes<'v> {
    let find = |view: &'v View, name: &str| view.nodes.iter().find(|n| n.name == name);
    let names = before.nodes.iter().map(|n| n.name.as_str());
    let is_changed = |now: &Node| find(before, &now.name) != Some(now);
    Changes {
        head: Head::of(after),
        changes: after.changes_since(before),
        nodes: nodes(after, is_changed, |_| true),
        removed: names.filter(|name| find(after, name).is_none()).collect(),
    }
}

/// Whether the server knows all that it should.
#[must_use]
pub fn health(view: &View) -> Health<'_> {
    Health {
        head: Head::of(view),
        healthy: view.stale.is_none(),
    }
}
