//! `topogen exec`

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};

use futures_util::StreamExt;
use serde::Serialize;

use super::verbs::ObservedCluster;
use crate::cli::{Exec, Format, Which};
use crate::cluster::ObservedContainer;
use crate::cluster::State;
use crate::commands::Session;
use crate::console;
use crate::engine::connect::Engine;
use crate::engine::exec::{self, Console, Order, RunError, Stream};
use crate::error::{Error, Exit};
use crate::fake;
use crate::lines::{Lines, Prefixes, whose};
use crate::select;
use crate::terminal::Terminal;
use crate::text::plural;

pub(super) async fn run(args: &Exec, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let found = ObservedCluster::look(terminal, &args.which).await?;
    let chosen = found.select(|all| select::one_a_node(&args.target, all)).await?;
    let one = chosen.len() == 1;
    if !one && (args.interactive || args.tty) {
        let containers = plural(chosen.len(), "container");
        return Err(Error::Usage {
            message: format!("`{}` is {containers}: what is typed goes to one", args.target),
            hint: format!("say which, such as `{}`", whose(chosen[0])),
        });
    }
    let json = args.format == Format::Json;
    let here = || io::stdin().is_terminal() && io::stdout().is_terminal();
    let order = Order {
        command: args.command.clone(),
        environment: args.env.iter().filter_map(|e| variable(e)).collect(),
        user: args.user.clone(),
        directory: args.workdir.clone(),
        tty: args.tty || (one && !args.no_tty && !args.detach && !json && here()),
    };
    let work = async {
        match chosen.as_slice() {
            [container] if !json && !args.detach => alone(terminal, &found, container, &order, &args.which).await,
            chosen => together(terminal, &found, chosen, &order, args).await,
        }
    };
    tokio::select! {
        code = work => match code? {
            0 => Ok(()),
            code => Err(Error::Shown(Exit::Command(code))),
        },
        () = session.asked_to_end() => {
            terminal.line("interrupted: what was begun goes on inside");
            Err(Error::Shown(Exit::Interrupted))
        }
    }
}

/// `KEY=VALUE` as it is; for `KEY` alone the value of that variable here, or `None` if it has none.
pub(super) fn variable(text: &str) -> Option<String> {
    match text.contains('=') {
        true => Some(text.to_owned()),
        false => std::env::var(text).ok().map(|value| format!("{text}={value}")),
    }
}

/// Runs the command in one container with this terminal's input and output. Returns its exit code.
async fn alone(
    terminal: &Terminal,
    found: &ObservedCluster,
    container: &ObservedContainer,
    order: &Order,
    which: &Which,
) -> Result<u8, Error> {
    let not_run = |reason| Error::NotRun(format!("cannot run it in `{}`: {reason}", whose(container)));
    if let Some(reason) = at_rest(container, which) {
        return Err(not_run(reason));
    }
    let raw = match order.tty {
        true => console::Raw::new().map_err(anyhow::Error::from)?,
        false => None,
    };
    let console = Console {
        input: console::typed(),
        size: if order.tty { console::sizes() } else { None },
    };
    let ended = exec::run(&found.engine, &container.id, order, Some(console), &mut write).await;
    // The terminal must be restored before anything is printed on it.
    drop(raw);
    match ended {
        Ok(exit) => {
            let code = code(exit);
            if Exit::NOT_THERE.contains(&code) {
                hint_at_fake(terminal, container, which);
            }
            Ok(code)
        }
        Err(error) if nobody_reads(&error) => Ok(0),
        Err(error) => Err(not_run(error.to_string())),
    }
}

/// Hints at what to run if `container` is a fake, whose image contains no other command.
fn hint_at_fake(terminal: &Terminal, container: &ObservedContainer, which: &Which) {
    if fake::is_image(&container.image) {
        let whose = whose(container);
        terminal.line(&format!(
            "hint: `{whose}` is a fake, which has `/topogen` alone: `{} {whose} /topogen probe --resolve NAME`; a file of it: \
             `docker cp {}:PATH -`",
            which.command("exec"),
            container.name
        ));
    }
}

/// Runs the command in several containers at once. Prints lines as they come, with the container's name, or all results
/// at the end as JSON.
async fn together(
    terminal: &Terminal,
    found: &ObservedCluster,
    chosen: &[&ObservedContainer],
    order: &Order,
    args: &Exec,
) -> Result<u8, Error> {
    let json = args.format == Format::Json;
    let prefixes = RefCell::new(Prefixes::new(chosen, crate::terminal::colours()));
    let (engine, prefixes) = (&found.engine, &prefixes);
    let each = chosen.iter().enumerate().map(|(at, container)| async move {
        let mut answer = Answer::of(container);
        let ended = match at_rest(container, &args.which) {
            Some(reason) => {
                answer.error = Some(reason);
                return Ok((at, answer));
            }
            None if args.detach => exec::detached(engine, &container.id, order).await.map(|()| 0),
            None if json => {
                let console = (chosen.len() == 1).then(|| Console {
                    input: console::typed(),
                    size: None,
                });
                let mut keep = |stream, bytes: &[u8]| {
                    answer.keep(stream, bytes);
                    Ok(())
                };
                exec::run(engine, &container.id, order, console, &mut keep).await
            }
            None => in_lines(engine, container, order, prefixes).await,
        };
        match ended {
            Ok(exit) => answer.exit = Some(exit),
            Err(error) if nobody_reads(&error) => return Err(()),
            Err(error) => answer.error = Some(error.to_string()),
        }
        Ok((at, answer))
    });
    let mut answers: Vec<(usize, Answer<'_>)> = Vec::new();
    let mut ending = futures_util::stream::iter(each).buffer_unordered(usize::from(args.parallel));
    while let Some(ended) = ending.next().await {
        let Ok((at, answer)) = ended else { return Ok(0) };
        if !json && let Some(trouble) = answer.trouble() {
            terminal.line(&format!("{}/{}: {trouble}", answer.node, answer.service));
        }
        answers.push((at, answer));
    }
    answers.sort_by_key(|(at, _)| *at);
    let answers: Vec<Answer<'_>> = answers.into_iter().map(|(_, answer)| answer).collect();
    let missed = answers.iter().position(|a| Exit::NOT_THERE.contains(&a.code()));
    if let Some(container) = missed.and_then(|at| chosen.get(at)).filter(|_| !json) {
        hint_at_fake(terminal, container, &args.which);
    }
    if json {
        let text = serde_json::to_string_pretty(&answers).map_err(anyhow::Error::from)? + "\n";
        terminal.data(&text).map_err(anyhow::Error::from)?;
    }
    Ok(answers.iter().map(Answer::code).max().unwrap_or(0))
}

/// Runs the command in one of several containers, and prints complete lines only, with the container's name.
async fn in_lines(
    engine: &Engine,
    container: &ObservedContainer,
    order: &Order,
    prefixes: &RefCell<Prefixes>,
) -> Result<i64, RunError> {
    let prefix = prefixes.borrow_mut().of(container);
    let show = |stream, text: &[u8]| write(stream, &prefixes.borrow().line(&prefix, text));
    let mut parts = [Lines::default(), Lines::default()];
    let mut sink = |stream: Stream, bytes: &[u8]| {
        let mut result = Ok(());
        parts[stream as usize].feed(bytes, |text| {
            if result.is_ok() {
                result = show(stream, text);
            }
        });
        result
    };
    let exit = exec::run(engine, &container.id, order, None, &mut sink).await?;
    let mut result = Ok(());
    for (stream, lines) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&mut parts) {
        lines.end(|text| result = show(stream, text));
    }
    result.map_err(RunError::Output)?;
    Ok(exit)
}

/// Writes output to the stream that it came from.
pub(super) fn write(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Stdout => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            stdout.flush()
        }
        Stream::Stderr => io::stderr().lock().write_all(bytes),
    }
}

/// Whether the reader of our output has exited, so that the rest is dropped.
pub(super) fn nobody_reads(error: &RunError) -> bool {
    matches!(error, RunError::Output(err) if err.kind() == io::ErrorKind::BrokenPipe)
}

/// An exit code as a process can return it, from 0 to 255.
pub(super) fn code(exit: i64) -> u8 {
    u8::try_from(exit).unwrap_or(u8::MAX)
}

/// Why no command can run in the container, with what to type instead; `None` if one can.
fn at_rest(container: &ObservedContainer, which: &Which) -> Option<String> {
    let whose = whose(container);
    match container.state {
        State::Running | State::Restarting => None,
        State::Paused => Some(format!(
            "it is paused, `{} {whose}` lets it go on",
            which.command("unpause")
        )),
        State::Exited => Some(format!(
            "it has stopped, `{} {whose}` starts it",
            which.command("start")
        )),
        state => Some(format!("it is {}, `{}` mends it", state.word(), which.command("up"))),
    }
}

/// The result of a command in one container.
#[derive(Serialize)]
struct Answer<'a> {
    node: &'a str,
    service: &'a str,
    container: &'a str,
    /// Its exit code; `None` if it did not run.
    exit: Option<i64>,
    /// The reason why it did not run; `None` if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(serialize_with = "text")]
    stdout: Vec<u8>,
    #[serde(serialize_with = "text")]
    stderr: Vec<u8>,
}

impl<'a> Answer<'a> {
    fn of(container: &'a ObservedContainer) -> Self {
        Self {
            node: container.node(),
            service: container.service(),
            container: &container.name,
            exit: None,
            error: None,
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }

    fn keep(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Stdout => self.stdout.extend(bytes),
            Stream::Stderr => self.stderr.extend(bytes),
        }
    }

    fn code(&self) -> u8 {
        self.exit.map_or(Exit::NOT_RUN, code)
    }

    /// The problem to report to a person; `None` if the command succeeded.
    fn trouble(&self) -> Option<String> {
        match (&self.error, self.exit) {
            (Some(error), _) => Some(format!("not run: {error}")),
            (None, Some(0) | None) => None,
            (None, Some(exit)) => Some(format!("exit code {exit}")),
        }
    }
}

fn text<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}
