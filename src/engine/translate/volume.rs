//! The named volumes of a cluster (Compose specification, top-level `volumes`).

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::faults::Faults;
use super::{Translation, read, user_labels, version};
use crate::cluster::{VolumeSpec, label};
use crate::diagnostic::Problem;
use crate::template::is_template;
use crate::value::Value;
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
                let hint = "say the same of both, or give one of them another `name`";
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

impl Translation<'_> {
    /// The engine's name of the volume that this node knows as `key`, which is added to the desired volumes.
    pub(super) fn named(&mut self, key: &str, path: &str) -> Option<String> {
        let Some(definition) = self.node.volumes.get(key) else {
            self.faults
                .because(path, &format!("names no volume that is defined: `{key}`"));
            return None;
        };
        let base = format!("roles.{}.volumes", self.node.role);
        let mut faults = self.faults.elsewhere(base.clone(), &self.node.volumes_written);
        let path = format!("{base}.{key}");
        let mut own = None;
        let mut external = false;
        let (mut driver, mut driver_options) = (None, None);
        let mut labels = BTreeMap::new();
        for (key, value) in read::map(definition, &path, &mut faults).into_iter().flatten() {
            let at = &*format!("{path}.{key}");
            match &**key {
                "name" => own = read::text(value, at, &mut faults),
                "external" => match value {
                    // `external: {name: …}` is the older notation.
                    Value::Map(map) => {
                        external = true;
                        own = own.or(map.get("name").and_then(Value::scalar));
                    }
                    other => external = read::boolean(other, at, &mut faults).unwrap_or_default(),
                },
                "driver" => driver = read::text(value, at, &mut faults),
                "driver_opts" => driver_options = Some(read::strings(value, at, &mut faults)),
                "labels" => labels = user_labels(value, at, &mut faults),
                key => {
                    let known = &["name", "external", "driver", "driver_opts", "labels"];
                    faults.unknown(key, at, known);
                }
            }
        }
        let written = |below: &str| self.node.volumes_written.get(&format!("{key}.{below}"));
        let constant = |node: &Node| node.scalar().is_some_and(|text| !is_template(&text));
        let one_for_all = ["name", "external.name"].into_iter().filter_map(written).any(constant);
        let shared = external || one_for_all;
        let name = match own {
            Some(name) => name,
            None if external => key.to_owned(),
            None => format!("{}_{key}", self.node.project),
        };
        let mut spec = VolumeSpec {
            name: name.clone(),
            node: (!shared).then(|| self.node.name.clone()),
            external,
            driver,
            driver_options,
            labels,
            hash: String::new(),
        };
        spec.hash = faults.hash(&spec);
        let labels = &mut spec.labels;
        labels.insert(label::CLUSTER.to_owned(), self.topology.cluster.to_string());
        labels.insert(label::CONFIG_HASH.to_owned(), spec.hash.clone());
        labels.insert(label::NAME.to_owned(), name.clone());
        labels.insert(label::compose::VOLUME.to_owned(), key.to_owned());
        labels.insert(label::compose::VERSION.to_owned(), version());
        if !shared {
            labels.insert(label::NODE.to_owned(), self.node.name.to_string());
            labels.insert(label::compose::PROJECT.to_owned(), self.node.project.to_string());
        }
        self.volumes.add(spec, &path, &mut faults);
        Some(name)
    }
}
