//! A config or secret in a container.

use std::sync::Arc;

use serde::Serialize;

/// A config or secret in a container. Nothing is mounted from the engine's host, which need not be this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSpec {
    /// Its path in the container.
    pub target: String,
    /// What may be done with it, as in chmod(1).
    pub mode: u32,
    /// Its owner.
    pub uid: u64,
    /// Its group.
    pub gid: u64,
    /// SHA-256 of its content, which the container's hash is over.
    pub digest: String,
    /// What is in it.
    #[serde(skip)]
    pub content: Arc<[u8]>,
}

impl FileSpec {
    /// Its directory, and its name there.
    #[must_use]
    pub fn place(&self) -> (&str, &str) {
        match self.target.rsplit_once('/') {
            Some((directory, name)) if !directory.is_empty() => (directory, name),
            _ => ("/", self.target.trim_start_matches('/')),
        }
    }
}
