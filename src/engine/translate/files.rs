//! Configs and secrets: files that are put into a container.

use std::sync::Arc;

use bollard::models::{HostConfig, Mount, MountType, MountVolumeOptions};

use super::{Draft, Translation};
use crate::cluster::FileSpec;
use crate::cluster::label;
use crate::compose::CONFIG_KEYS;
use crate::compose::ConfigKind;
use crate::diagnostic::Problem;
use crate::digest::sha256;
use crate::topology::ConfigSource;
use crate::value::Value;

impl Translation<'_> {
    /// Files are copied in before the container starts. Where they could not be written then, or would be hidden when it
    /// runs, their directory becomes a volume of its own.
    pub(super) fn make_room(&mut self, draft: &mut Draft) {
        let Draft { host, files, .. } = draft;
        let read_only = host.readonly_rootfs == Some(true);
        let mut made: Vec<String> = Vec::new();
        for file in files.iter() {
            let (directory, _) = file.place();
            let (covered, hidden) = cover(host, directory);
            if made.iter().any(|m| m == directory) || !(hidden || (read_only && !covered)) {
                continue;
            }
            if directory == "/" {
                let key = if self.service.get("configs").is_some() {
                    "configs"
                } else {
                    "secrets"
                };
                let path = self.path(key);
                let message = format!("`{path}`: `{}` would stand where nothing can be written", file.target);
                let hint = "give it a directory that can be a volume: {source: NAME, target: /etc/app/NAME}";
                self.faults.push(&path, Problem::general(message).hint(hint));
                continue;
            }
            made.push(directory.to_owned());
        }
        let mounts = made.into_iter().map(|directory| Mount {
            typ: Some(MountType::VOLUME),
            target: Some(directory),
            volume_options: Some(MountVolumeOptions {
                labels: Some([(label::FILES.to_owned(), String::new())].into()),
                ..MountVolumeOptions::default()
            }),
            ..Mount::default()
        });
        let mounts: Vec<Mount> = mounts.collect();
        if !mounts.is_empty() {
            host.mounts.get_or_insert_default().extend(mounts);
        }
    }

    /// The files that `configs` or `secrets` of a service ask for (Compose specification, services, `configs`).
    pub(super) fn files(&mut self, kind: ConfigKind, value: &Value) -> Vec<FileSpec> {
        let mut files = Vec::new();
        for (at, item) in value.as_list().unwrap_or_default().iter().enumerate() {
            let path = format!("{}[{at}]", self.path(kind.section()));
            if let Some(map) = item.as_map() {
                self.faults
                    .only(map, &path, &["source", "target", "uid", "gid", "mode"]);
            }
            let field = |key: &str| item.as_map().and_then(|m| m.get(key)).and_then(Value::scalar);
            let name = item.scalar().or_else(|| field("source")).unwrap_or_default();
            let Some(config) = self.node.configs.iter().find(|c| c.kind == kind && *c.name == *name) else {
                continue;
            };
            let base = format!("roles.{}.{}.{name}", self.node.role, kind.section());
            let mut faults = self.faults.elsewhere(base.clone(), &config.written);
            for key in config.options.keys() {
                match &**key {
                    // What it is called on an engine of Swarm's, which keeps it there.
                    "name" | "labels" => {}
                    key if CONFIG_KEYS.contains(&key) => faults.refuse(&format!("{base}.{key}")),
                    key => faults.unknown(key, &format!("{base}.{key}"), CONFIG_KEYS),
                }
            }
            let (mode, content) = match &config.source {
                ConfigSource::File { mode, content, .. } => (*mode, content.clone()),
                ConfigSource::Environment { value: Some(value), .. } => (0o444, Arc::from(value.as_bytes())),
                ConfigSource::Environment { name, .. } => {
                    self.wrong(
                        kind.section(),
                        &format!("variable `{name}` of the environment to be set"),
                    );
                    continue;
                }
                ConfigSource::External(_) => {
                    self.refuse(&format!("{}.{name}.external", kind.section()));
                    continue;
                }
            };
            let target = match field("target") {
                Some(target) if target.starts_with('/') => target,
                Some(target) if kind == ConfigKind::Secret => format!("/run/secrets/{target}"),
                Some(target) => format!("/{target}"),
                None => kind.default_target(&name),
            };
            let mut owner = |key: &str| {
                let value = item.as_map().and_then(|m| m.get(key)).unwrap_or(&Value::Null);
                let id = match value {
                    Value::Null => Some(0),
                    // Compose takes texts only.
                    Value::Text(id) if id.is_empty() => Some(0),
                    Value::Text(id) => id.parse().ok(),
                    _ => None,
                };
                if id.is_none() {
                    let at = format!("{path}.{key}");
                    self.faults
                        .wrong(&at, "the number of a user or group in quotes, such as \"1000\"", value);
                }
                id.unwrap_or(0)
            };
            let (uid, gid) = (owner("uid"), owner("gid"));
            files.push(FileSpec {
                target,
                mode,
                uid,
                gid,
                digest: sha256(&content),
                content,
            });
        }
        files
    }
}

/// What `directory` lies on: whether on a volume, or something of the host; and whether on a tmpfs, which is empty each
/// time. The mount nearest to it counts.
fn cover(host: &HostConfig, directory: &str) -> (bool, bool) {
    let binds = host.binds.iter().flatten().filter_map(|b| b.split(':').nth(1));
    let mounts = host.mounts.iter().flatten();
    let mounts = mounts.filter_map(|m| Some((m.target.as_deref()?, m.typ == Some(MountType::TMPFS))));
    let tmpfs = host.tmpfs.iter().flatten().map(|(path, _)| (path.as_str(), true));
    let all = binds.map(|b| (b, false)).chain(mounts).chain(tmpfs);
    let above = all.filter(|(target, _)| {
        let below = directory.strip_prefix(target.trim_end_matches('/'));
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    match above.max_by_key(|(target, _)| target.len()) {
        None => (false, false),
        Some((_, empty)) => (!empty, empty),
    }
}
