//! The terminal that topogen runs in, for a command in a container to use as its own.

use crate::text::{printable, printable_with_colours};
use std::ffi::OsStr;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// The terminal hands on every key as it is, until this is dropped.
pub(crate) struct Raw {
    before: Termios,
}

impl Raw {
    /// From now on; `None` where stdin is no terminal.
    pub(crate) fn new() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let before = termios::tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Some(Self { before }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that has gone away needs nothing.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// The keys that are typed, one by one and unseen, until this is dropped. What interrupts still does.
pub(crate) struct Keys {
    before: Option<Termios>,
    typed: Option<mpsc::Receiver<Vec<u8>>>,
}

impl Keys {
    /// From now on; none where stdin is no terminal.
    pub(crate) fn new() -> Self {
        let stdin = io::stdin();
        let before = stdin.is_terminal().then(|| termios::tcgetattr(&stdin).ok()).flatten();
        if let Some(before) = &before {
            let mut one_by_one = before.clone();
            one_by_one.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            // Where that is refused, a key counts once the line has ended.
            let _ = termios::tcsetattr(&stdin, OptionalActions::Now, &one_by_one);
        }
        let typed = before.is_some().then(typed);
        Self { before, typed }
    }

    /// Completes when `q` is typed.
    pub(crate) async fn quit(&mut self) {
        if let Some(typed) = &mut self.typed {
            while let Some(keys) = typed.recv().await {
                if keys.contains(&b'q') {
                    return;
                }
            }
        }
        std::future::pending().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// A screen of its own on the terminal, until this is dropped.
pub(crate) struct Screen;

impl Screen {
    /// From now on (xterm's control sequences: alternate screen, no cursor).
    pub(crate) fn new() -> Self {
        write("\x1b[?1049h\x1b[?25l");
        Self
    }

    /// Show `lines` in place of what is shown; at once, so that nothing flickers.
    pub(crate) fn show(&self, lines: &[String]) {
        let shown: Vec<_> = lines.iter().map(|line| printable(line)).collect();
        write(&format!("\x1b[H{}\x1b[K\x1b[J", shown.join("\x1b[K\r\n")));
    }

    /// The same of lines with colours ([`printable_with_colours`]), of which the terminal shows as much as fits its width
    /// (xterm's control sequences: no wraparound).
    pub(crate) fn paint(&self, lines: &[&str]) {
        let shown: Vec<_> = lines.iter().map(|line| printable_with_colours(line)).collect();
        write(&format!(
            "\x1b[?7l\x1b[H{}\x1b[K\x1b[J\x1b[?7h",
            shown.join("\x1b[K\r\n")
        ));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        write("\x1b[?25h\x1b[?1049l");
    }
}

/// To the terminal; that it has gone away is no reason to stop.
fn write(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Rows and columns of the terminal that `stream` is; `None` where it is none, or does not know.
pub(crate) fn size(stream: impl AsFd) -> Option<(u16, u16)> {
    let size = termios::tcgetwinsize(stream).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// The same of stdout, as it changes (SIGWINCH).
pub(crate) fn sizes() -> Option<watch::Receiver<(u16, u16)>> {
    let (sender, receiver) = watch::channel(size(io::stdout())?);
    let mut changes = signal(SignalKind::window_change()).ok()?;
    tokio::spawn(async move {
        while changes.recv().await.is_some() {
            if size(io::stdout()).is_none_or(|size| sender.send(size).is_err()) {
                break;
            }
        }
    });
    Some(receiver)
}

/// Whether the terminal is known to obey control sequences (ECMA-48): whether `TERM` names one that does (term(7)).
pub(crate) fn is_obeying() -> bool {
    obeys(std::env::var_os("TERM").as_deref())
}

/// Whether a terminal that `TERM` describes so obeys control sequences. Where that is unset, as under cron or a bare
/// `docker exec -t`, the terminal may be anything.
fn obeys(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Whether colours are not wanted: `NO_COLOR` is set to anything (no-color.org), or the terminal may have none.
pub(crate) fn is_plain() -> bool {
    let is_set = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    is_set || !is_obeying()
}

/// What is typed, or comes in otherwise, until its end. A thread of its own waits for it and ends with the process: a
/// read of a terminal cannot be called off.
pub(crate) fn typed() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = vec![0; 16 << 10];
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) if sender.blocking_send(buffer[..length].to_vec()).is_ok() => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
    });
    receiver
}

/// What is read where nothing is: its end.
pub(crate) fn nothing() -> mpsc::Receiver<Vec<u8>> {
    mpsc::channel(1).1
}

/// How many files this process may have open.
pub(crate) fn open_files() -> u64 {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// As many open files as this process may have: each log that is followed takes one, and each question of a probe.
pub(crate) fn many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that is refused, what there is must do.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_of_which_nothing_is_known_is_not_painted() {
        for (term, expected) in [
            (None, false),
            (Some(""), false),
            (Some("dumb"), false),
            (Some("xterm"), true),
        ] {
            assert_eq!(obeys(term.map(OsStr::new)), expected, "{term:?}");
        }
    }
}
