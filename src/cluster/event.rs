//! What happens to containers.

use super::Health;

/// What happened to a container, or what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerEvent {
    /// The engine has created it.
    Created,
    /// Its main process was started.
    Started,
    /// It received a signal, by number; `None` if the engine does not report which. It need not exit: HUP makes many
    /// programs read their configuration.
    Signalled(Option<u8>),
    /// It exited with this code; `None` if the engine does not report it.
    Died(Option<i32>),
    /// A request to stop it was fulfilled. Engine 20.10 reports this after [`Died`](Self::Died), engine 28 before.
    Stopped,
    /// A request to restart it was fulfilled.
    Restarted,
    /// The kernel killed one of its processes for lack of memory. The container may still run.
    OutOfMemory,
    /// The result of its healthcheck changed.
    Health(Health),
    /// Its processes were frozen.
    Paused,
    /// Its processes were resumed.
    Unpaused,
    /// It was renamed from this name.
    Renamed(String),
    /// Its limits or its restart policy were changed.
    Updated,
    /// The engine has removed it.
    Removed,
    /// Somebody ran a command in it, as health checks do, attached to it, listed its processes, or read or wrote its files.
    Visited,
    /// Something else, in the engine's word.
    Other(String),
}
