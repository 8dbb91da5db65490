//! Values that no engine accepts, whatever it runs on. They are refused before anything is requested of it.

use super::faults::Faults;
use super::read;
use crate::cluster::ContainerConfig;
use crate::diagnostic::Problem;
use crate::signal;
use crate::value::Value;

/// The capabilities of Linux, without `CAP_` (capabilities(7)).
const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// The least memory that an engine gives a container, in bytes (moby `daemon/daemon_unix.go`, `linuxMinMemory`).
const LEAST_MEMORY: i64 = 6 << 20;

/// The capabilities in `value`, as the engine writes them: `CAP_NET_ADMIN`, or `ALL`. Sorted, each once.
pub(super) fn capabilities(value: &Value, path: &str, faults: &mut Faults<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for (at, name) in read::texts(value, path, faults).into_iter().enumerate() {
        let upper = name.to_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if upper == "ALL" {
            names.push(upper);
        } else if CAPABILITIES.contains(&short) {
            names.push(format!("CAP_{short}"));
        } else {
            let path = format!("{path}[{at}]");
            let problem = Problem::general(format!("`{path}`: Linux has no capability `{name}`"));
            faults.push(&path, problem.did_you_mean(short, CAPABILITIES));
        }
    }
    names.sort();
    names.dedup();
    names
}

/// `stop_signal`: the name or number of a signal.
pub(super) fn stop_signal(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<String> {
    let text = read::text(value, path, faults)?;
    if !text.is_empty() && signal::number_of(&text).is_none() {
        let problem = Problem::general(format!("`{path}`: Linux has no signal `{text}`"));
        faults.push(
            path,
            problem.hint("signal(7) lists them: `SIGTERM`, `SIGRTMIN+3`, `15`"),
        );
        return None;
    }
    Some(text)
}

/// Reports limits in `config` that contradict each other or are out of any range. `path` says where the value of a key of the
/// service is written, which may be below `deploy`.
pub(super) fn limits(config: &ContainerConfig, path: &dyn Fn(&str) -> String, faults: &mut Faults<'_>) {
    let limits = &config.limits;
    let mut wrong = |key: &str, is_wrong: bool, reason: &str| {
        if is_wrong {
            faults.because(&path(key), reason);
        }
    };
    let set = |value: Option<i64>| value.filter(|value| *value > 0);
    let (memory, reserved) = (set(limits.memory), set(limits.memory_reservation));
    let and_swap = set(limits.memory_and_swap);
    wrong(
        "mem_limit",
        memory.is_some_and(|memory| memory < LEAST_MEMORY),
        "engines give a container 6 MB at least",
    );
    wrong(
        "mem_reservation",
        reserved.is_some_and(|reserved| reserved < LEAST_MEMORY),
        "engines reserve 6 MB at least",
    );
    wrong(
        "mem_reservation",
        memory.zip(reserved).is_some_and(|(memory, reserved)| reserved > memory),
        "it is more than `mem_limit`",
    );
    wrong(
        "memswap_limit",
        memory.zip(and_swap).is_some_and(|(memory, both)| both < memory),
        "it is less than `mem_limit`, of which it is the sum with swap",
    );
    wrong(
        "mem_swappiness",
        limits.swappiness.is_some_and(|share| !(-1..=100).contains(&share)),
        "expected a number from 0 to 100",
    );
    wrong(
        "oom_score_adj",
        limits.oom_score.is_some_and(|score| !(-1000..=1000).contains(&score)),
        "expected a number from -1000 to 1000",
    );
    wrong(
        "cpu_period",
        set(limits.cpu_period).is_some_and(|period| !(1_000..=1_000_000).contains(&period)),
        "expected 1 ms to 1 s",
    );
    wrong(
        "cpu_quota",
        set(limits.cpu_quota).is_some_and(|quota| quota < 1_000),
        "expected 1 ms at least",
    );
    wrong(
        "cpus",
        limits.nano_cpus.is_some() && (set(limits.cpu_period).is_some() || set(limits.cpu_quota).is_some()),
        "`cpu_period` and `cpu_quota` say the same; engines take one or the other",
    );
}
