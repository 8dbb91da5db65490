//! The help of all commands: in groups, with an example each.

use clap::{Command, CommandFactory};

use super::Cli;

/// The commands by what one wants, in the order in which they are listed.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "Cluster",
        &[
            "up", "down", "verify", "stop", "start", "restart", "kill", "pause", "unpause", "wait", "images", "pull",
        ],
    ),
    ("Nodes", &["exec", "run", "logs", "cp"]),
    ("Faults", &["cut", "partition", "isolate", "heal", "faults"]),
    (
        "Looking",
        &[
            "ls", "ps", "stats", "graph", "events", "port", "hosts", "serve", "register",
        ],
    ),
    (
        "Files",
        &[
            "init",
            "check",
            "config",
            "render",
            "schema",
            "image",
            "completions",
            "man",
        ],
    ),
    ("Inside containers", &["probe", "fake"]),
];

/// Command lines to begin with, and what each does.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "cut",
        &[
            ("cut slave3", "off all others, in both directions"),
            ("cut slave3 --from master", "off the master alone"),
        ],
    ),
    (
        "partition",
        &[(
            "partition 'slave[1-3]' 'slave[4-10],master'",
            "two sets that do not meet",
        )],
    ),
    ("isolate", &[("isolate slave3/app", "off everything, its own node too")]),
    (
        "heal",
        &[
            ("heal slave3", "what is cut there, and what others are cut off of it"),
            ("heal", "all of it"),
        ],
    ),
    ("faults", &[("faults --format json", "what is in force, for programs")]),
    (
        "init",
        &[
            ("init", "a commented blueprint to start from"),
            (
                "init --example redis-replication",
                "a whole example, in a directory of its name",
            ),
            ("init --from docker-compose.yml", "a blueprint for a Compose file"),
        ],
    ),
    (
        "check",
        &[("check -f lab.yaml", "every problem, each shown in the source")],
    ),
    (
        "render",
        &[
            ("render -o out", "one directory a project"),
            ("render -o -", "print them"),
        ],
    ),
    (
        "config",
        &[
            ("config slave3/db", "one service as Compose has it"),
            ("config slave3 --live", "what of it differs in what runs"),
        ],
    ),
    (
        "graph",
        &[
            ("graph --live --watch", "as it changes"),
            ("graph -o lab.svg", "a picture"),
        ],
    ),
    (
        "up",
        &[
            ("up --slaves 10 --wait", "all of it, until it is healthy"),
            ("up slave3 --force-recreate", "one node anew"),
            ("up --dry-run", "what would be done, and why"),
        ],
    ),
    (
        "down",
        &[("down -v", "all of it, volumes too"), ("down slave3", "one node")],
    ),
    (
        "ps",
        &[
            ("ps --watch", "as it changes"),
            ("ps slave --format json", "one role, for programs"),
        ],
    ),
    (
        "stats",
        &[
            ("stats", "live on a terminal, what uses most first; `q` ends it"),
            ("stats slave --sort memory", "one role, by memory"),
            ("stats --once --by node", "once, a line a node"),
        ],
    ),
    ("ls", &[("ls", "every cluster of the engine")]),
    (
        "port",
        &[
            ("port", "all published ports"),
            ("port slave3 80", "where the host leads to one"),
        ],
    ),
    ("hosts", &[("hosts slave", "lines for /etc/hosts")]),
    (
        "wait",
        &[
            ("wait --timeout 60", "until all is healthy"),
            ("wait slave/job --for exited", "until jobs have ended"),
        ],
    ),
    (
        "logs",
        &[("logs -f slave/db", "of one service of all nodes, as they come")],
    ),
    ("events", &[("events --format json", "a JSON object a line")]),
    ("serve", &[("serve --open", "the page, in a browser")]),
    (
        "register",
        &[("register consul://127.0.0.1:8500", "with the agent of this machine")],
    ),
    (
        "exec",
        &[
            ("exec slave3 sh", "a shell in its entry"),
            ("exec slave/db -- df -h", "in one service of all nodes"),
        ],
    ),
    (
        "run",
        &[
            (
                "run slave3 db psql -h db",
                "a client beside the service, configured as that is",
            ),
            (
                "run slave3 nicolaka/netshoot dig master",
                "a tool that none of the images has",
            ),
        ],
    ),
    (
        "cp",
        &[
            ("cp slave3/db:/etc/hosts .", "from one container"),
            ("cp site/. slave:/srv", "to all nodes of a role at once"),
        ],
    ),
    ("images", &[("images", "which are needed, which are there")]),
    ("pull", &[("pull --missing", "those that are not there")]),
    ("stop", &[("stop 'slave[2-5]'", "four nodes")]),
    ("start", &[("start slave3", "one node")]),
    ("restart", &[("restart slave/db", "one service of all nodes")]),
    (
        "kill",
        &[("kill -s HUP slave/db", "a signal to one service of all nodes")],
    ),
    ("pause", &[("pause slave3", "one node hangs")]),
    ("unpause", &[("unpause slave3", "and goes on")]),
    (
        "verify",
        &[
            ("verify", "all names and paths, from every container"),
            ("verify -o report.xml", "JUnit, for CI servers"),
        ],
    ),
    ("image", &[("image -o fake.tar", "then `docker load -i fake.tar`")]),
    (
        "schema",
        &[("schema", "into topogen.schema.json, beside the blueprint")],
    ),
    (
        "completions",
        &[(
            "completions bash",
            "into ~/.local/share/bash-completion/completions/topogen",
        )],
    ),
    ("man", &[("man", "then `man -l` shows it")]),
    ("fake", &[("fake", "in a container: it answers on the exposed ports")]),
    (
        "probe",
        &[("probe --resolve master --connect master:443", "in a container")],
    ),
];

/// The command line with all of its help.
pub(crate) fn command() -> Command {
    let mut command = Cli::command();
    for (name, examples) in EXAMPLES {
        command = command.mut_subcommand(name, |sub| with_examples(sub, examples));
    }
    let groups: Vec<String> = GROUPS
        .iter()
        .map(|(title, names)| group(&command, title, names))
        .collect();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}Options:\n{{options}}{{after-help}}",
        groups.concat()
    );
    command.help_template(template)
}

/// The commands called `names` below their `title`, as wide as the terminal is.
fn group(command: &Command, title: &str, names: &[&str]) -> String {
    let of = |name: &&str| command.find_subcommand(name).cloned();
    let list = Command::new("topogen")
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .max_term_width(100)
        .help_template("{subcommands}")
        .subcommands(
            names
                .iter()
                .filter_map(of)
                .enumerate()
                .map(|(at, sub)| sub.display_order(at)),
        )
        .render_help();
    format!("{title}:\n{}\n\n", list.ansi().to_string().trim_end())
}

/// `command` with the `examples` below its help.
fn with_examples(command: Command, examples: &[(&str, &str)]) -> Command {
    let wide = examples.iter().map(|(line, _)| line.len()).max().unwrap_or(0);
    let lines = examples
        .iter()
        .map(|(line, what)| format!("\n  topogen {line:wide$}   {what}"));
    let text = format!("Examples:{}", lines.collect::<String>());
    let text = match command.get_after_help() {
        Some(said) => format!("{}\n\n{text}", said.ansi()),
        None => text,
    };
    command.after_help(text)
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[test]
    fn every_command_is_in_one_group_and_has_examples() {
        let command = Cli::command();
        let shown = command.get_subcommands().filter(|c| !c.is_hide_set());
        let mut names: Vec<&str> = shown.map(Command::get_name).collect();
        names.sort_unstable();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        grouped.sort_unstable();
        assert_eq!(grouped, names);
        let mut with: Vec<&str> = EXAMPLES.iter().map(|(name, _)| *name).collect();
        with.sort_unstable();
        assert_eq!(with, names);
    }

    #[test]
    fn every_example_is_a_command_line() {
        for (name, examples) in EXAMPLES {
            for (line, _) in *examples {
                let words = line.split(' ').map(|word| word.trim_matches('\''));
                let words: Vec<&str> = ["topogen"].into_iter().chain(words).collect();
                let matches = command().try_get_matches_from(&words);
                let matches = matches.unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(matches.subcommand_name(), Some(*name));
                assert!(Cli::from_arg_matches(&matches).is_ok(), "{line}");
            }
        }
    }
}
