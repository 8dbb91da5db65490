//! The errors of commands, with their hints and exit codes.

use std::process::ExitCode;

use crate::diagnostic::{Problems, Sources};
use crate::engine::fault::Fault;

/// The outcome of a command, which scripts read as its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: the command succeeded.
    Done,
    /// 1: an error that has no code of its own.
    Unexpected,
    /// 2: the command line is wrong.
    Usage,
    /// 3: the blueprint is invalid.
    Blueprint,
    /// 4: `verify` or `--check` found a difference.
    Difference,
    /// 5: the engine is unreachable, or does not answer.
    Engine,
    /// 6: some operations failed, the others are done.
    Partial,
    /// 130: interrupted by SIGINT or SIGTERM.
    Interrupted,
    /// The exit code of the command that `exec` ran.
    Command(u8),
}

impl Exit {
    /// The code of `exec` when the command could not be run, as for `docker run`.
    pub const NOT_RUN: u8 = 125;
    /// The engine's codes when the command of `exec` does not exist: those of a shell, and before API 1.50 the code for
    /// a file that is not executable.
    pub const NOT_THERE: [u8; 2] = [127, 126];

    /// The exit code of the process.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::Blueprint => 3,
            Self::Difference => 4,
            Self::Engine => 5,
            Self::Partial => 6,
            Self::Interrupted => 130,
            Self::Command(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line cannot be followed.
    #[error("{message}")]
    Usage {
        /// What is wrong, in one line.
        message: String,
        /// The way out, in one line.
        hint: String,
    },
    /// The blueprint has problems.
    #[error("the blueprint is invalid")]
    Blueprint {
        /// All problems that were found.
        problems: Problems,
        /// The texts that they point into.
        sources: Sources,
    },
    /// Something blocks the command, on disk or on the engine; nothing was changed.
    #[error("{}", .messages.join("\n"))]
    InTheWay {
        /// One line for each conflict.
        messages: Vec<String>,
        /// The ways out, each once.
        hints: Vec<String>,
    },
    /// `--check` found files out of date, and has printed the difference.
    #[error("{0}")]
    Difference(String),
    /// The error was already printed as data.
    #[error("")]
    Shown(Exit),
    /// The engine cannot be reached.
    #[error(transparent)]
    NoEngine(#[from] crate::engine::connect::ConnectError),
    /// The engine failed to do what it was asked.
    #[error("{doing}: {source}")]
    Engine {
        /// What topogen was doing: `list the containers`.
        doing: String,
        /// The refusal of the engine.
        source: Fault,
    },
    /// `exec` could not run a command in a container.
    #[error("{0}")]
    NotRun(String),
    /// Some operations failed; the rest is done.
    #[error("{message}")]
    Partial {
        /// What failed and what was left out, a line each.
        message: String,
        /// The ways out that are known, each once; empty if none is.
        hints: Vec<String>,
    },
    /// Interrupted by the user.
    #[error("{0}")]
    Interrupted(String),
    /// Another error, mostly of the file system.
    #[error("{}", chain(.0))]
    Other(#[from] anyhow::Error),
}

fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

impl Error {
    /// The engine's fault, and what topogen was doing: `look at the engine`.
    pub(crate) fn engine(what: &str) -> impl FnOnce(Fault) -> Self + use<'_> {
        move |source| Self::Engine {
            doing: format!("cannot {what}"),
            source,
        }
    }

    /// Some operations failed, and no special way out is known.
    pub(crate) fn partial(message: String) -> Self {
        Self::Partial {
            message,
            hints: Vec::new(),
        }
    }

    /// The exit code of the error.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Blueprint { problems, .. } if problems.are_usage() => Exit::Usage,
            Self::Blueprint { .. } => Exit::Blueprint,
            Self::Difference(_) => Exit::Difference,
            Self::Shown(exit) => *exit,
            Self::NoEngine(_)
            | Self::Engine {
                source: Fault::Lost(..),
                ..
            } => Exit::Engine,
            Self::NotRun(_) => Exit::Command(Exit::NOT_RUN),
            Self::Partial { .. } => Exit::Partial,
            Self::Interrupted(_) => Exit::Interrupted,
            Self::InTheWay { .. } | Self::Engine { .. } | Self::Other(_) => Exit::Unexpected,
        }
    }

    /// The ways out; empty if there is nothing to suggest.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Usage { hint, .. } => hint.lines().map(str::to_owned).collect(),
            Self::InTheWay { hints, .. } => hints.clone(),
            Self::NoEngine(error) => error.hints.clone(),
            Self::Interrupted(_) => vec!["the same command again finishes the job".to_owned()],
            Self::Partial { hints, .. } if !hints.is_empty() => hints.clone(),
            Self::Partial { .. } => vec!["mend what failed, and the same command again finishes the job".to_owned()],
            Self::Difference(_) => {
                vec!["`topogen render` writes them; `--force` over those changed by hand".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}
