//! Expands a [`Blueprint`] into a [`Topology`]: purely, deterministically, and as the only place that makes names.

mod counts;
mod isolate;
mod kinds;
mod links;
mod pools;
mod ports;
mod promises;
mod role;
mod subnets;
mod volumes;

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, Serde};
use minijinja::{Value as Scope, context};
use serde::Serialize;

use super::address::{AddressError, Layout};
use super::extent::Extent;
use super::outside::Outside;
use super::written::Written;
use super::{Network, RoleOrder, Topology};
use crate::blueprint::{Addresses, Blueprint, INOUT, Inputs, Lint, Role, interpolate};
use crate::diagnostic::{FileId, Problem, Problems, Sources, Span};
use crate::name::{ClusterName, NameError, NetworkKey, NetworkName, NodeName, RoleName};
use crate::template::{Pattern, RoleNodes, Templates, Texts, Variables};
use crate::value::{Map, Value};
use crate::yaml::{Entry, Yaml};

/// The most ports that a Linux bridge has (moby#44973).
pub const BRIDGE_PORTS: usize = 1023;

/// What the command line overrides in the blueprint.
#[derive(Debug, Default, Clone)]
pub struct Overrides {
    /// `--name`: the name of the cluster; `None` leaves it to the blueprint.
    pub name: Option<ClusterName>,
    /// `--slaves`: the count of the only role that has one; `None` leaves it to the blueprint.
    pub slaves: Option<u32>,
    /// `--scale ROLE=N`, `--scale ROLE.DIMENSION=N`: counts by the names of roles, and of dimensions.
    pub scale: Vec<(String, u32)>,
    /// `--set KEY=VALUE`: variables that replace those of the blueprint.
    pub set: Vec<(String, String)>,
}

/// Reads the blueprint in `file` of `sources`, and expands it.
///
/// # Errors
/// All problems at once. Templates are checked even if the blueprint around them has other problems.
pub fn read(
    file: FileId,
    sources: &mut Sources,
    interpolated: &mut interpolate::Variables<'_>,
    inputs: &Inputs<'_>,
    overrides: &Overrides,
    variables: &Variables,
) -> Result<Topology, Problems> {
    let (blueprint, mut problems) = Blueprint::read_as_far(file, sources, interpolated, inputs);
    let Some(blueprint) = blueprint else {
        return Err(problems);
    };
    match expand(&blueprint, overrides, variables, sources) {
        Ok(topology) if problems.are_of_compose() => Ok(Topology {
            mistakes: problems,
            ..topology
        }),
        Ok(_) => Err(problems),
        // What was wrong in Compose's words was left out: nothing else follows from it.
        Err(more) if problems.are_of_compose() => {
            problems.extend(more);
            Err(problems)
        }
        Err(more) => {
            problems.extend_by_themselves(more);
            Err(problems)
        }
    }
}

/// Expands `blueprint`.
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
    let counts = counts::counts(blueprint, overrides, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let texts = Texts::default();
    let mut expansion = Expansion {
        blueprint,
        sources,
        templates: Templates::new(variables.clone(), &texts, sources.budget().clone()),
        problems,
        layout: None,
        cluster,
        shared: Vec::new(),
        links: links::Links::default(),
        joined: HashMap::new(),
        vars: Vec::new(),
        set: Vec::new(),
    };
    let topology = expansion.run(&counts, overrides);
    if expansion.problems.is_empty() && sources.budget().is_spent() {
        expansion.problems.push(sources.budget().problem(Span::default()));
    }
    match topology {
        Some(topology) if expansion.problems.is_empty() => Ok(topology),
        _ => Err(expansion.problems),
    }
}

/// A node as templates see it.
#[derive(Serialize)]
struct View<'a> {
    name: &'a str,
    role: &'a str,
    project: String,
    index: u32,
    ordinal: u32,
    entry: Option<&'a str>,
    services: Vec<&'a str>,
}

/// The same of a role whose count has dimensions.
#[derive(Serialize)]
struct ViewWithDimensions<'a> {
    #[serde(flatten)]
    view: View<'a>,
    #[serde(flatten)]
    dimensions: IndexMap<&'a str, u32>,
}

/// What the nodes of a role are made from.
struct RoleInput<'a> {
    role: &'a Role,
    /// How many nodes it has.
    extent: &'a Extent,
    /// The names of its nodes, in the order of their indices.
    names: &'a [NodeName],
    /// The same nodes as templates see them, in the same order.
    views: &'a [Scope],
    /// The networks that it shares: key and name.
    shared: Vec<(NetworkKey, NetworkName)>,
    /// The top-level `vars:` of the blueprint.
    vars: &'a [(Arc<str>, Pattern)],
}

struct Expansion<'a> {
    blueprint: &'a Blueprint,
    sources: &'a Sources,
    templates: Templates<'a>,
    problems: Problems,
    layout: Option<Layout>,
    cluster: ClusterName,
    /// The networks that nodes share, without the one that all nodes share.
    shared: Vec<Network>,
    /// The networks that the blueprint declares for the whole cluster.
    links: links::Links,
    /// How many nodes join each shared network of a role.
    joined: HashMap<NetworkName, usize>,
    /// The top-level `vars:` of the blueprint.
    vars: Vec<(Arc<str>, Pattern)>,
    /// The values of `--set`, which may be templates.
    set: Vec<(Arc<str>, Pattern)>,
}

impl Expansion<'_> {
    fn run(&mut self, counts: &[Extent], overrides: &Overrides) -> Option<Topology> {
        self.templates.set_global("cluster", Scope::from(self.cluster.as_str()));
        self.layout = self.layout();
        self.set_vars(overrides);
        let vars = compile_vars(
            &self.blueprint.vars,
            &mut self.templates,
            self.sources,
            &mut self.problems,
        );
        self.vars.clone_from(&vars);
        let names: Vec<Vec<NodeName>> = self
            .blueprint
            .roles
            .iter()
            .zip(counts)
            .map(|(role, extent)| self.node_names(role, extent, &vars))
            .collect();
        self.distinct_names(&names);
        if !self.problems.is_empty() {
            return None;
        }
        let views = self.views(&names, counts);
        let inout = self.inout();
        self.declare_links();
        let mut shared = self.shared_by_role(&names).into_iter();
        let mut nodes = Vec::with_capacity(names.iter().map(Vec::len).sum());
        let of_roles = self.blueprint.roles.iter().zip(counts);
        for ((role, extent), (names, views)) in of_roles.zip(names.iter().zip(&views)) {
            nodes.extend(self.role(&RoleInput {
                role,
                extent,
                names,
                views,
                shared: shared.next().unwrap_or_default(),
                vars: &vars,
            }));
        }
        self.add_links(&mut nodes);
        let volumes = self.volumes(&nodes);
        self.isolate(&mut nodes);
        self.give_subnets(&mut nodes, counts);
        self.move_addresses(&mut nodes);
        let mut notes = self.blueprint.notes.clone();
        notes.extend(isolate::notes(&self.blueprint.roles, &nodes));
        let places = self
            .shared
            .iter()
            .enumerate()
            .map(|(at, n)| (n.name.clone(), at))
            .collect();
        let topology = Topology {
            cluster: self.cluster.clone(),
            places,
            roles: self.blueprint.roles.iter().map(|r| r.name.value.clone()).collect(),
            order: self.order(),
            inout: inout?,
            shared: std::mem::take(&mut self.shared),
            volumes,
            nodes,
            layout: self.layout,
            allowed: self.allowed(),
            notes,
            outside: Outside::default(),
            mistakes: Problems::default(),
        };
        // The checks between nodes also run if some nodes could not be expanded, since a conflict among the others
        // stands anyway. They are skipped if a Compose file is missing, because it might have resolved the conflict.
        if self.blueprint.roles.iter().all(|r| r.whole) {
            self.networks_have_one_owner(&topology);
            self.names_have_one_owner(&topology);
            self.host_ports_have_one_owner(&topology);
            self.pools_fit(&topology);
            self.subnets_are_disjoint(&topology);
            self.shared_network_has_room(&topology);
        }
        Some(topology)
    }

    fn order(&self) -> Vec<RoleOrder> {
        let roles = self.blueprint.roles.iter();
        let order = roles.flat_map(|role| {
            role.after.iter().map(|(after, condition)| RoleOrder {
                role: role.name.value.clone(),
                after: after.value.clone(),
                condition: *condition,
            })
        });
        order.collect()
    }

    /// The lints that the blueprint silences, with the role that silences them; `None` for all roles.
    fn allowed(&self) -> Vec<(Lint, Option<RoleName>)> {
        let everywhere = self.blueprint.allow.iter().map(|lint| (*lint, None));
        let roles = self.blueprint.roles.iter();
        let in_roles = roles.flat_map(|r| r.allow.iter().map(|lint| (*lint, Some(r.name.value.clone()))));
        everywhere.chain(in_roles).collect()
    }

    fn layout(&mut self) -> Option<Layout> {
        let Addresses::Pool(pool, span) = self.blueprint.addresses else {
            return None;
        };
        match Layout::new(pool, self.cluster.as_str()) {
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

    /// Applies `--set`, which overrides the variables of the blueprint and its roles.
    fn set_vars(&mut self, overrides: &Overrides) {
        let declared = |key: &str| {
            let roles = self.blueprint.roles.iter();
            let in_roles = roles.flat_map(|r| r.vars.iter().chain(r.overrides.iter().flat_map(|o| &o.vars)));
            self.blueprint.vars.iter().chain(in_roles).any(|v| v.key == key)
        };
        for (key, text) in &overrides.set {
            if !declared(key) {
                let names = self.blueprint.vars.iter().map(|v| v.key.as_str());
                self.problems.push(
                    Problem::usage(format!("`--set {key}=…`: no variable `{key}` in the blueprint"))
                        .did_you_mean(key, names),
                );
            }
            let value = Value::from_exact(text);
            self.set.push((key.as_str().into(), Pattern::Const(value)));
        }
    }

    /// The variables that have the same value for every node.
    fn constant_vars(&mut self, own: &[(Arc<str>, Pattern)], vars: &[(Arc<str>, Pattern)]) -> Scope {
        let constant = |list: &[(Arc<str>, Pattern)]| -> Vec<(Arc<str>, Pattern)> {
            let constant = list.iter().filter(|(_, p)| matches!(p, Pattern::Const(_)));
            constant.cloned().collect()
        };
        let (vars, own) = (constant(vars), constant(own));
        self.scope_vars(&vars, &own, &Scope::UNDEFINED)
    }

    fn node_names(&mut self, role: &Role, extent: &Extent, vars: &[(Arc<str>, Pattern)]) -> Vec<NodeName> {
        let name = role.name.value.as_str();
        let Some(template) = &role.node else {
            let named = |at: Vec<u32>| self.name(&format!("{name}{}", extent.suffix(&at)), role.name.span);
            return extent.positions().map_while(named).collect();
        };
        let pattern = self.templates.compile(template, self.sources, &mut self.problems);
        let own = compile_vars(&role.vars, &mut self.templates, self.sources, &mut self.problems);
        let vars = self.constant_vars(&own, vars);
        let mut names = Vec::new();
        for (index, position) in (1u32..).zip(extent.positions()) {
            let dimensions = extent
                .names()
                .map(|n| n.to_string())
                .zip(position.into_iter().map(Scope::from));
            let own = [
                ("index", Scope::from(index)),
                ("ordinal", Scope::from(index - 1)),
                ("role", Scope::from(name)),
            ];
            let own = own
                .into_iter()
                .chain([("vars", vars.clone())])
                .map(|(key, value)| (key.to_owned(), value));
            let scope = Scope::from_pairs(own.chain(dimensions));
            let Some(text) = self.evaluate(&pattern, &scope) else {
                break;
            };
            let text = text.scalar().unwrap_or_default();
            match self.name::<NodeName>(&text, template.span) {
                Some(name) if names.len() < 64 && names.contains(&name) => {
                    let hint = match extent.names().map(|n| format!("-{{{{ {n} }}}}")).collect::<String>() {
                        none if none.is_empty() => "let the name hold the index: node: \"w-{{ index }}\"".to_owned(),
                        all => format!("let the name hold all of its indices: node: \"w{all}\""),
                    };
                    self.problems.push(
                        Problem::at(template.span, format!("`node` gives two nodes the name `{name}`")).hint(hint),
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

    /// The nodes as templates see them, by role. Templates get them as `nodes` and `role()` too.
    fn views(&mut self, names: &[Vec<NodeName>], extents: &[Extent]) -> Vec<Vec<Scope>> {
        let roles = || self.blueprint.roles.iter().zip(extents);
        let views: Vec<Vec<Scope>> = roles()
            .zip(names)
            .map(|((role, extent), names)| {
                let view = |((ordinal, name), position): ((usize, &NodeName), Vec<u32>)| {
                    let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
                    let view = View {
                        name: name.as_str(),
                        role: role.name.value.as_str(),
                        project: format!("{}{name}", self.cluster.prefix()),
                        index: ordinal + 1,
                        ordinal,
                        entry: role.entry.first().map(|e| e.service.value.as_str()),
                        services: role.services.iter().map(|s| s.name.value.as_str()).collect(),
                    };
                    let dimensions: IndexMap<&str, u32> = extent.names().map(|n| &**n).zip(position).collect();
                    match dimensions.is_empty() {
                        true => Scope::from(Serde(view)),
                        false => Scope::from(Serde(ViewWithDimensions { view, dimensions })),
                    }
                };
                names.iter().enumerate().zip(extent.positions()).map(view).collect()
            })
            .collect();
        let of_role = roles().zip(&views).map(|((role, extent), views)| RoleNodes {
            name: role.name.value.to_string(),
            dimensions: extent.names().cloned().collect(),
            nodes: views.clone(),
        });
        self.templates.set_roles(of_role.collect());
        let all: Vec<Scope> = views.iter().flatten().cloned().collect();
        self.templates.set_global("nodes", Scope::from(all));
        views
    }

    fn inout(&mut self) -> Option<Network> {
        let options = self.network_options(self.blueprint.inout.as_ref());
        let span = self.blueprint.inout.as_ref().map_or_else(Span::default, |n| n.span);
        let name = own_name(&options).unwrap_or_else(|| format!("{}{INOUT}", self.cluster.prefix()));
        let external = is_external(&options);
        let subnet = match self.layout {
            Some(layout) if !external && !options.contains_key("ipam") => Some(layout.shared()),
            _ => None,
        };
        Some(Network {
            key: self.name::<NetworkKey>(INOUT, span)?,
            name: self.name::<NetworkName>(&name, span)?,
            subnet,
            external,
            link: None,
            options: without(&options, &["name", "external"]),
            written: self.blueprint.inout.as_ref().map(written_node).unwrap_or_default(),
        })
    }

    fn network_options(&mut self, node: Option<&crate::yaml::Node>) -> Arc<Map> {
        let Some(node) = node else {
            return Arc::default();
        };
        let pattern = self.templates.compile(node, self.sources, &mut self.problems);
        let vars = self.cluster_vars();
        match self.evaluate(&pattern, &context! { vars }) {
            Some(value) => self.conformed(value, "networks.*", "networks", Some(&written_node(node))),
            None => Arc::default(),
        }
    }

    /// The variables of the top level that hold no node's values, for what belongs to no node.
    fn cluster_vars(&mut self) -> Scope {
        let vars = self.vars.clone();
        self.constant_vars(&[], &vars)
    }

    /// The values of `vars` for one node. Each variable may use those before it.
    fn scope_vars(&mut self, top: &[(Arc<str>, Pattern)], own: &[(Arc<str>, Pattern)], node: &Scope) -> Scope {
        let vars = Arc::new(GrowingVars::default());
        let scope = context! { node, vars => Scope::from_dyn_object(vars.clone()) };
        let set = self.set.clone();
        for (name, pattern) in top.iter().chain(own).chain(&set) {
            if let Some(value) = self.evaluate(pattern, &scope) {
                vars.insert(name.clone(), Scope::from(Serde(&value)));
            }
        }
        vars.finished()
    }

    fn evaluate(&mut self, pattern: &Pattern, scope: &Scope) -> Option<Value> {
        self.templates
            .evaluate(pattern, scope, self.sources, &mut self.problems)
    }
}

/// The variables of a node so far, while the next is evaluated.
#[derive(Debug, Default)]
struct GrowingVars(Mutex<BTreeMap<Arc<str>, Scope>>);

impl GrowingVars {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Scope>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, name: Arc<str>, value: Scope) {
        self.lock().insert(name, value);
    }

    /// All of them, once there are no more.
    fn finished(&self) -> Scope {
        let vars = self.lock();
        Scope::from_pairs(vars.iter().map(|(name, value)| (name.clone(), value.clone())))
    }
}

impl Object for GrowingVars {
    fn get_value(self: &Arc<Self>, key: &Scope) -> Option<Scope> {
        self.lock().get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.lock().keys().map(|name| Scope::from(name.clone())).collect())
    }
}

fn compile_vars(
    vars: &[Entry],
    templates: &mut Templates<'_>,
    sources: &Sources,
    problems: &mut Problems,
) -> Vec<(Arc<str>, Pattern)> {
    vars.iter()
        .map(|v| (v.key.as_str().into(), templates.compile(&v.node, sources, problems)))
        .collect()
}

/// The place in the source where the options of a network were written.
fn written_node(node: &crate::yaml::Node) -> Written {
    match &node.value {
        Yaml::Map(entries) => Written::new(entries.clone(), node.span),
        _ => Written::default(),
    }
}

/// The `name:` of a network, or the name in the older notation `external: {name: …}`.
fn own_name(options: &Map) -> Option<String> {
    let external = options.get("external").and_then(Value::as_map);
    options
        .get("name")
        .or_else(|| external?.get("name"))
        .and_then(Value::scalar)
}

fn is_external(options: &Map) -> bool {
    matches!(options.get("external"), Some(Value::Bool(true) | Value::Map(_)))
}

fn without(map: &Arc<Map>, keys: &[&str]) -> Arc<Map> {
    if keys.iter().any(|k| map.contains_key(*k)) {
        let rest = map.iter().filter(|(k, _)| !keys.contains(&&***k));
        Arc::new(rest.map(|(k, v)| (k.clone(), v.clone())).collect())
    } else {
        map.clone()
    }
}
