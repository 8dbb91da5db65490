//! T004: a file that does not exist on this machine is mounted.

use std::path::Path;

use super::{Finding, Subject};
use crate::diagnostic::Problem;

/// A path with an extension is taken for a file, for which the engine would create a directory. Without one, creating a
/// directory is probably intended.
pub(super) fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let is_file = |path: &str| path.starts_with('/') && Path::new(path).extension().is_some();
    let mounts = subject.mounts.iter();
    let missing = mounts.filter(|(path, _)| is_file(path) && !(subject.is_there)(path));
    missing
        .map(|(path, role)| Finding {
            problem: Problem::general(format!(
                "`{path}` is not there: the engine would make a directory of that name"
            )),
            role: Some(role.clone()),
        })
        .collect()
}
