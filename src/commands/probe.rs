//! `topogen probe`

use std::time::Duration;

use anyhow::Context;

use crate::cli::Probe;
use crate::error::Error;
use crate::terminal;
use crate::verify::probe::{self, Questions};

pub(super) async fn run(args: &Probe) -> Result<(), Error> {
    let questions = Questions {
        names: args.resolve.clone(),
        endpoints: args.connect.clone(),
        patience: Duration::from_millis(args.patience),
    };
    let answers = probe::ask(&questions).await.context("cannot probe")?;
    let text = serde_json::to_string_pretty(&answers).context("cannot print")? + "\n";
    Ok(terminal::data(&text).context("cannot print")?)
}
