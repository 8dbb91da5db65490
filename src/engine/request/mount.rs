//! Mounts. The engine has an older and a newer notation, and each can express what the other cannot.

use bollard::models::{
    HostConfig, Mount as EngineMount, MountBindOptions, MountBindOptionsPropagationEnum, MountTmpfsOptions, MountType,
    MountVolumeOptions,
};

use super::pairs;
use crate::cluster::{Bind, Mount, MountSource, Propagation, Recursive, Relabel, VolumeOptions, label};

/// Adds `mounts` to the request, each in one of the two notations.
pub(super) fn put(mounts: &[Mount], host: &mut HostConfig) {
    for mount in mounts {
        match older(mount) {
            Some(bind) => host.binds.get_or_insert_default().push(bind),
            None => host.mounts.get_or_insert_default().push(newer(mount)),
        }
    }
}

/// A volume at `path` that the engine gives a name, filled with what the image has there.
pub(super) fn anonymous(path: &str) -> EngineMount {
    EngineMount {
        target: Some(path.to_owned()),
        typ: Some(MountType::VOLUME),
        ..EngineMount::default()
    }
}

/// The mount in the older notation, `SOURCE:TARGET:OPTIONS`; `None` if that cannot express it. Compose prefers it too,
/// because only this one creates missing paths on every engine and relabels for SELinux.
fn older(mount: &Mount) -> Option<String> {
    let Mount {
        target,
        read_only,
        // This notation has no option for it.
        consistency: _,
        source,
    } = mount;
    let (source, relabel, propagation): (&str, Option<Relabel>, Option<Propagation>) = match source {
        MountSource::Bind(bind) => {
            let Bind {
                path,
                create,
                propagation,
                recursive,
                relabel,
            } = bind;
            let plain = *create && propagation.is_none() && recursive.is_none();
            if relabel.is_none() && !plain {
                return None;
            }
            (path, *relabel, *propagation)
        }
        MountSource::Volume {
            name,
            relabel,
            propagation,
            options,
        } if *options == VolumeOptions::default() => (name, *relabel, *propagation),
        MountSource::Volume { .. } | MountSource::Anonymous(_) | MountSource::Files | MountSource::Tmpfs { .. } => {
            return None;
        }
    };
    let mut text = format!("{source}:{target}:{}", if *read_only { "ro" } else { "rw" });
    let words = relabel.map(|r| r.to_string()).into_iter();
    for word in words.chain(propagation.map(|p| p.word().to_owned())) {
        text = format!("{text},{word}");
    }
    Some(text)
}

/// The mount in the newer notation.
fn newer(mount: &Mount) -> EngineMount {
    let Mount {
        target,
        read_only,
        consistency,
        source,
    } = mount;
    let mut asked = EngineMount {
        target: Some(target.clone()),
        read_only: read_only.then_some(true),
        consistency: consistency.clone(),
        ..EngineMount::default()
    };
    match source {
        MountSource::Bind(bind) => {
            asked.typ = Some(MountType::BIND);
            asked.source = Some(bind.path.clone());
            asked.bind_options = bind_options(bind);
        }
        MountSource::Volume {
            name,
            // This notation cannot relabel.
            relabel: _,
            propagation,
            options,
        } => {
            asked.typ = Some(MountType::VOLUME);
            asked.source = Some(name.clone());
            asked.volume_options = volume_options(options);
            asked.bind_options = propagation.map(|word| MountBindOptions {
                propagation: Some(engine_propagation(word)),
                ..MountBindOptions::default()
            });
        }
        MountSource::Anonymous(options) => {
            asked.typ = Some(MountType::VOLUME);
            asked.volume_options = volume_options(options);
        }
        MountSource::Files => {
            asked.typ = Some(MountType::VOLUME);
            asked.volume_options = Some(MountVolumeOptions {
                labels: Some([(label::FILES.to_owned(), String::new())].into()),
                ..MountVolumeOptions::default()
            });
        }
        MountSource::Tmpfs { size, mode } => {
            asked.typ = Some(MountType::TMPFS);
            asked.tmpfs_options = (size.is_some() || mode.is_some()).then(|| MountTmpfsOptions {
                size_bytes: *size,
                mode: *mode,
                ..MountTmpfsOptions::default()
            });
        }
    }
    asked
}

fn bind_options(bind: &Bind) -> Option<MountBindOptions> {
    let Bind {
        path: _,
        create,
        propagation,
        recursive,
        // The older notation is chosen for it.
        relabel: _,
    } = bind;
    let is = |way: Recursive| (*recursive == Some(way)).then_some(true);
    let options = MountBindOptions {
        propagation: propagation.map(engine_propagation),
        create_mountpoint: create.then_some(true),
        non_recursive: is(Recursive::Disabled),
        read_only_non_recursive: is(Recursive::Writable),
        read_only_force_recursive: is(Recursive::ReadOnly),
    };
    (options != MountBindOptions::default()).then_some(options)
}

fn volume_options(options: &VolumeOptions) -> Option<MountVolumeOptions> {
    let VolumeOptions {
        no_copy,
        subpath,
        labels,
    } = options;
    (*options != VolumeOptions::default()).then(|| MountVolumeOptions {
        no_copy: no_copy.then_some(true),
        subpath: subpath.clone(),
        labels: labels.as_ref().map(pairs),
        ..MountVolumeOptions::default()
    })
}

fn engine_propagation(propagation: Propagation) -> MountBindOptionsPropagationEnum {
    use MountBindOptionsPropagationEnum as P;
    match propagation {
        Propagation::Rprivate => P::RPRIVATE,
        Propagation::Private => P::PRIVATE,
        Propagation::Rshared => P::RSHARED,
        Propagation::Shared => P::SHARED,
        Propagation::Rslave => P::RSLAVE,
        Propagation::Slave => P::SLAVE,
    }
}
