//! The layout inside a node: private services above the private networks, entries and exits below.

use super::block::{Block, Drop};
use super::metrics::{End, TooNarrow, free};
use super::row::{Row, Slot, Spot, names};
use super::{Anchor, Bar, Cell, Hue, Line, Metrics, Rect, Size, Text, shortened};
use crate::graph::panel::Panel;

/// Lays out `panel`, at least `inner` wide without insets.
pub(super) fn block(panel: &Panel, m: &Metrics, inner: i32) -> Block {
    let slots: Vec<Slot<'_>> = panel.items.iter().map(|i| Slot::new(i, m)).collect();
    let (gates, private): (Vec<&Slot<'_>>, Vec<&Slot<'_>>) = slots.iter().partition(|s| !s.shared.is_empty());
    let mut rows = Row::several(&private, m);
    if rows.is_empty() {
        rows.push(Row::default());
    }
    let gates = Row::new(&gates, m);
    let plan = NodePlan {
        panel,
        m,
        parts: parts(panel, &rows, &gates),
        rows,
        gates,
    };
    let mut inner = inner.max(plan.width());
    loop {
        match plan.block(inner) {
            Ok(block) => return block,
            // The label of a bar did not fit.
            Err(narrow) => inner += narrow.by,
        }
    }
}

/// Which private networks lie below which row: those that the row needs first; below the last row, those of the gates
/// and all others.
fn parts(panel: &Panel, rows: &[Row<'_>], gates: &Row<'_>) -> Vec<Vec<usize>> {
    let uses = |row: &Row<'_>, network: usize| {
        row.slots
            .iter()
            .any(|(s, _)| s.own.iter().any(|o| o.network == network))
    };
    let last = rows.len() - 1;
    let below = |(at, row): (usize, &Row<'_>)| {
        let rest = |n: usize| uses(gates, n) || !rows.iter().any(|r| uses(r, n));
        let here = |n: &usize| uses(row, *n) || at == last && rest(*n);
        (0..panel.networks.len()).filter(here).collect()
    };
    rows.iter().enumerate().map(below).collect()
}

struct NodePlan<'a> {
    panel: &'a Panel,
    m: &'a Metrics,
    /// Rows of private services, at least one.
    rows: Vec<Row<'a>>,
    /// The services on shared networks.
    gates: Row<'a>,
    /// The private networks below each row.
    parts: Vec<Vec<usize>>,
}

/// The bars below a row, and the lines to them.
struct Part<'a> {
    networks: &'a [usize],
    /// The top of the first bar.
    first: i32,
    step: i32,
    /// Lines from the row above.
    above: Vec<Spot>,
    /// Lines from the row below.
    below: Vec<Spot>,
}

impl Part<'_> {
    /// The top of the bar of `network`.
    fn y(&self, network: usize) -> i32 {
        let at = self.networks.iter().position(|n| *n == network).unwrap_or_default();
        self.first + self.step * i32::try_from(at).unwrap_or_default()
    }

    /// The top of the last bar.
    fn last(&self) -> i32 {
        self.networks.last().map_or(self.first, |n| self.y(*n))
    }

    /// The lines that cross the label of `network`'s bar.
    fn through(&self, network: usize, m: &Metrics) -> Vec<i32> {
        let here = self.y(network);
        let above = self.above.iter().filter(|s| self.y(s.network) >= here);
        let below = self.below.iter().filter(|s| match m.bar_label {
            0 => self.y(s.network) <= here,
            _ => self.y(s.network) < here,
        });
        above.chain(below).map(|s| s.x).collect()
    }
}

impl NodePlan<'_> {
    /// The private networks that lie below several rows and so need a trunk.
    fn trunks(&self) -> Vec<usize> {
        let several = |n: &usize| self.parts.iter().filter(|p| p.contains(n)).count() > 1;
        (0..self.panel.networks.len()).filter(several).collect()
    }

    fn width(&self) -> i32 {
        let m = self.m;
        let rows = self.rows.iter().chain([&self.gates]).map(|r| r.w);
        let title = m.width_of(&self.title(), Size::Title);
        let note = match self.panel.note.as_str() {
            "" => 0,
            note => 2 * m.tap + m.width_of(note, Size::Small),
        };
        // In a terminal the title stands in the frame's border, which stays visible at both ends.
        let heading = title + note + 2 * m.thick;
        (m.beside(self.trunks().len()) + rows.max().unwrap_or_default()).max(heading)
    }

    fn title(&self) -> String {
        shortened(&self.panel.title, 2 * self.m.longest)
    }

    /// The whole, `inner` wide without its insets.
    ///
    /// # Errors
    /// The names of its bars have no room at that width.
    fn block(&self, inner: i32) -> Result<Block, TooNarrow> {
        let m = self.m;
        let trunks = self.trunks();
        let mut building = Building {
            plan: self,
            left: m.inset + m.beside(trunks.len()),
            right: m.inset + inner,
            trunks,
            y: m.head,
            made: Block {
                w: inner + 2 * m.inset,
                h: 0,
                inner,
                drops: Vec::new(),
                texts: self.heading(inner + 2 * m.inset),
                look: self.panel.look,
                details: self.panel.details.clone(),
                nodes: self.panel.nodes.clone(),
                stacked: self.panel.count > 1,
                cells: Vec::new(),
                bars: Vec::new(),
                lines: Vec::new(),
                thick: m.thick,
            },
        };
        let last = self.rows.len() - 1;
        for (at, (row, networks)) in self.rows.iter().zip(&self.parts).enumerate() {
            building.part(row, networks, (at == last).then_some(&self.gates))?;
        }
        building.join_parts();
        building.made.h = building.y + m.foot;
        Ok(building.made)
    }

    fn heading(&self, w: i32) -> Vec<Text> {
        let m = self.m;
        let top = (m.head - m.height_of(Size::Title)) / 2;
        let inset = m.inset + m.thick;
        let mut title = m.place(&self.title(), Size::Title, Anchor::Start, inset, top);
        title.look = self.panel.look;
        let mut texts = vec![title];
        if !self.panel.note.is_empty() {
            let top = top + (m.height_of(Size::Title) - m.height_of(Size::Small)) * 3 / 4;
            texts.push(m.place(&self.panel.note, Size::Small, Anchor::End, w - inset, top));
        }
        texts
    }
}

struct Building<'a> {
    plan: &'a NodePlan<'a>,
    /// The left edge of the items.
    left: i32,
    right: i32,
    trunks: Vec<usize>,
    /// The bottom of what is placed so far.
    y: i32,
    made: Block,
}

impl Building<'_> {
    /// Places a row of private services, the bars below it and, if given, the gates below these.
    fn part(&mut self, row: &Row<'_>, networks: &[usize], gates: Option<&Row<'_>>) -> Result<(), TooNarrow> {
        let m = self.plan.m;
        let small = m.height_of(Size::Small);
        let start = self.middle(row);
        let above = row.lines(start, |s| &s.own);
        self.cells(row, start);
        let bottom = self.y + row.h;
        // A bar with nothing above it needs only space for its label.
        let before = match (networks, row.slots.as_slice()) {
            ([], _) => 0,
            (_, []) => m.bar_label,
            _ => m.before_bar + small * names(&above),
        };
        let mut part = Part {
            networks,
            first: bottom + before,
            step: m.bar_step,
            above,
            below: Vec::new(),
        };
        for spot in &part.above {
            let bar = part.y(spot.network);
            self.line(spot, (bottom, bar), bar, bottom + m.clear);
        }
        self.y = if networks.is_empty() {
            bottom
        } else {
            part.last() + m.thick
        };
        match gates {
            Some(gates) if !gates.slots.is_empty() => self.gates(gates, &mut part)?,
            Some(_) => {}
            None => self.y += m.after_bar,
        }
        for network in networks {
            let bar = self.bar(*network, part.y(*network), &part.through(*network, m))?;
            self.made.bars.push(bar);
        }
        Ok(())
    }

    /// The ways in and out, whose lines to private networks keep off those from above.
    fn gates(&mut self, gates: &Row<'_>, part: &mut Part<'_>) -> Result<(), TooNarrow> {
        let m = self.plan.m;
        let small = m.height_of(Size::Small);
        let middle = self.middle(gates);
        let clear = |spot: &Spot| {
            part.above.iter().all(|other| match (spot.x - other.x).abs() {
                // Two lines to the same bar may coincide, or must keep apart.
                between if spot.network == other.network => between == 0 || between > m.tap,
                // A line that passes the bar of the other must not come close to it.
                between => other.network < spot.network || between > m.tap,
            })
        };
        let apart = |start: &i32| gates.lines(*start, |s| &s.own).iter().all(clear);
        let room = self.left..=self.right - gates.w;
        let starts = (0..self.right).flat_map(|by| [middle - by, middle + by]);
        let start = starts
            .filter(|s| room.contains(s))
            .find(apart)
            .ok_or(TooNarrow { by: m.gap })?;
        part.below = gates.lines(start, |s| &s.own);
        if !part.networks.is_empty() {
            self.y += m.after_bar + small * names(&part.below);
        }
        let top = self.y;
        self.cells(gates, start);
        for spot in &part.below {
            let bar = part.y(spot.network);
            let count = i32::try_from(spot.labels.len()).unwrap_or_default();
            self.line(spot, (bar + m.thick, top), bar, top - m.clear - small * count);
        }
        self.y += gates.h;
        let drop = |spot: Spot| Drop {
            x: spot.x,
            y: self.y,
            rail: spot.network,
            labels: spot.labels,
            look: spot.look,
        };
        self.made.drops = gates.lines(start, |s| &s.shared).into_iter().map(drop).collect();
        Ok(())
    }

    fn middle(&self, row: &Row<'_>) -> i32 {
        self.left + (self.right - self.left - row.w) / 2
    }

    fn cells(&mut self, row: &Row<'_>, start: i32) {
        for (slot, x) in &row.slots {
            let rect = Rect {
                x: start + x,
                y: self.y,
                w: slot.w,
                h: row.h,
            };
            self.made.cells.push(Cell {
                rect,
                texts: self.texts(slot, rect),
                look: slot.item.look,
                details: slot.item.details.clone(),
                service: slot.item.service.clone(),
            });
        }
    }

    fn texts(&self, slot: &Slot<'_>, rect: Rect) -> Vec<Text> {
        let m = self.plan.m;
        let (name, small) = (m.height_of(Size::Name), m.height_of(Size::Small));
        let both = if slot.remark.is_empty() { name } else { name + small };
        let middle = rect.x + rect.w / 2;
        let top = rect.y + (rect.h - both) / 2;
        let mut texts = vec![m.place(&slot.name, Size::Name, Anchor::Middle, middle, top)];
        if !slot.remark.is_empty() {
            texts.push(m.place(&slot.remark, Size::Small, Anchor::Middle, middle, top + name));
        }
        for text in &mut texts {
            text.look = slot.item.look;
        }
        texts
    }

    /// A line to a private network, with its labels from `label` on.
    fn line(&mut self, spot: &Spot, (y1, y2): (i32, i32), bar: i32, label: i32) {
        let m = self.plan.m;
        let labels = (0..).zip(&spot.labels).map(|(at, text)| {
            let y = label + m.height_of(Size::Small) * at;
            let mut text = m.place(text, Size::Small, Anchor::Start, spot.x + m.label_gap, y);
            text.look = spot.look;
            text
        });
        self.made.lines.push(Line {
            x: spot.x,
            y1,
            y2,
            labels: labels.collect(),
            hue: Hue::Own,
            look: spot.look,
            bar: Some(bar),
            arrow: None,
        });
    }

    /// A bar, and what it is called where none of `lines` runs through.
    fn bar(&self, network: usize, y: i32, lines: &[i32]) -> Result<Bar, TooNarrow> {
        let m = self.plan.m;
        let strip = &self.plan.panel.networks[network];
        let label = shortened(&strip.label, m.longest);
        let need = m.width_of(&label, Size::Small);
        let Some(x) = free(lines, (self.left, self.right), need, End::Right, m) else {
            return Err(TooNarrow { by: need.max(1) });
        };
        let mut text = m.place(&label, Size::Small, Anchor::Start, x, y - m.bar_label);
        text.look = strip.look;
        let trunk = self.trunks.iter().position(|t| *t == network);
        Ok(Bar {
            x1: trunk.map_or(self.left, |at| m.inset + m.beside(at)),
            x2: self.right,
            y,
            labels: vec![text],
            hue: Hue::Own,
            look: strip.look,
            details: strip.details.clone(),
        })
    }

    /// Places the trunks that join the parts of a network.
    fn join_parts(&mut self) {
        let m = self.plan.m;
        let networks: Vec<usize> = self.plan.parts.iter().flatten().copied().collect();
        for trunk in &self.trunks {
            let bars = networks.iter().zip(&self.made.bars).filter(|(n, _)| *n == trunk);
            let bars: Vec<&Bar> = bars.map(|(_, b)| b).collect();
            for pair in bars.windows(2) {
                self.made.lines.push(Line {
                    x: pair[0].x1,
                    y1: pair[0].y + m.thick,
                    y2: pair[1].y,
                    labels: Vec::new(),
                    hue: Hue::Own,
                    look: pair[0].look,
                    bar: None,
                    arrow: None,
                });
            }
        }
    }
}
