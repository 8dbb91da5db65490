//! `topogen init --from`: a blueprint for Compose files that are there.

use std::path::Path;

use anyhow::Context;

use crate::blueprint::{self, Inputs};
use crate::cli::Init;
use crate::commands::load::in_words;
use crate::diagnostic::Sources;
use crate::draft::{self, Asked};
use crate::error::Error;
use crate::name::ClusterName;
use crate::{read, yaml};

/// The text of a blueprint for the Compose files that `args` name.
pub(super) fn text(args: &Init, file: &Path) -> Result<String, Error> {
    let target = std::path::absolute(file).context("cannot find the working directory")?;
    let directory = target.parent().unwrap_or(Path::new("/"));
    let mut files = Vec::with_capacity(args.from.len());
    for path in &args.from {
        let whole = std::path::absolute(path).with_context(|| format!("cannot find `{}`", path.display()))?;
        let here = std::env::current_dir().context("cannot find the working directory")?;
        // A blueprint names files by paths from its own directory.
        let named = match whole.strip_prefix(directory) {
            _ if directory == here && !path.is_absolute() => path.as_path(),
            Ok(below) => below,
            Err(_) => whole.as_path(),
        };
        files.push(named.display().to_string());
    }
    let base = directory.display().to_string();
    let read = |path: &str| in_words(read::file(&directory.join(path), yaml::MAX_BYTES));
    let read_within = |path: &str| in_words(read::within(directory, path, yaml::MAX_BYTES));
    let inputs = Inputs {
        read: &read,
        read_within: &read_within,
        base: &base,
        profiles: &[],
    };
    let mut sources = Sources::default();
    let document = match blueprint::compose_files(&files, &mut sources, &inputs) {
        Ok(document) => document,
        Err(problems) => return Err(Error::Blueprint { problems, sources }),
    };
    let name = args.from.first().and_then(|path| cluster(path));
    let asked = Asked {
        files: &files,
        name: name.as_ref().map(ClusterName::as_str),
        count: args.count,
        role: args.role.as_deref(),
        entry: args.entry.as_deref(),
    };
    draft::blueprint(&document, &asked).map_err(|refused| Error::Usage {
        message: refused.message,
        hint: refused.hint,
    })
}

/// The name for a cluster of the Compose file at `path`: that of its directory, which Compose too calls its project by.
fn cluster(path: &Path) -> Option<ClusterName> {
    let whole = std::path::absolute(path).ok()?;
    let name = whole.parent()?.file_name()?.to_string_lossy().to_lowercase();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = name.chars().map(plain).take(40).collect();
    let name = name.trim_matches('-');
    name.parse()
        .ok()
        .filter(|name: &ClusterName| name.as_str() != ClusterName::UNNAMED)
}
