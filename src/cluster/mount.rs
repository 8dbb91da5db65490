//! What a container mounts.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::unsaid;

/// Something that a container mounts (Compose specification, services, `volumes`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Where, an absolute path in the container.
    pub target: String,
    /// Whether it cannot be written.
    #[serde(skip_serializing_if = "unsaid")]
    pub read_only: bool,
    /// `cached`, `delegated` or `consistent`, which Docker Desktop once knew; `None` where nothing is said.
    #[serde(skip_serializing_if = "unsaid")]
    pub consistency: Option<String>,
    /// What is mounted there.
    pub source: MountSource,
}

/// The source of a mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum MountSource {
    /// A path of the engine's host.
    Bind(Bind),
    /// A volume with a name, which outlives the container.
    Volume {
        /// Its name in the engine.
        name: String,
        /// How it is relabelled for SELinux; `None`: not at all.
        #[serde(skip_serializing_if = "unsaid")]
        relabel: Option<Relabel>,
        /// How mounts below it are shared; `None` for the engine's default. The engine takes none of a volume.
        #[serde(skip_serializing_if = "unsaid")]
        propagation: Option<Propagation>,
        /// How it is filled and what of it is mounted.
        #[serde(skip_serializing_if = "unsaid")]
        options: VolumeOptions,
    },
    /// A volume that the engine names, and that a container takes over from the one it replaces.
    Anonymous(VolumeOptions),
    /// The same that holds configs and secrets alone, put there each time: nothing of it is taken over.
    Files,
    /// Memory that is empty at each start.
    Tmpfs {
        /// Bytes; `None` for the kernel's default.
        #[serde(skip_serializing_if = "unsaid")]
        size: Option<i64>,
        /// What may be done with its root, as in chmod(1), 0 to 0o7777; `None` for 0o1777.
        #[serde(skip_serializing_if = "unsaid")]
        mode: Option<i64>,
    },
}

/// A path of the engine's host that a container mounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bind {
    /// The absolute path on the engine's host.
    pub path: String,
    /// Whether a directory is made there where there is nothing.
    pub create: bool,
    /// How mounts below it are shared; `None` for `rprivate`.
    #[serde(skip_serializing_if = "unsaid")]
    pub propagation: Option<Propagation>,
    /// What becomes of mounts below it; `None`: they are mounted too, and read-only as far as the kernel can.
    #[serde(skip_serializing_if = "unsaid")]
    pub recursive: Option<Recursive>,
    /// How it is relabelled for SELinux; `None`: not at all.
    #[serde(skip_serializing_if = "unsaid")]
    pub relabel: Option<Relabel>,
}

/// How a volume is filled, and what of it is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VolumeOptions {
    /// `nocopy`: whether an empty one stays so, and is not filled with what the image has there.
    #[serde(skip_serializing_if = "unsaid")]
    pub no_copy: bool,
    /// `subpath`: the part of it that is mounted; `None` for all. From API 1.45 on.
    #[serde(skip_serializing_if = "unsaid")]
    pub subpath: Option<String>,
    /// `labels`: those of a volume that is made with the container; `None` where nothing is said.
    #[serde(skip_serializing_if = "unsaid")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// How mounts below a mount are shared with the host (mount_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    /// Not at all, and neither are those below them.
    Rprivate,
    /// `private`: mounts below are shared in neither direction.
    Private,
    /// In both directions, and so are those below them.
    Rshared,
    /// `shared`: in both directions.
    Shared,
    /// From the host to the container, and so are those below them.
    Rslave,
    /// From the host to the container.
    Slave,
}

impl Propagation {
    /// Its word in the Compose specification, and in the engine's.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rprivate => "rprivate",
            Self::Private => "private",
            Self::Rshared => "rshared",
            Self::Shared => "shared",
            Self::Rslave => "rslave",
            Self::Slave => "slave",
        }
    }

    /// What `word` says; `None` where it is none of them.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        use Propagation::{Private, Rprivate, Rshared, Rslave, Shared, Slave};
        let all = [Rprivate, Private, Rshared, Shared, Rslave, Slave];
        all.into_iter().find(|p| p.word() == word)
    }
}

/// What becomes of mounts below one of the host's (Compose specification, services, `volumes`, `bind.recursive`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Recursive {
    /// They are not mounted.
    Disabled,
    /// They stay writable where it is read-only. From API 1.44 on.
    Writable,
    /// They are read-only with it, or it is not mounted at all. From API 1.44 on.
    ReadOnly,
}

/// How SELinux lets a container at what it mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Relabel {
    /// `z`: together with others.
    Shared,
    /// `Z`: for this container alone.
    Private,
}

/// As the engine and the Compose specification write it.
impl fmt::Display for Relabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared => "z",
            Self::Private => "Z",
        })
    }
}
