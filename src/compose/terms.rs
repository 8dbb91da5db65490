//! Terms of Compose that both a blueprint and an observed cluster use.

use serde::Serialize;

/// What to wait for before a dependent container starts (Compose specification, `depends_on`, `condition`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// `service_started`: the container was started.
    Started,
    /// `service_healthy`: the container runs, and is healthy if it has a healthcheck.
    Healthy,
    /// `service_completed_successfully`: the container exited with status 0.
    Completed,
}

impl Condition {
    /// The word in messages and labels: `started`, `healthy`, `completed`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Healthy => "healthy",
            Self::Completed => "completed",
        }
    }
}

/// Whether a thing is a config or a secret; both work alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigKind {
    /// An item of `configs:`.
    Config,
    /// An item of `secrets:`.
    Secret,
}

impl ConfigKind {
    /// The key in a role and in its services: `configs` or `secrets`.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Self::Config => "configs",
            Self::Secret => "secrets",
        }
    }

    /// The path in the container when a service gives no target.
    #[must_use]
    pub fn default_target(self, name: &str) -> String {
        match self {
            Self::Config => format!("/{name}"),
            Self::Secret => format!("/run/secrets/{name}"),
        }
    }
}
