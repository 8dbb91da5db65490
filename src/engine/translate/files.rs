//! Configs and secrets, which become files in a container.

use std::sync::Arc;

use super::{Draft, Translation};
use crate::cluster::{ContainerConfig, FileSpec, Mount, MountSource};
use crate::compose::CONFIG_KEYS;
use crate::compose::ConfigKind;
use crate::diagnostic::Problem;
use crate::digest::sha256;
use crate::topology::ConfigSource;
use crate::value::Value;

impl Translation<'_> {
    /// Gives a volume of its own to each directory that files cannot be copied into. Files are copied before the
    /// container starts: a read-only root file system refuses that, and a tmpfs would hide them once the container
    /// runs.
    pub(super) fn make_room(&mut self, draft: &mut Draft) {
        let Draft { config, files, .. } = draft;
        let read_only = config.security.read_only == Some(true);
        let mut made: Vec<String> = Vec::new();
        for file in files.iter() {
            let (directory, _) = file.place();
            let (covered, hidden) = cover(config, directory);
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
        config.mounts.extend(made.into_iter().map(|target| Mount {
            target,
            read_only: false,
            consistency: None,
            source: MountSource::Files,
        }));
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
                    // Swarm stores configs under a name and with labels; a single engine does not.
                    "name" | "labels" => {}
                    key if CONFIG_KEYS.contains(&key) => faults.refuse(&format!("{base}.{key}")),
                    key => faults.unknown(key, &format!("{base}.{key}"), CONFIG_KEYS),
                }
            }
            let (mode, content) = match &config.source {
                ConfigSource::File { mode, content, .. } => (mode.unwrap_or(ConfigSource::MODE), content.clone()),
                ConfigSource::Environment { value: Some(value), .. } => {
                    (ConfigSource::MODE, Arc::from(value.as_bytes()))
                }
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
                    // Compose accepts only texts here.
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

/// What covers `directory`: whether a volume or a path of the host does, and whether a tmpfs does, which is empty at
/// every start. The innermost mount counts.
fn cover(config: &ContainerConfig, directory: &str) -> (bool, bool) {
    let mounts = config.mounts.iter();
    let mounts = mounts.map(|m| (m.target.as_str(), matches!(m.source, MountSource::Tmpfs { .. })));
    let tmpfs = config.tmpfs.iter().flatten().map(|(path, _)| (path.as_str(), true));
    let above = mounts.chain(tmpfs).filter(|(target, _)| {
        let below = directory.strip_prefix(target.trim_end_matches('/'));
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    match above.max_by_key(|(target, _)| target.len()) {
        None => (false, false),
        Some((_, empty)) => (!empty, empty),
    }
}
