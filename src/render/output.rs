//! The output directory of `render`.
//!
//! The directory may come from somebody else, with symbolic links in it. Every name below it is therefore opened
//! relative to its parent directory without following links (openat(2) with `O_NOFOLLOW`), so that nothing outside is
//! read, written or removed. The directory itself is named by the user, and may be a link.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::read::{self, ReadError};

/// The prefix of files that are not complete yet.
const UNFINISHED: &str = ".topogen-";

/// Why files could not be compared or written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The path should be a directory, and is something else.
    #[error("`{path}` is {what}, not a directory")]
    NotADirectory {
        /// The path, starting with the output directory as the user gave it.
        path: PathBuf,
        /// What it is instead: `a symbolic link` or `a file`.
        what: &'static str,
    },
    /// The manifest was not written by topogen, or by another version of it.
    #[error("`{path}`: {reason}")]
    Manifest {
        /// The path of the manifest.
        path: PathBuf,
        /// What is wrong with it, to follow its path.
        reason: String,
    },
    /// The file system reported an error.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// The action that failed, such as `read`.
        action: &'static str,
        /// The path of the file or directory.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
}

impl OutputError {
    /// A hint on how to solve it; `None` if there is none.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotADirectory { .. } => Some(
                "links are not followed below the output directory: move it away, or render elsewhere with `-o DIR`",
            ),
            Self::Manifest { .. } => {
                Some("this topogen did not write that: nothing is touched; render elsewhere with `-o DIR`")
            }
            Self::Io { .. } => None,
        }
    }
}

/// What is at a path.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    /// A regular file, with its mode as in chmod(1).
    File {
        content: Vec<u8>,
        mode: u32,
    },
    /// Something that topogen never writes, described to follow its path.
    Other(&'static str),
}

/// The output directory. No symbolic link below it is followed.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    /// The open directory; `None` while it does not exist.
    handle: Option<OwnedFd>,
    /// Whether the lock is held, so that no other render writes at the same time.
    locked: bool,
}

impl Output {
    /// Opens the directory at `path` to read from it. It need not exist.
    ///
    /// # Errors
    /// It is not a directory, or cannot be opened.
    pub fn open(path: &Path) -> Result<Self, OutputError> {
        let handle = match rustix::fs::open(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            Ok(handle) => Some(handle),
            Err(Errno::NOENT) => None,
            Err(Errno::NOTDIR) => {
                return Err(OutputError::NotADirectory {
                    path: path.to_owned(),
                    what: "a file",
                });
            }
            Err(error) => return Err(failed("read", path, error)),
        };
        Ok(Self {
            path: path.to_owned(),
            handle,
            locked: false,
        })
    }

    /// Opens the directory at `path` to write to it, and creates it if it does not exist.
    ///
    /// # Errors
    /// As for [`Output::open`], and if it cannot be created.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        let output = Self::open(path)?;
        if output.handle.is_some() {
            return Ok(output);
        }
        std::fs::create_dir_all(path).map_err(|e| failed("make", path, e))?;
        Self::open(path)
    }

    /// Waits until no other render writes here and, with `to_write`, until none reads. Calls `waits` first if the lock
    /// is taken. The lock belongs to the process (flock(2)) and ends with it. Some network file systems have no locks;
    /// there the directory is used without one.
    pub fn lock(&mut self, to_write: bool, waits: impl FnOnce()) {
        let Some(handle) = &self.handle else { return };
        let (at_once, patiently) = match to_write {
            true => (FlockOperation::NonBlockingLockExclusive, FlockOperation::LockExclusive),
            false => (FlockOperation::NonBlockingLockShared, FlockOperation::LockShared),
        };
        let mut locked = rustix::fs::flock(handle, at_once);
        if locked == Err(Errno::WOULDBLOCK) {
            waits();
            locked = rustix::io::retry_on_intr(|| rustix::fs::flock(handle, patiently));
        }
        self.locked = to_write && locked.is_ok();
    }

    /// The full path of the file at `path` below the directory.
    pub(super) fn join(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    /// What is at `path`, with at most `most` bytes of its content.
    pub(super) fn read(&self, path: &str, most: usize) -> Result<Found, OutputError> {
        let (directories, name) = split(path);
        let Some(parent) = self.descend(&directories, false)? else {
            return Ok(Found::Nothing);
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&parent, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            Err(Errno::LOOP) => return Ok(Found::Other("is a symbolic link")),
            // A socket cannot be opened.
            Err(Errno::NXIO) => return Ok(Found::Other("is not a file")),
            Err(error) => return Err(failed("read", &self.join(path), error)),
        };
        let cannot_read = |error: io::Error| failed("read", &self.join(path), error);
        match read::content(&file, most) {
            Ok(content) => {
                use std::os::unix::fs::PermissionsExt;
                let mode = file.metadata().map_err(cannot_read)?.permissions().mode() & 0o7777;
                Ok(Found::File { content, mode })
            }
            Err(ReadError::TooLarge(_)) => Ok(Found::Other("is larger than what topogen writes")),
            Err(ReadError::Io(error)) => Err(cannot_read(error)),
            Err(_) => Ok(Found::Other("is not a file")),
        }
    }

    /// Writes the file at `path` by renaming a complete one into place, so that no reader ever finds half of it.
    pub(super) fn write(&self, path: &str, content: &[u8], mode: u32) -> Result<(), OutputError> {
        let (directories, name) = split(path);
        let cannot_write = |error: io::Error| failed("write", &self.join(path), error);
        let Some(parent) = self.descend(&directories, true)? else {
            return Err(cannot_write(io::ErrorKind::NotFound.into()));
        };
        let (unfinished, mut file) = unfinished(&parent).map_err(cannot_write)?;
        let written = file
            .write_all(content)
            // The mode was computed before, and the umask must not change it.
            .and_then(|()| Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?))
            .and_then(|()| Ok(rustix::fs::renameat(&parent, &unfinished, &parent, name)?));
        written.map_err(|error| {
            let _ = rustix::fs::unlinkat(&parent, &unfinished, AtFlags::empty());
            cannot_write(error)
        })
    }

    /// Removes the file at `path`, and the directories above it that become empty.
    pub(super) fn remove(&self, path: &str) -> Result<(), OutputError> {
        let (mut directories, name) = split(path);
        let Some(parent) = self.descend(&directories, false)? else {
            return Ok(());
        };
        match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(failed("remove", &self.join(path), error)),
        }
        while let Some(name) = directories.pop() {
            let Some(parent) = self.descend(&directories, false)? else {
                continue;
            };
            let _ = rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR);
        }
        Ok(())
    }

    /// Removes the incomplete files that a killed render left in `directories`. Without a lock they may belong to a
    /// render that still runs, and stay.
    pub(super) fn sweep(&self, directories: &[&str]) -> Result<(), OutputError> {
        let parent = match self.descend(directories, false)? {
            Some(parent) if self.locked => parent,
            _ => return Ok(()),
        };
        let here = || self.join(&directories.join("/"));
        for entry in Dir::read_from(&parent).map_err(|e| failed("read", &here(), e))? {
            let entry = entry.map_err(|e| failed("read", &here(), e))?;
            let name = entry.file_name();
            if !name.to_bytes().starts_with(UNFINISHED.as_bytes()) {
                continue;
            }
            let is_file = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
            if is_file {
                let removed = rustix::fs::unlinkat(&parent, name, AtFlags::empty());
                removed.map_err(|e| failed("remove", &here().join(&*name.to_string_lossy()), e))?;
            }
        }
        Ok(())
    }

    /// Opens the directory `names` below this one, component by component. If it does not exist, it is created with
    /// `make`, and `None` otherwise.
    fn descend(&self, names: &[&str], make: bool) -> Result<Option<OwnedFd>, OutputError> {
        let Some(root) = &self.handle else { return Ok(None) };
        let path = |depth: usize| self.join(&names[..=depth].join("/"));
        let mut at = root.try_clone().map_err(|e| failed("read", &self.path, e))?;
        for (depth, name) in names.iter().enumerate() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let open = || rustix::fs::openat(&at, *name, flags, Mode::empty());
            let mut opened = open();
            if opened.as_ref().is_err_and(|e| *e == Errno::NOENT) && make {
                match rustix::fs::mkdirat(&at, *name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => opened = open(),
                    Err(error) => return Err(failed("make", &path(depth), error)),
                }
            }
            at = match opened {
                Ok(next) => next,
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::LOOP | Errno::NOTDIR) => {
                    let what = match rustix::fs::statat(&at, *name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => "a symbolic link",
                        _ => "a file",
                    };
                    return Err(OutputError::NotADirectory {
                        path: path(depth),
                        what,
                    });
                }
                Err(error) => return Err(failed("read", &path(depth), error)),
            };
        }
        Ok(Some(at))
    }
}

/// Creates a file in `directory` that only its owner may read, and returns its name with it.
fn unfinished(directory: &impl AsFd) -> io::Result<(String, File)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{UNFINISHED}{}-{count}", std::process::id());
        match rustix::fs::openat(directory, &name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => return Ok((name, file.into())),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The directories of a path, and its file name.
pub(super) fn split(path: &str) -> (Vec<&str>, &str) {
    let mut names: Vec<&str> = path.split('/').collect();
    let name = names.pop().unwrap_or_default();
    (names, name)
}

fn failed(action: &'static str, path: &Path, error: impl Into<io::Error>) -> OutputError {
    OutputError::Io {
        action,
        path: path.to_owned(),
        source: error.into(),
    }
}
