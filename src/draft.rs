//! Writes a first blueprint for a Compose file: `topogen init --from`.
//!
//! Services that are alike but for a number become the nodes of one role, all others the role `master`; a file without such
//! services becomes one role as it is. What is guessed is said in comments. Whether the blueprint is right, `check` says.

mod align;
mod family;
mod isolate;
mod numbered;
mod out;
mod pattern;
mod peers;
mod relations;
mod rest;
mod services;
mod written;

use std::fmt::Write as _;

use crate::diagnostic::nearest;
use crate::name::RoleName;
use crate::yaml::Node;
use family::Family;
use numbered::Numbered;
use out::{Out, entry};
use peers::Lists;
use relations::Relations;
use services::Service;

/// The most services that are compared with one another.
const MOST: usize = 256;
/// The name of a role that is a whole file.
const WHOLE: &str = "node";
/// The name of the role of all services that are no member of a family.
const REST: &str = "master";

/// What is asked for.
pub struct Asked<'a> {
    /// The paths of the Compose files as the blueprint is to name them.
    pub files: &'a [String],
    /// The name of the cluster; `None` leaves it out.
    pub name: Option<&'a str>,
    /// How many nodes each numbered role has, or the role that is the whole file; `None` for as many as there are in the file.
    pub count: Option<u32>,
    /// The one role that is numbered, or else the name of the role that is the whole file; `None` leaves it to what is found.
    pub role: Option<&'a str>,
    /// The service that is the entry of what is not numbered; `None` leaves it to what is found.
    pub entry: Option<&'a str>,
}

/// Why there is no blueprint for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: String,
}

/// The blueprint for `document`, Compose files merged as they are written, with variables and relative paths.
///
/// # Errors
/// The file has no services or too many, or none of the names that are asked for.
pub fn blueprint(document: &Node, asked: &Asked<'_>) -> Result<String, Refused> {
    let (named, addresses) = relations::by_name(document);
    let services = services::all(&named);
    let refused = |message: String, hint: &str| Refused {
        message,
        hint: hint.to_owned(),
    };
    if services.is_empty() {
        return Err(refused("the file has no services".to_owned(), "name a Compose file"));
    }
    if services.len() > MOST {
        let message = format!(
            "the file has {} services, of which {MOST} at most are compared",
            services.len()
        );
        return Err(refused(
            message,
            "take it as it is: roles: {app: {compose: FILE, count: 2}}",
        ));
    }
    known_entry(&services, asked)?;
    let mut numbered = Numbered::find(&services);
    let whole = asked.role.unwrap_or(WHOLE).to_owned();
    if let Some(role) = asked.role {
        role.parse::<RoleName>()
            .map_err(|e| refused(format!("`{role}` is not {}", e.kind), &format!("expected {}", e.rule)))?;
        numbered.roles.retain(|n| n.name() == role);
    }
    let mut draft = Draft {
        document: &named,
        original: document,
        addresses,
        services,
        asked,
        lists: Lists::default(),
        comments: Vec::new(),
        keys: Vec::new(),
        text: String::new(),
    };
    draft.head();
    if numbered.roles.is_empty() {
        draft.whole(&whole);
    } else {
        draft.parts(&numbered);
    }
    Ok(draft.text)
}

/// Checks that the service which is to be the entry is there.
fn known_entry(services: &[Service<'_>], asked: &Asked<'_>) -> Result<(), Refused> {
    let Some(entry) = asked.entry.filter(|e| !services.iter().any(|s| s.name == *e)) else {
        return Ok(());
    };
    let names = || services.iter().map(|s| s.name);
    let hint = match nearest(entry, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let list: Vec<String> = names().take(16).map(|n| format!("`{n}`")).collect();
            format!("services of the file: {}", list.join(", "))
        }
    };
    Err(Refused {
        message: format!("`--entry {entry}`: no service of the file is called so"),
        hint,
    })
}

/// A blueprint that is being written.
struct Draft<'a, 'd> {
    /// The Compose files, in which fixed addresses are the names of services.
    document: &'d Node,
    /// The same as they are written.
    original: &'d Node,
    /// Fixed addresses, each with the service that has it.
    addresses: Vec<(String, String)>,
    services: Vec<Service<'d>>,
    asked: &'a Asked<'a>,
    lists: Lists,
    /// The comments and keys of the role that is being written.
    comments: Vec<String>,
    keys: Vec<(String, Out)>,
    text: String,
}

impl<'d> Draft<'_, 'd> {
    fn head(&mut self) {
        let from: Vec<String> = self.asked.files.iter().map(|f| format!("--from {f}")).collect();
        let _ = writeln!(
            self.text,
            "# Written by `topogen init {}`. What was guessed stands in comments.",
            from.join(" ")
        );
        if let Some(name) = self.asked.name {
            entry(&mut self.text, 0, "name", &Out::Text(name.to_owned()), "");
        }
        self.text.push_str("roles:\n");
    }

    /// Adds a comment to the role that is being written.
    fn comment(&mut self, text: String) {
        if !self.comments.contains(&text) {
            self.comments.push(text);
        }
    }

    /// Adds a key to the role that is being written.
    fn key(&mut self, key: &str, value: Out) {
        self.keys.push((key.to_owned(), value));
    }

    /// Adds `compose`, with which each role begins.
    fn compose(&mut self) {
        let files: Vec<Out> = self.asked.files.iter().cloned().map(Out::Text).collect();
        let value = match files.as_slice() {
            [one] => one.clone(),
            _ => Out::List(files),
        };
        self.key("compose", value);
    }

    /// Writes the role `name`: its comments, then its keys.
    fn role(&mut self, name: &str) {
        for comment in std::mem::take(&mut self.comments) {
            let mut line = String::new();
            for word in comment.split(' ') {
                if !line.is_empty() && line.chars().count() + word.chars().count() > 110 {
                    let _ = writeln!(self.text, "  # {line}");
                    line.clear();
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            let _ = writeln!(self.text, "  # {line}");
        }
        let keys = Out::Map(std::mem::take(&mut self.keys));
        entry(&mut self.text, 2, name, &keys, "");
    }

    /// The file as one role.
    fn whole(&mut self, name: &str) {
        let services = self.services.clone();
        let (entry, why) = rest::guessed(&services, &services, self.asked.entry);
        self.comment(why);
        self.compose();
        let count = self.asked.count.unwrap_or(1);
        self.key("count", Out::Bare(count.to_string()));
        if let Some(entry) = entry {
            self.key("entry", Out::Text(entry));
        }
        if count > 1 {
            self.isolate();
        }
        self.role(name);
    }

    /// A role for each family, and one for all other services.
    fn parts(&mut self, numbered: &Numbered<'d>) {
        let families: Vec<Family<'d>> = numbered.roles.iter().flat_map(|r| r.families.clone()).collect();
        let is_member = |s: &Service<'_>| families.iter().any(|f| f.members.iter().any(|m| m.name == s.name));
        let rest: Vec<Service<'d>> = self.services.iter().filter(|s| !is_member(s)).copied().collect();
        let rest_role = rest::role_name(&rest, numbered);
        let relations = Relations::new(self.document, &self.services, numbered, &rest, &rest_role);
        if !rest.is_empty() {
            self.rest(&rest_role, &rest, &relations, numbered, &families);
        }
        for role in &numbered.roles {
            self.numbered(role, &relations, &families);
        }
    }
}
