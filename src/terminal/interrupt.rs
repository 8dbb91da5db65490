//! Handles interrupts for the whole run of a command.
//!
//! The command runs in a thread of its own, because it may be computing when an interrupt comes. The main thread waits
//! for the end of the command or for an interrupt that ends it, whichever comes first.

use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::{Face, Stage, Terminal};
use crate::error::Exit;
use crate::text::printable;

/// Becomes true when no further work may be started.
pub(crate) type Stop = watch::Receiver<bool>;

/// Runs `command`. Returns its exit status, or that of the interrupt that ended it.
pub(crate) fn guard(terminal: &Terminal, command: impl FnOnce(Stop) -> Exit + Send + 'static) -> Exit {
    let (stop, stopped) = watch::channel(false);
    let (done, mut ended) = mpsc::channel(1);
    let work = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        // If an interrupt has ended the command, nobody receives the result.
        let _ = done.blocking_send(command(stopped));
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let (Ok(work), Ok(runtime)) = (work, runtime) else {
        terminal.line("error: cannot start a thread");
        return Exit::Unexpected;
    };
    let exit = runtime.block_on(async {
        // If the kernel refuses a handler, the signal keeps its default action.
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::from_raw(TSTP),
        ];
        let mut signals = kinds.map(signal);
        loop {
            let [interrupt, terminate, hangup, suspend] = &mut signals;
            tokio::select! {
                exit = ended.recv() => return exit,
                () = received(interrupt) => {}
                () = received(terminate) => {}
                () = received(hangup) => {}
                () = received(suspend) => {
                    terminal.suspend();
                    continue;
                }
            }
            if let Some(exit) = terminal.interrupted(&stop) {
                return Some(exit);
            }
        }
    });
    match exit {
        Some(exit) => exit,
        // The thread panicked without sending a result.
        None => match work.join() {
            Ok(()) => Exit::Unexpected,
            Err(panic) => std::panic::resume_unwind(panic),
        },
    }
}

/// SIGTSTP, which ^Z sends (signal(7)).
const TSTP: i32 = Signal::TSTP.as_raw();
/// The stack size in bytes, which is that of the main thread, because deeply nested blueprints are read by recursion.
const STACK: usize = 8 << 20;

async fn received(signal: &mut std::io::Result<Stream>) {
    match signal {
        Ok(signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

impl Terminal {
    /// Suspends the process. The lock is held meanwhile, so that nothing is drawn.
    fn suspend(&self) {
        let inner = &mut *self.lock();
        if let Face::Live(screen) = &mut inner.face {
            screen.clear();
        }
        // The call returns when the process is continued.
        let _ = kill_process(getpid(), Signal::STOP);
    }

    /// The first interrupt of work in progress stops further operations; any other ends the command.
    fn interrupted(&self, stop: &watch::Sender<bool>) -> Option<Exit> {
        let inner = &mut *self.lock();
        if inner.stage == Stage::Working && !*stop.borrow() {
            stop.send_replace(true);
            return None;
        }
        let nothing = inner.stage == Stage::Before;
        inner.end();
        if nothing {
            inner.face.line("interrupted: nothing was changed", printable);
        }
        Some(Exit::Interrupted)
    }
}
