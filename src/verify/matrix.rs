//! Who reaches whom, expected and observed.

mod draw;

use super::model::Model;

/// What is known about one container's access to another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// It was not checked.
    #[default]
    Unasked,
    /// It is unreachable, as expected.
    Unreachable,
    /// It is reachable, as expected.
    Reached,
    /// Unreachable, but should be reachable.
    Cut,
    /// Another container responds at its address.
    Other,
    /// Reachable, but should be unreachable.
    Open,
}

impl Cell {
    /// Whether it is a difference.
    #[must_use]
    pub fn is_wrong(self) -> bool {
        matches!(self, Self::Cut | Self::Other | Self::Open)
    }
}

/// Rows are the asking containers, columns the containers asked about, in the same order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matrix {
    /// The title of the picture.
    title: String,
    /// The nodes, each with its role and services.
    nodes: Vec<Node>,
    /// The number of containers.
    size: usize,
    /// Whether two containers should reach each other, row by row.
    together: Vec<bool>,
    /// What is known, row by row.
    cells: Vec<Cell>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    name: String,
    role: String,
    services: Vec<String>,
}

impl Matrix {
    /// A matrix in which nothing is known yet.
    #[must_use]
    pub fn new(model: &Model<'_>) -> Self {
        let node = |node: &crate::topology::Node| Node {
            name: node.name.to_string(),
            role: node.role.to_string(),
            services: Vec::new(),
        };
        let mut nodes: Vec<Node> = model.nodes.iter().map(node).collect();
        for (at, member) in model.members.iter().enumerate() {
            nodes[member.node].services.push(model.label(at));
        }
        let count = model.members.len();
        let mut together = vec![false; count * count];
        for net in &model.nets {
            for (a, _) in &net.members {
                for (b, _) in &net.members {
                    together[a * count + b] = true;
                }
            }
        }
        Self {
            title: model.cluster.to_owned(),
            nodes,
            size: count,
            together,
            cells: vec![Cell::default(); count * count],
        }
    }

    /// Records what `asker` observed of `target`; the worst of several results counts.
    pub fn mark(&mut self, asker: usize, target: usize, cell: Cell) {
        let at = asker * self.size + target;
        // Containers that share a network are not unreachable because of another network.
        if cell == Cell::Unreachable && self.together.get(at) == Some(&true) {
            return;
        }
        if let Some(known) = self.cells.get_mut(at) {
            *known = cell.max(*known);
        }
    }

    /// A self-contained SVG, in light or dark as the reader's system is.
    #[must_use]
    pub fn svg(&self) -> String {
        draw::svg(self)
    }
}
