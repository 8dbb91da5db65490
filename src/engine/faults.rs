//! Changes what is cut in the network namespaces of containers, and asks what is.

use std::collections::{BTreeMap, HashMap};

use futures_util::StreamExt;

use super::connect::Engine;
use super::helper::{self, Errand, Helpers};
use crate::cluster::{ObservedContainer, label};
use crate::faults::{Change, State};
use crate::name::ClusterName;

/// The helpers that run at once.
const PARALLEL: usize = 8;
/// The purpose of a helper that changes or asks, as its label has it.
pub const PURPOSE: &str = "fault";

/// What is to be done in the network namespace of a container.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The container that the namespace belongs to.
    pub container: &'a ObservedContainer,
    /// What is changed there; an empty one only asks.
    pub change: &'a Change,
    /// That in words, for people who read the engine's events: `cut off lab-inout`.
    pub errand: &'a str,
}

/// Carries out changes on one engine.
pub struct Surgeon<'e> {
    engine: &'e Engine,
    cluster: &'e ClusterName,
    helpers: Helpers<'e>,
    /// The helpers that stayed behind, by the ID of the container in whose network they are.
    marks: HashMap<String, Vec<String>>,
}

impl<'e> Surgeon<'e> {
    /// One for `cluster`, of which `containers` are there, helpers included.
    #[must_use]
    pub fn new(engine: &'e Engine, cluster: &'e ClusterName, containers: &[ObservedContainer]) -> Self {
        let mut marks: HashMap<String, Vec<String>> = HashMap::new();
        for mark in containers.iter().filter(|c| c.is_mark()) {
            let marked = mark.network_host.clone().unwrap_or_default();
            marks.entry(marked).or_default().push(mark.id.clone());
        }
        Self {
            engine,
            cluster,
            helpers: Helpers::new(engine),
            marks,
        }
    }

    /// Does each of `tasks`, several at once, and tells what is in force after each as soon as it is done: its index, and the
    /// state or why there is none.
    pub async fn carry_out(
        &self,
        tasks: &[Task<'_>],
        mut may_begin: impl FnMut() -> bool,
        mut done: impl FnMut(usize, Result<State, String>),
    ) {
        let begun = tasks.iter().enumerate().take_while(|_| may_begin());
        let work: Vec<_> = begun
            .map(|(at, task)| async move { (at, self.run(*task).await) })
            .collect();
        let mut work = futures_util::stream::iter(work).buffer_unordered(PARALLEL);
        while let Some((at, state)) = work.next().await {
            done(at, state);
        }
    }

    /// What is in force in the namespaces of `containers`, by index; those of which it cannot be known, with the reason.
    pub async fn ask(
        &self,
        containers: &[(usize, &ObservedContainer)],
    ) -> (BTreeMap<usize, State>, Vec<(usize, String)>) {
        let nothing = Change::default();
        let tasks: Vec<Task<'_>> = containers
            .iter()
            .map(|(_, container)| Task {
                container,
                change: &nothing,
                errand: "",
            })
            .collect();
        let (mut states, mut unknown) = (BTreeMap::new(), Vec::new());
        let done = |at: usize, state: Result<State, String>| match state {
            Ok(state) => drop(states.insert(containers[at].0, state)),
            Err(reason) => unknown.push((containers[at].0, reason)),
        };
        self.carry_out(&tasks, || true, done).await;
        (states, unknown)
    }

    /// Does one task. The helper that cuts stays behind, ended, as long as its namespace is not whole: it costs nothing, and
    /// says to whoever lists containers anyway that there is something to ask for.
    async fn run(&self, task: Task<'_>) -> Result<State, String> {
        let asks = task.change.is_empty();
        let change = serde_json::to_string(task.change).unwrap_or_default();
        let arguments: Vec<String> = ["namespace", "--change", &change].map(str::to_owned).into();
        if asks && task.container.has_probe() {
            // A fake of another build may know no such command.
            let output = helper::exec(self.engine, &task.container.id, &arguments).await;
            if let Some(state) = output.ok().and_then(|output| read(&output)) {
                return Ok(state);
            }
        }
        let mut labels = HashMap::from([(label::CLUSTER.to_owned(), self.cluster.to_string())]);
        if !asks {
            labels.insert(label::MARKED.to_owned(), task.container.id.clone());
            labels.insert(label::ERRAND.to_owned(), task.errand.to_owned());
        }
        let errand = Errand {
            container: Some(task.container.id.clone()),
            purpose: PURPOSE,
            labels,
            arguments,
            is_admin: !asks,
            stays: !asks,
        };
        let done = self.helpers.run(&errand).await?;
        let Some(state) = read(&done.output) else {
            if !asks {
                self.helpers.remove(&done.id).await;
            }
            let said = done.output.trim();
            let said = said.lines().next().unwrap_or("the helper said nothing");
            return Err(said.strip_prefix("error: ").unwrap_or(said).to_owned());
        };
        if !asks {
            let before = self.marks.get(&task.container.id).into_iter().flatten();
            let own = state.is_whole().then_some(&done.id);
            for id in before.chain(own) {
                self.helpers.remove(id).await;
            }
        }
        Ok(state)
    }

    /// Removes the helpers that stayed behind in namespaces that are gone or whole: of all but the containers in `broken`.
    pub async fn tidy(&self, broken: &[&str]) {
        let marks = self
            .marks
            .iter()
            .filter(|(marked, _)| !broken.contains(&marked.as_str()));
        for id in marks.flat_map(|(_, ids)| ids) {
            self.helpers.remove(id).await;
        }
    }
}

fn read(output: &str) -> Option<State> {
    serde_json::from_str(output).ok()
}
