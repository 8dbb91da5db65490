//! What can go wrong, the hint that goes with it, and the exit code that says so.

use std::process::ExitCode;

use crate::diagnostic::{Problems, Sources};
use crate::engine::fault::Fault;

/// How topogen ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Something unexpected.
    Unexpected,
    /// Wrong usage.
    Usage,
    /// The blueprint is invalid.
    Blueprint,
    /// A difference was found where none should be.
    Difference,
    /// The engine is out of reach.
    Engine,
    /// Applied in part.
    Partial,
    /// Interrupted.
    Interrupted,
    /// As the command ended that `exec` ran.
    Command(u8),
}

impl Exit {
    /// What `exec` says of a command that could not be run, as `docker run` does.
    pub const NOT_RUN: u8 = 125;
    /// What engines say of a command that is not there: a shell's words for it, and before API 1.50 those for one that
    /// cannot be executed.
    pub const NOT_THERE: [u8; 2] = [127, 126];

    /// The code of the process.
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

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Words on the command line that cannot be followed.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The blueprint has problems.
    #[error("the blueprint is invalid")]
    Blueprint {
        /// All of them.
        problems: Problems,
        /// The texts they point into.
        sources: Sources,
    },
    /// Something is in the way on disk or on the engine; nothing was changed.
    #[error("{}", .messages.join("\n"))]
    InTheWay {
        /// What, each in a line.
        messages: Vec<String>,
        /// What to do, each once.
        hints: Vec<String>,
    },
    /// `--check` found files out of date; what differs was printed.
    #[error("{0}")]
    Difference(String),
    /// What is wrong was printed as data already.
    #[error("")]
    Shown(Exit),
    /// No engine.
    #[error(transparent)]
    NoEngine(#[from] crate::engine::connect::ConnectError),
    /// The engine did not do what it was asked.
    #[error("{doing}: {source}")]
    Engine {
        /// What topogen was doing.
        doing: String,
        /// Why the engine did not.
        source: Fault,
    },
    /// A command could not be run in a container.
    #[error("{0}")]
    NotRun(String),
    /// Some operations failed; the rest is done.
    #[error("{0}")]
    Partial(String),
    /// Stopped by the user.
    #[error("{0}")]
    Interrupted(String),
    /// Anything else.
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

    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Blueprint { problems, .. } if problems.are_usage() => Exit::Usage,
            Self::Blueprint { .. } => Exit::Blueprint,
            Self::Difference(_) => Exit::Difference,
            Self::Shown(exit) => *exit,
            Self::NoEngine(_) => Exit::Engine,
            Self::NotRun(_) => Exit::Command(Exit::NOT_RUN),
            Self::Partial(_) => Exit::Partial,
            Self::Interrupted(_) => Exit::Interrupted,
            Self::InTheWay { .. } | Self::Engine { .. } | Self::Other(_) => Exit::Unexpected,
        }
    }

    /// What to do about it, where there is something to say.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Usage { hint, .. } => hint.lines().map(str::to_owned).collect(),
            Self::InTheWay { hints, .. } => hints.clone(),
            Self::NoEngine(error) => error.hints.clone(),
            Self::Interrupted(_) => vec!["the same command again finishes the job".to_owned()],
            Self::Partial(_) => vec!["mend what failed, and the same command again finishes the job".to_owned()],
            Self::Difference(_) => {
                vec!["`topogen render` writes them; `--force` over those changed by hand".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}
