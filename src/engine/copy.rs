//! Files copied between this machine and containers, as `docker cp` does it.
//!
//! Whatever is copied goes through a temporary file as an archive, so that its size takes no memory.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Component, Path, PathBuf};

use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use futures_util::StreamExt;
use hyper::body::Bytes;

use super::connect::Engine;
use super::fault::Fault;
use crate::text::reason;

/// The bytes that are sent at once.
const CHUNK: usize = 64 << 10;
/// The name of the root of an archive until it is known where that goes.
const ROOT: &str = "root";
/// The bit of a directory in the engine's file modes (Go, `io/fs.ModeDir`).
const DIRECTORY: u32 = 1 << 31;

/// Why something was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A path is not what it should be, or is not there.
    #[error("{0}")]
    Path(String),
    /// A file here cannot be read or written.
    #[error("`{}`: {reason}", path.display())]
    Here {
        /// The path of the file.
        path: PathBuf,
        /// The system's reason, in its words.
        reason: String,
    },
    /// The engine refused.
    #[error("{0}")]
    Engine(#[from] Fault),
}

impl CopyError {
    fn here(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Here {
            path,
            reason: reason(&error),
        }
    }
}

/// Files to copy into containers, as an archive with one root.
#[derive(Debug)]
pub struct Packed {
    archive: File,
    /// The name of the file or directory; `None` if only what is in the directory is copied.
    name: Option<String>,
    is_directory: bool,
    /// The sum of the files, in bytes.
    pub bytes: u64,
}

/// Reads the file or directory at `path`. Of a path that ends in `/.` what is in the directory is meant. All belongs to root
/// in the containers.
///
/// # Errors
/// It is not there, cannot be read, or is neither a file, a directory nor a link.
pub fn pack(path: &Path) -> Result<Packed, CopyError> {
    let failed = || CopyError::here(path);
    let found = fs::metadata(path).map_err(failed())?;
    let text = path.to_string_lossy();
    let is_content = found.is_dir() && (text.ends_with("/.") || text == ".");
    let real = fs::canonicalize(path).map_err(failed())?;
    let name = real.file_name().map(|name| name.to_string_lossy().into_owned());
    let file = tempfile::tempfile().map_err(failed())?;
    let mut archive = tar::Builder::new(file);
    archive.follow_symlinks(false);
    let mut bytes = 0;
    let mut left = vec![(real, PathBuf::new())];
    while let Some((path, inside)) = left.pop() {
        let failed = || CopyError::here(&path);
        let found = fs::symlink_metadata(&path).map_err(failed())?;
        let shown = Path::new(ROOT).join(&inside);
        let mut header = tar::Header::new_gnu();
        header.set_metadata(&found);
        header.set_uid(0);
        header.set_gid(0);
        if found.is_dir() {
            archive
                .append_data(&mut header, &shown, io::empty())
                .map_err(failed())?;
            for entry in fs::read_dir(&path).map_err(failed())? {
                let entry = entry.map_err(failed())?;
                left.push((entry.path(), inside.join(entry.file_name())));
            }
        } else if found.is_symlink() {
            let target = fs::read_link(&path).map_err(failed())?;
            header.set_size(0);
            archive.append_link(&mut header, &shown, target).map_err(failed())?;
        } else if found.is_file() {
            bytes += found.len();
            let file = File::open(&path).map_err(failed())?;
            archive
                .append_data(&mut header, &shown, file.take(found.len()))
                .map_err(failed())?;
        } else {
            return Err(CopyError::Path(format!(
                "`{}` is neither a file nor a directory",
                path.display()
            )));
        }
    }
    let archive = archive.into_inner().map_err(failed())?;
    Ok(Packed {
        archive,
        name: name.filter(|_| !is_content),
        is_directory: found.is_dir(),
        bytes,
    })
}

/// Copies `packed` to `path` in a container (`PUT /containers/{id}/archive`): into a directory that is there, and else under
/// the name that the path ends in.
///
/// # Errors
/// The path's directory is not there, a directory would take the place of a file, or the engine refuses.
pub async fn put(engine: &Engine, container: &str, packed: &Packed, path: &str) -> Result<(), CopyError> {
    let found = stat(engine, container, path).await?;
    let (directory, name) = match (found, &packed.name) {
        (Some(true), name) => (path.to_owned(), name.clone()),
        (Some(false), _) if packed.is_directory => {
            return Err(CopyError::Path(format!(
                "`{path}` is a file, and a directory was to be copied there"
            )));
        }
        (None, _) if path.ends_with('/') && !packed.is_directory => {
            return Err(CopyError::Path(format!("there is no directory `{path}`")));
        }
        (Some(false) | None, _) => {
            let (above, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
            let above = if above.is_empty() { "/" } else { above };
            if stat(engine, container, above).await? != Some(true) {
                return Err(CopyError::Path(format!("there is no directory `{above}`")));
            }
            (above.to_owned(), Some(name.to_owned()))
        }
    };
    let failed = || CopyError::here(Path::new(path));
    let root = name.map_or_else(|| PathBuf::from("."), PathBuf::from);
    let mut archive = packed.archive.try_clone().map_err(failed())?;
    archive.rewind().map_err(failed())?;
    let renamed = rerooted(archive, &root).map_err(failed())?;
    let options = UploadToContainerOptionsBuilder::new()
        .path(&directory)
        .no_overwrite_dir_non_dir("true")
        .build();
    let body = bollard::body_try_stream(futures_util::stream::iter(Chunks(renamed)));
    let put = engine.docker.upload_to_container(container, Some(options), body).await;
    Ok(put.map_err(Fault::from)?)
}

/// Copies `path` of a container to `here` (`GET /containers/{id}/archive`): into a directory that is there, and else under
/// that name. Of a path that ends in `/.` what is in the directory is meant. Returns the sum of the files, in bytes.
///
/// # Errors
/// The path is not in the container; `here` cannot be written; the engine refuses.
pub async fn get(engine: &Engine, container: &str, path: &str, here: &Path) -> Result<u64, CopyError> {
    let is_directory = match stat(engine, container, path).await? {
        Some(is_directory) => is_directory,
        None => return Err(CopyError::Path(format!("there is no `{path}`"))),
    };
    let text = here.to_string_lossy();
    let own_name = path.trim_end_matches("/.").trim_end_matches('/').rsplit('/').next();
    let own_name = own_name.filter(|name| !name.is_empty()).unwrap_or("root");
    let (directory, name) = match fs::metadata(here) {
        Ok(found) if found.is_dir() && path.ends_with("/.") => (here.to_owned(), PathBuf::from(".")),
        Ok(found) if found.is_dir() => (here.to_owned(), PathBuf::from(own_name)),
        Ok(_) if is_directory => {
            return Err(CopyError::Path(format!(
                "`{text}` is a file, and a directory was to be copied there"
            )));
        }
        Err(_) if text.ends_with('/') && !is_directory => {
            return Err(CopyError::Path(format!("there is no directory `{text}`")));
        }
        _ => {
            let name = here.file_name().map_or_else(|| PathBuf::from("."), PathBuf::from);
            let above = here.parent().filter(|above| !above.as_os_str().is_empty());
            (above.unwrap_or(Path::new(".")).to_owned(), name)
        }
    };
    let failed = || CopyError::here(here);
    let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
    let mut stream = std::pin::pin!(engine.docker.download_from_container(container, Some(options)));
    let mut archive = tempfile::tempfile().map_err(failed())?;
    while let Some(chunk) = stream.next().await {
        archive.write_all(&chunk.map_err(Fault::from)?).map_err(failed())?;
    }
    archive.rewind().map_err(failed())?;
    let renamed = rerooted(archive, &name).map_err(failed())?;
    unpack(renamed, &directory).map_err(failed())
}

/// Unpacks an archive below `directory`. Nothing of it goes elsewhere, whatever its paths and links say. Returns the sum of
/// the files, in bytes.
fn unpack(archive: File, directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        bytes += entry.size();
        if !entry.unpack_in(directory)? {
            let path = entry.path()?.display().to_string();
            return Err(io::Error::other(format!("`{path}` would be written outside of it")));
        }
    }
    Ok(bytes)
}

/// The same archive with `root` in place of the first part of each path.
fn rerooted(archive: File, root: &Path) -> io::Result<File> {
    let named = |part: &Component<'_>| !matches!(part, Component::CurDir);
    let moved = |path: &Path| -> PathBuf {
        let inside: PathBuf = path.components().filter(named).skip(1).collect();
        root.components().filter(named).collect::<PathBuf>().join(inside)
    };
    let mut renamed = tar::Builder::new(tempfile::tempfile()?);
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let mut header = entry.header().clone();
        let path = moved(&entry.path()?);
        if path.as_os_str().is_empty() {
            // The directory that all of it goes into.
            continue;
        }
        let link = entry.link_name()?.map(std::borrow::Cow::into_owned);
        match link {
            // The path of another entry.
            Some(link) if header.entry_type().is_hard_link() => {
                renamed.append_link(&mut header, path, moved(&link))?;
            }
            Some(link) if header.entry_type().is_symlink() => renamed.append_link(&mut header, path, link)?,
            _ => renamed.append_data(&mut header, path, &mut entry)?,
        }
    }
    let mut file = renamed.into_inner()?;
    file.rewind()?;
    Ok(file)
}

/// Whether `path` is a directory of the container, at the end of all links (`HEAD /containers/{id}/archive`); `None` if it is
/// not there.
async fn stat(engine: &Engine, container: &str, path: &str) -> Result<Option<bool>, Fault> {
    let ask = |path: &str| {
        let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
        engine.docker.get_container_archive_info(container, Some(options))
    };
    let mut found = match ask(path).await.map_err(Fault::from) {
        Ok(found) => found,
        Err(fault) if fault.is_not_found() => return Ok(None),
        Err(fault) => return Err(fault),
    };
    if !found.link_target.is_empty() {
        found = match ask(&found.link_target).await.map_err(Fault::from) {
            Ok(found) => found,
            Err(fault) if fault.is_not_found() => return Ok(None),
            Err(fault) => return Err(fault),
        };
    }
    Ok(Some(found.file_mode & DIRECTORY != 0))
}

/// The content of a file, piece by piece.
struct Chunks(File);

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut chunk = vec![0; CHUNK];
        match self.0.read(&mut chunk) {
            Ok(0) => None,
            Ok(count) => {
                chunk.truncate(count);
                Some(Ok(chunk.into()))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths in an archive, and the paths that links lead to.
    fn paths(archive: File) -> Vec<String> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().expect("an archive");
        let mut paths: Vec<String> = entries
            .map(|entry| {
                let entry = entry.expect("an entry");
                let path = entry.path().expect("a path").display().to_string();
                let link = entry
                    .link_name()
                    .expect("a path")
                    .map(|l| format!(" -> {}", l.display()));
                path + &link.unwrap_or_default()
            })
            .collect();
        paths.sort();
        paths
    }

    #[test]
    fn a_directory_is_packed_whole_and_named_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("site");
        fs::create_dir_all(root.join("deep/er")).expect("made");
        fs::write(root.join("deep/er/a"), "12345").expect("written");
        std::os::unix::fs::symlink("deep/er/a", root.join("link")).expect("made");
        let packed = pack(&root).expect("packed");
        assert_eq!((packed.name.as_deref(), packed.bytes), (Some("site"), 5));
        let mut archive = packed.archive.try_clone().expect("a file");
        archive.rewind().expect("a file");
        let renamed = rerooted(archive, Path::new("other")).expect("an archive");
        let expected = [
            "other/",
            "other/deep/",
            "other/deep/er/",
            "other/deep/er/a",
            "other/link -> deep/er/a",
        ];
        let found: Vec<String> = paths(renamed);
        let found: Vec<&str> = found.iter().map(|p| p.as_str()).collect();
        assert_eq!(
            found.iter().map(|p| p.trim_end_matches('/')).collect::<Vec<_>>(),
            expected.map(|p| p.trim_end_matches('/'))
        );
        let packed = pack(&root.join(".")).expect("packed");
        assert_eq!(packed.name, None);
    }

    #[test]
    fn nothing_is_unpacked_elsewhere() {
        let directory = tempfile::tempdir().expect("a directory");
        let outside = tempfile::tempdir().expect("a directory");
        let mut archive = tar::Builder::new(tempfile::tempfile().expect("a file"));
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        archive
            .append_link(&mut link, "x/out", outside.path())
            .expect("appended");
        let mut file = tar::Header::new_gnu();
        file.set_size(1);
        file.set_mode(0o644);
        archive
            .append_data(&mut file, "x/out/planted", &b"1"[..])
            .expect("appended");
        let mut archive = archive.into_inner().expect("a file");
        archive.rewind().expect("a file");
        let renamed = rerooted(archive, Path::new("x")).expect("an archive");
        assert!(unpack(renamed, directory.path()).is_err());
        assert_eq!(fs::read_dir(outside.path()).expect("read").count(), 0);
    }
}
