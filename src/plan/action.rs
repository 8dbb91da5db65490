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

/// What an operation does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Load the fake image into the engine.
    LoadImage,
    /// Pull an image from its registry.
    PullImage {
        /// The platform of the image: `linux/arm64`; `None` for the engine's own.
        platform: Option<String>,
        /// Whether the engine has that image already, and it is fetched again.
        again: bool,
    },
    /// Create a network (`POST /networks/create`).
    CreateNetwork(Arc<NetworkSpec>),
    /// Create a named volume.
    CreateVolume(Arc<VolumeSpec>),
    /// Create a container and connect it to all of its networks.
    CreateContainer(Arc<ContainerSpec>),
    /// Disconnect a container from a network.
    Disconnect {
        /// The engine's ID of the container.
        id: String,
        /// The name of the network.
        network: NetworkName,
    },
    /// Connect an existing container to one of its networks.
    Connect {
        /// The specification of the container.
        container: Arc<ContainerSpec>,
        /// The index of the endpoint in its specification.
        endpoint: usize,
    },
    /// Copy its configs into a container and start it.
    Start(Arc<ContainerSpec>),
    /// Start a container that has run before.
    StartAgain {
        /// The engine's ID of the container.
        id: String,
    },
    /// Pause a running container.
    Pause {
        /// The engine's ID of the container.
        id: String,
    },
    /// Resume a paused container.
    Unpause {
        /// The engine's ID of the container.
        id: String,
    },
    /// Wait until all of these containers meet a condition.
    Await {
        /// The names of the containers.
        containers: Vec<ContainerName>,
        /// The condition to wait for.
        condition: Condition,
    },
    /// Nothing can be done, because of a conflict. It is in the plan so that dependent operations are left out and the
    /// user learns of it.
    Blocked(Conflict),
    /// Stop a running container.
    Stop {
        /// The engine's ID of the container.
        id: String,
        /// The timeout in seconds before it is killed; `None` for the container's own.
        grace: Option<u32>,
    },
    /// Stop a container if it runs, and start it.
    Restart {
        /// The engine's ID of the container.
        id: String,
        /// The timeout in seconds before it is killed; `None` for the container's own.
        grace: Option<u32>,
    },
    /// Send a signal to a container.
    Kill {
        /// The engine's ID of the container.
        id: String,
        /// The name of the signal: `SIGKILL`.
        signal: String,
    },
    /// Give a container another name; its labels keep the one that it was created under.
    Rename {
        /// The engine's ID of the container, or its name where no engine has it yet.
        id: String,
        /// The name that it has afterwards.
        to: String,
    },
    /// Remove a stopped container.
    RemoveContainer {
        /// The engine's ID of the container.
        id: String,
        /// Whether its anonymous volumes are removed too; otherwise its successor takes them over.
        volumes: bool,
    },
    /// Remove a network (`DELETE /networks/{id}`).
    RemoveNetwork {
        /// The engine's ID of the network.
        id: String,
    },
    /// Remove a volume and its content.
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
            Self::Unpause { .. } => Verb::Unpause,
            Self::Await { .. } => Verb::Await,
            Self::Stop { .. } => Verb::Stop,
            Self::Restart { .. } => Verb::Restart,
            Self::Kill { signal, .. } if signal == "SIGKILL" => Verb::Kill,
            Self::Kill { .. } => Verb::Signal,
            Self::Rename { .. } => Verb::Rename,
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
            | Self::Unpause { .. }
            | Self::Await { .. }
            | Self::Stop { .. }
            | Self::Restart { .. }
            | Self::Kill { .. }
            | Self::Rename { .. }
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
    /// A container gets another name.
    Rename,
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
            Self::Rename => "rename",
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
            Self::Rename => "renamed",
            Self::Await => "awaited",
        }
    }
}

/// A kind of thing that an engine keeps, or that a blueprint names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An image, by its reference.
    Image,
    /// A network, by its name in the engine.
    Network,
    /// A volume, by its name in the engine.
    Volume,
    /// A container, by its name in the engine.
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
