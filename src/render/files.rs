//! Where rendered files go: written whole or not at all, and removed when they are no longer rendered.
//!
//! A manifest in the directory records what was written there. Nothing else is ever overwritten or removed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::digest::sha256;
use crate::parallel;

/// The manifest's name.
pub const MANIFEST: &str = ".topogen.json";

/// One file to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path below the directory.
    pub path: String,
    /// Its content.
    pub content: Arc<[u8]>,
    /// What may be done with it, as in chmod(1).
    pub mode: u32,
}

/// What was written earlier.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Manifest {
    /// The layout of this file.
    version: u32,
    /// Path, and the hashes that the file may have: two while a render is under way.
    files: BTreeMap<String, Vec<String>>,
}

/// What writing would do.
#[derive(Debug)]
pub struct Changes<'a> {
    directory: &'a Path,
    manifest: Manifest,
    files: &'a [File],
    hashes: Vec<String>,
    /// Places in `files` of those that are not there as they should be.
    pub write: Vec<usize>,
    /// Files of an earlier render that are no longer rendered.
    pub remove: Vec<String>,
    /// Files in the way, and why: not written by topogen, or changed since.
    pub blocked: Vec<(PathBuf, &'static str)>,
}

/// Compare `files` with what is in `directory`.
///
/// # Errors
/// A file or the manifest that cannot be read.
pub fn compare<'a>(directory: &'a Path, files: &'a [File]) -> io::Result<Changes<'a>> {
    let manifest = read_manifest(directory)?;
    let mut changes = Changes {
        directory,
        files,
        hashes: parallel::each(files, |f| sha256(&f.content)),
        write: Vec::new(),
        remove: Vec::new(),
        blocked: Vec::new(),
        manifest,
    };
    for (at, file) in files.iter().enumerate() {
        let path = directory.join(&file.path);
        let Some(found) = read(&path)? else {
            changes.write.push(at);
            continue;
        };
        if *found == *file.content && has_mode(&path, file.mode) {
            continue;
        }
        changes.write.push(at);
        match changes.manifest.files.get(&file.path) {
            _ if *found == *file.content => {}
            None => changes.blocked.push((path, "was not written by topogen")),
            Some(hashes) if !hashes.contains(&sha256(&found)) => {
                changes.blocked.push((path, "was changed since it was rendered"))
            }
            Some(_) => {}
        }
    }
    let rendered: std::collections::HashSet<&str> = files.iter().map(|f| f.path.as_str()).collect();
    for (path, hashes) in changes
        .manifest
        .files
        .iter()
        .filter(|(p, _)| !rendered.contains(p.as_str()))
    {
        match read(&directory.join(path))? {
            Some(found) if !hashes.contains(&sha256(&found)) => {
                changes
                    .blocked
                    .push((directory.join(path), "was changed since it was rendered"));
                changes.remove.push(path.clone());
            }
            Some(_) | None => changes.remove.push(path.clone()),
        }
    }
    Ok(changes)
}

impl Changes<'_> {
    /// What would change, as a unified diff.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn difference(&self) -> io::Result<String> {
        let mut text = String::new();
        let written = self
            .write
            .iter()
            .map(|at| (self.files[*at].path.as_str(), Some(&self.files[*at].content)));
        for (path, new) in written.chain(self.remove.iter().map(|path| (path.as_str(), None))) {
            let old = read(&self.directory.join(path))?.unwrap_or_default();
            let old = String::from_utf8_lossy(&old);
            let new = String::from_utf8_lossy(new.map_or(&[][..], |c| c));
            let diff = similar::TextDiff::from_lines(old.as_ref(), new.as_ref());
            text.push_str(&diff.unified_diff().header(path, path).to_string());
        }
        Ok(text)
    }

    /// Make them. A crash at any moment leaves whole files and a manifest that knows all of them.
    ///
    /// # Errors
    /// The file system's.
    pub fn make(mut self) -> io::Result<()> {
        fs::create_dir_all(self.directory)?;
        for at in &self.write {
            let hashes = self.manifest.files.entry(self.files[*at].path.clone()).or_default();
            hashes.push(self.hashes[*at].clone());
        }
        if !self.write.is_empty() || !self.remove.is_empty() {
            self.write_manifest()?;
        }
        let written = parallel::each(&self.write, |at| {
            let file = &self.files[*at];
            atomic::replace(&self.directory.join(&file.path), &file.content, file.mode)
        });
        written.into_iter().collect::<io::Result<()>>()?;
        for path in &self.remove {
            let path = self.directory.join(path);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            // Only where nothing else is in them.
            for parent in path.ancestors().skip(1).take_while(|p| *p != self.directory) {
                let _ = fs::remove_dir(parent);
            }
        }
        let kept = self.files.iter().zip(&self.hashes);
        self.manifest.files = kept.map(|(f, h)| (f.path.clone(), vec![h.clone()])).collect();
        self.write_manifest()
    }

    fn write_manifest(&mut self) -> io::Result<()> {
        self.manifest.version = 1;
        let mut text = serde_json::to_vec_pretty(&self.manifest)?;
        text.push(b'\n');
        let path = self.directory.join(MANIFEST);
        if read(&path)?.as_deref() == Some(text.as_slice()) {
            return Ok(());
        }
        atomic::replace(&path, &text, 0o644)
    }
}

fn has_mode(path: &Path, mode: u32) -> bool {
    fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o7777 == mode)
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_manifest(directory: &Path) -> io::Result<Manifest> {
    let path = directory.join(MANIFEST);
    let Some(text) = read(&path)? else {
        return Ok(Manifest::default());
    };
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {e}", path.display())))?;
    let escapes = |p: &String| {
        Path::new(p)
            .components()
            .any(|c| !matches!(c, std::path::Component::Normal(_)))
    };
    if let Some(path) = manifest.files.keys().find(|p| escapes(p)) {
        let message = format!("{MANIFEST} names a file outside its directory: {path}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(manifest)
}
