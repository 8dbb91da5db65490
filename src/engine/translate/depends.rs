//! What a container waits for, and which namespaces and volumes it shares with other containers of its node.

use indexmap::IndexMap;
use indexmap::map::Entry;

use super::{Translation, read};
use crate::cluster::label::DependsOn;
use crate::cluster::{ContainerConfig, ContainerLink, Dependency, IpcMode, NetworkMode, PidMode, VolumesFrom};
use crate::compose::Condition;
use crate::name::ContainerName;
use crate::topology::Service;
use crate::value::Value;

/// How a service waits for another one (Compose specification, services, `depends_on`).
#[derive(Clone, Copy)]
struct Wait {
    condition: Condition,
    required: bool,
    restart: bool,
}

impl Wait {
    fn started(restart: bool) -> Self {
        Self {
            condition: Condition::Started,
            required: true,
            restart,
        }
    }
}

/// The services that a service waits for, by key. Beside those of `depends_on`, these are the ones that it shares
/// something with or links to.
#[derive(Default)]
pub(super) struct Waits(IndexMap<String, Wait>);

impl Waits {
    /// Adds a dependency on the service `key`, unless `depends_on` has one already.
    fn imply(&mut self, key: &str, restart: bool) {
        if let Entry::Vacant(entry) = self.0.entry(key.to_owned()) {
            entry.insert(Wait::started(restart));
        }
    }

    /// The value of Compose's own label for dependencies, such as `db:service_healthy:false`.
    pub(super) fn label(&self) -> String {
        DependsOn::join(self.0.iter().map(|(key, wait)| DependsOn {
            key,
            condition: wait.condition,
            restart: wait.restart,
        }))
    }

    /// The dependencies with the fields that the label leaves out, for the hash. The number of containers of a service
    /// is no part of it.
    pub(super) fn fingerprint(&self) -> Vec<(&str, Condition, bool, bool)> {
        let waits = self.0.iter();
        let mut all: Vec<_> = waits
            .map(|(key, w)| (key.as_str(), w.condition, w.required, w.restart))
            .collect();
        all.sort_unstable_by_key(|(key, ..)| *key);
        all
    }
}

/// A name that this container has for the containers of another service (Compose specification, services, `links`).
pub(super) struct Link {
    /// The key of the other service.
    pub(super) key: String,
    /// The name that this container uses for it.
    pub(super) alias: String,
}

/// What a container shares with others.
#[derive(Default)]
pub(super) struct Shares {
    /// The containers whose namespaces or volumes it shares.
    pub(super) joined: Vec<ContainerName>,
    /// The services of these containers, by key, and whether their restart also restarts this container.
    services: Vec<(String, bool)>,
}

impl Shares {
    fn add(&mut self, service: &str, restart: bool, container: ContainerName) {
        self.services.push((service.to_owned(), restart));
        if !self.joined.contains(&container) {
            self.joined.push(container);
        }
    }
}

/// The value of `network_mode`, `pid` or `ipc`.
enum Namespace {
    /// The namespace of this container, by name or ID.
    Container(String),
    /// A word of the engine's, such as `host` or `none`.
    Word(String),
}

impl Translation<'_> {
    /// All dependencies of the service, in the order in which Compose writes them.
    pub(super) fn waits(&mut self, links: &[Link], shares: &Shares) -> Waits {
        let mut waits = Waits::default();
        match self.service.get("depends_on") {
            None | Some(Value::Null) => {}
            Some(Value::Map(map)) => {
                for (key, value) in map.iter() {
                    let wait = self.wait(key, value);
                    waits.0.insert(key.to_string(), wait);
                }
            }
            Some(other) => {
                for key in read::texts(other, &self.path("depends_on"), &mut self.faults) {
                    waits.imply(&key, false);
                }
            }
        }
        links.iter().for_each(|link| waits.imply(&link.key, true));
        for (key, restart) in &shares.services {
            waits.imply(key, *restart);
        }
        waits
    }

    /// One entry of `depends_on` in its long form.
    fn wait(&mut self, key: &str, value: &Value) -> Wait {
        let at = self.path(&format!("depends_on.{key}"));
        let mut wait = Wait::started(false);
        for (field, value) in read::map(value, &at, &mut self.faults).into_iter().flatten() {
            let at = &*format!("{at}.{field}");
            match &**field {
                "condition" => match value.scalar().as_deref() {
                    Some("service_started") => {}
                    Some("service_healthy") => wait.condition = Condition::Healthy,
                    Some("service_completed_successfully") => wait.condition = Condition::Completed,
                    _ => {
                        let expected = "`service_started`, `service_healthy` or `service_completed_successfully`";
                        self.faults.wrong(at, expected, value);
                    }
                },
                "required" => wait.required = read::boolean(value, at, &mut self.faults).unwrap_or(true),
                "restart" => wait.restart = read::boolean(value, at, &mut self.faults).unwrap_or(false),
                field => self.faults.unknown(field, at, &["condition", "required", "restart"]),
            }
        }
        let turned_off = self.sibling(key).is_some_and(Service::has_no_healthcheck);
        if wait.condition == Condition::Healthy && wait.required && turned_off {
            self.faults.because(
                &format!("{at}.condition"),
                &format!("`{key}` never becomes healthy: its healthcheck is turned off"),
            );
        }
        wait
    }

    /// The containers behind `waits`. A dependency on a service without replicas has none.
    pub(super) fn dependencies(&self, waits: &Waits, shares: &Shares) -> Vec<Dependency> {
        let mut found = Vec::new();
        for (key, wait) in &waits.0 {
            let containers = self.sibling(key).into_iter().flat_map(Service::containers);
            // Only one replica is shared, so a restart of the others must not restart this container.
            let shared = shares.services.iter().any(|(service, _)| service == key) && !self.says_it_depends_on(key);
            found.extend(containers.map(|container| Dependency {
                condition: wait.condition,
                required: wait.required,
                restart: wait.restart && (!shared || shares.joined.contains(&container)),
                container,
            }));
        }
        found
    }

    /// Whether `depends_on` names the service `key` itself.
    fn says_it_depends_on(&self, key: &str) -> bool {
        match self.service.get("depends_on") {
            Some(Value::Map(map)) => map.contains_key(key),
            Some(other) => other.one_or_many().iter().any(|k| k == key),
            None => false,
        }
    }

    /// The service of the same node with this key.
    pub(super) fn sibling(&self, key: &str) -> Option<&Service> {
        self.node.services.iter().find(|s| s.key.as_str() == key)
    }

    /// The entries of `links`.
    pub(super) fn links(&mut self, value: &Value) -> Vec<Link> {
        let links = read::texts(value, &self.path("links"), &mut self.faults);
        let link = |text: String| {
            let (key, alias) = text.split_once(':').unwrap_or((&text, &text));
            Link {
                key: key.to_owned(),
                alias: alias.to_owned(),
            }
        };
        links.into_iter().map(link).collect()
    }

    /// The entries of `external_links`: each container with the name that it gets here.
    pub(super) fn external_links(&mut self, value: &Value) -> Vec<ContainerLink> {
        let links = read::texts(value, &self.path("external_links"), &mut self.faults);
        let named = |text: String| {
            let (container, alias) = text.split_once(':').unwrap_or((&text, &text));
            ContainerLink {
                container: container.to_owned(),
                alias: alias.to_owned(),
            }
        };
        links.into_iter().map(named).collect()
    }

    /// The value of `network_mode`; `None` if the container gets a network namespace of its own.
    pub(super) fn network_mode(&mut self, value: &Value, shares: &mut Shares) -> Option<NetworkMode> {
        Some(match self.namespace("network_mode", value, shares)? {
            Namespace::Container(container) => NetworkMode::Container(container),
            Namespace::Word(word) => match word.as_str() {
                "none" => NetworkMode::None,
                "host" => NetworkMode::Host,
                _ => NetworkMode::Network(word),
            },
        })
    }

    /// The value of `pid`; `None` if the container gets a process namespace of its own.
    pub(super) fn pid_mode(&mut self, value: &Value, shares: &mut Shares) -> Option<PidMode> {
        Some(match self.namespace("pid", value, shares)? {
            Namespace::Container(container) => PidMode::Container(container),
            Namespace::Word(word) => match word.as_str() {
                "host" => PidMode::Host,
                _ => return self.no_namespace("pid", &["host"], value),
            },
        })
    }

    /// The value of `ipc`; `None` leaves it to the engine's default.
    pub(super) fn ipc_mode(&mut self, value: &Value, shares: &mut Shares) -> Option<IpcMode> {
        Some(match self.namespace("ipc", value, shares)? {
            Namespace::Container(container) => IpcMode::Container(container),
            Namespace::Word(word) => match word.as_str() {
                "host" => IpcMode::Host,
                "none" => IpcMode::None,
                "private" => IpcMode::Private,
                "shareable" => IpcMode::Shareable,
                _ => return self.no_namespace("ipc", &["host", "none", "private", "shareable"], value),
            },
        })
    }

    /// The value of `network_mode`, `pid` or `ipc`; `None` if it is blank, or names a service that has no container.
    fn namespace(&mut self, key: &str, value: &Value, shares: &mut Shares) -> Option<Namespace> {
        let path = self.path(key);
        let text = read::text(value, &path, &mut self.faults).filter(|t| !t.is_empty())?;
        let container = match text.split_once(':') {
            Some(("service", service)) => self.shared_service(service, true, &path, shares)?,
            Some(("container", container)) => self.shared_container(container, shares),
            _ => return Some(Namespace::Word(text)),
        };
        Some(Namespace::Container(container))
    }

    /// Reports that `value` is neither one of the `known` words nor another container.
    fn no_namespace<T>(&mut self, key: &str, known: &[&str], value: &Value) -> Option<T> {
        let words: Vec<String> = known.iter().map(|w| format!("`{w}`")).collect();
        let expected = format!("{}, `service:NAME` or `container:NAME`", words.join(", "));
        self.faults.wrong(&self.path(key), &expected, value);
        None
    }

    /// The entries of `volumes_from`: `SERVICE[:MODE]` or `container:NAME[:MODE]`.
    pub(super) fn volumes_from(&mut self, value: &Value, config: &mut ContainerConfig, shares: &mut Shares) {
        let path = self.path("volumes_from");
        for (at, text) in read::texts(value, &path, &mut self.faults).iter().enumerate() {
            let path = format!("{path}[{at}]");
            let (container, mode) = match text.strip_prefix("container:") {
                Some(rest) => {
                    let (name, mode) = rest.split_once(':').unwrap_or((rest, ""));
                    (Some(self.shared_container(name, shares)), mode)
                }
                None => {
                    let (key, mode) = text.split_once(':').unwrap_or((text, ""));
                    (self.shared_service(key, false, &path, shares), mode)
                }
            };
            if !["", "ro", "rw", "z", "Z"].contains(&mode) {
                self.faults
                    .because(&path, &format!("expected `ro` or `rw`, found `{mode}`"));
            }
            let Some(container) = container else { continue };
            config.volumes_from.push(VolumesFrom {
                container,
                mode: Some(mode.to_owned()).filter(|m| !m.is_empty()),
            });
        }
    }

    /// The name of the first container of the service `key`, recorded as shared.
    fn shared_service(&mut self, key: &str, restart: bool, path: &str, shares: &mut Shares) -> Option<String> {
        let container = self.sibling(key).and_then(|s| s.containers().next());
        let Some(container) = container else {
            self.faults
                .because(path, &format!("service `{key}` has no container to share with"));
            return None;
        };
        shares.add(key, restart, container.clone());
        Some(container.to_string())
    }

    /// The container `name`, recorded as shared if it belongs to this node.
    fn shared_container(&self, name: &str, shares: &mut Shares) -> String {
        for service in &self.node.services {
            if let Some(container) = service.containers().find(|c| c.as_str() == name) {
                shares.add(service.key.as_str(), false, container);
            }
        }
        name.to_owned()
    }
}
