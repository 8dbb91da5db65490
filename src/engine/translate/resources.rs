//! The processors, memory and devices that a container may use (Compose specification, services, and Compose Deploy
//! Specification).

use super::faults::Faults;
use super::host::restart;
use super::read;
use crate::cluster::{
    BlockIo, ContainerConfig, DeviceMapping, DeviceRate, DeviceRequest, DeviceWeight, Devices, Limits,
    RestartCondition, RestartPolicy,
};
use crate::diagnostic::Problem;
use crate::value::{Map, Value};

/// Applies the service key `key` at `path` to `config`. Returns whether it is one of these keys.
pub(super) fn set(key: &str, value: &Value, config: &mut ContainerConfig, path: &str, faults: &mut Faults<'_>) -> bool {
    let ContainerConfig {
        limits,
        block_io,
        devices: own_devices,
        ..
    } = config;
    match key {
        "devices" => devices(value, own_devices, path, faults),
        "device_cgroup_rules" => own_devices.cgroup_rules = Some(read::texts(value, path, faults)),
        "gpus" => own_devices
            .requests
            .get_or_insert_default()
            .extend(gpus(value, path, faults)),
        "cgroup_parent" => limits.cgroup_parent = read::text(value, path, faults),
        "mem_limit" => limits.memory = read::bytes(value, path, faults),
        "mem_reservation" => limits.memory_reservation = read::bytes(value, path, faults),
        "memswap_limit" => limits.memory_and_swap = read::bytes(value, path, faults),
        "mem_swappiness" => limits.swappiness = read::integer(value, path, faults),
        "pids_limit" => limits.pids = read::integer(value, path, faults),
        "cpus" => limits.nano_cpus = nano(value, path, faults),
        "cpu_count" => limits.cpu_count = read::integer(value, path, faults),
        "cpu_percent" => limits.cpu_percent = read::integer(value, path, faults),
        "cpu_shares" => limits.cpu_shares = read::integer(value, path, faults),
        "cpu_period" => limits.cpu_period = microseconds(value, path, faults),
        "cpu_quota" => limits.cpu_quota = microseconds(value, path, faults),
        "cpu_rt_period" => limits.realtime_period = microseconds(value, path, faults),
        "cpu_rt_runtime" => limits.realtime_runtime = microseconds(value, path, faults),
        "cpuset" => limits.cpuset = read::text(value, path, faults),
        "blkio_config" => blkio(value, block_io, path, faults),
        _ => return false,
    }
    true
}

fn devices(value: &Value, devices: &mut Devices, path: &str, faults: &mut Faults<'_>) {
    // `vendor/class=name` names a device of the Container Device Interface, which is a separate request.
    let mut interfaces = Vec::new();
    for (at, item) in read::list(value, path, faults).iter().enumerate() {
        let path = format!("{path}[{at}]");
        let (source, target, permissions) = match item {
            Value::Map(map) => {
                faults.only(map, &path, &["source", "target", "permissions"]);
                let field = |key: &str| map.get(key).and_then(Value::scalar);
                (field("source"), field("target"), field("permissions"))
            }
            text => {
                let text = text.scalar().unwrap_or_default();
                let mut parts = text.split(':').map(str::to_owned);
                (parts.next(), parts.next(), parts.next())
            }
        };
        match source.unwrap_or_default() {
            source if source.starts_with('/') => devices.mapped.push(DeviceMapping {
                container: target.unwrap_or_else(|| source.clone()),
                host: source,
                permissions: permissions.unwrap_or_else(|| "rwm".to_owned()),
            }),
            source if source.contains('/') && source.contains('=') && target.is_none_or(|t| t == source) => {
                interfaces.push(source);
            }
            // `class/GUID` names a device of Windows.
            source if source.starts_with("class/") => faults.refuse_value(&path),
            // Compose passes it on as it is, so that only the engine would refuse it.
            _ => faults.because(&path, "expected a device of this machine, `/dev/x[:/dev/y[:rwm]]`"),
        }
    }
    if !interfaces.is_empty() {
        devices.requests.get_or_insert_default().push(DeviceRequest {
            driver: Some("cdi".to_owned()),
            ids: Some(interfaces),
            ..DeviceRequest::default()
        });
    }
}

fn gpus(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<DeviceRequest> {
    let mut found = if value.scalar().as_deref() == Some("all") {
        vec![request(&Map::new(), path, faults)]
    } else {
        requests(value, path, faults)
    };
    for request in &mut found {
        let capabilities = request.capabilities.get_or_insert_default();
        if !capabilities.iter().any(|c| c == "gpu") {
            capabilities.push("gpu".to_owned());
        }
    }
    found
}

/// The device requests of `gpus` or `deploy.resources.reservations.devices`.
fn requests(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<DeviceRequest> {
    let mut found = Vec::new();
    for (at, item) in read::list(value, path, faults).iter().enumerate() {
        let path = format!("{path}[{at}]");
        if let Some(map) = read::map(item, &path, faults) {
            found.push(request(map, &path, faults));
        }
    }
    found
}

fn request(map: &Map, path: &str, faults: &mut Faults<'_>) -> DeviceRequest {
    let mut request = DeviceRequest::default();
    for (key, value) in map {
        let at = &*format!("{path}.{key}");
        match &**key {
            "driver" => request.driver = read::text(value, at, faults),
            "count" if value.scalar().as_deref() == Some("all") => request.count = Some(-1),
            "count" => request.count = read::integer(value, at, faults),
            "device_ids" => request.ids = Some(read::texts(value, at, faults)),
            "capabilities" => request.capabilities = Some(read::texts(value, at, faults)),
            "options" => request.options = Some(read::strings(value, at, faults)),
            _ => {
                let known = &["driver", "count", "device_ids", "capabilities", "options"];
                faults.unknown(key, at, known);
            }
        }
    }
    if request.count.is_none() && request.ids.is_none() {
        request.count = Some(-1);
    }
    request
}

/// A number of processors, in billionths of one.
fn nano(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<i64> {
    read::number(value, path, faults).map(|cpus| (cpus * 1e9).round() as i64)
}

/// A time in microseconds, from a bare number of them or a duration.
fn microseconds(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<i64> {
    match value.scalar().and_then(|text| text.parse().ok()) {
        Some(microseconds) => Some(microseconds),
        None => read::nanoseconds(value, path, faults).map(|n| n / 1000),
    }
}

const BLKIO: &[&str] = &[
    "weight",
    "weight_device",
    "device_read_bps",
    "device_write_bps",
    "device_read_iops",
    "device_write_iops",
];

fn blkio(value: &Value, block_io: &mut BlockIo, path: &str, faults: &mut Faults<'_>) {
    let Some(map) = read::map(value, path, faults) else {
        return;
    };
    for (key, value) in map {
        let at = &*format!("{path}.{key}");
        match &**key {
            "weight" => block_io.weight = read::integer(value, at, faults).and_then(|n| u16::try_from(n).ok()),
            "weight_device" => {
                let mut devices = Vec::new();
                for (path, weight) in of_devices(value, "weight", at, faults, read::integer) {
                    let weight = weight.and_then(|n| usize::try_from(n).ok());
                    devices.push(DeviceWeight { path, weight });
                }
                block_io.device_weights = Some(devices);
            }
            "device_read_bps" => block_io.read_bytes = Some(rates(value, at, faults)),
            "device_write_bps" => block_io.write_bytes = Some(rates(value, at, faults)),
            "device_read_iops" => block_io.read_operations = Some(rates(value, at, faults)),
            "device_write_iops" => block_io.write_operations = Some(rates(value, at, faults)),
            _ => faults.unknown(key, at, BLKIO),
        }
    }
}

fn rates(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<DeviceRate> {
    let devices = of_devices(value, "rate", path, faults, read::bytes);
    let throttle = |(path, rate)| DeviceRate { path, rate };
    devices.into_iter().map(throttle).collect()
}

/// The entries of a list of devices: the path of each, and the number under `key` as returned by `read`.
fn of_devices(
    value: &Value,
    key: &str,
    path: &str,
    faults: &mut Faults<'_>,
    read: fn(&Value, &str, &mut Faults<'_>) -> Option<i64>,
) -> Vec<(Option<String>, Option<i64>)> {
    let mut found = Vec::new();
    for (at, item) in read::list(value, path, faults).iter().enumerate() {
        let path = format!("{path}[{at}]");
        if let Some(map) = read::map(item, &path, faults) {
            faults.only(map, &path, &["path", key]);
            let number = map.get(key).and_then(|n| read(n, &format!("{path}.{key}"), faults));
            found.push((map.get("path").and_then(Value::scalar), number));
        }
    }
    found
}

const DEPLOY: &[&str] = &[
    "resources",
    "restart_policy",
    "replicas",
    "mode",
    "placement",
    "update_config",
    "rollback_config",
    "endpoint_mode",
    "labels",
];

/// The parts of `deploy` that concern the containers of one engine. They override what the service says itself.
pub(super) fn deploy(value: &Value, config: &mut ContainerConfig, path: &str, faults: &mut Faults<'_>) {
    for (key, value) in read::map(value, path, faults).into_iter().flatten() {
        let at = &*format!("{path}.{key}");
        match &**key {
            "resources" => {
                for (key, value) in read::map(value, at, faults).into_iter().flatten() {
                    let at = &*format!("{at}.{key}");
                    match &**key {
                        "limits" => limits(value, &mut config.limits, at, faults),
                        "reservations" => reservations(value, config, at, faults),
                        key => faults.unknown(key, at, &["limits", "reservations"]),
                    }
                }
            }
            "restart_policy" => config.restart = restart_policy(value, at, faults).or(config.restart),
            // The replicas were counted when the blueprint was expanded.
            "replicas" => {}
            // These tell Swarm how to spread and update services. Compose ignores them too.
            "mode" | "placement" | "update_config" | "rollback_config" | "endpoint_mode" | "labels" => {}
            key => faults.unknown(key, at, DEPLOY),
        }
    }
}

fn restart_policy(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<RestartPolicy> {
    let map = read::map(value, path, faults)?;
    let at = |key: &str| format!("{path}.{key}");
    let mut policy = match map.get("condition") {
        Some(condition) => restart(condition, &at("condition"), faults)?,
        None => RestartPolicy {
            condition: RestartCondition::Always,
            max_retries: None,
        },
    };
    for (key, value) in map {
        let at = at(key);
        match &**key {
            "max_attempts" => policy.max_retries = read::integer(value, &at, faults),
            // These tell Swarm how to pace restarts. The engine has a fixed pace.
            "condition" | "delay" | "window" => {}
            key => {
                let known = &["condition", "delay", "max_attempts", "window"];
                faults.unknown(key, &at, known);
            }
        }
    }
    if policy.max_retries.is_some() && policy.condition != RestartCondition::OnFailure {
        let at = at("max_attempts");
        let problem = Problem::general(format!("`{at}`: the engine counts attempts after failures only"));
        faults.push(&at, problem.hint("say when: condition: on-failure"));
    }
    Some(policy)
}

fn limits(value: &Value, limits: &mut Limits, path: &str, faults: &mut Faults<'_>) {
    for (key, value) in read::map(value, path, faults).into_iter().flatten() {
        let at = &*format!("{path}.{key}");
        match &**key {
            "cpus" => over(&mut limits.nano_cpus, nano(value, at, faults), "cpus", at, faults),
            "memory" => over(
                &mut limits.memory,
                read::bytes(value, at, faults),
                "mem_limit",
                at,
                faults,
            ),
            "pids" => over(
                &mut limits.pids,
                read::integer(value, at, faults),
                "pids_limit",
                at,
                faults,
            ),
            key => faults.unknown(key, at, &["cpus", "memory", "pids"]),
        }
    }
}

fn reservations(value: &Value, config: &mut ContainerConfig, path: &str, faults: &mut Faults<'_>) {
    for (key, value) in read::map(value, path, faults).into_iter().flatten() {
        let at = &*format!("{path}.{key}");
        match &**key {
            // Only Swarm can reserve processors; the API of a single engine has no field for it.
            "cpus" | "generic_resources" => {}
            "memory" => {
                let bytes = read::bytes(value, at, faults);
                over(
                    &mut config.limits.memory_reservation,
                    bytes,
                    "mem_reservation",
                    at,
                    faults,
                );
            }
            "devices" => config
                .devices
                .requests
                .get_or_insert_default()
                .extend(requests(value, at, faults)),
            key => {
                let known = &["cpus", "memory", "generic_resources", "devices"];
                faults.unknown(key, at, known);
            }
        }
    }
}

/// Sets `field` to `value`. If the service set another value by its own `key`, the contradiction is reported.
fn over(field: &mut Option<i64>, value: Option<i64>, key: &str, path: &str, faults: &mut Faults<'_>) {
    if field.is_some() && value.is_some() && *field != value {
        faults.because(path, &format!("`{key}` of the service says otherwise"));
    }
    *field = value.or(*field);
}
