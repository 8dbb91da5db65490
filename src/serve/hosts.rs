//! Keeps the names of a cluster in a file of hosts (hosts(5)), for machines whose resolver nobody wants to tell of another.

pub mod block;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::dns::zone::Domain;
use super::view::View;
use crate::atomic;

/// The wait after a file could not be written.
const RETRY: Duration = Duration::from_secs(5);

/// A file in which a cluster has its lines.
pub struct HostsFile {
    path: PathBuf,
    cluster: String,
    /// Whether it was there before.
    existed: bool,
    /// Whether its lines were taken away.
    is_removed: bool,
}

impl Drop for HostsFile {
    /// Whoever fails before its end leaves nothing behind either.
    fn drop(&mut self) {
        if !self.is_removed {
            let _ = self.take_away();
        }
    }
}

impl HostsFile {
    /// The file at `path`, which has the lines of an earlier server no more.
    ///
    /// # Errors
    /// It cannot be read or written, or has half of these lines.
    pub fn open(path: PathBuf, cluster: &str) -> io::Result<Self> {
        let file = Self {
            existed: path.exists(),
            path,
            cluster: cluster.to_owned(),
            is_removed: false,
        };
        // That it can be written is said at once, and not when the cluster comes up.
        file.write(Some(""))?;
        Ok(file)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the lines as `views` show the cluster, for ever. `report` is told what goes wrong, once each time.
    pub async fn follow(&self, mut views: watch::Receiver<Arc<View>>, domain: &Domain, report: impl Fn(&str)) {
        let mut written = None;
        let mut failed = None;
        loop {
            let view = views.borrow_and_update().clone();
            let lines = block::lines(&view, domain);
            if !view.is_unknown() && written.as_ref() != Some(&lines) {
                match self.write(Some(&lines)) {
                    Ok(()) => (written, failed) = (Some(lines), None),
                    Err(error) => {
                        let error = format!("cannot write {}: {error}", self.path.display());
                        if failed.as_ref() != Some(&error) {
                            report(&error);
                        }
                        failed = Some(error);
                    }
                }
            }
            let changed = views.changed();
            let ended = match failed {
                None => changed.await.is_err(),
                Some(_) => matches!(timeout(RETRY, changed).await, Ok(Err(_))),
            };
            if ended {
                return std::future::pending().await;
            }
        }
    }

    /// Takes the lines away, and the file if it was not there before and has nothing else.
    ///
    /// # Errors
    /// The system's, or that the file has half of these lines.
    pub fn remove(mut self) -> io::Result<()> {
        self.is_removed = true;
        self.take_away()
    }

    fn take_away(&self) -> io::Result<()> {
        self.write(None)?;
        if !self.existed && std::fs::read(&self.path)?.is_empty() {
            std::fs::remove_file(&self.path)?;
        }
        Ok(())
    }

    fn write(&self, lines: Option<&str>) -> io::Result<()> {
        let file = match std::fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let next = block::with_lines(&file, &self.cluster, lines)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        match next == file && !(lines.is_some() && file.is_empty()) {
            true => Ok(()),
            false => atomic::rewrite(&self.path, &next),
        }
    }
}
