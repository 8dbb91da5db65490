//! What all containers of a service have in common.

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use serde::Serialize;

use super::{BlockIo, Devices, Limits, Mount, PublishedPort, unsaid};
use crate::compose::ports::ContainerPort;

/// What all containers of a service have in common (Compose specification, services).
///
/// `None` is where the blueprint says nothing: the image decides, or the engine. An empty list is said on purpose:
/// `entrypoint: []` takes away the image's.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ContainerConfig {
    /// The image, by a name or a digest. Never empty in what is translated.
    pub image: String,
    /// `command`: the words after the entry point; `None` for the image's.
    #[serde(skip_serializing_if = "unsaid")]
    pub command: Option<Vec<String>>,
    /// `entrypoint`: the words that begin the command; `None` for the image's.
    #[serde(skip_serializing_if = "unsaid")]
    pub entrypoint: Option<Vec<String>>,
    /// `environment` and `env_file`: variables by name, in order; `None` takes away one of the image's.
    #[serde(skip_serializing_if = "unsaid")]
    pub environment: Option<IndexMap<String, Option<String>>>,
    /// `user`: `USER[:GROUP]`, by names or numbers.
    #[serde(skip_serializing_if = "unsaid")]
    pub user: Option<String>,
    /// `working_dir`: a path in the container.
    #[serde(skip_serializing_if = "unsaid")]
    pub working_dir: Option<String>,
    /// `hostname`: `None` for the first digits of its id.
    #[serde(skip_serializing_if = "unsaid")]
    pub hostname: Option<String>,
    /// `domainname`: that of NIS, and what completes the host's name.
    #[serde(skip_serializing_if = "unsaid")]
    pub domainname: Option<String>,
    /// `tty`: whether its output is a terminal.
    #[serde(skip_serializing_if = "unsaid")]
    pub tty: Option<bool>,
    /// `stdin_open`: whether its input stays open with nobody attached.
    #[serde(skip_serializing_if = "unsaid")]
    pub stdin_open: Option<bool>,
    /// `init`: whether an init of the engine's is its first process.
    #[serde(skip_serializing_if = "unsaid")]
    pub init: Option<bool>,
    /// `stop_signal`: by name or number.
    #[serde(skip_serializing_if = "unsaid")]
    pub stop_signal: Option<String>,
    /// `stop_grace_period`: seconds from that signal to its being killed.
    #[serde(skip_serializing_if = "unsaid")]
    pub stop_timeout: Option<i64>,
    /// `healthcheck`; `None` for the image's.
    #[serde(skip_serializing_if = "unsaid")]
    pub healthcheck: Option<HealthCheck>,
    /// `restart`, or `deploy.restart_policy`; `None` for no restarts.
    #[serde(skip_serializing_if = "unsaid")]
    pub restart: Option<RestartPolicy>,
    /// `logging`; `None` for the engine's default.
    #[serde(skip_serializing_if = "unsaid")]
    pub logging: Option<Logging>,
    /// `runtime`: what runs it, by the name that the engine has for it.
    #[serde(skip_serializing_if = "unsaid")]
    pub runtime: Option<String>,
    /// `storage_opt`: options of the driver that keeps its files.
    #[serde(skip_serializing_if = "unsaid")]
    pub storage_options: Option<BTreeMap<String, String>>,
    /// `annotations`: handed on to the runtime. From API 1.43 on.
    #[serde(skip_serializing_if = "unsaid")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// `expose`, and the container's side of `ports`.
    #[serde(skip_serializing_if = "unsaid")]
    pub exposed: Option<Vec<ContainerPort>>,
    /// `ports`: the container ports that the host publishes.
    #[serde(skip_serializing_if = "unsaid")]
    pub published: Option<Vec<PublishedPort>>,
    /// What it shares of others or of the host, its network aside.
    #[serde(skip_serializing_if = "unsaid")]
    pub namespaces: Namespaces,
    /// How it resolves names.
    #[serde(skip_serializing_if = "unsaid")]
    pub resolver: Resolver,
    /// What it may do.
    #[serde(skip_serializing_if = "unsaid")]
    pub security: Security,
    /// How much it may use.
    #[serde(skip_serializing_if = "unsaid")]
    pub limits: Limits,
    /// How much it may read and write on block devices.
    #[serde(skip_serializing_if = "unsaid")]
    pub block_io: BlockIo,
    /// What devices it has.
    #[serde(skip_serializing_if = "unsaid")]
    pub devices: Devices,
    /// `volumes`, and room for its files where they could not be written.
    #[serde(skip_serializing_if = "unsaid")]
    pub mounts: Vec<Mount>,
    /// `tmpfs`: options of mount(8) by path in the container.
    #[serde(skip_serializing_if = "unsaid")]
    pub tmpfs: Option<BTreeMap<String, String>>,
    /// `volumes_from`: containers whose volumes it mounts too.
    #[serde(skip_serializing_if = "unsaid")]
    pub volumes_from: Vec<VolumesFrom>,
}

/// How the engine finds out whether a container is healthy (Compose specification, services, `healthcheck`). What is `None`
/// is as the image has it, or else the engine's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HealthCheck {
    /// `CMD` and its words, `CMD-SHELL` and a line, or `NONE`.
    #[serde(skip_serializing_if = "unsaid")]
    pub test: Option<Vec<String>>,
    /// Nanoseconds from the end of one test to the next.
    #[serde(skip_serializing_if = "unsaid")]
    pub interval: Option<i64>,
    /// Nanoseconds that a test may take.
    #[serde(skip_serializing_if = "unsaid")]
    pub timeout: Option<i64>,
    /// How many tests in a row must fail.
    #[serde(skip_serializing_if = "unsaid")]
    pub retries: Option<i64>,
    /// Nanoseconds from the start within which no failure counts.
    #[serde(skip_serializing_if = "unsaid")]
    pub start_period: Option<i64>,
    /// Nanoseconds between tests within that period. From API 1.44 on.
    #[serde(skip_serializing_if = "unsaid")]
    pub start_interval: Option<i64>,
}

/// When the engine starts a container again that ended (Compose specification, services, `restart`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RestartPolicy {
    /// The condition for a restart.
    pub condition: RestartCondition,
    /// How often at most; `None` for no bound. The engine takes one for [`RestartCondition::OnFailure`] only.
    #[serde(skip_serializing_if = "unsaid")]
    pub max_retries: Option<i64>,
}

/// When a container that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum RestartCondition {
    /// `no`: it is not restarted.
    No,
    /// `always`: it is restarted whenever it exits.
    Always,
    /// Always but where somebody stopped it.
    UnlessStopped,
    /// Where its exit code is not 0.
    OnFailure,
}

/// Where the output of a container goes (Compose specification, services, `logging`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Logging {
    /// The driver; `None` for the engine's default.
    #[serde(skip_serializing_if = "unsaid")]
    pub driver: Option<String>,
    /// Options of the driver's.
    #[serde(skip_serializing_if = "unsaid")]
    pub options: Option<BTreeMap<String, String>>,
}

/// Namespaces that are not the container's own, its network aside. `None` is the engine's default, mostly one of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Namespaces {
    /// `pid`: whose processes it sees.
    #[serde(skip_serializing_if = "unsaid")]
    pub pid: Option<PidMode>,
    /// `ipc`: whose shared memory it has.
    #[serde(skip_serializing_if = "unsaid")]
    pub ipc: Option<IpcMode>,
    /// `uts: host`: whether its host name is the host's.
    #[serde(skip_serializing_if = "unsaid")]
    pub host_uts: bool,
    /// `userns_mode`: in the engine's words; `host` is the only one there is.
    #[serde(skip_serializing_if = "unsaid")]
    pub user: Option<String>,
    /// `cgroup`: `None` for the engine's default.
    #[serde(skip_serializing_if = "unsaid")]
    pub cgroup: Option<CgroupMode>,
    /// `isolation`: how it is kept apart, which matters on Windows only.
    #[serde(skip_serializing_if = "unsaid")]
    pub isolation: Option<Isolation>,
}

/// Whose processes a container sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum PidMode {
    /// `host`: those of the engine's host.
    Host,
    /// Those of the container of this name or id.
    Container(String),
}

/// As the engine and the Compose specification write it.
impl fmt::Display for PidMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Container(container) => write!(f, "container:{container}"),
        }
    }
}

/// Whose shared memory a container has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum IpcMode {
    /// Its own, and not even `/dev/shm`.
    None,
    /// `private`: its own, which no other container may join.
    Private,
    /// Its own, which others may join.
    Shareable,
    /// `host`: that of the engine's host.
    Host,
    /// That of the container of this name or id.
    Container(String),
}

/// As the engine and the Compose specification write it.
impl fmt::Display for IpcMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Private => f.write_str("private"),
            Self::Shareable => f.write_str("shareable"),
            Self::Host => f.write_str("host"),
            Self::Container(container) => write!(f, "container:{container}"),
        }
    }
}

/// Whose control groups a container sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum CgroupMode {
    /// `host`: those of the engine's host.
    Host,
    /// `private`: a namespace of its own.
    Private,
}

/// How a container is kept apart on Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Isolation {
    /// As the engine does by itself.
    Default,
    /// `process`: isolation by namespaces.
    Process,
    /// By a virtual machine.
    HyperV,
}

/// How a container resolves names, beside what the engine resolves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Resolver {
    /// `dns`: addresses of servers.
    #[serde(skip_serializing_if = "unsaid")]
    pub servers: Option<Vec<String>>,
    /// `dns_opt`: options of resolv.conf(5).
    #[serde(skip_serializing_if = "unsaid")]
    pub options: Option<Vec<String>>,
    /// `dns_search`: domains that complete a name.
    #[serde(skip_serializing_if = "unsaid")]
    pub search: Option<Vec<String>>,
    /// `extra_hosts`: lines of hosts(5).
    #[serde(skip_serializing_if = "unsaid")]
    pub hosts: Option<Vec<ExtraHost>>,
}

/// A name that a container resolves by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtraHost {
    /// The host name to resolve.
    pub name: String,
    /// Its address without brackets, or `host-gateway` for that of the host.
    pub address: String,
}

/// What a container may do. `None` is the engine's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Security {
    /// `privileged`: whether it may do all that the host may.
    #[serde(skip_serializing_if = "unsaid")]
    pub privileged: Option<bool>,
    /// `read_only`: whether nothing can be written but where something is mounted.
    #[serde(skip_serializing_if = "unsaid")]
    pub read_only: Option<bool>,
    /// `cap_add`: capabilities by the kernel's names, or `ALL`; sorted.
    #[serde(skip_serializing_if = "unsaid")]
    pub added_capabilities: Option<Vec<String>>,
    /// `cap_drop`: the same that are taken away.
    #[serde(skip_serializing_if = "unsaid")]
    pub dropped_capabilities: Option<Vec<String>>,
    /// `group_add`: more groups of its user, by name or number.
    #[serde(skip_serializing_if = "unsaid")]
    pub groups: Option<Vec<String>>,
    /// `security_opt`: `KEY=VALUE` in the engine's words; of a seccomp profile, its content.
    #[serde(skip_serializing_if = "unsaid")]
    pub options: Option<Vec<String>>,
    /// `security_opt: [systempaths=unconfined]`: whether no path of the kernel's is hidden or read-only.
    #[serde(skip_serializing_if = "unsaid")]
    pub all_system_paths: bool,
    /// `sysctls`: parameters of the kernel, sysctl(8).
    #[serde(skip_serializing_if = "unsaid")]
    pub sysctls: Option<BTreeMap<String, String>>,
}

/// A container all of whose volumes another one mounts too (Compose specification, services, `volumes_from`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VolumesFrom {
    /// Its name or id.
    pub container: String,
    /// `ro`, `rw`, `z` or `Z`; `None` for what it has itself.
    #[serde(skip_serializing_if = "unsaid")]
    pub mode: Option<String>,
}
