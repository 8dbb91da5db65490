//! What people see on stderr while they wait, in the face that fits where it goes: lines that redraw themselves on a
//! terminal, a line an operation elsewhere, JSON for programs.
//!
//! [`state`] is what is known of the work, [`layout`] which lines show it, [`paint`] the bytes that bring them to the
//! screen; all three are pure. A thread draws, so that what is alive looks alive while topogen computes or waits.

mod interrupt;
pub mod layout;
pub mod line;
pub mod paint;
pub mod reach;
mod screen;
pub mod state;
pub mod words;

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Progress, Work};
use crate::plan::Plan;
use crate::plan::event::Event;
use screen::Screen;
use state::State;

/// Where lines alone say how it goes, one in flight says how far it is this often.
const REMINDER: Duration = Duration::from_secs(10);

/// There is one stderr.
static TERMINAL: Mutex<Terminal> = Mutex::new(Terminal {
    face: Face::Plain(None),
    stage: Stage::Before,
    begun: None,
});

struct Terminal {
    face: Face,
    stage: Stage,
    /// When the command began.
    begun: Option<Instant>,
}

/// How far the command is, as an interrupt sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was changed.
    Before,
    /// Work is in hand, and whoever does it is told of interrupts.
    Working,
    /// The work is done.
    After,
}

/// How progress is shown.
enum Face {
    /// Lines that redraw themselves.
    Live(Screen),
    /// A line for each operation that is done.
    Plain(Option<Lines>),
    /// A JSON object a line.
    Json,
    /// Only what is wrong is said.
    Quiet,
}

/// What [`Face::Plain`] remembers.
#[derive(Default)]
struct Lines {
    /// The operations of the plan.
    words: Vec<String>,
    /// When something was last said of one.
    said: HashMap<usize, Instant>,
}

fn terminal() -> MutexGuard<'static, Terminal> {
    TERMINAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, progress is shown.
#[must_use]
pub(crate) struct Shown(());

impl Drop for Shown {
    fn drop(&mut self) {
        end();
    }
}

/// Show progress from now on, in the face that `work` asks for.
pub(crate) fn begin(work: &Work) -> Shown {
    interrupt::listen();
    let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
    let live = std::io::stderr().is_terminal() && !dumb;
    let mut terminal = terminal();
    terminal.begun = Some(Instant::now());
    terminal.face = match work.progress {
        _ if work.quiet => Face::Quiet,
        Progress::Quiet => Face::Quiet,
        Progress::Json => Face::Json,
        Progress::Auto if live => Screen::begin().map_or(Face::Plain(None), Face::Live),
        Progress::Plain | Progress::Auto => Face::Plain(None),
    };
    Shown(())
}

/// Milliseconds since the command began.
pub(crate) fn elapsed() -> u64 {
    terminal().elapsed()
}

/// Say what is being done while there is no plan: `looking at the engine`.
pub(crate) fn doing(text: &str) {
    if let Face::Live(screen) = &mut terminal().face {
        text.clone_into(&mut screen.state.doing);
    }
}

/// Show how `plan` is carried out. An interrupt is from now on for whoever does that.
pub(crate) fn plan(plan: &Plan) {
    let terminal = &mut *terminal();
    terminal.stage = Stage::Working;
    match &mut terminal.face {
        Face::Live(screen) => screen.state.plan(plan),
        Face::Plain(lines) => {
            let words = plan.operations.iter().map(words::whole).collect();
            *lines = Some(Lines {
                words,
                ..Lines::default()
            });
        }
        Face::Json | Face::Quiet => {}
    }
}

/// Show `event`.
pub(crate) fn show(event: Event<'_>) {
    match &mut terminal().face {
        Face::Live(screen) => {
            screen.event(event);
            if let Event::Failed { .. } | Event::Stopping { .. } = event {
                screen.above.extend(words::told(event));
            }
        }
        Face::Plain(lines) => {
            let reminder = lines.as_mut().and_then(|l| l.reminder(event));
            if let Some(text) = reminder.or_else(|| words::told(event)) {
                write(&text);
            }
        }
        Face::Json => write(&words::json(event).to_string()),
        Face::Quiet => {}
    }
}

impl Lines {
    /// What is said of an operation that is long in flight.
    fn reminder(&mut self, event: Event<'_>) -> Option<String> {
        match event {
            Event::Started { at, .. } => {
                self.said.insert(at, Instant::now());
                None
            }
            Event::Progress { at, text } => {
                let said = self.said.get_mut(&at).filter(|said| said.elapsed() >= REMINDER)?;
                *said = Instant::now();
                Some(format!("still at it: {}: {text}", self.words.get(at)?))
            }
            _ => None,
        }
    }
}

/// An interrupt is from now on for whoever works, without a plan.
pub(crate) fn working() {
    terminal().stage = Stage::Working;
}

/// Show how far work is that has no plan: `text` where lines redraw themselves, and where they do not if it is `worth` a
/// line; for programs `fields`.
pub(crate) fn progress(text: &str, fields: &Value, worth: bool) {
    match &mut terminal().face {
        Face::Live(screen) => text.clone_into(&mut screen.state.doing),
        Face::Plain(_) if worth => write(text),
        Face::Json => write(&fields.to_string()),
        Face::Plain(_) | Face::Quiet => {}
    }
}

/// The plan is carried out; an interrupt is nobody's any more, as before it.
pub(crate) fn worked() {
    let terminal = &mut *terminal();
    if terminal.stage == Stage::Working {
        terminal.stage = Stage::After;
    }
    if let Face::Live(screen) = &mut terminal.face {
        screen.state = State::doing("looking at what came of it");
    }
}

/// Leave the terminal as it was.
pub(crate) fn end() {
    terminal().end();
}

impl Terminal {
    fn elapsed(&self) -> u64 {
        let elapsed = self.begun.map_or(Duration::ZERO, |b| b.elapsed());
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    fn end(&mut self) {
        if self.stage == Stage::Working {
            self.stage = Stage::After;
        }
        if let Face::Live(screen) = &mut self.face {
            screen.clear();
            self.face = Face::Plain(None);
        }
    }
}

/// Something that people should know.
pub(crate) fn line(text: &str) {
    terminal().face.line(text);
}

impl Face {
    fn line(&mut self, text: &str) {
        match self {
            Self::Live(screen) => screen.above.push(text.to_owned()),
            Self::Json => write(&json!({"state": "said", "text": text}).to_string()),
            Self::Plain(_) | Self::Quiet => write(text),
        }
    }
}

/// Something that goes without saying where nobody wants to hear that all is well.
pub(crate) fn note(text: &str) {
    if !matches!(terminal().face, Face::Quiet) {
        line(text);
    }
}

/// What came of it all, and for programs the same as `fields`.
pub(crate) fn result(text: &str, mut fields: Value) {
    end();
    if matches!(terminal().face, Face::Json) {
        fields["ms"] = elapsed().into();
        fields["state"] = "finished".into();
        fields["text"] = text.into();
        write(&fields.to_string());
    } else {
        note(text);
    }
}

/// A line on stderr. That nobody listens is no reason to stop.
fn write(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Data on stdout.
///
/// # Errors
/// A reader that has gone away is none: the rest is for nobody.
pub(crate) fn data(text: &str) -> std::io::Result<()> {
    reaches(text).map(drop)
}

/// Data on stdout; whether there still is a reader.
///
/// # Errors
/// Those of writing.
pub(crate) fn reaches(text: &str) -> std::io::Result<bool> {
    written(text.as_bytes())
}

/// What is no text, on stdout.
///
/// # Errors
/// As for [`data`].
pub(crate) fn bytes(bytes: &[u8]) -> std::io::Result<()> {
    written(bytes).map(drop)
}

fn written(bytes: &[u8]) -> std::io::Result<bool> {
    // The two may go to the same terminal.
    end();
    match std::io::stdout().lock().write_all(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether what is printed on stdout may be coloured: a terminal that can, and no NO_COLOR.
pub(crate) fn colours() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}
