//! `topogen completions`

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::{Cli, Completions};
use crate::commands::Session;
use crate::error::Error;

pub(super) fn run(args: &Completions, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "topogen", &mut text);
    let text = String::from_utf8(text).context("cannot print")?;
    Ok(terminal.data(&text).context("cannot print")?)
}
