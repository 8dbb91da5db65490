//! An engine that does what is asked, and refuses what a real engine refuses, so that an operation that comes too
//! early shows. Where a real engine would put up with what topogen never means to ask of it (to remove a container that
//! runs, to create what is there), this one refuses as well.

use std::collections::BTreeMap;

use topogen::cluster::ContainerSpec;
use topogen::cluster::Desired;
use topogen::cluster::Health;
use topogen::cluster::Observed;
use topogen::cluster::ObservedContainer;
use topogen::cluster::ObservedEndpoint;
use topogen::cluster::ObservedImage;
use topogen::cluster::ObservedNetwork;
use topogen::cluster::ObservedVolume;
use topogen::cluster::State;
use topogen::cluster::label;
use topogen::compose::Condition;
use topogen::fake;
use topogen::plan::reconcile::Options;
use topogen::plan::{Action, Operation, Plan, reconcile};
use topogen::topology::address::overlap;

/// With the fake image on the engine.
pub(crate) fn ready() -> Options {
    Options {
        fake_ready: true,
        ..Options::default()
    }
}

/// What an engine says no with.
type Refusal = String;

/// An engine that does what is asked, and refuses what should not be asked.
#[derive(Default, Clone)]
pub(crate) struct Pretended {
    pub(crate) observed: Observed,
    /// Whether the fake image is not there.
    no_fake: bool,
    /// When each container was started last, by its name: a number that grows.
    pub(crate) starts: BTreeMap<String, u64>,
    ids: u64,
}

fn refuse<T>(reason: impl Into<Refusal>) -> Result<T, Refusal> {
    Err(reason.into())
}

impl Pretended {
    pub(crate) fn with(desired: &Desired) -> Self {
        let mut engine = Self::default();
        engine.apply(&engine.up(desired));
        engine
    }

    pub(crate) fn without_fake() -> Self {
        Self {
            no_fake: true,
            ..Self::default()
        }
    }

    pub(crate) fn up(&self, desired: &Desired) -> Plan {
        let options = Options {
            fake_ready: !self.no_fake,
            ..Options::default()
        };
        reconcile::up(desired, &self.observed, &options).unwrap_or_else(|c| panic!("{c:?}"))
    }

    pub(crate) fn id(&mut self) -> String {
        self.ids += 1;
        format!("id{}", self.ids)
    }

    /// All of `plan`, in the order in which it is written.
    pub(crate) fn apply(&mut self, plan: &Plan) {
        for operation in &plan.operations {
            self.operate(operation)
                .unwrap_or_else(|refusal| panic!("{operation}: {refusal}"));
        }
    }

    pub(crate) fn container(&mut self, name: &str) -> &mut ObservedContainer {
        self.find(name).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    fn find(&mut self, name: &str) -> Result<&mut ObservedContainer, Refusal> {
        let mut containers = self.observed.containers.iter_mut();
        containers
            .find(|c| c.name == name || c.id == name)
            .ok_or_else(|| format!("no such container: {name}"))
    }

    /// A second network of the same name and making, as two `up` at once can leave on engines up to 24.
    pub(crate) fn duplicate(&mut self, network: &str) {
        let Some(mut twin) = self.observed.networks.iter().find(|n| n.name == network).cloned() else {
            return;
        };
        twin.id = self.id();
        twin.subnets.clear();
        self.observed.networks.push(twin);
    }

    /// The network `network`, which must be there once; the engine says its id once a container has run on it.
    pub(crate) fn endpoint(&self, network: &str) -> ObservedEndpoint {
        self.joined(network).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    fn joined(&self, network: &str) -> Result<ObservedEndpoint, Refusal> {
        let mut same = self.observed.networks.iter().filter(|n| n.name == network);
        match (same.next(), same.next()) {
            (Some(one), None) => Ok(ObservedEndpoint {
                network: network.to_owned(),
                network_id: Some(one.id.clone()),
                ..ObservedEndpoint::default()
            }),
            (None, _) => refuse(format!("network {network} not found")),
            (Some(_), Some(_)) => refuse(format!("network {network} is ambiguous")),
        }
    }

    /// Carry out `operation`, or say why not.
    pub(crate) fn operate(&mut self, operation: &Operation) -> Result<(), Refusal> {
        let subject = operation.subject.as_str();
        match &operation.action {
            Action::LoadImage => self.no_fake = false,
            Action::PullImage { .. } => {
                let id = self.id();
                self.observed.images.push(ObservedImage {
                    id,
                    tags: vec![subject.to_owned(), format!("{subject}:latest")],
                    digests: Vec::new(),
                    fake: false,
                    platform: None,
                });
            }
            Action::Await { containers, condition } => {
                for name in containers {
                    self.wait(name.as_str(), *condition)?;
                }
            }
            Action::Blocked(conflict) => return refuse(conflict.to_string()),
            Action::CreateVolume(spec) => {
                if self.observed.volumes.iter().any(|v| v.name == subject) {
                    return refuse("the name is taken");
                }
                self.observed.volumes.push(ObservedVolume {
                    name: subject.to_owned(),
                    labels: spec.labels.clone(),
                });
            }
            Action::RemoveVolume => {
                let mounted = |c: &ObservedContainer| c.mounts.iter().any(|(v, _)| v == subject);
                if self.observed.containers.iter().any(mounted) {
                    return refuse("volume is in use");
                }
                self.observed.volumes.retain(|v| v.name != subject);
            }
            Action::CreateNetwork(spec) => {
                if self.observed.networks.iter().any(|n| n.name == subject) {
                    return refuse("the name is taken");
                }
                let subnets: Vec<_> = spec.subnet.into_iter().collect();
                for other in self.observed.networks.iter().flat_map(|n| &n.subnets) {
                    if subnets.iter().any(|s| overlap(s, other)) {
                        return refuse(format!("pool overlaps with {other}"));
                    }
                }
                let labels = spec.labels.clone();
                let id = self.id();
                self.observed.networks.push(ObservedNetwork {
                    id,
                    name: subject.to_owned(),
                    labels,
                    subnets,
                    ..ObservedNetwork::default()
                });
            }
            Action::RemoveNetwork { id } => self.remove_network(id)?,
            Action::CreateContainer(spec) => self.create(spec)?,
            Action::Disconnect { network, .. } => {
                let networks = &mut self.find(subject)?.endpoints;
                let before = networks.len();
                networks.retain(|n| n.network != network.as_str());
                if networks.len() == before {
                    return refuse(format!("it is not on {network}"));
                }
            }
            Action::Connect { container, endpoint } => {
                let desired = &container.endpoints[*endpoint];
                let network = &desired.network;
                let joined = ObservedEndpoint {
                    aliases: Some(desired.aliases.clone()),
                    ..self.joined(network.as_str())?
                };
                let networks = &mut self.find(subject)?.endpoints;
                if networks.iter().any(|n| n.network == network.as_str()) {
                    return refuse(format!("endpoint already exists in network {network}"));
                }
                networks.push(joined);
            }
            Action::Start(spec) => self.start(spec)?,
            Action::Unpause { .. } => {
                let container = self.find(subject)?;
                if container.state != State::Paused {
                    return refuse("it is not paused");
                }
                container.state = State::Running;
            }
            Action::StartAgain { .. } | Action::Pause { .. } | Action::Restart { .. } | Action::Kill { .. } => {
                panic!("{operation}: neither up nor down asks for it")
            }
            Action::Rename { id, to } => {
                if let Ok(other) = self.find(to) {
                    return refuse(format!("the name {to} is taken by {}", other.id));
                }
                if self.observed.foreign.iter().any(|c| c.name == *to) {
                    return refuse(format!("the name {to} is taken"));
                }
                self.find(id)?.name.clone_from(to);
            }
            Action::Stop { id, .. } => {
                let container = self.find(id)?;
                container.state = State::Exited;
                container.exit = Some(143);
                container.health = None;
                container.ports.clear();
            }
            Action::RemoveContainer { id, .. } => {
                // One that was on its way out is as good as removed.
                let Ok(container) = self.find(id) else { return Ok(()) };
                if matches!(container.state, State::Running | State::Paused) {
                    return refuse("it runs");
                }
                let id = container.id.clone();
                self.observed.containers.retain(|c| c.id != id);
            }
        }
        Ok(())
    }

    /// As long as it takes: what it never comes to is refused.
    fn wait(&mut self, name: &str, condition: Condition) -> Result<(), Refusal> {
        let container = self.find(name)?;
        match (condition, container.state) {
            (Condition::Started | Condition::Completed, State::Exited) if container.exit == Some(0) => {}
            (Condition::Started, State::Running) => {}
            (Condition::Healthy, State::Running) => container.health = container.health.map(|_| Health::Healthy),
            (Condition::Completed, State::Running) => {
                container.state = State::Exited;
                container.exit = Some(0);
                container.health = None;
                container.ports.clear();
            }
            (_, state) => return refuse(format!("{name} is {}", state.word())),
        }
        Ok(())
    }

    fn create(&mut self, spec: &ContainerSpec) -> Result<(), Refusal> {
        let name = spec.name.as_str();
        // It may have been renamed, to make place for this one.
        let created_as = spec.labels.get(label::NAME);
        let is_former =
            |c: &ObservedContainer| c.name == name || Some(c.created_as()) == created_as.map(String::as_str);
        let on_its_way_out = |c: &ObservedContainer| is_former(c) && c.state == State::Removing;
        self.observed.containers.retain(|c| !on_its_way_out(c));
        let mut all = self.observed.containers.iter().chain(&self.observed.foreign);
        if all.any(|c| c.name == name) {
            return refuse("the name is taken");
        }
        let image = spec.image();
        let there = match image == fake::image_name() {
            true => !self.no_fake,
            false => self.observed.image(image).is_some(),
        };
        if !there {
            return refuse(format!("no such image: {image}"));
        }
        for other in &spec.joined {
            self.find(other.as_str())?;
        }
        let endpoints = spec.endpoints.iter().map(|desired| {
            Ok(ObservedEndpoint {
                network_id: None,
                aliases: Some(desired.aliases.clone()),
                ..self.joined(desired.network.as_str())?
            })
        });
        let endpoints = endpoints.collect::<Result<_, Refusal>>()?;
        for volume in &spec.volumes {
            // The engine creates a volume that is not there, without any label.
            if !self.observed.volumes.iter().any(|v| v.name == *volume) {
                self.observed.volumes.push(ObservedVolume {
                    name: volume.clone(),
                    labels: BTreeMap::new(),
                });
            }
        }
        let container = ObservedContainer {
            id: self.id(),
            name: name.to_owned(),
            labels: spec.labels.clone(),
            state: State::Created,
            endpoints,
            mounts: spec.volumes.iter().map(|v| (v.clone(), format!("/{v}"))).collect(),
            ..ObservedContainer::default()
        };
        self.observed.containers.push(container);
        Ok(())
    }

    fn start(&mut self, spec: &ContainerSpec) -> Result<(), Refusal> {
        let name = spec.name.as_str();
        let mut networks = self.find(name)?.endpoints.clone();
        for on in &mut networks {
            let network = self.joined(&on.network)?;
            if let Some(id) = on
                .network_id
                .as_ref()
                .filter(|id| Some(*id) != network.network_id.as_ref())
            {
                return refuse(format!("network {id} not found: {} is another one", on.network));
            }
            *on = ObservedEndpoint {
                aliases: on.aliases.take(),
                ..network
            };
        }
        for other in &spec.joined {
            if self.find(other.as_str())?.state != State::Running {
                return refuse(format!("cannot join network of a container that does not run: {other}"));
            }
        }
        // What they are in the container, nobody asks.
        let ports: Vec<_> = spec.host_ports().into_iter().map(|p| (p, p.to_string())).collect();
        let others = self.observed.containers.iter().filter(|c| c.name != name);
        for (port, _) in others.chain(&self.observed.foreign).flat_map(|c| &c.ports) {
            if ports.iter().any(|(asked, _)| asked.excludes(port)) {
                return refuse(format!("port {port} is already allocated"));
            }
        }
        self.ids += 1;
        let begun = self.ids;
        let container = self.find(name)?;
        if !matches!(container.state, State::Created | State::Exited) {
            return refuse(format!("it is {}", container.state.word()));
        }
        container.endpoints = networks;
        container.state = State::Running;
        container.exit = None;
        container.health = spec.config.healthcheck.as_ref().map(|_| Health::Starting);
        container.ports = ports;
        self.starts.insert(name.to_owned(), begun);
        Ok(())
    }

    fn remove_network(&mut self, id: &str) -> Result<(), Refusal> {
        let Some(network) = self.observed.networks.iter().find(|n| n.id == id) else {
            return refuse(format!("network {id} not found"));
        };
        let on_it = |c: &&ObservedContainer| c.endpoints.iter().any(|n| n.network_id.as_deref() == Some(id));
        let mut all = self.observed.containers.iter().chain(&self.observed.foreign);
        if let Some(container) = all.find(on_it) {
            return refuse(format!(
                "network {} has active endpoints: {}",
                network.name, container.name
            ));
        }
        self.observed.networks.retain(|n| n.id != id);
        Ok(())
    }

    /// Foreign containers on the network of that id.
    pub(crate) fn guests(&mut self, network_id: &str, names: &[&str]) {
        for name in names {
            self.observed.foreign.push(ObservedContainer {
                id: (*name).to_owned(),
                name: (*name).to_owned(),
                state: State::Running,
                endpoints: vec![ObservedEndpoint {
                    network_id: Some(network_id.to_owned()),
                    ..ObservedEndpoint::default()
                }],
                ..ObservedContainer::default()
            });
        }
    }

    pub(crate) fn names(&self) -> BTreeMap<String, String> {
        self.observed
            .containers
            .iter()
            .map(|c| (c.name.clone(), c.id.clone()))
            .collect()
    }
}
