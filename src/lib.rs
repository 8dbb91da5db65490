//! topogen expands one blueprint of roles into one Compose project per node, and brings them all up and down.
//!
//! ```text
//! text ──parse──▶ Blueprint ──expand──▶ Topology ──▶ compose files, pictures                        (render, graph)
//!                                          │ translate
//!                                          ▼
//!        engine ──observe──▶ Observed, Desired ──reconcile──▶ Plan ──Schedule──▶ apply              (up, down, verbs)
//!                                          └──▶ expected names and paths ──probe──▶ Report          (verify)
//! ```
//!
//! - [`yaml`] and [`blueprint`] read what the user wrote, with the place of everything, and collect every
//!   [`diagnostic::Problem`] in it.
//! - [`topology::expand`] makes every node, network, service and name of it, and holds what it promises about them.
//! - [`lint`] says what of it is right and may yet not do what was meant.
//! - [`render`] writes a node as a Compose file and puts files where they go.
//! - [`cluster`] has the words for what is desired and what is observed. [`engine::translate`] and [`engine::observe`] speak
//!   them.
//! - [`plan::reconcile`] decides what is done about the difference, [`plan::schedule`] in which order, [`engine::apply`] does
//!   it, and [`converge`] does all three, and looks again.
//! - [`watch`] follows a cluster by the engine's events, and knows what is not known.
//! - [`serve`] tells over HTTP what [`watch`] knows.
//! - [`graph`] draws a topology, and how it stands on the engine.
//! - [`verify`] proves from inside every container, by a [`probe`], that what runs is what was described.
//! - [`faults`] cuts containers off each other on purpose, and heals them.
//! - [`fake`] stands in for images that one does not have.
//!
//! Everything between the ends is pure: no async, no file, no socket, no clock. There is no state file: what runs is what the
//! engine's labels say.

mod atomic;
pub mod blueprint;
pub mod budget;
pub mod cli;
pub mod cluster;
mod commands;
pub mod compose;
mod console;
pub mod converge;
pub mod diagnostic;
mod digest;
pub mod draft;
pub mod engine;
pub mod error;
pub mod examples;
pub mod fake;
pub mod faults;
pub mod graph;
pub mod lines;
pub mod lint;
pub mod name;
mod parallel;
pub mod plan;
pub mod probe;
mod read;
pub mod render;
pub mod roster;
pub mod select;
pub mod serve;
pub mod signal;
pub mod template;
pub mod terminal;
pub mod text;
pub mod topology;
mod toposort;
pub mod usage;
pub mod value;
pub mod verify;
pub mod watch;
pub mod yaml;

use std::io::IsTerminal;

use commands::Session;
use engine::connect::{self, choose::Given};
use error::{Error, Exit};
use terminal::{Terminal, interrupt};

/// Carry out the command line, print what went wrong, and say how it ended.
#[must_use]
pub fn main() -> Exit {
    // Without the parser and the threads, whose pages would count in each of a thousand fakes.
    let bare_fake = std::env::args_os().skip(1).eq(["fake"]);
    let terminal = Terminal::new();
    if bare_fake {
        return ended(
            &terminal,
            fake::serve::run().map_err(anyhow::Error::from).map_err(Error::from),
        );
    }
    let cli::Cli { command, engine, .. } = cli::parse();
    connect::give(Given {
        host: engine.host,
        context: engine.context,
    });
    let session = terminal.clone();
    interrupt::guard(&terminal, move |stop| {
        let session = Session {
            terminal: session,
            stop,
        };
        ended(&session.terminal, commands::run(command, &session))
    })
}

/// How a command ended, after what went wrong was printed.
fn ended(terminal: &Terminal, result: Result<(), Error>) -> Exit {
    match result {
        Ok(()) => Exit::Done,
        Err(Error::Shown(exit)) => exit,
        Err(error) => {
            report(terminal, &error);
            error.exit()
        }
    }
}

/// The only place that prints an error.
fn report(terminal: &Terminal, error: &Error) {
    if let Error::Blueprint { problems, sources } = error {
        let colour = std::io::stderr().is_terminal() && !console::is_plain();
        terminal.coloured(problems.render(sources, colour).trim_end());
        return;
    }
    for line in error.to_string().lines() {
        terminal.line(&format!("error: {line}"));
    }
    for hint in error.hints() {
        terminal.line(&format!("hint: {hint}"));
    }
}
