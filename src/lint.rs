//! Lints: what is right to write and may yet not do what was meant.
//!
//! A rule is a function in a file of its own, which looks at a whole topology. Each has a code, [`Lint`], by which a
//! blueprint silences it: `x-topogen: {allow: [T003]}`, for all of it at its top or for one role. What is plainly wrong is
//! no lint but refused before, by [`crate::blueprint`] and [`crate::topology::expand`].

mod full_network;
mod hostname;
mod missing_file;
mod unresolved;

use std::collections::{BTreeSet, HashMap};

pub use crate::blueprint::Lint;
use crate::diagnostic::Problem;
use crate::name::RoleName;
use crate::topology::{Node, Topology};

/// What rules look at.
pub struct Subject<'t> {
    topology: &'t Topology,
    /// All nodes, by name.
    nodes: HashMap<&'t str, &'t Node>,
    /// What containers mount from this machine, by absolute path and role.
    mounts: &'t BTreeSet<(String, RoleName)>,
    /// Whether this machine has something at a path.
    is_there: &'t dyn Fn(&str) -> bool,
}

/// What a rule has found.
struct Finding {
    problem: Problem,
    /// The role that may allow it; none where it is a matter of the whole cluster.
    role: Option<RoleName>,
}

impl<'t> Subject<'t> {
    /// A topology, without a look at what its containers mount.
    #[must_use]
    pub fn new(topology: &'t Topology) -> Self {
        static NONE: BTreeSet<(String, RoleName)> = BTreeSet::new();
        Self {
            topology,
            nodes: topology.nodes.iter().map(|n| (n.name.as_str(), n)).collect(),
            mounts: &NONE,
            is_there: &|_| true,
        }
    }

    /// With what its containers mount from this machine, by absolute path and role; `is_there` says what this machine has.
    #[must_use]
    pub fn mounting(mut self, mounts: &'t BTreeSet<(String, RoleName)>, is_there: &'t dyn Fn(&str) -> bool) -> Self {
        self.mounts = mounts;
        self.is_there = is_there;
        self
    }
}

/// What `lint` looks for.
fn rule(lint: Lint) -> fn(&Subject<'_>) -> Vec<Finding> {
    match lint {
        Lint::FullNetwork => full_network::look,
        Lint::Hostname => hostname::look,
        Lint::Unresolved => unresolved::look,
        Lint::MissingFile => missing_file::look,
    }
}

/// Everything that the rules find and the blueprint does not allow, in the order of [`Lint::ALL`], each with its code.
#[must_use]
pub fn look(subject: &Subject<'_>) -> Vec<Problem> {
    let mut found = Vec::new();
    for lint in Lint::ALL {
        for Finding { mut problem, role } in rule(lint)(subject) {
            problem.code = Some(lint.code());
            if !subject.topology.allows(lint, role.as_ref()) && !found.contains(&problem) {
                found.push(problem);
            }
        }
    }
    found
}
