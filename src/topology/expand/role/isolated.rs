//! Names that a service of an isolated role has inside its node, in place of those that all nodes would have outside.

use super::super::Expansion;
use super::CompiledRole;
use super::joins::Join;
use crate::blueprint::{self, INOUT};
use crate::diagnostic::Span;
use crate::template::Pattern;
use crate::value::Value;

impl Expansion<'_> {
    /// Gives `service` its former container's name on the networks of its node, and the aliases there that it has on networks
    /// which other nodes join too.
    pub(super) fn named_inside(compiled: &CompiledRole<'_>, service: &blueprint::Service, joins: &mut [Join]) {
        let Some(isolated) = compiled.role.isolated.as_ref().filter(|i| i.asked.names) else {
            return;
        };
        let name = &service.name;
        let container = isolated.names.get(name.value.as_str());
        let container = container.map(|text| (Pattern::Const(Value::from(text.as_str())), name.span));
        let mut names: Vec<(Pattern, Span)> = container.into_iter().collect();
        for join in joins.iter_mut().filter(|j| !j.own_name && j.network.as_str() != INOUT) {
            let all = std::mem::take(&mut join.aliases).into_iter();
            let (same, own): (Vec<_>, Vec<_>) = all.partition(|(pattern, _)| matches!(pattern, Pattern::Const(_)));
            names.extend(same);
            join.aliases = own;
        }
        for join in joins.iter_mut().filter(|j| j.own_name) {
            join.aliases.extend(names.iter().cloned());
        }
    }
}
