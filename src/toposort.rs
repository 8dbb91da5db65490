//! Things in an order in which each comes after those that it waits for.

use std::collections::BTreeSet;

/// Places in a list, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sorted {
    /// Each after all that it waits for; where that leaves a choice, the one that comes first in the list.
    pub(crate) order: Vec<usize>,
    /// Those that are in a circle, or wait for one that is, as they are in the list.
    pub(crate) circular: Vec<usize>,
}

impl Sorted {
    /// All places: what has no order comes last.
    pub(crate) fn all(self) -> impl Iterator<Item = usize> {
        self.order.into_iter().chain(self.circular)
    }
}

/// The places `0..waits.len()` sorted, where `waits` says for each which it waits for (Kahn, 1962). Takes time for each place
/// and each wait once, and a logarithm of the places.
pub(crate) fn sorted(waits: &[BTreeSet<usize>]) -> Sorted {
    let then = turned(waits);
    let mut waiting: Vec<usize> = waits.iter().map(BTreeSet::len).collect();
    let mut ready: BTreeSet<usize> = (0..waits.len()).filter(|at| waiting[*at] == 0).collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some(at) = ready.pop_first() {
        order.push(at);
        for other in &then[at] {
            waiting[*other] -= 1;
            if waiting[*other] == 0 {
                ready.insert(*other);
            }
        }
    }
    let circular = (0..waits.len()).filter(|at| waiting[*at] > 0).collect();
    Sorted { order, circular }
}

/// For each place those that wait for it.
pub(crate) fn turned(waits: &[BTreeSet<usize>]) -> Vec<BTreeSet<usize>> {
    let mut turned = vec![BTreeSet::new(); waits.len()];
    for (at, others) in waits.iter().enumerate() {
        for other in others {
            turned[*other].insert(at);
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waits(pairs: &[(usize, usize)], count: usize) -> Vec<BTreeSet<usize>> {
        let mut waits = vec![BTreeSet::new(); count];
        for (at, other) in pairs {
            waits[*at].insert(*other);
        }
        waits
    }

    #[test]
    fn the_first_of_those_that_may_go_goes() {
        let found = sorted(&waits(&[(0, 2), (1, 3)], 4));
        assert_eq!(found.order, [2, 0, 3, 1]);
        assert!(found.circular.is_empty());
        assert_eq!(sorted(&[]), Sorted::default());
    }

    #[test]
    fn circles_and_what_waits_for_them_are_told_apart() {
        // 0 waits for itself, 1 and 2 for each other, 3 for 2; 2 also for 4, which is free.
        let found = sorted(&waits(&[(0, 0), (1, 2), (2, 1), (2, 4), (3, 2)], 5));
        assert_eq!(
            (found.order.clone(), found.circular.clone()),
            (vec![4], vec![0, 1, 2, 3])
        );
        assert_eq!(found.all().collect::<Vec<_>>(), [4, 0, 1, 2, 3]);
    }

    proptest! {
        #[test]
        fn each_is_after_those_that_it_waits_for(pairs in prop::collection::vec((0..12usize, 0..12usize), 0..40)) {
            // Without circles, where each waits for later ones only.
            let later: Vec<(usize, usize)> = pairs.iter().copied().filter(|(at, other)| at < other).collect();
            let waits = waits(&later, 12);
            let found = sorted(&waits);
            prop_assert!(found.circular.is_empty());
            let place = |at: usize| found.order.iter().position(|o| *o == at).expect("it is there");
            for (at, others) in waits.iter().enumerate() {
                prop_assert!(others.iter().all(|other| place(*other) < place(at)));
            }
        }
    }
}
