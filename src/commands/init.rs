//! `topogen init`

use std::io::Write;
use std::path::Path;

use anyhow::Context;

use crate::cli::Init;
use crate::commands::Session;
use crate::error::Error;

/// The blueprint to start from. It is valid, and its comments explain most of the language.
const STARTER: &str = include_str!("../../blueprints/starter.yaml");

pub(super) fn run(args: &Init, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let shown = args.file.display();
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
    file.write_all(STARTER.as_bytes())
        .with_context(|| format!("cannot write `{shown}`"))?;
    let file = match args.file == Path::new(super::load::HERE) {
        true => String::new(),
        false => format!(" -f {shown}"),
    };
    terminal.line(&format!(
        "wrote `{shown}`: change it, then `topogen check{file}` and `topogen up --fake{file}`"
    ));
    Ok(())
}
