//! All that is on the engine, and what becomes of containers; networks and volumes are beside.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::events::Event;
use super::faults::{Armed, Call};
use super::model::{Answer, Container, Endpoint, Image, Network, Program, Refusal, Status, Version, Volume};

/// All that is on the engine, to be changed as through its API: each change sends the events that the real one sends.
pub(crate) struct State {
    pub(super) version: Version,
    pub(super) containers: Vec<Container>,
    pub(super) networks: Vec<Network>,
    pub(super) volumes: Vec<Volume>,
    pub(super) images: Vec<Image>,
    /// Images that can be pulled.
    pub(super) registry: BTreeSet<String>,
    /// Paths that every container has, each with what it is a symbolic link to, empty where it is none.
    pub(crate) files: BTreeMap<String, String>,
    pub(super) events: Vec<Event>,
    pub(super) programs: HashMap<String, Program>,
    pub(super) faults: Vec<Armed>,
    /// What was asked, and of what.
    pub(super) asked: Vec<(Call, String)>,
    pub(super) is_down: bool,
    behind: Duration,
    ids: u64,
}

/// How a container's run came to its end, which decides the order of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    ByItself,
    Killed,
    Stopped,
}

impl State {
    pub(super) fn new(version: Version) -> Self {
        let mut state = Self {
            version,
            containers: Vec::new(),
            networks: Vec::new(),
            volumes: Vec::new(),
            images: Vec::new(),
            registry: BTreeSet::new(),
            files: BTreeMap::new(),
            events: Vec::new(),
            programs: HashMap::new(),
            faults: Vec::new(),
            asked: Vec::new(),
            is_down: false,
            behind: Duration::ZERO,
            ids: 0,
        };
        state.add_default_networks();
        state
    }

    /// The engine's clock is so much behind this machine's from now on.
    pub(crate) fn set_clock_behind(&mut self, behind: Duration) {
        self.behind = behind;
    }

    pub(super) fn now(&self) -> SystemTime {
        SystemTime::now() - self.behind
    }

    /// An id that looks like the engine's: 64 hexadecimal digits, those of each double in the same order.
    pub(super) fn id(&mut self) -> String {
        self.ids += 1;
        let digits = |part: u64| {
            // SplitMix64's last step, so that no two begin with the same twelve digits.
            let mixed = (self.ids * 4 + part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            format!("{:016x}", mixed ^ (mixed >> 27))
        };
        (0..4).map(digits).collect()
    }

    /// What the container of that name runs, from its next start on.
    pub(crate) fn set_program(&mut self, container: &str, program: Program) {
        self.programs.insert(container.to_owned(), program);
    }

    pub(super) fn program(&self, container: &Container) -> Program {
        self.programs.get(&container.name).cloned().unwrap_or_default()
    }

    /// The container of that name or id.
    pub(crate) fn container(&self, name: &str) -> &Container {
        let at = self.position(name).unwrap_or_else(|_| panic!("no container {name}"));
        &self.containers[at]
    }

    /// The names of all containers, sorted.
    pub(crate) fn container_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.containers.iter().map(|c| c.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// By its name, its id or the beginning of that.
    pub(super) fn position(&self, asked: &str) -> Answer<usize> {
        let asked_name = asked.trim_start_matches('/');
        let named = self.containers.iter().position(|c| c.name == asked_name);
        let with_id = || {
            let begins = |c: &Container| asked.len() >= 12 && c.id.starts_with(asked);
            self.containers.iter().position(begins)
        };
        named.or_else(with_id).ok_or_else(|| Refusal::no_container(asked))
    }

    /// `POST /containers/create`; its id.
    pub(crate) fn create(&mut self, name: &str, mut body: Value) -> Answer<String> {
        self.is_free(name)?;
        let image = self.image(body["Image"].as_str().unwrap_or_default())?;
        let image_id = image.id.clone();
        // What is asked for comes before what the image says.
        let asked = body["Labels"].as_object().cloned().unwrap_or_default();
        let mut labels = image.labels.as_object().cloned().unwrap_or_default();
        labels.extend(asked);
        body["Labels"] = json!(labels);
        body["Volumes"] = image.volumes.clone();
        let endpoints = endpoints(&body);
        if self.version.is_old() && endpoints.len() > 1 {
            let names: Vec<&str> = endpoints.keys().map(String::as_str).collect();
            let message = format!(
                "Container cannot be connected to network endpoints: {}",
                names.join(", ")
            );
            return Err(Refusal::new(400, message));
        }
        let id = self.id();
        let body = self.with_owners(body)?;
        let container = Container {
            id: id.clone(),
            name: name.to_owned(),
            image_id,
            created: self.now(),
            started: None,
            finished: None,
            status: Status::Created,
            runs: 0,
            restarts: 0,
            exit: 0,
            error: String::new(),
            was_out_of_memory: false,
            health: None,
            endpoints,
            mounts: self.mounts_of(&body),
            ports: Vec::new(),
            uploads: 0,
            lines: Vec::new(),
            body,
        };
        self.containers.push(container);
        self.tell_container(self.containers.len() - 1, "create", &[]);
        Ok(id)
    }

    fn is_free(&self, name: &str) -> Answer<()> {
        if let Some(holder) = self.containers.iter().find(|c| c.name == name) {
            let id = &holder.id;
            return Err(Refusal::new(
                409,
                format!(
                    "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to \
                     remove (or rename) that container to be able to reuse that name."
                ),
            ));
        }
        Ok(())
    }

    /// `POST /containers/{id}/rename`
    pub(crate) fn rename(&mut self, asked: &str, name: &str) -> Answer<()> {
        let at = self.position(asked)?;
        self.is_free(name)?;
        let old = format!("/{}", std::mem::replace(&mut self.containers[at].name, name.to_owned()));
        self.tell_container(at, "rename", &[("oldName", &old)]);
        Ok(())
    }

    /// `POST /containers/{id}/start`; `false` where it runs already.
    pub(crate) fn start(&mut self, asked: &str) -> Answer<bool> {
        let at = self.position(asked)?;
        match self.containers[at].status {
            Status::Running => return Ok(false),
            Status::Paused => {
                let message = "cannot start a paused container, try unpause instead";
                return Err(Refusal::new(409, message));
            }
            Status::Removing | Status::Dead => {
                let message = "container is marked for removal and cannot be started";
                return Err(Refusal::new(409, message));
            }
            Status::Created | Status::Exited | Status::Restarting => {}
        }
        let restarts = match self.containers[at].status {
            Status::Restarting => self.containers[at].restarts + 1,
            _ => 0,
        };
        self.owner_runs(at)?;
        let joined = match self.version.is_old() {
            true => self.join_networks(at).inspect(|()| self.tell_mounts(at)),
            false => {
                self.tell_mounts(at);
                self.join_networks(at)
            }
        };
        if let Err(mut refusal) = joined {
            if !self.version.is_old() {
                refusal.message = format!("failed to set up container networking: {}", refusal.message);
            }
            self.leave_networks(at);
            self.tell_unmounts(at);
            self.containers[at].exit = 128;
            self.containers[at].error.clone_from(&refusal.message);
            return Err(refusal);
        }
        let now = self.now();
        let container = &mut self.containers[at];
        container.status = Status::Running;
        container.started = Some(now);
        container.runs += 1;
        container.restarts = restarts;
        container.exit = 0;
        container.error.clear();
        container.was_out_of_memory = false;
        container.health = has_healthcheck(&container.body).then(|| ("starting".to_owned(), String::new()));
        self.tell_container(at, "start", &[]);
        Ok(true)
    }

    /// Whose network namespace the container is to have, by id in place of its name, as the engine keeps it.
    fn with_owners(&self, mut body: Value) -> Answer<Value> {
        let mode = body["HostConfig"]["NetworkMode"].as_str().unwrap_or_default();
        if let Some(owner) = mode.strip_prefix("container:") {
            let id = &self.containers[self.position(owner)?].id;
            body["HostConfig"]["NetworkMode"] = json!(format!("container:{id}"));
        }
        Ok(body)
    }

    /// A container cannot join the network namespace of one that does not run.
    fn owner_runs(&self, at: usize) -> Answer<()> {
        let mode = self.containers[at].body["HostConfig"]["NetworkMode"]
            .as_str()
            .unwrap_or_default();
        let Some(owner) = mode.strip_prefix("container:") else {
            return Ok(());
        };
        let found = self.position(owner)?;
        match self.containers[found].runs_now() {
            true => Ok(()),
            false => Err(Refusal::new(
                409,
                format!("cannot join network of a non running container: {owner}"),
            )),
        }
    }

    /// A container's run has ended.
    pub(super) fn end(&mut self, at: usize, exit: i64, ended: Ended) {
        let now = self.now();
        let comes_back = ended == Ended::ByItself && self.containers[at].restarts_after(exit);
        let container = &mut self.containers[at];
        container.status = if comes_back { Status::Restarting } else { Status::Exited };
        container.finished = Some(now);
        container.exit = exit;
        if let Some((health, _)) = &mut container.health {
            "unhealthy".clone_into(health);
        }
        let code = exit.to_string();
        let old = self.version.is_old();
        if old {
            self.tell_container(at, "die", &[("exitCode", &code)]);
        }
        self.leave_networks(at);
        self.tell_unmounts(at);
        if ended == Ended::Stopped {
            self.tell_container(at, "stop", &[]);
        }
        if !old {
            self.tell_container(at, "die", &[("execDuration", "0"), ("exitCode", &code)]);
        }
    }

    /// Sends a signal to a running container; whether that ends it.
    pub(super) fn signal(&mut self, at: usize, number: i32) -> bool {
        self.tell_container(at, "kill", &[("signal", &number.to_string())]);
        let container = &self.containers[at];
        let stop_signal = signal_number(container.body["StopSignal"].as_str().unwrap_or_default());
        match self.program(container) {
            Program::Deaf => number == 9,
            _ => [9, 15, 2, stop_signal.unwrap_or(15)].contains(&number),
        }
    }

    /// `POST /containers/{id}/kill`
    pub(crate) fn kill(&mut self, asked: &str, signal: &str) -> Answer<()> {
        let cannot = match self.version.is_old() {
            true => "Cannot kill container",
            false => "cannot kill container",
        };
        let at = self
            .position(asked)
            .map_err(|r| Refusal::new(404, format!("{cannot}: {asked}: {}", r.message)))?;
        if !self.containers[at].runs_now() {
            return Err(Refusal::new(
                409,
                format!("{cannot}: {asked}: {}", self.is_not_running(at)),
            ));
        }
        let number = match signal {
            "" => 9,
            name => signal_number(name).ok_or_else(|| Refusal::new(400, format!("Invalid signal: {name}")))?,
        };
        if self.signal(at, number) {
            self.end(at, if number == 9 { 137 } else { 0 }, Ended::Killed);
        }
        Ok(())
    }

    pub(super) fn is_not_running(&self, at: usize) -> String {
        let word = if self.version.is_old() {
            "Container"
        } else {
            "container"
        };
        format!("{word} {} is not running", self.containers[at].id)
    }

    /// `POST /containers/{id}/pause`
    pub(crate) fn pause(&mut self, asked: &str) -> Answer<()> {
        let at = self.position(asked)?;
        let id = self.containers[at].id.clone();
        match self.containers[at].status {
            Status::Running => {}
            Status::Paused => return Err(Refusal::new(409, format!("Container {id} is already paused"))),
            _ => return Err(Refusal::new(409, self.is_not_running(at))),
        }
        self.containers[at].status = Status::Paused;
        self.tell_container(at, "pause", &[]);
        Ok(())
    }

    /// `POST /containers/{id}/unpause`
    pub(crate) fn unpause(&mut self, asked: &str) -> Answer<()> {
        let at = self.position(asked)?;
        if self.containers[at].status != Status::Paused {
            let message = format!("Container {} is not paused", self.containers[at].id);
            return Err(Refusal::new(500, message));
        }
        self.containers[at].status = Status::Running;
        self.tell_container(at, "unpause", &[]);
        Ok(())
    }

    /// `DELETE /containers/{id}`, with its anonymous volumes where `volumes` says so.
    pub(crate) fn remove(&mut self, asked: &str, force: bool, volumes: bool) -> Answer<()> {
        let at = self.position(asked)?;
        let (id, status) = (self.containers[at].id.clone(), self.containers[at].status);
        if status == Status::Removing {
            return Err(Refusal::new(
                409,
                format!("removal of container {id} is already in progress"),
            ));
        }
        if self.containers[at].runs_now() {
            if !force {
                let message = match self.version.is_old() {
                    true => format!(
                        "You cannot remove a running container {id}. Stop the container before attempting removal or \
                         force remove"
                    ),
                    false => format!(
                        "cannot remove container \"{asked}\": container is running: stop the container before removing \
                         or force remove"
                    ),
                };
                return Err(Refusal::new(409, message));
            }
            self.signal(at, 9);
            self.end(at, 137, Ended::Killed);
        }
        self.forget(at, volumes);
        Ok(())
    }

    /// Takes a container off the engine, and its anonymous volumes with it.
    pub(super) fn forget(&mut self, at: usize, volumes: bool) {
        if volumes {
            let anonymous: Vec<String> = self.containers[at]
                .mounts
                .iter()
                .filter(|m| m.is_anonymous)
                .map(|m| m.volume.clone())
                .collect();
            for volume in anonymous {
                self.forget_volume(&volume);
            }
        }
        self.tell_container(at, "destroy", &[]);
        self.containers.remove(at);
    }
}

/// The networks that a container is created on.
fn endpoints(body: &Value) -> BTreeMap<String, Endpoint> {
    let asked = body["NetworkingConfig"]["EndpointsConfig"].as_object();
    let asked = asked.into_iter().flatten();
    let endpoint = |settings: Value| Endpoint {
        settings,
        ..Endpoint::default()
    };
    let mut endpoints: BTreeMap<String, Endpoint> =
        asked.map(|(name, s)| (name.clone(), endpoint(s.clone()))).collect();
    if endpoints.is_empty() {
        let network = match body["HostConfig"]["NetworkMode"].as_str() {
            None | Some("" | "default") => "bridge",
            Some(mode) if mode.starts_with("container:") => return endpoints,
            Some(mode) => mode,
        };
        endpoints.insert(network.to_owned(), endpoint(json!({})));
    }
    endpoints
}

pub(super) fn has_healthcheck(body: &Value) -> bool {
    let test = body["Healthcheck"]["Test"].as_array();
    test.and_then(|t| t.first()).is_some_and(|first| first != "NONE")
}

/// A signal by its number or its name, with `SIG` or without.
pub(super) fn signal_number(name: &str) -> Option<i32> {
    let name = name.trim_start_matches("SIG");
    let number = match name {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        "TERM" => 15,
        "WINCH" => 28,
        other => match other.strip_prefix("RTMIN+") {
            Some(more) => 34 + more.parse::<i32>().ok()?,
            None => return other.parse().ok(),
        },
    };
    Some(number)
}
