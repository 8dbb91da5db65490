//! What people see on stderr while they wait, in the face that fits where it goes: lines that redraw themselves on a
//! terminal, a line an operation elsewhere, JSON for programs.
//!
//! [`state`] is what is known of the work, [`layout`] which lines show it, [`paint`] the bytes that bring them to the
//! screen; all three are pure. A thread draws, so that what is alive looks alive while topogen computes or waits.

pub(crate) mod interrupt;
pub mod layout;
pub mod line;
pub mod paint;
pub mod reach;
mod screen;
pub mod state;
pub mod words;

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Progress, Work};
use crate::converge::Reporter;
use crate::plan::Plan;
use crate::plan::event::Event;
use screen::Screen;
use state::State;

/// Where lines alone say how it goes, one in flight says how far it is this often.
const REMINDER: Duration = Duration::from_secs(10);

/// What people and programs are told while a command runs, and where its data goes. All copies are the same one: there is
/// one stderr.
#[derive(Clone)]
pub(crate) struct Terminal(Arc<Mutex<Inner>>);

struct Inner {
    face: Face,
    stage: Stage,
    /// When the command began.
    begun: Instant,
}

/// How far the command is, as an interrupt sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was changed.
    Before,
    /// Work is in hand, and whoever does it is told of interrupts.
    Working,
    /// Nobody takes interrupts: one ends the command without a word.
    Idle,
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

/// While it lives, progress is shown.
#[must_use]
pub(crate) struct Shown(Terminal);

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Terminal {
    /// A terminal on which plain lines are said, until [`Self::begin`].
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

    /// Shows progress from now on, in the face that `work` asks for.
    pub(crate) fn begin(&self, work: &Work) -> Shown {
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let live = std::io::stderr().is_terminal() && !dumb;
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

    /// Milliseconds since the command began.
    pub(crate) fn elapsed(&self) -> u64 {
        u64::try_from(self.lock().begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whoever works without a plan takes interrupts from now on.
    pub(crate) fn take_interrupts(&self) {
        self.lock().stage = Stage::Working;
    }

    /// Shows how far work is that has no plan: `text` where lines redraw themselves, and where they do not if it is `worth` a
    /// line; for programs `fields`.
    pub(crate) fn progress(&self, text: &str, fields: &Value, worth: bool) {
        match &mut self.lock().face {
            Face::Live(screen) => text.clone_into(&mut screen.state.doing),
            Face::Plain(_) if worth => write(text),
            Face::Json => write(&fields.to_string()),
            Face::Plain(_) | Face::Quiet => {}
        }
    }

    /// Leaves the terminal as it was.
    pub(crate) fn end(&self) {
        self.lock().end();
    }

    /// Says something that people should know.
    pub(crate) fn line(&self, text: &str) {
        self.lock().face.line(text);
    }

    /// Says what came of it all, and to programs the same as `fields`.
    pub(crate) fn result(&self, text: &str, mut fields: Value) {
        self.end();
        let elapsed = self.elapsed();
        if matches!(self.lock().face, Face::Json) {
            fields["ms"] = elapsed.into();
            fields["state"] = "finished".into();
            fields["text"] = text.into();
            write(&fields.to_string());
        } else {
            self.note(text);
        }
    }

    /// Writes data to stdout.
    ///
    /// # Errors
    /// Those of writing. A reader that has gone away is none: the rest is for nobody.
    pub(crate) fn data(&self, text: &str) -> std::io::Result<()> {
        self.bytes(text.as_bytes())
    }

    /// Writes data to stdout; whether there still is a reader.
    ///
    /// # Errors
    /// Those of writing.
    pub(crate) fn reaches(&self, text: &str) -> std::io::Result<bool> {
        self.write(text.as_bytes())
    }

    /// Writes what is no text to stdout.
    ///
    /// # Errors
    /// As for [`Self::data`].
    pub(crate) fn bytes(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.write(bytes).map(drop)
    }

    fn write(&self, bytes: &[u8]) -> std::io::Result<bool> {
        // The two may go to the same terminal.
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
        // An interrupt is from now on for whoever carries the plan out.
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
                    screen.above.extend(words::message(event));
                }
            }
            Face::Plain(lines) => {
                let reminder = lines.as_mut().and_then(|l| l.reminder(event));
                if let Some(text) = reminder.or_else(|| words::message(event)) {
                    write(&text);
                }
            }
            Face::Json => write(&words::json(event).to_string()),
            Face::Quiet => {}
        }
    }

    fn carried_out(&self) {
        let inner = &mut *self.lock();
        // An interrupt is nobody's any more, as before the plan.
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
            inner.face.line(text);
        }
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
    fn line(&mut self, text: &str) {
        match self {
            Self::Live(screen) => screen.above.push(text.to_owned()),
            Self::Json => write(&json!({"state": "said", "text": text}).to_string()),
            Self::Plain(_) | Self::Quiet => write(text),
        }
    }
}

/// A line on stderr. That nobody listens is no reason to stop.
fn write(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Whether what is printed on stdout may be coloured: a terminal that can, and no NO_COLOR.
pub(crate) fn colours() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}
