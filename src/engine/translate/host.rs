//! Service keys that say how a container is run: each a field or two of `POST /containers/create`.
//!
//! What a key means is the Compose specification's (services); how the engine wants it, the Engine API's.

use std::collections::HashMap;
use std::sync::Arc;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum,
    HostConfigLogConfig, PortBinding, ResourcesBlkioWeightDevice, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum, ThrottleDevice,
};

use super::faults::Faults;
use super::read;
use crate::compose::ports;
use crate::value::{Map, Value};

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
        "cap_add" => host.cap_add = Some(read::texts(value, path, faults)),
        "cap_drop" => host.cap_drop = Some(read::texts(value, path, faults)),
        "security_opt" => host.security_opt = Some(read::texts(value, path, faults)),
        "group_add" => host.group_add = Some(read::texts(value, path, faults)),
        "dns" => host.dns = Some(read::texts(value, path, faults)),
        "dns_opt" => host.dns_options = Some(read::texts(value, path, faults)),
        "dns_search" => host.dns_search = Some(read::texts(value, path, faults)),
        "extra_hosts" => host.extra_hosts = Some(extra_hosts(value, path, faults)),
        "sysctls" => host.sysctls = Some(read::strings(value, path, faults)),
        "storage_opt" => host.storage_opt = Some(read::strings(value, path, faults)),
        "annotations" => host.annotations = Some(read::strings(value, path, faults)),
        "ulimits" => host.ulimits = ulimits(value, path, faults),
        "tmpfs" => host.tmpfs = Some(tmpfs(value, path, faults)),
        "logging" => host.log_config = logging(value, path, faults),
        "devices" => host.devices = Some(devices(value, path, faults)),
        "device_cgroup_rules" => host.device_cgroup_rules = Some(read::texts(value, path, faults)),
        "gpus" => host.device_requests = Some(gpus(value, path, faults)),
        "runtime" => host.runtime = read::text(value, path, faults),
        "userns_mode" => host.userns_mode = read::text(value, path, faults),
        "uts" => host.uts_mode = read::text(value, path, faults),
        "cgroup" => host.cgroupns_mode = cgroup(value, path, faults),
        "cgroup_parent" => host.cgroup_parent = read::text(value, path, faults),
        "shm_size" => host.shm_size = read::bytes(value, path, faults),
        "mem_limit" => host.memory = read::bytes(value, path, faults),
        "mem_reservation" => host.memory_reservation = read::bytes(value, path, faults),
        "memswap_limit" => host.memory_swap = read::bytes(value, path, faults),
        "mem_swappiness" => host.memory_swappiness = read::integer(value, path, faults),
        "oom_kill_disable" => host.oom_kill_disable = read::boolean(value, path, faults),
        "oom_score_adj" => host.oom_score_adj = read::integer(value, path, faults),
        "pids_limit" => host.pids_limit = read::integer(value, path, faults),
        "cpus" => host.nano_cpus = nano(value, path, faults),
        "cpu_count" => host.cpu_count = read::integer(value, path, faults),
        "cpu_percent" => host.cpu_percent = read::integer(value, path, faults),
        "cpu_shares" => host.cpu_shares = read::integer(value, path, faults),
        "cpu_period" => host.cpu_period = microseconds(value, path, faults),
        "cpu_quota" => host.cpu_quota = microseconds(value, path, faults),
        "cpu_rt_period" => host.cpu_realtime_period = microseconds(value, path, faults),
        "cpu_rt_runtime" => host.cpu_realtime_runtime = microseconds(value, path, faults),
        "cpuset" => host.cpuset_cpus = read::text(value, path, faults),
        "blkio_config" => blkio(value, host, path, faults),
        "deploy" => deploy(value, host, path, faults),
        _ => return false,
    }
    true
}

fn healthcheck(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<HealthConfig> {
    let mut health = HealthConfig::default();
    for (key, value) in read::map(value, path, faults)? {
        let at = &*format!("{path}.{key}");
        match &**key {
            "test" => {
                health.test = Some(match value {
                    Value::List(_) | Value::Map(_) => read::texts(value, at, faults),
                    text => vec!["CMD-SHELL".to_owned(), text.scalar().unwrap_or_default()],
                });
            }
            "disable" if read::boolean(value, at, faults) == Some(true) => {
                health.test = Some(vec!["NONE".to_owned()]);
            }
            "disable" => {}
            "interval" => health.interval = read::nanoseconds(value, at, faults),
            "timeout" => health.timeout = read::nanoseconds(value, at, faults),
            "start_period" => health.start_period = read::nanoseconds(value, at, faults),
            "start_interval" => health.start_interval = read::nanoseconds(value, at, faults),
            "retries" => health.retries = read::integer(value, at, faults),
            _ => faults.unknown(key, at),
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
            Err(reason) => {
                faults.because(path, &reason);
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

fn restart(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<RestartPolicy> {
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

/// `HOST:ADDRESS` for the engine, from `HOST:ADDRESS`, `HOST=ADDRESS`, or a map of hosts.
fn extra_hosts(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<String> {
    if let Value::Map(map) = value {
        let host = |(host, addresses): (&Arc<str>, &Value)| {
            let addresses = addresses.one_or_many();
            addresses.into_iter().map(|a| format!("{host}:{a}")).collect::<Vec<_>>()
        };
        return map.iter().flat_map(host).collect();
    }
    let hosts = read::texts(value, path, faults);
    hosts.into_iter().map(|text| text.replacen('=', ":", 1)).collect()
}

fn ulimits(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<Vec<ResourcesUlimits>> {
    let mut limits = Vec::new();
    for (name, value) in read::map(value, path, faults)? {
        let at = &*format!("{path}.{name}");
        let (soft, hard) = match value {
            Value::Map(map) => {
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
            _ => faults.unknown(key, at),
        }
    }
    Some(log)
}

fn devices(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<DeviceMapping> {
    let mut devices = Vec::new();
    for item in read::list(value, path, faults) {
        let field = |key: &str| item.as_map().and_then(|m| m.get(key)).and_then(Value::scalar);
        let (source, target, permissions) = match item.scalar() {
            None => (field("source"), field("target"), field("permissions")),
            Some(text) => {
                let mut parts = text.split(':').map(str::to_owned);
                (parts.next(), parts.next(), parts.next())
            }
        };
        // `vendor/class=name` is of the container device interface, which is another call.
        let Some(source) = source.filter(|s| s.starts_with('/')) else {
            faults.wrong(path, "a device, `/dev/x[:/dev/y[:rwm]]`", item);
            continue;
        };
        devices.push(DeviceMapping {
            path_in_container: Some(target.unwrap_or_else(|| source.clone())),
            path_on_host: Some(source),
            cgroup_permissions: Some(permissions.unwrap_or_else(|| "rwm".to_owned())),
        });
    }
    devices
}

fn gpus(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<DeviceRequest> {
    if value.scalar().as_deref() == Some("all") {
        return vec![request(&Map::new(), path, faults)];
    }
    requests(value, path, faults)
}

/// Requests for devices, as `gpus` and `deploy.resources.reservations.devices` make them.
fn requests(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<DeviceRequest> {
    let mut found = Vec::new();
    for item in read::list(value, path, faults) {
        if let Some(map) = read::map(item, path, faults) {
            found.push(request(map, path, faults));
        }
    }
    found
}

fn request(map: &Map, path: &str, faults: &mut Faults<'_>) -> DeviceRequest {
    let mut request = DeviceRequest::default();
    let mut capabilities = Vec::new();
    for (key, value) in map {
        let at = &*format!("{path}.{key}");
        match &**key {
            "driver" => request.driver = read::text(value, at, faults),
            "count" if value.scalar().as_deref() == Some("all") => request.count = Some(-1),
            "count" => request.count = read::integer(value, at, faults),
            "device_ids" => request.device_ids = Some(read::texts(value, at, faults)),
            "capabilities" => capabilities = read::texts(value, at, faults),
            "options" => request.options = Some(read::strings(value, at, faults)),
            _ => faults.unknown(key, at),
        }
    }
    if request.count.is_none() && request.device_ids.is_none() {
        request.count = Some(-1);
    }
    if !capabilities.iter().any(|c| c == "gpu") {
        capabilities.push("gpu".to_owned());
    }
    request.capabilities = Some(vec![capabilities]);
    request
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

/// Billionths of a processor.
fn nano(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<i64> {
    read::number(value, path, faults).map(|cpus| (cpus * 1e9).round() as i64)
}

/// Microseconds, from a bare number of them or a duration.
fn microseconds(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<i64> {
    match value {
        Value::Int(n) => Some(*n),
        other => read::nanoseconds(other, path, faults).map(|n| n / 1000),
    }
}

fn blkio(value: &Value, host: &mut HostConfig, path: &str, faults: &mut Faults<'_>) {
    let Some(map) = read::map(value, path, faults) else {
        return;
    };
    for (key, value) in map {
        let at = &*format!("{path}.{key}");
        match &**key {
            "weight" => host.blkio_weight = read::integer(value, at, faults).and_then(|n| u16::try_from(n).ok()),
            "weight_device" => {
                let mut devices = Vec::new();
                for (path, weight) in of_devices(value, "weight", at, faults) {
                    let weight = weight.and_then(|w| read::integer(w, at, faults));
                    devices.push(ResourcesBlkioWeightDevice {
                        path,
                        weight: weight.and_then(|n| usize::try_from(n).ok()),
                    });
                }
                host.blkio_weight_device = Some(devices);
            }
            "device_read_bps" => host.blkio_device_read_bps = Some(rates(value, at, faults)),
            "device_write_bps" => host.blkio_device_write_bps = Some(rates(value, at, faults)),
            "device_read_iops" => host.blkio_device_read_iops = Some(rates(value, at, faults)),
            "device_write_iops" => host.blkio_device_write_iops = Some(rates(value, at, faults)),
            _ => faults.unknown(key, at),
        }
    }
}

fn rates(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<ThrottleDevice> {
    let mut devices = Vec::new();
    for (device, rate) in of_devices(value, "rate", path, faults) {
        let rate = rate.and_then(|r| read::bytes(r, path, faults));
        devices.push(ThrottleDevice { path: device, rate });
    }
    devices
}

/// The items of a list of devices: the path of each, and what stands under `key`.
fn of_devices<'a>(
    value: &'a Value,
    key: &str,
    path: &str,
    faults: &mut Faults<'_>,
) -> Vec<(Option<String>, Option<&'a Value>)> {
    let mut found = Vec::new();
    for item in read::list(value, path, faults) {
        if let Some(map) = read::map(item, path, faults) {
            found.push((map.get("path").and_then(Value::scalar), map.get(key)));
        }
    }
    found
}

/// `deploy`, as far as it is about one container on one engine (Compose Deploy Specification).
fn deploy(value: &Value, host: &mut HostConfig, path: &str, faults: &mut Faults<'_>) {
    let Some(map) = read::map(value, path, faults) else {
        return;
    };
    for (key, value) in map {
        let at = &*format!("{path}.{key}");
        match &**key {
            "resources" => resources(value, host, at, faults),
            "restart_policy" if host.restart_policy.is_none() => {
                let condition = value.as_map().and_then(|m| m.get("condition"));
                host.restart_policy = restart(condition.unwrap_or(&Value::from("any")), at, faults);
            }
            "replicas" if matches!(value, Value::Null | Value::Int(1)) => {}
            // How Swarm spreads and updates services, which Compose leaves to Swarm too.
            "mode" | "placement" | "update_config" | "rollback_config" | "endpoint_mode" | "labels"
            | "restart_policy" => {}
            _ => faults.unknown(key, at),
        }
    }
}

fn resources(value: &Value, host: &mut HostConfig, path: &str, faults: &mut Faults<'_>) {
    let section = |key: &str| value.as_map().and_then(|m| m.get(key)).and_then(Value::as_map);
    for (key, value) in section("limits").into_iter().flatten() {
        let at = &*format!("{path}.limits.{key}");
        match &**key {
            "cpus" => host.nano_cpus = nano(value, at, faults),
            "memory" => host.memory = read::bytes(value, at, faults),
            "pids" => host.pids_limit = read::integer(value, at, faults),
            _ => faults.unknown(key, at),
        }
    }
    for (key, value) in section("reservations").into_iter().flatten() {
        let at = &*format!("{path}.reservations.{key}");
        match &**key {
            // A reservation of processors is Swarm's to keep; one engine has no call for it.
            "cpus" | "generic_resources" => {}
            "memory" => host.memory_reservation = read::bytes(value, at, faults),
            "devices" => host.device_requests = Some(requests(value, at, faults)),
            _ => faults.unknown(key, at),
        }
    }
}
