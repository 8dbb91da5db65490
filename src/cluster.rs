//! A cluster, desired and observed, in topogen's own terms; no type of an engine's client is used here.
//!
//! There is no state file. What runs is what the labels say, and topogen changes only what carries its labels.

pub mod arp;
mod config;
mod container;
mod definition;
mod desired;
mod endpoint;
mod event;
mod file;
pub mod label;
mod mark;
mod missing;
mod mount;
mod network;
mod observed;
mod one_off;
mod platform;
mod port;
mod resources;
pub mod roster;
mod verdict;
mod volume;

pub use config::*;
pub use container::*;
pub use definition::*;
pub use desired::*;
pub use endpoint::*;
pub use event::*;
pub use file::*;
pub use mark::*;
pub use missing::*;
pub use mount::*;
pub use network::*;
pub use observed::*;
pub use platform::*;
pub use port::*;
pub use resources::*;
pub use verdict::*;
pub use volume::*;

/// Whether a field of a specification says nothing, and so is no part of what is compared.
fn unsaid<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
