//! Sizes and distances, and which texts fit where.

use super::{Rect, Text};
use crate::graph::model::Look;

/// Sizes and distances, in the units of the picture.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// The width that a row of nodes should not exceed.
    pub width: i32,
    /// The width of a character in tenths of a unit and the height of a line, by [`Size`].
    pub text: [(i32, i32); 3],
    /// The margin around the picture.
    pub margin: i32,
    /// The width that a row of private services should not exceed.
    pub row: i32,
    /// Between the edge of an item and its text.
    pub pad: i32,
    /// The height of an item without and with a remark.
    pub item: [i32; 2],
    /// Between items of a row.
    pub gap: i32,
    /// Between the side of a node and its content.
    pub inset: i32,
    /// From the top of a node to its first row; the title stands here.
    pub head: i32,
    /// From the bottom of a node's content to its edge.
    pub foot: i32,
    /// The height of a bar.
    pub thick: i32,
    /// From a row of items to the bar below, without labels.
    pub before_bar: i32,
    /// From one bar to the next.
    pub bar_step: i32,
    /// From a bar to the row of items below, without labels.
    pub after_bar: i32,
    /// From the top of a bar's label to the bar; 0 if the label stands on the bar.
    pub bar_label: i32,
    /// Half the width that a line takes.
    pub tap: i32,
    /// Between a line and its label.
    pub label_gap: i32,
    /// After the end of a label.
    pub label_end: i32,
    /// Between an edge and the labels of the lines that begin there.
    pub clear: i32,
    /// From the labels to the first rail.
    pub before_rail: i32,
    /// From one rail to the next.
    pub rail_step: i32,
    /// From the top of a rail's label to the rail; 0 if the label stands on the rail.
    pub rail_label: i32,
    /// Between nodes of a row.
    pub node_gap: i32,
    /// Between bundles of lines.
    pub bundle_gap: i32,
    /// From one trunk to the next.
    pub trunk: i32,
    /// Below the heading, to the first row.
    pub below_heading: i32,
    /// The longest name, in characters; longer ones are shortened in the middle.
    pub longest: usize,
}

impl Metrics {
    /// What `count` trunks beside each other take of the width.
    pub(super) fn beside(&self, count: usize) -> i32 {
        self.trunk * i32::try_from(count).unwrap_or_default()
    }

    /// Metrics for SVG, in pixels: fixed-width fonts of 14, 12 and 11 pixels, with the widest character of the usual
    /// ones.
    pub const PIXELS: Self = Self {
        width: 1080,
        row: 500,
        text: [(87, 20), (75, 16), (69, 14)],
        margin: 24,
        pad: 9,
        item: [28, 42],
        gap: 8,
        inset: 12,
        head: 38,
        foot: 14,
        thick: 0,
        before_bar: 26,
        bar_step: 24,
        after_bar: 14,
        bar_label: 17,
        tap: 8,
        label_gap: 6,
        label_end: 8,
        clear: 4,
        before_rail: 12,
        rail_step: 30,
        rail_label: 19,
        node_gap: 20,
        bundle_gap: 36,
        trunk: 18,
        below_heading: 14,
        longest: 30,
    };

    /// Metrics for a terminal of `columns`, in cells.
    #[must_use]
    pub fn cells(columns: usize) -> Self {
        Self {
            width: i32::try_from(columns).unwrap_or(i32::MAX),
            row: i32::try_from(columns * 3 / 5).unwrap_or(i32::MAX),
            text: [(10, 1); 3],
            margin: 0,
            pad: 2,
            item: [3, 4],
            gap: 1,
            inset: 2,
            head: 1,
            foot: 1,
            thick: 1,
            before_bar: 0,
            bar_step: 1,
            after_bar: 0,
            bar_label: 0,
            tap: 1,
            label_gap: 2,
            label_end: 1,
            clear: 0,
            before_rail: 0,
            rail_step: 1,
            rail_label: 0,
            node_gap: 2,
            bundle_gap: 1,
            trunk: 2,
            below_heading: 1,
            longest: 30,
        }
    }

    pub(super) fn width_of(&self, text: &str, size: Size) -> i32 {
        let count = i32::try_from(text.chars().count()).unwrap_or_default();
        (self.text[size as usize].0 * count + 9) / 10
    }

    pub(super) fn height_of(&self, size: Size) -> i32 {
        self.text[size as usize].1
    }

    /// `text` with its top left corner at `(x, y)`, or its top centre if `anchor` says so.
    pub(super) fn place(&self, text: &str, size: Size, anchor: Anchor, x: i32, y: i32) -> Text {
        let w = self.width_of(text, size);
        let x = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - w / 2,
            Anchor::End => x - w,
        };
        Text {
            rect: Rect {
                x,
                y,
                w,
                h: self.height_of(size),
            },
            text: text.to_owned(),
            size,
            anchor,
            look: Look::Plain,
        }
    }
}

/// The sizes of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// The title of a node.
    Title,
    /// The name of an item.
    Name,
    /// The notes, ports and labels of networks.
    Small,
}

/// The point of a text that stays in place if a font is narrower than expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The left end stays in place.
    Start,
    /// The middle stays in place.
    Middle,
    /// The right end stays in place.
    End,
}

/// `text`, with its middle replaced by `…` if it is longer than `longest` characters.
#[must_use]
pub fn shortened(text: &str, longest: usize) -> String {
    // Names made by topogen are ASCII. Other names may not be, and their width on the screen is unknown.
    let known = |c: char| {
        if c.is_ascii_graphic() || matches!(c, ' ' | '…' | '×') {
            c
        } else {
            '?'
        }
    };
    let all: Vec<char> = text.chars().map(known).collect();
    if all.len() <= longest {
        return all.into_iter().collect();
    }
    let (head, tail) = ((longest - 1) / 2, longest / 2);
    let head = all[..head].iter();
    head.chain(['…'].iter()).chain(&all[all.len() - tail..]).collect()
}

/// An end of a bar, where its label should stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Left,
    Right,
}

/// What is drawn has no room for all that must be said in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooNarrow {
    /// How much wider to try, in the unit of the metrics; 1 or more.
    pub(super) by: i32,
}

/// The position between `left` and `right` for a label of width `need` that no line crosses: at the wanted end,
/// otherwise at the other, otherwise in the widest gap; `None` if nothing is wide enough.
pub(super) fn free(lines: &[i32], (left, right): (i32, i32), need: i32, end: End, m: &Metrics) -> Option<i32> {
    let mut edges = vec![left - m.tap];
    edges.extend(lines);
    edges.push(right + m.tap);
    edges.sort_unstable();
    let room = |gap: &[i32]| gap[1] - gap[0] - 2 * m.tap - m.thick;
    let (first, last) = (&edges[..2], &edges[edges.len() - 2..]);
    let widest = edges.windows(2).max_by_key(|gap| (room(gap), -gap[0]))?;
    let ends = if end == End::Left { [first, last] } else { [last, first] };
    let gap = ends.into_iter().chain([widest]).find(|gap| room(gap) >= need)?;
    let at_left = gap[0] < left;
    let at_right = gap[1] > right;
    Some(match (at_left, at_right) {
        (true, true) if end == End::Right => right - m.thick - need,
        (true, _) => left + m.thick,
        (_, true) => right - m.thick - need,
        _ => (gap[0] + gap[1] + m.thick - need) / 2,
    })
}
