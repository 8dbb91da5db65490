//! Why a file that a blueprint names was not read, in the words that are shown; some of them decide what is done about it.

/// Why there is nothing in a file that is not there.
pub const NO_FILE: &str = "no such file";
/// Why there is nothing in a directory.
pub const IS_DIRECTORY: &str = "it is a directory";
/// Why a file is not read that must lie in the blueprint's directory.
pub const LEADS_OUT: &str = "symbolic links lead from it out of the blueprint's directory";
