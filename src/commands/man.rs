//! `topogen man`

use anyhow::Context;

use crate::cli;
use crate::commands::Session;
use crate::error::Error;

/// Prints one page for everything: the commands have their own sections after the overview.
pub(super) fn run(session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let mut command = cli::command();
    command.build();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut text)
        .context("cannot print")?;
    for sub in command.get_subcommands() {
        let man = clap_mangen::Man::new(sub.clone());
        text.extend(format!(".SH {}\n", sub.get_display_name().unwrap_or(sub.get_name())).bytes());
        man.render_synopsis_section(&mut text).context("cannot print")?;
        man.render_description_section(&mut text).context("cannot print")?;
        man.render_options_section(&mut text).context("cannot print")?;
    }
    let text = String::from_utf8(text).context("cannot print")?;
    Ok(terminal.data(&text).context("cannot print")?)
}
