//! Plans what a person asks of existing containers. It reads only their labels, because the blueprint may be gone.

use std::collections::{BTreeSet, HashMap};

use super::reconcile::order;
use super::{Action, Plan, named};
use crate::cluster::ObservedContainer;
use crate::cluster::State;
use crate::compose::Condition;
use crate::text::natural;
use crate::toposort;

/// What a person asks of containers; what is then done to each is a [`Verb`](super::Verb).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeVerb {
    /// Stop, with a timeout in seconds before the container is killed; `None` for the container's own.
    Stop(Option<u32>),
    /// Start what was stopped.
    Start,
    /// Stop and start again.
    Restart {
        /// The timeout in seconds before the container is killed; `None` for its own.
        grace: Option<u32>,
        /// Whether to leave alone what depends on it with `restart: true`.
        alone: bool,
    },
    /// Send this signal, by name or number (signal(7)).
    Kill(String),
    /// Freeze all processes (cgroup freezer).
    Pause,
    /// Let frozen processes run again.
    Unpause,
}

impl NodeVerb {
    /// The name of the command.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stop(_) => "stop",
            Self::Start => "start",
            Self::Restart { .. } => "restart",
            Self::Kill(_) => "kill",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
        }
    }

    /// The past tense: `stopped`.
    #[must_use]
    pub fn done(&self) -> String {
        match self {
            Self::Stop(_) => "stopped".to_owned(),
            Self::Start => "started".to_owned(),
            Self::Restart { .. } => "restarted".to_owned(),
            Self::Kill(signal) if signal == "SIGKILL" => "killed".to_owned(),
            Self::Kill(signal) => format!("{signal} sent"),
            Self::Pause => "paused".to_owned(),
            Self::Unpause => "unpaused".to_owned(),
        }
    }

    /// Why there is nothing to do: `nothing to do: none of 3 containers is paused`.
    #[must_use]
    pub fn nothing(&self) -> &'static str {
        match self {
            Self::Stop(_) | Self::Kill(_) | Self::Pause | Self::Restart { .. } => "runs",
            Self::Start => "is stopped",
            Self::Unpause => "is paused",
        }
    }
}

/// A container that cannot do what is asked, because it is incomplete.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// An interrupted `up` created it, so its configs may be missing.
    #[error("container `{0}` was never started")]
    NeverStarted(String),
    /// The engine failed to clean up after it.
    #[error("container `{0}` is dead")]
    Dead(String),
}

/// The plan for `verb` on the `chosen` ones of `all` containers of a cluster. A container starts after those of its
/// node that it depends on, and stops before them.
///
/// # Errors
/// Every container that only `up` can start.
pub fn plan(verb: &NodeVerb, chosen: &[&ObservedContainer], all: &[ObservedContainer]) -> Result<Plan, Vec<Unfit>> {
    let mut plan = Plan::default();
    let mut unfit = Vec::new();
    let mut todo: Vec<Doing<'_>> = Vec::new();
    for container in chosen {
        match step(verb, container) {
            Step::Do(action, cause) => todo.push(Doing {
                container,
                action,
                cause,
            }),
            Step::Note(note) => plan.notes.push(note),
            Step::Unfit(reason) => unfit.push(reason),
            Step::Nothing => {}
        }
    }
    if !unfit.is_empty() {
        return Err(unfit);
    }
    match verb {
        NodeVerb::Restart { grace, alone: false } => follow(*grace, &mut todo, all, &restarts_with),
        NodeVerb::Restart { grace, alone: true } => follow(*grace, &mut todo, all, &has_network_of),
        NodeVerb::Start => follow(None, &mut todo, all, &has_network_of),
        NodeVerb::Stop(_) => note_left_behind(&todo, all, &mut plan),
        NodeVerb::Kill(_) | NodeVerb::Pause | NodeVerb::Unpause => {}
    }
    match verb {
        NodeVerb::Stop(_) => stop(&todo, &mut plan),
        NodeVerb::Start | NodeVerb::Restart { .. } => start(&todo, &mut plan),
        NodeVerb::Kill(_) | NodeVerb::Pause | NodeVerb::Unpause => {
            for doing in &todo {
                doing.push(Vec::new(), &mut plan);
            }
        }
    }
    Ok(plan)
}

/// What to do with a container, and why.
struct Doing<'a> {
    container: &'a ObservedContainer,
    action: Action,
    cause: String,
}

impl Doing<'_> {
    fn push(&self, after: Vec<usize>, plan: &mut Plan) -> usize {
        let node = named(self.container.node());
        plan.push(
            self.action.clone(),
            &self.container.name,
            node,
            self.cause.as_str(),
            after,
        )
    }
}

/// Stops each container after those that depend on it, whether these succeed or not.
fn stop(todo: &[Doing<'_>], plan: &mut Plan) {
    let dependents = toposort::turned(&needs(todo));
    let mut placed: HashMap<usize, usize> = HashMap::new();
    for at in toposort::sorted(&dependents).all() {
        let after_any = dependents[at].iter().filter_map(|d| placed.get(d).copied()).collect();
        let place = todo[at].push(Vec::new(), plan);
        plan.operations[place].after_any = after_any;
        placed.insert(at, place);
    }
}

/// Starts each container after those that it depends on meet its conditions.
fn start(todo: &[Doing<'_>], plan: &mut Plan) {
    let needs = needs(todo);
    let mut placed: HashMap<usize, usize> = HashMap::new();
    let mut awaits: HashMap<(usize, Condition), usize> = HashMap::new();
    for at in toposort::sorted(&needs).all() {
        let mut after = Vec::new();
        for other in &needs[at] {
            let Some(started) = placed.get(other).copied() else {
                continue;
            };
            let needed = todo[*other].container;
            let own = todo[at]
                .container
                .depends_on()
                .find(|d| same_project(todo[at].container, needed) && needed.service_key() == d.key);
            after.push(
                match (own.map_or(Condition::Started, |d| d.condition), needed.name.parse()) {
                    (condition @ (Condition::Healthy | Condition::Completed), Ok(name)) => {
                        *awaits.entry((*other, condition)).or_insert_with(|| {
                            let action = Action::Await {
                                containers: vec![name],
                                condition,
                            };
                            let cause = format!("until it is {}", condition.word());
                            plan.push(action, &needed.name, named(needed.node()), cause, vec![started])
                        })
                    }
                    _ => started,
                },
            );
        }
        let place = todo[at].push(after, plan);
        placed.insert(at, place);
    }
}

fn needs(todo: &[Doing<'_>]) -> Vec<BTreeSet<usize>> {
    order::needs(&todo.iter().map(|d| d.container).collect::<Vec<_>>())
}

enum Step {
    Do(Action, String),
    Nothing,
    Note(String),
    Unfit(Unfit),
}

fn step(verb: &NodeVerb, container: &ObservedContainer) -> Step {
    use State::{Created, Dead, Exited, Paused, Removing, Restarting, Running};
    let name = || container.name.clone();
    let id = container.id.clone();
    let asked = |action| Step::Do(action, "asked for".to_owned());
    match (verb, container.state) {
        (_, Removing) => Step::Note(format!("container `{}` is on its way out", container.name)),
        (NodeVerb::Start | NodeVerb::Restart { .. }, Created) => Step::Unfit(Unfit::NeverStarted(name())),
        (NodeVerb::Start | NodeVerb::Restart { .. }, Dead) => Step::Unfit(Unfit::Dead(name())),
        (NodeVerb::Start, Exited) => Step::Do(Action::StartAgain { id }, "stopped".to_owned()),
        (NodeVerb::Start | NodeVerb::Unpause, Paused) => Step::Do(Action::Unpause { id }, "paused".to_owned()),
        (NodeVerb::Start, Running | Restarting) => match container.lost_namespaces().next() {
            Some(lost) if lost.owner_runs => Step::Do(Action::Restart { id, grace: None }, lost.to_string()),
            Some(lost) => Step::Note(format!("container `{}` {lost}", container.name)),
            None => Step::Nothing,
        },
        (NodeVerb::Restart { grace, .. }, _) => asked(Action::Restart { id, grace: *grace }),
        (NodeVerb::Stop(grace), Running | Restarting | Paused) => asked(Action::Stop { id, grace: *grace }),
        (NodeVerb::Kill(signal), Running | Restarting | Paused) => {
            let signal = signal.clone();
            let cause = format!("{signal} asked for");
            Step::Do(Action::Kill { id, signal }, cause)
        }
        (NodeVerb::Pause, Running | Restarting) => asked(Action::Pause { id }),
        (NodeVerb::Pause, Created | Exited | Dead) => {
            let state = container.state.word();
            Step::Note(format!("container `{}` does not run: {state}", container.name))
        }
        (NodeVerb::Pause, Paused)
        | (NodeVerb::Stop(_) | NodeVerb::Kill(_), Created | Exited | Dead)
        | (NodeVerb::Unpause, Created | Running | Restarting | Exited | Dead) => Step::Nothing,
    }
}

/// Adds running containers that start again with one of `todo`, whatever they are started again for; `with` tells of a
/// container and another one that is started whether it does.
fn follow<'a>(
    grace: Option<u32>,
    todo: &mut Vec<Doing<'a>>,
    all: &'a [ObservedContainer],
    with: &dyn Fn(&ObservedContainer, &ObservedContainer) -> bool,
) {
    let mut at = 0;
    while let Some(Doing {
        container: leader,
        action,
        ..
    }) = todo.get(at)
    {
        let leader = *leader;
        at += 1;
        if let Action::Unpause { .. } = action {
            continue;
        }
        for container in all.iter().filter(|c| runs(c)) {
            if with(container, leader) && !todo.iter().any(|d| d.container.id == container.id) {
                let id = container.id.clone();
                todo.push(Doing {
                    container,
                    action: Action::Restart { id, grace },
                    cause: match has_network_of(container, leader) {
                        true => format!("`{}`, whose network it has, starts again", leader.service()),
                        false => format!("`{}` restarts", leader.service()),
                    },
                });
            }
        }
    }
    let order = |c: &ObservedContainer| (natural(c.node()), natural(c.service()));
    todo.sort_by_cached_key(|d| order(d.container));
}

fn runs(container: &ObservedContainer) -> bool {
    matches!(container.state, State::Running | State::Restarting | State::Paused)
}

/// Whether `container` is started again with `leader`: it depends on it with `restart: true` (Compose specification,
/// `depends_on`), or has its network.
fn restarts_with(container: &ObservedContainer, leader: &ObservedContainer) -> bool {
    let mut needs = container.depends_on();
    same_project(container, leader) && needs.any(|d| d.restart && leader.service_key() == d.key)
        || has_network_of(container, leader)
}

/// Whether `container` has the network namespace of `leader`, which is another one after each start.
fn has_network_of(container: &ObservedContainer, leader: &ObservedContainer) -> bool {
    let host = container.network_host.as_deref();
    host.is_some_and(|host| host == leader.id || host == leader.name)
}

/// Notes what goes on running in the network of a container that is stopped.
fn note_left_behind(todo: &[Doing<'_>], all: &[ObservedContainer], plan: &mut Plan) {
    for Doing { container: leader, .. } in todo {
        let left = all.iter().filter(|c| runs(c) && has_network_of(c, leader));
        for container in left.filter(|c| !todo.iter().any(|d| d.container.id == c.id)) {
            plan.notes.push(format!(
                "container `{}` runs on without a network, which was that of `{}`: to start that mends it",
                container.name, leader.name
            ));
        }
    }
}

fn same_project(a: &ObservedContainer, b: &ObservedContainer) -> bool {
    a.project() == b.project()
}
