//! How many there are of a role or network, where each of them stands, and what it is called for that.

use std::fmt::Write as _;
use std::sync::Arc;

/// How many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// One, which has no number.
    Single,
    /// That many, numbered from 1.
    Numbered(u32),
    /// One for each combination of an index, from 1, along each dimension, which has a name.
    Dimensions(Vec<(Arc<str>, u32)>),
}

impl Extent {
    /// How many: the product of all dimensions.
    #[must_use]
    pub fn len(&self) -> usize {
        let product = self
            .sides()
            .iter()
            .fold(1u64, |all, n| all.saturating_mul(u64::from(*n)));
        usize::try_from(product).unwrap_or(usize::MAX)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the dimensions; none where there are none.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        let dimensions = match self {
            Self::Dimensions(dimensions) => dimensions.as_slice(),
            _ => &[],
        };
        dimensions.iter().map(|(name, _)| name)
    }

    /// The indices, from 1, of each: none of a single one, one of those that are numbered. The last dimension counts fastest.
    pub fn positions(&self) -> impl Iterator<Item = Vec<u32>> + use<> {
        let sides = self.sides();
        (0..self.len()).map(move |mut at| {
            let mut position = vec![0; sides.len()];
            for (index, side) in position.iter_mut().zip(&sides).rev() {
                let side = *side as usize;
                *index = u32::try_from(at % side).unwrap_or(u32::MAX) + 1;
                at /= side;
            }
            position
        })
    }

    /// What follows a name for `position`: nothing, `3`, or `-1-2`.
    #[must_use]
    pub fn suffix(&self, position: &[u32]) -> String {
        let mut text = String::new();
        for index in position {
            let dash = if matches!(self, Self::Dimensions(_)) { "-" } else { "" };
            let _ = write!(text, "{dash}{index}");
        }
        text
    }

    fn sides(&self) -> Vec<u32> {
        match self {
            Self::Single => Vec::new(),
            Self::Numbered(count) => vec![*count],
            Self::Dimensions(dimensions) => dimensions.iter().map(|(_, count)| *count).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_tell_where_each_stands() {
        let names = |extent: &Extent| -> Vec<String> { extent.positions().map(|p| extent.suffix(&p)).collect() };
        assert_eq!(names(&Extent::Single), [""]);
        assert_eq!(names(&Extent::Numbered(3)), ["1", "2", "3"]);
        let two = Extent::Dimensions(vec![("shard".into(), 2), ("replica".into(), 3)]);
        assert_eq!(names(&two), ["-1-1", "-1-2", "-1-3", "-2-1", "-2-2", "-2-3"]);
        let none = Extent::Dimensions(vec![("shard".into(), 2), ("replica".into(), 0)]);
        assert!(none.is_empty() && names(&none).is_empty());
    }

    proptest! {
        #[test]
        fn each_position_is_there_once(sides in prop::collection::vec(0u32..6, 1..5)) {
            let extent = Extent::Dimensions(sides.iter().map(|n| ("d".into(), *n)).collect());
            let mut all: Vec<Vec<u32>> = extent.positions().collect();
            prop_assert_eq!(all.len(), extent.len());
            prop_assert!(all.is_sorted());
            all.dedup();
            prop_assert_eq!(all.len(), extent.len());
            prop_assert!(all.iter().all(|p| p.iter().zip(&sides).all(|(i, n)| (1..=*n).contains(i))));
        }
    }
}
