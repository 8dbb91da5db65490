//! Which lines show a state in so many columns and rows: one a node and a total, and where they are too many, those at
//! work and those that failed, the others as a count.

use super::line::{Line, Tint, cut};
use super::state::{Row, Running, Standing, State};
use super::words::span;

/// A terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Its width in columns.
    pub columns: usize,
    /// Its height in rows.
    pub rows: usize,
}

/// The characters that frames are made of.
#[derive(Debug, Clone, Copy)]
pub struct Glyphs {
    /// What turns while something is at work.
    pub spinner: &'static [&'static str],
    /// All is done.
    pub done: &'static str,
    /// Something failed.
    pub failed: &'static str,
    /// Nothing is begun.
    pub waiting: &'static str,
    /// Some of it will not be begun.
    pub skipped: &'static str,
    /// A part of the bar that is done, and one that is not.
    pub bar: [&'static str; 2],
    /// Something is missing here.
    pub more: &'static str,
}

/// For terminals that show UTF-8.
pub const UNICODE: Glyphs = Glyphs {
    spinner: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
    done: "✔",
    failed: "✘",
    waiting: "·",
    skipped: "–",
    bar: ["━", "─"],
    more: "…",
};

/// For those that do not.
pub const ASCII: Glyphs = Glyphs {
    spinner: &["|", "/", "-", "\\"],
    done: "+",
    failed: "x",
    waiting: ".",
    skipped: "-",
    bar: ["=", "."],
    more: "~",
};

/// Milliseconds between two turns of the spinner.
pub const TURN: u64 = 80;
/// From so many columns on, rows say how long they take.
const TIMED: usize = 60;
/// The bar's width in columns at most, and the least that is worth drawing.
const BAR: (usize, usize) = (32, 5);

/// The lines that show `state`, `now` milliseconds after the command began. At most one fewer than `size` has rows, each
/// of at most one column fewer than it has.
#[must_use]
pub fn frame(state: &State, size: Size, now: u64, glyphs: &Glyphs) -> Vec<Line> {
    let columns = size.columns.saturating_sub(1).max(1);
    let mut lines = Vec::new();
    if state.has_plan() {
        // One for the total, and one so that what was on the screen before stays in sight.
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

/// The places of the rows that are shown where there is room for so many lines, one of which says what is not shown.
fn choose(rows: &[Row], room: usize) -> Vec<usize> {
    if rows.len() <= room {
        return (0..rows.len()).collect();
    }
    let room = room.saturating_sub(1);
    let those = |standing: Standing| -> Vec<usize> {
        let places = 0..rows.len();
        places.filter(|at| rows[*at].standing() == standing).collect()
    };
    let (mut failed, running) = (those(Standing::Failed), those(Standing::Running));
    // Many that failed leave room for those at work: what went wrong is printed above as well.
    failed.truncate(room.saturating_sub(running.len()).max(room / 2));
    let mut done = those(Standing::Done);
    done.sort_by_key(|at| std::cmp::Reverse(rows[*at].finished));
    let mut chosen = failed;
    chosen.extend(running);
    chosen.extend(those(Standing::Begun));
    // What is left is for those that were done last and those that come next.
    let mut waiting = those(Standing::Waiting);
    let late = waiting.split_off(waiting.len().min(room.saturating_sub(chosen.len()).div_ceil(2)));
    for more in [waiting, done, late, those(Standing::Skipped)] {
        chosen.extend(more);
    }
    chosen.truncate(room);
    chosen.sort_unstable();
    chosen
}

/// What all lines of a frame have in common.
struct Look<'a> {
    columns: usize,
    /// The width of names.
    names: usize,
    /// The digits of counts.
    counts: usize,
    now: u64,
    glyphs: &'a Glyphs,
}

impl Look<'_> {
    /// ` ⠋ slave3   4/15  create service_2, service_3   1.2 s`
    fn row(&self, row: &Row) -> Line {
        let glyphs = self.glyphs;
        let (tint, glyph) = match row.standing() {
            Standing::Failed => (Tint::Bad, glyphs.failed),
            Standing::Running => (Tint::Busy, turned(glyphs, self.now)),
            Standing::Begun | Standing::Waiting => (Tint::Dim, glyphs.waiting),
            Standing::Skipped => (Tint::Dim, glyphs.skipped),
            Standing::Done => (Tint::Good, glyphs.done),
        };
        let name = if row.standing() == Standing::Waiting {
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
        let end = if row.standing() == Standing::Running {
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
        let count = |standings: &[Standing]| {
            let is = |at: &usize| standings.contains(&rows[*at].standing());
            let shown = chosen.iter().filter(|at| is(at)).count();
            let all = (0..rows.len()).filter(is).count();
            (shown, all - shown)
        };
        let mut parts = Vec::new();
        for (word, standings) in [
            ("done", &[Standing::Done][..]),
            ("failed", &[Standing::Failed]),
            ("at work", &[Standing::Running, Standing::Begun]),
            ("waiting", &[Standing::Waiting]),
            ("skipped", &[Standing::Skipped]),
        ] {
            match count(standings) {
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
