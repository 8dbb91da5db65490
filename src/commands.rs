//! The commands, one verb a file.

mod check;
mod completions;
mod down;
mod exec;
mod graph;
mod image;
mod init;
mod load;
mod logs;
mod man;
mod probe;
mod ps;
mod reach;
mod render;
mod schema;
mod up;
mod verbs;
mod verify;
mod work;

use anyhow::Context;

use crate::cli::Command;
use crate::error::Error;
use crate::plan::verbs::NodeVerb;

/// Carry out `command`.
pub(crate) fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Schema => schema::run(),
        Command::Completions(args) => completions::run(&args),
        Command::Man => man::run(),
        Command::Render(args) => render::run(&args),
        Command::Graph(args) => block_on(graph::run(&args)),
        Command::Up(args) => block_on(up::run(&args)),
        Command::Down(args) => block_on(down::run(&args)),
        Command::Ps(args) => block_on(ps::run(&args)),
        Command::Logs(args) => block_on(logs::run(&args)),
        Command::Exec(args) => block_on(exec::run(&args)),
        Command::Stop(args) => block_on(verbs::run(&NodeVerb::Stop(args.timeout), &args.act)),
        Command::Start(args) => block_on(verbs::run(&NodeVerb::Start, &args)),
        Command::Restart(args) => {
            let verb = NodeVerb::Restart {
                grace: args.timeout,
                alone: args.no_deps,
            };
            block_on(verbs::run(&verb, &args.act))
        }
        Command::Kill(args) => block_on(verbs::run(&NodeVerb::Kill(args.signal), &args.act)),
        Command::Pause(args) => block_on(verbs::run(&NodeVerb::Pause, &args)),
        Command::Unpause(args) => block_on(verbs::run(&NodeVerb::Unpause, &args)),
        Command::Verify(args) => block_on(verify::run(&args)),
        Command::Image(args) => image::run(&args),
        Command::Probe(args) => block_on(probe::run(&args)),
        Command::Fake => Ok(crate::fake::serve::run().context("fake service")?),
    }
}

/// One thread: topogen waits for the engine, it does not compute.
fn block_on(future: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(future)
}
