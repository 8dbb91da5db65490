//! The labels that topogen writes and reads. They are the only state.

use crate::compose::Condition;

/// The prefix of all of topogen's own labels.
pub const PREFIX: &str = "io.topogen.";
/// The cluster of a resource. Topogen never changes a resource without it.
pub const CLUSTER: &str = "io.topogen.cluster";
/// The role of a container's node.
pub const ROLE: &str = "io.topogen.role";
/// The node of a container or private network.
pub const NODE: &str = "io.topogen.node";
/// The service of a container, by its name inside the node.
pub const SERVICE: &str = "io.topogen.service";
/// The names of a container on the shared network, separated by spaces; empty if it has none there.
pub const NAMES: &str = "io.topogen.names";
/// A hash of everything that a container or network was created from.
pub const CONFIG_HASH: &str = "io.topogen.config-hash";
/// What a container was created from, in the blueprint's terms and as JSON; `up` compares it to say what changed.
pub const DEFINITION: &str = "io.topogen.definition";
/// The roles that the container's role starts after and stops before, separated by commas.
pub const AFTER: &str = "io.topogen.after";
/// Anonymous volumes taken over from the container that this one replaced, separated by commas.
pub const CARRIED: &str = "io.topogen.carried";
/// On an anonymous volume: it exists only for configs and secrets.
pub const FILES: &str = "io.topogen.files";
/// The path of the blueprint that a container was created from.
pub const BLUEPRINT: &str = "io.topogen.blueprint";
/// The purpose of a short-lived container of topogen's own, which belongs to no topology.
pub const HELPER: &str = "io.topogen.helper";

/// On an image: the identity of the executable that it was built from.
pub const EXECUTABLE: &str = "io.topogen.executable";

/// Compose's labels, by which `docker compose` finds its resources (docker/compose `pkg/api/labels.go`).
pub mod compose {
    /// The project of the resource.
    pub const PROJECT: &str = "com.docker.compose.project";
    /// The key of the service.
    pub const SERVICE: &str = "com.docker.compose.service";
    /// The key of the network.
    pub const NETWORK: &str = "com.docker.compose.network";
    /// The key of the volume.
    pub const VOLUME: &str = "com.docker.compose.volume";
    /// The dependencies of a container, as `db:service_healthy:false`: key, condition, whether it restarts with it.
    pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
    /// The number of the replica, from 1.
    pub const CONTAINER_NUMBER: &str = "com.docker.compose.container-number";
    /// Whether `docker compose run` created the container.
    pub const ONEOFF: &str = "com.docker.compose.oneoff";
    /// Compose's own hash. Without it, `docker compose ps` ignores a container.
    pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";
    /// The version of the program that created the resource.
    pub const VERSION: &str = "com.docker.compose.version";
    /// The paths of the project's files.
    pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
    /// The path of the project's directory.
    pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
}

/// One entry of [`compose::DEPENDS_ON`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DependsOn<'a> {
    /// The key of the service depended on.
    pub key: &'a str,
    /// The condition to wait for.
    pub condition: Condition,
    /// Whether the container restarts with it.
    pub restart: bool,
}

impl<'a> DependsOn<'a> {
    /// Parses the label. Entries without a key are skipped and an unknown condition becomes "started", because other
    /// programs write the label too.
    pub fn parse(value: &'a str) -> impl Iterator<Item = Self> {
        value.split(',').filter(|entry| !entry.is_empty()).map(|entry| {
            let mut fields = entry.split(':');
            Self {
                key: fields.next().unwrap_or_default(),
                condition: match fields.next() {
                    Some("service_healthy") => Condition::Healthy,
                    Some("service_completed_successfully") => Condition::Completed,
                    _ => Condition::Started,
                },
                restart: fields.next() == Some("true"),
            }
        })
    }

    /// The value of the label.
    pub fn join(entries: impl IntoIterator<Item = Self>) -> String {
        let entries = entries.into_iter().map(|d| {
            let condition = match d.condition {
                Condition::Started => "service_started",
                Condition::Healthy => "service_healthy",
                Condition::Completed => "service_completed_successfully",
            };
            format!("{}:{condition}:{}", d.key, d.restart)
        });
        entries.collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let entries = [
            (Condition::Started, "db", true),
            (Condition::Healthy, "cache", false),
            (Condition::Completed, "migrate", false),
        ];
        let entries = entries.map(|(condition, key, restart)| DependsOn {
            key,
            condition,
            restart,
        });
        let text = DependsOn::join(entries);
        assert_eq!(
            text,
            "db:service_started:true,cache:service_healthy:false,migrate:service_completed_successfully:false"
        );
        assert_eq!(DependsOn::parse(&text).collect::<Vec<_>>(), entries);
        assert_eq!(DependsOn::parse(",").count(), 0);
    }
}
