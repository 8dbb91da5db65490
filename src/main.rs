//! The `topogen` command: see the library for everything.

use std::process::ExitCode;

fn main() -> ExitCode {
    topogen::main().into()
}
