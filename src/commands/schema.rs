//! `topogen schema`

use crate::commands::Session;
use anyhow::Context;

use crate::blueprint::schema;
use crate::error::Error;

pub(super) fn run(session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    Ok(terminal.data(&schema::text()).context("cannot print")?)
}
