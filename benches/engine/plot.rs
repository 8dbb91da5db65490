//! Results as pictures, on logarithmic scales: each ratio with its spread beside the bound it must not pass; and each verb's
//! time against size.

use std::fmt::Write;

use crate::report::{Heading, Line, Report, Size, Spread};

const WIDTH: f64 = 1000.0;
/// Where the scale begins, right of the words.
const LEFT: f64 = 520.0;
const RIGHT: f64 = 960.0;
const ROW: f64 = 24.0;
const TOP: f64 = 64.0;

const STYLE: &str = "<style>text{fill:#333}.met{fill:#2b8a3e}.not{fill:#c92a2a}.grid{stroke:#bbb}.must{stroke:#333;stroke-width:2}\
    .verb{fill:none;stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#555}.must{stroke:#eee}}</style>";

/// An SVG of all ratios that have a bound.
pub(crate) fn svg(report: &Report) -> String {
    let bounded = |line: &&Line| line.missing.is_none();
    let rows: Vec<(&Line, Spread, f64)> = report
        .lines
        .iter()
        .filter(bounded)
        .filter_map(|l| Some((l, l.ratio?, l.bound?)))
        .collect();
    let values = rows.iter().flat_map(|(_, r, b)| [r.min, r.max, *b]).chain([1.0]);
    let (low, high) = values
        .filter(|v| *v > 0.0)
        .fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    let (low, high) = (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0));
    let x = |value: f64| LEFT + (value.max(1e-9).log10() - low) / (high - low) * (RIGHT - LEFT);
    let bottom = TOP + ROW * rows.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         {STYLE}\n\
         <text x=\"10\" y=\"20\" font-size=\"15\">topogen beside others: times as long (bar: min–max, dot: median), and what it must not pass (line)</text>\n\
         <text x=\"10\" y=\"40\">{}</text>",
        bottom + 36.0,
        escaped(&place(&report.heading, &report.date)),
    );
    let mut power = low;
    while power <= high {
        let at = x(10f64.powf(power));
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{} ×</text>",
            bottom + 18.0,
            10f64.powf(power)
        );
        power += 1.0;
    }
    for (at, (line, ratio, bound)) in rows.iter().enumerate() {
        let middle = TOP + ROW * (at as f64 + 0.5);
        let class = if line.met() == Some(true) { "met" } else { "not" };
        let words = match line.against.as_str() {
            "" => line.measured.clone(),
            against => format!("{} / {against}", line.measured),
        };
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class}\" opacity=\"0.4\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"8\"/>\
             <circle class=\"{class}\" cx=\"{:.1}\" cy=\"{middle:.1}\" r=\"5\"/>",
            LEFT - 12.0,
            middle + 4.0,
            escaped(&words.replace('`', "")),
            x(ratio.min),
            middle - 4.0,
            (x(ratio.max) - x(ratio.min)).max(2.0),
            x(ratio.median),
        );
        let _ = writeln!(
            svg,
            "<line class=\"must\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{2:.1}\"/>",
            x(*bound),
            middle - 9.0,
            middle + 9.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// A number of slaves, and the time that a verb took there.
type At = (u32, Spread);

/// An SVG of the time of each verb against the number of slaves; `None` where fewer than two sizes were measured. What grows
/// in proportion runs beside the grid's slanted lines.
pub(crate) fn growth(report: &Report) -> Option<String> {
    const COLOURS: [&str; 5] = ["#1971c2", "#868e96", "#9c36b5", "#e8590c", "#2b8a3e"];
    const TOP: f64 = 64.0;
    const BOTTOM: f64 = 464.0;
    let (left, right) = (70.0, 860.0);
    let mut verbs: Vec<(&str, Vec<At>)> = Vec::new();
    for Size {
        verb, slaves, seconds, ..
    } in &report.sizes
    {
        match verbs.iter_mut().find(|(name, _)| name == verb) {
            Some((_, at)) => at.push((*slaves, *seconds)),
            None => verbs.push((verb, vec![(*slaves, *seconds)])),
        }
    }
    let slaves = || report.sizes.iter().map(|s| s.slaves);
    let (least, most) = (slaves().min()?, slaves().max()?);
    if least == most {
        return None;
    }
    let times = || report.sizes.iter().map(|s| s.seconds);
    let low = times()
        .map(|t| t.min)
        .fold(f64::MAX, f64::min)
        .max(1e-6)
        .log10()
        .floor();
    let high = times()
        .map(|t| t.max)
        .fold(f64::MIN, f64::max)
        .log10()
        .ceil()
        .max(low + 1.0);
    let span = f64::from(most).log10() - f64::from(least).log10();
    let x = |slaves: f64| left + (slaves.log10() - f64::from(least).log10()) / span * (right - left);
    let y = |seconds: f64| BOTTOM - (seconds.max(1e-6).log10() - low) / (high - low) * (BOTTOM - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         {STYLE}\n\
         <text x=\"10\" y=\"20\" font-size=\"15\">time against slaves (dotted: in proportion to slaves)</text>\n\
         <text x=\"10\" y=\"40\">{}</text>",
        BOTTOM + 48.0,
        escaped(&place(&report.heading, &report.date)),
    );
    let mut power = low;
    while power <= high {
        let value = 10f64.powf(power);
        let words = if value < 1.0 {
            format!("{:.0} ms", value * 1e3)
        } else {
            format!("{value:.0} s")
        };
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/>\
             <text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\">{words}</text>",
            y(value),
            left - 8.0,
            y(value) + 4.0,
        );
        let grown = value * f64::from(most) / f64::from(least);
        if grown.log10() <= high {
            let _ = writeln!(
                svg,
                "<line class=\"grid\" stroke-dasharray=\"2 4\" x1=\"{left}\" x2=\"{right}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
                y(value),
                y(grown),
            );
        }
        power += 1.0;
    }
    let mut all: Vec<u32> = slaves().collect();
    all.sort_unstable();
    all.dedup();
    for slaves in all {
        let at = x(f64::from(slaves));
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{slaves}</text>",
            BOTTOM + 18.0,
        );
    }
    // A verb's name stands at the end of its line, below that of one that took longer.
    verbs.sort_by(|(_, a), (_, b)| {
        let last = |at: &[At]| at.last().map_or(0.0, |(_, s)| s.median);
        last(b).total_cmp(&last(a))
    });
    let mut above = f64::MIN;
    for ((verb, at), colour) in verbs.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<String> = at
            .iter()
            .map(|(slaves, s)| format!("{:.1},{:.1}", x(f64::from(*slaves)), y(s.median)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline class=\"verb\" stroke=\"{colour}\" points=\"{}\"/>",
            points.join(" ")
        );
        for (slaves, s) in at {
            let _ = writeln!(
                svg,
                "<circle fill=\"{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"/>",
                x(f64::from(*slaves)),
                y(s.median)
            );
        }
        let end = at.last().map_or(BOTTOM, |(_, s)| y(s.median)).max(above + 16.0);
        above = end;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\">{}</text>",
            right + 12.0,
            end + 4.0,
            escaped(verb)
        );
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

fn place(heading: &Heading, date: &str) -> String {
    let Heading {
        engine, kernel, cpu, ..
    } = heading;
    format!("engine {engine}, Linux {kernel}, {cpu}, {date}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
