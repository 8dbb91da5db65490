//! The commands, one verb a file.

mod down;
mod image;
mod load;
mod probe;
mod ps;
mod render;
mod up;
mod work;

use anyhow::Context;

use crate::cli::Command;
use crate::error::Error;

/// Carry out `command`.
pub(crate) fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Render(args) => render::run(&args),
        Command::Up(args) => block_on(up::run(&args)),
        Command::Down(args) => block_on(down::run(&args)),
        Command::Ps(args) => block_on(ps::run(&args)),
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
