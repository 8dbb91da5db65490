//! Digests, and how they are written.

use serde::Serialize;

/// SHA-256 over the canonical JSON of `value`, in hexadecimal.
pub(crate) fn hash(value: &impl Serialize) -> String {
    // Through a tree, whose maps are sorted: the requests hold hash maps, whose order changes from run to run.
    let mut tree = serde_json::to_value(value).unwrap_or_default();
    tree.sort_all_objects();
    sha256(&serde_json::to_vec(&tree).unwrap_or_default())
}

/// SHA-256 of `bytes`, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(bytes))
}

/// `bytes` in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    halves.filter_map(|h| char::from_digit(h.into(), 16)).collect()
}
