//! Chooses the lines that show a state in a terminal of a given size: one for each node and a total; if they do not
//! fit, those that are running or failed, and a count of the others.

use super::line::{Line, Tint, cut};
use super::state::{Row, RowState, Running, State};
use super::words::span;

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The width in columns, as Unicode Standard Annex #11 counts them.
    pub columns: usize,
    /// The height in rows.
    pub rows: usize,
}

/// The characters that frames are drawn with.
#[derive(Debug, Clone, Copy)]
pub struct Glyphs {
    /// The frames of the spinner while something runs.
    pub spinner: &'static [&'static str],
    /// A row whose operations are all done.
    pub done: &'static str,
    /// A row of which an operation failed.
    pub failed: &'static str,
    /// A row of which no operation has begun.
    pub waiting: &'static str,
    /// A row of which some operations will not begin.
    pub skipped: &'static str,
    /// The parts of the progress bar: done, and not done.
    pub bar: [&'static str; 2],
    /// The mark at the end of a text that was cut off.
    pub more: &'static str,
}

/// The characters for terminals with UTF-8.
pub const UNICODE: Glyphs = Glyphs {
    spinner: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
    done: "✔",
    failed: "✘",
    waiting: "·",
    skipped: "–",
    bar: ["━", "─"],
    more: "…",
};

/// The characters for terminals without UTF-8.
pub const ASCII: Glyphs = Glyphs {
    spinner: &["|", "/", "-", "\\"],
    done: "+",
    failed: "x",
    waiting: ".",
    skipped: "-",
    bar: ["=", "."],
    more: "~",
};

/// The time between two frames of the spinner, in milliseconds.
pub const TURN: u64 = 80;
/// Rows show their duration in terminals at least this wide, in columns.
const TIMED: usize = 60;
/// The width of the bar in columns: at most, and at least, below which none is drawn.
const BAR: (usize, usize) = (32, 5);

/// The lines that show `state` at `now`, in milliseconds since the command began. There is at most one line fewer than
/// `size` has rows, and each is at most one column narrower than it.
#[must_use]
pub fn frame(state: &State, size: Size, now: u64, glyphs: &Glyphs) -> Vec<Line> {
    let columns = size.columns.saturating_sub(1).max(1);
    let mut lines = Vec::new();
    if state.has_plan() {
        // One row is for the total, and one keeps what was on the screen before in sight.
        let chosen = choose(&state.rows, size.rows.saturating_sub(2));
        let names = state.rows.iter().map(|r| super::line::width(&r.name)).max();
        let look = Look {
            columns,
            names: names.unwrap_or(0).min(columns / 3).max(4),
            counts: state.rows.iter().map(|r| digits(r.total)).max().unwrap_or(1),
            now,
            glyphs,
        };
        lines.extend(chosen.iter().map(|at| look.row(&state.rows[*at])));
        if chosen.len() < state.rows.len() && size.rows > 2 {
            lines.push(look.folded(&state.rows, &chosen));
        }
        lines.push(look.total(state));
    } else {
        let mut line = Line::default();
        line.push(Tint::Busy, &format!(" {} ", turned(glyphs, now)));
        line.push(Tint::Plain, &state.doing);
        if now >= 1000 {
            line.push(Tint::Dim, &format!("  {}", span(now)));
        }
        lines.push(line);
    }
    lines.into_iter().map(|l| l.cut(columns, glyphs.more)).collect()
}

/// The indices of the rows to show in `room` lines, one of which counts the hidden rows.
fn choose(rows: &[Row], room: usize) -> Vec<usize> {
    if rows.len() <= room {
        return (0..rows.len()).collect();
    }
    let room = room.saturating_sub(1);
    let those = |state: RowState| -> Vec<usize> {
        let places = 0..rows.len();
        places.filter(|at| rows[*at].state() == state).collect()
    };
    let (mut failed, running) = (those(RowState::Failed), those(RowState::Running));
    // Many failures must not hide running rows: failures are printed above as well.
    failed.truncate(room.saturating_sub(running.len()).max(room / 2));
    let mut done = those(RowState::Done);
    done.sort_by_key(|at| std::cmp::Reverse(rows[*at].finished));
    let mut chosen = failed;
    chosen.extend(running);
    chosen.extend(those(RowState::Begun));
    // The rest of the room goes to rows that finished last and rows that come next.
    let mut waiting = those(RowState::Waiting);
    let late = waiting.split_off(waiting.len().min(room.saturating_sub(chosen.len()).div_ceil(2)));
    for more in [waiting, done, late, those(RowState::Skipped)] {
        chosen.extend(more);
    }
    chosen.truncate(room);
    chosen.sort_unstable();
    chosen
}

/// What all lines of a frame have in common.
struct Look<'a> {
    columns: usize,
    /// The width of the name column.
    names: usize,
    /// The number of digits of counts.
    counts: usize,
    now: u64,
    glyphs: &'a Glyphs,
}

impl Look<'_> {
    /// ` ⠋ slave3   4/15  create service_2, service_3   1.2 s`
    fn row(&self, row: &Row) -> Line {
        let glyphs = self.glyphs;
        let (tint, glyph) = match row.state() {
            RowState::Failed => (Tint::Bad, glyphs.failed),
            RowState::Running => (Tint::Busy, turned(glyphs, self.now)),
            RowState::Begun | RowState::Waiting => (Tint::Dim, glyphs.waiting),
            RowState::Skipped => (Tint::Dim, glyphs.skipped),
            RowState::Done => (Tint::Good, glyphs.done),
        };
        let name = if row.state() == RowState::Waiting {
            Tint::Dim
        } else {
            Tint::Plain
        };
        let mut line = Line::default();
        line.push(tint, &format!(" {glyph} "));
        line.push(name, &cut(&row.name, self.names, glyphs.more));
        line.pad(3 + self.names + 2);
        let counts = self.counts;
        line.push(Tint::Dim, &format!("{:>counts$}/{:<counts$}", row.done, row.total));
        let (tint, text) = match &row.failure {
            Some(failure) => (Tint::Bad, failure.clone()),
            None if row.skipped > 0 && row.running.is_empty() => (Tint::Dim, "what it waits for failed".to_owned()),
            None => (Tint::Plain, in_flight(&row.running)),
        };
        if !text.is_empty() {
            line.push(Tint::Plain, "  ");
            line.push(tint, &text);
        }
        let end = if row.state() == RowState::Running {
            Some(self.now)
        } else {
            row.ended
        };
        let (Some(begun), Some(end), true) = (row.begun, end, self.columns + 1 >= TIMED) else {
            return line;
        };
        let time = span(end.saturating_sub(begun));
        let column = self.columns.saturating_sub(time.len());
        let mut line = line.cut(column.saturating_sub(2), glyphs.more);
        line.pad(column);
        line.push(Tint::Dim, &time);
        line
    }

    /// `   31 done, 2 more failed, 17 waiting`
    fn folded(&self, rows: &[Row], chosen: &[usize]) -> Line {
        let count = |states: &[RowState]| {
            let is = |at: &usize| states.contains(&rows[*at].state());
            let shown = chosen.iter().filter(|at| is(at)).count();
            let all = (0..rows.len()).filter(is).count();
            (shown, all - shown)
        };
        let mut parts = Vec::new();
        for (word, states) in [
            ("done", &[RowState::Done][..]),
            ("failed", &[RowState::Failed]),
            ("at work", &[RowState::Running, RowState::Begun]),
            ("waiting", &[RowState::Waiting]),
            ("skipped", &[RowState::Skipped]),
        ] {
            match count(states) {
                (_, 0) => {}
                (0, hidden) => parts.push(format!("{hidden} {word}")),
                (_, hidden) => parts.push(format!("{hidden} more {word}")),
            }
        }
        let mut line = Line::default();
        line.push(Tint::Dim, &format!("   {}", parts.join(", ")));
        line
    }

    /// ` ⠋ 162 of 506  1 failed  ━━━━━━━━────────────  8.4 s`
    fn total(&self, state: &State) -> Line {
        let (done, all) = state.count();
        let mut line = Line::default();
        line.push(Tint::Busy, &format!(" {} ", turned(self.glyphs, self.now)));
        line.push(Tint::Plain, &format!("{done:>width$} of {all}  ", width = digits(all)));
        if state.failed() > 0 {
            line.push(Tint::Bad, &format!("{} failed  ", state.failed()));
        }
        if state.stopping {
            line.push(Tint::Bad, "stopping  ");
        }
        let time = span(self.now);
        let room = self.columns.saturating_sub(line.width() + 2 + time.len()).min(BAR.0);
        if room >= BAR.1 {
            let full = room * done / all.max(1);
            line.push(Tint::Good, &self.glyphs.bar[0].repeat(full));
            line.push(Tint::Dim, &self.glyphs.bar[1].repeat(room - full));
            line.push(Tint::Plain, "  ");
        }
        if line.width() + time.len() <= self.columns {
            line.push(Tint::Plain, &time);
        }
        line
    }
}

/// `create service_3, service_4; start service_2 (not healthy yet)`
fn in_flight(running: &[Running]) -> String {
    let mut text = String::new();
    let mut verb = None;
    for one in running {
        if verb == Some(&one.verb) {
            text.push_str(", ");
        } else {
            text.push_str(if text.is_empty() { "" } else { "; " });
            text.push_str(&one.verb);
            text.push_str(if one.name.is_some() { " " } else { "" });
            verb = Some(&one.verb);
        }
        text.push_str(one.name.as_deref().unwrap_or_default());
        match (&one.progress, &one.name) {
            (None, _) => {}
            (Some(progress), None) => text.push_str(&format!(": {progress}")),
            (Some(progress), Some(_)) => text.push_str(&format!(" ({progress})")),
        }
    }
    text
}

fn turned(glyphs: &Glyphs, now: u64) -> &'static str {
    let count = glyphs.spinner.len() as u64;
    let at = usize::try_from(now / TURN % count.max(1)).unwrap_or(0);
    glyphs.spinner.get(at).copied().unwrap_or(" ")
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}
