//! What only newer engines know. An older one would pass it over in silence, so it is not asked at all.

use crate::cluster::Desired;
use crate::diagnostic::{Problem, Problems};

/// The API of Docker 24 (Engine API, version history): `annotations`.
pub(super) const DOCKER_24: (usize, usize) = (1, 43);
/// Of Docker 25: `start_interval`, MAC addresses beyond the first network's, how read-only binds go down.
pub(super) const DOCKER_25: (usize, usize) = (1, 44);
/// Of Docker 26: parts of volumes.
pub(super) const DOCKER_26: (usize, usize) = (1, 45);
/// Of Docker 28: `gw_priority`, `enable_ipv4`, names of interfaces.
pub(super) const DOCKER_28: (usize, usize) = (1, 48);

impl Desired {
    /// What an engine that speaks `api` does not know.
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
