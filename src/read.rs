//! Reading files that somebody else may have put there: neither without end, nor waiting for whoever writes them.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::blueprint::unread::{IS_DIRECTORY, LEADS_OUT, NO_FILE};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It is something else, such as a fifo.
    #[error("{0}")]
    NotAFile(&'static str),
    /// It holds more than so many bytes.
    #[error("too large: {} MiB are read at most", .0 >> 20)]
    TooLarge(usize),
    /// Symbolic links lead from it out of the directory in which it must lie.
    #[error("{LEADS_OUT}")]
    Outside,
    /// The file system's own reason.
    #[error("{}", reason(.0))]
    Io(#[from] io::Error),
}

/// An error of the file system in few words.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => NO_FILE.to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// The content of the regular file at `path`, `most` bytes at most. `/dev/null` is an empty file too.
///
/// # Errors
/// It is no file, too large, or cannot be read.
pub(crate) fn file(path: &Path, most: usize) -> Result<Vec<u8>, ReadError> {
    // What is no file is not even opened: that means something to some devices. It may become one meanwhile, and to open a
    // fifo otherwise waits for whoever opens its other end.
    refuse_other(&fs::metadata(path)?)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    content(&file, most)
}

/// The same of a path that the command line names: there, a pipe of the shell's, such as `<(…)` makes one, is a file too.
///
/// # Errors
/// As [`file`].
pub(crate) fn named(path: &Path, most: usize) -> Result<Vec<u8>, ReadError> {
    let handed_over = ["/dev/fd", "/proc/self/fd"].iter().any(|d| path.starts_with(d));
    match handed_over || path == Path::new("/dev/stdin") {
        true => bounded(&File::open(path)?, most),
        false => file(path, most),
    }
}

/// The content of the file at `path` below `directory`, where it lies there also once all symbolic links are followed.
///
/// # Errors
/// As [`file`], and it lies elsewhere.
pub(crate) fn within(directory: &Path, path: &str, most: usize) -> Result<Vec<u8>, ReadError> {
    let resolved = fs::canonicalize(directory.join(path))?;
    match resolved.starts_with(fs::canonicalize(directory)?) {
        true => file(&resolved, most),
        false => Err(ReadError::Outside),
    }
}

/// The content of an open file, `most` bytes at most.
///
/// # Errors
/// It is no file, too large, or cannot be read.
pub(crate) fn content(file: &File, most: usize) -> Result<Vec<u8>, ReadError> {
    let metadata = file.metadata()?;
    refuse_other(&metadata)?;
    match metadata.len() > most as u64 {
        true => Err(ReadError::TooLarge(most)),
        false => bounded(file, most),
    }
}

/// That something is a regular file, or `/dev/null`.
fn refuse_other(metadata: &Metadata) -> Result<(), ReadError> {
    let kind = metadata.file_type();
    let is_null = || fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == metadata.rdev());
    Err(ReadError::NotAFile(match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_char_device() && is_null() => return Ok(()),
        kind if kind.is_dir() => IS_DIRECTORY,
        kind if kind.is_fifo() => "it is a fifo",
        kind if kind.is_socket() => "it is a socket",
        _ => "it is a device",
    }))
}

/// What comes of `file`, which may grow while it is read.
fn bounded(file: &File, most: usize) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() > most {
        true => Err(ReadError::TooLarge(most)),
        false => Ok(bytes),
    }
}
