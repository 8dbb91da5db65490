//! Decides what the picture is and what to ask next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::sync::Arc;

use crate::cluster::roster::{Instance, Moment, Node, Roster, Stale, Surroundings};
use crate::cluster::{ContainerEvent, Health, ObservedContainer, State, label};
use crate::signal;
use crate::text::{Natural, natural};

/// Milliseconds between two lists that nothing but time asks for.
const RELIST: u64 = 30_000;
/// The least number of milliseconds between two lists that changes of networks ask for.
const SOON: u64 = 1000;
/// Milliseconds beyond its stop timeout after which a container that was sent a signal and still runs does not end by it.
const MARGIN: u64 = 10_000;

/// What happened, or was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The engine tells its events from now on.
    Connected,
    /// The engine tells no events from now on, for this reason.
    Lost(String),
    /// An event of a container.
    Event(Event),
    /// A container was connected to a network or disconnected from it.
    Network {
        /// The engine's ID of the container, 64 hexadecimal digits.
        container: String,
    },
    /// A network was created or removed, or something was cut in one.
    Networks,
    /// What is around the cluster's containers; a part of the answer to [`Command::List`], before [`Input::Listed`].
    Surroundings(Surroundings),
    /// The answer to [`Command::List`]: the containers of the cluster, running or not.
    Listed(Vec<Listed>),
    /// [`Command::List`] was not answered, for this reason.
    NotListed(String),
    /// The answer to [`Command::Inspect`].
    Inspected(Box<Instance>),
    /// The other answer to it: the container with this ID does not exist, or is not of the cluster.
    Gone(String),
    /// [`Command::Inspect`] of the container with this ID was not answered.
    NotInspected(String),
    /// Time has passed; to be said about once a second.
    Tick,
}

/// An event of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The engine's ID of the container, 64 hexadecimal digits.
    pub id: String,
    /// The container's name, after a rename the new one.
    pub name: String,
    /// When it happened, by the engine's clock.
    pub at: Moment,
    /// What happened to it, in topogen's words.
    pub what: ContainerEvent,
    /// Whose container it is, by the labels that the event shows; `None` if it is not of the cluster.
    pub identity: Option<Identity>,
}

/// Whose container one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name of the node: `slave3`.
    pub node: String,
    /// The name of the node's role: `slave`.
    pub role: String,
    /// The service, by its name inside the node.
    pub service: String,
    /// The number among the containers of its service, from 1.
    pub number: u32,
}

/// What a list says of a container, which may be out of date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The engine's ID of the container, 64 hexadecimal digits.
    pub id: String,
    /// The container's name, without the leading slash.
    pub name: String,
    /// The state of its process.
    pub state: State,
    /// The result of the healthcheck; `None` without one, or if it does not run.
    pub health: Option<Health>,
    /// The networks that it is on.
    pub networks: BTreeSet<String>,
}

/// What is to be asked of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The list of the cluster's containers, and of what is around them (`GET /containers/json`, `GET /networks`).
    List,
    /// The inspection of the container with this ID (`GET /containers/{id}/json`).
    Inspect(String),
}

/// What is known of a container.
#[derive(Debug, Default)]
struct Entry {
    /// Its picture; `None` until it is known.
    instance: Option<Arc<Instance>>,
    /// When the last event happened that changed the picture.
    changed: Option<Moment>,
    /// The signals that it was sent since it was last started, and when by our clock.
    signals: BTreeMap<u8, Moment>,
    /// Whether it is being inspected.
    inspecting: bool,
    /// Whether something happened since that inspection was asked for, so that its answer may be older.
    outdated: bool,
}

impl Entry {
    /// Remembers a signal for as long as the process runs that it was sent to.
    fn take_signal(&mut self, what: &ContainerEvent, now: Moment) {
        match what {
            ContainerEvent::Signalled(Some(number)) => drop(self.signals.insert(*number, now)),
            ContainerEvent::Started | ContainerEvent::Died(_) => self.signals.clear(),
            _ => {}
        }
    }

    /// Whether its container, which is as `instance` says, was sent a signal that ends it.
    fn is_leaving(&self, instance: &Instance) -> bool {
        let ends = |signal: &u8| *signal == signal::KILL || *signal == instance.stop_signal;
        matches!(instance.state, State::Running | State::Paused) && self.signals.keys().any(ends)
    }
}

/// The place of a container in the roster.
type Place = (Natural, Natural, u32, String);

/// How the picture comes to be true again after the engine was lost, or at first.
#[derive(Debug, PartialEq, Eq)]
enum Recovery {
    /// The engine tells no events.
    Lost,
    /// It does, and everything is listed.
    Listing,
    /// Everything was listed, and these are inspected.
    Inspecting(BTreeSet<String>),
    /// The picture is true as of the last event.
    Done,
}

/// Turns what happened and what was answered into a [`Roster`] and into what to ask next.
#[derive(Debug)]
pub struct Reducer {
    roster: Arc<Roster>,
    entries: HashMap<String, Entry>,
    places: BTreeMap<Place, Arc<Instance>>,
    recovery: Recovery,
    stale: Option<Stale>,
    surroundings: Arc<Surroundings>,
    /// Whether what is around the containers has changed since it was asked for.
    unlisted: bool,
    /// Whether containers may have other addresses than was made of their inspections, because the networks are others.
    moved: bool,
    listing: bool,
    listed: Moment,
    /// Whether the roster is no longer what the other fields say.
    changed: bool,
}

impl Reducer {
    /// One that knows nothing of `cluster` yet.
    #[must_use]
    pub fn new(cluster: &str, now: Moment) -> Self {
        let roster = Roster::unknown(cluster, now);
        Self {
            stale: roster.stale.clone(),
            roster: Arc::new(roster),
            entries: HashMap::new(),
            places: BTreeMap::new(),
            recovery: Recovery::Lost,
            surroundings: Arc::default(),
            unlisted: false,
            moved: false,
            listing: false,
            listed: now,
            changed: false,
        }
    }

    /// The picture. Two that are equal but for their revision do not follow each other.
    #[must_use]
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Takes what happened or was answered, and returns what to ask of the engine.
    pub fn on(&mut self, input: Input, now: Moment) -> Vec<Command> {
        let commands = match input {
            Input::Connected => {
                self.recovery = Recovery::Listing;
                self.list(now)
            }
            Input::Lost(reason) => {
                self.recovery = Recovery::Lost;
                self.lose(reason, now);
                Vec::new()
            }
            Input::Event(event) => self.event(event, now),
            Input::Network { container } => match self.entries.contains_key(&container) {
                true => self.inspect(container),
                false => self.list_soon(now),
            },
            Input::Networks => self.list_soon(now),
            Input::Surroundings(surroundings) => {
                if *self.surroundings != surroundings {
                    self.moved |= self.surroundings.networks != surroundings.networks;
                    self.surroundings = Arc::new(surroundings);
                    self.changed = true;
                }
                Vec::new()
            }
            Input::Listed(containers) => self.listed(containers, now),
            Input::NotListed(reason) => {
                self.listing = false;
                // What was true as of the last event still is.
                if self.stale.is_some() {
                    self.lose(reason, now);
                }
                Vec::new()
            }
            Input::Inspected(instance) => self.inspected(*instance, now),
            Input::Gone(id) => {
                self.forget(&id);
                self.recovered(&id);
                Vec::new()
            }
            Input::NotInspected(id) => {
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.inspecting = false;
                    entry.outdated = true;
                }
                Vec::new()
            }
            Input::Tick => self.tick(now),
        };
        self.publish();
        commands
    }

    fn tick(&mut self, now: Moment) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.recovery == Recovery::Lost {
            return commands;
        }
        let due = now.0.saturating_sub(self.listed.0) >= RELIST || self.unlisted || self.recovery == Recovery::Listing;
        if due && !self.listing {
            commands.extend(self.list(now));
        }
        let unanswered = self.entries.iter().filter(|(_, e)| e.outdated && !e.inspecting);
        for id in unanswered.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            commands.extend(self.inspect(id));
        }
        let leaving = self.entries.iter().filter(|(_, e)| !e.signals.is_empty());
        for id in leaving.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.update(&id, now, |entry, instance| {
                let timeout = u64::from(instance.stop_timeout) * 1000 + MARGIN;
                entry.signals.retain(|_, sent| now.0.saturating_sub(sent.0) <= timeout);
                instance.leaving = entry.is_leaving(instance);
            });
        }
        let unsteady = self.places.values().filter(|i| i.is_unsteady());
        for id in unsteady.map(|i| i.id.clone()).collect::<Vec<_>>() {
            self.update(&id, now, |_, _| {});
        }
        commands
    }

    /// The roster may be out of date for this reason, and has been since it first was.
    fn lose(&mut self, reason: String, now: Moment) {
        let since = self.stale.as_ref().map_or(now, |stale| stale.since);
        let stale = Some(Stale { since, reason });
        self.changed |= self.stale != stale;
        self.stale = stale;
    }

    /// Lists, because networks have changed; at the next tick if that has just been done.
    fn list_soon(&mut self, now: Moment) -> Vec<Command> {
        if self.recovery == Recovery::Lost {
            return Vec::new();
        }
        if self.listing || now.0.saturating_sub(self.listed.0) < SOON {
            self.unlisted = true;
            return Vec::new();
        }
        self.list(now)
    }

    fn list(&mut self, now: Moment) -> Vec<Command> {
        self.listing = true;
        self.unlisted = false;
        self.listed = now;
        vec![Command::List]
    }

    /// Asks about a container; where it is being asked about, once more when the answer has come.
    fn inspect(&mut self, id: String) -> Vec<Command> {
        let entry = self.entries.entry(id.clone()).or_default();
        if mem::replace(&mut entry.inspecting, true) {
            entry.outdated = true;
            return Vec::new();
        }
        entry.outdated = false;
        vec![Command::Inspect(id)]
    }

    fn listed(&mut self, containers: Vec<Listed>, now: Moment) -> Vec<Command> {
        self.listing = false;
        self.listed = now;
        let recovers = self.recovery == Recovery::Listing;
        let all = mem::take(&mut self.moved) || recovers;
        let mut to_inspect: BTreeSet<String> = BTreeSet::new();
        for container in &containers {
            let known = self.entries.get(&container.id).and_then(|e| e.instance.as_ref());
            if all || !known.is_some_and(|instance| is_as_listed(instance, container)) {
                to_inspect.insert(container.id.clone());
            }
        }
        // A list may be too old to have a container, so that one that it does not have is asked about, too.
        let listed: BTreeSet<&String> = containers.iter().map(|c| &c.id).collect();
        to_inspect.extend(self.entries.keys().filter(|id| !listed.contains(id)).cloned());
        if recovers {
            self.recovery = Recovery::Inspecting(to_inspect.clone());
            self.recovered("");
        }
        to_inspect.into_iter().flat_map(|id| self.inspect(id)).collect()
    }

    fn event(&mut self, event: Event, now: Moment) -> Vec<Command> {
        let Event {
            id,
            name,
            at,
            what,
            identity,
        } = event;
        match what {
            ContainerEvent::Visited => return Vec::new(),
            ContainerEvent::Removed => {
                self.forget(&id);
                self.recovered(&id);
                return self.sharers(&id, &name);
            }
            _ => {}
        }
        let mut commands = match what {
            ContainerEvent::Started | ContainerEvent::Died(_) => self.sharers(&id, &name),
            _ => Vec::new(),
        };
        if !self.entries.contains_key(&id) {
            let Some(identity) = identity else {
                return commands;
            };
            self.entries.insert(id.clone(), Entry::default());
            if matches!(what, ContainerEvent::Created | ContainerEvent::Started) {
                self.show(&id, sketch(&id, &name, identity), now);
            }
        }
        // Events of one container come in their order; an older one is a repetition.
        let is_new = self.entries[&id].changed.is_none_or(|changed| at >= changed);
        if is_new {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.changed = Some(at);
                entry.take_signal(&what, now);
            }
            self.update(&id, now, |entry, instance| {
                apply(&what, &name, at, instance);
                instance.leaving = entry.is_leaving(instance);
            });
        }
        commands.extend(self.inspect(id));
        commands
    }

    /// Asks about the containers that have a namespace of the container `id`: what becomes of it changes their verdicts.
    fn sharers(&mut self, id: &str, name: &str) -> Vec<Command> {
        let sharers = self.places.values().filter(|i| i.shares_with(id, name));
        let sharers: Vec<String> = sharers.map(|i| i.id.clone()).collect();
        sharers.into_iter().flat_map(|id| self.inspect(id)).collect()
    }

    fn inspected(&mut self, mut instance: Instance, now: Moment) -> Vec<Command> {
        let id = instance.id.clone();
        // It was removed since it was asked about.
        let Some(entry) = self.entries.get_mut(&id) else {
            return Vec::new();
        };
        entry.inspecting = false;
        if mem::take(&mut entry.outdated) {
            return self.inspect(id);
        }
        instance.leaving = entry.is_leaving(&instance);
        self.show(&id, instance, now);
        self.recovered(&id);
        Vec::new()
    }

    /// The container `id` was asked about while the picture came to be true again.
    fn recovered(&mut self, id: &str) {
        let Recovery::Inspecting(left) = &mut self.recovery else {
            return;
        };
        left.remove(id);
        if left.is_empty() {
            self.recovery = Recovery::Done;
            self.stale = None;
            self.changed = true;
        }
    }

    /// Changes the picture of a container, if there is one.
    fn update(&mut self, id: &str, now: Moment, change: impl FnOnce(&mut Entry, &mut Instance)) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let Some(mut instance) = entry.instance.as_deref().cloned() else {
            return;
        };
        change(entry, &mut instance);
        self.show(id, instance, now);
    }

    /// Makes `instance` the picture of its container, and says what is wrong with it.
    fn show(&mut self, id: &str, mut instance: Instance, now: Moment) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        instance.judge(now);
        if entry.instance.as_deref() == Some(&instance) {
            return;
        }
        let instance = Arc::new(instance);
        let before = entry.instance.replace(instance.clone());
        if let Some(before) = before {
            self.places.remove(&place(&before));
        }
        self.places.insert(place(&instance), instance);
        self.changed = true;
    }

    fn forget(&mut self, id: &str) {
        if let Some(instance) = self.entries.remove(id).and_then(|e| e.instance) {
            self.places.remove(&place(&instance));
            self.changed = true;
        }
    }

    fn publish(&mut self) {
        if !mem::take(&mut self.changed) {
            return;
        }
        let mut nodes: Vec<Node> = Vec::new();
        for instance in self.places.values() {
            match nodes.last_mut() {
                Some(node) if node.node == instance.node => node.instances.push(instance.clone()),
                _ => nodes.push(Node {
                    node: instance.node.clone(),
                    role: instance.role.clone(),
                    instances: vec![instance.clone()],
                }),
            }
        }
        let roster = &self.roster;
        if roster.nodes == nodes && roster.stale == self.stale && roster.surroundings == self.surroundings {
            return;
        }
        self.roster = Arc::new(Roster {
            cluster: self.roster.cluster.clone(),
            revision: self.roster.revision + 1,
            stale: self.stale.clone(),
            nodes,
            surroundings: self.surroundings.clone(),
        });
    }
}

fn place(instance: &Instance) -> Place {
    (
        natural(&instance.node),
        natural(&instance.service),
        instance.number,
        instance.id.clone(),
    )
}

/// Whether a list says of a container what is known of it.
fn is_as_listed(instance: &Instance, listed: &Listed) -> bool {
    let networks: BTreeSet<&str> = instance.addresses.iter().map(|a| a.network.as_str()).collect();
    instance.container == listed.name
        && instance.state == listed.state
        && instance.health == listed.health
        && networks == listed.networks.iter().map(String::as_str).collect()
}

/// A container as far as its first event describes it.
fn sketch(id: &str, name: &str, identity: Identity) -> Instance {
    let labels = [
        (label::NODE, &identity.node),
        (label::ROLE, &identity.role),
        (label::SERVICE, &identity.service),
    ];
    let inspected = ObservedContainer {
        labels: labels.map(|(key, value)| (key.to_owned(), value.clone())).into(),
        ..ObservedContainer::default()
    };
    Instance {
        inspected: Arc::new(inspected),
        container: name.to_owned(),
        id: id.to_owned(),
        node: identity.node,
        role: identity.role,
        service: identity.service,
        number: identity.number,
        ..Instance::default()
    }
}

/// What an event says of a container.
fn apply(what: &ContainerEvent, name: &str, at: Moment, instance: &mut Instance) {
    match what {
        ContainerEvent::Started => {
            instance.state = State::Running;
            instance.exit = None;
            instance.health = None;
            instance.since = Some(at);
        }
        ContainerEvent::Died(exit) => {
            instance.state = State::Exited;
            instance.exit = *exit;
            instance.health = None;
            instance.since = Some(at);
            instance.address = None;
            instance.addresses.iter_mut().for_each(|a| a.address = None);
        }
        ContainerEvent::Paused => instance.state = State::Paused,
        ContainerEvent::Unpaused => instance.state = State::Running,
        ContainerEvent::Health(health) if instance.state == State::Running => instance.health = Some(*health),
        ContainerEvent::Renamed(_) => name.clone_into(&mut instance.container),
        _ => {}
    }
}
