//! A named volume to be.

use std::collections::BTreeMap;

use serde::Serialize;

use super::unsaid;
use crate::name::NodeName;

/// A named volume to be (Compose specification, top-level `volumes`).
///
/// Its hash is over what is serialized, of the labels the user's only: those of topogen's tell whose it is.
#[derive(Debug, Clone, Serialize)]
pub struct VolumeSpec {
    /// The name in the engine.
    pub name: String,
    /// The node that owns the volume; `None` if several nodes share it.
    #[serde(skip)]
    pub node: Option<NodeName>,
    /// Whether somebody else creates and removes it.
    #[serde(skip)]
    pub external: bool,
    /// Its driver; `None` for `local`.
    #[serde(skip_serializing_if = "unsaid")]
    pub driver: Option<String>,
    /// Options of the driver's.
    #[serde(skip_serializing_if = "unsaid")]
    pub driver_options: Option<BTreeMap<String, String>>,
    /// The labels, topogen's and Compose's own among them.
    pub labels: BTreeMap<String, String>,
    /// SHA-256 in hexadecimal, over all of the above that is compared.
    #[serde(skip)]
    pub hash: String,
}
