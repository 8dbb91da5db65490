//! Draws on a terminal in a thread of its own. Frames come at a steady pace, however fast events arrive.

use std::io::Write;
use std::time::{Duration, Instant};

use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

use super::layout::{self, ASCII, Glyphs, Size, UNICODE};
use super::paint::Painter;
use super::state::State;
use super::{Face, Terminal};
use crate::console;
use crate::plan::event::Event;

/// Commands that finish within this time draw nothing.
const DELAY: Duration = Duration::from_millis(50);

/// The size if the terminal does not report one.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// The state of the display.
pub(super) struct Screen {
    /// The progress of the work.
    pub(super) state: State,
    /// The lines to print above the frame, where they stay.
    pub(super) above: Vec<String>,
    begun: Instant,
    painter: Painter,
    glyphs: &'static Glyphs,
    colours: bool,
}

impl Screen {
    /// Starts to draw; `None` if the thread cannot be started.
    pub(super) fn begin(terminal: Terminal) -> Option<Self> {
        let screen = Self {
            state: State::default(),
            above: Vec::new(),
            begun: Instant::now(),
            painter: Painter::default(),
            glyphs: if speaks_utf8() { &UNICODE } else { &ASCII },
            colours: !console::is_plain(),
        };
        std::thread::Builder::new()
            .spawn(move || keep_drawing(&terminal))
            .ok()?;
        Some(screen)
    }

    /// The milliseconds since the command began.
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn event(&mut self, event: Event<'_>) {
        let now = self.now();
        self.state.event(event, now);
    }

    fn draw(&mut self) {
        // A background process must not draw on a terminal that another one uses.
        let ours = tcgetpgrp(std::io::stderr()).is_ok_and(|group| group == getpgrp());
        if !ours {
            for line in self.above.drain(..) {
                write(&format!("{line}\n"));
            }
            return;
        }
        let size = size();
        let frame = layout::frame(&self.state, size, self.now(), self.glyphs);
        let frame = frame.iter().map(|l| l.text(self.colours)).collect();
        let above = std::mem::take(&mut self.above);
        write(&self.painter.paint(&above, frame, size));
    }

    /// Removes the frame from the screen.
    pub(super) fn clear(&mut self) {
        let above = std::mem::take(&mut self.above);
        write(&self.painter.clear(&above));
    }
}

/// Draws until another form of progress is chosen.
fn keep_drawing(terminal: &Terminal) {
    std::thread::sleep(DELAY);
    loop {
        match &mut terminal.lock().face {
            Face::Live(screen) => screen.draw(),
            _ => return,
        }
        std::thread::sleep(Duration::from_millis(layout::TURN));
    }
}

fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
}

fn size() -> Size {
    console::size(std::io::stderr()).map_or(USUAL, |(rows, columns)| Size {
        columns: columns.into(),
        rows: rows.into(),
    })
}

/// Whether the locale is one of UTF-8 (POSIX, "Environment Variables"): the first of these variables that is set
/// decides.
fn speaks_utf8() -> bool {
    let set = |name: &&str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default();
    let locale = locale.to_lowercase();
    locale.ends_with("utf-8") || locale.ends_with("utf8")
}
