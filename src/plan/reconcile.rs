//! From what is wanted and what is there to what is to be done. Pure: no engine is needed to test it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::{Action, Plan, plural};
use crate::engine::{
    ContainerSpec, NetworkSpec, Observed, SeenContainer, SeenNetwork, State, Wanted, WantedNode, label,
};
use crate::fake;
use crate::name::ClusterName;
use crate::topology::address::overlap;

/// Something stands in the way, and nothing has been done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A network of that name is not ours.
    #[error("network `{name}` is there already, and not of this cluster")]
    ForeignNetwork {
        /// Its name.
        name: String,
        /// The Compose project that it belongs to, if any.
        project: String,
    },
    /// A network that others provide is not there.
    #[error("network `{name}` is external and does not exist")]
    MissingNetwork {
        /// Its name.
        name: String,
    },
    /// No subnet of the pool is free.
    #[error("network `{name}`: the pool has no free subnet left")]
    NoSubnet {
        /// The network's name.
        name: String,
    },
    /// An image is not on the engine.
    #[error("image `{name}` is not on the engine")]
    MissingImage {
        /// Its name.
        name: String,
    },
}

impl Conflict {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::ForeignNetwork { project, .. } if !project.is_empty() => {
                format!("`docker compose -p {project} down` removes it, or name this cluster otherwise: `-n NAME`")
            }
            Self::ForeignNetwork { name, .. } => {
                format!("`docker network rm {name}` removes it, or name this cluster otherwise: `-n NAME`")
            }
            Self::MissingNetwork { name } => format!("make it: `docker network create {name}`"),
            Self::NoSubnet { .. } => "give a larger pool, addresses: {pool: …}, or `addresses: engine`".to_owned(),
            Self::MissingImage { name } => {
                format!(
                    "`docker pull {name}`, or see the cluster with fakes in place of all images: `topogen up --fake`"
                )
            }
        }
    }
}

/// What takes the cluster from `seen` to `wanted`. `image_ready` says whether the engine has this topogen's fake image.
///
/// # Errors
/// All that is in the way.
pub fn up(wanted: &Wanted, seen: &Observed, image_ready: bool) -> Result<Plan, Vec<Conflict>> {
    let mut up = Up {
        wanted,
        seen,
        image_ready,
        plan: Plan::default(),
        conflicts: Vec::new(),
        networks: HashMap::new(),
        removed: HashMap::new(),
        subnets: seen.networks.iter().flat_map(|n| n.subnets.iter().copied()).collect(),
        image: None,
    };
    up.surplus();
    for network in [&wanted.inout].into_iter().chain(&wanted.shared) {
        up.network(network);
    }
    for node in &wanted.nodes {
        up.node(node);
    }
    if up.conflicts.is_empty() {
        Ok(up.plan)
    } else {
        Err(up.conflicts)
    }
}

/// A network that the plan deals with.
struct PlannedNetwork {
    /// The operation that makes it; `None` where it is there.
    made_by: Option<usize>,
    /// The engine's id, where it is there.
    id: String,
}

struct Up<'a> {
    wanted: &'a Wanted,
    seen: &'a Observed,
    image_ready: bool,
    plan: Plan,
    conflicts: Vec<Conflict>,
    networks: HashMap<&'a str, PlannedNetwork>,
    /// Containers that go, by id, and the operation that removes each.
    removed: HashMap<&'a str, usize>,
    /// Subnets that are taken.
    subnets: Vec<Ipv4Net>,
    image: Option<usize>,
}

impl<'a> Up<'a> {
    /// What is there and no longer wanted goes; roles that left the blueprint are named and left alone.
    fn surplus(&mut self) {
        let wanted: HashSet<&str> = self
            .wanted
            .nodes
            .iter()
            .flat_map(|n| n.containers.iter().map(|c| c.name.as_str()))
            .collect();
        let mut orphans: BTreeMap<&str, usize> = BTreeMap::new();
        for container in &self.seen.containers {
            let role = container.label(label::ROLE);
            if !self.wanted.roles.iter().any(|r| r.as_str() == role) {
                *orphans.entry(role).or_default() += 1;
            } else if !wanted.contains(container.name.as_str()) {
                let cause = match self
                    .wanted
                    .nodes
                    .iter()
                    .any(|n| n.name.as_str() == container.label(label::NODE))
                {
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
        let wanted: HashSet<&str> = self
            .wanted
            .nodes
            .iter()
            .flat_map(|n| &n.networks)
            .chain([&self.wanted.inout])
            .chain(&self.wanted.shared)
            .map(|n| n.name.as_str())
            .collect();
        for network in self.own_networks() {
            if !wanted.contains(network.name.as_str()) && self.stays_on(network).is_none() {
                self.remove_network(network, "its node is not wanted");
            }
        }
    }

    fn own_networks(&self) -> impl Iterator<Item = &'a SeenNetwork> + use<'a> {
        let cluster = &self.wanted.cluster;
        self.seen.networks.iter().filter(move |n| n.is_of(cluster))
    }

    /// A container of the cluster that is on `network` and stays there.
    fn stays_on(&self, network: &SeenNetwork) -> Option<&'a SeenContainer> {
        let stays = |c: &&SeenContainer| is_on(c, network) && !self.removed.contains_key(c.id.as_str());
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
        let on_it = self.seen.containers.iter().filter(|c| is_on(c, network));
        let after = on_it.filter_map(|c| self.removed.get(c.id.as_str()).copied()).collect();
        remove_network(&mut self.plan, network, cause, after)
    }

    fn network(&mut self, spec: &'a Arc<NetworkSpec>) {
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
            self.networks.insert(
                name,
                PlannedNetwork {
                    made_by: None,
                    id: foreign.id.clone(),
                },
            );
            return;
        }
        if spec.external && own.is_empty() {
            self.conflicts.push(Conflict::MissingNetwork { name: name.to_owned() });
            return;
        }
        let hash = |n: &SeenNetwork| n.labels.get(label::CONFIG_HASH).map(String::as_str) == Some(spec.hash.as_str());
        // Of several of one name, which a killed `up` may leave, the one in use stays.
        let right = own.iter().filter(|n| spec.external || hash(n));
        let kept = right
            .max_by_key(|n| self.seen.containers.iter().filter(|c| is_on(c, n)).count())
            .copied();
        let mut after = Vec::new();
        for network in own.iter().filter(|n| kept.is_none_or(|k| k.id != n.id)) {
            let cause = match kept {
                Some(_) => "another one has its name",
                None => "its options changed",
            };
            for container in self.seen.containers.iter().filter(|c| is_on(c, network)) {
                self.remove(container, &format!("network `{name}` is made anew"));
            }
            after.push(self.remove_network(network, cause));
        }
        if let Some(kept) = kept {
            self.networks.insert(
                name,
                PlannedNetwork {
                    made_by: None,
                    id: kept.id.clone(),
                },
            );
            return;
        }
        let mut cause = if own.is_empty() {
            "not found".to_owned()
        } else {
            "made anew".to_owned()
        };
        let mut spec = spec.clone();
        if let Some(subnet) = spec.subnet {
            match self.free_subnet(subnet) {
                Some(free) => {
                    if free != subnet {
                        cause = format!("{cause}; {subnet} is taken, {free} is free");
                        Arc::make_mut(&mut spec).subnet = Some(free);
                    }
                    self.subnets.push(free);
                }
                None => {
                    self.conflicts.push(Conflict::NoSubnet { name: name.to_owned() });
                    return;
                }
            }
        }
        let node = spec.node.as_ref().map_or("", |n| n.as_str()).to_owned();
        let made_by = self.plan.push(Action::CreateNetwork(spec), name, &node, cause, after);
        self.networks.insert(
            name,
            PlannedNetwork {
                made_by: Some(made_by),
                id: String::new(),
            },
        );
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
                .partition(|(c, ..)| !c.after.iter().any(|a| waiting.contains(a.as_str())));
            for (container, action, cause) in now {
                let name = container.name.as_str();
                let mut after = ready.remove(name).unwrap_or_default();
                after.extend(container.after.iter().filter_map(|a| started.get(a.as_str())));
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
            return (State::Created, vec![self.create(spec, "on its way out", None)]);
        }
        if let Some(cause) = self.outdated(spec, seen) {
            let removed = self.remove(seen, &cause);
            return (State::Created, vec![self.create(spec, "made anew", Some(removed))]);
        }
        let mut operations = Vec::new();
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
                .and_then(|n| n.made_by)
                .into_iter()
                .collect();
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
            let gone = planned.made_by.is_some() || (!on.network_id.is_empty() && on.network_id != planned.id);
            if gone {
                return Some(format!("network `{network}` is another one now"));
            }
        }
        None
    }

    fn create(&mut self, spec: &'a Arc<ContainerSpec>, cause: &str, removed: Option<usize>) -> usize {
        let mut after: Vec<usize> = removed.into_iter().collect();
        let networks = spec.endpoints.iter().filter_map(|(n, _)| self.networks.get(n.as_str()));
        after.extend(networks.filter_map(|n| n.made_by));
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

fn is_on(container: &SeenContainer, network: &SeenNetwork) -> bool {
    container.networks.iter().any(|n| match n.network_id.as_str() {
        "" => n.network == network.name,
        id => id == network.id,
    })
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
                let list: Vec<String> = guests.iter().map(|g| format!("`{g}`")).collect();
                plan.notes.push(format!(
                    "network `{}` stays: {} on it, {}",
                    network.name,
                    plural(guests.len(), "foreign container"),
                    list.join(", ")
                ));
                continue;
            }
            let on_it = seen.containers.iter().filter(|c| is_on(c, network));
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
