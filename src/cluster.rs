//! A cluster as it is to be and as it is, in topogen's own words: no client's type is named here.
//!
//! There is no state file. What runs is what the labels say, and only what carries ours is ever touched.

pub mod arp;
mod config;
mod container;
mod desired;
mod endpoint;
mod file;
pub mod label;
mod mount;
mod network;
mod observed;
mod port;
mod resources;
mod volume;

pub use config::*;
pub use container::*;
pub use desired::*;
pub use endpoint::*;
pub use file::*;
pub use mount::*;
pub use network::*;
pub use observed::*;
pub use port::*;
pub use resources::*;
pub use volume::*;

/// Whether a field of a specification says nothing, and so is no part of what is compared.
fn unsaid<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
