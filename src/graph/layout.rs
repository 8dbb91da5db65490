//! Gives everything in a picture its place, in whole units: pixels for SVG, cells for the terminal.
//!
//! Nodes form rows, and two rows share a bundle of rails, which are the shared networks. The upper row's entries and
//! exits hang down to the rails; the lower row is mirrored. A network that several bundles need is joined by a trunk on
//! the left. Lines leave a node only towards its rails, so none runs through a box.

mod block;
mod metrics;
mod node;
mod page;
mod row;
mod shape;

use super::model::Look;
use super::panel::Scene;
pub use metrics::{Anchor, Metrics, Size, shortened};

/// A rectangle in pixels of SVG, whose origin is the top left of the picture: from `x` to before `x + w`, from `y` to before
/// `y + h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// The left edge, in pixels from the left of the picture.
    pub x: i32,
    /// The top edge, in pixels from the top of the picture.
    pub y: i32,
    /// The width, without the right edge.
    pub w: i32,
    /// The height, without the bottom edge.
    pub h: i32,
}

/// A text and the space it may take.
#[derive(Debug, Clone)]
pub struct Text {
    /// The space, which the text fits.
    pub rect: Rect,
    /// The characters, in one line.
    pub text: String,
    /// The font size, as a role that [`Metrics`] turns into pixels.
    pub size: Size,
    /// The point of the text that stays in place if the font is narrower.
    pub anchor: Anchor,
    /// The state that the text is drawn as.
    pub look: Look,
}

/// Which network a bar or line belongs to, and so its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hue {
    /// A private network of a node.
    Own,
    /// A shared network, by its index in [`Scene::networks`].
    Shared(usize),
}

/// A network, drawn as a horizontal bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// The left end, in pixels.
    pub x1: i32,
    /// The right end, in pixels.
    pub x2: i32,
    /// The top edge, in pixels.
    pub y: i32,
    /// The network's name, and its note if it fits.
    pub labels: Vec<Text>,
    /// The network it shows.
    pub hue: Hue,
    /// The state that the bar is drawn as.
    pub look: Look,
    /// The details that show on hovering.
    pub details: String,
}

/// A vertical line between an item and a network, or between two parts of a network.
#[derive(Debug, Clone)]
pub struct Line {
    /// The horizontal position, in pixels.
    pub x: i32,
    /// The upper end: the bottom edge of what is above.
    pub y1: i32,
    /// The lower end: the top edge of what is below.
    pub y2: i32,
    /// The service's names on the network, beside the line.
    pub labels: Vec<Text>,
    /// The network it leads to.
    pub hue: Hue,
    /// The state that the line is drawn as.
    pub look: Look,
    /// The top of the bar where it ends; `None` if it joins two parts of a network.
    pub bar: Option<i32>,
    /// Where its arrow points if the service is only an exit; `None` without an arrow.
    pub arrow: Option<Arrow>,
}

/// A link of the shape: a horizontal part, and vertical ones from it to boxes.
#[derive(Debug, Clone)]
pub struct Wire {
    /// The left end of the horizontal part, in pixels.
    pub x1: i32,
    /// Its right end, in pixels; the same as `x1` if the link runs straight down.
    pub x2: i32,
    /// Its top edge, in pixels.
    pub y: i32,
    /// The vertical parts.
    pub ends: Vec<WireEnd>,
    /// Whether it joins the sides of two boxes, so that it has no vertical part.
    pub beside: bool,
    /// The name of the link; none if there are too many links.
    pub labels: Vec<Text>,
    /// The colour.
    pub hue: Hue,
    /// The state that the link is drawn as.
    pub look: Look,
    /// The details that show on hovering.
    pub details: String,
}

/// A vertical part of a [`Wire`], from a box above to the horizontal part, or from that to a box below.
#[derive(Debug, Clone, Copy)]
pub struct WireEnd {
    /// The horizontal position, in pixels.
    pub x: i32,
    /// The upper end, in pixels.
    pub y1: i32,
    /// The lower end, in pixels.
    pub y2: i32,
    /// The state that this end is drawn as.
    pub look: Look,
}

/// The direction of an exit's arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrow {
    /// Towards rails below the node.
    Down,
    /// Towards rails above the node.
    Up,
}

/// A placed item: a container, or the same one of several nodes.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The outer edges of the box.
    pub rect: Rect,
    /// The name, and the remark if there is one.
    pub texts: Vec<Text>,
    /// The state that the box is drawn as.
    pub look: Look,
    /// The details that show on hovering.
    pub details: String,
    /// The service, by its name inside the node; `None` for a container of others.
    pub service: Option<String>,
}

/// A placed node, or several equal ones.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The outer edges of the box.
    pub rect: Rect,
    /// The title and the note.
    pub texts: Vec<Text>,
    /// The state that the frame is drawn as.
    pub look: Look,
    /// The details that show on hovering.
    pub details: String,
    /// The names of the nodes that it represents; none if it represents no node.
    pub nodes: Vec<String>,
    /// Whether it represents several nodes.
    pub stacked: bool,
    /// Whether its rails are above it.
    pub lower: bool,
    /// The items inside, in the order of the scene.
    pub cells: Vec<Cell>,
    /// The private networks inside.
    pub bars: Vec<Bar>,
    /// The lines from items to private networks, and between parts of these.
    pub lines: Vec<Line>,
}

/// The placed picture, ready to be written.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The width of the whole picture, in pixels.
    pub width: i32,
    /// The height of the whole picture, in pixels.
    pub height: i32,
    /// The title, and the summary below it.
    pub heading: Vec<Text>,
    /// The shared networks, the upper ones first.
    pub rails: Vec<Bar>,
    /// The lines that join parts of a shared network.
    pub trunks: Vec<Line>,
    /// The lines from items to shared networks.
    pub drops: Vec<Line>,
    /// The nodes, in reading order: those of the shape first, if there is one.
    pub frames: Vec<Frame>,
    /// The links of the shape.
    pub wires: Vec<Wire>,
    /// The metrics that it was laid out with.
    pub metrics: Metrics,
}

/// Places everything of `scene`, by the sizes of `metrics`.
#[must_use]
pub fn picture(scene: &Scene, metrics: &Metrics) -> Picture {
    page::picture(scene, metrics)
}
