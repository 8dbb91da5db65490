//! The named volumes of a cluster (Compose specification, top-level `volumes`).

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::faults::Faults;
use super::{Translation, read, user_labels, version};
use crate::blueprint::isolate::HINT;
use crate::cluster::{VolumeSpec, label};
use crate::diagnostic::Problem;
use crate::template::is_template;
use crate::topology;
use crate::value::{Map, Value};
use crate::yaml::Node;

/// The named volumes that containers mount, by their names in the engine.
#[derive(Default)]
pub(super) struct Volumes(IndexMap<String, VolumeSpec>);

impl Volumes {
    /// The specifications of all of them, in the order of first use.
    pub(super) fn into_specs(self) -> Vec<Arc<VolumeSpec>> {
        self.0.into_values().map(Arc::new).collect()
    }

    fn add(&mut self, spec: VolumeSpec, path: &str, faults: &mut Faults<'_>) {
        match self.0.get_mut(&spec.name) {
            None => {
                self.0.insert(spec.name.clone(), spec);
            }
            Some(other) if other.hash != spec.hash || other.external != spec.external => {
                let message = format!("`{path}`: two volumes are called `{}` and are not alike", spec.name);
                let hint = format!("say the same of both, or give one of them another `name`, {HINT}");
                faults.push(path, Problem::general(message).hint(hint));
            }
            // A name template may yield the same name for several nodes, which then share the volume.
            Some(other) if other.node != spec.node => {
                other.node = None;
                other.labels.remove(label::NODE);
                other.labels.remove(label::compose::PROJECT);
            }
            Some(_) => {}
        }
    }
}

/// What a volume is to be (Compose specification, top-level `volumes`).
#[derive(Default)]
struct Draft {
    name: Option<String>,
    external: bool,
    driver: Option<String>,
    driver_options: Option<BTreeMap<String, String>>,
    labels: BTreeMap<String, String>,
}

impl Translation<'_> {
    /// The engine's name of the volume that this node knows as `key`, which is added to the desired volumes: its own, or one
    /// of the cluster.
    pub(super) fn named(&mut self, key: &str, path: &str) -> Option<String> {
        let topology = self.topology;
        if let Some(definition) = self.node.volumes.get(key) {
            return Some(self.of_node(key, definition));
        }
        let Some(volume) = topology.volumes.iter().find(|v| *v.key == *key) else {
            self.faults
                .because(path, &format!("names no volume that is defined: `{key}`"));
            return None;
        };
        let path = format!("volumes.{key}");
        let mut faults = self.faults.elsewhere(path.clone(), &volume.written);
        let draft = Draft {
            name: Some(volume.name.clone()),
            external: volume.external,
            ..draft(&volume.options, &path, &mut faults)
        };
        let spec = draft.spec(volume.name.clone(), key, topology.cluster.as_str(), None, &mut faults);
        self.volumes.add(spec, &path, &mut faults);
        Some(volume.name.clone())
    }

    fn of_node(&mut self, key: &str, definition: &Value) -> String {
        let base = format!("roles.{}.volumes", self.node.role);
        let mut faults = self.faults.elsewhere(base.clone(), &self.node.volumes_written);
        let path = format!("{base}.{key}");
        let draft = match read::map(definition, &path, &mut faults) {
            Some(map) => draft(map, &path, &mut faults),
            None => Draft::default(),
        };
        let written = |below: &str| self.node.volumes_written.get(&format!("{key}.{below}"));
        let constant = |node: &Node| node.scalar().is_some_and(|text| !is_template(&text));
        let one_for_all = ["name", "external.name"].into_iter().filter_map(written).any(constant);
        let shared = draft.external || one_for_all;
        let name = match &draft.name {
            Some(name) => name.clone(),
            None if draft.external => key.to_owned(),
            None => format!("{}_{key}", self.node.project),
        };
        let node = (!shared).then_some(self.node);
        let spec = draft.spec(name.clone(), key, self.topology.cluster.as_str(), node, &mut faults);
        self.volumes.add(spec, &path, &mut faults);
        name
    }
}

/// What `map` says of the volume at `path`.
fn draft(map: &Map, path: &str, faults: &mut Faults<'_>) -> Draft {
    let mut draft = Draft::default();
    for (key, value) in map {
        let at = &*format!("{path}.{key}");
        match &**key {
            "name" => draft.name = read::text(value, at, faults),
            "external" => match value {
                // `external: {name: …}` is the older notation.
                Value::Map(map) => {
                    draft.external = true;
                    draft.name = draft.name.or(map.get("name").and_then(Value::scalar));
                }
                other => draft.external = read::boolean(other, at, faults).unwrap_or_default(),
            },
            "driver" => draft.driver = read::text(value, at, faults),
            "driver_opts" => draft.driver_options = Some(read::strings(value, at, faults)),
            "labels" => draft.labels = user_labels(value, at, faults),
            key => {
                let known = &["name", "external", "driver", "driver_opts", "labels"];
                faults.unknown(key, at, known);
            }
        }
    }
    draft
}

impl Draft {
    /// The specification of the volume `name`, which services know as `key`: that of `node`, or one that several mount.
    fn spec(
        self,
        name: String,
        key: &str,
        cluster: &str,
        node: Option<&topology::Node>,
        faults: &mut Faults<'_>,
    ) -> VolumeSpec {
        let mut spec = VolumeSpec {
            name: name.clone(),
            node: node.map(|n| n.name.clone()),
            external: self.external,
            driver: self.driver,
            driver_options: self.driver_options,
            labels: self.labels,
            hash: String::new(),
        };
        spec.hash = faults.hash(&spec);
        let labels = &mut spec.labels;
        labels.insert(label::CLUSTER.to_owned(), cluster.to_owned());
        labels.insert(label::CONFIG_HASH.to_owned(), spec.hash.clone());
        labels.insert(label::NAME.to_owned(), name);
        labels.insert(label::compose::VOLUME.to_owned(), key.to_owned());
        labels.insert(label::compose::VERSION.to_owned(), version());
        if let Some(node) = node {
            labels.insert(label::NODE.to_owned(), node.name.to_string());
            labels.insert(label::compose::PROJECT.to_owned(), node.project.to_string());
        }
        spec
    }
}
