//! Drives a [`Reducer`]: asks the engine what it wants to know, and tells it what the engine says.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{RwLock, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{Command, Event, Identity, Input, Listed, Reducer};
use crate::cluster::roster::{Moment, Roster, Surroundings};
use crate::cluster::{ObservedContainer, label};
use crate::engine::changes::{
    Change, ContainerChange, ContainerEvent, FIRST_DELAY, LONGEST_DELAY, NetworkEvent, Notice, PATIENCE, Subscription,
    Topic,
};
use crate::engine::connect::Engine;
use crate::engine::fault::Fault;
use crate::engine::observe::{self, instance};
use crate::name::ClusterName;

/// The number of questions that are put to the engine at once.
const PARALLEL: usize = 16;
/// The time between two ticks.
const TICK: Duration = Duration::from_secs(1);
/// How often the engine is asked whether it is there, in ticks: a connection that was cut says nothing by itself.
const PING: u32 = 10;

/// Follows `cluster` on `engine` until nobody reads any more. Readers get the newest roster: one that is slow misses
/// revisions and holds up nobody. The first that is not stale is complete.
pub async fn follow(engine: Engine, cluster: ClusterName, rosters: watch::Sender<Arc<Roster>>) {
    let mut driver = Driver {
        reducer: Reducer::new(cluster.as_str(), now()),
        source: Source {
            engine,
            cluster,
            networks: Arc::default(),
        },
        rosters,
        waiting: VecDeque::new(),
        answers: FuturesUnordered::new(),
    };
    let ended = driver.rosters.clone();
    tokio::select! {
        () = ended.closed() => {}
        () = driver.run() => {}
    }
}

/// A point in time by our clock.
fn now() -> Moment {
    instance::at(SystemTime::now()).unwrap_or(Moment(0))
}

struct Driver {
    reducer: Reducer,
    source: Source,
    rosters: watch::Sender<Arc<Roster>>,
    /// What is to be asked, once there is room.
    waiting: VecDeque<Command>,
    /// What is being asked.
    answers: FuturesUnordered<BoxFuture<'static, Answer>>,
}

/// What came of a question.
enum Answer {
    /// The answer as the reducer takes it, in order.
    Inputs(Vec<Input>),
    /// The engine is there, or why it is not.
    Ping(Result<(), String>),
}

impl Driver {
    /// Connects, and connects again whenever the engine is lost.
    async fn run(&mut self) {
        let mut delay = FIRST_DELAY;
        loop {
            let topic = Topic::ContainersAndNetworks;
            let reason = match timeout(PATIENCE, Subscription::open(&self.source.engine, topic)).await {
                Ok(Ok(mut subscription)) => {
                    let begun = Instant::now();
                    let reason = self.listen(&mut subscription).await;
                    if begun.elapsed() > LONGEST_DELAY {
                        delay = FIRST_DELAY;
                    }
                    reason
                }
                Ok(Err(fault)) => fault.to_string(),
                Err(_) => silent(),
            };
            self.take(Input::Lost(reason));
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }

    /// Listens to the engine until it is lost; returns why it is.
    async fn listen(&mut self, subscription: &mut Subscription) -> String {
        self.take(Input::Connected);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut since_ping = 0;
        loop {
            self.ask();
            tokio::select! {
                notice = subscription.next() => match notice {
                    Notice::Lost(reason) => return reason,
                    Notice::Resumed => self.take(Input::Connected),
                    Notice::Change(change) => self.changed(change),
                },
                Some(answer) = self.answers.next() => match answer {
                    Answer::Inputs(inputs) => inputs.into_iter().for_each(|input| self.take(input)),
                    Answer::Ping(Ok(())) => {}
                    Answer::Ping(Err(reason)) => return reason,
                },
                _ = ticks.tick() => {
                    self.take(Input::Tick);
                    since_ping += 1;
                    if since_ping == PING {
                        since_ping = 0;
                        self.answers.push(self.source.clone().ping().boxed());
                    }
                }
            }
        }
    }

    fn changed(&mut self, change: Change) {
        match change {
            // A helper changes what is around the containers, once it has ended.
            Change::Container(change) if change.marked().is_some() => {
                if matches!(change.event, ContainerEvent::Died(_) | ContainerEvent::Removed) {
                    self.take(Input::Networks);
                }
            }
            Change::Container(change) => {
                // What was made of an image that was committed has the labels of another one, and another name.
                let is_ours =
                    change.is_of(&self.source.cluster) && change.labels.get(label::NAME) == Some(&change.name);
                let identity = is_ours.then(|| identity(&change));
                self.take(Input::Event(Event {
                    at: instance::at(change.at).unwrap_or(Moment(0)),
                    id: change.id,
                    name: change.name,
                    what: change.event,
                    identity,
                }));
            }
            Change::Network(change) => match change.event {
                NetworkEvent::Connected(container) | NetworkEvent::Disconnected(container) => {
                    self.take(Input::Network { container });
                }
                NetworkEvent::Created | NetworkEvent::Removed => self.take(Input::Networks),
                NetworkEvent::Other(_) => {}
            },
        }
    }

    /// Tells the reducer, and the readers what it makes of it.
    fn take(&mut self, input: Input) {
        self.waiting.extend(self.reducer.on(input, now()));
        let roster = self.reducer.roster();
        self.rosters.send_if_modified(|shown| {
            let is_new = !Arc::ptr_eq(shown, roster);
            if is_new {
                *shown = roster.clone();
            }
            is_new
        });
    }

    /// Asks what is to be asked, as far as there is room.
    fn ask(&mut self) {
        while self.answers.len() < PARALLEL {
            let Some(command) = self.waiting.pop_front() else {
                return;
            };
            self.answers.push(self.source.clone().answer(command).boxed());
        }
    }
}

/// Where answers come from.
#[derive(Clone)]
struct Source {
    engine: Engine,
    cluster: ClusterName,
    /// The cluster's networks as of the last list.
    networks: Arc<RwLock<instance::Networks>>,
}

impl Source {
    async fn answer(self, command: Command) -> Answer {
        Answer::Inputs(match command {
            Command::List => match timeout(PATIENCE, self.list()).await {
                Ok(Ok(inputs)) => inputs,
                Ok(Err(fault)) => vec![Input::NotListed(fault.to_string())],
                Err(_) => vec![Input::NotListed(silent())],
            },
            Command::Inspect(id) => {
                let networks = self.networks.read().await.clone();
                let inspected = instance::instance(&self.engine, &self.cluster, &networks, &id);
                vec![match timeout(PATIENCE, inspected).await {
                    Ok(Ok(Some(instance))) => Input::Inspected(Box::new(instance)),
                    Ok(Ok(None)) => Input::Gone(id),
                    Ok(Err(_)) | Err(_) => Input::NotInspected(id),
                }]
            }
        })
    }

    /// The containers, once the networks are known that they are on. An engine may hang when it is asked for its networks and
    /// answer all else; then the networks of the list before are taken.
    async fn list(&self) -> Result<Vec<Input>, Fault> {
        let networks = timeout(PATIENCE / 2, observe::networks(&self.engine)).await;
        let networks = networks.ok().transpose()?;
        if let Some(networks) = &networks {
            *self.networks.write().await = instance::Networks::of(&self.cluster, networks);
        }
        let all = observe::all_containers(&self.engine).await?;
        let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|c| c.cluster() == self.cluster.as_str());
        let (helpers, own): (Vec<_>, Vec<_>) = own.into_iter().partition(ObservedContainer::is_helper);
        let mut inputs = Vec::new();
        if let Some(networks) = networks {
            let surroundings = Surroundings::of(&self.cluster, networks, &others, &helpers);
            inputs.push(Input::Surroundings(surroundings));
        }
        inputs.push(Input::Listed(own.into_iter().map(listed).collect()));
        Ok(inputs)
    }

    /// Whether the engine answers at all (`GET /_ping`).
    async fn ping(self) -> Answer {
        Answer::Ping(match timeout(PATIENCE, self.engine.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => Err(fault.to_string()),
            Err(_) => Err(silent()),
        })
    }
}

fn silent() -> String {
    format!("the engine has not answered for {} s", PATIENCE.as_secs())
}

fn listed(container: ObservedContainer) -> Listed {
    Listed {
        networks: container
            .endpoints
            .into_iter()
            .map(|e| e.network)
            .collect::<BTreeSet<String>>(),
        id: container.id,
        name: container.name,
        state: container.state,
        health: container.health,
    }
}

fn identity(change: &ContainerChange) -> Identity {
    let label = |key: &str| change.labels.get(key).cloned().unwrap_or_default();
    Identity {
        node: label(label::NODE),
        role: label(label::ROLE),
        service: label(label::SERVICE),
        // Its number is Compose's label, which an event does not keep; the inspection says it.
        number: 1,
    }
}
