//! Verifies existing Compose projects without a blueprint. All one can require is that each name on a shared network
//! belongs to one service, which is what Compose breaks when projects share a network.

mod report;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::Ipv4Addr;

use crate::cluster::Inspected;
use crate::cluster::ObservedContainer;
use crate::cluster::ObservedEndpoint;
use crate::cluster::label;
use crate::probe::question::Questions;

/// Networks on which containers have no names.
const NAMELESS: &[&str] = &["bridge", "host", "none"];
/// The most names that a container checks, besides those in doubt.
const NAMES: usize = 256;

/// The projects, and what is on their networks.
#[derive(Debug)]
pub struct Projects<'a> {
    found: &'a Inspected,
    names: &'a [String],
    /// By network ID and name: the containers that have it, and their addresses.
    owners: BTreeMap<(&'a str, &'a str), Vec<(usize, Ipv4Addr)>>,
    /// Names of networks, by ID.
    networks: HashMap<&'a str, &'a str>,
    /// What is wrong according to the engine's own tables.
    doubts: Vec<Doubt<'a>>,
}

/// A name that several containers have.
#[derive(Debug)]
struct Doubt<'a> {
    name: &'a str,
    /// The networks by ID: one, or those that one container is on.
    networks: BTreeSet<&'a str>,
}

/// Which of the `listed` containers concern the projects called `names`: theirs, and all on their networks.
#[must_use]
pub fn concern(names: &[String], listed: &[ObservedContainer]) -> Vec<bool> {
    let own = |c: &ObservedContainer| is_of(names, c);
    let networks: HashSet<&str> = listed
        .iter()
        .filter(|c| own(c))
        .flat_map(|c| &c.endpoints)
        .map(|e| e.network.as_str())
        .filter(|network| !NAMELESS.contains(network))
        .collect();
    let near = |c: &ObservedContainer| c.endpoints.iter().any(|e| networks.contains(e.network.as_str()));
    listed.iter().map(|c| !c.is_helper() && (own(c) || near(c))).collect()
}

/// The Compose projects of all `listed` containers.
#[must_use]
pub fn all(listed: &[ObservedContainer]) -> BTreeSet<String> {
    let projects = listed.iter().map(|c| c.project());
    projects.filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

fn is_of(names: &[String], container: &ObservedContainer) -> bool {
    names.iter().any(|name| name == container.project())
}

impl<'a> Projects<'a> {
    /// The projects called `names`.
    #[must_use]
    pub fn new(names: &'a [String], found: &'a Inspected) -> Self {
        let mut owners: BTreeMap<(&str, &str), Vec<(usize, Ipv4Addr)>> = BTreeMap::new();
        let mut networks = HashMap::new();
        for (at, container) in found.containers.iter().enumerate() {
            for endpoint in named(container) {
                let Some(network) = endpoint.network_id.as_deref() else {
                    continue;
                };
                networks.insert(network, endpoint.network.as_str());
                for name in &endpoint.names {
                    let owners = owners.entry((network, name)).or_default();
                    let owner = endpoint.address.map(|address| (at, address));
                    owners.extend(owner.filter(|owner| !owners.contains(owner)));
                }
            }
        }
        let mut projects = Self {
            found,
            names,
            owners,
            networks,
            doubts: Vec::new(),
        };
        projects.doubts = projects.several_owners();
        let several = projects.doubts.iter().map(|d| d.name).collect();
        let mut crossed = projects.crossed(&several);
        projects.doubts.append(&mut crossed);
        let networks = &projects.networks;
        projects
            .doubts
            .sort_by_key(|d| (d.networks.iter().map(|id| networks[id]).collect::<Vec<_>>(), d.name));
        projects
    }

    /// Names of several services on one network. Several containers of one service are legitimate.
    fn several_owners(&self) -> Vec<Doubt<'a>> {
        let several = self.owners.iter().filter(|(_, owners)| self.services(owners).len() > 1);
        let own = several.filter(|(_, owners)| owners.iter().any(|(at, _)| self.is_own(*at)));
        own.map(|((network, name), _)| Doubt {
            name,
            networks: [*network].into(),
        })
        .collect()
    }

    /// Names that belong to different containers on different networks, for containers that are on both.
    fn crossed(&self, but: &HashSet<&str>) -> Vec<Doubt<'a>> {
        let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for container in self.found.containers.iter().filter(|c| is_of(self.names, c)) {
            let mut observed: HashMap<&str, (BTreeSet<usize>, &str)> = HashMap::new();
            for id in named(container).filter_map(|e| e.network_id.as_deref()) {
                for ((network, name), owners) in self.on(id) {
                    let owners: BTreeSet<usize> = owners.iter().map(|(at, _)| *at).collect();
                    match observed.get(name) {
                        Some((others, other)) if *others != owners && !but.contains(name) => {
                            found.entry(name).or_default().extend([*other, network]);
                        }
                        _ => {
                            observed.insert(name, (owners, network));
                        }
                    }
                }
            }
        }
        let doubts = found.into_iter().map(|(name, networks)| Doubt { name, networks });
        doubts.collect()
    }

    /// The names on a network, and their owners.
    fn on(&self, network: &'a str) -> impl Iterator<Item = ((&'a str, &'a str), &[(usize, Ipv4Addr)])> + use<'a, '_> {
        let names = self
            .owners
            .range((network, "")..)
            .take_while(move |((id, _), _)| *id == network);
        names.map(|(key, owners)| (*key, owners.as_slice()))
    }

    fn is_own(&self, container: usize) -> bool {
        is_of(self.names, &self.found.containers[container])
    }

    /// The services of these containers, with their projects.
    fn services(&self, owners: &[(usize, Ipv4Addr)]) -> BTreeSet<(&'a str, &'a str)> {
        let service = |at: usize| {
            let container: &'a ObservedContainer = &self.found.containers[at];
            match container.project() {
                "" => ("", container.name.as_str()),
                project => (project, container.service_key_or_name()),
            }
        };
        owners.iter().map(|(at, _)| service(*at)).collect()
    }

    /// The containers to run the probe in, by index, and the questions for each.
    #[must_use]
    pub fn questions(&self, patience: u64) -> Vec<(usize, Questions)> {
        let doubtful: HashSet<&str> = self.doubts.iter().map(|d| d.name).collect();
        let containers = self.found.containers.iter().enumerate();
        let running = containers.filter(|(_, c)| c.runs() && is_of(self.names, c));
        let asked = running.map(|(at, container)| {
            let names = named(container)
                .filter_map(|e| e.network_id.as_deref())
                .flat_map(|id| self.on(id))
                .map(|((_, name), _)| name);
            let names: BTreeSet<&str> = names.filter(|name| name.split('.').all(|l| l.len() < 64)).collect();
            let (mut first, rest): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|n| doubtful.contains(n));
            // A name that only one container can have is not in doubt.
            let given = |name: &&str| self.found.containers.iter().any(|c| c.is_given(name));
            first.extend(rest.into_iter().filter(|n| !given(n)).take(NAMES));
            let questions = Questions {
                names: first.into_iter().map(str::to_owned).collect(),
                patience,
                ..Questions::default()
            };
            (at, questions)
        });
        asked.filter(|(_, q)| !q.is_empty()).collect()
    }

    /// The name in messages: `slave2/service_out` within its project.
    #[must_use]
    pub fn title(&self, container: usize) -> String {
        let container = &self.found.containers[container];
        match container.project() {
            "" => container.name.clone(),
            project => {
                let number = container.label(label::compose::CONTAINER_NUMBER);
                let number = if ["", "1"].contains(&number) {
                    String::new()
                } else {
                    format!("-{number}")
                };
                format!("{project}/{}{number}", container.service_key_or_name())
            }
        }
    }
}

/// The endpoints of a container on networks with names.
fn named(container: &ObservedContainer) -> impl Iterator<Item = &ObservedEndpoint> {
    let named = |e: &&ObservedEndpoint| !NAMELESS.contains(&e.network.as_str()) && e.address.is_some();
    container.endpoints.iter().filter(named)
}
