//! `topogen run`

use std::hash::{BuildHasher, RandomState};
use std::io::{self, IsTerminal};
use std::sync::Arc;

use serde_json::json;

use super::exec::{code, nobody_reads, variable, write};
use super::recorded::{self, Absent};
use super::verbs::nothing_meant;
use super::{Session, load, work};
use crate::cli::{Format, Run};
use crate::cluster::{ContainerSpec, Desired, DesiredNode};
use crate::console;
use crate::converge::{self, Control};
use crate::engine::connect::Engine;
use crate::engine::exec::{Console, RunError, Stream};
use crate::engine::fault::Fault;
use crate::engine::{observe, one_off};
use crate::error::{Error, Exit};
use crate::fake;
use crate::name::{ContainerName, ServiceName};
use crate::plan::{Action, Plan};
use crate::select::part;

pub(super) async fn run(args: &Run, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let meant = recorded::meant(terminal, &args.source, Absent::UseLab, None).await?;
    let (_, desired) = load::desired(load::topology(terminal, &meant.source)?)?;
    let mut spec = spec(args, &desired)?;
    let here = || io::stdin().is_terminal() && io::stdout().is_terminal();
    let tty = args.tty || (!args.no_tty && args.format == Format::Table && here());
    let config = Arc::make_mut(&mut spec.config);
    config.tty = Some(tty);
    if !args.command.is_empty() {
        config.command = Some(args.command.clone());
    }
    if let Some(entrypoint) = &args.entrypoint {
        config.entrypoint = Some(vec![entrypoint.clone()]);
    }
    config.user = args.user.clone().or(config.user.take());
    config.working_dir = args.workdir.clone().or(config.working_dir.take());
    let environment = config.environment.get_or_insert_default();
    for (key, value) in args.env.iter().filter_map(|text| variable(text)).filter_map(pair) {
        environment.insert(key, Some(value));
    }
    let engine = work::connect(terminal).await?;
    image_is_there(&engine, &desired, &spec, session).await?;
    let id = one_off::create(&engine, &spec)
        .await
        .map_err(|fault| not_made(&fault, &spec))?;
    let mut output = [Vec::new(), Vec::new()];
    let ended = tokio::select! {
        ended = attached(args, &engine, &id, tty, &mut output) => Some(ended),
        () = session.asked_to_end() => None,
    };
    let removed = one_off::remove(&engine, &id).await;
    if let Err(fault) = removed {
        terminal.line(&format!("warning: container `{}` is not removed: {fault}", spec.name));
    }
    let exit = match ended {
        None => {
            terminal.line("interrupted: the container is removed");
            return Err(Error::Shown(Exit::Interrupted));
        }
        Some(Ok(exit)) => exit,
        Some(Err(error)) if nobody_reads(&error) => 0,
        Some(Err(RunError::Engine(fault))) => return Err(not_started(session, &fault, &spec)),
        Some(Err(error)) => return Err(Error::NotRun(error.to_string())),
    };
    if args.format == Format::Json {
        let [stdout, stderr] = output.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let fields = json!({
            "node": spec.node.as_str(), "image": spec.image(), "exit": exit, "stdout": stdout, "stderr": stderr,
        });
        terminal.data(&format!("{fields:#}\n")).map_err(anyhow::Error::from)?;
    }
    match code(exit) {
        0 => Ok(()),
        code => Err(Error::Shown(Exit::Command(code))),
    }
}

/// The container that `args` ask for: one like that of a service of the node, or one of an image on its networks.
fn spec(args: &Run, desired: &Desired) -> Result<ContainerSpec, Error> {
    let node = node(args, desired)?;
    let cluster = &desired.cluster;
    let number = RandomState::new().hash_one(std::process::id());
    let name = |what: &str| -> Result<ContainerName, Error> {
        let name = format!("{cluster}-{}-{what}-run-{:08x}", node.name, number >> 32);
        Ok(name.parse().map_err(anyhow::Error::from)?)
    };
    let of_service = node.containers.iter().find(|spec| spec.service.as_str() == args.what);
    match of_service {
        Some(spec) => Ok(spec.one_off(cluster, name(spec.service.as_str())?)),
        None => {
            let service: ServiceName = "run".parse().map_err(anyhow::Error::from)?;
            let image = match fake::is_image(&args.what) {
                true => fake::image_name(),
                false => args.what.clone(),
            };
            Ok(node.one_off(cluster, name("image")?, service, &image))
        }
    }
}

/// The one node that `args` name.
fn node<'d>(args: &Run, desired: &'d Desired) -> Result<&'d DesiredNode, Error> {
    let target = &args.node;
    if target.names_service() {
        return Err(Error::Usage {
            message: format!("`{target}` is a service, and a node is needed"),
            hint: "name the node, then the service: `topogen run slave3 db sh`".to_owned(),
        });
    }
    let nodes = part::nodes(desired, target).map_err(|faults| nothing_meant(&faults))?;
    match nodes[..] {
        [node] => Ok(node),
        _ => Err(Error::Usage {
            message: format!("`{target}` is {} nodes, and the command runs on one", nodes.len()),
            hint: format!("say which, such as `{}`", nodes[0].name),
        }),
    }
}

fn pair(text: String) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    Some((key.to_owned(), value.to_owned()))
}

/// Fetches or loads the image if the engine does not have it.
async fn image_is_there(
    engine: &Engine,
    desired: &Desired,
    spec: &ContainerSpec,
    session: &Session,
) -> Result<(), Error> {
    let image = observe::image(engine, spec.image()).await;
    let present = image.map_err(Error::engine("look at the images"))?.is_some();
    if present || spec.pull.is_never() {
        return Ok(());
    }
    let action = match fake::is_image(spec.image()) {
        true => Action::LoadImage,
        false => Action::PullImage {
            platform: spec.platform.clone(),
            again: false,
        },
    };
    let mut plan = Plan::default();
    plan.push(action, spec.image(), None, "not found", Vec::new());
    let control = Control {
        parallel: None,
        timeout: None,
        stop: session.stop.clone(),
    };
    let terminal = &session.terminal;
    converge::carry_out(engine, &desired.cluster, plan, &control, terminal).await?;
    Ok(())
}

/// Runs the created container with this terminal, or keeps its output as JSON will have it.
async fn attached(
    args: &Run,
    engine: &Engine,
    id: &str,
    tty: bool,
    output: &mut [Vec<u8>; 2],
) -> Result<i64, RunError> {
    let raw = match tty {
        true => console::Raw::new().map_err(RunError::Output)?,
        false => None,
    };
    let console = Console {
        input: match args.interactive || args.format == Format::Table {
            true => console::typed(),
            false => console::nothing(),
        },
        size: if tty { console::sizes() } else { None },
    };
    let mut sink = |stream: Stream, bytes: &[u8]| match args.format {
        Format::Table => write(stream, bytes),
        Format::Json => {
            output[stream as usize].extend(bytes);
            Ok(())
        }
    };
    let ended = one_off::run(engine, id, tty, console, &mut sink).await;
    // The terminal must be restored before anything is printed on it.
    drop(raw);
    ended
}

/// The error for a container that could not be created.
fn not_made(fault: &Fault, spec: &ContainerSpec) -> Error {
    let node = &spec.node;
    Error::NotRun(match fault {
        Fault::NotFound(words) if words.contains("network") => {
            format!("cannot run it on node `{node}`: {fault}\nhint: `topogen up {node}` brings its networks up")
        }
        _ => format!("cannot run it on node `{node}`: {fault}"),
    })
}

/// The error for a container that could not be started, with the exit code that `docker run` has for it.
fn not_started(session: &Session, fault: &Fault, spec: &ContainerSpec) -> Error {
    let text = fault.to_string();
    let says = |words: &str| text.contains(words);
    let message = format!("cannot run it on node `{}`: {text}", spec.node);
    let exit = if says("executable file not found") || says("no such file or directory") {
        127
    } else if says("permission denied") {
        126
    } else {
        return Error::NotRun(message);
    };
    session.terminal.line(&format!("error: {message}"));
    Error::Shown(Exit::Command(exit))
}
