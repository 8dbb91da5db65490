//! What came of it: lines, each with its bound; as a table, as JSON, in the README.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};

/// A median and what it lies between.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |at: usize| values.get(at).copied().unwrap_or_default();
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 if middle > 0 => (at(middle - 1) + at(middle)) / 2.0,
            _ => at(middle),
        };
        Self {
            median,
            min: at(0),
            max: at(values.len().saturating_sub(1)),
        }
    }

    pub(crate) fn of_times(values: impl IntoIterator<Item = Duration>) -> Self {
        Self::of(values.into_iter().map(|d| d.as_secs_f64()))
    }
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    Seconds,
    Megabytes,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value < 0.1 => format!("{:.1} ms", value * 1e3),
            Self::Seconds if value < 1.0 => format!("{:.0} ms", value * 1e3),
            Self::Seconds => format!("{value:.2} s"),
            Self::Megabytes => format!("{value:.1} MB"),
        }
    }
}

/// One thing that was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) section: String,
    pub(crate) measured: String,
    /// What it stands beside; empty where the figure itself is bounded.
    pub(crate) against: String,
    pub(crate) unit: Unit,
    pub(crate) ours: Spread,
    pub(crate) theirs: Option<Spread>,
    /// Of each pair, ours by theirs.
    pub(crate) ratio: Option<Spread>,
    /// What the median ratio, or where there is none our own median, must not pass.
    pub(crate) bound: Option<f64>,
    pub(crate) rounds: usize,
    /// Why it could not be measured, where it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<String>,
}

impl Line {
    /// Pairs of ours and theirs, measured one after the other.
    pub(crate) fn pairs(
        section: &str,
        measured: &str,
        against: &str,
        bound: Option<f64>,
        pairs: &[(Duration, Duration)],
    ) -> Self {
        Self {
            section: section.to_owned(),
            measured: measured.to_owned(),
            against: against.to_owned(),
            unit: Unit::Seconds,
            ours: Spread::of_times(pairs.iter().map(|p| p.0)),
            theirs: Some(Spread::of_times(pairs.iter().map(|p| p.1))),
            ratio: Some(Spread::of(pairs.iter().map(|(a, b)| a.as_secs_f64() / b.as_secs_f64()))),
            bound,
            rounds: pairs.len(),
            missing: None,
        }
    }

    /// A figure on its own.
    pub(crate) fn alone(section: &str, measured: &str, unit: Unit, bound: Option<f64>, values: Vec<f64>) -> Self {
        Self {
            section: section.to_owned(),
            measured: measured.to_owned(),
            against: String::new(),
            unit,
            rounds: values.len(),
            ours: Spread::of(values),
            theirs: None,
            ratio: None,
            bound,
            missing: None,
        }
    }

    /// Two figures of ours, of which the second may be so many times the first.
    pub(crate) fn growth(
        section: &str,
        measured: &str,
        against: &str,
        unit: Unit,
        bound: Option<f64>,
        of: (Spread, Spread),
    ) -> Self {
        let (ours, theirs) = of;
        let ratio = ours.median / theirs.median;
        Self {
            section: section.to_owned(),
            measured: measured.to_owned(),
            against: against.to_owned(),
            unit,
            ours,
            theirs: Some(theirs),
            ratio: Some(Spread {
                median: ratio,
                min: ours.min / theirs.max,
                max: ours.max / theirs.min,
            }),
            bound,
            rounds: 1,
            missing: None,
        }
    }

    /// That it could not be measured, and why.
    pub(crate) fn missing(section: &str, measured: &str, against: &str, why: impl Into<String>) -> Self {
        Self {
            missing: Some(why.into()),
            ..Self::alone(section, measured, Unit::Seconds, None, Vec::new())
        }
        .against(against)
    }

    fn against(mut self, against: &str) -> Self {
        self.against = against.to_owned();
        self
    }

    /// Whether it holds; `None` where nothing is asked of it.
    pub(crate) fn met(&self) -> Option<bool> {
        let value = self.ratio.map_or(self.ours.median, |r| r.median);
        self.bound.map(|bound| value <= bound)
    }

    fn cells(&self) -> [String; 7] {
        if let Some(why) = &self.missing {
            let why = why.lines().next().unwrap_or_default();
            let why: String = why.chars().take(60).collect();
            return [
                self.measured.clone(),
                self.against.clone(),
                format!("not measured: {why}"),
                String::new(),
                String::new(),
                String::new(),
                "?".to_owned(),
            ];
        }
        let show = |spread: &Spread| self.unit.show(spread.median);
        let ratio = |r: &Spread| format!("{} × ({}–{})", number(r.median), number(r.min), number(r.max));
        let bound = |b: f64| match self.ratio {
            Some(_) => format!("≤ {b} ×"),
            None => format!("≤ {}", self.unit.show(b)),
        };
        [
            self.measured.clone(),
            self.against.clone(),
            self.ratio.as_ref().map(ratio).unwrap_or_default(),
            show(&self.ours),
            self.theirs.as_ref().map(show).unwrap_or_default(),
            self.bound.map(bound).unwrap_or_default(),
            match self.met() {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "",
            }
            .to_owned(),
        ]
    }
}

/// Three digits of it.
fn number(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 0.1 => format!("{v:.2}"),
        v => format!("{v:.4}"),
    }
}

/// One verb at one size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) verb: String,
    pub(crate) slaves: u32,
    pub(crate) containers: u32,
    pub(crate) seconds: Spread,
    /// topogen's own.
    pub(crate) cpu_seconds: Spread,
    /// topogen's own, the most of it.
    pub(crate) megabytes: Spread,
    /// CPU time of the engine and its containerd, where they can be observed.
    pub(crate) engine_cpu_seconds: Option<Spread>,
}

/// Where it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heading {
    pub(crate) topogen: String,
    pub(crate) engine: String,
    pub(crate) api: String,
    pub(crate) kernel: String,
    pub(crate) cpu: String,
    pub(crate) compose: Vec<String>,
    pub(crate) floor_at_once: usize,
}

/// All of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) date: String,
    #[serde(flatten)]
    pub(crate) heading: Heading,
    pub(crate) lines: Vec<Line>,
    pub(crate) sizes: Vec<Size>,
}

impl Report {
    /// Keep what an earlier run on the same machine and engine measured of other `sections` than this one.
    pub(crate) fn take_over(&mut self, path: &Path, sections: &[String]) {
        let earlier = std::fs::read(path)
            .ok()
            .and_then(|b| serde_json::from_slice::<Self>(&b).ok());
        let Some(earlier) = earlier.filter(|e| e.heading == self.heading) else {
            return;
        };
        let kept = earlier.lines.into_iter().filter(|l| !sections.contains(&l.section));
        self.lines.extend(kept);
        let order = |l: &Line| crate::SECTIONS.iter().position(|s| *s == l.section);
        self.lines.sort_by_key(order);
        if !sections.iter().any(|s| s == "sizes") {
            self.sizes = earlier.sizes;
        }
    }

    fn head(&self) -> String {
        let Heading {
            topogen,
            engine,
            api,
            kernel,
            cpu,
            compose,
            floor_at_once,
        } = &self.heading;
        format!(
            "topogen {topogen} · {} · engine {engine} (API {api}) · Linux {kernel} · {cpu} · Compose {} · floor: {floor_at_once} calls at once",
            self.date,
            compose.join(", "),
        )
    }

    /// For people, at a terminal and in the README.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            "measured",
            "against",
            "ratio (min–max)",
            "topogen",
            "other",
            "must",
            "met",
        ]);
        for line in &self.lines {
            table.add_row(line.cells());
        }
        for column in 3..=5 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut text = format!("{}\n\n{table}\n", self.head());
        if !self.sizes.is_empty() {
            let mut table = Table::new();
            table.load_style(presets::ASCII_MARKDOWN);
            table.set_header([
                "verb",
                "slaves",
                "containers",
                "time",
                "a container",
                "topogen's CPU",
                "memory",
                "engine's CPU",
            ]);
            for size in &self.sizes {
                let seconds = |s: &Spread| Unit::Seconds.show(s.median);
                table.add_row([
                    size.verb.clone(),
                    size.slaves.to_string(),
                    size.containers.to_string(),
                    seconds(&size.seconds),
                    Unit::Seconds.show(size.seconds.median / f64::from(size.containers)),
                    seconds(&size.cpu_seconds),
                    Unit::Megabytes.show(size.megabytes.median),
                    size.engine_cpu_seconds.as_ref().map(seconds).unwrap_or_default(),
                ]);
            }
            text.push_str(&format!("\n{table}\n"));
        }
        text
    }

    /// Write it between the README's marks.
    pub(crate) fn publish(&self, readme: &Path, picture: &str) -> Result<()> {
        const MARKS: [&str; 2] = ["<!-- results -->", "<!-- /results -->"];
        let text = std::fs::read_to_string(readme).with_context(|| format!("{}", readme.display()))?;
        let (before, rest) = text.split_once(MARKS[0]).context("no mark for results")?;
        let (_, after) = rest.split_once(MARKS[1]).context("no mark for the end of results")?;
        let body = format!("{}\n![Ratios and their bounds]({picture})\n", self.text());
        let text = format!("{before}{}\n\n{body}\n{}{after}", MARKS[0], MARKS[1]);
        std::fs::write(readme, text).with_context(|| format!("{}", readme.display()))
    }
}
