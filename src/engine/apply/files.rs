//! Configs and secrets: copied into a container before it starts.

use std::collections::BTreeMap;

use bollard::Docker;
use bollard::models::MountPoint;
use bollard::query_parameters::{ContainerArchiveInfoOptionsBuilder, UploadToContainerOptionsBuilder};

use super::inspect;
use crate::cluster::{ContainerSpec, FileSpec, MountSource, clean, is_below};
use crate::engine::connect::Engine;
use crate::engine::fault::Fault;
use crate::text::reason;

/// `PUT /containers/{id}/archive`: the configs and secrets of a container, which the engine knows by `id`.
///
/// # Errors
/// Where the engine refuses, and where a file would be written through a mount into what is not the container's own: a
/// symbolic link of the image, or volumes of another container, can lead there without the blueprint saying so.
pub(in crate::engine) async fn upload(spec: &ContainerSpec, id: &str, engine: &Engine) -> Result<(), Fault> {
    if spec.files.is_empty() {
        return Ok(());
    }
    stays_inside(spec, id, engine).await?;
    let failed = |error: std::io::Error| Fault::Own(reason(&error));
    let mut archives: BTreeMap<String, tar::Builder<Vec<u8>>> = BTreeMap::new();
    for file in &spec.files {
        let root = root(spec, file);
        let name = file.target.strip_prefix(&root).unwrap_or(&file.target).to_owned();
        let archive = archives.entry(root).or_insert_with(|| tar::Builder::new(Vec::new()));
        let mut header = tar::Header::new_gnu();
        header.set_size(file.content.len() as u64);
        header.set_mode(file.mode);
        header.set_uid(file.uid);
        header.set_gid(file.gid);
        let name = name.trim_start_matches('/');
        archive.append_data(&mut header, name, &*file.content).map_err(failed)?;
    }
    for (root, archive) in archives {
        // Otherwise the engine would empty a directory that has the name of a file.
        let options = UploadToContainerOptionsBuilder::new()
            .path(&root)
            .no_overwrite_dir_non_dir("true")
            .build();
        let body = bollard::body_full(archive.into_inner().map_err(failed)?.into());
        let docker = &engine.docker;
        docker.upload_to_container(id, Some(options), body).await?;
    }
    Ok(())
}

/// The directory that an archive with `file` is unpacked in. If only volumes are writable, the engine requires that the
/// path lies on one.
fn root(spec: &ContainerSpec, file: &FileSpec) -> String {
    let mounts = spec.config.mounts.iter().map(|m| clean(&m.target));
    let mounts = mounts.chain(spec.carried.iter().map(|c| clean(&c.target)));
    let above = mounts.filter(|target| spec.is_read_only() && is_below(&file.target, target));
    above.max_by_key(String::len).unwrap_or_else(|| "/".to_owned())
}

/// Whether no file of `spec` would go through a mount that is not the container's own. Only where there is such a mount is the
/// engine asked.
async fn stays_inside(spec: &ContainerSpec, id: &str, engine: &Engine) -> Result<(), Fault> {
    let lasts = |source: &MountSource| matches!(source, MountSource::Bind(_) | MountSource::Volume { .. });
    if spec.config.volumes_from.is_empty() && !spec.config.mounts.iter().any(|m| lasts(&m.source)) {
        return Ok(());
    }
    let found = inspect(id, engine).await?.and_then(|c| c.mounts).unwrap_or_default();
    let targets: Vec<(String, bool)> = found
        .into_iter()
        .filter_map(|m| Some((m.destination.clone()?, is_own(spec, &m))))
        .collect();
    for file in &spec.files {
        let target = resolved(&file.target, id, &engine.docker).await?;
        let above = targets.iter().filter(|(mount, _)| is_below(&target, mount));
        let through = match above.max_by_key(|(mount, _)| mount.len()) {
            Some((mount, own)) => (!own || *mount == target).then_some(mount),
            None => None,
        };
        let inside = targets.iter().map(|(mount, _)| mount).find(|m| is_below(m, &target));
        if let Some(mount) = through.or(inside) {
            let (path, target) = (&file.target, &target);
            let is = if path == target {
                String::new()
            } else {
                format!(" is `{target}` there, which")
            };
            return Err(Fault::Own(format!(
                "config `{path}`{is} would be written through the mount at `{mount}`, which is not the container's own; give \
                 it another `target`"
            )));
        }
    }
    Ok(())
}

/// Whether `mount` belongs to this container alone: volumes that the engine made for it, as the blueprint or its image asks.
fn is_own(spec: &ContainerSpec, mount: &MountPoint) -> bool {
    if mount.typ.as_deref() != Some("volume") {
        return false;
    }
    let target = mount.destination.as_deref().unwrap_or_default();
    let carried = spec.carried.iter().any(|c| clean(&c.target) == target);
    let asked = spec.config.mounts.iter().find(|m| clean(&m.target) == target);
    carried
        || match asked.map(|m| &m.source) {
            Some(source) => matches!(source, MountSource::Anonymous(_) | MountSource::Files),
            // The image's own. Those of `volumes_from` look the same.
            None => spec.config.volumes_from.is_empty(),
        }
}

/// Where `path` leads in the container, with all symbolic links on the way to it followed (`HEAD
/// /containers/{id}/archive`). The file itself, if there is one, is replaced and not followed.
async fn resolved(path: &str, id: &str, docker: &Docker) -> Result<String, Fault> {
    let mut parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let file = parts.pop().unwrap_or_default();
    let mut directory = String::new();
    let mut exists = true;
    for part in parts {
        directory = format!("{directory}/{part}");
        if !exists {
            continue;
        }
        let options = ContainerArchiveInfoOptionsBuilder::new().path(&directory).build();
        let stat = docker.get_container_archive_info(id, Some(options)).await;
        match stat.map_err(Fault::from) {
            Ok(stat) if !stat.link_target.is_empty() => {
                stat.link_target.trim_end_matches('/').clone_into(&mut directory);
            }
            Ok(_) => {}
            Err(fault) if fault.is_not_found() => exists = false,
            Err(fault) => return Err(fault),
        }
    }
    Ok(format!("{directory}/{file}"))
}
