//! Following a cluster: the reducer against a model of an engine, and the driver against the engine double.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;
use tokio::sync::watch;
use topogen::cluster::roster::{Address, Instance, Moment, Roster, Surroundings, What, diff};
use topogen::cluster::{
    ContainerEvent, Details, Health, NamespaceKind, ObservedContainer, ObservedNetwork, SharedNamespace, State, Verdict,
};
use topogen::watch::{Command, Event, Identity, Input, Listed, Reducer, follow};

use crate::engine::cluster::Cluster;
use crate::engine::{Call, EngineDouble};

/// An engine as engines are: its events come in order for each container, late and twice, in any order between
/// containers, or not at all; its list is a copy that is written later; its inspections are right when they are answered,
/// and may arrive after later events.
#[derive(Default)]
struct Model {
    clock: u64,
    containers: BTreeMap<String, Instance>,
    /// The copy that lists are answered from.
    copy: BTreeMap<String, Instance>,
    /// The events of each container that are under way.
    events: BTreeMap<String, VecDeque<Input>>,
    /// The answers that are under way.
    answers: Vec<Input>,
    made: usize,
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Create,
    Start(usize),
    Kill(usize, u8),
    Die(usize, i32),
    Pause(usize),
    Unpause(usize),
    Health(usize, bool),
    Rename(usize),
    Move(usize),
    Remove(usize),
    /// The oldest event of a container arrives, perhaps to come once more.
    Arrive(usize, bool),
    /// The oldest event of a container never arrives.
    Lose(usize),
    /// An answer arrives.
    Answer(usize),
    /// The copy for lists is written.
    Write,
    /// The stream breaks off: all events under way are lost, and it is connected again.
    Break,
    /// A second passes.
    Tick,
}

fn steps(lossy: bool) -> impl Strategy<Value = Vec<Step>> {
    let at = 0usize..6;
    let usual = prop_oneof![
        2 => Just(Step::Create),
        4 => at.clone().prop_map(Step::Start),
        2 => (at.clone(), prop_oneof![Just(15u8), Just(9), Just(1)]).prop_map(|(a, s)| Step::Kill(a, s)),
        3 => (at.clone(), 0..3i32).prop_map(|(a, c)| Step::Die(a, c)),
        1 => at.clone().prop_map(Step::Pause),
        1 => at.clone().prop_map(Step::Unpause),
        1 => (at.clone(), any::<bool>()).prop_map(|(a, h)| Step::Health(a, h)),
        1 => at.clone().prop_map(Step::Rename),
        1 => at.clone().prop_map(Step::Move),
        1 => at.clone().prop_map(Step::Remove),
        8 => (at.clone(), any::<bool>()).prop_map(|(a, t)| Step::Arrive(a, t)),
        8 => (0usize..8).prop_map(Step::Answer),
        2 => Just(Step::Write),
        1 => Just(Step::Tick),
    ];
    let all = match lossy {
        false => usual.boxed(),
        true => prop_oneof![
            20 => usual,
            1 => at.prop_map(Step::Lose),
            1 => Just(Step::Break),
        ]
        .boxed(),
    };
    prop::collection::vec(all, 0..120)
}

impl Model {
    fn now(&self) -> Moment {
        Moment(self.clock)
    }

    fn name(&self, at: usize) -> Option<String> {
        self.containers.keys().nth(at % self.containers.len().max(1)).cloned()
    }

    fn happen(&mut self, id: &str, what: ContainerEvent) {
        let name = self.containers.get(id).map(|c| c.container.clone()).unwrap_or_default();
        let event = Input::Event(Event {
            id: id.to_owned(),
            name,
            at: self.now(),
            what,
            identity: Some(identity()),
        });
        self.events.entry(id.to_owned()).or_default().push_back(event);
    }

    fn change(&mut self, at: usize, from: &[State], what: ContainerEvent, change: impl FnOnce(&mut Instance)) {
        let Some(id) = self.name(at) else { return };
        let container = self.containers.get_mut(&id).expect("it is there");
        if !from.contains(&container.state) {
            return;
        }
        change(container);
        self.happen(&id, what);
    }

    /// What the engine does, or what happens to it.
    fn act(&mut self, step: &Step) {
        use State::{Created, Exited, Paused, Running};
        self.clock += 10;
        let now = self.now();
        match *step {
            Step::Create => {
                self.made += 1;
                let id = format!("{:064x}", self.made);
                self.containers.insert(id.clone(), created(&id, self.made));
                self.happen(&id, ContainerEvent::Created);
            }
            Step::Start(at) => self.change(at, &[Created, Exited], ContainerEvent::Started, |c| {
                c.state = Running;
                c.exit = None;
                c.since = Some(now);
                c.addresses[0].address = Some([10, 0, 0, 1].into());
                c.address = c.addresses[0].address;
            }),
            Step::Kill(at, signal) => {
                self.change(at, &[Running], ContainerEvent::Signalled(Some(signal)), |c| {
                    c.leaving |= signal != 1;
                });
            }
            Step::Die(at, code) => self.change(at, &[Running, Paused], ContainerEvent::Died(Some(code)), |c| {
                c.state = Exited;
                c.exit = Some(code);
                c.health = None;
                c.leaving = false;
                c.since = Some(now);
                c.addresses[0].address = None;
                c.address = None;
            }),
            Step::Pause(at) => self.change(at, &[Running], ContainerEvent::Paused, |c| {
                c.state = Paused;
                c.health = None;
            }),
            Step::Unpause(at) => self.change(at, &[Paused], ContainerEvent::Unpaused, |c| c.state = Running),
            Step::Health(at, well) => {
                let health = if well { Health::Healthy } else { Health::Unhealthy };
                self.change(at, &[Running], ContainerEvent::Health(health), |c| {
                    c.health = Some(health)
                });
            }
            Step::Rename(at) => {
                let name = format!("renamed-{}", self.clock);
                self.change(
                    at,
                    &[Created, Running, Exited],
                    ContainerEvent::Renamed(String::new()),
                    |c| {
                        c.container = name;
                    },
                );
            }
            Step::Move(at) => {
                let Some(id) = self.name(at) else { return };
                let network = format!("n{}", self.clock);
                let container = self.containers.get_mut(&id).expect("it is there");
                container.addresses[0].network = network;
                let input = Input::Network { container: id.clone() };
                self.events.entry(id).or_default().push_back(input);
            }
            Step::Remove(at) => {
                let Some(id) = self.name(at) else { return };
                self.happen(&id, ContainerEvent::Removed);
                self.containers.remove(&id);
            }
            Step::Lose(at) => {
                let id = self.events.keys().nth(at).cloned();
                if let Some(queue) = id.and_then(|id| self.events.get_mut(&id)) {
                    queue.pop_front();
                }
            }
            Step::Write => self.copy = self.containers.clone(),
            _ => {}
        }
    }

    /// What arrives of what is under way.
    fn arrives(&mut self, step: &Step) -> Vec<Input> {
        match *step {
            Step::Arrive(at, twice) => {
                let id = self
                    .events
                    .iter()
                    .filter(|(_, q)| !q.is_empty())
                    .map(|(id, _)| id)
                    .nth(at)
                    .cloned();
                let input = id.and_then(|id| self.events.get_mut(&id)?.pop_front());
                let again = input.clone().filter(|_| twice);
                input.into_iter().chain(again).collect()
            }
            Step::Answer(at) if at < self.answers.len() => vec![self.answers.remove(at)],
            Step::Break => {
                self.events.clear();
                vec![Input::Lost("cut".to_owned()), Input::Connected]
            }
            Step::Tick => {
                self.clock += 1000;
                vec![Input::Tick]
            }
            _ => Vec::new(),
        }
    }

    fn ask(&mut self, commands: Vec<Command>) {
        for command in commands {
            self.answers.push(match command {
                Command::List => Input::Listed(self.copy.values().map(listed).collect()),
                Command::Inspect(id) => match self.containers.get(&id) {
                    // Whether it is leaving is nothing that an inspection says.
                    Some(container) => Input::Inspected(Box::new(Instance {
                        leaving: false,
                        ..container.clone()
                    })),
                    None => Input::Gone(id),
                },
            });
        }
    }
}

fn identity() -> Identity {
    Identity {
        node: "slave1".to_owned(),
        role: "slave".to_owned(),
        service: "app".to_owned(),
        number: 1,
    }
}

fn created(id: &str, number: usize) -> Instance {
    Instance {
        container: format!("c{number}"),
        id: id.to_owned(),
        node: "slave1".to_owned(),
        role: "slave".to_owned(),
        service: "app".to_owned(),
        number: 1,
        addresses: vec![Address {
            network: "inout".to_owned(),
            address: None,
            names: Vec::new(),
        }],
        stop_signal: 15,
        stop_timeout: 10_000,
        ..Instance::default()
    }
}

fn listed(container: &Instance) -> Listed {
    Listed {
        id: container.id.clone(),
        name: container.container.clone(),
        state: container.state,
        health: container.health,
        networks: container
            .addresses
            .iter()
            .map(|a| a.network.clone())
            .collect::<BTreeSet<_>>(),
    }
}

/// The containers of a roster, by ID, without what follows from the rest.
fn shown(roster: &Roster) -> BTreeMap<String, Instance> {
    let plain = |i: &Arc<Instance>| Instance {
        verdict: Verdict::default(),
        ..Instance::clone(i)
    };
    roster.instances().map(|i| (i.id.clone(), plain(i))).collect()
}

/// Lets everything arrive that is under way, and returns the roster.
fn rest(model: &mut Model, reducer: &mut Reducer) -> Arc<Roster> {
    loop {
        let next = match model.events.values_mut().find_map(VecDeque::pop_front) {
            Some(event) => Some(event),
            None if model.answers.is_empty() => None,
            None => Some(model.answers.remove(0)),
        };
        let Some(next) = next else { break };
        let commands = reducer.on(next, model.now());
        model.ask(commands);
    }
    reducer.roster().clone()
}

fn begin() -> (Model, Reducer) {
    let mut model = Model::default();
    let mut reducer = Reducer::new("lab", model.now());
    let commands = reducer.on(Input::Connected, model.now());
    model.ask(commands);
    (model, reducer)
}

fn run(model: &mut Model, reducer: &mut Reducer, steps: &[Step]) {
    for step in steps {
        model.act(step);
        for input in model.arrives(step) {
            let before = reducer.roster().clone();
            let commands = reducer.on(input, model.now());
            model.ask(commands);
            let after = reducer.roster();
            // A new roster is a new revision that differs, and no other one is.
            if Arc::ptr_eq(&before, after) {
                continue;
            }
            assert_eq!(after.revision, before.revision + 1);
            assert!(!diff(&before, after).is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Where no event is lost, the roster is the engine as soon as all that is under way has arrived.
    #[test]
    fn a_roster_is_the_engine_when_it_rests(steps in steps(false)) {
        let (mut model, mut reducer) = begin();
        run(&mut model, &mut reducer, &steps);
        let roster = rest(&mut model, &mut reducer);
        prop_assert_eq!(shown(&roster), model.containers);
        prop_assert!(roster.stale.is_none());
    }

    /// Where events are lost without a word, it is after the next list; but for what no list shows.
    #[test]
    fn what_was_lost_is_found_by_the_next_list(steps in steps(true)) {
        let (mut model, mut reducer) = begin();
        run(&mut model, &mut reducer, &steps);
        rest(&mut model, &mut reducer);
        model.act(&Step::Write);
        model.clock += 31_000;
        let commands = reducer.on(Input::Tick, model.now());
        model.ask(commands);
        let roster = rest(&mut model, &mut reducer);
        let visible = |mut containers: BTreeMap<String, Instance>| {
            for container in containers.values_mut() {
                (container.since, container.leaving, container.exit) = (None, false, None);
            }
            containers
        };
        prop_assert_eq!(visible(shown(&roster)), visible(model.containers));
        prop_assert!(roster.stale.is_none());
    }

    /// Taking the changes from one roster to another, in turn, leads from the one to the other.
    #[test]
    fn a_difference_names_what_came_and_went(before in steps(false), after in steps(false)) {
        let (mut model, mut reducer) = begin();
        run(&mut model, &mut reducer, &before);
        let old = rest(&mut model, &mut reducer);
        run(&mut model, &mut reducer, &after);
        let new = rest(&mut model, &mut reducer);
        let changes = diff(&old, &new);
        let of = |what: fn(&What) -> bool| {
            let of_kind = changes.iter().filter(|c| what(&c.what));
            of_kind.filter_map(|c| c.container.clone()).collect::<BTreeSet<_>>()
        };
        let (was, is) = (shown(&old), shown(&new));
        let names = |all: &BTreeMap<String, Instance>, other: &BTreeMap<String, Instance>| {
            let only = all.iter().filter(|(id, _)| !other.contains_key(*id));
            only.map(|(_, i)| i.container.clone()).collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(of(|w| matches!(w, What::Came)), names(&is, &was));
        prop_assert_eq!(of(|w| matches!(w, What::Went)), names(&was, &is));
        for (id, now) in &is {
            let Some(then) = was.get(id) else { continue };
            let told = changes.iter().any(|c| c.container.as_ref() == Some(&now.container));
            prop_assert_eq!(told, then != now, "{:?}", now);
        }
    }
}

#[test]
fn a_kill_with_the_signal_that_ends_it_is_leaving_and_another_is_not() {
    for (signal, leaving) in [(15, true), (9, true), (1, false)] {
        let (mut model, mut reducer) = begin();
        run(&mut model, &mut reducer, &[Step::Create, Step::Start(0)]);
        rest(&mut model, &mut reducer);
        model.act(&Step::Kill(0, signal));
        let roster = rest(&mut model, &mut reducer);
        let instance = roster.instances().next().expect("it is there");
        assert_eq!((instance.leaving, instance.is_ready()), (leaving, !leaving), "{signal}");
    }
}

#[test]
fn what_ignores_its_signal_is_not_leaving_for_ever() {
    let (mut model, mut reducer) = begin();
    run(&mut model, &mut reducer, &[Step::Create, Step::Start(0)]);
    model.containers.values_mut().for_each(|c| c.stop_timeout = 10);
    rest(&mut model, &mut reducer);
    model.act(&Step::Kill(0, 15));
    let leaves = |roster: Arc<Roster>| roster.instances().any(|i| i.leaving);
    assert!(leaves(rest(&mut model, &mut reducer)));
    for (later, leaving) in [(19_000, true), (2_000, false)] {
        model.clock += later;
        reducer.on(Input::Tick, model.now());
        assert_eq!(leaves(reducer.roster().clone()), leaving);
    }
}

#[test]
fn an_engine_that_is_lost_leaves_the_picture_and_says_since_when_and_why() {
    let (mut model, mut reducer) = begin();
    run(&mut model, &mut reducer, &[Step::Create, Step::Start(0)]);
    let before = rest(&mut model, &mut reducer);
    model.clock += 1000;
    reducer.on(Input::Lost("it is restarting".to_owned()), model.now());
    let lost = reducer.roster().clone();
    let stale = lost.stale.as_ref().expect("it is lost");
    assert_eq!((stale.since, stale.reason.as_str()), (model.now(), "it is restarting"));
    assert_eq!(lost.nodes, before.nodes);
    // It is true again when everything was asked about, and not before.
    let commands = reducer.on(Input::Connected, model.now());
    assert!(reducer.roster().stale.is_some());
    model.act(&Step::Die(0, 1));
    model.events.clear();
    model.ask(commands);
    let again = rest(&mut model, &mut reducer);
    assert!(again.stale.is_none());
    assert_eq!(again.instances().next().map(|i| i.state), Some(State::Exited));
}

#[test]
fn the_reason_of_a_loss_is_the_newest_and_its_time_the_first() {
    let (model, mut reducer) = begin();
    let reason = |reducer: &Reducer| reducer.roster().stale.clone().map(|s| (s.since, s.reason));
    assert!(reducer.roster().stale.as_ref().is_some_and(|s| s.is_first()));
    let since = model.now();
    for said in ["refused", "refused", "no such socket"] {
        reducer.on(Input::NotListed(said.to_owned()), Moment(5000));
        assert_eq!(reason(&reducer), Some((since, said.to_owned())));
    }
    // Twice the same is one revision.
    assert_eq!(reducer.roster().revision, 2);
}

#[test]
fn what_shares_a_namespace_is_asked_about_when_its_owner_starts_or_ends() {
    let (mut model, mut reducer) = begin();
    run(&mut model, &mut reducer, &[Step::Create, Step::Create]);
    let owner = model.name(0).expect("it is there");
    let shares = Details {
        shared: vec![SharedNamespace {
            kind: NamespaceKind::Network,
            owner: owner.clone(),
            fate: None,
        }],
        ..Details::default()
    };
    let sharer = model.containers.values_mut().nth(1).expect("it is there");
    let inspected = ObservedContainer {
        details: Some(shares),
        ..ObservedContainer::default()
    };
    (sharer.inspected, sharer.state) = (Arc::new(inspected), State::Running);
    let sharer = sharer.id.clone();
    rest(&mut model, &mut reducer);
    for what in [
        ContainerEvent::Started,
        ContainerEvent::Died(Some(1)),
        ContainerEvent::Removed,
    ] {
        model.happen(&owner, what);
        let event = model
            .events
            .values_mut()
            .find_map(VecDeque::pop_front)
            .expect("it happened");
        let commands = reducer.on(event, model.now());
        assert!(commands.contains(&Command::Inspect(sharer.clone())), "{commands:?}");
        model.ask(commands);
        rest(&mut model, &mut reducer);
    }
}

#[test]
fn what_was_just_started_again_is_unsteady_until_time_has_passed() {
    let (mut model, mut reducer) = begin();
    run(&mut model, &mut reducer, &[Step::Create, Step::Start(0)]);
    let inspected = ObservedContainer {
        details: Some(Details {
            restarts: 3,
            ..Details::default()
        }),
        ..ObservedContainer::default()
    };
    let container = model.containers.values_mut().next().expect("it is there");
    (container.inspected, container.restarts) = (Arc::new(inspected), 3);
    let roster = rest(&mut model, &mut reducer);
    let word = |roster: &Roster| {
        roster
            .instances()
            .next()
            .map(|i| i.verdict.word())
            .expect("it is there")
    };
    assert_eq!(word(&roster), "restarting");
    // Whoever observes the engine sees the same.
    let observed = roster.observed().containers;
    assert_eq!(
        topogen::cluster::verdict(observed[0].duty(), observed.first()).word(),
        "restarting"
    );
    model.clock += 11_000;
    reducer.on(Input::Tick, model.now());
    assert_eq!(word(reducer.roster()), "running");
}

#[test]
fn networks_and_guests_are_listed_again_when_they_change_and_at_most_once_a_second() {
    let (mut model, mut reducer) = begin();
    rest(&mut model, &mut reducer);
    let stranger = || Input::Network {
        container: "f".repeat(64),
    };
    assert_eq!(reducer.on(stranger(), model.now()), []);
    model.clock += 1000;
    assert_eq!(reducer.on(Input::Tick, model.now()), [Command::List]);
    // What changes while a list is made is listed once more.
    assert_eq!(reducer.on(Input::Networks, model.now()), []);
    reducer.on(Input::Listed(Vec::new()), model.now());
    model.clock += 1000;
    assert_eq!(reducer.on(Input::Tick, model.now()), [Command::List]);
    let surroundings = Surroundings {
        networks: vec![ObservedNetwork::default()],
        ..Surroundings::default()
    };
    let before = reducer.roster().clone();
    reducer.on(Input::Surroundings(surroundings), model.now());
    assert_eq!(diff(&before, reducer.roster())[0].what, What::Networks);
}

#[test]
fn a_list_alone_changes_nothing() {
    let (mut model, mut reducer) = begin();
    run(&mut model, &mut reducer, &[Step::Create, Step::Start(0), Step::Write]);
    rest(&mut model, &mut reducer);
    model.act(&Step::Die(0, 137));
    let died = rest(&mut model, &mut reducer);
    model.clock += 31_000;
    let commands = reducer.on(Input::Tick, model.now());
    assert_eq!(commands, [Command::List]);
    // The list still says that it runs.
    model.ask(commands);
    assert_eq!(rest(&mut model, &mut reducer), died);
}

#[test]
fn no_variable_and_no_label_is_shown() {
    let roster = Roster::unknown("lab", Moment(0));
    assert_eq!(
        serde_json::to_string(&roster).expect("JSON"),
        r#"{"cluster":"lab","revision":0,"stale":{"since":"1970-01-01T00:00:00.000Z","reason":"the engine was not asked yet"},"nodes":[]}"#
    );
    let instance = serde_json::to_string(&created("1", 1)).expect("JSON");
    assert!(!instance.contains("label") && !instance.contains("env"), "{instance}");
}

const A: &str = "lab-node1-a-1";

/// The roster of a cluster on the double, once it is complete.
async fn followed(cluster: &Cluster) -> watch::Receiver<Arc<Roster>> {
    let (sender, mut rosters) = watch::channel(Arc::new(Roster::unknown("lab", Moment(0))));
    tokio::spawn(follow(cluster.engine.clone(), cluster.desired.cluster.clone(), sender));
    until(&mut rosters, |roster| roster.stale.is_none()).await;
    rosters
}

/// Waits for a roster that is as `is` says.
async fn until(rosters: &mut watch::Receiver<Arc<Roster>>, is: impl FnMut(&Arc<Roster>) -> bool) -> Arc<Roster> {
    let waited = tokio::time::timeout(std::time::Duration::from_secs(60), rosters.wait_for(is));
    let roster = waited.await.expect("it comes to be so").expect("it is followed");
    roster.clone()
}

fn instance<'r>(roster: &'r Roster, container: &str) -> Option<&'r Arc<Instance>> {
    roster.instances().find(|i| i.container == container)
}

#[tokio::test(start_paused = true)]
async fn what_happens_on_the_engine_shows_in_the_roster() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        let mut rosters = followed(&cluster).await;
        let roster = rosters.borrow().clone();
        let nodes: Vec<(&str, usize)> = roster
            .nodes
            .iter()
            .map(|n| (n.node.as_str(), n.instances.len()))
            .collect();
        assert_eq!(nodes, [("node1", 2), ("node2", 2)]);
        let a = instance(&roster, A).expect("it is there");
        assert_eq!(
            (a.state, a.health, a.is_ready()),
            (State::Running, Some(Health::Healthy), true)
        );
        let inout = a
            .addresses
            .iter()
            .find(|address| address.network == "lab-inout")
            .expect("it is on it");
        assert!(a.address.is_some() && a.address == inout.address);
        assert!(inout.names.contains(&"node1".to_owned()), "{:?}", inout.names);

        double.state().set_health(A, "unhealthy", "no answer");
        until(&mut rosters, |r| {
            instance(r, A).is_some_and(|i| i.health == Some(Health::Unhealthy))
        })
        .await;
        double.state().exit(A, 3);
        let roster = until(&mut rosters, |r| {
            instance(r, A).is_some_and(|i| i.state == State::Exited)
        })
        .await;
        let a = instance(&roster, A).expect("it is there");
        assert_eq!((a.exit, a.address, a.is_ready()), (Some(3), None, false));
        double.state().rename(A, "other").expect("the name is free");
        until(&mut rosters, |r| {
            instance(r, "other").is_some() && instance(r, A).is_none()
        })
        .await;
        double.state().remove("other", true, true).expect("it is there");
        until(&mut rosters, |r| instance(r, "other").is_none()).await;
    }
}

/// The containers, the networks and the guests of a cluster, as an observation has them.
async fn observed(cluster: &Cluster) -> (Vec<ObservedContainer>, Vec<ObservedNetwork>, Vec<ObservedContainer>) {
    let mut observed = cluster.observe().await;
    observed.containers.sort_by(|a, b| a.name.cmp(&b.name));
    observed.containers.iter_mut().for_each(|c| c.uptime = None);
    let around = Surroundings::of(&cluster.desired.cluster, observed.networks, &observed.foreign, &[]);
    (observed.containers, around.networks, around.guests)
}

/// Pictures and tables are made of the roster, and must be what an observation makes them.
#[tokio::test(start_paused = true)]
async fn a_roster_says_of_a_cluster_what_an_observation_says() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        double.state().run("guest", "lab-inout");
        double.state().set_health(A, "unhealthy", "no answer");
        double.state().exit("lab-node1-b-1", 3);
        let mut rosters = followed(&cluster).await;
        let shows = |roster: &Roster| {
            let mut observed = roster.observed();
            observed.containers.sort_by(|a, b| a.name.cmp(&b.name));
            (observed.containers, observed.networks, observed.foreign)
        };
        assert_eq!(shows(&rosters.borrow()), observed(&cluster).await);
        assert_eq!(rosters.borrow().observed().foreign.len(), 1);
        // A guest that comes shows without being asked for.
        double.state().run("another", "lab-inout");
        let roster = until(&mut rosters, |r| r.surroundings.guests.len() == 2).await;
        assert_eq!(shows(&roster), observed(&cluster).await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_tells_no_networks_is_followed_all_the_same() {
    let double = EngineDouble::v20();
    let cluster = Cluster::on(double.clone()).await;
    cluster.up().await;
    double.on(Call::ListNetworks).always().hang();
    let rosters = followed(&cluster).await;
    assert_eq!(rosters.borrow().instances().count(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_falls_silent_is_stale_and_keeps_its_picture() {
    let double = EngineDouble::v28();
    let cluster = Cluster::on(double.clone()).await;
    cluster.up().await;
    let mut rosters = followed(&cluster).await;
    double.on(Call::Ping).hang();
    let lost = until(&mut rosters, |r| r.stale.is_some()).await;
    assert_eq!(
        lost.stale.as_ref().map(|s| s.reason.as_str()),
        Some("the engine has not answered for 5 s")
    );
    assert_eq!(lost.instances().count(), 4);
    // It was silent once, and is asked again.
    let again = until(&mut rosters, |r| r.stale.is_none()).await;
    assert_eq!(again.nodes, lost.nodes);
}
