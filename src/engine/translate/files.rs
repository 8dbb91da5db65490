//! Configs and secrets: files that are put into a container.

use std::sync::Arc;

use super::Translation;
use crate::blueprint::ConfigKind;
use crate::engine::{FileSpec, sha256};
use crate::topology::ConfigSource;
use crate::value::Value;

impl Translation<'_> {
    /// The files that `configs` or `secrets` of a service ask for (Compose specification, services, `configs`).
    pub(super) fn files(&mut self, kind: ConfigKind, value: &Value) -> Vec<FileSpec> {
        let mut files = Vec::new();
        for item in value.as_list().unwrap_or_default() {
            let field = |key: &str| item.as_map().and_then(|m| m.get(key)).and_then(Value::scalar);
            let name = item.scalar().or_else(|| field("source")).unwrap_or_default();
            let Some(config) = self.node.configs.iter().find(|c| c.kind == kind && *c.name == *name) else {
                continue;
            };
            let base = format!("roles.{}.{}.{name}", self.node.role, kind.section());
            let mut faults = self.faults.elsewhere(base.clone(), &config.written);
            for key in config.options.keys() {
                match &**key {
                    // What it is called on an engine of Swarm's, which keeps it there.
                    "name" | "labels" => {}
                    key => faults.unknown(key, &format!("{base}.{key}")),
                }
            }
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
}
