//! How much a blueprint may expand to, over a whole run.
//!
//! Aliases, merges, templates and counts multiply what is written. All of them draw on one budget, so that a small file
//! cannot take all memory, or run for hours.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::diagnostic::{Problem, Span};

/// The bytes that a run may take where nothing else is said.
pub const DEFAULT: u64 = 256 << 20;
/// How many bytes of the limit allow one instruction of a template.
const BYTES_AN_INSTRUCTION: u64 = 8;

/// A budget of bytes, drawn on by all that expands.
///
/// What is drawn is never given back: it bounds the time that a run takes as well as its memory.
#[derive(Debug)]
pub struct Budget {
    /// The bytes that one run may take for what it expands.
    limit: u64,
    /// The bytes that were drawn; more than the limit once it has been reached.
    spent: AtomicU64,
    /// The instructions of templates that were drawn (minijinja, `fuel`).
    instructions: AtomicU64,
}

/// The budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expands to too much")]
pub struct OverBudget;

impl Default for Budget {
    fn default() -> Self {
        Self::of(DEFAULT)
    }
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn of(limit: u64) -> Self {
        Self {
            limit,
            spent: AtomicU64::new(0),
            instructions: AtomicU64::new(0),
        }
    }

    /// The bytes that are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.spent.load(Ordering::Relaxed))
    }

    /// Whether the budget was asked for more than it has.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed) > self.limit
    }

    /// Draws `bytes`.
    ///
    /// # Errors
    /// There are not as many. Then none are left for whoever asks next.
    pub fn spend(&self, bytes: usize) -> Result<(), OverBudget> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let add = |spent: u64| Some(spent.saturating_add(bytes));
        let before = self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        let spent = before.unwrap_or(u64::MAX).saturating_add(bytes);
        if spent > self.limit { Err(OverBudget) } else { Ok(()) }
    }

    /// Draws `count` instructions of templates, of which a budget has one for eight of its bytes.
    ///
    /// # Errors
    /// There are not as many.
    pub fn run(&self, count: u64) -> Result<(), OverBudget> {
        let before = self.instructions.fetch_add(count, Ordering::Relaxed);
        if before.saturating_add(count).saturating_mul(BYTES_AN_INSTRUCTION) > self.limit {
            self.spent.store(u64::MAX, Ordering::Relaxed);
            return Err(OverBudget);
        }
        Ok(())
    }

    /// What to say at `span`, where the budget was spent.
    #[must_use]
    pub fn problem(&self, span: Span) -> Problem {
        Problem::at(span, "the blueprint expands to too much")
            .by_itself()
            .label(format!("past {} here", size(self.limit)))
            .hint("aliases, templates and counts multiply what is written; `--expand-limit 1g` allows more")
    }
}

/// The bytes that `text` says, a whole number with `k`, `m` or `g` behind it, or with none; `None` for anything else.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let units = [('k', 10), ('m', 20), ('g', 30)];
    let unit = units
        .iter()
        .find_map(|(unit, shift)| Some((lower.strip_suffix(*unit)?, *shift)));
    let (digits, shift) = unit.unwrap_or((lower, 0));
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    number.checked_mul(1 << shift)
}

/// A number of bytes as people write it: `256 MiB`.
fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units
        .iter()
        .find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    match whole {
        Some((shift, unit)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_not_given_back() {
        let budget = Budget::of(10);
        assert_eq!(budget.spend(10), Ok(()));
        assert!(!budget.is_spent());
        assert_eq!(budget.spend(1), Err(OverBudget));
        assert_eq!(budget.spend(0), Err(OverBudget));
        assert!(budget.is_spent());
        assert_eq!(Budget::of(10).spend(usize::MAX), Err(OverBudget));
    }

    #[test]
    fn instructions_spend_all_of_it() {
        let budget = Budget::of(40);
        assert_eq!(budget.run(5), Ok(()));
        assert_eq!(budget.run(1), Err(OverBudget));
        assert_eq!(budget.spend(0), Err(OverBudget));
    }

    #[test]
    fn sizes_are_read() {
        let sizes = ["1g", "512M", "10kb", "7", "", "g", "+1", "1.5g", "99999999999g"];
        let read = [
            Some(1 << 30),
            Some(512 << 20),
            Some(10 << 10),
            Some(7),
            None,
            None,
            None,
            None,
            None,
        ];
        assert_eq!(sizes.map(bytes), read);
    }

    #[test]
    fn sizes_are_said_in_whole_units() {
        assert_eq!(size(256 << 20), "256 MiB");
        assert_eq!(size(1 << 30), "1 GiB");
        assert_eq!(size(1000), "1000 bytes");
    }
}
