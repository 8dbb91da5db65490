//! Configs and secrets, which become files in a container.

use std::sync::Arc;

use super::{Draft, Translation};
use crate::cluster::{FileSpec, Mount, MountSource, clean, is_below};
use crate::compose::ConfigKind;
use crate::compose::table;
use crate::diagnostic::Problem;
use crate::digest::sha256;
use crate::topology::{ConfigSource, Service};
use crate::value::Value;

impl Translation<'_> {
    /// Gives a volume of its own to each directory that files cannot be copied into. Files are copied before the
    /// container starts: a read-only root file system refuses that, and a tmpfs would hide them once the container
    /// runs. A file that lies below a mount which others see, or which outlives the container, is
    /// refused: the copy would go through the mount and replace what is there.
    pub(super) fn make_room(&mut self, draft: &mut Draft) {
        let mounts = self.mounted(draft);
        let read_only = draft.config.security.read_only == Some(true);
        let mut made: Vec<String> = Vec::new();
        for (path, file) in draft.file_paths.iter().zip(&draft.files) {
            let (directory, _) = file.place();
            if let Some(mount) = mounts.iter().find(|m| is_below(&m.target, &file.target)) {
                self.is_in_the_way(path, file, mount);
                continue;
            }
            let above = mounts.iter().filter(|m| is_below(directory, &m.target));
            let above = above.max_by_key(|m| m.target.len());
            let (covered, hidden) = match above.map(|m| m.kind) {
                None => (false, false),
                Some(MountKind::Own) => (true, false),
                Some(MountKind::Empty) => (false, true),
                Some(MountKind::Lasting) => {
                    above.into_iter().for_each(|m| self.goes_through(path, file, m));
                    continue;
                }
            };
            if made.iter().any(|m| m == directory) || !(hidden || (read_only && !covered)) {
                continue;
            }
            if directory == "/" || above.is_some_and(|m| m.target == directory) {
                let message = format!("`{path}`: `{}` would stand where nothing can be written", file.target);
                let hint = "give it a directory that can be a volume: {source: NAME, target: /etc/app/NAME}";
                self.faults.push(path, Problem::general(message).hint(hint));
                continue;
            }
            made.push(directory.to_owned());
        }
        draft.config.mounts.extend(made.into_iter().map(|target| Mount {
            target,
            read_only: false,
            consistency: None,
            source: MountSource::Files,
        }));
    }

    /// The file at `path` would be copied through `mount`.
    fn goes_through(&mut self, path: &str, file: &FileSpec, mount: &Mounted) {
        let message = format!(
            "`{path}`: `{}` lies below {}, and would be written into it",
            file.target, mount.what
        );
        let hint = "give it a directory of its own, {source: NAME, target: /etc/app/NAME}, and name that to the service; or mount \
                    less";
        self.faults.push(path, Problem::general(message).hint(hint));
    }

    /// Where the file at `path` should be there is `mount`, or the directory that it lies in.
    fn is_in_the_way(&mut self, path: &str, file: &FileSpec, mount: &Mounted) {
        let message = match mount.target == file.target {
            true => format!("`{path}`: `{}` would stand in the place of {}", file.target, mount.what),
            false => format!("`{path}`: `{}` is a directory, and holds {}", file.target, mount.what),
        };
        let hint = "give it another path: {source: NAME, target: /etc/app/NAME}";
        self.faults.push(path, Problem::general(message).hint(hint));
    }

    /// Whatever the containers of the service mount.
    fn mounted(&self, draft: &Draft) -> Vec<Mounted> {
        let mut mounted = Vec::new();
        for mount in &draft.config.mounts {
            let target = clean(&mount.target);
            let (kind, what) = match &mount.source {
                MountSource::Bind(_) => (MountKind::Lasting, format!("what is mounted of the host at `{target}`")),
                MountSource::Volume { .. } => (MountKind::Lasting, format!("the volume at `{target}`")),
                MountSource::Anonymous(_) | MountSource::Files => (MountKind::Own, format!("the volume at `{target}`")),
                MountSource::Tmpfs { .. } => (MountKind::Empty, format!("the tmpfs at `{target}`")),
            };
            mounted.push(Mounted { target, kind, what });
        }
        for (path, _) in draft.config.tmpfs.iter().flatten() {
            let target = clean(path);
            let what = format!("the tmpfs at `{target}`");
            let kind = MountKind::Empty;
            mounted.push(Mounted { target, kind, what });
        }
        let mut asked = vec![self.service];
        let mut at = 0;
        while let Some(service) = asked.get(at).copied() {
            at += 1;
            let others = service.get("volumes_from").and_then(Value::as_list).unwrap_or_default();
            let others = others.iter().filter_map(Value::scalar);
            for other in others.filter_map(|text| self.sibling(text.split(':').next().unwrap_or_default())) {
                if asked.iter().any(|known| known.key == other.key) {
                    continue;
                }
                asked.push(other);
                mounted.extend(volume_targets(other).map(|target| Mounted {
                    what: format!("what service `{}` mounts at `{target}`", other.key),
                    kind: MountKind::Lasting,
                    target,
                }));
            }
        }
        mounted
    }

    /// The files that `configs` or `secrets` of a service ask for (Compose specification, services, `configs`), added to
    /// those of `draft` with the paths that ask for them.
    pub(super) fn files(&mut self, kind: ConfigKind, value: &Value, draft: &mut Draft) {
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
            let known = table::keys("secrets.*");
            for key in config.options.keys() {
                match &**key {
                    // Swarm stores configs under a name and with labels; a single engine does not.
                    "name" | "labels" => {}
                    key if known.contains(&key) => faults.refuse(&format!("{base}.{key}")),
                    key => faults.unknown(key, &format!("{base}.{key}"), &known),
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
                    // Compose passes on what nobody could be.
                    let found = value.scalar().unwrap_or_default();
                    let reason =
                        format!("expected the number of a user or group in quotes, such as \"1000\", found `{found}`");
                    self.faults.because(&at, &reason);
                }
                id.unwrap_or(0)
            };
            let (uid, gid) = (owner("uid"), owner("gid"));
            let target = clean(&target);
            if target == "/" {
                self.faults
                    .because(&path, "expected a `target`, the path of a file in the container");
                continue;
            }
            draft.file_paths.push(path);
            draft.files.push(FileSpec {
                target,
                mode,
                uid,
                gid,
                digest: sha256(&content),
                content,
            });
        }
    }
}

/// Something mounted, as far as it matters to files.
struct Mounted {
    /// Where, a clean path.
    target: String,
    kind: MountKind,
    /// The mount in a message's words.
    what: String,
}

#[derive(Clone, Copy)]
enum MountKind {
    /// A volume that the engine makes for this container alone.
    Own,
    /// Memory, which is empty at each start.
    Empty,
    /// What others see too, or what outlives the container.
    Lasting,
}

/// Where a service mounts what `volumes_from` hands on: all but memory.
fn volume_targets(service: &Service) -> impl Iterator<Item = String> {
    let items = service.get("volumes").and_then(Value::as_list).unwrap_or_default();
    items.iter().filter_map(|item| match item {
        Value::Map(map) if map.get("type").and_then(Value::scalar).as_deref() == Some("tmpfs") => None,
        Value::Map(map) => map.get("target").and_then(Value::scalar).map(|t| clean(&t)),
        other => {
            let text = other.scalar()?;
            let mut parts = text.split(':');
            let first = parts.next()?;
            Some(clean(parts.next().unwrap_or(first)))
        }
    })
}
