//! Families that become roles, and how each is written.

use super::Draft;
use super::align::{Align, Compared};
use super::family::{self, Family};
use super::out::Out;
use super::pattern;
use super::relations::Relations;
use super::rest::listed;
use super::services::Service;
use super::written::Written;
use crate::blueprint::words;

/// The roles of numbered services.
pub(super) struct Numbered<'d> {
    pub(super) roles: Vec<Role<'d>>,
    /// The names of services that are numbered alike and stay out, each with the role.
    pub(super) left: Vec<(String, String)>,
}

/// A role whose nodes are the members of families: one service of each.
pub(super) struct Role<'d> {
    /// The families; the first gives the role and its nodes their names.
    pub(super) families: Vec<Family<'d>>,
}

impl<'d> Role<'d> {
    pub(super) fn name(&self) -> &str {
        &self.families[0].role
    }
}

impl<'d> Numbered<'d> {
    /// The numbered roles of `services`.
    pub(super) fn find(services: &[Service<'d>]) -> Self {
        let family::Found { families, left } = family::find(services);
        let mut roles: Vec<Role<'d>> = Vec::new();
        for family in families {
            match roles
                .iter_mut()
                .find(|role| role.families.iter().any(|other| are_one_node(other, &family)))
            {
                Some(role) => role.families.push(family),
                None => roles.push(Role { families: vec![family] }),
            }
        }
        for role in &mut roles {
            // The way in comes first: who joins networks, and publishes.
            let rank = |f: &Family<'_>| {
                (
                    !f.members[0].can_be_entry(),
                    f.members.iter().all(|m| m.published().is_empty()),
                )
            };
            role.families.sort_by_key(rank);
        }
        // What shares a namespace or volumes with another node cannot be a node.
        loop {
            let places = |name: &str| {
                roles.iter().enumerate().find_map(|(n, role)| {
                    let at = role
                        .families
                        .iter()
                        .find_map(|f| f.members.iter().position(|m| m.name == name))?;
                    Some((n, at))
                })
            };
            let shares = services
                .iter()
                .flat_map(|s| s.shares().into_iter().map(move |other| (s.name, other)));
            let torn = shares
                .map(|(one, other)| (places(one), places(&other)))
                .find(|(one, other)| one != other);
            let Some(at) = torn.and_then(|(one, other)| one.or(other)) else {
                break;
            };
            roles.remove(at.0);
        }
        let left = left
            .into_iter()
            .filter(|(_, role)| roles.iter().any(|r| r.name() == role))
            .collect();
        Self { roles, left }
    }
}

/// Whether each member of one family belongs to the member of the other that has its number: it shares something with it, or it
/// refers to that one and to no other.
fn are_one_node(one: &Family<'_>, other: &Family<'_>) -> bool {
    let same = one.number == other.number && one.members.len() == other.members.len();
    let belongs = |one: &Family<'_>, other: &Family<'_>| {
        one.members.iter().enumerate().all(|(at, member)| {
            let refers = member.refers();
            let meant: Vec<usize> = (0..other.members.len())
                .filter(|n| refers.iter().any(|name| name == other.members[*n].name))
                .collect();
            meant == [at]
        })
    };
    same && (belongs(one, other) || belongs(other, one))
}

impl<'d> Draft<'_, 'd> {
    /// The role of families whose members are alike.
    pub(super) fn numbered(&mut self, role: &Role<'d>, relations: &Relations, families: &[Family<'d>]) {
        let compared: Vec<Vec<Compared>> = (0..role.families.len())
            .map(|place| {
                let mut align = Align {
                    families,
                    role: &role.families,
                    place,
                    family: &role.families[place],
                    lists: &mut self.lists,
                };
                align.all()
            })
            .collect();
        let size = role.families[0].members.len();
        let odd = |at: usize| {
            let exceptions = compared.iter().flatten().flat_map(|c| &c.exceptions);
            exceptions.filter(|(member, _)| *member == at).count()
        };
        let base = (0..size).min_by_key(|at| odd(*at)).unwrap_or_default();
        let mut replaced = self.replaced(role, &compared, base);
        let written: Vec<Written> = (0..role.families.len())
            .map(|place| self.written(role, place, &compared[place], base, &mut replaced))
            .collect();

        for family in &role.families {
            let (first, last) = (family.name(0), family.name(size - 1));
            let between = if size == 2 { "and" } else { "to" };
            self.comment(format!("`{first}` {between} `{last}` are alike but for their number."));
        }
        self.compose();
        let count = self.asked.count.map_or(size, |n| usize::try_from(n).unwrap_or(size));
        self.key("count", Out::Bare(count.to_string()));
        if let Some(node) = role.families[0].node_template() {
            self.key("node", Out::Text(node));
        }
        let bases: Vec<Service<'d>> = role.families.iter().map(|f| f.members[base]).collect();
        self.key(
            "take",
            Out::List(bases.iter().map(|s| Out::Text(s.name.to_owned())).collect()),
        );
        let renamed = bases
            .iter()
            .zip(&role.families)
            .map(|(s, f)| (s.name.to_owned(), Out::Text(f.key.clone())));
        self.key("rename", Out::Map(renamed.collect()));
        self.entries(role, relations);
        self.order(role.name(), relations);
        replaced.words.extend(self.addresses_of(role, base));
        if !replaced.words.is_empty() {
            self.key("replace", Out::Map(replaced.words));
        }
        self.services_of(role, &written);
        self.shared_volumes(&bases, relations);
        self.overrides(role, &written);
        self.role(role.name());
    }

    /// The fixed addresses in the texts of a role's services, each with the name to ask for.
    fn addresses_of(&self, role: &Role<'d>, base: usize) -> Vec<(String, Out)> {
        let bases: Vec<Service<'d>> = role.families.iter().map(|f| f.members[base]).collect();
        let mut found: Vec<(String, Out)> = self
            .foreign_addresses(&bases)
            .into_iter()
            .map(|(address, name)| (address, Out::Text(name)))
            .collect();
        for (family, base) in role.families.iter().zip(&bases) {
            let original = super::services::all(self.original)
                .into_iter()
                .find(|s| s.name == base.name);
            let texts = original.map(|s| s.texts(self.original)).unwrap_or_default();
            let own = self.addresses.iter().filter(|(_, name)| name == base.name);
            let used = own.filter(|(address, _)| texts.iter().any(|text| words::has(text, address)));
            found.extend(used.map(|(address, _)| (address.clone(), Out::Text(family.own("node.")))));
        }
        found
    }

    /// `entry` of a role, and `exit`.
    fn entries(&mut self, role: &Role<'d>, relations: &Relations) {
        let mut entries: Vec<(String, Vec<String>)> = Vec::new();
        let mut exits: Vec<Out> = Vec::new();
        for (place, family) in role.families.iter().enumerate() {
            let is_asked = family.members.iter().any(|m| relations.asked.contains_key(m.name));
            let asks = family.members.iter().any(|m| relations.asking.contains(m.name));
            if family.members.iter().any(|m| !m.can_be_entry()) {
                continue;
            }
            if place > 0 && !is_asked {
                if asks {
                    exits.push(Out::Text(family.key.clone()));
                }
                continue;
            }
            entries.push((family.key.clone(), aliases(family, relations, place == 0)));
        }
        let value = |aliases: &[String]| match aliases {
            [one] => Out::Text(one.clone()),
            many => Out::List(many.iter().cloned().map(Out::Text).collect()),
        };
        match entries.as_slice() {
            [] => self.comment("entry: none, since no service joins a network as one container.".to_owned()),
            [(key, aliases)] if aliases.as_slice() == ["{{ node.name }}"] => self.key("entry", Out::Text(key.clone())),
            many => {
                let map: Vec<(String, Out)> = many
                    .iter()
                    .map(|(key, aliases)| (key.clone(), value(aliases)))
                    .collect();
                self.key("entry", Out::Map(map));
            }
        }
        if !exits.is_empty() {
            self.key("exit", Out::List(exits));
        }
    }

    /// `services` of a role: what follows from the number of a node.
    fn services_of(&mut self, role: &Role<'d>, written: &[Written]) {
        let mut services = Out::Map(Vec::new());
        for (family, written) in role.families.iter().zip(written) {
            if !written.services.is_empty() {
                services.set(std::slice::from_ref(&family.key), written.services.clone());
            }
            if self.leaves_networks(&family.members[0]) {
                services.set(&[family.key.clone(), "networks".to_owned()], Out::Reset);
            }
        }
        if !services.is_empty() {
            self.key("services", services);
        }
    }

    /// Whether a service cannot stay on the networks of the file: they are one for all nodes, or have addresses of their own.
    fn leaves_networks(&self, service: &Service<'_>) -> bool {
        let defined = |key: &str| self.document.get("networks").and_then(|n| n.get(key));
        let external = |key: &str| defined(key).is_some_and(|n| n.get("external").is_some());
        let is_fixed = |key: &str| {
            let has = |option: &str| defined(key).is_some_and(|n| n.get(option).is_some());
            has("name") || has("ipam")
        };
        let used = crate::compose::uses::of(service.node).into_iter();
        let used: Vec<String> = used
            .filter(|(section, _)| *section == "networks")
            .map(|(_, key)| key)
            .collect();
        let options = service
            .joined()
            .any(|(_, options)| !matches!(options.value, crate::yaml::Yaml::Null));
        service.get("networks").is_some()
            && !used.iter().any(|key| external(key))
            && (options || used.iter().any(|key| is_fixed(key)))
    }

    /// `overrides` of a role: what single nodes have otherwise.
    fn overrides(&mut self, role: &Role<'d>, written: &[Written]) {
        let mut overrides = Out::Map(Vec::new());
        let mut said: Vec<(String, Vec<String>)> = Vec::new();
        for (family, written) in role.families.iter().zip(written) {
            for (member, path, value) in &written.exceptions {
                let node = role.families[0].node_name(*member);
                let whole: Vec<String> = [node, "services".to_owned(), family.key.clone()]
                    .into_iter()
                    .chain(path.clone())
                    .collect();
                overrides.set(&whole, value.clone());
                let name = family.name(*member);
                let path = path.join(".");
                match said.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, paths)) => paths.push(path),
                    None => said.push((name, vec![path])),
                }
            }
        }
        for (name, paths) in said {
            self.comment(format!("overrides: `{name}` differs in {}.", listed(&paths)));
        }
        if !overrides.is_empty() {
            self.key("overrides", overrides);
        }
    }
}

/// The names of a family's service on the shared network, as templates: its own, and those by which others ask.
fn aliases(family: &Family<'_>, relations: &Relations, is_first: bool) -> Vec<String> {
    let own = family.own("node.");
    let mut found = vec![if is_first {
        own
    } else {
        format!(
            "{}{{{{ {} }}}}{}",
            family.around.0,
            family.number.expression("node."),
            family.around.1
        )
    }];
    let handles: Vec<Vec<String>> = family.members.iter().map(Service::handles).collect();
    let is_asked = |handle: &String| relations.asked.values().any(|names| names.contains(handle));
    for place in 1..handles.iter().map(Vec::len).min().unwrap_or_default() {
        let each: Vec<(usize, String)> = handles.iter().map(|h| h[place].clone()).enumerate().collect();
        if each.iter().any(|(_, handle)| is_asked(handle))
            && let Some(parts) = pattern::of(&each)
        {
            let alias = pattern::written(&parts, "", "node.", &[]);
            if !found.contains(&alias) {
                found.push(alias);
            }
        }
    }
    found
}
