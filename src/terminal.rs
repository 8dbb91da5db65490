//! Progress on stderr. Its form depends on where stderr goes: lines that redraw themselves on a terminal, one line per
//! operation elsewhere, and JSON for programs.
//!
//! [`state`] holds what is known of the work, [`layout`] decides which lines show it, and [`paint`] produces the bytes
//! that update the screen; all three are pure. A thread draws, so that the display moves while topogen computes or
//! waits.

pub(crate) mod interrupt;
pub mod layout;
pub mod line;
pub mod paint;
pub mod reach;
mod screen;
pub mod state;
pub mod words;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Progress, Work};
use crate::converge::Reporter;
use crate::plan::Plan;
use crate::plan::event::Event;
use crate::text::{printable, printable_with_colours};
use screen::Screen;
use state::State;

/// How often a plain line repeats that an operation is still in progress.
const REMINDER: Duration = Duration::from_secs(10);

/// The messages and progress of a command on stderr, and its data on stdout. All clones write to the same place, as
/// there is only one stderr.
#[derive(Clone)]
pub(crate) struct Terminal(Arc<Mutex<Inner>>);

struct Inner {
    face: Face,
    stage: Stage,
    /// The time when the command started.
    begun: Instant,
}

/// The stage of a command, which decides what an interrupt does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing has been changed yet.
    Before,
    /// A plan is carried out, and stops when an interrupt is signalled.
    Working,
    /// Nothing handles interrupts, so that one ends the command without a message.
    Idle,
}

/// How progress is shown.
enum Face {
    /// Lines that redraw themselves.
    Live(Screen),
    /// A line for each finished operation.
    Plain(Option<Lines>),
    /// A JSON object per line.
    Json,
    /// Only errors and warnings.
    Quiet,
}

/// The state of [`Face::Plain`].
#[derive(Default)]
struct Lines {
    /// The descriptions of the plan's operations, in its order.
    words: Vec<String>,
    /// When each operation in progress was last mentioned, by its number in the plan.
    said: HashMap<usize, Instant>,
}

/// Shows progress until it is dropped.
#[must_use]
pub(crate) struct Shown(Terminal);

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Terminal {
    /// A terminal that prints plain lines until [`Self::begin`].
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            face: Face::Plain(None),
            stage: Stage::Idle,
            begun: Instant::now(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows progress from now on, in the form that the options in `work` choose.
    pub(crate) fn begin(&self, work: &Work) -> Shown {
        let live = std::io::stderr().is_terminal() && crate::console::is_obeying();
        let inner = &mut *self.lock();
        inner.stage = Stage::Before;
        inner.face = match work.progress {
            _ if work.quiet => Face::Quiet,
            Progress::Quiet => Face::Quiet,
            Progress::Json => Face::Json,
            Progress::Auto if live => Screen::begin(self.clone()).map_or(Face::Plain(None), Face::Live),
            Progress::Plain | Progress::Auto => Face::Plain(None),
        };
        Shown(self.clone())
    }

    /// The milliseconds since the command started.
    pub(crate) fn elapsed(&self) -> u64 {
        u64::try_from(self.lock().begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Lets interrupts reach a command that works without a plan.
    pub(crate) fn take_interrupts(&self) {
        self.lock().stage = Stage::Working;
    }

    /// Shows the progress of work without a plan: `text` on lines that redraw themselves, and on plain lines if it is
    /// `worth` one; `fields` for programs.
    pub(crate) fn progress(&self, text: &str, fields: &Value, worth: bool) {
        match &mut self.lock().face {
            Face::Live(screen) => text.clone_into(&mut screen.state.doing),
            Face::Plain(_) if worth => write(&printable(text)),
            Face::Json => write(&printable(&fields.to_string())),
            Face::Plain(_) | Face::Quiet => {}
        }
    }

    /// Restores the terminal as it was before progress was shown.
    pub(crate) fn end(&self) {
        self.lock().end();
    }

    /// Prints a message to the user.
    pub(crate) fn line(&self, text: &str) {
        self.lock().face.line(text, printable);
    }

    /// Prints a message that may have colours of topogen's own.
    pub(crate) fn coloured(&self, text: &str) {
        self.lock().face.line(text, printable_with_colours);
    }

    /// Prints the result of a command; programs get it as `fields`.
    pub(crate) fn result(&self, text: &str, mut fields: Value) {
        self.end();
        let elapsed = self.elapsed();
        if matches!(self.lock().face, Face::Json) {
            fields["ms"] = elapsed.into();
            fields["state"] = "finished".into();
            fields["text"] = text.into();
            write(&printable(&fields.to_string()));
        } else {
            self.note(text);
        }
    }

    /// Writes text to stdout, in which JSON stays JSON and means the same.
    ///
    /// # Errors
    /// The write failed. A reader that has closed the pipe is no error, since nobody misses the rest.
    pub(crate) fn data(&self, text: &str) -> std::io::Result<()> {
        self.bytes(printable(text).as_bytes())
    }

    /// The same of text that may have colours of topogen's own.
    ///
    /// # Errors
    /// As for [`Self::data`].
    pub(crate) fn coloured_data(&self, text: &str) -> std::io::Result<()> {
        self.bytes(printable_with_colours(text).as_bytes())
    }

    /// Writes data to stdout. Returns whether there still is a reader.
    ///
    /// # Errors
    /// The write failed.
    pub(crate) fn reaches(&self, text: &str) -> std::io::Result<bool> {
        self.write(printable(text).as_bytes())
    }

    /// Writes binary data to stdout.
    ///
    /// # Errors
    /// As for [`Self::data`].
    pub(crate) fn bytes(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.write(bytes).map(drop)
    }

    fn write(&self, bytes: &[u8]) -> std::io::Result<bool> {
        // Both streams may go to the same terminal.
        self.end();
        match std::io::stdout().lock().write_all(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Reporter for Terminal {
    fn doing(&self, text: &str) {
        if let Face::Live(screen) = &mut self.lock().face {
            text.clone_into(&mut screen.state.doing);
        }
    }

    fn plan(&self, plan: &Plan) {
        let inner = &mut *self.lock();
        // From now on the one who carries out the plan handles interrupts.
        inner.stage = Stage::Working;
        match &mut inner.face {
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

    fn event(&self, event: Event<'_>) {
        match &mut self.lock().face {
            Face::Live(screen) => {
                screen.event(event);
                if let Event::Failed { .. } | Event::Stopping { .. } = event {
                    screen
                        .above
                        .extend(words::message(event).map(|text| printable(&text).into_owned()));
                }
            }
            Face::Plain(lines) => {
                let reminder = lines.as_mut().and_then(|l| l.reminder(event));
                if let Some(text) = reminder.or_else(|| words::message(event)) {
                    write(&printable(&text));
                }
            }
            Face::Json => write(&printable(&words::json(event).to_string())),
            Face::Quiet => {}
        }
    }

    fn carried_out(&self) {
        let inner = &mut *self.lock();
        // Nothing handles interrupts after the plan, as before it.
        if inner.stage == Stage::Working {
            inner.stage = Stage::Idle;
        }
        if let Face::Live(screen) = &mut inner.face {
            screen.state = State::doing("looking at what came of it");
        }
    }

    fn note(&self, text: &str) {
        let inner = &mut *self.lock();
        if !matches!(inner.face, Face::Quiet) {
            inner.face.line(text, printable);
        }
    }
}

impl Lines {
    /// The line that repeats what a long operation is doing; `None` if it is too early for one.
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

impl Inner {
    fn end(&mut self) {
        if self.stage == Stage::Working {
            self.stage = Stage::Idle;
        }
        if let Face::Live(screen) = &mut self.face {
            screen.clear();
            self.face = Face::Plain(None);
        }
    }
}

impl Face {
    /// Prints what `shown` makes of `text`; programs get `text` itself, in JSON.
    fn line(&mut self, text: &str, shown: fn(&str) -> Cow<'_, str>) {
        match self {
            Self::Live(screen) => screen.above.push(shown(text).into_owned()),
            Self::Json => write(&printable(&json!({"state": "said", "text": text}).to_string())),
            Self::Plain(_) | Self::Quiet => write(&shown(text)),
        }
    }
}

/// Writes to stderr. A closed stderr is no reason to stop.
fn write(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Whether stdout gets colours: it is a terminal that has them, and NO_COLOR is not set.
pub(crate) fn colours() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}
