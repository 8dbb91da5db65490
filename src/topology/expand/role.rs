//! Creates the nodes of one role. Its templates are compiled once, and evaluated for each node.

mod configs;
mod isolated;
mod joins;
mod replicas;
mod shared;

use std::sync::Arc;

use minijinja::{Value as Scope, context};

use super::super::written::Written;
use super::super::{Attachment, Network, Node, Service};
use super::{Expansion, RoleInput, compile_vars, own_name, without, written_node};
use crate::blueprint::{self, INTERNAL, Role};
use crate::budget::Budget;
use crate::compose::{ports, references, table};
use crate::diagnostic::{Span, Spanned};
use crate::name::{Alias, ContainerName, NetworkKey, NetworkName, NodeName, ProjectName, ServiceKey, ServiceName};
use crate::template::Pattern;
use crate::value::{Map, Value};
use crate::yaml::{Entry, Yaml};
use configs::Content;
use joins::{Join, Joining};

/// What a node and each of its services take of the budget, beside what their templates make; bytes.
const NODE: usize = 2 << 10;
const CONTAINER: usize = 3 << 10;
/// The same of each port that a service opens: a range is many of them.
const PORT: usize = 64;

/// A service with its templates compiled.
struct Compiled<'a> {
    service: &'a blueprint::Service,
    keys: Vec<(Arc<str>, Pattern)>,
    /// The evaluated keys, if no template or reference makes them differ between nodes.
    constant: Option<Arc<Map>>,
    joining: Joining,
    /// The `container_name:` and its place; `None` if the service has none.
    container: Option<(Pattern, Span)>,
    written: Written,
}

/// A private network of a role.
struct Private {
    key: NetworkKey,
    options: Pattern,
    span: Span,
    written: Written,
}

/// A role with its templates compiled.
struct CompiledRole<'a> {
    role: &'a Role,
    services: Vec<Compiled<'a>>,
    networks: Vec<Private>,
    /// The networks that it shares with other nodes, by key, with their names in the engine.
    shared: Vec<(NetworkKey, NetworkName)>,
    configs: Vec<(&'a blueprint::Config, Content, Pattern)>,
    volumes: Pattern,
    volumes_written: Written,
    extensions: Pattern,
}

/// The names of the node that a service belongs to.
#[derive(Clone, Copy)]
struct Home<'a> {
    node: &'a NodeName,
    project: &'a ProjectName,
}

impl Expansion<'_> {
    /// Creates the nodes of a role, with private networks that have no subnets yet. After a problem, only the nodes
    /// before it are returned.
    pub(super) fn role(&mut self, input: &RoleInput<'_>) -> Vec<Node> {
        let RoleInput { role, extent, vars, .. } = *input;
        let own = compile_vars(&role.vars, &mut self.templates, self.sources, &mut self.problems);
        let compiled = self.compile_role(role, &input.shared);
        let constant = vars.iter().chain(&own).all(|(_, p)| matches!(p, Pattern::Const(_)));
        let mut scope_vars = None;
        let mut nodes = Vec::with_capacity(input.names.len());
        let found = self.problems.len();
        let places = (1..).zip(extent.positions());
        for ((index, position), (name, view)) in places.zip(input.names.iter().zip(input.views)) {
            let over = role.overrides.iter().find(|o| o.node.value == name.as_str());
            let vars = match (&scope_vars, over) {
                (_, Some(over)) => {
                    let more = compile_vars(&over.vars, &mut self.templates, self.sources, &mut self.problems);
                    let own: Vec<_> = own.iter().cloned().chain(more).collect();
                    self.scope_vars(vars, &own, view)
                }
                (Some(vars), None) if constant => Scope::clone(vars),
                _ => scope_vars.insert(self.scope_vars(vars, &own, view)).clone(),
            };
            let scope = context! { node => view, vars };
            let services: Option<Vec<Compiled<'_>>> = over.map(|o| self.compile_services(&compiled, &o.services));
            let services = services.as_ref().unwrap_or(&compiled.services);
            if let Some(node) = self.node(&compiled, services, name, &scope) {
                nodes.push(Node {
                    index,
                    dimensions: extent.names().cloned().zip(position).collect(),
                    ..node
                });
            }
            let containers = services.len().saturating_mul(CONTAINER);
            let spent = self.sources.budget().spend(NODE.saturating_add(containers));
            if spent.is_err() && self.problems.len() == found {
                let problem = self.sources.budget().problem(role.name.span);
                self.problems.push(problem);
            }
            // Other nodes of the role would repeat the same problem.
            if self.problems.len() > found {
                break;
            }
        }
        nodes
    }

    fn compile_role<'r>(&mut self, role: &'r Role, shared: &[(NetworkKey, NetworkName)]) -> CompiledRole<'r> {
        let mut networks = Vec::new();
        let (internal, written) = self.internal_options(role);
        networks.extend(self.name(INTERNAL, role.name.span).map(|key| Private {
            key,
            options: internal,
            span: role.name.span,
            written,
        }));
        for network in role.networks.iter().filter(|n| !n.shared) {
            let options = match &network.options {
                Some(node) => self.templates.compile(node, self.sources, &mut self.problems),
                None => Pattern::Const(Value::from(Map::new())),
            };
            networks.push(Private {
                key: network.key.value.clone(),
                options,
                span: network.key.span,
                written: network.options.as_ref().map(written_node).unwrap_or_default(),
            });
        }
        let configs = role
            .configs
            .iter()
            .filter_map(|c| Some((c, self.content(role, c)?, self.options(&c.options, c.name.span))))
            .collect();
        let mut compiled = CompiledRole {
            role,
            services: Vec::new(),
            networks,
            shared: shared.to_vec(),
            configs,
            volumes: self.options(&role.volumes, role.name.span),
            volumes_written: Written::new(role.volumes.clone(), role.name.span),
            extensions: self.options(&role.extensions, role.name.span),
        };
        compiled.services = self.compile_services(&compiled, &role.services);
        compiled
    }

    /// The `services` of one node of a role, or of all of them that are alike.
    fn compile_services<'s>(
        &mut self,
        role: &CompiledRole<'_>,
        services: &'s [blueprint::Service],
    ) -> Vec<Compiled<'s>> {
        // A template says in each node which networks these are, and so who is at home.
        let fixed = services
            .iter()
            .flat_map(|s| s.networks.iter().flatten())
            .all(|n| n.network.key().is_some());
        let homes = match fixed {
            true => self.homes(role, &said(services)),
            false => vec![false; services.len()],
        };
        let each = services.iter().zip(homes);
        each.map(|(service, at_home)| self.compile(role, service, at_home))
            .collect()
    }

    /// The options of every private network: those of the blueprint, overridden by those of the role.
    fn internal_options(&mut self, role: &Role) -> (Pattern, Written) {
        let mut entries: Vec<Entry> = Vec::new();
        for node in [&self.blueprint.internal, &role.internal].into_iter().flatten() {
            if let Yaml::Map(more) = &node.value {
                entries.retain(|e| !more.iter().any(|m| m.key == e.key));
                entries.extend(more.iter().cloned());
            }
        }
        let options = self.options(&entries, role.name.span);
        (options, Written::new(entries, role.name.span))
    }

    /// One service. `at_home` is whether it joins the private network although it does not say so.
    fn compile<'s>(&mut self, role: &CompiledRole<'_>, service: &'s blueprint::Service, at_home: bool) -> Compiled<'s> {
        let keys: Vec<(Arc<str>, Pattern)> = service
            .keys
            .iter()
            .filter(|e| e.key != "container_name")
            .map(|e| {
                let pattern = self
                    .templates
                    .compile_under(&e.key, &e.node, self.sources, &mut self.problems);
                (e.key.as_str().into(), pattern)
            })
            .collect();
        let mut constant = Some(Map::with_capacity(keys.len()));
        for (key, pattern) in &keys {
            match pattern {
                Pattern::Const(value) if !references::may_refer(key) => {
                    if let Some(map) = &mut constant {
                        map.insert(
                            key.clone(),
                            without_repetition(key, value.clone(), self.sources.budget()),
                        );
                    }
                }
                _ => constant = None,
            }
        }
        Compiled {
            service,
            keys,
            constant: constant.map(Arc::new),
            joining: self.joining(role, service, at_home),
            container: service.keys.iter().find(|e| e.key == "container_name").map(|e| {
                let pattern = self.templates.compile(&e.node, self.sources, &mut self.problems);
                (pattern, e.node.span)
            }),
            written: written(service),
        }
    }

    fn options(&mut self, entries: &[Entry], span: Span) -> Pattern {
        let node = crate::yaml::Node {
            value: Yaml::Map(entries.to_vec()),
            span,
            tag: None,
        };
        self.templates.compile(&node, self.sources, &mut self.problems)
    }

    fn node(
        &mut self,
        compiled: &CompiledRole<'_>,
        services: &[Compiled<'_>],
        name: &NodeName,
        scope: &Scope,
    ) -> Option<Node> {
        let role = compiled.role;
        let project: ProjectName = self.name(&format!("{}{name}", self.cluster.prefix()), role.name.span)?;
        let joined = self.joined(compiled, services, scope)?;
        // The keys are needed first, because a service may refer to a later one.
        let keys: Vec<(&str, ServiceKey)> = services
            .iter()
            .zip(&joined)
            .map(|(compiled, joins)| {
                let service = compiled.service.name.value.as_str();
                let key = if joins.iter().any(|j| j.shared) {
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
        // All configs are evaluated before the first failure ends this, so that the problems of all are reported.
        let configs = self.configs(compiled, scope);
        let volumes = self.evaluate(&compiled.volumes, scope);
        let mut made = Vec::with_capacity(services.len());
        let home = Home {
            node: name,
            project: &project,
        };
        for ((compiled, joins), (_, key)) in services.iter().zip(&joined).zip(&keys) {
            made.extend(self.service(compiled, joins, key.clone(), home, &rename, scope));
        }
        if made.len() < services.len() {
            return None;
        }
        let mut networks = Vec::with_capacity(compiled.networks.len());
        for private in &compiled.networks {
            networks.extend(self.private(private, &project, &made, scope)?);
        }
        let volumes = self.conformed(volumes?, "volumes", "volumes", Some(&compiled.volumes_written));
        let extensions = self.map(&compiled.extensions, scope)?;
        Some(Node {
            name: name.clone(),
            role: role.name.value.clone(),
            index: 1,
            dimensions: indexmap::IndexMap::new(),
            project,
            networks,
            shared: compiled.shared.clone(),
            services: made,
            configs: configs?,
            volumes,
            volumes_written: compiled.volumes_written.clone(),
            beside: compiled.role.beside.clone(),
            left_out: compiled.role.left_out.clone(),
            changes: Vec::new(),
            extensions,
        })
    }

    fn map(&mut self, pattern: &Pattern, scope: &Scope) -> Option<Arc<Map>> {
        Some(map_of(self.evaluate(pattern, scope)?))
    }

    /// A private network of a node without its subnet; `None` if no service of the node joins it.
    fn private(
        &mut self,
        private: &Private,
        project: &ProjectName,
        services: &[Service],
        scope: &Scope,
    ) -> Option<Option<Network>> {
        if !services.iter().any(|s| s.joins(&private.key)) {
            return Some(None);
        }
        let options = self.evaluate(&private.options, scope)?;
        let path = format!("networks.{}", private.key);
        let options = self.conformed(options, "networks.*", &path, Some(&private.written));
        let name = own_name(&options).unwrap_or_else(|| format!("{project}_{}", private.key));
        Some(Some(Network {
            key: private.key.clone(),
            name: self.name::<NetworkName>(&name, private.span)?,
            subnet: None,
            external: false,
            link: None,
            options: without(&options, &["name", "external"]),
            written: private.written.clone(),
        }))
    }

    fn service(
        &mut self,
        compiled: &Compiled<'_>,
        joins: &[Join],
        key: ServiceKey,
        Home { node, project }: Home<'_>,
        rename: &dyn Fn(&str) -> Option<Arc<str>>,
        scope: &Scope,
    ) -> Option<Service> {
        let name = &compiled.service.name;
        let mut attachments = Vec::with_capacity(joins.len());
        let qualified = key.as_str() != name.value.as_str();
        for join in joins {
            attachments.push(self.attachment(join, name, qualified, node, scope)?);
        }
        let definition = match &compiled.constant {
            Some(map) => map.clone(),
            None => Arc::new(self.definition(compiled, rename, scope)?),
        };
        let shared = attachments.iter().any(|a| a.shared);
        let replicas = self.replicas(compiled.service, &definition)?;
        let (container, span) = match &compiled.container {
            Some((pattern, span)) => (self.evaluate(pattern, scope)?.scalar().unwrap_or_default(), *span),
            None => {
                // The project has the name of the node. A key that begins with it need not repeat it.
                (format!("{project}-{}-1", name.value), name.span)
            }
        };
        let service = Service {
            name: name.value.clone(),
            key,
            container: self.name::<ContainerName>(&container, span)?,
            container_named: shared || compiled.container.is_some(),
            replicas: replicas.unwrap_or(1),
            attachments,
            definition,
            written: compiled.written.clone(),
        };
        // Whoever has too many ports has no budget left, which is said of the role.
        let ports = ports_of(&service.definition).saturating_mul(PORT);
        let _ = self.sources.budget().spend(ports);
        self.can_be_as_many(compiled, &service);
        Some(service)
    }

    fn definition(
        &mut self,
        compiled: &Compiled<'_>,
        rename: &dyn Fn(&str) -> Option<Arc<str>>,
        scope: &Scope,
    ) -> Option<Map> {
        let mut map = Map::with_capacity(compiled.keys.len());
        let found = self.problems.len();
        let row = table::at("services.*");
        for (key, pattern) in &compiled.keys {
            // The other keys are evaluated even after a problem, since they may have problems too.
            let mut value = self.evaluate(pattern, scope).unwrap_or(Value::Null);
            if references::may_refer(key) {
                value = references::renamed(key, &value, rename);
            }
            if !matches!(pattern, Pattern::Const(_)) {
                let service = format!("services.{}.", compiled.service.name.value);
                let place = |path: &str| compiled.written.place(&path[service.len()..]);
                let path = format!("{service}{key}");
                value = self.cast(value, row.and_then(|row| row.key(key)), &path, &place);
            }
            map.insert(key.clone(), without_repetition(key, value, self.sources.budget()));
        }
        (self.problems.len() == found).then_some(map)
    }

    fn attachment(
        &mut self,
        join: &Join,
        service: &Spanned<ServiceName>,
        qualified: bool,
        node: &NodeName,
        scope: &Scope,
    ) -> Option<Attachment> {
        let mut aliases: Vec<Alias> = Vec::with_capacity(join.aliases.len() + 1);
        // If the key has a prefix, the short name of the service becomes an alias where no other node claims it.
        if qualified && join.own_name {
            aliases.push(self.name(service.value.as_str(), service.span)?);
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
        let options = self.evaluate(&join.options, scope)?;
        let path = format!("services.{}.networks.{}", service.value, join.network);
        let place = |_: &str| Some(join.span);
        let options = self.cast(options, table::at("services.*.networks.*"), &path, &place);
        let options = map_of(options);
        Some(Attachment {
            network: join.network.clone(),
            shared: join.shared,
            aliases,
            options,
        })
    }
}

/// The map that `value` is; none where it is something else.
pub(super) fn map_of(value: Value) -> Arc<Map> {
    match value {
        Value::Map(map) => map,
        _ => Arc::default(),
    }
}

/// The `value` of `key` in which no item stands twice. If the `budget` does not suffice to look, the expansion ends later.
fn without_repetition(key: &str, value: Value, budget: &Budget) -> Value {
    match (key, &value) {
        ("ports", Value::List(items)) => {
            let count: usize = items
                .iter()
                .filter_map(|p| ports::read(p).ok())
                .map(|p| p.count())
                .sum();
            match budget.spend(count.saturating_mul(PORT)) {
                Ok(()) => ports::each_once(items).map_or(value.clone(), Value::from),
                Err(_) => value,
            }
        }
        _ => value,
    }
}

/// How many ports a service of this `definition` opens, published and not. What is no port counts as none.
fn ports_of(definition: &Map) -> usize {
    let list = |key: &str| definition.get(key).and_then(Value::as_list).unwrap_or_default();
    let published = list("ports").iter().filter_map(|p| ports::read(p).ok());
    let exposed = list("expose").iter().filter_map(Value::scalar);
    let exposed = exposed.filter_map(|p| ports::exposed(&p).ok());
    published.chain(exposed).map(|port| port.count()).sum()
}

/// What each of `services` says of its networks, which no template does; `None` of one that says nothing.
fn said(services: &[blueprint::Service]) -> Vec<Option<Vec<NetworkKey>>> {
    let each = services.iter().map(|service| {
        let networks = service.networks.as_ref().filter(|_| service.network_mode.is_none())?;
        Some(
            networks
                .iter()
                .filter_map(|n| Some(n.network.key()?.value.clone()))
                .collect(),
        )
    });
    each.collect()
}

/// The `aliases` of a service on a network, where it has any.
fn aliases(network: &blueprint::ServiceNetwork) -> Vec<Entry> {
    let list = network.aliases.first().map(|first| Entry {
        key: "aliases".to_owned(),
        key_span: first.span,
        node: crate::yaml::Node {
            value: Yaml::List(network.aliases.clone()),
            span: first.span,
            tag: None,
        },
    });
    list.into_iter().collect()
}

/// The places of all that `service` says, including its networks.
fn written(service: &blueprint::Service) -> Written {
    let mut entries = service.keys.clone();
    let networks = service.networks.iter().flatten().map(|n| Entry {
        // A template is no place of its own: each node has other networks by it.
        key: n.network.key().map(|k| k.value.to_string()).unwrap_or_default(),
        key_span: n.network.span(),
        node: crate::yaml::Node {
            value: Yaml::Map([n.options.clone(), aliases(n)].concat()),
            span: n.network.span(),
            tag: None,
        },
    });
    entries.push(Entry {
        key: "networks".to_owned(),
        key_span: service.name.span,
        node: crate::yaml::Node {
            value: Yaml::Map(networks.collect()),
            span: service.name.span,
            tag: None,
        },
    });
    Written::new(entries, service.name.span)
}
