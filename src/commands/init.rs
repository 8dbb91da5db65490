//! `topogen init`

mod example;
mod from;

use std::io::Write;
use std::path::Path;

use anyhow::Context;

use crate::blueprint::schema;
use crate::cli::{Check, Format, Init, Source};
use crate::commands::Session;
use crate::error::Error;

/// The name of the JSON Schema beside a blueprint, as the first line of blueprints says it.
const SCHEMA: &str = "topogen.schema.json";
/// The blueprint to start from. It is valid, and its comments explain most of the language.
const STARTER: &str = include_str!("../../blueprints/starter.yaml");

pub(super) fn run(args: &Init, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    if args.list {
        return example::list(args.format, session);
    }
    if let Some(name) = &args.example {
        return example::write(name, args.file.as_deref(), session);
    }
    let path = args.file.as_deref().unwrap_or(Path::new(super::load::HERE));
    let shown = path.display();
    let text = match args.from.is_empty() {
        true => STARTER.to_owned(),
        false => from::text(args, path)?,
    };
    let mut file = match std::fs::File::create_new(path) {
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
    schema_beside(path)?;
    if !args.from.is_empty() {
        return checked(path, session);
    }
    let file = match path == Path::new(super::load::HERE) {
        true => String::new(),
        false => format!(" -f {shown}"),
    };
    terminal.line(&format!(
        "wrote `{shown}`: change it, then `topogen check{file}` and `topogen up --fake{file}`"
    ));
    Ok(())
}

/// Writes the JSON Schema into the directory of the blueprint at `path`, where editors look for it; one that is there stays.
fn schema_beside(path: &Path) -> Result<(), Error> {
    let schema = path.with_file_name(SCHEMA);
    match std::fs::File::create_new(&schema) {
        Ok(mut file) => file
            .write_all(schema::text().as_bytes())
            .with_context(|| format!("cannot write `{}`", schema.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            let what = format!("cannot write `{}`", schema.display());
            return Err(anyhow::Error::from(error).context(what).into());
        }
    }
    Ok(())
}

/// Says what was written for Compose files, and runs `topogen check` on it.
fn checked(path: &Path, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let shown = path.display();
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
