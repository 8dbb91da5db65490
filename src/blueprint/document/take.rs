//! What a role takes of its Compose files: `take`, `rename` and `replace`.

mod replace;

use super::{Reader, field, is_map, merge, services};
use crate::blueprint::shape::map;
use crate::compose::{references, table, uses};
use crate::diagnostic::{Problem, Problems, Span, Spanned};
use crate::name::ServiceName;
use crate::yaml::{Entry, MergeTag, Node, Yaml};

/// The keys of a role that change what its Compose files say.
const KEYS: [&str; 3] = ["take", "rename", "replace"];

/// What a role does with the services of its Compose files.
#[derive(Debug, Default, Clone)]
pub struct Taking {
    /// `take:`, the services that the role takes; `None` for all of them.
    pub take: Option<Vec<Spanned<String>>>,
    /// `rename:`, from the key in the Compose files to the one in the role.
    pub rename: Vec<(Spanned<String>, Spanned<ServiceName>)>,
    /// `replace:`, from a whole word to what stands in its place: a text, often a template.
    pub replace: Vec<(Spanned<String>, Node)>,
}

impl Taking {
    /// Why the Compose files' service `name` is no service of the role, as a hint; `None` where neither `take` nor `rename` is
    /// the reason.
    #[must_use]
    pub fn why_not(&self, name: &str, left_out: &[String]) -> Option<String> {
        if let Some((_, new)) = self.rename.iter().find(|(old, _)| old.value == name) {
            return Some(format!("`rename` calls it `{}` here", new.value));
        }
        self.not_taken(name, left_out)
    }

    /// That the Compose files' service `name` is not taken, as a hint.
    fn not_taken(&self, name: &str, left_out: &[String]) -> Option<String> {
        let take = self.take.as_ref().filter(|_| left_out.iter().any(|n| n == name))?;
        let all: Vec<&str> = take.iter().map(|t| t.value.as_str()).chain([name]).collect();
        Some(format!("the role does not take it: take: [{}]", all.join(", ")))
    }
}

/// `take`, `rename` and `replace` of a role.
pub(super) fn taking(role: &Node, problems: &mut Problems) -> Taking {
    let said = |key: &str| role.get(key).filter(|n| n.value != Yaml::Null);
    if let Yaml::Map(entries) = &role.value
        && said("compose").is_none()
    {
        for entry in entries.iter().filter(|e| KEYS.contains(&e.key.as_str())) {
            problems.push(
                Problem::at(entry.key_span, format!("`{}` without `compose`", entry.key))
                    .hint("it is about the services of Compose files: compose: docker-compose.yml"),
            );
        }
        return Taking::default();
    }
    Taking {
        take: said("take").map(|n| names(n, problems)),
        rename: said("rename").map_or_else(Vec::new, |n| renames(n, problems)),
        replace: said("replace").map_or_else(Vec::new, |n| replace::words(n, problems)),
    }
}

fn names(node: &Node, problems: &mut Problems) -> Vec<Spanned<String>> {
    let items = match &node.value {
        Yaml::List(list) => list.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut found: Vec<Spanned<String>> = Vec::with_capacity(items.len());
    for item in items {
        match item.scalar() {
            Some(name) if found.iter().any(|f| f.value == name) => {
                problems.push(Problem::at(item.span, format!("`{name}` is taken twice")).hint("keep one of the two"))
            }
            Some(name) => found.push(Spanned::new(name, item.span)),
            None => problems.push(
                Problem::at(item.span, "`take` is a service or a list of services")
                    .label(format!("found {}", item.kind()))
                    .hint("take: [web, db]"),
            ),
        }
    }
    found
}

fn renames(node: &Node, problems: &mut Problems) -> Vec<(Spanned<String>, Spanned<ServiceName>)> {
    let mut found: Vec<(Spanned<String>, Spanned<ServiceName>)> = Vec::new();
    for entry in map(node, "`rename`", problems).unwrap_or_default() {
        let new = crate::blueprint::parse::name::<ServiceName>(&entry.node, problems);
        found.extend(new.map(|new| (Spanned::new(entry.key.clone(), entry.key_span), new)));
    }
    found
}

impl Reader<'_, '_> {
    /// What `role` takes of `document`, its Compose files merged; `None` if it takes or renames what is not there.
    pub(super) fn taken(&mut self, mut document: Node, role: &Node) -> Option<Node> {
        let taking = self.taking.clone();
        let found = self.problems.len();
        let left_out = self.left_out(&document, &taking);
        self.renames_fit(&document, &taking, &left_out);
        if self.problems.len() > found {
            return None;
        }
        let own = role.get("services");
        if let Some(Yaml::Map(list)) = field(&mut document, "services").map(|n| &mut n.value) {
            list.retain(|e| !left_out.contains(&e.key));
            for service in list.iter_mut() {
                self.let_go(service, &left_out, own, &taking);
            }
            let new = |old: &str| {
                let to = taking.rename.iter().find(|(from, _)| from.value == old);
                to.map(|(_, new)| new.value.to_string())
            };
            for service in list.iter_mut() {
                if let Some(new) = new(&service.key) {
                    service.key = new;
                }
                if let Yaml::Map(keys) = &mut service.node.value {
                    keys.iter_mut().for_each(|key| references::rename(key, &new));
                }
                contexts(&mut service.node, &mut |name, _| new(name));
            }
        }
        if !taking.replace.is_empty() {
            self.replace(&mut document, &taking);
        }
        if taking.take.is_some() {
            without_unused(&mut document, role);
        }
        let still_there = |name: &String| services(&document).iter().any(|e| e.key == *name);
        let renamed = taking.rename.iter().map(|(old, _)| old.value.clone());
        self.reset
            .extend(left_out.into_iter().chain(renamed).filter(|name| !still_there(name)));
        Some(document)
    }

    /// The services of `document` that are not taken.
    fn left_out(&mut self, document: &Node, taking: &Taking) -> Vec<String> {
        let known = || services(document).iter().map(|e| e.key.as_str());
        let Some(take) = &taking.take else {
            return Vec::new();
        };
        for name in take.iter().filter(|name| !known().any(|k| k == name.value)) {
            self.problems.push(
                Problem::at(name.span, format!("`take` of an unknown service: `{}`", name.value))
                    .did_you_mean(&name.value, known()),
            );
        }
        let is_taken = |name: &&str| take.iter().any(|t| t.value == **name);
        known().filter(|name| !is_taken(name)).map(str::to_owned).collect()
    }

    /// Checks that what is renamed is taken, and that no two services get one key.
    fn renames_fit(&mut self, document: &Node, taking: &Taking, left_out: &[String]) {
        let taken = || {
            services(document)
                .iter()
                .map(|e| e.key.as_str())
                .filter(|name| !left_out.iter().any(|l| l == name))
        };
        for (at, (old, new)) in taking.rename.iter().enumerate() {
            if !taken().any(|name| name == old.value) {
                let problem = Problem::at(old.span, format!("`rename` of an unknown service: `{}`", old.value));
                self.problems.push(match taking.not_taken(&old.value, left_out) {
                    Some(why) => problem.hint(why),
                    None => problem.did_you_mean(&old.value, taken()),
                });
                continue;
            }
            let is_renamed = |name: &str| taking.rename.iter().any(|(from, _)| from.value == name);
            let is_there = taken().any(|name| name == new.value.as_str() && !is_renamed(name));
            let before = &taking.rename[..at];
            if is_there || before.iter().any(|(_, other)| other.value == new.value) {
                self.problems.push(
                    Problem::at(new.span, format!("two services would be called `{}`", new.value))
                        .hint("give one of them another key"),
                );
            }
        }
    }

    /// Removes the references of `service` to services that are left out, where it can do without: what it shares with another
    /// service, such as its network, it cannot. `own` is what the role says of its services itself.
    fn let_go(&mut self, service: &mut Entry, left_out: &[String], own: Option<&Node>, taking: &Taking) {
        let name = service.key.clone();
        let new = taking.rename.iter().find(|(old, _)| old.value == name);
        let here = new.map_or(name.as_str(), |(_, new)| new.value.as_str());
        let says_anew = |key: &str| own.and_then(|o| o.get(here)?.get(key)).is_some_and(|n| n.tag.is_some());
        let is_gone = |name: &str| left_out.iter().any(|l| l == name);
        let mut found: Vec<(Span, String)> = Vec::new();
        if let Yaml::Map(keys) = &mut service.node.value {
            for entry in keys
                .iter_mut()
                .filter(|e| ["depends_on", "links"].contains(&e.key.as_str()))
            {
                for reference in references::of(entry).iter().filter(|r| is_gone(&r.service)) {
                    let gone = &reference.service;
                    let message = match entry.key.as_str() {
                        "links" => format!("`{here}` has no link to `{gone}`, which the role does not take"),
                        _ => format!("`{here}` does not wait for `{gone}`, which the role does not take"),
                    };
                    found.push((reference.span, message));
                }
                if says_anew(&entry.key) {
                    found.clear();
                }
                for (place, message) in found.drain(..) {
                    self.notes.push(Problem::at(place, message));
                }
                match &mut entry.node.value {
                    Yaml::Map(entries) => entries.retain(|e| !is_gone(&e.key)),
                    Yaml::List(list) => list.retain(|item| {
                        let target = item.scalar().unwrap_or_default();
                        !is_gone(target.split(':').next().unwrap_or_default())
                    }),
                    _ => {}
                }
            }
            let is_empty = |node: &Node| {
                matches!(&node.value, Yaml::Map(e) if e.is_empty())
                    || matches!(&node.value, Yaml::List(l) if l.is_empty())
            };
            keys.retain(|e| !(["depends_on", "links"].contains(&e.key.as_str()) && is_empty(&e.node)));
        }
        let mut gone = Vec::new();
        contexts(&mut service.node, &mut |name, span| {
            if is_gone(name) {
                gone.push((name.to_owned(), span));
            }
            None
        });
        for (gone, span) in gone.into_iter().filter(|_| !says_anew("build")) {
            let problem = Problem::at(
                span,
                format!("`build` of `{here}` is made of `{gone}`, which the role does not take"),
            );
            self.problems
                .push(problem.hint("take that service too, or `build: !reset` in the role and an `image`"));
        }
    }
}

/// Calls `change` of each service that the `build` of `service` is made of, with its place, and renames it to what that returns
/// (Compose specification, build, `additional_contexts`).
fn contexts(service: &mut Node, change: &mut dyn FnMut(&str, Span) -> Option<String>) {
    let mut each = |text: &str, span: Span| {
        let (before, name) = text
            .rsplit_once("service:")
            .filter(|(b, _)| b.is_empty() || b.ends_with('='))?;
        Some(format!("{before}service:{}", change(name, span)?))
    };
    let Some(contexts) = field(service, "build").and_then(|b| field(b, "additional_contexts")) else {
        return;
    };
    let nodes: Vec<&mut Node> = match &mut contexts.value {
        Yaml::Map(entries) => entries.iter_mut().map(|e| &mut e.node).collect(),
        Yaml::List(list) => list.iter_mut().collect(),
        _ => return,
    };
    for node in nodes {
        if let Some(new) = node.scalar().and_then(|text| each(&text, node.span)) {
            node.value = Yaml::Text(new);
        }
    }
}

/// Removes the definitions of `document` that no service of the role uses: neither one that it takes nor one of its own.
fn without_unused(document: &mut Node, role: &Node) {
    let row = table::at("services");
    let own = role.get("services").filter(|n| is_map(n));
    let overrides = match role.get("overrides").map(|n| &n.value) {
        Some(Yaml::Map(overrides)) => overrides.iter().filter_map(|o| o.node.get("services")).collect(),
        _ => Vec::new(),
    };
    let taken = document.get("services").cloned();
    let merged = match (taken, own) {
        (Some(taken), Some(own)) => merge(taken.clone(), own.clone(), row).or(Some(taken)),
        (taken, _) => taken,
    };
    let all: Vec<&Node> = merged.iter().chain(overrides).collect();
    let each = || {
        let lists = all.iter().filter_map(|node| match &node.value {
            Yaml::Map(entries) => Some(entries),
            _ => None,
        });
        lists
            .flatten()
            .filter(|e| e.node.tag != Some(MergeTag::Reset))
            .map(|e| &e.node)
    };
    // What another file says of a service is not known yet.
    if each().any(|service| service.get("extends").is_some()) {
        return;
    }
    let used: Vec<(&str, String)> = each().flat_map(uses::of).collect();
    let any_volume = each().any(uses::may_use_any);
    let Yaml::Map(sections) = &mut document.value else {
        return;
    };
    for section in sections.iter_mut().filter(|s| uses::SECTIONS.contains(&s.key.as_str())) {
        let Yaml::Map(definitions) = &mut section.node.value else {
            continue;
        };
        if section.key == "volumes" && any_volume {
            continue;
        }
        definitions.retain(|d| used.iter().any(|(of, key)| *of == section.key && *key == d.key));
    }
}
