//! An engine that does what it is told, and nothing that it should not be told.

use std::collections::BTreeMap;

use topogen::cluster::Desired;
use topogen::cluster::Observed;
use topogen::cluster::ObservedContainer;
use topogen::cluster::ObservedEndpoint;
use topogen::cluster::ObservedNetwork;
use topogen::cluster::ObservedVolume;
use topogen::cluster::State;
use topogen::plan::reconcile::Options;
use topogen::plan::{Action, Operation, Plan, reconcile};

/// With the fake image on the engine.
pub(crate) fn ready() -> Options {
    Options {
        fake_ready: true,
        ..Options::default()
    }
}

/// An engine that does what it is told, and nothing that it should not be told.
#[derive(Default)]
pub(crate) struct Pretended {
    pub(crate) observed: Observed,
    ids: u64,
}

impl Pretended {
    pub(crate) fn with(desired: &Desired) -> Self {
        let mut engine = Self::default();
        engine.apply(&engine.up(desired));
        engine
    }

    pub(crate) fn up(&self, desired: &Desired) -> Plan {
        reconcile::up(desired, &self.observed, &ready()).unwrap_or_else(|c| panic!("{c:?}"))
    }

    pub(crate) fn id(&mut self) -> String {
        self.ids += 1;
        format!("id{}", self.ids)
    }

    pub(crate) fn apply(&mut self, plan: &Plan) {
        self.some(plan, plan.operations.len());
    }

    /// The first `count` operations, as an `up` that is killed would leave them.
    pub(crate) fn some(&mut self, plan: &Plan, count: usize) {
        for operation in &plan.operations[..count] {
            self.operate(operation);
        }
    }

    pub(crate) fn container(&mut self, name: &str) -> &mut ObservedContainer {
        self.observed
            .containers
            .iter_mut()
            .find(|c| c.name == name)
            .unwrap_or_else(|| panic!("no container {name}"))
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
        let same: Vec<&ObservedNetwork> = self.observed.networks.iter().filter(|n| n.name == network).collect();
        assert_eq!(same.len(), 1, "`{network}` must be there once");
        ObservedEndpoint {
            network: network.to_owned(),
            network_id: same[0].id.clone(),
            ..ObservedEndpoint::default()
        }
    }

    pub(crate) fn operate(&mut self, operation: &Operation) {
        let subject = operation.subject.as_str();
        match &operation.action {
            Action::LoadImage | Action::PullImage { .. } | Action::Await { .. } => {}
            Action::Blocked(_) => {}
            Action::CreateVolume(spec) => {
                assert!(
                    !self.observed.volumes.iter().any(|v| v.name == subject),
                    "{subject} twice"
                );
                self.observed.volumes.push(ObservedVolume {
                    name: subject.to_owned(),
                    labels: spec.labels.clone(),
                });
            }
            Action::RemoveVolume => {
                let mounted = |c: &ObservedContainer| c.mounts.iter().any(|(v, _)| v == subject);
                assert!(!self.observed.containers.iter().any(mounted), "{subject} is in use");
                self.observed.volumes.retain(|v| v.name != subject);
            }
            Action::Disconnect { network, .. } => self
                .container(subject)
                .endpoints
                .retain(|n| n.network != network.as_str()),
            Action::CreateNetwork(spec) => {
                assert!(
                    !self.observed.networks.iter().any(|n| n.name == subject),
                    "{subject} twice"
                );
                let id = self.id();
                let subnets: Vec<_> = spec.subnet.into_iter().collect();
                for other in self.observed.networks.iter().flat_map(|n| &n.subnets) {
                    assert!(
                        !subnets.iter().any(|s| topogen::topology::address::overlap(s, other)),
                        "{other}"
                    );
                }
                let labels = spec.labels.clone();
                self.observed.networks.push(ObservedNetwork {
                    id,
                    name: subject.to_owned(),
                    labels,
                    subnets,
                    ..ObservedNetwork::default()
                });
            }
            Action::CreateContainer(spec) => {
                self.observed
                    .containers
                    .retain(|c| c.name != subject || c.state != State::Removing);
                assert!(
                    !self.observed.containers.iter().any(|c| c.name == subject),
                    "{subject} twice"
                );
                let container = ObservedContainer {
                    id: self.id(),
                    name: subject.to_owned(),
                    labels: spec.labels.clone(),
                    state: State::Created,
                    endpoints: spec
                        .endpoints
                        .iter()
                        .map(|e| ObservedEndpoint {
                            network_id: String::new(),
                            aliases: Some(e.aliases.clone()),
                            ..self.endpoint(e.network.as_str())
                        })
                        .collect(),
                    ..ObservedContainer::default()
                };
                self.observed.containers.push(container);
            }
            Action::Connect { container, endpoint } => {
                let desired = &container.endpoints[*endpoint];
                let endpoint = ObservedEndpoint {
                    aliases: Some(desired.aliases.clone()),
                    ..self.endpoint(desired.network.as_str())
                };
                self.container(subject).endpoints.push(endpoint);
            }
            Action::Start(_) => {
                let mut networks = self.container(subject).endpoints.clone();
                for on in &mut networks {
                    let network = self.endpoint(&on.network);
                    let same = on.network_id.is_empty() || on.network_id == network.network_id;
                    assert!(same, "{subject}: `{}` is another one", on.network);
                    *on = ObservedEndpoint {
                        aliases: on.aliases.take(),
                        ..network
                    };
                }
                let container = self.container(subject);
                container.endpoints = networks;
                container.state = State::Running;
            }
            Action::Unpause => self.container(subject).state = State::Running,
            Action::StartAgain { .. } | Action::Pause { .. } | Action::Restart { .. } | Action::Kill { .. } => {
                panic!("{operation}: neither up nor down asks for it")
            }
            Action::Stop { id, .. } => {
                let container = self.container(subject);
                assert_eq!(container.id, *id);
                container.state = State::Exited;
                container.exit = Some(0);
            }
            Action::RemoveContainer { id, .. } => {
                assert_ne!(self.container(subject).state, State::Running, "{subject} runs");
                self.observed.containers.retain(|c| c.id != *id);
            }
            Action::RemoveNetwork { id } => {
                let on_it = self
                    .observed
                    .containers
                    .iter()
                    .find(|c| c.endpoints.iter().any(|n| n.network_id == *id));
                assert!(on_it.is_none(), "{subject} is in use");
                let network = self.observed.networks.iter().find(|n| n.id == *id);
                let guests = network.map_or_else(Vec::new, |n| self.observed.guests(n));
                assert_eq!(guests, Vec::<String>::new(), "{subject} has guests");
                self.observed.networks.retain(|n| n.id != *id);
            }
        }
    }

    /// Foreign containers on the network of that id.
    pub(crate) fn guests(&mut self, network_id: &str, names: &[&str]) {
        for name in names {
            self.observed.foreign.push(ObservedContainer {
                id: (*name).to_owned(),
                name: (*name).to_owned(),
                state: State::Running,
                endpoints: vec![ObservedEndpoint {
                    network_id: network_id.to_owned(),
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
