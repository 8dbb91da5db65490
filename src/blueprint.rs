//! The language as the user writes it: roles of services, how many nodes of each, and which services are entry and
//! exit.
//!
//! Reading is `parse` (the shape), then `validate` (references between parts). Values stay as written, with their
//! places; they become a [`crate::topology::Topology`] in [`crate::topology::expand`].

mod allow;
mod conform;
pub mod count;
mod document;
pub mod dotenv;
pub mod interpolate;
pub mod isolate;
mod merge;
mod parse;
pub mod schema;
mod shape;
pub mod unread;
mod validate;
pub mod words;

use crate::compose::{Condition, ConfigKind};
use std::collections::HashMap;
use std::sync::Arc;

use ipnet::Ipv4Net;

use crate::diagnostic::{FileId, Problem, Problems, Sources, Span, Spanned};
use crate::name::{ClusterName, NetworkKey, RoleName, ServiceName};
use crate::text::decimal;
use crate::yaml::{Entry, Node, Yaml};

pub use allow::Lint;
pub use count::{Count, Dimension};
pub use document::{ReadFile, Taking};
pub(crate) use document::{join, not_utf8};
pub use parse::{OVERRIDE_KEYS, ROLE_KEYS, TOP_KEYS};

/// The key of a node's private network, which no other node joins.
pub const INTERNAL: &str = "internal";
/// What a Compose file calls the network of services that name none; in a blueprint it is [`INTERNAL`].
pub(crate) const DEFAULT_NETWORK: &str = "default";
/// The key of the network that joins all nodes.
pub const INOUT: &str = "inout";
/// The most nodes one role may have.
pub const MAX_COUNT: u32 = 10_000;
/// The pool that subnets are cut from when the blueprint names none.
pub const DEFAULT_POOL: &str = "10.192.0.0/11";

/// A blueprint that was parsed and validated.
#[derive(Debug)]
pub struct Blueprint {
    /// `name:`; `None` when it is absent, and the cluster is then [`ClusterName::UNNAMED`].
    pub name: Option<Spanned<ClusterName>>,
    /// `vars:`, in the order written.
    pub vars: Vec<Entry>,
    /// `inout:`, the options of the shared network.
    pub inout: Option<Node>,
    /// `internal:`, the options of every node's private network.
    pub internal: Option<Node>,
    /// `networks:`, which any node may join, in the order written.
    pub networks: Vec<ClusterNetwork>,
    /// `volumes:`, which any node may mount, as in Compose.
    pub volumes: Vec<Entry>,
    /// `addresses:`; [`DEFAULT_POOL`] when it is absent.
    pub addresses: Addresses,
    /// `roles:`, in the order written.
    pub roles: Vec<Role>,
    /// `x-topogen: {allow: […]}`: the lints that it silences.
    pub allow: Vec<Lint>,
    /// What was changed of the Compose files in silence, each with its place: for those who ask.
    pub notes: Vec<Problem>,
}

/// Where the subnets of networks come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// Cut from this pool; the span is that of `pool:`, `None` for the default.
    Pool(Ipv4Net, Option<Span>),
    /// Left to the engine's own pools.
    Engine,
}

/// One kind of node: a set of services, and how many nodes have it.
#[derive(Debug)]
pub struct Role {
    /// The role's name, unique in the blueprint.
    pub name: Spanned<RoleName>,
    /// How many nodes, at most [`MAX_COUNT`]; `None` for a single node that has the role's name.
    pub count: Option<Count>,
    /// `node:`, the template of a node's name; `None` for the role's name followed by the index.
    pub node: Option<Node>,
    /// `entry:`, the services that have names on the shared network.
    pub entry: Vec<EntryPoint>,
    /// `exit:`, the services that join the shared network without a name.
    pub exit: Vec<Spanned<ServiceName>>,
    /// `after:`, the roles that must reach the condition before any container of this role starts.
    pub after: Vec<(Spanned<RoleName>, Condition)>,
    /// `vars:` of the role.
    pub vars: Vec<Entry>,
    /// The services that take part, in the order written.
    pub services: Vec<Service>,
    /// The role's document after merging, which overrides are merged onto.
    pub tree: Node,
    /// Names of services that are left out because none of their profiles is active.
    pub inactive: Vec<String>,
    /// Names of services of its Compose files that the role resets or does not take, and of those that have no active profile.
    pub left_out: Arc<[String]>,
    /// What the role does with the services of its Compose files: `take`, `rename`, `replace`.
    pub taking: Taking,
    /// Whether all of the role's Compose files could be read. If not, an undefined name may be defined in a missing
    /// one.
    pub whole: bool,
    /// `networks:` beside the private and the shared one.
    pub networks: Vec<RoleNetwork>,
    /// The options of the private network that the role itself gives; `None` for those of the blueprint.
    pub internal: Option<Node>,
    /// `volumes:`, as in Compose.
    pub volumes: Vec<Entry>,
    /// Variables of the `.env` beside each Compose file, known to those files only.
    pub beside: Arc<HashMap<String, String>>,
    /// `x-…` keys of the Compose files, for other tools.
    pub extensions: Vec<Entry>,
    /// `configs:` and `secrets:` of the role.
    pub configs: Vec<Config>,
    /// What `overrides:` changes in single nodes, in the order written.
    pub overrides: Vec<Override>,
    /// `x-topogen: {allow: […]}` of the role: the lints that it silences for itself.
    pub allow: Vec<Lint>,
    /// What `isolate:` took out of the role's document; `None` for a role that is not isolated.
    pub isolated: Option<isolate::Isolated>,
}

/// A network of the cluster, or several that are alike.
#[derive(Debug)]
pub struct ClusterNetwork {
    /// The key under `networks:`.
    pub key: Spanned<NetworkKey>,
    /// `count:`, a number or a map of dimensions, whose numbers may be templates; `None` for a single network, which has the
    /// key as its name.
    pub count: Option<Node>,
    /// The remaining options, as in Compose; `None` when there are none.
    pub options: Option<Node>,
}

impl ClusterNetwork {
    /// How many dimensions its count has; 0 of a number, and of a single network.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        match self.count.as_ref().map(|node| &node.value) {
            Some(Yaml::Map(entries)) => entries.len(),
            _ => 0,
        }
    }

    /// Whether one of several may have the key `key`, if there are enough of them.
    #[must_use]
    pub fn may_be(&self, key: &str) -> bool {
        let is_index = |text: &str| !text.starts_with('0') && decimal::<u32>(text).is_some();
        let (Some(rest), true) = (key.strip_prefix(self.key.value.as_str()), self.count.is_some()) else {
            return false;
        };
        match self.dimensions() {
            0 => is_index(rest),
            several => {
                let indices = rest
                    .strip_prefix('-')
                    .map(|rest| rest.split('-').collect::<Vec<&str>>());
                indices.is_some_and(|all| all.len() == several && all.into_iter().all(is_index))
            }
        }
    }
}

/// A network that a role declares.
#[derive(Debug)]
pub struct RoleNetwork {
    /// The network's key under `networks:`.
    pub key: Spanned<NetworkKey>,
    /// The network's options; `None` when nothing is written under the key.
    pub options: Option<Node>,
    /// Whether nodes share the network: it is external, or its `name` is the same for all of them.
    pub shared: bool,
}

/// One of `configs:` or `secrets:`.
#[derive(Debug)]
pub struct Config {
    /// Whether it stands under `configs:` or `secrets:`.
    pub kind: ConfigKind,
    /// The key that services refer to it by.
    pub name: Spanned<String>,
    /// Where the content comes from.
    pub source: ConfigSource,
    /// The remaining keys, as in Compose.
    pub options: Vec<Entry>,
}

/// Where the content of a config comes from.
#[derive(Debug)]
pub enum ConfigSource {
    /// A template, from a `.j2` file or from `content:`.
    Template(Node),
    /// The bytes of a file, unchanged.
    Bytes(Arc<[u8]>),
    /// The name of an environment variable, and its value; `None` when it is not set.
    Environment(String, Option<String>),
    /// `external:`, as in Compose: somebody else provides it.
    External(Node),
}

/// What differs for one node of a role.
#[derive(Debug)]
pub struct Override {
    /// The name of the node that the override is for.
    pub node: Spanned<String>,
    /// All services of the node, with the override merged over the role's.
    pub services: Vec<Service>,
    /// Variables of this node, over those of the role.
    pub vars: Vec<Entry>,
}

/// What reading a blueprint needs beside its text.
pub struct Inputs<'a> {
    /// Reads a file named by a path relative to the blueprint's directory.
    pub read: &'a ReadFile<'a>,
    /// Reads one in the same way that must lie there or below, also once all symbolic links are followed: else it fails with
    /// [`LEADS_OUT`](crate::blueprint::unread::LEADS_OUT).
    pub read_within: &'a ReadFile<'a>,
    /// The blueprint's directory, absolute.
    pub base: &'a str,
    /// The active profiles: a service takes part when it has none, or one of these.
    pub profiles: &'a [String],
}

/// A service by which other nodes reach a node.
#[derive(Debug)]
pub struct EntryPoint {
    /// The service that answers.
    pub service: Spanned<ServiceName>,
    /// Its names on the shared network; empty for the node's own name.
    pub aliases: Vec<Node>,
}

/// A service of a role or of an override.
#[derive(Debug)]
pub struct Service {
    /// The name inside its node.
    pub name: Spanned<ServiceName>,
    /// `networks:`; `None` when the service does not have the key, and it joins the private network.
    pub networks: Option<Vec<ServiceNetwork>>,
    /// Where `network_mode:` is written, which takes the service off all networks; `None` without it.
    pub network_mode: Option<Span>,
    /// All other keys, in the order written, as in Compose.
    pub keys: Vec<Entry>,
}

/// One item of a service's `networks:`.
#[derive(Debug)]
pub struct ServiceNetwork {
    /// Which network, or which ones.
    pub network: NetworkReference,
    /// `aliases:`, further names of the service on this network.
    pub aliases: Vec<Node>,
    /// The remaining keys: `ipv4_address`, `priority`, …
    pub options: Vec<Entry>,
}

/// Which networks an item of a service's `networks:` means.
#[derive(Debug)]
pub enum NetworkReference {
    /// The network with this key.
    Key(Spanned<NetworkKey>),
    /// Those whose keys the template yields, separated by blanks or commas; it may yield none.
    Template(Node),
}

impl NetworkReference {
    /// Where it is written.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Key(key) => key.span,
            Self::Template(node) => node.span,
        }
    }

    /// The key; `None` of a template.
    #[must_use]
    pub fn key(&self) -> Option<&Spanned<NetworkKey>> {
        match self {
            Self::Key(key) => Some(key),
            Self::Template(_) => None,
        }
    }
}

impl Blueprint {
    /// Reads the blueprint in `file` of `sources`.
    ///
    /// # Errors
    /// All problems that can be found without expanding it.
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

    /// Reads as much as possible: returns what could be read together with the problems.
    pub fn read_as_far(
        file: FileId,
        sources: &mut Sources,
        variables: &mut interpolate::Variables<'_>,
        inputs: &Inputs<'_>,
    ) -> (Option<Self>, Problems) {
        let mut problems = Problems::default();
        let mut tree = match crate::yaml::parse_within(sources.text(file), file, sources.budget()) {
            Ok(tree) => tree,
            Err(problems) => return (None, problems),
        };
        interpolate::tree(&mut tree, variables, sources, &mut problems);
        let mut reader = document::Reader::new(sources, variables, inputs, &mut problems);
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

/// Compose files merged as `compose:` of a role merges them, with variables and relative paths as they are written. `paths` are
/// relative to the blueprint's directory.
///
/// # Errors
/// All problems of the files: what cannot be read, and what is no Compose file.
pub fn compose_files(paths: &[String], sources: &mut Sources, inputs: &Inputs<'_>) -> Result<Node, Problems> {
    let mut problems = Problems::default();
    let mut variables = interpolate::Variables::verbatim();
    let asked = sources.add("--from", paths.join("\n"));
    let nowhere = Span::new(asked, 0..0);
    let files: Vec<(String, Span)> = paths.iter().map(|path| (path.clone(), nowhere)).collect();
    let directory = paths
        .first()
        .and_then(|path| path.rsplit_once('/'))
        .map_or("", |(directory, _)| directory);
    let empty = Node {
        value: crate::yaml::Yaml::Map(Vec::new()),
        span: nowhere,
        tag: None,
    };
    let mut reader = document::Reader::new(sources, &mut variables, inputs, &mut problems);
    let (document, _) = reader.merged(empty, files, directory);
    if problems.is_empty() {
        return Ok(document);
    }
    // What is asked for stands in no file.
    let mut found = Problems::default();
    for problem in problems.sorted() {
        let place = problem.place.filter(|place| place.file != asked);
        found.push(Problem {
            place,
            ..problem.clone()
        });
    }
    Err(found)
}
