//! Creates the configs and secrets of a role's nodes.

use std::sync::Arc;

use minijinja::Value as Scope;

use super::{CompiledRole, Expansion};
use crate::blueprint::{self, Role};
use crate::diagnostic::Problem;
use crate::template::Pattern;
use crate::topology::written::Written;
use crate::topology::{Config, ConfigSource};
use crate::value::Value;
use crate::yaml::Yaml;

/// The content of a config, with its templates compiled.
pub(super) enum Content {
    Template(Pattern),
    Same(ConfigSource),
}

impl Expansion<'_> {
    pub(super) fn content(&mut self, role: &Role, config: &blueprint::Config) -> Option<Content> {
        Some(match &config.source {
            blueprint::ConfigSource::Template(node) => {
                Content::Template(self.templates.compile(node, self.sources, &mut self.problems))
            }
            blueprint::ConfigSource::Bytes(content) => Content::Same(ConfigSource::File {
                path: path_of(config),
                mode: self.mode_of(role, config)?,
                content: content.clone(),
            }),
            blueprint::ConfigSource::Environment(name, value) => Content::Same(ConfigSource::Environment {
                name: name.clone(),
                value: value.clone(),
            }),
            blueprint::ConfigSource::External(node) => Content::Same(ConfigSource::External(Value::from(node))),
        })
    }

    /// The mode that services ask for; the inner `None` if none does. A config is one file and has one mode, so that
    /// the outer `None` says that they ask for different or malformed modes, which is reported.
    fn mode_of(&mut self, role: &Role, config: &blueprint::Config) -> Option<Option<u32>> {
        let mut mode: Option<u32> = None;
        let of_nodes = role.overrides.iter().flat_map(|o| &o.services);
        for service in role.services.iter().chain(of_nodes) {
            let list = service.keys.iter().filter(|e| e.key == config.kind.section());
            let list = list.filter_map(|e| match &e.node.value {
                Yaml::List(list) => Some(list),
                _ => None,
            });
            for item in list.flatten() {
                if item.get("source").and_then(crate::yaml::Node::scalar) != Some(config.name.value.clone()) {
                    continue;
                }
                let Some(node) = item.get("mode") else { continue };
                let asked = match &node.value {
                    Yaml::Int(n) => u32::try_from(*n).ok(),
                    Yaml::Text(text) => u32::from_str_radix(text.trim_start_matches("0o"), 8).ok(),
                    _ => None,
                };
                let Some(asked) = asked.filter(|m| *m <= 0o7777) else {
                    self.problems
                        .push(Problem::at(node.span, "not a file mode").label("expected octal digits such as 0440"));
                    return None;
                };
                if mode.is_some_and(|m| m != asked) {
                    self.problems.push(
                        Problem::at(
                            node.span,
                            format!("`{}` is asked for with two modes", config.name.value),
                        )
                        .hint("one file has one mode: define it twice, under two names"),
                    );
                    return None;
                }
                mode = Some(asked);
            }
        }
        Some(mode)
    }

    pub(super) fn configs(&mut self, compiled: &CompiledRole<'_>, scope: &Scope) -> Option<Vec<Config>> {
        // The other configs are evaluated even after a problem, since they may have problems too.
        let made: Vec<Option<Config>> = compiled
            .configs
            .iter()
            .map(|(config, content, options)| {
                let source = match content {
                    Content::Same(source) => source.clone(),
                    Content::Template(pattern) => {
                        let text = self.evaluate(pattern, scope);
                        let mode = self.mode_of(compiled.role, config);
                        ConfigSource::File {
                            path: path_of(config),
                            mode: mode?,
                            content: Arc::from(text?.scalar().unwrap_or_default().into_bytes()),
                        }
                    }
                };
                Some(Config {
                    kind: config.kind,
                    name: config.name.value.as_str().into(),
                    source,
                    options: self.map(options, scope)?,
                    written: Written::new(config.options.clone(), config.name.span),
                })
            })
            .collect();
        made.into_iter().collect()
    }
}

/// The path of a config's file, relative to the project's directory.
fn path_of(config: &blueprint::Config) -> String {
    format!("{}/{}", config.kind.section(), config.name.value)
}
