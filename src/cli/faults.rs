//! The arguments of the commands that cut containers off each other, and heal them.

use std::str::FromStr;

use clap::Args;

use super::{Format, Progress, TARGETS, Which};
use crate::select::{Target, TargetError};

/// How faults are made and shown.
#[derive(Debug, Args)]
pub struct FaultOptions {
    /// The cluster, by its name or by its blueprint.
    #[command(flatten)]
    pub which: Which,
    /// How to show progress on stderr
    #[arg(long, value_enum, default_value_t, value_name = "FACE")]
    pub progress: Progress,
    /// Print errors and warnings only: `--progress quiet`
    #[arg(short, long, conflicts_with = "progress")]
    pub quiet: bool,
}

/// The arguments of `topogen cut`.
#[derive(Debug, Args)]
#[command(after_help = format!("{TARGETS}\n\n\
The addresses stay, and each node goes on inside. `topogen faults` lists what is cut, `topogen heal` ends it, and so does a \
restart. Nothing is needed in the image, and no firewall is touched."))]
pub struct Cut {
    /// Nodes, roles or services to cut off the networks that nodes share
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<Target>,
    /// Cut them off these alone; may be given again
    #[arg(long, value_name = "TARGET")]
    pub from: Vec<Target>,
    /// How it is done and shown.
    #[command(flatten)]
    pub options: FaultOptions,
}

/// The arguments of `topogen partition`.
#[derive(Debug, Args)]
#[command(after_help = format!("{TARGETS}\n\n\
Sets may overlap: who is in two meets both. Who is in none meets everybody. One set alone is cut off all others."))]
pub struct Partition {
    /// Targets that go on meeting each other, separated by commas, and nobody of another set
    #[arg(value_name = "TARGET[,TARGET…]", required = true)]
    pub sets: Vec<Set>,
    /// How it is done and shown.
    #[command(flatten)]
    pub options: FaultOptions,
}

/// The arguments of `topogen isolate`.
#[derive(Debug, Args)]
#[command(after_help = format!("{TARGETS}\n\n\
Each container is cut off everything: other nodes, its own, the way out. Only itself it reaches. (The key `isolate` of a role \
is another thing: it makes fixed names of a Compose file each node's own.)"))]
pub struct Isolate {
    /// Services, nodes or roles to cut off everything, container by container
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<Target>,
    /// How it is done and shown.
    #[command(flatten)]
    pub options: FaultOptions,
}

/// The arguments of `topogen heal`.
#[derive(Debug, Args)]
#[command(after_help = TARGETS)]
pub struct Heal {
    /// Nodes, roles or services to heal, and what others are cut off of them [default: the whole cluster]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// How it is done and shown.
    #[command(flatten)]
    pub options: FaultOptions,
}

/// The arguments of `topogen faults`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every container that runs is asked, from inside: fakes by exec, others by short-lived containers of \
the fake image in their network namespace."
)]
pub struct Faults {
    /// The cluster, by its name or by its blueprint.
    #[command(flatten)]
    pub which: Which,
    /// How to print what is in force
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// The arguments of `topogen namespace`, which topogen runs in the network namespace of a container.
#[derive(Debug, Args)]
pub struct Namespace {
    /// What is to be changed
    #[arg(long, value_name = "JSON")]
    pub change: String,
}

/// Targets that are meant together: `slave[4-10],master`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set(pub Vec<Target>);

impl FromStr for Set {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let mut is_inside = false;
        let parts = text.split(|c: char| {
            is_inside = (is_inside || c == '[') && c != ']';
            c == ',' && !is_inside
        });
        parts.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_brackets_separates_numbers() {
        let set = |text: &str| {
            text.parse::<Set>()
                .map(|s| s.0.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(
            set("slave[1,4-10],master,*/db"),
            Ok(vec!["slave[1,4-10]".to_owned(), "master".to_owned(), "*/db".to_owned()])
        );
        assert_eq!(set("slave1,"), Err(TargetError::Empty));
    }
}
