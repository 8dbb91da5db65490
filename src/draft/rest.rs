//! The services that are no member of a family: one role, or the whole file.

use super::Draft;
use super::REST;
use super::family::Family;
use super::numbered::Numbered;
use super::out::Out;
use super::relations::Relations;
use super::services::Service;
use crate::name::RoleName;
use crate::text;

/// Ports of a way in, the likelier first.
const WAYS_IN: &[&str] = &["443", "80", "8443", "8080", "3000", "8000", "5000"];

/// The name of the role of `rest`: that of its only service, where a role can be called so.
pub(super) fn role_name(rest: &[Service<'_>], numbered: &Numbered<'_>) -> String {
    let is_free = |name: &str| numbered.roles.iter().all(|r| r.name() != name);
    match rest {
        [one] if one.name.parse::<RoleName>().is_ok() && is_free(one.name) => one.name.to_owned(),
        _ if is_free(REST) => REST.to_owned(),
        _ => "rest".to_owned(),
    }
}

/// The entry of `services`, and why that one. `all` are those that may depend on it.
pub(super) fn guessed(services: &[Service<'_>], all: &[Service<'_>], asked: Option<&str>) -> (Option<String>, String) {
    if let Some(entry) = asked.filter(|e| services.iter().any(|s| s.name == *e)) {
        return (Some(entry.to_owned()), format!("entry: `{entry}`, as `--entry` says."));
    }
    let is_job = |s: &Service<'_>| {
        let completes =
            |(name, condition): (String, String)| name == s.name && condition == "service_completed_successfully";
        all.iter().any(|other| other.waits().into_iter().any(completes))
    };
    let can = |s: &&Service<'_>| s.is_active() && s.can_be_entry() && !is_job(s);
    let candidates: Vec<&Service<'_>> = services.iter().filter(can).collect();
    let is_needed = |s: &Service<'_>| all.iter().any(|other| other.refers().iter().any(|r| r == s.name));
    let way_in = |s: &Service<'_>| {
        let published = s.published();
        let has = |port: &&str| {
            published
                .iter()
                .any(|p| p.rsplit(':').next().unwrap_or_default().split('/').next() == Some(*port))
        };
        WAYS_IN.iter().position(has).unwrap_or(WAYS_IN.len())
    };
    // Who publishes comes first, then who is nobody's dependency, then who listens at a usual port.
    let rank = |s: &Service<'_>| (s.published().is_empty(), is_needed(s), way_in(s));
    let best = candidates.iter().min_by_key(|s| rank(s));
    let Some(best) = best else {
        return (
            None,
            "entry: none, since no service joins a network as one container.".to_owned(),
        );
    };
    let needed = if is_needed(best) {
        ""
    } else {
        ", and no service depends on it"
    };
    let mut why = match best.published().as_slice() {
        [] => format!("entry: `{}` is the first that no service depends on", best.name),
        ports => format!("entry: `{}` publishes {}{needed}", best.name, listed(ports)),
    };
    if best.published().is_empty() && is_needed(best) {
        why = format!(
            "entry: `{}` is the first; each publishes nothing, and others depend on it",
            best.name
        );
    }
    let others: Vec<String> = candidates
        .iter()
        .filter(|s| s.name != best.name && !s.published().is_empty())
        .map(|s| s.name.to_owned())
        .collect();
    why.push_str(&match others.as_slice() {
        [] => ".".to_owned(),
        [one] => format!("; so does `{one}` (`--entry {one}`)."),
        many => format!("; so do {} (`--entry NAME`).", listed(many)),
    });
    (Some(best.name.to_owned()), why)
}

/// Names in backticks: `a`, `b` and `c`; the first few of many.
pub(super) fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().take(6).map(|n| format!("`{n}`")).collect();
    match names.len() > quoted.len() {
        true => format!("{}, …", quoted.join(", ")),
        false => text::listed(&quoted),
    }
}

impl<'d> Draft<'_, 'd> {
    /// The role of all services that are not numbered.
    pub(super) fn rest(
        &mut self,
        name: &str,
        rest: &[Service<'d>],
        relations: &Relations,
        numbered: &Numbered<'_>,
        families: &[Family<'d>],
    ) {
        for (service, role) in &numbered.left {
            self.comment(format!(
                "`{service}` is numbered as those of `{role}`, but runs something else or is not the next."
            ));
        }
        self.compose();
        let names: Vec<Out> = rest.iter().map(|s| Out::Text(s.name.to_owned())).collect();
        self.key("take", Out::List(names));
        self.rest_entries(name, rest, relations);
        self.order(name, relations);
        let mut replaced = self.lists_of(rest, families);
        replaced.extend(self.foreign_addresses(rest).into_iter().map(|(a, n)| (a, Out::Text(n))));
        if !replaced.is_empty() {
            self.key("replace", Out::Map(replaced));
        }
        self.shared_volumes(rest, relations);
        self.role(name);
    }

    /// The lists of peers in the texts of `services`, with what is to stand in their place.
    fn lists_of(&mut self, services: &[Service<'d>], families: &[Family<'d>]) -> Vec<(String, Out)> {
        let mut found: Vec<(String, Out)> = Vec::new();
        for service in services {
            for text in service.texts(self.document) {
                self.lists.signed(service.name, &text, families);
            }
            for (list, template) in self.lists.of(service.name) {
                let is_new = !found.iter().any(|(known, _)| known == list);
                // What holds variables is another text once they are replaced.
                if is_new && !list.contains('$') && self.is_written(service.name, list) {
                    found.push((list.to_owned(), Out::Text(template.to_owned())));
                }
            }
        }
        found
    }

    /// Whether `word` stands in the texts of a service as the file has them, where `replace` finds it.
    pub(super) fn is_written(&self, service: &str, word: &str) -> bool {
        let original = super::services::all(self.original)
            .into_iter()
            .find(|s| s.name == service);
        original.is_some_and(|s| s.has_word(word))
    }

    /// `entry` and `exit` of the services that are not numbered.
    fn rest_entries(&mut self, name: &str, rest: &[Service<'d>], relations: &Relations) {
        let asked_for = |s: &&Service<'_>| relations.asked.contains_key(s.name);
        let mut entries: Vec<(String, Vec<String>)> = Vec::new();
        for service in rest.iter().filter(asked_for).filter(|s| s.can_be_entry()) {
            let handles = relations.asked.get(service.name).cloned().unwrap_or_default();
            entries.push((service.name.to_owned(), handles.into_iter().collect()));
        }
        let (guessed, why) = guessed(rest, &self.services, self.asked.entry);
        if let Some(entry) = guessed.filter(|entry| entries.is_empty() || self.asked.entry == Some(entry.as_str())) {
            match entries.iter_mut().find(|(service, _)| *service == entry) {
                Some((_, handles)) if !handles.iter().any(|h| h == name) => handles.insert(0, name.to_owned()),
                Some(_) => {}
                None => entries.insert(0, (entry, vec![name.to_owned()])),
            }
            self.comment(why);
        }
        let value = |handles: &[String]| match handles {
            [one] => Out::Text(one.clone()),
            many => Out::List(many.iter().cloned().map(Out::Text).collect()),
        };
        match entries.as_slice() {
            [] => {}
            [(service, handles)] if handles.as_slice() == [name.to_owned()] => {
                self.key("entry", Out::Text(service.clone()));
            }
            many => {
                let map: Vec<(String, Out)> = many.iter().map(|(s, handles)| (s.clone(), value(handles))).collect();
                self.key("entry", Out::Map(map));
            }
        }
        let is_entry = |s: &Service<'_>| entries.iter().any(|(e, _)| e == s.name);
        let asks =
            |s: &&Service<'_>| relations.asking.contains(s.name) && s.get("network_mode").is_none() && !is_entry(s);
        let exits: Vec<Out> = rest.iter().filter(asks).map(|s| Out::Text(s.name.to_owned())).collect();
        match exits.as_slice() {
            [] => {}
            [one] => self.key("exit", one.clone()),
            _ => self.key("exit", Out::List(exits)),
        }
    }

    /// `after` of a role.
    pub(super) fn order(&mut self, role: &str, relations: &Relations) {
        for (_, other) in relations.circles.iter().filter(|(waits, _)| waits == role) {
            self.comment(format!(
                "Its services wait for `{other}`, which waits for it: that order is left out."
            ));
        }
        if let Some(value) = relations.order(role) {
            self.key("after", value);
        }
    }

    /// The fixed addresses in the texts of `services` that are of services of other nodes, each with the name to ask for.
    pub(super) fn foreign_addresses(&self, services: &[Service<'d>]) -> Vec<(String, String)> {
        let own = |name: &str| services.iter().any(|s| s.name == name);
        let foreign = self.addresses.iter().filter(|(_, name)| !own(name));
        let texts: Vec<String> = super::services::all(self.original)
            .iter()
            .filter(|s| own(s.name))
            .flat_map(|s| s.texts(self.original))
            .collect();
        let used = foreign.filter(|(address, _)| texts.iter().any(|text| crate::blueprint::words::has(text, address)));
        used.cloned().collect()
    }

    /// Gives the volumes that several nodes mount one name for all of them.
    pub(super) fn shared_volumes(&mut self, services: &[Service<'d>], relations: &Relations) {
        let mounted: Vec<String> = services.iter().flat_map(Service::volumes).collect();
        let defined = |volume: &str| self.document.get("volumes").and_then(|v| v.get(volume));
        let is_named =
            |volume: &str| defined(volume).is_some_and(|v| v.get("name").is_some() || v.get("external").is_some());
        let mut shared: Vec<(String, Out)> = Vec::new();
        for volume in relations.shared.iter().filter(|v| mounted.contains(v) && !is_named(v)) {
            let name = match self.asked.name {
                Some(cluster) => format!("{cluster}_{volume}"),
                None => volume.clone(),
            };
            shared.push((volume.clone(), Out::Map(vec![("name".to_owned(), Out::Text(name))])));
        }
        if !shared.is_empty() {
            let names: Vec<String> = shared.iter().map(|(volume, _)| volume.clone()).collect();
            self.comment(format!(
                "volumes: several nodes mount {}, and a name makes it one for all.",
                listed(&names)
            ));
            self.key("volumes", Out::Map(shared));
        }
    }
}
