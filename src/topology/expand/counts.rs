//! How many nodes each role has: what the blueprint says, and `--slaves` and `--scale` over it.

use super::Overrides;
use crate::blueprint::count::too_many;
use crate::blueprint::{Blueprint, Count, MAX_COUNT};
use crate::diagnostic::{Problem, Problems};
use crate::topology::extent::Extent;

/// The number of nodes of each role.
pub(super) fn counts(blueprint: &Blueprint, overrides: &Overrides, problems: &mut Problems) -> Vec<Extent> {
    let mut counts: Vec<Extent> = blueprint
        .roles
        .iter()
        .map(|role| match &role.count {
            None => Extent::Single,
            Some(Count::Number(number)) => Extent::Numbered(number.value),
            Some(Count::Dimensions(dimensions, _)) => {
                let each = dimensions.iter().map(|d| (d.name.value.as_str().into(), d.count.value));
                Extent::Dimensions(each.collect())
            }
        })
        .collect();
    let names = || blueprint.roles.iter().map(|r| r.name.value.as_str());
    if let Some(slaves) = overrides.slaves {
        match blueprint.counted_role() {
            Some(role) => {
                let at = names().position(|n| n == role.name.value.as_str());
                let option = format!("--slaves {slaves}");
                let role = role.name.value.as_str();
                scale(
                    &mut counts[at.unwrap_or_default()],
                    &option,
                    role,
                    None,
                    slaves,
                    problems,
                );
            }
            None => {
                let list: Vec<String> = names().map(|n| format!("`--scale {n}={slaves}`")).collect();
                problems.push(
                    Problem::usage(
                        "`--slaves` counts the role `slave`, or the only role with a `count`: here is neither",
                    )
                    .hint(format!("name the role: {}", list.join(" or "))),
                );
            }
        }
    }
    for (target, count) in &overrides.scale {
        // No role has a dot in its name.
        let (name, dimension) = match target.split_once('.') {
            Some((name, dimension)) => (name, Some(dimension)),
            None => (target.as_str(), None),
        };
        let option = format!("--scale {target}={count}");
        match names().position(|n| n == name) {
            Some(at) => scale(&mut counts[at], &option, name, dimension, *count, problems),
            None => {
                problems.push(Problem::usage(format!("`{option}`: unknown role `{name}`")).did_you_mean(name, names()))
            }
        }
    }
    for extent in &counts {
        let many = match extent {
            Extent::Single => None,
            Extent::Numbered(count) => too_many([*count].into_iter()),
            Extent::Dimensions(dimensions) => too_many(dimensions.iter().map(|(_, count)| *count)),
        };
        if let Some(many) = many {
            problems.push(Problem::usage(format!(
                "{many} nodes of one role, where {MAX_COUNT} are the most"
            )));
        }
    }
    counts
}

/// Sets what `option` asks for, unless the role called `role` is not counted so.
fn scale(extent: &mut Extent, option: &str, role: &str, dimension: Option<&str>, count: u32, problems: &mut Problems) {
    let unknown = |name: &str| Problem::usage(format!("`{option}`: role `{role}` has no dimension `{name}`"));
    let problem = match (extent, dimension) {
        (Extent::Dimensions(dimensions), Some(name)) => {
            if let Some((_, own)) = dimensions.iter_mut().find(|(n, _)| **n == *name) {
                *own = count;
                return;
            }
            unknown(name).did_you_mean(name, dimensions.iter().map(|(n, _)| &**n))
        }
        (Extent::Dimensions(dimensions), None) => {
            let names: Vec<String> = dimensions.iter().map(|(n, _)| format!("`{n}`")).collect();
            let options = dimensions.iter().map(|(n, _)| format!("`--scale {role}.{n}={count}`"));
            let options: Vec<String> = options.collect();
            Problem::usage(format!(
                "`{option}`: role `{role}` is counted by {}",
                names.join(" and ")
            ))
            .hint(format!("say by which: {}", options.join(" or ")))
        }
        (_, Some(name)) => unknown(name).hint(format!("it is counted by one number: `--scale {role}={count}`")),
        (extent, None) => {
            *extent = Extent::Numbered(count);
            return;
        }
    };
    problems.push(problem);
}
