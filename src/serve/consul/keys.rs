//! The nodes of a cluster as keys of Consul's key-value store, for those whose tools read that.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::service::Owner;
use crate::cluster::roster::Roster;

/// The most operations of a transaction (Consul HTTP API, "Transaction").
pub const MOST_OPERATIONS: usize = 64;

/// A key as Consul shows it (`GET /v1/kv/PREFIX?recurse`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Known {
    /// The key.
    pub key: String,
    /// Its value in Base64; `None` if it is empty.
    pub value: Option<String>,
    /// A number that whoever sets it chooses: it says whose it is.
    pub flags: u64,
}

/// The keys below `prefix` for the nodes of `roster` that others reach: `nodes/slave3/address`, `role`, `ready`.
#[must_use]
pub fn desired(roster: &Roster, prefix: &str) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for node in &roster.nodes {
        let ways_in = || node.instances.iter().filter(|i| i.address.is_some() && i.is_entry());
        let Some((way_in, address)) = ways_in().find_map(|i| Some((i, i.address?))) else {
            continue;
        };
        let mut set = |key: &str, value: String| keys.insert(format!("{prefix}/nodes/{}/{key}", node.node), value);
        set("address", address.to_string());
        set("role", way_in.role.clone());
        set("ready", ways_in().any(|i| i.is_ready()).to_string());
    }
    keys
}

/// The number that says that a key is of `owner`. Below 2^63, so that every reader of JSON can hold it.
#[must_use]
pub fn flags(owner: &Owner) -> u64 {
    let digest = crate::digest::sha256(format!("topogen {} {}", owner.cluster, owner.engine).as_bytes());
    u64::from_str_radix(&digest[..15], 16).unwrap_or(1)
}

/// The operations (`PUT /v1/txn`) after which there are the `desired` keys and no others with these `flags`. A key that somebody
/// else has set is left as it is.
#[must_use]
pub fn operations(desired: &BTreeMap<String, String>, known: &[Known], flags: u64) -> Vec<Json> {
    let gone = known
        .iter()
        .filter(|k| k.flags == flags && !desired.contains_key(&k.key));
    let gone = gone.map(|k| json!({"KV": {"Verb": "delete", "Key": k.key}}));
    let set = desired.iter().filter_map(|(key, value)| {
        let value = STANDARD.encode(value);
        let is_right = |k: &&Known| k.flags != flags || k.value.as_ref() == Some(&value);
        let other = known.iter().find(|k| k.key == *key);
        (!other.is_some_and(|k| is_right(&k)))
            .then(|| json!({"KV": {"Verb": "set", "Key": key, "Value": value, "Flags": flags}}))
    });
    gone.chain(set).collect()
}
