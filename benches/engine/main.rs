//! topogen beside the floor, Compose, and other ways to write files: `benches/run` starts it, `benches/README.md` says
//! what each line means.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used)]

mod children;
mod clusters;
mod files;
mod floor;
mod follow;
mod lab;
mod plot;
mod report;
mod sizes;
mod wire;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use clap::Parser;

use lab::{Compose, Lab};
use report::{Heading, Line, Report};

/// What can be measured, in the order of the report.
pub(crate) const SECTIONS: [&str; 12] = [
    "floor", "compose", "down", "noop", "grow", "verify", "render", "check", "fakes", "serve", "sizes", "tune",
];

/// Measure topogen beside the floor, Compose, and other ways to write files.
#[derive(Debug, Parser)]
#[command(bin_name = "benches/run", max_term_width = 100)]
pub(crate) struct Options {
    /// Measure that only, with commas between; all but `tune` where it is not said
    #[arg(long, value_delimiter = ',', value_name = "SECTION", value_parser = clap::builder::PossibleValuesParser::new(SECTIONS))]
    only: Vec<String>,
    /// Pairs of each comparison
    #[arg(long, default_value_t = 5, value_name = "N")]
    rounds: usize,
    /// Slaves at which cost against size is measured, with commas between
    #[arg(long, value_delimiter = ',', default_values_t = [10, 50, 100, 200], value_name = "N")]
    sizes: Vec<u32>,
    /// Rounds at each of those sizes
    #[arg(long, default_value_t = 3, value_name = "N")]
    size_rounds: usize,
    /// Slaves to render
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    render: u32,
    /// Calls of the floor at once; `--only tune` finds the best
    #[arg(long, default_value_t = 16, value_name = "N")]
    at_once: usize,
    /// Where results go; the picture beside it
    #[arg(long, default_value = "benches/results.json", value_name = "FILE")]
    json: PathBuf,
    /// Write the table into benches/README.md too
    #[arg(long)]
    publish: bool,
    /// Said by `benches/run`: a bare `cargo bench` is to measure nothing that takes an hour
    #[arg(long, hide = true)]
    run: bool,
    /// Said by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    pub(crate) fn has(&self, section: &str) -> bool {
        self.only.iter().any(|s| s == section)
    }
}

/// Tell whoever waits.
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    if !options.run {
        say("the engine's bench is started by `benches/run`");
        return ExitCode::SUCCESS;
    }
    if options.only.is_empty() {
        options.only = SECTIONS
            .iter()
            .filter(|s| **s != "tune")
            .map(|s| (*s).to_owned())
            .collect();
    }
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    if options.publish && options.json.parent() != Some(Path::new("benches")) {
        bail!("`--publish` links to the picture beside the results: `--json` is to be a file in benches/");
    }
    children::listen()?;
    let lab = Lab::new(options.at_once)?;
    let mut report = Report {
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        heading: heading(&lab),
        lines: Vec::new(),
        sizes: Vec::new(),
    };
    lab.clean().context("cannot clean up")?;
    let result = sections(&lab, options, &mut report);
    let interrupted = children::go_on();
    let cleaned = lab.clean().context("cannot clean up");
    if interrupted {
        // Half a section is no result to write down.
        println!("{}", report.text());
    } else if !report.lines.is_empty() {
        show(&mut report, options)?;
    }
    result.and(cleaned)
}

/// One section after the other; one that fails is told of in the report, and the next begins with a clean engine.
fn sections(lab: &Lab, options: &Options, report: &mut Report) -> Result<()> {
    let on_engine = [
        "floor", "compose", "down", "noop", "grow", "verify", "fakes", "serve", "sizes", "tune",
    ];
    if on_engine.iter().any(|s| options.has(s)) {
        say("warming up");
        lab.warm_up()?;
    }
    report.lines.extend(clusters::cold(lab, options));
    children::interrupted()?;
    type Section = fn(&Lab, &Options) -> Result<Vec<Line>>;
    let all: [(&str, Section); 7] = [
        ("tune", clusters::tune),
        ("grow", clusters::grow),
        ("verify", clusters::verify),
        ("render", files::rendering),
        ("check", files::checking),
        ("fakes", clusters::fakes),
        ("serve", follow::follow),
    ];
    for (name, section) in all.iter().filter(|(name, _)| options.has(name)) {
        let found = section(lab, options);
        children::interrupted()?;
        match found {
            Ok(lines) => report.lines.extend(lines),
            Err(error) => failed(lab, name, &error, report)?,
        }
    }
    if options.has("sizes") {
        let found = sizes::sizes(lab, options);
        children::interrupted()?;
        match found {
            Ok((sizes, lines)) => {
                report.sizes = sizes;
                report.lines.extend(lines);
            }
            Err(error) => failed(lab, "sizes", &error, report)?,
        }
    }
    Ok(())
}

fn failed(lab: &Lab, name: &str, error: &anyhow::Error, report: &mut Report) -> Result<()> {
    say(&format!("{name}: {error:#}"));
    report.lines.push(Line::missing(name, name, "", format!("{error:#}")));
    lab.clean()
}

fn show(report: &mut Report, options: &Options) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let json = root.join(&options.json);
    report.take_over(&json, &options.only);
    println!("{}", report.text());
    let picture = json.with_extension("svg");
    std::fs::write(&json, serde_json::to_string_pretty(report)? + "\n")
        .with_context(|| format!("{}", json.display()))?;
    std::fs::write(&picture, plot::svg(report)).with_context(|| format!("{}", picture.display()))?;
    say(&format!("written: {} and {}", json.display(), picture.display()));
    if let Some(svg) = plot::growth(report) {
        let picture = json.with_extension("growth.svg");
        std::fs::write(&picture, svg).with_context(|| format!("{}", picture.display()))?;
        say(&format!("written: {}", picture.display()));
    }
    if options.publish {
        let readme = root.join("benches/README.md");
        let name = picture.file_name().unwrap_or_default().to_string_lossy();
        report.publish(&readme, &name)?;
    }
    Ok(())
}

fn heading(lab: &Lab) -> Heading {
    let word = |key: &str| lab.version[key].as_str().unwrap_or("?").to_owned();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(": ").map(|(_, m)| m));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (major, minor) = lab.place.api;
    let compose = [Compose::Loop, Compose::One];
    // The last that changed the program: what changed beside it makes no other figures.
    let git = |arguments: &[&str]| {
        let arguments = arguments.iter().chain(&["--", "src", "Cargo.lock"]);
        let output = Command::new("git")
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output();
        let text = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
        text.unwrap_or_default()
    };
    let mut commit = git(&["log", "-1", "--format=%h"]);
    if !git(&["status", "--porcelain"]).is_empty() {
        commit.push_str(", changed");
    }
    Heading {
        topogen: format!("{} {commit}", env!("CARGO_PKG_VERSION")).trim().to_owned(),
        engine: word("Version"),
        api: format!("{major}.{minor}"),
        kernel: word("KernelVersion"),
        cpu: format!("{cores} × {}", model.unwrap_or("CPU")),
        compose: compose.iter().filter_map(|c| c.version()).collect(),
        floor_at_once: lab.at_once,
    }
}
