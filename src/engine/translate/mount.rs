//! What is mounted into containers (Compose specification, services, `volumes`).

use super::faults::Faults;
use super::{Translation, needs, read, user_labels};
use crate::blueprint::join;
use crate::cluster::{Bind, ContainerConfig, Mount, MountSource, Propagation, Recursive, Relabel, VolumeOptions};
use crate::compose::{is_windows_path, mounts_of_windows};
use crate::value::{Map, Value};

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

/// The fields of a mount as they are read, key by key.
struct Asked {
    kind: Kind,
    target: String,
    /// The path on the host, or the key by which the node knows the volume.
    source: Option<String>,
    read_only: bool,
    consistency: Option<String>,
    /// Whether a missing path on the host is created.
    create: bool,
    propagation: Option<Propagation>,
    recursive: Option<Recursive>,
    relabel: Option<Relabel>,
    volume: VolumeOptions,
    /// The size of a tmpfs in bytes.
    size: Option<i64>,
    /// The mode of a tmpfs, as for chmod(1).
    mode: Option<i64>,
}

/// The kind of a mount's source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bind,
    Volume,
    Tmpfs,
}

impl Translation<'_> {
    /// The mounts in `volumes` of a service, added to `config`. Returns the names of the volumes among them.
    pub(super) fn volumes(&mut self, value: &Value, config: &mut ContainerConfig) -> Vec<String> {
        let path = self.path("volumes");
        let mut names = Vec::new();
        for (at, item) in read::list(value, &path, &mut self.faults).iter().enumerate() {
            let path = format!("{path}[{at}]");
            let asked = match item {
                Value::Map(map) => self.long(map, &path),
                other => self.short(other, &path),
            };
            let Some(asked) = asked else { continue };
            if !asked.target.starts_with('/') {
                self.faults
                    .because(&path, "expected a `target`, an absolute path in the container");
                continue;
            }
            let mut name = None;
            if asked.kind == Kind::Volume
                && let Some(key) = &asked.source
            {
                name = self.named(key, &path);
                if name.is_none() {
                    continue;
                }
                names.extend(name.clone());
            }
            config.mounts.push(asked.into_mount(name));
        }
        names.sort();
        names.dedup();
        names
    }

    /// A mount in its short form: `[SOURCE:]TARGET[:OPTIONS]`.
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
        let mut asked = match source {
            Some(source) if source.starts_with(['.', '/', '~']) => {
                let mut asked = Asked::new(Kind::Bind);
                asked.source = Some(self.host_path(source));
                asked
            }
            source => {
                let mut asked = Asked::new(Kind::Volume);
                asked.source = source.map(str::to_owned);
                asked
            }
        };
        asked.target = target.to_owned();
        for option in options.split(',').filter(|o| !o.is_empty()) {
            match option {
                "ro" => asked.read_only = true,
                "rw" => asked.read_only = false,
                // A bind mount is never filled from the image, so the option changes nothing.
                "nocopy" => asked.volume.no_copy = true,
                "z" | "Z" => asked.relabel = relabel(option),
                "cached" | "delegated" | "consistent" => asked.consistency = Some(option.to_owned()),
                other => match Propagation::of(other) {
                    Some(word) => asked.propagation = Some(word),
                    None => self.faults.because(path, &format!("no option `{other}` is known")),
                },
            }
        }
        Some(asked)
    }

    /// A mount in its long form.
    fn long(&mut self, map: &Map, path: &str) -> Option<Asked> {
        let word = map.get("type").and_then(Value::scalar);
        let mut asked = match word.as_deref() {
            Some("bind") => Asked::new(Kind::Bind),
            Some("volume") => Asked::new(Kind::Volume),
            Some("tmpfs") => Asked::new(Kind::Tmpfs),
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
            match (&**key, asked.kind) {
                ("type", _) => {}
                ("source", Kind::Bind | Kind::Volume) => asked.source = read::text(value, &at, &mut self.faults),
                ("target", _) => asked.target = read::text(value, &at, &mut self.faults).unwrap_or_default(),
                ("read_only", _) => asked.read_only = read::boolean(value, &at, &mut self.faults).unwrap_or(false),
                ("consistency", _) => asked.consistency = read::text(value, &at, &mut self.faults),
                ("bind", Kind::Bind) => self.bind_options(value, &mut asked, &at),
                ("volume", Kind::Volume) => self.volume_options(value, &mut asked.volume, &at),
                ("tmpfs", Kind::Tmpfs) => self.tmpfs_options(value, &mut asked, &at),
                ("source" | "bind" | "volume" | "tmpfs" | "image", _) => {
                    let kind = word.as_deref().unwrap_or_default();
                    self.faults
                        .key_because(&at, &format!("says nothing of a mount of type `{kind}`"));
                }
                (key, _) => self.faults.unknown(key, &at, MOUNT),
            }
        }
        if asked.kind == Kind::Bind {
            let Some(source) = &asked.source else {
                self.faults.because(path, "expected a `source`, a path of the host");
                return None;
            };
            if is_windows_path(source) {
                self.faults.refuse_value(&format!("{path}.source"));
                return None;
            }
            asked.source = Some(self.host_path(source));
        }
        Some(asked)
    }

    fn bind_options(&mut self, value: &Value, asked: &mut Asked, path: &str) {
        let Some(map) = read::map(value, path, &mut self.faults) else {
            return;
        };
        // As in Compose, a mount with `bind` options creates a missing path only if `create_host_path` says so.
        asked.create = false;
        let mut explicit = None;
        for (key, value) in map {
            let at = &*format!("{path}.{key}");
            match &**key {
                "create_host_path" => explicit = read::boolean(value, at, &mut self.faults),
                "propagation" => match read::text(value, at, &mut self.faults).as_deref().map(Propagation::of) {
                    Some(None) => self.faults.wrong(at, "`rprivate`, `private`, `rshared`, …", value),
                    word => asked.propagation = word.flatten(),
                },
                "selinux" => match value.scalar().as_deref().and_then(relabel) {
                    None => self.faults.wrong(at, "`z` or `Z`", value),
                    relabel => asked.relabel = relabel,
                },
                "recursive" => match value.scalar().as_deref() {
                    Some("enabled") => {}
                    Some("disabled") => asked.recursive = Some(Recursive::Disabled),
                    Some("writable") => {
                        self.faults.value_since(needs::DOCKER_25, at);
                        asked.recursive = Some(Recursive::Writable);
                    }
                    Some("readonly") => {
                        self.faults.value_since(needs::DOCKER_25, at);
                        asked.recursive = Some(Recursive::ReadOnly);
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
        asked.create = explicit.unwrap_or(asked.create);
        if asked.relabel.is_some() && (asked.recursive.is_some() || explicit == Some(false)) {
            let at = format!("{path}.selinux");
            let reason =
                "the engine relabels neither what is mounted with `recursive` nor with `create_host_path: false`";
            self.faults.because(&at, reason);
        }
    }

    fn volume_options(&mut self, value: &Value, options: &mut VolumeOptions, path: &str) {
        for (key, value) in read::map(value, path, &mut self.faults).into_iter().flatten() {
            let at = &*format!("{path}.{key}");
            match &**key {
                "nocopy" => options.no_copy = read::boolean(value, at, &mut self.faults).unwrap_or(false),
                "subpath" => {
                    self.faults.since(needs::DOCKER_26, at);
                    options.subpath = read::text(value, at, &mut self.faults);
                }
                "labels" => options.labels = Some(user_labels(value, at, &mut self.faults)),
                key => self.faults.unknown(key, at, &["nocopy", "subpath", "labels"]),
            }
        }
    }

    fn tmpfs_options(&mut self, value: &Value, asked: &mut Asked, path: &str) {
        for (key, value) in read::map(value, path, &mut self.faults).into_iter().flatten() {
            let at = &*format!("{path}.{key}");
            match &**key {
                "size" => asked.size = read::bytes(value, at, &mut self.faults),
                "mode" => asked.mode = mode(value, at, &mut self.faults),
                key => self.faults.unknown(key, at, &["size", "mode"]),
            }
        }
    }

    /// A path on the engine's host. A template may have produced one that is relative to the blueprint's directory.
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
}

impl Asked {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            target: String::new(),
            source: None,
            read_only: false,
            consistency: None,
            create: true,
            propagation: None,
            recursive: None,
            relabel: None,
            volume: VolumeOptions::default(),
            size: None,
            mode: None,
        }
    }

    /// The finished mount. `name` is the engine's name of the volume; `None` if it is anonymous.
    fn into_mount(self, name: Option<String>) -> Mount {
        let source = match (self.kind, name) {
            (Kind::Bind, _) => MountSource::Bind(Bind {
                path: self.source.unwrap_or_default(),
                create: self.create,
                propagation: self.propagation,
                recursive: self.recursive,
                relabel: self.relabel,
            }),
            (Kind::Volume, Some(name)) => MountSource::Volume {
                name,
                relabel: self.relabel,
                propagation: self.propagation,
                options: self.volume,
            },
            (Kind::Volume, None) => MountSource::Anonymous(self.volume),
            (Kind::Tmpfs, _) => MountSource::Tmpfs {
                size: self.size,
                mode: self.mode,
            },
        };
        Mount {
            target: self.target,
            read_only: self.read_only,
            consistency: self.consistency,
            source,
        }
    }
}

fn relabel(word: &str) -> Option<Relabel> {
    match word {
        "z" => Some(Relabel::Shared),
        "Z" => Some(Relabel::Private),
        _ => None,
    }
}

/// A file mode, either as a number or as a text of octal digits.
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
