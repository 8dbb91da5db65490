//! Translates a topology into the desired state of one engine, which is what `up` asks for.
//!
//! A service key is either translated here or refused by its path, so that nothing is touched before every key is
//! understood.

mod depends;
mod endpoint;
mod env;
mod faults;
mod files;
mod host;
mod image;
mod mount;
pub mod needs;
mod network;
mod possible;
mod read;
mod resources;
mod security;
mod volume;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::json;

use crate::cluster::concealed;
use crate::cluster::{
    ContainerConfig, ContainerLink, ContainerSpec, Desired, DesiredNode, FileSpec, NetworkMode, Pull, label,
};
use crate::compose::ConfigKind;
use crate::compose::ports::{self, ContainerPort};
use crate::diagnostic::{Kind, Problem, Problems};
use crate::digest::sha256;
use crate::name::{ContainerName, RoleName};
use crate::topology::{Attachment, Node, Service, Topology};
use crate::value::Value;
use depends::{Link, Shares, Waits};
use faults::{Faults, Findings};
use volume::Volumes;

/// The source of a cluster. It is stored in labels for people to read, and is not compared.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The absolute path of the blueprint, or the name of a shipped one.
    pub blueprint: String,
    /// The absolute directory that the blueprint is in.
    pub directory: String,
    /// The options that change what the blueprint says, as JSON; empty if there are none.
    pub options: String,
}

/// The desired state of `topology`.
///
/// # Errors
/// Every key that has no translation, each by its path.
pub fn translate(topology: &Topology, origin: &Origin) -> Result<Desired, Problems> {
    let mut findings = Findings::default();
    findings.problems.extend(topology.mistakes.clone());
    let mut volumes = Volumes::default();
    let mut before: HashMap<&RoleName, Vec<&str>> = HashMap::new();
    for order in &topology.order {
        before.entry(&order.role).or_default().push(order.after.as_str());
    }
    let inout = Arc::new(network::network(topology, None, &topology.inout, &mut findings));
    let mut nodes = Vec::with_capacity(topology.nodes.len());
    for node in &topology.nodes {
        let networks = node.networks.iter();
        let networks = networks.map(|n| Arc::new(network::network(topology, Some(node), n, &mut findings)));
        let networks = networks.collect();
        let service = |service: &Service| {
            let base = format!("roles.{}.services.{}", node.role, service.name);
            let mut translation = Translation {
                topology,
                node,
                service,
                origin,
                faults: Faults::new(base, &service.written, &mut findings),
                volumes: &mut volumes,
                before: &before,
            };
            translation.containers()
        };
        nodes.push(DesiredNode {
            name: node.name.clone(),
            role: node.role.clone(),
            networks,
            containers: node.services.iter().flat_map(service).collect(),
        });
    }
    let shared = topology
        .shared
        .iter()
        .map(|n| Arc::new(network::network(topology, None, n, &mut findings)))
        .collect();
    let mut desired = Desired {
        shared,
        cluster: topology.cluster.clone(),
        roles: topology.roles.clone(),
        order: topology.order.clone(),
        inout,
        nodes,
        volumes: volumes.into_specs(),
        layout: topology.layout,
        needs: Vec::new(),
        is_part: false,
    };
    network::bridges_have_room(&desired, &mut findings.problems);
    desired.needs = findings.needs;
    match findings.problems.is_empty() {
        true => Ok(desired),
        false => Err(findings.problems),
    }
}

/// The labels that the user asks for. A label of topogen's own is refused, since those decide what it may touch.
fn user_labels(value: &Value, path: &str, faults: &mut Faults<'_>) -> BTreeMap<String, String> {
    let labels = read::strings(value, path, faults);
    not_ours(labels.keys(), path, faults);
    labels
}

fn not_ours<'l>(labels: impl Iterator<Item = &'l String>, path: &str, faults: &mut Faults<'_>) {
    for key in labels.filter(|k| k.starts_with(label::PREFIX)) {
        let path = format!("{path}.{key}");
        let message = format!("`{path}`: labels that begin with `{}` are topogen's own", label::PREFIX);
        faults.push(&path, Problem::general(message).hint("call it otherwise"));
    }
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

struct Translation<'a> {
    topology: &'a Topology,
    node: &'a Node,
    service: &'a Service,
    origin: &'a Origin,
    faults: Faults<'a>,
    volumes: &'a mut Volumes,
    /// The roles that each role starts after.
    before: &'a HashMap<&'a RoleName, Vec<&'a str>>,
}

/// What all containers of a service share, collected key by key.
#[derive(Default)]
struct Draft {
    config: ContainerConfig,
    /// The `network_mode` that the service asks for; `None` if it joins networks.
    network_mode: Option<NetworkMode>,
    links: Vec<Link>,
    external_links: Vec<ContainerLink>,
    shares: Shares,
    volumes: Vec<String>,
    files: Vec<FileSpec>,
    /// The path in the topology that asks for each of the files, in their order.
    file_paths: Vec<String>,
    pull: Pull,
    platform: Option<String>,
}

/// The finished draft of a service, with what depends on several keys.
struct Common {
    draft: Draft,
    config: Arc<ContainerConfig>,
    waits: Waits,
    /// Labels that are part of the hash.
    labels: BTreeMap<String, String>,
    /// Labels for information only, which are not part of the hash.
    informational: Vec<(&'static str, String)>,
}

impl Translation<'_> {
    fn path(&self, key: &str) -> String {
        format!("roles.{}.services.{}.{key}", self.node.role, self.service.name)
    }

    fn refuse(&mut self, key: &str) {
        let path = self.path(key);
        self.faults.refuse(&path);
    }

    fn wrong(&mut self, key: &str, expected: &str) {
        let path = self.path(key);
        self.faults.because(&path, &format!("expected {expected}"));
    }

    /// The containers of the service. A service without `scale` or `replicas` has one.
    fn containers(&mut self) -> Vec<Arc<ContainerSpec>> {
        let mut draft = Draft::default();
        let definition = self.service.definition.clone();
        for (key, value) in definition.iter() {
            self.key(key, value, &mut draft);
        }
        // An image with a name of its own may have been built already, by Compose or by hand.
        match definition.get("build") {
            Some(_) if draft.config.image.is_empty() => self.faults.refuse(&self.path("build")),
            Some(_) if !definition.contains_key("pull_policy") => draft.pull = Pull::Built,
            _ => {}
        }
        if draft.config.image.is_empty() {
            let path = format!("roles.{}.services.{}", self.node.role, self.service.name);
            let mut problem = Problem::general(format!("`{path}` has no `image`"))
                .hint("name one, or see it run with a fake in its place: `--fake`");
            // Compose builds it, or has another program provide it.
            if !["build", "provider"].iter().any(|key| definition.contains_key(*key)) {
                problem.kind = Kind::Compose;
            }
            self.faults.push(&path, problem);
        }
        if let Some(deploy) = self.service.get("deploy") {
            resources::deploy(deploy, &mut draft.config, &self.path("deploy"), &mut self.faults);
        }
        let base = format!("roles.{}.services.{}", self.node.role, self.service.name);
        let service = self.service;
        let path = |key: &str| {
            let below = match key {
                "mem_limit" => "deploy.resources.limits.memory",
                "mem_reservation" => "deploy.resources.reservations.memory",
                "cpus" => "deploy.resources.limits.cpus",
                _ => key,
            };
            let written = if service.get(key).is_some() { key } else { below };
            format!("{base}.{written}")
        };
        possible::limits(&draft.config, &path, &mut self.faults);
        self.make_room(&mut draft);
        draft.config.environment = self.environment();
        let waits = self.waits(&draft.links, &draft.shares);
        let mut labels = self.own_labels();
        labels.extend(self.labels(&waits));
        let common = Common {
            config: Arc::new(std::mem::take(&mut draft.config)),
            waits,
            labels,
            informational: self.informational_labels(&draft.files),
            draft,
        };
        let containers = (1..).zip(self.service.containers());
        let containers = containers.map(|(number, name)| self.container(number, name, &common));
        containers.map(Arc::new).collect()
    }

    /// Translates one key of the service into `draft`.
    fn key(&mut self, key: &str, value: &Value, draft: &mut Draft) {
        let path = self.path(key);
        let config = &mut draft.config;
        match key {
            "image" => config.image = read::text(value, &path, &mut self.faults).unwrap_or_default(),
            "command" => config.command = self.arguments(key, value),
            "entrypoint" => config.entrypoint = self.arguments(key, value),
            "expose" => {
                let exposed = self.exposed(value);
                config.exposed.get_or_insert_default().extend(exposed);
            }
            "stop_signal" => config.stop_signal = possible::stop_signal(value, &path, &mut self.faults),
            "stop_grace_period" => config.stop_timeout = self.grace(value),
            "network_mode" => draft.network_mode = self.network_mode(value, &mut draft.shares),
            "pid" => config.namespaces.pid = self.pid_mode(value, &mut draft.shares),
            "ipc" => config.namespaces.ipc = self.ipc_mode(value, &mut draft.shares),
            "volumes_from" => self.volumes_from(value, config, &mut draft.shares),
            "volumes" => draft.volumes = self.volumes(value, config),
            "links" => draft.links = self.links(value),
            "external_links" => draft.external_links = self.external_links(value),
            "configs" => self.files(ConfigKind::Config, value, draft),
            "secrets" => self.files(ConfigKind::Secret, value, draft),
            "platform" => draft.platform = read::text(value, &path, &mut self.faults).filter(|p| !p.is_empty()),
            "pull_policy" => draft.pull = self.pull(value),
            // These depend on each other, and are read once the draft is complete.
            "environment" | "env_file" | "labels" | "label_file" | "depends_on" | "deploy" | "mac_address"
            | "pull_refresh_after" => {}
            // The replicas were counted when the blueprint was expanded.
            "scale" => {}
            // It selects whose output `docker compose up` prints; `up` prints no output.
            "attach" => {}
            // What it says is looked at together with `image`.
            "build" => {}
            "security_opt" => self.security(value, &mut config.security),
            key if key.starts_with("x-") => {}
            key => {
                let faults = &mut self.faults;
                let known =
                    host::set(key, value, config, &path, faults) || resources::set(key, value, config, &path, faults);
                // Keys such as `provider` and `models` are carried out by Compose itself or by programs that
                // it calls.
                if !known {
                    faults.refuse(&path);
                }
            }
        }
    }

    /// The container `number` of the service, counted from 1.
    fn container(&mut self, number: u32, name: ContainerName, common: &Common) -> ContainerSpec {
        let Common { draft, waits, .. } = common;
        let mut joined = draft.shares.joined.clone();
        let mut links = self.linked(number, draft);
        let endpoints = self.endpoints(&name, &links);
        let network_mode = match (&draft.network_mode, endpoints.first()) {
            (Some(mode), _) => {
                // With a network mode the engine resolves the links itself, so that the containers must exist first.
                if !links.is_empty() {
                    joined.extend(self.linked_containers(draft));
                }
                mode.clone()
            }
            (None, first) => {
                links.clear();
                first.map_or(NetworkMode::None, |e| NetworkMode::Network(e.network.to_string()))
            }
        };
        let mut labels = common.labels.clone();
        labels.insert(label::compose::CONTAINER_NUMBER.to_owned(), number.to_string());
        let mut spec = ContainerSpec {
            name,
            node: self.node.name.clone(),
            service: self.service.name.clone(),
            labels,
            network_mode,
            endpoints,
            links,
            duty: self.node.duty(self.service),
            after: self.dependencies(waits, &draft.shares),
            joined,
            volumes: draft.volumes.clone(),
            carried: Vec::new(),
            pull: draft.pull,
            platform: draft.platform.clone(),
            files: draft.files.clone(),
            config: common.config.clone(),
            hash: String::new(),
        };
        spec.hash = match spec.compared() {
            Ok(compared) => self.faults.hash(&(compared, waits.fingerprint())),
            // The fault is reported with the reason that JSON gives.
            Err(_) => self.faults.hash(&spec),
        };
        let own = [
            (label::CONFIG_HASH, spec.hash.clone()),
            (label::compose::CONFIG_HASH, spec.hash.clone()),
            (label::NAME, spec.name.to_string()),
            (label::VOLUMES, spec.volumes.join(",")),
        ];
        let informational = common.informational.iter().cloned().chain(own);
        spec.labels
            .extend(informational.map(|(key, value)| (key.to_owned(), value)));
        spec
    }

    /// The service as the blueprint defines it, with digests in place of the contents of files. It is stored in a
    /// label, so that a later command can say what changed.
    fn definition(&self, files: &[FileSpec]) -> String {
        let mut definition = json!(self.service.definition);
        if let Some(map) = definition.as_object_mut() {
            let network = |a: &Attachment| {
                let network = self.topology.network(self.node, &a.network);
                let name = network.map(|n| n.name.to_string());
                (
                    a.network.to_string(),
                    json!({"aliases": a.aliases, "options": a.options, "network": name}),
                )
            };
            let networks: serde_json::Map<_, _> = self.service.attachments.iter().map(network).collect();
            map.insert("networks".to_owned(), networks.into());
            let file = |f: &FileSpec| (f.target.clone(), f.digest.get(..12).into());
            let mut files: serde_json::Map<_, _> = files.iter().map(file).collect();
            files.extend(self.digests().into_iter().map(|(path, digests)| (path, json!(digests))));
            map.insert("files".to_owned(), files.into());
            // The number of replicas changes no container.
            map.remove("scale");
            if let Some(deploy) = map.get_mut("deploy").and_then(|d| d.as_object_mut()) {
                deploy.remove("replicas");
            }
        }
        let salt = [
            self.topology.cluster.as_str(),
            self.node.name.as_str(),
            self.service.name.as_str(),
        ]
        .join("/");
        let mut definition = concealed(definition, &sha256(salt.as_bytes())[..16]);
        definition.sort_all_objects();
        definition.to_string()
    }

    /// The labels that are part of the hash.
    fn labels(&self, waits: &Waits) -> impl Iterator<Item = (String, String)> + use<> {
        [
            (label::CLUSTER, self.topology.cluster.to_string()),
            (label::ROLE, self.node.role.to_string()),
            (label::NODE, self.node.name.to_string()),
            (label::SERVICE, self.service.name.to_string()),
            (label::compose::PROJECT, self.node.project.to_string()),
            (label::compose::SERVICE, self.service.key.to_string()),
            (label::compose::ONEOFF, "False".to_owned()),
            (label::compose::DEPENDS_ON, waits.label()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
    }

    /// The labels that are for information only. They are left out of the hash, so that another version of topogen or
    /// another path of the blueprint recreates nothing.
    fn informational_labels(&self, files: &[FileSpec]) -> Vec<(&'static str, String)> {
        let mut labels = vec![
            (label::DEFINITION, self.definition(files)),
            (label::compose::VERSION, version()),
            (label::NAMES, self.names().join(" ")),
            (label::DUTY, self.node.duty(self.service).word().to_owned()),
            (label::BLUEPRINT, self.origin.blueprint.clone()),
            (label::OPTIONS, self.origin.options.clone()),
            (label::compose::CONFIG_FILES, self.origin.blueprint.clone()),
            (label::compose::WORKING_DIR, self.origin.directory.clone()),
        ];
        let before = self
            .before
            .get(&self.node.role)
            .map_or_else(String::new, |b| b.join(","));
        // An image may carry any label: what is always set here, none of an image's can stand for.
        labels.extend([
            (label::AFTER, before),
            (label::CARRIED, String::new()),
            (label::HELPER, String::new()),
        ]);
        labels
    }

    /// The aliases of the service on the network that all nodes share; of one that has none there, those on networks of the
    /// cluster, each once.
    fn names(&self) -> Vec<&str> {
        let attachments = || self.service.attachments.iter().filter(|a| a.shared);
        let is_link = |a: &&Attachment| {
            let network = self.topology.shared_network(self.node, &a.network);
            network.is_some_and(|n| n.link.is_some())
        };
        let on_inout = attachments().filter(|a| a.network == self.topology.inout.key);
        let mut names: Vec<&str> = on_inout.flat_map(|a| &a.aliases).map(AsRef::as_ref).collect();
        if names.is_empty() {
            for alias in attachments()
                .filter(is_link)
                .flat_map(|a| &a.aliases)
                .map(AsRef::as_ref)
            {
                if !names.contains(&alias) {
                    names.push(alias);
                }
            }
        }
        names
    }

    /// The arguments in `command` or `entrypoint`. A list is taken as it is, and a text is split as a shell would.
    fn arguments(&mut self, key: &str, value: &Value) -> Option<Vec<String>> {
        match value {
            Value::Null => None,
            Value::List(_) | Value::Map(_) => {
                let path = self.path(key);
                Some(read::texts(value, &path, &mut self.faults))
            }
            other => match read::shell_words(&other.scalar().unwrap_or_default()) {
                Ok(words) => Some(words),
                Err(reason) => {
                    self.wrong(key, &format!("words that Compose could split: {reason}"));
                    None
                }
            },
        }
    }

    fn exposed(&mut self, value: &Value) -> Vec<ContainerPort> {
        let mut found = Vec::new();
        let path = self.path("expose");
        for item in read::texts(value, &path, &mut self.faults) {
            match ports::exposed(&item) {
                Ok(port) => found.extend(port.targets()),
                Err(reason) => self.faults.because(&path, &reason),
            }
        }
        found
    }

    /// The stop timeout in seconds, rounded up; `None` if the value is blank, which leaves it to the engine.
    fn grace(&mut self, value: &Value) -> Option<i64> {
        let nanoseconds = read::nanoseconds(value, &self.path("stop_grace_period"), &mut self.faults)?;
        Some(nanoseconds.div_euclid(1_000_000_000) + i64::from(nanoseconds % 1_000_000_000 > 0))
    }
}
