//! Prints the report, or writes it to a file.

use std::path::Path;

use anyhow::Context;
use serde_json::json;

use crate::atomic;
use crate::cli::{Progress, ReportFormat, Verify};
use crate::console;
use crate::converge::Reporter;
use crate::error::Error;
use crate::terminal::Terminal;
use crate::terminal::words::span;
use crate::verify::Scope;
use crate::verify::junit::junit;
use crate::verify::report::Report;
use crate::verify::table::table;

/// The width in columns if stdout is no terminal.
const WIDTH: u16 = 120;
/// The least width that the table needs; narrower terminals wrap.
const NARROWEST: u16 = 40;

/// Prints the report in the requested format. If it goes to a file, the table is printed too. The last line sums it up.
pub(super) fn print(terminal: &Terminal, report: &Report, scope: Option<&Scope>, args: &Verify) -> Result<(), Error> {
    let text = match format(args) {
        ReportFormat::Table => table(report, width()),
        ReportFormat::Json => serde_json::to_string_pretty(report).map_err(anyhow::Error::from)? + "\n",
        ReportFormat::Junit => junit(report, scope),
        ReportFormat::Svg => report.matrix.as_ref().context("no matrix was kept")?.svg(),
    };
    match &args.output {
        Some(path) if path.as_os_str() != "-" => {
            let shown = path.display();
            atomic::write(path, text.as_bytes(), 0o644).with_context(|| format!("cannot write `{shown}`"))?;
            terminal.data(&table(report, width())).map_err(anyhow::Error::from)?;
        }
        _ => terminal.data(&text).map_err(anyhow::Error::from)?,
    }
    for note in &report.notes {
        terminal.note(&format!("note: {note}"));
    }
    let summary = format!("{} ({})", report.summary(), span(terminal.elapsed()));
    let fields = json!({"right": report.right, "differences": report.findings.len(), "proved": report.proved});
    match report.right || !(args.quiet || args.progress == Progress::Quiet) {
        true => terminal.result(&summary, fields),
        false => terminal.line(&summary),
    }
    Ok(())
}

/// The format that the options ask for, else that of the output file's extension.
pub(super) fn format(args: &Verify) -> ReportFormat {
    let path: Option<&Path> = args.output.as_deref();
    args.format
        .unwrap_or_else(|| match path.and_then(Path::extension).and_then(|e| e.to_str()) {
            Some("json") => ReportFormat::Json,
            Some("xml") => ReportFormat::Junit,
            Some("svg") => ReportFormat::Svg,
            _ => ReportFormat::Table,
        })
}

fn width() -> u16 {
    let size = console::size(std::io::stdout());
    size.map_or(WIDTH, |(_, columns)| columns.max(NARROWEST))
}
