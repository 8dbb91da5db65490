//! Turns specifications into the bodies of Engine API calls.
//!
//! Each specification is destructured with all its fields, so that a new field does not compile until it is either sent
//! or listed here with the reason why not.

mod host;
mod mount;
mod network;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, Mount as EngineMount, MountType, VolumeCreateRequest,
};

use crate::cluster::{ContainerConfig, ContainerSpec, HealthCheck, VolumeSpec, label};
pub use network::{endpoint, network};

/// The body of `POST /containers/create`, without the networks: how many of them one call takes depends on the engine's
/// version.
#[must_use]
pub fn container(spec: &ContainerSpec) -> ContainerCreateBody {
    let ContainerSpec {
        // It is in the query of the call.
        name: _,
        platform: _,
        // They are in the labels.
        node: _,
        service: _,
        hash: _,
        // These are carried out before or after the call.
        endpoints: _,
        duty: _,
        after: _,
        joined: _,
        volumes: _,
        pull: _,
        files: _,
        labels,
        network_mode,
        links,
        carried,
        config,
    } = spec;
    let mut host = host::host(config);
    label_anonymous_volumes(&mut host, labels);
    host.network_mode = Some(network_mode.to_string());
    host.links = said(links).map(|links| links.iter().map(ToString::to_string).collect());
    if !carried.is_empty() {
        let binds = host.binds.get_or_insert_default();
        binds.extend(carried.iter().map(|c| format!("{}:{}", c.volume, c.target)));
    }
    let ContainerConfig {
        image,
        command,
        entrypoint,
        environment,
        user,
        working_dir,
        hostname,
        domainname,
        tty,
        stdin_open,
        stop_signal,
        stop_timeout,
        healthcheck,
        exposed,
        // These belong to the host part of the body.
        init: _,
        restart: _,
        logging: _,
        runtime: _,
        storage_options: _,
        annotations: _,
        published: _,
        namespaces: _,
        resolver: _,
        security: _,
        limits: _,
        block_io: _,
        devices: _,
        mounts: _,
        tmpfs: _,
        volumes_from: _,
    } = &**config;
    let variable = |(name, value): (&String, &Option<String>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    };
    ContainerCreateBody {
        image: Some(image.clone()),
        cmd: command.clone(),
        entrypoint: entrypoint.clone(),
        env: environment.as_ref().map(|all| all.iter().map(variable).collect()),
        user: user.clone(),
        working_dir: working_dir.clone(),
        hostname: hostname.clone(),
        domainname: domainname.clone(),
        tty: *tty,
        open_stdin: *stdin_open,
        stop_signal: stop_signal.clone(),
        stop_timeout: *stop_timeout,
        healthcheck: healthcheck.as_ref().map(health),
        exposed_ports: exposed
            .as_ref()
            .map(|ports| ports.iter().map(ToString::to_string).collect()),
        labels: Some(pairs(labels)),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

/// Labels the volumes that get no name with whose they are: a client that is killed while a container is created may leave them,
/// and nothing else tells them from those of others.
fn label_anonymous_volumes(host: &mut HostConfig, labels: &BTreeMap<String, String>) {
    let ours = [label::CLUSTER, label::NODE, label::CONFIG_HASH];
    let ours = ours.map(|key| (key.to_owned(), labels.get(key).cloned().unwrap_or_default()));
    let is_anonymous = |mount: &&mut EngineMount| mount.typ == Some(MountType::VOLUME) && mount.source.is_none();
    for mount in host.mounts.iter_mut().flatten().filter(is_anonymous) {
        let options = mount.volume_options.get_or_insert_default();
        options.labels.get_or_insert_default().extend(ours.clone());
    }
}

/// Adds to the `body` of `spec` the volumes that its image declares at these `paths`, so that they carry labels; the engine
/// would make them without any. What is mounted there by the blueprint stays, and so does what may come from another container.
pub fn declare_volumes(body: &mut ContainerCreateBody, spec: &ContainerSpec, paths: &[String]) {
    if !spec.config.volumes_from.is_empty() {
        return;
    }
    let clean = |path: &str| path.trim_end_matches('/').to_owned();
    let mounts = spec.config.mounts.iter().map(|m| clean(&m.target));
    let tmpfs = spec.config.tmpfs.iter().flatten().map(|(path, _)| clean(path));
    let carried = spec.carried.iter().map(|c| clean(&c.target));
    let mounted: BTreeSet<String> = mounts.chain(tmpfs).chain(carried).collect();
    let paths: BTreeSet<String> = paths.iter().map(|path| clean(path)).collect();
    let host = body.host_config.get_or_insert_default();
    // The engine refuses a path that is not absolute, or climbs, here and not in an image.
    let is_plain = |path: &&String| path.starts_with('/') && !path.split('/').any(|part| matches!(part, "." | ".."));
    let free = paths.difference(&mounted).filter(is_plain);
    let mut mounts: Vec<EngineMount> = free.map(|path| mount::anonymous(path)).collect();
    if !mounts.is_empty() {
        host.mounts.get_or_insert_default().append(&mut mounts);
        label_anonymous_volumes(host, &spec.labels);
    }
}

/// The body of `POST /volumes/create`.
#[must_use]
pub fn volume(spec: &VolumeSpec) -> VolumeCreateRequest {
    let VolumeSpec {
        name,
        // It is in the labels.
        node: _,
        hash: _,
        // An external volume is never created.
        external: _,
        driver,
        driver_options,
        labels,
    } = spec;
    VolumeCreateRequest {
        name: Some(name.clone()),
        driver: driver.clone(),
        driver_opts: driver_options.as_ref().map(pairs),
        labels: Some(pairs(labels)),
        ..VolumeCreateRequest::default()
    }
}

fn health(check: &HealthCheck) -> HealthConfig {
    let HealthCheck {
        test,
        interval,
        timeout,
        retries,
        start_period,
        start_interval,
    } = check;
    HealthConfig {
        test: test.clone(),
        interval: *interval,
        timeout: *timeout,
        retries: *retries,
        start_period: *start_period,
        start_interval: *start_interval,
    }
}

/// The map in the type that the client expects.
fn pairs(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The list; `None` if it is empty, so that the field is left out.
fn said<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}
