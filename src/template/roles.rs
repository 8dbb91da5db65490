//! The nodes of roles as templates get them by `role(…)`.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value as Scope};

use super::bounded::draw;
use crate::budget::Budget;
use crate::text::decimal;

/// What an item of a list takes, bytes.
const ITEM: usize = 32;

/// The nodes of a role as templates see them.
#[derive(Debug)]
pub struct RoleNodes {
    /// The name of the role.
    pub name: String,
    /// The dimensions of its count; each node has an index by that name. None of a number.
    pub dimensions: Vec<Arc<str>>,
    /// Its nodes, in their order.
    pub nodes: Vec<Scope>,
}

/// A role whose nodes are found by the index in a dimension, so that a lookup in each of ten thousand nodes takes no more time
/// than what it finds.
pub(super) struct Indexed {
    name: String,
    dimensions: Vec<Arc<str>>,
    all: Scope,
    /// By the place of a dimension and an index in it.
    by_index: HashMap<(usize, u32), Vec<Scope>>,
}

impl Indexed {
    pub(super) fn new(role: RoleNodes) -> Self {
        let mut by_index: HashMap<(usize, u32), Vec<Scope>> = HashMap::new();
        for node in &role.nodes {
            for (at, dimension) in role.dimensions.iter().enumerate() {
                if let Some(index) = index_of(node, dimension) {
                    by_index.entry((at, index)).or_default().push(node.clone());
                }
            }
        }
        Self {
            name: role.name,
            dimensions: role.dimensions,
            all: Scope::from(role.nodes),
            by_index,
        }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// The nodes that have all of `indices`; those lists that are made draw on the `budget`.
    pub(super) fn nodes(&self, indices: &Kwargs, budget: &Budget) -> Result<Scope, Error> {
        let mut asked: Vec<(usize, u32)> = Vec::new();
        for key in indices.args() {
            let at = self
                .dimensions
                .iter()
                .position(|d| **d == *key)
                .ok_or_else(|| self.no_dimension(key))?;
            let value: Scope = indices.get(key)?;
            let text = value.to_string();
            let index = decimal::<u32>(&text).ok_or_else(|| {
                let message = format!(
                    "`{key}` of role `{}` is a whole number from 1, found `{text}`",
                    self.name
                );
                Error::new(ErrorKind::InvalidOperation, message)
            })?;
            asked.push((at, index));
        }
        let found = |at: &(usize, u32)| self.by_index.get(at).map_or(&[][..], Vec::as_slice);
        let Some(fewest) = asked.iter().min_by_key(|at| found(at).len()) else {
            return Ok(self.all.clone());
        };
        let fewest = found(fewest);
        draw(fewest.len().saturating_mul(ITEM), budget)?;
        let has = |node: &&Scope| {
            asked
                .iter()
                .all(|(at, index)| index_of(node, &self.dimensions[*at]) == Some(*index))
        };
        Ok(fewest.iter().filter(has).cloned().collect())
    }

    fn no_dimension(&self, key: &str) -> Error {
        let known: Vec<String> = self.dimensions.iter().map(|d| format!("`{d}`")).collect();
        let known = match known.as_slice() {
            [] => "it is counted by one number".to_owned(),
            all => format!("it is counted by {}", all.join(" and ")),
        };
        let message = format!("role `{}` has no dimension `{key}`: {known}", self.name);
        Error::new(ErrorKind::InvalidOperation, message)
    }
}

fn index_of(node: &Scope, dimension: &str) -> Option<u32> {
    u32::try_from(node.get_attr(dimension).ok()?).ok()
}
