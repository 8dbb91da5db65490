//! Runs the same work on many items, on all cores.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread::{available_parallelism, scope};

/// With fewer items, threads are not worth their cost.
const FEW: usize = 256;

/// The results of `work` for `items`, in their order.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = available_parallelism().map_or(1, NonZero::get);
    let size = items.len().div_ceil(cores).max(FEW);
    if items.len() <= size {
        return items.iter().map(work).collect();
    }
    let work = &work;
    scope(|scope| {
        let parts: Vec<_> = items
            .chunks(size)
            .map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<R>>()))
            .collect();
        let done = parts
            .into_iter()
            .map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic)));
        done.flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order() {
        for count in [0, 1, FEW, FEW + 1, 10 * FEW + 7] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(each(&items, |n| n + 1), (1..=count).collect::<Vec<_>>());
        }
    }
}
