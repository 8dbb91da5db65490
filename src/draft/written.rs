//! What a numbered role says of its services: names and lists that are replaced in the texts of the file, what follows from a
//! number, and what single nodes have otherwise.

use std::collections::{BTreeMap, BTreeSet};

use super::Draft;
use super::align::{Change, Compared, Shape};
use super::numbered::Role;
use super::out::Out;
use crate::blueprint::words;
use crate::compose::table::{self, Merge};

/// How one family is written, of which a member is taken.
pub(super) struct Written {
    /// What its service says anew.
    pub(super) services: Out,
    /// What single members have otherwise: the member, the path, and the value.
    pub(super) exceptions: Vec<(usize, Vec<String>, Out)>,
}

/// What is replaced in the texts of a role's services, each by its own text of the file.
#[derive(Default)]
pub(super) struct Replaced {
    /// The words, and what stands in their places.
    pub(super) words: Vec<(String, Out)>,
    /// For each family, in which families' texts its name is replaced: the places.
    names: BTreeMap<usize, BTreeSet<usize>>,
}

impl<'d> Draft<'_, 'd> {
    /// The names that can be replaced in the texts of a role's services: those that mean the same wherever they stand.
    pub(super) fn replaced(&self, role: &Role<'d>, compared: &[Vec<Compared>], base: usize) -> Replaced {
        let mut found = Replaced::default();
        for (of, family) in role.families.iter().enumerate() {
            let name = family.name(base);
            // Where all members say the name of the one that is taken, that one is meant.
            let is_meant = compared.iter().flatten().any(|c| {
                let same = c.usual.as_ref().filter(|u| u.change == Change::Same);
                same.is_some_and(|u| words::has(&u.value.flow(), &name))
            });
            let is_odd = |c: &Compared| c.exceptions.iter().any(|(member, _)| *member == base);
            let uses = |c: &&Compared| {
                c.usual
                    .as_ref()
                    .is_some_and(|u| u.change == Change::Named && u.names.contains(&of))
                    && !is_odd(c)
            };
            let users = compared
                .iter()
                .enumerate()
                .filter(|(_, list)| list.iter().any(|c| uses(&c)))
                .map(|(place, _)| place);
            let mut users: BTreeSet<usize> = users.collect();
            // Others of its node ask for it by its key, itself is known by its number.
            if users.len() > 1 {
                users.remove(&of);
            }
            if is_meant || users.is_empty() {
                continue;
            }
            let written = |word: &str| {
                let mut each = role
                    .families
                    .iter()
                    .enumerate()
                    .filter(|(place, _)| users.contains(place));
                each.any(|(_, f)| self.is_written(&f.name(base), word))
            };
            let with = match users.contains(&of) {
                true => family.own("node."),
                false => family.key.clone(),
            };
            if written(&name) {
                found.words.push((name, Out::Text(with)));
            } else if !self
                .addresses
                .iter()
                .any(|(address, owner)| *owner == name && written(address))
            {
                // Neither the name nor an address in its place: it is said anew.
                continue;
            }
            found.names.insert(of, users);
        }
        found
    }

    /// How the family at `place` of a role is written when its member `base` is taken. Lists of peers that are replaced are added
    /// to `replaced`.
    pub(super) fn written(
        &self,
        role: &Role<'d>,
        place: usize,
        compared: &[Compared],
        base: usize,
        replaced: &mut Replaced,
    ) -> Written {
        let own = role.families[place].name(base);
        let mut services = Out::Map(Vec::new());
        let mut exceptions = Vec::new();
        for Compared {
            path,
            usual,
            exceptions: odd,
        } in compared
        {
            let is_odd = odd.iter().any(|(member, _)| *member == base);
            let lists = |u: &Shape| -> Option<Vec<(String, Out)>> {
                let each = u.lists.iter().map(|id| {
                    let list = self
                        .lists
                        .written(&own, *id)
                        .filter(|list| !list.contains('$') && self.is_written(&own, list))?;
                    Some((list.to_owned(), Out::Text(self.lists.templates.get(*id)?.clone())))
                });
                each.collect()
            };
            let by_words = usual
                .as_ref()
                .filter(|u| u.change == Change::Named && !is_odd)
                .and_then(|u| {
                    let names = u
                        .names
                        .iter()
                        .all(|of| replaced.names.get(of).is_some_and(|users| users.contains(&place)));
                    lists(u).filter(|_| names)
                });
            match (usual, by_words) {
                (_, Some(lists)) => {
                    for list in lists {
                        if !replaced.words.contains(&list) {
                            replaced.words.push(list);
                        }
                    }
                }
                (Some(usual), None) if usual.change == Change::Same && !is_odd => {}
                (None, None) if !is_odd => {}
                (usual, None) => services.set(path, over(path, usual.as_ref().map(|u| u.value.clone()))),
            }
            exceptions.extend(
                odd.iter()
                    .map(|(member, value)| (*member, path.clone(), over(path, value.clone()))),
            );
        }
        Written { services, exceptions }
    }
}

/// `value` at `path` of a service so that it takes the place of what the file says there.
fn over(path: &[String], value: Option<Out>) -> Out {
    let mut row = table::at("services.*");
    for key in path {
        row = row.and_then(|row| row.key(key));
    }
    let is_whole = row.is_some_and(|row| row.merge == Merge::Replace);
    match value {
        None => Out::Reset,
        Some(Out::List(items)) if !is_whole => Out::Override(items),
        Some(value) => value,
    }
}
