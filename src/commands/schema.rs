//! `topogen schema`

use anyhow::Context;

use crate::blueprint::schema;
use crate::error::Error;
use crate::terminal;

pub(super) fn run() -> Result<(), Error> {
    Ok(terminal::data(&schema::text()).context("cannot print")?)
}
