//! Computes the bytes that bring a new frame to the screen. The cursor rests at the frame's first line: a terminal that
//! is resized keeps it there however it wraps the lines below, and typed or echoed characters are overwritten.

use std::fmt::Write;

use super::layout::Size;

/// Asks the terminal to show nothing until the frame is complete (synchronized output, mode 2026); others ignore it.
const BEGIN: &str = "\x1b[?2026h\r";
const END: &str = "\x1b[?2026l";
/// Erases from the cursor to the end of the line or the screen (ECMA-48, "EL", "ED").
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";

/// Every so many frames, all lines are sent, so that output of other programs does not stay.
const WHOLE: usize = 10;

/// What is on the screen, as far as we wrote it.
#[derive(Debug, Default)]
pub struct Painter {
    shown: Vec<String>,
    size: Option<Size>,
    /// How many frames were painted.
    frames: usize,
}

impl Painter {
    /// Replaces the last frame by `frame` on a terminal of `size`, with the lines of `above` before it, which stay.
    #[must_use]
    pub fn paint(&mut self, above: &[String], frame: Vec<String>, size: Size) -> String {
        let mut out = BEGIN.to_owned();
        for text in above {
            for line in text.lines() {
                let _ = write!(out, "{line}{REST_OF_LINE}\r\n");
            }
        }
        // Only then is every line still where it was.
        let same_place = above.is_empty() && self.size == Some(size) && !self.frames.is_multiple_of(WHOLE);
        self.frames += 1;
        let clean = !same_place || frame.len() < self.shown.len();
        let last = frame.len().saturating_sub(1);
        let mut cursor = 0;
        for (at, line) in frame.iter().enumerate() {
            let cleans = clean && at == last;
            // The first line is always sent, because an interrupt's `^C` is echoed there.
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

    /// Removes the frame from the screen; the lines of `above` stay.
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
