//! A line of text for a terminal: coloured, measured in columns, cut between characters.

use crate::text::is_hidden;
use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The meaning of a piece of text, shown as a colour. The words alone always say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tint {
    /// Ordinary text, without colour.
    Plain,
    /// Text about a success, in green.
    Good,
    /// Text about a failure, in red.
    Bad,
    /// Text about work in progress.
    Busy,
    /// Text that is unimportant at the moment.
    Dim,
}

impl Tint {
    /// The parameters of the escape sequence that begins the colour (ECMA-48, "SGR"); `None` for plain text.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Busy => Some("36"),
            Self::Dim => Some("2"),
        }
    }
}

/// One line without its line end, in coloured pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line(Vec<(Tint, String)>);

impl Line {
    /// Appends `text`; control characters and line ends become blanks.
    pub fn push(&mut self, tint: Tint, text: &str) {
        if !text.is_empty() {
            let text = text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect();
            self.0.push((tint, text));
        }
    }

    /// Appends blanks up to `column`.
    pub fn pad(&mut self, column: usize) {
        let blanks = column.saturating_sub(self.width());
        self.push(Tint::Plain, &" ".repeat(blanks));
    }

    /// The width in columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.width()).sum()
    }

    /// The line in at most `width` columns; if something is cut off, it ends with `more`.
    #[must_use]
    pub fn cut(self, width: usize, more: &str) -> Self {
        if self.width() <= width {
            return self;
        }
        let mut room = width.saturating_sub(more.width());
        let mut pieces = Vec::new();
        for (tint, text) in self.0 {
            let kept = fitting(&text, room);
            let whole = kept.len() == text.len();
            room -= kept.width();
            let end = if whole || width < more.width() { "" } else { more };
            pieces.push((tint, format!("{kept}{end}")));
            if !whole {
                break;
            }
        }
        Self(pieces)
    }

    /// The characters, with escape sequences if `colours`, and without trailing blanks.
    #[must_use]
    pub fn text(&self, colours: bool) -> String {
        let mut text = String::new();
        let last = self.0.iter().rposition(|(_, piece)| !piece.trim_end().is_empty());
        for (at, (tint, piece)) in self.0.iter().enumerate().take(last.map_or(0, |l| l + 1)) {
            let piece = if Some(at) == last { piece.trim_end() } else { piece };
            match tint.code().filter(|_| colours) {
                Some(code) => {
                    let _ = write!(text, "\x1b[{code}m{piece}\x1b[0m");
                }
                None => text.push_str(piece),
            }
        }
        text
    }
}

/// The longest prefix of `text` that fits `width` columns.
fn fitting(text: &str, width: usize) -> &str {
    let mut columns = 0;
    for (at, c) in text.char_indices() {
        columns += c.width().unwrap_or(0);
        if columns > width {
            return &text[..at];
        }
    }
    text
}

/// The width of `text` in columns.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` in at most `width` columns; if something is cut off, it ends with `more`.
pub(crate) fn cut(text: &str, width: usize, more: &str) -> String {
    let mut line = Line::default();
    line.push(Tint::Plain, text);
    line.cut(width, more).text(false)
}
