//! What must resolve, connect and stay apart in a running cluster, and whether it does.
//!
//! ```text
//! Topology ─┐
//!           ├─▶ Picture ──expect──▶ questions ──probe (in every container)──▶ answers ─┐
//! Found ────┘      └──shape──▶ differences ──────────────────────────────────────────────┴─explain─▶ Report
//! ```
//! All but [`probe`] is pure: what was found on the engine and what containers answered is data.

pub mod compare;
pub mod expect;
pub mod explain;
pub mod junit;
pub mod matrix;
pub mod picture;
pub mod projects;
pub mod report;
pub mod shape;
pub mod table;

use std::collections::{BTreeMap, BTreeSet};

use compare::Compared;
use expect::Kinds;
use picture::Picture;
use report::{Finding, Kind, NodeReport, Report, ServiceReport};

/// Milliseconds, once those have come, that one more may take before what is not to come is given up.
pub const HASTE: u64 = 200;

/// What is looked at, and from where.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The members that are asked, and whose shape counts.
    pub members: Vec<usize>,
    /// Whether all members are.
    pub all: bool,
    /// Whether the shape of things counts.
    pub shape: bool,
    /// What is asked.
    pub kinds: Kinds,
}

/// All that differs between the picture's two halves, what was expected and what was answered.
#[must_use]
pub fn report(picture: &Picture<'_>, scope: &Scope, compared: Compared) -> Report {
    let shape = shape::compare(picture);
    let mut findings = explain::explain(picture, shape.differences, &compared.symptoms(), compared.crowded);
    for finding in &mut findings {
        let kinds = scope.kinds;
        finding.consequences.retain(|c| match c.kind {
            Kind::Shape => scope.shape,
            Kind::Names => kinds.names,
            Kind::Paths => kinds.paths,
        });
    }
    let places: BTreeSet<&str> = scope.members.iter().map(|m| picture.node(*m)).collect();
    findings.retain(|f| {
        let here = scope.all || f.node.as_deref().is_some_and(|node| places.contains(node));
        !f.consequences.is_empty() || f.kind != Kind::Shape || scope.shape && here
    });
    findings.extend(unasked(picture, &compared.unasked));
    let mut report = Report {
        cluster: Some(picture.cluster.to_owned()),
        right: findings.is_empty(),
        proved: compared.proved,
        findings,
        notes: shape.notes,
        nodes: nodes(picture, &compared.answered),
        matrix: compared.matrix,
    };
    report.proved.networks = if scope.shape { shape.networks } else { 0 };
    sort(picture, &mut report.findings);
    report
}

/// What is no single node's first, then in the order of the topology, what is no service's before what is.
fn sort(picture: &Picture<'_>, findings: &mut [Finding]) {
    let node = |f: &Finding| {
        let name = f.node.as_deref()?;
        picture.nodes.iter().position(|n| n.name.as_str() == name)
    };
    let service = |f: &Finding| {
        let (node, label) = (node(f)?, f.subject.as_deref()?);
        (0..picture.members.len()).find(|m| picture.members[*m].node == node && picture.label(*m) == label)
    };
    findings.sort_by_cached_key(|f| (node(f), service(f), f.kind));
}

/// Containers that could not be asked.
fn unasked(picture: &Picture<'_>, failed: &BTreeMap<usize, String>) -> Vec<Finding> {
    let finding = |(member, reason): (&usize, &String)| Finding {
        kind: Kind::Paths,
        node: Some(picture.node(*member).to_owned()),
        subject: Some(picture.members[*member].service.name.to_string()),
        expected: "can be asked from inside".to_owned(),
        observed: reason.clone(),
        cause: "it ended, or the engine is busy: ask again".to_owned(),
        consequences: Vec::new(),
    };
    failed.iter().map(finding).collect()
}

fn nodes(picture: &Picture<'_>, answered: &BTreeMap<usize, usize>) -> Vec<NodeReport> {
    let mut nodes: Vec<NodeReport> = picture
        .nodes
        .iter()
        .map(|node| NodeReport {
            node: node.name.to_string(),
            services: Vec::new(),
        })
        .collect();
    for (at, member) in picture.members.iter().enumerate() {
        nodes[member.node].services.push(ServiceReport {
            service: picture.label(at),
            container: picture.container(at).map(|c| c.name.clone()),
            answers: answered.get(&at).copied().unwrap_or_default(),
        });
    }
    nodes
}
