//! Which networks the services of a node join, and by which names they are known there.

use std::borrow::Cow;
use std::collections::HashSet;

use minijinja::Value as Scope;

use super::super::Expansion;
use super::{Compiled, CompiledRole};
use crate::blueprint::{self, INOUT, INTERNAL, NetworkReference, Role};
use crate::diagnostic::{Problem, Span};
use crate::name::NetworkKey;
use crate::template::Pattern;
use crate::value::{Map, Value};

/// A network that a service joins.
#[derive(Clone)]
pub(super) struct Join {
    pub(super) network: NetworkKey,
    pub(super) shared: bool,
    /// Whether the service's own name is a name there: not where two nodes would claim it.
    pub(super) own_name: bool,
    /// The aliases on that network, each with its place.
    pub(super) aliases: Vec<(Pattern, Span)>,
    /// The place that makes the node's name an alias there; `None` if it is none.
    pub(super) node_name: Option<Span>,
    /// Whether the service is an entry of its node on that network.
    pub(super) entry: bool,
    pub(super) options: Pattern,
    /// Where they are written.
    pub(super) span: Span,
}

/// What a service says of the networks that it joins.
pub(super) struct Joining {
    /// The items of its `networks`; `None` where it has none, and joins the private network.
    said: Option<Vec<Said>>,
    /// Whether one of them is a template, so that each node may join others.
    templated: bool,
    /// Whether it joins the private network although it does not say so. Not known of a role with templates here.
    at_home: bool,
    /// Its names on `inout` and the place that makes it an entry; `None` if it is none.
    entry: Option<(Vec<(Pattern, Span)>, Span)>,
    exit: bool,
    /// Whether it joins none at all, since it has a `network_mode`.
    off: bool,
    span: Span,
    /// What it joins in every node; `None` if a template says.
    fixed: Option<Vec<Join>>,
}

/// An item of a service's `networks`.
struct Said {
    network: Place,
    span: Span,
    aliases: Vec<(Pattern, Span)>,
    options: Pattern,
}

/// Where such an item leads.
enum Place {
    Key(NetworkKey),
    Template(Pattern),
}

impl Joining {
    /// Whether the service is an entry of its node.
    pub(super) fn is_entry(&self) -> bool {
        self.entry.is_some()
    }
}

impl Expansion<'_> {
    /// What `service` says of networks. `at_home` is whether it joins the private network although it does not say so.
    pub(super) fn joining(&mut self, role: &CompiledRole<'_>, service: &blueprint::Service, at_home: bool) -> Joining {
        let entry = role.role.entry.iter().find(|e| e.service.value == service.name.value);
        let entry = entry.map(|entry| (self.aliases(&entry.aliases), entry.service.span));
        let mut joining = Joining {
            said: None,
            templated: false,
            at_home,
            entry,
            exit: role.role.exit.iter().any(|e| e.value == service.name.value),
            off: service.network_mode.is_some(),
            span: service.name.span,
            fixed: None,
        };
        joining.said = service.networks.as_ref().map(|networks| {
            let said = networks.iter().map(|network| Said {
                network: match &network.network {
                    NetworkReference::Key(key) => Place::Key(key.value.clone()),
                    NetworkReference::Template(node) => {
                        Place::Template(self.templates.compile(node, self.sources, &mut self.problems))
                    }
                },
                span: network.network.span(),
                aliases: self.aliases(&network.aliases),
                options: self.options(&network.options, network.network.span()),
            });
            said.collect()
        });
        let said = joining.said.iter().flatten();
        joining.templated = said.into_iter().any(|s| matches!(s.network, Place::Template(_)));
        if !joining.templated {
            joining.fixed = self.joins(role, &joining, None, joining.at_home);
            if let Some(joins) = &mut joining.fixed {
                Self::named_inside(role, service, joins);
            }
        }
        joining
    }

    /// The networks that each of `services` joins in the node that `scope` is of.
    pub(super) fn joined<'c>(
        &mut self,
        role: &CompiledRole<'_>,
        services: &'c [Compiled<'_>],
        scope: &Scope,
    ) -> Option<Vec<Cow<'c, [Join]>>> {
        if !services.iter().any(|s| s.joining.templated) {
            let fixed = services.iter().map(|s| s.joining.fixed.as_deref().map(Cow::Borrowed));
            return self.named_on_links(role, services, fixed.collect::<Option<_>>()?);
        }
        let found = self.problems.len();
        // What each says decides whether others must meet it at home.
        let said: Vec<Vec<Join>> = services
            .iter()
            .map(|s| self.joins(role, &s.joining, Some(scope), false).unwrap_or_default())
            .collect();
        if self.problems.len() > found {
            return None;
        }
        let keys = |(service, joins): (&Compiled<'_>, &Vec<Join>)| {
            let said = service.joining.said.is_some() && !service.joining.off;
            said.then(|| joins.iter().map(|j| j.network.clone()).collect())
        };
        let keys: Vec<Option<Vec<NetworkKey>>> = services.iter().zip(&said).map(keys).collect();
        let homes = self.homes(role, &keys);
        let mut joined = Vec::with_capacity(services.len());
        for (service, at_home) in services.iter().zip(homes) {
            let mut joins = self.joins(role, &service.joining, Some(scope), at_home)?;
            Self::named_inside(role, service.service, &mut joins);
            joined.push(Cow::Owned(joins));
        }
        self.named_on_links(role, services, joined)
    }

    /// Gives the node's name, on networks of the cluster, to one service: the entry that has it on `inout`, or where the role
    /// has no entry the only one of the node that is on any. So it leads to one container, whoever asks.
    fn named_on_links<'c>(
        &self,
        role: &CompiledRole<'_>,
        services: &[Compiled<'_>],
        mut joined: Vec<Cow<'c, [Join]>>,
    ) -> Option<Vec<Cow<'c, [Join]>>> {
        let on_links = |joins: &[Join]| joins.iter().any(|j| self.is_link(role.role, &j.network));
        let mut linked = (0..services.len()).filter(|at| on_links(&joined[*at]));
        let named = |at: &usize| {
            services[*at]
                .joining
                .entry
                .as_ref()
                .is_some_and(|(aliases, _)| aliases.is_empty())
        };
        let bearer = match role.role.entry.is_empty() {
            false => linked.find(named),
            true => linked.next().filter(|_| linked.next().is_none()),
        };
        if let Some(at) = bearer {
            let span = services[at].joining.span;
            for join in joined[at].to_mut() {
                if self.is_link(role.role, &join.network) {
                    join.node_name = Some(span);
                }
            }
        }
        Some(joined)
    }

    /// The networks that a service joins: those it names, else the private one. Entries and exits join the shared one too.
    /// `at_home` is whether it joins the private network although it does not say so.
    fn joins(
        &mut self,
        role: &CompiledRole<'_>,
        joining: &Joining,
        scope: Option<&Scope>,
        at_home: bool,
    ) -> Option<Vec<Join>> {
        if joining.off {
            return Some(Vec::new());
        }
        let mut joins: Vec<Join> = Vec::new();
        match &joining.said {
            None => joins.push(self.bare(INTERNAL, false, joining.span)?),
            Some(said) => {
                for item in said {
                    for network in self.keys(role, item, scope)? {
                        if joins.iter().any(|j| j.network == network) {
                            self.problems.push(
                                Problem::at(item.span, format!("network `{network}` named twice"))
                                    .hint("a service joins a network once: keep one of the two"),
                            );
                            return None;
                        }
                        joins.push(Join {
                            shared: self.is_shared(role.role, &network),
                            own_name: self.is_own(role, &network),
                            network,
                            aliases: item.aliases.clone(),
                            node_name: None,
                            entry: false,
                            options: item.options.clone(),
                            span: item.span,
                        });
                    }
                }
            }
        }
        if at_home && !joins.iter().any(|j| j.network.as_str() == INTERNAL) {
            joins.push(self.bare(INTERNAL, false, joining.span)?);
        }
        if joining.entry.is_none() && !joining.exit {
            return Some(joins);
        }
        if !joins.iter().any(|j| j.network.as_str() == INOUT) {
            joins.push(self.bare(INOUT, true, joining.span)?);
        }
        if let (Some((aliases, span)), Some(join)) =
            (&joining.entry, joins.iter_mut().find(|j| j.network.as_str() == INOUT))
        {
            if aliases.is_empty() {
                join.node_name = Some(*span);
            }
            join.entry = true;
            join.aliases.extend(aliases.iter().cloned());
        }
        Some(joins)
    }

    fn bare(&mut self, key: &str, shared: bool, span: Span) -> Option<Join> {
        Some(Join {
            network: self.name(key, span)?,
            shared,
            own_name: !shared,
            aliases: Vec::new(),
            node_name: None,
            entry: false,
            options: Pattern::Const(Value::from(Map::new())),
            span,
        })
    }

    /// The keys that `item` means, each of a network that there is.
    fn keys(&mut self, role: &CompiledRole<'_>, item: &Said, scope: Option<&Scope>) -> Option<Vec<NetworkKey>> {
        let pattern = match (&item.network, scope) {
            (Place::Key(key), _) => {
                // How many there are of several networks of the cluster is known only now; of others it was checked before.
                let key = key.clone();
                if self.blueprint.networks.iter().any(|n| n.may_be(key.as_str())) {
                    self.is_known(role, &key, item.span);
                }
                return Some(vec![key]);
            }
            (Place::Template(_), None) => return Some(Vec::new()),
            (Place::Template(pattern), Some(scope)) => (pattern, scope),
        };
        let text = self.evaluate(pattern.0, pattern.1)?.scalar().unwrap_or_default();
        let mut keys = Vec::new();
        for word in text
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|w| !w.is_empty())
        {
            let word = if word == blueprint::DEFAULT_NETWORK {
                INTERNAL
            } else {
                word
            };
            let key = self.name::<NetworkKey>(word, item.span)?;
            if !self.is_known(role, &key, item.span) {
                return None;
            }
            keys.push(key);
        }
        Some(keys)
    }

    /// Whether services of `role` know a network as `key`; if not, that is reported.
    fn is_known(&mut self, role: &CompiledRole<'_>, key: &NetworkKey, span: Span) -> bool {
        let own = || role.role.networks.iter().map(|n| n.key.value.as_str());
        let word = key.as_str();
        if [INTERNAL, INOUT].contains(&word) || own().any(|n| n == word) || self.links.have(key) {
            return true;
        }
        let several = self.blueprint.networks.iter().find(|n| n.may_be(word));
        if several.is_some() && self.links.incomplete {
            return false;
        }
        let problem = Problem::at(span, format!("unknown network `{key}`"));
        self.problems.push(match several {
            Some(several) => {
                let of_it = |name: &&str| several.may_be(name);
                let mut all: Vec<&str> = self.links.keys().filter(of_it).collect();
                all.sort_by_cached_key(|name| crate::text::natural(name));
                problem.label(match all.as_slice() {
                    [] => format!("`{}` has a count of none", several.key.value),
                    [one] => format!("`{}` has one: `{one}`", several.key.value),
                    [first, .., last] => format!("`{}` has {}: `{first}` to `{last}`", several.key.value, all.len()),
                })
            }
            None => {
                let single = self.blueprint.networks.iter().filter(|n| n.count.is_none());
                let known: HashSet<&str> = [INTERNAL, INOUT]
                    .into_iter()
                    .chain(own())
                    .chain(single.map(|n| n.key.value.as_str()))
                    .collect();
                let mut known: Vec<&str> = known.into_iter().collect();
                known.sort_unstable();
                problem.did_you_mean(word, known)
            }
        });
        false
    }

    /// Whether `key` is a network of the cluster for services of `role`.
    pub(in super::super) fn is_link(&self, role: &Role, key: &NetworkKey) -> bool {
        self.links.have(key) && !role.networks.iter().any(|n| n.key.value == *key)
    }

    /// Whether the network that services of `role` know as `key` is shared with other nodes.
    fn is_shared(&self, role: &Role, key: &NetworkKey) -> bool {
        key.as_str() == INOUT
            || role.networks.iter().any(|n| n.shared && n.key.value == *key)
            || self.is_link(role, key)
    }

    fn aliases(&mut self, nodes: &[crate::yaml::Node]) -> Vec<(Pattern, Span)> {
        nodes
            .iter()
            .map(|n| (self.templates.compile(n, self.sources, &mut self.problems), n.span))
            .collect()
    }
}
