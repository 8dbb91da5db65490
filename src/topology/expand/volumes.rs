//! The volumes that the blueprint declares for the whole cluster, as far as nodes mount them.

use std::collections::HashSet;

use minijinja::context;

use super::{Expansion, is_external, own_name, without, written_node};
use crate::compose::volumes::named;
use crate::topology::{Node, Volume};
use crate::value::Map;

impl Expansion<'_> {
    /// Those that a service of `nodes` mounts. One that a role declares by the same key is another.
    pub(super) fn volumes(&mut self, nodes: &[Node]) -> Vec<Volume> {
        let blueprint = self.blueprint;
        if blueprint.volumes.is_empty() {
            return Vec::new();
        }
        let mut mounted: HashSet<String> = HashSet::new();
        for node in nodes {
            let all = node.services.iter().flat_map(|s| named(&s.definition));
            mounted.extend(all.filter(|key| !node.volumes.contains_key(key.as_str())));
        }
        let vars = self.cluster_vars();
        let mut found = Vec::new();
        for entry in blueprint.volumes.iter().filter(|e| mounted.contains(&e.key)) {
            let pattern = self.templates.compile(&entry.node, self.sources, &mut self.problems);
            let scope = context! { vars => vars.clone() };
            let written = written_node(&entry.node);
            let options = match self.evaluate(&pattern, &scope) {
                Some(value) => self.conformed(value, "volumes.*", &format!("volumes.{}", entry.key), Some(&written)),
                None => Map::new().into(),
            };
            let external = is_external(&options);
            let name = own_name(&options).unwrap_or_else(|| match external {
                true => entry.key.clone(),
                false => format!("{}{}", self.cluster.prefix(), entry.key),
            });
            found.push(Volume {
                key: entry.key.as_str().into(),
                name,
                external,
                options: without(&options, &["name", "external"]),
                written,
            });
        }
        found
    }
}
