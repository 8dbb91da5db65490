//! A topology in the engine's words: what `up` will ask for, or why it cannot.
//!
//! Every service key is either translated here or refused by its path, before anything is touched.

mod endpoint;
mod host;
mod network;
mod read;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bollard::models::{ContainerCreateBody, HostConfig};
use serde_json::json;

use super::{Condition, ContainerSpec, Dependency, FileSpec, Pull, Wanted, WantedNode, hash, label, sha256};
use crate::blueprint::ConfigKind;
use crate::compose::ports;
use crate::diagnostic::{Problem, Problems};
use crate::topology::{Attachment, ConfigSource, Node, Service, Topology};
use crate::value::Value;

/// Where a cluster comes from: told to the engine for people to see, and no part of what is compared.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The blueprint's path, or the name of a shipped one.
    pub blueprint: String,
    /// The directory it stands in.
    pub directory: String,
}

/// What the engine is to be told of `topology`.
///
/// # Errors
/// Every key that has no translation, each by its path.
pub fn translate(topology: &Topology, origin: &Origin) -> Result<Wanted, Problems> {
    let mut problems = Problems::default();
    let inout = Arc::new(network::network(topology, None, &topology.inout, &mut problems));
    let mut nodes = Vec::with_capacity(topology.nodes.len());
    for node in &topology.nodes {
        let networks = node.networks.iter();
        let networks = networks.map(|n| Arc::new(network::network(topology, Some(node), n, &mut problems)));
        let networks = networks.collect();
        let service = |service| {
            let mut translation = Translation {
                topology,
                node,
                service,
                problems: &mut problems,
            };
            Arc::new(translation.container(origin))
        };
        nodes.push(WantedNode {
            name: node.name.clone(),
            role: node.role.clone(),
            networks,
            containers: node.services.iter().map(service).collect(),
        });
    }
    let shared = topology
        .shared
        .iter()
        .map(|n| Arc::new(network::network(topology, None, n, &mut problems)))
        .collect();
    let wanted = Wanted {
        shared,
        cluster: topology.cluster.clone(),
        roles: topology.roles.clone(),
        order: topology.order.clone(),
        inout,
        nodes,
        volumes: Vec::new(),
        layout: topology.layout,
    };
    network::bridges_have_room(&wanted, &mut problems);
    match problems.is_empty() {
        true => Ok(wanted),
        false => Err(problems),
    }
}

/// Labels of the user's, who cannot say topogen's own: by those it knows what it may touch.
fn user_labels(value: &Value, path: &str, problems: &mut Problems) -> HashMap<String, String> {
    let labels = read::strings(value, path, problems);
    for key in labels.keys().filter(|k| k.starts_with(label::PREFIX)) {
        problems.push(
            Problem::general(format!(
                "`{path}.{key}`: labels that begin with `{}` are topogen's own",
                label::PREFIX
            ))
            .hint("call it otherwise"),
        );
    }
    labels
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

fn refuse(problems: &mut Problems, path: &str) {
    problems.push(
        Problem::general(format!(
            "`{path}`: `topogen up` does not know how to ask the engine for this"
        ))
        .hint("leave it out, or `topogen render` the files and bring them up with `docker compose`"),
    );
}

struct Translation<'a> {
    topology: &'a Topology,
    node: &'a Node,
    service: &'a Service,
    problems: &'a mut Problems,
}

impl Translation<'_> {
    fn path(&self, key: &str) -> String {
        format!("roles.{}.services.{}.{key}", self.node.role, self.service.name)
    }

    fn refuse(&mut self, key: &str) {
        let path = self.path(key);
        refuse(self.problems, &path);
    }

    fn wrong(&mut self, key: &str, expected: &str) {
        let path = self.path(key);
        self.problems
            .push(Problem::general(format!("`{path}`: expected {expected}")));
    }

    fn container(&mut self, origin: &Origin) -> ContainerSpec {
        let mut body = ContainerCreateBody::default();
        let mut labels = BTreeMap::new();
        let mut after: Vec<Dependency> = Vec::new();
        let mut files = Vec::new();
        let mut links = Vec::new();
        let mut host = HostConfig::default();
        let definition = self.service.definition.clone();
        for (key, value) in definition.iter() {
            let path = self.path(key);
            match &**key {
                "image" => body.image = read::text(value, &path, self.problems),
                "command" => body.cmd = self.words(key, value),
                "entrypoint" => body.entrypoint = self.words(key, value),
                "environment" => body.env = Some(self.environment(value)),
                "expose" => body.exposed_ports = Some(self.exposed(value)),
                "labels" => labels.extend(user_labels(value, &path, self.problems)),
                "stop_signal" => body.stop_signal = read::text(value, &path, self.problems),
                "stop_grace_period" => body.stop_timeout = self.grace(value),
                "depends_on" => after.extend(self.dependencies(value)),
                "links" => links.extend(self.links(value, &mut after)),
                "external_links" => links.extend(read::texts(value, &path, self.problems)),
                "configs" => files.extend(self.files(ConfigKind::Config, value)),
                "secrets" => files.extend(self.files(ConfigKind::Secret, value)),
                key if key.starts_with("x-") => {}
                // What `docker compose up` shows of a service while it waits: `up` here waits for nobody's output.
                "attach" => {}
                "network_mode" | "pid" | "ipc" => self.namespace(key, value, &mut host),
                key => {
                    if !host::set(key, value, &mut body, &mut host, &path, self.problems) {
                        self.refuse(key);
                    }
                }
            }
        }
        if body.image.as_deref().unwrap_or_default().is_empty() {
            let path = format!("roles.{}.services.{}", self.node.role, self.service.name);
            self.problems.push(
                Problem::general(format!("`{path}` has no `image`"))
                    .hint("name one, or see it run with a fake in its place: `topogen up --fake`"),
            );
        }
        after.dedup();
        let endpoints = self.endpoints(&links);
        let mode = || {
            endpoints
                .first()
                .map_or_else(|| "none".to_owned(), |(name, _)| name.to_string())
        };
        host.network_mode = host.network_mode.or_else(|| Some(mode()));
        body.host_config = Some(host);
        labels.extend(self.labels());
        body.labels = Some(labels.into_iter().collect());
        let hash = hash(&json!({
            "name": self.service.container,
            "body": body,
            "endpoints": endpoints,
            "after": after,
            "files": files,
        }));
        if let Some(labels) = &mut body.labels {
            labels.insert(label::CONFIG_HASH.to_owned(), hash.clone());
            labels.insert(label::compose::CONFIG_HASH.to_owned(), hash.clone());
            let before = self.topology.order.iter().filter(|o| o.role == self.node.role);
            let before: Vec<&str> = before.map(|o| o.after.as_str()).collect();
            if !before.is_empty() {
                labels.insert(label::AFTER.to_owned(), before.join(","));
            }
            labels.insert(label::DEFINITION.to_owned(), self.definition(&files));
            labels.insert(label::compose::VERSION.to_owned(), version());
            labels.insert(label::compose::DEPENDS_ON.to_owned(), self.told_dependencies(&after));
            labels.insert(label::NAMES.to_owned(), self.names().join(" "));
            labels.insert(label::BLUEPRINT.to_owned(), origin.blueprint.clone());
            labels.insert(label::compose::CONFIG_FILES.to_owned(), origin.blueprint.clone());
            labels.insert(label::compose::WORKING_DIR.to_owned(), origin.directory.clone());
        }
        ContainerSpec {
            name: self.service.container.clone(),
            node: self.node.name.clone(),
            service: self.service.name.clone(),
            endpoints,
            after,
            joined: Vec::new(),
            volumes: Vec::new(),
            pull: Pull::default(),
            platform: None,
            files,
            body,
            hash,
        }
    }

    /// The files that `configs` or `secrets` of a service ask for (Compose specification, services, `configs`).
    fn files(&mut self, kind: ConfigKind, value: &Value) -> Vec<FileSpec> {
        let mut files = Vec::new();
        for item in value.as_list().unwrap_or_default() {
            let field = |key: &str| item.as_map().and_then(|m| m.get(key)).and_then(Value::scalar);
            let name = item.scalar().or_else(|| field("source")).unwrap_or_default();
            let Some(config) = self.node.configs.iter().find(|c| c.kind == kind && *c.name == *name) else {
                continue;
            };
            let (mode, content) = match &config.source {
                ConfigSource::File { mode, content, .. } => (*mode, content.clone()),
                ConfigSource::Environment { value: Some(value), .. } => (0o444, Arc::from(value.as_bytes())),
                ConfigSource::Environment { name, .. } => {
                    self.wrong(
                        kind.section(),
                        &format!("variable `{name}` of the environment to be set"),
                    );
                    continue;
                }
                ConfigSource::External(_) => {
                    self.refuse(&format!("{}.{name}.external", kind.section()));
                    continue;
                }
            };
            let target = match field("target") {
                Some(target) if target.starts_with('/') => target,
                Some(target) if kind == ConfigKind::Secret => format!("/run/secrets/{target}"),
                Some(target) => format!("/{target}"),
                None => kind.default_target(&name),
            };
            let owner = |key: &str| field(key).and_then(|id| id.parse().ok()).unwrap_or(0);
            files.push(FileSpec {
                target,
                mode,
                uid: owner("uid"),
                gid: owner("gid"),
                digest: sha256(&content),
                content,
            });
        }
        files
    }

    /// The service in the blueprint's words, of its files' contents a part of their digests: for people to see what
    /// changed.
    fn definition(&self, files: &[FileSpec]) -> String {
        let mut definition = json!(self.service.definition);
        if let Some(map) = definition.as_object_mut() {
            let network = |a: &Attachment| {
                (
                    a.network.to_string(),
                    json!({"aliases": a.aliases, "options": a.options}),
                )
            };
            let networks: serde_json::Map<_, _> = self.service.attachments.iter().map(network).collect();
            map.insert("networks".to_owned(), networks.into());
            let file = |f: &FileSpec| (f.target.clone(), f.digest.get(..12).into());
            let files: serde_json::Map<_, _> = files.iter().map(file).collect();
            map.insert("files".to_owned(), files.into());
        }
        definition.sort_all_objects();
        definition.to_string()
    }

    fn labels(&self) -> Vec<(String, String)> {
        [
            (label::CLUSTER, self.topology.cluster.to_string()),
            (label::ROLE, self.node.role.to_string()),
            (label::NODE, self.node.name.to_string()),
            (label::SERVICE, self.service.name.to_string()),
            (label::compose::PROJECT, self.node.project.to_string()),
            (label::compose::SERVICE, self.service.key.to_string()),
            (label::compose::CONTAINER_NUMBER, "1".to_owned()),
            (label::compose::ONEOFF, "False".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
    }

    /// `command` and `entrypoint`: a list as it is, a text split as a shell splits it.
    fn words(&mut self, key: &str, value: &Value) -> Option<Vec<String>> {
        match value {
            Value::Null => None,
            Value::List(_) | Value::Map(_) => {
                let path = self.path(key);
                Some(read::texts(value, &path, self.problems))
            }
            other => match read::words(&other.scalar().unwrap_or_default()) {
                Ok(words) => Some(words),
                Err(reason) => {
                    self.wrong(key, &format!("words that Compose could split: {reason}"));
                    None
                }
            },
        }
    }

    /// `KEY=VALUE` lines; a key of a map without a value was looked up when the blueprint was read, so here it is blank.
    fn environment(&mut self, value: &Value) -> Vec<String> {
        let path = self.path("environment");
        let pairs = read::pairs(value, &path, self.problems).into_iter();
        pairs
            .map(|(key, value)| match value {
                Some(value) => format!("{key}={value}"),
                None => key,
            })
            .collect()
    }

    fn exposed(&mut self, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let path = self.path("expose");
        for item in read::texts(value, &path, self.problems) {
            match ports::exposed(&item) {
                Ok(port) => found.extend(port.targets()),
                Err(reason) => self.problems.push(Problem::general(format!("`{path}`: {reason}"))),
            }
        }
        found
    }

    /// A namespace that is not the container's own: the host's, or none. Another service's is not known yet.
    fn namespace(&mut self, key: &str, value: &Value, host: &mut HostConfig) {
        let mode = read::text(value, &self.path(key), self.problems);
        if mode
            .as_deref()
            .is_some_and(|m| m.starts_with("service:") || m.starts_with("container:"))
        {
            return self.refuse(key);
        }
        match key {
            "network_mode" => host.network_mode = mode,
            "pid" => host.pid_mode = mode,
            _ => host.ipc_mode = mode,
        }
    }

    /// Seconds, rounded up, of a Compose duration; nothing or a blank leaves it to the engine.
    fn grace(&mut self, value: &Value) -> Option<i64> {
        let nanoseconds = read::nanoseconds(value, &self.path("stop_grace_period"), self.problems)?;
        Some(nanoseconds.div_euclid(1_000_000_000) + i64::from(nanoseconds % 1_000_000_000 > 0))
    }

    /// What it answers to on the network of all nodes.
    fn names(&self) -> Vec<&str> {
        let attachments = self.service.attachments.iter();
        let on_inout = attachments.filter(|a| a.network == self.topology.inout.key);
        on_inout.flat_map(|a| &a.aliases).map(AsRef::as_ref).collect()
    }

    /// What it waits for, as Compose tells its containers (docker/compose `pkg/compose/create.go`, `prepareLabels`).
    fn told_dependencies(&self, after: &[Dependency]) -> String {
        let told = after.iter().filter_map(|dependency| {
            let mut services = self.node.services.iter();
            let service = services.find(|s| s.container == dependency.container)?;
            let condition = match dependency.condition {
                Condition::Started => "service_started",
                Condition::Healthy => "service_healthy",
                Condition::Completed => "service_completed_successfully",
            };
            Some(format!("{}:{condition}:{}", service.key, dependency.restart))
        });
        told.collect::<Vec<String>>().join(",")
    }

    /// The containers that `depends_on` names (Compose specification, services, `depends_on`).
    fn dependencies(&mut self, value: &Value) -> Vec<Dependency> {
        let mut found = Vec::new();
        match value {
            Value::Map(map) => {
                for (key, value) in map.iter() {
                    let at = format!("depends_on.{key}");
                    let Some(mut dependency) = self.dependency(key) else {
                        continue;
                    };
                    for (field, value) in value.as_map().into_iter().flatten() {
                        let path = self.path(&format!("{at}.{field}"));
                        match &**field {
                            "condition" => match value.scalar().as_deref() {
                                Some("service_started") => {}
                                Some("service_healthy") => dependency.condition = Condition::Healthy,
                                Some("service_completed_successfully") => dependency.condition = Condition::Completed,
                                _ => read::wrong(
                                    self.problems,
                                    &path,
                                    "`service_started`, `service_healthy` or `service_completed_successfully`",
                                    value,
                                ),
                            },
                            "required" => {
                                dependency.required = read::boolean(value, &path, self.problems).unwrap_or(true);
                            }
                            "restart" => {
                                dependency.restart = read::boolean(value, &path, self.problems).unwrap_or(false);
                            }
                            field if field.starts_with("x-") => {}
                            _ => refuse(self.problems, &path),
                        }
                    }
                    found.push(dependency);
                }
            }
            other => found.extend(other.one_or_many().iter().filter_map(|key| self.dependency(key))),
        }
        found
    }

    /// On the service of this node whose key is `key`; none where it takes no part.
    fn dependency(&self, key: &str) -> Option<Dependency> {
        let service = self.node.services.iter().find(|s| s.key.as_str() == key)?;
        Some(Dependency::started(service.container.clone()))
    }
}
