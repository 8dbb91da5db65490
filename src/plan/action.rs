//! The kinds of operations: what is done, and to what kind of thing.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::conflict::Conflict;
use crate::cluster::ContainerSpec;
use crate::cluster::NetworkSpec;
use crate::cluster::VolumeSpec;
use crate::compose::Condition;
use crate::name::{ContainerName, NetworkName};

/// What to do.
#[derive(Debug, Clone)]
pub enum Action {
    /// Give the engine the fake image.
    LoadImage,
    /// Fetch an image from its registry.
    PullImage {
        /// Its platform, as `linux/arm64`; `None`: the engine's own.
        platform: Option<String>,
    },
    /// Make a network.
    CreateNetwork(Arc<NetworkSpec>),
    /// Make a volume.
    CreateVolume(Arc<VolumeSpec>),
    /// Make a container and join it to all its networks.
    CreateContainer(Arc<ContainerSpec>),
    /// Take a container off one of its networks.
    Disconnect {
        /// The engine's id of the container.
        id: String,
        /// The network's name.
        network: NetworkName,
    },
    /// Join a container that is there to one of its networks.
    Connect {
        /// The container to be.
        container: Arc<ContainerSpec>,
        /// Which of its endpoints.
        endpoint: usize,
    },
    /// Put its configs into a container and start it.
    Start(Arc<ContainerSpec>),
    /// Start a container that has run before.
    StartAgain {
        /// The engine's id.
        id: String,
    },
    /// Freeze a container.
    Pause {
        /// The engine's id.
        id: String,
    },
    /// Let a frozen container go on.
    Unpause,
    /// Wait until all of these are as they should be.
    Await {
        /// Their names.
        containers: Vec<ContainerName>,
        /// As they should be.
        condition: Condition,
    },
    /// Nothing can be done, and why: it stands in the plan so that what depends on it is left out and it is told of.
    Blocked(Conflict),
    /// Stop a container.
    Stop {
        /// The engine's id.
        id: String,
        /// Seconds that it is given; its own grace period where `None`.
        grace: Option<u32>,
    },
    /// Stop a container, if it runs, and start it.
    Restart {
        /// The engine's id.
        id: String,
        /// Seconds that it is given; its own grace period where `None`.
        grace: Option<u32>,
    },
    /// Send a signal to a container.
    Kill {
        /// The engine's id.
        id: String,
        /// The signal, `SIGKILL`.
        signal: String,
    },
    /// Remove a container that has stopped.
    RemoveContainer {
        /// The engine's id.
        id: String,
        /// Whether its anonymous volumes go with it; its successor takes them over where not.
        volumes: bool,
    },
    /// Remove a network.
    RemoveNetwork {
        /// The engine's id.
        id: String,
    },
    /// Remove a volume and what is in it.
    RemoveVolume,
}

impl Action {
    /// What is done. What cannot be done has the verb of what it stands for.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Self::LoadImage => Verb::Load,
            Self::PullImage { .. } => Verb::Pull,
            Self::CreateNetwork(_) | Self::CreateVolume(_) | Self::CreateContainer(_) | Self::Blocked(_) => {
                Verb::Create
            }
            Self::Disconnect { .. } => Verb::Disconnect,
            Self::Connect { .. } => Verb::Connect,
            Self::Start(_) | Self::StartAgain { .. } => Verb::Start,
            Self::Pause { .. } => Verb::Pause,
            Self::Unpause => Verb::Unpause,
            Self::Await { .. } => Verb::Await,
            Self::Stop { .. } => Verb::Stop,
            Self::Restart { .. } => Verb::Restart,
            Self::Kill { signal, .. } if signal == "SIGKILL" => Verb::Kill,
            Self::Kill { .. } => Verb::Signal,
            Self::RemoveContainer { .. } | Self::RemoveNetwork { .. } | Self::RemoveVolume => Verb::Remove,
        }
    }

    /// What kind of thing it is done to.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::LoadImage | Self::PullImage { .. } => Kind::Image,
            Self::CreateNetwork(_) | Self::RemoveNetwork { .. } => Kind::Network,
            Self::CreateVolume(_) | Self::RemoveVolume => Kind::Volume,
            Self::Await { containers, .. } if containers.len() != 1 => Kind::Role,
            Self::CreateContainer(_)
            | Self::Blocked(_)
            | Self::Disconnect { .. }
            | Self::Connect { .. }
            | Self::Start(_)
            | Self::StartAgain { .. }
            | Self::Pause { .. }
            | Self::Unpause
            | Self::Await { .. }
            | Self::Stop { .. }
            | Self::Restart { .. }
            | Self::Kill { .. }
            | Self::RemoveContainer { .. } => Kind::Container,
        }
    }
}

/// The verb and the kind of thing: `create container`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb(), self.kind())
    }
}

/// What is done to a thing, or becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// An image of topogen's own is given to the engine.
    Load,
    /// An image is fetched from its registry.
    Pull,
    /// What is not there is created.
    Create,
    /// What is there is removed, and created as it is desired now. The verb of a [`Change`](super::Change), not of one
    /// operation.
    Recreate,
    /// What is there is removed.
    Remove,
    /// A container is joined to a network.
    Connect,
    /// A container is taken off a network.
    Disconnect,
    /// A container is started.
    Start,
    /// A container is stopped.
    Stop,
    /// A container is stopped, if it runs, and started.
    Restart,
    /// A container is frozen.
    Pause,
    /// A frozen container goes on.
    Unpause,
    /// A container is sent SIGKILL.
    Kill,
    /// A container is sent another signal.
    Signal,
    /// A container, or all of a role, is waited for.
    Await,
}

impl Verb {
    /// The word for it: `create`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Pull => "pull",
            Self::Create => "create",
            Self::Recreate => "recreate",
            Self::Remove => "remove",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Kill => "kill",
            Self::Signal => "signal",
            Self::Await => "await",
        }
    }

    /// The word for it once it is done: `created`.
    #[must_use]
    pub fn past(self) -> &'static str {
        match self {
            Self::Load => "loaded",
            Self::Pull => "pulled",
            Self::Create => "created",
            Self::Recreate => "recreated",
            Self::Remove => "removed",
            Self::Connect => "connected",
            Self::Disconnect => "disconnected",
            Self::Start => "started",
            Self::Stop => "stopped",
            Self::Restart => "restarted",
            Self::Pause => "paused",
            Self::Unpause => "unpaused",
            Self::Kill => "killed",
            Self::Signal => "signaled",
            Self::Await => "awaited",
        }
    }
}

/// A kind of thing that an engine keeps, or that a blueprint names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// A container.
    Container,
    /// All containers of a role.
    Role,
}

impl Kind {
    /// The word for one of them: `container`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Container => "container",
            Self::Role => "role",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Verb {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
