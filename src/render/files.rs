//! Writes rendered files, each completely or not at all, and removes those that are no longer rendered.
//!
//! A manifest in the directory records what was written there. Nothing else is ever overwritten or removed.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::manifest::{self, FilePath, Hashes, MANIFEST, Manifest};
use super::output::{Found, Output, OutputError, split};
use crate::digest::sha256;
use crate::parallel;

/// The most bytes to read of a file for comparison, unless the rendered one is larger.
const MAX_BYTES: usize = 64 << 20;

/// A file to render, with its path, content and mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path, relative to the output directory.
    pub path: String,
    /// The content, which is written unchanged.
    pub content: Arc<[u8]>,
    /// The mode, as in chmod(1).
    pub mode: u32,
}

/// The changes that writing would make.
#[derive(Debug)]
pub struct Changes<'a> {
    output: &'a Output,
    manifest: Manifest,
    files: &'a [File],
    hashes: Vec<String>,
    /// The mode of the manifest, as in chmod(1).
    manifest_mode: u32,
    /// The indices in `files` of those that are missing or differ.
    pub write: Vec<usize>,
    /// The paths of files of an earlier render that are no longer rendered.
    pub remove: Vec<String>,
    /// The files in the way, each with the reason: topogen did not write it, or somebody changed it.
    pub blocked: Vec<(PathBuf, &'static str)>,
}

/// Compares `files` with what is in `output`. `manifest_mode` is the mode that the manifest should have, as in
/// chmod(1).
///
/// # Errors
/// A symbolic link or a file in place of a directory, a manifest that topogen did not write, or a file that cannot be
/// read.
pub fn compare<'a>(output: &'a Output, files: &'a [File], manifest_mode: u32) -> Result<Changes<'a>, OutputError> {
    let manifest = read_manifest(output)?;
    let mut changes = Changes {
        output,
        files,
        hashes: parallel::each(files, |f| sha256(&f.content)),
        manifest_mode,
        write: Vec::new(),
        remove: Vec::new(),
        blocked: Vec::new(),
        manifest,
    };
    for (at, file) in files.iter().enumerate() {
        let recorded = changes.manifest.files.get(file.path.as_str());
        let reason = match output.read(&file.path, MAX_BYTES.max(file.content.len()))? {
            Found::Nothing => None,
            Found::File { content, mode } if *content == *file.content => match mode == file.mode {
                true => continue,
                false => None,
            },
            Found::File { content, .. } => why_not_ours(recorded, &content),
            Found::Other(what) => Some(what),
        };
        changes.write.push(at);
        changes.blocked.extend(reason.map(|why| (output.join(&file.path), why)));
    }
    let rendered: HashSet<&str> = files.iter().map(|f| f.path.as_str()).collect();
    for (path, hashes) in &changes.manifest.files {
        let path = path.as_str();
        if rendered.contains(path) {
            continue;
        }
        let reason = match output.read(path, MAX_BYTES)? {
            Found::Nothing => None,
            Found::File { content, .. } => why_not_ours(Some(hashes), &content),
            Found::Other(what) => Some(what),
        };
        changes.remove.push(path.to_owned());
        changes.blocked.extend(reason.map(|why| (output.join(path), why)));
    }
    Ok(changes)
}

/// Why topogen did not write this content; `None` if it did.
fn why_not_ours(recorded: Option<&Hashes>, content: &[u8]) -> Option<&'static str> {
    match recorded {
        None => Some("was not written by topogen"),
        Some(hashes) if !hashes.contain(&sha256(content)) => Some("was changed since it was rendered"),
        Some(_) => None,
    }
}

impl Changes<'_> {
    /// The changes as a unified diff.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn difference(&self) -> Result<String, OutputError> {
        let mut text = String::new();
        let written = self.write.iter().map(|at| &self.files[*at]);
        let written = written.map(|f| (f.path.as_str(), Some(f)));
        for (path, file) in written.chain(self.remove.iter().map(|path| (path.as_str(), None))) {
            let content = file.map_or(&[][..], |f| &f.content);
            let (old, mode) = match self.output.read(path, MAX_BYTES.max(content.len()))? {
                Found::File { content, mode } => (content, Some(mode)),
                Found::Nothing | Found::Other(_) => (Vec::new(), None),
            };
            if let (Some(file), Some(mode)) = (file, mode.filter(|_| *old == *content)) {
                text.push_str(&format!("{path}: mode {mode:04o} becomes {:04o}\n", file.mode));
            }
            let old = String::from_utf8_lossy(&old);
            let new = String::from_utf8_lossy(content);
            let diff = similar::TextDiff::from_lines(old.as_ref(), new.as_ref());
            text.push_str(&diff.unified_diff().header(path, path).to_string());
        }
        Ok(text)
    }

    /// Makes the changes. After a crash all files are complete, the manifest knows all of them, and temporary files may
    /// be left that the next render removes.
    ///
    /// # Errors
    /// The file system reported an error.
    pub fn make(mut self) -> Result<(), OutputError> {
        self.sweep()?;
        for at in &self.write {
            self.manifest.add(&self.files[*at].path, &self.hashes[*at]);
        }
        if !self.write.is_empty() || !self.remove.is_empty() {
            self.write_manifest()?;
        }
        let written = parallel::each(&self.write, |at| {
            let file = &self.files[*at];
            self.output.write(&file.path, &file.content, file.mode)
        });
        written.into_iter().collect::<Result<(), _>>()?;
        for path in &self.remove {
            self.output.remove(path)?;
        }
        self.manifest = Manifest::default();
        for (file, hash) in self.files.iter().zip(&self.hashes) {
            self.manifest.add(&file.path, hash);
        }
        self.write_manifest()
    }

    /// Removes the temporary files of killed renders, whose directories are in the manifest.
    fn sweep(&self) -> Result<(), OutputError> {
        let recorded = self.manifest.files.keys().map(FilePath::as_str);
        let paths = self.files.iter().map(|f| f.path.as_str()).chain(recorded);
        let mut directories: BTreeSet<Vec<&str>> = paths.map(|path| split(path).0).collect();
        directories.insert(Vec::new());
        let directories: Vec<Vec<&str>> = directories.into_iter().collect();
        let swept = parallel::each(&directories, |names| self.output.sweep(names));
        swept.into_iter().collect()
    }

    fn write_manifest(&self) -> Result<(), OutputError> {
        let text = self.manifest.text().map_err(|error| OutputError::Manifest {
            path: self.output.join(MANIFEST),
            reason: error.to_string(),
        })?;
        match self.output.read(MANIFEST, manifest::MAX_BYTES)? {
            Found::File { content, .. } if content == text => Ok(()),
            _ => self.output.write(MANIFEST, &text, self.manifest_mode),
        }
    }
}

fn read_manifest(output: &Output) -> Result<Manifest, OutputError> {
    let wrong = |reason: String| OutputError::Manifest {
        path: output.join(MANIFEST),
        reason,
    };
    match output.read(MANIFEST, manifest::MAX_BYTES)? {
        Found::Nothing => Ok(Manifest::default()),
        Found::File { content, .. } => Manifest::parse(&content).map_err(wrong),
        Found::Other(what) => Err(wrong(format!("it {what}"))),
    }
}
