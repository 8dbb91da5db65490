//! Draws the matrix as SVG. Expected cells of a kind are one path, so that thousands stay small. Each unexpected cell
//! is a shape of its own with a tooltip.

use std::fmt::Write;

use super::{Cell, Matrix};
use crate::text::{plural, xml};

/// Up to this many containers all are drawn; past that, nodes without a difference are left out.
const MOST: usize = 320;
/// The most nodes drawn if some are left out.
const MOST_NODES: usize = 40;
/// The first nodes of each role are always drawn.
const FIRST: usize = 3;
/// The width of a letter, relative to its height.
const LETTER: f64 = 0.6;
/// The margin around everything, in pixels.
const MARGIN: f64 = 16.0;

/// Colours stand in the classes themselves: many programs that show SVG know no variables. Those that know no media queries
/// show the light ones.
const STYLE: &str = "
svg { color-scheme: light dark }
.paper { fill: #ffffff } .apart { fill: #eef1f4 } .reached { fill: #2f6fb7 } .meant { fill: #b9d3f0 } .self { fill: #8b949e }
.cut { fill: #e29a00 } .open { fill: #d1242f } .other { fill: #8250df }
.cut, .open, .other { stroke: #ffffff; stroke-width: 0.5 }
text { font-family: ui-sans-serif, system-ui, sans-serif; fill: #1b1f24 } .soft { fill: #6a737d }
.grid { stroke: #c9d1d9; stroke-width: 1; fill: none }
@media (prefers-color-scheme: dark) {
  .paper { fill: #0d1117 } .apart { fill: #1a2028 } .reached { fill: #4a93e0 } .meant { fill: #1f4164 } .self { fill: #6e7681 }
  .cut { fill: #e8b339 } .open { fill: #ff6a69 } .other { fill: #b083f0 }
  .cut, .open, .other { stroke: #0d1117 }
  text { fill: #e6edf3 } .soft { fill: #9aa4af } .grid { stroke: #3d444d }
}
";

/// What is drawn: nodes, and containers by their indices in the matrix.
struct MatrixPlan<'m> {
    matrix: &'m Matrix,
    /// The drawn nodes: the index of their first container, and their position.
    blocks: Vec<Block>,
    /// The side of a cell, in pixels.
    cell: f64,
    left: f64,
    top: f64,
    /// The side of the whole, in pixels.
    side: f64,
}

struct Block {
    node: usize,
    first: usize,
    /// The distance from the corner, in pixels.
    at: f64,
    /// Whether nodes before it are left out.
    gap: bool,
}

pub(super) fn svg(matrix: &Matrix) -> String {
    let plan = plan(matrix);
    let mut svg = String::new();
    let legend = legend(&plan);
    let title = heading(matrix);
    let widest = MARGIN + (title.chars().count() as f64 * 16.0 * LETTER).max(480.0);
    let width = (plan.left + plan.side).max(widest) + MARGIN;
    let height = plan.top + plan.side + 30.0 + 22.0 * legend.len() as f64 + MARGIN;
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>",
        xml(&title)
    );
    let _ = writeln!(svg, "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>");
    let _ = writeln!(
        svg,
        "<text x=\"{MARGIN}\" y=\"30\" font-size=\"16\" font-weight=\"600\">{}</text>",
        xml(&title)
    );
    let hint = match plan.blocks.len() {
        shown if shown == matrix.nodes.len() => "rows reach columns, both in the same order".to_owned(),
        shown => format!(
            "rows reach columns, both in the same order; the {} left out show no difference",
            plural(matrix.nodes.len() - shown, "node")
        ),
    };
    let _ = writeln!(
        svg,
        "<text class=\"soft\" x=\"{MARGIN}\" y=\"50\" font-size=\"12\">{hint}</text>"
    );
    cells(&plan, &mut svg);
    grid(&plan, &mut svg);
    labels(&plan, &mut svg);
    faults(&plan, &mut svg);
    for (at, (class, text)) in legend.iter().enumerate() {
        let y = plan.top + plan.side + 30.0 + 22.0 * at as f64;
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{MARGIN}\" y=\"{y:.1}\" width=\"14\" height=\"14\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"12\">{}</text>",
            MARGIN + 22.0,
            y + 11.5,
            xml(text)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn heading(matrix: &Matrix) -> String {
    let wrong = matrix.cells.iter().filter(|c| c.is_wrong()).count();
    let size = format!(
        "{}, {}",
        plural(matrix.nodes.len(), "node"),
        plural(matrix.size, "container")
    );
    let pairs = match wrong {
        0 => None,
        1 => Some("1 pair is not as expected".to_owned()),
        many => Some(format!("{many} pairs are not as expected")),
    };
    let differences = Some(matrix.differences)
        .filter(|n| *n > 0)
        .map(|n| plural(n, "difference"));
    let unasked = Some(matrix.unasked).filter(|n| *n > 0);
    let unasked = unasked.map(|n| format!("{} could not be asked", plural(n, "container")));
    let said: Vec<String> = [pairs, differences, unasked].into_iter().flatten().collect();
    let state = match said.is_empty() {
        true => "all as expected".to_owned(),
        false => said.join(", "),
    };
    format!("who reaches whom in {}: {size}; {state}", matrix.title)
}

fn plan(matrix: &Matrix) -> MatrixPlan<'_> {
    let shown = shown(matrix);
    let firsts: Vec<usize> = matrix
        .nodes
        .iter()
        .scan(0, |next, node| {
            let first = *next;
            *next += node.services.len();
            Some(first)
        })
        .collect();
    let containers: usize = shown.iter().map(|n| matrix.nodes[*n].services.len()).sum();
    let cell = (680.0 / containers.max(1) as f64).floor().clamp(4.0, 18.0);
    let mut blocks = Vec::new();
    let mut at = 0.0;
    let mut before = None;
    for node in shown {
        let gap = before.map_or(node > 0, |b: usize| node > b + 1);
        at += if gap { 3.0 * cell } else { 0.0 };
        blocks.push(Block {
            node,
            first: firsts[node],
            at,
            gap,
        });
        at += cell * matrix.nodes[node].services.len() as f64;
        before = Some(node);
    }
    let longest = |names: &mut dyn Iterator<Item = usize>, size: f64| names.max().unwrap_or(0) as f64 * LETTER * size;
    let nodes = longest(&mut matrix.nodes.iter().map(|n| n.name.chars().count()), 11.0);
    let services = match cell >= 9.0 {
        true => longest(
            &mut matrix
                .nodes
                .iter()
                .flat_map(|n| n.services.iter().map(|s| s.chars().count())),
            small(cell),
        ),
        false => 0.0,
    };
    let labels = nodes + services + 18.0;
    MatrixPlan {
        matrix,
        blocks,
        cell,
        left: MARGIN + labels,
        top: 62.0 + labels,
        side: at,
    }
}

/// The font size of services beside cells.
fn small(cell: f64) -> f64 {
    (cell - 1.5).min(11.0)
}

/// The nodes to draw.
fn shown(matrix: &Matrix) -> Vec<usize> {
    let count = matrix.size;
    let all = 0..matrix.nodes.len();
    if count <= MOST {
        return all.collect();
    }
    let mut wrong = vec![false; matrix.nodes.len()];
    let node_of: Vec<usize> = matrix
        .nodes
        .iter()
        .enumerate()
        .flat_map(|(at, n)| std::iter::repeat_n(at, n.services.len()))
        .collect();
    for (at, _) in matrix.cells.iter().enumerate().filter(|(_, c)| c.is_wrong()) {
        wrong[node_of[at / count]] = true;
        wrong[node_of[at % count]] = true;
    }
    let edge = |at: usize| {
        let role = |n: usize| &matrix.nodes[n].role;
        let before = (0..at).rev().take_while(|n| role(*n) == role(at)).count();
        before < FIRST || at + 1 == matrix.nodes.len() || role(at + 1) != role(at)
    };
    let edges = all.clone().filter(|n| edge(*n)).take(MOST_NODES / 2);
    let mut shown: Vec<usize> = edges.collect();
    let more = all
        .filter(|n| wrong[*n] && !shown.contains(n))
        .take(MOST_NODES - shown.len());
    let more: Vec<usize> = more.collect();
    shown.extend(more);
    shown.sort_unstable();
    shown
}

impl MatrixPlan<'_> {
    /// Indices in the matrix, each with its position.
    fn lines(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.blocks.iter().flat_map(|b| {
            let services = self.matrix.nodes[b.node].services.len();
            let cell = self.cell;
            (0..services).map(move |n| (b.first + n, b.at + cell * n as f64))
        })
    }

    fn cell(&self, row: usize, column: usize) -> (Cell, bool) {
        let at = row * self.matrix.size + column;
        (self.matrix.cells[at], self.matrix.together[at])
    }

    fn class(&self, row: usize, column: usize) -> &'static str {
        match self.cell(row, column) {
            _ if row == column => "self",
            (Cell::Reached, _) => "reached",
            (Cell::Unasked, true) => "meant",
            (Cell::Cut | Cell::Other | Cell::Open, _) => "",
            _ => "apart",
        }
    }
}

/// Draws all expected cells: one path for each class, with runs of a row as one rectangle.
fn cells(plan: &MatrixPlan<'_>, svg: &mut String) {
    let columns: Vec<(usize, f64)> = plan.lines().collect();
    for class in ["apart", "meant", "reached", "self"] {
        let mut path = String::new();
        for (row, y) in plan.lines() {
            let mut run: Option<(f64, f64)> = None;
            for (column, x) in &columns {
                let is = plan.class(row, *column) == class;
                run = match run {
                    Some((from, to)) if is && (*x - to).abs() < 0.01 => Some((from, to + plan.cell)),
                    other => {
                        if let Some(done) = other {
                            rectangle(plan, &mut path, done, y);
                        }
                        is.then_some((*x, *x + plan.cell))
                    }
                };
            }
            if let Some(done) = run {
                rectangle(plan, &mut path, done, y);
            }
        }
        if !path.is_empty() {
            let _ = writeln!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
}

fn rectangle(plan: &MatrixPlan<'_>, path: &mut String, (from, to): (f64, f64), y: f64) {
    let (x, y) = (plan.left + from, plan.top + y);
    let (width, height) = (to - from, plan.cell);
    let _ = write!(path, "M{x:.0} {y:.0}h{width:.0}v{height:.0}h-{width:.0}z");
}

/// Draws the lines between nodes.
fn grid(plan: &MatrixPlan<'_>, svg: &mut String) {
    let mut path = String::new();
    let mut line = |at: f64| {
        let (x, y) = (plan.left, plan.top);
        let _ = write!(
            path,
            "M{:.1} {y:.1}v{side:.1}M{x:.1} {:.1}h{side:.1}",
            x + at,
            y + at,
            side = plan.side
        );
    };
    for block in &plan.blocks {
        line(block.at);
        if block.gap {
            line(block.at - 3.0 * plan.cell);
        }
    }
    line(plan.side);
    let _ = writeln!(svg, "<path class=\"grid\" d=\"{path}\"/>");
}

fn labels(plan: &MatrixPlan<'_>, svg: &mut String) {
    let mut label = |at: f64, distance: f64, size: f64, class: &str, text: &str, weight: &str| {
        let text = xml(text);
        let (x, y) = (plan.left - distance, plan.top + at + size * 0.36);
        let _ = writeln!(
            svg,
            "<text{class} x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size:.1}\" text-anchor=\"end\"{weight}>{text}</text>"
        );
        let (x, y) = (plan.left + at + size * 0.36, plan.top - distance);
        let _ = writeln!(
            svg,
            "<text{class} transform=\"translate({x:.1} {y:.1}) rotate(-90)\" font-size=\"{size:.1}\"{weight}>{text}</text>"
        );
    };
    let services = plan.cell >= 9.0;
    let size = small(plan.cell);
    let all = plan.blocks.iter().flat_map(|b| &plan.matrix.nodes[b.node].services);
    let widest = all.map(|s| s.chars().count()).max().unwrap_or(0) as f64 * LETTER * size;
    let distance = if services { widest + 14.0 } else { 6.0 };
    for block in &plan.blocks {
        let node = &plan.matrix.nodes[block.node];
        let height = plan.cell * node.services.len() as f64;
        let size_of_node = height.clamp(6.0, 11.0);
        label(
            block.at + height / 2.0,
            distance,
            size_of_node,
            "",
            &node.name,
            " font-weight=\"600\"",
        );
        if services {
            for (n, service) in node.services.iter().enumerate() {
                let at = block.at + plan.cell * (n as f64 + 0.5);
                label(at, 6.0, size, " class=\"soft\"", service, "");
            }
        }
        if block.gap {
            label(block.at - 1.5 * plan.cell, distance, 11.0, " class=\"soft\"", "…", "");
        }
    }
}

/// Draws unexpected cells, each with a tooltip.
fn faults(plan: &MatrixPlan<'_>, svg: &mut String) {
    let names: Vec<String> = plan
        .matrix
        .nodes
        .iter()
        .flat_map(|n| n.services.iter().map(move |s| format!("{}/{s}", n.name)))
        .collect();
    let columns: Vec<(usize, f64)> = plan.lines().collect();
    for (row, y) in plan.lines() {
        for (column, x) in &columns {
            let (class, words) = match plan.cell(row, *column).0 {
                Cell::Cut => ("cut", "does not reach"),
                Cell::Open => ("open", "reaches, and is not to,"),
                Cell::Other => ("other", "is answered by another than"),
                _ => continue,
            };
            let text = xml(&format!("{} {words} {}", names[row], names[*column]));
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{:.0}\" y=\"{:.0}\" width=\"{c:.0}\" height=\"{c:.0}\"><title>{text}</title></rect>",
                plan.left + x,
                plan.top + y,
                c = plan.cell
            );
        }
    }
}

/// The classes that occur, each with its meaning and count.
fn legend(plan: &MatrixPlan<'_>) -> Vec<(&'static str, String)> {
    let matrix = plan.matrix;
    let count = matrix.size;
    let pairs = (0..matrix.cells.len()).filter(|at| at / count != at % count);
    let pairs = pairs.map(|at| (matrix.cells[at], matrix.together[at]));
    let mut counts = [0usize; 6];
    for (cell, together) in pairs {
        counts[match (cell, together) {
            (Cell::Reached, _) => 0,
            (Cell::Unasked, true) => 1,
            (Cell::Unreachable | Cell::Unasked, _) => 2,
            (Cell::Cut, _) => 3,
            (Cell::Open, _) => 4,
            (Cell::Other, _) => 5,
        }] += 1;
    }
    let apart = matrix.cells.iter().filter(|c| **c == Cell::Unreachable).count();
    let words = [
        ("reached", "reachable, as expected".to_owned()),
        ("meant", "on one network, not asked".to_owned()),
        ("apart", format!("unreachable, as expected, {apart} of them asked")),
        ("cut", "unreachable, and should not be".to_owned()),
        ("open", "reachable, and should not be".to_owned()),
        ("other", "answered by another one".to_owned()),
    ];
    let there = words.into_iter().zip(counts).filter(|(_, count)| *count > 0);
    there
        .map(|((class, text), count)| (class, format!("{}: {text}", plural(count, "pair"))))
        .collect()
}
