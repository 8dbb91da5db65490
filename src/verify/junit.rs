//! The report as JUnit XML for CI servers: a suite for each node, a case for each service and kind of check.

use std::fmt::Write;

use super::Scope;
use super::report::{Finding, Kind, Report};
use crate::text::xml;

/// The report as JUnit XML. `scope` says what was verified; `None` for projects, of which only names are.
#[must_use]
pub fn junit(report: &Report, scope: Option<&Scope>) -> String {
    let (shape, names, paths) = scope.map_or((true, true, false), |s| (s.shape, s.kinds.names, s.kinds.paths));
    let kinds = [(shape, Kind::Shape), (names, Kind::Names), (paths, Kind::Paths)];
    let checked: Vec<Kind> = kinds
        .into_iter()
        .filter_map(|(checked, kind)| checked.then_some(kind))
        .collect();
    let mut suites: Vec<Suite> = Vec::new();
    for node in &report.nodes {
        let services = node.services.iter();
        let cases = services.flat_map(|s| {
            let kinds = checked.iter().filter(|k| **k == Kind::Shape || s.answers > 0);
            kinds.map(|kind| Case::new(&format!("{}: {}", s.service, word(*kind))))
        });
        suites.push(Suite {
            name: node.node.clone(),
            cases: cases.collect(),
        });
    }
    for finding in &report.findings {
        place(&mut suites, report, finding);
    }
    write(&suites, report)
}

struct Suite {
    name: String,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    failures: Vec<(String, String)>,
}

impl Case {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            failures: Vec::new(),
        }
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Shape => "shape",
        Kind::Names => "names",
        Kind::Paths => "paths",
    }
}

/// Adds a finding to its case, which is created if needed.
fn place(suites: &mut Vec<Suite>, report: &Report, finding: &Finding) {
    let name = finding
        .node
        .as_deref()
        .or(report.cluster.as_deref())
        .unwrap_or("networks");
    let suite = match suites.iter().position(|s| s.name == name) {
        Some(at) => at,
        None => {
            let (name, cases) = (name.to_owned(), Vec::new());
            suites.insert(0, Suite { name, cases });
            0
        }
    };
    let case = match &finding.subject {
        Some(subject) => format!("{subject}: {}", word(finding.kind)),
        None => word(finding.kind).to_owned(),
    };
    let cases = &mut suites[suite].cases;
    let at = cases.iter().position(|c| c.name == case).unwrap_or_else(|| {
        cases.push(Case::new(&case));
        cases.len() - 1
    });
    let Finding {
        expected,
        observed,
        cause,
        ..
    } = finding;
    let mut text = format!("expected: {expected}\nseen: {observed}\nlikely cause: {cause}\n");
    for line in &finding.consequences {
        let _ = writeln!(text, "so: {}", line.line());
    }
    cases[at].failures.push((format!("{expected}: {observed}"), text));
}

fn write(suites: &[Suite], report: &Report) -> String {
    let failed = |suite: &Suite| suite.cases.iter().filter(|c| !c.failures.is_empty()).count();
    let tests: usize = suites.iter().map(|s| s.cases.len()).sum();
    let failures: usize = suites.iter().map(failed).sum();
    let name = report.cluster.as_deref().unwrap_or("compose projects");
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"topogen verify: {}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">",
        xml(name)
    );
    for suite in suites {
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\">",
            xml(&suite.name),
            suite.cases.len(),
            failed(suite)
        );
        for case in &suite.cases {
            let (class, name) = (xml(&suite.name), xml(&case.name));
            let _ = write!(out, "    <testcase classname=\"{class}\" name=\"{name}\"");
            if case.failures.is_empty() {
                out.push_str("/>\n");
                continue;
            }
            out.push_str(">\n");
            for (message, text) in &case.failures {
                let (message, text) = (xml(message), xml(text));
                let _ = writeln!(out, "      <failure message=\"{message}\">{text}</failure>");
            }
            out.push_str("    </testcase>\n");
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}
