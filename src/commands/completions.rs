//! `topogen completions`

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::{Cli, Completions};
use crate::error::Error;
use crate::terminal;

pub(super) fn run(args: &Completions) -> Result<(), Error> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "topogen", &mut text);
    let text = String::from_utf8(text).context("cannot print")?;
    Ok(terminal::data(&text).context("cannot print")?)
}
