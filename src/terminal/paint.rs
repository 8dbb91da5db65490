//! The bytes that bring a new frame to the screen. The cursor rests where the frame begins: a terminal that is resized
//! keeps it there however it breaks the lines below, and what is typed or echoed is written over.

use std::fmt::Write;

use super::layout::Size;

/// The terminal shows nothing in between (synchronized output, mode 2026); those that do not know it pass over it.
const BEGIN: &str = "\x1b[?2026h\r";
const END: &str = "\x1b[?2026l";
/// From the cursor to the end of the line, and of the screen (ECMA-48, "EL", "ED").
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";

/// Each so many frames all lines are sent: what others wrote over them does not stay.
const WHOLE: usize = 10;

/// What is on the screen, as far as it is ours.
#[derive(Debug, Default)]
pub struct Painter {
    shown: Vec<String>,
    size: Option<Size>,
    /// How many frames were painted.
    frames: usize,
}

impl Painter {
    /// Show `frame` in place of the last one on a terminal of `size`, and above it `above`, which stays.
    #[must_use]
    pub fn paint(&mut self, above: &[String], frame: Vec<String>, size: Size) -> String {
        let mut out = BEGIN.to_owned();
        for text in above {
            for line in text.lines() {
                let _ = write!(out, "{line}{REST_OF_LINE}\r\n");
            }
        }
        // Only then is every line where it was.
        let same_place = above.is_empty() && self.size == Some(size) && !self.frames.is_multiple_of(WHOLE);
        self.frames += 1;
        let clean = !same_place || frame.len() < self.shown.len();
        let last = frame.len().saturating_sub(1);
        let mut cursor = 0;
        for (at, line) in frame.iter().enumerate() {
            let cleans = clean && at == last;
            // The first one always: there an interrupt's `^C` is echoed.
            if at > 0 && !cleans && same_place && self.shown.get(at) == Some(line) {
                continue;
            }
            out.push_str(&"\r\n".repeat(at - cursor));
            out.push_str(line);
            out.push_str(if cleans { REST_OF_SCREEN } else { REST_OF_LINE });
            cursor = at;
        }
        if frame.is_empty() {
            out.push_str(REST_OF_SCREEN);
        }
        out.push('\r');
        if cursor > 0 {
            let _ = write!(out, "\x1b[{cursor}A");
        }
        out.push_str(END);
        self.shown = frame;
        self.size = Some(size);
        out
    }

    /// Leave the screen as if no frame had been on it, but for `above`.
    #[must_use]
    pub fn clear(&mut self, above: &[String]) -> String {
        if self.size.is_none() && above.is_empty() {
            return String::new();
        }
        let size = self.size.unwrap_or(Size { columns: 80, rows: 24 });
        let out = self.paint(above, Vec::new(), size);
        *self = Self::default();
        out
    }
}
