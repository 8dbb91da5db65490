//! The language as the user writes it: roles of services, how many of each, and which are the ways in and out.
//!
//! Reading is [`parse`] (shape), then [`validate`] (what must agree with what). Values stay as written, with their
//! places; they become a [`crate::topology::Topology`] in [`crate::topology::expand`].

pub mod interpolate;
mod parse;
mod validate;

use ipnet::Ipv4Net;

use crate::diagnostic::{FileId, Problems, Sources, Span, Spanned};
use crate::name::{ClusterName, NetworkKey, RoleName, ServiceName};
use crate::yaml::{Entry, Node};

pub use parse::{ROLE_KEYS, TOP_KEYS};

/// The key of a node's private network.
pub const INTERNAL: &str = "internal";
/// The key of the network that joins the nodes.
pub const INOUT: &str = "inout";
/// The most nodes one role may have.
pub const MAX_COUNT: u32 = 10_000;
/// Where subnets are cut from, where the blueprint does not say.
pub const DEFAULT_POOL: &str = "10.192.0.0/11";

/// A blueprint, read and found valid.
#[derive(Debug)]
pub struct Blueprint {
    /// `name:`, where it is given.
    pub name: Option<Spanned<ClusterName>>,
    /// `vars:`, in the order written.
    pub vars: Vec<Entry>,
    /// `inout:`, the options of the shared network.
    pub inout: Option<Node>,
    /// `internal:`, the options of every node's private network.
    pub internal: Option<Node>,
    /// `addresses:`.
    pub addresses: Addresses,
    /// `roles:`, in the order written.
    pub roles: Vec<Role>,
}

/// Where the subnets of networks come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// Cut from this pool.
    Pool(Ipv4Net, Option<Span>),
    /// Left to the engine's own pools.
    Engine,
}

/// One kind of node.
#[derive(Debug)]
pub struct Role {
    /// Its name.
    pub name: Spanned<RoleName>,
    /// How many nodes; absent for the one node that is called as the role.
    pub count: Option<Spanned<u32>>,
    /// `node:`, the template of a node's name.
    pub node: Option<Node>,
    /// `entry:`, the services that answer on the shared network, with the names they answer to; none: the node's.
    pub entry: Vec<EntryPoint>,
    /// `exit:`, the services that join the shared network without a name.
    pub exit: Vec<Spanned<ServiceName>>,
    /// `vars:` of the role.
    pub vars: Vec<Entry>,
    /// Its services, in the order written.
    pub services: Vec<Service>,
}

/// A service by which a node is entered.
#[derive(Debug)]
pub struct EntryPoint {
    /// The service.
    pub service: Spanned<ServiceName>,
    /// Its names on the shared network; empty for the node's own name.
    pub aliases: Vec<Node>,
}

/// A service as written.
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: Spanned<ServiceName>,
    /// `networks:`, where the service says it.
    pub networks: Option<Vec<ServiceNetwork>>,
    /// Whether `network_mode:` takes it off all networks.
    pub network_mode: Option<Span>,
    /// All other keys, in the order written.
    pub keys: Vec<Entry>,
}

/// One of a service's `networks:`.
#[derive(Debug)]
pub struct ServiceNetwork {
    /// Which network.
    pub network: Spanned<NetworkKey>,
    /// `aliases:`.
    pub aliases: Vec<Node>,
    /// Its other keys: `ipv4_address`, `priority`, …
    pub options: Vec<Entry>,
}

impl Blueprint {
    /// Read the blueprint in `file` of `sources`.
    ///
    /// # Errors
    /// All problems that can be seen without expanding it.
    pub fn read(file: FileId, sources: &Sources, variables: &mut interpolate::Variables<'_>) -> Result<Self, Problems> {
        let mut tree = crate::yaml::parse(sources.text(file), file)?;
        let mut problems = Problems::default();
        interpolate::tree(&mut tree, variables, sources, &mut problems);
        let mut blueprint = parse::blueprint(&tree, &mut problems);
        if let Some(blueprint) = &mut blueprint {
            let services = blueprint.roles.iter_mut().flat_map(|r| &mut r.services);
            for entry in services.flat_map(|s| &mut s.keys).filter(|e| e.key == "environment") {
                interpolate::environment(&mut entry.node, variables);
            }
            validate::blueprint(blueprint, &mut problems);
        }
        match blueprint {
            Some(blueprint) if problems.is_empty() => Ok(blueprint),
            _ => Err(problems),
        }
    }

    /// The role called `name`.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|r| r.name.value.as_str() == name)
    }

    /// The role that `--slaves N` counts: the one called `slave`, else the only one with a `count`.
    #[must_use]
    pub fn counted_role(&self) -> Option<&Role> {
        self.role("slave").or_else(|| {
            let mut counted = self.roles.iter().filter(|r| r.count.is_some());
            counted.next().filter(|_| counted.next().is_none())
        })
    }
}
