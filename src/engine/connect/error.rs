//! The error of a connection to an engine.

/// The error if no engine responded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    /// What was tried, which setting chose the address, and why it failed.
    pub message: String,
    /// Hints to the user, most helpful first; empty if there are none.
    pub hints: Vec<String>,
}
