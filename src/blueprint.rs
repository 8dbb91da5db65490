//! The language as the user writes it: roles of services, how many of each, and which are the ways in and out.
//!
//! Reading is `parse` (shape), then `validate` (what must agree with what). Values stay as written, with their
//! places; they become a [`crate::topology::Topology`] in [`crate::topology::expand`].

mod allow;
mod document;
pub mod dotenv;
pub mod interpolate;
mod merge;
mod parse;
pub mod schema;
mod validate;

use crate::compose::{Condition, ConfigKind};
use std::collections::HashMap;
use std::sync::Arc;

use ipnet::Ipv4Net;

use crate::diagnostic::{FileId, Problems, Sources, Span, Spanned};
use crate::name::{ClusterName, NetworkKey, RoleName, ServiceName};
use crate::yaml::{Entry, Node};

pub use allow::Lint;
pub use document::ReadFile;
pub(crate) use document::{join, not_utf8};
pub use parse::{OVERRIDE_KEYS, ROLE_KEYS, TOP_KEYS};

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
    /// `x-topogen: {allow: […]}`: the lints that it silences.
    pub allow: Vec<Lint>,
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
    /// `after:`, the roles that stand before any of its containers starts, and what they are waited for.
    pub after: Vec<(Spanned<RoleName>, Condition)>,
    /// `vars:` of the role.
    pub vars: Vec<Entry>,
    /// Its services, in the order written.
    pub services: Vec<Service>,
    /// The same as a tree, for what overrides them.
    pub tree: Node,
    /// Services left out because none of their profiles is active.
    pub inactive: Vec<String>,
    /// Services of its Compose files that it takes away, and those of which no profile is active.
    pub left_out: Arc<[String]>,
    /// Whether all its Compose files could be read: else what is missing may stand in one of them.
    pub whole: bool,
    /// `networks:` beside the private and the shared one.
    pub networks: Vec<RoleNetwork>,
    /// Options of the private network that the role gives itself.
    pub internal: Option<Node>,
    /// `volumes:`, in Compose's words.
    pub volumes: Vec<Entry>,
    /// Variables that only its Compose files know: of the `.env` beside each.
    pub beside: Arc<HashMap<String, String>>,
    /// `x-…` of its Compose files, which other tools read.
    pub extensions: Vec<Entry>,
    /// `configs:` and `secrets:`.
    pub configs: Vec<Config>,
    /// `overrides:` of single nodes.
    pub overrides: Vec<Override>,
    /// `x-topogen: {allow: […]}` of the role: the lints that it silences for itself.
    pub allow: Vec<Lint>,
}

/// A network that a role declares.
#[derive(Debug)]
pub struct RoleNetwork {
    /// Its key.
    pub key: Spanned<NetworkKey>,
    /// Its options.
    pub options: Option<Node>,
    /// Whether nodes share it: it is external, or has the same name for all of them.
    pub shared: bool,
}

/// One of `configs:` or `secrets:`.
#[derive(Debug)]
pub struct Config {
    /// Which of the two.
    pub kind: ConfigKind,
    /// Its name.
    pub name: Spanned<String>,
    /// Where its content comes from.
    pub source: ConfigSource,
    /// Its other keys, in Compose's words.
    pub options: Vec<Entry>,
}

/// Where the content of a config comes from.
#[derive(Debug)]
pub enum ConfigSource {
    /// A template, from a `.j2` file or from `content:`.
    Template(Node),
    /// A file, as it is.
    Bytes(Arc<[u8]>),
    /// A variable of the environment, and its value.
    Environment(String, Option<String>),
    /// Provided by others, in Compose's words.
    External(Node),
}

/// What one node has otherwise.
#[derive(Debug)]
pub struct Override {
    /// The node's name.
    pub node: Spanned<String>,
    /// Its services, all of them, merged.
    pub services: Vec<Service>,
    /// Its variables.
    pub vars: Vec<Entry>,
}

/// What reading a blueprint needs beside its text.
pub struct Inputs<'a> {
    /// Reads a file named by a path relative to the blueprint's directory.
    pub read: &'a ReadFile<'a>,
    /// Reads one in the same way that must lie there or below, also once all symbolic links are followed: else it fails with
    /// [`LEADS_OUT`](crate::topology::outside::LEADS_OUT).
    pub read_within: &'a ReadFile<'a>,
    /// The blueprint's directory, absolute.
    pub base: &'a str,
    /// Profiles whose services take part.
    pub profiles: &'a [String],
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
    pub fn read(
        file: FileId,
        sources: &mut Sources,
        variables: &mut interpolate::Variables<'_>,
        inputs: &Inputs<'_>,
    ) -> Result<Self, Problems> {
        match Self::read_as_far(file, sources, variables, inputs) {
            (Some(blueprint), problems) if problems.is_empty() => Ok(blueprint),
            (_, problems) => Err(problems),
        }
    }

    /// The same as far as it goes: where there are problems, what could be read beside them.
    pub fn read_as_far(
        file: FileId,
        sources: &mut Sources,
        variables: &mut interpolate::Variables<'_>,
        inputs: &Inputs<'_>,
    ) -> (Option<Self>, Problems) {
        let mut problems = Problems::default();
        let mut tree = match crate::yaml::parse(sources.text(file), file) {
            Ok(tree) => tree,
            Err(problems) => return (None, problems),
        };
        interpolate::tree(&mut tree, variables, sources, &mut problems);
        let mut reader = document::Reader {
            sources,
            variables,
            read: inputs.read,
            read_within: inputs.read_within,
            base: inputs.base,
            profiles: Vec::new(),
            beside: HashMap::new(),
            reset: Vec::new(),
            whole: true,
            problems: &mut problems,
        };
        let blueprint = parse::blueprint(&tree, &mut reader, inputs.profiles);
        if let Some(blueprint) = &blueprint {
            validate::blueprint(blueprint, &mut problems);
        }
        (blueprint, problems)
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
