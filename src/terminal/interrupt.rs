//! What an interrupt does, from the first moment of a command to its last.

use signal_hook::consts::{SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::{Face, Stage, terminal};
use crate::error::Exit;

/// Answer interrupts and stops from now on, in a thread of its own: topogen may be computing.
pub(super) fn listen() {
    // Where that is refused, a signal does what it always does.
    if let Ok(signals) = Signals::new([SIGINT, SIGTERM, SIGTSTP]) {
        let _ = std::thread::Builder::new().spawn(|| answer(signals));
    }
}

fn answer(mut signals: Signals) {
    for signal in signals.forever() {
        // Kept while topogen stands still, so that nobody draws.
        let terminal = &mut *terminal();
        if signal == SIGTSTP {
            if let Face::Live(screen) = &mut terminal.face {
                screen.clear();
            }
            // Returns when it goes on.
            let _ = emulate_default_handler(SIGTSTP);
        } else if terminal.stage != Stage::Working {
            let nothing = terminal.stage == Stage::Before;
            terminal.end();
            if nothing {
                terminal.face.line("interrupted: nothing was changed");
            }
            std::process::exit(Exit::Interrupted.code().into());
        }
    }
}
