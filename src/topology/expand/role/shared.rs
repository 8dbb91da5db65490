//! Networks of a role that other nodes may join too, because they have one name for all, and what the names of the role's
//! services mean there.
//!
//! In Compose, a service's key is a name on every network that it joins. That holds here where a single node joins the
//! network. Where several do, `db` would resolve to the database of each of them, so that services which have no other
//! network in common meet on their node's private one.

use super::super::Expansion;
use super::CompiledRole;
use crate::blueprint::{self, INOUT, Role};
use crate::name::{NetworkKey, NetworkName, NodeName};
use crate::topology::Network;
use crate::topology::expand::{is_external, own_name, without, written_node};

impl Expansion<'_> {
    /// The networks that each role shares, by key and name; what is known of them is kept, and how many of the nodes
    /// called `names`, by role, join them.
    pub(in super::super) fn shared_by_role(&mut self, names: &[Vec<NodeName>]) -> Vec<Vec<(NetworkKey, NetworkName)>> {
        let blueprint = self.blueprint;
        let mut found = Vec::with_capacity(names.len());
        for (role, names) in blueprint.roles.iter().zip(names) {
            let networks = role.networks.iter().filter(|n| n.shared);
            let shared: Vec<_> = networks.filter_map(|n| self.shared_by_name(n)).collect();
            for (key, name) in &shared {
                if joins_any(role, key) {
                    *self.joined.entry(name.clone()).or_default() += names.len();
                }
            }
            found.push(shared);
        }
        found
    }

    /// A network that has the same name for every node, or that others provide.
    fn shared_by_name(&mut self, network: &blueprint::RoleNetwork) -> Option<(NetworkKey, NetworkName)> {
        let options = self.network_options(network.options.as_ref());
        let key = network.key.value.clone();
        let name: NetworkName = self.name(&own_name(&options).unwrap_or_else(|| key.to_string()), network.key.span)?;
        if !self.shared.iter().any(|n| n.name == name) {
            self.shared.push(Network {
                key: key.clone(),
                name: name.clone(),
                // The engine chooses: there are few of these, and none grows with the nodes.
                subnet: None,
                external: is_external(&options),
                link: None,
                options: without(&options, &["name", "external"]),
                written: network.options.as_ref().map(written_node).unwrap_or_default(),
            });
        }
        Some((key, name))
    }

    /// Whether the network that services of `role` know as `key` is joined by one node alone, so that their names are names
    /// there as in Compose.
    pub(super) fn is_own(&self, role: &CompiledRole<'_>, key: &NetworkKey) -> bool {
        // Which nodes join a network of the cluster may change with a count; names there do not.
        if key.as_str() == INOUT || self.is_link(role.role, key) {
            return false;
        }
        match role.shared.iter().find(|(shared, _)| shared == key) {
            Some((_, name)) => self.joined.get(name).is_none_or(|nodes| *nodes <= 1),
            None => true,
        }
    }

    /// For each service whether it must join the private network for a name to resolve: that of another one which it meets
    /// only on networks that other nodes join too. `said` are the networks that each of them names, if it names any.
    pub(super) fn homes(&self, role: &CompiledRole<'_>, said: &[Option<Vec<NetworkKey>>]) -> Vec<bool> {
        let meet = |one: &[NetworkKey], other: &[NetworkKey], own: bool| {
            one.iter()
                .any(|key| other.contains(key) && self.is_own(role, key) == own)
        };
        let each = said.iter().enumerate().map(|(at, one)| {
            let Some(one) = one else { return false };
            let others = said.iter().enumerate().filter(|(other, _)| *other != at);
            let mut others = others.filter_map(|(_, keys)| keys.as_ref());
            let is_there = one.iter().any(|key| key.as_str() == blueprint::INTERNAL);
            !is_there && others.any(|other| meet(one, other, false) && !meet(one, other, true))
        });
        each.collect()
    }
}

/// Whether any service of `role`, of whichever node, joins the network that it knows as `key`.
fn joins_any(role: &Role, key: &NetworkKey) -> bool {
    let of_nodes = role.overrides.iter().flat_map(|o| &o.services);
    let mut networks = role.services.iter().chain(of_nodes).filter_map(|s| s.networks.as_ref());
    // A template may mean any of them.
    networks.any(|networks| networks.iter().any(|n| n.network.key().is_none_or(|k| k.value == *key)))
}
