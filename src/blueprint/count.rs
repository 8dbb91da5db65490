//! `count:`, which says how many there are of a role or network: a number, or a number along each of several dimensions.

use super::MAX_COUNT;
use crate::diagnostic::{Problem, Problems, Span, Spanned};
use crate::template::is_template;
use crate::text::decimal;
use crate::yaml::{Node, Yaml};

/// The most dimensions of one `count`.
pub const MAX_DIMENSIONS: usize = 8;

/// Names that a dimension cannot have: what templates know of a node, or beside it, is called so.
const TAKEN: &[&str] = &[
    "cluster", "entry", "env", "false", "index", "name", "node", "nodes", "none", "ordinal", "project", "role",
    "services", "true", "vars",
];

/// How many nodes a role has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    /// That many, numbered from 1; at most [`MAX_COUNT`].
    Number(Spanned<u32>),
    /// One for each combination of an index from each dimension; their product is at most [`MAX_COUNT`].
    Dimensions(Vec<Dimension>, Span),
}

/// One dimension of a count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    /// The name, by which templates know a node's index in it.
    pub name: Spanned<String>,
    /// How many indices it has, from 1.
    pub count: Spanned<u32>,
}

impl Count {
    /// Where it is written.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Number(number) => number.span,
            Self::Dimensions(_, span) => *span,
        }
    }

    /// The dimensions; none of a number.
    #[must_use]
    pub fn dimensions(&self) -> &[Dimension] {
        match self {
            Self::Number(_) => &[],
            Self::Dimensions(dimensions, _) => dimensions,
        }
    }
}

/// The `count` in `node`; `None`, with a problem, if it is none.
pub(super) fn count(node: &Node, problems: &mut Problems) -> Option<Count> {
    let hint = |option: &str| {
        format!("`count` takes no template: a variable can say it, `${{N:-3}}`, or `--scale {option}=N`")
    };
    let Yaml::Map(entries) = &node.value else {
        return number(node, Some(&hint("ROLE")), problems).map(Count::Number);
    };
    shape(node, problems)?;
    let dimensions: Vec<Dimension> = entries
        .iter()
        .filter_map(|entry| {
            Some(Dimension {
                name: Spanned::new(entry.key.clone(), entry.key_span),
                count: number(&entry.node, Some(&hint(&format!("ROLE.{}", entry.key))), problems)?,
            })
        })
        .collect();
    if dimensions.len() < entries.len() {
        return None;
    }
    let counts = dimensions.iter().map(|d| d.count.value);
    if let Some(many) = too_many(counts) {
        let message = format!("{many} nodes of one role, where {MAX_COUNT} are the most");
        problems.push(Problem::at(node.span, message).label("the product of the dimensions"));
        return None;
    }
    Some(Count::Dimensions(dimensions, node.span))
}

/// The same of a network, where it may also hold templates: only its shape is checked then.
pub(super) fn is_network_count(node: &Node, problems: &mut Problems) -> bool {
    let items: Vec<&Node> = match &node.value {
        Yaml::Map(entries) => match shape(node, problems) {
            Some(()) => entries.iter().map(|e| &e.node).collect(),
            None => return false,
        },
        _ => vec![node],
    };
    let right = |n: &&Node| n.scalar().is_some_and(|text| is_template(&text)) || number(n, None, problems).is_some();
    let count = items.len();
    items.into_iter().filter(right).count() == count
}

/// Checks the names of the dimensions in the map `node`.
fn shape(node: &Node, problems: &mut Problems) -> Option<()> {
    let Yaml::Map(entries) = &node.value else {
        return Some(());
    };
    let found = problems.len();
    if entries.is_empty() || entries.len() > MAX_DIMENSIONS {
        let expected = format!("expected one to {MAX_DIMENSIONS} dimensions, such as {{shard: 3, replica: 2}}");
        problems.push(Problem::at(node.span, "not a count").label(expected));
    }
    for entry in entries {
        let name = entry.key.as_str();
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let right = name.len() <= 40 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(letters);
        let problem = match (right, TAKEN.contains(&name)) {
            (true, false) => continue,
            (true, true) => Problem::at(entry.key_span, format!("a dimension cannot be called `{name}`"))
                .label("templates know something else by that name"),
            (false, _) => Problem::at(entry.key_span, format!("`{name}` is not a dimension"))
                .label("expected 1 to 40 lower-case letters, digits and `_`, beginning with a letter"),
        };
        problems.push(problem);
    }
    (problems.len() == found).then_some(())
}

/// A number of nodes or networks. `hint` is given to whoever wrote a template.
fn number(node: &Node, hint: Option<&str>, problems: &mut Problems) -> Option<Spanned<u32>> {
    let number = match &node.value {
        Yaml::Int(n) => Some(*n),
        Yaml::Text(t) => decimal(t.trim()),
        _ => None,
    };
    match number.map(u32::try_from) {
        Some(Ok(n)) if n <= MAX_COUNT => Some(Spanned::new(n, node.span)),
        _ => {
            let problem =
                Problem::at(node.span, "not a count").label(format!("expected a whole number from 0 to {MAX_COUNT}"));
            let hint = hint.filter(|_| node.scalar().is_some_and(|text| is_template(&text)));
            problems.push(match hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
            None
        }
    }
}

/// The product of `counts` if it is more than [`MAX_COUNT`]. None of more than that is ever multiplied further.
pub(crate) fn too_many(counts: impl Iterator<Item = u32>) -> Option<u64> {
    let product = counts.fold(1u64, |product, n| product.saturating_mul(u64::from(n)));
    (product > u64::from(MAX_COUNT)).then_some(product)
}
