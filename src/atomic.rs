//! Files that are written whole or not at all.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

/// Write `content` to the file that a user named `path`, as [`replace`] does, with `mode` less the umask. A symbolic link is followed and stays one; what
/// is no regular file, a pipe or `/dev/stdout`, cannot be replaced: it is written to.
///
/// # Errors
/// The system's.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() && !there.is_dir() => fs::write(path, content),
        Ok(_) => replace(&fs::canonicalize(path)?, content, mode),
        Err(_) => replace(path, content, mode),
    }
}

/// Gives the file at `path` another `content`, as [`write`] does, and leaves it its owner and its mode. One that is not there
/// has the mode 644 less the umask.
///
/// # Errors
/// The system's, also where its owner cannot be kept.
pub(crate) fn rewrite(path: &Path, content: &[u8]) -> io::Result<()> {
    let there = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return write(path, content, 0o644),
        other => other?,
    };
    if !there.is_file() {
        return write(path, content, 0o644);
    }
    let path = fs::canonicalize(path)?;
    let mut file = new_file(path.parent().unwrap_or(Path::new(".")), 0o600)?;
    let new = file.as_file().metadata()?;
    if (new.uid(), new.gid()) != (there.uid(), there.gid()) {
        fchown(file.as_file(), Some(there.uid()), Some(there.gid()))?;
    }
    file.as_file().set_permissions(there.permissions())?;
    file.write_all(content)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Put a file with `content` at `path`, by way of one beside it, so that nobody ever sees half of it, and what was there
/// stays where the new one cannot be written. Directories above it are made where they are missing.
///
/// # Errors
/// The system's.
fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let mut file = match new_file(parent, mode) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(parent)?;
            new_file(parent, mode)?
        }
        other => other?,
    };
    file.write_all(content)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn new_file(parent: &Path, mode: u32) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        // Not as `render` calls what is unfinished, which its next run removes.
        .prefix(".topogen.")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(parent)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("deep/er/report.json");
        write(&path, b"one", 0o644).expect("written");
        let held = fs::File::open(&path).expect("it is there");
        write(&path, b"two", 0o600).expect("written");
        // Who reads the old one reads it to its end.
        assert_eq!(io::read_to_string(held).expect("text"), "one");
        assert_eq!(fs::read_to_string(&path).expect("text"), "two");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        let beside = fs::read_dir(directory.path().join("deep/er")).expect("a directory");
        assert_eq!(beside.count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_link_stays_one_and_a_directory_is_no_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        fs::write(&target, "one").expect("written");
        symlink(&target, &link).expect("a link");
        write(&link, b"two", 0o644).expect("written");
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        assert_eq!(fs::read_to_string(&target).expect("text"), "two");
        assert!(write(directory.path(), b"three", 0o644).is_err());
    }

    #[test]
    fn a_file_that_is_rewritten_keeps_its_mode() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("hosts");
        rewrite(&path, b"one").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("it is ours");
        rewrite(&path, b"two").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("text"), "two");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o666);
    }

    #[test]
    fn what_is_no_regular_file_is_written_to() {
        write(Path::new("/dev/null"), b"one", 0o644).expect("written");
        assert!(!fs::metadata("/dev/null").expect("a device").is_file());
    }
}
