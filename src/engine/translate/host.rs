//! Service keys about how a container is run (Compose specification, services).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::faults::Faults;
use super::{needs, possible, read};
use crate::cluster::{
    CgroupMode, ContainerConfig, ExtraHost, HealthCheck, Isolation, Logging, PortChoice, PublishedPort,
    RestartCondition, RestartPolicy, Ulimit,
};
use crate::compose::ports::{self, ContainerPort};
use crate::value::Value;

/// Applies the service key `key` at `path` to `config`. Returns whether it is one of these keys.
pub(super) fn set(key: &str, value: &Value, config: &mut ContainerConfig, path: &str, faults: &mut Faults<'_>) -> bool {
    match key {
        "user" => config.user = read::text(value, path, faults),
        "working_dir" => config.working_dir = read::text(value, path, faults),
        "hostname" => config.hostname = read::text(value, path, faults),
        "domainname" => config.domainname = read::text(value, path, faults),
        "tty" => config.tty = read::boolean(value, path, faults),
        "stdin_open" => config.stdin_open = read::boolean(value, path, faults),
        "healthcheck" => config.healthcheck = healthcheck(value, path, faults),
        "ports" => published(value, config, path, faults),
        "restart" => config.restart = restart(value, path, faults),
        "init" => config.init = read::boolean(value, path, faults),
        "read_only" => config.security.read_only = read::boolean(value, path, faults),
        "privileged" => config.security.privileged = read::boolean(value, path, faults),
        "cap_add" => config.security.added_capabilities = Some(possible::capabilities(value, path, faults)),
        "cap_drop" => config.security.dropped_capabilities = Some(possible::capabilities(value, path, faults)),
        "group_add" => config.security.groups = Some(read::texts(value, path, faults)),
        "dns" => config.resolver.servers = Some(read::texts(value, path, faults)),
        "dns_opt" => config.resolver.options = Some(read::texts(value, path, faults)),
        "dns_search" => config.resolver.search = Some(read::texts(value, path, faults)),
        "extra_hosts" => config.resolver.hosts = Some(extra_hosts(value, path, faults)),
        "sysctls" => config.security.sysctls = Some(read::strings(value, path, faults)),
        "storage_opt" => config.storage_options = Some(read::strings(value, path, faults)),
        "annotations" => {
            faults.since(needs::DOCKER_24, path);
            config.annotations = Some(read::strings(value, path, faults));
        }
        "ulimits" => config.limits.ulimits = ulimits(value, path, faults),
        "tmpfs" => config.tmpfs = Some(tmpfs(value, path, faults)),
        "logging" => config.logging = logging(value, path, faults),
        "runtime" => config.runtime = read::text(value, path, faults),
        "userns_mode" => config.namespaces.user = read::text(value, path, faults),
        "uts" => match value.scalar().as_deref() {
            None | Some("") => {}
            Some("host") => config.namespaces.host_uts = true,
            _ => faults.wrong(path, "`host`", value),
        },
        "isolation" => config.namespaces.isolation = isolation(value, path, faults),
        "cgroup" => config.namespaces.cgroup = cgroup(value, path, faults),
        "shm_size" => config.limits.shared_memory = read::bytes(value, path, faults),
        "oom_kill_disable" => config.limits.oom_kill_disabled = read::boolean(value, path, faults),
        "oom_score_adj" => config.limits.oom_score = read::integer(value, path, faults),
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

fn healthcheck(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<HealthCheck> {
    let mut health = HealthCheck::default();
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
                    faults.wrong(at, "`CMD`, `CMD-SHELL` or `NONE` as the first item", value);
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

fn published(value: &Value, config: &mut ContainerConfig, path: &str, faults: &mut Faults<'_>) {
    let exposed = config.exposed.get_or_insert_default();
    let mut known: HashSet<ContainerPort> = exposed.iter().copied().collect();
    let published = config.published.get_or_insert_default();
    for item in read::list(value, path, faults) {
        let port = match ports::read(item) {
            Ok(port) => port,
            Err(error) => {
                faults.because(path, &error.reason);
                continue;
            }
        };
        for (at, container) in (0u16..).zip(port.targets()) {
            if known.insert(container) {
                exposed.push(container);
            }
            published.push(PublishedPort {
                container,
                address: port.address,
                host: match (port.taken(), port.published) {
                    (Some((first, _)), _) => PortChoice::Exactly(first + at),
                    (None, Some((first, last))) => PortChoice::From(first, last),
                    (None, None) => PortChoice::Any,
                },
            });
        }
    }
}

pub(super) fn restart(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<RestartPolicy> {
    let text = read::text(value, path, faults)?;
    let (name, count) = text
        .split_once(':')
        .map_or((text.as_str(), None), |(n, c)| (n, Some(c)));
    let condition = match name {
        "" | "no" | "false" | "none" => RestartCondition::No,
        "always" | "any" => RestartCondition::Always,
        "unless-stopped" => RestartCondition::UnlessStopped,
        "on-failure" => RestartCondition::OnFailure,
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
        condition,
        max_retries: times.and_then(Result::ok),
    })
}

/// The entries of `extra_hosts`: `HOST:ADDRESS`, `HOST=ADDRESS`, or a map. An IPv6 address may be in brackets.
fn extra_hosts(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<ExtraHost> {
    let entry = |host: &str, address: &str| {
        let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
        ExtraHost {
            name: host.to_owned(),
            address: bare.unwrap_or(address).to_owned(),
        }
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

/// Capabilities by the names that the kernel uses, as Compose sends them.
fn isolation(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<Isolation> {
    match value.scalar().as_deref() {
        None | Some("") => None,
        Some("default") => Some(Isolation::Default),
        Some("process") => Some(Isolation::Process),
        Some("hyperv") => Some(Isolation::HyperV),
        _ => {
            faults.wrong(path, "`default`, or on Windows `process` or `hyperv`", value);
            None
        }
    }
}

fn ulimits(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<Vec<Ulimit>> {
    let mut limits = Vec::new();
    for (name, value) in read::map(value, path, faults)? {
        let at = &*format!("{path}.{name}");
        let (soft, hard) = match value {
            Value::Map(map) => {
                faults.only(map, at, &["soft", "hard"]);
                // A misspelt key has been reported already.
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
        limits.push(Ulimit {
            name: name.to_string(),
            soft,
            hard,
        });
    }
    Some(limits)
}

fn tmpfs(value: &Value, path: &str, faults: &mut Faults<'_>) -> BTreeMap<String, String> {
    let split = |text: String| match text.split_once(':') {
        Some((path, options)) => (path.to_owned(), options.to_owned()),
        None => (text, String::new()),
    };
    read::texts(value, path, faults).into_iter().map(split).collect()
}

fn logging(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<Logging> {
    let mut log = Logging::default();
    for (key, value) in read::map(value, path, faults)? {
        let at = &*format!("{path}.{key}");
        match &**key {
            "driver" => log.driver = read::text(value, at, faults),
            "options" => log.options = Some(read::strings(value, at, faults)),
            _ => faults.unknown(key, at, &["driver", "options"]),
        }
    }
    Some(log)
}

fn cgroup(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<CgroupMode> {
    match value.scalar().as_deref() {
        Some("host") => Some(CgroupMode::Host),
        Some("private") => Some(CgroupMode::Private),
        _ => {
            faults.wrong(path, "`host` or `private`", value);
            None
        }
    }
}
