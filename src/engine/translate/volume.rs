//! Volumes: what is mounted into containers, and the named ones that a cluster has (Compose specification, services,
//! `volumes`, and top-level `volumes`).

use std::collections::HashMap;
use std::sync::Arc;

use bollard::models::{
    HostConfig, Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountTmpfsOptions, MountType,
    MountVolumeOptions, VolumeCreateRequest,
};
use indexmap::IndexMap;

use super::faults::Faults;
use super::{Translation, needs, read, user_labels, version};
use crate::blueprint::join;
use crate::cluster::VolumeSpec;
use crate::cluster::label;
use crate::compose::{is_windows_path, mounts_of_windows};
use crate::diagnostic::Problem;
use crate::template::is_template;
use crate::value::{Map, Value};
use crate::yaml::Node;

/// The keys of a mount in its long form.
const MOUNT: &[&str] = &[
    "type",
    "source",
    "target",
    "read_only",
    "consistency",
    "bind",
    "volume",
    "tmpfs",
    "image",
];

/// The named volumes that containers mount, by their names in the engine.
#[derive(Default)]
pub(super) struct Volumes(IndexMap<String, VolumeSpec>);

impl Volumes {
    /// All of them.
    pub(super) fn into_specs(self) -> Vec<Arc<VolumeSpec>> {
        self.0.into_values().map(Arc::new).collect()
    }

    fn add(&mut self, spec: VolumeSpec, path: &str, faults: &mut Faults<'_>) {
        match self.0.get_mut(&spec.name) {
            None => {
                self.0.insert(spec.name.clone(), spec);
            }
            Some(other) if other.hash != spec.hash || other.external != spec.external => {
                let message = format!("`{path}`: two volumes are called `{}` and are not alike", spec.name);
                let hint = "say the same of both, or give one of them another `name`";
                faults.push(path, Problem::general(message).hint(hint));
            }
            // A template that says the same for all of them.
            Some(other) if other.node != spec.node => {
                other.node = None;
                for labels in other.request.labels.iter_mut() {
                    labels.retain(|key, _| key != label::NODE && key != label::compose::PROJECT);
                }
            }
            Some(_) => {}
        }
    }
}

/// A mount as it is read: what the engine's call for mounts has no word for, beside the mount.
#[derive(Default)]
struct Asked {
    mount: Mount,
    /// Whether a path of the host that is not there is made; `None` where nothing is said about how it is bound.
    create: Option<bool>,
    /// Relabelled for SELinux: shared (`z`) or private (`Z`).
    selinux: Option<String>,
}

impl Translation<'_> {
    /// `volumes` of a service; the names of the volumes among them.
    pub(super) fn volumes(&mut self, value: &Value, host: &mut HostConfig) -> Vec<String> {
        let path = self.path("volumes");
        let mut names = Vec::new();
        for (at, item) in read::list(value, &path, &mut self.faults).iter().enumerate() {
            let path = format!("{path}[{at}]");
            let asked = match item {
                Value::Map(map) => self.long(map, &path),
                other => self.short(other, &path),
            };
            let Some(mut asked) = asked else { continue };
            if !asked.mount.target.as_deref().unwrap_or_default().starts_with('/') {
                self.faults
                    .because(&path, "expected a `target`, an absolute path in the container");
                continue;
            }
            if asked.mount.typ == Some(MountType::VOLUME)
                && let Some(key) = asked.mount.source.take()
            {
                let Some(name) = self.named(&key, &path) else { continue };
                asked.mount.source = Some(name.clone());
                names.push(name);
            }
            match asked.as_bind() {
                Some(bind) => host.binds.get_or_insert_default().push(bind),
                None => host.mounts.get_or_insert_default().push(asked.into_mount()),
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// `[SOURCE:]TARGET[:OPTIONS]`.
    fn short(&mut self, value: &Value, path: &str) -> Option<Asked> {
        let text = read::text(value, path, &mut self.faults)?;
        if mounts_of_windows(&text) {
            self.faults.refuse_value(path);
            return None;
        }
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts.as_slice() {
            [target] => (None, *target, ""),
            [source, target] => (Some(*source), *target, ""),
            [source, target, options] => (Some(*source), *target, *options),
            _ => (None, "", ""),
        };
        if target.is_empty() || source.is_some_and(str::is_empty) {
            self.faults
                .wrong(path, "`SOURCE:TARGET`, `SOURCE:TARGET:OPTIONS` or a path alone", value);
            return None;
        }
        let mut asked = Asked::default();
        asked.mount.target = Some(target.to_owned());
        match source {
            Some(source) if source.starts_with(['.', '/', '~']) => {
                asked.mount.typ = Some(MountType::BIND);
                asked.mount.source = Some(self.host_path(source));
                asked.create = Some(true);
            }
            source => {
                asked.mount.typ = Some(MountType::VOLUME);
                asked.mount.source = source.map(str::to_owned);
            }
        }
        for option in options.split(',').filter(|o| !o.is_empty()) {
            match option {
                "ro" => asked.mount.read_only = Some(true),
                "rw" => asked.mount.read_only = None,
                "nocopy" => asked.volume().no_copy = Some(true),
                "z" | "Z" => asked.selinux = Some(option.to_owned()),
                "cached" | "delegated" | "consistent" => asked.mount.consistency = Some(option.to_owned()),
                other => match propagation(other) {
                    Some(word) => asked.bind().propagation = Some(word),
                    None => self.faults.because(path, &format!("no option `{other}` is known")),
                },
            }
        }
        Some(asked)
    }

    /// The long syntax, a map.
    fn long(&mut self, map: &Map, path: &str) -> Option<Asked> {
        let mut asked = Asked::default();
        let kind = map.get("type").and_then(Value::scalar);
        asked.mount.typ = match kind.as_deref() {
            Some("bind") => Some(MountType::BIND),
            Some("volume") => Some(MountType::VOLUME),
            Some("tmpfs") => Some(MountType::TMPFS),
            Some("cluster" | "npipe" | "image") => {
                self.faults.refuse_value(&format!("{path}.type"));
                return None;
            }
            _ => {
                let value = map.get("type").unwrap_or(&Value::Null);
                let expected = "`bind`, `volume` or `tmpfs`";
                self.faults.wrong(&format!("{path}.type"), expected, value);
                return None;
            }
        };
        for (key, value) in map {
            let at = format!("{path}.{key}");
            match (&**key, kind.as_deref()) {
                ("type", _) => {}
                ("source", Some("bind" | "volume")) => asked.mount.source = read::text(value, &at, &mut self.faults),
                ("target", _) => asked.mount.target = read::text(value, &at, &mut self.faults),
                ("read_only", _) => asked.mount.read_only = read::boolean(value, &at, &mut self.faults),
                ("consistency", _) => asked.mount.consistency = read::text(value, &at, &mut self.faults),
                ("bind", Some("bind")) => self.bind_options(value, &mut asked, &at),
                ("volume", Some("volume")) => self.volume_options(value, &mut asked, &at),
                ("tmpfs", Some("tmpfs")) => self.tmpfs_options(value, &mut asked, &at),
                ("source" | "bind" | "volume" | "tmpfs" | "image", Some(kind)) => {
                    self.faults
                        .key_because(&at, &format!("says nothing of a mount of type `{kind}`"));
                }
                (key, _) => self.faults.unknown(key, &at, MOUNT),
            }
        }
        if asked.mount.typ == Some(MountType::BIND) {
            let Some(source) = &asked.mount.source else {
                self.faults.because(path, "expected a `source`, a path of the host");
                return None;
            };
            if is_windows_path(source) {
                self.faults.refuse_value(&format!("{path}.source"));
                return None;
            }
            asked.mount.source = Some(self.host_path(source));
        }
        Some(asked)
    }

    fn bind_options(&mut self, value: &Value, asked: &mut Asked, path: &str) {
        let Some(map) = read::map(value, path, &mut self.faults) else {
            return;
        };
        // With options, a path is made only where that is asked for, as Compose has it.
        asked.create = Some(false);
        let mut explicit = None;
        for (key, value) in map {
            let at = &*format!("{path}.{key}");
            match &**key {
                "create_host_path" => explicit = read::boolean(value, at, &mut self.faults),
                "propagation" => match read::text(value, at, &mut self.faults).as_deref().map(propagation) {
                    Some(None) => self.faults.wrong(at, "`rprivate`, `private`, `rshared`, …", value),
                    word => asked.bind().propagation = word.flatten(),
                },
                "selinux" => match value.scalar().as_deref() {
                    Some(word @ ("z" | "Z")) => asked.selinux = Some(word.to_owned()),
                    _ => self.faults.wrong(at, "`z` or `Z`", value),
                },
                "recursive" => match value.scalar().as_deref() {
                    Some("enabled") => {}
                    Some("disabled") => asked.bind().non_recursive = Some(true),
                    Some("writable") => {
                        self.faults.value_since(needs::DOCKER_25, at);
                        asked.bind().read_only_non_recursive = Some(true);
                    }
                    Some("readonly") => {
                        self.faults.value_since(needs::DOCKER_25, at);
                        asked.bind().read_only_force_recursive = Some(true);
                    }
                    _ => self
                        .faults
                        .wrong(at, "`enabled`, `disabled`, `writable` or `readonly`", value),
                },
                key => {
                    let known = &["create_host_path", "propagation", "selinux", "recursive"];
                    self.faults.unknown(key, at, known);
                }
            }
        }
        asked.create = explicit.or(asked.create);
        let beside = asked.mount.bind_options.as_ref().is_some_and(|b| {
            let MountBindOptions {
                propagation: _,
                create_mountpoint: _,
                non_recursive,
                read_only_non_recursive,
                read_only_force_recursive,
            } = b;
            [non_recursive, read_only_non_recursive, read_only_force_recursive]
                .iter()
                .any(|o| o.is_some())
        });
        if asked.selinux.is_some() && (beside || explicit == Some(false)) {
            let at = format!("{path}.selinux");
            let reason =
                "the engine relabels neither what is mounted with `recursive` nor with `create_host_path: false`";
            self.faults.because(&at, reason);
        }
    }

    fn volume_options(&mut self, value: &Value, asked: &mut Asked, path: &str) {
        for (key, value) in read::map(value, path, &mut self.faults).into_iter().flatten() {
            let at = &*format!("{path}.{key}");
            match &**key {
                "nocopy" => asked.volume().no_copy = read::boolean(value, at, &mut self.faults).filter(|no| *no),
                "subpath" => {
                    self.faults.since(needs::DOCKER_26, at);
                    asked.volume().subpath = read::text(value, at, &mut self.faults);
                }
                "labels" => asked.volume().labels = Some(user_labels(value, at, &mut self.faults)),
                key => self.faults.unknown(key, at, &["nocopy", "subpath", "labels"]),
            }
        }
    }

    fn tmpfs_options(&mut self, value: &Value, asked: &mut Asked, path: &str) {
        let mut options = MountTmpfsOptions::default();
        for (key, value) in read::map(value, path, &mut self.faults).into_iter().flatten() {
            let at = &*format!("{path}.{key}");
            match &**key {
                "size" => options.size_bytes = read::bytes(value, at, &mut self.faults),
                "mode" => options.mode = mode(value, at, &mut self.faults),
                key => self.faults.unknown(key, at, &["size", "mode"]),
            }
        }
        asked.mount.tmpfs_options = Some(options);
    }

    /// A path of the engine's host: relative to the blueprint's directory, where a template made it so.
    fn host_path(&self, path: &str) -> String {
        match path
            .strip_prefix('~')
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            Some(rest) => format!("{}{rest}", self.topology.outside.variable("HOME").unwrap_or("~")),
            None if path.starts_with('/') => path.to_owned(),
            None => join(&self.origin.directory, path),
        }
    }

    /// The name in the engine of the volume that this node knows as `key`, which is desired from now on.
    fn named(&mut self, key: &str, path: &str) -> Option<String> {
        let Some(definition) = self.node.volumes.get(key) else {
            self.faults
                .because(path, &format!("names no volume that is defined: `{key}`"));
            return None;
        };
        let base = format!("roles.{}.volumes", self.node.role);
        let mut faults = self.faults.elsewhere(base.clone(), &self.node.volumes_written);
        let path = format!("{base}.{key}");
        let mut own = None;
        let mut external = false;
        let mut request = VolumeCreateRequest::default();
        let mut labels = HashMap::new();
        for (key, value) in read::map(definition, &path, &mut faults).into_iter().flatten() {
            let at = &*format!("{path}.{key}");
            match &**key {
                "name" => own = read::text(value, at, &mut faults),
                "external" => match value {
                    // The older way to name it.
                    Value::Map(map) => {
                        external = true;
                        own = own.or(map.get("name").and_then(Value::scalar));
                    }
                    other => external = read::boolean(other, at, &mut faults).unwrap_or_default(),
                },
                "driver" => request.driver = read::text(value, at, &mut faults),
                "driver_opts" => request.driver_opts = Some(read::strings(value, at, &mut faults)),
                "labels" => labels = user_labels(value, at, &mut faults),
                key => {
                    let known = &["name", "external", "driver", "driver_opts", "labels"];
                    faults.unknown(key, at, known);
                }
            }
        }
        let written = |below: &str| self.node.volumes_written.get(&format!("{key}.{below}"));
        let constant = |node: &Node| node.scalar().is_some_and(|text| !is_template(&text));
        let one_for_all = ["name", "external.name"].into_iter().filter_map(written).any(constant);
        let shared = external || one_for_all;
        let name = match own {
            Some(name) => name,
            None if external => key.to_owned(),
            None => format!("{}_{key}", self.node.project),
        };
        let hash = faults.hash(&(&name, &request.driver, &request.driver_opts, &labels));
        labels.insert(label::CLUSTER.to_owned(), self.topology.cluster.to_string());
        labels.insert(label::CONFIG_HASH.to_owned(), hash.clone());
        labels.insert(label::compose::VOLUME.to_owned(), key.to_owned());
        labels.insert(label::compose::VERSION.to_owned(), version());
        if !shared {
            labels.insert(label::NODE.to_owned(), self.node.name.to_string());
            labels.insert(label::compose::PROJECT.to_owned(), self.node.project.to_string());
        }
        request.name = Some(name.clone());
        request.labels = Some(labels);
        let spec = VolumeSpec {
            name: name.clone(),
            node: (!shared).then(|| self.node.name.clone()),
            external,
            request,
            hash,
        };
        self.volumes.add(spec, &path, &mut faults);
        Some(name)
    }
}

impl Asked {
    fn bind(&mut self) -> &mut MountBindOptions {
        self.mount.bind_options.get_or_insert_default()
    }

    fn volume(&mut self) -> &mut MountVolumeOptions {
        self.mount.volume_options.get_or_insert_default()
    }

    /// The older call, `SOURCE:TARGET:OPTIONS`, where that can say it, as Compose does: it alone makes paths of the host
    /// on every engine, and relabels.
    fn as_bind(&self) -> Option<String> {
        let Mount { source, target, .. } = &self.mount;
        let (source, target) = (source.as_deref()?, target.as_deref()?);
        let options = self.mount.bind_options.as_ref();
        let plain = match self.mount.typ {
            Some(MountType::BIND) => {
                self.selinux.is_some()
                    || (self.create != Some(false) && options.is_none_or(|o| *o == Default::default()))
            }
            Some(MountType::VOLUME) => self
                .mount
                .volume_options
                .as_ref()
                .is_none_or(|o| *o == Default::default()),
            _ => false,
        };
        if !plain {
            return None;
        }
        let access = if self.mount.read_only == Some(true) { "ro" } else { "rw" };
        let propagation = options.and_then(|o| o.propagation).map(|p| p.to_string());
        let words = [Some(access), self.selinux.as_deref(), propagation.as_deref()];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        Some(format!("{source}:{target}:{}", words.join(",")))
    }

    fn into_mount(mut self) -> Mount {
        if self.create == Some(true) {
            self.bind().create_mountpoint = Some(true);
        }
        self.mount.read_only = self.mount.read_only.filter(|only| *only);
        self.mount
    }
}

fn propagation(word: &str) -> Option<MountBindOptionsPropagationEnum> {
    use MountBindOptionsPropagationEnum as P;
    Some(match word {
        "rprivate" => P::RPRIVATE,
        "private" => P::PRIVATE,
        "rshared" => P::RSHARED,
        "shared" => P::SHARED,
        "rslave" => P::RSLAVE,
        "slave" => P::SLAVE,
        _ => return None,
    })
}

/// A file mode: the number itself, or octal digits as text.
fn mode(value: &Value, path: &str, faults: &mut Faults<'_>) -> Option<i64> {
    let mode = match value {
        Value::Int(mode) => Some(*mode),
        Value::Text(text) => i64::from_str_radix(text.trim_start_matches("0o"), 8).ok(),
        _ => None,
    };
    if mode.is_none_or(|m| !(0..=0o7777).contains(&m)) && *value != Value::Null {
        faults.wrong(path, "a file mode, octal digits such as `0700`", value);
        return None;
    }
    mode
}
