//! The commands, each in a file of its own.

mod check;
mod completions;
mod config;
mod cp;
mod down;
mod events;
mod exec;
mod faults;
mod follow;
mod graph;
mod hosts;
mod image;
mod images;
mod init;
mod load;
mod logs;
mod ls;
mod man;
mod port;
mod probe;
mod ps;
mod reach;
mod recorded;
mod register;
mod render;
mod run;
mod schema;
mod serve;
mod stats;
mod up;
mod verbs;
mod verify;
mod wait;
mod work;

use anyhow::Context;

use crate::cli::Command;
use crate::error::Error;
use crate::plan::verbs::NodeVerb;
use crate::terminal::Terminal;
use crate::terminal::interrupt::Stop;

/// What a command may use beside its arguments.
pub(crate) struct Session {
    /// Where messages, progress and data are printed.
    pub(crate) terminal: Terminal,
    /// Becomes true when the command may start nothing more.
    pub(crate) stop: Stop,
}

impl Session {
    /// Completes when the command is interrupted. After this call, an interrupt does nothing else.
    pub(crate) fn asked_to_end(&self) -> impl Future<Output = ()> {
        self.terminal.take_interrupts();
        let mut stop = self.stop.clone();
        async move {
            // The sender lives as long as the process.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }
}

/// Runs `command` to its end.
pub(crate) fn run(command: Command, session: &Session) -> Result<(), Error> {
    match command {
        Command::Init(args) => init::run(&args, session),
        Command::Check(args) => check::run(&args, session),
        Command::Schema => schema::run(session),
        Command::Completions(args) => completions::run(&args, session),
        Command::Man => man::run(session),
        Command::Render(args) => render::run(&args, session),
        Command::Config(args) => block_on(config::run(&args, session)),
        Command::Graph(args) => block_on(graph::run(&args, session)),
        Command::Up(args) => block_on(up::run(&args, session)),
        Command::Down(args) => block_on(down::run(&args, session)),
        Command::Ps(args) => block_on(ps::run(&args, session)),
        Command::Ls(args) => block_on(ls::run(&args, session)),
        Command::Port(args) => block_on(port::run(&args, session)),
        Command::Hosts(args) => block_on(hosts::run(&args, session)),
        Command::Wait(args) => block_on(wait::run(&args, session)),
        Command::Cp(args) => block_on(cp::run(&args, session)),
        Command::Images(args) => block_on(images::list(&args, session)),
        Command::Pull(args) => block_on(images::pull(&args, session)),
        Command::Logs(args) => block_on(logs::run(&args, session)),
        Command::Events(args) => block_on(events::run(&args, session)),
        Command::Serve(args) => block_on(serve::run(&args, session)),
        Command::Register(args) => block_on(register::run(&args, session)),
        Command::Exec(args) => block_on(exec::run(&args, session)),
        Command::Stats(args) => block_on(stats::run(&args, session)),
        Command::Run(args) => block_on(run::run(&args, session)),
        Command::Stop(args) => block_on(verbs::run(&NodeVerb::Stop(args.timeout), &args.act, session)),
        Command::Start(args) => block_on(verbs::run(&NodeVerb::Start, &args, session)),
        Command::Restart(args) => {
            let verb = NodeVerb::Restart {
                grace: args.timeout,
                alone: args.no_deps,
            };
            block_on(verbs::run(&verb, &args.act, session))
        }
        Command::Kill(args) => block_on(verbs::run(&NodeVerb::Kill(args.signal), &args.act, session)),
        Command::Pause(args) => block_on(verbs::run(&NodeVerb::Pause, &args, session)),
        Command::Unpause(args) => block_on(verbs::run(&NodeVerb::Unpause, &args, session)),
        Command::Cut(args) => block_on(faults::cut(&args, session)),
        Command::Partition(args) => block_on(faults::partition(&args, session)),
        Command::Isolate(args) => block_on(faults::isolate(&args, session)),
        Command::Heal(args) => block_on(faults::heal(&args, session)),
        Command::Faults(args) => block_on(faults::list(&args, session)),
        Command::Namespace(args) => faults::namespace(&args, session),
        Command::Verify(args) => block_on(verify::run(&args, session)),
        Command::Image(args) => image::run(&args, session),
        Command::Probe(args) => block_on(probe::run(&args, session)),
        Command::Fake => Ok(crate::fake::serve::run().context("fake service")?),
    }
}

/// Runs a future on one thread, which is enough because topogen mostly waits for the engine.
fn block_on(future: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(future)
}
