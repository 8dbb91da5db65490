//! Pictures of a cluster: a [`Topology`], and how it stands on the engine, as files for other tools or text for people.
//!
//! ```text
//! Topology, Observed ──desired, live──▶ Graph ──fold──▶ Scene ──layout──▶ Picture ──▶ svg, text
//!                                         └──▶ json       └────────────────────────▶ mermaid, dot
//! ```
//!
//! The layout is topogen's own and serves pixels (SVG) and cells (terminal) alike. Equal nodes of a large role share a
//! card, so that ten thousand nodes still fit a picture of ten.

mod desired;
pub mod dot;
mod fold;
pub mod layout;
mod live;
pub mod mermaid;
pub mod model;
pub mod panel;
pub mod shape;
pub mod svg;
pub mod text;

use crate::cluster::Observed;
use crate::name::ClusterName;
use crate::topology::Topology;
use layout::Metrics;
use model::Graph;
use panel::Scene;
use shape::Shape;

/// The format of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text for a terminal.
    Text {
        /// The width to aim for, in columns.
        columns: usize,
        /// Whether to use the terminal's colours (ECMA-48 SGR).
        colour: bool,
    },
    /// SVG 1.1 without external resources.
    Svg,
    /// A Mermaid flowchart, which forges render inside Markdown.
    Mermaid,
    /// The DOT language of Graphviz.
    Dot,
    /// JSON for programs: everything, with no nodes folded.
    Json,
}

/// What to draw of `topology`, with the states of `observed` if it is given.
#[must_use]
pub fn graph(topology: &Topology, observed: Option<&Observed>) -> Graph {
    match observed {
        Some(observed) => live::graph(topology, observed),
        None => desired::graph(topology),
    }
}

/// Draws `topology`, with the states of `observed` if it is given. `unfold`: equal nodes get a card each.
///
/// # Errors
/// None in practice, since it serialises plain data.
pub fn draw(
    topology: &Topology,
    observed: Option<&Observed>,
    format: Format,
    unfold: bool,
) -> Result<String, serde_json::Error> {
    written(&graph(topology, observed), format, unfold)
}

/// Draws what was observed of `cluster`, whose blueprint is not known: all of it is as it should be. `unfold`: equal nodes get
/// a card each.
///
/// # Errors
/// None in practice, since it serialises plain data.
pub fn draw_observed(
    cluster: &ClusterName,
    observed: &Observed,
    format: Format,
    unfold: bool,
) -> Result<String, serde_json::Error> {
    written(&live::observed(cluster, observed), format, unfold)
}

fn written(graph: &Graph, format: Format, unfold: bool) -> Result<String, serde_json::Error> {
    let scene = || Scene::of(graph, unfold);
    // Mermaid and Graphviz lay out themselves, so that each node of the shape must be there.
    let apart = || Scene::of(graph, unfold || !Shape::of(graph, false).parts.is_empty());
    Ok(match format {
        Format::Json => serde_json::to_string_pretty(graph)? + "\n",
        Format::Mermaid => mermaid::write(&apart()),
        Format::Dot => dot::write(&apart()),
        Format::Svg => svg::write(&layout::picture(&scene(), &Metrics::PIXELS)),
        Format::Text { columns, colour } => text::write(&layout::picture(&scene(), &Metrics::cells(columns)), colour),
    })
}
