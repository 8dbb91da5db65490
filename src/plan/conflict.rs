//! What keeps a plan from being made.

use super::quoted;

/// Something stands in the way, and nothing has been done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A network of that name is not ours.
    #[error("network `{name}` is there already, and not of this cluster")]
    ForeignNetwork {
        /// Its name.
        name: String,
        /// The Compose project that it belongs to, if any.
        project: String,
    },
    /// A network that others provide is not there.
    #[error("network `{name}` is external and does not exist")]
    MissingNetwork {
        /// Its name.
        name: String,
    },
    /// Containers that topogen leaves alone are on a network that must go first.
    #[error(
        "network `{name}` has to be made anew, but {} on it: {}",
        match guests.len() { 1 => "another container is".to_owned(), n => format!("{n} other containers are") },
        quoted(guests)
    )]
    InUse {
        /// The network's name.
        name: String,
        /// The names of the containers.
        guests: Vec<String>,
    },
    /// No subnet of the pool is free.
    #[error("network `{name}`: the pool has no free subnet left")]
    NoSubnet {
        /// The network's name.
        name: String,
    },
    /// An image is not on the engine.
    #[error("image `{name}` is not on the engine")]
    MissingImage {
        /// Its name.
        name: String,
    },
}

impl Conflict {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::ForeignNetwork { project, .. } if !project.is_empty() => {
                format!("`docker compose -p {project} down` removes it, or name this cluster otherwise: `-n NAME`")
            }
            Self::ForeignNetwork { name, .. } => {
                format!("`docker network rm {name}` removes it, or name this cluster otherwise: `-n NAME`")
            }
            Self::MissingNetwork { name } => format!("make it: `docker network create {name}`"),
            Self::InUse { name, guests } => {
                let commands = guests
                    .iter()
                    .map(|g| format!("`docker network disconnect -f {name} {g}`"));
                let them = if guests.len() == 1 { "it" } else { "them" };
                format!("disconnect {them}: {}", commands.collect::<Vec<_>>().join(", "))
            }
            Self::NoSubnet { .. } => "give a larger pool, addresses: {pool: …}, or `addresses: engine`".to_owned(),
            Self::MissingImage { name } => {
                format!(
                    "`docker pull {name}`, or see the cluster with fakes in place of all images: `topogen up --fake`"
                )
            }
        }
    }
}
