//! Where everything goes, in whole units: pixels for SVG, cells for the terminal.
//!
//! Nodes stand in rows, two rows to a bundle of rails: the upper row hangs its ways in and out down to the rails, the
//! lower row, mirrored, up. A network that several bundles need is joined by a trunk on the left. Lines leave a node on
//! the side of its rails only, so none ever runs through a box.

mod block;
mod metrics;
mod node;
mod page;
mod row;

use super::model::Look;
use super::panel::Scene;
pub use metrics::{Anchor, Metrics, Size, shortened};

/// A part of the plane: from `x` to before `x + w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Left.
    pub x: i32,
    /// Top.
    pub y: i32,
    /// Width.
    pub w: i32,
    /// Height.
    pub h: i32,
}

/// A text and the room it has.
#[derive(Debug, Clone)]
pub struct Text {
    /// Its room.
    pub rect: Rect,
    /// What it says.
    pub text: String,
    /// How large.
    pub size: Size,
    /// Where it is held.
    pub anchor: Anchor,
    /// How it looks.
    pub look: Look,
}

/// What a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hue {
    /// A node's private network.
    Own,
    /// A network that nodes share, by its place.
    Shared(usize),
}

/// A network, lying.
#[derive(Debug, Clone)]
pub struct Bar {
    /// Its left end.
    pub x1: i32,
    /// Its right end.
    pub x2: i32,
    /// Its top.
    pub y: i32,
    /// What it is called.
    pub labels: Vec<Text>,
    /// What it is of.
    pub hue: Hue,
    /// How it looks.
    pub look: Look,
    /// What one sees on hovering.
    pub details: String,
}

/// What hangs on a network, standing: from an edge or bar to one, either above the other.
#[derive(Debug, Clone)]
pub struct Line {
    /// Where.
    pub x: i32,
    /// Its upper end: the bottom of what it hangs from.
    pub y1: i32,
    /// Its lower end: the top of what it stands on.
    pub y2: i32,
    /// The names beside it.
    pub labels: Vec<Text>,
    /// What it is of.
    pub hue: Hue,
    /// How it looks.
    pub look: Look,
    /// The top of the bar that it ends at; none where it joins two parts of one.
    pub bar: Option<i32>,
    /// Whether it is a way out only, and where it points: down or up.
    pub arrow: Option<Arrow>,
}

/// Where a way out points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrow {
    /// To the rails below.
    Down,
    /// To the rails above.
    Up,
}

/// An item in its place.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Its edges.
    pub rect: Rect,
    /// Its name, and its remark where it has one.
    pub texts: Vec<Text>,
    /// How it looks.
    pub look: Look,
    /// What one sees on hovering.
    pub details: String,
}

/// A node in its place.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its edges.
    pub rect: Rect,
    /// Its title and note.
    pub texts: Vec<Text>,
    /// How it looks.
    pub look: Look,
    /// What one sees on hovering.
    pub details: String,
    /// Whether it stands for several.
    pub stacked: bool,
    /// Whether its rails are above it.
    pub lower: bool,
    /// Its items.
    pub cells: Vec<Cell>,
    /// Its private networks.
    pub bars: Vec<Bar>,
    /// What hangs on these, and what joins their parts.
    pub lines: Vec<Line>,
}

/// Everything in its place.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Its width.
    pub width: i32,
    /// Its height.
    pub height: i32,
    /// What stands above it.
    pub heading: Vec<Text>,
    /// The networks that nodes share.
    pub rails: Vec<Bar>,
    /// What joins the parts of these.
    pub trunks: Vec<Line>,
    /// What hangs on them.
    pub drops: Vec<Line>,
    /// The nodes.
    pub frames: Vec<Frame>,
    /// How large things are.
    pub metrics: Metrics,
}

/// Put `scene` in its places.
#[must_use]
pub fn picture(scene: &Scene, metrics: &Metrics) -> Picture {
    page::picture(scene, metrics)
}
