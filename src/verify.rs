//! What must resolve, connect and be unreachable in a running cluster, and whether it is so.
//!
//! ```text
//! Topology ─┐
//!           ├─▶ Model ──expect──▶ questions ──probe (in every container)──▶ answers ─┐
//! Found ────┘      └──shape──▶ differences ──────────────────────────────────────────────┴─explain─▶ Report
//! ```
//! Everything except [`probe`](crate::probe) is pure: what was observed on the engine and what containers answered is data.

pub mod compare;
pub mod expect;
pub mod explain;
pub mod junit;
pub mod matrix;
pub mod model;
pub mod projects;
pub mod report;
pub mod shape;
pub mod table;

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Verdict;
use compare::Compared;
use expect::Kinds;
use model::Model;
use report::{Finding, Kind, NodeReport, Report, ServiceReport};

/// The timeout of a control query, in milliseconds.
pub const CONTROL_TIMEOUT: u64 = 200;

/// What is verified, and from where.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The members that run checks and whose shape is compared.
    pub members: Vec<usize>,
    /// Whether these are all members.
    pub all: bool,
    /// Whether to compare shapes.
    pub shape: bool,
    /// The kinds of checks to run.
    pub kinds: Kinds,
}

/// The report of all differences between the topology and what was observed and answered.
#[must_use]
pub fn report(model: &Model<'_>, scope: &Scope, compared: Compared) -> Report {
    let shape = shape::compare(model);
    let mut findings = explain::explain(model, shape.differences, &compared.symptoms(), compared.crowded);
    for finding in &mut findings {
        let kinds = scope.kinds;
        finding.consequences.retain(|c| match c.kind {
            Kind::Shape => scope.shape,
            Kind::Names => kinds.names,
            Kind::Paths => kinds.paths,
        });
    }
    let places: BTreeSet<&str> = scope.members.iter().map(|m| model.node(*m)).collect();
    findings.retain(|f| {
        let here = scope.all || f.node.as_deref().is_some_and(|node| places.contains(node));
        !f.consequences.is_empty() || f.kind != Kind::Shape || scope.shape && here
    });
    let unasked = unasked(model, &compared.unasked);
    findings.extend(unseen(model, scope, &compared, &findings));
    let differences = findings.len();
    let unasked_count = unasked.len();
    findings.extend(unasked);
    let mut report = Report {
        cluster: Some(model.cluster.to_owned()),
        right: findings.is_empty(),
        proved: compared.proved,
        findings,
        unasked: unasked_count,
        notes: shape.notes.into_iter().chain(silent(model, scope)).collect(),
        nodes: nodes(model, &compared.answered),
        matrix: compared.matrix,
    };
    if let Some(matrix) = &mut report.matrix {
        (matrix.differences, matrix.unasked) = (differences, unasked_count);
    }
    report.proved.networks = if scope.shape { shape.networks } else { 0 };
    sort(model, &mut report.findings);
    report
}

/// Orders findings: cluster-wide ones first, then as in the topology; those of a whole node before those of a service.
fn sort(model: &Model<'_>, findings: &mut [Finding]) {
    let node = |f: &Finding| {
        let name = f.node.as_deref()?;
        model.nodes.iter().position(|n| n.name.as_str() == name)
    };
    let service = |f: &Finding| {
        let (node, label) = (node(f)?, f.subject.as_deref()?);
        (0..model.members.len()).find(|m| model.members[*m].node == node && model.label(*m) == label)
    };
    findings.sort_by_cached_key(|f| (node(f), service(f), f.kind));
}

/// Findings for containers that were to be asked and are not there to be asked, where no other finding says so.
fn unseen(model: &Model<'_>, scope: &Scope, compared: &Compared, findings: &[Finding]) -> Vec<Finding> {
    let is_told = |member: usize| {
        let label = model.label(member);
        let here = |f: &&Finding| f.node.as_deref() == Some(model.node(member));
        let mut here = findings.iter().filter(here);
        scope.all && scope.shape || here.any(|f| f.subject.as_deref().is_none_or(|s| s == label))
    };
    let is_met = |member: usize| compared.answered.contains_key(&member) || compared.unasked.contains_key(&member);
    let members = scope.members.iter().copied().filter(|m| !is_met(*m) && !is_told(*m));
    let finding = |member: usize| {
        let verdict = model.verdict(member);
        (!verdict.is_well()).then(|| Finding {
            kind: Kind::Paths,
            node: Some(model.node(member).to_owned()),
            subject: Some(model.label(member)),
            expected: "runs, and can be asked".to_owned(),
            observed: verdict.to_string(),
            cause: format!("{} says more", model.command("verify")),
            consequences: Vec::new(),
        })
    };
    members.filter_map(finding).collect()
}

/// Notes for the containers that somebody chose and of which there is nothing to ask.
fn silent(model: &Model<'_>, scope: &Scope) -> Vec<String> {
    let chosen = scope.members.iter().copied().filter(|_| !scope.all);
    let note = |member: usize| {
        let title = model.title(member);
        match (
            model.is_job(member),
            model.members[model.place(member)].joints.is_empty(),
        ) {
            (true, _) if model.verdict(member) == Verdict::Completed => {
                Some(format!("`{title}` has done its work: it is not asked"))
            }
            (true, _) => Some(format!("`{title}` is to do its work and end: it is not asked")),
            (false, true) => Some(format!("`{title}` is on no network of the cluster: it is not asked")),
            (false, false) => None,
        }
    };
    chosen.filter_map(note).collect()
}

/// Findings for containers in which the probe could not run.
fn unasked(model: &Model<'_>, failed: &BTreeMap<usize, String>) -> Vec<Finding> {
    let finding = |(member, reason): (&usize, &String)| Finding {
        kind: Kind::Paths,
        node: Some(model.node(*member).to_owned()),
        subject: Some(model.members[*member].service.name.to_string()),
        expected: "can be asked from inside".to_owned(),
        observed: reason.clone(),
        cause: "it ended, the engine is busy, or this process may open too few files (`ulimit -n`): ask again"
            .to_owned(),
        consequences: Vec::new(),
    };
    failed.iter().map(finding).collect()
}

fn nodes(model: &Model<'_>, answered: &BTreeMap<usize, usize>) -> Vec<NodeReport> {
    let mut nodes: Vec<NodeReport> = model
        .nodes
        .iter()
        .map(|node| NodeReport {
            node: node.name.to_string(),
            services: Vec::new(),
        })
        .collect();
    for (at, member) in model.members.iter().enumerate() {
        nodes[member.node].services.push(ServiceReport {
            service: model.label(at),
            container: model.container(at).map(|c| c.name.clone()),
            answers: answered.get(&at).copied().unwrap_or_default(),
        });
    }
    nodes
}
