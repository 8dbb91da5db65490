//! `topogen render`

use std::collections::HashSet;

use anyhow::Context;
use rustix::fs::Mode;

use super::load;
use crate::cli::{Render, TopologyFormat};
use crate::commands::Session;
use crate::converge::Reporter;
use crate::error::Error;
use crate::fake;
use crate::parallel;
use crate::render::files::File;
use crate::render::output::{Output, OutputError};
use crate::render::{commands, compose, dotenv, files};
use crate::terminal::Terminal;
use crate::text::natural;
use crate::text::plural;
use crate::text::shell_word;
use crate::topology::{self, ConfigSource, Node, Topology};

pub(super) fn run(args: &Render, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let loaded = load::topology(terminal, &args.source)?;
    load::warn(terminal, &loaded);
    let topology = loaded.topology;
    if args.format == Some(TopologyFormat::Json) {
        let text = serde_json::to_string_pretty(&topology).context("cannot print the topology")?;
        return Ok(terminal.data(&format!("{text}\n")).context("cannot print")?);
    }
    let umask = umask();
    let files = files(&topology, umask)?;
    if args.output.as_os_str() == "-" {
        return print(terminal, &files);
    }
    let shown = args.output.display();
    let mut output = match args.check {
        true => Output::open(&args.output),
        false => Output::create(&args.output),
    }
    .map_err(in_the_way)?;
    output.lock(!args.check, || {
        terminal.note(&format!(
            "another `topogen render` is at work in `{shown}`: waiting for it"
        ));
    });
    let changes = files::compare(&output, &files, 0o644 & !umask).map_err(in_the_way)?;
    if args.check {
        let difference = changes.difference().map_err(in_the_way)?;
        return match changes.write.len() + changes.remove.len() {
            0 => Ok(()),
            count => {
                terminal.data(&difference).context("cannot print")?;
                Err(Error::Difference(format!(
                    "{} in `{shown}` out of date",
                    plural(count, "file")
                )))
            }
        };
    }
    if !changes.blocked.is_empty() && !args.force {
        let messages = changes
            .blocked
            .iter()
            .map(|(path, why)| format!("`{}` {why}", path.display()));
        return Err(Error::InTheWay {
            messages: messages.collect(),
            hints: vec!["nothing was written; render elsewhere with `-o DIR`, or over them with `--force`".to_owned()],
        });
    }
    let (written, projects) = (changes.write.len(), projects(&changes.remove, &files));
    let removed = changes.remove.len();
    changes.make().map_err(in_the_way)?;
    terminal.line(&format!(
        "{} in `{shown}`: {} written, {removed} removed, {} unchanged",
        plural(topology.nodes.len(), "project"),
        plural(written, "file"),
        files.len() - written
    ));
    if !projects.is_empty() {
        let names = projects.join(", ");
        terminal.line(&format!(
            "removed: {names}; where one still runs: `docker compose -p NAME down`"
        ));
    }
    terminal.line(&next(&topology, &shown.to_string()));
    Ok(())
}

fn in_the_way(error: OutputError) -> Error {
    Error::InTheWay {
        messages: vec![error.to_string()],
        hints: error.hint().map(str::to_owned).into_iter().collect(),
    }
}

/// The process's umask(2). The call can only read it by setting it.
fn umask() -> u32 {
    let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(umask);
    umask.bits()
}

/// The names of projects that had `removed` files and have none of `files`.
fn projects(removed: &[String], files: &[File]) -> Vec<String> {
    let project = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
    let kept: HashSet<String> = files.iter().map(|f| project(&f.path)).collect();
    let mut removed: Vec<String> = removed
        .iter()
        .map(|path| project(path))
        .filter(|p| !kept.contains(p))
        .collect();
    removed.sort_by_key(|p| natural(p));
    removed.dedup();
    removed
}

/// Prints all files, each after a line with its path.
fn print(terminal: &Terminal, files: &[File]) -> Result<(), Error> {
    let mut text = String::new();
    // Values of variables are for Compose alone.
    let is_shown = |file: &&File| !file.path.ends_with(&format!("/{}", dotenv::FILE_NAME));
    for file in files.iter().filter(is_shown) {
        let content = String::from_utf8_lossy(&file.content);
        text.push_str(&format!("# {}\n{}", file.path, content));
        text.push_str(if content.ends_with('\n') { "---\n" } else { "\n---\n" });
    }
    Ok(terminal
        .data(text.strip_suffix("---\n").unwrap_or(&text))
        .context("cannot print")?)
}

/// The Compose file of each node, and the files of its configs. `umask` is removed from every mode that the blueprint
/// does not set.
fn files(topology: &Topology, umask: u32) -> Result<Vec<File>, Error> {
    let of_nodes = parallel::each(&topology.nodes, |node| of_node(topology, node, umask));
    let mut files = Vec::with_capacity(topology.nodes.len());
    for of_node in of_nodes {
        files.extend(of_node?);
    }
    Ok(files)
}

fn of_node(topology: &Topology, node: &Node, umask: u32) -> Result<Vec<File>, Error> {
    let text = compose::file(topology, node).with_context(|| format!("cannot write `{}` as YAML", node.name))?;
    let mut files = vec![File {
        path: format!("{}/{}", node.project, compose::FILE_NAME),
        content: text.into_bytes().into(),
        mode: 0o644 & !umask,
    }];
    if let Some(text) = dotenv::file(topology, node, &|name| std::env::var_os(name).is_some()) {
        files.push(File {
            path: format!("{}/{}", node.project, dotenv::FILE_NAME),
            content: text.into_bytes().into(),
            // Secrets as often as not.
            mode: 0o600 & !umask,
        });
    }
    for config in &node.configs {
        if let ConfigSource::File { path, mode, content } = &config.source {
            files.push(File {
                path: format!("{}/{path}", node.project),
                content: content.clone(),
                mode: mode.unwrap_or(ConfigSource::MODE & !umask),
            });
        }
    }
    Ok(files)
}

/// The next commands for `docker compose`. Shared networks and volumes belong to no project and must be created first, and the fake
/// image is in no registry and must be loaded.
fn next(topology: &Topology, directory: &str) -> String {
    let made = [&topology.inout].into_iter().chain(&topology.shared);
    let mut lines: Vec<String> = made.filter(|n| !n.external).map(commands::create).collect();
    let volumes = topology.volumes.iter().filter(|v| !v.external);
    lines.extend(volumes.map(commands::create_volume));
    let mut services = topology.nodes.iter().flat_map(|n| &n.services);
    if services.any(fake::is_fake) {
        lines.push("topogen image -o fake.tar && docker load -i fake.tar".to_owned());
    }
    lines.push(format!(
        "for d in {}; do (cd \"$d\" && docker compose up -d); done",
        directories(topology, directory)
    ));
    format!("next: {}", lines.join("\n      "))
}

/// The projects' directories as a shell pattern. If roles have an `after`, they are listed in its order, because
/// Compose does not know it.
fn directories(topology: &Topology, directory: &str) -> String {
    let directory = shell_word(directory);
    if topology.order.is_empty() {
        return format!("{directory}/*/");
    }
    let roles = topology::in_order(topology.roles.iter().collect(), &topology.order).into_iter();
    let nodes = roles.flat_map(|r| topology.nodes.iter().filter(move |n| n.role == *r));
    let directories: Vec<String> = nodes.map(|n| format!("{directory}/{}/", n.project)).collect();
    directories.join(" ")
}
