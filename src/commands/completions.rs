//! `topogen completions`

use anyhow::Context;

use crate::cli::{self, Completions};
use crate::commands::Session;
use crate::error::Error;

pub(super) fn run(args: &Completions, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "topogen", &mut text);
    let text = String::from_utf8(text).context("cannot print")?;
    Ok(terminal.data(&text).context("cannot print")?)
}
