//! Lints: rules for blueprints that are valid and may still not do what was intended.
//!
//! Each rule is a function in a file of its own that checks a whole topology. It has a code, [`Lint`], by which a
//! blueprint silences it, `x-topogen: {allow: [T003]}`, at its top for everything or in a role for that role. What is
//! certainly wrong is no lint: [`crate::blueprint`] and [`crate::topology::expand`] refuse it.

mod full_network;
mod host_network;
mod hostname;
mod missing_file;
mod unresolved;

use std::collections::{BTreeSet, HashMap};

pub use crate::blueprint::Lint;
use crate::diagnostic::Problem;
use crate::name::RoleName;
use crate::topology::{Node, Topology};

/// What the rules check.
pub struct Subject<'t> {
    topology: &'t Topology,
    /// All nodes, by name.
    nodes: HashMap<&'t str, &'t Node>,
    /// The paths that containers mount from this machine: absolute, each with the role that mounts it.
    mounts: &'t BTreeSet<(String, RoleName)>,
    /// Whether a path exists on this machine.
    is_there: &'t dyn Fn(&str) -> bool,
}

/// A finding of a rule.
struct Finding {
    problem: Problem,
    /// The role that may silence it; `None` if it concerns the whole cluster.
    role: Option<RoleName>,
}

impl<'t> Subject<'t> {
    /// A subject without the files that its containers mount.
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

    /// Adds the paths that containers mount from this machine: absolute, each with the role that mounts it. `is_there`
    /// says whether a path exists.
    #[must_use]
    pub fn mounting(mut self, mounts: &'t BTreeSet<(String, RoleName)>, is_there: &'t dyn Fn(&str) -> bool) -> Self {
        self.mounts = mounts;
        self.is_there = is_there;
        self
    }
}

/// The rule that `lint` stands for.
fn rule(lint: Lint) -> fn(&Subject<'_>) -> Vec<Finding> {
    match lint {
        Lint::FullNetwork => full_network::look,
        Lint::Hostname => hostname::look,
        Lint::Unresolved => unresolved::look,
        Lint::MissingFile => missing_file::look,
        Lint::HostNetwork => host_network::look,
    }
}

/// All findings that the blueprint does not silence, in the order of [`Lint::ALL`], each with its code.
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
