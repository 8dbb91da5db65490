//! A config or secret in a container.

use std::sync::Arc;

use serde::Serialize;

/// A config or secret in a container. It is copied rather than mounted, because the engine's host need not be this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSpec {
    /// The path in the container.
    pub target: String,
    /// The permission bits, as in chmod(1).
    pub mode: u32,
    /// The numeric user ID of the owner.
    pub uid: u64,
    /// The numeric group ID of the owner.
    pub gid: u64,
    /// The SHA-256 of the content, which is part of the container's hash.
    pub digest: String,
    /// The content, copied as it is.
    #[serde(skip)]
    pub content: Arc<[u8]>,
}

impl FileSpec {
    /// The directory, and the name in it.
    #[must_use]
    pub fn place(&self) -> (&str, &str) {
        match self.target.rsplit_once('/') {
            Some((directory, name)) if !directory.is_empty() => (directory, name),
            _ => ("/", self.target.trim_start_matches('/')),
        }
    }
}

/// An absolute path without `.`, `..` and doubled slashes, as the engine reads it.
#[must_use]
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether the absolute `path` is `above`, or lies below it. Neither has `.`, `..` or doubled slashes.
#[must_use]
pub fn is_below(path: &str, above: &str) -> bool {
    let below = path.strip_prefix(above.trim_end_matches('/'));
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
