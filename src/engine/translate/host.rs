//! Service keys that say how a container is run: each a field or two of `POST /containers/create`.
//!
//! What a key means is the Compose specification's (services); how the engine wants it, the Engine API's.

use std::collections::HashMap;
use std::sync::Arc;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigIsolationEnum,
    HostConfigLogConfig, PortBinding, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};

use super::faults::Faults;
use super::{needs, read};
use crate::compose::ports;
use crate::value::Value;

/// Put `key` of a service, which stands at `path`, where it belongs; false where it is none of these.
pub(super) fn set(
    key: &str,
    value: &Value,
    body: &mut ContainerCreateBody,
    host: &mut HostConfig,
    path: &str,
    faults: &mut Faults<'_>,
) -> bool {
    match key {
        "user" => body.user = read::text(value, path, faults),
        "working_dir" => body.working_dir = read::text(value, path, faults),
        "hostname" => body.hostname = read::text(value, path, faults),
        "domainname" => body.domainname = read::text(value, path, faults),
        "tty" => body.tty = read::boolean(value, path, faults),
        "stdin_open" => body.open_stdin = read::boolean(value, path, faults),
        "healthcheck" => body.healthcheck = healthcheck(value, path, faults),
        "ports" => published(value, body, host, path, faults),
        "restart" => host.restart_policy = restart(value, path, faults),
        "init" => host.init = read::boolean(value, path, faults),
        "read_only" => host.readonly_rootfs = read::boolean(value, path, faults),
        "privileged" => host.privileged = read::boolean(value, path, faults),
        "cap_add" => host.cap_add = Some(capabilities(value, path, faults)),
        "cap_drop" => host.cap_drop = Some(capabilities(value, path, faults)),
        "group_add" => host.group_add = Some(read::texts(value, path, faults)),
        "dns" => host.dns = Some(read::texts(value, path, faults)),
        "dns_opt" => host.dns_options = Some(read::texts(value, path, faults)),
        "dns_search" => host.dns_search = Some(read::texts(value, path, faults)),
        "extra_hosts" => host.extra_hosts = Some(extra_hosts(value, path, faults)),
        "sysctls" => host.sysctls = Some(read::strings(value, path, faults)),
        "storage_opt" => host.storage_opt = Some(read::strings(value, path, faults)),
        "annotations" => {
            faults.since(needs::DOCKER_24, path);
            host.annotations = Some(read::strings(value, path, faults));
        }
        "ulimits" => host.ulimits = ulimits(value, path, faults),
        "tmpfs" => host.tmpfs = Some(tmpfs(value, path, faults)),
        "logging" => host.log_config = logging(value, path, faults),
        "runtime" => host.runtime = read::text(value, path, faults),
        "userns_mode" => host.userns_mode = read::text(value, path, faults),
        "uts" => match value.scalar().as_deref() {
            None | Some("") => {}
            Some("host") => host.uts_mode = Some("host".to_owned()),
            _ => faults.wrong(path, "`host`", value),
        },
        "isolation" => host.isolation = isolation(value, path, faults),
        "cgroup" => host.cgroupns_mode = cgroup(value, path, faults),
        "shm_size" => host.shm_size = read::bytes(value, path, faults),
        "oom_kill_disable" => host.oom_kill_disable = read::boolean(value, path, faults),
        "oom_score_adj" => host.oom_score_adj = read::integer(value, path, faults),
        _ => return false,
    }
    true
}

const HEALTHCHECK: &[&str] = &[
    "test",
    "disable",
    "interval",
    "timeout",
    "start_period",
    "start_interval",
    "retries",
];

fn healthcheck(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<HealthConfig> {
    let mut health = HealthConfig::default();
    for (key, value) in read::map(value, path, faults)? {
        let at = &*format!("{path}.{key}");
        match &**key {
            "test" => {
                let test = match value {
                    Value::List(_) | Value::Map(_) => read::texts(value, at, faults),
                    text => vec!["CMD-SHELL".to_owned(), text.scalar().unwrap_or_default()],
                };
                if test
                    .first()
                    .is_some_and(|word| !["CMD", "CMD-SHELL", "NONE"].contains(&word.as_str()))
                {
                    faults.because(at, "expected `CMD`, `CMD-SHELL` or `NONE` as the first item");
                }
                health.test = Some(test);
            }
            "disable" if read::boolean(value, at, faults) == Some(true) => {
                health.test = Some(vec!["NONE".to_owned()]);
            }
            "disable" => {}
            "interval" => health.interval = read::nanoseconds(value, at, faults),
            "timeout" => health.timeout = read::nanoseconds(value, at, faults),
            "start_period" => health.start_period = read::nanoseconds(value, at, faults),
            "start_interval" => {
                faults.since(needs::DOCKER_25, at);
                health.start_interval = read::nanoseconds(value, at, faults);
            }
            "retries" => health.retries = read::integer(value, at, faults),
            _ => faults.unknown(key, at, HEALTHCHECK),
        }
    }
    Some(health)
}

fn published(
    value: &Value,
    body: &mut ContainerCreateBody,
    host: &mut HostConfig,
    path: &str,
    faults: &mut Faults<'_>,
) {
    let exposed = body.exposed_ports.get_or_insert_default();
    let bindings = host.port_bindings.get_or_insert_default();
    for item in read::list(value, path, faults) {
        let port = match ports::read(item) {
            Ok(port) => port,
            Err(error) => {
                faults.because(path, &error.reason);
                continue;
            }
        };
        for (at, target) in (0u16..).zip(port.targets()) {
            if !exposed.contains(&target) {
                exposed.push(target.clone());
            }
            let host_port = match (port.taken(), port.published) {
                (Some((first, _)), _) => (first + at).to_string(),
                (None, Some((first, last))) => format!("{first}-{last}"),
                (None, None) => String::new(),
            };
            let binding = PortBinding {
                host_ip: port.address.map(|a| a.to_string()),
                host_port: Some(host_port),
            };
            bindings
                .entry(target)
                .or_default()
                .get_or_insert_default()
                .push(binding);
        }
    }
}

pub(super) fn restart(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<RestartPolicy> {
    let text = read::text(value, path, faults)?;
    let (name, count) = text
        .split_once(':')
        .map_or((text.as_str(), None), |(n, c)| (n, Some(c)));
    let name = match name {
        "" | "no" | "false" | "none" => RestartPolicyNameEnum::NO,
        "always" | "any" => RestartPolicyNameEnum::ALWAYS,
        "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
        "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
        _ => {
            let known = "`no`, `always`, `unless-stopped` or `on-failure[:times]`";
            faults.wrong(path, known, value);
            return None;
        }
    };
    let times = count.map(str::parse::<i64>);
    if let Some(Err(_)) = times {
        faults.wrong(path, "a number of times after `on-failure:`", value);
    }
    Some(RestartPolicy {
        name: Some(name),
        maximum_retry_count: times.and_then(Result::ok),
    })
}

/// `HOST:ADDRESS` for the engine, from `HOST:ADDRESS`, `HOST=ADDRESS`, or a map of hosts; an IPv6 address may stand in
/// brackets.
fn extra_hosts(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<String> {
    let entry = |host: &str, address: &str| {
        let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
        format!("{host}:{}", bare.unwrap_or(address))
    };
    let mut hosts = Vec::new();
    match value {
        Value::Map(map) => {
            for (host, addresses) in map.iter() {
                let addresses = read::texts(addresses, &format!("{path}.{host}"), faults);
                hosts.extend(addresses.iter().map(|a| entry(host, a)));
            }
        }
        other => {
            for (at, text) in read::texts(other, path, faults).iter().enumerate() {
                match text.split_once('=').or_else(|| text.split_once(':')) {
                    Some((host, address)) => hosts.push(entry(host, address)),
                    None => faults.because(&format!("{path}[{at}]"), "expected `HOST=ADDRESS`"),
                }
            }
        }
    }
    hosts
}

/// Capabilities by the names that the kernel has for them, as Compose sends them.
fn capabilities(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<String> {
    let full = |name: String| match name.to_uppercase() {
        name if name == "ALL" || name.starts_with("CAP_") => name,
        name => format!("CAP_{name}"),
    };
    let mut names: Vec<String> = read::texts(value, path, faults).into_iter().map(full).collect();
    names.sort();
    names.dedup();
    names
}

fn isolation(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<HostConfigIsolationEnum> {
    match value.scalar().as_deref() {
        None | Some("") => None,
        Some("default") => Some(HostConfigIsolationEnum::DEFAULT),
        Some("process") => Some(HostConfigIsolationEnum::PROCESS),
        Some("hyperv") => Some(HostConfigIsolationEnum::HYPERV),
        _ => {
            faults.wrong(path, "`default`, or on Windows `process` or `hyperv`", value);
            None
        }
    }
}

fn ulimits(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<Vec<ResourcesUlimits>> {
    let mut limits = Vec::new();
    for (name, value) in read::map(value, path, faults)? {
        let at = &*format!("{path}.{name}");
        let (soft, hard) = match value {
            Value::Map(map) => {
                faults.only(map, at, &["soft", "hard"]);
                // One that is misspelt is told already.
                let is_known = |key: &Arc<str>| matches!(&**key, "soft" | "hard") || key.starts_with("x-");
                let both = map.contains_key("soft") && map.contains_key("hard");
                if !both && map.keys().all(is_known) {
                    faults.wrong(at, "a number, or `soft` and `hard` of them", value);
                }
                let mut field = |key: &str| read::integer(map.get(key)?, at, faults);
                (field("soft"), field("hard"))
            }
            both => {
                let both = read::integer(both, at, faults);
                (both, both)
            }
        };
        limits.push(ResourcesUlimits {
            name: Some(name.to_string()),
            soft,
            hard,
        });
    }
    Some(limits)
}

fn tmpfs(value: &Value, path: &str, faults: &mut Faults<'_>) -> HashMap<String, String> {
    let split = |text: String| match text.split_once(':') {
        Some((path, options)) => (path.to_owned(), options.to_owned()),
        None => (text, String::new()),
    };
    read::texts(value, path, faults).into_iter().map(split).collect()
}

fn logging(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<HostConfigLogConfig> {
    let mut log = HostConfigLogConfig::default();
    for (key, value) in read::map(value, path, faults)? {
        let at = &*format!("{path}.{key}");
        match &**key {
            "driver" => log.typ = read::text(value, at, faults),
            "options" => log.config = Some(read::strings(value, at, faults)),
            _ => faults.unknown(key, at, &["driver", "options"]),
        }
    }
    Some(log)
}

fn cgroup(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<HostConfigCgroupnsModeEnum> {
    match value.scalar().as_deref() {
        Some("host") => Some(HostConfigCgroupnsModeEnum::HOST),
        Some("private") => Some(HostConfigCgroupnsModeEnum::PRIVATE),
        _ => {
            faults.wrong(path, "`host` or `private`", value);
            None
        }
    }
}
