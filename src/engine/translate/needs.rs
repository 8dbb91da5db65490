//! Features that only newer engines support. An older engine would silently ignore them, so topogen refuses beforehand.

use crate::cluster::Desired;
use crate::diagnostic::{Problem, Problems};

/// The API of Docker 24 (Engine API, version history), for `annotations`.
pub(super) const DOCKER_24: (usize, usize) = (1, 43);
/// The API of Docker 25, for `start_interval`, MAC addresses beyond the first network, and recursive read-only binds.
pub(super) const DOCKER_25: (usize, usize) = (1, 44);
/// The API of Docker 26, for subpaths of volumes.
pub(super) const DOCKER_26: (usize, usize) = (1, 45);
/// The API of Docker 28, for `gw_priority`, `enable_ipv4` and the names of interfaces.
pub(super) const DOCKER_28: (usize, usize) = (1, 48);

impl Desired {
    /// The problems of this state on an engine that speaks the API version `api`.
    #[must_use]
    pub fn beyond(&self, api: (usize, usize)) -> Problems {
        let mut problems = Problems::default();
        for need in self.needs.iter().filter(|n| n.api > api) {
            let docker = match need.api {
                DOCKER_24 => "Docker 24 or later",
                DOCKER_25 => "Docker 25 or later",
                DOCKER_26 => "Docker 26 or later",
                DOCKER_28 => "Docker 28 or later",
                _ => "a later Docker",
            };
            let message = format!(
                "`{}`: engines know it from API {}.{} on, and this one speaks {}.{}",
                need.path, need.api.0, need.api.1, api.0, api.1
            );
            let mut problem = Problem::general(message).hint(format!("leave it out, or use {docker}"));
            problem.place = need.place;
            problems.push(problem);
        }
        problems
    }
}
