//! Lists of all members of a family, such as `zk1:2181,zk2:2181,zk3:2181`: they become templates, which follow the count.

use super::family::Family;
use super::pattern::{self, OWN, Part};
use crate::blueprint::words;

/// What stands between two items of a list; those that hold others first.
const BETWEEN: &[&str] = &[", ", ",", ";", "|", "\n", " "];
/// By what a member calls itself where others call it by its name.
const SELF: &[&str] = &["0.0.0.0", "localhost", "127.0.0.1"];

/// The lists that were found; texts name them by signs.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// What stands in their place.
    pub(super) templates: Vec<String>,
    /// What they are in the texts of a service: its name, the list, and the text.
    found: Vec<(String, usize, String)>,
}

impl Lists {
    /// `text` of the service `of` with a sign in place of each list of all members of one of `families`.
    pub(super) fn signed(&mut self, of: &str, text: &str, families: &[Family<'_>]) -> String {
        let mut made = text.to_owned();
        for family in families {
            let all: Vec<usize> = (0..family.members.len()).collect();
            while let Some((range, template)) = list(&made, family, &all, Whose::All) {
                let sign = self.sign(of, template, made[range.clone()].to_owned());
                made.replace_range(range, &sign);
            }
        }
        made
    }

    /// The same for a text of the member `at` of `family`, which may call itself by another name than the others do, or leave
    /// itself out.
    pub(super) fn signed_own(&mut self, text: &str, families: &[Family<'_>], family: &Family<'_>, at: usize) -> String {
        let own = family.name(at);
        if words::has(text, &own) {
            return self.signed(&own, text, families);
        }
        let all: Vec<usize> = (0..family.members.len()).collect();
        for other in SELF.iter().filter(|other| words::has(text, other)) {
            let Some(named) = words::replaced(text, &[other], &[own.as_str()], &mut |_| ()) else {
                continue;
            };
            if let Some((range, template)) = list(&named, family, &all, Whose::Own(other)) {
                let as_before = |text: &str| {
                    let back = words::replaced(text, &[own.as_str()], &[other], &mut |_| ());
                    back.unwrap_or_else(|| text.to_owned())
                };
                let sign = self.sign(&own, template, as_before(&named[range.clone()]));
                let made = format!(
                    "{}{sign}{}",
                    as_before(&named[..range.start]),
                    as_before(&named[range.end..])
                );
                return self.signed(&own, &made, families);
            }
        }
        let others: Vec<usize> = all.into_iter().filter(|n| *n != at).collect();
        if let Some((range, template)) = list(text, family, &others, Whose::Others).filter(|_| others.len() > 1) {
            let sign = self.sign(&own, template, text[range.clone()].to_owned());
            let mut made = text.to_owned();
            made.replace_range(range, &sign);
            return self.signed(&own, &made, families);
        }
        self.signed(&own, text, families)
    }

    /// What the list `id` is in the texts of the service `of`.
    pub(super) fn written(&self, of: &str, id: usize) -> Option<&str> {
        let found = self.found.iter().find(|(name, list, _)| name == of && *list == id);
        found.map(|(.., text)| text.as_str())
    }

    /// All lists in the texts of the service `of`: what each is, and what stands in its place.
    pub(super) fn of(&self, of: &str) -> impl Iterator<Item = (&str, &str)> {
        let found = self.found.iter().filter(move |(name, ..)| name == of);
        found.map(|(_, id, text)| (text.as_str(), self.templates.get(*id).map_or("", String::as_str)))
    }

    fn sign(&mut self, of: &str, template: String, text: String) -> String {
        let known = self.templates.iter().position(|t| *t == template);
        let id = known.unwrap_or_else(|| {
            self.templates.push(template);
            self.templates.len() - 1
        });
        let found = (of.to_owned(), id, text);
        if !self.found.contains(&found) {
            self.found.push(found);
        }
        pattern::sign(id).to_string()
    }
}

/// Whose names a list holds.
#[derive(Debug, Clone, Copy)]
enum Whose<'a> {
    /// Those of all members.
    All,
    /// The same, where each member calls itself by this.
    Own(&'a str),
    /// Those of all members but the one that has the list.
    Others,
}

/// The first list of these `members` of `family` in `text`: where it is, and the template for it.
fn list(
    text: &str,
    family: &Family<'_>,
    members: &[usize],
    whose: Whose<'_>,
) -> Option<(std::ops::Range<usize>, String)> {
    let names: Vec<&str> = members.iter().map(|at| family.members[*at].name).collect();
    let found = words::find(text, &names);
    let count = names.len();
    let starts = (0..found.len()).filter(|at| found[*at].1 == 0 && (*at == 0 || found[at - 1].1 != 0));
    for first in starts {
        let each = found[first..].iter().take_while(|(_, which)| *which == 0).count();
        let group = &found[first..found.len().min(first + each * count)];
        if group.len() < each * count || group.iter().enumerate().any(|(at, (_, which))| at / each != *which) {
            continue;
        }
        let places: Vec<(usize, usize)> = (0..count)
            .map(|n| (group[n * each].0.start, group[n * each + each - 1].0.end))
            .collect();
        if let Some(made) = BETWEEN
            .iter()
            .find_map(|between| separated(text, &places, between, family, members, whose))
        {
            return Some(made);
        }
    }
    None
}

/// The list whose items hold the names at `places`, each from the first to the last of one item, with `between` between them.
fn separated(
    text: &str,
    places: &[(usize, usize)],
    between: &str,
    family: &Family<'_>,
    members: &[usize],
    whose: Whose<'_>,
) -> Option<(std::ops::Range<usize>, String)> {
    let last = places.len() - 1;
    // What stands right of each name but the last, and left of each but the first.
    let mut rights = Vec::with_capacity(last);
    let mut lefts = Vec::with_capacity(last);
    for pair in places.windows(2) {
        let gap = text.get(pair[0].1..pair[1].0)?;
        let (right, left) = gap.split_once(between)?;
        if left.contains(between) {
            return None;
        }
        rights.push(right);
        lefts.push(left);
    }
    let before = &text[..places[0].0];
    let after = &text[places[last].1..];
    let left = ending(before, lefts.first()?)?;
    let right = beginning(after, rights.first()?)?;
    lefts.insert(0, left);
    rights.push(right);
    let items = places
        .iter()
        .zip(lefts.iter().zip(&rights))
        .enumerate()
        .map(|(at, ((start, end), (left, right)))| {
            let middle = &text[*start..*end];
            let name = family.name(members[at]);
            let middle = words::replaced(middle, &[name.as_str()], &[&OWN.to_string()], &mut |_| ());
            (members[at], format!("{left}{}{right}", middle.unwrap_or_default()))
        });
    let items: Vec<(usize, String)> = items.collect();
    let parts = pattern::of(&items)?;
    let range = places[0].0 - left.len()..places[last].1 + right.len();
    Some((range, template(&parts, between, family, whose)))
}

/// The shortest end of `text` that is like `model` but for numbers.
fn ending<'t>(text: &'t str, model: &str) -> Option<&'t str> {
    if model.is_empty() {
        return Some("");
    }
    let starts = text.char_indices().rev().map(|(at, _)| at).take(model.len() + 16);
    let mut ends = starts.filter(|at| {
        let cuts_number = text[*at..].starts_with(|c: char| c.is_ascii_digit())
            && text[..*at].ends_with(|c: char| c.is_ascii_digit());
        !cuts_number
    });
    ends.find(|at| pattern::are_alike(&text[*at..], model))
        .map(|at| &text[at..])
}

/// The shortest beginning of `text` that is like `model` but for numbers.
fn beginning<'t>(text: &'t str, model: &str) -> Option<&'t str> {
    if model.is_empty() {
        return Some("");
    }
    let ends = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take(model.len() + 16);
    let mut ends = ends.filter(|at| {
        let cuts_number = text[..*at].ends_with(|c: char| c.is_ascii_digit())
            && text[*at..].starts_with(|c: char| c.is_ascii_digit());
        !cuts_number
    });
    ends.find(|at| pattern::are_alike(&text[..*at], model))
        .map(|at| &text[..at])
}

/// The template for a list whose items are `parts`.
fn template(parts: &[Part], between: &str, family: &Family<'_>, whose: Whose<'_>) -> String {
    let role = &family.role;
    let (others, which) = match whose {
        Whose::Others => (" | rejectattr('name', 'eq', node.name)", " if n.name != node.name"),
        _ => ("", ""),
    };
    let port = |text: &str| {
        let port = text.strip_prefix(':').filter(|p| p.parse::<u16>().is_ok_and(|p| p > 0));
        port.map(str::to_owned)
    };
    let filter = match parts {
        _ if matches!(whose, Whose::Own(_)) || !family.keeps_names() || between == "\n" => None,
        [Part::Own] => Some("names".to_owned()),
        [Part::Own, Part::Text(text)] => port(text).map(|port| format!("hosts({port})")),
        [Part::Text(scheme), Part::Own] => scheme
            .strip_suffix("://")
            .filter(is_word)
            .map(|s| format!("urls('{s}')")),
        [Part::Text(scheme), Part::Own, Part::Text(text)] => {
            let scheme = scheme.strip_suffix("://").filter(is_word);
            scheme.and_then(|s| Some(format!("urls('{s}', {})", port(text)?)))
        }
        _ => None,
    };
    if let Some(filter) = filter {
        return format!("{{{{ role('{role}'){others} | {filter} | join('{between}') }}}}");
    }
    let name = match whose {
        Whose::All | Whose::Others => family.own("n."),
        Whose::Own(own) => match family.keeps_names() {
            true => format!("{{{{ '{own}' if n.name == node.name else n.name }}}}"),
            false => format!(
                "{{% if n.name == node.name %}}{own}{{% else %}}{}{{% endif %}}",
                family.own("n.")
            ),
        },
    };
    let item = pattern::written(parts, &name, "n.", &[]);
    format!("{{% for n in role('{role}'){which} %}}{item}{{% if not loop.last %}}{between}{{% endif %}}{{% endfor %}}")
}

fn is_word(text: &&str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '+')
}
