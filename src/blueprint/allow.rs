//! What a blueprint allows that would be a warning: `x-topogen: {allow: [T003]}`.

use super::shape::{known_keys, map};
use crate::diagnostic::{Problem, Problems};
use crate::yaml::{Node, Yaml};

/// The key of what a blueprint says to topogen alone.
pub(super) const KEY: &str = "x-topogen";

/// The lints, each with its code: what stands here is all there are, so that none can be left out of [`Lint::ALL`].
macro_rules! lints {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        /// A rule that looks for what is right to write and may yet not do what was meant; `lint` has them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Lint {
            $($(#[$doc])* $name),*
        }

        impl Lint {
            /// All of them, in the order of their codes.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$name),*];

            /// Its code, which never comes to mean another rule.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code),*
                }
            }
        }
    };
}

lints! {
    /// More containers join the shared network than it has room for.
    FullNetwork = "T001",
    /// A `hostname` is a name on a shared network, where another container has it.
    Hostname = "T002",
    /// A service is configured with a name that does not resolve from where it is.
    Unresolved = "T003",
    /// A file is mounted from this machine that is not there.
    MissingFile = "T004",
    /// Services of several nodes share the network of their host, and so its ports.
    HostNetwork = "T005",
}

impl Lint {
    /// Whether what it finds is a single role's, which may allow it for itself.
    #[must_use]
    pub fn is_of_a_role(self) -> bool {
        self != Self::FullNetwork
    }
}

/// What the `x-topogen` of `owner` allows; `in_role` where that is a role.
pub(super) fn allow(owner: &Node, in_role: bool, problems: &mut Problems) -> Vec<Lint> {
    let Some(node) = owner.get(KEY).filter(|n| n.value != Yaml::Null) else {
        return Vec::new();
    };
    let Some(entries) = map(node, "`x-topogen`", problems) else {
        return Vec::new();
    };
    known_keys(entries, &["allow"], "`x-topogen`", problems);
    let codes = match node.get("allow") {
        None => &[][..],
        Some(Node {
            value: Yaml::List(codes),
            ..
        }) => codes,
        Some(one) => std::slice::from_ref(one),
    };
    codes.iter().filter_map(|code| lint(code, in_role, problems)).collect()
}

fn lint(node: &Node, in_role: bool, problems: &mut Problems) -> Option<Lint> {
    let Some(code) = node.scalar() else {
        problems.push(
            Problem::at(node.span, "`allow` is a list of lints")
                .label(format!("found {}", node.kind()))
                .hint("x-topogen: {allow: [T003]}"),
        );
        return None;
    };
    let Some(lint) = Lint::ALL.into_iter().find(|lint| lint.code() == code) else {
        let known = Lint::ALL.iter().map(|lint| lint.code());
        let problem = Problem::at(node.span, format!("unknown lint `{code}`"));
        problems.push(problem.did_you_mean(&code, known));
        return None;
    };
    if in_role && !lint.is_of_a_role() {
        problems.push(
            Problem::at(node.span, format!("`{code}` is no matter of one role"))
                .hint("allow it at the top of the blueprint"),
        );
        return None;
    }
    Some(lint)
}
