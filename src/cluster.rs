//! A cluster as it is to be and as it is, in topogen's own words: no client's type is named here.
//!
//! There is no state file. What runs is what the labels say, and only what carries ours is ever touched.

pub mod arp;
mod desired;
pub mod label;
mod observed;

pub use desired::*;
pub use observed::*;
