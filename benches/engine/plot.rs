//! The lines as a picture: each ratio with its spread beside the bound it must not pass, on a logarithmic scale.

use std::fmt::Write;

use crate::report::{Line, Report, Spread};

const WIDTH: f64 = 1000.0;
/// Where the scale begins, right of the words.
const LEFT: f64 = 520.0;
const RIGHT: f64 = 960.0;
const ROW: f64 = 24.0;
const TOP: f64 = 64.0;

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
         <style>text{{fill:#333}}.met{{fill:#2b8a3e}}.not{{fill:#c92a2a}}.grid{{stroke:#bbb}}.must{{stroke:#333;stroke-width:2}}\n\
         @media(prefers-color-scheme:dark){{text{{fill:#ddd}}.grid{{stroke:#555}}.must{{stroke:#eee}}}}</style>\n\
         <text x=\"10\" y=\"20\" font-size=\"15\">topogen beside others: times as long (bar: min–max, dot: median), and what it must not pass (line)</text>\n\
         <text x=\"10\" y=\"40\">{}</text>",
        bottom + 36.0,
        escaped(&format!(
            "engine {}, Linux {}, {}, {}",
            report.heading.engine, report.heading.kernel, report.heading.cpu, report.date
        )),
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

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
