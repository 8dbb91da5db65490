//! From a [`Blueprint`] to a [`Topology`]: pure, deterministic, and the only place where names are made.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Value as Scope, context};
use serde::Serialize;

use super::address::{AddressError, Layout};
use super::{Attachment, Network, Node, Service, Topology};
use crate::blueprint::{self, Addresses, Blueprint, INOUT, INTERNAL, Role};
use crate::compose::references;
use crate::diagnostic::{Problem, Problems, Sources, Span};
use crate::name::{
    Alias, ClusterName, ContainerName, NameError, NetworkKey, NetworkName, NodeName, ProjectName, ServiceKey,
};
use crate::template::{Pattern, Templates, Variables};
use crate::value::{Map, Value};
use crate::yaml::{Entry, Yaml};

/// The most ports of a Linux bridge (moby#44973).
pub const BRIDGE_PORTS: usize = 1023;

/// What the command line says over the blueprint.
#[derive(Debug, Default, Clone)]
pub struct Overrides {
    /// `--name`.
    pub name: Option<ClusterName>,
    /// `--slaves`.
    pub slaves: Option<u32>,
    /// `--scale ROLE=N`.
    pub scale: Vec<(String, u32)>,
    /// `--set KEY=VALUE`.
    pub set: Vec<(String, String)>,
}

/// Expand `blueprint`.
///
/// # Errors
/// Everything that would break a promise: names that collide, subnets that do not fit, templates that fail.
pub fn expand(
    blueprint: &Blueprint,
    overrides: &Overrides,
    variables: &Variables,
    sources: &Sources,
) -> Result<Topology, Problems> {
    let mut problems = Problems::default();
    let cluster = overrides
        .name
        .clone()
        .or_else(|| blueprint.name.as_ref().map(|n| n.value.clone()))
        .unwrap_or_default();
    let counts = counts(blueprint, overrides, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut expansion = Expansion {
        blueprint,
        sources,
        templates: Templates::new(variables.clone()),
        problems,
        layout: None,
        cluster,
    };
    let topology = expansion.run(&counts, overrides);
    match topology {
        Some(topology) if expansion.problems.is_empty() => Ok(topology),
        _ => Err(expansion.problems),
    }
}

/// How many nodes each role has; `None` for the one that is called as its role.
fn counts(blueprint: &Blueprint, overrides: &Overrides, problems: &mut Problems) -> Vec<Option<u32>> {
    let mut counts: Vec<Option<u32>> = blueprint
        .roles
        .iter()
        .map(|r| r.count.as_ref().map(|c| c.value))
        .collect();
    let names = || blueprint.roles.iter().map(|r| r.name.value.as_str());
    if let Some(slaves) = overrides.slaves {
        match blueprint.counted_role() {
            Some(role) => {
                let at = names().position(|n| n == role.name.value.as_str());
                counts[at.unwrap_or_default()] = Some(slaves);
            }
            None => {
                let list: Vec<String> = names().map(|n| format!("`--scale {n}={slaves}`")).collect();
                problems.push(
                    Problem::general(
                        "`--slaves` counts the role `slave`, or the only role with a `count`: here is neither",
                    )
                    .hint(format!("name the role: {}", list.join(" or "))),
                );
            }
        }
    }
    for (name, count) in &overrides.scale {
        match names().position(|n| n == name) {
            Some(at) => counts[at] = Some(*count),
            None => problems.push(
                Problem::usage(format!("`--scale {name}={count}`: no role `{name}`")).did_you_mean(name, names()),
            ),
        }
    }
    for count in counts.iter().flatten() {
        if *count > blueprint::MAX_COUNT {
            problems.push(Problem::usage(format!(
                "{count} nodes of one role, where {} are the most",
                blueprint::MAX_COUNT
            )));
        }
    }
    counts
}

/// A node as templates see it.
#[derive(Serialize)]
struct View<'a> {
    name: &'a str,
    role: &'a str,
    index: u32,
    ordinal: u32,
    entry: Option<&'a str>,
    services: Vec<&'a str>,
}

/// A service with its templates compiled: done once for a role, used for each of its nodes.
struct Compiled<'a> {
    service: &'a blueprint::Service,
    keys: Vec<(Arc<str>, Pattern)>,
    /// All keys, where neither a template nor a reference makes them differ between nodes.
    constant: Option<Arc<Map>>,
    joins: Vec<Join>,
    /// `container_name:`, where the service says it.
    container: Option<(Pattern, Span)>,
}

/// A network that a service joins.
struct Join {
    network: NetworkKey,
    shared: bool,
    /// Each with its place.
    aliases: Vec<(Pattern, Span)>,
    /// Whether it answers to the node's name there.
    node_name: Option<Span>,
    options: Pattern,
}

struct Expansion<'a> {
    blueprint: &'a Blueprint,
    sources: &'a Sources,
    templates: Templates,
    problems: Problems,
    layout: Option<Layout>,
    cluster: ClusterName,
}

impl Expansion<'_> {
    fn run(&mut self, counts: &[Option<u32>], overrides: &Overrides) -> Option<Topology> {
        self.templates.set_global("cluster", Scope::from(self.cluster.as_str()));
        self.layout = self.layout();
        let vars = self.top_vars(overrides)?;
        let names: Vec<Vec<NodeName>> = self
            .blueprint
            .roles
            .iter()
            .zip(counts)
            .map(|(role, count)| self.node_names(role, *count, &vars))
            .collect();
        self.distinct_names(&names);
        if !self.problems.is_empty() {
            return None;
        }
        let views = self.views(&names);
        let inout = self.inout();
        let mut nodes = Vec::with_capacity(names.iter().map(Vec::len).sum());
        let roles = self.blueprint.roles.iter().enumerate().zip(names.iter().zip(&views));
        for ((position, role), (names, views)) in roles {
            self.role(position, role, names, views, &vars, &mut nodes);
        }
        let topology = Topology {
            cluster: self.cluster.clone(),
            roles: self.blueprint.roles.iter().map(|r| r.name.value.clone()).collect(),
            inout: inout?,
            nodes,
            layout: self.layout,
        };
        if self.problems.is_empty() {
            self.names_have_one_owner(&topology);
            self.shared_network_has_room(&topology);
        }
        Some(topology)
    }

    fn layout(&mut self) -> Option<Layout> {
        let Addresses::Pool(pool, span) = self.blueprint.addresses else {
            return None;
        };
        match Layout::new(pool, self.cluster.as_str(), self.blueprint.roles.len()) {
            Ok(layout) => Some(layout),
            Err(error) => {
                self.address_problem(error, span);
                None
            }
        }
    }

    fn address_problem(&mut self, error: AddressError, span: Option<Span>) {
        let pool = match self.blueprint.addresses {
            Addresses::Pool(pool, _) => pool.to_string(),
            Addresses::Engine => String::new(),
        };
        let mut problem = Problem::general(format!("addresses: {error}"))
            .hint("a larger pool holds more: addresses: {pool: 10.128.0.0/9}, or `addresses: engine`");
        problem.place = span;
        self.problems.push(problem.label(format!("pool {pool}")));
    }

    /// `vars:` with `--set` over them, templates not yet run.
    fn top_vars(&mut self, overrides: &Overrides) -> Option<Vec<(Arc<str>, Pattern)>> {
        let mut vars = compile_vars(
            &self.blueprint.vars,
            &mut self.templates,
            self.sources,
            &mut self.problems,
        );
        for (key, value) in &overrides.set {
            let value = match crate::yaml::plain_scalar(value) {
                Yaml::Null => Value::Null,
                Yaml::Bool(b) => Value::Bool(b),
                Yaml::Int(n) => Value::Int(n),
                Yaml::Float(n) => Value::Float(n),
                _ => Value::from(value.as_str()),
            };
            let known = vars.iter_mut().find(|(name, _)| **name == **key);
            match known {
                Some((_, slot)) => *slot = Pattern::Const(value),
                None => {
                    let in_role = self
                        .blueprint
                        .roles
                        .iter()
                        .any(|r| r.vars.iter().any(|v| v.key == *key));
                    if !in_role {
                        let names = self.blueprint.vars.iter().map(|v| v.key.as_str());
                        self.problems.push(
                            Problem::usage(format!("`--set {key}=…`: no variable `{key}` in the blueprint"))
                                .did_you_mean(key, names),
                        );
                    }
                    vars.push((key.as_str().into(), Pattern::Const(value)));
                }
            }
        }
        Some(vars)
    }

    fn node_names(&mut self, role: &Role, count: Option<u32>, vars: &[(Arc<str>, Pattern)]) -> Vec<NodeName> {
        let name = role.name.value.as_str();
        let Some(template) = &role.node else {
            return match count {
                None => self.name(name, role.name.span).into_iter().collect(),
                Some(count) => {
                    let numbered = |n| self.name(&format!("{name}{n}"), role.name.span);
                    (1..=count).map_while(numbered).collect()
                }
            };
        };
        let pattern = self.templates.compile(template, self.sources, &mut self.problems);
        let total = count.unwrap_or(1);
        let vars = self.scope_vars(vars, &[], &Scope::UNDEFINED);
        let mut names = Vec::new();
        for index in 1..=total {
            let scope = context! { index, ordinal => index - 1, role => name, vars => vars.clone() };
            let Some(text) = self.evaluate(&pattern, &scope) else {
                break;
            };
            let text = text.scalar().unwrap_or_default();
            match self.name::<NodeName>(&text, template.span) {
                Some(name) if names.contains(&name) && names.len() < 64 => {
                    self.problems.push(
                        Problem::at(template.span, format!("`node` gives two nodes the name `{name}`"))
                            .hint("let the name hold the index: node: \"w-{{ index }}\""),
                    );
                    break;
                }
                Some(name) => names.push(name),
                None => break,
            }
        }
        names
    }

    fn name<T: FromStr<Err = NameError>>(&mut self, text: &str, span: Span) -> Option<T> {
        match text.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                let NameError { kind, found, rule } = error;
                self.problems
                    .push(Problem::at(span, format!("`{found}` is not {kind}")).label(format!("expected {rule}")));
                None
            }
        }
    }

    fn distinct_names(&mut self, names: &[Vec<NodeName>]) {
        let mut owner: HashMap<&NodeName, &Role> = HashMap::new();
        for (role, names) in self.blueprint.roles.iter().zip(names) {
            for name in names {
                if let Some(other) = owner.insert(name, role) {
                    self.problems.push(
                        Problem::at(role.name.span, format!("two nodes are called `{name}`"))
                            .label(format!(
                                "one is of role `{}`, one of role `{}`",
                                other.name.value, role.name.value
                            ))
                            .hint("name the nodes of one of them otherwise: node: \"w-{{ index }}\""),
                    );
                    break;
                }
            }
        }
    }

    /// The nodes as templates see them, by role; also made known as `nodes` and `role()`.
    fn views(&mut self, names: &[Vec<NodeName>]) -> Vec<Vec<Scope>> {
        let views: Vec<Vec<Scope>> = self
            .blueprint
            .roles
            .iter()
            .zip(names)
            .map(|(role, names)| {
                let view = |(ordinal, name): (usize, &NodeName)| {
                    let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
                    Scope::from(Serde(View {
                        name: name.as_str(),
                        role: role.name.value.as_str(),
                        index: ordinal + 1,
                        ordinal,
                        entry: role.entry.first().map(|e| e.service.value.as_str()),
                        services: role.services.iter().map(|s| s.name.value.as_str()).collect(),
                    }))
                };
                names.iter().enumerate().map(view).collect()
            })
            .collect();
        let roles = self.blueprint.roles.iter().map(|r| r.name.value.to_string());
        let of_role = views.iter().map(|v| Scope::from(v.clone()));
        self.templates.set_roles(roles.zip(of_role).collect());
        let all: Vec<Scope> = views.iter().flatten().cloned().collect();
        self.templates.set_global("nodes", Scope::from(all));
        views
    }

    fn inout(&mut self) -> Option<Network> {
        let options = self.network_options(self.blueprint.inout.as_ref());
        let span = self.blueprint.inout.as_ref().map_or_else(Span::default, |n| n.span);
        let name = match options.get("name").and_then(Value::scalar) {
            Some(name) => name,
            None => format!("{}{INOUT}", self.cluster.prefix()),
        };
        let external = options.get("external") == Some(&Value::Bool(true));
        let subnet = match self.layout {
            Some(layout) if !external && !options.contains_key("ipam") => Some(layout.shared()),
            _ => None,
        };
        Some(Network {
            key: self.name::<NetworkKey>(INOUT, span)?,
            name: self.name::<NetworkName>(&name, span)?,
            subnet,
            external,
            options: without(&options, &["name", "external"]),
        })
    }

    fn network_options(&mut self, node: Option<&crate::yaml::Node>) -> Arc<Map> {
        let Some(node) = node else {
            return Arc::default();
        };
        let pattern = self.templates.compile(node, self.sources, &mut self.problems);
        match self.evaluate(&pattern, &context! {}) {
            Some(Value::Map(map)) => map,
            _ => Arc::default(),
        }
    }

    /// What `vars` holds for one node: each variable may use those before it.
    fn scope_vars(&mut self, top: &[(Arc<str>, Pattern)], own: &[(Arc<str>, Pattern)], node: &Scope) -> Scope {
        let mut vars: BTreeMap<Arc<str>, Scope> = BTreeMap::new();
        for (name, pattern) in top.iter().chain(own) {
            let scope = context! { node, vars => as_scope(&vars) };
            if let Some(value) = self.evaluate(pattern, &scope) {
                vars.insert(name.clone(), Scope::from(Serde(&value)));
            }
        }
        as_scope(&vars)
    }

    fn role(
        &mut self,
        position: usize,
        role: &Role,
        names: &[NodeName],
        views: &[Scope],
        vars: &[(Arc<str>, Pattern)],
        nodes: &mut Vec<Node>,
    ) {
        let own = compile_vars(&role.vars, &mut self.templates, self.sources, &mut self.problems);
        let services: Vec<Compiled<'_>> = role.services.iter().map(|s| self.compile(role, s)).collect();
        let options = self.network_options(self.blueprint.internal.as_ref());
        let constant = vars.iter().chain(&own).all(|(_, p)| matches!(p, Pattern::Const(_)));
        let mut scope_vars = None;
        let found = self.problems.len();
        for (ordinal, (name, view)) in names.iter().zip(views).enumerate() {
            let vars = match &scope_vars {
                Some(vars) if constant => Scope::clone(vars),
                _ => scope_vars.insert(self.scope_vars(vars, &own, view)).clone(),
            };
            let scope = context! { node => view, vars };
            let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
            if let Some(node) = self.node(position, role, ordinal, name, &services, &options, &scope) {
                nodes.push(node);
            }
            // What is wrong in one node is wrong in its siblings: once is enough.
            if self.problems.len() > found {
                return;
            }
        }
    }

    fn compile<'s>(&mut self, role: &Role, service: &'s blueprint::Service) -> Compiled<'s> {
        let keys: Vec<(Arc<str>, Pattern)> = service
            .keys
            .iter()
            .filter(|e| e.key != "container_name")
            .map(|e| {
                let pattern = self.templates.compile(&e.node, self.sources, &mut self.problems);
                (e.key.as_str().into(), pattern)
            })
            .collect();
        let mut constant = Some(Map::with_capacity(keys.len()));
        for (key, pattern) in &keys {
            match pattern {
                Pattern::Const(value) if !references::may_refer(key) => {
                    if let Some(map) = &mut constant {
                        map.insert(key.clone(), value.clone());
                    }
                }
                _ => constant = None,
            }
        }
        Compiled {
            service,
            keys,
            constant: constant.map(Arc::new),
            joins: self.joins(role, service),
            container: service.keys.iter().find(|e| e.key == "container_name").map(|e| {
                let pattern = self.templates.compile(&e.node, self.sources, &mut self.problems);
                (pattern, e.node.span)
            }),
        }
    }

    /// The networks that `service` joins: what it says itself, else the private one; the shared one for ways in and out.
    fn joins(&mut self, role: &Role, service: &blueprint::Service) -> Vec<Join> {
        let entry = role.entry.iter().find(|e| e.service.value == service.name.value);
        let exit = role.exit.iter().any(|e| e.value == service.name.value);
        if service.network_mode.is_some() {
            return Vec::new();
        }
        let mut joins = Vec::new();
        let bare = |expansion: &mut Self, key: &str, shared| {
            expansion.name(key, service.name.span).map(|network| Join {
                network,
                shared,
                aliases: Vec::new(),
                node_name: None,
                options: Pattern::Const(Value::from(Map::new())),
            })
        };
        match &service.networks {
            None => joins.extend(bare(self, INTERNAL, false)),
            Some(networks) => {
                for network in networks {
                    joins.push(Join {
                        network: network.network.value.clone(),
                        shared: network.network.value.as_str() == INOUT,
                        aliases: self.aliases(&network.aliases),
                        node_name: None,
                        options: self.options(&network.options, network.network.span),
                    });
                }
            }
        }
        if entry.is_none() && !exit {
            return joins;
        }
        if !joins.iter().any(|j| j.shared) {
            joins.extend(bare(self, INOUT, true));
        }
        if let (Some(entry), Some(join)) = (entry, joins.iter_mut().find(|j| j.shared)) {
            if entry.aliases.is_empty() {
                join.node_name = Some(entry.service.span);
            }
            join.aliases.extend(self.aliases(&entry.aliases));
        }
        joins
    }

    fn aliases(&mut self, nodes: &[crate::yaml::Node]) -> Vec<(Pattern, Span)> {
        nodes
            .iter()
            .map(|n| (self.templates.compile(n, self.sources, &mut self.problems), n.span))
            .collect()
    }

    fn options(&mut self, entries: &[Entry], span: Span) -> Pattern {
        let node = crate::yaml::Node {
            value: Yaml::Map(entries.to_vec()),
            span,
            tag: None,
        };
        self.templates.compile(&node, self.sources, &mut self.problems)
    }

    #[allow(clippy::too_many_arguments)]
    fn node(
        &mut self,
        position: usize,
        role: &Role,
        ordinal: u32,
        name: &NodeName,
        services: &[Compiled<'_>],
        options: &Arc<Map>,
        scope: &Scope,
    ) -> Option<Node> {
        let project: ProjectName = self.name(&format!("{}{name}", self.cluster.prefix()), role.name.span)?;
        // Keys first: a service may refer to one that comes after it.
        let keys: Vec<(&str, ServiceKey)> = services
            .iter()
            .map(|compiled| {
                let service = compiled.service.name.value.as_str();
                let key = if compiled.joins.iter().any(|j| j.shared) {
                    format!("{name}-{service}")
                } else {
                    service.to_owned()
                };
                Some((service, self.name::<ServiceKey>(&key, compiled.service.name.span)?))
            })
            .collect::<Option<_>>()?;
        let rename = |service: &str| -> Option<Arc<str>> {
            let (_, key) = keys.iter().find(|(name, _)| *name == service)?;
            (key.as_str() != service).then(|| key.shared())
        };
        let mut made = Vec::with_capacity(services.len());
        for (compiled, (_, key)) in services.iter().zip(&keys) {
            made.extend(self.service(compiled, key.clone(), name, &project, &rename, scope));
        }
        if made.len() < services.len() {
            return None;
        }
        let network = self.internal(position, role, ordinal, &project, &made, options)?;
        Some(Node {
            name: name.clone(),
            role: role.name.value.clone(),
            index: ordinal + 1,
            project,
            networks: network.into_iter().collect(),
            services: made,
        })
    }

    /// The private network of a node, where any of its services joins it.
    fn internal(
        &mut self,
        position: usize,
        role: &Role,
        ordinal: u32,
        project: &ProjectName,
        services: &[Service],
        options: &Arc<Map>,
    ) -> Option<Option<Network>> {
        let joined = services
            .iter()
            .filter(|s| s.attachments.iter().any(|a| a.network.as_str() == INTERNAL))
            .count();
        if joined == 0 {
            return Some(None);
        }
        let subnet = match self.layout {
            Some(layout) if !options.contains_key("ipam") => match layout.private(position, ordinal, joined) {
                Ok(subnet) => Some(subnet),
                Err(error) => {
                    let place = role.count.as_ref().map_or(role.name.span, |c| c.span);
                    self.address_problem(error, Some(place));
                    return None;
                }
            },
            _ => None,
        };
        Some(Some(Network {
            key: self.name::<NetworkKey>(INTERNAL, role.name.span)?,
            name: self.name::<NetworkName>(&format!("{project}_{INTERNAL}"), role.name.span)?,
            subnet,
            external: false,
            options: options.clone(),
        }))
    }

    fn service(
        &mut self,
        compiled: &Compiled<'_>,
        key: ServiceKey,
        node: &NodeName,
        project: &ProjectName,
        rename: &dyn Fn(&str) -> Option<Arc<str>>,
        scope: &Scope,
    ) -> Option<Service> {
        let name = &compiled.service.name;
        let mut attachments = Vec::with_capacity(compiled.joins.len());
        let qualified = key.as_str() != name.value.as_str();
        for join in &compiled.joins {
            attachments.push(self.attachment(join, &name.value, qualified, node, scope)?);
        }
        let definition = match &compiled.constant {
            Some(map) => map.clone(),
            None => Arc::new(self.definition(compiled, rename, scope)?),
        };
        let shared = attachments.iter().any(|a| a.shared);
        let (container, span) = match &compiled.container {
            Some((pattern, span)) => (self.evaluate(pattern, scope)?.scalar().unwrap_or_default(), *span),
            None => {
                // The project is the node, so a key that begins with the node's name need not say it again.
                (format!("{project}-{}-1", name.value), name.span)
            }
        };
        Some(Service {
            name: name.value.clone(),
            key,
            container: self.name::<ContainerName>(&container, span)?,
            container_named: shared || compiled.container.is_some(),
            attachments,
            definition,
        })
    }

    fn definition(
        &mut self,
        compiled: &Compiled<'_>,
        rename: &dyn Fn(&str) -> Option<Arc<str>>,
        scope: &Scope,
    ) -> Option<Map> {
        let mut map = Map::with_capacity(compiled.keys.len());
        let found = self.problems.len();
        for (key, pattern) in &compiled.keys {
            // Go on after a fault: its neighbours may have one too.
            let mut value = self.evaluate(pattern, scope).unwrap_or(Value::Null);
            if references::may_refer(key) {
                value = references::renamed(key, &value, rename);
            }
            map.insert(key.clone(), value);
        }
        (self.problems.len() == found).then_some(map)
    }

    fn attachment(
        &mut self,
        join: &Join,
        service: &crate::name::ServiceName,
        qualified: bool,
        node: &NodeName,
        scope: &Scope,
    ) -> Option<Attachment> {
        let mut aliases: Vec<Alias> = Vec::with_capacity(join.aliases.len() + 1);
        // Under a qualified key, the short name is an alias like any other, on the private network alone.
        if qualified && !join.shared {
            aliases.push(self.name(service.as_str(), Span::default())?);
        }
        if let Some(span) = join.node_name {
            aliases.push(self.name(node.as_str(), span)?);
        }
        for (pattern, span) in &join.aliases {
            let text = self.evaluate(pattern, scope)?.scalar().unwrap_or_default();
            let alias = self.name(&text, *span)?;
            if !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
        let options = match self.evaluate(&join.options, scope)? {
            Value::Map(map) => map,
            _ => Arc::default(),
        };
        Some(Attachment {
            network: join.network.clone(),
            shared: join.shared,
            aliases,
            options,
        })
    }

    fn evaluate(&mut self, pattern: &Pattern, scope: &Scope) -> Option<Value> {
        self.templates
            .evaluate(pattern, scope, self.sources, &mut self.problems)
    }

    /// Where a service was written, for problems found in the topology.
    fn place(&self, node: &Node, service: &Service) -> Span {
        self.blueprint
            .role(node.role.as_str())
            .and_then(|r| r.services.iter().find(|s| s.name.value == service.name))
            .map_or_else(Span::default, |s| s.name.span)
    }

    /// Promises 1 to 3: inside a node and on the shared network, no name leads to two containers.
    fn names_have_one_owner(&mut self, topology: &Topology) {
        let mut shared: HashMap<&str, (&Node, &Service)> = HashMap::new();
        let mut containers: HashMap<&str, (&Node, &Service)> = HashMap::new();
        let each = || {
            topology
                .nodes
                .iter()
                .flat_map(|n| n.services.iter().map(move |s| (n, s)))
        };
        let mut found = Vec::new();
        for (node, service) in each() {
            if let Some((other, _)) = containers.insert(service.container.as_str(), (node, service)) {
                found.push(
                    Problem::at(
                        self.place(node, service),
                        format!("two containers are called `{}`", service.container),
                    )
                    .label(format!("in `{}` and in `{}`", other.name, node.name))
                    .hint("let the name hold the node's: container_name: \"{{ node.name }}-…\""),
                );
            }
            for name in service
                .attachments
                .iter()
                .filter(|a| a.shared)
                .flat_map(|a| names(service, a))
            {
                match shared.insert(name, (node, service)) {
                    Some((n, s)) if !std::ptr::eq(s, service) => found.push(
                        Problem::at(
                            self.place(node, service),
                            format!("two containers answer to `{name}` on `{INOUT}`"),
                        )
                        .label(format!(
                            "`{}` of `{}` and `{}` of `{}`",
                            s.name, n.name, service.name, node.name
                        ))
                        .hint(
                            "a name on a shared network has one owner: let it hold the node's, \"{{ node.name }}-…\"",
                        ),
                    ),
                    _ => {}
                }
            }
        }
        for node in &topology.nodes {
            let mut inside: HashMap<&str, &Service> = HashMap::new();
            for service in &node.services {
                for name in service
                    .attachments
                    .iter()
                    .filter(|a| !a.shared)
                    .flat_map(|a| names(service, a))
                {
                    if let Some(other) = inside.insert(name, service)
                        && !std::ptr::eq(other, service)
                    {
                        found.push(
                            Problem::at(
                                self.place(node, service),
                                format!("two services answer to `{name}` inside a node"),
                            )
                            .label(format!("`{}` and `{}` of `{}`", other.name, service.name, node.name)),
                        );
                    }
                    if let Some((n, s)) = shared.get(name)
                        && !std::ptr::eq(*s, service)
                    {
                        found.push(
                            Problem::at(
                                self.place(node, service),
                                format!("`{name}` is a name inside `{}` and on `{INOUT}`", node.name),
                            )
                            .label(format!("on `{INOUT}` it leads to `{}` of `{}`", s.name, n.name))
                            .hint("the engine would answer now with the one, now with the other: rename one of them"),
                        );
                    }
                }
            }
            if !found.is_empty() {
                break;
            }
        }
        for problem in found.into_iter().take(20) {
            self.problems.push(problem);
        }
    }

    fn shared_network_has_room(&mut self, topology: &Topology) {
        let joined = topology
            .nodes
            .iter()
            .flat_map(|n| &n.services)
            .filter(|s| s.shared())
            .count();
        if let Some(subnet) = topology.inout.subnet
            && Layout::room(subnet.prefix_len()) < joined
            && subnet.prefix_len() > 22
        {
            self.address_problem(
                AddressError::NetworkTooLarge {
                    needed: joined,
                    room: Layout::room(subnet.prefix_len()),
                },
                None,
            );
        }
    }
}

fn as_scope(vars: &BTreeMap<Arc<str>, Scope>) -> Scope {
    Scope::from_pairs(vars.iter().map(|(name, value)| (name.clone(), value.clone())))
}

/// Every name by which `service` is known through `attachment`: Compose adds the key, the engine the container's name.
fn names<'a>(service: &'a Service, attachment: &'a Attachment) -> impl Iterator<Item = &'a str> {
    [service.key.as_str(), service.container.as_str()]
        .into_iter()
        .chain(attachment.aliases.iter().map(Alias::as_str))
}

fn compile_vars(
    vars: &[Entry],
    templates: &mut Templates,
    sources: &Sources,
    problems: &mut Problems,
) -> Vec<(Arc<str>, Pattern)> {
    vars.iter()
        .map(|v| (v.key.as_str().into(), templates.compile(&v.node, sources, problems)))
        .collect()
}

fn without(map: &Arc<Map>, keys: &[&str]) -> Arc<Map> {
    if keys.iter().any(|k| map.contains_key(*k)) {
        let rest = map.iter().filter(|(k, _)| !keys.contains(&&***k));
        Arc::new(rest.map(|(k, v)| (k.clone(), v.clone())).collect())
    } else {
        map.clone()
    }
}
