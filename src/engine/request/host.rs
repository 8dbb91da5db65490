//! The host part of the body of `POST /containers/create`: how a container is run.

use std::collections::HashMap;

use bollard::models::{
    DeviceMapping as EngineDevice, DeviceRequest as EngineDeviceRequest, HostConfig, HostConfigCgroupnsModeEnum,
    HostConfigIsolationEnum, HostConfigLogConfig, PortBinding, PortMap, ResourcesBlkioWeightDevice, ResourcesUlimits,
    RestartPolicy as EngineRestartPolicy, RestartPolicyNameEnum, ThrottleDevice,
};

use super::{mount, pairs, said};
use crate::cluster::{
    BlockIo, CgroupMode, ContainerConfig, DeviceMapping, DeviceRate, DeviceRequest, DeviceWeight, Devices, ExtraHost,
    Isolation, Limits, Logging, Namespaces, PortChoice, PublishedPort, Resolver, RestartCondition, RestartPolicy,
    Security, Ulimit, VolumesFrom,
};

/// The host part of the body, without the network mode.
pub(super) fn host(config: &ContainerConfig) -> HostConfig {
    let ContainerConfig {
        init,
        restart,
        logging,
        runtime,
        storage_options,
        annotations,
        published,
        namespaces,
        resolver,
        security,
        limits,
        block_io,
        devices,
        mounts,
        tmpfs,
        volumes_from,
        // These say what runs in the container, and belong to the rest of the body.
        image: _,
        command: _,
        entrypoint: _,
        environment: _,
        user: _,
        working_dir: _,
        hostname: _,
        domainname: _,
        tty: _,
        stdin_open: _,
        stop_signal: _,
        stop_timeout: _,
        healthcheck: _,
        exposed: _,
    } = config;
    let mut host = HostConfig {
        init: *init,
        restart_policy: restart.map(restart_policy),
        log_config: logging.as_ref().map(log),
        runtime: runtime.clone(),
        storage_opt: storage_options.as_ref().map(pairs),
        annotations: annotations.as_ref().map(pairs),
        port_bindings: published.as_deref().map(bindings),
        tmpfs: tmpfs.as_ref().map(pairs),
        volumes_from: said(volumes_from).map(|all| all.iter().map(from).collect()),
        ..HostConfig::default()
    };
    mount::put(mounts, &mut host);
    share(namespaces, &mut host);
    resolve(resolver, &mut host);
    secure(security, &mut host);
    limit(limits, &mut host);
    limit_block_io(block_io, &mut host);
    give(devices, &mut host);
    host
}

fn restart_policy(policy: RestartPolicy) -> EngineRestartPolicy {
    let RestartPolicy { condition, max_retries } = policy;
    EngineRestartPolicy {
        name: Some(match condition {
            RestartCondition::No => RestartPolicyNameEnum::NO,
            RestartCondition::Always => RestartPolicyNameEnum::ALWAYS,
            RestartCondition::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
            RestartCondition::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
        }),
        maximum_retry_count: max_retries,
    }
}

fn log(logging: &Logging) -> HostConfigLogConfig {
    let Logging { driver, options } = logging;
    HostConfigLogConfig {
        typ: driver.clone(),
        config: options.as_ref().map(pairs),
    }
}

fn bindings(published: &[PublishedPort]) -> PortMap {
    let mut bindings: PortMap = HashMap::new();
    for PublishedPort {
        container,
        address,
        host,
    } in published
    {
        let binding = PortBinding {
            host_ip: address.map(|a| a.to_string()),
            host_port: Some(match host {
                PortChoice::Exactly(port) => port.to_string(),
                PortChoice::From(first, last) => format!("{first}-{last}"),
                PortChoice::Any => String::new(),
            }),
        };
        let of_port = bindings.entry(container.to_string()).or_default();
        of_port.get_or_insert_default().push(binding);
    }
    bindings
}

fn from(other: &VolumesFrom) -> String {
    let VolumesFrom { container, mode } = other;
    match mode {
        Some(mode) => format!("{container}:{mode}"),
        None => container.clone(),
    }
}

fn share(namespaces: &Namespaces, host: &mut HostConfig) {
    let Namespaces {
        pid,
        ipc,
        host_uts,
        user,
        cgroup,
        isolation,
    } = namespaces;
    host.pid_mode = pid.as_ref().map(ToString::to_string);
    host.ipc_mode = ipc.as_ref().map(ToString::to_string);
    host.uts_mode = host_uts.then(|| "host".to_owned());
    host.userns_mode = user.clone();
    host.cgroupns_mode = cgroup.map(|mode| match mode {
        CgroupMode::Host => HostConfigCgroupnsModeEnum::HOST,
        CgroupMode::Private => HostConfigCgroupnsModeEnum::PRIVATE,
    });
    host.isolation = isolation.map(|way| match way {
        Isolation::Default => HostConfigIsolationEnum::DEFAULT,
        Isolation::Process => HostConfigIsolationEnum::PROCESS,
        Isolation::HyperV => HostConfigIsolationEnum::HYPERV,
    });
}

fn resolve(resolver: &Resolver, host: &mut HostConfig) {
    let Resolver {
        servers,
        options,
        search,
        hosts,
    } = resolver;
    host.dns = servers.clone();
    host.dns_options = options.clone();
    host.dns_search = search.clone();
    let line = |ExtraHost { name, address }: &ExtraHost| format!("{name}:{address}");
    host.extra_hosts = hosts.as_ref().map(|hosts| hosts.iter().map(line).collect());
}

fn secure(security: &Security, host: &mut HostConfig) {
    let Security {
        privileged,
        read_only,
        added_capabilities,
        dropped_capabilities,
        groups,
        options,
        all_system_paths,
        sysctls,
    } = security;
    host.privileged = *privileged;
    host.readonly_rootfs = *read_only;
    host.cap_add = added_capabilities.clone();
    host.cap_drop = dropped_capabilities.clone();
    host.group_add = groups.clone();
    host.security_opt = options.clone();
    // An empty list replaces the engine's default list.
    host.masked_paths = all_system_paths.then(Vec::new);
    host.readonly_paths = all_system_paths.then(Vec::new);
    host.sysctls = sysctls.as_ref().map(pairs);
}

fn limit(limits: &Limits, host: &mut HostConfig) {
    let Limits {
        memory,
        memory_reservation,
        memory_and_swap,
        swappiness,
        shared_memory,
        oom_kill_disabled,
        oom_score,
        pids,
        nano_cpus,
        cpu_count,
        cpu_percent,
        cpu_shares,
        cpu_period,
        cpu_quota,
        realtime_period,
        realtime_runtime,
        cpuset,
        cgroup_parent,
        ulimits,
    } = limits;
    host.memory = *memory;
    host.memory_reservation = *memory_reservation;
    host.memory_swap = *memory_and_swap;
    host.memory_swappiness = *swappiness;
    host.shm_size = *shared_memory;
    host.oom_kill_disable = *oom_kill_disabled;
    host.oom_score_adj = *oom_score;
    host.pids_limit = *pids;
    host.nano_cpus = *nano_cpus;
    host.cpu_count = *cpu_count;
    host.cpu_percent = *cpu_percent;
    host.cpu_shares = *cpu_shares;
    host.cpu_period = *cpu_period;
    host.cpu_quota = *cpu_quota;
    host.cpu_realtime_period = *realtime_period;
    host.cpu_realtime_runtime = *realtime_runtime;
    host.cpuset_cpus = cpuset.clone();
    host.cgroup_parent = cgroup_parent.clone();
    let ulimit = |Ulimit { name, soft, hard }: &Ulimit| ResourcesUlimits {
        name: Some(name.clone()),
        soft: *soft,
        hard: *hard,
    };
    host.ulimits = ulimits.as_ref().map(|limits| limits.iter().map(ulimit).collect());
}

fn limit_block_io(block_io: &BlockIo, host: &mut HostConfig) {
    let BlockIo {
        weight,
        device_weights,
        read_bytes,
        write_bytes,
        read_operations,
        write_operations,
    } = block_io;
    host.blkio_weight = *weight;
    let of_device = |DeviceWeight { path, weight }: &DeviceWeight| ResourcesBlkioWeightDevice {
        path: path.clone(),
        weight: *weight,
    };
    host.blkio_weight_device = device_weights.as_ref().map(|all| all.iter().map(of_device).collect());
    host.blkio_device_read_bps = read_bytes.as_deref().map(rates);
    host.blkio_device_write_bps = write_bytes.as_deref().map(rates);
    host.blkio_device_read_iops = read_operations.as_deref().map(rates);
    host.blkio_device_write_iops = write_operations.as_deref().map(rates);
}

fn rates(rates: &[DeviceRate]) -> Vec<ThrottleDevice> {
    let throttle = |DeviceRate { path, rate }: &DeviceRate| ThrottleDevice {
        path: path.clone(),
        rate: *rate,
    };
    rates.iter().map(throttle).collect()
}

fn give(devices: &Devices, host: &mut HostConfig) {
    let Devices {
        mapped,
        cgroup_rules,
        requests,
    } = devices;
    host.devices = said(mapped).map(|devices| devices.iter().map(device).collect());
    host.device_cgroup_rules = cgroup_rules.clone();
    host.device_requests = requests.as_ref().map(|all| all.iter().map(device_request).collect());
}

fn device(device: &DeviceMapping) -> EngineDevice {
    let DeviceMapping {
        host,
        container,
        permissions,
    } = device;
    EngineDevice {
        path_on_host: Some(host.clone()),
        path_in_container: Some(container.clone()),
        cgroup_permissions: Some(permissions.clone()),
    }
}

fn device_request(request: &DeviceRequest) -> EngineDeviceRequest {
    let DeviceRequest {
        driver,
        count,
        ids,
        capabilities,
        options,
    } = request;
    EngineDeviceRequest {
        driver: driver.clone(),
        count: *count,
        device_ids: ids.clone(),
        // The outer list holds alternatives, of which there is only one.
        capabilities: capabilities.clone().map(|all| vec![all]),
        options: options.as_ref().map(pairs),
    }
}
