//! The cluster as a picture: a [`Topology`], and what runs of it, as text that others draw or people read.
//!
//! ```text
//! Topology, Observed ──said, live──▶ Graph ──fold──▶ Scene ──layout──▶ Picture ──▶ svg, text
//!                                      └──▶ json       └────────────────────────▶ mermaid, dot
//! ```
//!
//! Where things go is topogen's own: one layout, in pixels for SVG and in cells for the terminal. Equal nodes of a large
//! role share a card, so that a picture stays one of ten things where the cluster has ten thousand.

pub mod dot;
mod fold;
pub mod layout;
mod live;
pub mod mermaid;
pub mod model;
pub mod panel;
mod said;
pub mod svg;
pub mod text;

use crate::cluster::Observed;
use crate::topology::Topology;
use layout::Metrics;
use model::Graph;
use panel::Scene;

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a terminal: so many columns wide where that is possible, in colour or not.
    Text {
        /// Columns.
        columns: usize,
        /// Whether with the terminal's colours (ECMA-48 SGR).
        colour: bool,
    },
    /// SVG 1.1 that needs nothing beside itself.
    Svg,
    /// A Mermaid flowchart, as forges draw it inside Markdown.
    Mermaid,
    /// The language of Graphviz.
    Dot,
    /// For programs: everything, nothing folded.
    Json,
}

/// What is to be drawn of `topology`, and of how it stands where `observed` says that.
#[must_use]
pub fn graph(topology: &Topology, observed: Option<&Observed>) -> Graph {
    match observed {
        Some(observed) => live::graph(topology, observed),
        None => said::graph(topology),
    }
}

/// The picture of what `topology` says, and of how it stands where `observed` says that. `unfold`: each node on its own.
///
/// # Errors
/// None that can be reached: JSON of plain data.
pub fn draw(
    topology: &Topology,
    observed: Option<&Observed>,
    format: Format,
    unfold: bool,
) -> Result<String, serde_json::Error> {
    let graph = graph(topology, observed);
    let scene = || Scene::of(&graph, unfold);
    Ok(match format {
        Format::Json => serde_json::to_string_pretty(&graph)? + "\n",
        Format::Mermaid => mermaid::write(&scene()),
        Format::Dot => dot::write(&scene()),
        Format::Svg => svg::write(&layout::picture(&scene(), &Metrics::PIXELS)),
        Format::Text { columns, colour } => text::write(&layout::picture(&scene(), &Metrics::cells(columns)), colour),
    })
}
