//! Writes a picture as SVG 1.1 (W3C): self-contained, in light or dark as the reader's system is.

use std::fmt::Write;

use super::layout::{Anchor, Arrow, Bar, Cell, Frame, Hue, Line, Picture, Rect, Size, Text, Wire};
use super::model::Look;
use crate::text::xml;

/// The styles. Plain colours are repeated for renderers that do not know CSS variables.
const STYLE: &str = include_str!("svg.css");

/// The text of the style element of every picture, by whose digest a policy can allow it.
#[must_use]
pub fn style() -> String {
    let lines: String = STYLE.lines().map(|line| format!("  {line}\n")).collect();
    format!("\n{lines}  ")
}

/// How far the sheets of a stack stick out, in pixels.
const SHEET: i32 = 4;

/// The SVG text of `picture`.
#[must_use]
pub fn write(picture: &Picture) -> String {
    let mut svg = Svg::default();
    let (w, h) = (picture.width, picture.height);
    svg.line(&format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"topogen\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
         role=\"img\" aria-label=\"{}\">",
        xml(&spoken(picture))
    ));
    svg.depth += 1;
    svg.line(&format!("<style>{}</style>", style()));
    svg.line(&format!("<rect class=\"page\" width=\"{w}\" height=\"{h}\" rx=\"8\"/>"));
    for text in &picture.heading {
        if text.look != Look::Plain {
            let Rect { x, y, h, .. } = text.rect;
            let class = class("mark", text.look);
            svg.line(&format!(
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"10\" height=\"10\" rx=\"2\"/>",
                x - 16,
                y + h / 2 - 5
            ));
        }
        let mut text = text.clone();
        text.look = Look::Plain;
        svg.text(&text);
    }
    for line in &picture.trunks {
        svg.thread(line, true);
    }
    for rail in &picture.rails {
        svg.bar(rail);
    }
    for wire in &picture.wires {
        svg.wire(wire);
    }
    for frame in &picture.frames {
        svg.frame(frame);
    }
    for drop in &picture.drops {
        svg.thread(drop, false);
    }
    svg.depth -= 1;
    svg.line("</svg>");
    svg.text
}

/// A description in words, for screen readers.
fn spoken(picture: &Picture) -> String {
    let heading: Vec<&str> = picture.heading.iter().map(|t| t.text.as_str()).collect();
    heading.join(", ")
}

fn class(name: &str, look: Look) -> String {
    let look = match look {
        Look::Plain => return name.to_owned(),
        Look::Running => "running",
        Look::Waiting => "waiting",
        Look::Stopped => "stopped",
        Look::Missing => "missing",
        Look::Foreign => "foreign",
    };
    format!("{name} {look}")
}

fn hue(hue: Hue) -> String {
    match hue {
        Hue::Own => "own".to_owned(),
        Hue::Shared(0) => "inout".to_owned(),
        Hue::Shared(at) => format!("shared{}", (at - 1) % 3 + 1),
    }
}

#[derive(Default)]
struct Svg {
    text: String,
    depth: usize,
}

impl Svg {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{:1$}{line}", "", 2 * self.depth);
    }

    fn group(&mut self, class: &str, details: &str, inside: impl FnOnce(&mut Self)) {
        self.group_of(class, "", details, inside);
    }

    /// Draws a group with further attributes, which begin with a blank if there are any.
    fn group_of(&mut self, class: &str, attributes: &str, details: &str, inside: impl FnOnce(&mut Self)) {
        self.line(&format!("<g class=\"{class}\"{attributes}>"));
        self.depth += 1;
        if !details.is_empty() {
            self.line(&format!("<title>{}</title>", xml(details)));
        }
        inside(self);
        self.depth -= 1;
        self.line("</g>");
    }

    fn text(&mut self, text: &Text) {
        let (class, ascent) = match text.size {
            Size::Title => ("title", 15),
            Size::Name => ("name", 12),
            Size::Small => ("small", 11),
        };
        let class = match text.look {
            Look::Plain | Look::Running | Look::Waiting | Look::Stopped => class.to_owned(),
            look => self::class(class, look),
        };
        let Rect { x, y, w, .. } = text.rect;
        let (x, anchor) = match text.anchor {
            Anchor::Start => (x, ""),
            Anchor::Middle => (x + w / 2, " text-anchor=\"middle\""),
            Anchor::End => (x + w, " text-anchor=\"end\""),
        };
        self.line(&format!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{}\"{anchor}>{}</text>",
            y + ascent,
            xml(&text.text)
        ));
    }

    fn rect(&mut self, class: &str, Rect { x, y, w, h }: Rect, radius: i32) {
        self.line(&format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"{radius}\"/>"
        ));
    }

    fn bar(&mut self, bar: &Bar) {
        let class = class(&format!("bar {}", hue(bar.hue)), bar.look);
        self.group(&class, &bar.details, |svg| {
            svg.line(&format!("<path d=\"M{} {}H{}\"/>", bar.x1, bar.y, bar.x2));
            for label in &bar.labels {
                svg.text(label);
            }
        });
    }

    /// Draws a line, the mark where it meets its network, and its labels.
    fn thread(&mut self, line: &Line, trunk: bool) {
        let class = class(
            &format!("{} {}", if trunk { "bar" } else { "line" }, hue(line.hue)),
            line.look,
        );
        let Line { x, y1, y2, .. } = *line;
        self.group(&class, "", |svg| {
            svg.line(&format!("<path d=\"M{x} {y1}V{y2}\"/>"));
            match (line.bar, line.arrow) {
                (None, _) => {}
                (Some(y), Some(Arrow::Down)) => {
                    svg.arrow(x, y - 2, -9);
                }
                (Some(y), Some(Arrow::Up)) => {
                    svg.arrow(x, y + 2, 9);
                }
                (Some(y), None) => {
                    let r = if line.hue == Hue::Own { 3 } else { 5 };
                    svg.line(&format!("<circle class=\"end\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>"));
                }
            }
            for label in &line.labels {
                svg.text(label);
            }
        });
    }

    /// Draws a link of the shape: what is of one look in one path, so that its corners are joined.
    fn wire(&mut self, wire: &Wire) {
        let Wire { x1, x2, y, .. } = *wire;
        let class = |look| class(&format!("line {}", hue(wire.hue)), look);
        self.group(&class(wire.look), &wire.details, |svg| {
            let mut bar = format!("M{x1} {y}H{x2}");
            let mut dots = Vec::new();
            for end in &wire.ends {
                let (from, to) = (end.y1, end.y2);
                let path = match (end.x == x1 || end.x == x2, from == y) {
                    // A corner: the path begins at the box.
                    (true, below) => format!("M{} {}V{y}", end.x, if below { to } else { from }),
                    (false, _) => {
                        dots.push(end.x);
                        format!("M{} {from}V{to}", end.x)
                    }
                };
                match end.look == wire.look || end.look == Look::Plain {
                    true => bar.push_str(&path),
                    false => {
                        let other = class(end.look);
                        svg.group(&other, "", |svg| svg.line(&format!("<path d=\"{path}\"/>")));
                    }
                }
            }
            svg.line(&format!("<path d=\"{bar}\"/>"));
            for x in dots {
                svg.line(&format!("<circle class=\"end\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>"));
            }
            for label in &wire.labels {
                svg.text(label);
            }
        });
    }

    /// Draws an arrow head with its tip at `(x, y)`.
    fn arrow(&mut self, x: i32, y: i32, length: i32) {
        let (left, right, back) = (x - 5, x + 5, y + length);
        self.line(&format!(
            "<polygon class=\"end\" points=\"{x},{y} {left},{back} {right},{back}\"/>"
        ));
    }

    fn frame(&mut self, frame: &Frame) {
        // By these, scripts know what is drawn.
        let nodes = match frame.nodes.is_empty() {
            true => String::new(),
            false => format!(" data-nodes=\"{}\"", xml(&frame.nodes.join(" "))),
        };
        self.group_of(&class("node", frame.look), &nodes, "", |svg| {
            if frame.stacked {
                for sheet in [2, 1] {
                    let mut rect = frame.rect;
                    rect.x += SHEET * sheet;
                    rect.y += if frame.lower { SHEET } else { -SHEET } * sheet;
                    svg.rect("frame", rect, 8);
                }
            }
            svg.group("head", &frame.details, |svg| {
                svg.rect("frame", frame.rect, 8);
                for text in &frame.texts {
                    svg.text(text);
                }
            });
            for bar in &frame.bars {
                svg.bar(bar);
            }
            for line in &frame.lines {
                svg.thread(line, line.bar.is_none());
            }
            for cell in &frame.cells {
                svg.cell(cell);
            }
        });
    }

    fn cell(&mut self, cell: &Cell) {
        let service = cell.service.as_deref().map(xml);
        let service = service.map_or_else(String::new, |name| format!(" data-service=\"{name}\""));
        self.group_of(&class("item", cell.look), &service, &cell.details, |svg| {
            svg.rect("box", cell.rect, 4);
            for text in &cell.texts {
                svg.text(text);
            }
        });
    }
}
