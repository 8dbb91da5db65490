//! The labels that topogen writes and reads. They are the only state.
//!
//! A container has the labels of its image too, so every label of topogen's is set on every container, empty where there is
//! nothing to say, and none of an image's can take its place. Labels alone prove nothing: [`is_owned`] says what does.

use std::collections::BTreeMap;

use crate::compose::Condition;
use crate::name::ClusterName;

/// The beginning of labels, and of variables, by which a container says how its services are called elsewhere, as Registrator
/// reads them.
pub const SERVICE_SETTING: &str = "SERVICE_";

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
/// The name that topogen created a container, network or volume under. One that was renamed since is told by it.
pub const NAME: &str = "io.topogen.name";
/// On a container: a number that is drawn for each one that is created. `docker commit` copies the labels of a container
/// onto an image, and that image gives them to containers of its own: they say the number that their image says.
pub const CREATION: &str = "io.topogen.creation";
/// The named volumes that a container mounts, separated by commas: they are not removed with it, whatever they are called.
pub const VOLUMES: &str = "io.topogen.volumes";
/// The roles that the container's role starts after and stops before, separated by commas.
pub const AFTER: &str = "io.topogen.after";
/// Anonymous volumes taken over from the container that this one replaced, separated by commas.
pub const CARRIED: &str = "io.topogen.carried";
/// On an anonymous volume: it exists only for configs and secrets.
pub const FILES: &str = "io.topogen.files";
/// What is expected of a container in the long run: `run`, `may-end` or `end`.
pub const DUTY: &str = "io.topogen.duty";
/// The path of the blueprint that a container was created from.
pub const BLUEPRINT: &str = "io.topogen.blueprint";
/// The options of the command that created a container, such as `--slaves`, as JSON; empty if there were none. Of the
/// youngest container of a cluster they are those of the last `up` that created one.
pub const OPTIONS: &str = "io.topogen.options";
/// The purpose of a short-lived container of topogen's own, which belongs to no topology.
pub const HELPER: &str = "io.topogen.helper";

/// On a helper that cuts or heals: the engine's ID of the container whose network it was in.
pub const MARKED: &str = "io.topogen.marked";
/// On the same: what it was to do, for people who read events. What is in force is another thing.
pub const ERRAND: &str = "io.topogen.errand";

/// On a volume: nobody gave it a name, so that the engine did. Engines say so from 23 on.
pub const ANONYMOUS: &str = "com.docker.volume.anonymous";

pub use crate::fake::EXECUTABLE_LABEL as EXECUTABLE;

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

/// Whether a network or volume called `name` is what its `labels` say: topogen's, created under that name from a
/// definition. A volume without a name of its own has one that the engine makes up. What only names a cluster was labelled by somebody else.
#[must_use]
pub fn is_owned(labels: &BTreeMap<String, String>, name: &str) -> bool {
    let said = |key: &str| labels.get(key).map_or("", String::as_str);
    !said(CLUSTER).is_empty() && !said(CONFIG_HASH).is_empty() && (said(NAME) == name || is_made_up(name))
}

/// Whether `name` is one that the engine makes up for a volume that nobody gave a name: 64 hexadecimal digits.
#[must_use]
pub fn is_made_up(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a container called `name` is what its `labels` say: topogen's, which drew a number for it when it created it.
/// `image` is the number that its image carries; `None` if it carries none. One that is not called as it was created must
/// have an image that `is_known`, or nobody can tell it from one of a committed image.
#[must_use]
pub fn is_owned_container(labels: &BTreeMap<String, String>, name: &str, image: Option<&str>, is_known: bool) -> bool {
    let said = |key: &str| labels.get(key).map_or("", String::as_str);
    let drawn = !said(CREATION).is_empty() && image != Some(said(CREATION));
    let is_helper = !said(HELPER).is_empty();
    let defined = !said(CONFIG_HASH).is_empty() && !said(NODE).is_empty();
    let is_renamed = said(NAME) != name;
    !said(CLUSTER).is_empty() && drawn && (is_helper || defined && (!is_renamed || is_known))
}

/// The labels of a container of topogen's own for this `purpose`, which belongs to no topology. All of topogen's are among
/// them, so that none of an image's can stand for one.
pub fn of_helper(cluster: &ClusterName, purpose: &str) -> impl Iterator<Item = (String, String)> + use<> {
    let said = [(CLUSTER, cluster.to_string()), (HELPER, purpose.to_owned())];
    let blank = [
        ROLE,
        NODE,
        SERVICE,
        NAMES,
        CONFIG_HASH,
        DEFINITION,
        NAME,
        VOLUMES,
        AFTER,
        CARRIED,
        DUTY,
        BLUEPRINT,
        OPTIONS,
    ];
    let blank = blank.into_iter().map(|key| (key, String::new()));
    said.into_iter()
        .chain(blank)
        .map(|(key, value)| (key.to_owned(), value))
}

/// Takes topogen's own labels away from what is not topogen's. That its executable is in an image is nobody's claim.
pub fn disown(labels: &mut BTreeMap<String, String>) {
    labels.retain(|key, _| !key.starts_with(PREFIX) || key == EXECUTABLE);
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
