//! From what is wanted and what is there to what is to be done. Pure: no engine is needed to test it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::conflict::Conflict;
use super::{Action, Plan, plural, quoted};
use crate::engine::{
    ContainerSpec, NetworkSpec, Observed, SeenContainer, SeenNetwork, State, Wanted, WantedNode, label,
};
use crate::fake;
use crate::name::ClusterName;
use crate::topology::address::overlap;

/// What takes the cluster from `seen` to `wanted`. `image_ready` says whether the engine has this topogen's fake image.
///
/// # Errors
/// All that is in the way.
pub fn up(wanted: &Wanted, seen: &Observed, image_ready: bool) -> Result<Plan, Vec<Conflict>> {
    let mut up = Up {
        wanted,
        seen,
        image_ready,
        wanted_names: wanted
            .nodes
            .iter()
            .flat_map(|n| n.containers.iter().map(|c| c.name.as_str()))
            .collect(),
        plan: Plan::default(),
        conflicts: Vec::new(),
        networks: HashMap::new(),
        removed: HashMap::new(),
        going: Vec::new(),
        subnets: seen.networks.iter().flat_map(|n| n.subnets.iter().copied()).collect(),
        image: None,
    };
    up.surplus_containers();
    // All that is to be made anew goes first: networks that grow take over the addresses of their neighbours.
    for network in wanted.networks() {
        up.settle(network);
    }
    for network in [&wanted.inout].into_iter().chain(&wanted.shared) {
        up.network(network);
    }
    for node in &wanted.nodes {
        up.node(node);
    }
    // Last: the containers on them may only just have been found outdated.
    up.surplus_networks();
    if up.conflicts.is_empty() {
        Ok(up.plan)
    } else {
        Err(up.conflicts)
    }
}

/// A network that the plan deals with.
struct PlannedNetwork {
    /// The engine's id; empty where it is yet to be made.
    id: String,
    /// Operations that must be done before a container can join it.
    ready: Vec<usize>,
}

struct Up<'a> {
    wanted: &'a Wanted,
    seen: &'a Observed,
    image_ready: bool,
    /// The names of all containers to be.
    wanted_names: HashSet<&'a str>,
    plan: Plan,
    conflicts: Vec<Conflict>,
    networks: HashMap<&'a str, PlannedNetwork>,
    /// Containers that go, by id, and the operation that removes each.
    removed: HashMap<&'a str, usize>,
    /// Networks that go to be made anew, and the operation that removes each.
    going: Vec<(&'a SeenNetwork, usize)>,
    /// Subnets that are taken.
    subnets: Vec<Ipv4Net>,
    image: Option<usize>,
}

impl<'a> Up<'a> {
    /// Whether its role left the blueprint, and nothing that is wanted has its name.
    fn is_orphan(&self, container: &SeenContainer) -> bool {
        let role = container.label(label::ROLE);
        !self.wanted.roles.iter().any(|r| r.as_str() == role) && !self.wanted_names.contains(container.name.as_str())
    }

    fn is_wanted(&self, node: &str) -> bool {
        self.wanted.nodes.iter().any(|n| n.name.as_str() == node)
    }

    /// What is there and no longer wanted goes; roles that left the blueprint are named and left alone.
    fn surplus_containers(&mut self) {
        let mut orphans: BTreeMap<&str, usize> = BTreeMap::new();
        for container in &self.seen.containers {
            if self.is_orphan(container) {
                *orphans.entry(container.label(label::ROLE)).or_default() += 1;
            } else if !self.wanted_names.contains(container.name.as_str()) {
                let cause = match self.is_wanted(container.label(label::NODE)) {
                    true => "its service is not in the blueprint",
                    false => "its node is not wanted",
                };
                self.remove(container, cause);
            }
        }
        for (role, count) in orphans {
            self.plan.notes.push(format!(
                "role `{role}` is not in the blueprint: its {} left alone",
                match count {
                    1 => "1 container is".to_owned(),
                    n => format!("{n} containers are"),
                }
            ));
        }
    }

    /// Networks that are no longer wanted, but for those that something stays on.
    fn surplus_networks(&mut self) {
        let wanted: HashSet<&str> = self.wanted.networks().map(|n| n.name.as_str()).collect();
        for network in self.own_networks() {
            if wanted.contains(network.name.as_str()) || self.stays_on(network).is_some() {
                continue;
            }
            if let Some(guests) = self.seen.guests.get(&network.id) {
                self.plan.notes.push(kept_by(network, guests));
                continue;
            }
            let cause = match network.labels.get(label::NODE) {
                Some(node) if !self.is_wanted(node) => "its node is not wanted",
                _ => "not in the blueprint",
            };
            self.remove_network(network, cause);
        }
    }

    fn own_networks(&self) -> impl Iterator<Item = &'a SeenNetwork> + use<'a> {
        let cluster = &self.wanted.cluster;
        self.seen.networks.iter().filter(move |n| n.is_of(cluster))
    }

    /// A container of the cluster that is on `network` and stays there.
    fn stays_on(&self, network: &SeenNetwork) -> Option<&'a SeenContainer> {
        let stays = |c: &&SeenContainer| c.is_on(network) && !self.removed.contains_key(c.id.as_str());
        self.seen.containers.iter().find(stays)
    }

    fn remove(&mut self, container: &'a SeenContainer, cause: &str) -> usize {
        if let Some(at) = self.removed.get(container.id.as_str()) {
            return *at;
        }
        let at = remove(&mut self.plan, container, cause);
        self.removed.insert(&container.id, at);
        at
    }

    /// Remove `network` once the containers on it are gone.
    fn remove_network(&mut self, network: &SeenNetwork, cause: &str) -> usize {
        let on_it = self.seen.containers.iter().filter(|c| c.is_on(network));
        let after = on_it.filter_map(|c| self.removed.get(c.id.as_str()).copied()).collect();
        remove_network(&mut self.plan, network, cause, after)
    }

    /// Find the network that `spec` describes, and remove what has its name and is another one.
    fn settle(&mut self, spec: &'a NetworkSpec) {
        let name = spec.name.as_str();
        let (own, foreign): (Vec<&SeenNetwork>, Vec<&SeenNetwork>) = self
            .seen
            .networks
            .iter()
            .filter(|n| n.name == name)
            .partition(|n| n.is_of(&self.wanted.cluster));
        if let Some(foreign) = foreign.first() {
            // A shared network may be somebody else's; a private one must be ours.
            if spec.node.is_some() || !own.is_empty() {
                self.conflicts.push(Conflict::ForeignNetwork {
                    name: name.to_owned(),
                    project: foreign.labels.get(label::compose::PROJECT).cloned().unwrap_or_default(),
                });
            }
            let id = foreign.id.clone();
            self.networks.insert(name, PlannedNetwork { id, ready: Vec::new() });
            return;
        }
        if spec.external && own.is_empty() {
            self.conflicts.push(Conflict::MissingNetwork { name: name.to_owned() });
            return;
        }
        let hash = |n: &SeenNetwork| n.labels.get(label::CONFIG_HASH).map(String::as_str) == Some(spec.hash.as_str());
        let users = |n: &SeenNetwork| self.seen.containers.iter().filter(|c| c.is_on(n)).count();
        // Of several of one name, which a killed `up` may leave, the one in use stays.
        let right = own.iter().filter(|n| spec.external || hash(n));
        let kept = right.max_by_key(|n| (users(n), Reverse(&n.id))).copied();
        let mut ready = Vec::new();
        for network in own.into_iter().filter(|n| kept.is_none_or(|k| k.id != n.id)) {
            let on_it = || self.seen.containers.iter().filter(|c| c.is_on(network));
            let mut guests = self.seen.guests.get(&network.id).cloned().unwrap_or_default();
            guests.extend(on_it().filter(|c| self.is_orphan(c)).map(|c| c.name.clone()));
            if !guests.is_empty() {
                self.conflicts.push(Conflict::InUse {
                    name: name.to_owned(),
                    guests,
                });
                continue;
            }
            for container in on_it().collect::<Vec<_>>() {
                self.remove(container, &format!("network `{name}` is made anew"));
            }
            let cause = match kept {
                Some(_) => "another one has its name",
                None => "its options changed",
            };
            let removed = self.remove_network(network, cause);
            self.going.push((network, removed));
            self.subnets.retain(|s| !network.subnets.contains(s));
            ready.push(removed);
        }
        let id = kept.map_or_else(String::new, |k| k.id.clone());
        self.networks.insert(name, PlannedNetwork { id, ready });
    }

    /// Make the network that `spec` describes, where it is not there.
    fn network(&mut self, spec: &'a Arc<NetworkSpec>) {
        let name = spec.name.as_str();
        let Some(planned) = self.networks.get(name).filter(|n| n.id.is_empty()) else {
            return;
        };
        let mut after = planned.ready.clone();
        let mut cause = match after.is_empty() {
            true => "not found".to_owned(),
            false => "made anew".to_owned(),
        };
        let mut spec = spec.clone();
        if let Some(subnet) = spec.subnet {
            let Some(free) = self.free_subnet(subnet) else {
                self.conflicts.push(Conflict::NoSubnet { name: name.to_owned() });
                return;
            };
            if free != subnet {
                cause = format!("{cause}; {subnet} is taken, {free} is free");
                Arc::make_mut(&mut spec).subnet = Some(free);
            }
            self.subnets.push(free);
            let in_the_way = |n: &SeenNetwork| n.subnets.iter().any(|s| overlap(s, &free));
            let going = self.going.iter().filter(|(network, _)| in_the_way(network));
            after.extend(going.map(|(_, removed)| *removed));
            after.sort_unstable();
            after.dedup();
        }
        let node = spec.node.as_ref().map_or("", |n| n.as_str()).to_owned();
        let made = self.plan.push(Action::CreateNetwork(spec), name, &node, cause, after);
        let (id, ready) = (String::new(), vec![made]);
        self.networks.insert(name, PlannedNetwork { id, ready });
    }

    /// `subnet`, or where that is taken the first free one of its size that no network of the cluster waits for.
    fn free_subnet(&self, subnet: Ipv4Net) -> Option<Ipv4Net> {
        let free = |s: &Ipv4Net| !self.subnets.iter().any(|taken| overlap(taken, s));
        if free(&subnet) {
            return Some(subnet);
        }
        let nodes = self.wanted.nodes.iter().flat_map(|n| &n.networks);
        let reserved: Vec<Ipv4Net> = nodes.chain([&self.wanted.inout]).filter_map(|n| n.subnet).collect();
        self.wanted
            .layout?
            .alternatives(subnet)
            .find(|s| free(s) && !reserved.iter().any(|r| overlap(r, s)))
    }

    fn node(&mut self, node: &'a WantedNode) {
        for network in &node.networks {
            self.network(network);
        }
        // What each container must have behind it before it can start.
        let mut ready: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut to_start: Vec<(&Arc<ContainerSpec>, Action, &str)> = Vec::new();
        for container in &node.containers {
            let seen = self.seen.containers.iter().find(|c| c.name == container.name.as_str());
            let (state, operations) = self.container(container, seen);
            ready.insert(container.name.as_str(), operations);
            match state {
                State::Running | State::Restarting => {}
                State::Paused => to_start.push((container, Action::Unpause, "paused")),
                State::Created => to_start.push((container, Action::Start(container.clone()), "not started yet")),
                State::Exited | State::Removing | State::Dead => {
                    to_start.push((container, Action::Start(container.clone()), "stopped"))
                }
            }
        }
        let mut started: HashMap<&str, usize> = HashMap::new();
        // Dependencies first. Circles were refused long ago; the bound keeps even one from looping for ever.
        for _ in 0..=node.containers.len() {
            let waiting: HashSet<&str> = to_start.iter().map(|(c, ..)| c.name.as_str()).collect();
            let (now, later): (Vec<_>, Vec<_>) = to_start
                .into_iter()
                .partition(|(c, ..)| !c.after.iter().any(|a| waiting.contains(a.container.as_str())));
            for (container, action, cause) in now {
                let name = container.name.as_str();
                let mut after = ready.remove(name).unwrap_or_default();
                after.extend(container.after.iter().filter_map(|a| started.get(a.container.as_str())));
                let at = self.plan.push(action, name, node.name.as_str(), cause, after);
                started.insert(name, at);
            }
            to_start = later;
        }
    }

    /// Make `spec` stand as wanted, not started: the state it is in then, and the operations that get it there.
    fn container(&mut self, spec: &'a Arc<ContainerSpec>, seen: Option<&'a SeenContainer>) -> (State, Vec<usize>) {
        let Some(seen) = seen else {
            return (State::Created, vec![self.create(spec, "not found", None)]);
        };
        if seen.state == State::Removing {
            let removed = self.removed.get(seen.id.as_str()).copied();
            return (State::Created, vec![self.create(spec, "on its way out", removed)]);
        }
        if let Some(cause) = self.outdated(spec, seen) {
            let removed = self.remove(seen, &cause);
            return (State::Created, vec![self.create(spec, "made anew", Some(removed))]);
        }
        // The engine joins a container to its networks when it starts, by their names: each must be there once.
        let mut operations = self.ready(spec);
        for (at, (network, _)) in spec.endpoints.iter().enumerate() {
            if seen.networks.iter().any(|n| n.network == network.as_str()) {
                continue;
            }
            let action = Action::Connect {
                container: spec.clone(),
                endpoint: at,
            };
            let cause = format!("not on `{network}`");
            let after = self
                .networks
                .get(network.as_str())
                .map_or_else(Vec::new, |n| n.ready.clone());
            operations.push(
                self.plan
                    .push(action, spec.name.as_str(), spec.node.as_str(), cause, after),
            );
        }
        (seen.state, operations)
    }

    /// Why `seen` cannot stay, where it cannot.
    fn outdated(&self, spec: &ContainerSpec, seen: &SeenContainer) -> Option<String> {
        if self.removed.contains_key(seen.id.as_str()) {
            return Some("a network of it is made anew".to_owned());
        }
        if seen.state == State::Dead {
            return Some("dead".to_owned());
        }
        if seen.label(label::CONFIG_HASH) != spec.hash {
            return Some("its configuration changed".to_owned());
        }
        for (network, _) in &spec.endpoints {
            let on = seen.networks.iter().find(|n| n.network == network.as_str());
            let Some((on, planned)) = on.zip(self.networks.get(network.as_str())) else {
                continue;
            };
            // The engine says the id only of networks that the container has run on.
            let gone = planned.id.is_empty() || (!on.network_id.is_empty() && on.network_id != planned.id);
            if gone {
                return Some(format!("network `{network}` is another one now"));
            }
        }
        None
    }

    /// What must be done before `spec` can join its networks.
    fn ready(&self, spec: &ContainerSpec) -> Vec<usize> {
        let networks = spec.endpoints.iter().filter_map(|(n, _)| self.networks.get(n.as_str()));
        networks.flat_map(|n| n.ready.iter().copied()).collect()
    }

    fn create(&mut self, spec: &'a Arc<ContainerSpec>, cause: &str, removed: Option<usize>) -> usize {
        let mut after: Vec<usize> = removed.into_iter().collect();
        after.extend(self.ready(spec));
        if spec.image() == fake::image_name() {
            if !self.image_ready && self.image.is_none() {
                let at = self
                    .plan
                    .push(Action::LoadImage, spec.image(), "", "not found", Vec::new());
                self.image = Some(at);
            }
            after.extend(self.image);
        } else if !has_image(self.seen, spec.image()) {
            let conflict = Conflict::MissingImage {
                name: spec.image().to_owned(),
            };
            if !self.conflicts.contains(&conflict) {
                self.conflicts.push(conflict);
            }
        }
        let action = Action::CreateContainer(spec.clone());
        self.plan
            .push(action, spec.name.as_str(), spec.node.as_str(), cause, after)
    }
}

/// Whether the engine has `image`: by digest and by id it is taken at its word.
fn has_image(seen: &Observed, image: &str) -> bool {
    if image.contains('@') || image.starts_with("sha256:") {
        return true;
    }
    let short = image.strip_prefix("docker.io/").unwrap_or(image);
    let short = short.strip_prefix("library/").unwrap_or(short);
    let last = short.rsplit('/').next().unwrap_or(short);
    let tagged = if last.contains(':') {
        short.to_owned()
    } else {
        format!("{short}:latest")
    };
    seen.images.contains(&tagged)
}

fn remove(plan: &mut Plan, container: &SeenContainer, cause: &str) -> usize {
    let node = container.label(label::NODE);
    let id = container.id.clone();
    let after = match container.state {
        State::Running | State::Restarting | State::Paused => {
            vec![plan.push(
                Action::Stop { id: id.clone() },
                &container.name,
                node,
                cause,
                Vec::new(),
            )]
        }
        State::Created | State::Exited | State::Removing | State::Dead => Vec::new(),
    };
    plan.push(Action::RemoveContainer { id }, &container.name, node, cause, after)
}

fn remove_network(plan: &mut Plan, network: &SeenNetwork, cause: &str, after: Vec<usize>) -> usize {
    let node = network.labels.get(label::NODE).map_or("", String::as_str);
    let action = Action::RemoveNetwork { id: network.id.clone() };
    plan.push(action, &network.name, node, cause, after)
}

/// That `network` is left alone, and for whom.
fn kept_by(network: &SeenNetwork, guests: &[String]) -> String {
    format!(
        "network `{}` stays: {} on it, {}",
        network.name,
        plural(guests.len(), "foreign container"),
        quoted(guests)
    )
}

/// What removes all that carries the labels of `cluster`, but for networks that others are on.
#[must_use]
pub fn down(cluster: &ClusterName, seen: &Observed) -> Plan {
    let mut plan = Plan::default();
    let mut nodes: Vec<&str> = seen.containers.iter().map(|c| c.label(label::NODE)).collect();
    let networks: Vec<&SeenNetwork> = seen.networks.iter().filter(|n| n.is_of(cluster)).collect();
    nodes.extend(
        networks
            .iter()
            .filter_map(|n| n.labels.get(label::NODE).map(String::as_str)),
    );
    nodes.sort_by_key(|n| natural(n));
    nodes.dedup();
    let mut removed: HashMap<&str, usize> = HashMap::new();
    // Node by node, the shared network last: a node's network goes while other nodes' containers still stop.
    for node in nodes.into_iter().map(Some).chain([None]) {
        if let Some(node) = node {
            for container in seen.containers.iter().filter(|c| c.label(label::NODE) == node) {
                removed.insert(&container.id, remove(&mut plan, container, "going down"));
            }
        }
        for network in networks
            .iter()
            .filter(|n| n.labels.get(label::NODE).map(String::as_str) == node)
        {
            if let Some(guests) = seen.guests.get(&network.id) {
                plan.notes.push(kept_by(network, guests));
                continue;
            }
            let on_it = seen.containers.iter().filter(|c| c.is_on(network));
            let after = on_it.filter_map(|c| removed.get(c.id.as_str()).copied()).collect();
            remove_network(&mut plan, network, "going down", after);
        }
    }
    plan
}

/// Order in which `slave2` comes before `slave10`.
#[must_use]
pub fn natural(name: &str) -> (String, u64, String) {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem, number) = name.split_at(name.len() - digits);
    (stem.to_owned(), number.parse().unwrap_or(0), name.to_owned())
}
