//! The flow's middle stays pure: no async, no file, no socket, no clock, and none by way of another room.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms that decide. What they import, and what that imports, must be as pure as they are.
const PURE: &[&str] = &[
    "blueprint",
    "cluster",
    "compose",
    "diagnostic",
    "digest",
    "draft",
    "engine::connect::choose",
    "engine::connect::host",
    "faults::plan",
    "faults::report",
    "faults::rules",
    "graph",
    "lines",
    "lint",
    "name",
    "plan",
    "probe::question",
    "render::compose",
    "render::manifest",
    "roster",
    "select",
    "serve::addresses",
    "serve::answer",
    "serve::consul::keys",
    "serve::consul::plan",
    "serve::consul::service",
    "serve::consul::settings",
    "serve::consul::target",
    "serve::dns::answer",
    "serve::dns::setup",
    "serve::dns::zone",
    "serve::host",
    "serve::hosts::block",
    "serve::metrics",
    "serve::query",
    "serve::refusal",
    "serve::view",
    "signal",
    "template",
    "terminal::layout",
    "terminal::line",
    "terminal::paint",
    "terminal::reach",
    "terminal::state",
    "terminal::words",
    "text",
    "topology",
    "toposort",
    "value",
    "verify",
    "watch::reducer",
    "yaml",
];

/// What makes a file impure. The first two are crates, the others begin paths of the standard library.
const IMPURE: &[&str] = &[
    "tokio",
    "bollard",
    "hyper",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "async fn",
];

fn files(path: &Path, list: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            files(&entry.unwrap().path(), list);
        }
    } else {
        list.push(path.to_owned());
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The text of a file without its comments, its strings and its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut code = String::with_capacity(text.len());
    for line in text.lines() {
        let mut inside = false;
        let mut before = ' ';
        let mut rest = line.chars().peekable();
        while let Some(c) = rest.next() {
            if c == '"' && before != '\\' && before != '\'' {
                inside = !inside;
            } else if !inside && c == '/' && rest.peek() == Some(&'/') {
                break;
            } else if !inside {
                code.push(c);
            }
            before = c;
        }
        code.push('\n');
    }
    code
}

/// The paths of a `use` tree: `a::{b, c::{self, d}}` is `a::b`, `a::c::self`, `a::c::d`.
fn spread(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, body)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return paths.push(format!("{prefix}{path}"));
    };
    let body = body.trim_end().strip_suffix('}').unwrap_or(body);
    let (mut depth, mut from) = (0, 0);
    for (at, c) in body.char_indices().chain([(body.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !body[from..at].trim().is_empty() {
                    spread(&format!("{prefix}{head}"), &body[from..at], paths);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}

/// All paths that `code` names: those of its `use` trees, and those written where they are needed.
fn paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let starts = rest[..at]
            .chars()
            .next_back()
            .is_none_or(|c| c.is_whitespace() || c == ')');
        let tree = rest[at + 4..].split(';').next().unwrap_or_default();
        if starts {
            spread("", tree, &mut paths);
        }
        rest = &rest[at + 4..];
    }
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let written = code.split(|c: char| !word(c)).filter(|p| p.contains("::"));
    paths.extend(written.map(str::to_owned));
    paths
}

/// The rooms of the crate, each by its path, and those that each names.
struct House {
    /// The rooms that each room names.
    names: BTreeMap<String, BTreeSet<String>>,
    /// What of [`IMPURE`] each room names itself, where it does.
    impure: BTreeMap<String, &'static str>,
}

impl House {
    fn of(code: &BTreeMap<String, String>) -> Self {
        let (mut names, mut impure) = (BTreeMap::new(), BTreeMap::new());
        for (room, text) in code {
            let paths = paths(text);
            let begins = |path: &String, word: &str| {
                let rest = path.strip_prefix(word);
                rest.is_some_and(|rest| !rest.starts_with('_'))
            };
            let named = |word: &&&str| match word.contains(' ') {
                true => text.contains(**word),
                false => paths.iter().any(|p| begins(p, word)),
            };
            if let Some(word) = IMPURE.iter().find(named) {
                impure.insert(room.clone(), *word);
            }
            let rooms = paths.iter().filter_map(|p| Self::room(code, room, p));
            names.insert(room.clone(), rooms.filter(|n| n != room).collect());
        }
        Self { names, impure }
    }

    fn new() -> Self {
        let mut list = Vec::new();
        files(&source(), &mut list);
        list.retain(|path| path.extension().is_some_and(|e| e == "rs"));
        let code = list.iter().map(|path| {
            let relative = path.strip_prefix(source()).unwrap().with_extension("");
            let room = relative.to_str().unwrap().replace('/', "::");
            (room, code(&fs::read_to_string(path).unwrap()))
        });
        Self::of(&code.collect())
    }

    /// The room in which what `path` names in `from` stands: the longest beginning of it that is a file.
    fn room(code: &BTreeMap<String, String>, from: &str, path: &str) -> Option<String> {
        let mut at: Vec<&str> = from.split("::").collect();
        let mut parts = path.split("::").peekable();
        match parts.peek().copied()? {
            "crate" => {
                parts.next();
                at.clear();
            }
            "self" => drop(parts.next()),
            "super" => {}
            // A child module of this file, or another crate.
            child if code.contains_key(&format!("{from}::{child}")) => {}
            _ => return None,
        }
        while parts.next_if_eq(&"super").is_some() {
            at.pop();
        }
        at.extend(parts);
        while !at.is_empty() {
            let room = at.join("::");
            if code.contains_key(&room) {
                return Some(room);
            }
            at.pop();
        }
        None
    }

    /// How one gets from `room` to something impure: the rooms on the way, and what is named there.
    fn way_out(&self, room: &str) -> Option<String> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::from([(room, "")]);
        let mut queue = VecDeque::from([room]);
        while let Some(at) = queue.pop_front() {
            if let Some(word) = self.impure.get(at) {
                let mut way = vec![at];
                while let Some(&before) = came_from.get(way[way.len() - 1]).filter(|b| !b.is_empty()) {
                    way.push(before);
                }
                way.reverse();
                return Some(format!("{} names `{word}`", way.join(" → ")));
            }
            for next in &self.names[at] {
                if !came_from.contains_key(next.as_str()) {
                    came_from.insert(next, at);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

#[test]
fn pure_rooms_reach_nothing_impure() {
    let house = House::new();
    let within = |room: &str, list: &str| room == list || room.starts_with(&format!("{list}::"));
    let mut ways = BTreeSet::new();
    for list in PURE {
        let mut rooms = house.names.keys().filter(|room| within(room, list)).peekable();
        assert!(rooms.peek().is_some(), "there is no room `{list}`");
        ways.extend(rooms.filter_map(|room| house.way_out(room)));
    }
    assert!(ways.is_empty(), "{ways:#?}");
}

#[test]
fn what_is_impure_is_found_by_way_of_other_rooms() {
    let way = House::new().way_out("engine::apply").expect("it talks to an engine");
    assert!(way.starts_with("engine::apply"), "{way}");
    let code = [
        ("a", "use crate::b::{self, C};"),
        ("b", "use super::c;"),
        ("c", "use std::{io, fs};"),
        ("d", "use std::fs_of_mine; // std::fs"),
    ];
    let house = House::of(&code.map(|(room, text)| (room.to_owned(), self::code(text))).into());
    assert_eq!(house.way_out("a").as_deref(), Some("a → b → c names `std::fs`"));
    assert_eq!(house.way_out("d"), None);
}

/// The files below `src` whose code names the crate `name`.
fn naming(name: &str) -> Vec<String> {
    let mut list = Vec::new();
    files(&source(), &mut list);
    let mut naming: Vec<String> = list
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .filter(|path| code(&fs::read_to_string(path).unwrap()).contains(name))
        .map(|path| path.strip_prefix(source()).unwrap().to_str().unwrap().to_owned())
        .collect();
    naming.sort();
    naming
}

#[test]
fn yaml_is_named_in_two_files() {
    assert_eq!(naming("serde_saphyr"), ["render/compose.rs", "yaml.rs"]);
}

#[test]
fn the_engines_client_is_named_in_its_room_alone() {
    let elsewhere: Vec<String> = naming("bollard")
        .into_iter()
        .filter(|f| !f.starts_with("engine"))
        .collect();
    assert_eq!(elsewhere, [""; 0]);
}
