//! The arguments of the commands of a day: what is there, where it answers, what it needs.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::{Format, Source, TARGETS, Which, Work};
use crate::select::Target;

/// The arguments of `topogen ls`.
#[derive(Debug, Args)]
pub struct Ls {
    /// How to print the clusters
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// The arguments of `topogen port`.
#[derive(Debug, Args)]
#[command(after_help = TARGETS)]
pub struct Port {
    /// Nodes, roles or services [default: the whole cluster]
    #[arg(value_name = "TARGET")]
    pub target: Option<Target>,
    /// Port of the containers: `80`, `53/udp`; then only where it is published is printed, a line each
    #[arg(value_name = "PORT", requires = "target", value_parser = port)]
    pub port: Option<ContainerPort>,
    /// The cluster, by its name or by its blueprint.
    #[command(flatten)]
    pub which: Which,
    /// How to print the ports
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPort {
    /// The number, from 1 to 65535.
    pub number: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

fn port(text: &str) -> Result<ContainerPort, String> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let number = crate::text::decimal(number).filter(|n: &u16| *n > 0);
    let protocol = protocol.to_lowercase();
    let is_known = ["tcp", "udp", "sctp"].contains(&protocol.as_str());
    let port = number
        .filter(|_| is_known)
        .map(|number| ContainerPort { number, protocol });
    port.ok_or_else(|| "expected a port such as `80` or `53/udp`".to_owned())
}

/// The arguments of `topogen config`.
#[derive(Debug, Args)]
pub struct Config {
    /// A node, or a service of one: `slave3`, `slave3/db`
    #[arg(value_name = "NODE[/SERVICE]")]
    pub target: String,
    /// The blueprint that the command reads.
    #[command(flatten)]
    pub source: Source,
    /// Print what of it differs in what runs, and why
    #[arg(long)]
    pub live: bool,
    /// How to print what differs
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", requires = "live")]
    pub format: Format,
}

/// The arguments of `topogen hosts`.
#[derive(Debug, Args)]
#[command(after_help = format!("{TARGETS}\n\n\
So that programs of the engine's host reach nodes by name: `topogen hosts | sudo tee -a /etc/hosts`, or \
`eval $(topogen hosts --env)`."))]
pub struct Hosts {
    /// Nodes, roles or services [default: the whole cluster]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// Print variables of a shell instead: `SLAVE1_ADDR=10.206.240.4`
    #[arg(long, conflicts_with = "format")]
    pub env: bool,
    /// The cluster, by its name or by its blueprint.
    #[command(flatten)]
    pub which: Which,
    /// How to print the addresses
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// The arguments of `topogen images`.
#[derive(Debug, Args)]
pub struct Images {
    /// The blueprint that the command reads.
    #[command(flatten)]
    pub source: Source,
    /// How to print the images
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// The arguments of `topogen pull`.
#[derive(Debug, Args)]
pub struct Pull {
    /// The blueprint that the command reads.
    #[command(flatten)]
    pub source: Source,
    /// Leave alone the images that the engine has
    #[arg(long)]
    pub missing: bool,
    /// How operations run and progress is shown.
    #[command(flatten)]
    pub work: Work,
}

/// The arguments of `topogen wait`.
#[derive(Debug, Args)]
#[command(after_help = TARGETS)]
pub struct Wait {
    /// Nodes, roles or services [default: the whole cluster]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// What they are waited for to be
    #[arg(long = "for", value_enum, default_value_t, value_name = "STATE")]
    pub until: Until,
    /// Seconds that they are waited for [default: for ever]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: Option<u64>,
    /// The cluster, by its name or by its blueprint.
    #[command(flatten)]
    pub which: Which,
    /// Print errors and warnings only
    #[arg(short, long)]
    pub quiet: bool,
}

/// What `topogen wait` waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// Each runs, and is healthy if it has a healthcheck
    #[default]
    Healthy,
    /// Each runs
    Running,
    /// Each has ended, whatever its exit code
    Exited,
}

/// The arguments of `topogen cp`.
#[derive(Debug, Args)]
#[command(after_help = format!("{TARGETS} Of a whole node it is the entry.\n\n\
A file goes into a directory that is there, and else takes the name that is given, as with `docker cp`; `DIR/.` is what is in \
a directory. To a role it is copied side by side; from one container only can be copied."))]
pub struct Cp {
    /// What to copy: `TARGET:PATH` in a container, or a path here
    #[arg(value_name = "SOURCE", value_parser = end)]
    pub from: End,
    /// Where to: `TARGET:PATH` in containers, or a path here
    #[arg(value_name = "DESTINATION", value_parser = end)]
    pub to: End,
    /// The cluster that the command acts on.
    #[command(flatten)]
    pub which: Which,
}

/// One end of a copy.
#[derive(Debug, Clone)]
pub enum End {
    /// A path of this machine.
    Here(PathBuf),
    /// A path in containers.
    There {
        /// The containers.
        target: Target,
        /// The path, from the root of their file systems.
        path: String,
    },
}

fn end(text: &str) -> Result<End, String> {
    let is_here = |target: &str| target.starts_with(['.', '/', '~']);
    match text.split_once(':') {
        Some((target, path)) if !is_here(target) => {
            let target = Target::from_str(target).map_err(|error| error.to_string())?;
            if path.is_empty() {
                return Err("expected a path after the colon: `slave3/db:/path`".to_owned());
            }
            let path = format!("/{}", path.trim_start_matches('/'));
            Ok(End::There { target, path })
        }
        _ if text.is_empty() => Err("expected a path".to_owned()),
        _ => Ok(End::Here(PathBuf::from(text))),
    }
}

/// The arguments of `topogen run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Of a service the container has image, environment, mounts, configs and networks as the blueprint says; of an \
image, all networks of the node. It answers to no name and publishes no port. Nothing else is started for it.\n\n\
The exit code is the command's; 125 where its container could not be made, 126 and 127 where it is no command."
)]
pub struct Run {
    /// The node
    #[arg(value_name = "NODE")]
    pub node: Target,
    /// A service of the node, or else an image
    #[arg(value_name = "SERVICE|IMAGE")]
    pub what: String,
    /// The command and its arguments [default: that of the service or the image]
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
    /// The blueprint that the command reads.
    #[command(flatten)]
    pub source: Source,
    /// Give the command a terminal [default: where this is one]
    #[arg(short, long, conflicts_with_all = ["no_tty", "format"])]
    pub tty: bool,
    /// Give the command no terminal
    #[arg(short = 'T', long)]
    pub no_tty: bool,
    /// Let the command read what is typed [default: unless its output is JSON]
    #[arg(short, long)]
    pub interactive: bool,
    /// Program in place of the image's entrypoint
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<String>,
    /// User, and group: `NAME|UID[:GROUP|GID]`
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Working directory of the command
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Variable of the environment, with this one's value where it has none; may be given again
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub env: Vec<String>,
    /// How to print it: as it comes, or at the end exit code and output as JSON
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// The arguments of `topogen stats`.
#[derive(Debug, Args)]
#[command(after_help = format!("{TARGETS}\n\n\
100 % of CPU is one processor. Memory is without what could be dropped at once, as `docker stats` has it."))]
pub struct Stats {
    /// Nodes, roles or services [default: the whole cluster]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// The cluster, by its name or by its blueprint.
    #[command(flatten)]
    pub which: Which,
    /// Print it once and end [default: where stdout is no terminal]
    #[arg(long)]
    pub once: bool,
    /// What is a line of the table
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    pub by: Level,
    /// What comes first
    #[arg(long, value_enum, default_value_t, value_name = "ORDER")]
    pub sort: Order,
    /// How to print it; JSON is printed once, with all levels
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// What is a line of the table of `topogen stats`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Each container, below the sum of its node
    #[default]
    Container,
    /// The sum of each node
    Node,
    /// The sum of each role
    Role,
}

/// What comes first in the table of `topogen stats`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// What uses the most time of processors
    #[default]
    Cpu,
    /// What uses the most memory
    Memory,
    /// What sends and receives the most
    Network,
    /// By name
    Name,
}
