//! Words of neighbouring tools, which topogen has not, and what does the same here.

/// What to type in place of a word of `docker compose`, `kubectl`, `terraform`, `kind` or `containerlab`, by the word. `init` and
/// others that mean the same here are not among them.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["destroy", "delete", "rm", "remove"], "topogen down"),
    (&["plan", "diff"], "topogen up --dry-run"),
    (&["apply", "deploy", "create", "run-all"], "topogen up"),
    (&["status", "list", "inspect", "get"], "topogen ps"),
    (&["convert"], "topogen render -o -"),
    (&["validate", "lint"], "topogen check"),
    (&["scale"], "topogen up --scale ROLE=N"),
    (&["log"], "topogen logs"),
    (&["shell", "ssh", "bash", "sh"], "topogen exec TARGET sh"),
    (&["test", "probe-all"], "topogen verify"),
    (&["show", "draw", "topology"], "topogen graph"),
    (&["clusters"], "topogen ls"),
    (&["watch"], "topogen ps --watch"),
    (&["new", "generate"], "topogen init"),
];

/// The same for options, by the command that they are given to.
const OPTIONS: &[(&str, &[&str], &str)] = &[
    (
        "up",
        &["-d", "--detach"],
        "leave it out: `topogen up` always ends when all is up, and everything goes on running",
    ),
    ("up", &["--build"], "build the images first: `docker build`"),
    (
        "up",
        &["--abort-on-container-exit"],
        "`topogen up`, then `topogen wait TARGET --for exited`",
    ),
    (
        "ps",
        &["-a", "--all"],
        "leave it out: `topogen ps` lists what has ended, too",
    ),
    ("ps", &["-q"], "`topogen ps --format json`"),
    ("down", &["--rmi"], "`docker image rm` removes images"),
    (
        "logs",
        &["-n"],
        "`topogen logs --tail 50` shows the last lines; `-n` is the cluster's name",
    ),
];

/// What to type in place of `command`, which topogen does not have.
pub(crate) fn of_command(command: &str) -> Option<&'static str> {
    COMMANDS
        .iter()
        .find(|(words, _)| words.contains(&command))
        .map(|(_, instead)| *instead)
}

/// What to do in place of `option`, which `command` does not have.
pub(crate) fn of_option(command: &str, option: &str) -> Option<&'static str> {
    OPTIONS
        .iter()
        .find(|(of, words, _)| *of == command && words.contains(&option))
        .map(|(.., instead)| *instead)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// What is proposed exists, and what is replaced does not.
    #[test]
    fn each_word_leads_to_a_command() {
        let cli = crate::cli::Cli::command();
        let has = |name: &str| cli.get_subcommands().any(|c| c.get_name() == name);
        for (words, instead) in COMMANDS {
            let command = instead.split(' ').nth(1).expect("a command");
            assert!(has(command), "{instead}");
            words.iter().for_each(|word| assert!(!has(word), "{word} is a command"));
        }
        for (command, ..) in OPTIONS {
            assert!(has(command), "{command}");
        }
    }
}
