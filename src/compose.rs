//! What topogen knows of the Compose language: its keys, ports, references and terms.

pub mod kinds;
pub mod ports;
pub mod references;
pub mod table;
mod terms;
pub mod units;
pub mod uses;
pub mod volumes;

pub use terms::{Condition, ConfigKind};

/// The path in `seccomp=PATH`, an item of `security_opt`; `None` for other items and for profiles built into the
/// engine.
#[must_use]
pub fn seccomp_profile(option: &str) -> Option<&str> {
    let profile = option.strip_prefix("seccomp")?.strip_prefix(['=', ':'])?;
    (!["unconfined", "builtin"].contains(&profile)).then_some(profile)
}

/// Whether `path` is an absolute Windows path, which Compose accepts on any system: `C:\x`, `C:/x`, `\\.\pipe\x`.
#[must_use]
pub fn is_windows_path(path: &str) -> bool {
    let drive = path.starts_with(|c: char| c.is_ascii_alphabetic()) && matches!(path.get(1..3), Some(":\\" | ":/"));
    drive || path.starts_with("\\\\")
}

/// Whether `text`, the short form of a mount, begins with a Windows path. A volume may have a one-letter name, so
/// `c:/x` alone mounts the volume `c`, while in `c:/x:/y` it is a drive.
#[must_use]
pub fn mounts_of_windows(text: &str) -> bool {
    let target = text.split(':').nth(2).unwrap_or_default();
    let volume = text.get(1..3) == Some(":/") && !target.starts_with('/') && target.len() != 1;
    is_windows_path(text) && !volume
}
