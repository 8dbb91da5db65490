//! T003: a service is configured with a name that does not resolve on its networks.
//!
//! The blueprint is valid, since only the service knows what its texts mean. But it is the mistake that costs the most
//! time, because everything runs and one service keeps asking for a name that nobody has.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Finding, Subject};
use crate::blueprint::INOUT;
use crate::diagnostic::Problem;
use crate::name::NetworkKey;
use crate::text::decimal;
use crate::topology::{Attachment, ConfigSource, Node, Service};
use crate::value::Value;

/// The keys of a service whose texts configure it.
const KEYS: &[&str] = &["command", "entrypoint", "environment"];
/// The ends of names of variables and options whose value is a host.
const HOST_OPTIONS: &[&str] = &["host", "hosts", "addr", "address", "server"];
/// The keys that may give a service names which its networks do not have.
const OTHER_WAYS: &[&str] = &["extra_hosts", "external_links", "links", "network_mode"];
/// The number of nodes of a role that are read from its first on, beside its last. The others have the same
/// configuration.
const READ: usize = 2;

/// A text of a service that may name a host.
struct ConfiguredText {
    /// Its path in the service, such as `environment.MASTER` or `configs[0]`.
    path: String,
    text: String,
}

/// A service that may ask for others, with its context.
struct Asker<'t> {
    subject: &'t Subject<'t>,
    /// The nodes of each role that are read, in the order of their indices.
    read: &'t HashMap<&'t str, Vec<&'t Node>>,
    node: &'t Node,
    service: &'t Service,
}

/// Finds services that are configured with the name of a node, or of a service of another role, that does not resolve
/// on their networks.
pub(super) fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let topology = subject.topology;
    let mut read: HashMap<&str, Vec<&Node>> = HashMap::new();
    for node in &topology.nodes {
        let of_role = read.entry(node.role.as_str()).or_default();
        match of_role.len() {
            0..=READ => of_role.push(node),
            _ => of_role[READ] = node,
        }
    }
    let mut found = Vec::new();
    let mut reported: HashSet<(&str, &str, &str, String)> = HashSet::new();
    let nodes = topology
        .roles
        .iter()
        .filter_map(|role| read.get(role.as_str()))
        .flatten();
    for (node, service) in nodes.flat_map(|node| node.services.iter().map(move |s| (*node, s))) {
        let asker = Asker {
            subject,
            read: &read,
            node,
            service,
        };
        if service.replicas == 0 || OTHER_WAYS.iter().any(|key| service.get(key).is_some()) {
            continue;
        }
        for ConfiguredText { path, text } in texts(node, service) {
            for name in hosts(&text) {
                if let Some((role, mut problem)) = asker.unresolved(name)
                    && reported.insert((node.role.as_str(), service.name.as_str(), role, path.clone()))
                {
                    problem.place = service.written.place(&path);
                    let role = Some(node.role.clone());
                    found.push(Finding { problem, role });
                }
            }
        }
    }
    found
}

impl<'t> Asker<'t> {
    /// The role that `name` belongs to and the problem with it; `None` if the name resolves here, or belongs to nothing
    /// known.
    fn unresolved(&self, name: &str) -> Option<(&'t str, Problem)> {
        // A service may pass its own node's name to others, and a name inside the node comes first.
        if name == self.node.name.as_str() || self.node.services.iter().any(|s| answers(s, name, |_| true)) {
            return None;
        }
        match self.subject.nodes.get(name) {
            Some(asked) => self.resolve_node(asked),
            None => self.resolve_other(name),
        }
    }

    fn resolve_node(&self, asked: &'t Node) -> Option<(&'t str, Problem)> {
        let (name, role) = (asked.name.as_str(), asked.role.as_str());
        if self.shares_name(asked, name) {
            return None;
        }
        if asked.services.iter().any(|s| answers(s, name, |a| a.shared)) {
            return Some((role, self.unreachable(asked, name)));
        }
        let shared = asked.services.iter().flat_map(|s| &s.attachments).filter(|a| a.shared);
        let services: Vec<String> = asked.services.iter().map(|s| format!("`{}`", s.name)).collect();
        let hint = match (shared.flat_map(|a| &a.aliases).next(), services.as_slice()) {
            (Some(alias), _) => format!("its `entry` answers to `{}`", alias.as_str()),
            (None, [one]) => format!("make {one} the `entry` of role `{role}`"),
            (None, _) => format!("make one of {} the `entry` of role `{role}`", services.join(", ")),
        };
        let message = format!("which does not resolve: no `entry` of role `{role}` has that name");
        Some((role, self.problem(name, &message).hint(hint)))
    }

    /// The problem that `name` resolves only on a network that this service does not join.
    fn unreachable(&self, asked: &Node, name: &str) -> Problem {
        let (service, own) = (&self.service.name, &self.node.role);
        let known = asked
            .services
            .iter()
            .filter(|s| answers(s, name, |a| a.shared))
            .flat_map(|s| &s.attachments);
        let networks: Vec<String> = known.filter(|a| a.shared).map(|a| format!("`{}`", a.network)).collect();
        if !networks.iter().any(|n| *n == format!("`{INOUT}`")) {
            let problem = self.problem(name, "which it cannot reach: they are on no network together");
            return problem.hint(format!(
                "`{name}` is on {}: let `{service}` join it too",
                networks.join(", ")
            ));
        }
        let problem = self.problem(name, &format!("which it cannot reach: it is not on `{INOUT}`"));
        problem.hint(format!(
            "a service that asks other nodes is an `exit` of its node: add `{service}` to `exit` of role `{own}`"
        ))
    }

    /// The problem with a name that is no node's: an alias of an entry, a service that was probably beside this one
    /// before it got a role of its own, or a node that does not exist.
    fn resolve_other(&self, name: &str) -> Option<(&'t str, Problem)> {
        let on_inout = |nodes: &&&Vec<&Node>| {
            let services = nodes.iter().flat_map(|n| &n.services);
            services
                .clone()
                .any(|s| answers(s, name, |a| a.network.as_str() == INOUT))
        };
        let found = match self
            .roles()
            .find(|nodes| on_inout(&nodes))
            .and_then(|nodes| nodes.first())
        {
            Some(asked) => Some((asked.role.as_str(), self.unreachable(asked, name))),
            None => self.service_elsewhere(name).or_else(|| self.missing_node(name)),
        }?;
        let heard = self.subject.topology.nodes.iter().any(|n| self.shares_name(n, name));
        (!heard).then_some(found)
    }

    /// The nodes that are read, by role.
    fn roles(&self) -> impl Iterator<Item = &'t Vec<&'t Node>> + Clone {
        self.subject
            .topology
            .roles
            .iter()
            .filter_map(|r| self.read.get(r.as_str()))
    }

    /// The problem with the name of a service of another role, or of one that the own role leaves out of its Compose
    /// files.
    fn service_elsewhere(&self, name: &str) -> Option<(&'t str, Problem)> {
        let has = |nodes: &&&Vec<&Node>| nodes.iter().any(|n| n.services.iter().any(|s| s.name.as_str() == name));
        let own = self.node.role.as_str();
        let others = self
            .roles()
            .filter(|nodes| nodes.first().is_some_and(|n| n.role.as_str() != own));
        let owner = others.clone().find(|nodes| has(&nodes)).and_then(|nodes| nodes.first());
        let (role, why, asked) = match owner.map(|n| n.role.as_str()) {
            Some(role) => (role, format!("that is a service of role `{role}`"), role),
            None if self.node.left_out.iter().any(|s| s == name) => {
                (own, format!("role `{own}` leaves that service out"), "…")
            }
            None => return None,
        };
        let problem = self.problem(name, &format!("which does not resolve here: {why}"));
        let hint = format!(
            "other nodes ask for a node by its own name, which resolves to its `entry`: {{{{ role('{asked}')[0].name }}}}"
        );
        Some((role, problem.hint(hint)))
    }

    /// The problem with the name of a node with a number that none of its role has.
    fn missing_node(&self, name: &str) -> Option<(&'t str, Problem)> {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let nodes = self.roles().find(|nodes| are_numbered(nodes, stem))?;
        let (first, last) = (nodes.first()?, nodes.last()?);
        let role = first.role.as_str();
        let nodes = match first.name == last.name {
            true => format!("that of role `{role}` is `{}`", first.name),
            false => format!("those of role `{role}` are `{}` to `{}`", first.name, last.name),
        };
        // `es01` is meant as `es1` of `es1` to `es9`. With ten nodes or more, `node: es0{{ index }}` would not keep all
        // old names.
        let number = name[stem.len()..].trim_start_matches('0');
        let meant = self.subject.nodes.get(format!("{stem}{number}").as_str());
        let few = name.len() == stem.len() + 2 && last.name.as_str().len() == stem.len() + 1;
        let hint = match meant {
            Some(node) if few => format!(
                "ask for `{}`, or let nodes be called as before: node: \"{stem}0{{{{ index }}}}\" in role `{role}`",
                node.name
            ),
            Some(node) => format!("ask for `{}`", node.name),
            None => format!("a template knows them all: {{{{ role('{role}')[0].name }}}} is the first"),
        };
        let message = format!("which does not resolve: no node is called so, {nodes}");
        Some((role, self.problem(name, &message).hint(hint)))
    }

    /// Whether a service of `other` has `name` on a network that this service joins.
    fn shares_name(&self, other: &Node, name: &str) -> bool {
        let joined = |key: &NetworkKey| {
            let attachments = self.service.attachments.iter().filter(|a| a.shared);
            let mut names = attachments.filter_map(|a| self.subject.topology.shared_network(self.node, &a.network));
            let its = self.subject.topology.shared_network(other, key).map(|n| &n.name);
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

/// Whether the names of all `nodes` are `stem` and a number.
fn are_numbered(nodes: &[&Node], stem: &str) -> bool {
    let number = |n: &&Node| {
        n.name
            .as_str()
            .strip_prefix(stem)
            .is_some_and(|rest| decimal::<u32>(rest).is_some())
    };
    !stem.is_empty() && nodes.iter().all(number)
}

/// Whether `service` has `name` on a network that `on` selects.
fn answers(service: &Service, name: &str, on: impl Fn(&Attachment) -> bool) -> bool {
    let own = service.key.as_str() == name || service.container.as_str() == name;
    let host = || service.hostname().is_some_and(|h| h == name);
    let is_called = |a: &Attachment| own || a.aliases.iter().any(|alias| alias.as_str() == name) || host();
    service.replicas > 0 && service.attachments.iter().any(|a| is_called(a) && on(a))
}

/// All texts of `service` that may name a host.
fn texts(node: &Node, service: &Service) -> Vec<ConfiguredText> {
    let mut texts = Vec::new();
    let mut add = |path: String, text: String| texts.push(ConfiguredText { path, text });
    for key in KEYS {
        match service.get(key) {
            // The words are joined to one line, so that an option stands before its value.
            Some(value) if *key != "environment" => add((*key).to_owned(), value.one_or_many().join(" ")),
            Some(Value::Map(map)) => {
                for (name, value) in map.iter() {
                    let value = value.scalar().unwrap_or_default();
                    add(format!("{key}.{name}"), format!("{name}={value}"));
                }
            }
            Some(list) => {
                for (at, text) in list.one_or_many().into_iter().enumerate() {
                    add(format!("{key}[{at}]"), text);
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
            add(format!("configs[{at}]"), text.to_owned());
        }
    }
    texts
}

/// The words of `text` that are used as hosts: before a port, after `//` or `@`, or as the value of an option for a
/// host. Words that are also used otherwise are left out: the `web` of `upstream web` is no host.
fn hosts(text: &str) -> BTreeSet<&str> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let (mut hosts, mut others) = (BTreeSet::new(), BTreeSet::new());
    let mut rest = 0;
    while let Some(from) = text[rest..].find(of_name).map(|n| rest + n) {
        rest = text[from..].find(|c| !of_name(c)).map_or(text.len(), |n| from + n);
        let word = &text[from..rest];
        // `--option` is no host.
        if !word.starts_with('-') {
            let stands = stands_for_host(&text[..from], &text[rest..]);
            if stands { &mut hosts } else { &mut others }.insert(word);
        }
    }
    hosts.difference(&others).copied().collect()
}

/// Whether the word between `before` and `after` is used as a host. Both are searched no further than the next blank or
/// sign, so that the time per word does not depend on the length of the text.
fn stands_for_host(before: &str, after: &str) -> bool {
    // A word with a variable part, such as `minio{1...4}` or `$HOST`, cannot be judged.
    if after.starts_with(['{', '$', '*', '<', '%']) || before.ends_with(['$', '%']) {
        return false;
    }
    // In `//user@host` and `//user:word@host`, the part before the `@` is no host.
    let part = |c: char| c.is_whitespace() || matches!(c, '/' | ',' | ';' | '"' | '\'');
    let authority = after.split(part).next().unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    if before.ends_with("//") || before.ends_with('@') || after.strip_prefix(':').is_some_and(begins_with_port) {
        return true;
    }
    // A port after a blank, as in `replicaof primary 6379`.
    let blank = after.trim_start_matches([' ', '\t']);
    if blank.len() < after.len() && begins_with_port(blank) {
        return before.ends_with([' ', '\t']);
    }
    // The value of an option, as in `--host primary`, `DB_HOST=primary` or `"dbHost": "primary"`.
    let name = before.trim_end_matches([' ', '\t', '"', '\'', '=', ':']);
    let says = |end: &&str| {
        let at = name.len().saturating_sub(end.len());
        let Some((start, last)) = name.split_at_checked(at) else {
            return false;
        };
        let begins =
            !start.ends_with(|c: char| c.is_ascii_alphabetic()) || last.starts_with(|c: char| c.is_ascii_uppercase());
        last.eq_ignore_ascii_case(end) && begins
    };
    name.len() < before.len() && HOST_OPTIONS.iter().any(says)
}

/// Whether `text` begins with a port. A single digit is none, because of images such as `redis:7`.
fn begins_with_port(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let rest = text[end..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '.' | '-' | '_'));
    !rest && text[..end].parse::<u16>().is_ok_and(|port| port > 9)
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
            ("amqp://guest:42@queue:5672 other:80", "other queue"),
            (r#"{"host":"primary","mail":"a@b","dbHost": "db"}"#, "b db primary"),
            ("image redis:7, redis:7.2-alpine localhost web", ""),
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
            ("server http://minio{1...4}/data{1...2} http://${HOST}:80", ""),
            ("ROLE=primary", ""),
            ("run the master 3", ""),
            ("master: 3, \"slave1\": true", ""),
        ] {
            assert_eq!(Vec::from_iter(hosts(text)).join(" "), expected, "{text}");
        }
    }
}
