//! The labels that topogen writes and reads. They are the only state there is.

use crate::compose::Condition;

/// Begins every label of topogen's own.
pub const PREFIX: &str = "io.topogen.";
/// The cluster a thing belongs to; without it topogen touches nothing.
pub const CLUSTER: &str = "io.topogen.cluster";
/// A container's role.
pub const ROLE: &str = "io.topogen.role";
/// A container's or private network's node.
pub const NODE: &str = "io.topogen.node";
/// A container's service, by its name inside the node.
pub const SERVICE: &str = "io.topogen.service";
/// What a container answers to on the network of all nodes, by spaces; blank where it answers to nothing there.
pub const NAMES: &str = "io.topogen.names";
/// A hash over all that made a container or network.
pub const CONFIG_HASH: &str = "io.topogen.config-hash";
/// What a container was asked to be, in the blueprint's words and as JSON: by it `up` says what changed.
pub const DEFINITION: &str = "io.topogen.definition";
/// The roles that a container's role starts after, and stops before, with commas between them.
pub const AFTER: &str = "io.topogen.after";
/// Anonymous volumes that a container took over from the one it replaced, with commas between them.
pub const CARRIED: &str = "io.topogen.carried";
/// On an anonymous volume: that it is there for configs and secrets alone.
pub const FILES: &str = "io.topogen.files";
/// The blueprint it came from.
pub const BLUEPRINT: &str = "io.topogen.blueprint";
/// What a short-lived container of topogen's own is for: no part of any topology.
pub const HELPER: &str = "io.topogen.helper";

/// The label by which an image tells which executable it was made from.
pub const EXECUTABLE: &str = "io.topogen.executable";

/// Compose's labels, by which `docker compose` finds its own (docker/compose `pkg/api/labels.go`).
pub mod compose {
    /// The project.
    pub const PROJECT: &str = "com.docker.compose.project";
    /// The service, by its key.
    pub const SERVICE: &str = "com.docker.compose.service";
    /// The network, by its key.
    pub const NETWORK: &str = "com.docker.compose.network";
    /// The volume, by its key.
    pub const VOLUME: &str = "com.docker.compose.volume";
    /// What a container depends on, as `db:service_healthy:false`: key, condition, whether it restarts with it.
    pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
    /// Which replica, from 1.
    pub const CONTAINER_NUMBER: &str = "com.docker.compose.container-number";
    /// Whether `docker compose run` made it.
    pub const ONEOFF: &str = "com.docker.compose.oneoff";
    /// Compose's own hash; without it `docker compose ps` does not see a container.
    pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";
    /// What made it.
    pub const VERSION: &str = "com.docker.compose.version";
    /// The files of the project.
    pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
    /// The directory of the project.
    pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
}

/// What a container depends on, as [`compose::DEPENDS_ON`] says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DependsOn<'a> {
    /// The service, by its key.
    pub key: &'a str,
    /// What it is waited for.
    pub condition: Condition,
    /// Whether the container restarts with it.
    pub restart: bool,
}

impl<'a> DependsOn<'a> {
    /// Reads the value of the label. An entry without a key is passed over, and an unknown condition is that it started,
    /// because others may have written the label.
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

    /// Writes the value of the label.
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
