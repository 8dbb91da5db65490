//! `topogen image`

use anyhow::Context;

use crate::atomic;
use crate::cli::Image;
use crate::commands::Session;
use crate::error::Error;
use crate::fake;

pub(super) fn run(args: &Image, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let name = fake::image_name();
    let parts = fake::image::Parts::of_this_process().context("cannot make the fake image")?;
    let archive = parts.archive(&name).context("cannot make the fake image")?;
    if args.output.as_os_str() == "-" {
        return Ok(terminal.bytes(&archive).context("cannot print")?);
    }
    let shown = args.output.display();
    atomic::write(&args.output, &archive, 0o644).with_context(|| format!("cannot write `{shown}`"))?;
    terminal.line(&format!(
        "wrote `{name}` for linux/{}: `docker load -i {shown}`",
        parts.architecture
    ));
    Ok(())
}
