//! The texts of templates, which stay where they are while others are added: compiled templates point into them.

use std::cell::{Cell, OnceCell};

/// How many texts the first block has; each has twice as many as the one before.
const FIRST: usize = 64;
/// Blocks enough for more texts than there is memory.
const BLOCKS: usize = 40;

/// Texts that are added one by one, and never moved or removed.
pub struct Texts {
    blocks: [OnceCell<Box<[OnceCell<String>]>>; BLOCKS],
    count: Cell<usize>,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            blocks: [const { OnceCell::new() }; BLOCKS],
            count: Cell::new(0),
        }
    }
}

impl Texts {
    /// Keeps `text` for as long as these texts live.
    pub(super) fn keep(&self, text: String) -> &str {
        let at = self.count.get();
        self.count.set(at + 1);
        let block = (at / FIRST + 1).ilog2();
        let start = ((1 << block) - 1) * FIRST;
        let block = self.blocks[block as usize].get_or_init(|| vec![OnceCell::new(); FIRST << block].into());
        block[at - start].get_or_init(|| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_where_they_are() {
        let texts = Texts::default();
        let kept: Vec<&str> = (0..1000).map(|n| texts.keep(n.to_string())).collect();
        assert!(kept.iter().enumerate().all(|(n, text)| *text == n.to_string()));
    }
}
