//! `topogen init`

mod from;

use std::io::Write;
use std::path::Path;

use anyhow::Context;

use crate::cli::{Check, Format, Init, Source};
use crate::commands::Session;
use crate::error::Error;

/// The blueprint to start from. It is valid, and its comments explain most of the language.
const STARTER: &str = include_str!("../../blueprints/starter.yaml");

pub(super) fn run(args: &Init, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let shown = args.file.display();
    let text = match args.from.is_empty() {
        true => STARTER.to_owned(),
        false => from::text(args)?,
    };
    let mut file = match std::fs::File::create_new(&args.file) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Error::InTheWay {
                messages: vec![format!("`{shown}` is there already")],
                hints: vec!["name another file: `topogen init FILE`".to_owned()],
            });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::InTheWay {
                messages: vec![format!("cannot write `{shown}`: its directory is not there")],
                hints: vec!["make it first: `mkdir -p DIRECTORY`".to_owned()],
            });
        }
        Err(error) => {
            return Err(anyhow::Error::from(error)
                .context(format!("cannot write `{shown}`"))
                .into());
        }
    };
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write `{shown}`"))?;
    if !args.from.is_empty() {
        return checked(args, session);
    }
    let file = match args.file == Path::new(super::load::HERE) {
        true => String::new(),
        false => format!(" -f {shown}"),
    };
    terminal.line(&format!(
        "wrote `{shown}`: change it, then `topogen check{file}` and `topogen up --fake{file}`"
    ));
    Ok(())
}

/// Says what was written for Compose files, and runs `topogen check` on it.
fn checked(args: &Init, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let shown = args.file.display();
    terminal.line(&format!("wrote `{shown}`: what was guessed stands in its comments"));
    let check = Check {
        source: Source {
            file: Some(shown.to_string()),
            ..Source::default()
        },
        format: Format::Table,
        verbose: false,
    };
    let checked = super::check::run(&check, session);
    if checked.is_err() {
        terminal.line(&format!("`{shown}` is not right yet:"));
    }
    checked
}
