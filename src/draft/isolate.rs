//! What a file fixes that an engine has but once: several nodes of it need `isolate`.

use super::Draft;
use super::out::Out;
use super::rest::listed;
use crate::yaml::{Entry, Node, Yaml};

impl Draft<'_, '_> {
    /// Writes `isolate` where nodes that are copies of the whole file would collide.
    pub(super) fn isolate(&mut self) {
        let fixed = self.fixed();
        if fixed.is_empty() {
            return;
        }
        let fixed = listed(&fixed);
        self.comment(format!("isolate: the file fixes what an engine has but once: {fixed}."));
        self.key("isolate", Out::Bare("true".to_owned()));
    }

    /// The paths of what collides between copies.
    fn fixed(&self) -> Vec<String> {
        let mut found = Vec::new();
        for service in &self.services {
            for key in ["container_name", "hostname"] {
                if service.get(key).is_some() {
                    found.push(format!("{}.{key}", service.name));
                }
            }
            if service.published().iter().any(|port| port.contains(':')) {
                found.push(format!("{}.ports", service.name));
            }
        }
        for (section, keys) in [("networks", &["ipam", "name"][..]), ("volumes", &["name"])] {
            for Entry { key, node, .. } in entries(self.document, section) {
                let is_external = node.get("external").is_some();
                let has = keys.iter().find(|k| !is_external && node.get(k).is_some());
                found.extend(has.map(|k| format!("{section}.{key}.{k}")));
            }
        }
        found
    }
}

fn entries<'d>(document: &'d Node, section: &str) -> &'d [Entry] {
    match document.get(section).map(|n| &n.value) {
        Some(Yaml::Map(entries)) => entries,
        _ => &[],
    }
}
