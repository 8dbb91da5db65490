//! T003: a service is configured with a name that does not resolve from where it is.
//!
//! Legal to write, since nobody knows what a service does with its texts, and the mistake that costs the most time: all runs,
//! and one asks for ever.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Finding, Subject};
use crate::blueprint::INOUT;
use crate::diagnostic::Problem;
use crate::name::NetworkKey;
use crate::text::decimal;
use crate::topology::{Attachment, ConfigSource, Node, Service};
use crate::value::Value;

/// Keys of a service whose texts tell it whom to ask.
const KEYS: &[&str] = &["command", "entrypoint", "environment"];
/// Ends of names of variables and options whose value is a host.
const SAY_HOST: &[&str] = &["host", "hosts", "addr", "address", "server"];
/// Keys by which a service may know names that no network tells it.
const OTHER_WAYS: &[&str] = &["extra_hosts", "external_links", "links", "network_mode"];
/// How many nodes of a role are read from its first on, beside its last: the others say the same.
const READ: usize = 2;

/// A text of a service that may name a host.
struct ConfiguredText {
    /// Where it stands in the service: `environment.MASTER`, `configs`.
    path: String,
    text: String,
}

/// A service that may ask for others, and what it is part of.
struct Asker<'t> {
    subject: &'t Subject<'t>,
    /// Nodes of each role that are read.
    read: &'t HashMap<&'t str, Vec<&'t Node>>,
    node: &'t Node,
    service: &'t Service,
}

/// Where a service is reported to ask for a node, or for a service of another role, that cannot be found by that name from
/// where the service is.
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
                if let Some((role, mut problem)) = asker.looks_for(name)
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
    /// Why nobody answers to `name` here, where it is known elsewhere: in which role, and what to do.
    fn looks_for(&self, name: &str) -> Option<(&'t str, Problem)> {
        // A service may say its own node's name to others, and a name inside the node comes first.
        if name == self.node.name.as_str() || self.node.services.iter().any(|s| answers(s, name, |_| true)) {
            return None;
        }
        match self.subject.nodes.get(name) {
            Some(asked) => self.looks_for_node(asked),
            None => self.looks_for_other(name),
        }
    }

    fn looks_for_node(&self, asked: &'t Node) -> Option<(&'t str, Problem)> {
        let (name, role) = (asked.name.as_str(), asked.role.as_str());
        if self.hears(asked, name) {
            return None;
        }
        if asked.services.iter().any(|s| answers(s, name, |a| a.shared)) {
            return Some((role, self.out_of_reach(name)));
        }
        let shared = asked.services.iter().flat_map(|s| &s.attachments).filter(|a| a.shared);
        let services: Vec<String> = asked.services.iter().map(|s| format!("`{}`", s.name)).collect();
        let hint = match (shared.flat_map(|a| &a.aliases).next(), services.as_slice()) {
            (Some(alias), _) => format!("its `entry` answers to `{}`", alias.as_str()),
            (None, [one]) => format!("make {one} the `entry` of role `{role}`"),
            (None, _) => format!("make one of {} the `entry` of role `{role}`", services.join(", ")),
        };
        let message = format!("to which nobody answers: no `entry` of role `{role}` has that name");
        Some((role, self.problem(name, &message).hint(hint)))
    }

    /// That `name` leads somewhere on a network that this service is not on.
    fn out_of_reach(&self, name: &str) -> Problem {
        let (service, own) = (&self.service.name, &self.node.role);
        let problem = self.problem(name, &format!("which it cannot reach: it is not on `{INOUT}`"));
        problem.hint(format!(
            "a service that asks other nodes is an `exit` of its node: add `{service}` to `exit` of role `{own}`"
        ))
    }

    /// A name that is no node's: one of an entry, or what was beside this service before it got a role of its own, most
    /// likely; or a node that is not there.
    fn looks_for_other(&self, name: &str) -> Option<(&'t str, Problem)> {
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
            Some(asked) => Some((asked.role.as_str(), self.out_of_reach(name))),
            None => self.service_elsewhere(name).or_else(|| self.node_that_is_not(name)),
        }?;
        let heard = self.subject.topology.nodes.iter().any(|n| self.hears(n, name));
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

    /// A service of another role, or one that its own leaves out of its Compose files.
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
        let problem = self.problem(name, &format!("to which nobody answers here: {why}"));
        let hint = format!(
            "other nodes ask for a node by its own name, which resolves to its `entry`: {{{{ role('{asked}')[0].name }}}}"
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
        // `es01` of `es1` to `es9`; of more, the names that they had cannot all be kept so.
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
        let message = format!("to which nobody answers: no node is called so, {nodes}");
        Some((role, self.problem(name, &message).hint(hint)))
    }

    /// Whether a service of `other` answers to `name` on a network that this one is on.
    fn hears(&self, other: &Node, name: &str) -> bool {
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

/// Whether `nodes` are called `stem` and a number, each.
fn are_numbered(nodes: &[&Node], stem: &str) -> bool {
    let number = |n: &&Node| {
        n.name
            .as_str()
            .strip_prefix(stem)
            .is_some_and(|rest| decimal::<u32>(rest).is_some())
    };
    !stem.is_empty() && nodes.iter().all(number)
}

/// Whether `service` answers to `name` where `on` holds of the network.
fn answers(service: &Service, name: &str, on: impl Fn(&Attachment) -> bool) -> bool {
    let own = service.key.as_str() == name || service.container.as_str() == name;
    let host = || service.hostname().is_some_and(|h| h == name);
    let is_called = |a: &Attachment| own || a.aliases.iter().any(|alias| alias.as_str() == name) || host();
    service.replicas > 0 && service.attachments.iter().any(|a| is_called(a) && on(a))
}

/// All texts of `service` that may name a host.
fn texts(node: &Node, service: &Service) -> Vec<ConfiguredText> {
    let mut texts = Vec::new();
    let mut say = |path: String, text: String| texts.push(ConfiguredText { path, text });
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

/// Whether what stands between `before` and `after` is a host's name. Both are looked at no further than the next blank or
/// sign, so that long texts take no longer by the word.
fn stands_for_host(before: &str, after: &str) -> bool {
    // `minio{1...4}`, `$HOST`: what it is, is known elsewhere.
    if after.starts_with(['{', '$', '*', '<', '%']) || before.ends_with(['$', '%']) {
        return false;
    }
    // `//user@host`, `//user:word@host`
    let part = |c: char| c.is_whitespace() || matches!(c, '/' | ',' | ';' | '"' | '\'');
    let authority = after.split(part).next().unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    if before.ends_with("//") || before.ends_with('@') || after.strip_prefix(':').is_some_and(begins_with_port) {
        return true;
    }
    // `replicaof primary 6379`
    let blank = after.trim_start_matches([' ', '\t']);
    if blank.len() < after.len() && begins_with_port(blank) {
        return before.ends_with([' ', '\t']);
    }
    // `--host primary`, `DB_HOST=primary`, `"dbHost": "primary"`
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
    name.len() < before.len() && SAY_HOST.iter().any(says)
}

/// Whether `text` begins with a port, which one digit alone is not: `redis:7` is an image.
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
