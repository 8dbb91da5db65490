//! What is on the engine, one by one.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::SystemTime;

use ipnet::Ipv4Net;
use serde_json::Value;

/// Which version of the API the engine speaks, major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl Version {
    /// Engine 20.10.
    pub(crate) const V20: Self = Self(1, 41);
    /// Engine 28.
    pub(crate) const V28: Self = Self(1, 51);

    /// Whether it behaves as engines up to 24 do, and not as those from 25 on (API 1.44).
    pub(super) fn is_old(self) -> bool {
        (self.0, self.1) < (1, 44)
    }
}

/// Why the engine does not do what it was asked: the HTTP status, and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What the answer says.
    pub(crate) message: String,
}

impl Refusal {
    /// With that status, in those words.
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// There is no such container, by the name or id that was asked for.
    pub(crate) fn no_container(asked: &str) -> Self {
        Self::new(404, format!("No such container: {asked}"))
    }

    /// There is no such network.
    pub(crate) fn no_network(asked: &str) -> Self {
        Self::new(404, format!("network {asked} not found"))
    }
}

/// An answer of the engine, or its refusal.
pub(super) type Answer<T> = Result<T, Refusal>;

/// What the process in a container does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Program {
    /// Runs, passes its healthcheck at the first time, and exits with status 0 on its stop signal.
    #[default]
    Serves,
    /// Runs, and fails its healthcheck with that output.
    Sick(String),
    /// Runs, and ignores its stop signal: only SIGKILL ends it.
    Deaf,
    /// Ends by itself as soon as it has started, with that status.
    Exits(i64),
}

/// What a container is doing, with the engine's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Status {
    #[default]
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }
}

/// A container.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    /// What it was created with (`POST /containers/create`).
    pub(super) body: Value,
    pub(super) image_id: String,
    pub(super) created: SystemTime,
    pub(super) started: Option<SystemTime>,
    pub(super) finished: Option<SystemTime>,
    pub(super) status: Status,
    /// How often it has been started: what was to happen in an earlier run does not happen in this one.
    pub(super) runs: u32,
    /// How often it was started again by its policy since somebody started it.
    pub(super) restarts: u32,
    pub(super) exit: i64,
    pub(super) error: String,
    pub(super) was_out_of_memory: bool,
    pub(super) health: Option<(String, String)>,
    /// By the name that it was joined by.
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    pub(super) mounts: Vec<Mount>,
    /// Container port, as `80/tcp`, and the host's address and port, while it runs.
    pub(super) ports: Vec<(String, String, u16)>,
    /// How often something was put into it (`PUT /containers/{id}/archive`).
    pub(super) uploads: usize,
    pub(super) lines: Vec<String>,
}

impl Container {
    /// The engine's word for what it is doing.
    pub(crate) fn status(&self) -> &'static str {
        self.status.word()
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The volume that it mounts there; empty where it mounts none.
    pub(crate) fn volume(&self, target: &str) -> String {
        let found = self.mounts.iter().find(|m| m.target == target);
        found.map_or_else(String::new, |m| m.volume.clone())
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What it was created with (`POST /containers/create`).
    pub(crate) fn body(&self) -> &Value {
        &self.body
    }

    /// The names of the networks that it is joined to.
    pub(crate) fn networks(&self) -> Vec<&str> {
        self.endpoints.keys().map(String::as_str).collect()
    }

    /// How many archives were put into it.
    pub(crate) fn uploads(&self) -> usize {
        self.uploads
    }

    pub(super) fn runs_now(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused)
    }

    pub(super) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.body["Labels"].as_object().into_iter().flatten();
        labels.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
    }

    /// Its policy, where it is to be started again after it has ended by itself with that status.
    pub(super) fn restarts_after(&self, exit: i64) -> bool {
        match self.body["HostConfig"]["RestartPolicy"]["Name"].as_str() {
            Some("always" | "unless-stopped") => true,
            Some("on-failure") => exit != 0,
            _ => false,
        }
    }
}

/// How a container is on a network.
#[derive(Debug, Clone, Default)]
pub(super) struct Endpoint {
    /// What was asked for (`EndpointSettings`).
    pub(super) settings: Value,
    /// Empty until the container has first run.
    pub(super) network_id: String,
    /// Its own id and address, while the container runs.
    pub(super) up: Option<(String, Ipv4Addr)>,
}

/// A volume in a container.
#[derive(Debug, Clone)]
pub(super) struct Mount {
    pub(super) volume: String,
    pub(super) target: String,
    /// Whether the engine named it: then `v=1` removes it with its container.
    pub(super) is_anonymous: bool,
}

/// A network.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(super) id: String,
    pub(super) name: String,
    /// What it was created with (`POST /networks/create`).
    pub(super) body: Value,
    pub(super) created: SystemTime,
    pub(super) subnet: Option<Ipv4Net>,
    /// Endpoints of containers that are no more: the container's id and name.
    pub(super) stale: Vec<(String, String)>,
    /// Whether it is held for ever by endpoints that nothing shows.
    pub(super) has_lost_count: bool,
}

impl Network {
    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What it was created with (`POST /networks/create`).
    pub(crate) fn body(&self) -> &Value {
        &self.body
    }

    /// Its IPv4 subnet.
    pub(crate) fn subnet(&self) -> Option<Ipv4Net> {
        self.subnet
    }
}

/// A volume.
#[derive(Debug, Clone)]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) labels: Value,
    pub(super) created: SystemTime,
}

/// An image.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) id: String,
    pub(super) tags: Vec<String>,
    pub(super) labels: Value,
    /// The test of its healthcheck, as a list; null without one.
    pub(super) health_test: Value,
    /// The paths at which it declares volumes, as the keys of an object.
    pub(super) volumes: Value,
    /// Their digests, as a list.
    pub(super) layers: Value,
}
