//! `topogen probe`

use anyhow::Context;

use crate::cli::Probe;
use crate::commands::Session;
use crate::console;
use crate::error::{Error, Exit};
use crate::probe;
use crate::probe::question::Questions;

pub(super) async fn run(args: &Probe, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let own = Questions {
        names: args.resolve.clone(),
        identify: args.connect.clone(),
        patience: args.patience,
        ipv6: true,
        ..Questions::default()
    };
    let mut questions = if args.ask.is_empty() { own } else { Questions::default() };
    for text in &args.ask {
        let asked = serde_json::from_str(text).context("cannot read the questions")?;
        questions = questions.and(asked);
    }
    console::many_files();
    let answers = probe::ask(&questions).await.context("cannot probe")?;
    let text = match args.ask.is_empty() {
        true => serde_json::to_string_pretty(&answers),
        false => serde_json::to_string(&answers),
    };
    let text = text.context("cannot print")? + "\n";
    terminal.data(&text).context("cannot print")?;
    // With `--ask` the answers are data for `verify`, whatever they are.
    match args.ask.is_empty() && !answers.are_good() {
        true => Err(Error::Shown(Exit::Difference)),
        false => Ok(()),
    }
}
