//! `topogen init --example`, `topogen init --list`

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use super::{SCHEMA, schema_beside};
use crate::cli::Format;
use crate::commands::{Session, load};
use crate::diagnostic::nearest;
use crate::error::Error;
use crate::examples::{EXAMPLES, Example};
use crate::roster::laid_out;
use crate::text::plural;

/// Prints the names of all examples, and what each shows.
pub(super) fn list(format: Format, session: &Session) -> Result<(), Error> {
    let text = match format {
        Format::Table => laid_out(
            ["EXAMPLE", "WHAT IT SHOWS"],
            EXAMPLES.iter().map(|e| [e.name.to_owned(), e.what().to_owned()]),
        ),
        Format::Json => {
            let files = |example: &Example| -> Vec<&str> { example.files.iter().map(|(path, _)| *path).collect() };
            let all = EXAMPLES
                .iter()
                .map(|e| json!({"name": e.name, "what": e.what(), "files": files(e)}));
            format!("{:#}\n", all.collect::<serde_json::Value>())
        }
    };
    Ok(session.terminal.data(&text).map_err(anyhow::Error::from)?)
}

/// Writes the files of the example `name` into `directory`, else into one of its name. Nothing is written over.
pub(super) fn write(name: &str, directory: Option<&Path>, session: &Session) -> Result<(), Error> {
    let Some(example) = EXAMPLES.iter().find(|example| example.name == name) else {
        return Err(unknown(name));
    };
    let directory = directory.unwrap_or(Path::new(example.name));
    let shown = directory.display();
    let files: Vec<(PathBuf, &str)> = example
        .files
        .iter()
        .map(|(path, text)| (directory.join(path), *text))
        .collect();
    let there: Vec<String> = files
        .iter()
        .filter(|(path, _)| path.symlink_metadata().is_ok())
        .map(|(path, _)| format!("`{}` is there already", path.display()))
        .collect();
    if !there.is_empty() {
        return Err(Error::InTheWay {
            messages: there,
            hints: vec![format!("name another directory: `topogen init --example {name} DIR`")],
        });
    }
    for (path, text) in &files {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
        }
        // The schema is beside the blueprint here, and above all examples in topogen's own directory.
        let text = text.replace(&format!("$schema=../../{SCHEMA}"), &format!("$schema=./{SCHEMA}"));
        fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    let next = match example.files.iter().any(|(path, _)| *path == load::HERE) {
        true => {
            schema_beside(&directory.join(load::HERE))?;
            format!("`cd {shown} && topogen up --fake`")
        }
        false => format!("read `{}`", directory.join("README.md").display()),
    };
    let text = format!("wrote {} to `{shown}`: {next}", plural(files.len(), "file"));
    session.terminal.line(&text);
    Ok(())
}

fn unknown(name: &str) -> Error {
    let near = nearest(name, EXAMPLES.iter().map(|example| example.name));
    let list = "`topogen init --list` lists them";
    Error::Usage {
        message: format!("there is no example `{name}`"),
        hint: match near {
            Some(near) => format!("did you mean `{near}`? {list}"),
            None => list.to_owned(),
        },
    }
}
