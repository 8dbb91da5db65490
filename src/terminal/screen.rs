//! A terminal that is drawn upon, by a thread of its own: frames come at a steady pace, however fast events do.

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

/// Nothing is drawn for what takes no longer.
const DELAY: Duration = Duration::from_millis(50);

/// Where there is no telling how large the terminal is.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// What is shown, and how.
pub(super) struct Screen {
    /// What is known of the work.
    pub(super) state: State,
    /// Lines to be printed above the frame, which stay.
    pub(super) above: Vec<String>,
    begun: Instant,
    painter: Painter,
    glyphs: &'static Glyphs,
    colours: bool,
}

impl Screen {
    /// Draw from now on; `None` where that cannot be done.
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

    /// Milliseconds since the command began.
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn event(&mut self, event: Event<'_>) {
        let now = self.now();
        self.state.event(event, now);
    }

    fn draw(&mut self) {
        // In the background the terminal is somebody else's.
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

    /// Take the frame from the screen.
    pub(super) fn clear(&mut self) {
        let above = std::mem::take(&mut self.above);
        write(&self.painter.clear(&above));
    }
}

/// Draw until another face is shown.
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

/// Whether the locale says so (POSIX, "Environment Variables"): the first of these that is set decides.
fn speaks_utf8() -> bool {
    let set = |name: &&str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default();
    let locale = locale.to_lowercase();
    locale.ends_with("utf-8") || locale.ends_with("utf8")
}
