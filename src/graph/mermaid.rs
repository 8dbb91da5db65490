//! Writes a picture as a Mermaid flowchart (mermaid.js.org, "Flowcharts - Basic Syntax").

use super::model::{Look, Place};
use super::panel::{Cable, Item, Panel, Scene, Strip, Tap};
use crate::text::is_hidden;

/// The most lines that Mermaid draws by default (`maxEdges`); forges do not let a page raise it.
pub const MOST_LINES: usize = 500;
/// The longest text that Mermaid reads by default (`maxTextSize`), in characters.
pub const LONGEST: usize = 50_000;

/// The colours: one set for light and dark, since a flowchart does not know its background.
const CLASSES: &str = "  classDef network fill:#ddf4ff,stroke:#0969da,stroke-width:3px,color:#0a3069
  classDef private fill:#eaeef2,stroke:#818b98,color:#1f2328
  classDef running fill:#dafbe1,stroke:#1a7f37,color:#1f2328
  classDef waiting fill:#fff8c5,stroke:#9a6700,color:#1f2328
  classDef stopped fill:#ffebe9,stroke:#cf222e,color:#1f2328
  classDef missing fill:#ffffff,stroke:#cf222e,color:#cf222e,stroke-dasharray:5 4
  classDef foreign fill:#eaeef2,stroke:#afb8c1,color:#59636e,stroke-dasharray:2 3
";

/// The Mermaid text of `scene`.
#[must_use]
pub fn write(scene: &Scene) -> String {
    let mut chart = Chart::default();
    let summary: Vec<&str> = scene.summary.iter().map(|(t, _)| t.as_str()).collect();
    chart.line("flowchart LR");
    chart.line(&format!("  %% {}", comment(&scene.title, &summary)));
    for (at, network) in scene.networks.iter().enumerate() {
        let label = match network.note.as_str() {
            "" => escaped(&network.label),
            note => format!("{}<br>{}", escaped(&network.label), escaped(note)),
        };
        chart.line(&format!(
            "  net{at}[[\"{label}\"]]:::{}",
            class("network", network.look)
        ));
    }
    for (at, panel) in scene.panels.iter().enumerate() {
        chart.panel(at, panel);
    }
    for (at, panel) in scene.panels.iter().enumerate() {
        chart.edges("  ", at, panel, |place| matches!(place, Place::Shared(_)));
    }
    for (at, cable) in scene.cables.iter().enumerate() {
        chart.cable(at, cable);
    }
    chart.end()
}

/// Why forges refuse to draw `text`; `None` if they do not.
#[must_use]
pub fn too_much(text: &str) -> Option<String> {
    // A line has its arrow as the second word; no name contains a blank.
    let is_line = |l: &&str| l.split_whitespace().nth(1).is_some_and(|w| w.starts_with('-'));
    let lines = text.lines().filter(is_line).count();
    let length = text.chars().count();
    if lines > MOST_LINES {
        Some(format!("{lines} lines, of which Mermaid draws {MOST_LINES} at most"))
    } else if length > LONGEST {
        Some(format!("{length} characters, of which Mermaid reads {LONGEST} at most"))
    } else {
        None
    }
}

fn comment(title: &str, summary: &[&str]) -> String {
    let summary = summary.join(", ");
    match title {
        "" => summary,
        title => format!("{title}: {summary}"),
    }
}

#[derive(Default)]
struct Chart {
    text: String,
    /// The number of lines so far, and the numbers of those with a special look: Mermaid styles lines by number.
    lines: usize,
    missing: Vec<String>,
    foreign: Vec<String>,
}

impl Chart {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn panel(&mut self, at: usize, panel: &Panel) {
        let title = match panel.note.as_str() {
            "" => escaped(&panel.title),
            note => format!("{} · {}", escaped(&panel.title), escaped(note)),
        };
        self.line(&format!("  subgraph n{at}[\"{title}\"]"));
        for (item, i) in panel.items.iter().enumerate() {
            let label = match i.remark.as_str() {
                "" => escaped(&i.name),
                remark => format!("{}<br>{}", escaped(&i.name), escaped(remark)),
            };
            let class = match i.look {
                Look::Plain => String::new(),
                look => format!(":::{}", class("", look)),
            };
            self.line(&format!("    n{at}s{item}[\"{label}\"]{class}"));
        }
        for (own, Strip { label, look, .. }) in panel.networks.iter().enumerate() {
            let (label, class) = (escaped(label), class("private", *look));
            self.line(&format!("    n{at}p{own}([\"{label}\"]):::{class}"));
        }
        self.edges("    ", at, panel, |place| matches!(place, Place::Own(_)));
        self.line("  end");
        if matches!(panel.look, Look::Missing | Look::Foreign) {
            self.line(&format!("  class n{at} {}", class("", panel.look)));
        }
    }

    /// Writes the lines to networks for which `on` holds.
    fn edges(&mut self, indent: &str, at: usize, panel: &Panel, on: impl Fn(Place) -> bool) {
        for (number, item) in panel.items.iter().enumerate() {
            for tap in item.taps.iter().filter(|t| on(t.place)) {
                self.line(&format!("{indent}{}", edge(at, number, item, tap)));
                match tap.look {
                    Look::Missing => self.missing.push(self.lines.to_string()),
                    Look::Foreign => self.foreign.push(self.lines.to_string()),
                    _ => {}
                }
                self.lines += 1;
            }
        }
    }

    /// Writes a link: a line between two items, or a hub with a line to each of more.
    fn cable(&mut self, at: usize, cable: &Cable) {
        let label = escaped(&cable.label);
        let hub = cable.ends.len() != 2;
        if hub {
            self.line(&format!("  link{at}((\"{label}\")):::network"));
        }
        let arrow = if cable.look == Look::Missing { "-.-" } else { "---" };
        let lines: Vec<String> = match cable.ends[..] {
            [(one, item), (other, its)] => vec![format!("n{one}s{item} {arrow}|\"{label}\"| n{other}s{its}")],
            _ => cable
                .ends
                .iter()
                .map(|(panel, item)| format!("n{panel}s{item} {arrow} link{at}"))
                .collect(),
        };
        for line in lines {
            self.line(&format!("  {line}"));
            match cable.look {
                Look::Missing => self.missing.push(self.lines.to_string()),
                Look::Foreign => self.foreign.push(self.lines.to_string()),
                _ => {}
            }
            self.lines += 1;
        }
    }

    fn end(mut self) -> String {
        for (lines, style) in [(&self.missing, "stroke:#cf222e"), (&self.foreign, "stroke:#afb8c1")] {
            if !lines.is_empty() {
                self.text
                    .push_str(&format!("  linkStyle {} {style}\n", lines.join(",")));
            }
        }
        self.text.push_str(CLASSES);
        self.text
    }
}

/// A line, with an arrow if the service has no name on the network, so that it is only an exit. Private services come
/// before their network, entries and exits after it, and shared networks after all.
fn edge(panel: usize, number: usize, item: &Item, tap: &Tap) -> String {
    let service = format!("n{panel}s{number}");
    let (from, to, shared) = match tap.place {
        Place::Shared(network) => (service, format!("net{network}"), true),
        Place::Own(network) if item.is_gate() => (format!("n{panel}p{network}"), service, false),
        Place::Own(network) => (service, format!("n{panel}p{network}"), false),
    };
    let line = match (tap.look, shared && tap.names.is_empty()) {
        (Look::Missing, _) => "-.-",
        (Look::Foreign, _) | (_, false) => "---",
        (_, true) => "-->",
    };
    let names: Vec<String> = tap.names.iter().map(|n| escaped(n)).collect();
    let label = match names.is_empty() {
        true => String::new(),
        false => format!("|\"{}\"|", names.join("<br>")),
    };
    format!("{from} {line}{label} {to}")
}

fn class(plain: &'static str, look: Look) -> &'static str {
    match look {
        Look::Plain => plain,
        Look::Running => "running",
        Look::Waiting => "waiting",
        Look::Stopped => "stopped",
        Look::Missing => "missing",
        Look::Foreign => "foreign",
    }
}

/// `text` for a quoted label, with entities for characters that would end or format it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' => out.push_str("#amp;"),
            '`' => out.push_str("#96;"),
            c if is_hidden(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
