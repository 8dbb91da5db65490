//! Checks the promises that every topology keeps, see the README.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use ipnet::IpNet;

use super::super::address::{AddressError, Layout, WIDEST};
use super::super::{Attachment, Network, Node, Service, Topology};
use super::Expansion;
use crate::blueprint::{self, Addresses, INOUT};
use crate::diagnostic::{Problem, Span};
use crate::name::{Alias, NetworkKey};
use crate::value::Value;

/// The node and service that answers to each name, by network.
type Shared<'t> = HashMap<&'t str, HashMap<String, (&'t Node, &'t Service)>>;

impl Expansion<'_> {
    /// The service as it was written; for this node, if an override changes it.
    pub(super) fn written(&self, node: &Node, service: &Service) -> Option<&blueprint::Service> {
        let role = self.blueprint.role(node.role.as_str())?;
        let over = role.overrides.iter().find(|o| o.node.value == node.name.as_str());
        let services = over.map_or(&role.services, |o| &o.services);
        services.iter().find(|s| s.name.value == service.name)
    }

    /// The place where a service was written, for problems found in the topology.
    pub(super) fn place(&self, node: &Node, service: &Service) -> Span {
        self.written(node, service).map_or_else(Span::default, |s| s.name.span)
    }

    /// The place where the options of one of a node's networks were written.
    pub(super) fn network_place(&self, node: &Node, key: &NetworkKey) -> Option<Span> {
        let role = self.blueprint.role(node.role.as_str())?;
        if let Some(network) = role.networks.iter().find(|n| n.key.value == *key) {
            return Some(network.key.span);
        }
        let internal = role.internal.as_ref().or(self.blueprint.internal.as_ref());
        Some(internal.map_or(role.name.span, |n| n.span))
    }

    /// The place where a shared network other than `inout` was declared.
    fn shared_place(&self, network: &Network) -> Option<Span> {
        let of_cluster = self.blueprint.networks.iter().map(|n| &n.key);
        let of_roles = self.blueprint.roles.iter().flat_map(|r| &r.networks).map(|n| &n.key);
        match &network.link {
            Some(key) => of_cluster.filter(|k| k.value == *key).map(|k| k.span).next(),
            None => of_roles.filter(|k| k.value == network.key).map(|k| k.span).next(),
        }
    }

    /// Checks that each network has a name of its own in the engine.
    pub(super) fn networks_have_one_owner(&mut self, topology: &Topology) {
        let shared = topology.shared.iter().chain([&topology.inout]);
        let mut owners: HashMap<&str, Option<&Node>> = shared.map(|n| (n.name.as_str(), None)).collect();
        // A role may share a network under the name of the one that all nodes share. It would be created twice.
        let mut found = Vec::new();
        if let Some(network) = topology.shared.iter().find(|n| n.name == topology.inout.name) {
            let place = self.shared_place(network);
            found.push(
                Problem::at(
                    place.unwrap_or_default(),
                    format!("two networks are called `{}`", network.name),
                )
                .label(format!("so is the one that joins all nodes, `{INOUT}`"))
                .hint(format!(
                    "let the service join `{INOUT}`, or give this network another name"
                ))
                .by_itself(),
            );
        }
        for node in &topology.nodes {
            for network in &node.networks {
                let Some(other) = owners.insert(network.name.as_str(), Some(node)) else {
                    continue;
                };
                let place = self.network_place(node, &network.key).unwrap_or_default();
                let (label, hint) = match other {
                    Some(other) => (
                        format!("of `{}` and of `{}`", other.name, node.name),
                        "let the name hold the node's, \"{{ node.name }}-…\"; one without any template is shared",
                    ),
                    None => (
                        format!("of `{}` and of all that share it", node.name),
                        "give this network another name",
                    ),
                };
                found.push(
                    Problem::at(place, format!("two networks are called `{}`", network.name))
                        .label(label)
                        .hint(self.or_isolated(node, hint))
                        .by_itself(),
                );
            }
            if !found.is_empty() {
                break;
            }
        }
        found.into_iter().for_each(|problem| self.problems.push(problem));
    }

    /// Promises 1 to 3: inside a node and on a shared network, no name resolves to two containers.
    pub(super) fn names_have_one_owner(&mut self, topology: &Topology) {
        let mut found = Vec::new();
        let taken = self.containers_have_one_owner(topology, &mut found);
        let shared = self.shared_names(topology, &taken, &mut found);
        for node in &topology.nodes {
            self.names_inside(topology, node, &taken, &shared, &mut found);
            self.hostnames_inside(node, &mut found);
            if !found.is_empty() {
                break;
            }
        }
        for problem in found.into_iter().take(20) {
            self.problems.push(problem);
        }
    }

    /// The container names that two containers have, each reported in `found`.
    fn containers_have_one_owner<'t>(&self, topology: &'t Topology, found: &mut Vec<Problem>) -> HashSet<Cow<'t, str>> {
        let mut containers: HashMap<Cow<'_, str>, (&Node, &Service)> = HashMap::new();
        let mut taken = HashSet::new();
        let all = each(topology).flat_map(|(node, service)| containers_of(service).map(move |c| (c, node, service)));
        for (name, node, service) in all {
            let Some((other, of)) = containers.insert(name.clone(), (node, service)) else {
                continue;
            };
            if !taken.insert(name.clone()) {
                continue;
            }
            let place = self.written(node, service).and_then(|s| {
                let said = s.keys.iter().find(|e| e.key == "container_name");
                said.map(|e| e.node.span)
            });
            found.push(
                Problem::at(
                    place.unwrap_or_else(|| self.place(node, service)),
                    format!("two containers are called `{name}`"),
                )
                .label(format!(
                    "`{}` of `{}` and `{}` of `{}`",
                    of.name, other.name, service.name, node.name
                ))
                .hint(if other.name == node.name {
                    "call one of them otherwise".to_owned()
                } else if self.is_elsewhere(node, place) {
                    let hint = "leave it out in the role's service, `container_name: !reset`, or let it hold the node's name there: \
                                container_name: \"{{ node.name }}-…\"";
                    self.or_isolated(node, hint)
                } else {
                    self.or_isolated(node, "let the name hold the node's: container_name: \"{{ node.name }}-…\"")
                })
                .by_itself(),
            );
        }
        taken
    }

    /// Whether `place` is in another file than the role of `node`: in a Compose file, which has no templates to
    /// suggest.
    fn is_elsewhere(&self, node: &Node, place: Option<Span>) -> bool {
        let role = self.blueprint.role(node.role.as_str());
        place.is_some_and(|p| role.is_some_and(|r| r.name.span.file != p.file))
    }

    fn shared_names<'t>(
        &self,
        topology: &'t Topology,
        taken: &HashSet<Cow<'_, str>>,
        found: &mut Vec<Problem>,
    ) -> Shared<'t> {
        let mut shared: Shared<'t> = HashMap::new();
        let nodes: HashMap<&str, &Node> = topology.nodes.iter().map(|n| (n.name.as_str(), n)).collect();
        for (node, service) in each(topology) {
            for attachment in service.attachments.iter().filter(|a| a.shared) {
                let Some(network) = topology.shared_network(node, &attachment.network) else {
                    continue;
                };
                for name in names(service, attachment).filter(|n| !taken.contains(n)) {
                    let lower = name.to_lowercase();
                    if let Some(owner) = nodes.get(lower.as_str())
                        && !(owner.name == node.name && self.is_named_as_node(node, service))
                    {
                        found.push(
                            Problem::at(
                                self.place(node, service),
                                format!(
                                    "`{}` of `{}` answers to `{name}` on `{}`",
                                    service.name, node.name, attachment.network
                                ),
                            )
                            .label(format!(
                                "`{name}` is the name of a node and resolves to its entry alone"
                            ))
                            .hint("give it another name there, or make it the `entry` of that node"),
                        );
                        continue;
                    }
                    let names = shared.entry(network.name.as_str()).or_default();
                    match names.insert(lower, (node, service)) {
                        Some((n, s)) if !std::ptr::eq(s, service) => found.push(
                            Problem::at(
                                self.place(node, service),
                                format!("two containers answer to `{name}` on `{}`", attachment.network),
                            )
                            .label(format!(
                                "`{}` of `{}` and `{}` of `{}`",
                                s.name, n.name, service.name, node.name
                            ))
                            .hint({
                                let hint = "a name on a shared network has one owner: let it hold the node's, \"{{ node.name }}-…\"";
                                match attachment.network.as_str() {
                                    INOUT => hint.to_owned(),
                                    _ => self.or_isolated(node, hint),
                                }
                            }),
                        ),
                        _ => {}
                    }
                }
            }
        }
        shared
    }

    fn names_inside(
        &self,
        topology: &Topology,
        node: &Node,
        taken: &HashSet<Cow<'_, str>>,
        shared: &Shared<'_>,
        found: &mut Vec<Problem>,
    ) {
        let attachments = || {
            let any = node.services.iter().filter(|s| s.replicas > 0);
            any.flat_map(|s| s.attachments.iter().map(move |a| (s, a)))
        };
        // The shared networks on which any service of this node resolves names.
        let mut heard: Vec<(&NetworkKey, &str)> = Vec::new();
        for (_, attachment) in attachments().filter(|(_, a)| a.shared) {
            if let Some(network) = topology.shared_network(node, &attachment.network)
                && !heard.iter().any(|(_, name)| *name == network.name.as_str())
            {
                heard.push((&attachment.network, network.name.as_str()));
            }
        }
        let mut inside: HashMap<String, &Service> = HashMap::new();
        for (service, attachment) in attachments().filter(|(_, a)| !a.shared) {
            for name in names(service, attachment).filter(|n| !taken.contains(n)) {
                let lower = name.to_lowercase();
                for (key, network) in &heard {
                    if let Some((n, s)) = shared.get(network).and_then(|names| names.get(&lower))
                        && !std::ptr::eq(*s, service)
                    {
                        found.push(
                            Problem::at(
                                self.place(node, service),
                                format!("`{name}` is a name inside `{}` and on `{key}`", node.name),
                            )
                            .label(match *name == *n.name.as_str() {
                                true => format!("on `{key}` it is the name of a node"),
                                false => format!("on `{key}` it resolves to `{}` of `{}`", s.name, n.name),
                            })
                            .hint(
                                "the engine would answer now with the one, now with the other: name the nodes otherwise \
                                 (`node`), or the service (`extends` takes one from a file under another key), or leave it out (`SERVICE: !reset`)",
                            ),
                        );
                    }
                }
                if let Some(other) = inside.insert(lower, service)
                    && !std::ptr::eq(other, service)
                {
                    found.push(
                        Problem::at(
                            self.place(node, service),
                            format!("two services answer to `{name}` inside a node"),
                        )
                        .label(format!("`{}` and `{}` of `{}`", other.name, service.name, node.name))
                        .hint("call one of them otherwise"),
                    );
                }
            }
        }
    }

    /// Checks that the host name of a service, which engines make a name on each of its networks, is no other's on a private
    /// network of its node.
    fn hostnames_inside(&self, node: &Node, found: &mut Vec<Problem>) {
        let services = || node.services.iter().filter(|s| s.replicas > 0);
        for (at, service) in services().enumerate() {
            let Some(host) = service.hostname() else { continue };
            let is_name = |other: &Service, attachment: &Attachment| {
                names(other, attachment).any(|name| name.eq_ignore_ascii_case(&host))
            };
            let clashes = |(place, other): &(usize, &Service)| {
                let meet = |a: &&Attachment| !a.shared && service.joins(&a.network);
                let is_host = *place < at && other.hostname().is_some_and(|name| name.eq_ignore_ascii_case(&host));
                let mut met = other.attachments.iter().filter(meet);
                *place != at && met.any(|attachment| is_host || is_name(other, attachment))
            };
            let Some((_, other)) = services().enumerate().find(clashes) else {
                continue;
            };
            found.push(
                Problem::at(
                    service
                        .written
                        .place("hostname")
                        .unwrap_or_else(|| self.place(node, service)),
                    format!("two services answer to `{host}` inside a node"),
                )
                .label(format!(
                    "`{}` and `{}`: engines make a host name a name",
                    other.name, service.name
                ))
                .hint(self.or_isolated(
                    node,
                    "give each a `hostname` of its own, or leave it out: `hostname: !reset`",
                )),
            );
        }
    }

    /// Whether the name of `node` may resolve to `service`: an entry, or where there is none the node's only service on
    /// networks of the cluster.
    fn is_named_as_node(&self, node: &Node, service: &Service) -> bool {
        let Some(role) = self.blueprint.role(node.role.as_str()) else {
            return false;
        };
        let on_links = |s: &Service| s.attachments.iter().any(|a| self.is_link(role, &a.network));
        match role.entry.is_empty() {
            false => role.entry.iter().any(|e| e.service.value == service.name),
            true => on_links(service) && node.services.iter().filter(|s| on_links(s)).count() == 1,
        }
    }

    /// Promise 4: all subnets are disjoint, including those that the user wrote.
    pub(super) fn subnets_are_disjoint(&mut self, topology: &Topology) {
        let mut subnets: Vec<(IpNet, &str, Option<Span>, Option<&Node>)> = Vec::new();
        let inout = self.blueprint.inout.as_ref().map(|n| n.span);
        let of_nodes = topology
            .nodes
            .iter()
            .flat_map(|n| n.networks.iter().map(move |net| (net, Some(n))));
        let shared = topology.shared.iter().chain([&topology.inout]).map(|n| (n, None));
        let mut reported = HashSet::new();
        let mut wrong = Vec::new();
        for (network, node) in of_nodes.chain(shared) {
            let place = || match node {
                Some(node) => self.network_place(node, &network.key),
                None if network.name == topology.inout.name => inout,
                None => self.shared_place(network),
            };
            subnets.extend(
                network
                    .subnet
                    .map(|s| (IpNet::V4(s), network.name.as_str(), None, node)),
            );
            let ipam = network.options.get("ipam").and_then(Value::as_map);
            let pools = ipam.and_then(|m| m.get("config")).and_then(Value::as_list);
            let written = pools.unwrap_or_default().iter();
            for text in written.filter_map(|pool| pool.as_map()?.get("subnet")?.scalar()) {
                match text.parse::<IpNet>() {
                    Ok(subnet) => subnets.push((subnet.trunc(), network.name.as_str(), place(), node)),
                    Err(_) => {
                        let mut problem = Problem::general(format!("`{text}` is not a subnet"))
                            .label("expected one such as 10.9.1.0/24");
                        problem.place = place();
                        if reported.insert(problem.place) {
                            wrong.push(problem);
                        }
                    }
                }
            }
        }
        wrong.into_iter().for_each(|problem| self.problems.push(problem));
        // Of two that share addresses the one lies in the other, and follows it in this order.
        subnets.sort_by_key(|(subnet, name, place, _)| (*subnet, *name, *place));
        let mut reported = HashSet::new();
        let mut outer: Option<&(IpNet, &str, Option<Span>, Option<&Node>)> = None;
        for subnet in &subnets {
            let Some((a, first, said, one)) = outer.filter(|(outer, ..)| outer.contains(&subnet.0)) else {
                outer = Some(subnet);
                continue;
            };
            let (b, second, also, other) = subnet;
            let place = (*also).or(*said);
            if !reported.insert(place) {
                continue;
            }
            let hint = "each needs a subnet of its own: leave `ipam` out (over a Compose file: `ipam: !reset null`), or let it hold {{ node.index }}";
            let message = match first == second {
                true => format!("two subnets of the network `{first}` overlap"),
                false => format!("networks `{first}` and `{second}` overlap"),
            };
            let mut problem = Problem::general(message)
                .label(format!("{a} and {b}"))
                .hint(
                    other
                        .or(*one)
                        .map_or_else(|| hint.to_owned(), |node| self.or_isolated(node, hint)),
                )
                .by_itself();
            problem.place = place;
            self.problems.push(problem);
        }
    }

    /// Checks that the pool's subnet for the shared network is large enough for its containers. The limit of a bridge
    /// is checked later, since it is the engine's.
    pub(super) fn shared_network_has_room(&mut self, topology: &Topology) {
        let Some(prefix) = topology.inout.subnet.map(|s| s.prefix_len()) else {
            return;
        };
        let services = topology.nodes.iter().flat_map(|n| &n.services);
        let joined = services.filter(|s| s.joins(&topology.inout.key)).count();
        let room = Layout::room(prefix);
        let pool = match self.blueprint.addresses {
            Addresses::Pool(_, span) => span,
            Addresses::Engine => None,
        };
        if joined > room && prefix > WIDEST {
            self.address_problem(AddressError::NetworkTooLarge { needed: joined, room }, pool);
        }
    }
}

/// All services that have at least one container, each with its node.
fn each(topology: &Topology) -> impl Iterator<Item = (&Node, &Service)> {
    let services = topology
        .nodes
        .iter()
        .flat_map(|n| n.services.iter().map(move |s| (n, s)));
    services.filter(|(_, service)| service.replicas > 0)
}

/// The names of the service's containers.
fn containers_of(service: &Service) -> impl Iterator<Item = Cow<'_, str>> {
    let others = service.containers().skip(1);
    let first = (service.replicas > 0).then(|| Cow::Borrowed(service.container.as_str()));
    first.into_iter().chain(others.map(|c| Cow::Owned(c.to_string())))
}

/// All names of `service` on the network of `attachment`: its key, its aliases, and the names of its containers. The
/// engine adds `hostname` as well; a conflict about that is only a lint, because Compose files often have one.
pub(super) fn names<'a>(service: &'a Service, attachment: &'a Attachment) -> impl Iterator<Item = Cow<'a, str>> {
    let aliases = attachment.aliases.iter().map(Alias::as_str);
    let own = [service.key.as_str()].into_iter().chain(aliases).map(Cow::Borrowed);
    own.chain(containers_of(service))
}
