//! The layout of one node by itself, and its placement above or below its rails.

use super::{Bar, Cell, Frame, Line, Rect, Text};
use crate::graph::model::Look;

/// A node with its corner at the origin and its rails below it.
pub(super) struct Block {
    pub(super) w: i32,
    pub(super) h: i32,
    /// The width without insets.
    pub(super) inner: i32,
    /// The lines to shared networks.
    pub(super) drops: Vec<Drop>,
    pub(super) texts: Vec<Text>,
    pub(super) look: Look,
    pub(super) details: String,
    pub(super) nodes: Vec<String>,
    pub(super) stacked: bool,
    pub(super) cells: Vec<Cell>,
    pub(super) bars: Vec<Bar>,
    pub(super) lines: Vec<Line>,
    /// The height of a bar.
    pub(super) thick: i32,
}

/// The end of a line to a shared network, at an item.
pub(super) struct Drop {
    pub(super) x: i32,
    /// The bottom edge of the item.
    pub(super) y: i32,
    /// The index of the shared network.
    pub(super) rail: usize,
    /// The names beside the line.
    pub(super) labels: Vec<String>,
    pub(super) look: Look,
}

impl Block {
    /// The frame with its corner at `(x, y)`; mirrored for `lower`, whose rails are above.
    pub(super) fn frame(&self, x: i32, y: i32, lower: bool) -> Frame {
        let place = Placed {
            block: self,
            x,
            y,
            lower,
        };
        Frame {
            rect: place.rect(Rect {
                x: 0,
                y: 0,
                w: self.w,
                h: self.h,
            }),
            texts: place.texts(&self.texts),
            look: self.look,
            details: self.details.clone(),
            nodes: self.nodes.clone(),
            stacked: self.stacked,
            lower,
            cells: self.cells.iter().map(|c| place.cell(c)).collect(),
            bars: self.bars.iter().map(|b| place.bar(b)).collect(),
            lines: self.lines.iter().map(|l| place.line(l)).collect(),
        }
    }
}

struct Placed<'a> {
    block: &'a Block,
    x: i32,
    y: i32,
    lower: bool,
}

impl Placed<'_> {
    fn flip(&self, top: i32, height: i32) -> i32 {
        match self.lower {
            true => self.y + self.block.h - top - height,
            false => self.y + top,
        }
    }

    fn rect(&self, rect: Rect) -> Rect {
        Rect {
            x: self.x + rect.x,
            y: self.flip(rect.y, rect.h),
            ..rect
        }
    }

    /// The texts, moved so that they read from top to bottom in a mirrored node too.
    fn texts(&self, texts: &[Text]) -> Vec<Text> {
        let mut tops: Vec<i32> = texts.iter().map(|t| self.rect(t.rect).y).collect();
        tops.sort_unstable();
        let one_above_another = tops.windows(2).any(|t| t[1] - t[0] >= texts[0].rect.h);
        let placed = |(text, top): (&Text, i32)| {
            let mut rect = self.rect(text.rect);
            if one_above_another {
                rect.y = top;
            }
            Text { rect, ..text.clone() }
        };
        texts.iter().zip(tops).map(placed).collect()
    }

    fn cell(&self, cell: &Cell) -> Cell {
        let rect = self.rect(cell.rect);
        let moved = |text: &Text| {
            let mut text = text.clone();
            text.rect.x += rect.x - cell.rect.x;
            text.rect.y += rect.y - cell.rect.y;
            text
        };
        Cell {
            rect,
            texts: cell.texts.iter().map(moved).collect(),
            ..cell.clone()
        }
    }

    fn bar(&self, bar: &Bar) -> Bar {
        Bar {
            x1: self.x + bar.x1,
            x2: self.x + bar.x2,
            y: self.flip(bar.y, self.block.thick),
            labels: self.texts(&bar.labels),
            ..bar.clone()
        }
    }

    fn line(&self, line: &Line) -> Line {
        let y1 = self.flip(line.y1, line.y2 - line.y1);
        Line {
            x: self.x + line.x,
            y1,
            y2: y1 + line.y2 - line.y1,
            labels: self.texts(&line.labels),
            bar: line.bar.map(|bar| self.flip(bar, self.block.thick)),
            ..line.clone()
        }
    }
}
