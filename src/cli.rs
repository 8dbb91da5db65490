//! The command line, as structs for clap. Their comments are the help texts.

mod before;
mod day;
mod faults;
mod help;
mod neighbours;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{ArgGroup, Args, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::blueprint::MAX_COUNT;
use crate::budget;
use crate::engine::logs::Moment;
use crate::fake;
use crate::name::ClusterName;
use crate::select::Target;
use crate::serve::consul::target::Target as ConsulAgent;
use crate::serve::dns::zone::Domain;
use crate::signal;
use crate::text::decimal;
use crate::text::{is_secret, shell_word};
pub use day::{Config, ContainerPort, Cp, End, Hosts, Images, Level, Ls, Order, Port, Pull, Run, Stats, Until, Wait};
pub use faults::{Cut, FaultOptions, Faults, Heal, Isolate, Namespace, Partition, Set};
pub(crate) use help::command;

/// One blueprint of roles, one Compose project per node: clusters of masters and slaves on the Docker Engine.
#[derive(Debug, Parser)]
#[command(name = "topogen", version, about, long_about = None, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "`topogen COMMAND --help` says more. Exit codes: 0 done, 1 refused or failed, 2 usage, \
3 blueprint invalid, 4 difference found, 5 engine unreachable, 6 applied in part, 130 interrupted."
)]
pub struct Cli {
    /// The options that stand before the command.
    #[command(flatten)]
    pub before: Before,
    /// The engine that the command asks.
    #[command(flatten)]
    pub engine: EngineOptions,
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The engine, where it is not the one that `docker` would ask.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineOptions {
    /// Engine to ask, as in DOCKER_HOST: `ssh://me@build-7`
    #[arg(short = 'H', long, global = true, value_name = "ADDRESS", conflicts_with = "context")]
    pub host: Option<String>,
    /// Docker context whose engine to ask, as in DOCKER_CONTEXT
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub context: Option<String>,
}

/// Options that may stand before the command, too. They are moved behind it before they are read, so that nothing is ever
/// here if there is a command.
#[derive(Debug, Args)]
pub struct Before {
    /// Name of the cluster, before the command or after it
    #[arg(id = "name before", short = 'n', long = "name", value_name = "NAME")]
    name: Option<ClusterName>,
    /// Blueprint, before the command or after it
    #[arg(id = "file before", short = 'f', long = "file", value_name = "FILE|NAME")]
    file: Option<String>,
}

/// The command line of this process; a message and the end of the process where it is none.
pub(crate) fn parse() -> Cli {
    let words = before::moved(std::env::args_os());
    let parsed = command().try_get_matches_from(&words);
    let error = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => return cli,
        Err(error) => error,
    };
    let words: Vec<String> = words.iter().skip(1).map(|w| w.to_string_lossy().into_owned()).collect();
    match hint(&error, &words) {
        Some(hint) => {
            use clap::error::ErrorKind::{InvalidSubcommand, UnknownArgument};
            let said = |kind| match error.get(kind) {
                Some(ContextValue::String(word)) => word.clone(),
                _ => String::new(),
            };
            let what = match error.kind() {
                InvalidSubcommand => format!("there is no command `{}`", said(ContextKind::InvalidSubcommand)),
                UnknownArgument => format!("there is no option `{}` here", said(ContextKind::InvalidArg)),
                _ => String::new(),
            };
            command()
                .error(error.kind(), format!("{what}\n\n  hint: {hint}"))
                .exit()
        }
        None => error.exit(),
    }
}

/// What to type where the words are those of a neighbouring tool.
fn hint(error: &clap::Error, words: &[String]) -> Option<String> {
    let said = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    if let Some(command) = said(ContextKind::InvalidSubcommand) {
        return neighbours::of_command(command).map(|instead| format!("`{instead}`"));
    }
    let option = said(ContextKind::InvalidArg)?;
    neighbours::of_option(words.first()?, option).map(str::to_owned)
}

/// The commands of topogen.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented blueprint to start from
    Init(Init),
    /// Report every problem of the blueprint
    Check(Check),
    /// Write one Compose project per node, ready for `docker compose up -d`
    Render(Render),
    /// Print one node as Compose has it, or what of it differs in what runs
    Config(Config),
    /// Draw the cluster: nodes, services, networks and names
    Graph(Graph),
    /// Bring the cluster up, or up to date with the blueprint
    Up(Up),
    /// Remove everything of the cluster from the engine
    Down(Down),
    /// List the cluster's nodes: services, states, addresses, names, ports
    Ps(Ps),
    /// Show what containers use: processors, memory, network; by container, node and role
    #[command(visible_alias = "top")]
    Stats(Stats),
    /// List all clusters on the engine
    Ls(Ls),
    /// List where the engine's host leads to the cluster: published ports
    Port(Port),
    /// List the addresses of nodes, as lines for /etc/hosts
    Hosts(Hosts),
    /// Wait until containers are healthy, running or ended
    Wait(Wait),
    /// Show what containers print, of all nodes in the order of time
    Logs(Logs),
    /// Tell what happens to the cluster's containers, as it happens
    Events(Events),
    /// Serve how the cluster is, now and as it changes: a page, JSON, events, names over DNS
    Serve(Serve),
    /// Keep the cluster registered with Consul, as it is now and as it changes
    Register(Register),
    /// Run a command in containers
    Exec(Exec),
    /// Run a command in a container of its own on a node's networks, removed after
    Run(Run),
    /// Copy files between here and containers
    Cp(Cp),
    /// List the images that the blueprint needs, and whether the engine has them
    Images(Images),
    /// Pull the images that the blueprint needs
    Pull(Pull),
    /// Stop containers, each within its own grace period
    Stop(Stop),
    /// Start containers that were stopped
    Start(Act),
    /// Stop containers and start them
    Restart(Restart),
    /// Send a signal to containers
    Kill(Kill),
    /// Freeze all processes of containers
    Pause(Act),
    /// Let frozen containers run again
    Unpause(Act),
    /// Cut nodes off the others, and let each go on inside
    Cut(Cut),
    /// Cut sets of nodes off each other
    Partition(Partition),
    /// Cut single containers off everything, their own node included
    Isolate(Isolate),
    /// End cuts
    Heal(Heal),
    /// List what is cut, as the containers' networks say
    Faults(Faults),
    /// Prove that what runs is what the blueprint says: names, paths, shape
    Verify(Verify),
    /// Write the fake image for `docker load`
    Image(Image),
    /// Print the JSON Schema of blueprints, for editors
    Schema,
    /// Print the completions of a shell
    Completions(Completions),
    /// Print the manual page
    Man,
    /// Run the fake service: answer on the exposed ports, with the name of its container
    Fake,
    /// Resolve names and connect to endpoints from here, and exit with 4 if any fails; for use inside containers
    Probe(Probe),
    /// Change what is cut in the network namespace that it runs in
    #[command(hide = true)]
    Namespace(Namespace),
}

/// The blueprint to read, and what to change in it.
#[derive(Debug, Default, Clone, Args)]
pub struct Source {
    /// Blueprint: a file, or the name of a shipped one [default: topogen.yaml here, else master-slaves]
    #[arg(short, long, value_name = "FILE|NAME")]
    pub file: Option<String>,
    /// Name of the cluster: prefixes its projects and its shared network
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<ClusterName>,
    /// How many nodes of the role `slave`, or of the only role with a count
    #[arg(long, value_name = "N", value_parser = count)]
    pub slaves: Option<u32>,
    /// How many nodes of a role, or of one dimension of its count (`mongo.shard=5`); may be given again for another
    #[arg(long, value_name = "ROLE=N", value_parser = scale)]
    pub scale: Vec<(String, u32)>,
    /// Set a variable of the blueprint; may be given again for another
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// File of variables for `${VAR}` [default: .env beside the blueprint]; may be given again
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Profile whose services take part [default: COMPOSE_PROFILES]; may be given again
    #[arg(long, value_name = "NAME")]
    pub profile: Vec<String>,
    /// Put topogen's fake in place of every image
    #[arg(long)]
    pub fake: bool,
    /// How much the blueprint may expand to, such as 512m or 1g [default: 256m]
    #[arg(long, value_name = "SIZE", value_parser = expand_limit)]
    pub expand_limit: Option<u64>,
}

impl Source {
    /// The blueprint and options in a message, such as `` `/srv/lab.yaml` with `--slaves 10` ``.
    #[must_use]
    pub fn said(&self) -> String {
        let options = Self {
            file: None,
            name: None,
            ..self.clone()
        };
        let file = self.file.as_deref().unwrap_or_default();
        match options.typed() {
            none if none.is_empty() => format!("`{file}`"),
            options => format!("`{file}` with `{options}`"),
        }
    }

    /// These options as a shell takes them, for a command that selects the same cluster; may be empty.
    #[must_use]
    pub fn typed(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        let mut say = |option: &str, value: &str| words.push(option_typed(option, value));
        let Self {
            file,
            name,
            slaves,
            scale,
            set,
            env_file,
            profile,
            fake,
            expand_limit,
        } = self;
        file.iter().for_each(|f| say("file", f));
        name.iter().for_each(|n| say("name", n.as_str()));
        slaves.iter().for_each(|n| say("slaves", &n.to_string()));
        scale.iter().for_each(|(role, n)| say("scale", &format!("{role}={n}")));
        for (key, value) in set {
            // The command is printed in messages and reports, which other people may read.
            let value = if is_secret(key) { "…" } else { value };
            say("set", &format!("{key}={value}"));
        }
        env_file.iter().for_each(|f| say("env-file", &f.display().to_string()));
        profile.iter().for_each(|p| say("profile", p));
        expand_limit.iter().for_each(|l| say("expand-limit", &l.to_string()));
        if *fake {
            words.push("--fake".to_owned());
        }
        words.join(" ")
    }
}

/// An option with its value, as a shell takes it.
fn option_typed(option: &str, value: &str) -> String {
    format!("--{option} {}", shell_word(value))
}

/// Options that select a cluster on the engine.
#[derive(Debug, Args)]
pub struct Which {
    /// Name of the cluster [default: what the blueprint says]
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<ClusterName>,
    /// Blueprint that names the cluster [default: topogen.yaml here, if there is one]
    #[arg(short, long, value_name = "FILE|NAME")]
    pub file: Option<String>,
}

impl Which {
    /// `topogen`, `verb` and these options as a shell takes them, for a command on the same cluster.
    #[must_use]
    pub fn command(&self, verb: &str) -> String {
        let file = self.file.iter().map(|f| option_typed("file", f));
        let name = self.name.iter().map(|n| option_typed("name", n.as_str()));
        let words: Vec<String> = [format!("topogen {verb}")]
            .into_iter()
            .chain(file)
            .chain(name)
            .collect();
        words.join(" ")
    }
}

/// Options that show a plan without carrying it out.
#[derive(Debug, Args)]
pub struct DryRun {
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to print what would be done
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", requires = "dry_run")]
    pub format: Format,
    /// Exit with 4 if anything would be done
    #[arg(long, requires = "dry_run")]
    pub detailed_exitcode: bool,
}

/// An explanation of targets, which follows the options of commands that take them.
const TARGETS: &str = "\
A target is a node (`slave3`), a role (`slave`: all its nodes) or a service of either (`slave3/db`, `slave/db`). \
`*` stands for anything, `?` for a character, `[2,5-7]` for numbers: `'slave[2-5]'`, `'*/db'`; quote what the shell \
would take for a file's name.";

/// The containers to act on, and how.
#[derive(Debug, Args)]
#[command(after_help = TARGETS)]
pub struct Act {
    /// Nodes, roles or services [default: the whole cluster]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// The cluster that the command acts on.
    #[command(flatten)]
    pub which: Which,
    /// Options that only show the plan.
    #[command(flatten)]
    pub dry: DryRun,
    /// How operations run and progress is shown.
    #[command(flatten)]
    pub work: Work,
}

/// The arguments of `topogen stop`.
#[derive(Debug, Args)]
pub struct Stop {
    /// The containers to act on, and how.
    #[command(flatten)]
    pub act: Act,
    /// Seconds until what does not stop is killed [default: each container's own grace period]
    #[arg(short, long, value_name = "SECONDS")]
    pub timeout: Option<u32>,
}

/// The arguments of `topogen restart`.
#[derive(Debug, Args)]
pub struct Restart {
    /// The containers to act on, and how.
    #[command(flatten)]
    pub act: Act,
    /// Seconds until what does not stop is killed [default: each container's own grace period]
    #[arg(short, long, value_name = "SECONDS")]
    pub timeout: Option<u32>,
    /// Leave alone what depends on them with `restart: true`
    #[arg(long)]
    pub no_deps: bool,
}

/// The arguments of `topogen kill`.
#[derive(Debug, Args)]
pub struct Kill {
    /// The containers to act on, and how.
    #[command(flatten)]
    pub act: Act,
    /// Signal to send, by name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "SIGKILL", value_parser = signal)]
    pub signal: String,
}

/// The arguments of `topogen exec`.
#[derive(Debug, Args)]
#[command(after_help = format!("{TARGETS} Of a whole node the command runs in its entry.\n\n\
On several containers it runs side by side, each line of output after its node and service. The exit code is the highest \
of the command's; 125 where it could not be run, 126 and 127 where it is no command."))]
pub struct Exec {
    /// A node, a role, or a service of either
    #[arg(value_name = "TARGET")]
    pub target: Target,
    /// The command and its arguments
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub command: Vec<String>,
    /// The cluster that the command acts on.
    #[command(flatten)]
    pub which: Which,
    /// Insist on one container that reads what is typed, as is done where there is one
    #[arg(short, long, conflicts_with = "detach")]
    pub interactive: bool,
    /// Give the command a terminal [default: where this is one, and there is one container]
    #[arg(short, long, conflicts_with_all = ["no_tty", "detach", "format"])]
    pub tty: bool,
    /// Give the command no terminal
    #[arg(short = 'T', long)]
    pub no_tty: bool,
    /// Do not wait for the command
    #[arg(short, long, conflicts_with = "format")]
    pub detach: bool,
    /// User, and group: `NAME|UID[:GROUP|GID]`
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Working directory of the command
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Variable of the environment, with this one's value where it has none; may be given again
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub env: Vec<String>,
    /// Most containers to run the command in at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub parallel: u16,
    /// How to print it: lines as they come, or at the end exit code and output of each as JSON
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// The arguments of `topogen logs`.
#[derive(Debug, Args)]
#[command(after_help = TARGETS)]
pub struct Logs {
    /// Nodes, roles or services [default: the whole cluster]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// Follow what is printed from now on, also by containers that start later, until the cluster is removed
    #[arg(short, long)]
    pub follow: bool,
    /// Lines to begin with, of each container [default: all]
    #[arg(long, value_name = "N")]
    pub tail: Option<u32>,
    /// From when on: how long ago (`10m`, `1h30m`), or a time in UTC (`2026-01-31T12:00:00Z`)
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Until when: a time as for `--since`
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    pub until: Option<Moment>,
    /// Show when each line was printed
    #[arg(short, long)]
    pub timestamps: bool,
    /// Do not show whose line it is
    #[arg(long, conflicts_with = "format")]
    pub no_log_prefix: bool,
    /// No colours; NO_COLOR in the environment says the same
    #[arg(long)]
    pub no_color: bool,
    /// How to print it: lines, or a JSON object a line
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
    /// Name of the cluster [default: what the blueprint says]
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<ClusterName>,
    /// Blueprint that names the cluster [default: topogen.yaml here, if there is one]
    #[arg(long, value_name = "FILE|NAME")]
    pub file: Option<String>,
}

/// The options of `topogen events`, which follows the engine until it is interrupted.
#[derive(Debug, Args)]
pub struct Events {
    /// Nodes, roles or services [default: the whole cluster]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// How to print it: lines, or a JSON object a line
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
    /// The cluster, by its name or by its blueprint.
    #[command(flatten)]
    pub which: Which,
}

/// The arguments of `topogen serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "It answers GET: / is a page; /v1/roster, /v1/nodes/NODE, /v1/roles/ROLE and /v1/services/SERVICE are JSON, with \
`?ready` what can serve alone, with `?wait=30s&revision=N` the next that differs; /v1/events are events; /v1/prometheus are \
targets for `http_sd`; /v1/hosts are lines for /etc/hosts; /v1/logs/NODE/SERVICE is what is printed; /docker/service/NAME/ip \
and …/tasks/ip are addresses; /graph.svg, /metrics, /healthz. It ends with SIGTERM or SIGINT, with exit code 0.",
    group = ArgGroup::new("names").args(["dns", "hosts"]).multiple(true)
)]
pub struct Serve {
    /// The cluster, by its name or by its blueprint.
    #[command(flatten)]
    pub source: Source,
    /// Address to listen at, with 0 for any port that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7070", value_parser = address)]
    pub listen: SocketAddr,
    /// Name under which it may be asked, besides addresses and `localhost`; may be given again
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// Do not tell what containers print
    #[arg(long)]
    pub no_logs: bool,
    /// Open the page in a browser
    #[arg(long)]
    pub open: bool,
    /// Address to answer DNS at, over UDP and TCP, such as `127.0.0.1:5353`
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    pub dns: Option<SocketAddr>,
    /// Domain that the names are in [default: the cluster's name]
    #[arg(long, value_name = "DOMAIN", requires = "names")]
    pub domain: Option<Domain>,
    /// File in which to keep the names, such as /etc/hosts, until the end
    #[arg(long, value_name = "FILE")]
    pub hosts: Option<PathBuf>,
    /// Agent of Consul to keep the cluster registered with, such as `http://127.0.0.1:8500`
    #[arg(long, value_name = "URL")]
    pub consul: Option<ConsulAgent>,
    /// How it is registered.
    #[command(flatten)]
    pub registered: Registered,
    /// The cluster whose container this is, where it is one.
    #[arg(long, hide = true, env = fake::variable::CLUSTER)]
    pub here: Option<ClusterName>,
}

/// The arguments of `topogen register`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each TCP or UDP port of what runs on the shared network is a service, called as the role; SERVICE_NAME, \
SERVICE_443_NAME and the others of Registrator, in labels or variables, call it otherwise. Its check passes as long as the \
container can serve. The token is that of CONSUL_HTTP_TOKEN, or in the file that CONSUL_HTTP_TOKEN_FILE names. It ends with \
SIGTERM or SIGINT, once nothing is registered any more, with exit code 0."
)]
pub struct Register {
    /// Agent of Consul: `consul://HOST:PORT`, `http://`, `https://` or `unix:///PATH`
    #[arg(value_name = "URL")]
    pub consul: ConsulAgent,
    /// How it is registered.
    #[command(flatten)]
    pub how: Registered,
    /// The cluster, by its name or by its blueprint.
    #[command(flatten)]
    pub source: Source,
    /// The cluster whose container this is, where it is one.
    #[arg(long, hide = true, env = fake::variable::CLUSTER)]
    pub here: Option<ClusterName>,
}

/// How a cluster is registered with Consul.
#[derive(Debug, Clone, Args)]
pub struct Registered {
    /// Register also what is on its node's network alone
    #[arg(long = "consul-private", requires = "consul")]
    pub private: bool,
    /// Key of Consul's store below which to keep the nodes: PREFIX/nodes/slave3/address
    #[arg(long = "consul-kv", value_name = "PREFIX", requires = "consul", value_parser = key)]
    pub keys: Option<String>,
}

fn key(text: &str) -> Result<String, String> {
    let key = text.trim_matches('/');
    let is_key = !key.is_empty() && !key.contains("//") && !key.chars().any(char::is_control);
    is_key
        .then(|| key.to_owned())
        .ok_or_else(|| "expected a key such as `shop` or `shop/lab`".to_owned())
}

/// How work on the engine is done and shown.
#[derive(Debug, Clone, Args)]
pub struct Work {
    /// Operations at once [default: 4 a core, from 4 to 16; 64 where containers are only stopped or restarted]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallel: Option<u16>,
    /// How to show progress on stderr
    #[arg(long, value_enum, default_value_t, value_name = "FACE")]
    pub progress: Progress,
    /// Print errors and warnings only: `--progress quiet`
    #[arg(short, long, conflicts_with = "progress")]
    pub quiet: bool,
}

/// An explanation of `--from`, which follows the options of `init`.
const FROM: &str = "\
With `--from`, services that are alike but for a number (`kafka1` to `kafka3`, `worker-1`, `worker-2`) become one role with a \
count, all others the role `master`; a file without such services becomes one role. What is guessed is said in comments, and \
`topogen check` is run on the result.";

/// The arguments of `topogen init`.
#[derive(Debug, Args)]
#[command(after_help = FROM)]
pub struct Init {
    /// File to write the blueprint to [default: topogen.yaml], or directory to write the example to [default: its name]
    #[arg(value_name = "FILE|DIR")]
    pub file: Option<PathBuf>,
    /// Write an example with all of its files
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    pub example: Option<String>,
    /// List the examples
    #[arg(long, conflicts_with_all = ["file", "from", "example"])]
    pub list: bool,
    /// How to print the list
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", requires = "list")]
    pub format: Format,
    /// Compose file to write the blueprint for; may be given again, later ones go over earlier ones
    #[arg(long, value_name = "FILE")]
    pub from: Vec<PathBuf>,
    /// How many nodes: of each role that is made of numbered services, or of the file as one role
    #[arg(long, value_name = "N", value_parser = count, requires = "from")]
    pub count: Option<u32>,
    /// The one role to make of numbered services; where none is called so, the name of one role for the whole file
    #[arg(long, value_name = "NAME", requires = "from")]
    pub role: Option<String>,
    /// Service by which others reach what is not numbered
    #[arg(long, value_name = "SERVICE", requires = "from")]
    pub entry: Option<String>,
}

/// The arguments of `topogen check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The blueprint that the command reads.
    #[command(flatten)]
    pub source: Source,
    /// How to print the problems
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
    /// Say also what is changed of Compose files in silence: dependencies on services that are not taken, what `isolate` says
    #[arg(short, long)]
    pub verbose: bool,
}

/// The arguments of `topogen completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// Shell to print completions for
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// The arguments of `topogen render`.
#[derive(Debug, Args)]
pub struct Render {
    /// The blueprint that the command reads.
    #[command(flatten)]
    pub source: Source,
    /// Directory to write to; `-` prints instead
    #[arg(short, long, value_name = "DIR", default_value = "topogen-out")]
    pub output: PathBuf,
    /// Write nothing: show what differs from what would be written, and exit with 4 if anything does
    #[arg(long, conflicts_with = "force")]
    pub check: bool,
    /// Write nothing: print the expanded topology instead
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with_all = ["output", "check", "force"])]
    pub format: Option<TopologyFormat>,
    /// Write over files that were changed since they were rendered
    #[arg(long)]
    pub force: bool,
}

/// The arguments of `topogen graph`.
#[derive(Debug, Args)]
pub struct Graph {
    /// The blueprint that the command reads.
    #[command(flatten)]
    pub source: Source,
    /// Look at the engine too: states in colour, what is missing dashed, what is foreign grey
    #[arg(long)]
    pub live: bool,
    /// Keep running, and draw it again whenever the cluster changes: on the terminal, into FILE, or as JSON a line each
    #[arg(short, long, requires = "live")]
    pub watch: bool,
    /// How to draw it [default: what FILE ends in, else text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<GraphFormat>,
    /// File to write [default: print, as `-` does]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw each node by itself, where equal ones of a role of more than 6 share a box otherwise
    #[arg(long)]
    pub unfold: bool,
}

/// The arguments of `topogen up`.
#[derive(Debug, Args)]
#[command(after_help = format!("{TARGETS} With targets, what they depend on comes up too, and all else of the cluster stays as \
it is."))]
pub struct Up {
    /// Nodes, roles or services [default: the whole cluster]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// The blueprint that the command reads.
    #[command(flatten)]
    pub source: Source,
    /// Options that only show the plan.
    #[command(flatten)]
    pub dry: DryRun,
    /// Wait until every container runs and, if it has a healthcheck, is healthy
    #[arg(long)]
    pub wait: bool,
    /// Seconds that containers are waited for, by `--wait`, `depends_on` and `after` [default: for ever], and an engine
    /// that does not answer [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: Option<u64>,
    /// Recreate containers even where they are as the blueprint says
    #[arg(long)]
    pub force_recreate: bool,
    /// Leave alone what the targets depend on
    #[arg(long, requires = "targets")]
    pub no_deps: bool,
    /// Remove containers of roles that left the blueprint
    #[arg(long, conflicts_with = "targets")]
    pub remove_orphans: bool,
    /// Change a cluster that was brought up from another blueprint
    #[arg(long)]
    pub take_over: bool,
    /// How operations run and progress is shown.
    #[command(flatten)]
    pub work: Work,
}

/// The arguments of `topogen down`.
#[derive(Debug, Args)]
#[command(after_help = format!("{TARGETS} Of a node that is removed whole, its networks are removed too."))]
pub struct Down {
    /// Nodes, roles or services [default: the whole cluster]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// The cluster that the command acts on.
    #[command(flatten)]
    pub which: Which,
    /// Options that only show the plan.
    #[command(flatten)]
    pub dry: DryRun,
    /// Remove named volumes too, and what is in them
    #[arg(short, long)]
    pub volumes: bool,
    /// How operations run and progress is shown.
    #[command(flatten)]
    pub work: Work,
}

/// The arguments of `topogen ps`.
#[derive(Debug, Args)]
#[command(after_help = TARGETS)]
pub struct Ps {
    /// Nodes, roles or services [default: the whole cluster]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// The cluster that the command acts on.
    #[command(flatten)]
    pub which: Which,
    /// Keep running, and show it again whenever it changes
    #[arg(short, long)]
    pub watch: bool,
    /// How to print the nodes
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// The arguments of `topogen verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 4 where anything differs. Containers are asked from inside: fakes by exec, others by \
short-lived containers of the fake image in their network namespace."
)]
pub struct Verify {
    /// The blueprint that was brought up, with the same counts.
    #[command(flatten)]
    pub source: Source,
    /// Ask from these only: a node, a role, or a service of either; may be given again
    #[arg(long, value_name = "TARGET")]
    pub from: Vec<Target>,
    /// Check this only; may be given again
    #[arg(long, value_enum, value_name = "KIND")]
    pub only: Vec<Only>,
    /// Examine Compose projects that others brought up instead: no name may have two owners
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with_all = ["file", "name", "slaves", "scale", "set", "env_file", "profile", "fake", "from", "only"])]
    pub project: Vec<String>,
    /// How to print the report [default: by the ending of the output file, else table]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<ReportFormat>,
    /// Write the report to a file, and the table to stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Seconds that an answer may take, a service may take to listen; what is not answered is asked once more
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub patience: u16,
    /// Containers asked at once [default: 64, fewer where each is asked much]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallel: Option<u16>,
    /// How to show progress on stderr
    #[arg(long, value_enum, default_value_t, value_name = "FACE")]
    pub progress: Progress,
    /// Print errors and warnings only: `--progress quiet`
    #[arg(short, long, conflicts_with = "progress")]
    pub quiet: bool,
}

/// What `topogen verify` looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Only {
    /// What names resolve to
    Names,
    /// Who reaches whom, and who answers
    Paths,
    /// Containers, networks, subnets, aliases, attachments; nothing is asked
    Shape,
}

/// The format of the report of `topogen verify`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// A table for people
    #[default]
    Table,
    /// JSON, for programs
    Json,
    /// JUnit XML, for CI servers
    Junit,
    /// A picture of who reaches whom
    Svg,
}

/// The arguments of `topogen image`.
#[derive(Debug, Args)]
pub struct Image {
    /// File to write; `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// The arguments of `topogen probe`.
#[derive(Debug, Args)]
pub struct Probe {
    /// Name to resolve; may be given again
    #[arg(long, value_name = "NAME")]
    pub resolve: Vec<String>,
    /// Endpoint to connect to; may be given again
    #[arg(long, value_name = "HOST:PORT")]
    pub connect: Vec<String>,
    /// Milliseconds that each question may take
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    pub patience: u64,
    /// Questions as `topogen verify` puts them
    #[arg(long, value_name = "JSON", hide = true, conflicts_with_all = ["resolve", "connect", "patience"])]
    pub ask: Vec<String>,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// A line a node on a terminal, plain lines elsewhere
    #[default]
    Auto,
    /// A line for each finished operation
    Plain,
    /// A JSON object a line
    Json,
    /// Only errors and warnings
    Quiet,
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people
    #[default]
    Table,
    /// JSON, for programs
    Json,
}

/// How a topology is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TopologyFormat {
    /// JSON, for programs
    Json,
}

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// For the terminal, as wide as it is
    Text,
    /// A picture for browsers and documents, light and dark
    Svg,
    /// A Mermaid flowchart, as forges draw it inside Markdown
    Mermaid,
    /// A graph in the language of Graphviz
    Dot,
    /// JSON for programs: everything, nothing folded
    Json,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn scale(text: &str) -> Result<(String, u32), String> {
    let (role, number) = pair(text).map_err(|_| "expected ROLE=N".to_owned())?;
    Ok((role, count(&number)?))
}

fn count(text: &str) -> Result<u32, String> {
    let count = decimal(text).filter(|n| *n <= MAX_COUNT);
    count.ok_or_else(|| format!("expected a whole number of nodes, {MAX_COUNT} at most"))
}

/// An address with its port, `localhost` with one, or a port alone, which is of this machine.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    let local = decimal(port).map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let found = local.or_else(|| text.parse().ok());
    found.ok_or_else(|| {
        "expected an address with a port, such as `127.0.0.1:7070` or `[::1]:7070`, or a port".to_owned()
    })
}

fn expand_limit(text: &str) -> Result<u64, String> {
    budget::bytes(text).ok_or_else(|| "expected a size such as `512m` or `1g`".to_owned())
}

fn signal(text: &str) -> Result<String, String> {
    signal::name_of(text).ok_or_else(|| "expected a signal such as `SIGTERM`, `HUP` or `9`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        source: Source,
    }

    #[test]
    fn what_to_type_next_repeats_no_secret() {
        let words = Words::parse_from(["topogen", "--set", "db_password=hunter2", "--set", "size=a b"]);
        assert_eq!(words.source.typed(), "--set 'db_password=…' --set 'size=a b'");
    }
}
