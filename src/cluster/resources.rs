//! What a container may use: processors, memory, devices.

use std::collections::BTreeMap;

use serde::Serialize;

use super::unsaid;

/// How much a container may use (Compose specification, services, and Compose Deploy Specification, `resources`). `None`
/// is no bound, or the engine's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// `mem_limit`: the most memory, in bytes.
    #[serde(skip_serializing_if = "unsaid")]
    pub memory: Option<i64>,
    /// `mem_reservation`: bytes that it keeps where memory is short.
    #[serde(skip_serializing_if = "unsaid")]
    pub memory_reservation: Option<i64>,
    /// `memswap_limit`: bytes of memory and swap together; -1 for as much swap as there is.
    #[serde(skip_serializing_if = "unsaid")]
    pub memory_and_swap: Option<i64>,
    /// `mem_swappiness`: 0 to 100.
    #[serde(skip_serializing_if = "unsaid")]
    pub swappiness: Option<i64>,
    /// `shm_size`: bytes of `/dev/shm`.
    #[serde(skip_serializing_if = "unsaid")]
    pub shared_memory: Option<i64>,
    /// `oom_kill_disable`: whether nothing of it is killed where memory is short.
    #[serde(skip_serializing_if = "unsaid")]
    pub oom_kill_disabled: Option<bool>,
    /// `oom_score_adj`: -1000 to 1000; the higher, the sooner it is killed.
    #[serde(skip_serializing_if = "unsaid")]
    pub oom_score: Option<i64>,
    /// `pids_limit`: processes and threads; -1 for no bound.
    #[serde(skip_serializing_if = "unsaid")]
    pub pids: Option<i64>,
    /// `cpus`: billionths of a processor.
    #[serde(skip_serializing_if = "unsaid")]
    pub nano_cpus: Option<i64>,
    /// `cpu_count`: processors, on Windows only.
    #[serde(skip_serializing_if = "unsaid")]
    pub cpu_count: Option<i64>,
    /// `cpu_percent`: of all processors, on Windows only.
    #[serde(skip_serializing_if = "unsaid")]
    pub cpu_percent: Option<i64>,
    /// `cpu_shares`: its weight among containers; 1024 is the default.
    #[serde(skip_serializing_if = "unsaid")]
    pub cpu_shares: Option<i64>,
    /// `cpu_period`: the scheduler's period, in microseconds.
    #[serde(skip_serializing_if = "unsaid")]
    pub cpu_period: Option<i64>,
    /// `cpu_quota`: microseconds of each period.
    #[serde(skip_serializing_if = "unsaid")]
    pub cpu_quota: Option<i64>,
    /// `cpu_rt_period`: microseconds, of the real-time scheduler.
    #[serde(skip_serializing_if = "unsaid")]
    pub realtime_period: Option<i64>,
    /// `cpu_rt_runtime`: microseconds of each such period.
    #[serde(skip_serializing_if = "unsaid")]
    pub realtime_runtime: Option<i64>,
    /// `cpuset`: the processors it may run on, as `0-2,4`.
    #[serde(skip_serializing_if = "unsaid")]
    pub cpuset: Option<String>,
    /// `cgroup_parent`: the control group that its own is made in.
    #[serde(skip_serializing_if = "unsaid")]
    pub cgroup_parent: Option<String>,
    /// `ulimits`: limits of setrlimit(2); `None` for the engine's defaults.
    #[serde(skip_serializing_if = "unsaid")]
    pub ulimits: Option<Vec<Ulimit>>,
}

/// A bound of getrlimit(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ulimit {
    /// The name of the limit: `nofile`.
    pub name: String,
    /// Where it is at first; -1 for no bound.
    #[serde(skip_serializing_if = "unsaid")]
    pub soft: Option<i64>,
    /// How far a process may raise it; -1 for no bound.
    #[serde(skip_serializing_if = "unsaid")]
    pub hard: Option<i64>,
}

/// How much a container may read and write on block devices (Compose specification, services, `blkio_config`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BlockIo {
    /// Its weight among containers, 10 to 1000.
    #[serde(skip_serializing_if = "unsaid")]
    pub weight: Option<u16>,
    /// The same on single devices.
    #[serde(skip_serializing_if = "unsaid")]
    pub device_weights: Option<Vec<DeviceWeight>>,
    /// Bytes a second that it may read.
    #[serde(skip_serializing_if = "unsaid")]
    pub read_bytes: Option<Vec<DeviceRate>>,
    /// Bytes a second that it may write.
    #[serde(skip_serializing_if = "unsaid")]
    pub write_bytes: Option<Vec<DeviceRate>>,
    /// Operations a second by which it may read.
    #[serde(skip_serializing_if = "unsaid")]
    pub read_operations: Option<Vec<DeviceRate>>,
    /// Operations a second by which it may write.
    #[serde(skip_serializing_if = "unsaid")]
    pub write_operations: Option<Vec<DeviceRate>>,
}

/// The weight of a container on one block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceWeight {
    /// The device, a path of the host.
    #[serde(skip_serializing_if = "unsaid")]
    pub path: Option<String>,
    /// The weight, 10 to 1000.
    #[serde(skip_serializing_if = "unsaid")]
    pub weight: Option<usize>,
}

/// A rate on one block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceRate {
    /// The device, a path of the host.
    #[serde(skip_serializing_if = "unsaid")]
    pub path: Option<String>,
    /// Bytes or operations a second.
    #[serde(skip_serializing_if = "unsaid")]
    pub rate: Option<i64>,
}

/// What devices a container has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Devices {
    /// `devices`: those of the host that it has, too.
    #[serde(skip_serializing_if = "unsaid")]
    pub mapped: Vec<DeviceMapping>,
    /// `device_cgroup_rules`: as `c 1:3 mr`; `None` for the engine's alone.
    #[serde(skip_serializing_if = "unsaid")]
    pub cgroup_rules: Option<Vec<String>>,
    /// `gpus`, `devices` of the container device interface and `deploy.resources.reservations.devices`: what a driver is to
    /// find; `None` where nothing is said.
    #[serde(skip_serializing_if = "unsaid")]
    pub requests: Option<Vec<DeviceRequest>>,
}

/// A device of the host's that a container has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceMapping {
    /// Its path on the host.
    pub host: String,
    /// Its path in the container.
    pub container: String,
    /// What may be done with it: of `rwm`, read, write and mknod(2).
    pub permissions: String,
}

/// Devices that a driver is to find.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeviceRequest {
    /// The driver; `None` for any that has what is asked for.
    #[serde(skip_serializing_if = "unsaid")]
    pub driver: Option<String>,
    /// How many; -1 for all. `None` where they are asked for by id.
    #[serde(skip_serializing_if = "unsaid")]
    pub count: Option<i64>,
    /// Which, as the driver calls them.
    #[serde(skip_serializing_if = "unsaid")]
    pub ids: Option<Vec<String>>,
    /// What each of them must be capable of, all of it: `gpu`, `utility`.
    #[serde(skip_serializing_if = "unsaid")]
    pub capabilities: Option<Vec<String>>,
    /// Options of the driver's.
    #[serde(skip_serializing_if = "unsaid")]
    pub options: Option<BTreeMap<String, String>>,
}
