//! Makes host paths absolute, because rendered files lie in another directory than the file that names them.

use super::Reader;
use crate::blueprint::merge;
use crate::compose::table::Once;
use crate::compose::{is_windows_path, seccomp_profile};
use crate::diagnostic::Span;
use crate::yaml::{Node, Yaml};

impl Reader<'_, '_> {
    /// Makes the host paths of services absolute.
    pub(super) fn rebased(&self, tree: Node, directory: &str) -> Node {
        self.rebased_as(tree, directory, directory)
    }

    /// The same, with `files` before the paths of configs and secrets, which stay relative.
    pub(super) fn rebased_as(&self, mut tree: Node, directory: &str, files: &str) -> Node {
        let Yaml::Map(entries) = &mut tree.value else {
            return tree;
        };
        for entry in entries.iter_mut() {
            match (entry.key.as_str(), &mut entry.node.value) {
                ("services", Yaml::Map(services)) => {
                    for service in services {
                        let node = std::mem::replace(&mut service.node, empty(service.key_span));
                        service.node = self.rebased_service(node, directory);
                    }
                }
                ("volumes", Yaml::Map(definitions)) => {
                    for definition in definitions {
                        self.rebased_volume(&mut definition.node, directory);
                    }
                }
                ("configs" | "secrets", Yaml::Map(definitions)) => {
                    // These files are read later, by paths relative to the blueprint.
                    for file in definitions.iter_mut().filter_map(|d| field(&mut d.node, "file")) {
                        if let Yaml::Text(path) = &mut file.value
                            && !files.is_empty()
                            && !path.starts_with('/')
                        {
                            *path = format!("{files}/{path}");
                        }
                    }
                }
                _ => {}
            }
        }
        tree
    }

    /// A named volume may bind a directory of the host by way of its driver options.
    fn rebased_volume(&self, volume: &mut Node, directory: &str) {
        let Some(options) = field(volume, "driver_opts") else {
            return;
        };
        let binds = options
            .get("o")
            .and_then(Node::scalar)
            .is_some_and(|o| o.split(',').any(|o| o == "bind"));
        if let Some(Yaml::Text(device)) = field(options, "device").map(|n| &mut n.value)
            && binds
            && !device.starts_with(['/', '~'])
        {
            *device = self.absolute(directory, device);
        }
    }

    /// `path` of a file in `directory`, as an absolute one.
    pub(super) fn absolute(&self, directory: &str, path: &str) -> String {
        join(self.base, &join(directory, path))
    }

    pub(super) fn rebased_service(&self, mut service: Node, directory: &str) -> Node {
        let absolute = |path: &str| self.absolute(directory, path);
        // A source that does not begin with a dot is the name of a volume (Compose specification, services, `volumes`).
        let relative = |path: &str| path.starts_with('.');
        let rebase = |path: &mut String| {
            if !path.starts_with(['/', '~']) {
                *path = absolute(path);
            }
        };
        let context = |path: &mut String| {
            if !is_remote(path) {
                rebase(path);
            }
        };
        let Yaml::Map(entries) = &mut service.value else {
            return service;
        };
        for entry in entries {
            match entry.key.as_str() {
                "volumes" => {
                    let Yaml::List(list) = &mut entry.node.value else {
                        continue;
                    };
                    for item in list {
                        let bind = item.get("type").and_then(Node::scalar).as_deref() == Some("bind");
                        if let Yaml::Text(text) = &mut item.value {
                            let source = text.split(':').next().unwrap_or_default().to_owned();
                            if relative(&source) && source.len() < text.len() {
                                *text = format!("{}{}", absolute(&source), &text[source.len()..]);
                            }
                        } else if let Some(Yaml::Text(source)) = field(item, "source").map(|n| &mut n.value)
                            && (bind && !is_windows_path(source) || relative(source))
                        {
                            rebase(source);
                        }
                    }
                }
                "env_file" | "label_file" => {
                    // As they are written, the first place of a path counts.
                    if let ("env_file", Yaml::List(items)) = (entry.key.as_str(), &mut entry.node.value) {
                        merge::once(items, Once::Path);
                    }
                    each_path(&mut entry.node, &mut |path| rebase(path));
                    last_of_each(&mut entry.node);
                }
                "build" => {
                    if let Yaml::Text(path) = &mut entry.node.value {
                        context(path);
                    }
                    if let Some(Yaml::Text(path)) = field(&mut entry.node, "context").map(|n| &mut n.value) {
                        context(path);
                    }
                    match field(&mut entry.node, "additional_contexts").map(|n| &mut n.value) {
                        Some(Yaml::Map(entries)) => {
                            for path in entries.iter_mut() {
                                each_path(&mut path.node, &mut |path| context(path));
                            }
                        }
                        Some(Yaml::List(list)) => {
                            for item in list {
                                if let Yaml::Text(text) = &mut item.value
                                    && let Some((name, path)) = text.split_once('=')
                                {
                                    let mut path = path.to_owned();
                                    context(&mut path);
                                    *text = format!("{name}={path}");
                                }
                            }
                        }
                        _ => {}
                    }
                }
                "credential_spec" => {
                    if let Some(file) = field(&mut entry.node, "file") {
                        each_path(file, &mut |path| rebase(path));
                    }
                }
                "security_opt" => {
                    let Yaml::List(list) = &mut entry.node.value else {
                        continue;
                    };
                    for item in list {
                        if let Yaml::Text(text) = &mut item.value
                            && let Some(profile) = seccomp_profile(text)
                        {
                            let mut path = profile.to_owned();
                            rebase(&mut path);
                            *text = format!("seccomp={path}");
                        }
                    }
                }
                "develop" => {
                    if let Some(watch) = field(&mut entry.node, "watch") {
                        each_path(watch, &mut |path| rebase(path));
                    }
                }
                _ => {}
            }
        }
        service
    }
}

/// Whether a build context is fetched from elsewhere, or is the image of another service.
fn is_remote(context: &str) -> bool {
    context.contains(':') || context.starts_with("github.com/")
}

pub(super) fn field<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    match &mut node.value {
        Yaml::Map(entries) => entries.iter_mut().find(|e| e.key == key).map(|e| &mut e.node),
        _ => None,
    }
}

/// Leaves of equal paths the last one, whose variables count. Compose compares paths as they are written, so that `./a` and
/// `a` are two until they are made absolute.
fn last_of_each(node: &mut Node) {
    let Yaml::List(items) = &mut node.value else { return };
    let path = |item: &Node| item.scalar().or_else(|| item.get("path")?.scalar());
    let paths: Vec<Option<String>> = items.iter().map(path).collect();
    let mut at = 0;
    items.retain(|_| {
        let is_last = paths[at].is_none() || !paths[at + 1..].contains(&paths[at]);
        at += 1;
        is_last
    });
}

/// Applies `change` to a path, a list of paths, or a list of maps that have a `path`.
fn each_path(node: &mut Node, change: &mut dyn FnMut(&mut String)) {
    match &mut node.value {
        Yaml::Text(path) => change(path),
        Yaml::List(list) => list.iter_mut().for_each(|n| each_path(n, change)),
        Yaml::Map(_) => {
            if let Some(path) = field(node, "path") {
                each_path(path, change);
            }
        }
        _ => {}
    }
}

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// `path`, which is written in a file of `directory`, relative to the blueprint's directory.
pub(crate) fn join(directory: &str, path: &str) -> String {
    let from = if path.starts_with('/') { "" } else { directory };
    let root = path.starts_with('/') || from.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            // The root has no parent.
            ".." if root => {}
            other => parts.push(other),
        }
    }
    format!("{}{}", if root { "/" } else { "" }, parts.join("/"))
}

fn empty(span: Span) -> Node {
    Node {
        value: Yaml::Null,
        span,
        tag: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_made_plain() {
        for (directory, path, expected) in [
            ("", "a", "a"),
            ("", "./a/../b", "b"),
            ("x/y", "../a", "x/a"),
            ("x", "../../a", "../a"),
            ("../x", "a", "../x/a"),
            ("x", "/a/./b", "/a/b"),
            ("/x", "../../a", "/a"),
            ("", ".", ""),
        ] {
            assert_eq!(join(directory, path), expected, "{directory} {path}");
        }
    }
}
