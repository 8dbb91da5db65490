//! Why no engine was reached.

/// No engine responded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    /// What was tried, where the address came from, and what the error was.
    pub message: String,
    /// The ways out, each a hint; empty where there is none to give.
    pub hints: Vec<String>,
}
