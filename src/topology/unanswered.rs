//! Names of nodes that services are told to ask for, and that lead nowhere from where they are.
//!
//! Legal to write, since nobody knows what a service does with its texts, and the mistake that costs the most time: all runs,
//! and one asks for ever.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Attachment, ConfigSource, Node, Service, Topology};
use crate::blueprint::INOUT;
use crate::diagnostic::Problem;
use crate::name::NetworkKey;
use crate::value::Value;

/// Keys of a service whose texts tell it whom to ask.
const KEYS: &[&str] = &["command", "entrypoint", "environment"];
/// Ends of names of variables and options whose value is a host.
const SAY_HOST: &[&str] = &["host", "hosts", "addr", "address", "server"];
/// Keys by which a service may know names that no network tells it.
const OTHER_WAYS: &[&str] = &["extra_hosts", "external_links", "links", "network_mode"];
/// How many nodes of a role are read from its first on, beside its last: the others say the same.
const READ: usize = 2;

/// A text that a service is told.
struct Told {
    /// Where it stands in the service: `environment.MASTER`, `configs`.
    path: String,
    text: String,
}

/// A service that may ask for others, and what it is part of.
struct Asker<'t> {
    topology: &'t Topology,
    nodes: &'t HashMap<&'t str, &'t Node>,
    /// Nodes of each role that are read.
    read: &'t HashMap<&'t str, Vec<&'t Node>>,
    node: &'t Node,
    service: &'t Service,
}

impl Topology {
    /// Where a service is told to ask for a node, or for a service of another role, that cannot be found by that name from
    /// where the service is.
    #[must_use]
    pub fn unanswered(&self) -> Vec<Problem> {
        let mut read: HashMap<&str, Vec<&Node>> = HashMap::new();
        for node in &self.nodes {
            let of_role = read.entry(node.role.as_str()).or_default();
            match of_role.len() {
                0..=READ => of_role.push(node),
                _ => of_role[READ] = node,
            }
        }
        let by_name: HashMap<&str, &Node> = self.nodes.iter().map(|n| (n.name.as_str(), n)).collect();
        let mut found = Vec::new();
        let mut told: HashSet<(&str, &str, &str, String)> = HashSet::new();
        let nodes = self.roles.iter().filter_map(|role| read.get(role.as_str())).flatten();
        for (node, service) in nodes.flat_map(|node| node.services.iter().map(move |s| (*node, s))) {
            let asker = Asker {
                topology: self,
                nodes: &by_name,
                read: &read,
                node,
                service,
            };
            if service.replicas == 0 || OTHER_WAYS.iter().any(|key| service.get(key).is_some()) {
                continue;
            }
            for Told { path, text } in texts(node, service) {
                for name in hosts(&text) {
                    if let Some((role, mut problem)) = asker.looks_for(name)
                        && told.insert((node.role.as_str(), service.name.as_str(), role, path.clone()))
                    {
                        problem.place = service.written.place(&path);
                        found.push(problem);
                    }
                }
            }
        }
        found
    }
}

impl<'t> Asker<'t> {
    /// Why nobody answers to `name` here, where it is known elsewhere: in which role, and what to do.
    fn looks_for(&self, name: &str) -> Option<(&'t str, Problem)> {
        // A service may say its own node's name to others, and a name inside the node comes first.
        if name == self.node.name.as_str() || self.node.services.iter().any(|s| answers(s, name, |_| true)) {
            return None;
        }
        match self.nodes.get(name) {
            Some(asked) => self.looks_for_node(asked),
            None => self.looks_for_other(name),
        }
    }

    fn looks_for_node(&self, asked: &'t Node) -> Option<(&'t str, Problem)> {
        let (name, role) = (asked.name.as_str(), asked.role.as_str());
        if self.hears(asked, name) {
            return None;
        }
        let (message, hint) = if asked.services.iter().any(|s| answers(s, name, |a| a.shared)) {
            let (service, own) = (&self.service.name, &self.node.role);
            (
                format!("which it cannot reach: it is not on `{INOUT}`"),
                format!(
                    "a service that asks other nodes is an `exit` of its node: add `{service}` to `exit` of role `{own}`"
                ),
            )
        } else {
            let services: Vec<String> = asked.services.iter().map(|s| format!("`{}`", s.name)).collect();
            let hint = match services.as_slice() {
                [one] => format!("make {one} the `entry` of role `{role}`"),
                _ => format!("make one of {} the `entry` of role `{role}`", services.join(", ")),
            };
            (
                format!("to which nobody answers: no `entry` of role `{role}` has that name"),
                hint,
            )
        };
        Some((role, self.problem(name, &message).hint(hint)))
    }

    /// What was beside this service before it got a role of its own, most likely; or a node that is not there.
    fn looks_for_other(&self, name: &str) -> Option<(&'t str, Problem)> {
        let found = self.service_elsewhere(name);
        let found = found.or_else(|| self.node_that_is_not(name))?;
        let heard = self.topology.nodes.iter().any(|n| self.hears(n, name));
        (!heard).then_some(found)
    }

    /// The nodes that are read, by role.
    fn roles(&self) -> impl Iterator<Item = &'t Vec<&'t Node>> {
        self.topology.roles.iter().filter_map(|r| self.read.get(r.as_str()))
    }

    /// A service of another role, or one that its own leaves out of its Compose files.
    fn service_elsewhere(&self, name: &str) -> Option<(&'t str, Problem)> {
        let has = |nodes: &&&Vec<&Node>| nodes.iter().any(|n| n.services.iter().any(|s| s.name.as_str() == name));
        let (own, owner) = (self.node.role.as_str(), self.roles().find(|nodes| has(&nodes)));
        let (role, why, asked) = match owner.and_then(|nodes| nodes.first()).map(|n| n.role.as_str()) {
            Some(role) => (role, format!("that is a service of role `{role}`"), role),
            None if self.node.left_out.iter().any(|s| s == name) => {
                (own, format!("role `{own}` leaves that service out"), "…")
            }
            None => return None,
        };
        let problem = self.problem(name, &format!("to which nobody answers here: {why}"));
        let hint = format!(
            "other nodes ask for a node by its own name, which leads to its `entry`: {{{{ role('{asked}')[0].name }}}}"
        );
        Some((role, problem.hint(hint)))
    }

    /// One of another number than those of a role have, or of none.
    fn node_that_is_not(&self, name: &str) -> Option<(&'t str, Problem)> {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let nodes = self.roles().find(|nodes| are_numbered(nodes, stem))?;
        let (first, last) = (nodes.first()?, nodes.last()?);
        let role = first.role.as_str();
        let nodes = match first.name == last.name {
            true => format!("that of role `{role}` is `{}`", first.name),
            false => format!("those of role `{role}` are `{}` to `{}`", first.name, last.name),
        };
        let hint = match name[stem.len()..].strip_prefix('0') {
            Some(number) => format!(
                "ask for `{stem}{}`, or let nodes be called as before: node: \"{stem}0{{{{ index }}}}\" in role `{role}`",
                number.trim_start_matches('0')
            ),
            None => format!("a template knows them all: {{{{ role('{role}')[0].name }}}} is the first"),
        };
        let message = format!("to which nobody answers: no node is called so, {nodes}");
        Some((role, self.problem(name, &message).hint(hint)))
    }

    /// Whether a service of `other` answers to `name` on a network that this one is on.
    fn hears(&self, other: &Node, name: &str) -> bool {
        let joined = |key: &NetworkKey| {
            let attachments = self.service.attachments.iter().filter(|a| a.shared);
            let mut names = attachments.filter_map(|a| self.topology.shared_network(self.node, &a.network));
            let its = self.topology.shared_network(other, key).map(|n| &n.name);
            names.any(|network| Some(&network.name) == its)
        };
        other
            .services
            .iter()
            .any(|s| answers(s, name, |a| a.shared && joined(&a.network)))
    }

    fn problem(&self, name: &str, message: &str) -> Problem {
        let (service, node) = (&self.service.name, &self.node.name);
        Problem::general(format!("`{service}` of `{node}` asks for `{name}`, {message}"))
    }
}

/// Whether `nodes` are called `stem` and a number, each.
fn are_numbered(nodes: &[&Node], stem: &str) -> bool {
    let number = |n: &&Node| {
        n.name
            .as_str()
            .strip_prefix(stem)
            .is_some_and(|rest| rest.parse::<u32>().is_ok())
    };
    !stem.is_empty() && nodes.iter().all(number)
}

/// Whether `service` answers to `name` where `on` holds of the network.
fn answers(service: &Service, name: &str, on: impl Fn(&Attachment) -> bool) -> bool {
    let is_called = |a: &Attachment| {
        service.key.as_str() == name
            || service.container.as_str() == name
            || a.aliases.iter().any(|alias| alias.as_str() == name)
    };
    service.replicas > 0 && service.attachments.iter().any(|a| is_called(a) && on(a))
}

/// All that `service` is told.
fn texts(node: &Node, service: &Service) -> Vec<Told> {
    let mut texts = Vec::new();
    let mut say = |path: String, text: String| texts.push(Told { path, text });
    for key in KEYS {
        match service.get(key) {
            // As the words of one line, so that an option stands before its value.
            Some(value) if *key != "environment" => say((*key).to_owned(), value.one_or_many().join(" ")),
            Some(Value::Map(map)) => {
                for (name, value) in map.iter() {
                    let value = value.scalar().unwrap_or_default();
                    say(format!("{key}.{name}"), format!("{name}={value}"));
                }
            }
            Some(list) => {
                for (at, text) in list.one_or_many().into_iter().enumerate() {
                    say(format!("{key}[{at}]"), text);
                }
            }
            None => {}
        }
    }
    let mounted = service.get("configs").and_then(Value::as_list).unwrap_or_default();
    for (at, item) in mounted.iter().enumerate() {
        let source = match item {
            Value::Map(map) => map.get("source").and_then(Value::scalar),
            other => other.scalar(),
        };
        let config = node.configs.iter().find(|c| source.as_deref() == Some(&*c.name));
        if let Some(ConfigSource::File { content, .. }) = config.map(|c| &c.source)
            && let Ok(text) = std::str::from_utf8(content)
        {
            say(format!("configs[{at}]"), text.to_owned());
        }
    }
    texts
}

/// The words of `text` that stand where a host does, before a port, after `//` or `@`, or as the value of what is called
/// so, and nowhere else: what `upstream web` names is no host.
fn hosts(text: &str) -> BTreeSet<&str> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let (mut hosts, mut others) = (BTreeSet::new(), BTreeSet::new());
    let mut rest = 0;
    while let Some(from) = text[rest..].find(of_name).map(|n| rest + n) {
        rest = text[from..].find(|c| !of_name(c)).map_or(text.len(), |n| from + n);
        let word = &text[from..rest];
        // `--option` is none.
        if !word.starts_with('-') {
            let stands = stands_for_host(&text[..from], &text[rest..]);
            if stands { &mut hosts } else { &mut others }.insert(word);
        }
    }
    hosts.difference(&others).copied().collect()
}

fn stands_for_host(before: &str, after: &str) -> bool {
    let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    // `//user@host`, `//user:word@host`
    let authority = after
        .split(|c: char| c == '/' || c.is_whitespace())
        .next()
        .unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    if before.ends_with("//") || before.ends_with('@') || after.strip_prefix(':').is_some_and(digit) {
        return true;
    }
    // `replicaof primary 6379`
    let blank = after.trim_start_matches([' ', '\t']);
    if blank.len() < after.len() && digit(blank) {
        let word = blank
            .split(|c: char| c.is_whitespace() || c == ';')
            .next()
            .unwrap_or_default();
        return before.ends_with([' ', '\t']) && word.parse::<u16>().is_ok_and(|port| port > 9);
    }
    // `--host primary`, `DB_HOST=primary`, `"host": "primary"`
    let line = before.rsplit('\n').next().unwrap_or_default();
    let name = line.trim_end_matches([' ', '\t', '"', '\'', '=', ':']);
    let lower = name.to_lowercase();
    name.len() < line.len() && SAY_HOST.iter().any(|end| lower.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_from_other_words() {
        for (text, expected) in [
            ("http://web:8080/a", "web"),
            ("spark://master:7077 app.jar", "master"),
            ("postgres://me@db/shop", "db"),
            ("amqp://guest:42@queue:5672 other:1", "other queue"),
            ("upstream web {\n  server web1:80;\n}\nproxy_pass http://web;", "web1"),
            ("redis-server --replicaof primary 6379", "primary"),
            ("primary_conninfo = 'host=primary port=5432'", "primary"),
            ("DB_HOST=primary", "primary"),
            ("{\"host\": \"primary\"}", "primary"),
            ("--master-host primary", "primary"),
            (
                "upstream web {\n  server slave1:80;\n  server slave2:80;\n}",
                "slave1 slave2",
            ),
            ("ROLE=primary", ""),
            ("run the master 3", ""),
            ("master: 3, \"slave1\": true", ""),
        ] {
            assert_eq!(Vec::from_iter(hosts(text)).join(" "), expected, "{text}");
        }
    }
}
