//! Fakes: a service that answers requests with its identity, in place of images that one does not have.
//!
//! This file is the pure part: which services are fakes, and the environment they get. [`serve`] is the service,
//! [`image`] builds the image from topogen's own executable.

pub mod image;
pub mod serve;

use std::sync::Arc;

use indexmap::IndexSet;

use crate::compose;
use crate::topology::{Node, Service, Topology};
use crate::value::{Map, Value};

/// The repository of the fake image. In a blueprint, with any tag or none, it means the image of this topogen.
pub const REPOSITORY: &str = "topogen/fake";

/// The image that this version of topogen builds, with its tag.
#[must_use]
pub fn image_name() -> String {
    format!("{REPOSITORY}:{}", env!("CARGO_PKG_VERSION"))
}

/// The label of the image: the identity of the executable that it was built from.
pub const EXECUTABLE_LABEL: &str = "io.topogen.executable";

/// Environment variables that tell a fake its identity.
pub mod variable {
    /// The name of the cluster.
    pub const CLUSTER: &str = "TOPOGEN_CLUSTER";
    /// The name of the node.
    pub const NODE: &str = "TOPOGEN_NODE";
    /// The role of the node.
    pub const ROLE: &str = "TOPOGEN_ROLE";
    /// The node's index within its role, from 1; that in each dimension, `2-1`, if its count has some.
    pub const INDEX: &str = "TOPOGEN_INDEX";
    /// The name of the service inside its node.
    pub const SERVICE: &str = "TOPOGEN_SERVICE";
    /// The ports to listen on, separated by blanks: `443/tcp 53/udp`.
    pub const PORTS: &str = "TOPOGEN_PORTS";
}

/// Keys of a service that concern the replaced image, or request things that only that image can use.
const GIVES_WAY: &[&str] = &[
    "image",
    "command",
    "entrypoint",
    "healthcheck",
    "volumes",
    "volumes_from",
    "user",
    "build",
    "develop",
    "working_dir",
    "pull_policy",
    "platform",
    "runtime",
    "devices",
    "gpus",
    "provider",
    "models",
    "post_start",
    "pre_stop",
    "env_file",
    "label_file",
    "credential_spec",
    "isolation",
    "use_api_socket",
    "storage_opt",
    "pid",
    "ipc",
    // Not every machine grants these, and a fake needs none of them.
    "privileged",
    "cap_add",
    "device_cgroup_rules",
    "cgroup",
    "oom_kill_disable",
    "ulimits",
    "sysctls",
    "cpuset",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "blkio_config",
    "oom_score_adj",
    "cgroup_parent",
    "security_opt",
    "userns_mode",
];

/// Whether `service` runs the fake image.
#[must_use]
pub fn is_fake(service: &Service) -> bool {
    let Some(Value::Text(image)) = service.get("image") else {
        return false;
    };
    is_image(image)
}

/// Whether `service` runs the fake service, and not another command of that image.
#[must_use]
pub fn answers(service: &Service) -> bool {
    is_fake(service) && service.get("command").is_none() && service.get("entrypoint").is_none()
}

/// Whether `image` is the fake image, with any tag or none.
#[must_use]
pub fn is_image(image: &str) -> bool {
    image == REPOSITORY || image.strip_prefix(REPOSITORY).is_some_and(|tag| tag.starts_with(':'))
}

/// Replaces every image of the topology by the fake.
pub fn disguise(topology: &mut Topology) {
    for service in topology.nodes.iter_mut().flat_map(|n| &mut n.services) {
        let mut definition = Map::with_capacity(service.definition.len());
        definition.insert("image".into(), Value::from(REPOSITORY));
        for (key, value) in service.definition.iter() {
            match &**key {
                key if GIVES_WAY.contains(&key) => {}
                // A fake is never unhealthy and never completes, so dependencies on either become dependencies on its
                // start.
                "depends_on" => {
                    definition.insert(key.clone(), started_only(value));
                }
                "deploy" => {
                    definition.insert(key.clone(), without_devices(value));
                }
                _ => {
                    definition.insert(key.clone(), value.clone());
                }
            }
        }
        service.definition = Arc::new(definition);
    }
}

fn started_only(depends_on: &Value) -> Value {
    match depends_on {
        Value::Map(map) => Value::List(map.keys().map(|k| Value::Text(k.clone())).collect()),
        other => other.clone(),
    }
}

/// `deploy` without the devices that it reserves (Compose Deploy Specification, "devices").
fn without_devices(deploy: &Value) -> Value {
    let mut deploy = deploy.clone();
    if let Value::Map(deploy) = &mut deploy
        && let Some(Value::Map(resources)) = Arc::make_mut(deploy).get_mut("resources")
        && let Some(Value::Map(reservations)) = Arc::make_mut(resources).get_mut("reservations")
    {
        Arc::make_mut(reservations).shift_remove("devices");
    }
    deploy
}

/// Gives every fake the variables of its identity.
pub fn identify(topology: &mut Topology) {
    let image = Value::from(image_name());
    let cluster = Value::from(topology.cluster.as_str());
    for node in &mut topology.nodes {
        let shared = Identity::of(node, &cluster);
        for service in &mut node.services {
            if is_fake(service) {
                let definition = Arc::make_mut(&mut service.definition);
                definition.insert("image".into(), image.clone());
                let identity = shared.with(service.name.as_str(), definition);
                let environment = merged(definition.get("environment"), identity);
                definition.insert("environment".into(), environment);
            }
        }
    }
}

/// The variables that all fakes of one node have in common.
struct Identity {
    cluster: Value,
    node: Value,
    role: Value,
    index: Value,
}

impl Identity {
    fn of(node: &Node, cluster: &Value) -> Self {
        Self {
            cluster: cluster.clone(),
            node: Value::from(node.name.as_str()),
            role: Value::from(node.role.as_str()),
            index: Value::from(index(node)),
        }
    }

    fn with(&self, service: &str, definition: &Map) -> Vec<(&'static str, Value)> {
        vec![
            (variable::CLUSTER, self.cluster.clone()),
            (variable::NODE, self.node.clone()),
            (variable::ROLE, self.role.clone()),
            (variable::INDEX, self.index.clone()),
            (variable::SERVICE, Value::from(service)),
            (variable::PORTS, Value::from(ports(definition).join(" "))),
        ]
    }
}

/// What a fake calls the index of its node. Of dimensions, it is what another count of one of them leaves as it is.
fn index(node: &Node) -> String {
    let indices: Vec<String> = node.dimensions.values().map(u32::to_string).collect();
    match indices.is_empty() {
        true => node.index.to_string(),
        false => indices.join("-"),
    }
}

fn merged(environment: Option<&Value>, identity: Vec<(&'static str, Value)>) -> Value {
    if let Some(Value::List(list)) = environment {
        let own = identity
            .iter()
            .map(|(k, v)| Value::from(format!("{k}={}", v.scalar().unwrap_or_default())));
        return Value::List(list.iter().cloned().chain(own).collect());
    }
    let mut map = environment.and_then(Value::as_map).cloned().unwrap_or_default();
    map.extend(identity.into_iter().map(|(k, v)| (Arc::from(k), v)));
    map.into()
}

/// The container ports in `expose` and `ports` of a definition, as `443/tcp`, each once.
#[must_use]
pub fn ports(definition: &Map) -> Vec<String> {
    let items = |key: &str| definition.get(key).and_then(Value::as_list).unwrap_or_default();
    let exposed = items("expose")
        .iter()
        .filter_map(|v| compose::ports::exposed(&v.scalar()?).ok());
    let published = items("ports").iter().filter_map(|v| compose::ports::read(v).ok());
    let targets = exposed.chain(published).flat_map(|port| port.targets());
    let each_once: IndexSet<_> = targets.collect();
    each_once.into_iter().map(|port| port.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_from_every_form() {
        let list = |items: &[&str]| Value::List(items.iter().map(|t| Value::from(*t)).collect());
        let long = Map::from_iter([
            ("target".into(), Value::Int(53)),
            ("protocol".into(), Value::from("udp")),
        ]);
        let definition = Map::from_iter([
            ("expose".into(), list(&["443", "8000-8002", "443/tcp"])),
            (
                "ports".into(),
                Value::List([Value::from("127.0.0.1:80:8080"), Value::from(long)].into()),
            ),
        ]);
        assert_eq!(
            ports(&definition),
            ["443/tcp", "8000/tcp", "8001/tcp", "8002/tcp", "8080/tcp", "53/udp"]
        );
    }
}
