//! Terms of Compose's that both a blueprint and what runs are told in.

use serde::Serialize;

/// What a container is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// That it was started.
    Started,
    /// That it runs, and that its healthcheck, if it has one, says it is well.
    Healthy,
    /// That it ended, and with status 0.
    Completed,
}

impl Condition {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Healthy => "healthy",
            Self::Completed => "completed",
        }
    }
}

/// What tells `configs:` from `secrets:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigKind {
    /// One of `configs:`.
    Config,
    /// One of `secrets:`.
    Secret,
}

impl ConfigKind {
    /// The key that both a role and its services have for it.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Self::Config => "configs",
            Self::Secret => "secrets",
        }
    }

    /// Where it is mounted when a service does not say.
    #[must_use]
    pub fn default_target(self, name: &str) -> String {
        match self {
            Self::Config => format!("/{name}"),
            Self::Secret => format!("/run/secrets/{name}"),
        }
    }
}
