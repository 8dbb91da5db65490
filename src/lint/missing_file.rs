//! T004: a file is mounted from this machine that is not there.

use std::path::Path;

use super::{Finding, Subject};
use crate::diagnostic::Problem;

/// By its name it is a file. Engines make a directory of what is not there, and one without an ending is made on purpose.
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
