//! Digests in hexadecimal.

use serde::Serialize;

/// The SHA-256 of the canonical JSON of `value`, in hexadecimal.
///
/// # Errors
/// A `value` that JSON has no form for, such as a map whose keys are no texts. Without a digest of its own it would look equal
/// to others.
pub(crate) fn hash(value: &impl Serialize) -> serde_json::Result<String> {
    // The tree's maps are sorted; requests hold hash maps, whose order changes from run to run.
    let mut tree = serde_json::to_value(value)?;
    tree.sort_all_objects();
    Ok(sha256(&serde_json::to_vec(&tree)?))
}

/// The SHA-256 of `bytes`, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(bytes))
}

/// The `bytes` as lower-case hexadecimal digits, two each.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    halves.filter_map(|h| char::from_digit(h.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    #[test]
    fn what_has_no_json_has_no_hash() {
        let one = hash(&BTreeMap::from([((1, 2), "one")]));
        let two = hash(&BTreeMap::from([((3, 4), "two")]));
        assert!(one.is_err() && two.is_err());
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let keys = ["a", "b", "c", "d", "e"];
        let sorted: BTreeMap<&str, usize> = keys.into_iter().zip(0..).collect();
        let hashed: HashMap<&str, usize> = keys.into_iter().zip(0..).collect();
        assert_eq!(hash(&sorted).expect("JSON"), hash(&hashed).expect("JSON"));
    }
}
