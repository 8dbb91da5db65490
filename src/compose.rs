//! What topogen knows of the Compose language: its keys, ports, references and terms.

pub mod ports;
pub mod references;
mod terms;

pub use terms::{Condition, ConfigKind};

/// Every key of a service (Compose specification, `services`).
pub const SERVICE_KEYS: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "depends_on",
    "deploy",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "labels",
    "links",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_stop",
    "privileged",
    "profiles",
    "provider",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
];

/// The keys of one item of a service's `networks` (Compose specification, services, `networks`).
pub const SERVICE_NETWORK_KEYS: &[&str] = &[
    "aliases",
    "ipv4_address",
    "ipv6_address",
    "link_local_ips",
    "mac_address",
    "driver_opts",
    "priority",
    "gw_priority",
    "interface_name",
];

/// The keys of a network (Compose specification, top-level `networks`).
pub const NETWORK_KEYS: &[&str] = &[
    "name",
    "driver",
    "driver_opts",
    "attachable",
    "enable_ipv4",
    "enable_ipv6",
    "external",
    "internal",
    "ipam",
    "labels",
];

/// The keys of a config or secret (Compose specification, top-level `configs` and `secrets`).
pub const CONFIG_KEYS: &[&str] = &[
    "file",
    "content",
    "environment",
    "external",
    "name",
    "labels",
    "template_driver",
    "driver",
    "driver_opts",
];

/// The path in `seccomp=PATH`, an item of `security_opt`; `None` for other items and for profiles built into the
/// engine.
#[must_use]
pub fn seccomp_profile(option: &str) -> Option<&str> {
    let profile = option.strip_prefix("seccomp")?.strip_prefix(['=', ':'])?;
    (!["unconfined", "builtin"].contains(&profile)).then_some(profile)
}

/// Whether `path` is an absolute Windows path, which Compose accepts on any system: `C:\x`, `C:/x`, `\\.\pipe\x`.
#[must_use]
pub fn is_windows_path(path: &str) -> bool {
    let drive = path.starts_with(|c: char| c.is_ascii_alphabetic()) && matches!(path.get(1..3), Some(":\\" | ":/"));
    drive || path.starts_with("\\\\")
}

/// Whether `text`, the short form of a mount, begins with a Windows path. A volume may have a one-letter name, so
/// `c:/x` alone mounts the volume `c`, while in `c:/x:/y` it is a drive.
#[must_use]
pub fn mounts_of_windows(text: &str) -> bool {
    let target = text.split(':').nth(2).unwrap_or_default();
    let volume = text.get(1..3) == Some(":/") && !target.starts_with('/') && target.len() != 1;
    is_windows_path(text) && !volume
}
