//! Who reaches whom, expected against observed.

mod draw;

use super::picture::Picture;

/// What is known of one container's reaching another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// Nothing: it was not asked.
    #[default]
    Unasked,
    /// Out of reach, as it is to be.
    Apart,
    /// Within reach, as it is to be.
    Reached,
    /// Not reached, though it is to be.
    Cut,
    /// Another one answers.
    Other,
    /// Reached, though it is not to be.
    Open,
}

impl Cell {
    /// Whether it is a difference.
    #[must_use]
    pub fn is_wrong(self) -> bool {
        matches!(self, Self::Cut | Self::Other | Self::Open)
    }
}

/// Rows are the containers that were asked, columns those that they were asked about, in one order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matrix {
    /// What it is of.
    title: String,
    /// The nodes, each with its role and its services.
    nodes: Vec<Node>,
    /// Containers.
    size: usize,
    /// Whether two containers are to reach each other, row by row.
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
    /// Nothing known yet.
    #[must_use]
    pub fn new(picture: &Picture<'_>) -> Self {
        let node = |node: &crate::topology::Node| Node {
            name: node.name.to_string(),
            role: node.role.to_string(),
            services: Vec::new(),
        };
        let mut nodes: Vec<Node> = picture.nodes.iter().map(node).collect();
        for (at, member) in picture.members.iter().enumerate() {
            nodes[member.node].services.push(picture.label(at));
        }
        let count = picture.members.len();
        let mut together = vec![false; count * count];
        for net in &picture.nets {
            for (a, _) in &net.members {
                for (b, _) in &net.members {
                    together[a * count + b] = true;
                }
            }
        }
        Self {
            title: picture.cluster.to_owned(),
            nodes,
            size: count,
            together,
            cells: vec![Cell::default(); count * count],
        }
    }

    /// Note what was observed from `asker` of `target`; the worst of several counts.
    pub fn mark(&mut self, asker: usize, target: usize, cell: Cell) {
        let at = asker * self.size + target;
        // Those who meet on one network are not apart for being so on another.
        if cell == Cell::Apart && self.together.get(at) == Some(&true) {
            return;
        }
        if let Some(known) = self.cells.get_mut(at) {
            *known = cell.max(*known);
        }
    }

    /// A self-contained SVG, light or dark as its reader is.
    #[must_use]
    pub fn svg(&self) -> String {
        draw::svg(self)
    }
}
