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
    /// The number of all differences, of which a picture shows those between two containers.
    pub differences: usize,
    /// The number of containers that could not be asked.
    pub unasked: usize,
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
        let mut join = |all: Vec<usize>| {
            for a in &all {
                for b in &all {
                    together[a * count + b] = true;
                }
            }
        };
        let with_guests = |m: usize| [m].into_iter().chain(model.members[m].guests.iter().copied());
        for net in &model.nets {
            join(net.members.iter().flat_map(|(m, _)| with_guests(*m)).collect());
        }
        (0..count).for_each(|m| join(with_guests(m).collect()));
        Self {
            title: model.cluster.to_owned(),
            nodes,
            size: count,
            together,
            cells: vec![Cell::default(); count * count],
            differences: 0,
            unasked: 0,
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
