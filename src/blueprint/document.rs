//! Reads the files that a blueprint names: real-world Compose files, merged into one document for each role.

mod include;
mod paths;
mod take;

use std::collections::HashMap;

use crate::compose::table;
use crate::diagnostic::{FileId, Instead, Problem, Problems, Sources, Span};
use crate::yaml::{self, Entry, MergeTag, Node, Yaml};

use super::Inputs;
use super::conform;
use super::dotenv;
use super::interpolate::{self, Variables};
use super::merge::merge;
use crate::blueprint::unread::{IS_DIRECTORY, LEADS_OUT, NO_FILE};
pub(crate) use paths::join;
use paths::{field, parent};
pub use take::Taking;

/// The keys of a Compose file (Compose specification).
const FILE_KEYS: &[&str] = &[
    "version", "name", "include", "services", "networks", "volumes", "configs", "secrets", "models",
];
/// What to do about a file that lies elsewhere.
const ONE_DIRECTORY: &str = "a blueprint and what it gives to containers live in one directory: copy the file there";
/// The longest chain of services that extend one another.
const MAX_EXTENDS: usize = 32;

/// Reads a file named by a path relative to the blueprint's directory, or says in few words why it does not. How much is
/// read of one at most is the reader's to settle.
pub type ReadFile<'a> = dyn Fn(&str) -> Result<Vec<u8>, String> + 'a;

/// What reading a blueprint needs.
pub(super) struct Reader<'a, 'v> {
    /// The texts read so far, which spans point into.
    pub(super) sources: &'a mut Sources,
    /// The variables for `${…}` (Compose specification, "Interpolation").
    pub(super) variables: &'a mut Variables<'v>,
    /// Reads a file by its path.
    pub(super) read: &'a ReadFile<'a>,
    /// Reads a file that must lie in the blueprint's directory.
    pub(super) read_within: &'a ReadFile<'a>,
    /// The blueprint's directory, absolute; relative host paths are joined to it.
    pub(super) base: &'a str,
    /// `COMPOSE_PROFILES` in the `.env` beside the Compose files of the current role.
    pub(super) profiles: Vec<String>,
    /// All variables of the `.env` files beside the Compose files of the current role.
    pub(super) beside: HashMap<String, String>,
    /// The Compose files that are being read, each included by the one before.
    pub(super) including: Vec<String>,
    /// Services that the current role resets in its Compose files.
    pub(super) reset: Vec<String>,
    /// Whether all Compose files of the last role could be read.
    pub(super) whole: bool,
    /// What was changed of the Compose files of all roles in silence.
    pub(super) notes: Vec<Problem>,
    /// What the current role does with the services of its Compose files.
    pub(super) taking: Taking,
    /// The problems found so far.
    pub(super) problems: &'a mut Problems,
}

impl<'a, 'v> Reader<'a, 'v> {
    /// One that has read nothing yet.
    pub(super) fn new(
        sources: &'a mut Sources,
        variables: &'a mut Variables<'v>,
        inputs: &Inputs<'a>,
        problems: &'a mut Problems,
    ) -> Self {
        Self {
            sources,
            variables,
            read: inputs.read,
            read_within: inputs.read_within,
            base: inputs.base,
            profiles: Vec::new(),
            beside: HashMap::new(),
            including: Vec::new(),
            reset: Vec::new(),
            whole: true,
            notes: Vec::new(),
            taking: Taking::default(),
            problems,
        }
    }
}

impl Reader<'_, '_> {
    /// Reads `path` below `directory`, which the blueprint names at `span`. It must lie within the blueprint's
    /// directory, since what is sent to containers ships with the blueprint.
    pub(super) fn bytes(&mut self, directory: &str, path: &str, span: Span) -> Option<(String, Vec<u8>)> {
        let whole = join(directory, path);
        // A Compose file named by an absolute path may well lie there.
        let within = whole.strip_prefix(self.base).and_then(|rest| rest.strip_prefix('/'));
        let reason = match (within, whole.as_bytes()) {
            (Some(within), _) if !self.is_absolute(span) => {
                return self.content(self.read_within, within.to_owned(), path, span);
            }
            (_, [b'/', ..]) if self.is_absolute(span) => "is an absolute path",
            (_, [b'/', ..]) => "lies outside the blueprint's directory",
            (_, [b'.', b'.', ..]) if whole == ".." || whole.starts_with("../") => {
                "lies outside the blueprint's directory"
            }
            _ => return self.content(self.read_within, whole, path, span),
        };
        self.problems
            .push(Problem::at(span, format!("`{path}` {reason}")).hint(ONE_DIRECTORY));
        None
    }

    /// Whether an absolute path is written at `span`, rather than one which became absolute when it was joined to the
    /// directory of its file.
    fn is_absolute(&self, span: Span) -> bool {
        let written = self.sources.text(span.file).get(span.range()).unwrap_or_default();
        written.trim_start_matches(['"', '\'']).starts_with(['/', '$'])
    }

    /// Reads the file `whole`, which messages call `path`.
    fn content(&mut self, read: &ReadFile<'_>, whole: String, path: &str, span: Span) -> Option<(String, Vec<u8>)> {
        match read(&whole) {
            Ok(bytes) => Some((whole, bytes)),
            Err(reason) => {
                let shown = if whole.is_empty() { path } else { whole.as_str() };
                let problem = Problem::at(span, format!("cannot read `{shown}`: {reason}"));
                self.problems.push(match reason == LEADS_OUT {
                    true => problem.hint(ONE_DIRECTORY),
                    false => problem,
                });
                None
            }
        }
    }

    /// Reads a file as text, and keeps it for messages.
    pub(super) fn text(&mut self, directory: &str, path: &str, span: Span) -> Option<(String, FileId)> {
        let (whole, bytes) = self.bytes(directory, path, span)?;
        self.decoded(whole, bytes)
    }

    fn decoded(&mut self, whole: String, bytes: Vec<u8>) -> Option<(String, FileId)> {
        match String::from_utf8(bytes) {
            Ok(text) => {
                let file = self.sources.add(whole.clone(), text);
                Some((whole, file))
            }
            Err(error) => {
                let problem = not_utf8(self.sources, &whole, &error);
                self.problems.push(problem);
                None
            }
        }
    }

    /// The document of a role: its Compose files merged in order, then the role's own keys over them.
    pub(super) fn role(&mut self, role: &Node) -> Node {
        let mut document = Node {
            value: Yaml::Map(Vec::new()),
            span: role.span,
            tag: None,
        };
        let files = role.get("compose").map(|n| paths(n, self.problems)).unwrap_or_default();
        let mut all = true;
        self.taking = take::taking(role, self.problems);
        // The project's directory is that of its first file, to which all of them are relative.
        let project = files.first().map(|(path, span)| (join("", path), *span));
        if let Some((first, span)) = &project {
            let directory = parent(first);
            let before = self.known_beside(directory, *span);
            (document, all) = self.merged(document, files, directory);
            self.variables.beside(before);
            if all {
                match self.taken(document.clone(), role) {
                    Some(taken) => document = taken,
                    None => all = false,
                }
            }
            document = with_contexts(self.rebased(document, directory), &self.absolute(directory, ""));
        }
        let own = ["services", "networks", "volumes", "configs", "secrets", "models"];
        let Yaml::Map(entries) = &role.value else {
            return document;
        };
        let entries: Vec<Entry> = entries
            .iter()
            .filter(|e| own.contains(&e.key.as_str()))
            .cloned()
            .collect();
        let own = Node {
            value: Yaml::Map(entries),
            ..role.clone()
        };
        self.whole = all;
        if all {
            self.services_are_defined(&own, &document);
        }
        let own = self.extended(own, "", 0);
        let own = self.rebased(own, "");
        let whole = merge(document.clone(), own, Some(&table::FILE)).unwrap_or(document);
        let mut whole = with_contexts(whole, self.base);
        self.conform(&mut whole);
        whole
    }

    /// The Compose files `files` of the project in `directory` merged over `document`, and whether all could be read.
    pub(super) fn merged(&mut self, mut document: Node, files: Vec<(String, Span)>, directory: &str) -> (Node, bool) {
        let mut all = true;
        for (path, span) in files {
            match self.compose_file(&path, directory, span) {
                Some(file) => document = merge(document.clone(), file, Some(&table::FILE)).unwrap_or(document),
                None => all = false,
            }
        }
        (document, all)
    }

    /// Checks and casts all that is Compose's in the document of a role. Whether there are services, and each is a map, is
    /// checked where they are read.
    fn conform(&mut self, document: &mut Node) {
        let Yaml::Map(sections) = &mut document.value else {
            return;
        };
        for section in sections {
            let (Some(row), Yaml::Map(entries)) = (table::FILE.key(&section.key), &mut section.node.value) else {
                continue;
            };
            // The others are checked where they are read.
            let has_row = ["volumes", "models"].contains(&section.key.as_str());
            for entry in entries {
                let Some(below) = row.key(&entry.key).filter(|_| has_row || is_map(&entry.node)) else {
                    continue;
                };
                let path = format!("{}.{}", section.key, entry.key);
                conform::conform(&mut entry.node, below, &path, self.sources, self.problems);
            }
        }
    }

    /// Makes the `.env` in the project's `directory` known to the Compose files of a role, and returns what was known before.
    fn known_beside(&mut self, directory: &str, span: Span) -> Option<HashMap<String, String>> {
        let beside = self.dotenv(directory, span);
        let profiles = beside.get("COMPOSE_PROFILES").map_or("", String::as_str);
        self.profiles
            .extend(profiles.split(',').filter(|p| !p.is_empty()).map(str::to_owned));
        self.beside.extend(beside.clone());
        self.variables.beside(Some(beside))
    }

    /// Checks that each service that the role resets, or evidently means to change, is defined in its Compose files.
    fn services_are_defined(&mut self, own: &Node, below: &Node) {
        let known = || services(below).iter().map(|e| e.key.as_str());
        for Entry { key, key_span, node } in services(own) {
            let is_there = known().any(|k| k == key);
            match node.tag {
                Some(MergeTag::Reset) if is_there => self.reset.push(key.clone()),
                _ if self.is_away(key, node) => {
                    // The service that was meant is unchanged, so problems that follow from that are not reported.
                    self.whole = false;
                    let problem = Problem::at(
                        *key_span,
                        format!("`{key}` of the Compose files is no service of the role"),
                    );
                    let why = self.taking.why_not(key, &self.reset).unwrap_or_default();
                    self.problems.push(problem.hint(why));
                }
                Some(MergeTag::Reset) => self.problems.push(
                    Problem::at(*key_span, format!("`!reset` of an unknown service: `{key}`"))
                        .did_you_mean(key, known()),
                ),
                _ if is_there || ["image", "build", "extends"].iter().any(|k| node.get(k).is_some()) => {}
                // A service without an image cannot be a new one. If its name is close to an existing one, it is a
                // misspelling.
                _ => {
                    if let Instead::Near(hint) = Instead::of(key, known()) {
                        // The service that was meant is unchanged, so problems that follow from that are not reported.
                        self.whole = false;
                        let message = format!("no service `{key}` in the Compose files of the role");
                        self.problems.push(Problem::at(*key_span, message).hint(hint));
                    }
                }
            }
        }
    }

    /// Whether a role that says `node` of a service means one of its Compose files that it does not take, or that it renames.
    fn is_away(&self, key: &str, node: &Node) -> bool {
        let is_new = ["image", "build", "extends"].iter().any(|k| node.get(k).is_some());
        !is_new && self.taking.why_not(key, &self.reset).is_some()
    }

    /// Reads a Compose file of the project in `directory`: interpolates it, resolves `extends` and `include`.
    fn compose_file(&mut self, path: &str, directory: &str, span: Span) -> Option<Node> {
        let (whole, mut tree) = self.tree("", path, span)?;
        if self.including.contains(&whole) {
            let message = format!("`include` goes in a circle: `{whole}` includes itself");
            let label = self.including.join(", ");
            self.problems.push(Problem::at(span, message).label(label));
            return None;
        }
        self.environments(&mut tree);
        let tree = self.extended(tree, directory, 0);
        self.including.push(whole);
        let tree = self.with_included(tree, directory);
        self.including.pop();
        tree
    }

    /// Reads the `.env` beside a Compose file. The blueprint's own `.env` is known already and is skipped.
    fn dotenv(&mut self, directory: &str, span: Span) -> HashMap<String, String> {
        let path = format!("{directory}/.env");
        let read = match directory {
            "" => Ok(Vec::new()),
            _ => (self.read)(&path),
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            // Compose too passes over a directory of that name.
            Err(reason) if [NO_FILE, IS_DIRECTORY].contains(&reason.as_str()) => return HashMap::new(),
            Err(reason) => {
                let message = format!("cannot read `{path}`: {reason}");
                self.problems.push(Problem::at(span, message));
                return HashMap::new();
            }
        };
        self.variables_in(&path, bytes, span)
    }

    /// The variables in a file of them, which messages call `path`.
    fn variables_in(&mut self, path: &str, bytes: Vec<u8>, span: Span) -> HashMap<String, String> {
        match String::from_utf8(bytes) {
            Ok(text) => self.variables_of_text(path, &text, span),
            Err(_) => {
                let message = format!("cannot read `{path}`: not UTF-8 text");
                self.problems.push(Problem::at(span, message));
                HashMap::new()
            }
        }
    }

    fn variables_of_text(&mut self, path: &str, text: &str, span: Span) -> HashMap<String, String> {
        let mut found = dotenv::Pairs::new();
        let outside = |name: &str| self.variables.get(name);
        if let Err(fault) = dotenv::parse(text, &mut found, &outside) {
            self.problems.push(
                Problem::at(span, format!("`{path}`: {fault}"))
                    .hint("a comment begins with `#`, a value with blanks at its ends needs quotes"),
            );
        }
        found.into_iter().collect()
    }

    /// Gives bare names in `environment` and in the `args` of `build` their value from the `.env` beside the file, since no
    /// other place knows them.
    fn environments(&mut self, tree: &mut Node) {
        let Some(Yaml::Map(services)) = field(tree, "services").map(|n| &mut n.value) else {
            return;
        };
        for service in services {
            if let Some(node) = field(&mut service.node, "environment") {
                interpolate::names(node, self.variables);
            }
            if let Some(node) = field(&mut service.node, "build").and_then(|b| field(b, "args")) {
                interpolate::names(node, self.variables);
            }
        }
    }

    fn tree(&mut self, directory: &str, path: &str, span: Span) -> Option<(String, Node)> {
        // A Compose file may lie anywhere: it often belongs to another project.
        let (whole, bytes) = self.content(self.read, join(directory, path), path, span)?;
        let (whole, file) = self.decoded(whole, bytes)?;
        let mut tree = match yaml::parse_within(self.sources.text(file), file, self.sources.budget()) {
            Ok(tree) => tree,
            Err(problems) => {
                self.problems.extend(problems);
                return None;
            }
        };
        interpolate::tree(&mut tree, self.variables, self.sources, self.problems);
        let Yaml::Map(entries) = &mut tree.value else {
            self.problems
                .push(Problem::at(tree.span, "a Compose file must be a map").label(format!("found {}", tree.kind())));
            return None;
        };
        let of_service = table::keys("services.*");
        for entry in entries.iter() {
            let key = entry.key.as_str();
            if FILE_KEYS.contains(&key) || key.starts_with("x-") {
                continue;
            }
            let problem = Problem::at(entry.key_span, format!("unknown key `{key}` in a Compose file"));
            self.problems.push(match key {
                _ if of_service.contains(&key) || of_service.iter().any(|k| entry.node.get(k).is_some()) => {
                    problem.hint("services stand below `services:` since version 2 of the format")
                }
                _ => problem.did_you_mean(key, FILE_KEYS.iter().copied()),
            });
        }
        entries.retain(|e| !["version", "name"].contains(&e.key.as_str()));
        Some((whole, tree))
    }

    /// Resolves `extends` of every service (Compose specification, services, `extends`).
    fn extended(&mut self, mut tree: Node, directory: &str, depth: usize) -> Node {
        let Some(services) = tree.get("services").cloned() else {
            return tree;
        };
        let Yaml::Map(list) = &services.value else { return tree };
        let resolved: Vec<Entry> = list
            .iter()
            .map(|e| Entry {
                node: self.extended_service(&e.node, &services, directory, depth),
                ..e.clone()
            })
            .collect();
        if let Yaml::Map(entries) = &mut tree.value
            && let Some(entry) = entries.iter_mut().find(|e| e.key == "services")
        {
            entry.node.value = Yaml::Map(resolved);
        }
        tree
    }

    fn extended_service(&mut self, service: &Node, siblings: &Node, directory: &str, depth: usize) -> Node {
        let Some(extends) = service.get("extends") else {
            // Copied for each that extends it.
            if depth > 0
                && self
                    .sources
                    .budget()
                    .spend(yaml::bytes(service).saturating_mul(2))
                    .is_err()
            {
                self.problems.push(self.sources.budget().problem(service.span));
            }
            return service.clone();
        };
        if self.sources.budget().is_spent() {
            return service.clone();
        }
        let copied = yaml::bytes(service).saturating_mul(2);
        if self.sources.budget().spend(copied).is_err() {
            self.problems.push(self.sources.budget().problem(extends.span));
        }
        let mut own = service.clone();
        if let Yaml::Map(entries) = &mut own.value {
            entries.retain(|e| e.key != "extends");
        }
        if depth >= MAX_EXTENDS {
            self.problems.push(
                Problem::at(extends.span, "`extends` goes in a circle")
                    .hint("let one of these services stand by itself"),
            );
            return own;
        }
        let (file, name) = match &extends.value {
            Yaml::Map(_) => (extends.get("file"), extends.get("service").and_then(Node::scalar)),
            _ => (None, extends.scalar()),
        };
        let Some(name) = name else {
            self.problems.push(
                Problem::at(extends.span, "`extends` names no service")
                    .hint("extends: {file: common.yaml, service: base}"),
            );
            return own;
        };
        let missing = |known: &Node, problems: &mut Problems| {
            let names: Vec<&str> = match &known.value {
                Yaml::Map(entries) => entries.iter().map(|e| e.key.as_str()).collect(),
                _ => Vec::new(),
            };
            let place = extends.get("service").map_or(extends.span, |n| n.span);
            problems
                .push(Problem::at(place, format!("unknown service `{name}` in `extends`")).did_you_mean(&name, names));
        };
        let base = match file.and_then(|f| Some((f.scalar()?, f.span))) {
            None => match siblings.get(&name) {
                Some(base) => self.extended_service(&base.clone(), siblings, directory, depth + 1),
                None => {
                    missing(siblings, self.problems);
                    return own;
                }
            },
            Some((file, span)) => {
                let Some((whole, tree)) = self.tree(directory, &file, span) else {
                    return own;
                };
                let other = parent(&whole).to_owned();
                let services = tree.get("services").cloned().unwrap_or(Node {
                    value: Yaml::Map(Vec::new()),
                    ..tree
                });
                let Some(base) = services.get(&name).cloned() else {
                    missing(&services, self.problems);
                    return own;
                };
                let base = self.extended_service(&base, &services, &other, depth + 1);
                self.rebased_service(base, &other)
            }
        };
        merge(base, own.clone(), table::at("services.*")).unwrap_or(own)
    }
}

/// `compose:`, one path or a list of paths.
fn paths(node: &Node, problems: &mut Problems) -> Vec<(String, Span)> {
    let items = match &node.value {
        Yaml::List(list) => list.as_slice(),
        Yaml::Null => &[],
        _ => std::slice::from_ref(node),
    };
    let path = |item: &Node| {
        let text = item.scalar();
        if text.is_none() {
            problems.push(
                Problem::at(item.span, "`compose` is a path or a list of paths")
                    .label(format!("found {}", item.kind()))
                    .hint("compose: docker-compose.yml"),
            );
        }
        Some((text?, item.span))
    };
    items.iter().filter_map(path).collect()
}

/// The problem of a file that is not UTF-8, at the first invalid byte.
pub(crate) fn not_utf8(sources: &mut Sources, name: &str, error: &std::string::FromUtf8Error) -> Problem {
    let good = error.utf8_error().valid_up_to();
    let file = sources.add(name, String::from_utf8_lossy(error.as_bytes()));
    let replaced = good..good + char::REPLACEMENT_CHARACTER.len_utf8();
    Problem::at(Span::new(file, replaced), "not UTF-8 text").hint("save the file as UTF-8")
}

/// Gives what is built without a `context` the project's `directory`, as Compose does, since rendered files lie elsewhere.
fn with_contexts(mut document: Node, directory: &str) -> Node {
    let Some(Yaml::Map(services)) = field(&mut document, "services").map(|n| &mut n.value) else {
        return document;
    };
    for service in services {
        let Some(build) = field(&mut service.node, "build") else {
            continue;
        };
        let span = build.span;
        let Yaml::Map(entries) = &mut build.value else {
            continue;
        };
        if !entries.iter().any(|e| e.key == "context") {
            entries.push(Entry {
                key: "context".to_owned(),
                key_span: span,
                node: Node {
                    value: Yaml::Text(directory.to_owned()),
                    span,
                    tag: None,
                },
            });
        }
    }
    document
}

fn is_map(node: &Node) -> bool {
    matches!(node.value, Yaml::Map(_))
}

/// The entries under `services`.
fn services(document: &Node) -> &[Entry] {
    match document.get("services").map(|n| &n.value) {
        Some(Yaml::Map(entries)) => entries,
        _ => &[],
    }
}
