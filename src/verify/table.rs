//! The report for people: differences by node, with what was expected, what was observed and the likely cause.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::report::{Finding, Kind, Report};

/// On narrower terminals, in columns, a table would break every word, so each finding is a few lines.
const NARROW: u16 = 110;
/// The most lines about consequences of a difference.
const CONSEQUENCES: usize = 3;

/// The differences as text, in `width` columns.
#[must_use]
pub fn table(report: &Report, width: u16) -> String {
    match (report.findings.is_empty(), width < NARROW) {
        (true, _) => String::new(),
        (false, true) => lines(report, width),
        (false, false) => columns(report, width),
    }
}

fn columns(report: &Report, width: u16) -> String {
    let mut table = plain(width);
    let first = if report.cluster.is_some() { "NODE" } else { "PROJECT" };
    table.set_header([first, "WHERE", "EXPECTED", "SEEN", "LIKELY CAUSE"]);
    for (at, finding) in report.findings.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &report.findings[before].node);
        let again = before == Some(&finding.node) && finding.node.is_some();
        let node = finding.node.as_deref().unwrap_or("(all)");
        table.add_row([
            if again { "" } else { node },
            finding.subject.as_deref().unwrap_or_default(),
            &finding.expected,
            &observed(finding),
            &finding.cause,
        ]);
        if at + 1 < report.findings.len() {
            table.add_row([""; 5]);
        }
    }
    // Names are short, and should not be broken.
    for column in 0..2 {
        if let Some(column) = table.column_mut(column) {
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Percentage(18)));
        }
    }
    text(&table, "")
}

fn lines(report: &Report, width: u16) -> String {
    let mut all = Vec::with_capacity(report.findings.len());
    for finding in &report.findings {
        let mut table = plain(width.saturating_sub(2));
        table.add_row(["expected", &finding.expected]);
        table.add_row(["observed", &observed(finding)]);
        table.add_row(["likely cause", &finding.cause]);
        all.push(format!("{}\n{}", finding.place(), text(&table, "  ")));
    }
    all.join("\n")
}

fn plain(width: u16) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    table
}

fn text(table: &Table, indent: &str) -> String {
    let mut text = String::new();
    for line in table.lines() {
        let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
        text.push_str(if line.is_empty() { "" } else { indent });
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// What was observed and, for a difference of shape, its consequences.
fn observed(finding: &Finding) -> String {
    let mut text = finding.observed.clone();
    if finding.kind != Kind::Shape {
        return text;
    }
    for consequence in finding.consequences.iter().take(CONSEQUENCES) {
        text.push_str("\n→ ");
        text.push_str(&consequence.line());
    }
    match finding.consequences.len().saturating_sub(CONSEQUENCES) {
        0 => {}
        more => text.push_str(&format!("\n→ and {more} more of the kind")),
    }
    text
}
