//! A line of text for a terminal: tinted, measured in columns, cut without breaking.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What a piece of text says by its colour; nothing is said by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tint {
    /// As any text.
    Plain,
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It is at work.
    Busy,
    /// It does not matter now.
    Dim,
}

impl Tint {
    /// The parameters of the escape sequence that begins it (ECMA-48, "SGR").
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

/// One line, without its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line(Vec<(Tint, String)>);

impl Line {
    /// Add `text`, control characters and line ends as blanks.
    pub fn push(&mut self, tint: Tint, text: &str) {
        if !text.is_empty() {
            let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            self.0.push((tint, text));
        }
    }

    /// Add blanks up to `column`.
    pub fn pad(&mut self, column: usize) {
        let blanks = column.saturating_sub(self.width());
        self.push(Tint::Plain, &" ".repeat(blanks));
    }

    /// How many columns it takes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.width()).sum()
    }

    /// The same in at most `width` columns, with `…` where something is missing.
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

    /// The characters, with escape sequences where colours are wanted, and no blanks at the end.
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

/// The longest beginning of `text` in at most `width` columns.
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

/// How many columns `text` takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` in at most `width` columns.
pub(crate) fn cut(text: &str, width: usize, more: &str) -> String {
    let mut line = Line::default();
    line.push(Tint::Plain, text);
    line.cut(width, more).text(false)
}
